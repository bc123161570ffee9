"""What a training run is bound to: the network, its data and the caches of a mini-batch, checked once."""
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from libc.stdlib cimport calloc, free

from fastnn._core.arrays cimport (
    arena_size, bind_csr, dtype_code, index_pointer, make_layers, operations, output_index_pointer, output_pointer,
    pointer, rows_pointer)
from fastnn._core.blas cimport check_dimension
from fastnn._core.registry cimport (
    FASTNN_CROSS_ENTROPY, FASTNN_FLOAT32, FASTNN_IDENTITY, FASTNN_LOSSES, FASTNN_RULES, FASTNN_SOFTMAX, csrc,
    fastnn_loss)
from fastnn._core.shard cimport Bound


cdef class BoundRun:
    def __dealloc__(self):
        free(self.bound.layers)
        free(self.bound.Z)

    cdef int bind_network(self, int level, object sizes, object activations, object row_major, fastnn_loss loss,
                          object theta, object gradients, bint blas) except -1:
        cdef Bound *bound = &self.bound
        self.held = []
        if not 0 <= loss.kind < FASTNN_LOSSES:
            raise ValueError("unknown loss code")
        bound.dtype, bound.loss, bound.n_layers = dtype_code(theta), loss, len(sizes) - 1
        bound.itemsize = 4 if bound.dtype == FASTNN_FLOAT32 else 8
        self.ops = operations(level, bound.dtype)[0]
        if blas:
            self.ops.multiply = NULL
        bound.ops = &self.ops
        bound.layers = make_layers(sizes, activations, row_major, bound.itemsize)
        bound.widest = max(sizes[1:])
        if csrc.losses[loss.kind].from_z:
            bound.layers[bound.n_layers - 1].activation = FASTNN_IDENTITY
        bound.size = arena_size(bound.layers, bound.n_layers, bound.itemsize)
        bound.theta = self.output(theta, (bound.size,), "theta")
        self.n_shards = check_dimension(len(gradients), "the number of shards")
        bound.gradients = self.output(gradients, (max(1, self.n_shards), bound.size), "gradients", "C")
        return 0

    cdef int bind_update(self, int rule, object arenas, object step_count, dict hyperparameters) except -1:
        cdef Bound *bound = &self.bound
        cdef int needed, s
        if not 0 <= rule < FASTNN_RULES:
            raise ValueError("unknown rule code")
        needed = csrc.rules[rule].states
        if len(arenas) != needed:
            raise ValueError(f"this rule needs {needed} state arenas, got {len(arenas)}")
        for s in range(needed):
            self.states[s] = self.output(arenas[s], (bound.size,), "an optimiser state")
        self.step_count = <int64_t *>output_index_pointer(step_count, 8, 1, "step_count", self.held)
        self.rule = self.settings.rule = rule
        self.settings.momentum = hyperparameters.get("momentum", 0.0)
        self.settings.beta_1 = hyperparameters.get("beta_1", 0.0)
        self.settings.beta_2 = hyperparameters.get("beta_2", 0.0)
        self.settings.epsilon = hyperparameters.get("epsilon", 0.0)
        self.settings.l2 = hyperparameters.get("l2", 0.0)
        self.settings.l1 = hyperparameters.get("l1", 0.0)
        self.settings.shrink = self.settings.clip = 1
        self.settings.weight_decay = hyperparameters.get("weight_decay", 0.0)
        self.clip_norm = hyperparameters.get("clip_norm", 0.0)
        self.settings.n_decayed = bound.layers[0].b // bound.itemsize  # the biases follow the weights
        self.settings.size = bound.size
        return 0

    cdef int bind_dropout(self, object dropout, object seed) except -1:
        cdef Bound *bound = &self.bound
        cdef int l
        cdef uint64_t bits = seed
        cdef double rate
        self.seed[0], self.seed[1] = <uint32_t>bits, <uint32_t>(bits >> 32)
        if len(dropout) not in (0, bound.n_layers - 1):
            raise ValueError(f"need a dropout rate for each of {bound.n_layers - 1} hidden layers, got {len(dropout)}")
        for l in range(len(dropout)):
            rate = dropout[l]
            if not 0 <= rate < 1 or rate and bound.layers[l].activation == FASTNN_SOFTMAX:
                raise ValueError("a dropout rate must be from 0 to below 1, and 0 for softmax")
            bound.layers[l].threshold = <uint32_t>(rate * 4294967296.0)
            bound.layers[l + 1].input_scale = 1 / (1 - rate)
            self.drops |= bound.layers[l].threshold != 0
        return 0

    cdef int bind_data(self, object X, object Y, object weights, object order) except -1:
        cdef Bound *bound = &self.bound
        cdef ptrdiff_t n_out = bound.layers[bound.n_layers - 1].n_out
        if isinstance(X, tuple):
            bound.rows = bind_csr(X, bound.dtype, &bound.sparse_X, self.held)
            if bound.layers[0].row_major:
                raise ValueError("a sparse X needs W[1] column-major")
        else:
            bound.X = rows_pointer(X, bound.dtype, bound.layers[0].n_in, &bound.row_stride, &bound.column_stride,
                                   self.held)
            bound.rows = X.shape[0]
        if bound.loss.kind == FASTNN_CROSS_ENTROPY:
            bound.Y = index_pointer(Y, 4, bound.rows, "labels", self.held)
        else:
            bound.Y = self.input(Y, (bound.rows, n_out), "Y")
        if weights is not None:
            bound.weights = self.input(weights, (bound.rows,), "weights")
        bound.positions = bound.rows
        if order is not None:
            if order.ndim != 1:
                raise ValueError(f"order must be of shape (positions,), got {order.shape}")
            bound.positions = order.size
            bound.order = <int64_t *>index_pointer(order, 8, bound.positions, "order", self.held)
        return 0

    cdef int bind_caches(self, object Z, object A, object dZ, object batch) except -1:
        cdef Bound *bound = &self.bound
        cdef int L = bound.n_layers, l
        if len(Z) != L or len(A) != L or len(dZ) != 2 or len(batch) != 3:
            raise ValueError(f"need {L} matrices Z and A, 2 of scratch and 3 for the batch")
        dtype_code(Z[0])
        cdef ptrdiff_t m = check_dimension(Z[0].size // bound.layers[0].n_out, "the batch size")
        bound.max_batch = m
        bound.Z = <char **>calloc(3 * L, sizeof(char *))
        if bound.Z == NULL:
            raise MemoryError
        bound.A, bound.dZ = bound.Z + L, bound.Z + 2 * L
        for l in range(L):
            bound.Z[l] = self.output(Z[l], (bound.layers[l].n_out, m), f"Z[{l + 1}]")
            bound.A[l] = self.output(A[l], (bound.layers[l].n_out, m), f"A[{l + 1}]")
            if bound.A[l] == bound.Z[l] and bound.layers[l].keeps_z:
                raise ValueError(f"layer {l + 1} needs Z and A apart")
            bound.dZ[l] = self.output(dZ[l % 2], (bound.widest, m), "dZ")
        if batch[0] is not None:
            bound.batch_X = self.output(batch[0], (bound.layers[0].n_in, m), "batch X")
        if batch[1] is not None and bound.loss.kind == FASTNN_CROSS_ENTROPY:
            bound.batch_Y = output_index_pointer(batch[1], 4, m, "batch labels", self.held)
        elif batch[1] is not None:
            bound.batch_Y = self.output(batch[1], (bound.layers[L - 1].n_out, m), "batch Y")
        if batch[2] is not None:
            bound.batch_weights = self.output(batch[2], (m,), "batch weights")
        cdef bint shuffled = bound.order != NULL
        cdef bint in_place = (bound.X == NULL
                              or not shuffled and bound.column_stride == 1 and bound.row_stride == bound.layers[0].n_in)
        if (not in_place and bound.batch_X == NULL or shuffled and bound.batch_Y == NULL
                or shuffled and bound.weights != NULL and bound.batch_weights == NULL):
            raise ValueError("examples that are not read in place need batch buffers")
        return 0

    cdef char *input(self, object array, tuple shape, str name) except NULL:
        return self.in_shape(pointer(array, self.bound.dtype, -1, name, self.held), array, shape, name, "C")

    cdef char *output(self, object array, tuple shape, str name, str order="F") except NULL:
        return self.in_shape(output_pointer(array, self.bound.dtype, -1, name, self.held), array, shape, name, order)

    cdef char *in_shape(self, char *address, object array, tuple shape, str name, str order) except NULL:
        if array.shape != shape or not array.flags[order]:
            raise ValueError(f"{name} must be {order}-ordered of shape {shape}, got shape {array.shape}")
        return address
