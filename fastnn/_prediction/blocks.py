"""Blocks of rows that threads compute independently, outside the plans of the core."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor

from fastnn import runtime
from fastnn._core import kernels
from fastnn._data.examples import batch_bounds

__all__ = ["for_each_block"]


def for_each_block(compute: Callable[[int, int], None], m: int, block: int, n_threads: int | None = None) -> None:
    """Call `compute(start, stop)` for each block of the rows 0 .. m - 1; each call has one thread of BLAS.

    Subnormal numbers count as zero, as in a plan. The blocks do not depend on the threads, so that results are bitwise
    the same for any number of them.
    """

    def compute_block(start: int, stop: int) -> None:
        with kernels.subnormals_as_zero():
            compute(start, stop)

    bounds = list(batch_bounds(m, block))
    threads = min(runtime.thread_count(n_threads), runtime.cores(), len(bounds))
    with runtime.blas_threads(1):
        if threads <= 1:
            for start, stop in bounds:
                compute_block(start, stop)
            return
        with ThreadPoolExecutor(threads) as pool:
            for done in [pool.submit(compute_block, start, stop) for start, stop in bounds]:
                done.result()
