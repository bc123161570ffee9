from libc.stddef cimport ptrdiff_t
from libc.stdint cimport uint64_t

from fastnn._core.gemm cimport KernelPolicy
from fastnn._core.layer cimport Network
from fastnn._core.registry cimport fastnn_inputs


# A network's layers bound to its parameter arena: the base of both plans.
cdef class BoundNetwork:
    cdef Network net
    cdef fastnn_inputs inputs  # of the input stage, if there is one
    cdef list held   # the bound arrays, so that none can be freed or resized
    cdef bint busy
    cdef uint64_t callers_mode  # the floating-point mode of the thread that entered

    # `level` indexes `registry.LEVELS`; `architecture` has sizes and activations, `parameters` theta and row_major.
    # `parts` are of `_model.parts.Parts`, or None for layers only. `writable` refuses a read-only theta.
    cdef int bind_network(self, int level, object architecture, object parameters, KernelPolicy policy,
                          bint writable, object parts) except -1

    # Bind the parts; return the elements of the arena.
    cdef ptrdiff_t bind_parts(self, object parts, ptrdiff_t size) except -1

    # Return the address of an array to read (C-ordered) or to write (in `order`) after checking its exact shape.
    cdef char *input(self, object array, tuple shape, str name) except NULL
    cdef char *output(self, object array, tuple shape, str name, str order=*) except NULL

    # Called with the GIL held before and after the buffers are used. `enter` refuses a second thread. Between them,
    # subnormal numbers count as zero in the calling thread.
    cdef int enter(self) except -1
    cdef void leave(self) noexcept
