"""Learning rates that change during training, each a formula in the position t of a run.

A position is a step (``per="step"``: one mini-batch) or an epoch (``per="epoch"``), counted from 0. Pass a schedule as
``learning_rate=`` of `Network.fit`. It starts anew with each fit; only ``fit(resume=...)`` goes on where it stood.
"""

from collections.abc import Collection
from dataclasses import dataclass, field
from math import cos, pi
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn._data import checks
from fastnn._training import stopping

__all__ = ["Constant", "Cosine", "Exponential", "InverseScaling", "OneCycle", "ReduceOnPlateau", "Schedule",
           "StepDecay", "get"]


class Schedule:
    """The base of all schedules: ``schedule(t, total)`` is the rate at position t of a run of `total` positions.

    Instances are values: equal parameters, equal schedules, and equal `repr`, which a checkpoint compares.
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
        """Return the rate from position t to the next; `total` matters only to schedules with an end."""
        raise NotImplementedError

    def rates(self, total: int) -> NDArray[np.float64]:
        """Return the rates at the positions 0, ..., total-1 of a run of that length: (total,), to look at."""
        length = self.length(checks.count(total, "total"))
        return np.array([self(t, length) for t in range(total)])

    def length(self, run: int | None) -> int | None:
        """Return the position at which the schedule ends, given the run's."""
        return run


class Ending(Schedule):
    """The base of schedules that end: at their own `total`, else at that of the run."""

    def length(self, run: int | None) -> int:
        """Return the position at which the schedule ends, given the run's.

        Raises
        ------
        ValueError
            If neither is known.
        """
        if self.total is None and run is None:
            raise ValueError(f"{type(self).__name__} needs total=: how many positions the run has is not known")
        return self.total or run or 0


@dataclass(frozen=True)
class Constant(Schedule):
    """The same rate all the time: what a number as ``learning_rate`` means.

    Parameters
    ----------
    rate : float
        alpha, positive.
    """

    rate: float
    per: str = field(default="epoch", init=False)

    def __call__(self, t: int, total: int | None = None) -> float:
        """Return the rate."""
        return self.rate


@dataclass(frozen=True)
class StepDecay(Schedule):
    """alpha(t) = rate * factor^floor(t / every): staircase decay.

    Parameters
    ----------
    rate : float
        The first rate, positive.
    factor : float, default 0.5
        Above 0, at most 1.
    every : int, default 10
        Positions between two reductions.
    per : {"epoch", "step"}, default "epoch"
    """

    rate: float
    factor: float = 0.5
    every: int = 10
    per: str = "epoch"

    def __post_init__(self) -> None:
        super().__post_init__()
        _factor(self.factor)
        checks.count(self.every, "every")

    def __call__(self, t: int, total: int | None = None) -> float:
        """Return the rate at position t."""
        return self.rate * self.factor ** (t // self.every)


@dataclass(frozen=True)
class Exponential(Schedule):
    """alpha(t) = rate * factor^t.

    Parameters
    ----------
    rate : float
        The first rate, positive.
    factor : float, default 0.95
        Above 0, at most 1.
    per : {"epoch", "step"}, default "epoch"
    """

    rate: float
    factor: float = 0.95
    per: str = "epoch"

    def __post_init__(self) -> None:
        super().__post_init__()
        _factor(self.factor)

    def __call__(self, t: int, total: int | None = None) -> float:
        """Return the rate at position t."""
        return self.rate * self.factor**t


@dataclass(frozen=True)
class InverseScaling(Schedule):
    """alpha(t) = rate / (1 + scale t)^power.

    With power 1 the rate of Robbins & Monro (1951); with power 0.5 and the number of examples as `scale`, per epoch,
    scikit-learn's "invscaling".

    Parameters
    ----------
    rate : float
        The first rate, positive.
    power : float, default 0.5
        Not negative.
    scale : float, default 1.0
        Positive.
    per : {"epoch", "step"}, default "epoch"
    """

    rate: float
    power: float = 0.5
    scale: float = 1.0
    per: str = "epoch"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.number(self.power, "power", minimum=0)
        checks.number(self.scale, "scale", above=0)

    def __call__(self, t: int, total: int | None = None) -> float:
        """Return the rate at position t."""
        return float(self.rate * (1 + self.scale * t) ** -self.power)  # a division would overflow


@dataclass(frozen=True)
class Cosine(Ending):
    """Half a cosine from `rate` to `end`, after a linear warm-up.

    With w = warmup * total: alpha(t) = rate (t + 1) / (w + 1) for t < w, then
    end + (rate - end) (1 + cos(pi (t - w) / (total - w))) / 2, and `end` from `total` on, which a run of `total`
    positions does not reach. The cosine is SGDR's (Loshchilov & Hutter 2017, equation 5) without restarts, the warm-up
    that of Goyal et al. (2017, section 2.2).

    Parameters
    ----------
    rate : float
        The highest rate, positive.
    end : float, default 0.0
        The last one, from 0 to `rate`.
    warmup : float, default 0.0
        The share of the run that is warm-up, from 0 to below 1.
    total : int, optional
        Positions to the end; by default as many as the run has.
    per : {"step", "epoch"}, default "step"
    """

    rate: float
    end: float = 0.0
    warmup: float = 0.0
    total: int | None = None
    per: str = "step"

    def __post_init__(self) -> None:
        super().__post_init__()
        if checks.number(self.end, "end", minimum=0) > self.rate:
            raise ValueError(f"end must be at most the rate {self.rate:g}, got {self.end:g}")
        checks.number(self.warmup, "warmup", minimum=0, below=1)

    def __call__(self, t: int, total: int | None = None) -> float:
        """Return the rate at position t of `total`."""
        T = self.total or total or self.length(None)
        w = self.warmup * T
        if t < w:
            return self.rate * (t + 1) / (w + 1)
        return _half_cosine(self.rate, self.end, t - w, T - w)


@dataclass(frozen=True)
class OneCycle(Ending):
    """One cycle: half a cosine up from rate / divide to `rate`, then one down to rate / (divide final_divide).

    With p = rise * total the rate rises until t = p and falls until `total`, which a run of `total` positions does not
    reach. The cycle is that of Smith & Topin (2017) and Smith (2018, "1cycle"), in two half cosines where they have
    straight lines. The momentum stays as it is.

    Parameters
    ----------
    rate : float
        The highest rate, positive.
    rise : float, default 0.3
        The share of the run in which the rate rises, from 0 to below 1.
    divide, final_divide : float, default 25.0, 1e4
        At least 1.
    total : int, optional
        Positions to the end; by default as many as the run has.
    per : {"step", "epoch"}, default "step"
    """

    rate: float
    rise: float = 0.3
    divide: float = 25.0
    final_divide: float = 1e4
    total: int | None = None
    per: str = "step"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.number(self.rise, "rise", minimum=0, below=1)
        checks.number(self.divide, "divide", minimum=1)
        checks.number(self.final_divide, "final_divide", minimum=1)

    def __call__(self, t: int, total: int | None = None) -> float:
        """Return the rate at position t of `total`."""
        T = self.total or total or self.length(None)
        first, p = self.rate / self.divide, self.rise * T
        if t < p:
            return _half_cosine(first, self.rate, t, p)
        return _half_cosine(self.rate, first / self.final_divide, t - p, T - p)


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """max(minimum, rate * factor^t), where t counts the plateaus: `patience` epochs without an improvement.

    After a reduction the epochs without improvement are counted from 0 again.

    Parameters
    ----------
    rate : float
        The first rate, positive.
    factor : float, default 0.5
        Above 0, at most 1.
    patience : int, default 10
    min_delta : float, default 0.0
        By how much a value must be better than the best yet to be an improvement: by more than this.
    minimum : float, default 0.0
        The rate does not fall below it; at most `rate`.
    monitor : str, default "auto"
        The recorded value to watch: "auto" is "validation_loss" where there is validation data, else "loss".
    mode : {"auto", "min", "max"}, default "auto"
        Which values are better; "auto" knows it of losses and of the metrics that have names.
    """

    rate: float
    factor: float = 0.5
    patience: int = 10
    min_delta: float = 0.0
    minimum: float = 0.0
    monitor: str = "auto"
    mode: str = "auto"
    per: str = field(default="plateau", init=False)
    units: ClassVar[tuple[str, ...]] = ("plateau",)

    def __post_init__(self) -> None:
        super().__post_init__()
        _factor(self.factor)
        if checks.number(self.minimum, "minimum", minimum=0) > self.rate:
            raise ValueError(f"minimum must be at most the rate {self.rate:g}, got {self.minimum:g}")
        stopping.check_watched(self.monitor, self.mode, self.patience, self.min_delta)

    def __call__(self, t: int, total: int | None = None) -> float:
        """Return the rate after t plateaus."""
        return max(self.minimum, self.rate * self.factor**t)

    def watch(self, recorded: Collection[str]) -> stopping.Watch:
        """Return the watch for a run that records these values."""
        monitor = self.monitor
        if monitor == "auto":
            monitor = "validation_loss" if "validation_loss" in recorded else "loss"
        return stopping.Watch(monitor, self.mode, self.min_delta, recorded, "ReduceOnPlateau")


def _factor(value: float) -> None:
    if checks.number(value, "factor", above=0) > 1:
        raise ValueError(f"factor must be at most 1, got {value:g}")


def _half_cosine(start: float, end: float, t: float, length: float) -> float:
    """Return the point at t of the half cosine from `start` at 0 to `end` at `length`, and from there on."""
    return end + (start - end) * (1 + cos(pi * t / length)) / 2 if t < length else end


def get(learning_rate: Any) -> Schedule:
    """Return the schedule that `learning_rate` is or, as a number, means.

    Raises
    ------
    ValueError, TypeError
        If it is neither a positive number nor a schedule.
    """
    if isinstance(learning_rate, Schedule):
        return learning_rate
    return Constant(checks.number(learning_rate, "learning_rate", above=0))
