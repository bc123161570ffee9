"""Metrics that an evaluation reports besides J, computed chunk by chunk."""

import copy
import difflib
from collections.abc import Iterable
from typing import Any

from fastnn._data import checks, functions
from fastnn._prediction.labels import CLASSIFYING
from fastnn.metrics._base import EvaluatedChunk, Metric, UndefinedMetricWarning
from fastnn.metrics._custom import Custom, plain
from fastnn.metrics._labels import F1, Accuracy, BalancedAccuracy, MatthewsCorrcoef, Precision, Recall
from fastnn.metrics._probabilities import AveragePrecision, Brier, LogLoss, RocAuc
from fastnn.metrics._values import MAE, MAPE, MSE, R2, RMSE

__all__ = ["F1", "MAE", "MAPE", "MSE", "R2", "RMSE", "Accuracy", "AveragePrecision", "BalancedAccuracy", "Brier",
           "Custom", "EvaluatedChunk", "LogLoss", "MatthewsCorrcoef", "Metric", "Precision", "Recall", "RocAuc",
           "UndefinedMetricWarning", "default", "get"]

NAMED: dict[str, type[Metric]] = {kind.name: kind for kind in (
    Accuracy, BalancedAccuracy, Precision, Recall, F1, MatthewsCorrcoef, RocAuc, AveragePrecision, LogLoss, Brier,
    RMSE, MSE, MAE, MAPE, R2)}
# Other names that users know, to suggest ours.
SPELLED_OUT = {"mean_squared_error": "mse", "root_mean_squared_error": "rmse", "mean_absolute_error": "mae",
               "mean_absolute_percentage_error": "mape", "mcc": "matthews_corrcoef"}


def default(output: str) -> Metric:
    """Return the default metric of an output activation."""
    return Accuracy() if output in CLASSIFYING else RMSE()


def get(metrics: Any, output: str) -> tuple[Metric, ...]:
    """Return the default metric and the requested ones, without duplicates.

    Parameters
    ----------
    metrics : sequence of str, Metric or callable, or None
    output : str
        The network's output activation.

    Raises
    ------
    ValueError, TypeError
        If a name is unknown, repeated or not for this output, or an item is neither a name, a metric nor a callable.
    """
    if metrics is None:
        metrics = ()
    functions.refuse_class(metrics, "metrics")
    if isinstance(metrics, (str, Metric)) or callable(metrics) or not isinstance(metrics, Iterable):
        raise TypeError(f"metrics must be a sequence of names ({', '.join(_names(output))}) or callables, such as "
                        f"[{default(output).name!r}], got {checks.shown(metrics)}")
    found = {default(output).name: default(output)}
    asked: set[str] = set()
    for metric in metrics:
        one = _named(metric, output) if isinstance(metric, str) else _object(metric, output)
        if one.name in asked or one.name == "loss" or (one.name in found and type(one) is not type(found[one.name])):
            raise ValueError(f"metrics: there are two that are called {one.name!r}")
        asked.add(one.name)
        found.setdefault(one.name, one)
    return tuple(found.values())


def _names(output: str) -> list[str]:
    """Return the names of the metrics for an output activation."""
    return [name for name, kind in NAMED.items() if kind().applies_to(output)]


def _named(name: str, output: str) -> Metric:
    names = _names(output)
    if name in names:
        return NAMED[name]()
    if name in NAMED:
        raise ValueError(f"the metric {name!r} is not for output={output!r}: there are {', '.join(names)}")
    close = _close(name, names)
    hint = f"; did you mean {' or '.join(map(repr, close))}?" if close else ""
    raise ValueError(f"a metric must be one of {', '.join(names)} (for output={output!r}), got {name!r}{hint}")


def _close(name: str, names: list[str]) -> list[str]:
    """Return the names that one may be meant for."""
    lower = name.lower()
    known = {spelled: ours for spelled, ours in SPELLED_OUT.items() if ours in names} | {one: one for one in names}
    if lower in known:
        return [known[lower]]
    similar = difflib.get_close_matches(lower, known, cutoff=0.7)
    parts = [one for one in known if one in lower or (len(lower) > 1 and lower in one)]
    return list(dict.fromkeys(known[one] for one in [*parts, *similar]))


def _object(metric: Any, output: str) -> Metric:
    functions.refuse_class(metric, "a metric")
    if isinstance(metric, Metric):
        if not metric.applies_to(output):
            raise ValueError(f"the metric {metric.name!r} is not for output={output!r}")
        return copy.copy(metric)  # an evaluation changes it
    if not callable(metric):
        raise TypeError(f"a metric must be a name ({', '.join(_names(output))}) or callable as metric(y_true, y_pred), "
                        f"got {checks.shown(metric)}")
    return plain(metric, output)
