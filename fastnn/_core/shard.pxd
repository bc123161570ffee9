# One shard's forward and backward pass. Plain C on pointers that `TrainingPlan` has bound.
from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint32_t

from fastnn._core.layer cimport Network
from fastnn._core.registry cimport fastnn_loss
from fastnn._core.sparse cimport Csr

# The buffers of a training run.
cdef struct TrainingBuffers:
    const Network *net
    fastnn_loss loss
    uint32_t dropout_key[2]  # of this step
    char *gradients          # (n_shards, P) OUT; nothing in it is defined for frozen layers
    int lowest               # index of the first layer that is not frozen, down to which the backward pass goes
    bint trains_inputs       # it goes on to the parameters of the input stage; `lowest` is then 0

    # The examples
    ptrdiff_t rows
    char *X                  # IN (rows, n[0]), strided; NULL for a sparse X
    ptrdiff_t row_stride     # in elements
    ptrdiff_t column_stride
    Csr sparse_X             # IN, instead of X
    char *Y                  # IN (rows, n_targets), or int32 (rows) labels
    ptrdiff_t n_targets      # n[L], or fewer if a target has several output units
    char *sample_weight      # IN (rows), unit weights: (rows, n[L]); or NULL
    ptrdiff_t weight_width   # weights of an example: 1, or n[L]
    int64_t *order           # IN (positions), or NULL for 0, 1, 2, ...
    ptrdiff_t positions      # of the order; without one the rows

    # The workspace of a mini-batch of up to max_batch examples; shards take consecutive columns of each matrix
    ptrdiff_t max_batch
    char *batch_X            # (n[0], m), or NULL if batches are read in place
    char *A0                 # A[0] (its rows, m) of an input stage, or NULL without one
    char *batch_Y            # (n_targets, m) or int32 (m), or NULL likewise
    char *batch_weights      # (weight_width, m), or NULL likewise
    int *finite              # OUT cleared if X of a gathered or read example is not finite; or NULL: not checked
    char **Z                 # n_layers matrices (n[l], m)
    char **A                 # n_layers matrices (n[l], m); A[l] is Z[l] if the layer's derivative does not need Z
    char **dZ                # two matrices (widest, m), used in turns, then for dA[0]


cdef struct Shard:
    ptrdiff_t position     # of its first example in the order
    ptrdiff_t column       # of its first example in the workspace
    ptrdiff_t m            # examples
    char *X                # (n[0], m), in place or gathered; NULL for a sparse X
    char *A0               # A[0] (its rows, m): X, or what the input stage makes of it
    Csr rows               # instead of X, from the first row on or, with an order, from the beginning
    const int64_t *order   # IN (m), or NULL
    double scale           # of its gradient
    char *gradient         # OUT (P)

# Whether the positions start .. stop name existing rows, and sparse rows existing columns.
cdef bint examples_in_range(const TrainingBuffers *run, ptrdiff_t start, ptrdiff_t stop) noexcept nogil

# The sum of the sample weights of `count` positions from `start` on, an example's unit weights counting as their mean;
# without sample weights their number.
cdef double total_weight(const TrainingBuffers *run, ptrdiff_t start, ptrdiff_t count) noexcept nogil

# Shard s of S of these positions: fills the s-th gradient arena with its gradient, divided by `weight`, and returns
# the sum of w_j L_j.
cdef double shard_pass(const TrainingBuffers *run, int s, int S, ptrdiff_t start, ptrdiff_t count,
                       double weight) noexcept nogil

# ---- The stages of a pass

# Shard s of S of these positions, with the first gradient arena. X is where `gather_X` leaves it.
cdef Shard make_shard(const TrainingBuffers *run, int s, int S, ptrdiff_t start, ptrdiff_t count,
                      double weight) noexcept nogil
cdef void gather_X(const TrainingBuffers *run, const Shard *shard) noexcept nogil
# Fill dZ[L] and db[L] after the forward pass; return the sum of w_j L_j.
cdef double output_gradient(const TrainingBuffers *run, const Shard *shard) noexcept nogil
# The shard's columns in a matrix (n, m) of the workspace, and in dZ of a layer.
cdef char *columns(const TrainingBuffers *run, char *matrix, ptrdiff_t n, const Shard *shard) noexcept nogil
cdef char *dZ_of(const TrainingBuffers *run, int l, const Shard *shard) noexcept nogil
