"""The forward and backward pass of one shard."""
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t, int64_t

from fastnn._core.dense cimport (
    Csr, Layer, linear_activate, linear_activate_backward, linear_kernel, rows_in_range, sparse_linear,
    sparse_weight_gradient, weight_gradient)
from fastnn._core.registry cimport FASTNN_CROSS_ENTROPY, FASTNN_FLOAT32, FASTNN_IDENTITY, fastnn_dropout


cdef bint examples_in_range(const Bound *bound, ptrdiff_t start, ptrdiff_t stop) noexcept nogil:
    cdef ptrdiff_t j
    cdef Csr rows
    if bound.order != NULL:
        for j in range(start, stop):
            if not 0 <= bound.order[j] < bound.rows:
                return False
    if bound.X != NULL:
        return True
    rows = sparse_rows(bound, start)
    return rows_in_range(&rows, bound.layers[0].n_in, stop - start, order_from(bound, start))


# The caller's sparse X from row `start` on, or from its beginning where an order names the rows.
cdef Csr sparse_rows(const Bound *bound, ptrdiff_t start) noexcept nogil:
    cdef Csr rows = bound.sparse_X
    if bound.order == NULL:
        rows.bounds += start
    return rows


cdef const int64_t *order_from(const Bound *bound, ptrdiff_t start) noexcept nogil:
    return NULL if bound.order == NULL else bound.order + start


cdef double total_weight(const Bound *bound, ptrdiff_t start, ptrdiff_t count) noexcept nogil:
    cdef ptrdiff_t j, row
    cdef double total = 0
    if bound.weights == NULL:
        return count
    for j in range(start, start + count):
        row = bound.order[j] if bound.order != NULL else j
        total += (<float *>bound.weights)[row] if bound.dtype == FASTNN_FLOAT32 else (<double *>bound.weights)[row]
    return total


cdef double shard_pass(const Bound *bound, int s, int S, ptrdiff_t start, ptrdiff_t count,
                       double weight) noexcept nogil:
    cdef ptrdiff_t first = s * count // S, m = (s + 1) * count // S - first, n, item = bound.itemsize
    cdef int L = bound.n_layers, dtype = bound.dtype, l
    cdef bint sparse = bound.X == NULL
    cdef char *X = NULL if sparse else columns_of_X(bound, start, first, m)
    cdef Csr rows = sparse_rows(bound, start + first)
    cdef const int64_t *order = order_from(bound, start + first)
    cdef char *gradient = bound.gradients + s * bound.size * item
    cdef double scale = 1 / weight if weight != 0 else 0, loss
    cdef char *A_prev = X
    cdef char *Z = NULL
    cdef char *A = NULL
    cdef char *dZ
    cdef char *dA
    cdef const Layer *layer
    cdef fastnn_dropout dropout
    cdef fastnn_dropout *drops
    dropout.key[0], dropout.key[1] = bound.key[0], bound.key[1]
    for l in range(L):
        layer = &bound.layers[l]
        Z = bound.Z[l] + first * layer.n_out * item
        A = bound.A[l] + first * layer.n_out * item
        dropout.stream, dropout.threshold = l, layer.threshold
        drops = &dropout if layer.threshold else NULL
        if l == 0 and sparse:
            sparse_linear(bound.ops, layer, m, bound.theta, &rows, order, Z)
            bound.ops.activate(layer.activation, layer.n_out, m, bound.theta + layer.b, Z, A, drops,
                               first * layer.n_out)
        else:
            linear_activate(linear_kernel(bound.ops, dtype, layer, m), bound.ops, dtype, layer, layer.activation, m,
                            bound.theta, A_prev, Z, A, drops, first * layer.n_out)
        A_prev = A

    layer = &bound.layers[L - 1]
    n = layer.n_out
    dZ = dZ_of(bound, L - 1, first)
    loss = bound.ops.loss(&bound.loss, n, m, A, columns_of_Y(bound, start, first, m),
                          weights_of(bound, start, first, m), dZ)
    if layer.activation == FASTNN_IDENTITY:
        bound.ops.sum_columns(n, m, dZ, scale, gradient + layer.b)
    else:
        bound.ops.activate_backward(layer.activation, n, m, Z if layer.keeps_z else A, NULL, dZ, scale,
                                    gradient + layer.b)

    for l in range(L - 1, 0, -1):
        layer = &bound.layers[l]
        n = layer.n_in
        A_prev = bound.A[l - 1] + first * n * item
        weight_gradient(bound.ops, dtype, layer, m, scale, dZ, A_prev, gradient)
        dA = dZ_of(bound, l - 1, first)
        Z = bound.Z[l - 1] + first * n * item
        linear_activate_backward(bound.ops, dtype, layer, &bound.layers[l - 1], m, scale, bound.theta, dZ, Z, A_prev,
                                 dA, gradient)
        dZ = dA
    if sparse:
        sparse_weight_gradient(bound.ops, &bound.layers[0], m, scale, dZ, &rows, order, gradient)
    else:
        weight_gradient(bound.ops, dtype, &bound.layers[0], m, scale, dZ, X, gradient)
    return loss


# Where the shard's columns of dZ[l] are. The loss's derivative goes over A[L], unless g' still needs it.
cdef char *dZ_of(const Bound *bound, int l, ptrdiff_t first) noexcept nogil:
    cdef const Layer *layer = &bound.layers[l]
    if l == bound.n_layers - 1 and layer.activation == FASTNN_IDENTITY:
        return bound.A[l] + first * layer.n_out * bound.itemsize
    return bound.dZ[l] + first * bound.widest * bound.itemsize


# Where the mini-batch's X is: in place where rows follow each other so, else where it is gathered.
cdef char *place_of_X(const Bound *bound, ptrdiff_t start) noexcept nogil:
    cdef ptrdiff_t n = bound.layers[0].n_in
    if bound.order == NULL and bound.column_stride == 1 and bound.row_stride == n:
        return bound.X + start * n * bound.itemsize
    return bound.batch_X


# The shard's columns of X.
cdef char *columns_of_X(const Bound *bound, ptrdiff_t start, ptrdiff_t first, ptrdiff_t m) noexcept nogil:
    cdef ptrdiff_t n = bound.layers[0].n_in, row = start + first
    cdef char *out = place_of_X(bound, start)
    cdef bint in_place = out != bound.batch_X
    out += first * n * bound.itemsize
    if in_place:
        return out
    if bound.order != NULL:
        bound.ops.gather(n, m, bound.X, bound.row_stride, bound.column_stride, bound.order + row, out)
    else:
        bound.ops.gather(n, m, bound.X + row * bound.row_stride * bound.itemsize, bound.row_stride, bound.column_stride,
                         NULL, out)
    return out


cdef char *columns_of_Y(const Bound *bound, ptrdiff_t start, ptrdiff_t first, ptrdiff_t m) noexcept nogil:
    cdef ptrdiff_t n = bound.layers[bound.n_layers - 1].n_out, row = start + first, j
    cdef ptrdiff_t width = sizeof(int32_t) if bound.loss.kind == FASTNN_CROSS_ENTROPY else n * bound.itemsize
    cdef const int64_t *order
    if bound.order == NULL:
        return bound.Y + row * width
    order = bound.order + row
    if bound.loss.kind == FASTNN_CROSS_ENTROPY:
        for j in range(m):
            (<int32_t *>bound.batch_Y)[first + j] = (<int32_t *>bound.Y)[order[j]]
    else:
        bound.ops.gather(n, m, bound.Y, n, 1, order, bound.batch_Y + first * width)
    return bound.batch_Y + first * width


cdef char *weights_of(const Bound *bound, ptrdiff_t start, ptrdiff_t first, ptrdiff_t m) noexcept nogil:
    cdef ptrdiff_t row = start + first
    if bound.weights == NULL:
        return NULL
    if bound.order == NULL:
        return bound.weights + row * bound.itemsize
    bound.ops.gather(1, m, bound.weights, 1, 1, bound.order + row, bound.batch_weights + first * bound.itemsize)
    return bound.batch_weights + first * bound.itemsize
