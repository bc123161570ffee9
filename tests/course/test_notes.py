"""What the course notes say, one test a statement: the numbers of the scripts in examples/notes.

docs/guide/course.md lists the statements. Rounding errors are bounded to first order, in units of EPS = 2^-52: a sum of
k products is off by at most k EPS times the sum of their magnitudes, and two sides are compared that are each off by as
much.
"""

import importlib
import json
import math
import os
import re
import subprocess
import sys
import xml.etree.ElementTree as ElementTree
from fractions import Fraction
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from fastnn import Network, functional, gradcheck, graph, reference

ROOT = Path(__file__).parents[2]
NOTES = ROOT / "examples" / "notes"
if not NOTES.is_dir():
    pytest.skip("the tests run without the checkout: no examples beside them", allow_module_level=True)
EPS = 2.0**-52
CATS = os.environ.get("FASTNN_CAT_IMAGES", "")
PICTURES = {
    "activations": ["activations.png"],
    "computation_graph": ["graph_of_J.svg", "graph_of_logistic_loss.svg"],
    "cost_function": ["cost_function.png"],
    "hyperparameters": ["learning_rates.png"],
    "initialization": ["initialization.png"],
    "linear_activations": ["regression.png"],
    "planar_flower": ["planar_flower.png"],
}


@pytest.fixture
def script(monkeypatch):
    """Import a script by its name, as it would find its neighbours when run."""
    monkeypatch.syspath_prepend(NOTES)
    return importlib.import_module


def close(actual, expected, bound):
    """|actual - expected| <= bound, entry by entry."""
    assert np.shape(actual) == np.shape(expected)
    assert np.all(np.abs(np.subtract(actual, expected)) <= bound), np.abs(np.subtract(actual, expected)).max()


# ---- The scripts run ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", sorted(NOTES.glob("*.py")), ids=lambda path: path.stem)
def test_scripts_run(path, script, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    state = np.random.get_state()
    module = script(path.stem)
    assert not capsys.readouterr().out and not list(tmp_path.iterdir())  # importing does nothing
    if path.stem == "pictures":
        return
    assert re.search(r"Notes? 00\d", module.__doc__)
    try:
        module.main(tmp_path / "out")
    finally:
        np.random.set_state(state)
    assert len(capsys.readouterr().out) > 60
    expected = [name for name in PICTURES.get(path.stem, []) if name.endswith(".svg") or find_spec("matplotlib")]
    written = sorted(tmp_path.glob("out/*"))
    assert [picture.name for picture in written] == expected
    for picture in written:
        content = picture.read_bytes()
        if picture.suffix == ".png":
            assert content.startswith(b"\x89PNG\r\n")
        else:
            assert ElementTree.fromstring(content).tag.endswith("svg")


def test_without_matplotlib(script, tmp_path, monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    monkeypatch.setitem(sys.modules, "matplotlib.figure", None)
    script("cost_function").main(tmp_path / "out")
    assert "(no cost_function.png: matplotlib is not installed)" in capsys.readouterr().out
    assert not list(tmp_path.iterdir())


def test_command_line(tmp_path):
    process = subprocess.run([sys.executable, "-W", "error", NOTES / "computation_graph.py", "--out", "here"],
                             cwd=tmp_path, capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    assert sorted(path.name for path in tmp_path.glob("here/*")) == PICTURES["computation_graph"]


def test_bench_vectorization_runs():
    """Its figures are of the functions that test_four_ways compares."""
    arguments = json.dumps({"way": "fastnn", "n_x": 2, "m": 3})
    process = subprocess.run([sys.executable, ROOT / "bench", "vectorization", "--worker", arguments],
                             capture_output=True, text=True, timeout=300)
    assert process.returncode == 0, process.stderr
    assert float(process.stdout) > 0


# ---- Logistic regression as a network -------------------------------------------------------------------------------


def test_supervised_learning(script):
    module = script("supervised_learning")
    assert [row[3] for row in module.APPLICATIONS if module.built_here(row[3])] == ["standard NN"]
    assert {row[3] for row in module.APPLICATIONS} == {"standard NN", "CNN", "RNN", "hybrid, complex"}
    pictures = np.random.default_rng(0).integers(0, 256, (3, 64, 64, 3), np.uint8)
    X = module.unroll(pictures)
    assert X.shape == (64 * 64 * 3, 3) == (12288, 3)
    assert np.array_equal(X[:, 1], pictures[1].ravel() / 255)


@pytest.mark.parametrize(("n_x", "m"), [(1, 1), (2, 1), (2, 9), (50, 40), (300, 7)])
def test_four_ways(script, n_x, m):
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
        close(got[0], J, 2 * e_J)
        close(got[1], dw, 2 * e_dw)
        close(got[2], db, 2 * (e_a + (m + 4) * EPS))
    J_theta, dtheta = module.with_theta(np.vstack([[[b]], w]), X, Y)
    close(J_theta, J, 2 * e_J)
    close(dtheta[1:], dw, 2 * e_dw)
    close(dtheta[0, 0], db, 2 * (e_a + (m + 4) * EPS))


def test_gradient_descent(script):
    w, b, X, Y = script("logistic_four_ways").problem(20, 200)
    J, dw, db = script("logistic_four_ways").vectorised_over_examples(w, b, X, Y)
    params, _, costs = functional.optimize(w, b, X, Y, num_iterations=1, learning_rate=0.5)
    close(costs, [J], 1e-13)
    close(params["w"], w - 0.5 * dw, 1e-14)  # w := w - alpha dw; sums of 200 terms below 1, some 200 EPS
    close(params["b"], b - 0.5 * db, 1e-14)
    _, _, costs = functional.optimize(w, b, X, Y, num_iterations=1001, learning_rate=0.5)
    assert len(costs) == 11 and np.all(np.diff(costs) < 0)
    # On J = (w - 3)^2 each step multiplies w - 3 by 1 - 2 alpha = 0.8.
    path = script("derivatives").descend(lambda w: 2 * (w - 3), 0.0, 0.1, 40)
    close(path, 3 - 3 * 0.8 ** np.arange(41), 40 * 4 * 3 * EPS)


def test_cost_function(script):
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
    close(ends, w[minima], 0.01)  # the sampling; gradient descent ends in the minimum that is near
    ends = [module.descend(module.slope_of_cross_entropy, start, 0.05) for start in (1.0, 9.0)]
    close(ends[0], ends[1], 1e-6)
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


# ---- Derivatives, computation graph ---------------------------------------------------------------------------------


def test_nudging(script):
    module = script("derivatives")
    (line, _), (square, _) = module.FUNCTIONS["3a"], module.FUNCTIONS["a^2"]
    assert line(2.001) == pytest.approx(6.003, rel=2 * EPS) and square(2.001) == pytest.approx(4.004001, rel=4 * EPS)
    for nudge in (1e-1, 1e-2, 1e-3, 1e-4):
        for a in (2.0, 5.0):
            rounding = 8 * EPS * a * a / nudge  # of f(a), f(a + nudge) and a + nudge
            close(module.nudged(line, a, nudge), 3, rounding)
            close(module.nudged(square, a, nudge), 2 * a + nudge, rounding)  # one-sided: off by nudge f''/2
            close(gradcheck.numerical_derivative(square, a, nudge, two_sided=False), 2 * a + nudge, rounding)
            close(gradcheck.numerical_derivative(square, a, nudge), 2 * a, rounding)


def test_computation_graph(script, tmp_path):
    nodes = script("computation_graph").cost_of_three()
    assert {name: node.value for name, node in nodes.items()} == {"a": 5, "b": 3, "c": 2, "u": 6, "v": 11, "J": 33}
    assert {name: node.grad for name, node in nodes.items()} == {"a": 3, "b": 6, "c": 9, "u": 3, "v": 3, "J": 1}
    svg = nodes["J"].draw(tmp_path / "J.svg")
    for text in ("dJ/du = 3", "dJ/dv = 3", "dJ/da = 3", "dJ/db = 6", "dJ/dc = 9"):
        assert text in nodes["J"].draw() and text in svg


@pytest.mark.parametrize("y", [0, 1])
def test_one_example(script, y):
    """da, then dz = a - y, dw1 = x1 dz, dw2 = x2 dz, db = dz: on the graph and by `propagate`."""
    nodes, (x1, x2) = script("computation_graph").logistic_loss(y)
    a, dz = nodes["a"].value, nodes["z"].grad
    close(nodes["a"].grad, -y / a + (1 - y) / (1 - a), 16 * EPS / (a * (1 - a)))
    close(dz, a - y, 16 * EPS)
    close([nodes["w1"].grad, nodes["w2"].grad, nodes["b"].grad], [x1 * dz, x2 * dz, dz], 16 * EPS)
    assert abs(nodes["w1"].grad - (x1 - y)) > 0.1  # what the notes' misprint says
    grads, J = functional.propagate([[nodes["w1"].value], [nodes["w2"].value]], nodes["b"].value, [[x1], [x2]], [[y]])
    close(grads["dw"][:, 0], [nodes["w1"].grad, nodes["w2"].grad], 16 * EPS)
    close([grads["db"], J], [dz, nodes["L"].value], 32 * EPS)


# ---- Vectorisation, broadcasting ------------------------------------------------------------------------------------


def test_vectorisation(script):
    module = script("vectorization")
    rng = np.random.default_rng(0)
    A, v = rng.standard_normal((30, 40)), rng.standard_normal((40, 1))
    bound = 2 * 41 * EPS * (np.abs(A) @ np.abs(v))
    close(module.product_by_loops(A, v), A @ v, bound)
    close(module.product_on_fastnn(A, v), A @ v, bound)
    close(module.exp_by_loops(v), np.exp(v), 4 * EPS * np.exp(v))
    assert np.array_equal(np.maximum(v, 0), functional.relu(v)[0])  # np.max(v, 0) of the notes is another function
    assert np.max(v, 0).shape == (1,)


def test_broadcasting(script):
    module = script("vectorization")
    shares = module.percentages(module.CALORIES)
    for (i, j), share in np.ndenumerate(shares):
        column = [Fraction(str(value)) for value in module.CALORIES[:, j]]
        assert share == pytest.approx(float(100 * column[i] / sum(column)), rel=8 * EPS)
    assert np.round(shares[:, 0], 1).tolist() == [94.9, 2.0, 3.1]
    close(shares.sum(axis=0), np.full(4, 100.0), 100 * 8 * EPS)
    assert (np.array([[1], [2], [3], [4]]) + 100).tolist() == [[101], [102], [103], [104]]
    rng = np.random.default_rng(0)
    W, b, X = rng.standard_normal((1, 3)), rng.standard_normal((1, 1)), rng.standard_normal((3, 5))
    Z = functional.linear_forward(X, W, b)[0]
    close(Z, W @ X + np.repeat(b, 5, axis=1), 10 * EPS * (np.abs(W) @ np.abs(X) + np.abs(b)))  # [b b b b b]
    assert np.array_equal(np.dot(W, X) + b, np.dot(W, X) + np.repeat(b, 5, axis=1))


# ---- Activations ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "leaky_relu"])
def test_activation_derivatives(script, name):
    module = script("activations")
    z = np.linspace(-6, 6, 120)  # 0 is not among them
    g = module.value(name, z)
    close(g, reference.activate(name, z), 8 * EPS * np.maximum(1, np.abs(g)))
    close(module.derivative(name, z), module.FORMULAS[name](z, g), 16 * EPS)
    result = gradcheck.check_activation(name, z[None])
    assert result.passed() and result.entries == 120, str(result)


def test_tanh_is_a_shifted_sigmoid(script):
    module = script("activations")
    z = np.linspace(-10, 10, 201)
    close(module.value("tanh", z), 2 * module.value("sigmoid", 2 * z) - 1, 16 * EPS)


def test_saturation(script):
    module = script("activations")
    z = np.array([-10.0, 10.0])
    close(module.value("sigmoid", z), [0, 1], 5e-5)  # e^-10 = 4.54e-5
    close(module.derivative("sigmoid", z), [0, 0], 5e-5)
    close(module.value("tanh", z), [-1, 1], 1e-8)  # 4 e^-20 = 8.24e-9
    close(module.derivative("tanh", z), [0, 0], 1e-8)
    for name in ("sigmoid", "tanh"):
        slopes = module.derivative(name, np.linspace(0, 10, 50))
        assert np.all(np.diff(slopes) < 0) and slopes[0] == {"sigmoid": 0.25, "tanh": 1}[name]
        assert np.all(slopes > 0)


def test_relu_at_zero(script):
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


# ---- Linear activations ---------------------------------------------------------------------------------------------


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
    close(net.forward(X).T, W_star @ X.T + b_star, 2 * 4 * 10 * EPS * size)


def test_linear_hidden_layers_leave_logistic_regression(script):
    net = Network([2, 4, 3, 1], activation="identity", output="sigmoid", dtype="float64", random_state=0)
    W_star, b_star = script("linear_activations").collapsed(net)
    X, _ = script("planar_flower").flower()
    close(net.predict_proba(X.T), functional.sigmoid(W_star @ X + b_star)[0][0], 1e-13)  # |z| < 50, 3 layers of 4


def test_regression_with_a_linear_output(script):
    module = script("linear_activations")
    x, y = module.parabola()
    line = np.hstack([x, np.ones_like(x)])
    best_line = math.sqrt(np.mean((line @ np.linalg.lstsq(line, y, rcond=None)[0] - y) ** 2))
    rmse = {hidden: module.regression(hidden).evaluate(x, y)["rmse"] for hidden in ("identity", "relu", "tanh")}
    assert rmse["identity"] >= best_line * (1 - 1e-12)  # no linear map is better
    assert max(rmse["relu"], rmse["tanh"]) < best_line / 5
    assert y.min() < 0 and y.max() > 1 and module.regression("tanh").predict(x).max() > 1


# ---- Initialisation -------------------------------------------------------------------------------------------------


def test_zero_weights_keep_units_identical(script):
    module = script("initialization")
    same, costs = module.trained(0.0, epochs=500)
    assert np.abs(same.W[0]).max() > 1 and np.abs(same.W[1]).max() > 0.1  # the units do learn
    # A difference of 1e-13 between two units grows to 3e-8 in these steps, a rounding error of 1e-16 to far below 1e-6.
    for parameters, across_units in ((same.W[0], 0), (same.b[0], 0), (same.W[1], 1)):
        assert np.ptp(parameters, axis=across_units).max() <= 1e-6
    assert module.spread_of_units(same) <= 1e-6
    different, better = module.trained(0.01, epochs=2000)
    assert module.spread_of_units(different) > 1 and better[-1] < 0.5 * costs[-1]
    # With tanh, A[1] = tanh(0) = 0 and W[2] = 0, so both dW are exactly zero: only b[2] ever moves.
    dead, _ = module.trained(0.0, "tanh", epochs=10)
    assert not dead.W[0].any() and not dead.W[1].any() and not dead.b[0].any() and dead.b[1].all()


def test_zero_biases_are_fine(script):
    module = script("initialization")
    assert not any(b.any() for b in module.network(0.01, "sigmoid").b)
    net, costs = module.trained(0.01)
    assert all(b.all() for b in net.b) and costs[-1] < 0.4 * costs[0]


def test_large_weights_learn_slowly(script):
    module = script("initialization")
    slopes = [module.slope_of_units(scale) for scale in module.SCALES]
    assert np.all(np.diff(slopes) < 0) and slopes[0] > 0.99 and slopes[-1] < 0.02
    costs = {scale: module.median_costs(scale)[100] for scale in module.SCALES}
    assert max(costs[0.01], costs[1.0]) < costs[10.0] < costs[100.0]


# ---- Dimensions -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("sizes", "m"), [((3, 5, 5, 2, 1), 7), ((3, 4, 1), 1), ((2, 1), 3)])
def test_dimensions(script, sizes, m):
    found = script("dimensions").shapes(sizes, m)
    for l in range(1, len(sizes)):
        assert found[f"W{l}"] == found[f"dW{l}"] == (sizes[l], sizes[l - 1])
        assert found[f"b{l}"] == found[f"db{l}"] == (sizes[l], 1)
        assert found[f"Z{l}"] == found[f"A{l}"] == (sizes[l], m)
        assert found[f"A{l - 1}"] == found[f"dA{l - 1}"] == (sizes[l - 1], m)


def test_units_and_examples_one_by_one(script):
    module = script("dimensions")
    rng = np.random.default_rng(0)
    W, b, X = rng.standard_normal((4, 3)), rng.standard_normal((4, 1)), rng.standard_normal((3, 6))
    Z, _ = functional.linear_forward(X, W, b)
    bound = 2 * 5 * EPS * (np.abs(W) @ np.abs(X) + np.abs(b))
    close(Z, module.example_by_example(W, b, X), bound)
    close(Z, np.stack([module.unit_by_unit(W, b, x) for x in X.T], axis=1), bound)
    A, _ = functional.linear_activation_forward(X, W, b, "sigmoid")
    for i in range(4):  # row i is a logistic regression of its own
        a, _ = functional.sigmoid(W[[i]] @ X + b[i])
        close(A[[i]], a, bound[[i]] + 8 * EPS)


def test_dimension_errors(script):
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


# ---- Blocks and gradients -------------------------------------------------------------------------------------------


def test_layer_blocks(script):
    """Each block by the notes' formulas from its own inputs: sums of at most 8 terms, entries below 30."""
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
        close(Z, W[l] @ A_prev + b[l], 300 * EPS)
        A = reference.activate(g, Z)
        dZ = dA[l] * reference.activate_backward(g, np.ones_like(Z), Z)
        size = 300 * EPS * max(1, np.abs(dZ).max() * np.abs(A_prev).max())
        close(dW[l], dZ @ A_prev.T / m, size)
        close(db[l], dZ.sum(axis=1, keepdims=True) / m, size)
        close(dA[l - 1], W[l].T @ dZ, size)
        A = caches[l + 1][0][0] if l < len(module.ACTIVATIONS) else AL
    assert np.array_equal(AL, A)


def test_stops_before_the_input_gradient():
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
def test_gradients(script, network, m):
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
def test_chain_of_jacobians(script, y):
    module = script("gradients")
    X, _, W, b = module.problem(1, module.DEEP)
    dz, a = module.chain_of_jacobians(X, np.full((1, 1), y), W, b)
    dW, db = module.on_fastnn(X, np.full((1, 1), y), W, b, module.TANH)
    close(dz[-1], a[-1] - y, 100 * EPS)
    for l in range(1, len(W)):
        close(dW[l], dz[l] @ a[l - 1].T, 1000 * EPS)
        close(db[l], dz[l], 1000 * EPS)


# ---- Whole networks -------------------------------------------------------------------------------------------------


def test_planar_flower(script):
    module = script("planar_flower")
    X, Y = module.flower()
    right, (w, b) = module.logistic_accuracy(X, Y)
    assert 0.44 <= right <= 0.51
    _, J = functional.propagate(w, b, X, Y)
    assert math.log(2) - 0.06 < J < math.log(2)  # little better than no idea at all
    accuracy = {n_h: module.accuracy(module.shallow(X, Y, n_h), X, Y) for n_h in (1, 4, 20)}
    assert accuracy[1] < 0.8 and accuracy[4] >= 0.9 and accuracy[20] >= 0.9


def test_tanh_learns_faster_than_sigmoid(script):
    module = script("planar_flower")
    X, Y = module.flower()
    tanh, sigmoid = (module.costs(hidden, X, Y) for hidden in ("tanh", "sigmoid"))
    assert tanh[100] < sigmoid[100] and tanh[500] < sigmoid[500] and tanh[-1] < sigmoid[-1]


def test_parameters_and_hyperparameters(script):
    module = script("hyperparameters")
    net, before, costs = module.train(iterations=100)
    assert all((now != then).all() for now, then in zip([*net.W, *net.b], before, strict=True))
    assert net.layer_sizes == (2, 4, 1) and net.activations == ("tanh", "sigmoid") and len(costs) == 100
    last = {rate: module.train(rate)[2][-1] for rate in (0.01, 0.1, 1.0)}
    assert last[0.01] > last[0.1] > last[1.0]
    for chosen in ({"hidden": (20,)}, {"hidden": (4, 4)}, {"activation": "relu"}):
        assert module.train(iterations=100, **chosen)[2][-1] != costs[-1]


@pytest.mark.parametrize("n", range(2, 10))
def test_parity(script, n):
    module = script("parity_depth")
    deep, shallow, counting = module.deep_network(n), module.shallow_network(n), module.counting_network(n)
    for net in (deep, shallow, counting):
        assert module.right_everywhere(net)  # exactly: all values are small integers
    assert module.hidden_units(shallow) == 2 ** (n - 1) and module.hidden_units(counting) == n
    assert len(deep.layer_sizes) - 2 == math.ceil(math.log2(n))
    # A level of k bits has k units and, from an odd one left over, none more: 2 (n - 1) and at most one per level.
    assert 2 * (n - 1) <= module.hidden_units(deep) <= 2 * (n - 1) + math.ceil(math.log2(n))
    if n & (n - 1) == 0:
        assert module.hidden_units(deep) == 2 * (n - 1)
    if n < 6:
        terms = module.prime_implicants(n)
        assert len(terms) == 2 ** (n - 1) and not any(None in term for term in terms)


# ---- The course's pictures ------------------------------------------------------------------------------------------


def reference_costs(X, Y, parameters, learning_rate, iterations):
    """Gradient descent in plain NumPy, relu and sigmoid: J before the update, every 100th iteration."""
    layers = range(1, len(parameters) // 2 + 1)
    W, b = ([parameters[f"{symbol}{l}"] for l in layers] for symbol in "Wb")
    activations = ["relu"] * (len(W) - 1) + ["sigmoid"]
    net = reference.ReferenceNetwork(W, b, activations, "binary_cross_entropy")
    with threadpool_limits(1):  # on busy cores NumPy's threads wait for each other
        return [net.step(X, Y, learning_rate) for _ in range(iterations)][::100]


@pytest.mark.skipif(not CATS, reason="FASTNN_CAT_IMAGES does not name a file with the course's pictures (.npz)")
@pytest.mark.parametrize(("model", "sizes", "rate"), [
    ("logistic regression", (12288, 1), 0.005), ("2 layers", (12288, 7, 1), 0.0075),
    ("5 layers", (12288, 20, 7, 5, 1), 0.0075)])
def test_cat_pictures(script, model, sizes, rate):
    module = script("cat_pictures")
    data = module.load(CATS)
    A, costs = module.MODELS[model](data)
    assert round(module.accuracy(A, data[3]), 2) == module.PUBLISHED[model]
    np.random.seed(1)
    if len(sizes) == 2:
        start = {"W1": np.zeros((1, sizes[0])), "b1": np.zeros((1, 1))}
    else:
        start = (functional.initialize_parameters(*sizes) if len(sizes) == 3
                 else functional.initialize_parameters_deep(sizes))
    assert len(costs) in (20, 25)
    expected = reference_costs(data[0], data[1], start, rate, 100 * len(costs))
    np.testing.assert_allclose(costs, expected, rtol=0, atol=1e-9)


def test_cat_pictures_of_a_small_file(script, tmp_path, monkeypatch, capsys):
    """The script on a file of the same form: pictures of 8 x 8 pixels, the bright ones are cats, one label is wrong."""
    rng = np.random.default_rng(0)
    sets = {}
    for part, m in (("train", 40), ("test", 12)):
        y = rng.integers(0, 2, m)
        sets[f"X_{part}"] = (rng.integers(0, 100, (m, 8, 8, 3)) + 100 * y[:, None, None, None]).astype(np.uint8)
        sets[f"y_{part}"] = y
    sets["y_test"][3] ^= 1
    np.savez(tmp_path / "few.npz", **sets)
    module = script("cat_pictures")
    monkeypatch.setattr(module, "MODELS", {"2 layers": module.two_layers, "5 layers": module.five_layers})
    state = np.random.get_state()
    try:
        module.main(tmp_path / "out", tmp_path / "few.npz")
    finally:
        np.random.set_state(state)
    text = capsys.readouterr().out
    assert text.count("test accuracy 92 %") == 2 and "misclassified by the 5 layers: 1 of 12 test pictures, [3]" in text
    rates = [float(cost) for cost in re.findall(r"alpha = [\d.]+: ([\d.]+)", text)]
    assert len(rates) == 3 and rates == sorted(rates)  # 0.01, 0.001, 0.0001: the smaller, the slower
    if find_spec("matplotlib"):
        assert sorted(path.name for path in tmp_path.glob("out/*")) == ["cat_costs.png", "cat_mistakes.png"]


# ---- docs/guide/course.md --------------------------------------------------------------------------------------------


def table():
    """(statement, notes, where, tests) of each row."""
    text = (ROOT / "docs" / "guide" / "course.md").read_text(encoding="utf-8")
    part = text.split("## Statements")[1].split("\n## ")[0]
    rows = [[cell.strip() for cell in line.strip("|").split(" | ")] for line in part.splitlines()
            if line.startswith("| ") and not line.startswith("| statement")]
    assert all(len(row) == 4 for row in rows)
    return rows


def test_table_names_what_exists(script):
    rows = table()
    assert len(rows) > 40 and {note for row in rows for note in re.findall(r"\d{3}", row[1])} == {
        "000", "001", "002", "003", "004"}
    used = set()
    for statement, _, where, tests in rows:
        names, told = re.findall(r"`([^`]+)`", where), tests == "-"
        assert told == where.startswith("told") and (told or names), statement
        for name in names:
            if name.startswith("fastnn."):
                module, _, attribute = name.rpartition(".")
                owner, _, member = module.rpartition(".")
                found = (getattr(importlib.import_module(module), attribute, None) if find_spec(module)
                         else getattr(getattr(importlib.import_module(owner), member), attribute, None))
                assert found is not None, name
            else:
                path, _, function = name.partition(":")
                assert (ROOT / path).is_file(), name
                if function:
                    assert callable(getattr(script(Path(path).stem), function)), name
                used.add(path)
        for test in re.findall(r"`([^`]+)`", tests):
            path, _, function = test.rpartition("::")
            source = (ROOT / "tests" / (path or "course/test_notes.py")).read_text(encoding="utf-8")
            assert re.search(rf"^def {function}\(", source, re.MULTILINE), test
    scripts = {f"examples/notes/{path.name}" for path in NOTES.glob("*.py")} - {"examples/notes/pictures.py"}
    assert scripts <= used  # every script is in the table
