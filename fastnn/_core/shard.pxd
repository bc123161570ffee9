# One shard's way through the network: gather, forward, loss, backward. Plain C on pointers that `Plan` has bound.
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint32_t

from fastnn._core.dense cimport Csr, Layer
from fastnn._core.registry cimport fastnn_loss, fastnn_ops

cdef struct Bound:
    const fastnn_ops *ops
    int dtype
    fastnn_loss loss
    int n_layers
    uint32_t key[2]          # of this step's dropout
    ptrdiff_t itemsize
    ptrdiff_t size           # P: elements of the parameter arena
    ptrdiff_t widest         # max n[l], l >= 1
    Layer *layers            # (n_layers)
    char *theta              # (P) IN/OUT
    char *gradients          # (n_shards, P) OUT

    # the caller's rows
    ptrdiff_t rows
    char *X                  # IN (rows, n[0]), strided; NULL for a sparse X
    ptrdiff_t row_stride     # in elements
    ptrdiff_t column_stride
    Csr sparse_X             # IN instead
    char *Y                  # IN (rows, n[L]), or int32 (rows) labels
    char *weights            # IN (rows), or NULL
    int64_t *order           # IN (positions), or NULL for 0, 1, 2, ...
    ptrdiff_t positions      # of the order; without one the rows

    # the caches of one mini-batch of up to max_batch examples, columns shared out among the shards
    ptrdiff_t max_batch
    char *batch_X            # (n[0], m), or NULL where batches are read in place
    char *batch_Y            # (n[L], m) or int32 (m), or NULL likewise
    char *batch_weights      # (m), or NULL likewise
    char **Z                 # n_layers matrices (n[l], m)
    char **A                 # n_layers matrices (n[l], m); A[l] is Z[l] where Z is not kept
    char **dZ                # n_layers pointers to two matrices (widest, m), taken in turns


# Do these examples name rows, and sparse rows columns, that are there?
cdef bint examples_in_range(const Bound *bound, ptrdiff_t start, ptrdiff_t stop) noexcept nogil
cdef double total_weight(const Bound *bound, ptrdiff_t start, ptrdiff_t count) noexcept nogil

# Shard s of S of the examples start .. start + count: leaves its gradient, scaled by 1 / weight, in the s-th arena
# and returns the sum of w_j L_j.
cdef double shard_pass(const Bound *bound, int s, int S, ptrdiff_t start, ptrdiff_t count,
                       double weight) noexcept nogil
