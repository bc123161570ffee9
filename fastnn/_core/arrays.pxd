# Checked pointers to NumPy arrays. Every buffer that the compiled core reads or writes is bound here.
from libc.stddef cimport ptrdiff_t

from fastnn._core.registry cimport fastnn_ops
from fastnn._core.sparse cimport Csr

# Check an array and return its address: contiguous, aligned, of a dtype code or item size, and of `size` elements (-1
# for any number); output pointers refuse read-only arrays. `name` is for errors. A buffer view is appended to `held`
# (unless it is None), so that the array can neither be freed nor resized while its address is in use.
cdef char *pointer(object array, int dtype, ptrdiff_t size, str name, list held) except NULL
cdef char *output_pointer(object array, int dtype, ptrdiff_t size, str name, list held) except NULL
cdef char *index_pointer(object array, int itemsize, ptrdiff_t size, str name, list held) except NULL
cdef char *output_index_pointer(object array, int itemsize, ptrdiff_t size, str name, list held) except NULL

# The shape of a Fortran-ordered matrix of floats; its address if it has the expected shape.
cdef tuple matrix_shape(object M, str name)
cdef char *matrix_pointer(object M, int dtype, tuple shape, str name, bint written=*) except NULL

# The address and the strides, in elements, of a matrix (any, columns).
cdef char *rows_pointer(object X, int dtype, ptrdiff_t columns, ptrdiff_t *row_stride, ptrdiff_t *column_stride,
                        list held) except NULL

# Bind a CSR matrix given as the arrays (values, columns, bounds); returns the number of rows.
cdef ptrdiff_t bind_csr(object arrays, int dtype, Csr *X, list held) except -1

# FASTNN_FLOAT32 or FASTNN_FLOAT64; TypeError for any other array or object.
cdef int dtype_code(object array) except -1

# The kernels of a level and dtype; ValueError if this machine lacks the level.
cdef const fastnn_ops *operations(int level, int dtype) except NULL
