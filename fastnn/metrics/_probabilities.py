"""Metrics of classifiers, by predicted probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.metrics._base import EvaluatedChunk, Metric

__all__ = ["LogLoss"]


class LogLoss(Metric):
    """The mean of -log(probability of the true label), summed over sigmoid outputs, without penalty or smoothing."""

    name = "log_loss"

    def scores(self, chunk: EvaluatedChunk) -> NDArray[Any]:
        """Return -log p of each example, p being at least the smallest normal number."""
        values, labels = chunk.outputs.astype(np.float64), chunk.targets()
        tiny = np.finfo(np.float64).tiny
        if chunk.architecture.output == "softmax":
            log_p = values - values.max(axis=1, keepdims=True) if chunk.raw else np.log(np.maximum(values, tiny))
            chosen = np.take_along_axis(log_p, labels[:, None], axis=1)[:, 0]
            scores: NDArray[np.float64] = (np.log(np.exp(log_p).sum(axis=1)) if chunk.raw else 0.0) - chosen
            return scores
        signs = 2.0 * labels.reshape(values.shape) - 1  # 1 and -1
        if chunk.raw:
            losses = np.logaddexp(0, -signs * values)
        else:
            losses = -np.log(np.maximum(np.where(signs > 0, values, 1 - values), tiny))
        summed: NDArray[np.float64] = losses.sum(axis=1)
        return summed
