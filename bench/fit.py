"""Training through the public interfaces: microseconds a step, beside scikit-learn, plain NumPy and the GEMM calls."""

from importlib.util import find_spec
from itertools import pairwise
from time import perf_counter

import numpy as np
from measure import WORKLOADS, chosen, microseconds, take_turns, threads

SECONDS = 1.5  # how long a measured fit should take


def data(sizes: list[int], batch: int, n_batches: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    m = batch * n_batches
    return rng.standard_normal((m, sizes[0])).astype(np.float32), rng.integers(0, sizes[-1], m)


def fastnn_step(sizes: list[int], batch: int) -> float:
    from fastnn import Network

    def seconds(epochs: int) -> float:
        net = Network(sizes, random_state=0)
        history = net.fit(X, y, batch_size=batch, epochs=epochs)
        return sum(history["seconds"])

    X, y = data(sizes, batch, 8)
    seconds(1)
    epochs = max(2, round(SECONDS / seconds(2) * 2))
    return seconds(epochs) / (8 * epochs) * 1e6


def sklearn_step(sizes: list[int], batch: int) -> float:
    import warnings

    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier

    warnings.simplefilter("ignore", ConvergenceWarning)
    X, y = data(sizes, batch, 8)

    def seconds(epochs: int) -> float:
        net = MLPClassifier(sizes[1:-1], batch_size=batch, max_iter=epochs, alpha=0, tol=0, n_iter_no_change=epochs + 1,
                            random_state=0)
        began = perf_counter()
        net.fit(X, y)
        return perf_counter() - began

    seconds(1)
    few, many = 2, max(4, round(SECONDS / seconds(2) * 2))
    return (seconds(few + many) - seconds(few)) / (8 * many) * 1e6  # without what a fit costs once


class NumpyNetwork:
    """The same net and Adam in plain float32 NumPy, as a student writes it from the notes."""

    def __init__(self, sizes: list[int]) -> None:
        rng = np.random.default_rng(0)
        self.theta = []
        for n_prev, n in pairwise(sizes):
            W = rng.standard_normal((n, n_prev)) * np.sqrt(2 / n_prev)
            self.theta += [W.astype(np.float32), np.zeros((n, 1), np.float32)]
        self.m = [np.zeros_like(p) for p in self.theta]
        self.v = [np.zeros_like(p) for p in self.theta]
        self.t = 0

    def step(self, X: np.ndarray, labels: np.ndarray, alpha: float = 1e-3) -> float:
        m, W, b = X.shape[1], self.theta[0::2], self.theta[1::2]
        A = [X]
        for l in range(len(W)):
            Z = W[l] @ A[-1] + b[l]
            A.append(np.maximum(Z, 0) if l < len(W) - 1 else np.exp(Z - Z.max(axis=0)))
        A[-1] /= A[-1].sum(axis=0)
        examples = np.arange(m)
        J = -np.log(A[-1][labels, examples]).mean()
        dZ = A[-1].copy()
        dZ[labels, examples] -= 1
        gradients = []
        for l in range(len(W) - 1, -1, -1):
            gradients = [dZ @ A[l].T / m, dZ.sum(axis=1, keepdims=True) / m, *gradients]
            if l:
                dZ = (W[l].T @ dZ) * (A[l] > 0)
        self.t += 1
        rate = np.float32(alpha * np.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t))
        for p, g, first, second in zip(self.theta, gradients, self.m, self.v, strict=True):
            first *= np.float32(0.9)
            first += np.float32(0.1) * g
            second *= np.float32(0.999)
            second += np.float32(0.001) * g * g
            p -= rate * first / (np.sqrt(second) + np.float32(1e-8))
        return float(J)


def numpy_step(sizes: list[int], batch: int) -> float:
    X, y = data(sizes, batch, 8)
    net = NumpyNetwork(sizes)
    order = np.random.default_rng(1).permutation(len(X))
    turn = iter(range(10**9))

    def step() -> float:
        start = next(turn) % 8 * batch
        rows = order[start : start + batch]
        return net.step(X[rows].T, y[rows])

    return microseconds(step, seconds=SECONDS / 3, rounds=3)


def gemm_step(sizes: list[int], batch: int) -> float:
    """The matrix products of a step alone, through BLAS: the floor of any step that leaves them to it."""
    from fastnn._core._kernels import multiply
    from fastnn.buffers import ParameterLayout, weight_orders

    rng = np.random.default_rng(0)
    layout = ParameterLayout(sizes, weight_orders(sizes))
    W, _ = layout.views(rng.standard_normal(layout.size).astype(np.float32))
    A = [np.asfortranarray(rng.standard_normal((n, batch)).astype(np.float32)) for n in sizes]
    dA = [a.copy("F") for a in A]
    dW = [w.copy("A") for w in W]
    L = len(W)

    def step() -> None:
        for l in range(L):
            row_major = layout.row_major[l]
            multiply(W[l].T if row_major else W[l], A[l], A[l + 1], transpose_A=row_major)
        for l in range(L - 1, -1, -1):
            row_major = layout.row_major[l]
            if row_major:
                multiply(A[l], dA[l + 1], dW[l].T, transpose_B=True)
            else:
                multiply(dA[l + 1], A[l], dW[l], transpose_B=True)
            if l:
                multiply(W[l].T if row_major else W[l], dA[l + 1], dA[l], transpose_A=not row_major)

    return microseconds(step, seconds=SECONDS / 3, rounds=3)


SYSTEMS = {"fastnn": fastnn_step, "GEMM alone": gemm_step, "NumPy": numpy_step, "scikit-learn": sklearn_step}


def work(system: str, workload: str) -> float:
    return SYSTEMS[system](*WORKLOADS[workload])


def run(options) -> list[dict]:
    systems = [name for name in SYSTEMS if name != "scikit-learn" or find_spec("sklearn")]
    if "scikit-learn" not in systems:
        print("scikit-learn is not installed: left out")
    print("Microseconds a training step (float32, Adam, relu, softmax cross-entropy), median of", options.turns)
    print(f"| {'workload':<34} | threads | " + " | ".join(f"{name:>12}" for name in systems) + " | against the best |")
    print("|" + "---|" * (len(systems) + 3))
    rows = []
    for workload, (sizes, batch) in chosen(options).items():
        for n_threads in threads(options):
            cases = {name: {"system": name, "workload": workload} for name in systems}
            figures = take_turns("fit", cases, n_threads, options.turns)
            rivals = [figures[name] for name in systems if name not in ("fastnn", "GEMM alone")]
            label = f"{workload} {'-'.join(map(str, sizes))}, batch {batch}"
            print(f"| {label:<34} | {n_threads:>7} | " + " | ".join(f"{figures[name]:>12.1f}" for name in systems)
                  + f" | {min(rivals) / figures['fastnn']:>14.1f} x |", flush=True)
            rows.append({"workload": workload, "threads": n_threads, **figures})
    return rows
