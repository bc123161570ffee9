"""The matrix products, by `_kernels.multiply`, against NumPy in float64; and the narrowing of sizes to BLAS's int."""

import itertools

import numpy as np
import pytest

from fastnn._core import _blas, _kernels

# 1 takes the matrix-vector routines; the rest are around register and cache blocks. Only k must not be 0.
SIZES = (0, 1, 2, 3, 5, 7, 16, 31, 127)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("transpose_A", [False, True])
@pytest.mark.parametrize("transpose_B", [False, True])
@pytest.mark.parametrize("alpha", [1.0, 1 / 3, -2.5, 0.0])
def test_multiply(dtype, transpose_A, transpose_B, alpha, buffers):
    """alpha op(A) op(B). An inner product of k terms, in any order, is within (k + 1) u sum |a b| (Higham 2002,
    3.1); alpha's rounding and product count 2, NumPy's own sum as many of float64's u. C is NaN before: it is
    written, not added to.
    """
    rng = np.random.default_rng(0)
    u = float(np.finfo(dtype).eps + np.finfo(np.float64).eps) / 2
    for m, n, k in itertools.product(SIZES, SIZES, SIZES[1:]):
        A, B = rng.standard_normal((m, k)).astype(dtype), rng.standard_normal((k, n)).astype(dtype)
        call = buffers()
        stored_A, stored_B = call.input(A.T if transpose_A else A), call.input(B.T if transpose_B else B)
        C = call.output(np.full((m, n), np.nan, dtype))
        _kernels.multiply(stored_A, stored_B, C, transpose_A=transpose_A, transpose_B=transpose_B, alpha=alpha)
        call.check()
        A, B = A.astype(np.float64), B.astype(np.float64)
        bound = (k + 3) * u * abs(alpha) * (np.abs(A) @ np.abs(B))
        assert np.all(np.abs(C - alpha * (A @ B)) <= bound), (m, n, k)


@pytest.mark.parametrize(
    "shapes",
    [
        ((3, 2), (3, 4), (3, 4)),
        ((3, 2), (2, 4), (4, 3)),
        ((3, 0), (0, 4), (3, 4)),
        ((2, 3), (2, 4), (3, 4)),
    ],
)
def test_shapes_that_do_not_chain_are_refused(shapes):
    A, B, C = (np.zeros(shape, order="F") for shape in shapes)
    with pytest.raises(ValueError, match="do not chain"):
        _kernels.multiply(A, B, C)


def test_check_dimension():
    for size in (0, 1, 2**31 - 1, np.int64(7), True):
        assert _blas.check_dimension(size, "n[1]") == size
    for size in (-1, 2**31, 2**32, 2**64, -(2**31)):
        with pytest.raises(ValueError, match=r"n\[1\] must be from 0 to 2147483647"):
            _blas.check_dimension(size, "n[1]")
    for size in (1.0, 2.5, float("nan"), "1", None, (), np.zeros(2), 1j):
        with pytest.raises(TypeError):
            _blas.check_dimension(size, "n[1]")
