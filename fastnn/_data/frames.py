"""Tables with named columns (pandas, polars, pyarrow), read column by column where their dtypes differ."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["column_names", "frame_columns", "place"]


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
    column: Callable[[int], Any]
    if hasattr(data, "iloc"):
        def column(j: int) -> Any:
            return data.iloc[:, j]
    else:
        columns = data.get_columns() if hasattr(data, "get_columns") else data.columns
        column = columns.__getitem__
    return [np.asarray(column(j)) for j in range(len(names))]


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
    return (all(isinstance(dtype, np.dtype) and dtype.kind in "fiub" for dtype in kinds)
            and (len(kinds) == 1 or not any(dtype.kind == "b" for dtype in kinds)))
