"""Fair timing on a shared machine: alternating processes, medians, and the best of several repetitions."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from time import perf_counter

import forks

SLOWS_BLAS = ("OPENBLAS_CORETYPE", "OPENBLAS_L2_SIZE")
FORKED = ("step", "predict")  # benchmarks of many processes, none of which measures the process itself
SLOW = 1.5  # of the fastest competitor's time: such a competitor is measured once
THREAD_VARIABLES = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def threads(options) -> list[int]:
    """The thread counts of --threads."""
    return [int(count) for count in options.threads.split(",")]


def in_process(bench: str, arguments: dict, n_threads: int | None, python: str = sys.executable):
    """Call ``work(**arguments)`` of a benchmark in a new process limited to `n_threads`; return its result.

    With None the process has no limit, as a user's who sets nothing.
    """
    variables = {name: value for name, value in os.environ.items() if name not in THREAD_VARIABLES}
    if n_threads is not None:
        variables |= dict.fromkeys(THREAD_VARIABLES, str(n_threads))
    if python == sys.executable and forks.can_fork(arguments.get("system")) and bench in FORKED:
        return forks.request(bench, arguments, variables, n_threads)
    command = [python, str(Path(__file__).parent), bench, "--worker", json.dumps(arguments)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{bench} {arguments}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def alternate(bench: str, cases: dict[str, dict], n_threads: int | None, turns: int,
              settled: Callable[[dict[str, list]], set[str]] = lambda found: set()) -> dict[str, list]:
    """Run all cases in turn, `turns` times; return the results of each case.

    After the first turn, the cases that `settled` names from its results are not repeated.
    """
    found: dict[str, list] = {name: [] for name in cases}
    left_out: set[str] = set()
    for turn in range(turns):
        for name, arguments in cases.items():
            if name not in left_out:
                found[name].append(in_process(bench, arguments, n_threads))
        if turn == 0:
            left_out = settled(found)
    return found


def gather(bench: str, cases: dict[str, dict], n_threads: int | None, turns: int,
           **options) -> dict[str, dict[str, float]]:
    """The medians of each case, whose result is a dict of named figures; options as in `alternate`."""
    found = alternate(bench, cases, n_threads, turns, **options)
    return {name: {key: median(turn[key] for turn in each) for key in each[0]} for name, each in found.items()}


def slow_peers(found: dict[str, list], systems: list[str]) -> set[str]:
    """The competitors that take more than `SLOW` times as long as the fastest one, in every figure "us...".

    Repeating them could not change which one is the fastest.
    """
    rivals = [name for name in systems if name != "fastnn"]
    keys = [key for key in found["fastnn"][0] if key.startswith("us")]
    best = {key: min((found[name][0][key] for name in rivals), default=0.0) for key in keys}
    return {name for name in rivals if all(found[name][0][key] > SLOW * best[key] for key in keys)}


def take_turns(bench: str, cases: dict[str, dict], n_threads: int | None, turns: int) -> dict[str, float]:
    """The median of each case, whose result is one number."""
    return {name: median(each) for name, each in alternate(bench, cases, n_threads, turns).items()}


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
    """The time of a call in microseconds: the lowest mean of `rounds`, each of which takes about `seconds`.

    The first call is not measured. One that takes longer than `seconds` is made `rounds` times more.
    """
    call()
    began = perf_counter()
    call()
    once = perf_counter() - began
    repetitions = max(1, int(seconds / max(once, 1e-7)))
    best = once if repetitions == 1 else float("inf")
    for _ in range(rounds - (repetitions == 1)):
        began = perf_counter()
        for _ in range(repetitions):
            call()
        best = min(best, (perf_counter() - began) / repetitions)
    return best * 1e6
