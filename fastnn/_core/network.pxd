from libc.stdint cimport int64_t, uint32_t

from fastnn._core.registry cimport fastnn_loss, fastnn_ops, fastnn_update
from fastnn._core.shard cimport Bound


# What a training run is bound to; `Plan` says what each argument is. `bind_network` comes first.
cdef class BoundRun:
    cdef Bound bound
    cdef fastnn_ops ops           # of the level
    cdef int n_shards
    cdef int rule
    cdef char *states[2]          # (P) each, or NULL
    cdef int64_t *step_count      # (1)
    cdef fastnn_update settings   # as given; a step works on a copy
    cdef double clip_norm
    cdef bint drops
    cdef uint32_t seed[2]         # of dropout
    cdef list held                # the bound arrays, so that none is freed or resized

    cdef int bind_network(self, int level, object sizes, object activations, object row_major, fastnn_loss loss,
                          object theta, object gradients, bint blas) except -1
    cdef int bind_update(self, int rule, object arenas, object step_count, dict hyperparameters) except -1
    cdef int bind_dropout(self, object dropout, object seed) except -1
    cdef int bind_data(self, object X, object Y, object weights, object order) except -1
    cdef int bind_caches(self, object Z, object A, object dZ, object batch) except -1

    # An array that is read, or written to: of just this shape, and dense in this order.
    cdef char *input(self, object array, tuple shape, str name) except NULL
    cdef char *output(self, object array, tuple shape, str name, str order=*) except NULL
    cdef char *in_shape(self, char *address, object array, tuple shape, str name, str order) except NULL
