"""What runs where: SIMD level, BLAS and its threads, shards. `show_config()` prints it."""

import os
import platform
import threading
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from itertools import pairwise
from operator import index
from pathlib import Path
from typing import Any, NamedTuple

from fastnn import _tuning
from fastnn._core.registry import ALL_LEVELS, LEVELS

__all__ = ["Parallelism", "blas_info", "blas_threads", "config", "cores", "parallelism", "show_config", "simd_level",
           "thread_count"]


def _requested_level() -> int:
    """The best level of this machine, or the one that FASTNN_SIMD forces it down to."""
    best = len(LEVELS) - 1
    name = os.environ.get("FASTNN_SIMD", "").strip().lower()
    if not name:
        return best
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
    """Return the SIMD level whose kernels run: "baseline", "avx2" or "avx512".

    It is chosen at import from what the CPU and the operating system support; the environment variable
    FASTNN_SIMD forces it down.
    """
    return LEVELS[LEVEL]


def thread_count(n_threads: int | None = None) -> int:
    """Return the number of threads to use.

    Parameters
    ----------
    n_threads : int, optional
        As asked for by the caller; None takes FASTNN_NUM_THREADS, then OMP_NUM_THREADS, then the cores that this
        process may use.

    Raises
    ------
    ValueError, TypeError
        If `n_threads` is not a positive whole number.
    """
    if n_threads is not None:
        if type(n_threads) is int and 1 <= n_threads <= 4096:
            return n_threads  # at once: a prediction of one row takes less time than the checks below
        if isinstance(n_threads, bool):
            raise TypeError("n_threads must be a whole number, got a bool")
        try:
            count = index(n_threads)
        except TypeError:
            raise TypeError(f"n_threads must be a whole number, got {type(n_threads).__name__}") from None
        if not 1 <= count <= 4096:
            raise ValueError(f"n_threads must be from 1 to 4096, got {count}")
        return count
    for variable in ("FASTNN_NUM_THREADS", "OMP_NUM_THREADS"):
        text = os.environ.get(variable, "").split(",")[0].strip()
        if text.isdecimal() and 1 <= int(text) <= 4096:
            return int(text)
    return cores()


def cores() -> int:
    """Return the number of cores that this process may use, at most 64."""
    found = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return min(found, _tuning.MAX_TEAM)


@cache
def _scipy_blas() -> tuple[Any, ...]:
    """threadpoolctl's handles of the BLAS that SciPy loads (NumPy's wheels load another one)."""
    from scipy.linalg import cython_blas  # noqa: F401  (loads it)
    from threadpoolctl import ThreadpoolController

    libraries = [lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"]
    # In wheels it lies in scipy.libs or scipy/.dylibs; elsewhere NumPy and SciPy share the system's.
    own = [lib for lib in libraries if any(part.startswith("scipy") for part in Path(lib.filepath).parent.parts)]
    return tuple(own or libraries)


def _set_threads(library: Any, count: int) -> None:
    """Set a BLAS library's threads from any Python thread; the caller holds `_BlasLimit`'s lock."""
    # Since 3.7 threadpoolctl lets only the first thread that asked set OpenBLAS's, silently; the lock does that here.
    release = getattr(library, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)
    library.set_num_threads(count)
    if release is not None:
        release(force=True)


class _BlasLimit:
    """One process-wide record of who needs BLAS limited: the lowest limit holds, the last one out restores."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limits: list[int] = []  # of those inside
        self._before: list[int] = []  # threads of each library
        self._set: list[int] = []  # the same, as it was set here: another number is a user's
        if hasattr(os, "register_at_fork"):  # no thread is halfway through when a child is made
            os.register_at_fork(before=self._lock.acquire, after_in_parent=self._lock.release,
                                after_in_child=self._forget)

    def enter(self, limit: int) -> bool:
        with self._lock:
            libraries = _scipy_blas()
            if not self._limits:
                self._before = [lib.num_threads for lib in libraries]
                self._set = self._before.copy()
            self._limits.append(limit)
            for i, lib in enumerate(libraries):
                if limit < lib.num_threads:  # never raised: a limit of the user's holds
                    self._set_threads(i, limit)
            return bool(libraries) and all(lib.num_threads <= limit for lib in libraries)

    def leave(self, limit: int) -> None:
        with self._lock:
            self._limits.remove(limit)
            if not self._limits:
                self._restore()
                return
            for i, lib in enumerate(_scipy_blas()):  # inside a fit, say: the fit's own limit holds again
                allowed = min(self._before[i], *self._limits)
                if lib.num_threads == self._set[i] < allowed:
                    self._set_threads(i, allowed)

    def _set_threads(self, i: int, count: int) -> None:
        _set_threads(_scipy_blas()[i], count)
        self._set[i] = count

    def _restore(self) -> None:
        for lib, before in zip(_scipy_blas(), self._before, strict=True):
            if lib.num_threads != before:
                _set_threads(lib, before)

    def _forget(self) -> None:
        """A forked child holds no limit of its parent's fits, which go on without it."""
        if self._limits:
            self._limits.clear()
            self._restore()
        self._lock.release()


_limit = _BlasLimit()


@contextmanager
def blas_threads(limit: int) -> Iterator[bool]:
    """Limit SciPy's BLAS to `limit` threads inside the block; yields whether that is confirmed.

    The limit is process-wide: where blocks overlap, in several threads or one inside another, the lowest limit of those
    that have not ended holds, and the last one out restores what was before.
    """
    confirmed = _limit.enter(limit)
    try:
        yield confirmed
    finally:
        _limit.leave(limit)


class Parallelism(NamedTuple):
    """How a plan uses threads: shards of the mini-batch, threads that work on them, threads of each BLAS call."""

    n_shards: int
    team: int
    blas_threads: int


def parallelism(sizes: Sequence[int], batch_size: int, n_threads: int, n_parameters: int = 0) -> Parallelism:
    """Choose the shards of a mini-batch.

    Small steps stay on the caller's thread, but for the update of many parameters; larger ones are cut into one shard a
    thread, BLAS on one thread each; where the examples are too few for that, BLAS gets the threads. The number of
    shards follows `n_threads` alone, so that results do not depend on the machine; at most one thread a core works.

    Parameters
    ----------
    sizes : sequence of int
        n[0], ..., n[L]; for a sparse X with the non-zeros of a row for n[0].
    batch_size : int
        Examples of a mini-batch.
    n_threads : int
        Threads that may be used.
    n_parameters : int
        P, the size of the update and of a gradient arena.
    """
    weights = sum(n_prev * n for n_prev, n in pairwise(sizes))
    at_once = min(n_threads, cores())
    work = 3 * weights * batch_size
    if n_threads == 1 or work < _tuning.MIN_SHARD_WORK or work < _tuning.MIN_SHARD_WORK_PER_PARAMETER * n_parameters:
        if n_parameters >= _tuning.MIN_PARAMETERS_SPLIT_UPDATE:
            return Parallelism(1, at_once, 1)
        return Parallelism(1, 1, 1)
    if batch_size < _tuning.MIN_SHARD_EXAMPLES * n_threads:
        return Parallelism(1, 1, at_once)
    return Parallelism(n_threads, at_once, 1)


def blas_info() -> list[dict[str, Any]]:
    """Return name, version, kernel, threads and file of the BLAS libraries that the core calls."""
    keys = ("internal_api", "version", "architecture", "num_threads", "filepath")
    return [{key: lib.info().get(key) for key in keys} for lib in _scipy_blas()]


def config() -> dict[str, Any]:
    """Return version, SIMD level, threads, BLAS and platform as a dictionary."""
    import numpy
    import scipy

    from fastnn import __version__

    return {
        "fastnn": __version__,
        "simd": simd_level(),
        "simd_available": list(LEVELS),
        "threads": thread_count(),
        "blas": blas_info(),
        "numpy": numpy.__version__,
        "scipy": scipy.__version__,
        "python": platform.python_version(),
        "machine": f"{platform.machine()} {platform.system()}",
    }


def show_config() -> None:
    """Print version, SIMD level, BLAS and threads."""
    values = config()
    blas = values.pop("blas")
    for key, value in values.items():
        print(f"{key + ':':<16} {', '.join(value) if isinstance(value, list) else value}")
    for library in blas:
        print(f"{'blas:':<16} {library['internal_api']} {library['version']} ({library['architecture']}), "
              f"{library['num_threads']} threads")
