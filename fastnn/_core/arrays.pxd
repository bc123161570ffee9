# Checked pointers to NumPy arrays. Every buffer that the compiled core reads or writes is bound here.
from libc.stddef cimport ptrdiff_t

from fastnn._core.registry cimport fastnn_inputs, fastnn_loss, fastnn_ops
from fastnn._core.sparse cimport Csr

# Return the address of an array after checking that it is contiguous and aligned, has this dtype code or item size and
# `size` elements (-1: any number), and for output pointers is writable. `name` is for errors. A buffer view is appended
# to `held` (unless it is None), so that the array can neither be freed nor resized while its address is in use.
cdef char *pointer(object array, int dtype, ptrdiff_t size, str name, list held) except NULL
cdef char *output_pointer(object array, int dtype, ptrdiff_t size, str name, list held) except NULL
cdef char *index_pointer(object array, int itemsize, ptrdiff_t size, str name, list held) except NULL
cdef char *output_index_pointer(object array, int itemsize, ptrdiff_t size, str name, list held) except NULL

# Return the shape of a Fortran-ordered float matrix, and its address after checking that it has `shape`.
cdef tuple matrix_shape(object M, str name)
cdef char *matrix_pointer(object M, int dtype, tuple shape, str name, bint written=*) except NULL

# Return the address and the strides, in elements, of a matrix with `columns` columns and any number of rows.
cdef char *rows_pointer(object X, int dtype, ptrdiff_t columns, ptrdiff_t *row_stride, ptrdiff_t *column_stride,
                        list held) except NULL

# Bind a CSR matrix given as the arrays (values, columns, bounds); return the number of rows.
cdef ptrdiff_t bind_csr(object arrays, int dtype, Csr *X, list held) except -1

# Set kind and parameters of a loss of n output units: `parameter` is a float, or float64 (per target,) for one of each
# unit of a target. Return the number of targets.
cdef ptrdiff_t bind_loss(fastnn_loss *loss, str name, object parameter, double ceiling, double factor, ptrdiff_t n,
                         list held) except -1

# Set the input stage of an arena of `size` elements: `table` from Embedding.table, `sizes` (n_frequencies, n_outputs,
# vector_size), `offsets` of scale (-1: none), frequencies, phases, weights, biases and vectors, which must lie in this
# order. Return the rows of A[0].
cdef ptrdiff_t bind_inputs(fastnn_inputs *inputs, object table, object sizes, object offsets, ptrdiff_t size,
                           list held) except -1

# Return FASTNN_FLOAT32 or FASTNN_FLOAT64; raise a TypeError for any other array or object.
cdef int dtype_code(object array) except -1

# Return the kernels of a level and dtype; raise a ValueError if this machine lacks the level.
cdef const fastnn_ops *operations(int level, int dtype) except NULL
