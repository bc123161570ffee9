"""A process-wide limit on the threads of SciPy's BLAS."""

import os
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

__all__ = ["blas_libraries", "blas_threads"]


@cache
def blas_libraries() -> tuple[Any, ...]:
    """Return threadpoolctl's handles of the BLAS that SciPy loads; NumPy's wheels load another one."""
    from scipy.linalg import cython_blas  # noqa: F401  (loads it)
    from threadpoolctl import ThreadpoolController

    libraries = [lib for lib in ThreadpoolController().lib_controllers if lib.user_api == "blas"]
    # Wheels hold it in scipy.libs or scipy/.dylibs; elsewhere NumPy and SciPy share the system's.
    own = [lib for lib in libraries if any(part.startswith("scipy") for part in Path(lib.filepath).parent.parts)]
    return tuple(own or libraries)


@contextmanager
def blas_threads(limit: int) -> Iterator[bool]:
    """Limit SciPy's BLAS to `limit` threads inside the block; yield whether that is confirmed.

    The limit is process-wide. While blocks overlap, nested or in several threads, the lowest of their limits holds; the
    last block to end restores the original number of threads.
    """
    confirmed = _limit.enter(limit)
    try:
        yield confirmed
    finally:
        _limit.leave(limit)


class _BlasLimit:
    """The limits of all blocks that are active in this process."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._limits: list[int] = []  # of the active blocks
        self._before: list[int] = []  # threads of each library before the first block
        self._set: list[int] = []  # threads as set here: any other number was set by the user
        if hasattr(os, "register_at_fork"):  # a fork waits until no thread is in the middle of a change
            os.register_at_fork(before=self._lock.acquire, after_in_parent=self._lock.release,
                                after_in_child=self._forget)

    def enter(self, limit: int) -> bool:
        with self._lock:
            libraries = blas_libraries()
            if not self._limits:
                self._before = [lib.num_threads for lib in libraries]
                self._set = self._before.copy()
            self._limits.append(limit)
            for i, lib in enumerate(libraries):
                if limit < lib.num_threads:  # never raise it: a user's own limit holds
                    self._set_threads(i, limit)
            return bool(libraries) and all(lib.num_threads <= limit for lib in libraries)

    def leave(self, limit: int) -> None:
        with self._lock:
            self._limits.remove(limit)
            if not self._limits:
                self._restore()
                return
            for i, lib in enumerate(blas_libraries()):  # the limit of an outer block holds again
                allowed = min(self._before[i], *self._limits)
                if lib.num_threads == self._set[i] < allowed:
                    self._set_threads(i, allowed)

    def _set_threads(self, i: int, count: int) -> None:
        _set_threads(blas_libraries()[i], count)
        self._set[i] = count

    def _restore(self) -> None:
        for lib, before in zip(blas_libraries(), self._before, strict=True):
            if lib.num_threads != before:
                _set_threads(lib, before)

    def _forget(self) -> None:
        """Drop the parent's limits in a forked child, in which its fits do not continue."""
        if self._limits:
            self._limits.clear()
            self._restore()
        self._lock.release()


def _set_threads(library: Any, count: int) -> None:
    """Set a BLAS library's threads from any Python thread; the caller holds the lock of `_BlasLimit`."""
    # threadpoolctl >= 3.7 silently ignores every thread but the first that set OpenBLAS's number; the lock replaces it.
    release = getattr(library, "clear_controlling_thread", None)
    if release is not None:
        release(force=True)
    library.set_num_threads(count)
    if release is not None:
        release(force=True)


_limit = _BlasLimit()
