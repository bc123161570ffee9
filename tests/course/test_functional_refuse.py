"""fastnn.functional: errors for invalid arguments; any array layout is accepted and no argument is modified."""

import numpy as np
import pytest

from fastnn import functional as F

P = {"W1": np.ones((2, 3)), "b1": np.ones((2, 1)), "W2": np.ones((1, 2)), "b2": np.ones((1, 1))}
X, Y = np.linspace(-1, 1, 15).reshape(3, 5), np.array([[0, 1, 0, 1, 1]])
AL, CACHES = F.L_model_forward(X, P)
GRADS = F.L_model_backward(AL, Y, CACHES)


def without(mapping, *names):
    return {key: value for key, value in mapping.items() if key not in names}


@pytest.mark.parametrize(("call", "error", "text"), [
    (lambda: F.linear_forward(np.ones((3, 2)), np.ones((4, 5)), np.ones((4, 1))), ValueError,
     r"A_prev .*\(5, m\).*\(3, 2\)"),
    (lambda: F.linear_forward(np.ones((5, 2)), np.ones((4, 5)), np.ones(4)), ValueError,
     r"b .*\(n\[l\], 1\).*\(4, 1\)"),
    (lambda: F.linear_forward(np.ones((5, 2)), np.ones((4, 5)) * 1j, np.ones((4, 1))), TypeError, "W must hold real"),
    (lambda: F.linear_activation_forward(np.ones((5, 2)), np.ones((4, 5)), np.ones((4, 1)), "swish"), ValueError,
     "sigmoid"),
    (lambda: F.linear_backward(np.ones((3, 2)), (np.ones((5, 2)), np.ones((4, 5)), 0)), ValueError, r"dZ .*\(4, 2\)"),
    (lambda: F.linear_backward(np.ones((3, 2)), 7), ValueError, "cache"),
    (lambda: F.sigmoid_backward(np.ones((3, 2)), np.ones((3, 3))), ValueError, "dA"),
    (lambda: F.L_model_forward(np.ones((3, 2)), {}), KeyError, "W1"),
    (lambda: F.L_model_forward(np.ones((3, 2)), {"W1": np.ones((1, 4)), "b1": np.ones((1, 1))}), ValueError, "layer 1"),
    (lambda: F.compute_cost(np.ones((1, 3)), np.ones((1, 4))), ValueError, "Y"),
    (lambda: F.L_layer_model(np.ones((3, 2)), [[0, 1]], [4, 1]), ValueError, "X"),
    (lambda: F.L_layer_model(np.ones((3, 2)), [[0, 2]], [3, 1]), ValueError, "0 and 1"),
    (lambda: F.L_layer_model(np.ones((3, 2)), [[0, 1]], [3, 1], parameters={"W1": np.ones((1, 3))}), KeyError,
     "got W1"),
    (lambda: F.L_layer_model(np.full((3, 2), np.nan), [[0, 1]], [3, 1]), ValueError, "NaN"),
    (lambda: F.two_layer_model(np.ones((3, 2)), [[0, 1]], [3, 1]), ValueError, "n_h"),
    (lambda: F.nn_model(np.ones((3, 2)), [[0, 1]], 0), ValueError, r"n\[1\]"),
    (lambda: F.optimize(np.ones((3, 1)), 0.0, np.ones((3, 2)), [[0, 1]], -1), ValueError, "num_iterations"),
    (lambda: F.optimize(np.ones((3, 1)), 0.0, np.full((3, 2), np.inf), [[0, 1]], 1), ValueError, "X holds infinity"),
    (lambda: F.optimize(np.full((3, 1), np.inf), 0.0, np.ones((3, 2)), [[0, 1]], 1), ValueError, r"W\[1\] holds inf"),
    (lambda: F.optimize(np.ones((3, 1)), 0.0, np.ones((3, 2)), [[0, 2]], 1), ValueError, "Y must hold 0 and 1"),
    (lambda: F.optimize(np.ones((3, 1)), 0.0, np.ones((3, 2)), [[0, 1]], 1, 0), ValueError, "learning_rate"),
    (lambda: F.linear_backward(np.ones((4, 0)), (np.ones((5, 0)), np.ones((4, 5)), 0)), ValueError, "one example"),
    (lambda: F.compute_cost(np.ones((1, 0)), np.ones((1, 0))), ValueError, "one example"),
    (lambda: F.propagate(np.ones((3, 1)), [1, 2], np.ones((3, 2)), [[0, 1]]), ValueError, "b must"),
    (lambda: F.update_parameters({"W1": np.ones((1, 2)), "b1": np.ones((1, 1))},
                                 {"dW1": np.ones((2, 1)), "db1": np.ones((1, 1))}, 1), ValueError, "dW1"),
    # Dictionaries: missing and unknown keys
    (lambda: F.L_model_forward(X, without(P, "b2")), KeyError, "W1, b1, W2"),
    (lambda: F.L_model_forward(X, without(P, "W1")), KeyError, "b1, W2, b2"),
    (lambda: F.L_model_forward(X, {**P, "learning_rate": 1, "m": 5}), KeyError, "nothing else, got .*learning_rate"),
    (lambda: F.L_model_forward(X, [1, 2]), TypeError, "parameters must be a dict .*got list"),
    (lambda: F.update_parameters(None, GRADS, 0.1), TypeError, "parameters must be a dict"),
    (lambda: F.update_parameters(P, None, 0.1), TypeError, "grads must be a dict"),
    (lambda: F.update_parameters(P, without(GRADS, "db2"), 0.1), KeyError, "db2 is missing"),
    (lambda: F.update_parameters(P, GRADS, "fast"), TypeError, "learning_rate must be a number"),
    (lambda: F.update_parameters(P, GRADS, np.nan), ValueError, "learning_rate must be finite"),
    (lambda: F.update_parameters({**P, "b1": [["a"], ["b"]]}, GRADS, 0.1), TypeError, "b1 must hold real"),
    (lambda: F.update_parameters(P, {**GRADS, "dW2": [[1j, 0]]}, 0.1), TypeError, "dW2 must hold real"),
    (lambda: F.L_layer_model(X, Y, [3, 2], parameters=P), ValueError, r"of 1 layers for the sizes \[3, 2\], got 2"),
    (lambda: F.L_layer_model(X, Y, [3, 2, 1], parameters=[P]), TypeError, "parameters must be a dict"),
    (lambda: F.L_layer_model(X, Y, [3, 2, 1], parameters={**P, "b1": np.ones(2)}), ValueError,
     r"b1 must have shape \(n\[1\], 1\) = \(2, 1\), got \(2,\)"),
    (lambda: F.L_layer_model(X, Y, [3, 4, 1], parameters=P), ValueError,
     r"W1 must have shape \(n\[1\], n\[0\]\) = \(4, 3\), got \(2, 3\)"),
    (lambda: F.L_layer_model(X, Y, None), TypeError, "layers_dims"),
    (lambda: F.initialize_parameters_deep([3]), ValueError, "layer_dims"),
    # Arrays
    (lambda: F.sigmoid([[1, 2], [3]]), ValueError, "Z must be an array of numbers"),
    (lambda: F.relu(np.ma.array([1.0, 2.0], mask=[False, True])), ValueError, "Z has masked entries"),
    (lambda: F.linear_forward(np.ones((0, 5)), np.ones((2, 0)), np.ones((2, 1))), ValueError, "W must have at least"),
    (lambda: F.compute_cost(np.ones((0, 3)), np.ones((0, 3))), ValueError, "at least one unit"),
    (lambda: F.propagate(np.ones((3, 1)), None, X, Y), TypeError, "b must hold real numbers"),
    (lambda: F.propagate(np.ones((3, 1)), "0.5", X, Y), TypeError, "b must hold real numbers"),
    (lambda: F.propagate(np.ones((3, 1)), 0.0, X[:, :0], Y[:, :0]), ValueError, r"X must hold .*\(3, 0\)"),
    (lambda: F.propagate(np.ones((0, 1)), 0.0, X[:0], Y), ValueError, r"X must hold .*\(0, 5\)"),
    (lambda: F.optimize(np.ones((3, 1)), 0.0, X[:, :0], Y[:, :0], 1), ValueError, r"X must hold .*\(3, 0\)"),
    (lambda: F.nn_model(X[:, :0], Y[:, :0], 4), ValueError, r"X must hold .*\(3, 0\)"),
    (lambda: F.nn_model(1, Y, 4), ValueError, r"X must have shape \(n_x, m\), got \(\)"),
    (lambda: F.nn_model(X, Y[0], 4), ValueError, r"Y must have shape \(n_y, m\) .*got \(5,\)"),
    (lambda: F.nn_model(X, np.full((1, 5), np.nan), 4), ValueError, "Y must hold 0 and 1"),
    # Checked before the first iteration: a million iterations would take minutes
    (lambda: F.logistic_regression(1, Y, X, Y, 10**6), ValueError, r"X_train must have shape \(n_x, m\), got \(\)"),
    (lambda: F.logistic_regression(X, Y, X[:2], Y, 10**6), ValueError, r"X_test must .*\(3, m\), got \(2, 5\)"),
    (lambda: F.logistic_regression(X, Y[:, :4], X, Y, 10**6), ValueError, r"Y_train .*\(1, 5\), got \(1, 4\)"),
    (lambda: F.logistic_regression(X, Y, X, Y[:, :4], 10**6), ValueError, r"Y_test .*\(1, 5\), got \(1, 4\)"),
    # Backward pass: the error names the layer and the array
    (lambda: F.L_model_backward(AL[:, :4], Y[:, :4], CACHES), ValueError,
     r"layer 2: Z of the cache .* of AL, .*\(1, 4\), got \(1, 5\)"),
    (lambda: F.L_model_backward(AL, Y, CACHES[::-1]), ValueError, "layer 2: Z of the cache"),
    (lambda: F.L_model_backward(AL, Y, [7, CACHES[1]]), ValueError, "layer 1: cache must be the tuple"),
    (lambda: F.L_model_backward(AL, Y, [CACHES[0], CACHES[1][0]]), ValueError, "layer 2: cache must be the tuple"),
    (lambda: F.L_model_backward(AL, [["a"] * 5], CACHES), TypeError, "Y must hold real numbers"),
])
def test_invalid_arguments_raise(call, error, text, capfd):
    with pytest.raises(error, match=text):
        call()
    assert capfd.readouterr() == ("", "")  # BLAS prints its complaints


def run_everything(X, Y, parameters, w):
    """Return the results of all functions for these arrays."""
    AL, caches = F.L_model_forward(X, parameters)
    grads = F.L_model_backward(AL, Y, caches, input_gradient=True)
    results = [AL, *grads.values(), *F.update_parameters(parameters, grads, 0.1).values(), F.compute_cost(AL, Y),
               F.predict(X, None, parameters), *F.propagate(w, 0.5, X, Y)[0].values(),
               *F.optimize(w, 0.5, X, Y, 3)[0].values(), F.logistic_regression(X, Y, X, Y, 3)["w"],
               *F.L_layer_model(X, Y, [3, 2, 1], num_iterations=3, parameters=parameters)[0].values()]
    for name in ("sigmoid", "tanh", "relu", "leaky_relu", "softmax"):
        A, cache = getattr(F, name)(X)
        results += [A, getattr(F, f"{name}_backward")(X, cache)]
    return results


def read_only(array):
    array = np.array(array)
    array.flags.writeable = False
    return array


LAYOUTS = {
    "read-only": read_only,
    "column-major": np.asfortranarray,
    "every second entry": lambda array: np.repeat(np.repeat(array, 2, axis=0), 2, axis=1)[::2, ::2],
    "backward": lambda array: np.array(array[::-1, ::-1])[::-1, ::-1],
    "big-endian": lambda array: array.astype(">f8"),
    "unaligned": lambda array: np.frombuffer(b"x" + array.astype(float).tobytes(), np.uint8)[1:].view(float).reshape(
        array.shape),
    "a list": lambda array: array.tolist(),
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_any_array_layout_is_read_and_not_modified(layout):
    """Entries and sums are of order 1, so another order of summation changes a few roundings."""
    change, w = LAYOUTS[layout], np.full((3, 1), 0.25)
    expected = run_everything(X, Y.astype(float), P, w)
    given = [change(X), change(Y.astype(float)), {key: change(value) for key, value in P.items()}, change(w)]
    before = repr(given)
    for actual, right in zip(run_everything(*given), expected, strict=True):
        np.testing.assert_allclose(actual, right, rtol=0, atol=100 * np.finfo(float).eps)
    assert repr(given) == before


@pytest.mark.parametrize("dtype", [np.int64, np.uint8, np.bool_, np.float32])
def test_labels_of_any_dtype_give_equal_results(dtype):
    for call in (lambda Y: F.compute_cost(AL, Y), lambda Y: F.L_model_backward(AL, Y, CACHES)["dW1"],
                 lambda Y: F.propagate(np.zeros((3, 1)), 0.0, X, Y)[0]["dw"],
                 lambda Y: F.L_layer_model(X, Y, [3, 2, 1], num_iterations=3, parameters=P)[1]):
        assert np.array_equal(call(Y.astype(dtype)), call(Y.astype(float)))


def test_results_are_float64_copies():
    small = {key: value.astype(np.float32) for key, value in P.items()}
    assert all(value.dtype == np.float64 for value in F.update_parameters(small, GRADS, 0.1).values())
    assert F.linear_forward(X.astype(np.float32), small["W1"], small["b1"])[0].dtype == np.float64
    trained, _ = F.L_layer_model(X, Y, [3, 2, 1], num_iterations=0, parameters=P)
    for key, value in trained.items():
        assert np.array_equal(value, P[key]) and not np.shares_memory(value, P[key]) and value.flags.writeable
