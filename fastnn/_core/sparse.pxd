# Rows of a sparse matrix in CSR form.
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t, int64_t

cdef struct Csr:        # X (rows, n[0])
    char *values        # IN (n_values) of the network's dtype
    int32_t *columns    # IN (n_values)
    int64_t *bounds     # IN (rows + 1): row j is bounds[j] .. bounds[j + 1]
    ptrdiff_t n_values


# Whether the rows order[0 .. m], or 0 .. m without an order, lie within the arrays and name columns below n.
cdef inline bint rows_in_range(const Csr *X, ptrdiff_t n, ptrdiff_t m, const int64_t *order) noexcept nogil:
    cdef ptrdiff_t j, k, row
    for j in range(m):
        row = order[j] if order != NULL else j
        if not 0 <= X.bounds[row] <= X.bounds[row + 1] <= X.n_values:
            return False
        for k in range(X.bounds[row], X.bounds[row + 1]):
            if not 0 <= X.columns[k] < n:
                return False
    return True
