"""The storage order of W: a layer's products with W column-major and row-major (_model.parameters.weight_orders)."""

import numpy as np
from measure import microseconds, take_turns

SHAPES = [(12288, 20, 209), (12288, 7, 209), (12288, 1, 209), (1024, 10, 256), (784, 128, 128), (784, 1024, 128),
          (256, 256, 256), (100, 100, 200), (28, 256, 512), (30, 100, 200), (64, 64, 32), (64, 10, 32), (64, 10, 128),
          (256, 2, 512), (100, 10, 200), (100, 20, 200), (100, 3, 120), (100, 1, 200), (4, 100, 120)]


def work(n_prev: int, n: int, m: int, dtype: str, product: str, row_major: bool) -> float:
    from fastnn._core._testing import multiply
    from fastnn._model.workspace import aligned_empty
    from fastnn.runtime import LEVEL, blas_threads

    rng = np.random.default_rng(0)

    def matrix(rows: int, columns: int) -> np.ndarray:
        M = aligned_empty((rows, columns), dtype, "F")
        M[...] = rng.standard_normal((rows, columns))
        return M

    A_prev, dZ, out_Z, out_dA = matrix(n_prev, m), matrix(n, m), matrix(n, m), matrix(n_prev, m)
    W = matrix(n_prev, n) if row_major else matrix(n, n_prev)
    calls = {
        "Z": lambda: multiply(W, A_prev, out_Z, LEVEL, transpose_A=row_major),
        "dW": lambda: (multiply(A_prev, dZ, W, LEVEL, transpose_B=True) if row_major
                       else multiply(dZ, A_prev, W, LEVEL, transpose_B=True)),
        "dA": lambda: multiply(W, dZ, out_dA, LEVEL, transpose_A=not row_major),
    }
    with blas_threads(1):
        return microseconds(calls[product], seconds=0.03)


def run(options) -> list[dict]:
    from fastnn._model.parameters import weight_orders

    print("us column-major / row-major, 1 thread; ratio row/column without dA (first layer) and with it")
    rows = []
    for dtype in ("float32", "float64"):
        for n_prev, n, m in SHAPES:
            cases = {f"{product} {order}": {"n_prev": n_prev, "n": n, "m": m, "dtype": dtype, "product": product,
                                            "row_major": order == "row"}
                     for product in ("Z", "dW", "dA") for order in ("column", "row")}
            t = take_turns("orders", cases, 1, options.turns)
            total = {order: [t[f"Z {order}"] + t[f"dW {order}"], t[f"dA {order}"]] for order in ("column", "row")}
            first = total["row"][0] / total["column"][0]
            later = sum(total["row"]) / sum(total["column"])
            choice = "/".join("row" if order else "column" for order in
                              (weight_orders([n_prev, n])[0], weight_orders([1, n_prev, n])[1]))
            print(f"{dtype} {n_prev:>6} -> {n:>4}, m={m:>3}:  "
                  + "  ".join(f"{p} {t[f'{p} column']:8.1f} /{t[f'{p} row']:8.1f}" for p in ("Z", "dW", "dA"))
                  + f"   {first:.2f} {later:.2f}  chosen first/later: {choice}", flush=True)
            rows.append({"n_prev": n_prev, "n": n, "m": m, "dtype": dtype, **t})
    return rows
