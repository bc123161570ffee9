"""The gradient of logistic regression: Python loops, vectorised over features, over examples, and fastnn."""

import sys
from pathlib import Path

from measure import microseconds, take_turns, threads

sys.path.append(str(Path(__file__).parents[2] / "examples" / "notes"))
from logistic_four_ways import WAYS, problem

SHAPES = {"two features": (2, 400), "table": (50, 1000), "pictures": (12288, 209)}  # n_x, m


def work(way: str, n_x: int, m: int) -> float:
    w, b, X, Y = problem(n_x, m)
    return microseconds(lambda: WAYS[way](w, b, X, Y), seconds=0.1, rounds=3)


def run(options) -> list[dict]:
    names = options.only.split(",") if options.only else list(SHAPES)
    print("Microseconds for J, dw, db of logistic regression (float64), median of", options.turns)
    print("| n_x, m | threads | " + " | ".join(WAYS) + " |")
    print("|" + "---|" * (len(WAYS) + 2))
    rows = []
    for name in names:
        n_x, m = SHAPES[name]
        for n_threads in threads(options):
            figures = take_turns("vectorization", {way: {"way": way, "n_x": n_x, "m": m} for way in WAYS}, n_threads,
                                 options.turns)
            print(f"| {n_x}, {m} | {n_threads} | " + " | ".join(f"{value:.1f}" for value in figures.values()) + " |",
                  flush=True)
            rows.append({"shape": name, "threads": n_threads, **figures})
    return rows
