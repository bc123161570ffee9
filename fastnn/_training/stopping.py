"""Monitoring of a recorded value, and the best parameters so far."""

from collections.abc import Collection, Mapping
from math import inf, isfinite
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import _tuning, runtime
from fastnn._core import kernels
from fastnn._data import checks
from fastnn._monitor import LARGER_IS_BETTER, direction

__all__ = ["BestParameters", "MetricMonitor"]


class MetricMonitor:
    """The best value of a recorded metric so far, and the number of epochs since it last improved.

    Parameters
    ----------
    monitor, mode, min_delta, patience
        As for `callbacks.EarlyStopping`.
    recorded : collection of str
        The names of the values that each epoch records.
    owner : str
        The name of what monitors the value, for the error message.

    Attributes
    ----------
    best : float
        The lowest cost, see `cost`; inf before the first finite value.
    stale : int
        Epochs since it improved.
    not_finite : tuple (int, float) or None
        The first epoch since the start or resume whose value was NaN or infinite, and this value.

    Raises
    ------
    ValueError
        If the value is not recorded.
    """

    def __init__(self, monitor: str, mode: str, min_delta: float, patience: int | None, recorded: Collection[str],
                 owner: str) -> None:
        if monitor not in recorded:
            raise ValueError(f"{owner} watches {monitor!r}, but each epoch records only {', '.join(recorded)}"
                             f"{_hint(monitor, recorded)}")
        self.monitor, self.min_delta, self.patience = monitor, min_delta, patience
        self.sign = direction(monitor, mode)
        self.best = inf
        self.stale = 0
        self.not_finite: tuple[int, float] | None = None

    @property
    def is_stale(self) -> bool:
        """Whether the value has not improved for `patience` epochs; never if that is None."""
        return self.patience is not None and self.stale >= self.patience

    def cost(self, record: Mapping[str, float]) -> float:
        """Return the monitored value, negated if larger values are better."""
        return self.sign * record[self.monitor]

    def update(self, record: Mapping[str, float]) -> None:
        """Update with the record of an epoch; the value must improve on the best by more than min_delta.

        A value that is NaN or infinite is no improvement. Until the first finite value, no epoch counts as stale.
        """
        cost = self.cost(record)
        if not isfinite(cost):
            self.not_finite = self.not_finite or (int(record["epoch"]), record[self.monitor])
            self.stale += self.best < inf
        elif cost < self.best - self.min_delta:
            self.best, self.stale = cost, 0
        else:
            self.stale += 1

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"best": self.best if isfinite(self.best) else None, "stale": self.stale}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore a state returned by `state`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the state is malformed.
        """
        best, stale = state["best"], checks.count(state["stale"], "stale", 0)
        self.best = inf if best is None else checks.number(best, "best")
        self.stale = stale


def _hint(monitor: str, recorded: Collection[str]) -> str:
    """Return how to record a value that is not recorded."""
    name = monitor.removeprefix("validation_")
    if f"validation_{name}" in recorded:
        return f": do you mean 'validation_{name}'?"
    if name == monitor:
        return ""
    if "validation_loss" not in recorded:
        return ": give validation_data=(X_val, y_val) or validation_fraction"
    return f": metrics=[{name!r}] of Network.fit records it" if name in LARGER_IS_BETTER else ""


class BestParameters:
    """A copy of the best parameters so far, initially those at the start of training.

    Parameters
    ----------
    theta : ndarray (P,)
        The parameter arena.
    ties : {"first", "last"}
        Which of several equal scores is the best.

    Attributes
    ----------
    copy : ndarray (P,)
    value : float
        Their score; smaller is better.
    epoch : int or None
        The epoch that reached them; None for the initial ones.
    wait, interval : int
        Steps until the next score, and between the last two.
    """

    def __init__(self, theta: NDArray[Any], ties: str = "first") -> None:
        self.theta = theta
        self.ties = ties
        self.copy = theta.copy()
        self.value = inf
        self.epoch: int | None = None
        self.wait = self.interval = 1

    def score_initial(self, value: float) -> None:
        """Record the score of the initial parameters."""
        self.value = value if isfinite(value) else inf

    def due(self, steps: int) -> bool:
        """Count the `steps` of an epoch; return whether a score is due.

        The interval is 1, 2, 4, ... steps, at most _tuning.STEPS_PER_SCORE.
        """
        self.wait -= steps
        if self.wait > 0:
            return False
        self.wait = self.interval = min(2 * self.interval, _tuning.STEPS_PER_SCORE)
        return True

    def update(self, value: float, epoch: int) -> None:
        """Copy the parameters if their score is finite and the lowest so far, and all are finite."""
        better = value <= self.value if self.ties == "last" else value < self.value
        if isfinite(value) and better and kernels.all_finite(self.theta, runtime.LEVEL):
            np.copyto(self.copy, self.theta)
            self.value, self.epoch = value, epoch

    def restore(self) -> None:
        """Copy the best parameters back into the arena."""
        np.copyto(self.theta, self.copy)

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint, except the parameters."""
        return {"value": self.value if isfinite(self.value) else None, "epoch": self.epoch, "wait": self.wait,
                "interval": self.interval}

    def restore_state(self, state: Mapping[str, Any]) -> None:
        """Restore a state returned by `state`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the state is malformed.
        """
        value, epoch = state["value"], state["epoch"]
        self.value = inf if value is None else checks.number(value, "value")
        self.epoch = None if epoch is None else checks.count(epoch, "epoch")
        self.wait = checks.count(state["wait"], "wait")
        self.interval = checks.count(state["interval"], "interval")
