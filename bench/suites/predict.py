"""Prediction through the public interfaces: microseconds per call with 1, 32 and 10 000 rows, for every peer."""

import tempfile
from pathlib import Path

import numpy as np
import peers
from measure import SLOW, gather, microseconds, slow_peers, threads
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


def save_data(folder: str, workload: str, dtype: str) -> None:
    """Write X and the reference, which every process reads, so that only one computes them."""
    sizes, _ = NETWORKS[workload]
    X = np.random.default_rng(0).standard_normal((max(ROWS), sizes[0]), dtype)
    weights, starts = peers.initial(sizes, dtype), range(0, len(X), CHUNK_ROWS)
    np.save(Path(folder, "X.npy"), X)
    np.save(Path(folder, "A.npy"), np.concatenate([reference(X[start : start + CHUNK_ROWS], weights)
                                                   for start in starts]))


def work(system: str, workload: str, dtype: str, n_threads: int, folder: str) -> dict[str, float]:
    X, right = np.load(Path(folder, "X.npy"), mmap_mode="r"), np.load(Path(folder, "A.npy"))
    peer = peers.make(system, NETWORKS[workload][0], dtype, n_threads)
    figures = {}
    for rows in ROWS:
        part = np.array(X[:rows])
        error = np.abs(peer.predict(part) - right[:rows]).max() / np.finfo(dtype).eps  # in units of eps
        figures |= {f"error {rows}": float(error),
                    f"us {rows}": microseconds(lambda part=part: peer.predict(part), seconds=SECONDS, rounds=ROUNDS)}
    return figures


def measure(systems: list[str], case: dict, turns: int) -> dict[str, dict[str, float]]:
    """The figures of each system; onnxruntime, which a target names, is measured in every turn."""
    with tempfile.TemporaryDirectory() as folder:
        save_data(folder, case["workload"], case["dtype"])
        cases = {name: {"system": name, **case, "folder": folder} for name in systems}
        return gather("predict", cases, case["n_threads"], turns,
                      settled=lambda found: slow_peers(found, systems) - {"onnxruntime"})


def run(options) -> list[dict]:
    table = []
    for dtype in options.dtypes.split(","):
        systems = peers.chosen(options, "predicts", dtype)
        print(f"\nMicroseconds per prediction of class probabilities ({dtype}), median of {options.turns}, or of one "
              f"process if always more than {SLOW:g} times the best peer's; error: the largest difference from a "
              f"float64 reference, in eps")
        print(f"| {'workload':<36} | threads |   rows | " + " | ".join(f"{name:>13}" for name in systems)
              + " | best peer / fastnn | onnxruntime / fastnn | error: fastnn | peers |")
        print("|" + "---|" * (len(systems) + 7))
        for workload in chosen(options):
            for n_threads in threads(options):
                case = {"workload": workload, "dtype": dtype, "n_threads": n_threads}
                figures = measure(systems, case, options.turns)
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
