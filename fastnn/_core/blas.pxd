from libc.stddef cimport ptrdiff_t

# C (m, n) = alpha * op(A) (m, k) * op(B) (k, n), column-major; op transposes where asked.
cdef void matmul(
    int dtype, bint transpose_A, bint transpose_B, ptrdiff_t m, ptrdiff_t n, ptrdiff_t k, double alpha,
    const void *A, ptrdiff_t lda,   # IN
    const void *B, ptrdiff_t ldb,   # IN
    void *C, ptrdiff_t ldc,         # OUT (m, n)
) noexcept nogil

# The one place where sizes are narrowed to BLAS's int: raises where one does not fit.
cpdef int check_dimension(object size, str name) except -1
