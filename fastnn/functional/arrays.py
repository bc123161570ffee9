"""What the course's functions share: checked arrays in the notes' shapes, and products of them in either order."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._core import _kernels

__all__ = ["Parameters", "as_matrix", "as_real", "n_layers", "product"]

Parameters = dict[str, NDArray[Any]]

FLOAT64 = np.dtype(np.float64)


def as_real(array: Any, symbol: str) -> NDArray[Any]:
    """Return `array` as a contiguous float64 array, itself where it is so already.

    Raises
    ------
    TypeError
        If it does not hold real numbers.
    """
    if type(array) is np.ndarray and array.dtype == FLOAT64 and array.flags.forc and array.flags.aligned:
        return array
    result = np.asarray(array)
    if result.dtype.kind not in "fiub":
        raise TypeError(f"{symbol} must hold real numbers, got dtype {result.dtype}")
    result = np.asarray(result, FLOAT64)
    return result if result.flags.forc and result.flags.aligned else result.copy(order="K")


def as_matrix(array: Any, symbol: str, shape: tuple[int | None, int | None], notation: str) -> NDArray[Any]:
    """Return `array` as `as_real` does, checked to be a matrix of that shape; None allows any size.

    Raises
    ------
    ValueError
        If the shape is another one; `notation` is the expected one as the notes write it.
    TypeError
        As for `as_real`.
    """
    matrix = as_real(array, symbol)
    n, m = shape
    if matrix.ndim != 2 or (n is not None and matrix.shape[0] != n) or (m is not None and matrix.shape[1] != m):
        sizes = "" if n is None and m is None else f" = ({'n' if n is None else n}, {'m' if m is None else m})"
        raise ValueError(f"{symbol} must have shape {notation}{sizes}, got {matrix.shape}")
    return matrix


def product(A: NDArray[Any], B: NDArray[Any], *, transpose_A: bool = False, transpose_B: bool = False,
            alpha: float = 1.0) -> NDArray[Any]:
    """Return alpha op(A) op(B), Fortran-ordered; neither operand is copied, in whichever order it is stored."""
    if not A.flags.f_contiguous:
        A, transpose_A = A.T, not transpose_A
    if not B.flags.f_contiguous:
        B, transpose_B = B.T, not transpose_B
    C = np.empty((A.shape[transpose_A], B.shape[not transpose_B]), FLOAT64, "F")
    _kernels.multiply(A, B, C, transpose_A=transpose_A, transpose_B=transpose_B, alpha=alpha)
    return C


def n_layers(parameters: Parameters) -> int:
    """Return L of the dictionary {"W1": ..., "b1": ..., ..., "WL": ..., "bL": ...}.

    Raises
    ------
    KeyError
        If a W or b is missing.
    """
    L = len(parameters) // 2
    for l in range(1, L + 1):
        for symbol in ("W", "b"):
            if f"{symbol}{l}" not in parameters:
                raise KeyError(f"parameters must hold W1, b1, ..., W{L}, b{L}: {symbol}{l} is missing")
    if L == 0:
        raise KeyError("parameters must hold W1, b1, ...: got none")
    return L
