"""The compiled kernels: the layers' matrix products beside BLAS (csrc/products.inc.h; the rule:
fastnn/_core/_dense.pxd), and those that are one pass over memory beside copying."""

from collections.abc import Callable

import numpy as np
from limits import copy_bandwidth
from measure import gather, microseconds, take_turns

SHAPES = [  # n[l-1], n[l], m
    (4, 100, 150), (30, 100, 200), (64, 100, 200), (100, 10, 200), (100, 3, 150), (64, 64, 32), (64, 10, 32),
    (784, 128, 128), (128, 64, 128), (28, 256, 512), (256, 256, 512), (784, 1024, 256), (1024, 1024, 256),
    (12288, 20, 209), (12288, 4, 209), (1024, 10, 256), (64, 100, 16), (64, 100, 4), (1024, 1024, 16),
    (2, 4, 400), (20, 7, 209), (7, 5, 209)]
ELEMENTS = (5_000, 100_000, 2_000_000)
ACTIVATIONS = ("relu", "tanh", "sigmoid", "gelu")
UNITS, CLASSES, PIXELS = 100, 10, 500  # rows of a layer's Z, of the softmax's, elements of a gathered example


# ---- Products -------------------------------------------------------------------------------------------------------


def product(n_prev: int, n: int, m: int, dtype: str, name: str, own: bool) -> float:
    """Microseconds of Z = W A_prev, dW = dZ A_prev^T or dA_prev = W^T dZ, W stored as a network stores it."""
    from fastnn import runtime
    from fastnn._core._kernels import multiply
    from fastnn.buffers import aligned_empty, weight_orders

    rng = np.random.default_rng(0)

    def matrix(rows: int, columns: int) -> np.ndarray:
        M = aligned_empty((rows, columns), dtype, "F")
        M[...] = rng.standard_normal((rows, columns))
        return M

    row_major = weight_orders([1, n_prev, n])[1]
    A_prev, dA, dZ, Z = matrix(n_prev, m), matrix(n_prev, m), matrix(n, m), matrix(n, m)
    W = matrix(n_prev, n) if row_major else matrix(n, n_prev)
    level = runtime.LEVEL if own else None
    calls = {
        "Z": lambda: multiply(W, A_prev, Z, level, transpose_A=row_major, always=own),
        "dW": lambda: multiply(*((A_prev, dZ) if row_major else (dZ, A_prev)), W, level, transpose_B=True, always=own),
        "dA": lambda: multiply(W, dZ, dA, level, transpose_A=not row_major, always=own),
    }
    with runtime.blas_threads(1):
        return microseconds(calls[name], seconds=0.03)


def run_products(options) -> list[dict]:
    from fastnn import runtime

    if runtime.simd_level() == "baseline":
        print("the level baseline leaves products to BLAS")
        return []
    print("us BLAS / own kernel and their ratio, 1 thread")
    rows = []
    for dtype in ("float32", "float64"):
        for n_prev, n, m in SHAPES:
            shape = {"n_prev": n_prev, "n": n, "m": m, "dtype": dtype}
            cases = {f"{name} {'own' if own else 'BLAS'}": {"part": "product", **shape, "name": name, "own": own}
                     for name in ("Z", "dW", "dA") for own in (False, True)}
            t = take_turns("kernels", cases, 1, options.turns)
            print(f"{dtype} {n_prev:>6} -> {n:>4}, m={m:>3}:  "
                  + "  ".join(f"{p} {t[f'{p} BLAS']:8.1f} /{t[f'{p} own']:8.1f} {t[f'{p} BLAS'] / t[f'{p} own']:5.2f}"
                              for p in ("Z", "dW", "dA")), flush=True)
            rows.append({"part": "products", **shape, **t})
    return rows


# ---- One pass over memory -------------------------------------------------------------------------------------------


def matrices(elements: int, rows: int, dtype: str, count: int) -> list[np.ndarray]:
    """`count` matrices (rows, elements / rows) of the core's order; the last of them, which is overwritten, is 0."""
    from fastnn.buffers import aligned_empty

    made = [aligned_empty((rows, elements // rows), dtype, "F") for _ in range(count)]
    for M in made[:-1]:
        M[...] = np.random.default_rng(0).standard_normal(M.shape)
    made[-1][...] = 0
    return made


def passes(elements: int, dtype: str) -> dict[str, tuple[int, Callable[[], object]]]:
    """Each kernel: how many elements it reads and writes for one of its arrays', and its call."""
    from fastnn._core import _kernels
    from fastnn.runtime import LEVEL

    Z, A = matrices(elements, UNITS, dtype, 2)
    b = np.zeros(UNITS, dtype)
    cache, dZ = matrices(elements, UNITS, dtype, 2)  # dZ stays 0: it could not go on being multiplied else
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
        calls[f"{name} forward"] = 2, lambda name=name: _kernels.activate(name, Z, b, A, LEVEL)
        calls[f"{name} backward"] = 3, lambda name=name: _kernels.activate_backward(name, cache, dZ, 1.0, db, LEVEL)
    return calls | {
        "softmax + cross-entropy": (2, lambda: _kernels.loss("cross_entropy", scores, labels, None, dscores, LEVEL)),
        "Adam": (7, lambda: _kernels.update("adam", theta, gradient[None], first, second, level=LEVEL, **adam)),
        "gather": (2, lambda: _kernels.gather(X.T, order, batch, LEVEL)),
    }


def bandwidth(elements: int, dtype: str) -> dict[str, float]:
    """Bytes a nanosecond of each kernel, without what the call itself costs (that of the fewest elements); "copy" is
    what NumPy's copying of arrays as large reaches."""
    few = passes(PIXELS, dtype)
    found = {}
    for name, (arrays, call) in passes(elements, dtype).items():
        us = microseconds(call, seconds=0.03) - microseconds(few[name][1], seconds=0.01)
        found[name] = arrays * (elements - PIXELS) * np.dtype(dtype).itemsize / us / 1e3
    return {"copy": copy_bandwidth(elements, dtype, 1) / 1e3, **found}


def run_passes(options) -> list[dict]:
    print("\nbytes read and written a nanosecond, 1 thread; copy: NumPy's copying of arrays as large")
    rows = []
    for dtype in ("float32", "float64"):
        cases = {str(elements): {"part": "bandwidth", "elements": elements, "dtype": dtype} for elements in ELEMENTS}
        figures = gather("kernels", cases, 1, options.turns)
        print(f"{dtype:<24}" + "".join(f"{elements:>12,}" for elements in ELEMENTS))
        for name in figures[str(ELEMENTS[0])]:
            values = [figures[str(elements)][name] for elements in ELEMENTS]
            print(f"{name:<24}" + "".join(f"{value:>12.1f}" for value in values), flush=True)
            rows.append({"part": "passes", "kernel": name, "dtype": dtype, "elements": ELEMENTS, "bytes/ns": values})
    return rows


PARTS = {"products": run_products, "passes": run_passes}


def work(part: str, **arguments) -> float | dict[str, float]:
    return {"product": product, "bandwidth": bandwidth}[part](**arguments)


def run(options) -> list[dict]:
    names = options.only.split(",") if options.only else PARTS
    return [row for name in names for row in PARTS[name](options)]
