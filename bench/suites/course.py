"""Whole models of the course: microseconds per iteration of fastnn.functional and of a student's NumPy, in float64."""

import numpy as np
from measure import microseconds, take_turns, threads

MODELS = {
    "planar 2-4-1, m=400": ([2, 4, 1], 400, "tanh"),
    "cats 12288-20-7-5-1, m=209": ([12288, 20, 7, 5, 1], 209, "relu"),
}


def data(sizes: list[int], m: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    return rng.random((sizes[0], m)), rng.integers(0, 2, (1, m))


def student(X: np.ndarray, Y: np.ndarray, parameters: dict, hidden: str, iterations: int) -> None:
    """The loop of the course's exercises: forward, cost, backward, update."""
    L, m = len(parameters) // 2, X.shape[1]
    for _ in range(iterations):
        A, caches = X, []
        for l in range(1, L + 1):
            A_prev, Z = A, np.dot(parameters[f"W{l}"], A) + parameters[f"b{l}"]
            A = 1 / (1 + np.exp(-Z)) if l == L else np.tanh(Z) if hidden == "tanh" else np.maximum(0, Z)
            caches.append((A_prev, Z, A))
        np.squeeze((-np.dot(Y, np.log(A).T) - np.dot(1 - Y, np.log(1 - A).T)) / m)
        grads, dA = {}, -(np.divide(Y, A) - np.divide(1 - Y, 1 - A))
        for l in range(L, 0, -1):
            A_prev, Z, A = caches[l - 1]
            if l == L:
                dZ = dA * A * (1 - A)
            elif hidden == "tanh":
                dZ = dA * (1 - np.power(A, 2))
            else:
                dZ = np.array(dA, copy=True)
                dZ[Z <= 0] = 0
            grads[f"dW{l}"], grads[f"db{l}"] = np.dot(dZ, A_prev.T) / m, np.sum(dZ, axis=1, keepdims=True) / m
            if l > 1:
                dA = np.dot(parameters[f"W{l}"].T, dZ)
        for key in parameters:
            parameters[key] = parameters[key] - 0.0075 * grads[f"d{key}"]


def work(system: str, model: str, n_threads: int) -> float:
    from fastnn.functional import initialize_parameters_deep
    from fastnn.functional._models import descend

    sizes, m, hidden = MODELS[model]
    X, Y = data(sizes, m)
    parameters = initialize_parameters_deep(sizes)
    few, many = 20, 20 + (5000 if m == 400 else 200)

    def run(iterations: int) -> None:
        if system == "NumPy":
            student(X, Y, dict(parameters), hidden, iterations)
        else:
            descend(X, Y, parameters, sizes, hidden, learning_rate=0.0075, num_iterations=iterations, print_cost=False,
                    n_threads=n_threads)

    once = microseconds(lambda: run(few), seconds=0, rounds=2)  # to subtract the fixed cost of a call
    return (microseconds(lambda: run(many), seconds=0, rounds=2) - once) / (many - few)


def run(options) -> list[dict]:
    print("us per iteration of full-batch gradient descent, float64")
    rows = []
    for model in MODELS:
        for n_threads in threads(options):
            cases = {system: {"system": system, "model": model, "n_threads": n_threads}
                     for system in ("fastnn", "NumPy")}
            figures = take_turns("course", cases, n_threads, options.turns)
            print(f"{model:<28} {n_threads} threads: fastnn {figures['fastnn']:8.1f}, NumPy {figures['NumPy']:8.1f}, "
                  f"{figures['NumPy'] / figures['fastnn']:.2f} x", flush=True)
            rows.append({"model": model, "threads": n_threads, **figures})
    return rows
