"""The compiled kernels: single passes over memory against memory copy, and the matrix products against BLAS."""

from collections.abc import Callable

import numpy as np
from measure import gather, microseconds
from references import copy_bandwidth

from suites import products

ELEMENTS = (5_000, 100_000, 2_000_000)
ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu")
UNITS, CLASSES, PIXELS = 100, 10, 500  # rows of a layer's Z and of the softmax; features of a gathered example


def matrices(elements: int, rows: int, dtype: str, count: int) -> list[np.ndarray]:
    """`count` column-major matrices (rows, elements / rows); the last one is an output and starts at zero."""
    from fastnn._model.workspace import aligned_empty

    made = [aligned_empty((rows, elements // rows), dtype, "F") for _ in range(count)]
    for M in made[:-1]:
        M[...] = np.random.default_rng(0).standard_normal(M.shape)
    made[-1][...] = 0
    return made


def passes(elements: int, dtype: str) -> dict[str, tuple[int, Callable[[], object]]]:
    """For each kernel, the number of arrays that it reads or writes, and its call."""
    from fastnn._core import _testing, kernels
    from fastnn.runtime import LEVEL

    Z, A = matrices(elements, UNITS, dtype, 2)
    b = np.zeros(UNITS, dtype)
    cache, dZ = matrices(elements, UNITS, dtype, 2)  # dZ = 0, so that repeated calls cannot overflow it
    db = np.zeros(UNITS, dtype)
    scores, dscores = matrices(elements, CLASSES, dtype, 2)
    labels = np.random.default_rng(0).integers(0, CLASSES, elements // CLASSES).astype(np.int32)
    X, batch = matrices(elements, PIXELS, dtype, 2)
    order = np.random.default_rng(0).permutation(elements // PIXELS)
    gradient, theta = (M.reshape(-1, order="F") for M in matrices(elements, UNITS, dtype, 2))
    first, second = np.zeros_like(theta), np.zeros_like(theta)
    adam = {"rate": 1e-3, "beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}
    calls: dict[str, tuple[int, Callable[[], object]]] = {}
    for name in ACTIVATIONS:
        calls[f"{name} forward"] = 2, lambda name=name: kernels.activate(name, Z, b, A, LEVEL)
        calls[f"{name} backward"] = 3, lambda name=name: kernels.activate_backward(name, cache, dZ, 1.0, db, LEVEL)
    half = (1, 2, 3, 2**31)  # key, stream, threshold: drops every second element
    return calls | {
        "relu forward, dropout": (2, lambda: kernels.activate("relu", Z, b, A, LEVEL, dropout=half)),
        "softmax + cross-entropy": (2, lambda: kernels.loss("cross_entropy", scores, labels, None, dscores, LEVEL)),
        "Adam": (7, lambda: _testing.update("adam", theta, gradient[None], first, second, level=LEVEL, **adam)),
        "gather": (2, lambda: _testing.gather(X.T, order, batch, LEVEL)),
    }


def work(elements: int, dtype: str) -> dict[str, float]:
    """Bytes per nanosecond of each kernel and of np.copyto ("copy"), without the fixed cost of a call."""
    few = passes(PIXELS, dtype)
    found = {}
    for name, (arrays, call) in passes(elements, dtype).items():
        us = microseconds(call, seconds=0.03) - microseconds(few[name][1], seconds=0.01)
        found[name] = arrays * (elements - PIXELS) * np.dtype(dtype).itemsize / us / 1e3
    return {"copy": copy_bandwidth(elements, dtype, 1) / 1e3, **found}


def run_passes(options) -> list[dict]:
    print("\nbytes read and written per nanosecond, 1 thread; copy: np.copyto of arrays of the same size")
    rows = []
    for dtype in ("float32", "float64"):
        cases = {str(elements): {"elements": elements, "dtype": dtype} for elements in ELEMENTS}
        figures = gather("kernels", cases, 1, options.turns)
        print(f"{dtype:<24}" + "".join(f"{elements:>12,}" for elements in ELEMENTS))
        for name in figures[str(ELEMENTS[0])]:
            values = [figures[str(elements)][name] for elements in ELEMENTS]
            print(f"{name:<24}" + "".join(f"{value:>12.1f}" for value in values), flush=True)
            rows.append({"part": "passes", "kernel": name, "dtype": dtype, "elements": ELEMENTS, "bytes/ns": values})
    return rows


def run_products(options) -> list[dict]:
    return [{"part": "products", **row} for row in products.run(options)]


PARTS = {"passes": run_passes, "products": run_products}


def run(options) -> list[dict]:
    names = options.only.split(",") if options.only else PARTS
    return [row for name in names for row in PARTS[name](options)]
