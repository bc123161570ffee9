"""Metrics of real-valued outputs."""

from math import inf, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.metrics._base import EvaluatedChunk, Metric

__all__ = ["MAE", "MAPE", "MSE", "R2", "RMSE"]


class MAE(Metric):
    """The mean absolute error over examples and outputs."""

    name = "mae"
    outputs = None

    def scores(self, chunk: EvaluatedChunk) -> NDArray[Any]:
        """Return each example's mean absolute error."""
        errors: NDArray[np.float64] = chunk.summed(np.abs(chunk.residuals())) / chunk.examples.Y.shape[1]
        return errors


class MAPE(Metric):
    """The mean of |y_hat - y| / |y| over examples and outputs, a fraction; nan if a target is 0."""

    name = "mape"
    outputs = None

    def begin(self) -> None:
        """Start a new evaluation."""
        super().begin()
        self.zeros = 0

    def scores(self, chunk: EvaluatedChunk) -> NDArray[Any]:
        """Return each example's mean relative error; targets of 0 are counted and left out."""
        sizes = np.abs(chunk.examples.Y.astype(np.float64))
        self.zeros += int(((sizes == 0) & (chunk.unit_weights() > 0)).sum())
        relative = np.divide(np.abs(chunk.residuals()), sizes, out=np.zeros_like(sizes), where=sizes > 0)
        errors: NDArray[np.float64] = chunk.summed(relative) / sizes.shape[1]
        return errors

    def value(self) -> float:
        """Return the mean, nan if a target is 0."""
        return self.undefined(f"{self.zeros} of the targets are 0") if self.zeros else super().value()


class MSE(Metric):
    """The mean squared error over examples and outputs."""

    name = "mse"
    outputs = None

    def scores(self, chunk: EvaluatedChunk) -> NDArray[Any]:
        """Return each example's mean squared error."""
        with np.errstate(over="ignore"):
            squares: NDArray[np.float64] = chunk.summed(np.square(chunk.residuals())) / chunk.examples.Y.shape[1]
        return squares


class RMSE(MSE):
    """The root of the mean squared error over examples and outputs."""

    name = "rmse"

    def value(self) -> float:
        """Return the root of the mean."""
        return sqrt(super().value())


class R2(Metric):
    """The coefficient of determination, 1 - sum (y_hat - y)^2 / sum (y - mean)^2, averaged over the outputs.

    As in scikit-learn, a target without variance scores 1 if the predictions are exact and 0 otherwise. If outputs have
    their own weights, one without any does not count.
    """

    name = "r2"
    outputs = None

    def begin(self) -> None:
        """Start a new evaluation."""
        self.weights = self.mean = self.squares = self.errors = np.zeros(1)
        self.lowest, self.highest = np.full((2, 1), [[inf], [-inf]])

    def add(self, chunk: EvaluatedChunk) -> None:
        """Add the next chunk, merging means and sums of squares by Chan, Golub & LeVeque (1983)."""
        w = chunk.unit_weights()
        Y, weight = np.where(w > 0, chunk.examples.Y, np.float64(0)), w.sum(axis=0)
        total = self.weights + weight
        share = weight / np.where(total > 0, total, 1)
        with np.errstate(over="ignore", invalid="ignore"):  # after divergence, or with huge targets
            mean = (w * Y).sum(axis=0) / np.where(weight > 0, weight, 1)
            away = np.where(weight > 0, mean - self.mean, 0)
            self.errors = self.errors + (w * np.square(chunk.residuals())).sum(axis=0)
            self.squares = self.squares + (w * np.square(Y - mean)).sum(axis=0) + away**2 * (self.weights * share)
            self.mean = self.mean + away * share
        self.weights = total
        self.lowest = np.minimum(self.lowest, np.where(w > 0, Y, inf).min(axis=0))
        self.highest = np.maximum(self.highest, np.where(w > 0, Y, -inf).max(axis=0))

    def value(self) -> float:
        """Return the metric of all chunks, nan if their total weight is zero."""
        if not self.weights.any():
            return nan
        varies = self.highest > self.lowest  # the squares of a constant target may be rounding errors
        with np.errstate(all="ignore"):
            scores = 1 - self.errors / np.where(varies, self.squares, 1)
        scores = np.where(varies, scores, self.errors == 0)
        return float(scores[np.broadcast_to(self.weights > 0, scores.shape)].mean())

    def is_defined(self) -> bool:
        """Return whether a target varies: all predictions of a constant score 0, except exact ones."""
        return bool((self.highest > self.lowest).any())
