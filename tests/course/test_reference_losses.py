"""Losses of the reference, compared with SciPy, with numbers worked by hand, and at their minima.

EPS is the spacing of floats at 1: each rounding is off by at most EPS/2 of its result, NumPy's SIMD exp, expm1, log1p
and tanh by at most 4 EPS, that is 8 roundings.
"""

import math

import numpy as np
import pytest
import scipy.special as sp
from helpers.reference_cases import EPS, PAIRS, columns, parameters, random_network, random_targets, seeds
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnn import reference


@given(Z=columns, seed=seeds, s=st.floats(0, 1))
def test_costs_from_Z_agree_with_scipy(Z, seed, s):
    """Each side sums at most 49 non-negative numbers: 49 rounding errors, and 40 in each number, relative to it. SciPy
    computes logarithms of sums of up to 7 exponentials, which adds 24 absolute rounding errors. The loss with label
    smoothing is the mean of the losses of the label and of all classes (or both, for binary targets).
    """
    rng = np.random.default_rng(seed)
    n, m = Z.shape
    w = rng.uniform(0.1, 3, m)

    def mean(L):
        return np.sum(w * L.sum(axis=0)) / w.sum()

    def close(J, expected, size=0.0):
        return abs(J - expected) <= 100 * EPS * (abs(expected) + size + n)

    Y, per_class = reference.one_hot(rng.integers(n, size=m), n), -sp.log_softmax(Z, axis=0)
    expected = (1 - s) * mean(Y * per_class) + s * mean(per_class / n)
    assert close(reference.cost("cross_entropy", Z, None, Y, w, s), expected)
    Y = rng.integers(2, size=(n, m)).astype(float)
    one, zero = -sp.log_expit(Z), -sp.log_expit(-Z)
    expected = mean((1 - s) * np.where(Y == 1, one, zero) + s * (one + zero) / 2)
    assert close(reference.cost("binary_cross_entropy", Z, None, Y, w, s), expected)
    Y = rng.choice([0, 0, 1, 2.5, 40], (n, m))
    A = np.exp(Z)
    parts = mean(np.abs(sp.xlogy(Y, Y)) + np.abs(Y * Z) + Y + A)  # of both signs
    assert close(reference.cost("poisson", Z, None, Y, w), mean(sp.kl_div(Y, A)), parts)


@given(A=columns, seed=seeds, delta=st.floats(0.01, 10), q=st.floats(0, 1))
def test_costs_from_A_agree_with_closed_forms(A, seed, delta, q):
    """Each side has at most 49 rounding errors in the sum and 10 in each term, relative to non-negative numbers. The
    rounding error of a - y is the same on both sides.
    """
    rng = np.random.default_rng(seed)
    Y, w = rng.uniform(-20, 20, A.shape), rng.uniform(0.1, 3, A.shape[1])
    for loss, L, parameter in (
        ("squared_error", (A - Y) ** 2 / 2, 0),
        ("absolute", np.abs(A - Y), 0),
        ("huber", sp.huber(delta, A - Y), delta),
        ("quantile", np.maximum(q * (Y - A), (1 - q) * (A - Y)), q),
    ):
        expected = np.sum(w * L.sum(axis=0)) / w.sum()
        assert reference.cost(loss, None, A, Y, w, parameter) == pytest.approx(expected, rel=60 * EPS, abs=0)


@pytest.mark.parametrize(
    ("loss", "output", "parameter", "z", "y", "L", "dZ"),
    [
        ("squared_error", "identity", 0, 3, 1, 2, 2),
        ("absolute", "identity", 0, 3, 1, 2, 1),
        ("absolute", "identity", 0, 1, 3, 2, -1),
        ("absolute", "identity", 0, 3, 3, 0, 0),
        ("huber", "identity", 2, 1, 2, 0.5, -1),
        ("huber", "identity", 2, 1, 3, 2, -2),
        ("huber", "identity", 2, 6, 1, 8, 2),
        ("quantile", "identity", 0.25, 1, 3, 0.5, -0.25),
        ("quantile", "identity", 0.25, 3, 1, 1.5, 0.75),
        ("quantile", "identity", 0.25, 3, 3, 0, 0),
        ("poisson", "exp", 0, math.log(2), 0, 2, 2),
        ("poisson", "exp", 0, 0, 2, 2 * math.log(2) - 1, -1),
        ("poisson", "exp", 0, 0, 1, 0, 0),
        ("binary_cross_entropy", "sigmoid", 0.5, 0, 1, math.log(2), -0.25),
        ("binary_cross_entropy", "sigmoid", 0.5, 0, 0, math.log(2), 0.25),
        ("binary_cross_entropy", "sigmoid", 0.5, 80, 1, 20, 0.25),
        ("binary_cross_entropy", "sigmoid", 0.5, 80, 0, 60, 0.75),
    ],
)
def test_costs_and_gradients_worked_by_hand(loss, output, parameter, z, y, L, dZ):
    A = reference.activate(output, [[z]])
    assert reference.cost(loss, [[z]], A, [[y]], None, parameter) == pytest.approx(L, rel=4 * EPS, abs=0)
    got = reference.output_gradient(loss, output, [[z]], A, [[y]], None, parameter)
    assert got == pytest.approx(dZ, rel=4 * EPS, abs=2 * EPS)


def test_smoothed_cross_entropy_worked_by_hand():
    """With three classes and s = 0.3 the targets are 0.8, 0.1, 0.1; log softmax of (60, 0, 0) is (0, -60, -60)."""
    Z, Y = np.array([[60.0], [0.0], [0.0]]), reference.one_hot([0], 3)
    A = reference.activate("softmax", Z)
    assert reference.cost("cross_entropy", Z, None, Y, None, 0.3) == pytest.approx(12, rel=8 * EPS)
    dZ = reference.output_gradient("cross_entropy", "softmax", Z, A, Y, None, 0.3)
    assert dZ.ravel() == pytest.approx([0.2, -0.1, -0.1], rel=8 * EPS)


@given(y=hnp.arrays(np.float64, st.integers(1, 9), elements=st.floats(-100, 100)), q=st.floats(0.01, 0.99))
def test_quantile_loss_is_minimal_at_the_quantile(y, q):
    """The q-quantile is the best constant prediction, the median that for absolute; 20 rounding errors a side."""

    def J(loss, a, parameter=0.0):
        return reference.cost(loss, None, np.full((1, y.size), a), y[np.newaxis], None, parameter)

    best = J("quantile", np.quantile(y, q, method="inverted_cdf"), q)
    assert all(best <= J("quantile", a, q) * (1 + 40 * EPS) for a in y)
    best = J("absolute", np.median(y))
    assert all(best <= J("absolute", a) * (1 + 40 * EPS) + 200 * EPS for a in y)


@given(log_y=st.floats(-20, 20), away=st.floats(-5, 5))
def test_poisson_is_minimal_at_the_target(log_y, away):
    """The loss is 0 at z = log y and larger elsewhere, up to the rounding errors of its four terms."""
    y, z = math.exp(log_y), log_y + away
    rounding = 10 * EPS * (abs(y * log_y) + abs(y * z) + y + math.exp(z))
    expected = y * (math.expm1(away) - away)
    assert abs(reference.cost("poisson", [[z]], None, [[y]]) - expected) <= rounding
    assert expected >= 0


def test_costs_of_extreme_outputs_are_accurate():
    with np.errstate(all="raise", under="ignore"):
        for z, y, expected in [(800, 0, 800), (800, 1, 0), (-800, 1, 800), (-800, 0, 0), (0, 1, math.log(2))]:
            got = reference.cost("binary_cross_entropy", [[z]], None, [[y]])
            assert got == pytest.approx(expected, rel=4 * EPS, abs=0)
        Z = np.array([[800.0], [-800.0], [-800.0]])
        for k, expected in [(0, 0), (1, 1600), (2, 1600)]:
            assert reference.cost("cross_entropy", Z, None, reference.one_hot([k], 3)) == expected
        assert reference.cost("poisson", [[800.0, -800.0]], None, [[1.0, 1.0]]) == math.inf
        assert reference.cost("poisson", [[-800.0]], None, [[1.0]]) == 799
        assert reference.cost("poisson", [[-800.0]], None, [[0.0]]) == 0


@given(z=st.floats(0, 700))
def test_loss_of_a_confident_correct_prediction_is_accurate(z):
    """L = log(1 + exp(-z)) without rounding close to 1; a softmax of two units is a sigmoid."""
    expected = math.log1p(math.exp(-z))
    assert reference.cost("binary_cross_entropy", [[z]], None, [[1]]) == pytest.approx(expected, rel=10 * EPS, abs=0)
    assert reference.cost("cross_entropy", [[z], [0]], None, [[1], [0]]) == pytest.approx(expected, rel=10 * EPS, abs=0)


# Error bounds in EPS for the sum over two units: sup |dL/dz| * 45 for J and 2 sup |d2L/dz2| * 45 for dZ[1].
MOVED = {"poisson": 24000, ("squared_error", "exp"): 6e6}


@pytest.mark.parametrize(("loss", "output"), PAIRS)
@given(data=st.data())
def test_integer_weights_count_examples(loss, output, data):
    """Weights 0, 1, 2 give the same J, dW and db as omitting, keeping and repeating an example.

    The sums over at most 12 examples have another order, with 12 rounding errors a side relative to their absolute
    values. So have the products W A: Z[2] is off by at most 45 EPS (|Z[1]| <= 4, |Z[2]| <= 5). This makes 8 * 45 EPS in
    L per unit, as |a - y| <= 8; 16 * 45 EPS in dZ[2], as |g''| <= 1.8; and twice that in dZ[1]. With a = e^z <= 149 it
    makes 149 * 45 EPS in dZ[2] and L of poisson, whose terms sum up to 300, and (2 a - y) a <= 300 * 149 times 45 EPS
    in dZ[2] and less in L of the squared error.
    """
    rng = np.random.default_rng(data.draw(seeds))
    m, parameter = data.draw(st.integers(1, 6)), data.draw(parameters(loss))
    net = random_network(rng, (3, 4, 2), ("tanh", output))
    X, Y = rng.uniform(-1, 1, (3, m)), random_targets(rng, loss, 2, m)
    w = rng.integers(0, 3, m)
    assume(w.any())
    repeated = np.repeat(np.arange(m), w)
    more = {"loss_parameter": parameter}
    J, dW, db = reference.gradients(X, Y, *net, loss, w, **more)
    J_expected, dW_expected, db_expected = reference.gradients(X[:, repeated], Y[:, repeated], *net, loss, **more)
    per_example = [reference.gradients(X[:, [i]], Y[:, [i]], *net, loss, **more) for i in repeated]
    moved = MOVED.get(loss, MOVED.get((loss, output), 1500))
    assert abs(J - J_expected) <= EPS * (24 * J_expected + moved)
    for k, (got, expected) in enumerate(zip([*dW, *db], [*dW_expected, *db_expected], strict=True)):
        size = np.mean([np.abs([*dW_i, *db_i][k]) for _, dW_i, db_i in per_example], axis=0)
        assert np.all(np.abs(got - expected) <= EPS * (24 * size + moved))


def test_cost_without_weight_is_nan():
    """J = 0 / 0 is NaN, and a step does not change the network."""
    net = reference.ReferenceNetwork([[[1.0]]], [[[0.0]]], ["identity"], "squared_error", optimizer="adam")
    assert math.isnan(net.step([[1.0, 2.0]], [[0.0, 0.0]], 0.1, [0, 0]))
    assert math.isnan(net.step(np.empty((1, 0)), np.empty((1, 0)), 0.1))
    assert (net.W[0], net.b[0], net.optimizer.t) == (1, 0, 0)
