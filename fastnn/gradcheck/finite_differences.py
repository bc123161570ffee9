"""Numerical derivatives: the notes' nudge, and a slope that finds its own step and says how far it may be off.

The two-sided quotient D(h) = (f(x + h) - f(x - h)) / 2h is off by h^2/6 f''' and by rounding, some eps |f| / h. The sum
is least at h = cbrt(3 eps |f / f'''|) and then of the order eps^(2/3), 4e-11 |f|: too near to 1e-7 where the gradient
is small beside J, and f''' is not known. So one step of Richardson extrapolation, R = (16 D(h) - D(4h)) / 15, removes
the h^2 term, which leaves the order eps^(4/5), 3e-13 |f|. And h is found for each entry: it is divided by 4, from 2^-8
to 2^-24 (times the entry's power of two, if above 1), and the R is taken whose error estimate is least: its difference
from the R before plus eps |f| / h, as in Ridders, Accurate computation of F'(x) and F'(x) F''(x), Advances in
Engineering Software 4 (1982). Long steps that cross a kink of relu disagree, and shorter ones win.

At a kink itself the two-sided quotient is the mean of both slopes, whatever h. So the difference of the one-sided
slopes, S(h) = (f(x + h) - 2 f(x) + f(x - h)) / h, is extrapolated to h = 0 by (4 S(h) - S(4h)) / 3; what is left
beyond rounding is a jump of the slope and is added to the error estimate.
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

FIRST_STEP, STEPS = 2.0**-8, 9  # each step is a quarter of the one before: powers of 2, so that x + h is exact
EPS = float(np.finfo(np.float64).eps)
# A jump counts from this many EPS |f| / h: S(h) adds up 4 values of f and gets the factor 4/3, S(4h) adds another 1/3,
# and each value has the 2 to 10 roundings of a mean over examples.
ROUNDINGS = 64


def numerical_derivative(f: Callable[[Any], Any], x: ArrayLike, step: float = 1e-3,
                         two_sided: bool = True) -> float | Array:
    """Return the slope of f at x by the notes' nudge: how much f changes for a small change of x, per change.

    Parameters
    ----------
    f : callable
        ``f(x)``: a single number.
    x : float or array_like
        Of an array, each entry is nudged in turn.
    step : float
        The nudge.
    two_sided : bool
        (f(x + step) - f(x - step)) / (2 step), with an error of the order step^2; else the notes'
        (f(x + step) - f(x)) / step, with one of the order step.

    Returns
    -------
    float or ndarray of the shape of x

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described.

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
    """Return the difference quotient of f at x, with the step that rounding leaves."""
    right, left = x + step, x - step if two_sided else x
    if not left < right:
        raise ValueError(f"step {step:g} is lost in the rounding of {x:g}")
    return (f(right) - f(left)) / (right - left)


def slope(f: Callable[[float], float], x: float) -> tuple[float, float]:
    """Return the derivative of f at x and an estimate of its error; see the head of this file."""
    best, uncertainty = math.nan, math.inf
    D = S = R = math.nan  # those of the step before
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
        if error < uncertainty:  # never of NaN
            best, uncertainty = R, error
        if uncertainty <= 4 * rounding:  # that of the next step
            break
        h /= 4
    return best, uncertainty


def by_entry(f: Callable[[Any], Any], x: Array, what: str = "f(x)") -> Callable[[int, float], float]:
    """Return f, called `what` in errors, as a function of the position of an entry of x and its value."""

    def along(position: int, value: float) -> float:
        moved = x.copy()
        moved.flat[position] = value
        result = np.asarray(given := f(moved if moved.ndim else float(moved)))
        if result.size != 1 or result.dtype.kind not in "fiub":
            raise ValueError(f"{what} must be a single real number, got {type(given).__name__} of shape {result.shape}")
        return float(result.reshape(()))

    return along


# ---- Checks ---------------------------------------------------------------------------------------------------------


def float64(value: Any, what: str) -> Array:
    """Return finite numbers in float64, C-ordered; float32 is refused."""
    dtype = getattr(value, "dtype", None)
    if dtype in (np.float32, np.float16):
        raise ValueError(f"{what} is {dtype}, whose rounding hides small errors: compute in float64")
    array = shaped(value, what, np.shape(value))
    if not np.isfinite(array).all():
        raise ValueError(f"{what} must be finite")
    return np.array(array, order="C")


def shaped(value: Any, what: str, shape: tuple[int, ...]) -> Array:
    """Return numbers of this shape in float64."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what} must hold real numbers, got dtype {array.dtype}")
    if array.shape != shape or not array.size:
        raise ValueError(f"{what} must have shape {shape} and not be empty, got {array.shape}")
    return array.astype(np.float64)
