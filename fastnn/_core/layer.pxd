# The products of one layer on bound buffers: forward, and both gradients. The storage order of W is a transpose flag:
# column-major (row_major = 0) holds W (n_out, n_in); row-major holds its transpose (n_in, n_out), column-major.
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint32_t

from fastnn._core.gemm cimport (
    BLAS, BLAS_ONLY, DOTS, TILES, KernelPolicy, fastest_kernel, multiply_by, vectors_bytes)
from fastnn._core.registry cimport (
    FASTNN_IDENTITY, FASTNN_RELU, FASTNN_SOFTMAX, fastnn_dropout, fastnn_epilogue, fastnn_inputs,
    fastnn_ops)
from fastnn._core.sparse cimport Csr
from fastnn._core.tuning cimport MAX_FILLED_EIGHTHS_ACROSS, MAX_UNITS_ACROSS, MIN_LANES_ACROSS

cdef struct Layer:
    ptrdiff_t n_in      # n[l-1]
    ptrdiff_t n_out     # n[l]
    int activation
    bint row_major
    bint needs_z        # the derivative is computed from Z; else from A, which overwrites Z
    bint frozen         # training leaves W and b as they are
    uint32_t threshold  # of dropout: rate * 2^32; 0 for none
    double input_scale  # 1 / (1 - the previous layer's dropout rate): a factor of A_prev in each product
    ptrdiff_t W         # offsets of W and b in a parameter or gradient arena, in bytes
    ptrdiff_t b
    ptrdiff_t mixture   # likewise of t (n_out), with which A = (1 - t) Z + t g(Z); 0 for A = g(Z)

# A network's layers on its parameter arena.
cdef struct Network:
    const fastnn_ops *ops
    KernelPolicy policy
    int dtype
    ptrdiff_t itemsize
    int n_layers
    Layer *layers       # (n_layers)
    ptrdiff_t size      # P: elements of the parameter arena
    ptrdiff_t n_features  # n[0], columns of X: the rows of A[0] unless there is an input stage
    const fastnn_inputs *inputs  # from X to A[0], or NULL: A[0] is X^T
    ptrdiff_t widest    # max n[l], l >= 1; with an input stage at least the rows of A[0]
    char *theta         # (P) IN, of a training plan IN/OUT


cdef inline int choose_kernel(const Network *net, bint transpose_A, bint transpose_B, ptrdiff_t n, ptrdiff_t m,
                              ptrdiff_t k, ptrdiff_t ldb) noexcept nogil:
    if net.policy == BLAS_ONLY:
        return BLAS
    return fastest_kernel(net.ops, net.dtype, transpose_A, transpose_B, n, m, k, ldb)


# The leading dimension of W as stored.
cdef inline ptrdiff_t stride_of_W(const Layer *layer) noexcept nogil:
    return layer.n_in if layer.row_major else layer.n_out


# ---- Forward

# Choose the kernel of Z = W A_prev for m examples.
cdef inline int linear_kernel(const Network *net, const Layer *layer, ptrdiff_t m) noexcept nogil:
    return choose_kernel(net, layer.row_major, False, layer.n_out, m, layer.n_in, layer.n_in)


# Rows first .. first + count of Z = W A_prev by the given kernel, which suits all rows; with the epilogue, if any.
cdef inline void linear_units(
    int kernel, const Network *net, const Layer *layer, ptrdiff_t first, ptrdiff_t count, ptrdiff_t m,
    const char *A_prev,            # IN (n_in, m)
    char *Z,                       # OUT (n_out, m): `count` of its rows
    const fastnn_epilogue *epilogue,  # IN, for these units, or NULL
) noexcept nogil:
    multiply_by(kernel, net.ops, net.dtype, layer.row_major, False, count, m, layer.n_in, layer.input_scale,
                net.theta + layer.W + first * (layer.n_in if layer.row_major else 1) * net.itemsize,
                stride_of_W(layer), A_prev, layer.n_in, Z + first * net.itemsize, layer.n_out, epilogue)


# Whether the kernel can apply this activation as its epilogue, before Z leaves the registers.
cdef inline bint has_epilogue(int kernel, int activation) noexcept nogil:
    return (kernel == TILES or kernel == DOTS) and (activation == FASTNN_RELU or activation == FASTNN_IDENTITY)


# A = g(Z + b), or the layer's mixture of it with Z + b.
cdef inline void activate(
    const Network *net, const Layer *layer, int activation, ptrdiff_t m,
    char *Z,                        # IN (n_out, m) W A_prev; OUT Z + b unless A is Z
    char *A,                        # OUT (n_out, m), may be Z without a mixture
    const fastnn_dropout *dropout,  # IN, or NULL
    ptrdiff_t first,                # as for linear_activate
) noexcept nogil:
    if layer.mixture:
        net.ops.activate_mixed(activation, layer.n_out, m, net.theta + layer.b, net.theta + layer.mixture, Z, A,
                               dropout, first)
    else:
        net.ops.activate(activation, layer.n_out, m, net.theta + layer.b, Z, A, dropout, first)


# Z = W A_prev and A = g(Z + b), in one go if the kernel has an epilogue for g.
cdef inline void linear_activate(
    int kernel, const Network *net, const Layer *layer, int activation, ptrdiff_t m,
    const char *A_prev,             # IN (n_in, m)
    char *Z,                        # OUT (n_out, m)
    char *A,                        # OUT (n_out, m), may be Z
    const fastnn_dropout *dropout,  # IN, or NULL
    ptrdiff_t first,                # position of Z's first element in the mini-batch, for dropout
    int *finite = NULL,             # OUT, of tiles with an epilogue: cleared if A_prev may not be finite; or NULL
) noexcept nogil:
    cdef fastnn_epilogue epilogue
    if has_epilogue(kernel, activation) and Z == A and dropout == NULL:  # Z is not A of a mixture
        epilogue.bias, epilogue.column_bias, epilogue.relu_mask_source = net.theta + layer.b, NULL, NULL
        epilogue.relu, epilogue.finite = activation == FASTNN_RELU, finite
        linear_units(kernel, net, layer, 0, layer.n_out, m, A_prev, Z, &epilogue)
    else:
        linear_units(kernel, net, layer, 0, layer.n_out, m, A_prev, Z, NULL)
        activate(net, layer, activation, m, Z, A, dropout, first)


# Whether to vectorise the output layer over examples instead of units: worthwhile if the units would leave at least
# 1/8 of the lanes idle. For the units of a single tile the dot kernel is faster; 4 lanes gain too little.
cdef inline bint outputs_across(const Network *net) noexcept nogil:
    cdef ptrdiff_t n = net.layers[net.n_layers - 1].n_out, lanes = net.ops.vector // net.itemsize
    return (lanes >= MIN_LANES_ACROSS and net.ops.dots_tile_rows < n <= MAX_UNITS_ACROSS
            and 8 * n * net.itemsize <= MAX_FILLED_EIGHTHS_ACROSS * vectors_bytes(net.ops, n * net.itemsize))


# `linear_activate` vectorised over examples, Z^T = A_prev^T W^T; bitwise identical to that by tiles.
cdef inline void linear_activate_across(
    const Network *net, const Layer *layer, int activation, ptrdiff_t m,
    const char *A_prev,  # IN (n_in, m)
    char *Z,             # scratch (m, n_out)
    char *A,             # OUT (n_out, m)
) noexcept nogil:
    cdef fastnn_epilogue epilogue
    epilogue.bias, epilogue.column_bias = NULL, net.theta + layer.b
    epilogue.relu_mask_source, epilogue.finite = NULL, NULL
    epilogue.relu = activation == FASTNN_RELU
    net.ops.multiply(True, not layer.row_major, m, layer.n_out, layer.n_in, layer.input_scale, A_prev, layer.n_in,
                     net.theta + layer.W, stride_of_W(layer), Z, m, &epilogue)
    if activation == FASTNN_SOFTMAX:
        net.ops.softmax_across(layer.n_out, m, Z, A)
        return
    if not has_epilogue(TILES, activation):
        net.ops.activate(activation, m, layer.n_out, NULL, Z, Z, NULL, 0)
    net.ops.gather(layer.n_out, m, Z, 1, m, NULL, A)


# Z = W X^T and A = g(Z + b) for the rows order[0 .. m] of a sparse X, or its rows 0 .. m. W is column-major.
cdef inline void sparse_linear_activate(
    const Network *net, const Layer *layer, int activation, ptrdiff_t m,
    const Csr *X,
    const int64_t *order,           # IN (m), or NULL
    char *Z,                        # OUT (n_out, m)
    char *A,                        # OUT (n_out, m), may be Z
    const fastnn_dropout *dropout,  # IN, or NULL
    ptrdiff_t first,                # as for linear_activate
    int *finite = NULL,             # OUT cleared if X may not be finite: it makes every unit of Z so; or NULL
) noexcept nogil:
    net.ops.sparse_linear(layer.n_out, m, net.theta + layer.W, X.values, X.columns, X.bounds, order, Z)
    if finite != NULL and not net.ops.all_finite(m, 1, Z, 0, layer.n_out):
        finite[0] = False
    activate(net, layer, activation, m, Z, A, dropout, first)


# ---- Backward

# Entries first .. first + count of the longer dimension of W as stored, in dW = scale dZ A_prev^T.
cdef inline void weight_gradient_part(
    const Network *net, const Layer *layer, ptrdiff_t first, ptrdiff_t count, ptrdiff_t m, double scale,
    const char *dZ,      # IN (n_out, m)
    const char *A_prev,  # IN (n_in, m)
    char *gradient,      # OUT gradient arena, at layer.W
) noexcept nogil:
    cdef ptrdiff_t rows = stride_of_W(layer), columns = layer.n_out if layer.row_major else layer.n_in
    cdef const char *left = A_prev if layer.row_major else dZ
    cdef const char *right = dZ if layer.row_major else A_prev
    cdef char *out = gradient + layer.W
    cdef int kernel = choose_kernel(net, False, True, rows, columns, m, columns)
    scale *= layer.input_scale
    if columns >= rows:
        multiply_by(kernel, net.ops, net.dtype, False, True, rows, count, m, scale, left, rows,
                    right + first * net.itemsize, columns, out + first * rows * net.itemsize, rows, NULL)
    else:
        multiply_by(kernel, net.ops, net.dtype, False, True, count, columns, m, scale, left + first * net.itemsize,
                    rows, right, columns, out + first * net.itemsize, rows, NULL)


# dW = scale dZ A_prev^T
cdef inline void weight_gradient(
    const Network *net, const Layer *layer, ptrdiff_t m, double scale,
    const char *dZ,      # IN (n_out, m)
    const char *A_prev,  # IN (n_in, m)
    char *gradient,      # OUT gradient arena, at layer.W
) noexcept nogil:
    weight_gradient_part(net, layer, 0, max(layer.n_in, layer.n_out), m, scale, dZ, A_prev, gradient)


# dW = scale dZ X for the rows order[0 .. m] of a sparse X, or its rows 0 .. m.
cdef inline void sparse_weight_gradient(
    const Network *net, const Layer *layer, ptrdiff_t m, double scale,
    const char *dZ,        # IN (n_out, m)
    const Csr *X,
    const int64_t *order,  # IN (m), or NULL
    char *gradient,        # OUT gradient arena, at layer.W
) noexcept nogil:
    net.ops.sparse_weight_gradient(layer.n_out, m, layer.n_in, scale, dZ, X.values, X.columns, X.bounds, order,
                                   gradient + layer.W)


# Choose the kernel of dZ_prev = W^T dZ for m examples.
cdef inline int backward_kernel(const Network *net, const Layer *layer, ptrdiff_t m) noexcept nogil:
    return choose_kernel(net, not layer.row_major, False, layer.n_in, m, layer.n_out, layer.n_out)


# Whether the kernel can apply the derivative of `previous` before dZ_prev leaves the registers.
cdef inline bint has_backward_epilogue(int kernel, const Layer *previous) noexcept nogil:
    return kernel == TILES and previous.activation == FASTNN_RELU and not (previous.threshold or previous.mixture)


# Units first .. first + count of dZ_prev = W^T dZ by the given kernel; if that has an epilogue, times relu's
# derivative, and db_prev = scale * its sum over the examples. Else `activation_gradient` has to follow.
cdef inline void linear_backward_units(
    int kernel, const Network *net, const Layer *layer, const Layer *previous, ptrdiff_t first, ptrdiff_t count,
    ptrdiff_t m, double scale,
    const char *dZ,      # IN (n_out, m)
    const char *A_prev,  # IN (n_in, m)
    char *dZ_prev,       # OUT (n_in, m): `count` of its rows
    char *gradient,      # OUT gradient arena, at previous.b
) noexcept nogil:
    cdef fastnn_epilogue epilogue
    cdef const fastnn_epilogue *applied = NULL
    cdef bint transpose = not layer.row_major
    cdef ptrdiff_t stride = stride_of_W(layer), offset = first * net.itemsize
    if has_backward_epilogue(kernel, previous):
        epilogue.bias, epilogue.column_bias, epilogue.relu, epilogue.finite = NULL, NULL, False, NULL
        epilogue.relu_mask_source, epilogue.sums = A_prev + offset, gradient + previous.b + offset
        epilogue.scale = scale
        applied = &epilogue
    multiply_by(kernel, net.ops, net.dtype, transpose, False, count, m, layer.n_out, layer.input_scale,
                net.theta + layer.W + offset * (stride if transpose else 1), stride, dZ, layer.n_out,
                dZ_prev + offset, layer.n_in, applied)


# dZ = dZ * g'(Z) and db = scale * its sum over the examples; of a mixture also dt
cdef inline void activation_gradient(
    const Network *net, const Layer *layer, ptrdiff_t m, double scale,
    const char *Z,   # IN (n_out, m)
    const char *A,   # IN (n_out, m)
    char *dZ,        # IN/OUT (n_out, m)
    char *gradient,  # OUT gradient arena, at layer.b and layer.mixture
) noexcept nogil:
    if layer.mixture:
        net.ops.activate_mixed_backward(layer.activation, layer.n_out, m, net.theta + layer.mixture, Z,
                                        A if layer.threshold else NULL, dZ, scale, gradient + layer.b,
                                        gradient + layer.mixture)
        return
    net.ops.activate_backward(layer.activation, layer.n_out, m, Z if layer.needs_z else A,
                              A if layer.threshold else NULL, dZ, scale, gradient + layer.b)


# dZ_prev and db_prev of all units.
cdef inline void linear_activate_backward(
    const Network *net, const Layer *layer, const Layer *previous, ptrdiff_t m, double scale,
    const char *dZ,      # IN (n_out, m)
    const char *Z_prev,  # IN (n_in, m)
    const char *A_prev,  # IN (n_in, m)
    char *dZ_prev,       # OUT (n_in, m)
    char *gradient,      # OUT gradient arena, at previous.b
) noexcept nogil:
    cdef int kernel = backward_kernel(net, layer, m)
    linear_backward_units(kernel, net, layer, previous, 0, layer.n_in, m, scale, dZ, A_prev, dZ_prev, gradient)
    if not has_backward_epilogue(kernel, previous):
        activation_gradient(net, previous, m, scale, Z_prev, A_prev, dZ_prev, gradient)


# ---- The input stage

# The gradients of its parameters, from dZ of the first layer; dA[0] = W[1]^T dZ comes first.
cdef inline void inputs_backward(
    const Network *net, ptrdiff_t m, double scale,
    const char *X,   # IN (n[0], m)
    const char *dZ,  # IN (n[1], m)
    char *dA,        # OUT (rows of A[0], m)
    char *gradient,  # OUT gradient arena, at the parameters of the input stage
) noexcept nogil:
    cdef const Layer *layer = &net.layers[0]
    multiply_by(backward_kernel(net, layer, m), net.ops, net.dtype, not layer.row_major, False, layer.n_in, m,
                layer.n_out, layer.input_scale, net.theta + layer.W, stride_of_W(layer), dZ, layer.n_out, dA,
                layer.n_in, NULL)
    net.ops.embed_backward(net.inputs, m, X, net.theta, dA, scale, gradient)
