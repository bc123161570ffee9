"""Feeds of mini-batches: from examples in memory, or from examples read in chunks."""

from collections.abc import Iterator
from itertools import chain, islice
from typing import Any, Literal, Protocol

import numpy as np
from numpy.typing import NDArray

from fastnn import _tuning
from fastnn._core import kernels
from fastnn._data.examples import Examples, batch_bounds
from fastnn._data.sources import BatchSource, SlicedSource, block_rows

__all__ = ["ArrayFeed", "BatchFeed", "StreamFeed", "make_feed", "shuffle"]

AUTO_BATCH_SIZE = 200


class BatchFeed(Protocol):
    """The mini-batches of a fit.

    Attributes
    ----------
    examples : Examples
        The arrays that the plan is bound to.
    order : ndarray of int64 or None
        The order in which the plan takes the bound examples; None means in storage order.
    batch_size : int
        The largest number of examples in a mini-batch.
    steps : int or None
        Mini-batches per epoch; None if unknown before the first epoch has ended.
    """

    examples: Examples
    order: NDArray[np.int64] | None
    batch_size: int
    steps: int | None

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        """Start an epoch: make the bound examples ready for each mini-batch, then yield its start and stop."""

    def sample(self, count: int) -> Examples:
        """Return a copy of up to `count` examples for scoring parameters."""

    def describe(self) -> dict[str, Any]:
        """Return everything that must not change when a checkpoint is resumed, as JSON values."""


def make_feed(source: Examples | SlicedSource | BatchSource, batch_size: int | Literal["auto"] | None,
              shuffle: bool, steps_per_epoch: int | None, rows: NDArray[np.int64] | None = None) -> BatchFeed:
    """Return the feed of a source, or of these `rows` of it; the other arguments are those of `Network.fit`.

    Raises
    ------
    ValueError
        If `steps_per_epoch` is given for an X read by slices, or is more than the mini-batches of an array.
    """
    if isinstance(source, BatchSource):
        return StreamFeed(source, None if isinstance(batch_size, str) else batch_size, shuffle, steps_per_epoch)
    size = AUTO_BATCH_SIZE if isinstance(batch_size, str) else batch_size or source.n_examples
    if isinstance(source, Examples):
        return ArrayFeed(source, size, shuffle, rows, steps_per_epoch)
    if steps_per_epoch is not None:
        raise ValueError("steps_per_epoch goes with arrays, or with batches from an iterable or callable: an epoch of "
                         "an X that is read by slices takes all examples")
    return StreamFeed(source, size, shuffle)


def shuffle(order: NDArray[np.int64], rng: np.random.Generator, rows: NDArray[np.int64] | None = None) -> None:
    """Fill `order` (m,) with a new random permutation of 0 .. m-1, or of `rows` (m,), in place.

    Each call starts from the sorted indices, so that the result depends only on the state of the generator.
    """
    if rows is not None:
        order[:] = rows
    else:
        for start in range(0, len(order), _tuning.SHUFFLE_CHUNK_ROWS):  # avoid a second array of m indices
            stop = min(start + _tuning.SHUFFLE_CHUNK_ROWS, len(order))
            order[start:stop] = np.arange(start, stop)
    kernels.shuffle(order, rng)


class ArrayFeed:
    """Mini-batches of examples in memory; see `BatchFeed` for the attributes.

    Parameters
    ----------
    examples : Examples
    batch_size : int
    shuffle : bool
        Use a new random order in each epoch: an exact shuffle for up to `_tuning.MAX_STORED_ORDER_ROWS` examples, above
        that a pseudo-random permutation which is computed in chunks.
    rows : ndarray of int64, optional
        Use only these examples.
    steps_per_epoch : int, optional
        Mini-batches of an epoch, of a new order each time; the other examples are left out. By default all, of which
        the last may be smaller.

    Raises
    ------
    ValueError
        If there are fewer mini-batches than `steps_per_epoch`.
    """

    def __init__(self, examples: Examples, batch_size: int, shuffle: bool, rows: NDArray[np.int64] | None = None,
                 steps_per_epoch: int | None = None) -> None:
        self.examples, self.rows = examples, rows
        self.m = len(examples) if rows is None else len(rows)
        self.batch_size = min(batch_size, self.m)
        available = -(-self.m // self.batch_size)
        if steps_per_epoch is not None and steps_per_epoch > available:
            raise ValueError(f"steps_per_epoch={steps_per_epoch}, but {self.m} examples are {available} mini-batches")
        self.steps: int | None = steps_per_epoch or available
        self.limited = None if self.steps == available else self.steps
        # The order within a single batch of all examples does not matter.
        self.shuffle = shuffle and self.m > self.batch_size
        self.stored = rows is not None or self.m <= _tuning.MAX_STORED_ORDER_ROWS
        chunk = max(1, _tuning.SHUFFLE_CHUNK_ROWS // self.batch_size) * self.batch_size
        size = len(examples) if self.stored else chunk
        self.order = None if rows is None and not self.shuffle else np.zeros(size, np.int64)
        if self.order is not None and rows is not None:
            self.order[: self.m] = rows

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        """Start an epoch: see `BatchFeed`."""
        batches = self._all_batches(rng)
        return batches if self.limited is None else islice(batches, self.limited)

    def _all_batches(self, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        """Draw a new order; return the bounds of its mini-batches."""
        if not self.shuffle or self.order is None:
            return batch_bounds(self.m, self.batch_size)
        if not self.stored:
            return chain.from_iterable(self._chunks(self.order, rng))
        shuffle(self.order[: self.m], rng, self.rows)
        return batch_bounds(self.m, self.batch_size)

    def _chunks(self, order: NDArray[np.int64], rng: np.random.Generator) -> Iterator[Iterator[tuple[int, int]]]:
        """Fill `order` with one chunk of the permutation after another; yield the bounds of its mini-batches."""
        words = rng.integers(2**64, size=8, dtype=np.uint64)
        for first in range(0, self.m, len(order)):
            chunk = order[: self.m - first]
            kernels.permutation(chunk, first, self.m, words)
            yield batch_bounds(len(chunk), self.batch_size)

    def sample(self, count: int) -> Examples:
        """Return a copy of up to `count` examples: see `BatchFeed`."""
        return self.examples.sample(count)

    def describe(self) -> dict[str, Any]:
        """Return everything that must not change when a checkpoint is resumed: see `BatchFeed`."""
        return {"examples": len(self.examples), "weighted": self.examples.weights is not None,
                "batch_size": self.batch_size, "shuffle": self.shuffle,
                **({} if self.limited is None else {"steps_per_epoch": self.limited})}


class StreamFeed:
    """Mini-batches of examples read in chunks, each copied into the arrays the plan is bound to; see `BatchFeed`.

    Parameters
    ----------
    source : SlicedSource or BatchSource
    batch_size : int or None
        None means all rows of a `SlicedSource`, or the size of the first batch.
    shuffle : bool
        Shuffle the chunks of a `SlicedSource` and the rows of each chunk in every epoch.
    steps_per_epoch : int, optional
        Mini-batches after which an epoch of a `BatchSource` ends.
    """

    def __init__(self, source: SlicedSource | BatchSource, batch_size: int | None, shuffle: bool,
                 steps_per_epoch: int | None = None) -> None:
        self.source, self.steps_per_epoch = source, steps_per_epoch
        first = source.first()
        assert isinstance(first.X, np.ndarray), "sparse batches were refused"
        self._sample = first.sample(_tuning.SCORED_EXAMPLES)
        self.order: NDArray[np.int64] | None = None
        m = source.n_examples
        if m is None:
            rows = self.batch_size = batch_size or len(first)
            self.steps = steps_per_epoch
        else:
            self.batch_size = min(batch_size or m, m)
            self.steps = -(-m // self.batch_size)
            rows = min(block_rows(first.X.shape[1], first.X.itemsize, self.batch_size), m)
            if shuffle and self.steps > 1:
                self.order = np.zeros(rows, np.int64)
        # Weights are 0 so that rows not yet filled do not count.
        X, Y = (np.zeros((rows, *data.shape[1:]), data.dtype) for data in (first.X, first.Y))
        self._weights = np.zeros((rows, *(() if first.weights is None else first.weights.shape[1:])), first.X.dtype)
        self._X, self.examples = X, Examples(X, Y, self._weights, first.y_ndim)

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        """Start an epoch: see `BatchFeed`."""
        steps = 0
        for start, stop in islice(self._read(rng), self.steps_per_epoch):
            yield start, stop
            steps += 1
        self.steps = steps

    def _read(self, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        """Read all chunks; yield the bounds of the mini-batches of each after it is copied."""
        for chunk in self.source.blocks(len(self.examples), rng if self.order is not None else None):
            rows = len(chunk)
            assert isinstance(chunk.X, np.ndarray)
            self._X[:rows], self.examples.Y[:rows] = chunk.X, chunk.Y
            self._take_weights(chunk)
            del chunk  # free it before the next one is read
            if self.order is not None:
                shuffle(self.order[:rows], rng)
            yield from batch_bounds(rows, self.batch_size)

    def _take_weights(self, chunk: Examples) -> None:
        """Copy the weights of a chunk: with one per output, a weight of an example is that of all its outputs."""
        weights, own = np.ones(len(chunk)) if chunk.weights is None else chunk.weights, self._weights[: len(chunk)]
        if weights.ndim > own.ndim:
            raise ValueError("X gave sample_weight for each output after batches without: give them from the first "
                             "batch on, of shape (m, n[L])")
        own[...] = weights if weights.ndim == own.ndim else weights[:, None]

    def sample(self, count: int) -> Examples:
        """Return a copy of up to `count` examples: see `BatchFeed`."""
        return self._sample.sample(count)

    def describe(self) -> dict[str, Any]:
        """Return everything that must not change when a checkpoint is resumed: see `BatchFeed`."""
        return {"examples": self.source.n_examples, "batch_size": self.batch_size,
                "shuffle": self.order is not None, "steps_per_epoch": self.steps_per_epoch}
