"""Z = W X in fastnn.functional: the result stored column-major and row-major, and NumPy's, in float64."""

import numpy as np
from measure import microseconds, take_turns

SHAPES = [(4, 2, 400), (32, 64, 256), (20, 300, 209), (20, 12288, 209), (20, 12288, 50), (10, 784, 1000),
          (128, 784, 128), (300, 3000, 30)]  # n, n_x, m


def work(n: int, n_x: int, m: int, order: str, how: str) -> float:
    from fastnn._core.course import product
    from fastnn.runtime import blas_threads

    rng = np.random.default_rng(0)
    W, X = rng.standard_normal((n, n_x)), np.array(rng.standard_normal((n_x, m)), order=order)
    calls = {"NumPy": lambda: np.dot(W, X), "column": lambda: product(W, X, row_major=False),
             "row": lambda: product(W, X, row_major=True)}
    with blas_threads(1):
        return microseconds(calls[how], seconds=0.05)


def run(options) -> list[dict]:
    print("us column-major / row-major / NumPy, W row-major, 1 thread; ratio column / row")
    rows = []
    for n, n_x, m in SHAPES:
        for order in "CF":
            shape = {"n": n, "n_x": n_x, "m": m, "order": order}
            t = take_turns("layouts", {how: {**shape, "how": how} for how in ("column", "row", "NumPy")}, 1,
                           options.turns)
            print(f"W ({n}, {n_x}), X ({n_x}, {m}) in {order} order: "
                  + " / ".join(f"{us:.1f}" for us in t.values()) + f"   {t['column'] / t['row']:.2f}", flush=True)
            rows.append({**shape, **t})
    return rows
