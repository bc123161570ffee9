# Rows of any real dtype in the dtype of the parameters.
cimport numpy as cnp

# Fill `out` (m, n) OUT, C-ordered, of this dtype code with the entries of `X` (m, n) IN, which has any strides. Values
# beyond the range become infinite. Return False, with `out` undefined, if X is misaligned, of another byte order, or of
# a dtype other than bool, the whole numbers, float32 and float64.
cdef bint convert_rows(cnp.ndarray X, int dtype, char *out) noexcept
