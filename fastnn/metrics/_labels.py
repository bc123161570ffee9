"""Metrics of classifiers, by predicted labels."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.metrics._base import EvaluatedChunk, Metric, by_task, class_weights, lacking

__all__ = ["F1", "Accuracy", "BalancedAccuracy", "MatthewsCorrcoef", "Precision", "Recall"]


class Accuracy(Metric):
    """The fraction of correct predictions; with several sigmoid outputs all with weight must be correct.

    Of targets that are probabilities, the most probable label counts: for a sigmoid output 1 above 0.5.
    """

    name = "accuracy"

    def scores(self, chunk: EvaluatedChunk) -> NDArray[Any]:
        """Return whether each prediction is correct."""
        right: NDArray[np.bool_] = np.equal(chunk.predictions(), chunk.targets())
        if chunk.by_output is not None:
            right |= chunk.by_output == 0
        return right if right.ndim == 1 else np.asarray(right.all(axis=1))


class _Counts(Metric):
    """A metric of the weights that were predicted right, predicted and true, for each class.

    Each sigmoid output is a task of two classes, a softmax output is one of n[L]. The metric is the mean over the
    tasks. It is nan, with an `UndefinedMetricWarning`, if the y of a task has fewer than two classes with weight.
    """

    def begin(self) -> None:
        """Start a new evaluation."""
        self.right = self.predicted = self.true = np.zeros((1, 1))  # (tasks, classes)

    def add(self, chunk: EvaluatedChunk) -> None:
        """Add the next chunk of examples."""
        true, predicted = by_task(chunk, chunk.targets()), by_task(chunk, chunk.predictions())
        weights = chunk.weights if true.ndim == 1 else chunk.unit_weights()
        self.right = self.right + class_weights(chunk, true, weights * (true == predicted))
        self.predicted = self.predicted + class_weights(chunk, predicted, weights)
        self.true = self.true + class_weights(chunk, true, weights)

    def value(self) -> float:
        """Return the mean over the tasks, nan if one is undefined."""
        reason = lacking(self.true, at_least=2)
        return self.undefined(reason) if reason else float(np.mean([
            self.of_task(*counts) for counts in zip(self.right, self.predicted, self.true, strict=True)
            if counts[2].any()]))

    def of_task(self, right: NDArray[np.float64], predicted: NDArray[np.float64], true: NDArray[np.float64]) -> float:
        """Return the metric of one task from these weights of each class."""
        raise NotImplementedError


class BalancedAccuracy(_Counts):
    """The mean recall of the classes in y, and over sigmoid outputs."""

    name = "balanced_accuracy"

    def of_task(self, right: NDArray[np.float64], predicted: NDArray[np.float64], true: NDArray[np.float64]) -> float:
        """Return the mean recall."""
        present = true > 0
        return float((right[present] / true[present]).mean())


class MatthewsCorrcoef(_Counts):
    """The correlation coefficient of true and predicted labels, 0 if all predictions are equal.

    References
    ----------
    J. Gorodkin, "Comparing two K-category assignments by a K-category correlation coefficient", Computational Biology
    and Chemistry 28 (2004), for several classes.
    """

    name = "matthews_corrcoef"

    def of_task(self, right: NDArray[np.float64], predicted: NDArray[np.float64], true: NDArray[np.float64]) -> float:
        """Return the covariance of the indicators over the root of their variances."""
        if np.count_nonzero(predicted) < 2:  # a variance of zero, up to rounding
            return 0.0
        total = true.sum()
        variances = (total**2 - predicted @ predicted) * (total**2 - true @ true)
        return float((right.sum() * total - predicted @ true) / np.sqrt(variances))


class _ByClass(_Counts):
    """A score of class 1 of two, else the mean score of the classes that occur in y or the predictions.

    The score of a class with a denominator of zero is 0, as in scikit-learn.
    """

    def of_task(self, right: NDArray[np.float64], predicted: NDArray[np.float64], true: NDArray[np.float64]) -> float:
        """Return the score of class 1, or the mean."""
        counted = (predicted > 0) | (true > 0)
        if len(true) == 2:
            counted[0] = False
        below = self.denominator(predicted, true)
        return float(np.divide(right, below, out=np.zeros_like(right), where=below > 0)[counted].mean())

    def denominator(self, predicted: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return what the weights predicted right are divided by."""
        raise NotImplementedError


class Precision(_ByClass):
    """The fraction of the examples predicted as a class that are of it: of class 1 of two, else the mean of classes.

    With several sigmoid outputs it is their mean.
    """

    name = "precision"

    def denominator(self, predicted: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weights predicted as each class."""
        return predicted


class Recall(_ByClass):
    """The fraction of the examples of a class that are predicted as it: of class 1 of two, else the mean of classes.

    With several sigmoid outputs it is their mean.
    """

    name = "recall"

    def denominator(self, predicted: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weights of each class."""
        return true


class F1(_ByClass):
    """The harmonic mean of precision and recall of a class: of class 1 of two, else the mean of classes.

    With several sigmoid outputs it is their mean.
    """

    name = "f1"

    def denominator(self, predicted: NDArray[np.float64], true: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the means of the weights predicted as each class and of it."""
        return (predicted + true) / 2
