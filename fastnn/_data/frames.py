"""Tables with named columns (pandas, polars, pyarrow), read column by column where their dtypes differ."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["column_names", "frame_columns", "other_columns", "place"]


def column_names(data: Any) -> Sequence[Any] | None:
    """Return the names of a table's columns, None for other data."""
    if isinstance(data, np.ndarray):
        return None
    if hasattr(data, "iloc") or hasattr(data, "get_columns"):  # pandas, polars
        names = getattr(data, "columns", None)
    else:
        names = getattr(data, "column_names", None) if hasattr(data, "columns") else None  # pyarrow
    return None if names is None or callable(names) else list(names)


def frame_columns(data: Any) -> list[NDArray[Any]] | None:
    """Return the columns of a table as arrays (m,), None for other data.

    A table whose columns share a numeric dtype of NumPy is None too, because NumPy converts it as a whole. NumPy reads
    columns of several dtypes as objects, or a date beside whole numbers as a whole number.
    """
    names = column_names(data)
    if names is None or _is_uniform(data):
        return None
    return list(map(_reader(data, names), range(len(names))))


def other_columns(data: Any) -> Iterator[tuple[int, NDArray[Any]]]:
    """Yield the number and the array (m,) of each column of a table but those of a numeric dtype of NumPy in pandas."""
    names = column_names(data) or []
    dtypes = list(data.dtypes) if hasattr(data, "iloc") else None
    column = _reader(data, names)
    for j in range(len(names)):
        if dtypes is None or not _is_numeric(dtypes[j]):
            yield j, column(j)


def _reader(data: Any, names: Sequence[Any]) -> Callable[[int], NDArray[Any]]:
    """Return a function that reads a column by its number."""
    if hasattr(data, "iloc"):
        return lambda j: np.asarray(data.iloc[:, j])
    columns = data.get_columns() if hasattr(data, "get_columns") else data.columns

    def column(j: int) -> NDArray[Any]:
        try:
            return np.asarray(columns[j])
        except Exception as error:  # of a dtype that NumPy lacks
            raise TypeError(f"column {names[j]!r}: {error}") from error

    return column


def place(position: Sequence[int], names: Sequence[Any] | None = None, first_row: int = 0) -> str:
    """Return where an entry is, for an error message: " in column 'age', row 3".

    Parameters
    ----------
    position : sequence of int
        Its indices.
    names : sequence, optional
        Those of the columns.
    first_row : int
        Added to the row.
    """
    if not position:
        return ""
    row = f"row {position[0] + first_row}"
    if len(position) != 2:
        return f" in {row}"
    return f" in column {position[1] if names is None else repr(names[position[1]])}, {row}"


def _is_uniform(data: Any) -> bool:
    dtypes = getattr(data, "dtypes", None)
    if dtypes is None or not hasattr(data, "iloc"):
        return False
    kinds = set(dtypes)
    return (all(map(_is_numeric, kinds))
            and (len(kinds) == 1 or not any(dtype.kind == "b" for dtype in kinds)))


def _is_numeric(dtype: Any) -> bool:
    return isinstance(dtype, np.dtype) and dtype.kind in "fiub"
