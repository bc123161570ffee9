"""Prediction through the public interfaces: microseconds per call with 1, 32 and 10 000 rows, for every peer."""

from collections.abc import Callable

import numpy as np
import peers
from measure import gather, microseconds, threads
from networks import NETWORKS, chosen, label

ROWS = (1, 32, 10_000)
SECONDS, ROUNDS = 0.07, 3  # of a round, rounds
CHUNK_ROWS = 1000  # of the reference


def reference(X: np.ndarray, weights: list[np.ndarray]) -> np.ndarray:
    """The probabilities (m, n[L]) in float64."""
    A = X.astype(np.float64)
    for W in weights[:-1]:
        A = np.maximum(A @ W.T.astype(np.float64), 0)
    Z = A @ weights[-1].T.astype(np.float64)
    E = np.exp(Z - Z.max(axis=1, keepdims=True))
    return E / E.sum(axis=1, keepdims=True)


def error(predict: Callable[[np.ndarray], np.ndarray], X: np.ndarray, weights: list[np.ndarray]) -> float:
    """The largest difference from the reference, in units of the dtype's eps."""
    A = predict(X)
    chunks = [slice(start, start + CHUNK_ROWS) for start in range(0, len(X), CHUNK_ROWS)]
    worst = max(np.abs(A[chunk] - reference(X[chunk], weights)).max() for chunk in chunks)
    return float(worst / np.finfo(X.dtype).eps)


def work(system: str, workload: str, dtype: str, n_threads: int) -> dict[str, float]:
    sizes, _ = NETWORKS[workload]
    X = np.random.default_rng(0).standard_normal((max(ROWS), sizes[0]), dtype)
    peer = peers.make(system, sizes, dtype, n_threads)
    figures = {}
    for rows in ROWS:
        part = X[:rows].copy()
        figures[f"us {rows}"] = microseconds(lambda part=part: peer.predict(part), seconds=SECONDS, rounds=ROUNDS)
    for rows in ROWS:  # after the timing, because NumPy's threads keep spinning for 0.1 s after the reference
        figures[f"error {rows}"] = error(peer.predict, X[:rows], peers.initial(sizes, dtype))
    return figures


def run(options) -> list[dict]:
    table = []
    for dtype in options.dtypes.split(","):
        systems = peers.chosen(options, "predicts", dtype)
        print(f"\nMicroseconds per prediction of class probabilities ({dtype}), median of {options.turns}; error: the "
              f"largest difference from a float64 reference, in eps")
        print(f"| {'workload':<36} | threads |   rows | " + " | ".join(f"{name:>13}" for name in systems)
              + " | best peer / fastnn | onnxruntime / fastnn | error: fastnn | peers |")
        print("|" + "---|" * (len(systems) + 7))
        for workload in chosen(options):
            for n_threads in threads(options):
                cases = {name: {"system": name, "workload": workload, "dtype": dtype, "n_threads": n_threads}
                         for name in systems}
                figures = gather("predict", cases, n_threads, options.turns)
                for rows in ROWS:
                    us = {name: figures[name][f"us {rows}"] for name in systems}
                    errors = {name: figures[name][f"error {rows}"] for name in systems}
                    others = [name for name in systems if name != "fastnn"]
                    best = min((us[name] for name in others), default=float("nan"))
                    onnx = us.get("onnxruntime", float("nan"))
                    print(f"| {label(workload):<36} | {n_threads:>7} | {rows:>6} | "
                          + " | ".join(f"{us[name]:>13.1f}" for name in systems)
                          + f" | {best / us['fastnn']:>16.2f} x | {onnx / us['fastnn']:>18.2f} x "
                          + f"| {errors['fastnn']:>13.1f} "
                          + f"| {max((errors[name] for name in others), default=float('nan')):>5.1f} |", flush=True)
                    table.append({"workload": workload, "dtype": dtype, "threads": n_threads, "rows": rows, "us": us,
                                  "error": errors})
                    # Rounding errors are far below sum(sizes) eps; a wrong network is off by 1e5 eps.
                    wrong = [name for name in systems if not errors[name] <= sum(NETWORKS[workload][0])]
                    if wrong:
                        raise RuntimeError(f"{workload}, {rows} rows: wrong predictions of {', '.join(wrong)}")
    return table
