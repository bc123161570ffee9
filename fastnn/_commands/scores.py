"""Scores of a model on held-out rows, beside those of the best constant answer."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["Scores", "baseline", "score"]


@dataclass(frozen=True)
class Scores:
    """Named scores.

    Attributes
    ----------
    task : {"classification", "regression"}
    values : dict of str to float
        accuracy, balanced accuracy and log-loss; or RMSE, mean absolute error and R2.
    answer : str
        What a constant model answers; empty for others.
    """

    task: str
    values: dict[str, float]
    answer: str = ""


def score(task: str, y: NDArray[Any], predicted: NDArray[Any], probabilities: NDArray[Any] | None,
          classes: NDArray[Any] | None) -> Scores:
    """Return the scores of predictions.

    Parameters
    ----------
    task : {"classification", "regression"}
    y, predicted : ndarray (m,)
    probabilities : ndarray (m, classes) or None
    classes : ndarray (classes,) or None
        The labels of the columns of `probabilities`.
    """
    from sklearn import metrics

    if task == "regression":
        y = y.astype(float)
        return Scores(task, {"RMSE": float(np.sqrt(np.mean((y - predicted) ** 2))),
                             "mean absolute error": float(np.mean(np.abs(y - predicted))),
                             "R2": float(metrics.r2_score(y, predicted))})
    values = {"accuracy": float(np.mean(y == predicted)), "balanced accuracy": balanced_accuracy(y, predicted)}
    if probabilities is not None and classes is not None:
        values["log-loss"] = log_loss(y, probabilities, classes)
    return Scores(task, values)


def baseline(task: str, y_train: NDArray[Any], y: NDArray[Any]) -> Scores:
    """Return the scores of always answering the mean, or the commonest class, of the rows to train on."""
    if task == "regression":
        mean = float(y_train.astype(float).mean())
        scores = score(task, y, np.full(len(y), mean), None, None)
        return Scores(task, scores.values, f"the mean, {mean:.4g}")
    labels, counts = np.unique(y_train, return_counts=True)
    commonest = labels[counts.argmax()]
    scores = score(task, y, np.full(len(y), commonest), np.tile(counts / counts.sum(), (len(y), 1)), labels)
    return Scores(task, scores.values, f"{str(commonest)!r}")


def balanced_accuracy(y: NDArray[Any], predicted: NDArray[Any]) -> float:
    """Return the mean over the classes in y of the share of its rows that are right."""
    return float(np.mean([np.mean(predicted[y == label] == label) for label in np.unique(y)]))


def log_loss(y: NDArray[Any], probabilities: NDArray[Any], classes: NDArray[Any]) -> float:
    """Return the mean of -log of the probability of the right class, at most 36 for each row (2^-52).

    `classes` are sorted. A label that is not among them has the probability 0.
    """
    known = np.isin(y, classes)
    right = np.zeros(len(y))
    right[known] = probabilities[known, np.searchsorted(classes, y[known])]
    return float(-np.log(np.maximum(right, np.finfo(float).eps)).mean())
