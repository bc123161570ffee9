"""Metrics that an evaluation reports besides J, computed chunk by chunk."""

from collections.abc import Iterable
from typing import Any

from fastnn._data import checks, functions
from fastnn._prediction.labels import CLASSIFYING
from fastnn.metrics._base import EvaluatedChunk, Metric
from fastnn.metrics._custom import Custom
from fastnn.metrics._labels import Accuracy
from fastnn.metrics._probabilities import LogLoss
from fastnn.metrics._values import R2, RMSE

__all__ = ["R2", "RMSE", "Accuracy", "Custom", "EvaluatedChunk", "LogLoss", "Metric", "default", "get"]

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
    functions.refuse_class(metrics, "metrics")
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
    functions.refuse_class(function, "a metric")
    if not callable(function):
        raise TypeError(f"a metric must be a name ({', '.join(NAMED)}) or callable as metric(y_true, y_pred), got "
                        f"{type(function).__name__}")
    name = getattr(function, "__name__", type(function).__name__)
    if not isinstance(name, str) or not name.isidentifier():
        raise ValueError(f"a metric is recorded under its __name__, which {name!r} is not good for: define it with def")
    functions.check_call(function, ("y_true", "y_pred"), "a metric")
    return Custom(function, name)
