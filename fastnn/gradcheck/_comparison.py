"""Compare an analytic gradient with numerical derivatives, entry by entry.

Each numerical derivative comes with an estimate of its error. Entries whose error estimate is too large relative to the
norm of the gradient are left out and counted. If the whole gradient is nearly zero (at a minimum, or with all units
saturated), every entry is left out: check at another point.
"""

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from fastnn._data import checks
from fastnn.gradcheck._finite_differences import Array, quotient, slope

__all__ = ["RELIABLE", "GradientCheck", "compare"]

RELIABLE = 1e-8  # largest error estimate of a compared entry, relative to the norm of the gradient


@dataclass(frozen=True)
class GradientCheck:
    """The result of comparing a gradient with numerical derivatives.

    Attributes
    ----------
    relative_error : float
        ||analytic - numeric|| / (||analytic|| + ||numeric||) over the compared entries; NaN if no entry was compared
        or the gradient contains NaN.
    worst : str
        The entry with the largest difference, in textbook notation: ``W[2][0, 3]``.
    analytic, numeric : float
        The two derivatives of that entry.
    entries : int
        Number of compared entries.
    left_out : int
        Number of entries without a reliable numerical derivative: at a kink, or lost in the rounding errors of f.
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
    """Compare `gradient` (P,) at `x` (P,) with numerical derivatives.

    ``f(i, value)`` is the function at `x` with entry i replaced by `value`; ``name(i)`` is the label of entry i.
    """
    positions = np.arange(x.size)
    if step is not None:
        step = checks.number(step, "step", above=0)
    rng = checks.generator(random_state)
    if entries is not None and checks.count(entries, "entries") < x.size:
        positions = np.sort(rng.choice(x.size, entries, replace=False))
    numeric, uncertainty = np.zeros(positions.size), np.zeros(positions.size)
    with np.errstate(all="ignore"):  # long steps may leave the domain of f; shorter ones follow
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
    worst = int(np.argmax(np.abs(g - n)))  # argmax returns the first NaN, if there is one
    size = math.hypot(*g) + math.hypot(*n)  # hypot, as squares overflow or underflow
    relative_error = math.hypot(*(g - n)) / size if size else 0.0
    return GradientCheck(relative_error, name(int(compared[worst])), float(g[worst]), float(n[worst]), compared.size,
                         left_out)
