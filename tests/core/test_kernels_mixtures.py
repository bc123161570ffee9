"""Mixtures A = (1 - t) Z + t g(Z) at every SIMD level and in both dtypes, against the NumPy reference in float64.
helpers/kernel_cases.py says how error bounds are counted.
"""

import numpy as np
import pytest
from helpers.activation_facts import facts
from helpers.buffers import Buffers
from helpers.kernel_cases import (
    LEVELS,
    activation_error,
    arrays,
    assert_sums,
    assert_within,
    each_dtype,
    largest,
    shapes,
    smallest,
    unit_roundoff,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn import reference
from fastnn._core import kernels, registry

DROPOUT = (11, 12, 2, 2**30)  # keys, stream, and a rate of 1/4
each_activation = pytest.mark.parametrize("name", registry.BY_UNITS)


def draw_shares(data, n, dtype):
    """t (n, 1): within [0, 1], where it begins, and beyond, where training may take it."""
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed of t"))
    shares = rng.uniform(-0.5, 1.5, (n, 1)).astype(dtype)
    shares[rng.random((n, 1)) < 0.3] = data.draw(st.sampled_from([0.0, 1.0]))
    return shares


@each_dtype
@each_activation
@settings(max_examples=30)
@given(data=st.data())
def test_activate_mixed(name, dtype, data):
    shape = data.draw(shapes(), label="(n, m)")
    Z_0 = data.draw(arrays(shape, dtype, largest(name)), label="Z")
    b = data.draw(st.none() | arrays((shape[0], 1), dtype, facts(name).largest_b), label="b")
    t = draw_shares(data, shape[0], dtype)
    exact = Z_0.astype(np.float64) + (0 if b is None else b.astype(np.float64))
    t64, u = t.astype(np.float64), unit_roundoff(dtype)
    g, A = reference.activate(name, exact), reference.activate_mixed(name, t64, exact)
    # 1 - t and its product with Z are rounded, then t g and the sum
    moved = u * np.abs(exact) * (b is not None)
    bound = (
        np.abs(t64) * (activation_error(name, exact, g, dtype, b is not None) + u * np.abs(g))
        + np.abs(1 - t64) * (moved + 3 * u * np.abs(exact))
        + 2 * u * np.abs(A)
        + 4 * smallest(dtype)
    )
    for level in LEVELS:
        call = Buffers()
        out_Z, out_A = call.output(Z_0), call.output(np.full(shape, np.nan, dtype))
        kernels.activate_mixed(name, out_Z, None if b is None else call.input(b), call.input(t), out_A, level)
        call.check()
        assert_within(out_A, A, bound, registry.LEVELS[level])
        np.testing.assert_array_equal(out_Z, Z_0 if b is None else Z_0 + b)  # one rounding: NumPy's


@each_dtype
@each_activation
@settings(max_examples=30)
@given(data=st.data())
def test_activate_mixed_backward(name, dtype, data):
    n, m = data.draw(shapes(), label="(n, m)")
    Z = data.draw(arrays((n, m), dtype, largest(name, 1e4)), label="Z")
    dA = data.draw(arrays((n, m), dtype), label="dA")
    t = draw_shares(data, n, dtype)
    scale = data.draw(st.floats(-1e3, 1e3), label="scale")
    has_sums = data.draw(st.booleans(), label="db and dt")
    Z64, t64, dA64, u, tiny = *(M.astype(np.float64) for M in (Z, t, dA)), unit_roundoff(dtype), smallest(dtype)
    dZ, dt = reference.activate_mixed_backward(name, dA64, t64, Z64)
    g, slope = reference.activate(name, Z64), np.abs(reference.activate_backward(name, np.ones_like(Z64), Z64))
    # g' from A = g(Z) as the kernel computed it: as a function of A its slope is at most 2
    magnified = 0 if name in registry.KEEPS_Z else 2 * facts(name).roundings * u * np.minimum(np.abs(g), 1 + slope)
    size = np.abs(dA64)
    bound = size * (
        np.abs(t64) * (facts(name).derivative_error(Z64, g, u) + magnified + 2 * u * slope) + 3 * u * np.abs(1 - t64)
    )
    bound = bound + 2 * u * np.abs(dZ) + 100 * (1 + size) * (1 + np.abs(t64)) * tiny
    # a term of dt: g as the forward pass has it, the difference and the product
    terms = size * np.abs(g - Z64)
    bound_t = np.sum(size * activation_error(name, Z64, g, dtype, False) + (m + 5) * u * 1.01 * terms, axis=1)
    bound_t = abs(scale) * (bound_t + m * tiny) + (4 + np.sum(terms, axis=1)) * tiny
    for level in LEVELS:
        call = Buffers()
        out = call.output(dA)
        sums = [call.output(np.full(n, np.nan, dtype)) if has_sums else None for _ in range(2)]
        kernels.activate_mixed_backward(name, call.input(t), call.input(Z), out, scale, *sums, level)
        call.check()
        assert_within(out, dZ, bound, registry.LEVELS[level])
        if has_sums:
            assert_sums(sums[0], out, scale, dtype)
            assert_within(sums[1], scale * dt[:, 0], bound_t, registry.LEVELS[level])


@each_activation
@pytest.mark.parametrize("n", [3, 1030])  # folded, and in two strips
def test_derivatives_are_slopes_of_sum_dA_A(name, n):
    """Central differences in Z and t; those in t are exact except for roundings, as A is linear in t."""
    rng = np.random.default_rng(5)
    Z, dA = (np.asfortranarray(rng.normal(size=(n, 4))) for _ in range(2))
    Z += np.copysign(0.01, Z)  # away from kinks
    t, b, h = rng.uniform(-0.2, 1.2, (n, 1)), rng.normal(size=n), 1e-5

    def terms(Z, t):
        A = np.empty_like(Z, order="F")
        kernels.activate_mixed(name, Z.copy(order="F"), None, t, A)
        return dA * A

    dZ, db, dt = dA.copy(order="F"), b.copy(), np.empty((n, 1))
    kernels.activate_mixed_backward(name, t, Z, dZ, 1.0, db, dt)
    # the third derivatives are below 30 at |Z| < 4 (exp), a rounding of a term at most 200 eps
    roundings = 400 * np.finfo(np.float64).eps / h * np.abs(dA)
    assert_within((terms(Z + h, t) - terms(Z - h, t)) / (2 * h), dZ, 30 * h**2 * np.abs(dA) + roundings, "dZ")
    slopes = np.sum((terms(Z, t + h) - terms(Z, t - h)) / (2 * h), axis=1, keepdims=True)
    assert_within(slopes, dt, np.sum(roundings, axis=1, keepdims=True), "dt")
    np.testing.assert_allclose(db, np.sum(dZ, axis=1), rtol=0, atol=20 * np.finfo(np.float64).eps * np.abs(dZ).sum())


@each_dtype
@each_activation
@pytest.mark.parametrize("shape", [(7, 300), (1030, 3)])
def test_a_share_of_one_equals_the_plain_activation(name, dtype, shape):
    """Bitwise, except for the sign of a zero: 0 Z is 0 for a finite Z, with dropout as well."""
    rng = np.random.default_rng(3)
    Z, dA = (np.asfortranarray(rng.normal(size=shape, scale=3).astype(dtype)) for _ in range(2))
    b, t = rng.normal(size=shape[0]).astype(dtype), np.ones(shape[0], dtype)
    for level in LEVELS:
        A, B = np.empty_like(Z), np.empty_like(Z)
        Z_plain, Z_mixed = Z.copy(order="F"), Z.copy(order="F")
        kernels.activate(name, Z_plain, b, A, level, dropout=DROPOUT, first=5)
        kernels.activate_mixed(name, Z_mixed, b, t, B, level, dropout=DROPOUT, first=5)
        np.testing.assert_array_equal(B, A)
        np.testing.assert_array_equal(Z_mixed, Z_plain)
        dropped = (B == 0) & np.signbit(B)
        np.testing.assert_array_equal(dropped, (A == 0) & np.signbit(A))
        assert 0.15 < np.mean(dropped) < 0.35
        plain, mixed = dA.copy(order="F"), dA.copy(order="F")
        db, db_mixed, dt = (np.empty(shape[0], dtype) for _ in range(3))
        cache = Z_plain if name in registry.KEEPS_Z else A
        kernels.activate_backward(name, cache, plain, 0.5, db, level, dropped=A)
        kernels.activate_mixed_backward(name, t, Z_mixed, mixed, 0.5, db_mixed, dt, level, dropped=B)
        np.testing.assert_array_equal(mixed, plain)
        np.testing.assert_array_equal(db_mixed, db)


@each_dtype
@pytest.mark.parametrize("shape", [(7, 300), (1030, 3)])
def test_dropped_units_give_no_derivatives(dtype, shape):
    """dZ, db and dt are those of dA with zeros where A is marked."""
    rng = np.random.default_rng(4)
    Z, dA = (np.asfortranarray(rng.normal(size=shape).astype(dtype)) for _ in range(2))
    t = rng.uniform(0, 1, shape[0]).astype(dtype)
    for level in LEVELS:
        A = np.empty_like(Z)
        kernels.activate_mixed("selu", Z, None, t, A, level, dropout=DROPOUT)
        marked = (A == 0) & np.signbit(A)
        results = []
        for start, dropped in ((dA, A), (np.where(marked, 0, dA), None)):
            dZ, sums = np.array(start, order="F"), np.empty((2, shape[0]), dtype)
            kernels.activate_mixed_backward("selu", t, Z, dZ, 1.0, sums[0], sums[1], level, dropped=dropped)
            results.append((dZ, sums))
        for first, second in zip(*results, strict=True):
            np.testing.assert_array_equal(first, second)
        assert np.all(results[0][0][marked] == 0)
