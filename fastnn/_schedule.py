"""The base classes of the schedules."""

from typing import ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn._data import checks

__all__ = ["Ending", "Schedule"]


class Schedule:
    """Base class of the schedules: ``schedule(t, total)`` is the rate at position t of a run of `total` positions.

    Instances are immutable. They compare equal and have the same `repr`, which checkpoints compare, if their parameters
    are equal.
    """

    rate: float
    per: str
    total: int | None = None
    units: ClassVar[tuple[str, ...]] = ("epoch", "step")

    def __post_init__(self) -> None:
        checks.number(self.rate, "rate", above=0)
        checks.name(self.per, self.units, "per")
        if self.total is not None:
            checks.count(self.total, "total")

    def __call__(self, t: int, total: int | None = None) -> float:
        """Return the rate at position t; only schedules with an end use `total`."""
        raise NotImplementedError

    def rates(self, total: int) -> NDArray[np.float64]:
        """Return the rates at positions 0, ..., total - 1 of a run of `total` positions, for inspection: (total,)."""
        length = self.length(checks.count(total, "total"))
        return np.array([self(t, length) for t in range(total)])

    def length(self, run: int | None) -> int | None:
        """Return the position at which the schedule ends in a run of `run` positions (None if unknown)."""
        return run


class Ending(Schedule):
    """Base class of schedules that end: at their own `total` if given, else at the end of the run."""

    def length(self, run: int | None) -> int:
        """Return the position at which the schedule ends in a run of `run` positions (None if unknown).

        Raises
        ------
        ValueError
            If neither end is known.
        """
        if self.total is None and run is None:
            raise ValueError(f"{type(self).__name__} needs total=: how many positions the run has is not known")
        return self.total or run or 0
