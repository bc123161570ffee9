"""The course's statements on logistic regression, derivatives and vectorisation, checked on examples/notes.

Rounding errors are bounded to first order, in units of EPS = 2^-52: a sum of k products is off by at most k EPS times
the sum of their absolute values, and both sides of a comparison may be off by that much.
"""

import math
from fractions import Fraction

import numpy as np
import pytest
from helpers.notes_scripts import EPS, assert_close, needs_scripts

from fastnn import functional, gradcheck

pytestmark = needs_scripts


# ---- Logistic regression as a network --------------------------------------------------------------------------------


def test_images_are_unrolled_into_columns(script):
    module = script("supervised_learning")
    assert [row[3] for row in module.APPLICATIONS if module.built_here(row[3])] == ["standard NN"]
    assert {row[3] for row in module.APPLICATIONS} == {"standard NN", "CNN", "RNN", "hybrid, complex"}
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    X = module.unroll(pictures)
    assert X.shape == (64 * 64 * 3, 3) == (12288, 3)
    assert np.array_equal(X[:, 1], pictures[1].ravel() / 255)


@pytest.mark.parametrize(("n_x", "m"), [(1, 1), (2, 1), (2, 9), (50, 40), (300, 7)])
def test_four_ways_agree(script, n_x, m):
    module = script("logistic_four_ways")
    w, b, X, Y = module.problem(n_x, m)
    J, dw, db = module.vectorised_over_examples(w, b, X, Y)
    size = (np.abs(w.T) @ np.abs(X) + abs(b)).max()
    e_z = (n_x + 2) * size * EPS
    e_a = e_z / 4 + 4 * EPS  # sigma' <= 1/4
    e_dw = np.mean(np.abs(X), axis=1, keepdims=True) * (e_a + (m + 4) * EPS)  # |a - y| <= 1
    # 1 - a loses up to 1 / (1 - a) <= 1 + e^|z| roundings before the logarithm.
    e_J = e_z + (2 * (1 + math.exp(size)) + m + 8 + size) * EPS
    for way in module.WAYS.values():
        got = way(w, b, X, Y)
        assert_close(got[0], J, 2 * e_J)
        assert_close(got[1], dw, 2 * e_dw)
        assert_close(got[2], db, 2 * (e_a + (m + 4) * EPS))
    J_theta, dtheta = module.with_theta(np.vstack([[[b]], w]), X, Y)
    assert_close(J_theta, J, 2 * e_J)
    assert_close(dtheta[1:], dw, 2 * e_dw)
    assert_close(dtheta[0, 0], db, 2 * (e_a + (m + 4) * EPS))


def test_gradient_descent_lowers_the_cost(script):
    w, b, X, Y = script("logistic_four_ways").problem(20, 200)
    J, dw, db = script("logistic_four_ways").vectorised_over_examples(w, b, X, Y)
    params, _, costs = functional.optimize(w, b, X, Y, num_iterations=1, learning_rate=0.5)
    assert_close(costs, [J], 1e-13)
    assert_close(params["w"], w - 0.5 * dw, 1e-14)  # w := w - alpha dw; sums of 200 terms below 1, some 200 EPS
    assert_close(params["b"], b - 0.5 * db, 1e-14)
    _, _, costs = functional.optimize(w, b, X, Y, num_iterations=1001, learning_rate=0.5)
    assert len(costs) == 11 and np.all(np.diff(costs) < 0)
    # On J = (w - 3)^2 each step multiplies w - 3 by 1 - 2 alpha = 0.8.
    path = script("derivatives").descend(lambda w: 2 * (w - 3), 0.0, 0.1, 40)
    assert_close(path, 3 - 3 * 0.8 ** np.arange(41), 40 * 4 * 3 * EPS)


def test_cost_falls_as_predictions_improve(script):
    for y_hat in (0.01, 0.5, 0.99):
        assert functional.compute_cost([[y_hat]], [[1]]) == pytest.approx(-math.log(y_hat), rel=4 * EPS)
        assert functional.compute_cost([[y_hat]], [[0]]) == pytest.approx(-math.log1p(-y_hat), rel=200 * EPS)
    y_hat = np.linspace(0.01, 0.99, 99)
    for y, order in ((1, -1), (0, 1)):  # y = 1: the larger y_hat the better; y = 0: the smaller
        losses = [functional.compute_cost([[value]], [[y]]) for value in y_hat]
        assert np.all(order * np.diff(losses) > 0)
    Y = (y_hat > 0.3).astype(int)
    losses = [functional.compute_cost([[a]], [[y]]) for a, y in zip(y_hat, Y, strict=True)]
    assert functional.compute_cost(y_hat[None], Y[None]) == pytest.approx(np.mean(losses), rel=200 * EPS)


def test_squared_error_is_not_convex(script):
    module = script("cost_function")
    w = np.linspace(0, 25, 2501)
    minima = module.local_minima(module.squared_error(w))
    assert len(minima) == 2 and len(module.local_minima(module.cross_entropy(w))) == 1
    ends = [module.descend(module.slope_of_squared_error, start, 2.0) for start in (1.0, 9.0)]
    assert_close(ends, w[minima], 0.01)  # the sampling; gradient descent ends in the minimum that is near
    ends = [module.descend(module.slope_of_cross_entropy, start, 0.05) for start in (1.0, 9.0)]
    assert_close(ends[0], ends[1], 1e-6)
    rng = np.random.default_rng(0)
    violated = 0
    for _ in range(200):
        (w0, w1), (b0, b1) = rng.uniform(0, 25, 2), rng.uniform(-10, 10, 2)
        J0, J1, middle = (module.cross_entropy(*at) for at in ((w0, b0), (w1, b1), ((w0 + w1) / 2, (b0 + b1) / 2)))
        assert middle <= (J0 + J1) / 2 + 8 * EPS * (J0 + J1)
        J0, J1, middle = (module.squared_error(*at) for at in ((w0, b0), (w1, b1), ((w0 + w1) / 2, (b0 + b1) / 2)))
        violated += middle > (J0 + J1) / 2 + 1e-6
    assert violated > 0
    for J, slope in ((module.cross_entropy, module.slope_of_cross_entropy),
                     (module.squared_error, module.slope_of_squared_error)):
        for at in (0.5, 3.0, 7.0, 12.0):
            result = gradcheck.check_function(lambda w, J=J: float(J(w)), at, slope(at))
            assert result.passed(), str(result)


# ---- Derivatives, computation graph ----------------------------------------------------------------------------------


def test_nudging_gives_the_slope(script):
    module = script("derivatives")
    (line, _), (square, _) = module.FUNCTIONS["3a"], module.FUNCTIONS["a^2"]
    assert line(2.001) == pytest.approx(6.003, rel=2 * EPS) and square(2.001) == pytest.approx(4.004001, rel=4 * EPS)
    for nudge in (1e-1, 1e-2, 1e-3, 1e-4):
        for a in (2.0, 5.0):
            rounding = 8 * EPS * a * a / nudge  # of f(a), f(a + nudge) and a + nudge
            assert_close(module.nudged(line, a, nudge), 3, rounding)
            assert_close(module.nudged(square, a, nudge), 2 * a + nudge, rounding)  # one-sided: off by nudge f''/2
            assert_close(gradcheck.numerical_derivative(square, a, nudge, two_sided=False), 2 * a + nudge, rounding)
            assert_close(gradcheck.numerical_derivative(square, a, nudge), 2 * a, rounding)


def test_graph_gives_all_derivatives_of_J(script, tmp_path):
    nodes = script("computation_graph").cost_of_three()
    assert {name: node.value for name, node in nodes.items()} == {"a": 5, "b": 3, "c": 2, "u": 6, "v": 11, "J": 33}
    assert {name: node.grad for name, node in nodes.items()} == {"a": 3, "b": 6, "c": 9, "u": 3, "v": 3, "J": 1}
    svg = nodes["J"].draw(tmp_path / "J.svg")
    for text in ("dJ/du = 3", "dJ/dv = 3", "dJ/da = 3", "dJ/db = 6", "dJ/dc = 9"):
        assert text in nodes["J"].draw() and text in svg


@pytest.mark.parametrize("y", [0, 1])
def test_graph_and_propagate_agree_on_one_example(script, y):
    """da, then dz = a - y, dw1 = x1 dz, dw2 = x2 dz, db = dz: on the graph and by `propagate`."""
    nodes, (x1, x2) = script("computation_graph").logistic_loss(y)
    a, dz = nodes["a"].value, nodes["z"].grad
    assert_close(nodes["a"].grad, -y / a + (1 - y) / (1 - a), 16 * EPS / (a * (1 - a)))
    assert_close(dz, a - y, 16 * EPS)
    assert_close([nodes["w1"].grad, nodes["w2"].grad, nodes["b"].grad], [x1 * dz, x2 * dz, dz], 16 * EPS)
    assert abs(nodes["w1"].grad - (x1 - y)) > 0.1  # the misprint in note 001
    grads, J = functional.propagate([[nodes["w1"].value], [nodes["w2"].value]], nodes["b"].value, [[x1], [x2]], [[y]])
    assert_close(grads["dw"][:, 0], [nodes["w1"].grad, nodes["w2"].grad], 16 * EPS)
    assert_close([grads["db"], J], [dz, nodes["L"].value], 32 * EPS)


# ---- Vectorisation, broadcasting -------------------------------------------------------------------------------------


def test_loops_and_vectorised_products_agree(script):
    module = script("vectorization")
    rng = np.random.default_rng(0)
    A, v = rng.standard_normal((30, 40)), rng.standard_normal((40, 1))
    bound = 2 * 41 * EPS * (np.abs(A) @ np.abs(v))
    assert_close(module.product_by_loops(A, v), A @ v, bound)
    assert_close(module.product_on_fastnn(A, v), A @ v, bound)
    assert_close(module.exp_by_loops(v), np.exp(v), 4 * EPS * np.exp(v))
    assert np.array_equal(np.maximum(v, 0), functional.relu(v)[0])  # note 001 has np.max(v, 0), another function
    assert np.max(v, 0).shape == (1,)


def test_broadcasting_adds_b_to_every_column(script):
    module = script("vectorization")
    shares = module.percentages(module.CALORIES)
    for (i, j), share in np.ndenumerate(shares):
        column = [Fraction(str(value)) for value in module.CALORIES[:, j]]
        assert share == pytest.approx(float(100 * column[i] / sum(column)), rel=8 * EPS)
    assert np.round(shares[:, 0], 1).tolist() == [94.9, 2.0, 3.1]
    assert_close(shares.sum(axis=0), np.full(4, 100.0), 100 * 8 * EPS)
    assert (np.array([[1], [2], [3], [4]]) + 100).tolist() == [[101], [102], [103], [104]]
    rng = np.random.default_rng(0)
    W, b, X = rng.standard_normal((1, 3)), rng.standard_normal((1, 1)), rng.standard_normal((3, 5))
    Z = functional.linear_forward(X, W, b)[0]
    assert_close(Z, W @ X + np.repeat(b, 5, axis=1), 10 * EPS * (np.abs(W) @ np.abs(X) + np.abs(b)))  # [b b b b b]
    assert np.array_equal(np.dot(W, X) + b, np.dot(W, X) + np.repeat(b, 5, axis=1))
