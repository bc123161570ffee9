"""The choice of shards and threads for a training step."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from fastnn import _tuning, runtime

__all__ = ["SERIAL", "Parallelism", "parallelism"]


class Parallelism(NamedTuple):
    """How a plan uses threads.

    Shards of a mini-batch; threads that share the work; threads of each BLAS call; parts of each layer that threads
    share if there is one shard.
    """

    n_shards: int
    team: int
    blas_threads: int
    n_parts: int = 1


SERIAL = Parallelism(1, 1, 1)


def parallelism(sizes: Sequence[int], batch_size: int, n_threads: int, n_parameters: int = 0, *,
                dense: bool = True) -> Parallelism:
    """Choose how a training step uses threads.

    The numbers of shards and parts, on which the last bits of the results depend, are 1 or `n_threads`, whatever the
    machine; at most one thread per core works on them.

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
    dense : bool
        Whether layers can be cut into parts: not with a sparse X, an input stage or mixtures.
    """
    if n_threads == 1:
        return SERIAL
    work = 3 * batch_size * sum(n_prev * n for n_prev, n in pairwise(sizes))  # multiply-adds
    threads = min(n_threads, runtime.cores())
    few_examples = batch_size < _tuning.MIN_SHARD_EXAMPLES * n_threads
    long_update = n_parameters >= _tuning.MIN_PARAMETERS_SPLIT_UPDATE
    # Each thread reads what the others have written, which costs less than a gradient arena for each.
    if dense and (few_examples or n_parameters >= batch_size * sum(sizes)):
        return Parallelism(1, threads, 1, n_threads) if long_update or work >= _tuning.MIN_SHARD_WORK else SERIAL
    # Small steps stay on the calling thread, except the update of many parameters.
    if work < _tuning.MIN_SHARD_WORK or work < _tuning.MIN_SHARD_WORK_PER_PARAMETER * n_parameters:
        return Parallelism(1, threads, 1) if long_update else SERIAL
    # Too few examples for a shard per thread: BLAS gets the threads.
    if few_examples:
        return Parallelism(1, 1, threads)
    # A shard per thread, BLAS on one thread each.
    return Parallelism(n_threads, threads, 1)
