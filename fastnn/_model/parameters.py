"""The parameters of a network: one arena with the views W and b."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnn import _tuning
from fastnn._core.registry import activation_code
from fastnn._data import checks
from fastnn._data.sparse import SparseRows
from fastnn._model.architecture import Architecture
from fastnn._model.workspace import aligned_empty, copied, writable

__all__ = ["GroupRange", "ParameterLayout", "ParameterViews", "Parameters", "activation_codes", "weight_orders"]


def weight_orders(sizes: Sequence[int]) -> tuple[bool, ...]:
    """Choose for each layer whether W is stored row-major (True) or column-major (False).

    Column-major is faster for most layers. Row-major is faster for layers that are much wider than high, and for layers
    of few units above the first.
    """
    return tuple(n_prev >= _tuning.MIN_ROW_MAJOR_ASPECT * n or (l > 0 and n <= _tuning.MAX_ROW_MAJOR_UNITS)
                 for l, (n_prev, n) in enumerate(pairwise(sizes)))


class ParameterViews(Sequence[NDArray[Any]]):
    """Writable views, one per layer; assigning to an item copies the values into the arena.

    Raises
    ------
    ValueError, TypeError
        If an assigned array differs from the view in shape, or does not hold finite real numbers.
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


class GroupRange(NamedTuple):
    """Consecutive parameters of one group: elements start .. stop of the arena.

    Attributes
    ----------
    name : str
        The name of the group, such as "W".
    layer : int or None
        The number l of the layer, from 1, for groups that have a part in several layers.
    start, stop : int
    """

    name: str
    layer: int | None
    start: int
    stop: int


@dataclass(frozen=True)
class ParameterLayout:
    """The place of each W and b in a flat arena: all weights first, then all biases.

    Attributes
    ----------
    sizes : tuple of int
        n[0], ..., n[L].
    row_major : tuple of bool
        The storage order of each W.
    """

    sizes: tuple[int, ...]
    row_major: tuple[bool, ...]

    @property
    def n_weights(self) -> int:
        """The number of weights, which are a prefix of the arena."""
        return sum(n_prev * n for n_prev, n in pairwise(self.sizes))

    @property
    def size(self) -> int:
        """P, the number of parameters."""
        return self.n_weights + sum(self.sizes[1:])

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

    def groups(self) -> Iterator[GroupRange]:
        """Yield the groups of parameters that may have their own learning rate, in the order of the arena."""
        start = 0
        sizes = {"W": [n_prev * n for n_prev, n in pairwise(self.sizes)], "b": self.sizes[1:]}
        for name, counts in sizes.items():
            for l, count in enumerate(counts, 1):
                yield GroupRange(name, l, start, start + count)
                start += count

    def move(self, arena: NDArray[Any], other: "ParameterLayout") -> NDArray[Any]:
        """Return a copy of `arena` (P,) in the layout `other` of the same sizes."""
        copy = aligned_empty(other.size, arena.dtype)
        for mine, its in zip(self.views(arena), other.views(copy), strict=True):
            for source, target in zip(mine, its, strict=True):
                target[...] = source
        return copy

    def column_major(self) -> "ParameterLayout":
        """Return this layout with W[1] column-major, as the products with a sparse X need it."""
        return ParameterLayout(self.sizes, (False, *self.row_major[1:])) if self.row_major[0] else self

    def names(self, position: int) -> str:
        """Return the name of the parameter at `position` of the arena in textbook notation, such as ``W[2][0, 3]``."""
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


@dataclass(frozen=True, eq=False)
class Parameters:
    """All weights and biases of a network, in one arena.

    Attributes
    ----------
    layout : ParameterLayout
    theta : ndarray (P,)
        The arena.
    """

    layout: ParameterLayout
    theta: NDArray[Any]

    @classmethod
    def allocate(cls, architecture: Architecture) -> Self:
        """Return uninitialised parameters, each W in the order that suits its shape.

        Raises
        ------
        ValueError
            If they do not fit in memory.
        """
        sizes, dtype = architecture.sizes, architecture.dtype
        layout = ParameterLayout(sizes, weight_orders(sizes))
        try:
            return cls(layout, aligned_empty(layout.size, dtype))
        except MemoryError:
            raise ValueError(f"layer_sizes {list(sizes)}: {layout.size:,} parameters of {dtype.name} do not fit in "
                             "memory") from None

    @property
    def size(self) -> int:
        """P, the number of parameters."""
        return self.layout.size

    @property
    def row_major(self) -> tuple[bool, ...]:
        """The storage order of each W."""
        return self.layout.row_major

    @property
    def weights(self) -> NDArray[Any]:
        """All weights, without the biases: a prefix of the arena."""
        return self.theta[: self.layout.n_weights]

    @property
    def biases(self) -> NDArray[Any]:
        """All biases."""
        return self.theta[self.layout.n_weights :]

    def views(self) -> tuple[ParameterViews, ParameterViews]:
        """Return the lists W and b of views of the arena, W[l] of shape (n[l], n[l-1]), b[l] (n[l], 1)."""
        return self.layout.views(self.theta)

    def column_major(self) -> "Parameters":
        """Return these parameters, or a copy with W[1] column-major."""
        layout = self.layout.column_major()
        return self if layout is self.layout else Parameters(layout, self.layout.move(self.theta, layout))

    def for_features(self, X: NDArray[Any] | SparseRows) -> "Parameters":
        """Return these parameters, or a copy with W[1] column-major if X is sparse, as its products need it."""
        return self.column_major() if isinstance(X, SparseRows) else self

    def writable(self) -> "Parameters":
        """Return these parameters, or a copy if they are in read-only memory, such as a memory map."""
        return self if writable(self.theta) else Parameters(self.layout, copied(self.theta))

    def as_dtype(self, dtype: DTypeLike) -> "Parameters":
        """Return these parameters, or a copy in another dtype."""
        if self.theta.dtype == dtype:
            return self
        return Parameters(self.layout, copied(self.theta, dtype))


def activation_codes(names: Iterable[str]) -> list[int]:
    """Return the codes under which the compiled core knows the activations."""
    return [activation_code(name) for name in names]
