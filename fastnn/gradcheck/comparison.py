"""An analytic gradient against numerical derivatives, entry by entry, and what came of it.

`finite_differences` computes each numerical derivative and estimates its error. Entries whose estimate is not small
relative to the norm of the gradient are excluded and counted. If the whole gradient is nearly zero (at a minimum, or
with all units saturated), every entry is excluded: check at another point.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from fastnn._data import checks
from fastnn.gradcheck.finite_differences import Array, quotient, slope

__all__ = ["RELIABLE", "GradientCheck", "compare"]

RELIABLE = 1e-8  # an entry's largest error estimate, relative to the norm of the gradient


@dataclass(frozen=True)
class GradientCheck:
    """How well a gradient agrees with numerical derivatives.

    Attributes
    ----------
    relative_error : float
        ||analytic - numeric|| / (||analytic|| + ||numeric||) over the compared entries; NaN if there are none, or if
        the gradient holds NaN.
    worst : str
        The entry where the two differ most, in the notes' notation: ``W[2][0, 3]``.
    analytic, numeric : float
        The two derivatives there.
    entries : int
        How many were compared.
    left_out : int
        How many have no reliable numerical derivative: at a kink, or lost in the rounding of f.
    """

    relative_error: float
    worst: str
    analytic: float
    numeric: float
    entries: int
    left_out: int

    def passed(self, tolerance: float = 1e-7) -> bool:
        """Return whether entries were compared and the relative error is at most `tolerance`."""
        return self.relative_error <= tolerance

    def __str__(self) -> str:
        omitted = f"; {self.left_out} left out: no reliable numerical derivative (kink or rounding)"
        if not self.entries:
            return f"no entries compared{omitted}"
        return (f"relative error {self.relative_error:.2e} over {self.entries} entries; worst {self.worst}: "
                f"analytic {self.analytic:.10g}, numeric {self.numeric:.10g}{omitted if self.left_out else ''}")


def compare(f: Callable[[int, float], float], x: Array, gradient: Array, name: Callable[[int], str],
            step: float | None, entries: int | None = None,
            random_state: int | np.random.Generator | None = None) -> GradientCheck:
    """Compare `gradient` (P,) at `x` (P,) with the derivatives of ``f(position, value of that entry)``."""
    positions = np.arange(x.size)
    if step is not None:
        step = checks.number(step, "step", above=0)
    rng = checks.generator(random_state)
    if entries is not None and checks.count(entries, "entries") < x.size:
        positions = np.sort(rng.choice(x.size, entries, replace=False))
    numeric, uncertainty = np.zeros(positions.size), np.zeros(positions.size)
    with np.errstate(all="ignore"):  # steps may leave the domain of f: shorter ones follow
        for k, i in enumerate(map(int, positions)):
            along, value = partial(f, i), float(x[i])
            if step is None:
                numeric[k], uncertainty[k] = slope(along, value)
            else:
                numeric[k] = quotient(along, value, step)
    reliable = uncertainty <= RELIABLE * math.hypot(*numeric[np.isfinite(numeric)])
    left_out = int(np.sum(~reliable))
    g, n, compared = gradient[positions][reliable], numeric[reliable], positions[reliable]
    if not compared.size:
        return GradientCheck(math.nan, "", math.nan, math.nan, 0, left_out)
    worst = int(np.argmax(np.abs(g - n)))  # the first NaN, if there is one
    size = math.hypot(*g) + math.hypot(*n)  # hypot: squares of entries beyond 1e154 overflow, below 1e-162 vanish
    relative_error = math.hypot(*(g - n)) / size if size else 0.0
    return GradientCheck(relative_error, name(int(compared[worst])), float(g[worst]), float(n[worst]), compared.size,
                         left_out)
