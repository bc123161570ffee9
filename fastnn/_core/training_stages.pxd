from libc.stddef cimport ptrdiff_t

from fastnn._core.registry cimport fastnn_update
from fastnn._core.team_policy cimport fastnn_team_policy
from fastnn._core.training_buffers cimport BoundTraining

# The stages of a training step, in order. Threads share the parts of a stage.
cdef enum:
    PASS = 1      # a shard's forward and backward pass
    REDUCE = 2    # sum of the shards' gradients, for a slice of the parameters
    PENALIZE = 4  # the same sum with the penalties' derivatives, and its squared norm, for a slice
    UPDATE = 8    # update of a slice
    N_STAGES = 4

# The calls that run stages; each has its own team policy.
cdef enum:
    STEP_CALL
    GRADIENT_CALL
    APPLY_CALL
    N_CALLS


# A bound training run with its current mini-batch, and the team of threads that runs the stages.
cdef class TrainingStages(BoundTraining):
    cdef int team
    cdef int n_parts                # of each layer, if threads share a single shard; else 1
    cdef int n_slices               # of the parameters: n_shards or n_parts, or if both are 1 `team`
    cdef fastnn_team_policy policies[N_CALLS]
    cdef double *shard_loss         # (n_shards)
    cdef double *slice_penalty      # (n_slices) L2 and L1 terms of J
    cdef double *slice_squares      # (n_slices) squared norm of the gradient with penalties
    cdef double loss_sum, weight_sum  # of the steps since the last `take_mean_loss`

    # The current mini-batch
    cdef ptrdiff_t start, count
    cdef int n_active               # its shards
    cdef double weight              # its total weight
    cdef fastnn_update update       # of its step
    cdef int stages                 # that run: a bit set
    cdef bint has_gradient          # `gradient` was called and `apply` was not yet

    cdef int bind_team(self, int team, int n_parts) except -1

    # Make `count` examples from position `start` on the current mini-batch.
    # `dropout` multiplies the rates of dropout.
    cdef void begin(self, ptrdiff_t start, ptrdiff_t count, double dropout=*) noexcept nogil
    # Replace the mini-batch's mean loss and weight by those of a larger one that it is a part of.
    cdef void combine(self, double loss, double weight) noexcept nogil
    # Run a bit set of stages in one parallel region.
    cdef void run_stages(self, int stages, int call) noexcept nogil
    # Return the mean loss after PASS, without penalties.
    cdef double mean_loss(self) noexcept nogil
    # Count the step after UPDATE and return the penalties of J: NaN if clipping is on and the norm is not finite,
    # otherwise 0 if the mean loss is not finite.
    cdef double end_update(self, double loss) noexcept nogil

    cdef void scale_l2(self) noexcept nogil
    cdef double total_loss(self) noexcept nogil
    cdef double gradient_norm(self) noexcept nogil
    cdef ptrdiff_t slice_start(self, int s) noexcept nogil
    cdef int parts(self, int stage) noexcept nogil
    cdef void run_part(self, int stage, int k) noexcept nogil
    cdef void part_of_slice(self, int s, ptrdiff_t *start, ptrdiff_t *stop) noexcept nogil
    cdef double frozen_penalty(self) noexcept nogil
    cdef double sum_slice(self, const fastnn_update *u, int s, double *squares) noexcept nogil
    cdef void reduce_slice(self, int s) noexcept nogil
    cdef void penalize_slice(self, int s) noexcept nogil
    cdef void update_slice(self, int s) noexcept nogil
