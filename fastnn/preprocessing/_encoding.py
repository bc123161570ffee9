"""Encode tables by what was learned: in blocks of rows, or a few rows without NumPy's fixed cost per column.

All three ways, `Plan.array`, `Plan.table` and `Plan.few_rows`, give bitwise identical results.
"""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.preprocessing._columns import ColumnInfo, scale_of_counts
from fastnn.preprocessing._tables import Table
from fastnn.preprocessing._values import Labels, Numbers, Place, as_floats, as_labels, is_number, refuse_infinity

__all__ = ["FEW_ROWS", "Plan"]

FEW_ROWS = 8  # up to these, Python's arithmetic takes less time than NumPy's calls
FEW_ENTRIES = 16  # of an array: likewise
BLOCK_ROWS = 1 << 15  # of tables: large against the cost of reading a column, small against the memory of a table
BLOCK_ENTRIES = 1 << 16  # of arrays: a block in float64 stays in the L2 cache
LIMIT = 1e100  # beyond it a scaled number is clipped to the bound of float32 anyway, and its square may overflow


class _NotFew(Exception):
    """A value that needs the full checks."""


class _NumberEncoder:
    """The formula of one column of numbers."""

    def __init__(self, column: ColumnInfo, clip: float | None, limit: float, flags: tuple[float, float]) -> None:
        self.all_missing = column.median is None
        self.unit, self.center, self.scale = column.unit, column.median or 0.0, column.scale or 0.0
        self.clip, self.limit, self.flags = clip, limit, flags
        self.first, self.indicator = column.outputs[0], column.indicator

    def write(self, entries: Numbers | Labels, place: Place, out: NDArray[Any]) -> None:
        """Encode a block of entries (m,) into the rows `out` (m, width)."""
        if self.all_missing and isinstance(entries, Labels):
            entries = Numbers(np.zeros(len(out)))
        x = as_floats(entries, place)
        missing: Any = False
        if not _scale(x, None if self.unit == 1 else self.unit, self.center, self.scale, self.clip, self.limit):
            refuse_infinity(entries, place)
            missing = np.isnan(as_floats(entries, place))
            _repair(x, self.clip, self.limit)
        out[:, self.first] = x
        if self.indicator is not None:
            out[:, self.indicator] = np.where(missing, self.flags[1], self.flags[0])

    def append(self, value: Any, row: list[float]) -> None:
        """Encode one value at the end of a row."""
        missing = False
        if _is_missing(value) or (self.all_missing and isinstance(value, str)):
            x, missing = 0.0, True
        elif isinstance(value, (float, int)) or _is_numpy_number(value):
            try:
                x = float(value)
            except OverflowError:
                raise _NotFew from None
            if x - x != 0:  # NaN or infinite
                if x == x:
                    raise _NotFew
                x, missing = 0.0, True
            else:
                x = (x * self.unit - self.center) * self.scale if self.scale else 0.0
                if not -self.limit <= x <= self.limit:
                    x = math.copysign(self.limit, x)
        else:
            raise _NotFew
        if self.clip:
            t = x / self.clip
            x /= math.sqrt(t * t + 1)
        row.append(x)
        if self.indicator is not None:
            row.append(self.flags[missing])


class _CategoryEncoder:
    """The outputs of each label of one column."""

    def __init__(self, column: ColumnInfo, values: NDArray[np.float64], dtype: np.dtype[Any]) -> None:
        labels = column.categories or ()
        self.first, self.stop = column.outputs[0], column.outputs[-1] + 1
        self.index = {label: code for code, label in enumerate(labels, 1)}
        self.values = values.astype(dtype)  # (K + 1, outputs), those of missing and unknown labels first
        self.rows = values.tolist()
        self.texts = bool(labels) and all(isinstance(label, str) for label in labels)
        self.numbers = bool(labels) and all(_is_number(type(label)) for label in labels)

    def write(self, entries: Numbers | Labels, place: Place, out: NDArray[Any],
              known: tuple[list[Any], NDArray[np.intp]] | None = None) -> tuple[list[Any], NDArray[np.intp]]:
        """Encode a block of entries (m,) into the rows `out` (m, width).

        `known` is what was returned for the block before: its labels and their codes.
        """
        codes, labels, _ = as_labels(entries, place)
        if known is None or known[0] is not labels:
            known = labels, np.array([*(self.index.get(label, 0) for label in labels), 0], np.intp)
        self._refuse_other_labels(codes, labels, place)
        out[:, self.first:self.stop] = self.values[known[1][codes]]
        return known

    def _refuse_other_labels(self, codes: NDArray[Any], labels: list[Any], place: Place) -> None:
        """Raise a TypeError if a label is of another kind than all those of the training table."""
        kinds = set(map(type, labels))
        wrong = ({kind for kind in kinds if not issubclass(kind, str)} if self.texts else
                 {kind for kind in kinds if not _is_number(kind)} if self.numbers else set())
        for number, label in enumerate(labels if wrong else ()):
            if type(label) in wrong and (places := codes == number).any():
                raise TypeError(f"X must hold {'texts' if self.texts else 'numbers'} in {place}, as in fit, got "
                                f"{label!r} in row {int(places.argmax()) + place.first_row}")

    def append(self, value: Any, row: list[float]) -> None:
        """Encode one value at the end of a row."""
        code = 0
        if isinstance(value, str):
            if self.numbers:
                raise _NotFew
            code = self.index.get(value, 0)
        elif isinstance(value, (float, int)) or _is_numpy_number(value):  # True and False, too
            if value == value:
                if self.texts or value in (math.inf, -math.inf):
                    raise _NotFew
                code = self.index.get(value, 0)
        elif not _is_missing(value):
            raise _NotFew
        row.extend(self.rows[code])


def _is_number(kind: type) -> bool:
    return kind is bool or is_number(kind)


def _is_missing(value: Any) -> bool:
    return value is None or type(value).__name__ == "NAType"


def _is_numpy_number(value: Any) -> bool:
    return isinstance(value, np.generic) and value.dtype.kind in "iufb" and value.dtype.itemsize <= 8


class Plan:
    """Encodes tables with the columns that an encoder was fitted to.

    Parameters
    ----------
    columns : sequence of ColumnInfo
    n_rows : int
        Those of the training table.
    settings : TableEncoder
    """

    def __init__(self, columns: Sequence[ColumnInfo], n_rows: int, settings: Any) -> None:
        self.parameters = settings.get_params(deep=False)  # those of the fit, whatever is set later
        self.dtype = np.dtype(settings.dtype)
        self.clip = None if settings.clip is None else float(settings.clip)
        self.limit = LIMIT if self.clip else min(LIMIT, float(np.finfo(self.dtype).max))
        self.n_columns, self.width = len(columns), sum(len(column.outputs) for column in columns)
        scaled = bool(settings.scale_categories)
        self.encoders: list[_NumberEncoder | _CategoryEncoder] = []
        for column in columns:
            if column.kind == "number":
                flags = np.array([0.0, 1.0])
                if scaled and column.indicator is not None:
                    self._rescale(flags, np.array([n_rows - column.gaps, column.gaps]), settings.quantile_range)
                self.encoders.append(_NumberEncoder(column, self.clip, self.limit, tuple(flags.tolist())))
            else:
                values = _values(column)
                if scaled and column.encoding == "one-hot":
                    for output in values.T:
                        self._rescale(output, np.array([column.gaps, *(column.counts or ())]), settings.quantile_range)
                self.encoders.append(_CategoryEncoder(column, values, self.dtype))
        self._prepare_arrays()

    def _rescale(self, values: NDArray[np.float64], counts: NDArray[Any], quantile_range: tuple[float, float]) -> None:
        """Scale and clip the values of an output as those of a number."""
        center, scale = scale_of_counts(values, counts, quantile_range)
        values -= center
        values *= scale
        if self.clip:
            _clip(values, _squares(values, self.clip))

    def _prepare_arrays(self) -> None:
        """Store the constants of all columns of numbers as arrays."""
        numbers = {j: encoder for j, encoder in enumerate(self.encoders) if isinstance(encoder, _NumberEncoder)}
        self.categories = {j: encoder for j, encoder in enumerate(self.encoders)
                           if isinstance(encoder, _CategoryEncoder)}
        self.number_columns = np.array(list(numbers), np.intp)
        self.number_outputs = np.array([encoder.first for encoder in numbers.values()], np.intp)
        units = np.array([encoder.unit for encoder in numbers.values()])
        self.units = units if (units != 1).any() else None
        self.centers = np.array([encoder.center for encoder in numbers.values()])
        self.scales = np.array([encoder.scale for encoder in numbers.values()])
        self.only_numbers = len(numbers) == self.n_columns == self.width
        indicated = {j: encoder for j, encoder in numbers.items() if encoder.indicator is not None}
        self.indicated_columns = np.array(list(indicated), np.intp)
        self.indicators = np.array([encoder.indicator for encoder in indicated.values()], np.intp)
        self.flags = np.array([encoder.flags for encoder in indicated.values()], self.dtype).reshape(-1, 2).T

    # ---- an array of numbers

    def array(self, X: NDArray[Any]) -> NDArray[Any]:
        """Encode an array (m, n_columns) of real numbers other than bools."""
        m = len(X)
        if m * self.n_columns <= FEW_ENTRIES:
            try:
                return self.few_rows(X.tolist(), range(self.n_columns))
            except _NotFew:
                pass
        out = np.empty((m, self.width), self.dtype)
        with np.errstate(all="ignore"):
            step = max(1, BLOCK_ENTRIES // self.n_columns)
            for start in range(0, m, step):
                self._numbers(X[start:start + step], out[start:start + step], start)
            self._categories(X, out)
        return out

    def _numbers(self, X: NDArray[Any], out: NDArray[Any], first_row: int) -> None:
        if not len(self.number_columns):
            return
        given = X if len(self.number_columns) == self.n_columns else X[:, self.number_columns]
        x = given.astype(np.float64)
        complete = _scale(x, self.units, self.centers, self.scales, self.clip, self.limit)
        if not complete:
            if np.isinf(given.astype(np.float64)).any():
                for k, j in enumerate(self.number_columns):
                    refuse_infinity(Numbers(given[:, k]), Place(int(j), first_row))
            _repair(x, self.clip, self.limit)
        if self.only_numbers:
            out[...] = x
            return
        out[:, self.number_outputs] = x
        if len(self.indicators):
            out[:, self.indicators] = self.flags[0] if complete else np.where(
                np.isnan(X[:, self.indicated_columns]), self.flags[1], self.flags[0])

    def _categories(self, X: NDArray[Any], out: NDArray[Any]) -> None:
        for j, encoder in self.categories.items():
            column = X[:, j]
            if len(X) <= FEW_ROWS and X.dtype.itemsize <= 8:
                try:
                    for i, value in enumerate(column.tolist()):
                        row: list[float] = []
                        encoder.append(value, row)
                        out[i, encoder.first:encoder.stop] = row
                    continue
                except _NotFew:
                    pass
            for start in range(0, len(X), BLOCK_ROWS):
                stop = start + BLOCK_ROWS
                encoder.write(Numbers(column[start:stop]), Place(j, start), out[start:stop])

    # ---- other tables

    def table(self, table: Table, order: Sequence[int]) -> NDArray[Any]:
        """Encode a table; `order` are the places of the columns in it."""
        if 0 < table.n_rows <= FEW_ROWS and (rows := table.rows()) is not None:
            try:
                return self.few_rows(rows, order)
            except _NotFew:
                pass
        out = np.empty((table.n_rows, self.width), self.dtype)
        known: dict[int, Any] = {}
        with np.errstate(all="ignore"):
            for start in range(0, table.n_rows, BLOCK_ROWS):
                stop = min(start + BLOCK_ROWS, table.n_rows)
                for j, encoder in zip(order, self.encoders, strict=True):
                    entries = table.read(j, start, stop, isinstance(encoder, _CategoryEncoder))
                    place, block = table.place(j, start), out[start:stop]
                    if isinstance(encoder, _CategoryEncoder):
                        known[j] = encoder.write(entries, place, block, known.get(j))
                    else:
                        encoder.write(entries, place, block)
        return out

    def few_rows(self, rows: Sequence[Sequence[Any]], order: Sequence[int]) -> NDArray[Any]:
        """Encode rows of Python's objects."""
        encoded = []
        for values in rows:
            row: list[float] = []
            for j, encoder in zip(order, self.encoders, strict=True):
                encoder.append(values[j], row)
            encoded.append(row)
        return np.array(encoded, self.dtype)


def _values(column: ColumnInfo) -> NDArray[np.float64]:
    """Return the outputs of the codes 0, 1, ..., K of a column of K labels, (K + 1, outputs)."""
    n_labels = len(column.categories or ())
    if column.encoding == "code":
        return np.arange(n_labels + 1.0)[:, None]
    if n_labels == 0:
        return np.zeros((1, 1))
    return np.array([[0.0], [-1.0], [1.0]]) if n_labels == 2 else np.eye(n_labels + 1, n_labels, -1)


def _scale(x: NDArray[np.float64], unit: Any, center: Any, scale: Any, clip: float | None, limit: float) -> bool:
    """Scale and clip numbers in place, columns of (m, n) by arrays (n,); return False, unclipped, if some need care."""
    if unit is not None:
        x *= unit
    x -= center
    x *= scale
    squares = _squares(x, clip) if clip else np.abs(x)
    if not squares.max() <= limit:
        return False
    if clip:
        _clip(x, squares)
    return True


def _repair(x: NDArray[np.float64], clip: float | None, limit: float) -> None:
    """Finish what `_scale` left: missing numbers become 0, as do numbers times 0, and large ones are limited."""
    x[np.isnan(x)] = 0
    np.clip(x, -limit, limit, out=x)
    if clip:
        _clip(x, _squares(x, clip))


def _squares(x: NDArray[np.float64], clip: float) -> NDArray[np.float64]:
    """Return (x / clip)^2."""
    squares = x / clip
    squares *= squares
    return squares


def _clip(x: NDArray[np.float64], squares: NDArray[np.float64]) -> None:
    """Replace x by x / sqrt(1 + squares)."""
    squares += 1
    np.sqrt(squares, out=squares)
    x /= squares
