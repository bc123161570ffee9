# One shard's way through the network: gather, forward, loss, backward. Plain C on pointers that `Plan` has bound.
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint32_t

from fastnn._core.dense cimport Csr, Layer
from fastnn._core.registry cimport fastnn_ops, fastnn_update

cdef struct Bound:
    const fastnn_ops *ops
    int dtype
    int loss
    double loss_parameter
    double loss_ceiling
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
    char **dZ                # n_layers matrices (n[l], m) where `fused`, else two (widest, m) taken in turns
    bint fused               # dW is taken of the whole mini-batch, after all shards


# Do these examples name rows, and sparse rows columns, that are there?
cdef bint examples_in_range(const Bound *bound, ptrdiff_t start, ptrdiff_t stop) noexcept nogil
cdef double total_weight(const Bound *bound, ptrdiff_t start, ptrdiff_t count) noexcept nogil

# Shard s of S of the examples start .. start + count: leaves its gradient, scaled by 1 / weight, in the s-th arena
# and returns the sum of w_j L_j. Without `weights` only the biases' part of the gradient.
cdef double shard_pass(const Bound *bound, int s, int S, ptrdiff_t start, ptrdiff_t count, double weight,
                       bint weights) noexcept nogil

# Slice t of T of each W takes its step, by dW of the whole mini-batch, once all shards are through (`fused`). The t-th
# gradient arena is scratch. Returns the slice's L2 and L1 terms of J.
cdef double step_weights(const Bound *bound, int t, int T, ptrdiff_t start, ptrdiff_t count, double weight,
                         const fastnn_update *u, char *first_state, char *second_state) noexcept nogil
