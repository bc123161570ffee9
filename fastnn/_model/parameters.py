"""The parameters of a network: one arena with the views W and b."""

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate, groupby, pairwise
from typing import Any, Literal, NamedTuple, Self

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnn import _tuning
from fastnn._core.registry import activation_code
from fastnn._data import checks
from fastnn._data.sparse import SparseRows
from fastnn._model.architecture import Architecture
from fastnn._model.parts import group_and_layer
from fastnn._model.workspace import aligned_empty, copied, writable

__all__ = ["GroupRange", "NamedViews", "ParameterLayout", "ParameterViews", "Parameters", "activation_codes",
           "stored_name", "weight_orders"]


def weight_orders(sizes: Sequence[int]) -> tuple[bool, ...]:
    """Choose for each layer whether W is stored row-major (True) or column-major (False).

    Column-major is faster for most layers. Row-major is faster for layers that are much wider than high, and for layers
    of few units above the first.
    """
    return tuple(n_prev >= _tuning.MIN_ROW_MAJOR_ASPECT * n or (l > 0 and n <= _tuning.MAX_ROW_MAJOR_UNITS)
                 for l, (n_prev, n) in enumerate(pairwise(sizes)))


def stored_name(name: str) -> str:
    """Return the name that the parameters have in files: W1 for W[1]."""
    return name.replace("[", "").replace("]", "")


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


class NamedViews(Mapping[str, NDArray[Any]]):
    """Writable views by name; assigning to an item copies the values into the arena.

    Raises
    ------
    KeyError
        If there are no parameters of this name.
    ValueError, TypeError
        If an assigned array differs from the view in shape, or does not hold finite real numbers.
    """

    def __init__(self, views: Mapping[str, NDArray[Any]]) -> None:
        self._views = dict(views)

    def __getitem__(self, name: str) -> NDArray[Any]:
        return self._views[name]

    def __setitem__(self, name: str, value: Any) -> None:
        view = self._views[name]
        view[...] = checks.parameter(value, view.shape, view.dtype, name, "the shape")

    def __iter__(self) -> Iterator[str]:
        return iter(self._views)

    def __len__(self) -> int:
        return len(self._views)

    def __repr__(self) -> str:
        return repr(self._views)

    def __reduce__(self) -> Any:
        return dict, (self._views,)


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
    """The place of each parameter in a flat arena: all weights first, then all biases, then those of other parts.

    Attributes
    ----------
    sizes : tuple of int
        The rows of A[0], n[1], ..., n[L].
    row_major : tuple of bool
        The storage order of each W.
    extras : tuple of (str, tuple of int)
        Names and shapes of the C-ordered parameters that follow the biases: see `Architecture.extra_shapes`.
    """

    sizes: tuple[int, ...]
    row_major: tuple[bool, ...]
    extras: tuple[tuple[str, tuple[int, ...]], ...] = ()

    @classmethod
    def of(cls, architecture: Architecture) -> Self:
        """Return the layout of a network's parameters, each W in the order that suits its shape."""
        widths = architecture.widths
        return cls(widths, weight_orders(widths), tuple(architecture.extra_shapes.items()))

    @property
    def n_weights(self) -> int:
        """The number of weights, which are a prefix of the arena."""
        return sum(n_prev * n for n_prev, n in pairwise(self.sizes))

    @property
    def size(self) -> int:
        """P, the number of parameters."""
        return self.n_weights + self.n_biases + sum(math.prod(shape) for _, shape in self.extras)

    @property
    def n_biases(self) -> int:
        """The number of biases, which follow the weights."""
        return sum(self.sizes[1:])

    @property
    def offsets(self) -> dict[str, int]:
        """The first element of each of the extras, by name."""
        counts = (math.prod(shape) for _, shape in self.extras)
        starts = accumulate(counts, initial=self.n_weights + self.n_biases)
        return {name: start for (name, _), start in zip(self.extras, starts, strict=False)}

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
        for group, members in groupby(self.extras, lambda extra: group_and_layer(extra[0])):
            count = sum(math.prod(shape) for _, shape in members)
            if count:
                yield GroupRange(*group, start, start + count)
            start += count

    def named(self, arena: NDArray[Any]) -> dict[str, NDArray[Any]]:
        """Return views of `arena` (P,) by name: ``W[1]``, ..., ``b[1]``, ..., then the extras."""
        W, b = self.views(arena)
        views = {f"{symbol}[{l}]": view for symbol, layers in (("W", W), ("b", b)) for l, view in enumerate(layers, 1)}
        offsets = self.offsets
        for name, shape in self.extras:
            views[name] = arena[offsets[name] : offsets[name] + math.prod(shape)].reshape(shape)
        return views

    def stored(self, arena: NDArray[Any], prefix: str = "") -> dict[str, NDArray[Any]]:
        """Return views of `arena` (P,) by the names of the arrays in files."""
        return {f"{prefix}{stored_name(name)}": view for name, view in self.named(arena).items()}

    def move(self, arena: NDArray[Any], other: "ParameterLayout") -> NDArray[Any]:
        """Return a copy of `arena` (P,) in the layout `other` of the same sizes."""
        copy = aligned_empty(other.size, arena.dtype)
        for source, target in zip(self.named(arena).values(), other.named(copy).values(), strict=True):
            target[...] = source
        return copy

    def column_major(self) -> "ParameterLayout":
        """Return this layout with W[1] column-major, as the products with a sparse X need it."""
        return replace(self, row_major=(False, *self.row_major[1:])) if self.row_major[0] else self

    def names(self, position: int) -> str:
        """Return the name of the parameter at `position` of the arena in textbook notation, such as ``W[2][0, 3]``."""
        start = 0
        for name, view in self.named(np.empty(self.size, np.bool_)).items():
            if position < start + view.size:
                order: Literal["C", "F"] = "C" if view.flags.c_contiguous else "F"
                place = np.unravel_index(position - start, view.shape, order)
                return f"{name}[{', '.join(map(str, map(int, place)))}]"
            start += view.size
        raise IndexError(position)


@dataclass(frozen=True, eq=False)
class Parameters:
    """All parameters of a network, in one arena.

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
        layout, dtype = ParameterLayout.of(architecture), architecture.dtype
        try:
            return cls(layout, aligned_empty(layout.size, dtype))
        except MemoryError:
            raise ValueError(f"layer_sizes {list(architecture.sizes)}: {layout.size:,} parameters of "
                             f"{dtype.name} do not fit in memory") from None

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
        return self.theta[self.layout.n_weights :][: self.layout.n_biases]

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
