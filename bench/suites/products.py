"""The matrix products of the layers, by BLAS and by each kernel of csrc/gemm."""

import numpy as np
import targets
from measure import microseconds, take_turns

PEAK = "multiply-add in registers"
PRODUCTS = ("Z", "dW", "dA")

SHAPES = [  # n[l-1], n[l], m
    (4, 100, 150), (30, 100, 200), (64, 100, 200), (100, 10, 200), (100, 3, 150), (64, 64, 32), (64, 10, 32),
    (784, 128, 128), (128, 64, 128), (28, 256, 512), (256, 256, 512), (784, 1024, 256), (1024, 1024, 256),
    (12288, 20, 209), (12288, 4, 209), (1024, 10, 256), (64, 100, 16), (64, 100, 4), (1024, 1024, 16),
    (2, 4, 400), (20, 7, 209), (7, 5, 209), (12288, 20, 32), (1024, 10, 32),
    (64, 64, 1), (64, 10, 1), (256, 256, 1), (784, 128, 1), (1024, 1024, 1), (12288, 20, 1)]


def transposes(product: str, row_major: bool) -> dict[str, bool]:
    """The transpose flags of Z = W A_prev, dW = dZ A_prev^T and dA_prev = W^T dZ for the stored W."""
    if product == "dW":
        return {"transpose_B": True}
    return {"transpose_A": row_major == (product == "Z")}


def stored_row_major(n_prev: int, n: int) -> bool:
    from fastnn._model.parameters import weight_orders

    return weight_orders([1, n_prev, n])[1]


def kernels(n_prev: int, n: int, m: int, product: str) -> list[str]:
    """The kernels that can compute this product; "" is BLAS."""
    if product == "dW":
        return ["", "tiles"]
    if transposes(product, stored_row_major(n_prev, n))["transpose_A"]:
        return ["", "tiles", "dots"]
    return ["", "tiles", "matvec"] if m == 1 and (n if product == "Z" else n_prev) >= 16 else ["", "tiles"]


def chosen(n_prev: int, n: int, m: int, product: str, dtype: str) -> str:
    """The kernel that a network uses."""
    from fastnn import runtime
    from fastnn._core._testing import fastest

    flags = transposes(product, row_major := stored_row_major(n_prev, n))
    shape = {"Z": (n, m, n_prev), "dA": (n_prev, m, n), "dW": (n_prev, n, m) if row_major else (n, n_prev, m)}
    return fastest(runtime.LEVEL, dtype, *shape[product], **flags)


def work(n_prev: int, n: int, m: int, dtype: str, product: str, by: str) -> float:
    """Microseconds of a product by the kernel `by`, "" for BLAS; of a multiply-add in registers if it is PEAK."""
    from fastnn import runtime
    from fastnn._core._testing import multiply, multiply_adds
    from fastnn._model.workspace import aligned_empty

    rng = np.random.default_rng(0)

    def matrix(rows: int, columns: int) -> np.ndarray:
        M = aligned_empty((rows, columns), dtype, "F")
        M[...] = rng.standard_normal((rows, columns))
        return M

    if product == PEAK:
        rounds = 10**5
        return microseconds(lambda: multiply_adds(dtype, rounds, runtime.LEVEL), seconds=0.03) / multiply_adds(
            dtype, rounds, runtime.LEVEL)
    row_major = stored_row_major(n_prev, n)
    A_prev, dA, dZ, Z = matrix(n_prev, m), matrix(n_prev, m), matrix(n, m), matrix(n, m)
    W = matrix(n_prev, n) if row_major else matrix(n, n_prev)
    operands = {"Z": (W, A_prev, Z), "dA": (W, dZ, dA), "dW": (A_prev, dZ, W) if row_major else (dZ, A_prev, W)}
    options = {**transposes(product, row_major), "level": runtime.LEVEL if by else None, "by": by}
    repetitions = max(1, 10**6 // (n_prev * n * m))
    with runtime.blas_threads(1):
        return microseconds(lambda: multiply(*operands[product], **options, repetitions=repetitions),
                            seconds=0.03) / repetitions


def run(options) -> list[dict]:
    from fastnn import runtime

    if runtime.simd_level() == "baseline":
        print("the SIMD level baseline has no kernels for products: they are BLAS's")
        return []
    print("us, 1 thread; of the shapes with a target: the part of the peak rate that the chosen kernel reaches")
    rows = []
    for dtype in options.dtypes.split(","):
        for n_prev, n, m in SHAPES:
            shape = {"n_prev": n_prev, "n": n, "m": m, "dtype": dtype}
            cases = {f"{product} {by or 'BLAS'}": {**shape, "product": product, "by": by}
                     for product in PRODUCTS for by in kernels(n_prev, n, m, product)}
            if (n_prev, n, m) in targets.PEAK_SHAPES:
                cases[PEAK] = {**shape, "product": PEAK, "by": ""}
            t = take_turns("products", cases, 1, options.turns)
            peak = t.pop(PEAK, None)
            print(f"{dtype} {n_prev:>6} -> {n:>4}, m={m:>3}:  "
                  + "  ".join(f"{name} {us:8.2f}" for name, us in t.items()), flush=True)
            rows.append({**shape, **t})
            if peak:
                rows[-1]["peak"] = 1 / peak
                print(f"    peak {1 / peak:.0f} multiply-adds per us; parts of it:", end="")
                for product in PRODUCTS:
                    part = peak * n_prev * n * m / t[f"{product} {chosen(n_prev, n, m, product, dtype)}"]
                    print(f"  {product} {part:.3f}", end="")
                    rows.append({"cell": f"{product} of {n_prev} -> {n}, {m} examples, {dtype}",
                                 "targets": {"products: part of the FMA peak": part}})
                print(flush=True)
    return rows
