"""What a metric gets, and the base class of metrics."""

from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._data.examples import Examples
from fastnn._model.architecture import Architecture
from fastnn._prediction.labels import CLASSIFYING, predicted, true_labels

__all__ = ["EvaluatedChunk", "Metric"]


class EvaluatedChunk:
    """A chunk of examples with the outputs for them, as a metric gets it.

    Parameters
    ----------
    architecture : Architecture
    examples : Examples
    outputs : ndarray (m, n[L])
        Z[L] with `raw`, else A[L].
    raw : bool
    target_ndim : int
        The number of dimensions of the y fitted last.
    """

    def __init__(self, architecture: Architecture, examples: Examples, outputs: NDArray[Any], raw: bool,
                 target_ndim: int = 1) -> None:
        if raw and architecture.output == "exp":  # the prediction is A, not Z
            with np.errstate(over="ignore"):  # after divergence
                outputs, raw = np.exp(outputs), False
        self.architecture, self.examples, self.outputs, self.raw = architecture, examples, outputs, raw
        self.target_ndim = target_ndim
        weights = examples.weights
        self.weights = np.ones(len(examples)) if weights is None else weights.astype(np.float64)

    def predictions(self) -> NDArray[Any]:
        """Return the predictions, as `Network.predict` does."""
        return predicted(self.outputs, self.architecture.output, self.target_ndim, 0.0 if self.raw else 0.5)

    def targets(self) -> NDArray[Any]:
        """Return the targets in the form of the predictions."""
        return true_labels(self.examples.Y, self.architecture.output, self.target_ndim)

    def residuals(self) -> NDArray[np.float64]:
        """Return A[L] - Y (m, n[L]) of an output of real values."""
        with np.errstate(over="ignore", invalid="ignore"):  # after divergence
            away: NDArray[np.float64] = np.subtract(self.outputs, self.examples.Y, dtype=np.float64)
        return away


class Metric:
    """The base class of metrics: the weighted mean of a score over the examples.

    Attributes
    ----------
    name : str
    outputs : tuple of str or None
        The output activations that it applies to; None for all except softmax and sigmoid.
    """

    name: str
    outputs: tuple[str, ...] | None = CLASSIFYING

    def begin(self) -> None:
        """Start a new evaluation."""
        self.total = self.weight = 0.0

    def add(self, chunk: EvaluatedChunk) -> None:
        """Add the next chunk of examples."""
        self.weight += float(chunk.weights.sum())
        self.total += float(np.einsum("i,i->", chunk.weights, self.scores(chunk)))

    def value(self) -> float:
        """Return the metric of all chunks, nan if their total weight is zero."""
        return self.total / self.weight if self.weight else nan

    def scores(self, chunk: EvaluatedChunk) -> NDArray[Any]:
        """Return each example's score (m,)."""
        raise NotImplementedError
