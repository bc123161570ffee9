from libc.stddef cimport ptrdiff_t

from fastnn._core.layer cimport Layer
from fastnn._core.network cimport BoundNetwork
from fastnn._core.sparse cimport Csr

# How a layer is computed in a call.
cdef struct LayerDecision:
    int kernel        # of the product, from gemm.pxd
    int activation    # the layer's, or identity for raw outputs
    bint epilogue     # the kernel also applies the activation, unless the units are split
    bint across       # vectorise over examples instead of units
    bint split        # split the units into parts if the product is large enough

# The rows of a call, and how they are split. Blocks are parts of a chunk's rows; parts are parts of a layer's units.
cdef struct Call:
    char *X                  # IN (m, n[0]), strided; NULL for a sparse X
    ptrdiff_t row_stride     # in elements
    ptrdiff_t column_stride
    Csr sparse_X             # IN, instead of X
    ptrdiff_t m
    char *out                # OUT (m, n[L]), C-ordered
    ptrdiff_t block          # rows of one BLAS product, on which the last bits of its results depend
    ptrdiff_t chunk          # rows that a thread takes through all layers at a time: a multiple of `block`
    int parts                # number of parts into which the units of a large layer are split
    bint parallel_parts      # threads compute the parts in parallel; otherwise one thread computes all
    LayerDecision *layers    # (n_layers)
    ptrdiff_t n_chunks
    ptrdiff_t taken          # chunks that threads have taken
    ptrdiff_t refused        # chunks whose X is not finite

# A product of one layer whose units are split between threads.
cdef struct Split:
    int kernel
    const Layer *layer
    int parts
    ptrdiff_t count      # of the rows
    const char *A_prev   # IN (n[l], count)
    char *Z              # OUT (n[l+1], count)


# A bound network with scratch memory for each thread.
cdef class PredictionChunks(BoundNetwork):
    cdef ptrdiff_t block       # rows that a thread's scratch can hold: the upper limit of a call's block and chunk
    cdef ptrdiff_t per_thread  # elements of a thread's scratch
    cdef char *scratch         # (team, per_thread)
    cdef Call *call            # that runs
    cdef const Split *split    # that runs

    # Compute all chunks of a call on a team; return whether X is finite.
    cdef bint run_chunks(self, Call *call, int team) noexcept nogil
    # Compute all layers for the k-th chunk in a thread's scratch; return whether its X is finite.
    cdef bint run_chunk(self, const Call *call, ptrdiff_t k, int thread) noexcept nogil
    cdef bint first_layer(self, const Call *call, ptrdiff_t count, const char *X, char *Z, char *A) noexcept nogil
    cdef bint embedded_first_layer(self, const Call *call, ptrdiff_t count, const char *X, char *A0, char *Z,
                                   char *A) noexcept nogil
    cdef bint sparse_first_layer(self, const Call *call, ptrdiff_t first, ptrdiff_t count, char *Z,
                                 char *A) noexcept nogil
    cdef void layer(self, const Call *call, int l, ptrdiff_t count, const char *A_prev, char *Z,
                    char *A) noexcept nogil
    cdef int parts_of(self, const Call *call, int l, ptrdiff_t count) noexcept nogil
    cdef void linear(self, const Call *call, int l, int parts, ptrdiff_t count, const char *A_prev,
                     char *Z) noexcept nogil
    cdef void linear_part(self, int kernel, const Layer *layer, int s, int parts, ptrdiff_t count, const char *A_prev,
                          char *Z) noexcept nogil
    cdef bint all_finite(self, const char *X, ptrdiff_t count) noexcept nogil
    cdef bint shows_finite(self, const char *X, const char *Z, ptrdiff_t count) noexcept nogil
    cdef char *gather_rows(self, const Call *call, ptrdiff_t first, ptrdiff_t count, char *scratch) noexcept nogil
    cdef char *scratch_of(self, int l, char *scratch) noexcept nogil
    cdef char *Z_of(self, int l, char *scratch, char *A) noexcept nogil
    cdef char *output_of(self, const Call *call, int l, ptrdiff_t first, char *scratch) noexcept nogil
