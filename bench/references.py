"""References of a training step: its matrix products alone, by BLAS, and the memory traffic of the optimiser."""

from itertools import pairwise
from threading import Barrier, Thread
from time import perf_counter

import numpy as np
from measure import microseconds

ADAM_ARENAS = 7  # read: gradient, theta, two moments; written: theta, two moments


def products(sizes: list[int], batch: int, dtype: str) -> list[dict]:
    """The arguments of `multiply` for each product of a step, in order, with W stored as in a network."""
    from fastnn._model.parameters import ParameterLayout, weight_orders

    rng = np.random.default_rng(0)
    layout = ParameterLayout(sizes, weight_orders(sizes))
    W, _ = layout.views(rng.standard_normal(layout.size).astype(dtype))
    A = [np.asfortranarray(rng.standard_normal((n, batch)).astype(dtype)) for n in sizes]
    dA = [a.copy("F") for a in A]
    dW = [w.copy("A") for w in W]
    forward, backward = [], []
    for l in range(len(W)):
        row_major = layout.row_major[l]
        stored = W[l].T if row_major else W[l]
        forward.append({"A": stored, "B": A[l], "C": A[l + 1], "transpose_A": row_major})
        if l:
            backward.append({"A": stored, "B": dA[l + 1], "C": dA[l], "transpose_A": not row_major})
        backward.append({"A": A[l], "B": dA[l + 1], "C": dW[l].T, "transpose_B": True} if row_major else
                        {"A": dA[l + 1], "B": A[l], "C": dW[l], "transpose_B": True})
    return forward + backward[::-1]


def gemm_step(sizes: list[int], batch: int, dtype: str, seconds: float) -> float:
    """Microseconds of all products of a step, called from Python one by one."""
    from fastnn._core._testing import multiply

    calls = products(sizes, batch, dtype)

    def step() -> None:
        for call in calls:
            multiply(**call)

    return microseconds(step, seconds=seconds / 3, rounds=3)


def compiled_gemm_step(sizes: list[int], batch: int, dtype: str, seconds: float) -> float:
    """The same without the cost of the Python calls: each product is repeated in compiled code."""
    from fastnn._core._testing import multiply

    calls = products(sizes, batch, dtype)
    return sum(microseconds(lambda call=call: multiply(**call, repetitions=100), seconds=seconds / 3 / len(calls),
                            rounds=3) / 100 for call in calls)


def copy_bandwidth(elements: int, dtype: str, n_threads: int) -> float:
    """Bytes read and written per microsecond while `n_threads` threads copy arrays of `elements` in total."""
    item = np.dtype(dtype).itemsize
    source, target = np.ones(elements, dtype), np.zeros(elements, dtype)
    repetitions = max(3, int(2e9 / (2 * elements * item)))
    slices = np.array_split(np.arange(elements), n_threads)
    ready, times = Barrier(n_threads + 1), []

    def copy(part: np.ndarray) -> None:
        a, b = source[part[0] : part[-1] + 1], target[part[0] : part[-1] + 1]
        np.copyto(b, a)
        for _ in range(3):
            ready.wait()
            for _ in range(repetitions):
                np.copyto(b, a)
            ready.wait()

    workers = [Thread(target=copy, args=(part,)) for part in slices]
    for worker in workers:
        worker.start()
    for _ in range(3):
        ready.wait()
        began = perf_counter()
        ready.wait()
        times.append(perf_counter() - began)
    for worker in workers:
        worker.join()
    return repetitions * 2 * elements * item / min(times) / 1e6


def update_reference(sizes: list[int], dtype: str, n_threads: int) -> float:
    """Microseconds of Adam's memory traffic at the copy bandwidth measured for arrays of the same size."""
    parameters = sum((n_prev + 1) * n for n_prev, n in pairwise(sizes))
    traffic = ADAM_ARENAS * parameters * np.dtype(dtype).itemsize
    return traffic / copy_bandwidth(parameters, dtype, n_threads)
