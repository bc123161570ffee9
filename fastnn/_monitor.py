"""Monitored values: the name of a recorded value, and whether larger values of it are better."""

from typing import Any

from fastnn._data import checks

__all__ = ["LARGER_IS_BETTER", "MODES", "check_monitor", "direction"]

MODES = ("auto", "min", "max")
# Whether larger values are better, for mode="auto".
LARGER_IS_BETTER = {
    "loss": False, "accuracy": True, "balanced_accuracy": True, "precision": True, "recall": True, "f1": True,
    "matthews_corrcoef": True, "roc_auc": True, "average_precision": True, "log_loss": False, "brier": False,
    "mae": False, "mape": False, "mse": False, "rmse": False, "r2": True,
}


def check_monitor(monitor: Any, mode: Any, patience: Any, min_delta: Any) -> None:
    """Check the arguments that say which value is monitored and for how long.

    Raises
    ------
    ValueError, TypeError
        If `monitor` is no name, `mode` none of `MODES`, `patience` below 1 or `min_delta` negative, or `mode` is "auto"
        and the value is unknown.
    """
    if not isinstance(monitor, str):
        raise TypeError(f"monitor must be the name of a recorded value, got {type(monitor).__name__}")
    checks.name(mode, MODES, "mode")
    checks.count(patience, "patience")
    checks.number(min_delta, "min_delta", minimum=0)
    direction(monitor, mode)


def direction(monitor: str, mode: str) -> float:
    """Return 1 if smaller values are better, -1 if larger ones are.

    Raises
    ------
    ValueError
        If the mode is "auto" and the value is unknown.
    """
    if mode == "auto":
        larger = LARGER_IS_BETTER.get(monitor.removeprefix("validation_"))
        if larger is None and monitor != "auto":
            raise ValueError(f"mode='auto' does not know whether a larger {monitor!r} is better: say mode='min' or "
                             "mode='max'")
        return -1.0 if larger else 1.0
    return -1.0 if mode == "max" else 1.0
