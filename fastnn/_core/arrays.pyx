"""Checked pointers to NumPy arrays."""
cimport numpy as cnp
from libc.limits cimport INT_MAX
from libc.stdint cimport int32_t, int64_t

from fastnn._core.registry cimport (
    FASTNN_CATEGORY, FASTNN_FLOAT32, FASTNN_FLOAT64, FASTNN_KINDS, FASTNN_NUMBER, FASTNN_PLAIN, csrc, fastnn_column,
    fastnn_inputs, fastnn_loss, fastnn_ops, loss_code)
from fastnn._core.sparse cimport Csr

cnp.import_array()


cdef int dtype_code(object array) except -1:
    if not isinstance(array, cnp.ndarray):
        raise TypeError(f"expected an ndarray, got {type(array).__name__}")
    cdef int typenum = cnp.PyArray_TYPE(array)
    if typenum == cnp.NPY_FLOAT32 and cnp.PyArray_ISNOTSWAPPED(array):
        return FASTNN_FLOAT32
    if typenum == cnp.NPY_FLOAT64 and cnp.PyArray_ISNOTSWAPPED(array):
        return FASTNN_FLOAT64
    raise TypeError(f"expected float32 or float64, got {array.dtype}")


cdef char *checked(cnp.ndarray array, ptrdiff_t size, str name, list held) except NULL:
    if not (cnp.PyArray_IS_C_CONTIGUOUS(array) or cnp.PyArray_IS_F_CONTIGUOUS(array)):
        raise ValueError(f"{name} must be contiguous")
    if not cnp.PyArray_ISALIGNED(array):
        raise ValueError(f"{name} must be aligned")
    if size >= 0 and cnp.PyArray_SIZE(array) != size:
        raise ValueError(f"{name} must have {size} elements, got {cnp.PyArray_SIZE(array)}")
    if held is not None:
        held.append((array, memoryview(array)))
    return <char *>cnp.PyArray_DATA(array)


cdef char *pointer(object array, int dtype, ptrdiff_t size, str name, list held) except NULL:
    if dtype_code(array) != dtype:
        raise TypeError(f"{name} has dtype {array.dtype}, which differs from the parameters'")
    return checked(array, size, name, held)


cdef char *output_pointer(object array, int dtype, ptrdiff_t size, str name, list held) except NULL:
    cdef char *address = pointer(array, dtype, size, name, held)
    refuse_read_only(array, name)
    return address


cdef char *index_pointer(object array, int itemsize, ptrdiff_t size, str name, list held) except NULL:
    # Comparing with a dtype by name would take longer than a shuffle of a hundred rows.
    if not (isinstance(array, cnp.ndarray) and cnp.PyArray_ISSIGNED(array)
            and cnp.PyArray_ITEMSIZE(array) == itemsize and cnp.PyArray_ISNOTSWAPPED(array)):
        raise TypeError(f"{name} must be an int{8 * itemsize} ndarray")
    return checked(array, size, name, held)


cdef char *output_index_pointer(object array, int itemsize, ptrdiff_t size, str name, list held) except NULL:
    cdef char *address = index_pointer(array, itemsize, size, name, held)
    refuse_read_only(array, name)
    return address


cdef int refuse_read_only(cnp.ndarray array, str name) except -1:
    if not cnp.PyArray_ISWRITEABLE(array):
        raise ValueError(f"{name} is read-only")
    return 0


cdef tuple matrix_shape(object M, str name):
    dtype_code(M)
    cdef cnp.ndarray array = M
    if array.ndim != 2 or not cnp.PyArray_IS_F_CONTIGUOUS(array):
        raise ValueError(f"{name} must be a Fortran-ordered matrix (n, m), got shape {M.shape}")
    return array.shape[0], array.shape[1]


cdef char *matrix_pointer(object M, int dtype, tuple shape, str name, bint written=False) except NULL:
    if matrix_shape(M, name) != shape:
        raise ValueError(f"{name} must have shape (n, m) = {shape}, got {M.shape}")
    return output_pointer(M, dtype, -1, name, None) if written else pointer(M, dtype, -1, name, None)


cdef char *rows_pointer(object X, int dtype, ptrdiff_t columns, ptrdiff_t *row_stride, ptrdiff_t *column_stride,
                        list held) except NULL:
    if dtype_code(X) != dtype or X.ndim != 2 or X.shape[1] != columns:
        raise ValueError(f"X must be (m, n[0]) = (m, {columns}) of the parameters' dtype")
    cdef cnp.ndarray array = X
    cdef ptrdiff_t item = array.itemsize
    if cnp.PyArray_IS_C_CONTIGUOUS(array) and cnp.PyArray_ISALIGNED(array):
        row_stride[0], column_stride[0] = columns, 1  # an axis of one element may have any stride
    elif cnp.PyArray_ISALIGNED(array) and array.strides[0] % item == 0 and array.strides[1] % item == 0:
        row_stride[0], column_stride[0] = array.strides[0] // item, array.strides[1] // item
    else:
        raise ValueError("X must be aligned, its strides whole elements")
    if held is not None:
        held.append((X, memoryview(X)))
    return <char *>cnp.PyArray_DATA(array)


cdef ptrdiff_t bind_csr(object arrays, int dtype, Csr *X, list held) except -1:
    values, columns, bounds = arrays
    X.values = pointer(values, dtype, -1, "the values of X", held)
    X.n_values = values.size
    X.columns = <int32_t *>index_pointer(columns, 4, X.n_values, "the columns of X", held)
    X.bounds = <int64_t *>index_pointer(bounds, 8, -1, "the row bounds of X", held)
    if bounds.size < 1:
        raise ValueError("the row bounds of X must have one element more than rows")
    return bounds.size - 1


cdef ptrdiff_t bind_loss(fastnn_loss *loss, str name, object parameter, double ceiling, double factor, ptrdiff_t n,
                         list held) except -1:
    cdef int kind = loss_code(name)
    loss[0] = fastnn_loss(kind=kind, parameter=0, ceiling=ceiling, factor=factor, unit_weights=False, dense=False,
                          per_target=csrc.losses[kind].per_target, levels=NULL)
    if isinstance(parameter, cnp.ndarray):
        if csrc.losses[kind].takes_labels or loss.per_target > 1 or parameter.size < 2:
            raise ValueError(f"{name} takes one parameter, or two or more for a loss of single units")
        loss.levels = <double *>pointer(parameter, FASTNN_FLOAT64, -1, "parameters of a loss", held)
        loss.per_target = parameter.size
    else:
        loss.parameter = parameter
    if n % loss.per_target:
        raise ValueError(f"{name} needs {loss.per_target} output units for each target, got {n}")
    return n // loss.per_target


cdef ptrdiff_t bind_inputs(fastnn_inputs *inputs, object table, object sizes, object offsets, ptrdiff_t size,
                           list held) except -1:
    cdef ptrdiff_t i, row = 0, n_numbers = 0, n_codes = 0
    cdef const fastnn_column *column
    if not isinstance(table, cnp.ndarray) or table.dtype.itemsize != sizeof(fastnn_column) or table.ndim != 1:
        raise TypeError("expected the table of an Embedding")
    if not 1 <= min(sizes) <= max(sizes) <= INT_MAX:
        raise ValueError(f"n_frequencies, n_outputs and vector_size must be from 1 to {INT_MAX}, got {sizes}")
    inputs.columns = <const fastnn_column *>checked(table, -1, "the table of an Embedding", held)
    inputs.n_columns = table.size
    inputs.n_frequencies, inputs.n_outputs, inputs.vector_size = sizes
    inputs.scale, inputs.frequencies, inputs.phases, inputs.weights, inputs.biases, inputs.vectors = offsets
    for i in range(inputs.n_columns):
        column = &inputs.columns[i]
        if (column.row != row or not 0 <= column.kind < FASTNN_KINDS
                or column.kind == FASTNN_NUMBER and column.index != n_numbers
                or column.kind == FASTNN_CATEGORY
                and (column.index != n_codes or not 1 <= column.count <= size - n_codes)):
            raise ValueError(f"the table of an Embedding is wrong at column {i}")
        row += (1 if column.kind == FASTNN_PLAIN else 1 + inputs.n_outputs if column.kind == FASTNN_NUMBER
                else inputs.vector_size)
        n_numbers += column.kind == FASTNN_NUMBER
        n_codes += column.count if column.kind == FASTNN_CATEGORY else 0
    inputs.width = row
    n_frequencies, n_outputs, vector_size = sizes
    parts = [(inputs.frequencies, n_numbers * n_frequencies), (inputs.phases, n_numbers * n_frequencies),
             (inputs.weights, n_numbers * n_outputs * n_frequencies), (inputs.biases, n_numbers * n_outputs),
             (inputs.vectors, n_codes * vector_size)]
    if inputs.scale >= 0:
        parts.insert(0, (inputs.scale, row))
    stop = parts[0][0]
    for start, count in parts:
        if start < stop or start + count > size:
            raise ValueError(f"the parameters of an input stage must lie one after another in an arena of {size} "
                             f"elements, got the offsets {tuple(offsets)}")
        stop = start + count
    if parts[0][0] < 0:
        raise ValueError(f"offsets must not be negative, got {tuple(offsets)}")
    inputs.first, inputs.stop = parts[0][0], stop
    return row


cdef const fastnn_ops *operations(int level, int dtype) except NULL:
    cdef const fastnn_ops *ops = csrc.table(level, dtype)
    if ops == NULL:
        raise ValueError(f"this machine has no SIMD level {level}")
    return ops
