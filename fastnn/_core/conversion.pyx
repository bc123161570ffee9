"""The user's numbers on their way to the parameters' dtype: conversion, and columns that float32 cannot resolve."""
cimport cython
cimport numpy as cnp
from libc.math cimport fabs
from libc.stddef cimport ptrdiff_t
from libc.stdlib cimport calloc, free

from fastnn._core.registry cimport FASTNN_FLOAT32

cnp.import_array()

__all__ = ["narrow_columns"]

ctypedef unsigned long long ulonglong
ctypedef long long longlong

ctypedef fused given:
    cython.schar
    cython.uchar
    cython.short
    cython.ushort
    cython.int
    cython.uint
    cython.long
    cython.ulong
    longlong
    ulonglong
    float
    double

ctypedef fused wanted:
    float
    double


cdef void copy_as(const given *X, wanted *out, ptrdiff_t m, ptrdiff_t n, ptrdiff_t row_bytes,
                  ptrdiff_t column_bytes) noexcept nogil:
    # X (m, n) IN, strided; out (m, n) OUT, C-ordered
    cdef ptrdiff_t i, j
    cdef const char *row
    for i in range(m):
        row = <const char *>X + i * row_bytes
        for j in range(n):
            out[i * n + j] = <wanted>(<const given *>(row + j * column_bytes))[0]


cdef void copy(const given *X, int dtype, char *out, ptrdiff_t m, ptrdiff_t n, ptrdiff_t row_bytes,
               ptrdiff_t column_bytes) noexcept nogil:
    if dtype == FASTNN_FLOAT32:
        copy_as[given, float](X, <float *>out, m, n, row_bytes, column_bytes)
    else:
        copy_as[given, double](X, <double *>out, m, n, row_bytes, column_bytes)


# Copy the rows of X to `out` in the dtype of the core. Return False, with nothing copied, if X is of a dtype, an
# alignment or a byte order that is not handled here.
# X (m, n) IN, strided; out (m, n) OUT, C-ordered
cdef bint convert_rows(cnp.ndarray X, int dtype, char *out) noexcept:
    cdef int kind = cnp.PyArray_TYPE(X)
    cdef char *x = <char *>cnp.PyArray_DATA(X)
    cdef ptrdiff_t m = cnp.PyArray_DIM(X, 0), n = cnp.PyArray_DIM(X, 1)
    cdef ptrdiff_t rows = cnp.PyArray_STRIDE(X, 0), columns = cnp.PyArray_STRIDE(X, 1)
    if not cnp.PyArray_ISALIGNED(X) or not cnp.PyArray_ISNOTSWAPPED(X):
        return False
    if kind == cnp.NPY_DOUBLE:
        copy(<double *>x, dtype, out, m, n, rows, columns)
    elif kind == cnp.NPY_FLOAT:
        copy(<float *>x, dtype, out, m, n, rows, columns)
    elif kind == cnp.NPY_BYTE:
        copy(<signed char *>x, dtype, out, m, n, rows, columns)
    elif kind == cnp.NPY_UBYTE or kind == cnp.NPY_BOOL:
        copy(<unsigned char *>x, dtype, out, m, n, rows, columns)
    elif kind == cnp.NPY_SHORT:
        copy(<short *>x, dtype, out, m, n, rows, columns)
    elif kind == cnp.NPY_USHORT:
        copy(<unsigned short *>x, dtype, out, m, n, rows, columns)
    elif kind == cnp.NPY_INT:
        copy(<int *>x, dtype, out, m, n, rows, columns)
    elif kind == cnp.NPY_UINT:
        copy(<unsigned int *>x, dtype, out, m, n, rows, columns)
    elif kind == cnp.NPY_LONG:
        copy(<long *>x, dtype, out, m, n, rows, columns)
    elif kind == cnp.NPY_ULONG:
        copy(<unsigned long *>x, dtype, out, m, n, rows, columns)
    elif kind == cnp.NPY_LONGLONG:
        copy(<longlong *>x, dtype, out, m, n, rows, columns)
    elif kind == cnp.NPY_ULONGLONG:
        copy(<ulonglong *>x, dtype, out, m, n, rows, columns)
    else:
        return False
    return True


# What is known of a column: its least and largest value, and whether float32 merges two of its values that differ.
cdef struct Column:
    double low
    double high
    bint merged


cdef double FLOAT32_EPS = 2.0 ** -23


def narrow_columns(X, double spacings):
    """Return the columns of a float64 `X` (m, n) of finite values in which float32 may merge values that matter.

    These are columns whose values, not all equal, span fewer than `spacings` spacings of float32 at the largest of
    them, or of which the entries of two consecutive rows differ and become equal.
    """
    if not isinstance(X, cnp.ndarray) or X.ndim != 2 or X.dtype != "=f8" or not cnp.PyArray_ISALIGNED(X):
        raise TypeError("X must be an aligned float64 matrix")
    cdef char *x = <char *>cnp.PyArray_DATA(X)  # (m, n) IN, strided
    cdef ptrdiff_t m = X.shape[0], n = X.shape[1], rows = X.strides[0], columns = X.strides[1], i, j
    cdef bint by_rows = rows > columns
    cdef double span, largest
    if m == 0:
        return []
    cdef Column *seen = <Column *>calloc(max(n, 1), sizeof(Column))  # (n)
    if seen == NULL:
        raise MemoryError
    with nogil:
        for j in range(n):
            seen[j].low = seen[j].high = (<double *>(x + j * columns))[0]
        if by_rows:
            for i in range(m):
                for j in range(n):
                    see(&seen[j], x + i * rows + j * columns, rows if i < m - 1 else 0)
        else:
            for j in range(n):
                for i in range(m):
                    see(&seen[j], x + i * rows + j * columns, rows if i < m - 1 else 0)
    found = []
    for j in range(n):
        span, largest = seen[j].high - seen[j].low, max(fabs(seen[j].low), fabs(seen[j].high))
        if seen[j].merged or 0 < span < spacings * FLOAT32_EPS * largest:
            found.append(j)
    free(seen)
    return found


cdef inline void see(Column *column, const char *entry, ptrdiff_t next) noexcept nogil:
    cdef double value = (<const double *>entry)[0], other = (<const double *>(entry + next))[0]
    if value < column.low:
        column.low = value
    if value > column.high:
        column.high = value
    column.merged |= (value != other) & (<float>value == <float>other)
