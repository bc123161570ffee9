"""A training step through the public interfaces: microseconds for every peer, and its references."""

from time import perf_counter

import numpy as np
import peers
import targets
from measure import SLOW, gather, slow_peers, threads
from networks import NETWORKS, chosen, label
from references import compiled_gemm_step, gemm_step, update_reference

SECONDS = 0.6  # of measurement per process
BATCHES = {"iris": 64, "digits": 64, "wide": 4}  # mini-batches per epoch, by the length of a step; else 8
WARM_UP = 5  # epochs before the measurement; the loss is that of the last one
REFERENCES = {"GEMM alone": gemm_step, "GEMM compiled": compiled_gemm_step}


def data(sizes: list[int], batch: int, n_batches: int, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    m = batch * n_batches
    return rng.standard_normal((m, sizes[0])).astype(dtype), rng.integers(0, sizes[-1], m)


def step_time(peer, X: np.ndarray, y: np.ndarray, batch: int) -> float:
    """Microseconds per step of a warmed-up system."""
    def seconds(epochs: int) -> float:
        began = perf_counter()
        peer.train(X, y, batch, epochs)
        return perf_counter() - began

    epochs = max(1, round(SECONDS / 3 / min(seconds(1), seconds(1))))
    return min(seconds(epochs) for _ in range(3)) / (len(y) // batch * epochs) * 1e6


def work(system: str, workload: str, dtype: str, n_threads: int) -> dict[str, float]:
    sizes, batch = NETWORKS[workload]
    if system in REFERENCES:
        return {"us": REFERENCES[system](sizes, batch, dtype, SECONDS)}
    if system == "update":
        return {"us": update_reference(sizes, dtype, n_threads)}
    n_batches = BATCHES.get(workload, 8)
    X, y = data(sizes, batch, n_batches, dtype)
    peer = peers.make(system, sizes, dtype, n_threads)
    loss = peer.train(X, y, batch, WARM_UP)
    return {"us": step_time(peer, X, y, batch), "loss": loss}


def run(options) -> list[dict]:
    from fastnn import runtime

    unused = set() if runtime.simd_level() == "avx512" else {"GEMM compiled", "update"}
    rows = []
    for dtype in options.dtypes.split(","):
        systems = peers.chosen(options, "trains", dtype)
        columns = [*systems, *REFERENCES, "update"]
        print(f"\nMicroseconds per training step ({dtype}, Adam, relu, softmax cross-entropy), median of "
              f"{options.turns}, or of one process if more than {SLOW:g} times the best peer's; loss after {WARM_UP} "
              f"epochs")
        print(f"| {'workload':<36} | threads | " + " | ".join(f"{name:>13}" for name in columns)
              + " | best peer / fastnn | fastnn / reference |")
        print("|" + "---|" * (len(columns) + 4))
        for workload in chosen(options):
            for n_threads in threads(options):
                cases = {name: {"system": name, "workload": workload, "dtype": dtype, "n_threads": n_threads}
                         for name in columns}
                # A slow competitor and what no target depends on are measured once.
                figures = gather("step", cases, n_threads, options.turns, settled=lambda found, systems=systems:
                                 slow_peers(found, systems) | unused)
                us = {name: figures[name]["us"] for name in columns}
                best = min((us[name] for name in systems if name != "fastnn"), default=float("nan"))
                reference = targets.reference(workload, us, runtime.simd_level())
                print(f"| {label(workload):<36} | {n_threads:>7} | "
                      + " | ".join(f"{us[name]:>13.1f}" for name in columns)
                      + f" | {best / us['fastnn']:>16.2f} x | {us['fastnn'] / reference:>18.2f} |", flush=True)
                print(f"| {'  loss':<36} | {'':>7} | "
                      + " | ".join(f"{figures[name].get('loss', float('nan')):>13.4f}" for name in systems), flush=True)
                rows.append({"workload": workload, "dtype": dtype, "threads": n_threads, "us": us,
                             "loss": {name: figures[name]["loss"] for name in systems}})
    return rows
