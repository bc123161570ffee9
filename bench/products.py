"""The layers' matrix products: BLAS and the kernels' own (csrc/products.inc.h; the rule: fastnn/_core/_dense.pxd)."""

import numpy as np
from measure import microseconds, take_turns

SHAPES = [  # n[l-1], n[l], m
    (4, 100, 150), (30, 100, 200), (64, 100, 200), (100, 10, 200), (100, 3, 150), (64, 64, 32), (64, 10, 32),
    (784, 128, 128), (128, 64, 128), (28, 256, 512), (256, 256, 512), (784, 1024, 256), (1024, 1024, 256),
    (12288, 20, 209), (12288, 4, 209), (1024, 10, 256), (64, 100, 16), (64, 100, 4), (1024, 1024, 16),
    (2, 4, 400), (20, 7, 209), (7, 5, 209)]


def work(n_prev: int, n: int, m: int, dtype: str, product: str, own: bool) -> float:
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
    calls = {
        "Z": lambda: multiply(W, A_prev, Z, level, transpose_A=row_major, always=own),
        "dW": lambda: multiply(*((A_prev, dZ) if row_major else (dZ, A_prev)), W, level, transpose_B=True, always=own),
        "dA": lambda: multiply(W, dZ, dA, level, transpose_A=not row_major, always=own),
    }
    level = runtime.LEVEL if own else None
    with runtime.blas_threads(1):
        return microseconds(calls[product], seconds=0.03)


def run(options) -> list[dict]:
    from fastnn import runtime

    if runtime.simd_level() == "baseline":
        print("the level baseline leaves products to BLAS")
        return []
    print("us BLAS / own kernel and their ratio, 1 thread")
    rows = []
    for dtype in ("float32", "float64"):
        for n_prev, n, m in SHAPES:
            shape = {"n_prev": n_prev, "n": n, "m": m, "dtype": dtype}
            cases = {f"{product} {'own' if own else 'BLAS'}": {**shape, "product": product, "own": own}
                     for product in ("Z", "dW", "dA") for own in (False, True)}
            t = take_turns("products", cases, 1, options.turns)
            print(f"{dtype} {n_prev:>6} -> {n:>4}, m={m:>3}:  "
                  + "  ".join(f"{p} {t[f'{p} BLAS']:8.1f} /{t[f'{p} own']:8.1f} {t[f'{p} BLAS'] / t[f'{p} own']:5.2f}"
                              for p in ("Z", "dW", "dA")), flush=True)
            rows.append({**shape, **t})
    return rows
