"""Checked pointers to NumPy arrays."""
cimport numpy as cnp
from libc.stdint cimport int32_t, int64_t

from fastnn._core.registry cimport FASTNN_FLOAT32, FASTNN_FLOAT64, csrc, fastnn_loss, fastnn_ops, loss_code
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


cdef const fastnn_ops *operations(int level, int dtype) except NULL:
    cdef const fastnn_ops *ops = csrc.table(level, dtype)
    if ops == NULL:
        raise ValueError(f"this machine has no SIMD level {level}")
    return ops
