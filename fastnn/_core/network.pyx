"""A network's layers bound to its parameter arena."""
from libc.stddef cimport ptrdiff_t
from libc.stdlib cimport calloc, free

from fastnn._core.arrays cimport bind_inputs, dtype_code, operations, output_pointer, pointer
from fastnn._core.blas cimport check_dimension
from fastnn._core.floating_mode cimport fastnn_flush_subnormals, fastnn_restore_mode
from fastnn._core.forkguard cimport begin_call, end_call
from fastnn._core.gemm cimport KernelPolicy
from fastnn._core.layer cimport Layer, Network
from fastnn._core.registry cimport FASTNN_FLOAT32, activation_code, csrc


cdef class BoundNetwork:
    def __dealloc__(self):
        free(self.net.layers)

    cdef int bind_network(self, int level, object architecture, object parameters, KernelPolicy policy,
                          bint writable, object parts) except -1:
        cdef Network *net = &self.net
        cdef Layer *last
        sizes = architecture.sizes if parts is None else parts.widths
        self.held = []
        net.dtype, net.policy = dtype_code(parameters.theta), policy
        net.itemsize = 4 if net.dtype == FASTNN_FLOAT32 else 8
        net.ops = operations(level, net.dtype)
        net.layers = make_layers(sizes, architecture.activations, parameters.row_major, net.itemsize)
        net.n_layers, net.widest, net.n_features = len(sizes) - 1, max(sizes[1:]), sizes[0]
        last = &net.layers[net.n_layers - 1]
        net.size = last.b // net.itemsize + last.n_out
        if parts is not None:
            net.size = self.bind_parts(parts, parameters.theta.size)
        if writable:
            net.theta = self.output(parameters.theta, (net.size,), "theta")
        else:
            net.theta = self.input(parameters.theta, (net.size,), "theta")
        return 0

    cdef ptrdiff_t bind_parts(self, object parts, ptrdiff_t size) except -1:
        cdef Network *net = &self.net
        cdef ptrdiff_t stop = net.size
        cdef int l, hidden = net.n_layers - 1
        if parts.table is not None:
            bind_inputs(&self.inputs, parts.table, parts.sizes, parts.offsets, size, self.held)
            if self.inputs.width != net.layers[0].n_in or self.inputs.first != stop:
                raise ValueError(f"the input stage must make {net.layers[0].n_in} rows, and its parameters follow the "
                                 f"biases, got {self.inputs.width} rows and parameters from {self.inputs.first} on")
            net.inputs, stop = &self.inputs, self.inputs.stop
            net.n_features, net.widest = self.inputs.n_columns, max(net.widest, self.inputs.width)
        if parts.n_features != net.n_features:
            raise ValueError(f"parts for {parts.n_features} columns of X do not fit a network of {net.n_features}")
        if len(parts.mixtures) not in (0, hidden):
            raise ValueError(f"need mixtures of {hidden} hidden layers, got {len(parts.mixtures)}")
        for l in range(len(parts.mixtures)):
            if parts.mixtures[l] != stop or not csrc.activations[net.layers[l].activation].by_units:
                raise ValueError(f"layer {l + 1} must have an activation of single units, and its mixture lie at "
                                 f"{stop} of the arena, got {parts.mixtures[l]}")
            net.layers[l].mixture, net.layers[l].needs_z = stop * net.itemsize, True
            stop += net.layers[l].n_out
        return stop

    cdef char *input(self, object array, tuple shape, str name) except NULL:
        return in_shape(pointer(array, self.net.dtype, -1, name, self.held), array, shape, name, "C")

    cdef char *output(self, object array, tuple shape, str name, str order="F") except NULL:
        return in_shape(output_pointer(array, self.net.dtype, -1, name, self.held), array, shape, name, order)

    cdef int enter(self) except -1:
        begin_call()
        if self.busy:
            end_call()
            raise RuntimeError("this plan is in use by another thread")
        self.busy = True
        self.callers_mode = fastnn_flush_subnormals()
        return 0

    cdef void leave(self) noexcept:
        fastnn_restore_mode(self.callers_mode)
        end_call()
        self.busy = False


cdef char *in_shape(char *address, object array, tuple shape, str name, str order) except NULL:
    if array.shape != shape or not array.flags[order]:
        raise ValueError(f"{name} must be {order}-ordered of shape {shape}, got shape {array.shape}")
    return address


# The layers with their offsets in an arena of all W, then all b. The caller frees the result.
cdef Layer *make_layers(object sizes, object activations, object row_major, ptrdiff_t itemsize) except NULL:
    cdef int L = len(sizes) - 1, l
    cdef ptrdiff_t offset = 0
    cdef Layer *layers
    if L < 1 or len(activations) != L or len(row_major) != L:
        raise ValueError("a network needs n[0], ..., n[L] with L >= 1, one activation and one order per layer")
    for l in range(L + 1):
        if check_dimension(sizes[l], f"n[{l}]") < 1:
            raise ValueError(f"n[{l}] must be at least 1, got {sizes[l]}")
    codes = [activation_code(name) for name in activations]
    orders = [bool(order) for order in row_major]
    if sum([(int(sizes[l]) + 1) * int(sizes[l + 1]) for l in range(L)]) > 2 ** 60 // itemsize:
        raise ValueError("the parameters do not fit in memory")
    layers = <Layer *>calloc(L, sizeof(Layer))
    if layers == NULL:
        raise MemoryError
    for l in range(L):
        layers[l].n_in, layers[l].n_out = sizes[l], sizes[l + 1]
        layers[l].activation, layers[l].row_major = codes[l], orders[l]
        layers[l].needs_z = csrc.activations[layers[l].activation].needs_z
        layers[l].input_scale = 1
        layers[l].W = offset
        offset += layers[l].n_in * layers[l].n_out * itemsize
    for l in range(L):
        layers[l].b = offset
        offset += layers[l].n_out * itemsize
    return layers
