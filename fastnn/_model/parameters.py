"""Every buffer of a network: the parameter arena with its views W and b, and the caches of a mini-batch."""

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnn import _tuning
from fastnn._core.registry import KEEPS_Z, activation_code
from fastnn._data import checks

__all__ = ["Caches", "ParameterLayout", "ParameterViews", "aligned_empty", "weight_orders"]

ALIGNMENT = 64  # bytes: a cache line, and the widest vector


def aligned_empty(shape: int | tuple[int, ...], dtype: DTypeLike, order: str = "C") -> NDArray[Any]:
    """Return an uninitialised array whose first element lies on a cache line."""
    dtype = np.dtype(dtype)
    shape = (shape,) if isinstance(shape, int) else shape
    size = dtype.itemsize
    for n in shape:
        size *= n
    raw = np.empty(size + ALIGNMENT, np.uint8)
    start = -raw.ctypes.data % ALIGNMENT
    flat = raw[start : start + size].view(dtype)
    return flat.reshape(shape, order="F" if order == "F" else "C")


def weight_orders(sizes: Sequence[int]) -> tuple[bool, ...]:
    """Choose for each layer whether W is stored row-major (True) or column-major (False).

    The products are not indifferent to it: column-major suits most layers; row-major suits those that are much wider
    than high, and those of few units above the first.
    """
    return tuple(n_prev >= _tuning.MIN_ROW_MAJOR_ASPECT * n or (l > 0 and n <= _tuning.MAX_ROW_MAJOR_UNITS)
                 for l, (n_prev, n) in enumerate(pairwise(sizes)))


class ParameterViews(Sequence[NDArray[Any]]):
    """Writable views, one per layer; assigning to an item copies the values into the arena.

    Raises
    ------
    ValueError, TypeError
        If an assigned array has another shape than the view, or does not hold finite real numbers.
    """

    def __init__(self, views: Iterable[NDArray[Any]], symbol: str) -> None:
        self._views = list(views)
        self._symbol = symbol

    def __len__(self) -> int:
        return len(self._views)

    def __getitem__(self, key: Any) -> Any:
        return self._views[key]

    def __setitem__(self, key: Any, value: Any) -> None:
        one = not isinstance(key, slice)
        layers = range(len(self))[key]
        layers, values = ([layers], [value]) if one else (layers, list(value))
        if len(layers) != len(values):
            raise ValueError(f"{self._symbol} has a fixed number of layers: {len(self)}")
        checked = [self._checked(l, value) for l, value in zip(layers, values, strict=True)]
        for l, array in zip(layers, checked, strict=True):
            self._views[l][...] = array

    def _checked(self, l: int, value: Any) -> NDArray[Any]:
        view = self._views[l]
        notation = f"(n[{l + 1}], {f'n[{l}]' if self._symbol == 'W' else 1})"
        return checks.parameter(value, view.shape, view.dtype, f"{self._symbol}[{l + 1}]", notation)

    def __repr__(self) -> str:
        return f"{self._symbol}: {self._views!r}"

    def __reduce__(self) -> Any:
        return list, (self._views,)


class ParameterLayout:
    """Where each W and b lies in a flat arena: all weights, then all biases.

    Parameters
    ----------
    sizes : sequence of int
        n[0], ..., n[L].
    row_major : sequence of bool
        The storage order of each W.

    Attributes
    ----------
    size : int
        P, the number of parameters.
    n_weights : int
        How many of them are weights: a prefix of the arena.
    """

    def __init__(self, sizes: Sequence[int], row_major: Sequence[bool]) -> None:
        self.sizes = tuple(sizes)
        self.row_major = tuple(row_major)
        self.n_weights = sum(n_prev * n for n_prev, n in pairwise(sizes))
        self.size = self.n_weights + sum(sizes[1:])

    def views(self, arena: NDArray[Any]) -> tuple[ParameterViews, ParameterViews]:
        """Return the lists W and b of views of `arena` (P,), W[l] of shape (n[l], n[l-1]), b[l] (n[l], 1)."""
        W, b, start = [], [], 0
        for (n_prev, n), row_major in zip(pairwise(self.sizes), self.row_major, strict=True):
            W.append(arena[start : start + n * n_prev].reshape((n, n_prev), order="C" if row_major else "F"))
            start += n * n_prev
        for n in self.sizes[1:]:
            b.append(arena[start : start + n].reshape(n, 1))
            start += n
        return ParameterViews(W, "W"), ParameterViews(b, "b")

    def moved(self, arena: NDArray[Any], other: "ParameterLayout") -> NDArray[Any]:
        """Return a copy of `arena` (P,) in the layout `other` of the same sizes."""
        copy = aligned_empty(other.size, arena.dtype)
        for mine, its in zip(self.views(arena), other.views(copy), strict=True):
            for source, target in zip(mine, its, strict=True):
                target[...] = source
        return copy

    def names(self, position: int) -> str:
        """Return the notes' name of the parameter at `position` of the arena, such as ``W[2][0, 3]``."""
        start = 0
        for l, (n_prev, n) in enumerate(pairwise(self.sizes), 1):
            if position < start + n * n_prev:
                place = np.unravel_index(position - start, (n, n_prev), "C" if self.row_major[l - 1] else "F")
                return f"W[{l}][{place[0]}, {place[1]}]"
            start += n * n_prev
        for l, n in enumerate(self.sizes[1:], 1):
            if position < start + n:
                return f"b[{l}][{position - start}, 0]"
            start += n
        raise IndexError(position)


class Caches:
    """What the forward pass leaves for the backward pass, for mini-batches of up to `m` examples.

    Parameters
    ----------
    sizes : sequence of int
        n[0], ..., n[L].
    activations : sequence of str
        One name per layer.
    m : int
        Examples.
    dtype : dtype
        Of every matrix.

    Attributes
    ----------
    Z, A : list of ndarray (n[l], m), Fortran-ordered
        A[l] is Z[l] wherever the derivative can be taken from A.
    dZ : list of ndarray
        Two (max n[l], m), scratch of the backward pass, taken in turns.
    """

    def __init__(self, sizes: Sequence[int], activations: Sequence[str], m: int, dtype: DTypeLike) -> None:
        self.Z = [aligned_empty((n, m), dtype, "F") for n in sizes[1:]]
        self.A = [aligned_empty(Z.shape, dtype, "F") if name in KEEPS_Z else Z
                  for Z, name in zip(self.Z, activations, strict=True)]
        self.dZ = [aligned_empty((max(sizes[1:]), m), dtype, "F") for _ in range(2)]


def activation_codes(names: Iterable[str]) -> list[int]:
    """Return the codes under which the compiled core knows the activations."""
    return [activation_code(name) for name in names]
