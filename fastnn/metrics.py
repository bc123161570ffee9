"""Metrics that an evaluation reports besides J, computed chunk by chunk."""

from collections.abc import Callable, Iterable
from math import inf, nan, sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._data import checks
from fastnn._data.examples import Examples
from fastnn._model.architecture import Architecture
from fastnn._prediction.labels import CLASSIFYING, predicted, true_labels

__all__ = ["R2", "RMSE", "Accuracy", "Custom", "EvaluatedChunk", "LogLoss", "Metric", "default", "get"]


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


class Accuracy(Metric):
    """The fraction of correct predictions; with several sigmoid outputs all must be correct."""

    name = "accuracy"

    def scores(self, chunk: EvaluatedChunk) -> NDArray[Any]:
        """Return whether each prediction is correct."""
        right: NDArray[np.bool_] = np.equal(chunk.predictions(), chunk.targets())
        return right if right.ndim == 1 else np.asarray(right.all(axis=1))


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


class RMSE(Metric):
    """The root of the mean squared error over examples and outputs."""

    name = "rmse"
    outputs = None

    def scores(self, chunk: EvaluatedChunk) -> NDArray[Any]:
        """Return each example's mean squared error."""
        with np.errstate(over="ignore"):
            squares: NDArray[np.float64] = np.square(chunk.residuals()).mean(axis=1)
        return squares

    def value(self) -> float:
        """Return the root of the mean."""
        return sqrt(super().value())


class R2(Metric):
    """The coefficient of determination, 1 - sum (y_hat - y)^2 / sum (y - mean)^2, averaged over the outputs.

    As in scikit-learn, a target without variance scores 1 if the predictions are exact and 0 otherwise.
    """

    name = "r2"
    outputs = None

    def begin(self) -> None:
        """Start a new evaluation."""
        self.weight = 0.0
        self.mean = self.squares = self.errors = np.zeros(1)
        self.lowest, self.highest = np.full((2, 1), [[inf], [-inf]])

    def add(self, chunk: EvaluatedChunk) -> None:
        """Add the next chunk, merging means and sums of squares by Chan, Golub & LeVeque (1983)."""
        weight = float(chunk.weights.sum())
        if not weight:
            return
        Y, w, total = chunk.examples.Y.astype(np.float64), chunk.weights, self.weight + weight
        with np.errstate(over="ignore", invalid="ignore"):  # after divergence, or with huge targets
            mean = w @ Y / weight
            away = mean - self.mean
            self.errors = self.errors + w @ np.square(chunk.residuals())
            self.squares = self.squares + w @ np.square(Y - mean) + away**2 * (self.weight * weight / total)
            self.mean = self.mean + away * (weight / total)
        self.weight = total
        self.lowest = np.minimum(self.lowest, Y[w > 0].min(axis=0))
        self.highest = np.maximum(self.highest, Y[w > 0].max(axis=0))

    def value(self) -> float:
        """Return the metric of all chunks, nan if their total weight is zero."""
        if not self.weight:
            return nan
        varies = self.highest > self.lowest  # the squares of a constant target may be rounding errors
        with np.errstate(invalid="ignore", divide="ignore"):
            scores = 1 - self.errors / np.where(varies, self.squares, 1)
        return float(np.where(varies, scores, self.errors == 0).mean())


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


NAMED: dict[str, type[Metric]] = {kind.name: kind for kind in (Accuracy, LogLoss, RMSE, R2)}


def default(output: str) -> Metric:
    """Return the default metric of an output activation."""
    return Accuracy() if output in CLASSIFYING else RMSE()


def get(metrics: Any, output: str) -> tuple[Metric, ...]:
    """Return the default metric and the requested ones, without duplicates.

    Parameters
    ----------
    metrics : sequence of str or callable
    output : str
        The network's output activation.

    Raises
    ------
    ValueError, TypeError
        If a name is unknown, repeated or not for this output, or an item is neither a name nor a callable.
    """
    if isinstance(metrics, str) or callable(metrics) or not isinstance(metrics, Iterable):
        raise TypeError(f"metrics must be a sequence of names ({', '.join(NAMED)}) or callables, such as ['accuracy']")
    found = {default(output).name: default(output)}
    asked: set[str] = set()
    for metric in metrics:
        one = _named(metric, output) if isinstance(metric, str) else _custom(metric)
        if one.name in asked or (one.name in (*NAMED, "loss") and not isinstance(metric, str)):
            raise ValueError(f"metrics: there are two that are called {one.name!r}")
        asked.add(one.name)
        found.setdefault(one.name, one)
    return tuple(found.values())


def _named(name: str, output: str) -> Metric:
    metric = NAMED[checks.name(name, tuple(NAMED), "a metric")]()
    if (metric.outputs is None) == (output in CLASSIFYING):
        fitting = [kind.name for kind in NAMED.values() if (kind.outputs is None) != (output in CLASSIFYING)]
        raise ValueError(f"the metric {name!r} is not for output={output!r}: there are {', '.join(fitting)}")
    return metric


def _custom(function: Any) -> Metric:
    if not callable(function):
        raise TypeError(f"a metric must be a name ({', '.join(NAMED)}) or callable as metric(y_true, y_pred), got "
                        f"{type(function).__name__}")
    name = getattr(function, "__name__", type(function).__name__)
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"a metric is recorded under its __name__, which {name!r} is not good for: define it with def")
    return Custom(function, name)
