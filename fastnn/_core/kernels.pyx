"""The kernels that Python modules call one at a time.

Matrices are (n, m) in Fortran order; `level` is an index into `LEVELS`. Arguments are checked before a kernel sees
them: a wrong dtype, size or layout is a TypeError or ValueError.
"""
cimport numpy as cnp
from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.limits cimport INT_MAX
from libc.math cimport INFINITY
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint32_t, uint64_t
from numpy.random cimport bitgen_t

from fastnn._core.arrays cimport (
    bind_csr, bind_inputs, bind_loss, dtype_code, index_pointer, matrix_pointer, matrix_shape, operations,
    output_index_pointer, output_pointer, pointer)
from fastnn._core.blas cimport check_dimension, matmul
from fastnn._core.floating_mode cimport fastnn_flush_subnormals, fastnn_restore_mode
from fastnn._core.forkguard cimport begin_call, end_call
from fastnn._core.registry cimport (
    FASTNN_SHUFFLE_ROUNDS, FASTNN_SIGMOID, FASTNN_SOFTMAX, activation_code, csrc, fastnn_dropout, fastnn_inputs,
    fastnn_loss, fastnn_ops, refuse_unit_weights)
from fastnn._core.sparse cimport Csr, rows_in_range

cnp.import_array()

__all__ = ["activate", "activate_backward", "activate_mixed", "activate_mixed_backward", "all_finite", "embed",
           "embed_backward", "legacy_shuffle", "log_probabilities", "loss", "multiply", "permutation", "random_words",
           "shuffle", "sparse_linear", "subnormals_as_zero"]


cdef class subnormals_as_zero:
    """A context in which subnormal numbers count as zero in this thread, in the kernels and in NumPy."""

    cdef uint64_t callers_mode

    def __enter__(self):
        self.callers_mode = fastnn_flush_subnormals()

    def __exit__(self, *_):
        fastnn_restore_mode(self.callers_mode)


cdef int activation_of_units(str name) except -1:
    cdef int activation = activation_code(name)
    if not csrc.activations[activation].by_units:
        raise ValueError(f"{name} depends on all units of an example: it has no mixture")
    return activation


def activate(str name, Z, b, A, int level=0, *, dropout=None, ptrdiff_t first=0):
    """Compute A = g(Z + b): `Z` (n, m) IN/OUT becomes Z + b unless `A` is `Z`; `b` (n,) or (n, 1) IN or None; `A`
    (n, m) OUT. `dropout` (key_0, key_1, stream, threshold) stores dropped elements as -0; `first` is the index
    of Z's first element in the mini-batch.
    """
    cdef int dtype = dtype_code(Z), activation = activation_code(name)
    cdef const fastnn_ops *ops = operations(level, dtype)
    shape = matrix_shape(Z, "Z")
    cdef ptrdiff_t n = shape[0], m = shape[1]
    cdef char *z = matrix_pointer(Z, dtype, shape, "Z", written=True)
    cdef char *a = matrix_pointer(A, dtype, shape, "A", written=True)
    cdef char *bias = NULL if b is None else pointer(b, dtype, n, "b", None)
    cdef fastnn_dropout drop
    cdef bint drops = dropout is not None
    if drops:
        drop.key[0], drop.key[1], drop.stream, drop.threshold = dropout
        if activation == FASTNN_SOFTMAX or first < 0:
            raise ValueError("dropout is not supported for softmax, and first must not be negative")
    with nogil:
        ops.activate(activation, n, m, bias, z, a, &drop if drops else NULL, first)


def activate_backward(str name, cache, dZ, double scale=1.0, db=None, int level=0, *, dropped=None):
    """Compute dZ = dA * g'(Z): `cache` (n, m) IN is Z for the names in KEEPS_Z, else A; `dZ` (n, m) IN dA, OUT dZ;
    `db` (n,) or (n, 1) OUT scale * sum of dZ over the examples, or None; `dropped` (n, m) IN A as dropout marked it,
    or None."""
    cdef int dtype = dtype_code(dZ), activation = activation_code(name)
    cdef const fastnn_ops *ops = operations(level, dtype)
    shape = matrix_shape(dZ, "dZ")
    cdef ptrdiff_t n = shape[0], m = shape[1]
    cdef char *c = matrix_pointer(cache, dtype, shape, "cache")
    cdef char *dz = matrix_pointer(dZ, dtype, shape, "dZ", written=True)
    cdef char *sums = NULL if db is None else output_pointer(db, dtype, n, "db", None)
    cdef char *marks = NULL if dropped is None else matrix_pointer(dropped, dtype, shape, "dropped")
    with nogil:
        ops.activate_backward(activation, n, m, c, marks, dz, scale, sums)


def activate_mixed(str name, Z, b, t, A, int level=0, *, dropout=None, ptrdiff_t first=0):
    """Compute A = (1 - t) (Z + b) + t g(Z + b) for a name in BY_UNITS: `t` (n,) or (n, 1) IN; `A` is not `Z`; the rest
    as in `activate`."""
    cdef int dtype = dtype_code(Z), activation = activation_of_units(name)
    cdef const fastnn_ops *ops = operations(level, dtype)
    shape = matrix_shape(Z, "Z")
    cdef ptrdiff_t n = shape[0], m = shape[1]
    cdef char *z = matrix_pointer(Z, dtype, shape, "Z", written=True)
    cdef char *a = matrix_pointer(A, dtype, shape, "A", written=True)
    cdef char *bias = NULL if b is None else pointer(b, dtype, n, "b", None)
    cdef char *shares = pointer(t, dtype, n, "t", None)
    cdef fastnn_dropout drop
    cdef bint drops = dropout is not None
    if drops:
        drop.key[0], drop.key[1], drop.stream, drop.threshold = dropout
    if first < 0 or (a == z and n * m > 0):
        raise ValueError("A must not be Z, and first must not be negative")
    with nogil:
        ops.activate_mixed(activation, n, m, bias, shares, z, a, &drop if drops else NULL, first)


def activate_mixed_backward(str name, t, Z, dZ, double scale=1.0, db=None, dt=None, int level=0, *, dropped=None):
    """Compute dZ = dA * ((1 - t) + t g'(Z)): `t` (n,) or (n, 1) IN; `Z` (n, m) IN; `dt` (n,) or (n, 1) OUT scale * sum
    of dA * (g(Z) - Z) over the examples, or None; the rest as in `activate_backward`."""
    cdef int dtype = dtype_code(dZ), activation = activation_of_units(name)
    cdef const fastnn_ops *ops = operations(level, dtype)
    shape = matrix_shape(dZ, "dZ")
    cdef ptrdiff_t n = shape[0], m = shape[1]
    cdef char *z = matrix_pointer(Z, dtype, shape, "Z")
    cdef char *dz = matrix_pointer(dZ, dtype, shape, "dZ", written=True)
    cdef char *shares = pointer(t, dtype, n, "t", None)
    cdef char *sums = NULL if db is None else output_pointer(db, dtype, n, "db", None)
    cdef char *share_sums = NULL if dt is None else output_pointer(dt, dtype, n, "dt", None)
    cdef char *marks = NULL if dropped is None else matrix_pointer(dropped, dtype, shape, "dropped")
    with nogil:
        ops.activate_mixed_backward(activation, n, m, shares, z, marks, dz, scale, sums, share_sums)


def log_probabilities(str name, Z, int level=0):
    """Replace `Z` (n, m) IN by log g(Z) OUT, g being softmax or sigmoid: finite where g(Z) is rounded to 0."""
    cdef int dtype = dtype_code(Z), activation = activation_code(name)
    cdef const fastnn_ops *ops = operations(level, dtype)
    shape = matrix_shape(Z, "Z")
    cdef ptrdiff_t n = shape[0], m = shape[1]
    cdef char *z = matrix_pointer(Z, dtype, shape, "Z", written=True)
    if activation != FASTNN_SOFTMAX and activation != FASTNN_SIGMOID:
        raise ValueError(f"only softmax and sigmoid give probabilities, got {name}")
    with nogil:
        ops.log_probabilities(activation, n, m, z)


def loss(str name, Z, Y, weights, dZ, int level=0, parameter=0.0, double ceiling=INFINITY):
    """Return the sum of w_j L_j and compute `dZ` (n, m) OUT = w_j dL_j/dZ, or w_j dL_j/dA for names not in FROM_Z.

    `Z` (n, m) IN is A for names not in FROM_Z; `Y` IN (n, m), for cross_entropy also int32 (m,) labels, for gaussian
    (n / 2, m); `weights` IN (m,), or of the shape of Y for one weight per target except for cross_entropy, or None.
    `dZ` may be `Z`. `parameter`: label smoothing of the cross-entropies, Huber's delta or the quantile; float64 (r,) if
    r consecutive units have the same target: Y is (n / r, m). `ceiling`: upper bound on a term of the sum, per example
    for the cross-entropy, per target for gaussian, per output unit otherwise.
    """
    cdef int dtype = dtype_code(Z)
    cdef const fastnn_ops *ops = operations(level, dtype)
    shape = matrix_shape(Z, "Z")
    cdef ptrdiff_t n = shape[0], m = shape[1]
    cdef char *z = matrix_pointer(Z, dtype, shape, "Z")
    cdef char *dz = matrix_pointer(dZ, dtype, shape, "dZ", written=True)
    cdef bint unit_weights = isinstance(weights, cnp.ndarray) and weights.ndim == 2
    cdef char *w = NULL
    cdef char *y
    cdef double result
    cdef fastnn_loss settings
    of_targets = (bind_loss(&settings, name, parameter, ceiling, 1, n, None), m)
    cdef bint takes_labels = csrc.losses[settings.kind].takes_labels
    settings.unit_weights, settings.dense = unit_weights, takes_labels and getattr(Y, "ndim", 1) == 2
    if unit_weights:
        refuse_unit_weights(settings.kind)
        w = matrix_pointer(weights, dtype, of_targets, "weights")
    elif weights is not None:
        w = pointer(weights, dtype, m, "weights", None)
    if takes_labels and not settings.dense:
        y = index_pointer(Y, 4, m, "labels", None)
    else:
        y = matrix_pointer(Y, dtype, of_targets, "Y")
    with nogil:
        result = ops.loss(&settings, n, m, z, y, w, dz)
    return result


def embed(X, theta, A, *, table, sizes, offsets, int level=0):
    """Compute `A` (width, m) OUT from `X` (n_columns, m) IN and the arena `theta` (P,) IN.

    `table`, `sizes` and `offsets` as `bind_inputs` takes them.
    """
    cdef int dtype = dtype_code(theta)
    cdef const fastnn_ops *ops = operations(level, dtype)
    cdef fastnn_inputs inputs
    cdef ptrdiff_t width = bind_inputs(&inputs, table, sizes, offsets, theta.size, None), m = matrix_shape(X, "X")[1]
    cdef char *x = matrix_pointer(X, dtype, (inputs.n_columns, m), "X")
    cdef char *t = pointer(theta, dtype, -1, "theta", None)
    cdef char *a = matrix_pointer(A, dtype, (width, m), "A", written=True)
    with nogil:
        ops.embed(&inputs, m, x, t, a)


def embed_backward(X, theta, dA, double scale, gradient, *, table, sizes, offsets, int level=0):
    """Compute the elements of the input stage in the arena `gradient` (P,) OUT from `X` (n_columns, m) IN, the arena
    `theta` (P,) IN and `dA` (width, m) IN; the rest as in `embed`."""
    cdef int dtype = dtype_code(theta)
    cdef const fastnn_ops *ops = operations(level, dtype)
    cdef fastnn_inputs inputs
    cdef ptrdiff_t width = bind_inputs(&inputs, table, sizes, offsets, theta.size, None), m = matrix_shape(X, "X")[1]
    cdef char *x = matrix_pointer(X, dtype, (inputs.n_columns, m), "X")
    cdef char *t = pointer(theta, dtype, -1, "theta", None)
    cdef char *da = matrix_pointer(dA, dtype, (width, m), "dA")
    cdef char *g = output_pointer(gradient, dtype, theta.size, "gradient", None)
    with nogil:
        ops.embed_backward(&inputs, m, x, t, da, scale, g)


def all_finite(X, int level=0):
    """Return whether all elements of the vector or matrix `X`, strided or not, are finite."""
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


cdef Product bind_product(object A, object B, object C, bint transpose_A, bint transpose_B) except *:
    cdef Product p
    shape_A, shape_B, shape_C = matrix_shape(A, "A"), matrix_shape(B, "B"), matrix_shape(C, "C")
    p.dtype = dtype_code(C)
    p.lda, p.ldb, p.n, p.m = shape_A[0], shape_B[0], shape_C[0], shape_C[1]
    p.k = p.lda if transpose_A else shape_A[1]
    if p.n != shape_A[transpose_A] or p.m != shape_B[not transpose_B] or p.k != shape_B[transpose_B] or p.k == 0:
        raise ValueError(f"shapes do not chain: C {shape_C} = op(A) {shape_A[::-1] if transpose_A else shape_A} "
                         f"op(B) {shape_B[::-1] if transpose_B else shape_B}")
    if max(p.m, p.n, p.k) > INT_MAX:
        check_dimension(max(p.m, p.n, p.k), "the size of a matrix")
    p.A = pointer(A, p.dtype, -1, "A", None)
    p.B = pointer(B, p.dtype, -1, "B", None)
    p.C = output_pointer(C, p.dtype, -1, "C", None)
    return p


def multiply(A, B, C, *, bint transpose_A=False, bint transpose_B=False, double alpha=1.0):
    """Compute C = alpha op(A) op(B) by BLAS: `C` (n, m) OUT, op(`A`) (n, k) IN, op(`B`) (k, m) IN."""
    cdef Product p = bind_product(A, B, C, transpose_A, transpose_B)
    begin_call()
    with nogil:
        matmul(p.dtype, transpose_A, transpose_B, p.n, p.m, p.k, alpha, p.A, p.lda, p.B, p.ldb, p.C, p.n)
    end_call()


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
    """Compute `Z` (n, m) OUT = `W` (n, n_prev) IN times the transpose of rows of a CSR matrix: `X` is (values, columns
    int32, bounds int64) IN, `order` (m,) int64 IN, or None for all rows."""
    cdef int dtype = dtype_code(W)
    cdef const fastnn_ops *ops = operations(level, dtype)
    cdef Csr csr
    cdef int64_t *rows
    shape = matrix_shape(W, "W")
    cdef ptrdiff_t n = shape[0], m = csr_rows(X, order, dtype, shape[1], &csr, &rows)
    cdef char *w = matrix_pointer(W, dtype, shape, "W")
    cdef char *z = matrix_pointer(Z, dtype, (n, m), "Z", written=True)
    with nogil:
        ops.sparse_linear(n, m, w, csr.values, csr.columns, csr.bounds, rows, z)


def random_words(uint32_t key_0, uint32_t key_1, uint32_t low, uint32_t high):
    """Return two words of dropout's generator, Threefry-2x32 with 13 rounds, for a key and a counter."""
    cdef uint32_t[2] key = [key_0, key_1], counter = [low, high], result
    csrc.random_words(key, counter, result)
    return result[0], result[1]


def shuffle(order, rng):
    """Shuffle `order` (m,) int64 IN/OUT with the bit generator of `rng`, a NumPy Generator."""
    cdef ptrdiff_t count = order.size
    cdef int64_t *indices = <int64_t *>output_index_pointer(order, 8, count, "order", None)
    source = rng.bit_generator
    capsule = source.capsule
    cdef bitgen_t *generator = <bitgen_t *>PyCapsule_GetPointer(capsule, "BitGenerator")
    with source.lock, nogil:
        csrc.shuffle(indices, count, generator.next_uint64, generator.state)


def legacy_shuffle(order, ptrdiff_t count, random_state):
    """Shuffle the first `count` elements of `order` int64 IN/OUT as ``random_state.shuffle``, a RandomState's, does.

    The state advances as by that call. With None for `order`, that is all.
    """
    cdef int64_t *indices = NULL
    if order is not None:
        indices = <int64_t *>output_index_pointer(order, 8, -1, "order", None)
        if not 0 <= count <= order.size:
            raise ValueError(f"need a count from 0 to {order.size}, got {count}")
    source = random_state._bit_generator
    capsule = source.capsule
    cdef bitgen_t *generator = <bitgen_t *>PyCapsule_GetPointer(capsule, "BitGenerator")
    with source.lock, nogil:
        csrc.legacy_shuffle(indices, count, generator.next_uint32, generator.next_uint64, generator.state)


def permutation(order, ptrdiff_t first, ptrdiff_t count, rng_words):
    """Compute `order` int64 OUT: elements first, first + 1, ... of the pseudo-random permutation of 0 .. count - 1 that
    8 random words of 64 bits determine."""
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
