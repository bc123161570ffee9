"""Measuring fairly on a shared machine: processes that take turns, medians, and times of many repetitions."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

WORKLOADS = {  # layer sizes, batch size: Adam, relu, softmax cross-entropy
    "iris": ([4, 100, 3], 120),
    "digits": ([64, 64, 10], 32),
    "tab": ([28, 256, 256, 256, 2], 512),
    "fmnist": ([784, 128, 64, 10], 128),
    "wide": ([784, 1024, 1024, 10], 256),
    "course": ([12288, 20, 7, 5, 2], 209),
}
SLOWS_BLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")


def chosen(options) -> dict[str, tuple[list[int], int]]:
    """The workloads that --only names, or all of them."""
    names = options.only.split(",") if options.only else list(WORKLOADS)
    return {name: WORKLOADS[name] for name in names}


def label(workload: str) -> str:
    """A workload's name, layer sizes and batch size."""
    sizes, batch = WORKLOADS[workload]
    return f"{workload} {'-'.join(map(str, sizes))}, batch {batch}"


def threads(options) -> list[int]:
    """The thread counts of --threads."""
    return [int(count) for count in options.threads.split(",")]


def in_process(bench: str, arguments: dict, n_threads: int):
    """Run ``bench.work(**arguments)`` in a new process limited to `n_threads`; return what it returns."""
    environment = {key: value for key, value in os.environ.items() if key not in SLOWS_BLAS}
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        environment[variable] = str(n_threads)
    command = [sys.executable, str(Path(__file__).parent), bench, "--worker", json.dumps(arguments)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{bench} {arguments}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def gather(bench: str, cases: dict[str, dict], n_threads: int, turns: int) -> dict[str, dict[str, float]]:
    """The medians of each case's figures; its processes alternate for `turns` rounds."""
    figures: dict[str, list[dict[str, float]]] = {name: [] for name in cases}
    for _ in range(turns):
        for name, arguments in cases.items():
            figures[name].append(in_process(bench, arguments, n_threads))
    return {name: {key: median(turn[key] for turn in turns_) for key in turns_[0]} for name, turns_ in figures.items()}


def take_turns(bench: str, cases: dict[str, dict], n_threads: int, turns: int) -> dict[str, float]:
    """The median figure of each case, whose processes alternate for `turns` rounds."""
    figures: dict[str, list[float]] = {name: [] for name in cases}
    for _ in range(turns):
        for name, arguments in cases.items():
            figures[name].append(in_process(bench, arguments, n_threads))
    return {name: median(values) for name, values in figures.items()}


@contextmanager
def busy_cores(count: int) -> Iterator[None]:
    """Keep `count` cores busy with other processes inside the block."""
    command = [sys.executable, "-c", "while True: pass"]
    spinning = [subprocess.Popen(command) for _ in range(count)]
    try:
        yield
    finally:
        for process in spinning:
            process.kill()
            process.wait()


def microseconds(call: Callable[[], object], *, seconds: float = 0.2, rounds: int = 5) -> float:
    """The fastest of `rounds` means of a call's time, in microseconds; a round takes about `seconds`."""
    call()
    began = perf_counter()
    call()
    repetitions = max(1, int(seconds / max(perf_counter() - began, 1e-7)))
    best = float("inf")
    for _ in range(rounds):
        began = perf_counter()
        for _ in range(repetitions):
            call()
        best = min(best, (perf_counter() - began) / repetitions)
    return best * 1e6
