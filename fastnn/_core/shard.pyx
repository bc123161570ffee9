"""The forward and backward pass of one shard."""
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t, int64_t

from fastnn._core.layer cimport (
    Layer, Network, inputs_backward, linear_activate, linear_activate_backward, linear_kernel,
    sparse_linear_activate, sparse_weight_gradient, weight_gradient)
from fastnn._core.registry cimport FASTNN_FLOAT32, FASTNN_IDENTITY, csrc, fastnn_dropout
from fastnn._core.sparse cimport Csr, rows_in_range
from fastnn._core.tuning cimport CHECKED_BLOCK_BYTES

cdef bint examples_in_range(const TrainingBuffers *run, ptrdiff_t start, ptrdiff_t stop) noexcept nogil:
    cdef ptrdiff_t j
    cdef Csr rows
    if run.order != NULL:
        for j in range(start, stop):
            if not 0 <= run.order[j] < run.rows:
                return False
    if run.X != NULL:
        return True
    rows = sparse_rows(run, start)
    return rows_in_range(&rows, run.net.n_features, stop - start, order_from(run, start))


cdef double total_weight(const TrainingBuffers *run, ptrdiff_t start, ptrdiff_t count) noexcept nogil:
    cdef ptrdiff_t i, j, row, width = run.weight_width
    cdef double total = 0
    cdef char *weights = run.sample_weight
    if weights == NULL:
        return count
    for j in range(start, start + count):
        row = run.order[j] if run.order != NULL else j
        for i in range(row * width, (row + 1) * width):
            total += (<float *>weights)[i] if run.net.dtype == FASTNN_FLOAT32 else (<double *>weights)[i]
    return total / width


cdef Shard make_shard(const TrainingBuffers *run, int s, int S, ptrdiff_t start, ptrdiff_t count,
                      double weight) noexcept nogil:
    cdef Shard shard
    shard.column = s * count // S
    shard.m = (s + 1) * count // S - shard.column
    shard.position = start + shard.column
    shard.scale = 1 / weight if weight != 0 else 0
    shard.gradient = run.gradients
    shard.order = order_from(run, shard.position)
    shard.rows = sparse_rows(run, shard.position)
    shard.X = NULL if run.X == NULL else X_of(run, &shard)
    shard.A0 = shard.X if run.net.inputs == NULL else columns(run, run.A0, run.net.inputs.width, &shard)
    return shard


cdef double shard_pass(const TrainingBuffers *run, int s, int S, ptrdiff_t start, ptrdiff_t count,
                       double weight) noexcept nogil:
    cdef Shard shard = make_shard(run, s, S, start, count, weight)
    cdef double loss
    shard.gradient += s * run.net.size * run.net.itemsize
    gather_X(run, &shard)
    forward(run, &shard)
    loss = output_gradient(run, &shard)
    backward(run, &shard)
    return loss


# ---- Forward: Z[l] and A[l] of every layer

cdef void forward(const TrainingBuffers *run, const Shard *shard) noexcept nogil:
    cdef const Network *net = run.net
    cdef const Layer *layer
    cdef char *A_prev = shard.A0
    cdef char *Z
    cdef char *A
    cdef int l
    cdef ptrdiff_t first
    cdef fastnn_dropout dropout
    cdef fastnn_dropout *drops
    cdef int finite
    if net.inputs != NULL:
        net.ops.embed(net.inputs, shard.m, shard.X, net.theta, A_prev)
    dropout.key[0], dropout.key[1] = run.dropout_key[0], run.dropout_key[1]
    for l in range(net.n_layers):
        layer = &net.layers[l]
        Z, A = columns(run, run.Z[l], layer.n_out, shard), columns(run, run.A[l], layer.n_out, shard)
        first = shard.column * layer.n_out
        dropout.stream, dropout.threshold = l, layer.threshold
        drops = &dropout if layer.threshold else NULL
        if A_prev == NULL:
            finite = True
            sparse_linear_activate(net, layer, layer.activation, shard.m, &shard.rows, shard.order, Z, A, drops, first,
                                   &finite if run.finite != NULL else NULL)
            if not finite and not sparse_values_finite(run, shard):
                run.finite[0] = False
        else:
            linear_activate(linear_kernel(net, layer, shard.m), net, layer, layer.activation, shard.m, A_prev, Z, A,
                            drops, first)
        A_prev = A


# ---- Loss: returns its sum; fills dZ[L] and db[L]

cdef double output_gradient(const TrainingBuffers *run, const Shard *shard) noexcept nogil:
    cdef const Network *net = run.net
    cdef int L = net.n_layers
    cdef const Layer *layer = &net.layers[L - 1]
    cdef ptrdiff_t n = layer.n_out
    cdef char *A = columns(run, run.A[L - 1], n, shard)
    cdef char *dZ = dZ_of(run, L - 1, shard)
    cdef double loss = net.ops.loss(&run.loss, n, shard.m, A, gather_Y(run, shard), gather_sample_weight(run, shard),
                                    dZ)
    if layer.activation == FASTNN_IDENTITY:
        net.ops.sum_columns(n, shard.m, dZ, shard.scale, shard.gradient + layer.b)
    else:
        net.ops.activate_backward(layer.activation, n, shard.m,
                                  columns(run, run.Z[L - 1], n, shard) if layer.needs_z else A, NULL, dZ,
                                  shard.scale, shard.gradient + layer.b)
    return loss


# ---- Backward: dW[l] of every layer that is not frozen, dZ and db of the layers before, down to the lowest of these
# or, with an input stage, to its parameters

cdef void backward(const TrainingBuffers *run, const Shard *shard) noexcept nogil:
    cdef const Network *net = run.net
    cdef const Layer *layer
    cdef char *dZ = dZ_of(run, net.n_layers - 1, shard)
    cdef char *dZ_prev
    cdef char *A_prev
    cdef int l
    for l in range(net.n_layers - 1, run.lowest, -1):
        layer = &net.layers[l]
        A_prev, dZ_prev = columns(run, run.A[l - 1], layer.n_in, shard), dZ_of(run, l - 1, shard)
        if not layer.frozen:
            weight_gradient(net, layer, shard.m, shard.scale, dZ, A_prev, shard.gradient)
        linear_activate_backward(net, layer, &net.layers[l - 1], shard.m, shard.scale, dZ,
                                 columns(run, run.Z[l - 1], layer.n_in, shard), A_prev, dZ_prev, shard.gradient)
        dZ = dZ_prev
    if run.lowest > 0:
        layer = &net.layers[run.lowest]
        weight_gradient(net, layer, shard.m, shard.scale, dZ, columns(run, run.A[run.lowest - 1], layer.n_in, shard),
                        shard.gradient)
    elif shard.X == NULL:
        sparse_weight_gradient(net, &net.layers[0], shard.m, shard.scale, dZ, &shard.rows, shard.order, shard.gradient)
    else:
        if not net.layers[0].frozen:
            weight_gradient(net, &net.layers[0], shard.m, shard.scale, dZ, shard.A0, shard.gradient)
        if run.trains_inputs:
            inputs_backward(net, shard.m, shard.scale, shard.X, dZ, columns(run, run.dZ[1], net.widest, shard),
                            shard.gradient)


# ---- The shard's columns in the workspace

cdef char *columns(const TrainingBuffers *run, char *matrix, ptrdiff_t n, const Shard *shard) noexcept nogil:
    return matrix + shard.column * n * run.net.itemsize


# The loss's derivative overwrites A[L], unless the activation's derivative still needs it.
cdef char *dZ_of(const TrainingBuffers *run, int l, const Shard *shard) noexcept nogil:
    cdef const Layer *layer = &run.net.layers[l]
    if l == run.net.n_layers - 1 and layer.activation == FASTNN_IDENTITY:
        return columns(run, run.A[l], layer.n_out, shard)
    return columns(run, run.dZ[l % 2], run.net.widest, shard)


# ---- The shard's examples: in place, or gathered into the batch buffers

cdef Csr sparse_rows(const TrainingBuffers *run, ptrdiff_t position) noexcept nogil:
    cdef Csr rows = run.sparse_X
    if run.order == NULL:
        rows.bounds += position
    return rows


cdef const int64_t *order_from(const TrainingBuffers *run, ptrdiff_t position) noexcept nogil:
    return NULL if run.order == NULL else run.order + position


cdef bint read_in_place(const TrainingBuffers *run) noexcept nogil:
    return run.order == NULL and run.column_stride == 1 and run.row_stride == run.net.n_features


# X (n[0], m): in place if rows are contiguous and in order.
cdef char *X_of(const TrainingBuffers *run, const Shard *shard) noexcept nogil:
    if read_in_place(run):
        return run.X + shard.position * run.row_stride * run.net.itemsize
    return columns(run, run.batch_X, run.net.n_features, shard)


cdef void gather_X(const TrainingBuffers *run, const Shard *shard) noexcept nogil:
    cdef ptrdiff_t n = run.net.n_features
    cdef char *rows = run.X
    if run.X == NULL:
        return
    if read_in_place(run):
        if run.finite != NULL and not run.net.ops.all_finite(n, shard.m, shard.X, n, 1):
            run.finite[0] = False
        return
    if shard.order == NULL:
        rows += shard.position * run.row_stride * run.net.itemsize
    if run.finite != NULL:
        gather_checked(run, shard, n, rows)
    else:
        run.net.ops.gather(n, shard.m, rows, run.row_stride, run.column_stride, shard.order, shard.X)


# Gather X in blocks of rows; check that each is finite while it is in the cache.
cdef void gather_checked(const TrainingBuffers *run, const Shard *shard, ptrdiff_t n, const char *rows) noexcept nogil:
    cdef ptrdiff_t item = run.net.itemsize, block = max(1, CHECKED_BLOCK_BYTES // (n * item)), first = 0, count
    cdef const char *source = rows
    cdef const int64_t *order = NULL
    cdef char *out
    while first < shard.m:
        count = min(block, shard.m - first)
        out = shard.X + first * n * item
        if shard.order != NULL:
            order = shard.order + first
        else:
            source = rows + first * run.row_stride * item
        run.net.ops.gather(n, count, source, run.row_stride, run.column_stride, order, out)
        if not run.net.ops.all_finite(n, count, out, n, 1):
            run.finite[0] = False
        first += count


# Whether the stored values of the rows of a sparse X are finite.
cdef bint sparse_values_finite(const TrainingBuffers *run, const Shard *shard) noexcept nogil:
    cdef const Csr *X = &shard.rows
    cdef ptrdiff_t j, row, length
    for j in range(shard.m):
        row = j if shard.order == NULL else shard.order[j]
        length = X.bounds[row + 1] - X.bounds[row]
        if not run.net.ops.all_finite(length, 1, X.values + X.bounds[row] * run.net.itemsize, length, 1):
            return False
    return True


# Y (n_targets, m), or int32 labels (m)
cdef char *gather_Y(const TrainingBuffers *run, const Shard *shard) noexcept nogil:
    cdef ptrdiff_t n = run.n_targets, width = n * run.net.itemsize, j
    cdef bint labels = csrc.losses[run.loss.kind].takes_labels and not run.loss.dense
    cdef char *out
    if labels:
        width = sizeof(int32_t)
    if shard.order == NULL:
        return run.Y + shard.position * width
    out = run.batch_Y + shard.column * width
    if labels:
        for j in range(shard.m):
            (<int32_t *>out)[j] = (<int32_t *>run.Y)[shard.order[j]]
    else:
        run.net.ops.gather(n, shard.m, run.Y, n, 1, shard.order, out)
    return out


# The sample weights (weight_width, m), or NULL
cdef char *gather_sample_weight(const TrainingBuffers *run, const Shard *shard) noexcept nogil:
    cdef ptrdiff_t width = run.weight_width
    cdef char *out
    if run.sample_weight == NULL:
        return NULL
    if shard.order == NULL:
        return run.sample_weight + shard.position * width * run.net.itemsize
    out = columns(run, run.batch_weights, width, shard)
    run.net.ops.gather(width, shard.m, run.sample_weight, width, 1, shard.order, out)
    return out
