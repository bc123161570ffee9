from libc.stddef cimport ptrdiff_t

from fastnn._core.gemm cimport KernelPolicy
from fastnn._core.layer cimport Network


# A network's layers bound to its parameter arena: the base of both plans.
cdef class BoundNetwork:
    cdef Network net
    cdef list held   # the bound arrays, so that none is freed or resized
    cdef bint busy

    # `level` indexes `registry.LEVELS`; `architecture` has sizes and activations, `parameters` theta and row_major.
    # `writable` refuses a read-only theta.
    cdef int bind_network(self, int level, object architecture, object parameters, KernelPolicy policy,
                          bint writable) except -1

    # The address of an array that is read (IN) or written (OUT): of exactly this shape, contiguous in this order.
    cdef char *input(self, object array, tuple shape, str name) except NULL
    cdef char *output(self, object array, tuple shape, str name, str order=*) except NULL

    # Around every call that uses the buffers, with the GIL held. One thread at a time may be inside a plan.
    cdef int enter(self) except -1
    cdef void leave(self) noexcept
