"""The products of layers with many inputs and few units: BLAS and the kernels' own (fastnn/_core/_dense.pxd)."""

import numpy as np
from measure import microseconds, take_turns

SHAPES = [(12288, 20, 209), (12288, 20, 104), (12288, 7, 209), (12288, 4, 209), (12288, 32, 209), (4096, 20, 128),
          (4096, 10, 64), (1024, 10, 256), (1024, 16, 64), (1024, 10, 64)]


def work(n_prev: int, n: int, m: int, dtype: str, product: str, own: bool) -> float:
    from fastnn import runtime
    from fastnn._core import _kernels

    rng = np.random.default_rng(0)

    def matrix(rows: int, columns: int) -> np.ndarray:
        return np.asfortranarray(rng.standard_normal((rows, columns)).astype(dtype))

    X, W, dZ, Z = matrix(n_prev, m), matrix(n_prev, n), matrix(n, m), matrix(n, m)
    calls = {
        ("Z", False): lambda: _kernels.multiply(W, X, Z, transpose_A=True),
        ("Z", True): lambda: _kernels.skinny_forward(W, X, Z, runtime.LEVEL),
        ("dW", False): lambda: _kernels.multiply(X, dZ, W, transpose_B=True),
        ("dW", True): lambda: _kernels.skinny_gradient(X, dZ, 1.0, W, runtime.LEVEL),
    }
    with runtime.blas_threads(1):
        return microseconds(calls[product, own], seconds=0.03)


def run(options) -> list[dict]:
    from fastnn import runtime

    if runtime.simd_level() != "avx512":
        print(f"the level {runtime.simd_level()} leaves these products to BLAS")
        return []
    print("us BLAS / own kernel, W row-major, 1 thread; ratio of Z and dW together")
    rows = []
    for dtype in ("float32", "float64"):
        for n_prev, n, m in SHAPES:
            shape = {"n_prev": n_prev, "n": n, "m": m, "dtype": dtype}
            cases = {f"{product} {'own' if own else 'BLAS'}": {**shape, "product": product, "own": own}
                     for product in ("Z", "dW") for own in (False, True)}
            t = take_turns("skinny", cases, 1, options.turns)
            ratio = (t["Z BLAS"] + t["dW BLAS"]) / (t["Z own"] + t["dW own"])
            print(f"{dtype} {n_prev:>6} -> {n:>3}, m={m:>3}:  "
                  + "  ".join(f"{p} {t[f'{p} BLAS']:8.1f} /{t[f'{p} own']:8.1f}" for p in ("Z", "dW"))
                  + f"   {ratio:.2f}", flush=True)
            rows.append({**shape, **t})
    return rows
