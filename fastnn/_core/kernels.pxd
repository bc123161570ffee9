from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t

from fastnn._core.sparse cimport Csr

# A checked product C (n, m) OUT = op(A) (n, k) IN op(B) (k, m) IN of Fortran-ordered matrices.
cdef struct Product:
    int dtype
    ptrdiff_t n
    ptrdiff_t m
    ptrdiff_t k
    ptrdiff_t lda
    ptrdiff_t ldb
    char *A
    char *B
    char *C


cdef Product bind_product(object A, object B, object C, bint transpose_A, bint transpose_B) except *

# Check the CSR arrays X and the rows that `order` names; returns the number of these rows.
cdef ptrdiff_t csr_rows(object X, object order, int dtype, ptrdiff_t n_prev, Csr *csr, int64_t **rows) except -1
