"""The order of the examples in an epoch, and the bounds of its mini-batches."""

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

__all__ = ["bounds", "shuffle"]

CHUNK = 65536


def bounds(m: int, batch_size: int) -> Iterator[tuple[int, int]]:
    """Yield the start and stop of each mini-batch of `m` examples; the last one may be short."""
    for start in range(0, m, batch_size):
        yield start, min(start + batch_size, m)


def shuffle(order: NDArray[np.int64], rng: np.random.Generator) -> None:
    """Fill `order` (m,) with a new random permutation of 0 .. m-1, in place.

    It starts from the identity each time, so that an epoch's order depends on the generator alone.
    """
    for start in range(0, len(order), CHUNK):  # in place: no second array of m indices
        stop = min(start + CHUNK, len(order))
        order[start:stop] = np.arange(start, stop)
    rng.shuffle(order)
