"""The element-wise functions: nanoseconds per element at each SIMD level and in NumPy."""

import numpy as np
from measure import microseconds, take_turns

COUNT = 4096  # fits in the L1 cache
NUMPY = {"exp": np.exp, "expm1": np.expm1, "log": np.log, "log1p": np.log1p, "tanh": np.tanh}


def work(function: str, dtype: str, level: int | None) -> float:
    from fastnn._core import _testing

    x = np.random.default_rng(0).uniform(0.1, 5, COUNT).astype(dtype)
    out = np.empty_like(x)
    if level is None:
        us = microseconds(lambda: NUMPY[function](x, out=out), seconds=0.02)
    else:
        us = microseconds(lambda: _testing.elementwise(function, x, out, level), seconds=0.02)
    return us / COUNT * 1e3


def run(options) -> list[dict]:
    from fastnn._core.registry import FUNCTIONS, LEVELS

    print("ns per element:  " + "".join(f"{name:>10}" for name in (*LEVELS, "numpy")))
    rows = []
    for dtype in ("float32", "float64"):
        for function in FUNCTIONS:
            cases = {name: {"function": function, "dtype": dtype, "level": k} for k, name in enumerate(LEVELS)}
            if function in NUMPY:
                cases["numpy"] = {"function": function, "dtype": dtype, "level": None}
            t = take_turns("functions", cases, 1, options.turns)
            print(f"{function:<12} {dtype[5:]:>3} " + "".join(f"{value:>10.2f}" for value in t.values()), flush=True)
            rows.append({"function": function, "dtype": dtype, **t})
    return rows
