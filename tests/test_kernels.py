"""Every compiled kernel, at every SIMD level and in both dtypes, against the NumPy reference in float64.

Bounds count roundings. u is half the dtype's eps plus half of float64's: one rounding of the kernel together with one
of the reference. A function of vmath.inc.h is within 2 ULP (4 roundings), one of NumPy's within 4 eps (8 roundings).
Where a result may be subnormal, a few times the smallest subnormal number are added.
"""

import itertools

import numpy as np
import pytest
import scipy.special as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn import reference
from fastnn._core import _kernels

LEVELS = range(len(_kernels.LEVELS))
DTYPES = ("float32", "float64")
# Around the kernels' blocks (tiles of 1024, loss blocks of 2048 and 256 columns), primes, vectors and their rests.
SIZES = (1, 2, 3, 5, 7, 10, 13, 17, 31, 33, 64, 100, 127, 257, 1023, 1024, 1025, 2049)
LARGEST = 4200  # elements
RULES = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2}  # and their state arenas

each_dtype = pytest.mark.parametrize("dtype", DTYPES)


def unit_roundoff(dtype):
    return float(np.finfo(dtype).eps + np.finfo(np.float64).eps) / 2


def smallest(dtype):
    return float(np.finfo(dtype).smallest_subnormal)


def assert_within(actual, expected, bound, what):
    """|actual - expected| <= bound, element by element; NaN is never within."""
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
    """Random numbers of some scale, among them zeros, subnormal and saturating ones and some of hypothesis' choice."""
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


def cases(data, *, zero=True):
    return data.draw(shapes(zero), label="(n, m)")


def as64(*values):
    return [None if v is None else v.astype(np.float64) for v in values]


# ---- Activations ----------------------------------------------------------------------------------------------------

# Roundings of A = g(Z), with two operations beside the function; relu and identity round nothing, leaky_relu its slope
# and its product.
ROUNDINGS = {"relu": 0, "identity": 0, "leaky_relu": 2}


def column_softmax_error(Z, A, u, moved):
    """Relative: each exponent is off by u |z - max| and by what Z itself was moved, each e^. by a function; the sum
    by its terms' errors and n roundings; three operations. expm1 takes in the higher orders.
    """
    top = np.max(Z, axis=0, keepdims=True, initial=-np.inf)
    own = moved + np.max(moved, axis=0, keepdims=True, initial=0) + u * (np.abs(Z - top) + 8)
    return np.expm1(own + np.sum(A * own, axis=0, keepdims=True) + (len(Z) + 4) * u)


def activation_error(name, Z, A, dtype, has_b):
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
            + (ROUNDINGS.get(name, 8) * u + magnified) * np.abs(A)
            + (8 + 4 * np.minimum(np.abs(Z), 100)) * tiny
        )


@each_dtype
@pytest.mark.parametrize("name", _kernels.ACTIVATIONS)
@settings(max_examples=30)
@given(data=st.data())
def test_activate(name, dtype, buffers, data):
    shape = cases(data)
    # Beyond 1e4 softmax only says which unit is the largest.
    Z_0 = data.draw(arrays(shape, dtype, 1e4 if name == "softmax" else 1e30), label="Z")
    b = data.draw(st.none() | arrays((shape[0], 1), dtype), label="b")
    apart = data.draw(st.booleans(), label="apart")
    Z = Z_0 if b is None else Z_0 + b
    exact = Z_0.astype(np.float64) + (0 if b is None else b.astype(np.float64))
    A = reference.activate(name, exact)
    bound = activation_error(name, exact, A, dtype, b is not None)
    for level in LEVELS:
        call = buffers()
        out_Z = call.output(Z_0)
        out_A = call.output(np.full(shape, np.nan, dtype)) if apart else out_Z
        _kernels.activate(name, out_Z, None if b is None else call.input(b), out_A, level)
        call.check()
        assert_within(out_A, A, bound, _kernels.LEVELS[level])
        if apart:
            np.testing.assert_array_equal(out_Z, Z)  # one rounding: NumPy's


@each_dtype
@pytest.mark.parametrize("name", _kernels.ACTIVATIONS)
def test_activation_limits(name, dtype):
    """The limit at +-inf, and NaN in gives NaN out (softmax: in the whole column)."""
    Z = np.array([[np.inf, -np.inf, np.nan, 1.0]], dtype)
    expected = Z[:, :2] if name == "softmax" else reference.activate(name, Z[:, :2]).astype(dtype)
    for level in LEVELS:
        A = Z.copy(order="F")
        _kernels.activate(name, A, None, A, level)
        assert np.isnan(A[0, 2])
        if name != "softmax":
            np.testing.assert_array_equal(A[:, :2], expected)


def derivative_error(name, Z, A, dtype):
    """Of g'(Z), absolute, where the kernel is given A rounded to the dtype (or Z: gelu, silu and softplus)."""
    u, eps = unit_roundoff(dtype), np.finfo(np.float64).eps
    Phi, pdf, s = sp.ndtr(Z), np.exp(-(np.clip(Z, -40, 40) ** 2) / 2) / np.sqrt(2 * np.pi), sp.expit(Z)
    tail = np.clip(np.abs(Z), 0, 40) * pdf
    return {
        "relu": 0 * u,
        "identity": 0 * u,
        "leaky_relu": u,  # of the slope
        # a (1 - a), (1 - a)(1 + a), a + 1, ...: A's own rounding, the reference's functions, the operations here
        "sigmoid": 16 * u * A,
        "tanh": 16 * u,
        "elu": 16 * u,
        "selu": 24 * u,
        # Phi + z pdf: 5 + 6 roundings here, 10 + 10 and the z^2 in both exponents there
        "gelu": 16 * u * (Phi + tail) + 2 * eps * np.minimum(Z**2, 1600) * (Phi + tail),
        # s (1 + z (1 - s)): s and 1 - s within 7, 3 operations
        "silu": 16 * u * (s + 2 * np.clip(np.abs(Z), 0, 800) * s * sp.expit(-Z)),
        "softplus": 16 * u * s,
    }[name]


@each_dtype
@pytest.mark.parametrize("name", _kernels.ACTIVATIONS)
@settings(max_examples=30)
@given(data=st.data())
def test_activate_backward(name, dtype, buffers, data):
    n, m = cases(data)
    Z = data.draw(arrays((n, m), dtype, 1e4), label="Z").astype(np.float64)
    dA = data.draw(arrays((n, m), dtype), label="dA")
    scale = data.draw(st.floats(-1e3, 1e3), label="scale")
    has_db = data.draw(st.booleans(), label="db")
    A = reference.activate(name, Z)
    cache = (Z if name in _kernels.KEEPS_Z else A).astype(dtype)
    dA64 = dA.astype(np.float64)
    dZ = reference.activate_backward(name, dA, Z)
    u, tiny = unit_roundoff(dtype), smallest(dtype)
    size = np.abs(dA64)
    if name == "softmax":
        # A (dA - dot): A rounded (also inside the dot), n terms in the dot, two operations
        bound = A * (4 * u * (np.sum(A * size, axis=0) + size) + (n + 4) * u * np.sum(A * size, axis=0))
    else:
        bound = size * derivative_error(name, Z, A, dtype) + u * np.abs(dZ)
    bound = bound + 100 * (n + size + np.sum(size, axis=0)) * tiny
    for level in LEVELS:
        call = buffers()
        out = call.output(dA)
        db = call.output(np.full(n, np.nan, dtype)) if has_db else None
        _kernels.activate_backward(name, call.input(cache), out, scale, db, level)
        call.check()
        assert_within(out, dZ, bound, _kernels.LEVELS[level])
        if has_db:
            assert_sums(db, out, scale, dtype)


def assert_sums(out, M, scale, dtype):
    """scale * (sum over the columns of M): m additions, the product, and scale rounded (it may be subnormal)."""
    M = M.astype(np.float64)
    u, tiny = unit_roundoff(dtype), smallest(dtype)
    size = np.sum(np.abs(M), axis=1)
    bound = abs(scale) * (M.shape[1] + 3) * u * 1.01 * size + (4 + size) * tiny
    assert_within(out, scale * np.sum(M, axis=1), bound, "sum of columns")


@each_dtype
@settings(max_examples=60)
@given(data=st.data())
def test_sum_columns(dtype, buffers, data):
    shape = cases(data)
    M = data.draw(arrays(shape, dtype), label="M")
    scale = data.draw(st.floats(-1e3, 1e3), label="scale")
    for level in LEVELS:
        call = buffers()
        out = call.output(np.full(shape[0], np.nan, dtype))
        _kernels.sum_columns(call.input(M), scale, out, level)
        call.check()
        assert_sums(out, M, scale, dtype)


# ---- Losses ---------------------------------------------------------------------------------------------------------


def loss_errors(name, Z, A, Y, w, u):
    """Bounds on each example's w L, without the summation, and on w dL/dZ; also |w L|."""
    if name == "squared_error":
        L = np.sum((Z - Y) ** 2, axis=0) / 2
        return w * 5 * u * L, 2 * u * w * np.abs(Z - Y), w * L
    if name == "binary_cross_entropy":
        # max(z, 0) - y z + log1p(e): products and sums round by their sizes, both functions count 8
        parts = np.abs(Y * Z) + np.maximum(Z, 0) + np.log1p(np.exp(-np.abs(Z)))
        return w * 16 * u * np.sum(parts, axis=0), w * u * (16 * A + 2 * np.abs(A - Y)), w * np.sum(parts, axis=0)
    # log(sum of e^(z - max)) - (z_y - max): the sum's relative error becomes the logarithm's absolute one
    relative = column_softmax_error(Z, A, u, np.zeros_like(Z))
    top = np.max(Z, axis=0, initial=-np.inf)
    picked, log_total = np.sum(Y * (Z - top), axis=0), np.log(np.sum(np.exp(Z - top), axis=0))
    e_L = np.sum(A * relative, axis=0) + u * (8 * np.abs(log_total) + 4 * np.abs(picked) + len(Z) + 4)
    return w * e_L, w * (A * relative + 4 * u * (A + np.abs(A - Y))), w * (log_total + np.abs(picked))


@each_dtype
@pytest.mark.parametrize("name", _kernels.LOSSES)
@settings(max_examples=60)
@given(data=st.data())
def test_loss(name, dtype, buffers, data):
    n, m = cases(data, zero=name != "cross_entropy")  # no label fits n = 0
    Z = data.draw(arrays((n, m), dtype), label="Z")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    if name == "cross_entropy":
        targets = rng.integers(n, size=m).astype(np.int32)
        Y = reference.one_hot(targets, n)
    else:
        targets = (rng.integers(2, size=(n, m)) if name[0] == "b" else rng.normal(scale=3, size=(n, m))).astype(dtype)
        Y = targets.astype(np.float64)
    weights = data.draw(st.sampled_from([None, rng.choice([0, 0.25, 1, 31.7], size=m).astype(dtype)]), label="weights")
    in_place = data.draw(st.booleans(), label="in place")
    w = np.ones(m) if weights is None else weights.astype(np.float64)
    output = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "squared_error": "identity"}[name]
    Z64 = Z.astype(np.float64)
    A = reference.activate(output, Z64)
    total = reference.cost(name, Z64, A, Y, w) * np.sum(w) if np.sum(w) > 0 else 0.0
    dZ = reference.output_gradient(name, output, Z64, A, Y, w)
    u, tiny = unit_roundoff(dtype), smallest(dtype)
    e_L, e_dZ, size = loss_errors(name, Z64, A, Y, w, u)
    # the sum runs in double; w and the factor 1/total may make subnormal products
    e_total = (
        np.sum(e_L) + (n * m + 8) * np.finfo(np.float64).eps * np.sum(size) + (np.sum(w) + 1) * (n * m + 4) * 4 * tiny
    )
    e_dZ = e_dZ + (8 + w) * 8 * tiny
    for level in LEVELS:
        call = buffers()
        source = call.output(Z) if in_place else call.input(Z)
        out = source if in_place else call.output(np.full((n, m), np.nan, dtype))
        given_weights = None if weights is None else call.input(weights)
        result = _kernels.loss(name, source, call.input(targets), given_weights, out, level)
        call.check()
        assert_within(result, total, e_total, f"loss, {_kernels.LEVELS[level]}")
        assert_within(out, dZ, e_dZ, f"dZ, {_kernels.LEVELS[level]}")


@each_dtype
@given(data=st.data())
def test_labels_out_of_range_give_nan_and_read_nothing_else(dtype, buffers, data):
    n, m = cases(data, zero=False)
    labels = np.zeros(m, np.int32)
    labels[data.draw(st.integers(0, m - 1))] = data.draw(st.sampled_from([-1, n, n + 1, 2**31 - 1, -(2**31)]))
    for level in LEVELS:
        call = buffers()
        dZ = call.output(np.ones((n, m), dtype))
        assert np.isnan(_kernels.loss("cross_entropy", dZ, call.input(labels), None, dZ, level))
        call.check()


# ---- Gathering and checking -----------------------------------------------------------------------------------------


def strided(data, values):
    """The same matrix (rows, n) in some memory layout: C, F, a slice, a reversed one, broadcast by no stride at all."""
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
def test_gather(dtype, buffers, data):
    n, m = cases(data)
    rows = data.draw(st.sampled_from([m, m + 3]), label="rows")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    values = rng.standard_normal((rows, n)).astype(dtype)
    X = strided(data, values)
    order = rng.integers(rows, size=m) if data.draw(st.booleans(), label="order") else None
    expected = (values[:m] if order is None else values[order]).T
    for level in LEVELS:
        call = buffers()
        out = call.output(np.full((n, m), np.nan, dtype))
        _kernels.gather(X, None if order is None else call.input(order), out, level)
        call.check()
        np.testing.assert_array_equal(out, expected)
    np.testing.assert_array_equal(X, values)


@each_dtype
@settings(max_examples=200)
@given(data=st.data())
def test_all_finite(dtype, data):
    rows, n = cases(data)
    limit = np.finfo(dtype).max
    values = np.resize(np.array([0, limit, -limit, smallest(dtype), 1], dtype), (rows, n))
    X = strided(data, values)
    vectors = [X, X[:, 0], X[0]] if X.size else [X]
    for level in LEVELS:
        assert all(_kernels.all_finite(v, level) is True for v in vectors)
    if X.size:
        at = data.draw(st.integers(0, rows - 1)), data.draw(st.integers(0, n - 1))
        X[at] = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
        for level in LEVELS:
            assert _kernels.all_finite(X, level) is False
            assert _kernels.all_finite(X[at[0]], level) is False
            assert _kernels.all_finite(X[:, at[1]], level) is False


@each_dtype
def test_all_finite_at_every_position(dtype):
    X = np.zeros(4099, dtype)  # more than one block of 4096
    for level in LEVELS:
        for position in range(len(X)):
            X[position] = np.nan
            assert not _kernels.all_finite(X, level)
            X[position] = 0
        assert _kernels.all_finite(X, level)


def test_all_finite_copies_odd_strides():
    """A stride that is no whole number of elements, on an axis of one element."""
    X = np.ndarray((1, 3), np.float64, np.zeros(64), strides=(12, 8))
    assert _kernels.all_finite(X)
    X[0, 2] = np.inf
    assert not _kernels.all_finite(X)


# ---- Updates --------------------------------------------------------------------------------------------------------


def sum_error(G, theta, l2, decayed, u):
    """g = sum over shards + l2 theta: S - 1 additions, l2's rounding, a product and a sum."""
    return u * (len(G) * np.sum(np.abs(G), axis=0) + 4 * l2 * np.abs(theta) * decayed)


def update_error(rule, theta, g, e_g, first, second, hyper, u, tiny):
    """Bounds on theta, first and second after a step whose gradient g is off by e_g.

    Each product counts 2 (its constant is rounded to the dtype too), each sum 1. Adam's quotient: upper end less
    the middle, with the root taken of the ends of v's interval; epsilon keeps the denominator from below.
    """
    rate, mu, epsilon = abs(hyper["rate"]), hyper.get("momentum", 0), hyper.get("epsilon", 0)
    e_step = rate * (e_g + 2 * u * np.abs(g))
    after = np.abs(theta) + rate * np.abs(g)
    if rule == "sgd":
        return e_step + 2 * u * after + 4 * tiny, 0, 0
    if rule != "adam":
        e_v = e_step + 4 * u * (mu * np.abs(first) + rate * np.abs(g)) + 4 * tiny
        after = after + mu * np.abs(first)
        if rule == "momentum":
            return e_v + 2 * u * after + 4 * tiny, e_v, 0
        return mu * e_v + e_step + 8 * u * after + 8 * tiny, e_v, 0
    beta_1, beta_2 = hyper["beta_1"], hyper["beta_2"]
    m = beta_1 * first + (1 - beta_1) * g
    v = beta_2 * second + (1 - beta_2) * g**2
    e_m = (
        (1 - beta_1) * (e_g + 3 * u * np.abs(g))
        + 3 * u * (beta_1 * np.abs(first) + (1 - beta_1) * np.abs(g))
        + 4 * tiny
    )
    e_v = (1 - beta_2) * ((2 * np.abs(g) + e_g) * e_g + 5 * u * g**2) + 3 * u * (beta_2 * second + v) + 8 * tiny
    low, middle = np.sqrt(np.maximum(v - e_v, 0)), np.sqrt(v) + epsilon
    lowest = (low + epsilon) * (1 - 4 * u)
    highest = (np.sqrt(v + e_v) + epsilon) * (1 + 4 * u)
    e_quotient = np.maximum(
        (np.abs(m) + e_m) / lowest - np.abs(m) / middle, np.abs(m) / middle - np.maximum(np.abs(m) - e_m, 0) / highest
    )
    quotient = (np.abs(m) + e_m) / lowest
    return rate * (e_quotient + 4 * u * quotient) + 2 * u * (np.abs(theta) + rate * quotient) + 4 * tiny, e_m, e_v


@st.composite
def updates(draw, dtype, rule):
    """theta, gradients (n_shards, P), states and hyperparameters; some gradients cancel, vanish or are huge."""
    P = draw(st.sampled_from(SIZES))
    S = draw(st.sampled_from([1, 2, 3]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    theta = draw(arrays((P,), dtype))
    G = np.stack([draw(arrays((P,), dtype)) for _ in range(S)])
    if S > 1 and draw(st.booleans()):
        G[1, : P // 2] = -G[0, : P // 2]
    states = [np.abs(rng.normal(scale=0.1, size=P)).astype(dtype) for _ in range(RULES[rule])]
    hyper = {"rate": draw(st.sampled_from([1e-3, 0.1, 0.7])), "n_decayed": draw(st.integers(0, P))}
    hyper["l2"] = draw(st.sampled_from([0.0, 0.01, 0.3]))
    if rule in ("momentum", "nesterov"):
        hyper["momentum"] = draw(st.sampled_from([0.0, 0.5, 0.9]))
    if rule == "adam":
        hyper |= {
            "beta_1": draw(st.sampled_from([0.0, 0.9])),
            "beta_2": draw(st.sampled_from([0.5, 0.999])),
            "epsilon": 1e-8,
        }
    return theta, G, states, hyper


def reference_step(rule, theta, g, states, hyper):
    """theta and states after one step of the reference from these states."""
    numbers = {key: hyper[key] for key in ("momentum", "beta_1", "beta_2", "epsilon") if key in hyper}
    optimizer = reference.Optimizer(rule, **numbers)
    first, second = (*[state.copy() for state in states], np.zeros_like(theta), np.zeros_like(theta))[:2]
    optimizer._state = [(first, second)]  # there is no public way to begin in the middle
    rate = hyper["rate"]
    if rule == "adam":  # the kernel's rate has the bias correction in it
        rate *= (1 - hyper["beta_1"]) / np.sqrt(1 - hyper["beta_2"])
    theta = theta.copy()
    optimizer.update([theta], [g], rate)
    return theta, first, second


@each_dtype
@pytest.mark.parametrize("rule", RULES)
@settings(max_examples=60)
@given(data=st.data())
def test_update(rule, dtype, buffers, data):
    theta_0, G, states_0, hyper = data.draw(updates(dtype, rule))
    P, u, tiny = theta_0.size, unit_roundoff(dtype), smallest(dtype)
    theta, G64, *states = as64(theta_0, G, *states_0)
    decayed = (np.arange(P) < hyper["n_decayed"]) * (hyper["l2"] > 0)
    g = np.sum(G64, axis=0) + hyper["l2"] * theta * decayed
    squares = np.sum((theta * decayed) ** 2)
    expected = reference_step(rule, theta, g, states, hyper)
    first, second = (*states, np.zeros(P), np.zeros(P))[:2]
    e_g = sum_error(G64, theta, hyper["l2"], decayed, u)
    bounds = update_error(rule, theta, g, e_g, first, second, hyper, u, tiny)
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, P), max_size=4), label="cuts")), P]
    for level in LEVELS:
        whole, sliced = [], []
        for slices, results in (([(0, None)], whole), (list(itertools.pairwise(cuts)), sliced)):
            call = buffers()
            arenas = [call.output(array) for array in (theta_0, *states_0)]
            gradients = call.input(G, order="C")
            total = 0.0
            for start, stop in slices:
                total += _kernels.update(
                    rule, arenas[0], gradients, *arenas[1:], start=start, stop=stop, level=level, **hyper
                )
            call.check()
            results += arenas
            # the squares are summed in the dtype in blocks of 1024
            assert_within(total, squares, 1.01 * (min(P, 1024) + 4) * u * squares + P * tiny, "squares")
        for actual, value, bound, name in zip(whole, expected, bounds, ("theta", "first", "second"), strict=False):
            assert_within(actual, value, bound, f"{name}, {_kernels.LEVELS[level]}")
        for one, many in zip(whole, sliced, strict=True):
            assert one.tobytes() == many.tobytes()


@each_dtype
@pytest.mark.parametrize("rule", RULES)
@given(data=st.data())
def test_a_slice_leaves_the_rest_alone(rule, dtype, data):
    theta_0, G, states_0, hyper = data.draw(updates(dtype, rule))
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, theta_0.size)] * 2)))
    for level in LEVELS:
        arenas = [array.copy() for array in (theta_0, *states_0)]
        _kernels.update(rule, arenas[0], G, *arenas[1:], start=start, stop=stop, level=level, **hyper)
        for before, after in zip((theta_0, *states_0), arenas, strict=True):
            assert np.delete(after, np.s_[start:stop]).tobytes() == np.delete(before, np.s_[start:stop]).tobytes()


@each_dtype
def test_adam_leaves_what_has_no_gradient(dtype):
    """0 / (0 + epsilon) is 0, also where epsilon underflows in the dtype."""
    for level in LEVELS:
        for epsilon in (1e-8, 1e-50, 1e-320, 0.0):
            theta, first, second = np.ones(37, dtype), np.zeros(37, dtype), np.zeros(37, dtype)
            _kernels.update(
                "adam",
                theta,
                np.zeros((1, 37), dtype),
                first,
                second,
                level=level,
                rate=1.0,
                beta_1=0.9,
                beta_2=0.999,
                epsilon=epsilon,
            )
            assert np.all(theta == 1) and not first.any() and not second.any()


@each_dtype
@settings(max_examples=60)
@given(data=st.data())
def test_total_gradient(dtype, buffers, data):
    theta_0, G, _, hyper = data.draw(updates(dtype, "sgd"))
    P, u = theta_0.size, unit_roundoff(dtype)
    theta, G64 = as64(theta_0, G)
    decayed = (np.arange(P) < hyper["n_decayed"]) * (hyper["l2"] > 0)
    squares = np.sum((theta * decayed) ** 2)
    bound = sum_error(G64, theta, hyper["l2"], decayed, u) + 4 * smallest(dtype)
    for level in LEVELS:
        call = buffers()
        out = call.output(np.full(P, np.nan, dtype))
        total = _kernels.total_gradient(call.input(theta_0), call.input(G, order="C"), out, level, **hyper)
        call.check()
        assert_within(out, np.sum(G64, axis=0) + hyper["l2"] * theta * decayed, bound, _kernels.LEVELS[level])
        assert_within(total, squares, 1.01 * (min(P, 1024) + 4) * u * squares + P * smallest(dtype), "squares")


# ---- The products of skinny layers


@each_dtype
@given(data=st.data())
def test_skinny_products(dtype, data):
    """Around the tiles of 4 units and 4 examples, and the slices of 64 kB of inputs."""
    n, m = data.draw(st.integers(1, 33)), data.draw(st.integers(1, 9))
    k = data.draw(st.sampled_from([1, 7, 100, 1016, 1024, 2041, 4099]))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    W, X, dZ = (np.asfortranarray(rng.standard_normal(shape).astype(dtype)) for shape in ((k, n), (k, m), (n, m)))
    wide_W, wide_X, wide_dZ = (array.astype(np.float64) for array in (W, X, dZ))
    for level in LEVELS:
        Z, dW = np.full((n, m), np.nan, dtype, "F"), np.full((k, n), np.nan, dtype, "F")
        if _kernels.LEVELS[level] != "avx512":
            with pytest.raises(ValueError, match="BLAS"):
                _kernels.skinny_forward(W, X, Z, level)
            continue
        _kernels.skinny_forward(W, X, Z, level)
        _kernels.skinny_gradient(X, dZ, 0.25, dW, level)
        # Sums of k and of m products, in whatever order.
        u = unit_roundoff(dtype)
        assert_within(Z, wide_W.T @ wide_X, (k + 2) * u * (np.abs(wide_W.T) @ np.abs(wide_X)), f"Z, {level}")
        assert_within(dW, 0.25 * wide_X @ wide_dZ.T, (m + 3) * u * (np.abs(wide_X) @ np.abs(wide_dZ.T)), f"dW, {level}")
        if n > 1:
            with pytest.raises(ValueError, match="W must"):
                _kernels.skinny_forward(W[:, 1:], X, Z, level)
