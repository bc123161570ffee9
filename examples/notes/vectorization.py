"""Vectorisation and broadcasting: u = Av, u_i = e^(v_i), and the calories table.

Note 001, "Vectorisation": "avoid for loops wherever possible. u = Av, u_i = sum_j A_ij v_j; for i ... for j ... } long
time; vector version u = np.dot(A, v)"; "non vectorised u[i] = math.exp(v[i]); vectorised u = np.exp(v), np.log(v),
np.abs(v), np.max(v, 0)" (np.maximum is meant). "SIMD: single inst. multiple data".

Note 001, "Broadcasting in Python": "% calories without explicit for loop: cal = A.sum(axis=0), percentage = 100 * A
/ cal.reshape(1, 4)"; "(3,4) / (1,4)"; "[1 2 3 4]^T + 100 = [101 102 103 104]^T"; and Z = w^T X + b, "[b b ... b]".
"""

import math
from pathlib import Path
from time import perf_counter

import numpy as np
from pictures import parser

from fastnn import functional, runtime

FOODS = ("Apples", "Beef", "Eggs", "Potatoes")
ROWS = ("Carb", "Protein", "Fats")
CALORIES = np.array([[56.0, 0.0, 4.4, 68.0], [1.2, 104.0, 52.0, 8.0], [1.8, 135.0, 99.0, 8.9]])


def product_by_loops(A, v):
    """u = A v for A (k, n), v (n, 1)."""
    u = np.zeros((A.shape[0], 1))
    for i in range(A.shape[0]):
        for j in range(A.shape[1]):
            u[i, 0] += A[i, j] * v[j, 0]
    return u


def product_on_fastnn(A, v):
    """u = A v as one layer: Z = W A_prev + b with W = A, A_prev = v, b = 0."""
    return functional.linear_forward(v, A, np.zeros((A.shape[0], 1)))[0]


def exp_by_loops(v):
    u = np.zeros((len(v), 1))
    for i in range(len(v)):
        u[i, 0] = math.exp(v[i, 0])
    return u


def percentages(A):
    """The percentage of each entry in the sum of its column: (3, 4) / (1, 4)."""
    cal = A.sum(axis=0)
    return 100 * A / cal.reshape(1, 4)


def milliseconds(call):
    times = []
    for _ in range(3):
        began = perf_counter()
        call()
        times.append((perf_counter() - began) * 1e3)
    return min(times)


def main(out: Path | None = None) -> None:
    rng = np.random.default_rng(0)
    A, v = rng.standard_normal((300, 300)), rng.standard_normal((300, 1))
    loops, vector = product_by_loops(A, v), np.dot(A, v)
    print(f"u = A v, A (300, 300): loops {milliseconds(lambda: product_by_loops(A, v)):.2f} ms, "
          f"np.dot {milliseconds(lambda: np.dot(A, v)):.4f} ms, largest difference {np.abs(loops - vector).max():.1e}")
    v = rng.standard_normal((100_000, 1))
    loops, vector = exp_by_loops(v), np.exp(v)
    print(f"u_i = exp(v_i), 100000 entries: loop {milliseconds(lambda: exp_by_loops(v)):.2f} ms, "
          f"np.exp {milliseconds(lambda: np.exp(v)):.3f} ms, largest difference {np.abs(loops - vector).max():.1e}")
    print(f"SIMD level of fastnn's kernels on this machine: {runtime.simd_level()}")
    print("\nCalories of 100 g, and the share of each row in %")
    print(f"{'':8}" + "".join(f"{food:>10}" for food in FOODS))
    for name, row, share in zip(ROWS, CALORIES, percentages(CALORIES), strict=True):
        print(f"{name:8}" + "".join(f"{value:>10.1f}" for value in row))
        print(f"{'':8}" + "".join(f"{value:>8.1f} %" for value in share))
    print("\n[[1], [2], [3], [4]] + 100 =", (np.array([[1], [2], [3], [4]]) + 100).tolist())


if __name__ == "__main__":
    main(parser(__doc__).parse_args().out)
