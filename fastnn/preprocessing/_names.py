"""Names of the columns of an encoder's output."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.preprocessing._columns import ColumnInfo

__all__ = ["output_names"]


def output_names(columns: Sequence[ColumnInfo], inputs: Sequence[Any]) -> NDArray[Any]:
    """Return a unique name for each output.

    Parameters
    ----------
    columns : sequence of ColumnInfo
    inputs : sequence of str
        Names of the columns.
    """
    names: dict[str, None] = {}
    for column, name in zip(columns, inputs, strict=True):
        for wanted in _names_of(column, str(name)):
            unique, n = wanted, 1
            while unique in names:
                n += 1
                unique = f"{wanted}_{n}"
            names[unique] = None
    return np.array(list(names), object)


def _names_of(column: ColumnInfo, name: str) -> list[str]:
    if column.encoding == "one-hot" and column.categories:
        shown = column.categories[1:] if len(column.categories) == 2 else column.categories  # 1 of -1 and 1
        return [f"{name}_{label}" for label in shown]
    return [name] if column.indicator is None else [name, f"{name}_missing"]
