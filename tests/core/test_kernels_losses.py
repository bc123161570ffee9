"""The loss kernel, for every loss at every SIMD level and in both dtypes, against the NumPy reference in float64.

helpers/kernel_cases.py says how error bounds are counted.
"""

import numpy as np
import pytest
import scipy.special as sp
from helpers.buffers import Buffers
from helpers.kernel_cases import (
    LEVELS,
    arrays,
    assert_within,
    column_softmax_error,
    each_dtype,
    shapes,
    smallest,
    unit_roundoff,
)
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn import losses, reference
from fastnn._core import kernels, registry

OUTPUTS = {name: kind.output for name, kind in losses.BY_NAME.items() if kind.output}
PARAMETERS = {
    "cross_entropy": (0.0, 0.1, 0.75),
    "binary_cross_entropy": (0.0, 0.1, 0.75),
    "huber": (1e-3, 0.3, 1.0, 50.0),
    "quantile": (0.01, 0.3, 0.5, 0.99),
}
PER_TARGET = {name: kind().per_target for name, kind in losses.BY_NAME.items()}  # output units


def parameters(name):
    return st.sampled_from(PARAMETERS.get(name, (0.0,)))


def random_targets(rng, name, n, m, dtype):
    """Random targets in the form of the kernel."""
    if name == "cross_entropy":
        return rng.integers(n, size=m).astype(np.int32)
    if name == "binary_cross_entropy":
        return rng.integers(2, size=(n, m)).astype(dtype)
    if name == "poisson":
        return rng.choice([0, smallest(dtype), 1e-30, 0.5, 1, 3, 1e4], size=(n, m)).astype(dtype)
    return rng.normal(scale=3, size=(n // PER_TARGET[name], m)).astype(dtype)


def random_weights(rng, name, n, m, dtype):
    """Random weights (m,) and, if the loss takes them, of the shape of Y."""
    shapes = [(m,)] if name == "cross_entropy" else [(m,), (n // PER_TARGET[name], m)]
    return [np.asfortranarray(rng.choice([0, 0.25, 1, 31.7], size=shape).astype(dtype)) for shape in shapes]


def reference_loss(name, Z, Y, w, parameter):
    """Return the sum of w L, dZ and A[L]; losses computed from A have the identity as output."""
    output = OUTPUTS.get(name, "identity")
    A = reference.activate(output, Z)
    weight = np.sum(w) / (max(len(w), 1) if w.ndim == 2 else 1)
    total = reference.cost(name, Z, A, Y, w, parameter) * weight if weight > 0 else 0.0
    return total, reference.output_gradient(name, output, Z, A, Y, w, parameter), A


def loss_errors(name, Z, A, Y, w, parameter, u):
    """Return bounds on the errors of each example's w L (before summation) and of w dL/dZ, and |w L|; w (m,) or (n, m).

    The constants (1 - s, s / n, delta, q, 1 - q) are computed in double and rounded once.
    """
    if name == "gaussian":
        return gaussian_errors(Z, Y, w, u)
    D = np.abs(Z - Y)
    if name not in OUTPUTS:
        if name not in ("squared_error", "absolute", "huber", "quantile"):
            raise AssertionError(f"no error bounds for the loss {name}: add them to loss_errors")
        # a - y, one or two products and the weight round; the sign of a - y is exact
        side = np.where(Z > Y, 1 - parameter, parameter)
        slope = {"squared_error": D, "absolute": 0 * D, "huber": np.minimum(D, parameter), "quantile": side}[name]
        L = {"squared_error": D**2 / 2, "absolute": D, "quantile": side * D}.get(name, slope * D)
        return 6 * u * np.sum(w * L, axis=0), 3 * u * w * slope, np.sum(w * L, axis=0)
    if name == "poisson":
        # The logarithm and e^z count 8 roundings; products and sums round relative to the sizes of their terms. Near
        # the minimum L = y (e^d - 1 - d), where the error of d = z - log y (the logarithm's and one rounding) is
        # multiplied by the slope y (e^d - 1).
        parts = np.abs(sp.xlogy(Y, Y)) + np.abs(Y * Z) + Y + A
        log_Y = np.log(np.where(Y > 0, Y, 1))
        d = Z - log_Y
        near = (Y > 0) & (np.abs(d) < 0.999)  # at 1 both forms are as good
        d = np.where(near, d, 0)
        e_d = u * (8 * np.abs(log_Y) + np.abs(d))
        small = Y * (np.abs(np.expm1(d)) * e_d + e_d**2 + 16 * u * np.abs(d))
        e_L = np.where(near, small + 16 * np.finfo(np.float64).eps * parts, 16 * u * parts)
        return np.sum(w * e_L, axis=0), w * u * (16 * A + 2 * np.abs(A - Y)), np.sum(w * parts, axis=0)
    if name == "binary_cross_entropy":
        Y = Y + parameter * (0.5 - Y)
        e_Y = 3 * u * Y * (parameter > 0)
        # max(z, 0) - y z + log1p(e): products and sums round relative to their sizes; both functions count 8 roundings
        parts = np.abs(Y * Z) + np.maximum(Z, 0) + np.log1p(np.exp(-np.abs(Z)))
        e_L = np.sum(w * (16 * u * parts + e_Y * np.abs(Z)), axis=0)
        return e_L, w * (u * (16 * A + 2 * np.abs(A - Y)) + e_Y), np.sum(w * parts, axis=0)
    # log(sum of e^(z - max)) - sum of t (z - max): the relative error of the first sum is the absolute error of its
    # logarithm. In the second sum each product rounds 3 times and the additions n times.
    targets, n = (1 - parameter) * Y + parameter / len(Y), len(Y)
    relative = column_softmax_error(Z, A, u, np.zeros_like(Z))
    below = np.abs(Z - np.max(Z, axis=0, initial=-np.inf))
    picked, log_total = np.sum(targets * below, axis=0), np.log(np.sum(np.exp(-below), axis=0))
    smoothing = (n + 4) * u * picked * (parameter > 0)
    e_L = np.sum(A * relative, axis=0) + u * (8 * np.abs(log_total) + 4 * picked + n + 4) + smoothing
    e_dZ = A * relative + 4 * u * (A + np.abs(A - targets) + targets * (parameter > 0))
    if np.any((Y > 0) & (Y < 1)):  # probabilities: the sum of n of them, too, and the products with 1 - s round
        e_L = e_L + (n + 4) * u * (picked + log_total)
        e_dZ = e_dZ + (n + 4) * u * (A + targets)
    return w * e_L, w * e_dZ, w * (log_total + picked)


def gaussian_errors(A, Y, w, u):
    """The bounds of `loss_errors` for the Gaussian likelihood.

    e^-s counts 8 roundings, and each product or sum one: (y - a)^2 e^-s 12, its tangent below s = -50 3 more.
    """
    a, s = np.split(A, 2)
    above = np.maximum(s, -50)
    stretch = 1 + above - s
    slope = np.abs(a - Y) * np.exp(-above)
    square = np.abs(a - Y) * slope
    L = (np.abs(above) + square * stretch) / 2
    both = np.tile(w, (2, 1)) if w.ndim == 2 else w
    e_dA = both * np.concatenate([16 * u * slope * stretch, u * (8 * square + 1)])
    return np.sum(w * 16 * u * L, axis=0), e_dA, np.sum(w * L, axis=0)


@each_dtype
@pytest.mark.parametrize("name", registry.LOSSES)
@settings(max_examples=60)
@given(data=st.data())
def test_loss(name, dtype, data):
    n, m = data.draw(shapes(zero=name != "cross_entropy"), label="(n, m)")  # no label fits n = 0
    n *= PER_TARGET[name]
    # e^60 is finite in float32
    Z = data.draw(arrays((n, m), dtype, 60.0 if name in ("poisson", "gaussian") else 1e4), label="Z")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    targets = random_targets(rng, name, n, m, dtype)
    if name not in OUTPUTS:  # some at the kink
        targets = np.where(rng.uniform(size=(n, m)) < 0.1, Z, targets)
    if name == "poisson":  # some near the minimum
        close = rng.uniform(size=(n, m)) < 0.5
        targets = np.where(close, np.exp(Z + rng.choice([0.0, 1e-3, 0.9], (n, m))), targets).astype(dtype)
    weights = data.draw(st.sampled_from([None, *random_weights(rng, name, n, m, dtype)]), label="weights")
    parameter = data.draw(parameters(name), label="parameter")
    in_place = data.draw(st.booleans(), label="in place")
    w = np.ones(m) if weights is None else weights.astype(np.float64)
    Y = reference.one_hot(targets, n) if name == "cross_entropy" else targets.astype(np.float64)
    Z64 = Z.astype(np.float64)
    total, dZ, A = reference_loss(name, Z64, Y, w, parameter)
    u, tiny = unit_roundoff(dtype), smallest(dtype)
    e_L, e_dZ, size = loss_errors(name, Z64, A, Y, w, parameter, u)
    # the sum runs in double; w and the factor 1/total may make subnormal products
    e_total = (
        np.sum(e_L) + (n * m + 8) * np.finfo(np.float64).eps * np.sum(size) + (np.sum(w) + 1) * (n * m + 4) * 4 * tiny
    )
    e_dZ = e_dZ + (8 + np.max(w, initial=0)) * 8 * tiny
    for level in LEVELS:
        call = Buffers()
        source = call.output(Z) if in_place else call.input(Z)
        out = source if in_place else call.output(np.full((n, m), np.nan, dtype))
        given_weights = None if weights is None else call.input(weights)
        result = kernels.loss(name, source, call.input(targets), given_weights, out, level, parameter)
        call.check()
        assert_within(result, total, e_total, f"loss, {registry.LEVELS[level]}")
        assert_within(out, dZ, e_dZ, f"dZ, {registry.LEVELS[level]}")


@each_dtype
@settings(max_examples=60)
@given(data=st.data())
def test_cross_entropy_of_probabilities(dtype, data):
    """Columns of Y that add up to 1 up to rounding, some with zeros, some one-hot."""
    n, m = data.draw(shapes(zero=False), label="(n, m)")
    Z = data.draw(arrays((n, m), dtype, 1e4), label="Z")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    Y = rng.uniform(size=(n, m)) ** rng.choice([1, 9]) * (rng.uniform(size=(n, m)) < rng.choice([0.3, 1]))
    Y[rng.integers(n, size=m), np.arange(m)] += 1e-3
    Y = np.asfortranarray((Y / Y.sum(axis=0)).astype(dtype))
    weights = data.draw(st.sampled_from([None, rng.choice([0, 0.25, 1, 31.7], size=m).astype(dtype)]), label="weights")
    smoothing = data.draw(parameters("cross_entropy"), label="smoothing")
    w = np.ones(m) if weights is None else weights.astype(np.float64)
    total, dZ, A = reference_loss("cross_entropy", Z.astype(np.float64), Y.astype(np.float64), w, smoothing)
    u, tiny = unit_roundoff(dtype), smallest(dtype)
    e_L, e_dZ, size = loss_errors("cross_entropy", Z.astype(np.float64), A, Y.astype(np.float64), w, smoothing, u)
    e_total = np.sum(e_L) + (m + 8) * np.finfo(np.float64).eps * np.sum(size) + (np.sum(w) + 1) * (n * m + 4) * 4 * tiny
    for level in LEVELS:
        call = Buffers()
        Z_in, out = call.input(Z), call.output(np.full((n, m), np.nan, dtype))
        result = kernels.loss("cross_entropy", Z_in, call.input(Y), None if weights is None else call.input(weights),
                              out, level, smoothing)
        call.check()
        assert_within(result, total, e_total, f"loss, {registry.LEVELS[level]}")
        assert_within(out, dZ, e_dZ + (8 + w) * 8 * tiny, f"dZ, {registry.LEVELS[level]}")


@each_dtype
@settings(max_examples=30)
@given(data=st.data())
def test_parameters_of_the_units_of_a_target(dtype, data):
    """r consecutive units have the same target and each its own parameter: bitwise r losses with one parameter each.

    The sums are the same up to the order of the additions, in double.
    """
    name = data.draw(st.sampled_from(["quantile", "huber"]), label="loss")
    r = data.draw(st.sampled_from([2, 3, 5]), label="r")
    k, m = data.draw(shapes(zero=False), label="(targets, m)")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    Z = np.asfortranarray(rng.normal(size=(k * r, m)).astype(dtype))
    Y = random_targets(rng, name, k, m, dtype)
    weights = data.draw(st.sampled_from([None, *random_weights(rng, name, k, m, dtype)]), label="weights")
    levels, ceiling = np.linspace(0.1, 0.9, r), data.draw(st.sampled_from([0.3, np.inf]), label="ceiling")
    for level in LEVELS:
        call = Buffers()
        dZ, parts = call.output(np.full_like(Z, np.nan)), []
        given_weights = None if weights is None else call.input(weights)
        total = kernels.loss(name, call.input(Z), call.input(np.asfortranarray(Y)), given_weights, dZ, level, levels,
                             ceiling)
        call.check()
        for i, q in enumerate(levels):
            one = np.asfortranarray(Z[i::r])
            parts.append(kernels.loss(name, one, np.asfortranarray(Y), weights, one, level, float(q), ceiling))
            assert np.ascontiguousarray(dZ[i::r]).tobytes() == np.ascontiguousarray(one).tobytes()
        assert total == pytest.approx(sum(parts), rel=(k * m * r + 8) * np.finfo(np.float64).eps, abs=0)


def test_numbers_of_units_that_do_not_fit_are_refused():
    Z, y = np.zeros((3, 4), order="F"), np.zeros((1, 4), order="F")
    for name, parameter, text in (
        ("gaussian", 0.0, "gaussian needs 2 output units for each target, got 3"),
        ("quantile", np.array([0.1, 0.9]), "quantile needs 2 output units for each target, got 3"),
        ("quantile", np.array([0.1]), "quantile takes one parameter, or two or more"),
        ("gaussian", np.array([0.1, 0.2, 0.3]), "gaussian takes one parameter"),
    ):
        with pytest.raises(ValueError, match=text):
            kernels.loss(name, Z, y, None, Z.copy(order="F"), 0, parameter)


@each_dtype
@settings(max_examples=30)
@given(data=st.data())
def test_one_hot_columns_are_labels_bitwise(dtype, data):
    n, m = data.draw(shapes(zero=False), label="(n, m)")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    Z = np.asfortranarray(rng.normal(scale=9, size=(n, m)).astype(dtype))
    labels = rng.integers(n, size=m).astype(np.int32)
    Y = np.asfortranarray(reference.one_hot(labels, n).astype(dtype))
    weights = data.draw(st.sampled_from([None, rng.uniform(size=m).astype(dtype)]), label="weights")
    smoothing = data.draw(parameters("cross_entropy"), label="smoothing")
    for level in LEVELS:
        of_labels, of_columns = Z.copy(order="F"), Z.copy(order="F")
        given_labels = kernels.loss("cross_entropy", of_labels, labels, weights, of_labels, level, smoothing)
        assert kernels.loss("cross_entropy", of_columns, Y, weights, of_columns, level, smoothing) == given_labels
        assert of_columns.tobytes() == of_labels.tobytes()


@each_dtype
def test_probabilities_of_0_and_1_beside_others_give_finite_losses(dtype):
    """Where y is 0, a z of -infinity does not count; 80 is beyond the range of e^z in float32."""
    Z = np.asfortranarray(np.array([[0, 3e4, 80], [-np.inf, -3e4, -80], [1, 0, 0]], dtype))
    Y = np.asfortranarray(np.array([[0.5, 0, 0.25], [0, 1, 0.25], [0.5, 0, 0.5]], dtype))
    L = [np.log1p(np.exp(-1.0)) + 0.5, 6e4, 0.25 * 160 + 0.5 * 80]
    for level in LEVELS:
        dZ = np.empty_like(Z)
        assert kernels.loss("cross_entropy", Z, Y, None, dZ, level) == pytest.approx(sum(L), rel=1e-6)
        assert np.isfinite(dZ).all()
        z, y = (np.asfortranarray(np.array([row], dtype)) for row in ([3e4, -3e4, 0, 3e4], [0, 1, 0.5, 0.25]))
        assert kernels.loss("binary_cross_entropy", z, y, None, np.empty_like(z), level) == pytest.approx(
            6e4 + np.log(2) + 0.75 * 3e4, rel=1e-6)


@each_dtype
@pytest.mark.parametrize("name", registry.LOSSES)
@settings(max_examples=30)
@given(data=st.data())
def test_the_ceiling_caps_the_loss_but_not_the_gradient(name, dtype, data):
    """Terms are capped per example for the cross-entropy and per unit or target otherwise; dZ is bitwise identical.

    min(L, c) is as exact as L: the bound is that of `test_loss`.
    """
    k, m = data.draw(st.tuples(st.integers(1, 40), st.integers(1, 20)), label="(targets, m)")
    n = k * PER_TARGET[name]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    Z = np.asfortranarray(rng.normal(scale=8, size=(n, m)).astype(dtype))
    targets = np.asfortranarray(random_targets(rng, name, n, m, dtype))
    weights = data.draw(st.sampled_from([None, *random_weights(rng, name, n, m, dtype)]), label="weights")
    parameter = data.draw(parameters(name), label="parameter")
    ceiling = data.draw(st.sampled_from([0.0, 1e-3, 2.5, 15.9, 1e6, np.inf]), label="ceiling")
    w = np.ones(m) if weights is None else weights.astype(np.float64)
    Y = reference.one_hot(targets, n) if name == "cross_entropy" else targets.astype(np.float64)
    Z64 = Z.astype(np.float64)
    A = reference.activate(OUTPUTS.get(name, "identity"), Z64)
    units = [slice(None)] if name == "cross_entropy" else [slice(i, n, k) for i in range(k)]
    Y_of = {id(i): Y[i] if name == "cross_entropy" else Y[i.start : i.start + 1] for i in units}
    parts = [(reference.cost(name, Z64[i, j : j + 1], A[i, j : j + 1], Y_of[id(i)][:, j : j + 1], None, parameter),
              float(w[j] if w.ndim == 1 else w[i, j].item())) for i in units for j in range(m)]
    rounded = float(np.dtype(dtype).type(ceiling))
    total = sum(w_j * min(L, rounded) for L, w_j in parts)
    e_L, _, size = loss_errors(name, Z64, A, Y, w, parameter, unit_roundoff(dtype))
    bound = np.sum(e_L) + (n * m + 8) * np.finfo(np.float64).eps * np.sum(size) + (np.sum(w) + 1) * 4 * smallest(dtype)
    for level in LEVELS:
        plain, dZ = Z.copy(order="F"), Z.copy(order="F")
        kernels.loss(name, plain, targets, weights, plain, level, parameter)
        result = kernels.loss(name, dZ, targets, weights, dZ, level, parameter, ceiling)
        assert_within(result, total, bound, f"loss, {registry.LEVELS[level]}")
        assert dZ.tobytes() == plain.tobytes()


@each_dtype
@pytest.mark.parametrize("name", registry.LOSSES)
@given(data=st.data())
def test_non_finite_inputs_give_a_non_finite_loss(name, dtype, data):
    """At any position, for any values in the rest of the column."""
    n, m = data.draw(shapes(zero=False), label="(n, m)")
    n *= PER_TARGET[name]
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1), label="seed"))
    Z, Y = np.asfortranarray(rng.normal(size=(n, m)).astype(dtype)), random_targets(rng, name, n, m, dtype)
    where = data.draw(st.sampled_from(["Z"] if name == "cross_entropy" else ["Z", "Y"]))
    value = data.draw(st.sampled_from([np.nan, np.inf, -np.inf]))
    if name in OUTPUTS and np.isinf(value):
        value = np.nan  # an infinite z may have a finite loss
    parameter = data.draw(parameters(name))
    into = Z if where == "Z" else Y
    into[rng.integers(len(into)), rng.integers(m)] = value
    for level in LEVELS:
        assert not np.isfinite(kernels.loss(name, Z, np.asfortranarray(Y), None, Z.copy(order="F"), level, parameter))


@each_dtype
@given(data=st.data())
def test_labels_out_of_range_give_nan(dtype, data):
    n, m = data.draw(shapes(zero=False), label="(n, m)")
    labels = np.zeros(m, np.int32)
    labels[data.draw(st.integers(0, m - 1))] = data.draw(st.sampled_from([-1, n, n + 1, 2**31 - 1, -(2**31)]))
    smoothing = data.draw(parameters("cross_entropy"), label="smoothing")
    for level in LEVELS:
        call = Buffers()
        dZ = call.output(np.ones((n, m), dtype))
        assert np.isnan(kernels.loss("cross_entropy", dZ, call.input(labels), None, dZ, level, smoothing))
        call.check()


def block_of_numbers(rng, name, count):
    """Return Z and Y (2, count) without cancellation: each loss is larger than each of its terms."""
    Z = rng.uniform(5, 20, (2, count)) * rng.choice([-1, 1], (2, count))
    if name == "cross_entropy":  # the less likely label
        return Z, np.argmin(Z, axis=0).astype(np.int32)
    if name == "binary_cross_entropy":  # confident and wrong
        return Z, (Z < 0).astype(float)
    if name == "poisson":
        return rng.uniform(6, 9, (2, count)), rng.integers(2, size=(2, count)).astype(float)
    if name == "gaussian":
        return np.abs(Z), rng.normal(size=(1, count))
    return Z, rng.normal(size=(2, count))


@pytest.mark.parametrize("name", registry.LOSSES)
def test_sums_over_many_examples_are_accurate(name):
    """The relative error of the sum over 1e7 examples in float32 is at most 1e-6.

    The examples are 1000 copies of a block of 1e4. The roundings of the terms alone may amount to nearly 1e-6, so the
    summation itself must be almost exact.
    """
    rng = np.random.default_rng(5)
    Z, targets = block_of_numbers(rng, name, 10**4)
    Z = np.asfortranarray(Z, dtype=np.float32)
    targets = targets if name == "cross_entropy" else np.asfortranarray(targets, dtype=np.float32)
    parameter, w = {"huber": 1.0, "quantile": 0.3}.get(name, 0.0), np.ones(10**4)
    Y = reference.one_hot(targets, 2) if name == "cross_entropy" else targets.astype(np.float64)
    total, _, A = reference_loss(name, Z.astype(np.float64), Y, w, parameter)
    e_L, _, _ = loss_errors(name, Z.astype(np.float64), A, Y, w, parameter, unit_roundoff("float32"))
    assert np.sum(e_L) <= 1e-6 * total
    big_Z, big_Y = (np.asfortranarray(np.tile(M, 1000)) for M in (Z, targets))
    for level in LEVELS:
        block = kernels.loss(name, Z, targets, None, Z.copy(order="F"), level, parameter)
        dZ = big_Z.copy(order="F")
        result = kernels.loss(name, dZ, big_Y, None, dZ, level, parameter)
        assert abs(result - 1000 * total) <= 1e-6 * 1000 * total
        # identical terms: only the order of the additions, in double, differs
        assert abs(result - 1000 * block) <= 1e5 * np.finfo(np.float64).eps * 1000 * block


@pytest.mark.parametrize("n", [2, 10, 40])
@pytest.mark.parametrize("weighted", [False, True])
def test_sums_of_small_losses_are_accurate(n, weighted):
    """Correct and confident predictions: J from 1e-2 to 1e-6, whose digits a float32 sum near 1 would lose.

    L = log(1 + sum of e^-d) = log1p(r). The error of d is at most u d, which is the relative error of e^-d; d is at
    most 10.5. v_exp, v_log1p, the weight and the products add 6 u, the sum adds n u.
    """
    u, rng = unit_roundoff("float32"), np.random.default_rng(n)
    count = 10**4
    labels = rng.integers(n, size=count).astype(np.int32)
    for low in (4, 7, 10):
        Z = rng.uniform(-low - 0.5, -low, (n, count)) - np.log(n)
        Z[labels, np.arange(count)] = -np.log(n)
        Z = np.asfortranarray(Z, dtype=np.float32)
        w = rng.uniform(0.5, 2, count).astype(np.float32) if weighted else None
        away = Z.astype(np.float64) - np.max(Z, axis=0).astype(np.float64)
        away[labels, np.arange(count)] = -np.inf
        total = np.average(np.log1p(np.sum(np.exp(away), axis=0)), weights=w) * (count if w is None else w.sum(
            dtype=np.float64))
        for level in LEVELS:
            dZ = Z.copy(order="F")
            result = kernels.loss("cross_entropy", dZ, labels, w, dZ, level, 0.0)
            assert abs(result - total) <= (low + 0.5 + 6 + n) * u * total
