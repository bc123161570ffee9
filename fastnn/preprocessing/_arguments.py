"""The arguments of an encoder, and the columns of a table that they and the fit mean."""

import numbers
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from fastnn.preprocessing._tables import Table

__all__ = ["category_columns", "check_quantiles", "column_order"]


def check_quantiles(quantiles: Any) -> None:
    """Raise a ValueError unless the argument is a pair of increasing levels."""
    pair = list(quantiles)
    if not (len(pair) == 2 and all(isinstance(level, numbers.Real) for level in pair) and 0 <= pair[0] < pair[1] <= 1):
        raise ValueError(f"quantile_range must be two levels with 0 <= low < high <= 1, got {quantiles!r}")


def category_columns(chosen: Any, table: Table) -> set[int]:
    """Return the numbers of the columns that `categorical_features` names.

    Raises
    ------
    ValueError
        If there is no such column.
    TypeError
        If an entry is neither a name, a position nor a bool.
    """
    if chosen is None or (isinstance(chosen, str) and chosen == "auto"):
        return set()
    entries = _python_values(chosen)
    flags = [isinstance(entry, bool) for entry in entries]
    if any(flags):
        if not all(flags) or len(entries) != table.n_columns:
            raise ValueError(f"categorical_features as a mask must be {table.n_columns} bools, one for each column, "
                             f"got {len(entries)} entries, of them {sum(flags)} bools")
        return {j for j, flag in enumerate(entries) if flag}
    return {_position(entry, table) for entry in entries}


def _python_values(entries: Iterable[Any]) -> list[Any]:
    return [entry.item() if isinstance(entry, np.generic) else entry for entry in entries]


def _position(entry: Any, table: Table) -> int:
    if isinstance(entry, numbers.Integral):
        j = int(entry)
        if not -table.n_columns <= j < table.n_columns:
            raise ValueError(f"categorical_features: there is no column {j}, X has {table.n_columns}")
        return j % table.n_columns
    if not isinstance(entry, str):
        raise TypeError("categorical_features must be 'auto', or names, positions or a mask of columns, got "
                        f"{type(entry).__name__} {entry!r}")
    if table.names is None:
        raise ValueError(f"categorical_features: X has no column names, got {entry!r}")
    if entry not in table.names:
        raise ValueError(f"categorical_features: X has no column {entry!r}, only "
                         f"{', '.join(map(repr, table.names))}")
    return table.names.index(entry)


def column_order(table: Table, names: Sequence[Any] | None, n_columns: int) -> Sequence[int]:
    """Return the places in a table of the columns of the training table.

    Parameters
    ----------
    table : Table
    names : sequence or None
        Those of the training table.
    n_columns : int
        That of the training table.

    Raises
    ------
    ValueError
        If a column is missing, or without names if their number differs.
    """
    if names is None or table.names is None:
        if table.n_columns != n_columns:
            raise ValueError(f"X has {table.n_columns} features, but TableEncoder is expecting {n_columns} features as "
                             "input")
        return range(n_columns)
    if table.names == names:
        return range(n_columns)
    place = {name: j for j, name in enumerate(table.names)}
    if missing := [name for name in names if name not in place]:
        raise ValueError(f"X lacks {len(missing)} of the {n_columns} columns of the training table: "
                         f"{', '.join(map(repr, missing))}")
    return [place[name] for name in names]
