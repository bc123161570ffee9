"""Metrics of classifiers, by predicted probabilities."""

from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.metrics._base import EvaluatedChunk, Metric, by_task, class_weights, lacking

__all__ = ["AveragePrecision", "Brier", "LogLoss", "RocAuc"]


class LogLoss(Metric):
    """The mean of -log(probability of the true label), summed over sigmoid outputs, without penalty or smoothing.

    Of targets that are probabilities, the expectation under them: the cross-entropy.
    """

    name = "log_loss"

    def scores(self, chunk: EvaluatedChunk) -> NDArray[Any]:
        """Return -log p of each example, p being at least the smallest normal number."""
        values, Y = chunk.outputs.astype(np.float64), chunk.examples.Y
        tiny = np.finfo(np.float64).tiny
        if chunk.architecture.output == "softmax":
            log_p = values - values.max(axis=1, keepdims=True) if chunk.raw else np.log(np.maximum(values, tiny))
            scale = np.log(np.exp(log_p).sum(axis=1)) if chunk.raw else np.zeros(len(values))
            if Y.ndim == 1:
                scores: NDArray[np.float64] = scale - np.take_along_axis(log_p, Y[:, None], axis=1)[:, 0]
                return scores
            return np.asarray(_expected(Y, scale[:, None] - log_p).sum(axis=1))
        if chunk.raw:
            of_one, of_zero = np.logaddexp(0, -values), np.logaddexp(0, values)
        else:
            of_one, of_zero = (-np.log(np.maximum(p, tiny)) for p in (values, 1 - values))
        return chunk.summed(_expected(Y, of_one) + _expected(1 - Y, of_zero))


def _expected(p: NDArray[Any], losses: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return p times losses; where p is 0, an infinite loss does not count."""
    return np.asarray(np.multiply(p, losses, where=p != 0, out=np.zeros(losses.shape)))


class Brier(Metric):
    """The mean squared error of the probabilities, summed over three or more classes, averaged over sigmoid outputs.

    References
    ----------
    G. W. Brier, "Verification of forecasts expressed in terms of probability", Monthly Weather Review 78 (1950): the
    sum over the classes; half of it, the error of the probability of class 1, for two.
    """

    name = "brier"

    def begin(self) -> None:
        """Start a new evaluation."""
        self.squares = self.weights = np.zeros(1)  # of each sigmoid output, if they have their own weights

    def add(self, chunk: EvaluatedChunk) -> None:
        """Add the squared errors of the next chunk."""
        errors, Y = chunk.probabilities().astype(np.float64), chunk.examples.Y
        if Y.ndim == 1:  # labels
            errors[np.arange(len(Y)), Y] -= 1
        else:
            errors -= Y
        squares, weights, n_out = np.square(errors), chunk.unit_weights(), errors.shape[1]
        if chunk.by_output is None:
            divisor = n_out if chunk.architecture.output == "sigmoid" else 2 if n_out == 2 else 1
            squares = squares.sum(axis=1, keepdims=True) / divisor
        self.squares = self.squares + np.multiply(weights, squares, where=weights > 0,
                                                  out=np.zeros(squares.shape)).sum(axis=0)
        self.weights = self.weights + weights.sum(axis=0)

    def value(self) -> float:
        """Return the mean over the outputs with weight of their weighted means, nan if none has any."""
        known = self.weights > 0
        return float((self.squares[known] / self.weights[known]).mean()) if known.any() else nan


class _Ranking(Metric):
    """A metric of the order of the examples by probability; it keeps the probabilities of all of them.

    It is the mean over tasks that tell one class from the rest: class 1 of two, else each class; each sigmoid output.
    It is nan, with an `UndefinedMetricWarning`, if y lacks a class.
    """

    def begin(self) -> None:
        """Start a new evaluation."""
        self.probabilities: list[NDArray[Any]] = []
        self.labels: list[NDArray[Any]] = []
        self.weights: list[NDArray[np.float64]] = []
        self.true = np.zeros((1, 1))  # the weight of each class (tasks, classes)

    def add(self, chunk: EvaluatedChunk) -> None:
        """Store the probabilities and the targets of the next chunk."""
        probabilities, labels = chunk.probabilities(), by_task(chunk, chunk.targets())
        if chunk.architecture.output == "softmax" and chunk.architecture.n_outputs == 2:
            probabilities = probabilities[:, 1:]
        self.probabilities.append(probabilities.copy())  # the outputs are overwritten
        self.labels.append(labels.copy())  # a batch of a stream may be, too
        weights = chunk.weights if labels.ndim == 1 else chunk.unit_weights()
        self.weights.append(weights)
        self.true = self.true + class_weights(chunk, labels, weights)

    def value(self) -> float:
        """Return the mean over the tasks, nan if one is undefined."""
        if not self.weights:
            return nan
        P, labels, weights = (np.concatenate(parts) for parts in (self.probabilities, self.labels, self.weights))
        true = self.true
        self.begin()
        reason = lacking(true, at_least=true.shape[1])
        if reason:
            return self.undefined(reason)
        if not np.isfinite(P).all():  # after divergence
            return nan
        first = 0 if P.shape[1] > 1 else 1  # the class that column 0 of softmax is the probability of
        return float(np.mean([
            self.of_task(*_steps(P[:, k], labels == first + k if labels.ndim == 1 else labels[:, k] == 1,
                                 weights if weights.ndim == 1 else weights[:, min(k, weights.shape[1] - 1)]))
            for k in range(P.shape[1]) if labels.ndim == 1 or true[k].any()]))

    def of_task(self, positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
        """Return the metric of one task.

        Parameters
        ----------
        positive, negative : ndarray (k,)
            The weights of the examples of the class and of the rest that have each of k distinct probabilities,
            the highest first.
        """
        raise NotImplementedError


def _steps(scores: NDArray[Any], positive: NDArray[np.bool_], weights: NDArray[np.float64]
           ) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the weights of the positive and of the other examples for each distinct score, the highest first."""
    rows = np.flatnonzero(weights)
    order = rows[np.argsort(scores[rows])[::-1]]
    scores, weights, positive = scores[order], weights[order], positive[order]
    starts = np.flatnonzero(np.concatenate([[True], scores[1:] != scores[:-1]]))
    return np.add.reduceat(weights * positive, starts), np.add.reduceat(weights * ~positive, starts)


class RocAuc(_Ranking):
    """The area under the ROC curve: the probability that an example of the class has a higher score than another.

    The class is 1 of two; with more, the mean over each class against the rest; with several sigmoid outputs, their
    mean. Equal scores count half.

    References
    ----------
    J. A. Hanley and B. J. McNeil, "The meaning and use of the area under a receiver operating characteristic (ROC)
    curve", Radiology 143 (1982).
    """

    name = "roc_auc"

    def of_task(self, positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
        """Return the fraction of pairs that are in order."""
        above = np.cumsum(positive) - positive / 2
        return float(above @ negative / (positive.sum() * negative.sum()))


class AveragePrecision(_Ranking):
    """The mean of the precision at each threshold, weighted by the gain in recall.

    It is that of class 1 of two; with more, the mean over each class against the rest; with several sigmoid outputs,
    their mean. The precision is not interpolated, as in scikit-learn.
    """

    name = "average_precision"

    def of_task(self, positive: NDArray[np.float64], negative: NDArray[np.float64]) -> float:
        """Return the weighted mean of the precisions."""
        found = np.cumsum(positive)
        return float(positive @ (found / (found + np.cumsum(negative))) / found[-1])
