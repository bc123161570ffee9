"""fastnn.functional against the same formulas written in NumPy, as in the course's exercises."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from threadpoolctl import threadpool_limits

from fastnn import functional as F
from fastnn import reference

EPS = np.finfo(np.float64).eps
NAMES = ("sigmoid", "tanh", "relu", "leaky_relu", "softmax")


# ---- NumPy versions ------------------------------------------------------------


def numpy_forward(X, parameters, hidden="relu"):
    A, cache = X, [(None, X)]
    L = len(parameters) // 2
    for l in range(1, L + 1):
        Z = np.dot(parameters[f"W{l}"], A) + parameters[f"b{l}"]
        if l == L:
            A = 1 / (1 + np.exp(-Z))
        else:
            A = np.tanh(Z) if hidden == "tanh" else np.maximum(0, Z)
        cache.append((Z, A))
    return A, cache


def numpy_cost(AL, Y):
    m = Y.shape[1]
    return float(np.squeeze((-np.dot(Y, np.log(AL).T) - np.dot(1 - Y, np.log(1 - AL).T)) / m))


def numpy_backward(AL, Y, cache, parameters, hidden="relu"):
    m, L, grads = Y.shape[1], len(parameters) // 2, {}
    dA = -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
    for l in range(L, 0, -1):
        Z, A = cache[l]
        if l == L:
            dZ = dA * A * (1 - A)
        else:
            dZ = dA * (1 - np.power(A, 2)) if hidden == "tanh" else np.where(Z <= 0, 0, dA)
        grads[f"dW{l}"] = np.dot(dZ, cache[l - 1][1].T) / m
        grads[f"db{l}"] = np.sum(dZ, axis=1, keepdims=True) / m
        dA = grads[f"dA{l - 1}"] = np.dot(parameters[f"W{l}"].T, dZ)
    return grads


@threadpool_limits.wrap(limits=1)  # on a busy machine, BLAS threads spend most of the time waiting for each other
def numpy_descent(X, Y, parameters, learning_rate, iterations, hidden="relu"):
    parameters = {key: value.copy() for key, value in parameters.items()}
    costs = []
    for i in range(iterations):
        AL, cache = numpy_forward(X, parameters, hidden)
        if i % 100 == 0:
            costs.append(numpy_cost(AL, Y))
        grads = numpy_backward(AL, Y, cache, parameters, hidden)
        for key in parameters:
            parameters[key] = parameters[key] - learning_rate * grads[f"d{key}"]
    return parameters, costs


# ---- Data ------------------------------------------------------------

orders = st.sampled_from(["C", "F"])


@st.composite
def matrices(draw, shape=None):
    n, m = shape or (draw(st.integers(1, 7)), draw(st.integers(1, 9)))
    values = np.random.default_rng(draw(st.integers(0, 2**32 - 1))).standard_normal((n, m)) * draw(
        st.sampled_from([1e-3, 1, 30]))
    return np.array(values, order=draw(orders))


@st.composite
def networks(draw):
    """Draw (X, Y, parameters) of a network with a sigmoid output."""
    sizes = [*draw(st.lists(st.integers(1, 6), min_size=1, max_size=4)), 1]
    m = draw(st.integers(1, 12))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    X = np.array(rng.standard_normal((sizes[0], m)), order=draw(orders))
    Y = rng.integers(0, 2, (1, m))
    parameters = {}
    for l in range(1, len(sizes)):
        W = rng.standard_normal((sizes[l], sizes[l - 1]))
        parameters[f"W{l}"] = np.array(W, order=draw(orders))
        parameters[f"b{l}"] = rng.standard_normal((sizes[l], 1))
    return X, Y.astype(draw(st.sampled_from([np.int64, np.float64, np.bool_]))), parameters


def flower(m=400):
    """Return the course's planar data as X (2, m) and Y (1, m)."""
    from fastnn.datasets import make_flower

    X, y = make_flower(m, random_state=1)
    return X.T, y[None]


def close(actual, expected, roundings, scale=None):
    """Assert |actual - expected| <= roundings * eps * scale, by default the largest |expected|."""
    scale = np.abs(expected).max(initial=0) if scale is None else scale
    np.testing.assert_allclose(actual, expected, rtol=0, atol=roundings * EPS * max(scale, np.finfo(float).tiny))


# ---- Building blocks ------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
@given(Z=matrices())
def test_activations_match_the_reference(name, Z):
    before = Z.copy()
    A, cache = getattr(F, name)(Z)
    # The kernels are accurate to 2 ULP (core/test_vmath.py), the reference similarly; softmax sums up to 7 terms.
    close(A, reference.activate(name, Z), 20)
    assert np.array_equal(cache, before) and np.array_equal(Z, before)
    assert not np.shares_memory(A, Z)
    dA = np.random.default_rng(0).standard_normal(Z.shape)
    dZ = getattr(F, f"{name}_backward")(dA, cache)
    # Computed from A, 1 - A^2 has an absolute error of a few eps; |dA| < 6.
    close(dZ, reference.activate_backward(name, dA, Z), 40, scale=6)
    assert np.array_equal(Z, before)


@pytest.mark.parametrize("name", ["sigmoid", "tanh", "relu", "leaky_relu"])
def test_activations_take_any_shape(name):
    for Z in (0.5, [1, -2], np.zeros((2, 3, 4)), np.float32([[1, 2]]), np.arange(6).reshape(2, 3)[:, ::2]):
        A, cache = getattr(F, name)(Z)
        assert A.shape == cache.shape == np.shape(Z) and A.dtype == np.float64
        close(A, reference.activate(name, np.asarray(Z, float)), 20)


@given(st.data())
def test_linear_blocks_match_numpy(data):
    n, n_prev, m = (data.draw(st.integers(1, 8)) for _ in range(3))
    A, W, b, dZ = (data.draw(matrices(shape)) for shape in ((n_prev, m), (n, n_prev), (n, 1), (n, m)))
    Z, cache = F.linear_forward(A, W, b)
    # Sums of at most 9 products each.
    close(Z, W @ A + b, 20, scale=(np.abs(W) @ np.abs(A) + np.abs(b)).max())
    assert cache[0] is A and cache[1] is W and cache[2] is b
    dA_prev, dW, db = F.linear_backward(dZ, cache)
    close(dA_prev, W.T @ dZ, 20, scale=(np.abs(W.T) @ np.abs(dZ)).max())
    close(dW, dZ @ A.T / m, 24, scale=(np.abs(dZ) @ np.abs(A.T)).max() / m)
    close(db, dZ.sum(axis=1, keepdims=True) / m, 24, scale=np.abs(dZ).sum(axis=1).max() / m)
    assert dA_prev.shape == A.shape and dW.shape == W.shape and db.shape == b.shape


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), n=st.integers(1, 6), n_prev=st.integers(1, 6), m=st.sampled_from([1, 2, 5, 9, 1023, 1025, 2100]))
def test_activation_blocks_match_numpy(name, data, n, n_prev, m):
    """All storage orders, more and fewer examples than units, and more examples than a tile of the kernels, 1024."""
    A_prev, W, b, dA = (data.draw(matrices(shape)) for shape in ((n_prev, m), (n, n_prev), (n, 1), (n, m)))
    A, (linear_cache, Z) = F.linear_activation_forward(A_prev, W, b, name)
    # Sums of at most 7 terms.
    close(Z, W @ A_prev + b, 20, scale=(np.abs(W) @ np.abs(A_prev) + np.abs(b)).max())
    close(A, reference.activate(name, Z), 20)
    assert np.array_equal(F.linear_forward(A_prev, W, b)[0], Z) or name == "softmax"  # another storage order
    dA_prev, dW, db = F.linear_activation_backward(dA, (linear_cache, Z), name)
    dZ = reference.activate_backward(name, dA, Z)
    # The bound of test_activations_match_the_reference on each dZ, which enters sums of n, m and m terms; |g'| <= 1.
    size = np.abs(dA).max() * (2 if name == "softmax" else 1)
    close(dA_prev, W.T @ dZ, 60, scale=size * np.abs(W).sum(axis=0).max())
    close(dW, dZ @ A_prev.T / m, 60 + m, scale=size * np.abs(A_prev).max())
    close(db, dZ.sum(axis=1, keepdims=True) / m, 60 + m, scale=size)


@pytest.mark.parametrize("order_X", ["C", "F"])
@pytest.mark.parametrize("order_W", ["C", "F"])
def test_arrays_in_core_layout_are_not_copied(order_X, order_W):
    """No call allocates half as much as X, the largest array; caches hold the arguments themselves."""
    rng = np.random.default_rng(0)
    n_x, n, m = 5000, 4, 200
    X, W = np.array(rng.random((n_x, m)), order=order_X), np.array(rng.random((n, n_x)), order=order_W)
    b, w, Y = np.zeros((n, 1)), np.zeros((n_x, 1)), rng.integers(0, 2, (1, m))
    parameters = {"W1": W, "b1": b, "W2": np.ones((1, n)), "b2": np.zeros((1, 1))}
    Z, cache = F.linear_forward(X, W, b)
    AL, caches = F.L_model_forward(X, parameters)
    for call in (lambda: F.linear_forward(X, W, b), lambda: F.L_model_forward(X, parameters),
                 lambda: F.L_model_backward(AL, Y, caches), lambda: F.propagate(w, 0.0, X, Y),
                 lambda: F.predict(X, None, parameters)):
        call()
        tracemalloc.start()
        call()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < X.nbytes / 2
    assert cache[0] is X and cache[1] is W and cache[2] is b and caches[0][0][0] is X
    assert F.relu(Z)[1] is Z


@given(networks())
def test_whole_passes_match_numpy_and_the_reference(case):
    X, Y, parameters = case
    AL, caches = F.L_model_forward(X, parameters)
    expected, cache = numpy_forward(X, parameters)
    L = len(parameters) // 2
    # Each layer multiplies an error by at most the sum of |W| over a row and adds a few roundings.
    growth = np.prod([1 + np.abs(parameters[f"W{l}"]).sum() for l in range(1, L + 1)]) * (1 + np.abs(X).max())
    close(AL, expected, 40, scale=growth)
    assert len(caches) == L
    grads = F.L_model_backward(AL, Y, caches, input_gradient=True)
    Y = Y.astype(float)
    oracle = reference.gradients(X, Y, [parameters[f"W{l}"] for l in range(1, L + 1)],
                                 [parameters[f"b{l}"] for l in range(1, L + 1)],
                                 ["relu"] * (L - 1) + ["sigmoid"], "binary_cross_entropy")
    if all(np.abs(Z).min() > 40 * EPS * growth for Z, _ in cache[1:L]):  # away from relu's kink
        for l in range(1, L + 1):
            close(grads[f"dW{l}"], oracle[1][l - 1], 100, scale=growth**2)
            close(grads[f"db{l}"], oracle[2][l - 1], 100, scale=growth**2)
    assert set(grads) == {f"d{s}{l}" for l in range(1, L + 1) for s in "Wb"} | {f"dA{l}" for l in range(L)}
    assert "dA0" not in F.L_model_backward(AL, Y, caches)
    nearest = min(AL.min(), (1 - AL).min())
    if nearest > 0:  # at AL = 0 or 1 the cost may be infinite; the reference computes it from Z
        close(F.compute_cost(AL, Y), oracle[0], 100, scale=growth / nearest)


def test_cost_of_probabilities_zero_and_one():
    assert F.compute_cost([[1.0, 0.0]], [[1, 0]]) == 0
    assert F.compute_cost([[0.0, 0.5]], [[1, 0]]) == np.inf
    half = F.compute_cost(np.full((1, 4), 0.5), np.array([[True, False, True, True]]))
    assert half == pytest.approx(np.log(2), rel=1e-15)
    soft = F.compute_cost([[0.25, 0.5]], [[0.5, 1.0]])
    assert soft == pytest.approx(-(0.5 * np.log(0.25) + 0.5 * np.log(0.75) + np.log(0.5)) / 2, rel=1e-15)


TINY = {"W1": np.array([[1.0, -1.0]]), "b1": np.array([[0.5]])}


def test_update_returns_new_arrays():
    parameters = {key: value.copy() for key, value in TINY.items()}
    before = {key: value.copy() for key, value in parameters.items()}
    updated = F.update_parameters(parameters, {"dW1": np.ones((1, 2)), "db1": np.ones((1, 1))}, 0.25)
    assert all(np.array_equal(parameters[key], before[key]) for key in before)
    assert np.array_equal(updated["W1"], [[0.75, -1.25]]) and np.array_equal(updated["b1"], [[0.25]])


def test_predict_prints_the_accuracy_if_labels_are_given(capsys):
    p = F.predict(np.array([[2.0, 0.0], [0.0, 2.0]]), np.array([[1, 1]]), TINY)
    assert np.array_equal(p, [[1, 0]]) and p.dtype == np.float64
    assert capsys.readouterr().out == "Accuracy: 0.5\n"
    assert F.predict(np.zeros((2, 3)), None, TINY).shape == (1, 3) and capsys.readouterr().out == ""


@given(value=matrices(), order=orders)
def test_update_accepts_mixed_storage_orders(value, order):
    gradient = np.array(np.random.default_rng(1).standard_normal(value.shape), order=order)
    wide = np.tile(value, (1, 300))  # longer than a chunk of the kernel
    for W, dW in ((value, gradient), (wide, np.tile(gradient, (1, 300)))):
        before, b = W.copy(), np.ones((len(W), 1))
        updated = F.update_parameters({"W1": W, "b1": b}, {"dW1": dW, "db1": b}, 0.3)["W1"]
        # Two roundings, or one with a fused multiply-add.
        close(updated, W - 0.3 * dW, 2, scale=np.abs(W).max() + 0.3 * np.abs(dW).max())
        assert np.array_equal(W, before) and not np.shares_memory(updated, W)


def test_initialisation_uses_numpys_global_generator():
    np.random.seed(1)
    two = F.initialize_parameters(3, 2, 1)
    deep = F.initialize_parameters_deep([5, 4, 3])
    np.random.seed(1)
    assert np.array_equal(two["W1"], np.random.randn(2, 3) * 0.01)
    assert np.array_equal(two["W2"], np.random.randn(1, 2) * 0.01)
    assert np.array_equal(deep["W1"], np.random.randn(4, 5) / np.sqrt(5))
    assert np.array_equal(deep["W2"], np.random.randn(3, 4) / np.sqrt(4))
    assert not any(value.any() for key, value in {**two, **deep}.items() if key[0] == "b")
    w, b = F.initialize_with_zeros(3)
    assert w.shape == (3, 1) and not w.any() and b == 0.0 and isinstance(b, float)


# ---- Whole models ------------------------------------------------------------


@pytest.mark.parametrize("n_threads", [1, 2])
def test_nn_model_matches_numpy_descent(n_threads):
    X, Y = flower()
    np.random.seed(3)
    start = F.initialize_parameters(2, 4, 1)
    expected, _ = numpy_descent(X, Y, start, 1.2, 2000, "tanh")
    np.random.seed(3)
    parameters = F.nn_model(X, Y, 4, num_iterations=2000, n_threads=n_threads)
    for key in expected:
        np.testing.assert_allclose(parameters[key], expected[key], rtol=1e-9, atol=1e-9)
    AL, _ = numpy_forward(X, parameters, "tanh")
    assert np.mean((AL > 0.5) == Y) >= 0.88


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize(("n_x", "m"), [(300, 60), (3000, 70)])  # at 3000, BLAS packs its operands
def test_L_layer_model_matches_numpy_descent(n_x, m, n_threads):
    rng = np.random.default_rng(0)
    X, dims = rng.random((n_x, m)), [n_x, 20, 7, 5, 1]
    Y = (X[: n_x // 2].sum(axis=0) > X[n_x // 2 :].sum(axis=0))[None].astype(int)
    np.random.seed(1)
    start = F.initialize_parameters_deep(dims)
    kept = {key: value.copy() for key, value in start.items()}
    expected, costs = numpy_descent(X, Y, start, 0.0075, 1001)
    parameters, actual = F.L_layer_model(X, Y, dims, num_iterations=1001, parameters=start, n_threads=n_threads)
    assert len(actual) == 11
    np.testing.assert_allclose(actual, costs, rtol=1e-9)
    for key in expected:
        assert np.array_equal(start[key], kept[key])
        np.testing.assert_allclose(parameters[key], expected[key], rtol=1e-9, atol=1e-9)
    np.random.seed(1)
    assert F.L_layer_model(X, Y, dims, num_iterations=101, n_threads=n_threads)[1] == actual[:2]


def test_two_layer_model_matches_numpy_descent(capsys):
    rng = np.random.default_rng(0)
    X = rng.random((50, 30))
    Y = (X[0] > 0.5)[None]
    np.random.seed(1)
    start = F.initialize_parameters(50, 7, 1)
    _, costs = numpy_descent(X, Y.astype(int), start, 0.0075, 301)
    np.random.seed(1)
    _, actual = F.two_layer_model(X, Y, (50, 7, 1), num_iterations=301, print_cost=True)
    np.testing.assert_allclose(actual, costs, rtol=1e-9)
    printed = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in printed] == [f"Cost after iteration {i}" for i in (0, 100, 200, 300)]


def test_logistic_regression_matches_numpy_descent():
    rng = np.random.default_rng(0)
    X = rng.random((40, 50))
    Y = (X[0] + 0.1 * rng.standard_normal(50) > 0.5)[None].astype(int)
    start = {"W1": np.zeros((1, 40)), "b1": np.zeros((1, 1))}
    expected, costs = numpy_descent(X, Y, start, 0.05, 501)
    d = F.logistic_regression(X, Y, X[:, :10], Y[:, :10], num_iterations=501, learning_rate=0.05)
    np.testing.assert_allclose(d["costs"], costs, rtol=1e-9)
    np.testing.assert_allclose(d["w"], expected["W1"].T, rtol=1e-9, atol=1e-12)
    assert d["b"] == pytest.approx(float(expected["b1"][0, 0]), rel=1e-9)
    assert d["Y_prediction_train"].shape == (1, 50) and d["Y_prediction_test"].shape == (1, 10)
    w, b = F.initialize_with_zeros(40)
    grads, cost = F.propagate(w, b, X, Y)
    assert cost == pytest.approx(np.log(2), rel=1e-14) and grads["dw"].shape == (40, 1)
    params, grads, costs = F.optimize(w, b, X, Y, num_iterations=1, learning_rate=0.05)
    np.testing.assert_allclose(params["w"], -0.05 * grads["dw"], rtol=1e-15)
    assert costs == [pytest.approx(np.log(2), rel=1e-14)] and not w.any()
