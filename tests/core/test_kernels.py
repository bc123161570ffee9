"""Activations, column sums, gathering and the search for NaN, at every SIMD level and in both dtypes, against the NumPy
reference in float64. helpers/kernel_cases.py says how error bounds are counted.
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
from fastnn._core import _testing, kernels, registry

# ---- Activations ----------------------------------------------------------------------------------------------------

@each_dtype
@pytest.mark.parametrize("name", registry.ACTIVATIONS)
@settings(max_examples=30)
@given(data=st.data())
def test_activate(name, dtype, data):
    shape = data.draw(shapes(), label="(n, m)")
    Z_0 = data.draw(arrays(shape, dtype, largest(name)), label="Z")
    largest_b = 1e4 if name == "softmax" else facts(name).largest_b
    b = data.draw(st.none() | arrays((shape[0], 1), dtype, largest_b), label="b")
    apart = data.draw(st.booleans(), label="apart")
    Z = Z_0 if b is None else Z_0 + b
    exact = Z_0.astype(np.float64) + (0 if b is None else b.astype(np.float64))
    A = reference.activate(name, exact)
    bound = activation_error(name, exact, A, dtype, b is not None)
    for level in LEVELS:
        call = Buffers()
        out_Z = call.output(Z_0)
        out_A = call.output(np.full(shape, np.nan, dtype)) if apart else out_Z
        kernels.activate(name, out_Z, None if b is None else call.input(b), out_A, level)
        call.check()
        assert_within(out_A, A, bound, registry.LEVELS[level])
        if apart:
            np.testing.assert_array_equal(out_Z, Z)  # one rounding: NumPy's


@each_dtype
@pytest.mark.parametrize("name", registry.ACTIVATIONS)
def test_activations_reach_their_limits(name, dtype):
    """+-inf gives the limit, NaN gives NaN (softmax: in the whole column)."""
    Z = np.array([[np.inf, -np.inf, np.nan, 1.0]], dtype)
    expected = Z[:, :2] if name == "softmax" else reference.activate(name, Z[:, :2]).astype(dtype)
    for level in LEVELS:
        A = Z.copy(order="F")
        kernels.activate(name, A, None, A, level)
        assert np.isnan(A[0, 2])
        if name != "softmax":
            np.testing.assert_array_equal(A[:, :2], expected)


@each_dtype
def test_exp_overflows_and_underflows(dtype):
    """To infinity and 0, but not for the last arguments before."""
    limit = np.log(np.finfo(dtype).max)
    Z = np.array([[limit * 1.001, 1e30, -limit * 1.5, -1e30, limit * 0.999]], dtype, order="F")
    for level in LEVELS:
        A = Z.copy(order="F")
        kernels.activate("exp", A, None, A, level)
        assert A[0, :4].tolist() == [np.inf, np.inf, 0, 0]
        assert np.isfinite(A[0, 4])


@each_dtype
@pytest.mark.parametrize("name", registry.ACTIVATIONS)
@settings(max_examples=30)
@given(data=st.data())
def test_activate_backward(name, dtype, data):
    n, m = data.draw(shapes(), label="(n, m)")
    Z = data.draw(arrays((n, m), dtype, largest(name, 1e4)), label="Z").astype(np.float64)
    dA = data.draw(arrays((n, m), dtype), label="dA")
    scale = data.draw(st.floats(-1e3, 1e3), label="scale")
    has_db = data.draw(st.booleans(), label="db")
    A = reference.activate(name, Z)
    cache = (Z if name in registry.KEEPS_Z else A).astype(dtype)
    dA64 = dA.astype(np.float64)
    dZ = reference.activate_backward(name, dA, Z)
    u, tiny = unit_roundoff(dtype), smallest(dtype)
    size = np.abs(dA64)
    if name == "softmax":
        # A (dA - dot): A rounded (also inside the dot), n terms in the dot, two operations
        bound = A * (4 * u * (np.sum(A * size, axis=0) + size) + (n + 4) * u * np.sum(A * size, axis=0))
    else:
        bound = size * facts(name).derivative_error(Z, A, u) + u * np.abs(dZ)
    bound = bound + 100 * (n + size + np.sum(size, axis=0)) * tiny
    for level in LEVELS:
        call = Buffers()
        out = call.output(dA)
        db = call.output(np.full(n, np.nan, dtype)) if has_db else None
        kernels.activate_backward(name, call.input(cache), out, scale, db, level)
        call.check()
        assert_within(out, dZ, bound, registry.LEVELS[level])
        if has_db:
            assert_sums(db, out, scale, dtype)


@each_dtype
@settings(max_examples=60)
@given(data=st.data())
def test_sum_columns(dtype, data):
    shape = data.draw(shapes(), label="(n, m)")
    M = data.draw(arrays(shape, dtype), label="M")
    scale = data.draw(st.floats(-1e3, 1e3), label="scale")
    for level in LEVELS:
        call = Buffers()
        out = call.output(np.full(shape[0], np.nan, dtype))
        _testing.sum_columns(call.input(M), scale, out, level)
        call.check()
        assert_sums(out, M, scale, dtype)


# ---- Gathering and checking -----------------------------------------------------------------------------------------


def strided(data, values):
    """Return the matrix (rows, n) in some memory layout: C, F, a slice, reversed or a transposed slice."""
    layout = data.draw(st.sampled_from(["C", "F", "columns apart", "rows apart", "reversed", "transposed slice"]))
    if layout in ("C", "F"):
        return np.array(values, order=layout)
    rows, n = values.shape
    if layout == "columns apart":
        view = np.empty((rows, 2 * n), values.dtype)[:, ::2]
    elif layout == "rows apart":
        view = np.empty((3 * rows, n + 1), values.dtype)[::3, :n]
    elif layout == "reversed":
        view = np.empty((rows, n), values.dtype)[::-1, ::-1]
    else:
        view = np.empty((n + 2, rows), values.dtype)[2:].T
    view[...] = values
    return view


@each_dtype
@settings(max_examples=120)
@given(data=st.data())
def test_gather(dtype, data):
    n, m = data.draw(shapes(), label="(n, m)")
    rows = data.draw(st.sampled_from([m, m + 3]), label="rows")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    values = rng.standard_normal((rows, n)).astype(dtype)
    X = strided(data, values)
    order = rng.integers(rows, size=m) if data.draw(st.booleans(), label="order") else None
    expected = (values[:m] if order is None else values[order]).T
    for level in LEVELS:
        call = Buffers()
        out = call.output(np.full((n, m), np.nan, dtype))
        _testing.gather(X, None if order is None else call.input(order), out, level)
        call.check()
        np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(X, values)


@each_dtype
@settings(max_examples=200)
@given(data=st.data())
def test_all_finite(dtype, data):
    rows, n = data.draw(shapes(), label="(rows, n)")
    limit = np.finfo(dtype).max
    values = np.resize(np.array([0, limit, -limit, smallest(dtype), 1], dtype), (rows, n))
    X = strided(data, values)
    vectors = [X, X[:, 0], X[0]] if X.size else [X]
    for level in LEVELS:
        assert all(kernels.all_finite(v, level) is True for v in vectors)
    if X.size:
        at = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, n - 1))
        X[at] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
        for level in LEVELS:
            assert kernels.all_finite(X, level) is False
            assert kernels.all_finite(X[at[0]], level) is False
            assert kernels.all_finite(X[:, at[1]], level) is False


@each_dtype
def test_all_finite_at_every_position(dtype):
    X = np.zeros(4099, dtype)  # more than one block of 4096
    for level in LEVELS:
        for position in range(len(X)):
            X[position] = np.nan
            assert not kernels.all_finite(X, level)
            X[position] = 0
        assert kernels.all_finite(X, level)


def test_all_finite_copies_odd_strides():
    """A stride that is not a multiple of the item size, on an axis of one element."""
    X = np.ndarray((1, 3), np.float64, np.zeros(64), strides=(12, 8))
    assert kernels.all_finite(X)
    X[0, 2] = np.inf
    assert not kernels.all_finite(X)
