"""A user's function as a metric."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.metrics._base import EvaluatedChunk, Metric

__all__ = ["Custom"]


class Custom(Metric):
    """A user's ``metric(y_true, y_pred) -> float`` of all examples; it does not get sample weights.

    Parameters
    ----------
    function : callable
        Gets y_true and y_pred in the form of `Network.predict`: int64 labels (m,) for softmax, int64 0 and 1 for
        sigmoid, (m,) or (m, n[L]), else values in the network's dtype.
    name : str
    """

    def __init__(self, function: Callable[..., Any], name: str) -> None:
        self.function, self.name = function, name

    def begin(self) -> None:
        """Start a new evaluation."""
        self.y_true: list[NDArray[Any]] = []
        self.y_pred: list[NDArray[Any]] = []

    def add(self, chunk: EvaluatedChunk) -> None:
        """Store the targets and predictions."""
        truth = chunk.targets()
        self.y_true.append(truth.astype(np.int64) if truth.dtype.kind == "i" else truth)
        self.y_pred.append(chunk.predictions().copy())  # the outputs are overwritten

    def value(self) -> float:
        """Return the function's value for all stored examples."""
        result = self.function(np.concatenate(self.y_true), np.concatenate(self.y_pred))
        self.begin()
        try:
            return float(result)
        except (TypeError, ValueError):
            raise TypeError(f"the metric {self.name} must return a number, got {type(result).__name__}") from None
