"""One Python callable per compiled kernel, for the functional interface, tests and benchmarks.

Matrices are (n, m) in Fortran order; `level` is an index into `LEVELS`. Arguments are checked before a kernel
sees them: a wrong dtype, size or layout is a TypeError or ValueError.
"""
cimport numpy as cnp
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.limits cimport INT_MAX
from libc.math cimport INFINITY
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from numpy.random cimport bitgen_t

from fastnn._core.arrays cimport (
    begin_call, bind_csr, dtype_code, end_call, index_pointer, operations, output_index_pointer, output_pointer,
    pointer, rows_pointer)
from fastnn._core.blas cimport check_dimension, matmul
from fastnn._core.dense cimport BLAS, DOTS, MATVEC, TILES, Csr, product, rows_in_range
from fastnn._core.registry cimport (
    FASTNN_CROSS_ENTROPY, FASTNN_SHUFFLE_ROUNDS, FASTNN_SOFTMAX, activation_code, csrc, fastnn_dropout, fastnn_finish,
    fastnn_loss, fastnn_ops, fastnn_update, function_code, loss_code, rule_code)

from fastnn._core.registry import ACTIVATIONS, ALL_LEVELS, FROM_Z, FUNCTIONS, KEEPS_Z, LEVELS, LOSSES, RULES, STATES

cnp.import_array()

__all__ = ["ACTIVATIONS", "ALL_LEVELS", "FROM_Z", "FUNCTIONS", "KEEPS_Z", "LEVELS", "LOSSES", "RULES", "STATES",
           "activate", "activate_backward", "all_finite", "elementwise", "gather", "loss", "multiply", "permutation",
           "rates", "shuffle", "sparse_linear", "sparse_weight_gradient", "sum_columns", "total_gradient", "update",
           "words"]


cdef tuple matrix_shape(object M, str name):
    dtype_code(M)
    cdef cnp.ndarray array = M
    if array.ndim != 2 or not cnp.PyArray_IS_F_CONTIGUOUS(array):
        raise ValueError(f"{name} must be a Fortran-ordered matrix (n, m), got shape {M.shape}")
    return array.shape[0], array.shape[1]


cdef char *matrix(object M, int dtype, tuple shape, str name, bint written=False) except NULL:
    if matrix_shape(M, name) != shape:
        raise ValueError(f"{name} must have shape (n, m) = {shape}, got {M.shape}")
    return output_pointer(M, dtype, -1, name, None) if written else pointer(M, dtype, -1, name, None)


def activate(str name, Z, b, A, int level=0, *, dropout=None, ptrdiff_t first=0):
    """A = g(Z + b). `Z` (n, m) IN/OUT gets b added unless `A` is `Z`; `b` (n,) or (n, 1) IN or None; `A` (n, m) OUT.

    `dropout` (key_0, key_1, stream, threshold) marks units by -0, counting the matrix's elements from `first` on.
    """
    cdef int dtype = dtype_code(Z), activation = activation_code(name)
    cdef const fastnn_ops *ops = operations(level, dtype)
    shape = matrix_shape(Z, "Z")
    cdef ptrdiff_t n = shape[0], m = shape[1]
    cdef char *z = matrix(Z, dtype, shape, "Z", written=True)
    cdef char *a = matrix(A, dtype, shape, "A", written=True)
    cdef char *bias = NULL if b is None else pointer(b, dtype, n, "b", None)
    cdef fastnn_dropout drop
    cdef bint drops = dropout is not None
    if drops:
        drop.key[0], drop.key[1], drop.stream, drop.threshold = dropout
        if activation == FASTNN_SOFTMAX or first < 0:
            raise ValueError("there is no dropout for softmax, nor before the first element")
    with nogil:
        ops.activate(activation, n, m, bias, z, a, &drop if drops else NULL, first)


def activate_backward(str name, cache, dZ, double scale=1.0, db=None, int level=0, *, dropped=None):
    """dZ = dA * g'. `cache` (n, m) IN: Z for the names in KEEPS_Z, else A; `dZ` (n, m) IN dA, OUT dZ;
    `db` (n,) or (n, 1) OUT scale * sum of dZ over the examples, or None; `dropped` (n, m) IN A with the marks of
    dropout, or None."""
    cdef int dtype = dtype_code(dZ), activation = activation_code(name)
    cdef const fastnn_ops *ops = operations(level, dtype)
    shape = matrix_shape(dZ, "dZ")
    cdef ptrdiff_t n = shape[0], m = shape[1]
    cdef char *c = matrix(cache, dtype, shape, "cache")
    cdef char *dz = matrix(dZ, dtype, shape, "dZ", written=True)
    cdef char *sums = NULL if db is None else output_pointer(db, dtype, n, "db", None)
    cdef char *marks = NULL if dropped is None else matrix(dropped, dtype, shape, "dropped")
    with nogil:
        ops.activate_backward(activation, n, m, c, marks, dz, scale, sums)


def loss(str name, Z, Y, weights, dZ, int level=0, double parameter=0, double ceiling=INFINITY):
    """The sum of w_j L_j, and dZ (n, m) OUT = w_j dL_j/dZ. `Z` (n, m) IN (A for names not in FROM_Z); `Y` (m,) int32
    labels for cross_entropy, else (n, m) IN; `weights` (m,) IN or None. `dZ` may be `Z`. `parameter`: the
    cross-entropies' label smoothing, Huber's delta, the quantile; `ceiling`: the upper bound on a term of the sum, per
    example for the cross-entropy and per output unit for the others."""
    cdef int dtype = dtype_code(Z), kind = loss_code(name)
    cdef const fastnn_ops *ops = operations(level, dtype)
    shape = matrix_shape(Z, "Z")
    cdef ptrdiff_t n = shape[0], m = shape[1]
    cdef char *z = matrix(Z, dtype, shape, "Z")
    cdef char *dz = matrix(dZ, dtype, shape, "dZ", written=True)
    cdef char *w = NULL if weights is None else pointer(weights, dtype, m, "weights", None)
    cdef char *y
    cdef double result
    cdef fastnn_loss settings = fastnn_loss(kind=kind, parameter=parameter, ceiling=ceiling, factor=1)
    if kind == FASTNN_CROSS_ENTROPY:
        y = index_pointer(Y, 4, m, "labels", None)
    else:
        y = matrix(Y, dtype, shape, "Y")
    with nogil:
        result = ops.loss(&settings, n, m, z, y, w, dz)
    return result


def sum_columns(M, double scale, out, int level=0):
    """`out` (n,) OUT = scale * the sum of the columns of `M` (n, m) IN."""
    cdef int dtype = dtype_code(M)
    cdef const fastnn_ops *ops = operations(level, dtype)
    shape = matrix_shape(M, "M")
    cdef ptrdiff_t n = shape[0], m = shape[1]
    cdef char *source = matrix(M, dtype, shape, "M")
    cdef char *sums = output_pointer(out, dtype, n, "out", None)
    with nogil:
        ops.sum_columns(n, m, source, scale, sums)


def gather(X, order, out, int level=0):
    """`out` (n, m) OUT: its column j is row order[j] of `X` (rows, n) IN, which may be strided; `order` (m,) int64
    IN or None for the first m rows."""
    cdef int dtype = dtype_code(X)
    cdef const fastnn_ops *ops = operations(level, dtype)
    shape = matrix_shape(out, "out")
    cdef ptrdiff_t n = shape[0], m = shape[1]
    cdef char *target = matrix(out, dtype, shape, "out", written=True)
    cdef ptrdiff_t row_stride, column_stride
    cdef char *source = rows_pointer(X, dtype, n, &row_stride, &column_stride, None)
    cdef int64_t *rows = NULL if order is None else <int64_t *>index_pointer(order, 8, m, "order", None)
    if m and not (X.shape[0] >= m if order is None else 0 <= order.min() and order.max() < X.shape[0]):
        raise ValueError(f"order must name m = {m} rows of X, from 0 to {X.shape[0] - 1}")
    with nogil:
        ops.gather(n, m, source, row_stride, column_stride, rows, target)


def all_finite(X, int level=0):
    """True if the one- or two-dimensional `X` (strided or not) holds neither NaN nor infinity."""
    cdef cnp.ndarray array = X
    cdef const fastnn_ops *ops = operations(level, dtype_code(X))
    if not 1 <= array.ndim <= 2 or not cnp.PyArray_ISALIGNED(array):
        raise ValueError("X must be an aligned vector or matrix")
    cdef ptrdiff_t item = array.itemsize
    cdef ptrdiff_t rows = array.shape[0] if array.ndim == 2 else 1
    cdef ptrdiff_t columns = array.shape[array.ndim - 1]
    cdef ptrdiff_t row_stride = array.strides[0] // item if array.ndim == 2 else columns
    cdef ptrdiff_t column_stride = array.strides[array.ndim - 1] // item
    cdef bint result
    if array.strides[0] % item or array.strides[array.ndim - 1] % item:
        return all_finite(X.copy(), level)
    with nogil:
        result = ops.all_finite(columns, rows, cnp.PyArray_DATA(array), row_stride, column_stride)
    return result


def elementwise(str name, x, out, int level=0):
    """`out` (count,) OUT = f(`x` (count,) IN) for f in FUNCTIONS."""
    cdef int dtype = dtype_code(x), function = function_code(name)
    cdef const fastnn_ops *ops = operations(level, dtype)
    cdef char *source = pointer(x, dtype, -1, "x", None)
    cdef ptrdiff_t count = x.size
    cdef char *target = output_pointer(out, dtype, count, "out", None)
    with nogil:
        ops.elementwise(function, count, source, target)


def multiply(A, B, C, level=None, *, bint transpose_A=False, bint transpose_B=False, double alpha=1.0,
             str by="", bias=None, shifts=None, bint relu=False, active=None, sums=None, double scale=1.0,
             ptrdiff_t repetitions=1):
    """`C` (n, m) OUT = alpha op(`A`) (n, k) op(`B`) (k, m), all Fortran-ordered: by BLAS; with a level as the layers
    do it, by its own kernels where they are faster, or `by` one of them: "tiles", "dots" (op(A) a transpose, op(B)
    none), "matvec" (m = 1, no transposes, n at least 64 bytes). Tiles and dots then add `bias` (n,) IN to the rows,
    tiles also `shifts` (m,) IN to the columns, and with `relu` take max(C, 0); or tiles make C 0 where `active` (n, m)
    IN is not positive, `sums` (n,) OUT being `scale` times the sums of C's columns. `repetitions` are for
    benchmarks."""
    cdef const fastnn_ops *ops = NULL
    cdef int dtype = dtype_code(C), kernel = {"": BLAS, "tiles": TILES, "dots": DOTS, "matvec": MATVEC}[by]
    shape_A, shape_B, shape_C = matrix_shape(A, "A"), matrix_shape(B, "B"), matrix_shape(C, "C")
    cdef ptrdiff_t lda = shape_A[0], ldb = shape_B[0], n = shape_C[0], m = shape_C[1]
    cdef ptrdiff_t k = lda if transpose_A else shape_A[1]
    if (n != shape_A[transpose_A] or m != shape_B[not transpose_B] or k != shape_B[transpose_B] or k == 0):
        raise ValueError(f"shapes do not chain: C {shape_C} = op(A) {shape_A[::-1] if transpose_A else shape_A} "
                         f"op(B) {shape_B[::-1] if transpose_B else shape_B}")
    if max(m, n, k) > INT_MAX:
        check_dimension(max(m, n, k), "the size of a matrix")
    cdef char *a = pointer(A, dtype, -1, "A", None)
    cdef char *b = pointer(B, dtype, -1, "B", None)
    cdef char *c = output_pointer(C, dtype, -1, "C", None)
    if (kernel == DOTS and (not transpose_A or transpose_B)
            or kernel == MATVEC and (transpose_A or transpose_B or m != 1 or n * C.itemsize < 64)):
        raise ValueError(f"{by} do not make this product")
    if level is None and by:
        raise ValueError("a kernel needs a level")
    if level is not None:
        ops = operations(level, dtype)
        if by and ops.multiply == NULL:
            raise ValueError(f"the level {LEVELS[level]} leaves products to BLAS")
    cdef ptrdiff_t _
    cdef fastnn_finish finish
    finish.bias, finish.shifts, finish.active, finish.sums, finish.finite = NULL, NULL, NULL, NULL, NULL
    finish.relu, finish.scale = relu, scale
    if bias is not None:
        finish.bias = pointer(bias, dtype, n, "bias", None)
    if shifts is not None:
        finish.shifts = pointer(shifts, dtype, m, "shifts", None)
    if active is not None:
        finish.active = matrix(active, dtype, (n, m), "active")
        finish.sums = output_pointer(sums, dtype, n, "sums", None)
    if (kernel != TILES and (shifts is not None or active is not None)
            or kernel not in (TILES, DOTS) and (bias is not None or relu)):
        raise ValueError("only the level's own product can be finished")
    if repetitions < 1:
        raise ValueError("at least one repetition is made")
    begin_call()
    with nogil:
        for _ in range(repetitions):
            if kernel == TILES:
                ops.multiply(transpose_A, transpose_B, n, m, k, alpha, a, lda, b, ldb, c, n, &finish)
            elif kernel == DOTS:
                ops.dots(n, m, k, alpha, a, lda, b, ldb, c, n, &finish)
            elif kernel == MATVEC:
                ops.matvec(n, k, alpha, a, lda, b, c)
            elif ops != NULL:
                product(ops, dtype, transpose_A, transpose_B, n, m, k, alpha, a, lda, b, ldb, c, n)
            else:
                matmul(dtype, transpose_A, transpose_B, n, m, k, alpha, a, lda, b, ldb, c, n)
    end_call()


cdef fastnn_update arguments(str rule, object theta, object gradients, dict hyperparameters) except *:
    cdef fastnn_update u
    dtype_code(gradients)
    unknown = hyperparameters.keys() - {"rate", "gradient_rate", "momentum", "beta_1", "beta_2", "epsilon", "l2", "l1",
                                        "shrink", "clip", "n_decayed"}
    if unknown:
        raise TypeError(f"unknown hyperparameters: {', '.join(unknown)}")
    if gradients.ndim != 2 or gradients.shape[1] != theta.size or not gradients.flags.c_contiguous:
        raise ValueError(f"gradients must be C-ordered (n_shards, {theta.size}), got shape {gradients.shape}")
    u.rule = rule_code(rule)
    u.rate, u.gradient_rate = hyperparameters.get("rate", 0.0), hyperparameters.get("gradient_rate", 0.0)
    u.momentum = hyperparameters.get("momentum", 0.0)
    u.beta_1, u.beta_2 = hyperparameters.get("beta_1", 0.0), hyperparameters.get("beta_2", 0.0)
    u.epsilon = hyperparameters.get("epsilon", 0.0)
    u.l2, u.l1 = hyperparameters.get("l2", 0.0), hyperparameters.get("l1", 0.0)
    u.weight_decay = 0
    u.shrink, u.clip = hyperparameters.get("shrink", 1.0), hyperparameters.get("clip", 1.0)
    u.n_decayed = hyperparameters.get("n_decayed", 0)
    u.size, u.n_shards = theta.size, gradients.shape[0]
    return u


def update(str rule, theta, gradients, first=None, second=None, ptrdiff_t start=0, stop=None, int level=0,
           **hyperparameters):
    """One step of `rule` on theta[start:stop]; returns the L2 and L1 terms of its weights before.

    `theta` (P,) IN/OUT; `gradients` (n_shards, P) IN; `first`, `second` (P,) IN/OUT as the rule needs;
    hyperparameters as in csrc/fastnn.h: rate, gradient_rate, momentum, beta_1, beta_2, epsilon, l2, l1, shrink, clip,
    n_decayed.
    """
    cdef int dtype = dtype_code(theta)
    cdef const fastnn_ops *ops = operations(level, dtype)
    cdef fastnn_update u = arguments(rule, theta, gradients, hyperparameters)
    cdef ptrdiff_t end = theta.size if stop is None else stop
    cdef int needed = csrc.rules[u.rule].states
    if (needed > 0) != (first is not None) or (needed > 1) != (second is not None):
        raise ValueError(f"{rule} needs {needed} state arrays")
    if not 0 <= start <= end <= theta.size or u.n_shards < 1:
        raise ValueError("need 0 <= start <= stop <= the size of theta and at least one gradient")
    cdef char *t = output_pointer(theta, dtype, -1, "theta", None)
    cdef char *g = pointer(gradients, dtype, -1, "gradients", None)
    cdef char *v = NULL if first is None else output_pointer(first, dtype, u.size, "first", None)
    cdef char *s = NULL if second is None else output_pointer(second, dtype, u.size, "second", None)
    cdef double penalty
    with nogil:
        penalty = ops.update(&u, start, end, g, t, v, s)
    return penalty


def rates(str rule, double t, double learning_rate, *, double beta_1=0, double beta_2=0, double weight_decay=0):
    """The hyperparameters of `update` that depend on the step t = 1, 2, ...: rate, gradient_rate and shrink."""
    cdef fastnn_update u
    u.rule, u.beta_1, u.beta_2, u.weight_decay = rule_code(rule), beta_1, beta_2, weight_decay
    csrc.prepare_update(&u, t, learning_rate)
    return {"rate": u.rate, "gradient_rate": u.gradient_rate, "shrink": u.shrink}


def total_gradient(theta, gradients, out, int level=0, **hyperparameters):
    """`out` (P,) OUT = clip * (the sum of `gradients` (n_shards, P) IN + l2 * `theta` (P,) IN + l1 * its signs on the
    first n_decayed). Returns the L2 and L1 terms, and the sum of the squares of `out`."""
    cdef int dtype = dtype_code(theta)
    cdef const fastnn_ops *ops = operations(level, dtype)
    cdef fastnn_update u = arguments("sgd", theta, gradients, hyperparameters)
    if u.n_shards < 1:
        raise ValueError("need at least one gradient")
    cdef char *t = pointer(theta, dtype, -1, "theta", None)
    cdef char *g = pointer(gradients, dtype, -1, "gradients", None)
    cdef char *target = output_pointer(out, dtype, u.size, "out", None)
    cdef double penalty, squares
    with nogil:
        penalty = ops.total_gradient(&u, 0, u.size, g, t, target, &squares)
    return penalty, squares


cdef ptrdiff_t csr_rows(object X, object order, int dtype, ptrdiff_t n_prev, Csr *csr, int64_t **rows) except -1:
    cdef ptrdiff_t n_rows = bind_csr(X, dtype, csr, None), m = n_rows
    rows[0] = NULL
    if order is not None:
        rows[0] = <int64_t *>index_pointer(order, 8, -1, "order", None)
        m = order.size
        if m and not 0 <= order.min() <= order.max() < n_rows:
            raise ValueError(f"order must name rows of X, from 0 to {n_rows - 1}")
    if not rows_in_range(csr, n_prev, m, rows[0]):
        raise ValueError(f"X must name columns from 0 to {n_prev - 1}, within its arrays")
    return m


def sparse_linear(W, tuple X, order, Z, int level=0):
    """`Z` (n, m) OUT = `W` (n, n_prev) IN times the transpose of rows of a CSR matrix: `X` is (values, columns int32,
    bounds int64) IN, `order` (m,) int64 IN or None for all rows."""
    cdef int dtype = dtype_code(W)
    cdef const fastnn_ops *ops = operations(level, dtype)
    cdef Csr csr
    cdef int64_t *rows
    shape = matrix_shape(W, "W")
    cdef ptrdiff_t n = shape[0], m = csr_rows(X, order, dtype, shape[1], &csr, &rows)
    cdef char *w = matrix(W, dtype, shape, "W")
    cdef char *z = matrix(Z, dtype, (n, m), "Z", written=True)
    with nogil:
        ops.sparse_linear(n, m, w, csr.values, csr.columns, csr.bounds, rows, z)


def sparse_weight_gradient(dZ, tuple X, order, double scale, dW, int level=0):
    """`dW` (n, n_prev) OUT = scale * `dZ` (n, m) IN times rows of a CSR matrix, as for `sparse_linear`."""
    cdef int dtype = dtype_code(dZ)
    cdef const fastnn_ops *ops = operations(level, dtype)
    cdef Csr csr
    cdef int64_t *rows
    shape = matrix_shape(dW, "dW")
    cdef ptrdiff_t n = shape[0], n_prev = shape[1], m = csr_rows(X, order, dtype, n_prev, &csr, &rows)
    cdef char *dz = matrix(dZ, dtype, (n, m), "dZ")
    cdef char *dw = matrix(dW, dtype, shape, "dW", written=True)
    with nogil:
        ops.sparse_weight_gradient(n, m, n_prev, scale, dz, csr.values, csr.columns, csr.bounds, rows, dw)


def words(uint32_t key_0, uint32_t key_1, uint32_t low, uint32_t high):
    """Two words of dropout's generator, Threefry-2x32 with 13 rounds, for a key and a counter."""
    cdef uint32_t[2] key = [key_0, key_1], counter = [low, high], result
    csrc.random_words(key, counter, result)
    return result[0], result[1]


def shuffle(order, rng):
    """Permute `order` (m,) int64 IN/OUT at random, by the words of the bit generator of `rng`, a NumPy Generator."""
    cdef ptrdiff_t count = order.size
    cdef int64_t *indices = <int64_t *>output_index_pointer(order, 8, count, "order", None)
    source = rng.bit_generator
    capsule = source.capsule
    cdef bitgen_t *generator = <bitgen_t *>PyCapsule_GetPointer(capsule, "BitGenerator")
    with source.lock, nogil:
        csrc.shuffle(indices, count, generator.next_uint64, generator.state)


def permutation(order, ptrdiff_t first, ptrdiff_t count, rng_words):
    """`order` int64 OUT: a pseudo-random permutation of 0 .. count - 1, from the `first`-th number on, by 8 words of
    64 random bits."""
    cdef ptrdiff_t length = order.size
    cdef int64_t *numbers = <int64_t *>output_index_pointer(order, 8, length, "order", None)
    cdef uint64_t[FASTNN_SHUFFLE_ROUNDS] keys
    cdef int r
    if len(rng_words) != FASTNN_SHUFFLE_ROUNDS or count < 1 or not 0 <= first <= count - length:
        raise ValueError(f"need {FASTNN_SHUFFLE_ROUNDS} words, and first .. first + {length} within 0 .. {count} > 0")
    for r in range(FASTNN_SHUFFLE_ROUNDS):
        keys[r] = rng_words[r]
    with nogil:
        csrc.permutation(numbers, first, length, count, keys)
