"""An epoch: the bounds of its mini-batches, their order, and the feed that the loop takes them from."""

from collections.abc import Iterator
from itertools import chain
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnn import _tuning
from fastnn._core import kernels
from fastnn._data.examples import Examples

__all__ = ["ArrayFeed", "Feed", "bounds", "shuffle"]


def bounds(m: int, batch_size: int) -> Iterator[tuple[int, int]]:
    """Return the start and stop of each mini-batch of `m` examples; the last one may be short."""
    # No generator: a step in the loop would take twice as long.
    return zip(range(0, m, batch_size), chain(range(batch_size, m, batch_size), (m,)), strict=False)


def shuffle(order: NDArray[np.int64], rng: np.random.Generator, rows: NDArray[np.int64] | None = None) -> None:
    """Fill `order` (m,) with a new random permutation of 0 .. m-1, or of `rows` (m,), in place.

    It starts from the identity each time, so that an epoch's order depends on the generator alone.
    """
    if rows is not None:
        order[:] = rows
    else:
        for start in range(0, len(order), _tuning.SHUFFLE_CHUNK_ROWS):  # no second array of m indices
            stop = min(start + _tuning.SHUFFLE_CHUNK_ROWS, len(order))
            order[start:stop] = np.arange(start, stop)
    kernels.shuffle(order, rng)


class Feed(Protocol):
    """Where the loop takes its mini-batches from.

    Attributes
    ----------
    examples : Examples
        What the plan is bound to.
    order : ndarray of int64 or None
        The order in which the plan takes them, or as much of it as there is now; None for as they come.
    batch_size : int
        As it was asked for, at most `max_rows`.
    max_rows : int
        Examples of the largest mini-batch.
    steps : int or None
        Mini-batches of an epoch; None while that is not known, which it is when an epoch has ended.
    """

    examples: Examples
    order: NDArray[np.int64] | None
    batch_size: int
    max_rows: int
    steps: int | None

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        """Begin an epoch; yield the start and stop of each mini-batch when the bound examples are ready for it."""

    def sample(self, count: int) -> Examples | None:
        """Return a copy of up to `count` examples to judge parameters by; before the first epoch there may be none."""

    def describe(self) -> dict[str, Any]:
        """Return what must be the same where a checkpoint is resumed, as JSON can hold it."""


class ArrayFeed:
    """Mini-batches of examples that are all there; see `Feed` for the attributes.

    Parameters
    ----------
    examples : Examples
    batch_size : int
    shuffle : bool
        Take them in a new random order in each epoch: an exact shuffle, or from `_tuning.MAX_STORED_ORDER_ROWS`
        examples on a pseudo-random permutation, of which only a part is stored at a time.
    rows : ndarray of int64, optional
        Take these only.
    """

    def __init__(self, examples: Examples, batch_size: int, shuffle: bool,
                 rows: NDArray[np.int64] | None = None) -> None:
        self.examples, self.rows = examples, rows
        self.m = len(examples) if rows is None else len(rows)
        self.batch_size = self.max_rows = min(batch_size, self.m)
        self.steps: int | None = -(-self.m // self.batch_size)
        self.shuffle = shuffle and self.m > self.batch_size  # of one batch the order does not matter
        self.kept = rows is not None or self.m <= _tuning.MAX_STORED_ORDER_ROWS  # the order of a whole epoch
        kept = len(examples) if self.kept else max(1, _tuning.SHUFFLE_CHUNK_ROWS // self.batch_size) * self.batch_size
        self.order = None if rows is None and not self.shuffle else np.zeros(kept, np.int64)
        if self.order is not None and rows is not None:
            self.order[: self.m] = rows

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        """Begin an epoch: see `Feed`."""
        if not self.shuffle or self.order is None:
            return bounds(self.m, self.batch_size)
        if not self.kept:
            return chain.from_iterable(self._parts(self.order, rng))
        shuffle(self.order[: self.m], rng, self.rows)
        return bounds(self.m, self.batch_size)

    def _parts(self, order: NDArray[np.int64], rng: np.random.Generator) -> Iterator[Iterator[tuple[int, int]]]:
        """Fill `order` part after part; yield the bounds of each one's mini-batches."""
        words = rng.integers(2**64, size=8, dtype=np.uint64)
        for first in range(0, self.m, len(order)):
            part = order[: self.m - first]
            kernels.permutation(part, first, self.m, words)
            yield bounds(len(part), self.batch_size)

    def sample(self, count: int) -> Examples:
        """Return a copy of up to `count` examples: see `Feed`."""
        return self.examples.sample(count)

    def describe(self) -> dict[str, Any]:
        """Return what must be the same where a checkpoint is resumed: see `Feed`."""
        return {"examples": len(self.examples), "weighted": self.examples.weights is not None,
                "batch_size": self.batch_size, "shuffle": self.shuffle}
