"""The run-time configuration: SIMD level, threads and their team, CPU quota, BLAS. `show_config()` prints it."""

import os
import platform
import warnings
from math import ceil
from operator import index
from typing import Any

from fastnn import _tuning
from fastnn._core.registry import ALL_LEVELS, LEVELS
from fastnn._core.team import KIND
from fastnn._threads.blas_limit import blas_libraries, blas_threads
from fastnn._threads.cpu_quota import cpu_quota
from fastnn._version import __version__

__all__ = ["blas_info", "blas_threads", "config", "cores", "cpu_quota", "show_config", "simd_level", "team_kind",
           "thread_count"]


def _requested_level() -> int:
    """The best level of this machine, or the lower one that FASTNN_SIMD selects."""
    best = len(LEVELS) - 1
    name = os.environ.get("FASTNN_SIMD", "").strip().lower()
    if not name:
        return best
    if name == "baseline":  # also where NEON is the lowest level
        return 0
    if name not in ALL_LEVELS:
        warnings.warn(f"FASTNN_SIMD={name!r} is not one of {', '.join(ALL_LEVELS)}: using {LEVELS[best]}",
                      RuntimeWarning, stacklevel=2)
        return best
    if name not in LEVELS:
        warnings.warn(f"this machine lacks FASTNN_SIMD={name}: using {LEVELS[best]}", RuntimeWarning, stacklevel=2)
        return best
    return LEVELS.index(name)


LEVEL = _requested_level()


def simd_level() -> str:
    """Return the SIMD level whose kernels run: "baseline", "avx2" or "avx512" on x86-64, "neon" on arm64.

    It is chosen at import: the best that the CPU and the operating system support. The environment variable
    FASTNN_SIMD selects a lower one; "baseline" is the lowest of every machine.
    """
    return LEVELS[LEVEL]


def thread_count(n_threads: int | None = None) -> int:
    """Return the number of threads to use.

    Parameters
    ----------
    n_threads : int, optional
        The caller's choice, from 1 to 4096. By default FASTNN_NUM_THREADS, else OMP_NUM_THREADS; a variable outside
        that range is ignored. Else `cores` (from Python 3.13 on `os.process_cpu_count`, which PYTHON_CPU_COUNT
        overrides), at most 64 and at most `cpu_quota`, rounded up.

    Raises
    ------
    ValueError, TypeError
        If `n_threads` is not a whole number in that range.
    """
    if n_threads is not None:
        if type(n_threads) is int and 1 <= n_threads <= 4096:
            return n_threads  # the checks below take longer than a prediction of one row
        try:
            if isinstance(n_threads, bool):
                raise TypeError
            count = index(n_threads)
        except TypeError:
            given = repr(n_threads) if isinstance(n_threads, (bool, float, str)) else type(n_threads).__name__
            raise TypeError(f"n_threads must be a whole number, got {given:.100}") from None
        if not 1 <= count <= 4096:
            raise ValueError(f"n_threads must be from 1 to 4096, got {count}")
        return count
    for variable in ("FASTNN_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(variable, "").split(",")[0].strip()
        if text.isdecimal() and 1 <= int(text) <= 4096:
            return int(text)
    available = min(os.process_cpu_count() or 1, _tuning.MAX_TEAM) if hasattr(os, "process_cpu_count") else cores()
    quota = cpu_quota()
    return available if quota is None else min(available, ceil(quota))


def cores() -> int:
    """Return the number of cores that this process may use by its affinity mask, at most 64."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(found, _tuning.MAX_TEAM)


def team_kind() -> str:
    """Return what runs the threads of a call: "openmp", "pthreads", or "none".

    Compilers without OpenMP, such as Apple's clang, build fastnn with a team of POSIX threads. With "none" the calling
    thread alone computes, whatever `thread_count` returns; only BLAS may use more.
    """
    return KIND


def blas_info() -> list[dict[str, Any]]:
    """Return name, version, kernel, threads and file of the BLAS libraries that the core calls."""
    keys = ("internal_api", "version", "architecture", "num_threads", "filepath")
    return [{key: lib.info().get(key) for key in keys} for lib in blas_libraries()]


def config() -> dict[str, Any]:
    """Return version, SIMD level, threads and their team, cores, CPU quota, BLAS and platform as a dictionary."""
    import numpy
    import scipy

    return {
        "fastnn": __version__,
        "simd": simd_level(),
        "simd_available": list(LEVELS),
        "threads": thread_count(),
        "team": team_kind(),
        "cores": cores(),
        "cpu_quota": cpu_quota(),
        "blas": blas_info(),
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()} {platform.system()}",
    }


def show_config() -> None:
    """Print version, SIMD level, threads and their team, cores, CPU quota (if there is one), BLAS and platform."""
    values = config()
    blas = values.pop("blas")
    quota = values.pop("cpu_quota")
    if quota is not None:
        values["cores"] = f"{values['cores']}, of which a CPU quota allows {quota:g}"
    if values["team"] == "none":
        values["team"] = "none: this build computes on the calling thread, and BLAS on its own threads"
    for key, value in values.items():
        print(f"{key + ':':<16} {', '.join(value) if isinstance(value, list) else value}")
    for library in blas:
        print(f"{'blas:':<16} {library['internal_api']} {library['version']} ({library['architecture']}), "
              f"{library['num_threads']} threads")
