"""Sparse X: the rows of a SciPy matrix in the form the compiled core reads."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["SparseRows", "is_sparse"]


def is_sparse(X: Any) -> bool:
    """Tell whether X is a SciPy sparse matrix or array."""
    return hasattr(X, "tocsr") and hasattr(X, "nnz")


class SparseRows:
    """Rows of a CSR matrix, (m, n[0]): row j has values[k] at columns[k], k from bounds[j] to bounds[j + 1].

    Parameters
    ----------
    values : ndarray (non-zeros,) of float32 or float64
    columns : ndarray of int32 (non-zeros,)
        May be unsorted; the values of repeated columns are added.
    bounds : ndarray of int64 (m + 1,)
    n_columns : int
        n[0].
    """

    ndim = 2

    def __init__(self, values: NDArray[Any], columns: NDArray[np.int32], bounds: NDArray[np.int64],
                 n_columns: int) -> None:
        self.values, self.columns, self.bounds = values, columns, bounds
        self.shape = (len(bounds) - 1, n_columns)

    @classmethod
    def of(cls, X: Any, dtype: np.dtype[Any], what: str = "X") -> "SparseRows":
        """Return the rows of a SciPy matrix; arrays of a CSR matrix with this dtype and int32 indices are not copied.

        Raises
        ------
        ValueError
            If its arrays are inconsistent.
        """
        csr = X.tocsr()
        bounds = np.ascontiguousarray(csr.indptr, np.int64)
        n_values = bounds[-1] if len(bounds) else -1
        damaged = (len(bounds) != csr.shape[0] + 1 or bounds[0] < 0 or (np.diff(bounds) < 0).any()
                   or not n_values <= min(len(csr.data), len(csr.indices)))
        if not damaged and n_values:
            named = csr.indices[bounds[0] : n_values]
            unsigned = named.view(f"u{named.itemsize}")  # a negative index is too large then
            damaged = len(named) > 0 and not unsigned.max() < csr.shape[1]
        if damaged:
            raise ValueError(f"{what} is a damaged CSR matrix: its indptr and indices do not fit its shape")
        with np.errstate(all="ignore"):  # the check for finite values finds an overflow
            values = np.ascontiguousarray(csr.data[:n_values], dtype)
        return cls(values, np.ascontiguousarray(csr.indices[:n_values], np.int32), bounds, csr.shape[1])

    @property
    def arrays(self) -> tuple[NDArray[Any], NDArray[np.int32], NDArray[np.int64]]:
        """Values, columns and bounds, for the plans of the compiled core."""
        return self.values, self.columns, self.bounds

    @property
    def n_values(self) -> int:
        """The number of stored values of these rows."""
        return int(self.bounds[-1] - self.bounds[0])

    def position(self, index: int) -> tuple[int, int]:
        """Return the row and the column of a stored value."""
        return int(np.searchsorted(self.bounds, index, "right")) - 1, int(self.columns[index])

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, rows: slice | NDArray[np.int64]) -> "SparseRows":
        """Return some rows; the values are copied unless they are a slice with step 1."""
        if isinstance(rows, slice):
            start, stop, step = rows.indices(len(self))
            if step == 1:
                return SparseRows(self.values, self.columns, self.bounds[start : max(start, stop) + 1], self.shape[1])
            rows = np.arange(start, stop, step)
        lengths = self.bounds[rows + 1] - self.bounds[rows]
        bounds = np.concatenate([[0], np.cumsum(lengths)])
        taken = np.repeat(self.bounds[rows] - bounds[:-1], lengths) + np.arange(bounds[-1])
        return SparseRows(self.values[taken], self.columns[taken], bounds, self.shape[1])
