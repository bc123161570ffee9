# From Python objects to checked pointers: every buffer that the compiled core touches comes through here.
from libc.stddef cimport ptrdiff_t

from fastnn._core.dense cimport Csr, Layer
from fastnn._core.registry cimport fastnn_ops

# The address of a contiguous, aligned array of the given dtype code and element count. `held` keeps a buffer
# view of it, so that it can neither be freed nor resized while it is bound.
cdef char *pointer(object array, int dtype, ptrdiff_t size, str name, list held) except NULL
# The same of an array that is written to: not a read-only one.
cdef char *output_pointer(object array, int dtype, ptrdiff_t size, str name, list held) except NULL
cdef char *index_pointer(object array, int itemsize, ptrdiff_t size, str name, list held) except NULL
cdef char *output_index_pointer(object array, int itemsize, ptrdiff_t size, str name, list held) except NULL

# The address and the strides, in elements, of a matrix of `columns` columns.
cdef char *rows_pointer(object X, int dtype, ptrdiff_t columns, ptrdiff_t *row_stride, ptrdiff_t *column_stride,
                        list held) except NULL
# The rows of a CSR matrix, given as the arrays (values, columns, bounds); returns their number.
cdef ptrdiff_t bind_csr(object arrays, int dtype, Csr *X, list held) except -1
cdef int dtype_code(object array) except -1
cdef const fastnn_ops *operations(int level, int dtype) except NULL

# The layers of a network; the caller frees the result.
cdef Layer *make_layers(object sizes, object activations, object row_major, ptrdiff_t itemsize) except NULL
cdef ptrdiff_t arena_size(const Layer *layers, int n_layers, ptrdiff_t itemsize) noexcept
cdef bint in_forked_child() noexcept nogil

# Around every call into BLAS or OpenMP, with the GIL held: a fork waits until no such call is at work, and a call
# until no fork is.
cdef int begin_call() except -1
cdef void end_call() noexcept
