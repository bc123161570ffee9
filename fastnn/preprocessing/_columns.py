"""What an encoder learns of each column: the scale of numbers, the labels of categories."""

import math
from collections.abc import Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastnn.preprocessing._tables import Table
from fastnn.preprocessing._values import Labels, Numbers, Place, as_floats, as_labels, is_number, refuse_infinity

__all__ = ["ColumnInfo", "category_encoding", "learn_column", "number_encoding", "scale_of_counts"]

# Numbers beyond these bounds are multiplied by a power of two, so that neither differences nor reciprocals overflow.
LARGE, LARGE_UNIT = 2.0**1000, 2.0**-30
SMALL, SMALL_UNIT = 2.0**-900, 2.0**200
MAX = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class ColumnInfo:
    """A column of the table that an encoder was fitted to.

    Attributes
    ----------
    name : object
        Its name, or its number if the columns have no names.
    kind : {"number", "category"}
    encoding : {"number", "constant", "one-hot", "code"}
        A scaled number; 0, because all values were equal numbers or missing; a column per category (a single column of
        -1 and 1 for two); or a column of codes.
    gaps : int
        Missing values in the training table.
    outputs : tuple of int
        Its columns in the output.
    indicator : int or None
        The one of these that is 1 where the number is missing and 0 elsewhere.
    median, scale : float or None
        Of numbers: x becomes scale (x - median) before it is clipped. With ``scaling="standard"`` `median` is the mean.
        None if all are missing.
    unit : float
        1, or for numbers near the limits of float64 a power of two by which they are multiplied first; median and scale
        are those of the products.
    categories : tuple or None
        Of categories: the labels that occur, in the order of their columns or codes 1, 2, ...
    counts : tuple of int or None
        How often each label occurs.
    """

    name: Hashable
    kind: Literal["number", "category"]
    encoding: Literal["number", "constant", "one-hot", "code"]
    gaps: int
    outputs: tuple[int, ...] = ()
    indicator: int | None = None
    median: float | None = None
    scale: float | None = None
    unit: float = 1.0
    categories: tuple[Any, ...] | None = field(default=None, repr=False)
    counts: tuple[int, ...] | None = field(default=None, repr=False)


def learn_column(table: Table, j: int, is_category: bool, settings: Any) -> ColumnInfo:
    """Return the description of column j, without its outputs.

    Parameters
    ----------
    table : Table
    j : int
    is_category : bool
        Numbers are categories. Other entries than numbers always are.
    settings : TableEncoder
    """
    place = table.place(j)
    entries = table.read(j, as_labels=is_category)
    if is_category or (isinstance(entries, Labels) and (entries.codes >= 0).any()):
        return _learn_category(as_labels(entries, place), place, settings.max_one_hot)
    return _learn_number(entries, place, settings.scaling, settings.quantile_range)


# ---- categories


def _learn_category(entries: Labels, place: Place, max_one_hot: int) -> ColumnInfo:
    """Return the description of a column of labels."""
    counts = np.bincount(entries.codes + 1, minlength=len(entries.labels) + 1)
    gaps, counts = int(counts[0]), counts[1:]
    order = [i for i in range(len(entries.labels)) if counts[i]]
    if not entries.ordered:
        plain = set(map(type, entries.labels)) in ({str}, {int}, {float}, {bool})
        order.sort(key=lambda i: entries.labels[i] if plain else _sort_key(entries.labels[i]))
    labels = [entries.labels[i] for i in order]
    if all(type(label) is float and label.is_integer() for label in labels):  # whole numbers beside NaN
        labels = list(map(int, labels))
    return ColumnInfo(place.column, "category", category_encoding(len(labels), max_one_hot), gaps,
                      categories=tuple(labels), counts=tuple(int(counts[i]) for i in order))


def category_encoding(n_labels: int, max_one_hot: int) -> Literal["one-hot", "code"]:
    """Return the encoding of a column of so many labels."""
    return "one-hot" if n_labels <= max_one_hot else "code"


def _sort_key(label: Any) -> tuple[str, Any]:
    """Numbers by value, then texts in the order of their code points, then others by their representation."""
    if isinstance(label, bool) or is_number(type(label)):
        return "", label
    return type(label).__name__, label if isinstance(label, (str, bytes)) else repr(label)


# ---- numbers


def _learn_number(entries: Numbers | Labels, place: Place, scaling: str,
                  quantile_range: tuple[float, float]) -> ColumnInfo:
    """Return the description of a column of numbers, or without any values."""
    x = as_floats(entries, place)
    if not np.isfinite(x).all():
        refuse_infinity(entries, place)
    missing = np.isnan(x)
    if gaps := int(np.count_nonzero(missing)):
        x = x[~missing]
    if not len(x):
        return ColumnInfo(place.column, "number", "constant", gaps)
    low, high = float(x.min()), float(x.max())
    unit = _unit(max(abs(low), abs(high)))
    x *= unit
    span = (high - low if unit == 1 else high * unit - low * unit)
    center, scale = _statistics(x, span, scaling, quantile_range)
    return ColumnInfo(place.column, "number", number_encoding(scale), gaps, median=center, scale=scale, unit=unit)


def number_encoding(scale: float) -> Literal["number", "constant"]:
    """Return the encoding of a column of numbers with this scale."""
    return "number" if scale else "constant"


def _unit(largest: float) -> float:
    return LARGE_UNIT if largest > LARGE else SMALL_UNIT if 0 < largest < SMALL else 1.0


def _statistics(x: NDArray[np.float64], span: float, scaling: str | None,
                quantile_range: tuple[float, float]) -> tuple[float, float]:
    """Return what is subtracted from numbers and what they are multiplied by; their order in x changes."""
    if span == 0:
        return float(x[0]), 0.0
    if scaling == "standard":
        origin = float(x[0])  # the mean of equal numbers is exact, and large offsets cost no digits
        center = origin + float(np.mean(x - origin))
        return center, 1 / math.sqrt(float(np.mean(np.square((x - center) / span)))) / span
    low, center, high = _quantiles(x, (quantile_range[0], 0.5, quantile_range[1]))
    return center, min(1 / (high - low), MAX) if high > low else 2 / span


def _quantiles(x: NDArray[np.float64], levels: Sequence[float]) -> list[float]:
    """Return what `numpy.quantile` does; the order of x changes.

    Partitions at one place are several times faster than at several, as NumPy has kernels for them.
    """
    results = {}
    stop = len(x)
    for level in sorted(levels, reverse=True):
        position = level * (len(x) - 1)
        k = math.floor(position)
        x[:stop].partition(k)
        low, high = float(x[k]), float(x[k + 1:].min()) if k + 1 < len(x) else float(x[k])
        results[level] = _between(low, high, position - k)
        stop = k + 1
    return [results[level] for level in levels]


def _between(low: float, high: float, t: float) -> float:
    """Return low + t (high - low), from the nearer end."""
    return low + (high - low) * t if t < 0.5 else high - (high - low) * (1 - t)


def scale_of_counts(values: NDArray[np.float64], counts: NDArray[Any],
                    quantile_range: tuple[float, float]) -> tuple[float, float]:
    """Return median and scale of a column in which each of these values occurs so many times.

    They are those that `_statistics` would return with robust scaling.
    """
    order = np.argsort(values)
    values, ends = values[order], np.cumsum(counts[order])

    def quantile(q: float) -> float:
        position = q * (ends[-1] - 1)
        low, high = values[np.searchsorted(ends, [math.floor(position), math.ceil(position)], side="right")]
        return _between(float(low), float(high), position - math.floor(position))

    present = values[np.diff(ends, prepend=0) > 0]
    low, center, high = map(quantile, (quantile_range[0], 0.5, quantile_range[1]))
    if high > low:
        return center, 1 / (high - low)
    return center, 2 / float(present[-1] - present[0]) if present[-1] > present[0] else 0.0
