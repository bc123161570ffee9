# Matrix products C (n, m) = alpha op(A) (n, k) op(B) (k, m), column-major: choose a kernel by shape, then multiply.
from libc.stddef cimport ptrdiff_t

from fastnn._core.blas cimport matmul
from fastnn._core.registry cimport FASTNN_FLOAT32, fastnn_epilogue, fastnn_ops
from fastnn._core.tuning cimport (
    MAX_DOTS_COLUMN_BYTES, MAX_DOTS_COLUMNS, MAX_SMALL_BLAS_ELEMENTS, MIN_DOTS_ELEMENTS, MIN_DOTS_TERMS,
    MIN_DOTS_TERMS_PER_ROW, MIN_TILES_COLUMNS, MIN_TILES_COLUMNS_TRANSPOSED, MIN_TILES_FILLED_TENTHS,
    WIDE_VECTOR_BYTES)

cdef enum:   # kernels
    BLAS     # SciPy's
    TILES    # ops.multiply
    DOTS     # ops.dot_kernel
    MATVEC   # ops.matvec

cdef enum KernelPolicy:
    FASTEST_KERNEL  # as `fastest_kernel` chooses
    BLAS_ONLY       # BLAS for every product, with threads of its own


cdef inline bint has_wide_vectors(const fastnn_ops *ops) noexcept nogil:
    return ops.vector >= WIDE_VECTOR_BYTES


cdef inline ptrdiff_t item_size(int dtype) noexcept nogil:
    return sizeof(float) if dtype == FASTNN_FLOAT32 else sizeof(double)


# Return `column_bytes` rounded up to whole vectors.
cdef inline ptrdiff_t vectors_bytes(const fastnn_ops *ops, ptrdiff_t column_bytes) noexcept nogil:
    return (column_bytes + ops.vector - 1) // ops.vector * ops.vector


# Choose the fastest kernel for a shape. The first rule that applies decides.
cdef inline int fastest_kernel(const fastnn_ops *ops, int dtype, bint transpose_A, bint transpose_B, ptrdiff_t n,
                               ptrdiff_t m, ptrdiff_t k, ptrdiff_t ldb) noexcept nogil:
    cdef ptrdiff_t item = item_size(dtype), column = n * item
    cdef bint dots = transpose_A and not transpose_B, large = k >= MIN_DOTS_TERMS and n * k >= MIN_DOTS_ELEMENTS
    # BLAS if the level has no kernels of its own.
    if ops.multiply == NULL:
        return BLAS
    # Dots for long sums and few columns: tiles would have to copy the transposed A.
    if dots and large and m <= MAX_DOTS_COLUMNS:
        return DOTS
    # Dots for long sums and few rows: tiles would not fill their vectors.
    if dots and large and column <= MAX_DOTS_COLUMN_BYTES and k >= MIN_DOTS_TERMS_PER_ROW * n:
        return DOTS
    # Dots for sums that fill a vector, in a single column or a single tile of rows.
    if dots and k * item >= ops.vector and (m == 1 or n <= ops.dots_tile_rows):
        return DOTS
    # The matrix-vector kernel for a single column that fills a vector.
    if m == 1 and not transpose_A and (ldb == 1 or not transpose_B) and column >= ops.vector:
        return MATVEC
    # BLAS for a small C if A is transposed and tiles would leave lanes empty.
    if (dots and has_wide_vectors(ops) and n * m <= MAX_SMALL_BLAS_ELEMENTS
            and 10 * column < MIN_TILES_FILLED_TENTHS * vectors_bytes(ops, column)):
        return BLAS
    # BLAS if a column does not fill a vector, or half a vector if A is transposed.
    if (2 * column if transpose_A else column) < ops.vector:
        return BLAS
    # BLAS for few columns.
    if m < (MIN_TILES_COLUMNS_TRANSPOSED if transpose_A else MIN_TILES_COLUMNS):
        return BLAS
    return TILES


# C = alpha op(A) op(B) by the given kernel.
cdef inline void multiply_by(
    int kernel, const fastnn_ops *ops, int dtype, bint transpose_A, bint transpose_B, ptrdiff_t n, ptrdiff_t m,
    ptrdiff_t k, double alpha,
    const char *A, ptrdiff_t lda,  # IN (n, k), transposed (k, n)
    const char *B, ptrdiff_t ldb,  # IN (k, m), transposed (m, k)
    char *C, ptrdiff_t ldc,        # OUT (n, m)
    const fastnn_epilogue *epilogue,  # IN, or NULL; dots apply bias and relu only, MATVEC and BLAS nothing
) noexcept nogil:
    if kernel == TILES:
        ops.multiply(transpose_A, transpose_B, n, m, k, alpha, A, lda, B, ldb, C, ldc, epilogue)
    elif kernel == DOTS:
        ops.dot_kernel(n, m, k, alpha, A, lda, B, ldb, C, ldc, epilogue)
    elif kernel == MATVEC:
        ops.matvec(n, k, alpha, A, lda, B, C)
    else:
        matmul(dtype, transpose_A, transpose_B, n, m, k, alpha, A, lda, B, ldb, C, ldc)


# C = alpha op(A) op(B) by the fastest kernel.
cdef inline void product(
    const fastnn_ops *ops, int dtype, bint transpose_A, bint transpose_B, ptrdiff_t n, ptrdiff_t m, ptrdiff_t k,
    double alpha,
    const char *A, ptrdiff_t lda,  # IN (n, k), transposed (k, n)
    const char *B, ptrdiff_t ldb,  # IN (k, m), transposed (m, k)
    char *C, ptrdiff_t ldc,        # OUT (n, m)
) noexcept nogil:
    multiply_by(fastest_kernel(ops, dtype, transpose_A, transpose_B, n, m, k, ldb), ops, dtype, transpose_A,
                transpose_B, n, m, k, alpha, A, lda, B, ldb, C, ldc, NULL)
