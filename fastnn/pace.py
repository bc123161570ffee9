"""Where a run stands in its schedule of learning rates."""

from collections.abc import Collection, Iterator, Mapping
from itertools import count, repeat
from typing import Any

from fastnn import validation
from fastnn.schedules import ReduceOnPlateau, Schedule

__all__ = ["Pace"]


class Pace:
    """Where a run stands in its schedule.

    Parameters
    ----------
    schedule : Schedule
    epochs : int
        Of the run.
    steps : int or None
        Mini-batches of an epoch, if known.
    recorded : collection of str
        What each epoch will record.

    Attributes
    ----------
    t : int
        The position.

    Raises
    ------
    ValueError
        If the schedule needs a length that is not known, or watches what is not recorded.
    """

    def __init__(self, schedule: Schedule, epochs: int, steps: int | None, recorded: Collection[str]) -> None:
        self.schedule = schedule
        self.t = 0
        steps = steps if schedule.per == "step" else 1
        self.total = schedule.length(None if steps is None else epochs * steps)
        self.watch = schedule.watch(recorded) if isinstance(schedule, ReduceOnPlateau) else None

    def rates(self) -> Iterator[float]:
        """Return the rates of the coming steps, endlessly."""
        if self.schedule.per == "step":
            return map(self.schedule, count(self.t), repeat(self.total))
        return repeat(self.schedule(self.t, self.total))

    def advance(self, steps: int) -> float:
        """Move on by an epoch of so many steps; return the rate of its last one."""
        if self.schedule.per == "step":
            self.t += steps
            return self.schedule(max(0, self.t - 1), self.total)
        rate = self.schedule(self.t, self.total)
        if self.schedule.per == "epoch":
            self.t += 1
        return rate

    def observe(self, record: Mapping[str, float]) -> None:
        """Take in what the epoch recorded."""
        if self.watch is not None and isinstance(self.schedule, ReduceOnPlateau):
            self.watch.update(record)
            if self.watch.stale >= self.schedule.patience:
                self.t += 1
                self.watch.stale = 0

    def state(self) -> dict[str, Any]:
        """Return what a checkpoint must hold of it."""
        return {"t": self.t, "watch": None if self.watch is None else self.watch.state()}

    def restore(self, state: Mapping[str, Any]) -> None:
        """Go on from what `state` returned.

        Raises
        ------
        KeyError, TypeError, ValueError
            If it is something else.
        """
        self.t = validation.count(state["t"], "t", 0, 2**63 - 1)
        if self.watch is not None:
            self.watch.restore(state["watch"])
