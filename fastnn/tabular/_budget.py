"""The plan of a training: how many epochs of how many steps, also within a limit of time."""

from collections.abc import Callable
from math import ceil, inf
from time import perf_counter
from typing import NamedTuple

__all__ = ["SHARE", "Deadline", "Plan", "measured", "plan_within", "planned"]

SHARE = 0.85  # of the time left that a plan may use: steps get slower when other programs use the cores
TRIAL_SHARE = 0.03  # of the time left that a trial must take to be representative
TRIAL_SECONDS = 1.0  # at most
FIRST_TRIAL = 4  # steps
MIN_EPOCHS = 16  # fewer whole epochs become this many parts: several to choose from, and chances to stop in time
VALIDATION_SHARE = 0.25  # of the time that validation may take


class Plan(NamedTuple):
    """The length of a training.

    Attributes
    ----------
    epochs : int
    steps : int
        Mini-batches in an epoch.
    held : int
        The held-out rows to validate on.
    """

    epochs: int
    steps: int
    held: int


class Deadline:
    """The end of the time that a fit may take.

    Parameters
    ----------
    limit : float or None
        In seconds from now; None for no limit.
    """

    def __init__(self, limit: float | None) -> None:
        self.began, self.limit = perf_counter(), inf if limit is None else float(limit)

    @property
    def left(self) -> float:
        """Seconds until the end."""
        return self.began + self.limit - perf_counter()


def planned(epochs: int, n_training: int, batch_size: int, n_held: int) -> Plan:
    """Return the plan of the recipe, which leaves out the incomplete mini-batch at the end of an epoch."""
    return Plan(epochs, max(1, n_training // batch_size), n_held)


def plan_within(full: Plan, seconds: float, step: float, validation: float) -> Plan:
    """Return the longest plan that takes at most this many seconds, and at least one step.

    Parameters
    ----------
    full : Plan
    seconds : float
    step : float
        Seconds of a step.
    validation : float
        Seconds that the validation of an epoch takes, with `full.held` rows.
    """
    epoch = full.steps * step + validation
    if full.epochs * epoch <= seconds:
        return full
    if (epochs := int(seconds / epoch)) >= MIN_EPOCHS:
        return full._replace(epochs=epochs)
    epochs = min(MIN_EPOCHS, full.epochs, max(1, int(seconds / step)))
    share = seconds / epochs
    held = full.held
    if validation > VALIDATION_SHARE * share:
        held = min(held, max(1, int(held * VALIDATION_SHARE * share / validation)))
        validation *= held / full.held
    return Plan(epochs, min(full.steps, max(1, int((share - validation) / step))), held)


def measured(run: Callable[[int], float], full: int, left: float) -> float:
    """Return the seconds of a step, found by trials of more and more steps.

    Parameters
    ----------
    run : callable
        Makes a number of steps on other parameters and returns the seconds that they took.
    full : int
        Steps in an epoch, the most that are tried.
    left : float
        Seconds until the limit.
    """
    enough = min(TRIAL_SECONDS, TRIAL_SHARE * max(left, 0.0))
    steps = min(FIRST_TRIAL, full)
    while True:
        seconds = run(steps)
        if seconds >= enough or steps == full:
            return seconds / steps
        steps = min(full, max(2 * steps, ceil(steps * min(16.0, enough / max(seconds, 1e-9)))))
