# One layer on bound buffers: the three matrix products of the notes, and two of them on a sparse X. The order in which
# W is stored is a transpose flag: column-major (row_major = 0) keeps W (n_out, n_in) as the notes write it, row-major
# keeps its transpose (n_in, n_out), which is the same matrix in NumPy's C order.
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int32_t, int64_t, uint32_t

from fastnn._core.blas cimport matmul
from fastnn._core.registry cimport (
    FASTNN_FLOAT32, FASTNN_IDENTITY, FASTNN_RELU, FASTNN_SOFTMAX, fastnn_dropout, fastnn_finish, fastnn_ops)

cdef struct Layer:
    ptrdiff_t n_in      # n[l-1]
    ptrdiff_t n_out     # n[l]
    int activation
    bint row_major
    bint keeps_z        # the derivative is taken from Z; else from A, which is written over Z
    uint32_t threshold  # of dropout, rate * 2^32; 0 for none
    double input_scale  # 1 / (1 - the dropout rate of the layer before): times A_prev, in each product
    ptrdiff_t W         # where W and b begin in a parameter or gradient arena, in bytes
    ptrdiff_t b


# Rows of a CSR matrix X, (rows, n[0]).
cdef struct Csr:
    char *values        # IN (n_values) of the network's dtype
    int32_t *columns    # IN (n_values)
    int64_t *bounds     # IN (rows + 1): row j is bounds[j] .. bounds[j + 1]
    ptrdiff_t n_values


cdef enum:
    BLAS
    TILES
    DOTS
    MATVEC
    FEW = 32        # columns up to which copying a transpose takes longer than it brings
    LONG = 128      # terms of a sum that inner products are made for,
    LARGE = 8192    # and elements of A: below, BLAS has good kernels for small matrices
    SMALL = 1024    # elements of C up to which BLAS's kernels for small matrices take a transpose
    NARROW = 96     # bytes of a column of C: one and a half vectors of 64, the most that tiles fill badly
    THIN = 5        # rows of a tile of inner products with vectors of 64 bytes,
    THIN_32 = 3     # and with vectors of 32
    OUTPUTS = 32    # units up to which ops.softmax_across is made


# Rows of C that are one tile of inner products.
cdef inline int thin(const fastnn_ops *ops) noexcept nogil:
    return THIN if ops.vector > 32 else THIN_32


# Is a kernel of our own faster than BLAS, and which? (python bench products; figures in ARCHITECTURE.md.)
# Where A is a transpose, inner products need no copy of it: they suit long sums in few columns or rows, and whatever
# sums that fill a vector in one tile of rows or in a single column. Tiles need a vector of rows, or half a one where A
# is a transpose and there are many columns to make up for copying it; where they would not fill their vectors, BLAS is
# faster up to a size. Vectors of 32 bytes take too few elements from a cache line where all lines of a column are in
# one set of the cache.
cdef inline int fastest(const fastnn_ops *ops, int dtype, bint transpose_A, bint transpose_B, ptrdiff_t n, ptrdiff_t m,
                        ptrdiff_t k, ptrdiff_t lda, ptrdiff_t ldb) noexcept nogil:
    cdef ptrdiff_t item = sizeof(float) if dtype == FASTNN_FLOAT32 else sizeof(double)
    cdef ptrdiff_t rows = 2 * n if transpose_A else n
    cdef ptrdiff_t whole = (n * item + ops.vector - 1) // ops.vector * ops.vector // item if ops.vector else n
    if ops.multiply == NULL:
        return BLAS
    if transpose_A and not transpose_B and (
            k >= LONG and n * k >= LARGE and (m < FEW or (n * item <= NARROW and k >= 8 * n))
            or k * item >= ops.vector and (m == 1 or n <= thin(ops))):
        return DOTS
    if m == 1 and not transpose_A and (ldb == 1 or not transpose_B) and n * item >= ops.vector:
        return MATVEC
    if transpose_A and not transpose_B and ops.vector > 32 and n * m <= SMALL and 10 * n < 9 * whole:
        return BLAS
    if (rows * item >= ops.vector and m >= (FEW if transpose_A else 2)
            and (ops.vector > 32 or max(lda, ldb) * item < 4096)):
        return TILES
    return BLAS


# C (n, m) = alpha op(A) op(B), A and B of k columns and rows, by one of them.
cdef inline void multiply_by(
    int kernel, const fastnn_ops *ops, int dtype, bint transpose_A, bint transpose_B, ptrdiff_t n, ptrdiff_t m,
    ptrdiff_t k, double alpha,
    const char *A, ptrdiff_t lda,  # IN (n, k), transposed (k, n)
    const char *B, ptrdiff_t ldb,  # IN (k, m), transposed (m, k)
    char *C, ptrdiff_t ldc,        # OUT (n, m)
    const fastnn_finish *finish,   # IN, of tiles; its bias and relu also of inner products; or NULL
) noexcept nogil:
    if kernel == TILES:
        ops.multiply(transpose_A, transpose_B, n, m, k, alpha, A, lda, B, ldb, C, ldc, finish)
    elif kernel == DOTS:
        ops.dots(n, m, k, alpha, A, lda, B, ldb, C, ldc, finish)
    elif kernel == MATVEC:
        ops.matvec(n, k, alpha, A, lda, B, C)
    else:
        matmul(dtype, transpose_A, transpose_B, n, m, k, alpha, A, lda, B, ldb, C, ldc)


# The same by the fastest.
cdef inline void product(
    const fastnn_ops *ops, int dtype, bint transpose_A, bint transpose_B, ptrdiff_t n, ptrdiff_t m, ptrdiff_t k,
    double alpha,
    const char *A, ptrdiff_t lda,
    const char *B, ptrdiff_t ldb,
    char *C, ptrdiff_t ldc,
) noexcept nogil:
    multiply_by(fastest(ops, dtype, transpose_A, transpose_B, n, m, k, lda, ldb), ops, dtype, transpose_A, transpose_B,
                n, m, k, alpha, A, lda, B, ldb, C, ldc, NULL)


# What makes Z = W A_prev of m examples.
cdef inline int linear_kernel(const fastnn_ops *ops, int dtype, const Layer *layer, ptrdiff_t m) noexcept nogil:
    return fastest(ops, dtype, layer.row_major, False, layer.n_out, m, layer.n_in,
                   layer.n_in if layer.row_major else layer.n_out, layer.n_in)


# The units first .. first + count of Z = W A_prev, by the kernel for all of them; or what they are finished to.
cdef inline void linear_units(
    int kernel, const fastnn_ops *ops, int dtype, const Layer *layer, ptrdiff_t first, ptrdiff_t count, ptrdiff_t m,
    const char *theta,   # IN parameter arena
    const char *A_prev,  # IN (n_in, m)
    char *Z,             # OUT (n_out, m), `count` of its rows
    const fastnn_finish *finish,  # IN, of these units, or NULL
) noexcept nogil:
    cdef ptrdiff_t item = sizeof(float) if dtype == FASTNN_FLOAT32 else sizeof(double)
    cdef ptrdiff_t ld = layer.n_in if layer.row_major else layer.n_out
    multiply_by(kernel, ops, dtype, layer.row_major, False, count, m, layer.n_in, layer.input_scale,
                theta + layer.W + first * (layer.n_in if layer.row_major else 1) * item, ld,
                A_prev, layer.n_in, Z + first * item, layer.n_out, finish)


# Can a product be finished by this activation before it leaves the registers?
cdef inline bint finishes(int kernel, int activation) noexcept nogil:
    return (kernel == TILES or kernel == DOTS) and (activation == FASTNN_RELU or activation == FASTNN_IDENTITY)


# Z = W A_prev and A = g(Z + b): relu and identity before Z leaves the registers, where the product is the kernels' own.
cdef inline void linear_activate(
    int kernel, const fastnn_ops *ops, int dtype, const Layer *layer, int activation, ptrdiff_t m,
    const char *theta,              # IN parameter arena
    const char *A_prev,             # IN (n_in, m)
    char *Z,                        # OUT (n_out, m)
    char *A,                        # OUT (n_out, m), may be Z
    const fastnn_dropout *dropout,  # IN, or NULL
    ptrdiff_t first,                # the number of Z's first element in the mini-batch
    int *finite = NULL,             # OUT where tiles finish: 0 if A_prev is not finite, or perhaps; else left alone
) noexcept nogil:
    cdef fastnn_finish finish
    if finishes(kernel, activation) and Z == A and dropout == NULL:
        finish.bias, finish.shifts, finish.active = theta + layer.b, NULL, NULL
        finish.relu, finish.finite = activation == FASTNN_RELU, finite
        linear_units(kernel, ops, dtype, layer, 0, layer.n_out, m, theta, A_prev, Z, &finish)
    else:
        linear_units(kernel, ops, dtype, layer, 0, layer.n_out, m, theta, A_prev, Z, NULL)
        ops.activate(activation, layer.n_out, m, theta + layer.b, Z, A, dropout, first)


# Are many examples to lie along the vectors in the last layer? Where an eighth of the lanes or more would be empty
# otherwise; of a single tile's units inner products are faster, and with 4 lanes too little is won. (ARCHITECTURE.md)
cdef inline bint outputs_across(const fastnn_ops *ops, int dtype, ptrdiff_t n) noexcept nogil:
    cdef ptrdiff_t lanes = ops.vector // <ptrdiff_t>(sizeof(float) if dtype == FASTNN_FLOAT32 else sizeof(double))
    return lanes >= 8 and thin(ops) < n <= OUTPUTS and 8 * n <= 7 * ((n + lanes - 1) // lanes * lanes)


# The same with the examples along the vectors, Z^T = A_prev^T W^T, so that few units leave no lanes empty; the same
# bits as by tiles.
cdef inline void linear_activate_across(
    const fastnn_ops *ops, const Layer *layer, int activation, ptrdiff_t m,
    const char *theta,   # IN parameter arena
    const char *A_prev,  # IN (n_in, m)
    char *Z,             # scratch (m, n_out)
    char *A,             # OUT (n_out, m)
) noexcept nogil:
    cdef fastnn_finish finish
    finish.bias, finish.shifts, finish.active, finish.finite = NULL, theta + layer.b, NULL, NULL
    finish.relu = activation == FASTNN_RELU
    ops.multiply(True, not layer.row_major, m, layer.n_out, layer.n_in, layer.input_scale, A_prev, layer.n_in,
                 theta + layer.W, layer.n_in if layer.row_major else layer.n_out, Z, m, &finish)
    if activation == FASTNN_SOFTMAX:
        ops.softmax_across(layer.n_out, m, Z, A)
        return
    if not finishes(TILES, activation):
        ops.activate(activation, m, layer.n_out, NULL, Z, Z, NULL, 0)
    ops.gather(layer.n_out, m, Z, 1, m, NULL, A)


# dW = scale dZ A_prev^T
cdef inline void weight_gradient(
    const fastnn_ops *ops, int dtype, const Layer *layer, ptrdiff_t m, double scale,
    const char *dZ,      # IN (n_out, m)
    const char *A_prev,  # IN (n_in, m)
    char *gradient,      # OUT gradient arena, its part at layer.W
) noexcept nogil:
    cdef double alpha = scale * layer.input_scale
    if layer.row_major:
        product(ops, dtype, False, True, layer.n_in, layer.n_out, m, alpha, A_prev, layer.n_in, dZ, layer.n_out,
                gradient + layer.W, layer.n_in)
    else:
        product(ops, dtype, False, True, layer.n_out, layer.n_in, m, alpha, dZ, layer.n_out, A_prev, layer.n_in,
                gradient + layer.W, layer.n_out)


# dA_prev = W^T dZ
cdef inline void input_gradient(
    const fastnn_ops *ops, int dtype, const Layer *layer, ptrdiff_t m,
    const char *theta,   # IN parameter arena
    const char *dZ,      # IN (n_out, m)
    char *dA_prev,       # OUT (n_in, m)
) noexcept nogil:
    product(ops, dtype, not layer.row_major, False, layer.n_in, m, layer.n_out, layer.input_scale, theta + layer.W,
            layer.n_in if layer.row_major else layer.n_out, dZ, layer.n_out, dA_prev, layer.n_in)


# dZ_prev = W^T dZ * g'(Z_prev) and db_prev = scale * its sum over the examples: relu's derivative likewise.
cdef inline void linear_activate_backward(
    const fastnn_ops *ops, int dtype, const Layer *layer, const Layer *before, ptrdiff_t m, double scale,
    const char *theta,   # IN parameter arena
    const char *dZ,      # IN (n_out, m)
    const char *Z_prev,  # IN (n_in, m)
    const char *A_prev,  # IN (n_in, m)
    char *dZ_prev,       # OUT (n_in, m)
    char *gradient,      # OUT gradient arena, its part at before.b
) noexcept nogil:
    cdef fastnn_finish finish
    cdef ptrdiff_t lda = layer.n_in if layer.row_major else layer.n_out
    if (before.activation == FASTNN_RELU and not before.threshold
            and fastest(ops, dtype, not layer.row_major, False, layer.n_in, m, layer.n_out, lda,
                        layer.n_out) == TILES):
        finish.bias, finish.shifts, finish.relu, finish.finite = NULL, NULL, False, NULL
        finish.active, finish.sums, finish.scale = A_prev, gradient + before.b, scale
        ops.multiply(not layer.row_major, False, layer.n_in, m, layer.n_out, layer.input_scale, theta + layer.W, lda,
                     dZ, layer.n_out, dZ_prev, layer.n_in, &finish)
    else:
        input_gradient(ops, dtype, layer, m, theta, dZ, dZ_prev)
        ops.activate_backward(before.activation, layer.n_in, m, Z_prev if before.keeps_z else A_prev,
                              A_prev if before.threshold else NULL, dZ_prev, scale, gradient + before.b)


# Z = W X^T for the rows order[0 .. m] of X, or its rows 0 .. m. W is column-major.
cdef inline void sparse_linear(
    const fastnn_ops *ops, const Layer *layer, ptrdiff_t m,
    const char *theta,     # IN parameter arena
    const Csr *X,
    const int64_t *order,  # IN (m), or NULL
    char *Z,               # OUT (n_out, m)
) noexcept nogil:
    ops.sparse_linear(layer.n_out, m, theta + layer.W, X.values, X.columns, X.bounds, order, Z)


# dW = scale dZ X for the same rows
cdef inline void sparse_weight_gradient(
    const fastnn_ops *ops, const Layer *layer, ptrdiff_t m, double scale,
    const char *dZ,        # IN (n_out, m)
    const Csr *X,
    const int64_t *order,  # IN (m), or NULL
    char *gradient,        # OUT gradient arena, its part at layer.W
) noexcept nogil:
    ops.sparse_weight_gradient(layer.n_out, m, layer.n_in, scale, dZ, X.values, X.columns, X.bounds, order,
                               gradient + layer.W)


# Do the rows of X name elements and columns that are there?
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
