"""The functions of the course one by one, fastnn.functional against a student's NumPy, in float64."""

from collections.abc import Callable
from functools import partial
from statistics import median

import numpy as np
from measure import in_process, microseconds, threads

SHAPES = {  # layer sizes, m; the functions of one layer run on the first
    "planar": ([2, 4, 1], 400),
    "medium": ([64, 32, 10], 256),
    "cats": ([12288, 20, 7, 5, 1], 209),
}
SECONDS = 0.03  # per round of one function
RATE = 0.0075


class Student:
    """The course's exercises in NumPy."""

    @staticmethod
    def sigmoid(Z):
        return 1 / (1 + np.exp(-Z)), Z

    @staticmethod
    def tanh(Z):
        return np.tanh(Z), Z

    @staticmethod
    def relu(Z):
        return np.maximum(0, Z), Z

    @staticmethod
    def leaky_relu(Z):
        return np.maximum(0.01 * Z, Z), Z

    @staticmethod
    def softmax(Z):
        e = np.exp(Z - np.max(Z, axis=0, keepdims=True))
        return e / np.sum(e, axis=0, keepdims=True), Z

    @staticmethod
    def sigmoid_backward(dA, Z):
        s = 1 / (1 + np.exp(-Z))
        return dA * s * (1 - s)

    @staticmethod
    def tanh_backward(dA, Z):
        return dA * (1 - np.power(np.tanh(Z), 2))

    @staticmethod
    def relu_backward(dA, Z):
        dZ = np.array(dA, copy=True)
        dZ[Z <= 0] = 0
        return dZ

    @staticmethod
    def leaky_relu_backward(dA, Z):
        return dA * np.where(Z > 0, 1, 0.01)

    @staticmethod
    def softmax_backward(dA, Z):
        A, _ = Student.softmax(Z)
        return A * (dA - np.sum(A * dA, axis=0, keepdims=True))

    @staticmethod
    def initialize_with_zeros(dim):
        return np.zeros((dim, 1)), 0.0

    @staticmethod
    def propagate(w, b, X, Y):
        m = X.shape[1]
        A = 1 / (1 + np.exp(-(np.dot(w.T, X) + b)))
        cost = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
        return {"dw": np.dot(X, (A - Y).T) / m, "db": np.sum(A - Y) / m}, cost

    @staticmethod
    def optimize(w, b, X, Y, num_iterations, learning_rate):
        costs = []
        for i in range(num_iterations):
            grads, cost = Student.propagate(w, b, X, Y)
            w, b = w - learning_rate * grads["dw"], b - learning_rate * grads["db"]
            if i % 100 == 0:
                costs.append(cost)
        return {"w": w, "b": b}, grads, costs

    @staticmethod
    def linear_forward(A, W, b):
        return np.dot(W, A) + b, (A, W, b)

    @staticmethod
    def linear_activation_forward(A_prev, W, b, activation):
        Z, linear_cache = Student.linear_forward(A_prev, W, b)
        A, activation_cache = Student.relu(Z) if activation == "relu" else Student.sigmoid(Z)
        return A, (linear_cache, activation_cache)

    @staticmethod
    def L_model_forward(X, parameters):
        A, caches, L = X, [], len(parameters) // 2
        for l in range(1, L + 1):
            A, cache = Student.linear_activation_forward(A, parameters[f"W{l}"], parameters[f"b{l}"],
                                                         "relu" if l < L else "sigmoid")
            caches.append(cache)
        return A, caches

    @staticmethod
    def compute_cost(AL, Y):
        return -np.sum(Y * np.log(AL) + (1 - Y) * np.log(1 - AL)) / Y.shape[1]

    @staticmethod
    def linear_backward(dZ, cache):
        A_prev, W, _ = cache
        m = A_prev.shape[1]
        return np.dot(W.T, dZ), np.dot(dZ, A_prev.T) / m, np.sum(dZ, axis=1, keepdims=True) / m

    @staticmethod
    def linear_activation_backward(dA, cache, activation):
        linear_cache, Z = cache
        dZ = Student.relu_backward(dA, Z) if activation == "relu" else Student.sigmoid_backward(dA, Z)
        return Student.linear_backward(dZ, linear_cache)

    @staticmethod
    def L_model_backward(AL, Y, caches):
        grads, dA = {}, -(np.divide(Y, AL) - np.divide(1 - Y, 1 - AL))
        for l in range(len(caches), 0, -1):
            dA, grads[f"dW{l}"], grads[f"db{l}"] = Student.linear_activation_backward(
                dA, caches[l - 1], "sigmoid" if l == len(caches) else "relu")
            grads[f"dA{l - 1}"] = dA
        return grads

    @staticmethod
    def update_parameters(parameters, grads, learning_rate):
        return {key: parameters[key] - learning_rate * grads[f"d{key}"] for key in parameters}

    @staticmethod
    def predict(X, y, parameters):
        return (Student.L_model_forward(X, parameters)[0] > 0.5).astype(float)


def calls(F, sizes: list[int], m: int) -> dict[str, Callable[[], object]]:
    """Each function of `F` with its arguments: C-ordered arrays, except unrolled images (the transpose of one)."""
    rng = np.random.default_rng(0)
    X = rng.random((m, sizes[0])).T  # the course unrolls images by reshape(m, -1).T
    X = X if sizes[0] > 1000 else np.ascontiguousarray(X)
    Y, Y1 = rng.integers(0, 2, (sizes[-1], m)), rng.integers(0, 2, (1, m))
    parameters = {}
    for l in range(1, len(sizes)):
        parameters[f"W{l}"] = rng.standard_normal((sizes[l], sizes[l - 1])) / np.sqrt(sizes[l - 1])
        parameters[f"b{l}"] = np.zeros((sizes[l], 1))
    W, b, w = parameters["W1"], parameters["b1"], np.zeros((sizes[0], 1))
    Z, dA = rng.standard_normal((sizes[1], m)), rng.standard_normal((sizes[1], m))
    AL, caches = F.L_model_forward(X, parameters)
    grads = F.L_model_backward(AL, Y, caches)
    names = ("sigmoid", "tanh", "relu", "leaky_relu", "softmax")
    return {
        **{name: partial(getattr(F, name), Z) for name in names},
        **{f"{name}_backward": partial(getattr(F, f"{name}_backward"), dA, Z) for name in names},
        "initialize_with_zeros": lambda: F.initialize_with_zeros(sizes[0]),
        "propagate": lambda: F.propagate(w, 0.0, X, Y1),
        "optimize, 1 iteration": lambda: F.optimize(w, 0.0, X, Y1, num_iterations=1, learning_rate=RATE),
        "linear_forward": lambda: F.linear_forward(X, W, b),
        "linear_activation_forward": lambda: F.linear_activation_forward(X, W, b, "relu"),
        "L_model_forward": lambda: F.L_model_forward(X, parameters),
        "compute_cost": lambda: F.compute_cost(AL, Y),
        "linear_backward": lambda: F.linear_backward(dA, (X, W, b)),
        "linear_activation_backward": lambda: F.linear_activation_backward(dA, caches[0], "relu"),
        "L_model_backward": lambda: F.L_model_backward(AL, Y, caches),
        "update_parameters": lambda: F.update_parameters(parameters, grads, RATE),
        "predict": lambda: F.predict(X, None, parameters),
    }


def work(system: str, shape: str) -> dict[str, float]:
    from fastnn import functional

    F = functional if system == "fastnn" else Student
    return {name: microseconds(call, seconds=SECONDS) for name, call in calls(F, *SHAPES[shape]).items()}


def run(options) -> list[dict]:
    shapes = options.only.split(",") if options.only else list(SHAPES)
    rows = []
    for n_threads in threads(options):
        figures: dict[tuple[str, str], list[dict]] = {(shape, s): [] for shape in shapes for s in ("fastnn", "NumPy")}
        for _ in range(options.turns):
            for shape, system in figures:
                figures[shape, system].append(in_process("small", {"system": system, "shape": shape}, n_threads))
        print(f"{n_threads} threads: NumPy / fastnn (us), medians of {options.turns} processes each")
        print(f"| {'function':<26} | " + " | ".join(f"{shape:^28}" for shape in shapes) + " |")
        print("|" + "---|" * (len(shapes) + 1))
        for name in figures[shapes[0], "fastnn"][0]:
            row = {"function": name, "threads": n_threads}
            for (shape, system), turns in figures.items():
                row[f"{shape} {system}"] = median(turn[name] for turn in turns)
            rows.append(row)
            cells = [(row[f"{shape} NumPy"], row[f"{shape} fastnn"]) for shape in shapes]
            print(f"| {name:<26} | " + " | ".join(f"{a:>9.2f} / {b:>8.2f} = {a / b:>5.2f}" for a, b in cells) + " |",
                  flush=True)
    return rows
