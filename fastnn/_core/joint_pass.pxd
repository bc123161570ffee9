# The forward and backward pass of a whole mini-batch, whose parts threads share. Plain C, as in shard.pxd.
from libc.stddef cimport ptrdiff_t

from fastnn._core.shard cimport TrainingBuffers
from fastnn._core.team cimport fastnn_place

# Run the parts of one thread of a team, whose threads wait for each other after each layer: fill the first gradient
# arena with the gradient of these positions, divided by `weight`, and `loss` with the sum of w_j L_j. Results depend
# on the number of parts, not on that of threads.
cdef void joint_pass(const TrainingBuffers *run, int parts, const fastnn_place *place, ptrdiff_t start,
                     ptrdiff_t count, double weight,
                     double *loss,  # OUT, by thread 0
                     ) noexcept nogil
