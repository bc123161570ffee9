"""Scorers of scikit-learn, which take one weight per example, where each output of an example has its own."""

import copy
import functools
import inspect
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from fastnn._data.weights import by_example
from fastnn.estimators._single_output import pooled_outputs, single_output

__all__ = ["check_by_output", "is_of_sklearn", "score_by_output"]

# By the argument `average` of a score of labels.
WAYS = {"macro": "mean", "weighted": "weighted mean", "micro": "pooled"}


def is_of_sklearn(scorer: Any) -> bool:
    """Return whether a scorer wraps a metric of scikit-learn."""
    return str(getattr(_metric(scorer)[0], "__module__", "")).startswith("sklearn.")


def check_by_output(scorer: Any, estimator: Any, name: str) -> None:
    """Refuse a scorer of scikit-learn that cannot weight each output of the estimator.

    Raises
    ------
    ValueError
        If it is no mean over the outputs, nor over all their values, and not the accuracy.
    """
    if _way(scorer, estimator) is None:
        raise ValueError(f"scoring={name} cannot weight each output: it is no mean over the outputs. Pass one weight "
                         "per example, scoring='loss', or a function with the parameter sample_weight")


def score_by_output(scorer: Any, estimator: Any, X: Any, Y: NDArray[Any], weights: NDArray[Any]) -> float:
    """Return the score of several outputs; with ones as weights, it is the scorer's.

    Parameters
    ----------
    scorer : callable
        One that `check_by_output` accepts.
    estimator : BaseMLP
    X : array-like (m, n_x)
    Y : ndarray (m, n_outputs)
        Of a classifier 0 and 1.
    weights : ndarray (m, n_outputs)
        An output without any weight does not count.
    """
    way = _way(scorer, estimator)
    if way == "accuracy":
        right = ((estimator.predict(X) == 1) == (Y == 1)) | (weights == 0)
        return float(np.average(right.all(axis=1), weights=by_example(weights)))
    if is_classifier(estimator):
        scorer = _of_two_classes(scorer)
    if way == "pooled":
        return float(scorer(pooled_outputs(estimator), X, Y.ravel(), sample_weight=weights.ravel()))
    known = np.flatnonzero(weights.any(axis=0)).tolist()
    scores = [scorer(single_output(estimator, j), X, Y[:, j], sample_weight=weights[:, j]) for j in known]
    if way == "mean":
        return float(np.mean(scores))
    shares = (weights * Y).sum(axis=0)[known]  # of the label among the examples
    return float(np.average(scores, weights=shares)) if shares.any() else 0.0


def _metric(scorer: Any) -> tuple[Any, dict[str, Any]]:
    """Return the metric that a scorer wraps, or the scorer itself, and its keyword arguments."""
    metric: Any = getattr(scorer, "_score_func", scorer)
    keywords = dict(getattr(scorer, "_kwargs", {}))
    while isinstance(metric, functools.partial):
        metric, keywords = metric.func, metric.keywords | keywords
    return metric, keywords


def _way(scorer: Any, estimator: Any) -> str | None:
    """Return how the score follows from those of the outputs; None if it does not."""
    metric, keywords = _metric(scorer)
    parameters = inspect.signature(metric).parameters
    values = {name: one.default for name, one in parameters.items() if one.default is not one.empty} | keywords
    if "multioutput" in values:
        multioutput = values["multioutput"]
        return "mean" if isinstance(multioutput, str) and multioutput == "uniform_average" else None
    if not is_classifier(estimator) or values.get("labels") is not None:  # labels: of some outputs
        return None
    if metric.__name__ == "accuracy_score":
        return "accuracy" if values["normalize"] else None
    if metric.__name__ == "hamming_loss":
        return "pooled"
    return WAYS.get(values.get("average"))  # type: ignore[arg-type]


def _of_two_classes(scorer: Any) -> Any:
    """Return the scorer of class 1, given 0 and 1."""
    parameters, own = inspect.signature(_metric(scorer)[0]).parameters, copy.copy(scorer)
    changes = {"average": "binary", "pos_label": 1} if "labels" in parameters and "pos_label" in parameters else {}
    own._kwargs = own._kwargs | changes
    return own
