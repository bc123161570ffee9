"""Element-wise mathematical functions at every SIMD level: errors in ULP, limits, symmetry and array lengths.

An error is measured against the exact value, in units of the spacing of the type at that value (in the subnormal range:
the spacing of the subnormals), so that a correctly rounded result has at most 1/2.
"""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy import special

from fastnn._core import _testing, registry

# The largest error allowed in ULP, for both types. The project's limit is 2, and 4 for the normal distribution. More
# accurate functions have a lower bound here: the error measured over far more points (csrc/math/vmath.inc.h) plus a
# margin for compilers that round differently.
LARGEST_ERROR = {
    "exp": 1.25,
    "expm1": 1.5,
    "log": 1.0,
    "log1p": 1.5,
    "tanh": 2.0,
    "sigmoid": 2.0,
    "softplus": 2.0,
    "normal_cdf": 4.0,
    "normal_pdf": 2.5,
    "cos2pi": 1.75,
    "sin2pi": 1.75,
}
PERIODIC = ("cos2pi", "sin2pi")
INCREASING = [name for name in LARGEST_ERROR if name not in ("normal_pdf", *PERIODIC)]
FLOAT32_STRIDE = 1009  # odd: every low bit pattern of the significand occurs
FLOAT64_POINTS = 2500  # of each of the four kinds in float64_points
NEIGHBOURS = 40

function = pytest.mark.parametrize("name", LARGEST_ERROR)
dtypes = pytest.mark.parametrize("dtype", [np.float32, np.float64], ids=["float32", "float64"])
levels = pytest.mark.parametrize("level", range(len(registry.LEVELS)), ids=registry.LEVELS)


def evaluate(name: str, x: Any, dtype: type, level: int) -> np.ndarray:
    x = np.ascontiguousarray(x, dtype=dtype)
    out = np.empty_like(x)
    _testing.elementwise(name, x, out, level)
    return out


# ---- Points ---------------------------------------------------------------------------------------------------------


def critical_points(dtype: type) -> np.ndarray:
    """Edges of the ranges, of the argument reductions and of the approximations, each with its neighbours."""
    info = np.finfo(dtype)
    subnormal, digits = float(info.smallest_subnormal), info.nmant + 1
    edges = np.array(
        [
            *(0.0, subnormal, float(info.tiny), float(info.max), 2.0**-60, 2.0**-digits),
            *(np.log(float(info.max)), -np.log(float(info.tiny)), -np.log(subnormal), digits * np.log(2) / 2),
            *(digits * np.log(2), (digits + 1) * np.log(2), np.log(2) / 2, 3 * np.log(2) / 2, np.log(2)),
            *(np.log(1.5), np.log(4 / 3), np.log(1.5) / 2, np.log(1.7) / 2, np.sqrt(0.5), np.sqrt(2), np.sqrt(2) - 1),
            *(1 - np.sqrt(0.5), 0.25, 0.5, 1.0, 2.0, 4.0, 10.0, 20.0, 40.0, 100.0),
            *(np.sqrt(-2 * np.log(float(info.tiny))), np.sqrt(-2 * np.log(subnormal)), 14.5, 38.7),
        ]
    ).astype(dtype)
    bits_type = np.dtype(f"i{info.bits // 8}")
    bits = edges.view(bits_type)[:, None] + np.arange(-NEIGHBOURS, NEIGHBOURS + 1, dtype=bits_type)
    bits = bits[(bits >= 0) & (bits <= np.array(info.max, dtype).view(bits_type))]
    points = bits.view(dtype)
    return np.concatenate([points, -points])


def float32_points() -> np.ndarray:
    patterns = np.arange(0, 2**32, FLOAT32_STRIDE, dtype=np.uint32).view(np.float32)
    return np.concatenate([patterns, critical_points(np.float32)])


def float64_points() -> np.ndarray:
    """Random bit patterns, and random numbers where the functions are neither constant nor the identity."""
    random, count = np.random.default_rng(2024), FLOAT64_POINTS
    return np.concatenate(
        [
            random.integers(0, 2**64, count, dtype=np.uint64).view(np.float64),
            random.uniform(-750, 720, count),
            random.uniform(-40, 40, count),
            random.uniform(-2, 2, count) * 2.0 ** -random.integers(0, 60, count).astype(float),
            critical_points(np.float64)[::4],
        ]
    )


# ---- Exact values ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Exact:
    """f(x) = (units + fraction) 2^exponent, where 2^exponent is the spacing; or `special`, where not `ordinary`."""

    x: np.ndarray
    exponent: np.ndarray
    units: np.ndarray
    fraction: np.ndarray
    special: np.ndarray  # NaN, inf or -inf, in the type of x
    ordinary: np.ndarray  # where f(x) rounds to a finite number


def exponent_of_spacing(magnitude: Any, dtype: type) -> Any:
    """`magnitude`: e with 2^(e-1) <= |value| < 2^e."""
    info = np.finfo(dtype)
    return np.maximum(magnitude - 1, info.minexp) - info.nmant


def sin2pi(x: np.ndarray) -> np.ndarray:
    """For a float32: the fraction and its reflection at 1/4 are exact."""
    fraction = x - np.rint(x)
    size = np.abs(fraction)
    return np.copysign(np.sin(2 * np.pi * np.minimum(size, 0.5 - size)), fraction)


FLOAT64_FUNCTIONS: dict[str, Callable] = {
    "exp": np.exp,
    "expm1": np.expm1,
    "log": np.log,
    "log1p": np.log1p,
    "tanh": np.tanh,
    "sigmoid": special.expit,
    "softplus": lambda x: np.logaddexp(0, x),
    "normal_cdf": special.ndtr,
    "normal_pdf": lambda x: np.exp(-x * x / 2) / np.sqrt(2 * np.pi),
    "cos2pi": lambda x: np.sin(2 * np.pi * (0.25 - np.abs(x - np.rint(x)))),
    "sin2pi": sin2pi,
}


def exact_float32(name: str) -> Exact:
    """In float64: its own error is a few 2^-53 (in the tail of the normal distribution, where the rounding of the
    argument is multiplied by x^2 < 210, under 2^-44), so at most 2^-20 of a float32 ULP, far below the margins."""
    x = float32_points()
    with np.errstate(all="ignore"):
        value = FLOAT64_FUNCTIONS[name](x.astype(np.float64))
        rounded = value.astype(np.float32)
    ordinary = np.isfinite(rounded)
    exponent = exponent_of_spacing(np.frexp(value)[1], np.float32)
    units = np.ldexp(np.where(ordinary, value, 0), -exponent)
    return Exact(x, exponent, units, np.zeros_like(units), np.where(ordinary, 0, rounded), ordinary)


MPMATH_FUNCTIONS: dict[str, Callable] = {
    "exp": mpmath.exp,
    "expm1": mpmath.expm1,
    "log": mpmath.log,
    "log1p": mpmath.log1p,
    "tanh": mpmath.tanh,
    "sigmoid": lambda x: 1 / (1 + mpmath.exp(-x)),
    "softplus": lambda x: max(x, mpmath.mpf(0)) + mpmath.log1p(mpmath.exp(-abs(x))),
    "normal_cdf": lambda x: mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "normal_pdf": lambda x: mpmath.exp(-x * x / 2) / mpmath.sqrt(2 * mpmath.pi),
    "cos2pi": lambda x: mpmath.cospi(2 * x),
    "sin2pi": lambda x: mpmath.sinpi(2 * x),
}
POLE = {"log": 0, "log1p": -1}  # -inf there, NaN below


def exact_mpmath_value(name: str, x: float) -> float | mpmath.mpf:
    if np.isnan(x) or (name in POLE and x < POLE[name]) or (name in PERIODIC and np.isinf(x)):
        return float("nan")
    if name in POLE and x == POLE[name]:
        return float("-inf")
    if np.isinf(x) or (name == "softplus" and x > 1000):
        return float(FLOAT64_FUNCTIONS[name](x))
    if name not in (*POLE, *PERIODIC):  # from 1000 on e^-x is far below half the least subnormal number of float64
        x = min(max(x, -1000.0), 1000.0)
    value = MPMATH_FUNCTIONS[name](mpmath.mpf(x))
    return float("inf") if value >= mpmath.mpf(2) ** 1024 * (1 - mpmath.mpf(2) ** -54) else value


def exact_float64(name: str) -> Exact:
    x = float64_points()
    exponent, units, fraction, specials = np.zeros(x.size, int), np.zeros(x.size), np.zeros(x.size), np.zeros(x.size)
    with mpmath.workdps(40), np.errstate(all="ignore"):
        for i, point in enumerate(x):
            value = exact_mpmath_value(name, float(point))
            if not mpmath.isfinite(value):
                specials[i] = float(value)
                continue
            magnitude = mpmath.mag(value) if value else -2000
            exponent[i] = exponent_of_spacing(magnitude, np.float64)
            scaled = mpmath.ldexp(value, -int(exponent[i]))
            units[i] = float(mpmath.nint(scaled))
            fraction[i] = float(scaled - mpmath.mpf(units[i]))
    return Exact(x, exponent, units, fraction, specials, specials == 0)


@functools.lru_cache(maxsize=2)
def exact(name: str, dtype: type) -> Exact:
    return exact_float32(name) if dtype is np.float32 else exact_float64(name)


def error_in_ulp(value: np.ndarray, truth: Exact) -> np.ndarray:
    """At the ordinary points; inf and NaN there are infinite errors."""
    scaled = np.ldexp(value.astype(np.float64), -truth.exponent)
    error = np.abs((scaled - truth.units) - truth.fraction)[truth.ordinary]
    return np.where(np.isnan(error), np.inf, error)


def spacing(value: np.ndarray) -> np.ndarray:
    return np.ldexp(value.dtype.type(1), exponent_of_spacing(np.frexp(value)[1], value.dtype.type))


# ---- Tests ----------------------------------------------------------------------------------------------------------


@levels  # first of the three: it varies fastest, and the exact values are computed once
@dtypes
@function
def test_largest_error_over_the_whole_range(name: str, dtype: type, level: int) -> None:
    truth = exact(name, dtype)
    value = evaluate(name, truth.x, dtype, level)
    np.testing.assert_array_equal(value[~truth.ordinary], truth.special[~truth.ordinary])
    error = error_in_ulp(value, truth)
    worst = int(error.argmax())
    assert error[worst] <= LARGEST_ERROR[name], f"{error[worst]:.3f} ULP at x = {truth.x[truth.ordinary][worst]!r}"


LIMITS = {
    "exp": {-np.inf: 0.0, 0.0: 1.0, np.inf: np.inf},
    "expm1": {-np.inf: -1.0, 0.0: 0.0, np.inf: np.inf},
    "log": {-np.inf: np.nan, -1.0: np.nan, 0.0: -np.inf, 1.0: 0.0, np.inf: np.inf},
    "log1p": {-np.inf: np.nan, -2.0: np.nan, -1.0: -np.inf, 0.0: 0.0, np.inf: np.inf},
    "tanh": {-np.inf: -1.0, 0.0: 0.0, np.inf: 1.0},
    "sigmoid": {-np.inf: 0.0, 0.0: 0.5, np.inf: 1.0},
    "softplus": {-np.inf: 0.0, np.inf: np.inf},
    "normal_cdf": {-np.inf: 0.0, 0.0: 0.5, np.inf: 1.0},
    "normal_pdf": {-np.inf: 0.0, np.inf: 0.0},
    "cos2pi": {-np.inf: np.nan, 0.0: 1.0, 0.25: 0.0, -0.5: -1.0, 1e30: 1.0, np.inf: np.nan},
    "sin2pi": {-np.inf: np.nan, 0.0: 0.0, 0.25: 1.0, -0.25: -1.0, 0.5: 0.0, 1e30: 0.0, np.inf: np.nan},
}


@function
@dtypes
@levels
@pytest.mark.parametrize("length", [1, 64])
def test_limits_and_nan(name: str, dtype: type, level: int, length: int) -> None:
    for point, limit in (LIMITS[name] | {np.nan: np.nan}).items():
        value = evaluate(name, np.full(length, point), dtype, level)
        np.testing.assert_array_equal(value, np.full(length, limit, dtype), err_msg=f"{name}({point})")


@pytest.mark.parametrize("name", ["expm1", "log1p", "tanh"])
@dtypes
@levels
def test_sign_of_zero_is_kept(name: str, dtype: type, level: int) -> None:
    value = evaluate(name, [0.0, -0.0] * 32, dtype, level)
    np.testing.assert_array_equal(value, np.zeros(64, dtype))
    np.testing.assert_array_equal(np.signbit(value), [False, True] * 32)


def arrays_without_nan(dtype: type) -> st.SearchStrategy:
    width = np.finfo(dtype).bits
    elements = st.floats(-50, 50, width=width) | st.floats(width=width, allow_nan=False)
    return hnp.arrays(dtype, st.integers(1, 70), elements=elements)


@dtypes
@levels
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_monotone_within_the_error(dtype: type, level: int, data: st.DataObject) -> None:
    x = np.sort(data.draw(arrays_without_nan(dtype)))
    for name in INCREASING:
        value = evaluate(name, x[x > POLE[name]] if name in POLE else x, dtype, level)
        value = value[np.isfinite(value)]
        # each of two neighbours is off by its largest error at most; the spacing at the greater magnitude bounds both
        slack = 2 * LARGEST_ERROR[name] * np.maximum(spacing(value[:-1]), spacing(value[1:]))
        assert np.all(value[1:] >= value[:-1] - slack), name


@dtypes
@levels
@given(data=st.data())
@settings(max_examples=40, deadline=None)
def test_symmetries(dtype: type, level: int, data: st.DataObject) -> None:
    x = data.draw(arrays_without_nan(dtype))
    eps = float(np.finfo(dtype).eps)

    def both(name: str) -> tuple[np.ndarray, np.ndarray]:
        return evaluate(name, x, dtype, level), evaluate(name, -x, dtype, level)

    for name in ("tanh", "sin2pi"):
        right, left = both(name)
        np.testing.assert_array_equal(left, -right)
    for name in ("normal_pdf", "cos2pi"):
        right, left = both(name)
        np.testing.assert_array_equal(left, right)
    for name in ("sigmoid", "normal_cdf"):
        right, left = both(name)
        # the spacing below 1 is eps / 2: each value is off by its largest error, the sum by half a spacing of 1
        assert np.all(np.abs(right + left - 1) <= (2 * LARGEST_ERROR[name] + 1) * eps / 2), name
    right, left = both("softplus")  # softplus(x) - softplus(-x) = x, and both are at most |x| + log 2
    finite = np.isfinite(right) & np.isfinite(left)
    bound = spacing(np.maximum(right, left)[finite])
    difference = (right - left)[finite]
    assert np.all(np.abs(difference - x[finite]) <= (2 * LARGEST_ERROR["softplus"] + 1) * bound)


@function
@dtypes
@levels
@pytest.mark.parametrize("length", [0, 1, 2, 3, 7, 15, 16, 17, 31, 33, 127])
def test_lengths_and_bounds_of_the_output(name: str, dtype: type, level: int, length: int) -> None:
    """An element's value depends on its neighbours or its place by no more than two errors; nothing else is written."""
    x = np.random.default_rng(length).uniform(-12, 12, length).astype(dtype)
    if name in POLE:
        x = np.abs(x)
    guard, sentinel = 64, dtype(-123.0)
    buffer = np.full(length + 2 * guard + 1, sentinel)
    out = buffer[guard + 1 : guard + 1 + length]  # one past the guard: not aligned to a vector
    _testing.elementwise(name, x.copy(), out, level)
    assert np.all(buffer[: guard + 1] == sentinel) and np.all(buffer[guard + 1 + length :] == sentinel)
    alone = np.array([evaluate(name, [point], dtype, level)[0] for point in x], dtype)
    assert np.all(np.abs(out - alone) <= 2 * LARGEST_ERROR[name] * spacing(alone))
