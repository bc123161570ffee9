"""Where a run stands in its schedule of learning rates."""

from collections.abc import Collection, Iterator, Mapping
from itertools import count, repeat
from typing import Any

from fastnn._data import checks
from fastnn._training.stopping import Watch
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
        self.per_step = schedule.per == "step"
        steps = steps if self.per_step else 1
        self.total = schedule.length(None if steps is None else epochs * steps)
        self.watch: Watch | None = None
        if isinstance(schedule, ReduceOnPlateau):
            self.watch, self.patience = schedule.watch(recorded), schedule.patience

    def rates(self) -> Iterator[float]:
        """Return the rates of the coming steps, endlessly."""
        if self.per_step:
            return map(self.schedule, count(self.t), repeat(self.total))
        self.rate = self.schedule(self.t, self.total)
        return repeat(self.rate)

    def last(self, steps: int) -> float:
        """Return the rate of the last of the first `steps` steps that `rates` is for."""
        return self.schedule(self.t + max(0, steps - 1), self.total) if self.per_step else self.rate

    def advance(self, steps: int, record: Mapping[str, float]) -> None:
        """Move on by an epoch of so many steps which recorded this."""
        if self.per_step:
            self.t += steps
        elif self.watch is None:
            self.t += 1
        else:
            self.watch.update(record)
            if self.watch.stale >= self.patience:
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
        self.t = checks.count(state["t"], "t", 0, 2**63 - 1)
        if self.watch is not None:
            self.watch.restore(state["watch"])
