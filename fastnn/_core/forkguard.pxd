# Surround every call into BLAS or OpenMP with begin_call and end_call, both with the GIL held: forks wait until no call
# is running, and calls until no fork is happening.
cdef int begin_call() except -1
cdef void end_call() noexcept

# True in a forked child, which must not enter a parallel region.
cdef bint in_forked_child() noexcept nogil
