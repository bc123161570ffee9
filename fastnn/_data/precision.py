"""A warning where float32 merges values that differ, such as seconds since 1970."""

import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._core.conversion import narrow_columns
from fastnn._data import arrays
from fastnn._data.sparse import SparseRows

__all__ = ["warn_if_merged"]

# A column is constant but for rounding errors if its values span fewer spacings of float64 than this.
FEW_SPACINGS = 2.0**12
# Of the values that differ, float32 leaves at most this many, and at most this share of them.
MOST_LEFT, MOST_KEPT = 2**12, 0.75
BITS = 41  # smaller differences, in relation to the largest value, do not matter
EXACT = 2**24  # whole numbers up to this are exact in float32
# Of larger arrays, evenly spaced rows are looked at: at least this many rows, and entries.
SAMPLED_ROWS, SAMPLED_ELEMENTS = 2**10, 2**20
EXAMINED_ROWS = 2**16  # evenly spaced, whose distinct values are counted
MOST_NAMED = 5


def warn_if_merged(data: NDArray[Any] | Sequence[NDArray[Any]] | SparseRows, what: str,
                   names: Sequence[Any] | None = None) -> None:
    """Warn if float32 merges distinct values of a column and hardly resolves the others.

    Parameters
    ----------
    data : ndarray (m,) or (m, n), sequence of ndarray (m,), or SparseRows
        Real numbers as the user gave them: an array, the columns of a table, or the stored values of a sparse X.
    what : str
        Their name in the warning.
    names : sequence, optional
        Those of the columns.

    Warns
    -----
    UserWarning
        If float32 leaves at most 4096 distinct values of a column, and at most three quarters of those before.
        Values whose difference is below 2**-41 of the largest count as one.
    """
    with np.errstate(all="ignore"):
        found = [(j, *merged) for j, column in _suspects(data) if (merged := _merged(column)) is not None]
    if not found:
        return
    if isinstance(data, np.ndarray) and data.ndim == 1:
        where = "{1} of {0} are left".format(*found[0][1:])
    else:
        where = ", ".join(f"{after} of {before} are left in column {j if names is None else repr(names[j])}"
                          for j, before, after in found[:MOST_NAMED])
        where += f", and so in {len(found) - MOST_NAMED} more" * (len(found) > MOST_NAMED)
    warnings.warn(f"float32 merges distinct values of {what}: {where}. Subtract an offset or standardise them first, "
                  "or use dtype='float64'", UserWarning, stacklevel=2)


def _suspects(data: NDArray[Any] | Sequence[NDArray[Any]] | SparseRows) -> Iterator[tuple[int, NDArray[np.float64]]]:
    """Yield the number and the values of each column that may have too few values of float32."""
    if isinstance(data, SparseRows):
        if not _is_exact(data.values):
            order = np.argsort(data.columns, kind="stable")  # the stored values by column
            ends = np.cumsum(np.bincount(data.columns, minlength=data.shape[1]))
            for j, column in enumerate(np.split(data.values[order], ends[:-1])):
                yield from ((j, values) for _, values in _suspects(column))
    elif not isinstance(data, np.ndarray):
        for j, column in enumerate(data):
            yield from ((j, values) for _, values in _suspects(column))
    elif data.size and not _is_exact(data):
        matrix = data.reshape(len(data), -1)
        if arrays.is_ready(matrix, np.dtype(np.float64)):
            step = max(1, min(len(matrix) // SAMPLED_ROWS, matrix.size // SAMPLED_ELEMENTS))
            for j in _narrow_columns(matrix[::step]):
                yield j, matrix[:, j]
        else:  # one column at a time, to save memory
            for j in range(matrix.shape[1]):
                column = matrix[:, j].astype(np.float64)
                if _narrow_columns(column[:, None]):
                    yield j, column


def _narrow_columns(matrix: NDArray[np.float64]) -> list[int]:
    """Return the columns that may have too few values of float32, also if every other row holds a code for a gap."""
    found: list[int] = narrow_columns(matrix, FEW_SPACINGS)
    found += narrow_columns(matrix[::2], FEW_SPACINGS) + narrow_columns(matrix[1::2], FEW_SPACINGS)
    return sorted(set(found)) if found else found


def _is_exact(data: NDArray[Any]) -> bool:
    """Tell whether float32 is known to hold these values exactly, by their dtype or as small whole numbers."""
    if np.can_cast(data.dtype, np.float32, "safe") or data.dtype.kind not in "fiu":
        return True
    return data.dtype.kind in "iu" and (not data.size or bool(-EXACT <= data.min() <= data.max() <= EXACT))


def _merged(column: NDArray[np.float64]) -> tuple[int, int] | None:
    """Return the numbers of distinct values of a column before and after a conversion to float32.

    None if float32 keeps most of them or many, or if they differ by rounding errors of float64 alone.
    """
    some = np.sort(column[:: max(1, len(column) // EXAMINED_ROWS)])
    largest = max(abs(some[0]), abs(some[-1]))
    if not some[-1] - some[0] > FEW_SPACINGS * np.finfo(np.float64).eps * largest:
        return None
    rounded = np.rint(np.ldexp(some, BITS - int(np.frexp(largest)[1])))
    before, after = (1 + int(np.count_nonzero(np.diff(values))) for values in (rounded, some.astype(np.float32)))
    return (before, after) if after <= min(MOST_LEFT, MOST_KEPT * before) else None
