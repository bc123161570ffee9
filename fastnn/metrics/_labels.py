"""Metrics of classifiers, by predicted labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.metrics._base import EvaluatedChunk, Metric

__all__ = ["Accuracy"]


class Accuracy(Metric):
    """The fraction of correct predictions; with several sigmoid outputs all must be correct."""

    name = "accuracy"

    def scores(self, chunk: EvaluatedChunk) -> NDArray[Any]:
        """Return whether each prediction is correct."""
        right: NDArray[np.bool_] = np.equal(chunk.predictions(), chunk.targets())
        return right if right.ndim == 1 else np.asarray(right.all(axis=1))
