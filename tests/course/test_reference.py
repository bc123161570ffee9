"""The NumPy reference, compared with numerical derivatives, SciPy, closed forms and formulas of the course.

EPS is the spacing of floats at 1: each rounding is off by at most EPS/2 of its result, NumPy's SIMD exp, expm1, log1p
and tanh by at most 4 EPS, that is 8 roundings.
"""

import math

import numpy as np
import pytest
import scipy.special as sp
from helpers.reference_cases import (
    EPS,
    PAIRS,
    PER_TARGET,
    columns,
    error_of,
    kink_distance,
    ones,
    parameters,
    random_network,
    random_targets,
    seeds,
)
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnn import reference

ELEMENTWISE = [name for name in reference.ACTIVATIONS if name != "softmax"]
KINKED = ["relu", "leaky_relu", "elu", "selu"]


# ---- Activations ----------------------------------------------------------------------------------------------------

def mish_tangent(z):
    """tanh(softplus(z)), and 1 less that."""
    e = np.exp(z)
    return e * (e + 2) / (e * (e + 2) + 2), 2 / (e * (e + 2) + 2)


# Each activation in SciPy, and its derivative in closed form.
SCIPY = {
    "sigmoid": (sp.expit, lambda z: sp.expit(z) * sp.expit(-z)),
    "tanh": (np.tanh, lambda z: 1 / np.cosh(z) ** 2),
    "relu": (lambda z: z * np.heaviside(z, 0), lambda z: np.heaviside(z, 0)),
    "leaky_relu": (lambda z: np.maximum(0.01 * z, z), lambda z: 0.01 + 0.99 * np.heaviside(z, 0)),
    "identity": (lambda z: z, lambda z: z**0),
    "elu": (lambda z: np.where(z > 0, z, sp.expm1(z)), lambda z: np.exp(np.minimum(z, 0))),
    "selu": (
        lambda z: 1.0507009873554805 * np.where(z > 0, z, 1.6732632423543772 * sp.expm1(z)),
        lambda z: 1.0507009873554805 * np.where(z > 0, 1, 1.6732632423543772 * np.exp(z)),
    ),
    "gelu": (
        lambda z: z * sp.ndtr(z),
        lambda z: sp.ndtr(z) + z * np.exp(-(z**2) / 2) / np.sqrt(2 * np.pi),
    ),
    "silu": (lambda z: z * sp.expit(z), lambda z: sp.expit(z) + z * sp.expit(z) * sp.expit(-z)),
    "softplus": (lambda z: -sp.log_expit(-z), sp.expit),
    "exp": (lambda z: np.exp(z), lambda z: np.exp(z)),
    "mish": (  # from e^z alone: tanh(log(1 + e)) = (e^2 + 2 e) / (e^2 + 2 e + 2)
        lambda z: z * mish_tangent(z)[0],
        lambda z: mish_tangent(z)[0] + z * mish_tangent(z)[1] * (1 + mish_tangent(z)[0]) * sp.expit(z),
    ),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
@given(Z=columns)
def test_activation_agrees_with_scipy(name, Z):
    """Each side has at most 20 rounding errors (two functions, four operations). exp amplifies the rounding error of
    its argument by the size of the argument, up to max(|z|, z^2/2). The derivatives of gelu, silu and mish subtract
    numbers below 2.
    """
    g, g_prime = SCIPY[name]
    magnified = 20 * EPS * (1 + np.abs(Z) + Z**2 / 2)
    A, expected = reference.activate(name, Z), g(Z)
    assert np.all(np.abs(A - expected) <= magnified * np.abs(expected) + 1e-300)
    dZ, expected = reference.activate_backward(name, np.ones_like(Z), Z), g_prime(Z)
    cancelling = 2 * 20 * EPS if name in ("gelu", "silu", "mish") else 0
    assert np.all(np.abs(dZ - expected) <= magnified * np.abs(expected) + cancelling + 1e-300)


@pytest.mark.parametrize("name", ELEMENTWISE)
@given(Z=columns, seed=seeds)
def test_derivative_is_the_two_sided_difference(name, Z, seed):
    """(g(z+h) - g(z-h)) / 2h has two errors. Truncation is at most h^2/6 max|g'''|, where max|g'''| <= 2 (tanh has 2,
    selu 1.76, the others less), except for exp, where it is e^z. Rounding is that of the two g over h: at most 20
    rounding errors of |g|, amplified as above by up to 1 + 8^2/2, because exponentials beyond |z| = 8 are negligible.
    """
    if name in KINKED:
        assume(np.all(np.abs(Z) > 1e-3))
    h = EPS ** (1 / 3)
    above, below = Z + h, Z - h
    difference = (reference.activate(name, above) - reference.activate(name, below)) / (above - below)
    dA = np.random.default_rng(seed).uniform(-2, 2, Z.shape)
    dZ = reference.activate_backward(name, dA, Z)
    g_size = np.abs(reference.activate(name, Z)) + 2 * h
    magnified = 1 + np.minimum(np.abs(Z), 8) ** 2 / 2
    third = np.exp(Z + h) if name == "exp" else 2
    bound = third * h**2 / 6 + 20 * EPS / 2 * magnified * g_size / h + 20 * EPS
    assert np.all(np.abs(dZ - dA * difference) <= np.abs(dA) * bound)


@given(Z=columns, seed=seeds)
def test_softmax_backward_is_the_two_sided_difference(Z, seed):
    """Along any unit direction the third derivative of each unit is below 2. The sum of dA * A, with |dA| <= 2 and
    sum(A) = 1, has at most 2n + 20 rounding errors. Z + h direction is off by EPS/2 |z|, which changes the sum by at
    most 4 times as much.
    """
    rng = np.random.default_rng(seed)
    dA = rng.uniform(-2, 2, Z.shape)
    direction = rng.normal(size=Z.shape)
    direction /= np.linalg.norm(direction, axis=0)
    h = EPS ** (1 / 3)

    def along(step):
        return np.sum(dA * reference.activate("softmax", Z + step * direction), axis=0)

    difference = (along(h) - along(-h)) / (2 * h)
    derivative = np.sum(reference.activate_backward("softmax", dA, Z) * direction, axis=0)
    n = Z.shape[0]
    rounding = 2 * (2 * n + 20) * EPS / 2 + 4 * EPS / 2 * (np.max(np.abs(Z)) + h)
    assert np.all(np.abs(derivative - difference) <= n * 2 * 2 * h**2 / 6 + rounding / h)


@given(Z=columns)
def test_softmax_agrees_with_scipy_and_sums_to_one(Z):
    """Rounding errors per side: z - max (below 60), amplified by exp, in the term and in the sum (2 * 30 EPS), the
    exponentials (2 * 4 EPS), the sum and the quotient (n / 2 EPS).
    """
    A = reference.activate("softmax", Z)
    n = Z.shape[0]
    assert np.all(np.abs(A - sp.softmax(Z, axis=0)) <= 2 * (68 + n / 2) * EPS * A)
    assert np.all(np.abs(A.sum(axis=0) - 1) <= (n + 1) * EPS)


@given(Z=hnp.arrays(np.float64, (5, 3), elements=st.integers(-700, 700).map(float)), shift=st.integers(-(2**40), 2**40))
def test_softmax_is_invariant_to_a_shift(Z, shift):
    """Integers are shifted without rounding errors, so the results are bitwise identical."""
    assert np.array_equal(reference.activate("softmax", Z + shift), reference.activate("softmax", Z))


@pytest.mark.parametrize(
    ("name", "slope"),
    [("relu", 0.0), ("leaky_relu", 0.01), ("elu", 1.0), ("selu", 1.0507009873554805 * 1.6732632423543772)],
)
def test_derivative_at_a_kink_is_the_left_hand_one(name, slope):
    for zero in (0.0, -0.0):
        assert reference.activate_backward(name, [3.0], [zero]) == pytest.approx(3 * slope, rel=2 * EPS)


LIMITS = {  # g(-inf), g(inf), g'(-inf), g'(inf)
    "sigmoid": (0, 1, 0, 0),
    "tanh": (-1, 1, 0, 0),
    "relu": (0, np.inf, 0, 1),
    "leaky_relu": (-np.inf, np.inf, 0.01, 1),
    "identity": (-np.inf, np.inf, 1, 1),
    "elu": (-1, np.inf, 0, 1),
    "selu": (-1.0507009873554805 * 1.6732632423543772, np.inf, 0, 1.0507009873554805),
    "gelu": (0, np.inf, 0, 1),
    "silu": (0, np.inf, 0, 1),
    "softplus": (0, np.inf, 0, 1),
    "exp": (0, np.inf, 0, np.inf),
    "mish": (0, np.inf, 0, 1),
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_infinity_gives_limits_and_nan_gives_nan(name):
    g_left, g_right, slope_left, slope_right = LIMITS[name]
    with np.errstate(all="raise", under="ignore"):
        infinite = np.array([-np.inf, np.inf])
        assert np.array_equal(reference.activate(name, infinite), [g_left, g_right])
        assert np.array_equal(reference.activate_backward(name, np.ones(2), infinite), [slope_left, slope_right])
        far = np.array([-800.0, 800.0])  # beyond the range of exp
        g = reference.activate(name, far)
        assert g[0] == {"leaky_relu": -8.0, "identity": -800.0}.get(name, g_left)
        assert g[1] == (800 * slope_right if np.isinf(g_right) else g_right)  # e^800 is infinite in float64
        assert np.array_equal(reference.activate_backward(name, np.ones(2), far), [slope_left, slope_right])
        assert np.isnan(reference.activate(name, np.nan))
    A = reference.activate("softmax", [[np.nan, 1.0], [0.0, 1.0]])
    assert np.array_equal(np.isnan(A), [[True, False], [True, False]])


# ---- Gradients ------------------------------------------------------------------------------------------------------


def path_condition(X, Y, W, b, activations, loss, sample_weight, *, l2, l1, loss_parameter, masks):
    """First-order change of J if every W, b, output a and J along each path has a relative error of 1."""
    m = X.shape[1]
    w = np.ones(m) if sample_weight is None else sample_weight
    weight = np.sum(w) / (len(w) if w.ndim == 2 else 1)
    w = w if w.ndim == 1 else np.max(w, axis=0)  # a bound: no path counts for more
    total = 0.0
    for i in range(m):  # one example at a time, because errors of different examples do not cancel
        x, y, D = X[:, [i]], Y[:, [i]], [D_l[:, [i]] for D_l in masks]
        J, dW, db = reference.gradients(x, y, W, b, activations, loss, loss_parameter=loss_parameter, masks=D)
        total += w[i] * (J + sum(np.sum(np.abs(p * dp)) for p, dp in zip([*W, *b], [*dW, *db], strict=True)))
        a = reference.forward(x, W, b, activations, D)[1][-1]
        if loss == "poisson":  # its terms have both signs
            total += w[i] * np.sum(np.abs(sp.xlogy(y, y)) + np.abs(y * np.log(a)) + y + a)
        elif loss == "gaussian":  # the terms s and q of J have different signs, too
            mean, s = np.split(a, 2)
            q = (y - mean) ** 2 * np.exp(-s)
            total += w[i] * np.sum((np.abs(s) + q + np.abs((1 - q) * s)) / 2 + np.abs((y - mean) * np.exp(-s) * mean))
        elif "cross_entropy" not in loss:
            slope = 1 if loss in ("absolute", "quantile") else np.abs(a - y)
            total += w[i] * np.sum(slope * np.abs(a))
    penalties = l2 / 2 * sum(np.sum(W_l**2) for W_l in W) + l1 * sum(np.sum(np.abs(W_l)) for W_l in W)
    return total / weight + 3 * penalties


def assert_gradients_match_differences(
    X, Y, W, b, activations, loss, sample_weight=None, *, l2=0.0, l1=0.0, loss_parameter=0.0, masks=()
):
    """Compare dW and db with (J(p+h) - J(p-h)) / 2h, in the norm over all parameters.

    The truncation error is c h^2 + O(h^4), four times as large with step 2h. It is therefore a third of the difference
    between both steps, doubled here to cover the higher order. Rounding: a path through the network has at most 100
    rounding errors in each J (in 2 layers: sums of 5 terms, activations 20 and up to 14 more that exp amplifies with
    |z| <= 7; the loss 20, the mean 7).
    """
    settings = {"l2": l2, "l1": l1, "loss_parameter": loss_parameter, "masks": masks}
    _, dW, db = reference.gradients(X, Y, W, b, activations, loss, sample_weight, **settings)
    W, b = [p.copy() for p in W], [p.copy() for p in b]
    relative_error = 100 * EPS / 2
    h = relative_error ** (1 / 3)  # makes both errors of the same order
    numerical, doubled, analytic = [], [], []
    for p, dp in zip([*W, *b], [*dW, *db], strict=True):
        for index in np.ndindex(p.shape):
            old = p[index]
            slopes = []
            for step in (h, 2 * h):
                above, below = old + step, old - step
                J = []
                for p[index] in (above, below):
                    J.append(reference.gradients(X, Y, W, b, activations, loss, sample_weight, **settings)[0])
                slopes.append((J[0] - J[1]) / (above - below))
            p[index] = old
            numerical.append(slopes[0])
            doubled.append(slopes[1])
            analytic.append(dp[index])
    numerical, doubled, analytic = np.array(numerical), np.array(doubled), np.array(analytic)
    rounding = relative_error * path_condition(X, Y, W, b, activations, loss, sample_weight, **settings) / h
    bound = 2 / 3 * np.linalg.norm(doubled - numerical) + 2 * rounding * math.sqrt(analytic.size)
    assert bound <= 1e-6 * max(1, np.linalg.norm(numerical))  # the bound is tight enough to find errors
    assert np.linalg.norm(analytic - numerical) <= bound


@pytest.mark.parametrize(("loss", "output"), PAIRS)
@settings(max_examples=10)
@given(data=st.data())
def test_gradients_of_every_loss_and_output_match_differences(loss, output, data):
    """h is below 1e-4, so no difference crosses a kink."""
    rng = np.random.default_rng(data.draw(seeds))
    m, n_L = data.draw(st.integers(1, 5)), PER_TARGET.get(loss, 1) * data.draw(st.integers(1, 3))
    W, b, activations = random_network(rng, (3, 4, n_L), ("tanh", output))
    X, Y = rng.uniform(-1, 1, (3, m)), random_targets(rng, loss, n_L, m)
    shapes = [(m,)] if loss == "cross_entropy" else [(m,), Y.shape]
    sample_weight = data.draw(st.sampled_from([None, *(rng.uniform(0.1, 3, shape) for shape in shapes)]))
    l2, l1, parameter = data.draw(st.sampled_from([0, 0.3])), data.draw(st.sampled_from([0, 0.2])), data.draw(
        parameters(loss)
    )
    masks = [np.where(rng.uniform(size=(4, m)) < 0.25, 0, 1 / 0.75)] if data.draw(st.booleans()) else ()
    Z, A = reference.forward(X, W, b, activations, masks)
    assume(output not in KINKED or np.all(np.abs(Z[-1]) > 1e-3))
    assume(kink_distance(loss, parameter, A[-1], Y) > 1e-3 and all(np.all(np.abs(W_l) > 1e-4) for W_l in W))
    assert_gradients_match_differences(
        X, Y, W, b, activations, loss, sample_weight, l2=l2, l1=l1, loss_parameter=parameter, masks=masks
    )


@pytest.mark.parametrize("hidden", reference.ACTIVATIONS)
@settings(max_examples=10)
@given(seed=seeds, m=st.integers(1, 5))
def test_gradients_of_every_hidden_activation_match_differences(hidden, seed, m):
    rng = np.random.default_rng(seed)
    W, b, activations = random_network(rng, (2, 3, 3), (hidden, "softmax"))
    X = rng.uniform(-1, 1, (2, m))
    assume(hidden not in KINKED or np.all(np.abs(reference.forward(X, W, b, activations)[0][1]) > 1e-3))
    Y = random_targets(rng, "cross_entropy", 3, m)
    assert_gradients_match_differences(X, Y, W, b, activations, "cross_entropy")


@settings(max_examples=10)
@given(seed=seeds)
def test_cross_entropy_gradient_of_soft_targets_matches_differences(seed):
    """The gradient is the derivative of the cost also for Y whose columns do not sum to 1."""
    rng = np.random.default_rng(seed)
    W, b, activations = random_network(rng, (2, 3), ("softmax",))
    X, Y = rng.uniform(-1, 1, (2, 2)), rng.uniform(0, 1, (3, 2))
    assert_gradients_match_differences(X, Y, W, b, activations, "cross_entropy")


# ---- The course -----------------------------------------------------------------------------------------------------


@given(seed=seeds, m=st.integers(1, 9))
def test_logistic_regression_agrees_with_the_loops_of_the_course(seed, m):
    """The loop over examples, then its vectorised form: Z = w^T X + b, dZ = A - Y, dw = 1/m X dZ^T, db = 1/m sum dZ.

    All numbers are below 3 and sums have at most 9 terms: at most 40 rounding errors of EPS/2.
    """
    rng = np.random.default_rng(seed)
    w, b = rng.uniform(-1, 1, 2), rng.uniform(-1, 1)
    X, Y = rng.uniform(-1, 1, (2, m)), rng.integers(2, size=(1, m))
    J, dw_1, dw_2, db = 0.0, 0.0, 0.0, 0.0
    for i in range(m):
        z = w[0] * X[0, i] + w[1] * X[1, i] + b
        a = 1 / (1 + math.exp(-z))
        y = Y[0, i]
        J += -(y * math.log(a) + (1 - y) * math.log(1 - a))
        dz = a - y
        dw_1 += X[0, i] * dz
        dw_2 += X[1, i] * dz
        db += dz
    J, dw_1, dw_2, db = J / m, dw_1 / m, dw_2 / m, db / m
    net = ([w[np.newaxis]], [[[b]]], ["sigmoid"])
    got_J, got_dW, got_db = reference.gradients(X, Y, *net, "binary_cross_entropy")
    got = [got_J, *got_dW[0][0], *got_db[0][0]]
    # log(a) and log(1 - a), with a and 1 - a at least sigmoid(-3) = 0.047: errors up to 1 / 0.047 of EPS/2
    assert np.allclose(got, [J, dw_1, dw_2, db], rtol=0, atol=60 * EPS)
    dZ = reference.activate("sigmoid", w[np.newaxis] @ X + b) - Y
    assert np.allclose(got_dW[0].T, X @ dZ.T / m, rtol=0, atol=40 * EPS)
    assert np.allclose(got_db[0], np.sum(dZ) / m, rtol=0, atol=40 * EPS)


@given(seed=seeds, m=st.integers(1, 9))
def test_two_layer_network_agrees_with_the_formulas_of_the_course(seed, m):
    """da[2] = -y/a + (1-y)/(1-a), dz[2] = da[2] a (1-a) = a - y, then the six formulas of a two-layer network.

    With |z[2]| <= 5, a and 1 - a are at least 0.0066, so da[2] is at most 150 and has at most 150 rounding errors. All
    other numbers are sums of at most 9 terms of size up to 1.
    """
    rng = np.random.default_rng(seed)
    (W1, W2), (b1, b2), activations = random_network(rng, (3, 4, 1), ("tanh", "sigmoid"))
    X, Y = rng.uniform(-1, 1, (3, m)), rng.integers(2, size=(1, m))
    Z1 = W1 @ X + b1
    A1 = np.tanh(Z1)
    Z2 = W2 @ A1 + b2
    A2 = 1 / (1 + np.exp(-Z2))
    dA2 = -Y / A2 + (1 - Y) / (1 - A2)
    dZ2 = dA2 * A2 * (1 - A2)
    dW2 = dZ2 @ A1.T / m
    db2 = np.sum(dZ2, axis=1, keepdims=True) / m
    dZ1 = W2.T @ dZ2 * (1 - np.tanh(Z1) ** 2)
    dW1 = dZ1 @ X.T / m
    db1 = np.sum(dZ1, axis=1, keepdims=True) / m

    Z, A = reference.forward(X, [W1, W2], [b1, b2], activations)
    assert Z[0] is None
    assert np.array_equal(A[0], X)
    dZ_L = reference.output_gradient("binary_cross_entropy", "sigmoid", Z[2], A[2], Y)
    dW, db = reference.backward(Z, A, [W1, W2], dZ_L, activations, m)
    for got, expected in [(Z[1], Z1), (A[1], A1), (Z[2], Z2), (A[2], A2)]:
        assert np.allclose(got, expected, rtol=0, atol=20 * EPS)
    for got, expected in [(dZ_L, dZ2), (dW[0], dW1), (dW[1], dW2), (db[0], db1), (db[1], db2)]:
        assert got.shape == expected.shape
        assert np.allclose(got, expected, rtol=0, atol=200 * EPS)


@given(seed=seeds)
def test_gradient_descent_lowers_the_cost(seed):
    """Logistic regression's J is convex with curvature at most s^2/4m, s the largest singular value of X with a row of
    ones. With learning rate 4m/s^2 each step lowers J by at least rate/2 * (norm of the gradient)^2.
    """
    rng = np.random.default_rng(seed)
    X, Y = rng.normal(size=(3, 20)), rng.integers(2, size=(1, 20))
    rate = 4 * 20 / np.linalg.norm(np.vstack([X, np.ones(20)]), 2) ** 2
    net = reference.ReferenceNetwork(np.zeros((1, 1, 3)), np.zeros((1, 1, 1)), ["sigmoid"], "binary_cross_entropy")
    for _ in range(5):
        J, dW, db = reference.gradients(X, Y, net.W, net.b, net.activations, net.loss)
        assert net.step(X, Y, rate) == J
        after = reference.gradients(X, Y, net.W, net.b, net.activations, net.loss)[0]
        assert after <= J - rate / 2 * (np.sum(dW[0] ** 2) + np.sum(db[0] ** 2)) + 30 * EPS


@given(seed=seeds, l2=st.floats(0, 10))
def test_l2_penalises_weights_but_not_biases(seed, l2):
    """The penalty adds one product and one sum, with rounding errors of EPS relative to their size."""
    rng = np.random.default_rng(seed)
    net = random_network(rng, (3, 4, 2), ("relu", "softmax"))
    X, Y = rng.uniform(-1, 1, (3, 5)), random_targets(rng, "cross_entropy", 2, 5)
    J, dW, db = reference.gradients(X, Y, *net, "cross_entropy")
    J_l2, dW_l2, db_l2 = reference.gradients(X, Y, *net, "cross_entropy", l2=l2)
    assert J_l2 == pytest.approx(J + l2 / 2 * sum(np.linalg.norm(W_l) ** 2 for W_l in net[0]), rel=30 * EPS)
    for W_l, got, plain in zip(net[0], dW_l2, dW, strict=True):
        assert np.all(np.abs(got - plain - l2 * W_l) <= 4 * EPS * (np.abs(plain) + l2 * np.abs(W_l)))
    assert all(np.array_equal(got, plain) for got, plain in zip(db_l2, db, strict=True))


# ---- Input ----------------------------------------------------------------------------------------------------------


def test_any_array_like_is_computed_in_float64():
    X, W, b = [[1, 2], [3, 4]], [[[1, -1]]], [[[2]]]
    expected = reference.forward(np.array(X, float), np.array(W, float), np.array(b, float), ["sigmoid"])[1][1]
    for convert in (
        lambda a: a,
        lambda a: np.array(a, np.float32),
        lambda a: np.asfortranarray(np.array(a, np.float16)),
        lambda a: np.array(a, ">i2"),
        lambda a: np.repeat(np.array(a, float), 2, axis=-1)[..., ::2],
    ):
        A = reference.forward(convert(X), [convert(W[0])], [convert(b[0])], ["sigmoid"])[1]
        assert [a.dtype for a in A] == [np.float64, np.float64]
        assert np.array_equal(A[1], expected)


@given(labels=hnp.arrays(np.int64, st.integers(0, 10), elements=st.integers(0, 4)))
def test_one_hot_columns_hold_a_single_one(labels):
    Y = reference.one_hot(labels, 5)
    assert Y.shape == (5, labels.size)
    assert np.array_equal(Y.argmax(axis=0), labels)
    assert np.array_equal(np.sort(Y, axis=0)[-2:], [[0] * labels.size, [1] * labels.size])


def test_errors_of_layers_name_the_expected_shape():
    X, names = np.ones((3, 7)), ["relu", "softmax"]
    W, b = ones((4, 3), (5, 4)), ones((4, 1), (5, 1))

    def message(X=X, W=W, b=b, names=names):
        text = error_of(reference.forward, X, W, b, names)
        if X.ndim == 2 and X.shape[0] == 3:
            assert error_of(reference.ReferenceNetwork, W, b, names, "cross_entropy") == text
        return text

    assert message(W=ones((4, 3), (4, 5))) == "ValueError: W[2] must have shape (n[2], n[1]) = (5, 4), got (4, 5)"
    assert message(W=ones((4, 3), 4)) == "ValueError: W[2] must have shape (n[2], n[1]) = (5, 4), got (4,)"
    assert message(b=ones((4, 1), (1, 5))) == "ValueError: b[2] must have shape (n[2], 1), got (1, 5)"
    assert message(b=ones(4, (5, 1))) == "ValueError: b[1] must have shape (n[1], 1), got (4,)"
    assert message(b=ones((4, 1), (3, 1))) == "ValueError: b[2] must have shape (n[2], 1) = (5, 1), got (3, 1)"
    assert message(X=np.ones((2, 7))) == "ValueError: W[1] must have shape (n[1], n[0]) = (4, 2), got (4, 3)"
    assert message(X=np.ones(7)) == "ValueError: X must have shape (n[0], m), got (7,)"
    assert "one entry per layer" in message(names=["relu"])
    assert "one entry per layer" in message(names="tanh")
    assert "one entry per layer" in message(W=[], b=[], names=[])
    assert message(names=["relu", "cubic"]).startswith("ValueError: activation must be one of sigmoid, tanh, relu")
    assert message(W=[W[0], W[1] * 1j]) == "TypeError: expected real numbers, got complex128"


def test_errors_of_losses_name_the_expected_shape():
    Z = np.zeros((3, 7))
    Y = np.ones((3, 7))
    gradient = reference.output_gradient
    assert error_of(reference.cost, "hinge", Z, Z, Y).startswith("ValueError: loss must be one of cross_entropy")
    assert "got 'cubic'" in error_of(gradient, "squared_error", "cubic", Z, Z, Y)
    pair = "ValueError: loss cross_entropy needs the output activation softmax, got sigmoid"
    assert error_of(gradient, "cross_entropy", "sigmoid", Z, Z, Y) == pair
    W, b = ones((3, 2)), ones((3, 1))
    assert error_of(reference.gradients, np.ones((2, 7)), Y, W, b, ["sigmoid"], "cross_entropy") == pair
    assert error_of(reference.ReferenceNetwork, W, b, ["sigmoid"], "cross_entropy") == pair
    for loss, output in PAIRS:
        outputs = np.zeros((3 * PER_TARGET.get(loss, 1), 7))
        rows = "n[L]" if loss not in PER_TARGET else "n[L] / 2"
        for call in (lambda Y, w, loss=loss, Z=outputs: reference.cost(loss, Z, Z, Y, w),
                     lambda Y, w, loss=loss, output=output, Z=outputs: gradient(loss, output, Z, Z, Y, w)):  # fmt: skip
            assert error_of(call, Y[0], None) == f"ValueError: Y must have shape ({rows}, m) = (3, 7), got (7,)"
            assert error_of(call, Y.T, None) == f"ValueError: Y must have shape ({rows}, m) = (3, 7), got (7, 3)"
            allowed = "(m,) = (7,)" + (" or that of Y, (3, 7)" if loss != "cross_entropy" else "")
            for wrong in (Y.T, Y[:2], Y[0, :3], *([Y] if loss == "cross_entropy" else [])):
                message = f"ValueError: sample_weight must have shape {allowed}, got {wrong.shape}"
                assert error_of(call, Y, wrong) == message
            assert error_of(call, Y, -Y[0]) == "ValueError: sample_weight must not be negative, got -1.0"
            if loss == "poisson":
                assert error_of(call, -Y, None) == "ValueError: Y must not be negative for poisson, got -1.0"


def test_errors_of_other_arguments_name_what_is_expected():
    assert "dA must have the shape of Z" in error_of(reference.activate_backward, "relu", np.ones(3), np.ones(4))
    assert "got 'cubic'" in error_of(reference.activate, "cubic", 1)
    assert "got 'cubic'" in error_of(reference.activate_backward, "cubic", 1, 1)
    Z, t = np.ones((2, 3)), np.ones((2, 1))
    assert "got 'softmax'" in error_of(reference.activate_mixed, "softmax", t, Z)
    assert "t must have the shape (2, 1)" in error_of(reference.activate_mixed, "relu", t[0], Z)
    assert "t must have the shape (2, 1)" in error_of(reference.activate_mixed_backward, "relu", Z, t.T, Z)
    assert "dA must have the shape of Z" in error_of(reference.activate_mixed_backward, "relu", Z.T, t, Z)

    X, W, names = np.ones((3, 7)), ones((4, 3), (2, 4)), ["relu", "softmax"]
    Z, A = reference.forward(X, W, ones((4, 1), (2, 1)), names)
    back = reference.backward
    assert "dZ[2] must have shape (n[2], m) = (2, 7), got (7, 2)" in error_of(back, Z, A, W, A[2].T, names, 7)
    assert "W[1] must have shape (n[1], n[0]) = (4, 3), got (3, 4)" in error_of(
        back, Z, A, [W[0].T, W[1]], A[2], names, 7
    )
    masks = "ValueError: masks must have the shapes (n[l], m) = [(4, 7)], got [(7, 4)]"
    assert error_of(reference.forward, X, W, ones((4, 1), (2, 1)), names, ones((7, 4))) == masks
    assert error_of(back, Z, A, W, A[2], names, 7, masks=ones((7, 4))) == masks
    assert "Z and A must have L + 1 entries" in error_of(back, Z[1:], A[1:], W, A[2], names, 7)

    assert "optimizer must be one of sgd, momentum, nesterov, adam" in error_of(reference.Optimizer, "adagrad")
    assert error_of(reference.Optimizer, "sgd", speed=1).startswith("TypeError")
    network = (W, ones((4, 1), (2, 1)), names, "cross_entropy")
    rates = "ValueError: dropout must have 1 rates, one per hidden layer, got [0.1, 0.2]"
    assert error_of(reference.ReferenceNetwork, *network, dropout=[0.1, 0.2]) == rates
    adam = reference.Optimizer("adam")
    adam.update([np.ones(3)], [np.ones(3)], 0.1)
    assert "must have the shapes [(3,)]" in error_of(adam.update, [np.ones(3)], [np.ones(4)], 0.1)
    assert "must have the shapes [(3,)]" in error_of(adam.update, [np.ones(4)], [np.ones(4)], 0.1)
    assert "must have the shapes [(3,)]" in error_of(adam.update, [np.ones(3)], [], 0.1)
    assert "must be float64 arrays, got float32" in error_of(adam.update, [np.ones(3, "f")], [np.ones(3)], 0.1)
    assert "must be float64 arrays, got list" in error_of(adam.update, [[1.0] * 3], [np.ones(3)], 0.1)
    assert adam.t == 1

    for labels in ([0, 3], [-1], [0.5], [math.nan]):
        assert "labels must be whole numbers from 0 to 2, got" in error_of(reference.one_hot, labels, 3)
    assert "labels must have shape (m,), got (1, 2)" in error_of(reference.one_hot, [[0, 1]], 3)
