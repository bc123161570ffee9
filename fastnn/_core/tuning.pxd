# Every threshold of the Cython layer, with its unit and the benchmark that set it.
# The C kernels have theirs in csrc/tuning.h, the Python layer in fastnn/_tuning.py.

# ---- Choice of a product's kernel in gemm.pxd (python bench products)
# C (n, m) = alpha op(A) (n, k) op(B) (k, m)
cdef enum:
    WIDE_VECTOR_BYTES = 64          # bytes of an AVX-512 vector
    MIN_DOTS_TERMS = 128            # terms k from which the dot kernel is used for few rows or columns
    MIN_DOTS_ELEMENTS = 8192        # elements of A from which the dot kernel is faster than BLAS's small-matrix kernels
    MAX_DOTS_COLUMNS = 31           # columns m of C up to which copying a transposed A costs more than it saves
    MAX_DOTS_COLUMN_BYTES = 96      # bytes of a column of C up to which tiles waste lanes: 1.5 AVX-512 vectors
    MIN_DOTS_TERMS_PER_ROW = 8      # terms k per row of such a C from which the dot kernel is faster
    MAX_SMALL_BLAS_ELEMENTS = 1024  # elements of C up to which BLAS's small-matrix kernels take a transpose
    MIN_TILES_FILLED_TENTHS = 9     # tenths of the vectors' lanes that tiles must fill for such a small C
    MIN_TILES_COLUMNS = 2           # columns of C from which tiles are faster,
    MIN_TILES_COLUMNS_TRANSPOSED = 32  # and if A is transposed and therefore copied

# ---- The output layer of many rows in layer.pxd (python bench predict)
cdef enum:
    MAX_UNITS_ACROSS = 32           # units up to which ops.softmax_across works
    MIN_LANES_ACROSS = 8            # lanes of a vector from which vectorising over examples is faster,
    MAX_FILLED_EIGHTHS_ACROSS = 7   # and the eighths of these lanes that the units may fill

# ---- Work sharing in prediction_plan.pyx (python bench predict)
cdef enum:
    MIN_ROWS_SPLIT_BY_ROWS = 64     # rows from which threads always split the rows
    MIN_ROWS_SPLIT_LARGE_LAYERS = 8  # rows from which they may: each thread then reads all of W
    WEIGHT_BYTES_PER_ROW = 1 << 18  # bytes of W for which the limit rises by a row, between the two
    MIN_ROWS_ACROSS = 64            # rows from which the output layer is vectorised over examples
    MIN_PARALLEL_WORK = 400000      # multiply-adds below which one thread is faster
    MIN_UNITS_SPLIT = 64            # units of a layer from which threads split the units
    UNITS_GRANULE = 16              # units to which parts are rounded: one or two vectors
    MAX_CONVERTED_ELEMENTS = 1 << 16  # elements of X of another dtype or order up to which a copy saves the full checks

# ---- The check of X while it is gathered in shard.pyx (python bench fixed_costs)
cdef enum:
    CHECKED_BLOCK_BYTES = 1 << 16   # bytes that are gathered, then checked while they are in the L2 cache

# ---- The update in training_plan.pyx
cdef enum:
    SLICE_GRANULE = 16              # elements to which slices are rounded, so that no two threads share a cache line
