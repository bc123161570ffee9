"""Shapes, arrays and bounds that the tests of the compiled kernels share.

Bounds count roundings. u is half the dtype's eps plus half of float64's: one rounding of the kernel and one of the
reference. A function of vmath.inc.h is within 2 ULP (4 roundings), one of NumPy's within 4 eps (8 roundings).
Where a result may be subnormal, a few times the smallest subnormal number are added.
"""

import numpy as np
import pytest
from helpers.activation_facts import facts
from hypothesis import strategies as st

from fastnn import reference
from fastnn._core import registry

LEVELS = range(len(registry.LEVELS))
DTYPES = ("float32", "float64")
# Around the kernels' blocks (1024 elements, loss blocks of 2048 and 256 columns), primes, vectors and remainders.
SIZES = (1, 2, 3, 5, 7, 10, 13, 17, 31, 33, 64, 100, 127, 257, 1023, 1024, 1025, 2049)
LARGEST = 4200  # elements
# Beyond 1e4 the softmax only says which unit is the largest.
SOFTMAX_LARGEST_Z = 1e4

each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def unit_roundoff(dtype):
    return float(np.finfo(dtype).eps + np.finfo(np.float64).eps) / 2


def smallest(dtype):
    return float(np.finfo(dtype).smallest_subnormal)


def assert_within(actual, expected, bound, what):
    """Assert |actual - expected| <= bound element by element; NaN fails."""
    with np.errstate(invalid="ignore"):
        wrong = ~(np.abs(np.asarray(actual, np.float64) - expected) <= bound)
    if np.any(wrong):
        shape = np.broadcast_shapes(np.shape(expected), np.shape(bound))
        expected, bound = np.broadcast_to(expected, shape), np.broadcast_to(bound, shape)
        at = tuple(index[0] for index in np.nonzero(wrong)) if np.ndim(wrong) else ()
        raise AssertionError(
            f"{what}: {np.sum(wrong)} elements out of bounds, first at {at}: "
            f"{np.asarray(actual)[at]!r}, expected {expected[at]!r} +- {bound[at]:.3g}"
        )


@st.composite
def shapes(draw, zero=True):
    """(n, m) of at most LARGEST elements; with `zero`, either may be 0."""
    n = draw(st.sampled_from(((0,) if zero else ()) + SIZES))
    return n, draw(st.sampled_from([m for m in ((0,) if zero else ()) + SIZES if n * m <= LARGEST]))


@st.composite
def arrays(draw, shape, dtype, largest=1e4):
    """Random numbers of some scale, with zeros, subnormal and saturating numbers, and some drawn by hypothesis."""
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    scale = draw(st.sampled_from([1e-30, 1e-3, 1.0, 30.0]))
    values = np.clip(rng.normal(scale=scale, size=shape), -largest, largest).astype(dtype)
    width = 32 if dtype == "float32" else 64
    bound = float(np.float32(largest))
    chosen = draw(st.lists(st.floats(-bound, bound, width=width), max_size=6))
    tiny = smallest(dtype)
    chosen += draw(st.sampled_from([[], [0.0, -0.0, largest, -largest, tiny, -3 * tiny, 1.0, -1.0]]))
    if values.size:
        values.flat[rng.integers(values.size, size=len(chosen))] = chosen
    return values


def as64(*values):
    return [None if v is None else v.astype(np.float64) for v in values]


def column_softmax_error(Z, A, u, moved):
    """Relative error of A: each exponent is off by u |z - max| and the error `moved` of Z, e^x by that of a function,
    the sum by the errors of its terms and n roundings; and three operations. expm1 includes the higher orders.
    """
    top = np.max(Z, axis=0, keepdims=True, initial=-np.inf)
    own = moved + np.max(moved, axis=0, keepdims=True, initial=0) + u * (np.abs(Z - top) + 8)
    return np.expm1(own + np.sum(A * own, axis=0, keepdims=True) + (len(Z) + 4) * u)


def largest(name, default=None):
    """The largest Z to test; `default` replaces a limit above it."""
    limit = SOFTMAX_LARGEST_Z if name == "softmax" else facts(name).largest_Z
    return limit if default is None else min(limit, default)


def activation_error(name, Z, A, dtype, has_b):
    """Absolute error of A = g(Z), where Z is a sum that was rounded if `has_b`."""
    u, tiny = unit_roundoff(dtype), smallest(dtype)
    moved = u * np.abs(Z) * has_b  # by the rounding of Z + b
    with np.errstate(over="ignore"):
        if name == "softmax":
            return A * column_softmax_error(Z, A, u, moved) + 4 * tiny
        slope = np.abs(reference.activate_backward(name, np.ones_like(Z), Z))
        # the reference's erfc magnifies the rounding of its argument by z^2
        magnified = np.minimum(Z**2, 1e4) * 4 * np.finfo(np.float64).eps if name == "gelu" else 0
        return (
            slope * moved
            + (facts(name).roundings * u + magnified) * np.abs(A)
            + (8 + 4 * np.minimum(np.abs(Z), 100)) * tiny
        )


def assert_sums(out, M, scale, dtype):
    """Check scale * (sum of the columns of M): m additions, a product, and scale rounded (it may be subnormal)."""
    M = M.astype(np.float64)
    u, tiny = unit_roundoff(dtype), smallest(dtype)
    size = np.sum(np.abs(M), axis=1)
    bound = abs(scale) * (M.shape[1] + 3) * u * 1.01 * size + (4 + size) * tiny
    assert_within(out, scale * np.sum(M, axis=1), bound, "sum of columns")
