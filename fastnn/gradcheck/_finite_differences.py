"""Numerical derivatives: the course's difference quotient, and an adaptive one that estimates its error.

The two-sided quotient D(h) = (f(x + h) - f(x - h)) / 2h has a truncation error of h^2/6 f''' and a rounding error of
about eps |f| / h. Their sum is smallest at h = cbrt(3 eps |f / f'''|), where it is of the order of eps^(2/3) |f| =
4e-11 |f|. That is too close to the tolerance 1e-7 where the gradient is small compared with J, and f''' is unknown.

`slope` therefore applies one step of Richardson extrapolation, R = (16 D(h) - D(4h)) / 15, which removes the h^2 term
and leaves an error of the order of eps^(4/5) |f| = 3e-13 |f|. It tries h = 2^-8, 2^-10, ..., 2^-24 (times the power of
two of the entry, if above 1) and keeps the R with the smallest error estimate, which is the difference from the last R
plus eps |f| / h (C. J. F. Ridders, Accurate computation of F'(x) and F'(x) F''(x), Advances in Engineering Software 4,
1982). Long steps that cross a kink of relu give inconsistent R, so shorter ones are chosen.

At a kink itself the two-sided quotient is the mean of both slopes for every h. The difference of the one-sided slopes,
S(h) = (f(x + h) - 2 f(x) + f(x - h)) / h, is therefore extrapolated to h = 0 by (4 S(h) - S(4h)) / 3. A result larger
than its rounding errors is a jump of the slope and is added to the error estimate.
"""

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn._data import checks

__all__ = ["Array", "by_entry", "float64", "numerical_derivative", "quotient", "shaped", "slope"]

Array = NDArray[np.float64]

FIRST_STEP, STEPS = 2.0**-8, 9  # each step is a quarter of the previous one; powers of 2 keep x + h exact
EPS = float(np.finfo(np.float64).eps)
# Rounding errors allowed in the extrapolated S (above), in EPS |f| / h: S(h) sums f, 2 f and f, so 4 values, with the
# factor 4/3, S(4h) adds another 1/3, and each value carries the 2 to 10 rounding errors of a mean over examples.
ROUNDINGS = 64


def numerical_derivative(f: Callable[[Any], Any], x: ArrayLike, step: float = 1e-3,
                         two_sided: bool = True) -> float | Array:
    """Return the difference quotient of f at x: nudge x by a small step, as in the course, and see how f changes.

    Parameters
    ----------
    f : callable
        ``f(x)`` must return a single number.
    x : float or array_like
        The entries of an array are nudged one at a time.
    step : float
        Size of the nudge.
    two_sided : bool
        Use (f(x + step) - f(x - step)) / (2 step), whose error is of the order of step^2, rather than
        (f(x + step) - f(x)) / step, whose error is of the order of step.

    Returns
    -------
    float or ndarray of the shape of x

    Raises
    ------
    ValueError, TypeError
        If an argument is invalid.

    Examples
    --------
    >>> from fastnn.gradcheck import numerical_derivative
    >>> round(numerical_derivative(lambda a: a**2, 2, two_sided=False), 6)
    4.001
    >>> round(numerical_derivative(lambda a: a**2, 2), 6)
    4.0
    """
    point = float64(x, "x")
    step = checks.number(step, "step", above=0)
    two_sided = checks.flag(two_sided, "two_sided")
    along = by_entry(f, point)
    slopes = [quotient(partial(along, i), float(value), step, two_sided) for i, value in enumerate(point.flat)]
    return slopes[0] if point.ndim == 0 else np.reshape(slopes, point.shape)


def quotient(f: Callable[[float], float], x: float, step: float, two_sided: bool = True) -> float:
    """Return the difference quotient of f at x; divide by the step that remains after rounding x + step."""
    right, left = x + step, x - step if two_sided else x
    if not left < right:
        raise ValueError(f"step {step:g} is lost in the rounding of {x:g}")
    return (f(right) - f(left)) / (right - left)


def slope(f: Callable[[float], float], x: float) -> tuple[float, float]:
    """Return the derivative of f at x and an estimate of its error, as the docstring of this module describes."""
    best, uncertainty = math.nan, math.inf
    D = S = R = math.nan  # of the previous step
    here = f(x)
    if not math.isfinite(here):
        raise ValueError(f"the function must be finite at the point itself, got {here}")
    h = math.ldexp(FIRST_STEP, max(0, math.frexp(x)[1]))
    for _ in range(STEPS):
        ahead, behind = f(x + h), f(x - h)
        D_before, S_before, R_before = D, S, R
        D = (ahead - behind) / (2 * h)
        S = (ahead - 2 * here + behind) / h
        R = (16 * D - D_before) / 15
        rounding = EPS * max(abs(ahead), abs(here), abs(behind)) / h
        jump = abs(4 * S - S_before) / 3 - ROUNDINGS * rounding
        error = abs(R - R_before) + rounding + max(jump, 0.0)
        if error < uncertainty:  # False for NaN
            best, uncertainty = R, error
        if uncertainty <= 4 * rounding:  # the rounding error of the next step: no improvement to expect
            break
        h /= 4
    return best, uncertainty


def by_entry(f: Callable[[Any], Any], x: Array, what: str = "f(x)") -> Callable[[int, float], float]:
    """Return f as a function of (position, value) of one entry of x; `what` names it in error messages."""

    def along(position: int, value: float) -> float:
        moved = x.copy()
        moved.flat[position] = value
        result = np.asarray(given := f(moved if moved.ndim else float(moved)))
        if result.size != 1 or result.dtype.kind not in "fiub":
            raise ValueError(f"{what} must be a single real number, got {type(given).__name__} of shape {result.shape}")
        return float(result.reshape(()))

    return along


# ---- Argument checks ------------------------------------------------------------------------------------------------


def float64(value: Any, what: str) -> Array:
    """Return a C-ordered float64 copy; raise ValueError for float32, float16 and numbers that are not finite."""
    dtype = getattr(value, "dtype", None)
    if dtype in (np.float32, np.float16):
        raise ValueError(f"{what} is {dtype}, whose rounding hides small errors: compute in float64")
    array = shaped(value, what, np.shape(value))
    if not np.isfinite(array).all():
        raise ValueError(f"{what} must be finite")
    return np.array(array, order="C")


def shaped(value: Any, what: str, shape: tuple[int, ...]) -> Array:
    """Return numbers of the given shape in float64."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what} must hold real numbers, got dtype {array.dtype}")
    if array.shape != shape or not array.size:
        raise ValueError(f"{what} must have shape {shape} and not be empty, got {array.shape}")
    return array.astype(np.float64)
