"""Scaling: time per step against batch size, width and depth, and the log-log slope of each."""

import numpy as np
import peers
import targets
from measure import gather, threads

from suites.step import data, step_time

BATCHES = 8  # mini-batches of an epoch
WIDTHS = [128, 256, 512, 1024, 2048]
DEPTHS = [2, 4, 8, 16, 32]
# For each varied quantity, its values and the log-log slope of the multiply-adds, m sum n[l-1] n[l].
CURVES: dict[str, tuple[list[int], int]] = {"batch": ([64, 128, 256, 512, 1024, 2048, 4096], 1), "width": (WIDTHS, 2),
                                            "hidden layers": (DEPTHS, 1)}


def shape(curve: str, value: int) -> tuple[list[int], int]:
    """Layer sizes and batch size.

    The parts that do not grow with `value` are kept small. The first layer computes no dA, so with 192 features it
    takes as much work as a hidden layer of 128 units.
    """
    if curve == "batch":
        return [128, 128, 128, 10], value
    if curve == "width":
        return [16, value, value, 2], 256
    return [192, *[128] * value, 2], 256


def work(curve: str, value: int, n_threads: int) -> dict[str, float]:
    sizes, batch = shape(curve, value)
    X, y = data(sizes, batch, BATCHES, "float32")
    peer = peers.make("fastnn", sizes, "float32", n_threads)
    peer.train(X, y, batch, 1)
    return {"us": step_time(peer, X, y, batch)}


def slope(values: list[int], us: list[float]) -> float:
    """The least-squares slope of log(us) against log(values)."""
    return float(np.polyfit(np.log(values), np.log(us), 1)[0])


def run(options) -> list[dict]:
    rows = []
    print("us per training step of fastnn (float32, Adam, relu), and the log-log slope "
          f"(target: within {targets.SLOPE_TOLERANCE:.0%} of the slope of the multiply-adds)")
    names = options.only.split(",") if options.only else list(CURVES)
    for curve in names:
        values, expected = CURVES[curve]
        for n_threads in threads(options):
            cases = {str(value): {"curve": curve, "value": value, "n_threads": n_threads} for value in values}
            figures = gather("scaling", cases, n_threads, options.turns)
            us = [figures[str(value)]["us"] for value in values]
            found = slope(values, us)
            print(f"{curve}, {n_threads} threads: "
                  + ", ".join(f"{value} {t:.0f}" for value, t in zip(values, us, strict=True))
                  + f"; slope {found:.2f}, expected {expected}"
                  + ("" if abs(found / expected - 1) <= targets.SLOPE_TOLERANCE else "  MISSED"), flush=True)
            rows.append({"curve": curve, "threads": n_threads, "values": values, "us": us, "slope": found,
                         "expected": expected})
    return rows
