"""Watching a recorded value: whether it still improves, and the parameters of its best epoch."""

from collections.abc import Collection, Mapping
from math import inf, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import _tuning, metrics, runtime
from fastnn._core import kernels
from fastnn._data import checks

__all__ = ["MODES", "Snapshot", "Watch", "check_watched", "sign"]

MODES = ("auto", "min", "max")
LARGER_IS_BETTER = {"loss": False, **{name: kind.larger_is_better for name, kind in metrics.NAMED.items()}}


def check_watched(monitor: Any, mode: Any, patience: Any, min_delta: Any) -> None:
    """Refuse what cannot say which value is watched and how long.

    Raises
    ------
    ValueError, TypeError
        If `monitor` is no name, `mode` none of `MODES`, `patience` below 1 or `min_delta` negative.
    """
    if not isinstance(monitor, str):
        raise TypeError(f"monitor must be the name of a recorded value, got {type(monitor).__name__}")
    checks.name(mode, MODES, "mode")
    checks.count(patience, "patience")
    checks.number(min_delta, "min_delta", minimum=0)
    sign(monitor, mode)


def sign(monitor: str, mode: str) -> float:
    """Return 1 where smaller values are better, -1 where larger ones are.

    Raises
    ------
    ValueError
        If the mode is "auto" and nothing is known of this value.
    """
    if mode == "auto":
        larger = LARGER_IS_BETTER.get(monitor.removeprefix("validation_"))
        if larger is None and monitor != "auto":
            raise ValueError(f"mode='auto' does not know whether a larger {monitor!r} is better: say mode='min' or "
                             "mode='max'")
        return -1.0 if larger else 1.0
    return -1.0 if mode == "max" else 1.0


class Watch:
    """One recorded value over the epochs: the best one yet, and for how many epochs it has not improved.

    Parameters
    ----------
    monitor, mode, min_delta
        As for `callbacks.EarlyStopping`.
    recorded : collection of str
        What each epoch will record.
    what : str
        Who watches, for the error text.

    Raises
    ------
    ValueError
        If the value will not be recorded.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float, recorded: Collection[str], what: str) -> None:
        if monitor not in recorded:
            hint = (": give validation_data=(X_val, y_val) or validation_fraction"
                    if monitor.startswith("validation_") and "validation_loss" not in recorded else "")
            raise ValueError(f"{what} watches {monitor!r}, but each epoch records only {', '.join(recorded)}{hint}")
        self.monitor, self.min_delta, self.sign = monitor, min_delta, sign(monitor, mode)
        self.best = inf
        self.stale = 0

    def cost(self, record: Mapping[str, float]) -> float:
        """Return the watched value such that smaller is better."""
        return self.sign * record[self.monitor]

    def update(self, record: Mapping[str, float]) -> bool:
        """Take in an epoch's record; return whether it is better than the best by more than min_delta."""
        cost = self.cost(record)
        better = cost < self.best - self.min_delta if self.best < inf else cost < inf
        self.best, self.stale = (cost, 0) if better else (self.best, self.stale + 1)
        return better

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold of it."""
        return {"best": self.best if isfinite(self.best) else None, "stale": self.stale}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is something else.
        """
        best, stale = state["best"], checks.count(state["stale"], "stale", 0)
        self.best = inf if best is None else checks.number(best, "best")
        self.stale = stale


class Snapshot:
    """The best parameters so far, to go back to; at first those that training begins with."""

    def __init__(self, theta: NDArray[Any]) -> None:
        self.theta = theta
        self.copy = theta.copy()
        self.value = inf
        self.epoch: int | None = None
        self.wait = self.interval = 1

    def judge(self, value: float) -> None:
        """Say what loss the first parameters have."""
        self.value = value if isfinite(value) else inf

    def due(self, steps: int) -> bool:
        """Tell whether enough steps were made since it was last due: 1, 2, 4, ..., _tuning.STEPS_PER_SCORE."""
        self.wait -= steps
        if self.wait > 0:
            return False
        self.wait = self.interval = min(2 * self.interval, _tuning.STEPS_PER_SCORE)
        return True

    def update(self, value: float, epoch: int) -> bool:
        """Take the parameters if their `value` is the lowest yet; return whether it is."""
        if not value < self.value or not kernels.all_finite(self.theta, runtime.LEVEL):
            return False
        np.copyto(self.copy, self.theta)
        self.value, self.epoch = value, epoch
        return True

    def restore(self) -> None:
        """Put the best parameters back."""
        np.copyto(self.theta, self.copy)
