"""Aligned memory, and the matrices that a training step reads and writes besides the parameters."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnn._core.registry import KEEPS_Z

__all__ = ["Workspace", "aligned_empty", "copied", "writable"]

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


def aligned_empty(shape: int | tuple[int, ...], dtype: DTypeLike, order: str = "C") -> NDArray[Any]:
    """Return an uninitialised array whose first element lies on a cache line."""
    dtype = np.dtype(dtype)
    shape = (shape,) if isinstance(shape, int) else shape
    size = dtype.itemsize
    for n in shape:
        size *= n
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.__array_interface__["data"][0] % ALIGNMENT  # in half the time of raw.ctypes.data
    flat = raw[start : start + size].view(dtype)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def copied(array: NDArray[Any], dtype: DTypeLike | None = None) -> NDArray[Any]:
    """Return an aligned, writable copy of a flat array."""
    copy = aligned_empty(array.shape, array.dtype if dtype is None else dtype)
    copy[...] = array
    return copy


def writable(array: NDArray[Any]) -> bool:
    """Return whether the core can write to an array: it is neither in a read-only map nor unaligned in a buffer."""
    return array.flags.writeable and array.flags.aligned


class Workspace:
    """The matrices of the forward and backward passes, for mini-batches of up to `m` examples.

    Parameters
    ----------
    sizes : sequence of int
        The rows of A[0], ..., A[L].
    activations : sequence of str
        One name per layer.
    m : int
        Examples.
    dtype : dtype
        Of every matrix.
    inputs : bool, default False
        There is an input stage.
    mixture : bool, default False
        The hidden layers have mixtures.

    Attributes
    ----------
    Z, A : list of ndarray (n[l], m), Fortran-ordered
        A[l] is Z[l] wherever the derivative can be computed from A.
    dZ : list of ndarray
        Two (max n[l], m) that the backward pass uses in turns; with an input stage as high as A[0] at least.
    A0 : ndarray or None
        A[0] of an input stage.
    """

    def __init__(self, sizes: Sequence[int], activations: Sequence[str], m: int, dtype: DTypeLike, *,
                 inputs: bool = False, mixture: bool = False) -> None:
        self.Z = [aligned_empty((n, m), dtype, "F") for n in sizes[1:]]
        keeps_Z = [name in KEEPS_Z or mixture for name in activations[:-1]] + [activations[-1] in KEEPS_Z]
        self.A = [aligned_empty(Z.shape, dtype, "F") if keeps else Z for Z, keeps in zip(self.Z, keeps_Z, strict=True)]
        self.dZ = [aligned_empty((max(sizes[0 if inputs else 1 :]), m), dtype, "F") for _ in range(2)]
        self.A0 = aligned_empty((sizes[0], m), dtype, "F") if inputs else None
