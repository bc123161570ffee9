"""A user's function as a metric."""

import functools
import inspect
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._data import checks, functions
from fastnn._prediction.labels import CLASSIFYING
from fastnn.metrics._base import EvaluatedChunk, Metric

__all__ = ["Custom", "plain"]

GIVEN = ("predictions", "probabilities")
# scikit-learn's functions of probabilities; by name, a metric of fastnn or None.
OF_PROBABILITIES = {
    "average_precision_score": "average_precision", "brier_score_loss": "brier", "d2_brier_score": None,
    "d2_log_loss_score": None, "label_ranking_average_precision_score": None, "label_ranking_loss": None,
    "coverage_error": None, "dcg_score": None, "log_loss": "log_loss", "ndcg_score": None, "roc_auc_score": "roc_auc",
    "top_k_accuracy_score": None,
}
# Parts of the names of functions that are likely to need probabilities.
SUSPICIOUS = {"auc": "roc_auc", "average_precision": "average_precision", "brier": "brier", "log_loss": "log_loss",
              "logloss": "log_loss"}


class Custom(Metric):
    """A user's function of all examples.

    Parameters
    ----------
    function : callable
        Called as ``function(y_true, y_pred) -> float``. If it has a parameter `sample_weight`, it also gets the weights
        as ``sample_weight=``, float64 (m,) or (m, n[L]) up to a common factor, or None without weights.
    name : str, optional
        The name that its values are recorded under; by default the function's ``__name__``.
    given : {"predictions", "probabilities"}, default "predictions"
        What `y_pred` is. "predictions": as `Network.predict` returns them, int64 labels (m,) for softmax, int64 0 and 1
        for sigmoid, (m,) or (m, n[L]), else values in the network's dtype. "probabilities": as `Network.predict_proba`
        returns them, (m,) of class 1 for a single sigmoid output, else (m, n[L]), in the network's dtype. `y_true` has
        the form of the predictions in both cases.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described.

    Examples
    --------
    >>> Custom(lambda y_true, p: np.mean(p[np.arange(len(p)), y_true]), "mean_probability", given="probabilities").name
    'mean_probability'
    """

    def __init__(self, function: Callable[..., Any], name: str | None = None, given: str = "predictions") -> None:
        functions.refuse_class(function, "a metric")
        if not callable(function):
            raise TypeError(f"a metric's function must be callable as function(y_true, y_pred), got "
                            f"{type(function).__name__}")
        self.function, self.given = function, checks.name(given, GIVEN, "given")
        self.name = _name(function) if name is None else name
        if not isinstance(self.name, str) or not self.name.isidentifier():
            raise ValueError(f"a metric is recorded under its name, which {self.name!r} is not good for: use def, or "
                             "Custom(function, name=...)")
        self.takes_weights = _takes_weights(function)
        called = functools.partial(function, sample_weight=None) if self.takes_weights else function
        functions.check_call(called, ("y_true", "y_pred"), f"the metric {self.name}")

    def applies_to(self, output: str) -> bool:
        """Return whether the metric is for this output activation."""
        return self.given == "predictions" or output in CLASSIFYING

    def begin(self) -> None:
        """Start a new evaluation."""
        self.y_true: list[NDArray[Any]] = []
        self.y_pred: list[NDArray[Any]] = []
        self.weights: list[NDArray[np.float64]] = []
        self.weighted = False

    def add(self, chunk: EvaluatedChunk) -> None:
        """Store the targets, predictions and weights."""
        truth = chunk.targets()
        self.y_true.append(truth.astype(np.int64) if truth.dtype.kind == "i" else truth)
        judged = chunk.predictions() if self.given == "predictions" else chunk.probabilities()
        if self.given == "probabilities" and chunk.architecture.n_outputs == 1:
            judged = judged[:, 0]
        self.y_pred.append(judged.copy())  # the outputs are overwritten
        self.weights.append(chunk.weights if chunk.by_output is None else chunk.by_output)
        self.weighted |= chunk.examples.weights is not None

    def value(self) -> float:
        """Return the function's value for all stored examples."""
        arguments: dict[str, Any] = {}
        if self.takes_weights:
            arguments["sample_weight"] = np.concatenate(self.weights) if self.weighted else None
        result = self.function(np.concatenate(self.y_true), np.concatenate(self.y_pred), **arguments)
        self.begin()
        try:
            return float(result)
        except (TypeError, ValueError):
            raise TypeError(f"the metric {self.name} must return a number, got {type(result).__name__}") from None


def plain(function: Callable[..., Any], output: str) -> Custom:
    """Return the metric of a function that was given without `Custom`, for this output activation.

    A function of labels that gets probabilities would fail; one of probabilities that gets labels returns a plausible
    wrong number. So those of scikit-learn are refused, and others warned of by their names.

    Raises
    ------
    ValueError
        If the function is known to need probabilities, or has no name.
    """
    metric = Custom(function)
    if output in CLASSIFYING:
        inner = _inner(function)
        name, known = getattr(inner, "__name__", ""), str(getattr(inner, "__module__", "")).startswith("sklearn.")
        advice = f"Custom({metric.name}, given='probabilities')"
        if known and name in OF_PROBABILITIES:
            by_name = OF_PROBABILITIES[name]
            raise ValueError(f"{name} needs probabilities, but a function among metrics gets labels: give "
                             + f"{by_name!r} or " * (by_name is not None) + f"fastnn.metrics.{advice}")
        likely = None if known else next((SUSPICIOUS[part] for part in SUSPICIOUS if part in metric.name.lower()), None)
        if likely is not None:
            warnings.warn(f"the metric function {metric.name} gets labels, not probabilities: give {likely!r}, or say "
                          f"what it gets by fastnn.metrics.{advice} (or 'predictions')", UserWarning, stacklevel=5)
    return metric


def _inner(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return the function below any `functools.partial`."""
    while isinstance(function, functools.partial):
        function = function.func
    return function


def _name(function: Callable[..., Any]) -> Any:
    inner = _inner(function)
    return getattr(inner, "__name__", type(inner).__name__)


def _takes_weights(function: Callable[..., Any]) -> bool:
    try:
        return "sample_weight" in inspect.signature(function).parameters
    except (TypeError, ValueError):  # of some built-in functions
        return False
