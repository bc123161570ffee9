"""The data of a fit: encoded rows, targets and weights."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing

from fastnn._data.weights import WeightScale, multiply

__all__ = ["TableData", "loss_weights"]


def loss_weights(weights: NDArray[np.float64] | None,
                 factors: NDArray[np.float64] | None = None) -> NDArray[np.float64] | None:
    """Return the products of sample weights and class weights up to a power of two, None for ones."""
    scaled = [None if each is None else WeightScale().apply(each) for each in (weights, factors)]
    return multiply(*scaled)


@dataclass(frozen=True)
class TableData:
    """Checked rows of a table.

    Attributes
    ----------
    X : table
        As the user passed it.
    E : ndarray (m, n_x)
        Encoded.
    y : ndarray (m,) or (m, k)
        Validated.
    Y : ndarray
        Class numbers, int32 (m,), or float64 (m, k).
    sample_weight : ndarray (m,) or None
        The user's weights.
    loss_weight : ndarray (m,) or None
        The weights in the loss: times those of the classes.
    """

    X: Any
    E: NDArray[Any]
    y: NDArray[Any]
    Y: NDArray[Any]
    sample_weight: NDArray[np.float64] | None = None
    loss_weight: NDArray[np.float64] | None = None

    @property
    def labels(self) -> NDArray[Any] | None:
        """The class numbers, None for numeric targets."""
        return self.Y if self.Y.ndim == 1 else None

    def weighted_rows(self) -> NDArray[np.intp]:
        """Return the positions of the examples with weight."""
        return np.arange(len(self.Y)) if self.loss_weight is None else np.flatnonzero(self.loss_weight)

    def take(self, rows: NDArray[np.intp]) -> "TableData":
        """Return the examples at these ascending positions, without X: views if they are all."""
        if len(rows) == len(self.Y):
            return replace(self, X=None)
        weights = (None if each is None else each[rows] for each in (self.sample_weight, self.loss_weight))
        return TableData(None, self.E[rows], self.y[rows], self.Y[rows], *weights)

    def table(self, rows: NDArray[np.intp]) -> Any:
        """Return these rows of X."""
        return self.X if len(rows) == len(self.Y) else _safe_indexing(self.X, rows)
