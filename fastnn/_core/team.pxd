# Teams of threads: csrc/threads/team.h.
from libc.stddef cimport ptrdiff_t

cdef extern from "threads/team.h" nogil:
    ctypedef struct fastnn_place:
        int thread  # 0 .. count - 1
        int count   # threads of the team

    # The context is the plan itself: a cdef function of (plan, place) is cast to this type.
    ctypedef void (*fastnn_team_body)(void *context, const fastnn_place *place) noexcept nogil

    # Return the counter and add 1, as one operation.
    ptrdiff_t fastnn_take(ptrdiff_t *counter)

# Call `body` in `count` threads, in the caller's floating-point mode, and wait for all of them.
cdef void run_team(int count, fastnn_team_body body, void *context) noexcept nogil
# Wait until all threads of the team have come here.
cdef void team_barrier(const fastnn_place *place) noexcept nogil
# Seconds since some moment.
cdef double clock() noexcept nogil
