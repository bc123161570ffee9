"""The course's statements on activations, dimensions, blocks and gradients, checked on examples/notes.

Rounding errors are bounded to first order, in units of EPS = 2^-52: a sum of k products is off by at most k EPS times
the sum of their absolute values, and both sides of a comparison may be off by that much.
"""

import math

import numpy as np
import pytest
from helpers.notes_scripts import EPS, assert_close, needs_scripts

from fastnn import Network, functional, gradcheck, graph, reference

pytestmark = needs_scripts


# ---- Activations -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "leaky_relu"])
def test_activation_derivatives_follow_the_formulas(script, name):
    module = script("activations")
    z = np.linspace(-6, 6, 120)  # 0 is not among them
    g = module.value(name, z)
    assert_close(g, reference.activate(name, z), 8 * EPS * np.maximum(1, np.abs(g)))
    assert_close(module.derivative(name, z), module.FORMULAS[name](z, g), 16 * EPS)
    result = gradcheck.check_activation(name, z[None])
    assert result.passed() and result.entries == 120, str(result)


def test_tanh_is_a_shifted_sigmoid(script):
    module = script("activations")
    z = np.linspace(-10, 10, 201)
    assert_close(module.value("tanh", z), 2 * module.value("sigmoid", 2 * z) - 1, 16 * EPS)


def test_sigmoid_and_tanh_saturate(script):
    module = script("activations")
    z = np.array([-10.0, 10.0])
    assert_close(module.value("sigmoid", z), [0, 1], 5e-5)  # e^-10 = 4.54e-5
    assert_close(module.derivative("sigmoid", z), [0, 0], 5e-5)
    assert_close(module.value("tanh", z), [-1, 1], 1e-8)  # 4 e^-20 = 8.24e-9
    assert_close(module.derivative("tanh", z), [0, 0], 1e-8)
    for name in ("sigmoid", "tanh"):
        slopes = module.derivative(name, np.linspace(0, 10, 50))
        assert np.all(np.diff(slopes) < 0) and slopes[0] == {"sigmoid": 0.25, "tanh": 1}[name]
        assert np.all(slopes > 0)


def test_relu_derivative_at_zero_is_zero(script):
    module = script("activations")
    zero = np.zeros(1)
    assert module.derivative("relu", zero) == 0 and module.derivative("leaky_relu", zero) == 0.01
    node = graph.Node(0.0, "z")
    node.relu().backward()
    assert node.grad == 0
    z = np.array([-3.0, -1e-300, 1e-300, 3.0])
    assert module.derivative("relu", z).tolist() == [0, 0, 1, 1]
    assert module.derivative("leaky_relu", z).tolist() == [0.01, 0.01, 1, 1]
    assert module.exact_zeros(100_000) == 0  # so g'(0) = 1 would give the same gradients


# ---- Linear activations ----------------------------------------------------------------------------------------------


def test_identity_network_is_one_linear_map(script):
    module = script("linear_activations")
    net = module.identity_network()
    W_star, b_star = module.collapsed(net)
    assert W_star.shape == (2, 3) and b_star.shape == (2, 1)
    X = np.random.default_rng(0).standard_normal((50, 3))
    size = np.abs(X.T)
    for W, b in zip(net.W, net.b, strict=True):
        size = np.abs(W) @ size + np.abs(b)
    # Four layers, each with sums of at most 9 terms, once along the examples and once along the weights.
    assert_close(net.forward(X).T, W_star @ X.T + b_star, 2 * 4 * 10 * EPS * size)


def test_linear_hidden_layers_leave_logistic_regression(script):
    net = Network([2, 4, 3, 1], activation="identity", output="sigmoid", dtype="float64", random_state=0)
    W_star, b_star = script("linear_activations").collapsed(net)
    X, _ = script("planar_flower").flower()
    expected = functional.sigmoid(W_star @ X + b_star)[0][0]
    assert_close(net.predict_proba(X.T), expected, 1e-13)  # |z| < 50, 3 layers of at most 4 units


def test_regression_with_a_linear_output(script):
    module = script("linear_activations")
    x, y = module.parabola()
    line = np.hstack([x, np.ones_like(x)])
    best_line = math.sqrt(np.mean((line @ np.linalg.lstsq(line, y, rcond=None)[0] - y) ** 2))
    rmse = {hidden: module.regression(hidden).evaluate(x, y)["rmse"] for hidden in ("identity", "relu", "tanh")}
    assert rmse["identity"] >= best_line * (1 - 1e-12)  # no linear map is better
    assert max(rmse["relu"], rmse["tanh"]) < best_line / 5
    assert y.min() < 0 and y.max() > 1 and module.regression("tanh").predict(x).max() > 1


# ---- Dimensions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sizes", "m"), [((3, 5, 5, 2, 1), 7), ((3, 4, 1), 1), ((2, 1), 3)])
def test_shapes_follow_from_the_layer_sizes(script, sizes, m):
    found = script("dimensions").shapes(sizes, m)
    for l in range(1, len(sizes)):
        assert found[f"W{l}"] == found[f"dW{l}"] == (sizes[l], sizes[l - 1])
        assert found[f"b{l}"] == found[f"db{l}"] == (sizes[l], 1)
        assert found[f"Z{l}"] == found[f"A{l}"] == (sizes[l], m)
        assert found[f"A{l - 1}"] == found[f"dA{l - 1}"] == (sizes[l - 1], m)


def test_layer_equals_its_units_and_examples_one_by_one(script):
    module = script("dimensions")
    rng = np.random.default_rng(0)
    W, b, X = rng.standard_normal((4, 3)), rng.standard_normal((4, 1)), rng.standard_normal((3, 6))
    Z, _ = functional.linear_forward(X, W, b)
    bound = 2 * 5 * EPS * (np.abs(W) @ np.abs(X) + np.abs(b))
    assert_close(Z, module.example_by_example(W, b, X), bound)
    assert_close(Z, np.stack([module.unit_by_unit(W, b, x) for x in X.T], axis=1), bound)
    A, _ = functional.linear_activation_forward(X, W, b, "sigmoid")
    for i in range(4):  # row i is a logistic regression of its own
        a, _ = functional.sigmoid(W[[i]] @ X + b[i])
        assert_close(A[[i]], a, bound[[i]] + 8 * EPS)


def test_dimension_errors_name_the_expected_shape(script):
    said = script("dimensions").mistakes()
    expected = {"W[1] as (n[0], n[1])": ["A_prev", "(n[l-1], m) = (4, m)", "(3, 7)"],
                "examples in rows": ["A_prev", "(n[l-1], m) = (3, m)", "(7, 3)"],
                "b[1] as (4,)": ["b ", "(n[l], 1) = (4, 1)", "(4,)"],
                "W[2] for 3 units, not 4": ["layer 2", "A_prev", "(3, m)", "(4, 7)"],
                "dA of another layer": ["dA", "(4, 7)", "(1, 7)"],
                "Y of other examples": ["Y ", "(1, 7)", "(1, 6)"]}
    assert set(said) == set(expected)
    for what, parts in expected.items():
        assert all(part in said[what] for part in parts), said[what]


# ---- Blocks and gradients --------------------------------------------------------------------------------------------


def test_layer_blocks_follow_the_formulas(script):
    """Each block follows the formulas of the course; sums have at most 8 terms, entries are below 30."""
    module = script("layer_blocks")
    X, Y, W, b = module.problem()
    m = X.shape[1]
    AL, caches = module.forward(X, W, b)
    dA, dW, db = module.backward(AL, Y, caches)
    A = X
    for l, g in enumerate(module.ACTIVATIONS, 1):
        (A_prev, W_l, b_l), Z = caches[l]
        assert A_prev is A or np.array_equal(A_prev, A)
        assert W_l is W[l] and b_l is b[l]
        assert_close(Z, W[l] @ A_prev + b[l], 300 * EPS)
        A = reference.activate(g, Z)
        dZ = dA[l] * reference.activate_backward(g, np.ones_like(Z), Z)
        size = 300 * EPS * max(1, np.abs(dZ).max() * np.abs(A_prev).max())
        assert_close(dW[l], dZ @ A_prev.T / m, size)
        assert_close(db[l], dZ.sum(axis=1, keepdims=True) / m, size)
        assert_close(dA[l - 1], W[l].T @ dZ, size)
        A = caches[l + 1][0][0] if l < len(module.ACTIVATIONS) else AL
    assert np.array_equal(AL, A)


def test_backward_computes_the_input_gradient_on_request():
    rng = np.random.default_rng(0)
    X, Y = rng.standard_normal((3, 5)), rng.integers(0, 2, (1, 5))
    np.random.seed(0)
    parameters = functional.initialize_parameters_deep([3, 4, 1])
    AL, caches = functional.L_model_forward(X, parameters)
    assert "dA0" not in functional.L_model_backward(AL, Y, caches)
    dA0 = functional.L_model_backward(AL, Y, caches, input_gradient=True)["dA0"]
    result = gradcheck.check_function(  # the cost has 1/m, the course's dA has not
        lambda X: functional.compute_cost(functional.L_model_forward(X, parameters)[0], Y), X, dA0 / 5)
    assert result.passed() and result.left_out == 0, str(result)


@pytest.mark.parametrize("m", [1, 2, 8])
@pytest.mark.parametrize("network", ["TWO", "DEEP"])
def test_gradients_agree_in_all_forms(script, network, m):
    """Entries and sums are of the order 1, in at most 4 layers of at most 8 terms: below 1000 roundings."""
    module = script("gradients")
    sizes = getattr(module, network)
    activations = ("tanh", "sigmoid") if network == "TWO" else module.TANH
    X, Y, W, b = module.problem(m, sizes)
    ours = module.on_fastnn(X, Y, W, b, activations)
    others = [module.on_the_graph(X, Y, W, b), module.mean_over_examples(X, Y, W, b, activations)]
    if network == "TWO":
        others.append(module.two_layers(X, Y, W, b))
    for other in others:
        assert module.largest_difference(ours, other) <= 1000 * EPS
    assert module.largest_difference(ours, [[None, *(np.zeros_like(x) for x in part[1:])] for part in ours]) > 0.01
    result = module.check(X, Y, W, b, activations)
    assert result.passed() and result.entries + result.left_out == sum(x.size for x in W[1:] + b[1:]), str(result)


@pytest.mark.parametrize("y", [0.0, 1.0])
def test_chain_of_jacobians_gives_dz(script, y):
    module = script("gradients")
    X, _, W, b = module.problem(1, module.DEEP)
    dz, a = module.chain_of_jacobians(X, np.full((1, 1), y), W, b)
    dW, db = module.on_fastnn(X, np.full((1, 1), y), W, b, module.TANH)
    assert_close(dz[-1], a[-1] - y, 100 * EPS)
    for l in range(1, len(W)):
        assert_close(dW[l], dz[l] @ a[l - 1].T, 1000 * EPS)
        assert_close(db[l], dz[l], 1000 * EPS)
