"""The only module that touches scipy.linalg.cython_blas."""
from operator import index

from libc.limits cimport INT_MAX
from scipy.linalg.cython_blas cimport dgemm, dgemv, sgemm, sgemv

from fastnn._core.registry cimport FASTNN_FLOAT32


cpdef int check_dimension(object size, str name) except -1:
    """Return `size` as BLAS's int.

    Raises
    ------
    ValueError
        If it does not fit.
    TypeError
        If it is not a whole number.
    """
    size = index(size)
    if not 0 <= size <= INT_MAX:
        raise ValueError(f"{name} must be from 0 to {INT_MAX} (BLAS counts in int), got {size}")
    return <int>size


cdef void matvec(
    int dtype, bint transpose, ptrdiff_t rows, ptrdiff_t columns, double alpha,
    const void *A, ptrdiff_t lda,   # IN (rows, columns)
    const void *x, ptrdiff_t incx,  # IN (columns), transposed: (rows)
    void *y, ptrdiff_t incy,        # OUT (rows), transposed: (columns)
) noexcept nogil:
    cdef char op = b"T" if transpose else b"N"
    cdef int m = <int>rows, n = <int>columns, ld = <int>lda, dx = <int>incx, dy = <int>incy
    cdef float salpha = <float>alpha, szero = 0
    cdef double zero = 0
    if dtype == FASTNN_FLOAT32:
        sgemv(&op, &m, &n, &salpha, <float *>A, &ld, <float *>x, &dx, &szero, <float *>y, &dy)
    else:
        dgemv(&op, &m, &n, &alpha, <double *>A, &ld, <double *>x, &dx, &zero, <double *>y, &dy)


cdef void matmul(
    int dtype, bint transpose_A, bint transpose_B, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, double alpha,
    const void *A, ptrdiff_t lda,
    const void *B, ptrdiff_t ldb,
    void *C, ptrdiff_t ldc,
) noexcept nogil:
    cdef char op_A = b"T" if transpose_A else b"N", op_B = b"T" if transpose_B else b"N"
    cdef int im = <int>m, i_n = <int>n, ik = <int>k, ia = <int>lda, ib = <int>ldb, ic = <int>ldc
    cdef float salpha = <float>alpha, szero = 0
    cdef double zero = 0
    if m == 0 or n == 0:
        return
    if n == 1:    # one example: C = op(A) b
        matvec(dtype, transpose_A, k if transpose_A else m, m if transpose_A else k, alpha, A, lda,
               B, ldb if transpose_B else 1, C, 1)
    elif m == 1:  # one unit: C^T = op(B)^T a
        matvec(dtype, not transpose_B, n if transpose_B else k, k if transpose_B else n, alpha, B, ldb,
               A, 1 if transpose_A else lda, C, ldc)
    elif dtype == FASTNN_FLOAT32:
        sgemm(&op_A, &op_B, &im, &i_n, &ik, &salpha, <float *>A, &ia, <float *>B, &ib, &szero, <float *>C, &ic)
    else:
        dgemm(&op_A, &op_B, &im, &i_n, &ik, &alpha, <double *>A, &ia, <double *>B, &ib, &zero, <double *>C, &ic)
