"""The building blocks of the course, in float64: each checks its arrays and calls the kernels.

Arrays may be stored in either order; contiguous float64 arrays are not copied. Products are stored in the order that
makes BLAS faster (`product`).
"""
cimport numpy as cnp
from libc.limits cimport INT_MAX
from libc.stddef cimport ptrdiff_t
from libc.string cimport memcpy

from fastnn._core.arrays cimport operations
from fastnn._core.blas cimport check_dimension, matmul
from fastnn._core.forkguard cimport begin_call, end_call
from fastnn._core.registry cimport (
    FASTNN_F_LOG, FASTNN_FLOAT64, FASTNN_IDENTITY, FASTNN_LEAKY_RELU, FASTNN_RELU, FASTNN_SGD, FASTNN_SOFTMAX,
    fastnn_ops, fastnn_update)

import numpy as np

cnp.import_array()

__all__ = ["ANY", "activate", "activate_backward", "as_matrix", "as_real", "cross_entropy", "linear", "moved",
           "parameter_gradients", "product", "zeros"]

ANY = -1  # any size


# ---- Checked arrays


cpdef cnp.ndarray as_real(object array, str symbol):
    """Return `array` as a contiguous float64 array, without a copy if it is one.

    Raises
    ------
    ValueError
        If it is a ragged list or has masked entries.
    TypeError
        If it does not hold real numbers.
    """
    if type(array) is cnp.ndarray and fits(array):
        return array
    if np.ma.is_masked(array):
        raise ValueError(f"{symbol} has masked entries")
    cdef cnp.ndarray result
    try:
        result = np.asarray(array)
    except ValueError as error:
        raise ValueError(f"{symbol} must be an array of numbers: {error}") from None
    if result.dtype.kind not in "fiub":
        raise TypeError(f"{symbol} must hold real numbers, got dtype {result.dtype}")
    result = np.asarray(result, np.float64)
    return result if fits(result) else result.copy(order="K")


cdef bint fits(cnp.ndarray array) noexcept:
    return (cnp.PyArray_TYPE(array) == cnp.NPY_FLOAT64 and cnp.PyArray_ISNOTSWAPPED(array)
            and cnp.PyArray_ISALIGNED(array)
            and (cnp.PyArray_IS_C_CONTIGUOUS(array) or cnp.PyArray_IS_F_CONTIGUOUS(array)))


cpdef cnp.ndarray as_matrix(object array, str symbol, ptrdiff_t n, ptrdiff_t m, str notation):
    """Return `array` as `as_real` does, checked to be of shape (n, m); ANY allows any size.

    Raises
    ------
    ValueError
        If the shape differs; `notation` is the expected shape in the notation of the course.
    TypeError
        As for `as_real`.
    """
    cdef cnp.ndarray matrix = as_real(array, symbol)
    if matrix.ndim != 2 or (n != -1 and matrix.shape[0] != n) or (m != -1 and matrix.shape[1] != m):
        sizes = "" if n == -1 and m == -1 else f" = ({'n' if n == -1 else n}, {'m' if m == -1 else m})"
        raise ValueError(f"{symbol} must have shape {notation}{sizes}, got {array_shape(matrix)}")
    return matrix


cdef tuple array_shape(cnp.ndarray array):
    return (<object>array).shape


# ---- Storage


cdef inline double *data(cnp.ndarray array) noexcept:
    return <double *>cnp.PyArray_DATA(array)


cdef cnp.ndarray new_matrix(ptrdiff_t n, ptrdiff_t m, bint row_major=False):
    cdef cnp.npy_intp[2] shape = [n, m]
    return cnp.PyArray_EMPTY(2, shape, cnp.NPY_FLOAT64, not row_major)


def zeros(ptrdiff_t n):
    """Return zeros (n, 1)."""
    cdef cnp.npy_intp[2] shape = [n, 1]
    return cnp.PyArray_ZEROS(2, shape, cnp.NPY_FLOAT64, False)


cdef cnp.ndarray new_like(cnp.ndarray array):
    return cnp.PyArray_EMPTY(array.ndim, array.shape, cnp.NPY_FLOAT64, not cnp.PyArray_IS_C_CONTIGUOUS(array))


# A copy in the memory order of `model`, which has the same shape.
cdef cnp.ndarray copy_like(cnp.ndarray array, cnp.ndarray model):
    cdef cnp.ndarray copy = new_like(model)
    if same_order(array, model):
        memcpy(data(copy), data(array), cnp.PyArray_NBYTES(array))
    elif array.ndim == 2:
        transpose(array, copy)
    else:
        cnp.PyArray_CopyInto(copy, array)
    return copy


cdef bint same_order(cnp.ndarray x, cnp.ndarray y) noexcept:
    return (cnp.PyArray_IS_C_CONTIGUOUS(x) and cnp.PyArray_IS_C_CONTIGUOUS(y)
            or cnp.PyArray_IS_F_CONTIGUOUS(x) and cnp.PyArray_IS_F_CONTIGUOUS(y))


# Copy from one memory order into the other, in tiles of a cache line: plain loops miss the cache if m is a power of 2.
cdef void transpose(cnp.ndarray source, cnp.ndarray target) noexcept:
    cdef ptrdiff_t rows = source.shape[0], columns = source.shape[1], i, j, i0, j0
    cdef const double *x = data(source)
    cdef double *y = data(target)
    if not cnp.PyArray_IS_C_CONTIGUOUS(source):
        rows, columns = columns, rows
    for i0 in range(0, rows, 8):
        for j0 in range(0, columns, 8):
            for i in range(i0, min(i0 + 8, rows)):
                for j in range(j0, min(j0 + 8, columns)):
                    y[j * rows + i] = x[i * columns + j]


cpdef cnp.ndarray product(cnp.ndarray A, cnp.ndarray B, bint transpose_A=False, bint transpose_B=False,
                          double alpha=1.0, int row_major=-1):
    """Return alpha op(A) op(B) (n, m) of checked matrices, without copying them.

    With ANY, the longer dimension of the result is contiguous, which is faster in BLAS (python bench layouts): the
    result is row-major if m > n.
    """
    cdef ptrdiff_t n = A.shape[transpose_A], k = A.shape[not transpose_A], m = B.shape[not transpose_B]
    if row_major == -1:
        row_major = m > n
    if k == 0 or k != B.shape[transpose_B]:
        raise ValueError(f"no product of op(A) ({n}, {k}) and op(B) ({B.shape[transpose_B]}, {m})")
    if max(n, m, k) > INT_MAX:
        check_dimension(max(n, m, k), "the size of a matrix")
    # A row-major matrix is the transpose of a column-major one.
    cdef bint flip_A = not cnp.PyArray_IS_F_CONTIGUOUS(A), flip_B = not cnp.PyArray_IS_F_CONTIGUOUS(B)
    cdef ptrdiff_t lda = A.shape[flip_A], ldb = B.shape[flip_B]
    cdef cnp.ndarray C = new_matrix(n, m, row_major)
    cdef double *a = data(A)
    cdef double *b = data(B)
    cdef double *c = data(C)
    transpose_A ^= flip_A
    transpose_B ^= flip_B
    begin_call()
    with nogil:
        if row_major:  # C^T = op(B)^T op(A)^T
            matmul(FASTNN_FLOAT64, not transpose_B, not transpose_A, m, n, k, alpha, b, ldb, a, lda, c, m)
        else:
            matmul(FASTNN_FLOAT64, transpose_A, transpose_B, n, m, k, alpha, a, lda, b, ldb, c, n)
    end_call()
    return C


# ---- Activations


def activate(int activation, object Z, int level):
    """Return A = g(Z), of Z's shape and order (softmax: column-major), and Z as an array."""
    if activation == FASTNN_SOFTMAX:
        cache = as_matrix(Z, "Z", -1, -1, "(n, m)")
    else:
        cache = as_real(Z, "Z")
    return activated(activation, cache, operations(level, FASTNN_FLOAT64)), cache


cdef cnp.ndarray activated(int activation, cnp.ndarray Z, const fastnn_ops *ops):
    cdef ptrdiff_t n = 1, m = cnp.PyArray_SIZE(Z)
    cdef cnp.ndarray A
    if activation == FASTNN_SOFTMAX:
        n, m = Z.shape[0], Z.shape[1]
        A = copy_like(Z, new_matrix(n, m))
    else:
        A = copy_like(Z, Z)
    cdef double *a = data(A)
    with nogil:
        ops.activate(activation, n, m, NULL, a, a, NULL, 0)
    return A


def activate_backward(int activation, object dA, object cache, int level):
    """Return dZ = dA * g'(Z), of Z's shape and order (softmax: column-major); `cache` is Z."""
    cdef const fastnn_ops *ops = operations(level, FASTNN_FLOAT64)
    cdef cnp.ndarray Z, given, A, dZ
    cdef ptrdiff_t n = 1, m
    if activation == FASTNN_SOFTMAX:
        Z = as_matrix(cache, "Z", -1, -1, "(n, m)")
        n, m = Z.shape[0], Z.shape[1]
        given = as_matrix(dA, "dA", n, m, "(n, m)")
    else:
        Z, given = as_real(cache, "cache"), as_real(dA, "dA")
        m = cnp.PyArray_SIZE(Z)
        if not cnp.PyArray_SAMESHAPE(Z, given):
            raise ValueError(f"dA must have the shape of the cache Z, {array_shape(Z)}, got {array_shape(given)}")
    if activation == FASTNN_RELU or activation == FASTNN_LEAKY_RELU:
        A = Z  # g' depends only on the sign
    else:
        A = activated(activation, Z, ops)
    dZ = copy_like(given, A)
    cdef double *a = data(A)
    cdef double *dz = data(dZ)
    with nogil:
        ops.activate_backward(activation, n, m, a, NULL, dz, 1.0, NULL)
    return dZ


# ---- A layer


def linear(object A_prev, object W, object b, int activation, int level):
    """Return Z = W A_prev + b, A = g(Z) and (A_prev, W, b) as arrays; with the identity, A is Z."""
    cdef const fastnn_ops *ops = operations(level, FASTNN_FLOAT64)
    cdef cnp.ndarray w = weights(W, "W")
    cdef cnp.ndarray a_prev = as_matrix(A_prev, "A_prev", w.shape[1], -1, "(n[l-1], m)")
    cdef cnp.ndarray bias = as_matrix(b, "b", w.shape[0], 1, "(n[l], 1)")
    cdef cnp.ndarray Z = product(w, a_prev, row_major=0 if activation == FASTNN_SOFTMAX else -1)
    cdef cnp.ndarray A = Z if activation == FASTNN_IDENTITY else new_like(Z)
    cdef ptrdiff_t n = Z.shape[0], m = Z.shape[1], i
    cdef bint by_rows = not cnp.PyArray_IS_F_CONTIGUOUS(Z)
    cdef double *z = data(Z)
    cdef double *a = data(A)
    cdef double *shift = data(bias)
    with nogil:
        if by_rows:  # each row is a layer of one unit
            for i in range(n):
                ops.activate(activation, 1, m, shift + i, z + i * m, a + i * m, NULL, 0)
        else:
            ops.activate(activation, n, m, shift, z, a, NULL, 0)
    return Z, A, (a_prev, w, bias)


cdef cnp.ndarray weights(object W, str symbol):
    cdef cnp.ndarray w = as_matrix(W, symbol, -1, -1, "(n[l], n[l-1])")
    if cnp.PyArray_SIZE(w) == 0:
        raise ValueError(f"{symbol} must have at least one row and one column, got shape {array_shape(w)}")
    return w


def parameter_gradients(object dZ, object A_prev, object W):
    """Return dW = 1/m dZ A_prev^T, db = 1/m sum of dZ, and dZ and W as arrays.

    dW is stored in the order of W, or row-major if that is faster (`product`).
    """
    cdef cnp.ndarray w = weights(W, "W of the cache")
    cdef cnp.ndarray a_prev = as_matrix(A_prev, "A_prev of the cache", w.shape[1], -1, "(n[l-1], m)")
    cdef ptrdiff_t n = w.shape[0], m = a_prev.shape[1], i
    cdef cnp.ndarray dz = as_matrix(dZ, "dZ", n, m, "(n[l], m)")
    if m == 0:
        raise ValueError("A_prev of the cache must hold at least one example")
    dW = product(dz, a_prev, False, True, 1.0 / m, -1 if cnp.PyArray_IS_F_CONTIGUOUS(w) else 1)
    cdef cnp.ndarray ones = new_matrix(m, 1)
    cdef double *one = data(ones)
    for i in range(m):
        one[i] = 1
    return dW, product(dz, ones, alpha=1.0 / m), dz, w


def cross_entropy(cnp.ndarray AL, cnp.ndarray Y, int level):
    """Return the sum of Y log AL + (1 - Y) log(1 - AL) of two checked matrices; NaN if a term is 0 log 0."""
    cdef const fastnn_ops *ops = operations(level, FASTNN_FLOAT64)
    cdef ptrdiff_t size = cnp.PyArray_SIZE(AL), both = check_dimension(2 * size, "twice the size of AL"), i
    cdef cnp.ndarray targets = Y if same_order(Y, AL) else copy_like(Y, AL), scratch = new_matrix(both, 2)
    cdef const double *a = data(AL)
    cdef const double *y = data(targets)
    cdef double *logs = data(scratch)
    cdef double *weights = logs + both
    cdef double total = 0
    begin_call()
    with nogil:
        for i in range(size):
            weights[i] = 1 - a[i]
        ops.elementwise(FASTNN_F_LOG, size, a, logs)
        ops.elementwise(FASTNN_F_LOG, size, weights, logs + size)
        for i in range(size):
            weights[i], weights[size + i] = y[i], 1 - y[i]
        matmul(FASTNN_FLOAT64, True, False, 1, 1, both, 1.0, weights, both, logs, both, &total, 1)
    end_call()
    return total


def moved(object value, object gradient, double learning_rate, str symbol, str derivative_symbol, int level):
    """Return value - learning_rate * gradient in the memory order of `value`; the symbols are for errors."""
    cdef cnp.ndarray before = as_real(value, symbol), derivative = as_real(gradient, derivative_symbol)
    if not cnp.PyArray_SAMESHAPE(before, derivative):
        raise ValueError(f"{derivative_symbol} must have the shape of {symbol}, {array_shape(before)}, "
                         f"got {array_shape(derivative)}")
    if not same_order(before, derivative):
        derivative = copy_like(derivative, before)
    cdef const fastnn_ops *ops = operations(level, FASTNN_FLOAT64)
    cdef cnp.ndarray result = copy_like(before, before)
    cdef ptrdiff_t size = cnp.PyArray_SIZE(result)
    cdef const double *dw = data(derivative)
    cdef double *w = data(result)
    cdef fastnn_update u = fastnn_update(rule=FASTNN_SGD, rate=learning_rate, gradient_rate=0, momentum=0, beta_1=0,
                                         beta_2=0, epsilon=0, l2=0, l1=0, weight_decay=0, decay=0, shrink=1, clip=1,
                                         n_decayed=0, size=size, n_shards=1)
    with nogil:
        ops.update(&u, 0, size, dw, w, NULL, NULL)
    return result
