"""The current positions in schedules."""

from collections.abc import Collection, Iterator, Mapping
from itertools import count, repeat
from typing import Any

from fastnn._data import checks
from fastnn._training.stopping import MetricMonitor
from fastnn.schedules import ReduceOnPlateau, Schedule

__all__ = ["ScheduleState"]


class ScheduleState:
    """The position of a fit in a schedule.

    Parameters
    ----------
    schedule : Schedule
    epochs : int
        Epochs of the fit.
    steps : int or None
        Mini-batches per epoch, if known.
    recorded : collection of str
        The names of the values that each epoch records.

    Attributes
    ----------
    t : int
        The position: a number of steps, epochs or plateaus, as the schedule counts.

    Raises
    ------
    ValueError
        If the schedule needs a length that is unknown, or monitors a value that is not recorded.
    """

    def __init__(self, schedule: Schedule, epochs: int, steps: int | None, recorded: Collection[str]) -> None:
        self.schedule = schedule
        self.t = 0
        self.per_step = schedule.per == "step"
        steps = steps if self.per_step else 1
        self.total = schedule.length(None if steps is None else epochs * steps)
        self.monitor = plateau_monitor(schedule, recorded) if isinstance(schedule, ReduceOnPlateau) else None

    def rates(self) -> Iterator[float]:
        """Return an endless iterator over the rates of the next steps."""
        if self.per_step:
            return map(self.schedule, count(self.t), repeat(self.total))
        self.rate = self.schedule(self.t, self.total)
        return repeat(self.rate)

    def last(self, steps: int) -> float:
        """Return the rate of the last of the `steps` steps since `rates` was called."""
        return self.schedule(self.t + max(0, steps - 1), self.total) if self.per_step else self.rate

    def advance(self, steps: int, record: Mapping[str, float]) -> None:
        """Advance by an epoch of `steps` steps that recorded `record`."""
        if self.per_step:
            self.t += steps
        elif self.monitor is None:
            self.t += 1
        else:
            self.monitor.update(record)
            if self.monitor.is_stale:
                self.t += 1
                self.monitor.stale = 0

    def state(self) -> dict[str, Any]:
        """Return the state for a checkpoint."""
        return {"t": self.t, "watch": None if self.monitor is None else self.monitor.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Restore a state returned by `state`.

        Raises
        ------
        KeyError, TypeError, ValueError
            If the state is malformed.
        """
        self.t = checks.count(state["t"], "t", 0, 2**63 - 1)
        if self.monitor is not None:
            self.monitor.restore(state["watch"])


def plateau_monitor(schedule: ReduceOnPlateau, recorded: Collection[str]) -> MetricMonitor:
    """Return the monitor of a schedule that reduces the rate on plateaus."""
    monitor = schedule.monitor
    if monitor == "auto":
        monitor = "validation_loss" if "validation_loss" in recorded else "loss"
    return MetricMonitor(monitor, schedule.mode, schedule.min_delta, schedule.patience, recorded, "ReduceOnPlateau")
