"""Learning-rate schedules: each is a formula for the learning rate at position t of a run.

A position is a step, that is one mini-batch (``per="step"``), or an epoch (``per="epoch"``), counted from 0. Pass a
schedule to `Network.fit` as ``learning_rate``, or as ``weight_decay_schedule`` or ``dropout_schedule``, of which the
values are factors. Every fit starts its schedules at t = 0; only ``fit(resume=...)`` continues them.
"""

from dataclasses import dataclass, field
from math import cos, log2, pi
from typing import Any, ClassVar

from fastnn._data import checks, functions
from fastnn._monitor import check_monitor
from fastnn._schedule import Ending, Schedule

__all__ = ["Constant", "CosLog", "Cosine", "Exponential", "FlatCosine", "InverseScaling", "OneCycle",
           "ReduceOnPlateau", "Schedule", "StepDecay", "get"]


@dataclass(frozen=True)
class Constant(Schedule):
    """A constant rate, to which a number passed as ``learning_rate`` is converted.

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
    """Step decay: alpha(t) = rate * factor^floor(t / every).

    Parameters
    ----------
    rate : float
        The initial rate, positive.
    factor : float, default 0.5
        In (0, 1].
    every : int, default 10
        Number of positions between two reductions.
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
    """Exponential decay: alpha(t) = rate * factor^t.

    Parameters
    ----------
    rate : float
        The initial rate, positive.
    factor : float, default 0.95
        In (0, 1].
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
    """Inverse scaling: alpha(t) = rate / (1 + scale t)^power.

    Power 1 is the schedule of Robbins & Monro (1951). Power 0.5, applied per epoch with the number of examples as
    `scale`, is scikit-learn's "invscaling".

    Parameters
    ----------
    rate : float
        The initial rate, positive.
    power : float, default 0.5
        Non-negative.
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
        return float(self.rate * (1 + self.scale * t) ** -self.power)  # a power in the denominator could overflow


@dataclass(frozen=True)
class Cosine(Ending):
    """Cosine decay from `rate` to `end`, after a linear warm-up.

    With w = warmup * total, alpha(t) = rate (t + 1) / (w + 1) for t < w, then
    end + (rate - end) (1 + cos(pi (t - w) / (total - w))) / 2. The rate `end` is only reached at t = total, after the
    last position of the run. The decay is SGDR (Loshchilov & Hutter 2017, equation 5) without restarts; the warm-up
    follows Goyal et al. (2017, section 2.2).

    Parameters
    ----------
    rate : float
        The highest rate, positive.
    end : float, default 0.0
        The final rate, from 0 to `rate`.
    warmup : float, default 0.0
        Fraction of the run used for the warm-up, in [0, 1).
    total : int, optional
        Position of the end; by default the length of the run.
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
    """One cycle: half a cosine up from rate / divide to `rate`, then half down to rate / (divide final_divide).

    The rate rises until t = rise * total and falls until t = total, which is after the last position of the run. This
    is the 1cycle policy of Smith & Topin (2017) and Smith (2018) with half cosines instead of straight lines, and
    without changes of the momentum.

    Parameters
    ----------
    rate : float
        The highest rate, positive.
    rise : float, default 0.3
        Fraction of the run in which the rate rises, in [0, 1).
    divide, final_divide : float, default 25.0, 1e4
        At least 1.
    total : int, optional
        Position of the end; by default the length of the run.
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
class CosLog(Ending):
    """Bumps, each longer than the last: alpha(t) = rate (1 - cos(2 pi log2(1 + (2^bumps - 1) t / total))) / 2.

    The rate is 0 at t = 0, between two bumps and at t = total, which is after the last position of the run. Of
    Holzmueller, Grinsztajn & Steinwart (2024, "Better by default"), with four bumps.

    Parameters
    ----------
    rate : float
        The highest rate, positive.
    bumps : int, default 4
        From 1 to 50.
    total : int, optional
        Position of the end; by default the length of the run.
    per : {"step", "epoch"}, default "step"
    """

    rate: float
    bumps: int = 4
    total: int | None = None
    per: str = "step"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.count(self.bumps, "bumps", 1, 50)

    def __call__(self, t: int, total: int | None = None) -> float:
        """Return the rate at position t of `total`."""
        T = self.total or total or self.length(None)
        return self.rate * (1 - cos(2 * pi * log2(1 + (2**self.bumps - 1) * min(t / T, 1)))) / 2


@dataclass(frozen=True)
class FlatCosine(Ending):
    """A constant rate until t = flat * total, then half a cosine down to 0 at t = total.

    Parameters
    ----------
    rate : float
        The highest rate, positive.
    flat : float, default 0.5
        Fraction of the run with the constant rate, in [0, 1).
    total : int, optional
        Position of the end, which is after the last position; by default the length of the run.
    per : {"step", "epoch"}, default "step"
    """

    rate: float
    flat: float = 0.5
    total: int | None = None
    per: str = "step"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.number(self.flat, "flat", minimum=0, below=1)

    def __call__(self, t: int, total: int | None = None) -> float:
        """Return the rate at position t of `total`."""
        T = self.total or total or self.length(None)
        return _half_cosine(self.rate, 0, max(0.0, t - self.flat * T), T - self.flat * T)


@dataclass(frozen=True)
class ReduceOnPlateau(Schedule):
    """Reduce the rate at every plateau, that is after `patience` epochs without an improvement.

    After t plateaus alpha = max(minimum, rate * factor^t). Each reduction restarts the count of epochs.

    Parameters
    ----------
    rate : float
        The initial rate, positive.
    factor : float, default 0.5
        In (0, 1].
    patience : int, default 10
        Number of epochs without an improvement that make a plateau.
    min_delta : float, default 0.0
        An improvement must exceed the best value so far by more than this.
    minimum : float, default 0.0
        Lower bound of the rate, from 0 to `rate`.
    monitor : str, default "auto"
        The recorded value to monitor; "auto" is "validation_loss" if there is validation data, else "loss".
    mode : {"auto", "min", "max"}, default "auto"
        Whether smaller or larger values are better; "auto" infers it for losses and built-in metrics.
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
        check_monitor(self.monitor, self.mode, self.patience, self.min_delta)

    def __call__(self, t: int, total: int | None = None) -> float:
        """Return the rate after t plateaus."""
        return max(self.minimum, self.rate * self.factor**t)


def _factor(value: float) -> None:
    if checks.number(value, "factor", above=0) > 1:
        raise ValueError(f"factor must be at most 1, got {value:g}")


def _half_cosine(start: float, end: float, t: float, length: float) -> float:
    """Return the half cosine from `start` at t = 0 to `end` at t = length; `end` beyond that."""
    return end + (start - end) * (1 + cos(pi * t / length)) / 2 if t < length else end


def get(learning_rate: Any) -> Schedule:
    """Return the given schedule, or a constant schedule for a number.

    Raises
    ------
    ValueError, TypeError
        If `learning_rate` is neither a positive number nor a schedule.
    """
    if isinstance(learning_rate, Schedule):
        return learning_rate
    functions.refuse_class(learning_rate, "learning_rate")
    return Constant(checks.number(learning_rate, "learning_rate", above=0))
