"""Tables of pandas, polars and pyarrow, arrays and lists of rows, read by column and by rows.

A table library is never imported: its tables are read by their own methods.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._data.arrays import refuse_masked
from fastnn._data.frames import column_names
from fastnn._data.sparse import is_sparse
from fastnn.preprocessing._values import Labels, Numbers, Place, from_array, from_objects, refuse_dates, with_categories

__all__ = ["Table", "open_table"]

Reader = Callable[[int, int, Place, bool], Numbers | Labels]  # of rows start .. stop - 1; True: rather as labels


class Table:
    """A table that the user passed.

    Attributes
    ----------
    names : list or None
        The names of its columns.
    n_rows, n_columns : int
    """

    def __init__(self, names: list[Any] | None, n_rows: int, n_columns: int, opener: Callable[[int, Place], Reader],
                 rows: Callable[[], Sequence[Sequence[Any]] | None] | None) -> None:
        self.names, self.n_rows, self.n_columns = names, n_rows, n_columns
        self._opener, self._rows = opener, rows
        self._open: dict[int, Reader] = {}

    def place(self, j: int, first_row: int = 0) -> Place:
        """Return where a column is, for error messages."""
        return Place(j if self.names is None else self.names[j], first_row)

    def read(self, j: int, start: int = 0, stop: int | None = None, as_labels: bool = False) -> Numbers | Labels:
        """Return rows start .. stop - 1 of column j as numbers or labels; with `as_labels`, whole numbers exactly."""
        place = self.place(j, start)
        if (reader := self._open.get(j)) is None:
            reader = self._open[j] = self._opener(j, self.place(j))
        return reader(start, self.n_rows if stop is None else stop, place, as_labels)

    def rows(self) -> Sequence[Sequence[Any]] | None:
        """Return the rows as Python's objects, None if that would not save time."""
        return None if self._rows is None else self._rows()


def open_table(X: Any) -> Table:
    """Return X as a table.

    Raises
    ------
    TypeError, ValueError
        If X is none: sparse, lazy, structured or masked, or has not two dimensions.
    """
    if type(X) is np.ndarray:
        return _open_array(X)
    if is_sparse(X) or hasattr(X, "tocsr"):
        raise TypeError("Sparse data is not supported: X must be a dense table or array: pass X.toarray()")
    if hasattr(X, "collect") and hasattr(X, "collect_schema"):
        raise TypeError("X is a LazyFrame, which has no values yet: pass X.collect()")
    if isinstance(X, (str, bytes, dict, set)) or X is None or np.isscalar(X):
        raise TypeError(f"X must be a table or an array of shape (m, n), got {type(X).__name__}")
    refuse_masked(X, "X")
    if (names := column_names(X)) is not None:
        return _open_frame(X, names)
    if isinstance(X, (list, tuple)):
        return _open_rows(X)
    try:
        array = np.asarray(X)
    except Exception as error:  # anything that a foreign __array__ raises
        raise TypeError(f"X must be a table or an array of shape (m, n): {error}") from error
    return _open_array(array)


def _open_array(X: NDArray[Any]) -> Table:
    if X.dtype.names is not None:
        raise TypeError("X is a structured array: pass a table, such as pandas.DataFrame(X), or an array (m, n)")
    if X.ndim != 2:
        hint = (". Reshape your data: X.reshape(-1, 1) has a single column, X.reshape(1, -1) a single row"
                if X.ndim < 2 else "")
        raise ValueError(f"X must have shape (m, n), got {X.shape}: Expected 2D array, got {X.ndim}D array "
                         f"instead{hint}")

    def opener(j: int, place: Place) -> Reader:
        return _array_reader(X[:, j])

    return Table(None, X.shape[0], X.shape[1], opener, X.tolist if X.dtype.kind in "OUST" else None)


def _open_rows(X: Sequence[Any]) -> Table:
    """Return a list of rows as a table; its columns are never in memory at the same time."""
    if not len(X):
        return _open_array(np.asarray(X))
    for i, row in enumerate(X):
        if not isinstance(row, (list, tuple, np.ndarray)):
            if i == 0:
                return _open_array(np.asarray(X))  # raises, or is an array of arrays of another library
            raise ValueError(f"X must hold rows of the same length, got a {type(row).__name__} as row {i}")
        if len(row) != len(X[0]):
            raise ValueError(f"X must hold rows of the same length, got {len(X[0])} entries in row 0 and {len(row)} "
                             f"in row {i}")
    if isinstance(X[0], np.ndarray) and X[0].ndim != 1:
        return _open_array(np.asarray(X))

    def opener(j: int, place: Place) -> Reader:
        return lambda start, stop, place, as_labels: _from_cells([row[j] for row in X[start:stop]], place,
                                                                 as_labels)

    return Table(None, len(X), len(X[0]), opener, lambda: X)


def _from_cells(cells: list[Any], place: Place, as_labels: bool) -> Numbers | Labels:
    nested = tuple(kind for kind in set(map(type, cells)) if issubclass(kind, (list, tuple, np.ndarray)))
    if nested:
        i = next(i for i, cell in enumerate(cells) if isinstance(cell, nested))
        raise ValueError(f"X must have shape (m, n), got a {type(cells[i]).__name__} in {place.row(i)}")
    return from_objects(cells, place, as_labels)


def _open_frame(X: Any, names: Sequence[Any]) -> Table:
    names = list(names)
    if len(set(names)) < len(names):
        repeated = list(dict.fromkeys(name for name in names if names.count(name) > 1))
        raise ValueError(f"X has several columns of the same name: {', '.join(map(repr, repeated))}")
    if hasattr(X, "iloc"):
        return Table(names, len(X), len(names), lambda j, place: _pandas_reader(X.iloc[:, j], place),
                     lambda: _pandas_rows(X))
    if hasattr(X, "get_columns"):
        series = X.get_columns()
        return Table(names, len(X), len(names), lambda j, place: _polars_reader(series[j]), X.rows)
    columns = X.columns
    return Table(names, X.num_rows, len(names), lambda j, place: _arrow_reader(columns[j], place),
                 lambda: list(zip(*(column.to_pylist() for column in columns), strict=True)))


# ---- readers of a column


def _array_reader(array: NDArray[Any]) -> Reader:
    return lambda start, stop, place, as_labels: from_array(array[start:stop], place, as_labels)


def _pandas_rows(frame: Any) -> Sequence[Sequence[Any]] | None:
    if len(frame) > 1:
        rows: Sequence[Sequence[Any]] = frame.to_numpy(object)
    else:
        entry = frame.iat  # the fastest way to read single entries of columns of several dtypes
        rows = [[entry[0, j] for j in range(frame.shape[1])]]
    if any(type(entry).__name__ == "NAType" for row in rows for entry in row) and any(
            getattr(dtype, "kind", "O") in "mM" for dtype in frame.dtypes):
        return None  # the NA may be that of a date
    return rows


def _pandas_reader(series: Any, place: Place) -> Reader:
    dtype = series.dtype
    if isinstance(dtype, np.dtype):
        return _array_reader(series.to_numpy())
    array = series.array
    if dtype.name == "category":
        labels, codes, ordered = array.categories.tolist(), np.asarray(array.codes), bool(array.ordered)
        from_objects(labels, place)  # refuses dates
        return lambda start, stop, place, as_labels: with_categories(codes[start:stop], labels, ordered)
    kind = getattr(dtype, "kind", "O")

    def read(start: int, stop: int, place: Place, as_labels: bool) -> Numbers | Labels:
        part = array[start:stop]
        if kind in "mM":
            refuse_dates(dtype, place)
        if kind in "iuf" and not as_labels:
            if kind != "f" and not part.isna().any():
                return from_array(np.asarray(part.to_numpy(dtype=np.dtype(f"{kind}8"))), place)
            return Numbers(part.to_numpy(dtype=np.float64, na_value=np.nan))
        if kind in "iub" or dtype.name.startswith(("string", "str")):
            codes, found = part.factorize()
            return with_categories(codes, np.asarray(found, object).tolist())
        return from_array(np.asarray(part), place, as_labels)

    return read


def _polars_reader(series: Any) -> Reader:
    dtype = series.dtype

    def read(start: int, stop: int, place: Place, as_labels: bool) -> Numbers | Labels:
        part = series[start:stop]
        if dtype.is_temporal():
            refuse_dates(dtype, place)
        if dtype.is_nested():
            raise TypeError(f"X must hold numbers or labels, got {dtype} in {place}")
        name = str(dtype)
        if name.startswith(("Int", "UInt", "Float")) and "128" not in name:
            if not (as_labels and part.null_count()):
                return from_array(part.to_numpy(), place)
            codes, present = np.full(len(part), -1, np.intp), part.is_not_null().to_numpy()
            found, codes[present] = np.unique(part.drop_nulls().to_numpy(), return_inverse=True)
            return with_categories(codes, found.tolist())
        if name == "String":
            found = part.unique().drop_nulls()
            codes = part.replace_strict(found, np.arange(len(found)), default=-1).to_numpy()
            return with_categories(codes, found.to_list())
        return from_objects(part.to_list(), place, as_labels)

    return read


def _arrow_reader(column: Any, place: Place) -> Reader:
    name = str(column.type)
    if name.startswith("dictionary"):
        return _dictionary_reader(column, place)

    def read(start: int, stop: int, place: Place, as_labels: bool) -> Numbers | Labels:
        part = column.slice(start, stop - start)
        if name.startswith(("timestamp", "date", "time", "duration", "month_day_nano")):
            refuse_dates(name, place)
        whole, real = name.startswith(("int", "uint")), name in ("halffloat", "float", "double")
        if real or (whole and not (as_labels and part.null_count)):
            return from_array(part.to_numpy() if hasattr(part, "chunks") else part.to_numpy(zero_copy_only=False),
                              place)
        if whole or name in ("string", "large_string", "string_view"):
            encoded = _unified(part.dictionary_encode())
            return with_categories(_dictionary_codes(encoded), _dictionary_labels(encoded))
        if name.startswith(("list", "large_list", "fixed_size_list", "struct", "map", "union")):
            raise TypeError(f"X must hold numbers or labels, got {name} in {place}")
        return from_objects(part.to_pylist(), place, as_labels)

    return read


def _dictionary_reader(column: Any, place: Place) -> Reader:
    encoded, ordered = _unified(column), bool(column.type.ordered)
    labels = _dictionary_labels(encoded)
    from_objects(labels, place)  # refuses dates
    return lambda start, stop, place, as_labels: with_categories(
        _dictionary_codes(encoded.slice(start, stop - start)), labels, ordered)


def _unified(encoded: Any) -> Any:
    """Return an array of pyarrow with dictionaries so that its chunks share one."""
    return encoded.unify_dictionaries() if hasattr(encoded, "chunks") else encoded


def _dictionary_codes(encoded: Any) -> NDArray[np.intp]:
    """Return the codes of a DictionaryArray of pyarrow, or of chunks that share their dictionary; -1 if missing."""
    codes = [np.empty(0, np.intp)]
    for chunk in encoded.chunks if hasattr(encoded, "chunks") else [encoded]:
        indices = chunk.indices.to_numpy(zero_copy_only=False)  # floats with NaN if some are missing
        codes.append(np.where(np.isnan(indices), -1, indices).astype(np.intp))
    return np.concatenate(codes)


def _dictionary_labels(encoded: Any) -> list[Any]:
    """Return the labels of a DictionaryArray of pyarrow, or of chunks that share their dictionary."""
    chunks = encoded.chunks if hasattr(encoded, "chunks") else [encoded]
    return list(chunks[0].dictionary.to_pylist()) if chunks else []
