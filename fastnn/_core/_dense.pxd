# One dense layer on bound buffers: the three matrix products of the notes. The order in which W is stored is
# a transpose flag: column-major (row_major = 0) keeps W (n_out, n_in) as the notes write it, row-major keeps
# its transpose (n_in, n_out), which is the same matrix in NumPy's C order.
from libc.stddef cimport ptrdiff_t

from fastnn._core._blas cimport matmul
from fastnn._core._ops cimport fastnn_ops

cdef struct Layer:
    ptrdiff_t n_in      # n[l-1]
    ptrdiff_t n_out     # n[l]
    int activation
    bint row_major
    bint keeps_z        # the derivative is taken from Z; else from A, which is written over Z
    ptrdiff_t W         # where W and b begin in a parameter or gradient arena, in bytes
    ptrdiff_t b


# Where the kernels' own products are faster than BLAS (python bench skinny; figures in ARCHITECTURE.md).
cdef inline bint skinny(const fastnn_ops *ops, const Layer *layer, ptrdiff_t m) noexcept nogil:
    return (ops.skinny_forward != NULL and layer.row_major and layer.n_in >= 1024 and 4 <= layer.n_out <= 24
            and layer.n_in * layer.n_out * m >= 2_000_000)


# Z = W A_prev
cdef inline void linear(
    const fastnn_ops *ops, int dtype, const Layer *layer, ptrdiff_t m,
    const char *theta,   # IN parameter arena
    const char *A_prev,  # IN (n_in, m)
    char *Z,             # OUT (n_out, m)
) noexcept nogil:
    if skinny(ops, layer, m):
        ops.skinny_forward(layer.n_out, m, layer.n_in, theta + layer.W, A_prev, Z)
        return
    matmul(dtype, layer.row_major, False, layer.n_out, m, layer.n_in, 1.0, theta + layer.W,
           layer.n_in if layer.row_major else layer.n_out, A_prev, layer.n_in, Z, layer.n_out)


# dW = scale dZ A_prev^T
cdef inline void weight_gradient(
    const fastnn_ops *ops, int dtype, const Layer *layer, ptrdiff_t m, double scale,
    const char *dZ,      # IN (n_out, m)
    const char *A_prev,  # IN (n_in, m)
    char *gradient,      # OUT gradient arena, its part at layer.W
) noexcept nogil:
    if skinny(ops, layer, m):
        ops.skinny_gradient(layer.n_out, m, layer.n_in, A_prev, dZ, scale, gradient + layer.W)
    elif layer.row_major:
        matmul(dtype, False, True, layer.n_in, layer.n_out, m, scale, A_prev, layer.n_in, dZ, layer.n_out,
               gradient + layer.W, layer.n_in)
    else:
        matmul(dtype, False, True, layer.n_out, layer.n_in, m, scale, dZ, layer.n_out, A_prev, layer.n_in,
               gradient + layer.W, layer.n_out)


# dA_prev = W^T dZ
cdef inline void input_gradient(
    int dtype, const Layer *layer, ptrdiff_t m,
    const char *theta,   # IN parameter arena
    const char *dZ,      # IN (n_out, m)
    char *dA_prev,       # OUT (n_in, m)
) noexcept nogil:
    matmul(dtype, not layer.row_major, False, layer.n_in, m, layer.n_out, 1.0, theta + layer.W,
           layer.n_in if layer.row_major else layer.n_out, dZ, layer.n_out, dA_prev, layer.n_in)
