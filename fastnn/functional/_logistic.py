"""Logistic regression, the network of a single unit."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import runtime
from fastnn._core import kernels
from fastnn._core.course import ANY, as_matrix, as_real, moved, product, zeros
from fastnn._data import checks
from fastnn.functional._activations import sigmoid
from fastnn.functional._blocks import compute_cost
from fastnn.functional._models import COST_EVERY, descend
from fastnn.functional._parameters import ParameterDict, as_examples, check_binary

__all__ = ["initialize_with_zeros", "logistic_regression", "optimize", "propagate"]


def initialize_with_zeros(dim: int) -> tuple[NDArray[Any], float]:
    """Return w = zeros (dim, 1) and b = 0.0."""
    return zeros(checks.count(dim, "dim")), 0.0


def _activations(w: NDArray[Any], b: float, X: NDArray[Any]) -> NDArray[Any]:
    Z = product(w, X, transpose_A=True)
    Z += b
    return sigmoid(Z)[0]


def _checked(w: ArrayLike, b: Any, X: ArrayLike) -> tuple[NDArray[Any], float, NDArray[Any]]:
    w = as_matrix(w, "w", ANY, 1, "(n_x, 1)")
    X = as_examples(X, "X", w.shape[0])
    if not isinstance(b, float):
        b = as_real(b, "b")
        if b.size != 1:
            raise ValueError(f"b must be a number, got shape {b.shape}")
        b = b.item()
    return w, float(b), X


def propagate(w: ArrayLike, b: float, X: ArrayLike, Y: ArrayLike) -> tuple[dict[str, Any], float]:
    """Return the gradients {"dw": ndarray (n_x, 1), "db": float} and the cost of logistic regression.

    dw = 1/m X (A - Y)^T, db = 1/m sum(A - Y), A = sigmoid(w^T X + b).

    Parameters
    ----------
    w : array_like (n_x, 1)
    b : float
    X : array_like (n_x, m)
    Y : array_like (1, m)
        0 and 1.
    """
    w, b, X = _checked(w, b, X)
    m = X.shape[1]
    Y = as_matrix(Y, "Y", 1, m, "(1, m)")
    A = _activations(w, b, X)
    dZ = A - Y
    return {"dw": product(X, dZ, transpose_B=True, alpha=1 / m), "db": float(dZ.sum() / m)}, compute_cost(A, Y)


def optimize(w: ArrayLike, b: float, X: ArrayLike, Y: ArrayLike, num_iterations: int = 100,
             learning_rate: float = 0.009, print_cost: bool = False, *,
             n_threads: int | None = None) -> tuple[dict[str, Any], dict[str, Any], list[float]]:
    """Minimise the cost by gradient descent on w and b.

    Parameters
    ----------
    w, b, X, Y
        As for `propagate`.
    num_iterations : int, default 100
    learning_rate : float, default 0.009
    print_cost : bool
        Print the cost every 100 iterations.
    n_threads : int, optional
        Maximum number of threads.

    Returns
    -------
    params : dict
        {"w": ndarray (n_x, 1), "b": float}; the given w is not changed.
    grads : dict
        {"dw", "db"} of the last iteration, before its update.
    costs : list of float
        J before the update of iterations 0, 100, 200, ...
    """
    w, b, X = _checked(w, b, X)
    last = checks.count(num_iterations, "num_iterations", 0) - 1
    rate = checks.number(learning_rate, "learning_rate", above=0)
    if n_threads is not None:
        runtime.thread_count(n_threads)
    Y = as_matrix(Y, "Y", 1, X.shape[1], "(1, m)")
    check_binary(Y, "Y")
    costs: list[float] = []
    w_last, b_last = w, b
    if last > 0:
        before, costs = _descend(w, b, X, Y, num_iterations=last, learning_rate=rate, print_cost=print_cost,
                                 n_threads=n_threads)
        w_last, b_last = before["W1"].T, float(before["b1"][0, 0])
    grads, cost = propagate(w_last, b_last, X, Y)
    # A NaN or infinity in X also appears in dw. Run the validating path to raise the proper error.
    if not (kernels.all_finite(w, runtime.LEVEL) and kernels.all_finite(grads["dw"], runtime.LEVEL)):
        _descend(w, b, X, Y, num_iterations=0, learning_rate=rate, print_cost=False, n_threads=n_threads)
    if last < 0:
        return {"w": w.copy(), "b": b}, grads, costs
    if last % COST_EVERY == 0:
        costs.append(cost)
        if print_cost:
            print(f"Cost after iteration {last}: {cost}")
    params = {"w": moved(w_last, grads["dw"], rate, "w", "dw", runtime.LEVEL), "b": b_last - rate * grads["db"]}
    return params, grads, costs


def _descend(w: NDArray[Any], b: float, X: NDArray[Any], Y: NDArray[Any],
             **options: Any) -> tuple[ParameterDict, list[float]]:
    return descend(X, Y, {"W1": w.T, "b1": np.full((1, 1), b)}, (len(w), 1), "identity", **options)


def logistic_regression(X_train: ArrayLike, Y_train: ArrayLike, X_test: ArrayLike, Y_test: ArrayLike,
                        num_iterations: int = 2000, learning_rate: float = 0.5, print_cost: bool = False, *,
                        n_threads: int | None = None) -> dict[str, Any]:
    """Train logistic regression from zeros and predict both sets: the course's `model`.

    Parameters
    ----------
    X_train, X_test : array_like (n_x, m)
    Y_train, Y_test : array_like (1, m)
        0 and 1.
    num_iterations : int, default 2000
    learning_rate : float, default 0.5
    print_cost : bool
        Print the cost every 100 iterations, and both accuracies at the end.

    Returns
    -------
    dict
        The keys costs, Y_prediction_test, Y_prediction_train (both (1, m)), w, b, learning_rate, num_iterations.
    """
    X_train = as_examples(X_train, "X_train")
    X_test = as_examples(X_test, "X_test", len(X_train))
    Y_train = as_matrix(Y_train, "Y_train", 1, X_train.shape[1], "(1, m)")
    Y_test = as_matrix(Y_test, "Y_test", 1, X_test.shape[1], "(1, m)")
    w, b = initialize_with_zeros(len(X_train))
    params, _, costs = optimize(w, b, X_train, Y_train, num_iterations, learning_rate, print_cost, n_threads=n_threads)
    predictions = {}
    for name, X, Y in (("test", X_test, Y_test), ("train", X_train, Y_train)):
        A = _activations(*_checked(params["w"], params["b"], X))
        predictions[name] = (A > 0.5).astype(np.float64)
        if print_cost:
            print(f"{name} accuracy: {100 * np.mean(predictions[name] == Y)} %")
    return {"costs": costs, "Y_prediction_test": predictions["test"], "Y_prediction_train": predictions["train"],
            "w": params["w"], "b": params["b"], "learning_rate": learning_rate, "num_iterations": num_iterations}
