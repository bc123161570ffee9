"""How long waiting threads spin before they sleep (libgomp's GOMP_SPINCOUNT), on idle cores and with a busy one.

Sets the count in `fastnn/_core/__init__.py`.
"""

import os
from statistics import median

from measure import busy_cores, in_process
from networks import NETWORKS, label

from suites.step import data
from suites.teams import mean_us

VARIABLE = "GOMP_SPINCOUNT"
COUNTS = ("", "0", "1000", "3000", "10000", "infinity")  # "": fastnn's choice
WORKLOAD, BATCHES = "fmnist", 8


def work(n_threads: int) -> float:
    """Microseconds per step, the mean over whole fits."""
    from fastnn import Network

    sizes, batch = NETWORKS[WORKLOAD]
    X, y = data(sizes, batch, BATCHES, "float32")
    net = Network(sizes, random_state=0)
    return mean_us(lambda epochs: net.fit(X, y, batch_size=batch, epochs=epochs, n_threads=n_threads)) / BATCHES


def measured(count: str, n_threads: int) -> float:
    if count:
        os.environ[VARIABLE] = count
    else:
        os.environ.pop(VARIABLE, None)
    return in_process("spinning", {"n_threads": n_threads}, n_threads)


def run(options) -> list[dict]:
    rows, before = [], os.environ.get(VARIABLE)
    cases = {"one thread": ("", 1), **{count or "fastnn's": (count, 2) for count in COUNTS}}
    print(f"us per step of {label(WORKLOAD)} on two threads, for values of {VARIABLE} (median of {options.turns})")
    for cores, busy in (("idle cores", 0), ("a busy core", 1)):
        with busy_cores(busy):
            turns = [{name: measured(*case) for name, case in cases.items()} for _ in range(options.turns)]
        us = {name: median(turn[name] for turn in turns) for name in cases}
        print(f"{cores:<11} " + "  ".join(f"{name}: {value:.0f}" for name, value in us.items()), flush=True)
        rows.append({"busy": busy, "us": us})
    if before is not None:
        os.environ[VARIABLE] = before
    return rows
