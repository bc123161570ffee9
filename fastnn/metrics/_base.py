"""What a metric gets, and the base class of metrics."""

import warnings
from math import nan
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import runtime
from fastnn._core import kernels
from fastnn._data.examples import Examples
from fastnn._data.weights import by_example
from fastnn._model.architecture import Architecture
from fastnn._prediction.labels import CLASSIFYING, predicted, shaped, true_labels
from fastnn.losses import Loss

__all__ = ["EvaluatedChunk", "Metric", "UndefinedMetricWarning", "by_task", "class_weights", "lacking"]


class UndefinedMetricWarning(UserWarning):
    """A metric is nan because the targets cannot tell good predictions from bad ones."""


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
    loss : Loss, optional
        Says which predictions the outputs are.

    Attributes
    ----------
    weights : ndarray (m,) of float64
        The weight of each example: if its outputs have weights, their mean.
    by_output : ndarray (m, n[L]) of float64, or None
        The weights of the outputs, if they have their own.
    """

    def __init__(self, architecture: Architecture, examples: Examples, outputs: NDArray[Any], raw: bool,
                 target_ndim: int = 1, loss: Loss | None = None) -> None:
        if raw and architecture.output == "exp":  # the prediction is A, not Z
            with np.errstate(over="ignore"):  # after divergence
                outputs, raw = np.exp(outputs), False
        self.architecture, self.examples, self.outputs, self.raw = architecture, examples, outputs, raw
        self.target_ndim, self.loss = target_ndim, loss or Loss()
        self._probabilities: NDArray[Any] | None = None
        weights = np.ones(len(examples)) if examples.weights is None else examples.weights.astype(np.float64)
        self.weights = by_example(weights)
        self.by_output = None if weights.ndim == 1 else weights

    def probabilities(self) -> NDArray[Any]:
        """Return A[L] (m, n[L]) of a classifier, as `Network.predict_proba` rounds it. Copy what is kept or changed."""
        if not self.raw:
            return self.outputs
        if self._probabilities is None:
            self._probabilities = self.outputs.copy()  # of Z[L], which the kernel replaces by A[L]
            Z = self._probabilities.T
            with kernels.subnormals_as_zero():  # as in predictions
                kernels.activate(self.architecture.output, Z, None, Z, runtime.LEVEL)
        return self._probabilities

    def predictions(self) -> NDArray[Any]:
        """Return the predictions, as `Network.predict` does."""
        outputs, target_ndim = self.outputs, self.target_ndim
        if self.loss.shapes_predictions:
            return shaped(self.loss.predictions(outputs), self.loss, target_ndim)
        return predicted(outputs, self.architecture.output, target_ndim, 0.0 if self.raw else 0.5)

    def targets(self) -> NDArray[Any]:
        """Return the targets in the form of the predictions."""
        return true_labels(self.examples.Y, self.architecture.output, self.target_ndim)

    def summed(self, scores: NDArray[Any]) -> NDArray[Any]:
        """Return the sum of scores (m, n[L]) over the outputs (m,): n[L] times their mean by the outputs' weights."""
        if self.by_output is None:
            return np.asarray(scores.sum(axis=1))
        return np.asarray((self.by_output * scores).sum(axis=1) / np.where(self.weights > 0, self.weights, 1))

    def residuals(self) -> NDArray[np.float64]:
        """Return predictions - Y (m, targets) of real values, 0 without weight, where Y may be of any size.

        Predictions are those of `Loss.centers`.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # after divergence
            away = np.subtract(self.loss.centers(self.outputs), self.examples.Y, dtype=np.float64)
        return np.where(self.unit_weights() > 0, away, 0)

    def unit_weights(self) -> NDArray[np.float64]:
        """Return the weights of the outputs (m, n[L]), or those of the examples (m, 1)."""
        return self.weights[:, None] if self.by_output is None else self.by_output


class Metric:
    """The base class of metrics: the weighted mean of a score over the examples.

    Attributes
    ----------
    name : str
    outputs : tuple of str or None
        The output activations that it applies to; None for all except softmax and sigmoid.

    Notes
    -----
    `Network.fit` and `Network.evaluate` work on a shallow copy of an object among their ``metrics=``.
    """

    name: str
    outputs: tuple[str, ...] | None = CLASSIFYING
    _warned = False

    def applies_to(self, output: str) -> bool:
        """Return whether the metric is for this output activation."""
        return output not in CLASSIFYING if self.outputs is None else output in self.outputs

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

    def is_defined(self) -> bool:
        """Return whether the targets of the last evaluation allow for more than one finite value of the metric."""
        return True

    def undefined(self, reason: str) -> float:
        """Return nan, with a warning for the first time.

        Parameters
        ----------
        reason : str
            Follows "the metric ... is undefined: ".
        """
        if not self._warned:  # not after each epoch of a fit
            self._warned = True
            warnings.warn(f"the metric {self.name!r} is undefined: {reason}", UndefinedMetricWarning, stacklevel=2)
        return nan

    def scores(self, chunk: EvaluatedChunk) -> NDArray[Any]:
        """Return each example's score (m,)."""
        raise NotImplementedError


def by_task(chunk: EvaluatedChunk, labels: NDArray[Any]) -> NDArray[Any]:
    """Return labels (m,) of softmax as they are, those of sigmoid outputs as (m, n[L])."""
    return labels if chunk.architecture.output == "softmax" else labels.reshape(len(labels), -1)


def class_weights(chunk: EvaluatedChunk, labels: NDArray[Any], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of the weights of each class.

    Parameters
    ----------
    chunk : EvaluatedChunk
    labels : ndarray
        As `by_task` returns them.
    weights : ndarray (m,) or (m, n[L])

    Returns
    -------
    ndarray
        (1, n[L]) for softmax, (n[L], 2), of 0 and 1, for sigmoid outputs.
    """
    if labels.ndim == 1:
        return np.bincount(labels, weights, chunk.architecture.n_outputs).astype(np.float64)[None, :]
    columns = weights.reshape(len(weights), -1)
    return np.stack([(columns * (labels == label)).sum(axis=0) for label in (0, 1)], axis=1)


def lacking(true: NDArray[np.float64], at_least: int) -> str:
    """Return the reason why a metric is undefined for these targets, "" if it is not.

    Parameters
    ----------
    true : ndarray (tasks, classes)
        The weight of each class in y: one task for softmax, one of the classes 0 and 1 for each sigmoid output.
    at_least : int
        The number of classes that each task needs with weight. Of several tasks, one without any weight is left out.
    """
    few = np.count_nonzero(true, axis=1) < at_least
    if true.any():
        few &= true.any(axis=1)
    few = np.flatnonzero(few)
    if not len(few):
        return ""
    missing = np.flatnonzero(true[few[0]] == 0).tolist()
    shown = ", ".join(map(str, missing[:10])) + ", ..." * (len(missing) > 10)
    classes = f"no example (with weight) of class {shown}"
    if len(true) == 1:
        return classes
    return f"output {few[0]} has {classes}" + f" (and {len(few) - 1} more outputs)" * (len(few) > 1)
