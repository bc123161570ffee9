"""Logistic regression as a network of one unit, as the course's first exercise names its parts."""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import validation
from fastnn._core._blocks import ANY, as_matrix, product
from fastnn.functional.activations import sigmoid
from fastnn.functional.blocks import compute_cost
from fastnn.functional.models import descend

__all__ = ["initialize_with_zeros", "logistic_regression", "optimize", "propagate"]


def initialize_with_zeros(dim: int) -> tuple[NDArray[Any], float]:
    """Return w = zeros (dim, 1) and b = 0.0."""
    return np.zeros((validation.count(dim, "dim"), 1)), 0.0


def _activations(w: NDArray[Any], b: float, X: NDArray[Any]) -> NDArray[Any]:
    Z = product(w, X, transpose_A=True)
    Z += b
    return sigmoid(Z)[0]


def _checked(w: ArrayLike, b: Any, X: ArrayLike) -> tuple[NDArray[Any], float, NDArray[Any]]:
    w = as_matrix(w, "w", ANY, 1, "(n_x, 1)")
    X = as_matrix(X, "X", w.shape[0], ANY, "(n_x, m)")
    if np.size(b) != 1:
        raise ValueError(f"b must be a number, got shape {np.shape(b)}")
    return w, float(np.asarray(b).reshape(())), X


def propagate(w: ArrayLike, b: float, X: ArrayLike, Y: ArrayLike) -> tuple[dict[str, Any], float]:
    """Return the gradients {"dw": (n_x, 1), "db": float} and the cost of logistic regression.

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
    """Run gradient descent on w and b.

    Returns
    -------
    params : dict
        {"w": (n_x, 1), "b": float}; the given w is not changed.
    grads : dict
        {"dw", "db"} of the last iteration, before its update.
    costs : list of float
        J before the update, at every 100th iteration from 0.
    """
    w, b, X = _checked(w, b, X)
    last = validation.count(num_iterations, "num_iterations", 0) - 1
    X, start = np.asfortranarray(X), {"W1": w.T, "b1": np.full((1, 1), b)}
    how: dict[str, Any] = {"learning_rate": learning_rate, "print_cost": print_cost, "n_threads": n_threads}
    before, costs = descend(X, Y, start, "identity", num_iterations=max(last, 0), **how)
    grads, cost = propagate(before["W1"].T, before["b1"][0, 0], X, Y)
    if last < 0:
        return {"w": w.copy(), "b": b}, grads, costs
    if last % 100 == 0:
        costs.append(cost)
        if print_cost:
            print(f"Cost after iteration {last}: {cost}")
    params = {"w": before["W1"].T - learning_rate * grads["dw"], "b": before["b1"][0, 0] - learning_rate * grads["db"]}
    return params, grads, costs


def logistic_regression(X_train: ArrayLike, Y_train: ArrayLike, X_test: ArrayLike, Y_test: ArrayLike,
                        num_iterations: int = 2000, learning_rate: float = 0.5, print_cost: bool = False, *,
                        n_threads: int | None = None) -> dict[str, Any]:
    """Train logistic regression from zeros and report on both sets, as the course's `model`.

    Parameters
    ----------
    X_train, X_test : array_like (n_x, m)
    Y_train, Y_test : array_like (1, m)
        0 and 1.
    num_iterations : int, default 2000
    learning_rate : float, default 0.5
    print_cost : bool
        Print the cost at every 100th iteration, and both accuracies at the end.

    Returns
    -------
    dict
        costs, Y_prediction_test, Y_prediction_train (1, m), w, b, learning_rate, num_iterations.
    """
    w, b = initialize_with_zeros(np.shape(X_train)[0])
    params, _, costs = optimize(w, b, X_train, Y_train, num_iterations, learning_rate, print_cost, n_threads=n_threads)
    predictions = {}
    for name, X, Y in (("test", X_test, Y_test), ("train", X_train, Y_train)):
        A = _activations(*_checked(params["w"], params["b"], X))
        predictions[name] = (A > 0.5).astype(np.float64)
        if print_cost:
            right = np.mean(predictions[name] == as_matrix(Y, f"Y_{name}", *A.shape, "(1, m)"))
            print(f"{name} accuracy: {100 * right} %")
    return {"costs": costs, "Y_prediction_test": predictions["test"], "Y_prediction_train": predictions["train"],
            "w": params["w"], "b": params["b"], "learning_rate": learning_rate, "num_iterations": num_iterations}
