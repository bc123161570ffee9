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
from fastnn.preprocessing._values import Labels, Numbers, Place, as_labels, as_numbers, is_number

__all__ = ["FEW_ROWS", "Plan"]

FEW_ROWS = 8  # up to these, Python's arithmetic takes less time than NumPy's calls
BLOCK_ROWS = 1 << 15  # of tables: large against the cost of reading a column, small against the memory of a table
BLOCK_ENTRIES = 1 << 16  # of arrays: a block in float64 stays in the L2 cache
LIMIT = 1e100  # beyond it a scaled number is clipped to the bound of float32 anyway, and its square may overflow


class _NotFew(Exception):
    """A value that only the full checks can judge."""


class _NumberEncoder:
    """The formula of one column of numbers."""

    def __init__(self, column: ColumnInfo, clip: float | None, limit: float, flags: tuple[float, float]) -> None:
        self.all_missing = column.median is None
        self.unit, self.center, self.scale = column.unit, column.median or 0.0, column.scale or 0.0
        self.clip, self.limit, self.flags = clip, limit, flags
        self.first, self.indicator = column.outputs[0], column.indicator

    def write(self, entries: Numbers | Labels, place: Place, out: NDArray[Any]) -> None:
        """Encode a block of entries (m,) into the rows `out` (m, width)."""
        x = np.zeros(len(out)) if self.all_missing else as_numbers(entries, place)
        missing = np.isnan(x)
        x *= self.unit
        x -= self.center
        x *= self.scale
        np.clip(x, -self.limit, self.limit, out=x)
        x[missing] = 0
        if not self.scale:
            x[:] = 0  # not NaN, which an overflow times 0 is
        if self.clip:
            _clip(x, _squares(x, self.clip))
        out[:, self.first] = x
        if self.indicator is not None:
            out[:, self.indicator] = np.where(missing, self.flags[1], self.flags[0])

    def append(self, value: Any, row: list[float]) -> None:
        """Encode one value at the end of a row."""
        missing = False
        if self.all_missing or value is None:
            x, missing = 0.0, value is None
        elif isinstance(value, (float, int, np.floating)):
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

    def __init__(self, column: ColumnInfo, values: NDArray[np.float64]) -> None:
        labels = column.categories or ()
        self.first, self.stop = column.outputs[0], column.outputs[-1] + 1
        self.index = {label: code for code, label in enumerate(labels, 1)}
        self.values = values  # (K + 1, outputs), those of missing and unknown labels first
        self.rows = values.tolist()
        self.texts = bool(labels) and all(isinstance(label, str) for label in labels)
        self.numbers = bool(labels) and all(map(_is_number, labels))

    def write(self, entries: Numbers | Labels, place: Place, out: NDArray[Any]) -> None:
        """Encode a block of entries (m,) into the rows `out` (m, width)."""
        codes, labels, _ = as_labels(entries, place)
        for number, label in enumerate(labels):
            if (self.texts and not isinstance(label, str)) or (self.numbers and not _is_number(label)):
                held = "texts" if self.texts else "numbers"
                i = (codes == number).argmax()
                raise TypeError(f"X must hold categories that are {held} in {place}, as in fit, got {label!r} in row "
                                f"{i + place.first_row}")
        translated = np.array([*(self.index.get(label, 0) for label in labels), 0], np.intp)
        out[:, self.first:self.stop] = self.values[translated[codes]]

    def append(self, value: Any, row: list[float]) -> None:
        """Encode one value at the end of a row."""
        code = 0
        if isinstance(value, str):
            if self.numbers:
                raise _NotFew
            code = self.index.get(value, 0)
        elif isinstance(value, (float, int)):  # True and False, too
            if value == value:
                if self.texts or value in (math.inf, -math.inf):
                    raise _NotFew
                code = self.index.get(value, 0)
        elif value is not None:
            raise _NotFew
        row.extend(self.rows[code])


def _is_number(label: Any) -> bool:
    return isinstance(label, bool) or is_number(type(label))


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
                self.encoders.append(_CategoryEncoder(column, values))
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
        self.units = np.array([encoder.unit for encoder in numbers.values()])
        self.centers = np.array([encoder.center for encoder in numbers.values()])
        self.scales = np.array([encoder.scale for encoder in numbers.values()])
        self.scaled_by_unit = bool((self.units != 1).any())
        self.only_numbers = len(numbers) == self.n_columns == self.width
        self.indicated = {j: encoder for j, encoder in numbers.items() if encoder.indicator is not None}

    # ---- an array of numbers

    def array(self, X: NDArray[Any]) -> NDArray[Any]:
        """Encode an array (m, n_columns) of real numbers other than bools."""
        m = len(X)
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
        if self.scaled_by_unit:
            x *= self.units
        x -= self.centers
        x *= self.scales
        squares = _squares(x, self.clip) if self.clip else np.abs(x)
        missing = None
        if not squares.max() <= self.limit:
            missing = self._repair(given, x, first_row)
            squares = _squares(x, self.clip) if self.clip else x
        if self.clip:
            _clip(x, squares)
        if self.only_numbers:
            out[...] = x
        else:
            out[:, self.number_outputs] = x
            self._indicate(X, out, missing)

    def _indicate(self, X: NDArray[Any], out: NDArray[Any], missing: NDArray[Any] | None) -> None:
        for j, encoder in self.indicated.items():
            absent, present = encoder.flags[1], encoder.flags[0]
            out[:, encoder.indicator] = present if missing is None else np.where(np.isnan(X[:, j]), absent, present)

    def _repair(self, given: NDArray[Any], x: NDArray[np.float64], first_row: int) -> NDArray[Any]:
        """Replace missing numbers by 0 and limit large ones; return where numbers are missing."""
        columns = [as_numbers(Numbers(given[:, k]), Place(int(j), first_row))  # refuses infinity
                   for k, j in enumerate(self.number_columns)]
        missing = np.isnan(np.stack(columns, axis=1))
        np.clip(x, -self.limit, self.limit, out=x)
        x[missing] = 0
        x[:, self.scales == 0] = 0
        return missing

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
        with np.errstate(all="ignore"):
            for start in range(0, table.n_rows, BLOCK_ROWS):
                stop = min(start + BLOCK_ROWS, table.n_rows)
                for j, encoder in zip(order, self.encoders, strict=True):
                    entries = table.read(j, start, stop, isinstance(encoder, _CategoryEncoder))
                    encoder.write(entries, table.place(j, start), out[start:stop])
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
