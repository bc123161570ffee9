"""What the default number of threads costs: steps and predictions by default and with given numbers of threads.

Each is measured on idle cores and with another program keeping one core busy. The target compares the default with the
best of the given numbers.
"""

from collections.abc import Callable
from time import perf_counter

import numpy as np
import targets
from measure import busy_cores, gather, threads
from networks import NETWORKS, chosen, label

from suites.step import BATCHES, data

AUTO = "auto"
TARGET = "team chosen at run time / the better of one and two threads"
ROWS = (32, 10_000)  # of a prediction
SECONDS = 0.25  # of measurement per figure


def mean_us(call: Callable[[int], object]) -> float:
    """Microseconds of one of the `count` parts of ``call(count)``.

    The mean, not the minimum: a thread that another program interrupts is a part of the result.
    """
    def seconds(count: int) -> float:
        began = perf_counter()
        call(count)
        return perf_counter() - began

    seconds(1)
    count = max(1, round(SECONDS / max(min(seconds(1), seconds(1)), 1e-7)))
    return seconds(count) / count * 1e6


def work(workload: str, dtype: str, n_threads: int | None) -> dict[str, float]:
    from fastnn import Network

    sizes, batch = NETWORKS[workload]
    net = Network(sizes, random_state=0, dtype=dtype)
    n_batches = BATCHES.get(workload, 8)
    X, y = data(sizes, batch, n_batches, dtype)
    us = {"step": mean_us(lambda epochs: net.fit(X, y, batch_size=batch, epochs=epochs, learning_rate=1e-3,
                                                 n_threads=n_threads)) / n_batches}
    for rows in ROWS:
        part = np.resize(X, (rows, sizes[0]))
        us[f"predict {rows}"] = mean_us(
            lambda count, part=part: [net.predict_proba(part, n_threads=n_threads) for _ in range(count)])
    return us


def run(options) -> list[dict]:
    counts = threads(options)
    table = []
    print(f"us per step and per prediction (median of {options.turns}) on given numbers of threads and by default; the "
          f"default relative to the best of the others (target: at most {targets.LIMITS[TARGET].bound})")
    for dtype in options.dtypes.split(","):
        for workload in chosen(options):
            cases = {str(n): {"workload": workload, "dtype": dtype, "n_threads": n} for n in counts}
            cases[AUTO] = {"workload": workload, "dtype": dtype, "n_threads": None}
            for cores, busy in (("idle cores", 0), ("a busy core", 1)):
                with busy_cores(busy):
                    figures = gather("teams", cases, None, options.turns)
                for call in figures[AUTO]:
                    us = {name: figures[name][call] for name in cases}
                    ratio = us[AUTO] / min(us[str(n)] for n in counts)
                    print(f"{label(workload):<36} {dtype} {cores:<11} {call:<13} "
                          + " ".join(f"{name}: {t:>10.1f} " for name, t in us.items()) + f"{ratio:.2f}", flush=True)
                    table.append({"workload": workload, "dtype": dtype, "busy": busy, "call": call, "us": us,
                                  "cell": f"{call} of {workload}, {dtype}, {cores}", "targets": {TARGET: ratio}})
    return table
