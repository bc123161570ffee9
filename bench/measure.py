"""Measuring fairly on a shared machine: processes that take turns, medians, and times of many repetitions."""

import json
import os
import platform
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
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
PACKAGES = ("fastnn", "numpy", "scipy", "scikit-learn", "jax", "jaxlib", "torch", "onnxruntime", "onnx", "skl2onnx")


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
    variables = dict(os.environ)
    for variable in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        variables[variable] = str(n_threads)
    command = [sys.executable, str(Path(__file__).parent), bench, "--worker", json.dumps(arguments)]
    done = subprocess.run(command, env=variables, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{bench} {arguments}: {done.stderr}")
    return json.loads(done.stdout.splitlines()[-1])


def alternate(bench: str, cases: dict[str, dict], n_threads: int, turns: int) -> dict[str, list]:
    """What each case returns in each of `turns` rounds, in which all cases take their turn."""
    found: dict[str, list] = {name: [] for name in cases}
    for _ in range(turns):
        for name, arguments in cases.items():
            found[name].append(in_process(bench, arguments, n_threads))
    return found


def gather(bench: str, cases: dict[str, dict], n_threads: int, turns: int) -> dict[str, dict[str, float]]:
    """The medians of each case's figures, which have names."""
    found = alternate(bench, cases, n_threads, turns)
    return {name: {key: median(turn[key] for turn in each) for key in each[0]} for name, each in found.items()}


def take_turns(bench: str, cases: dict[str, dict], n_threads: int, turns: int) -> dict[str, float]:
    """The median of each case's only figure."""
    return {name: median(each) for name, each in alternate(bench, cases, n_threads, turns).items()}


def caches() -> dict[str, str]:
    """Name and size of the first core's caches, where Linux tells."""
    found = {}
    for entry in sorted(Path("/sys/devices/system/cpu/cpu0/cache").glob("index*")):
        level, kind, size = ((entry / name).read_text().strip() for name in ("level", "type", "size"))
        found[f"L{level}" + {"Data": "d", "Instruction": "i"}.get(kind, "")] = size
    return found


def cpu_model() -> str:
    """The processor's name; Linux alone tells it fully."""
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor()
    return next((line.partition(": ")[2] for line in lines if line.startswith("model name")), platform.processor())


def versions() -> dict[str, str]:
    """The versions of Python and of the packages that are measured, as far as they are installed."""
    found = {"python": platform.python_version()}
    for package in PACKAGES:
        try:
            found[package] = version(package)
        except PackageNotFoundError:
            continue
    return found


def environment() -> dict:
    """What figures depend on beside the code: the machine, the versions, the SIMD level and BLAS as measured."""
    from fastnn import runtime

    blas = [f"{lib['internal_api']} {lib['version']} ({lib['architecture']})" for lib in runtime.blas_info()]
    return {"machine": {"cpu": cpu_model(), "architecture": platform.machine(), "system": platform.system(),
                        "cores": runtime.cores(), "caches": caches()},
            "versions": versions(), "simd": runtime.simd_level(), "blas": ", ".join(blas),
            "date": datetime.now(UTC).strftime("%Y-%m-%d")}


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
