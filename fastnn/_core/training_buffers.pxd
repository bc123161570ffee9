from libc.stddef cimport ptrdiff_t
from libc.stdint cimport int64_t, uint32_t

from fastnn._core.network cimport BoundNetwork
from fastnn._core.registry cimport fastnn_update
from fastnn._core.shard cimport TrainingBuffers


# Consecutive parameters of one group, with the factors of their learning rate and of their decoupled weight decay.
cdef struct Group:
    ptrdiff_t start, stop  # elements of the arena
    double rate
    double decay           # of (learning rate * weight decay), itself a multiple of `rate`


# A network with the examples, the objective, the update and the workspace of a training run, checked once.
# `TrainingPlan` documents the values; bind_network comes first, the others in this order.
cdef class BoundTraining(BoundNetwork):
    cdef TrainingBuffers run
    cdef int n_shards
    cdef char *states[2]          # (P) each, or NULL
    cdef int64_t *step_count      # (1), or NULL without an update
    cdef fastnn_update settings   # as given; a step works on a copy
    cdef double clip_norm
    cdef bint l2_by_batch
    cdef bint drops
    cdef double *dropout_rates    # (n_layers), 0 for the output
    cdef double highest_rate      # of dropout
    cdef double dropout_factor    # of the rates that the layers hold now
    cdef ptrdiff_t *ranges        # (n_ranges, 2) starts and stops of the trained parameters in the arena, in order
    cdef int n_ranges
    cdef Group *groups            # (n_groups) the ranges, cut where factors differ
    cdef int n_groups
    cdef double frozen_squares, frozen_absolutes  # sums over the weights of the frozen layers
    cdef uint32_t dropout_seed[2]
    cdef int X_is_finite          # so far, if it is checked

    cdef int bind_objective(self, object objective) except -1
    cdef int bind_update(self, object update) except -1
    cdef int bind_dropout(self, object rates, object seed) except -1
    cdef void set_dropout(self, double factor) noexcept nogil
    cdef int bind_trained(self, object frozen, object groups) except -1
    cdef void add_layers(self) noexcept
    cdef void add_part(self, bint frozen, ptrdiff_t offset, ptrdiff_t count, double decay) noexcept
    cdef void add_groups(self, list rows) noexcept
    cdef void add_group(self, ptrdiff_t start, ptrdiff_t stop, double rate, double decay) noexcept
    cdef bint is_trained(self, ptrdiff_t offset, ptrdiff_t count) noexcept
    cdef int bind_examples(self, object examples) except -1
    cdef int bind_workspace(self, object workspace, object parallelism) except -1
