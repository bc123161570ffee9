"""The feed of what is not all there at once: blocks and batches are staged where the plan looks."""

from collections.abc import Iterator
from itertools import islice
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastnn import _tuning
from fastnn._data.examples import Examples
from fastnn._data.feeds import ArrayFeed, Feed, bounds, shuffle
from fastnn._data.sources import BatchSource, SlicedSource, block_rows

__all__ = ["StreamFeed", "feed"]

AUTO_BATCH = 200


class StreamFeed:
    """Mini-batches of what is read bit by bit: each block is copied to where the plan looks; see `Feed`.

    Parameters
    ----------
    source : SlicedSource or BatchSource
    batch_size : int or None
        None is all rows of a reader, else the size of the first batch.
    shuffle : bool
        Take a reader's blocks, and the rows in each, in a new random order in each epoch.
    steps_per_epoch : int, optional
        Mini-batches after which an epoch of batches ends.
    """

    def __init__(self, source: SlicedSource | BatchSource, batch_size: int | None, shuffle: bool,
                 steps_per_epoch: int | None = None) -> None:
        self.source, self.limit = source, steps_per_epoch
        first = source.first()
        assert isinstance(first.X, np.ndarray), "sparse batches are refused"
        self._sample = first.sample(_tuning.SCORED_EXAMPLES)
        self.order: NDArray[np.int64] | None = None
        if isinstance(source, SlicedSource):
            m = len(source)
            self.batch_size = min(batch_size or m, m)
            self.steps: int | None = -(-m // self.batch_size)
            rows = min(block_rows(first.X.shape[1], first.X.itemsize, self.batch_size), m)
            if shuffle and self.steps > 1:
                self.order = np.zeros(rows, np.int64)
        else:
            rows = self.batch_size = batch_size or len(first)
            self.steps = steps_per_epoch
        self.max_rows = self.batch_size
        # Weights of zero: rows that were not filled yet do not count.
        X, Y = (np.zeros((rows, *data.shape[1:]), data.dtype) for data in (first.X, first.Y))
        self._weights = np.zeros(rows, first.X.dtype)
        self._X, self.examples = X, Examples(X, Y, self._weights, first.y_ndim)

    def batches(self, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        """Begin an epoch: see `Feed`."""
        steps = 0
        for start, stop in islice(self._steps(rng), self.limit):
            yield start, stop
            steps += 1
        self.steps = steps

    def _steps(self, rng: np.random.Generator) -> Iterator[tuple[int, int]]:
        for block in self.source.blocks(len(self.examples), rng if self.order is not None else None):
            rows = len(block)
            assert isinstance(block.X, np.ndarray)
            self._X[:rows], self.examples.Y[:rows] = block.X, block.Y
            self._weights[:rows] = 1 if block.weights is None else block.weights
            del block  # before the next one is read
            if self.order is not None:
                shuffle(self.order[:rows], rng)
            yield from bounds(rows, self.batch_size)

    def sample(self, count: int) -> Examples:
        """Return a copy of up to `count` examples: see `Feed`."""
        return self._sample.sample(count)

    def describe(self) -> dict[str, Any]:
        """Return what must be the same where a checkpoint is resumed: see `Feed`."""
        return {"examples": len(self.source) if isinstance(self.source, SlicedSource) else None,
                "batch_size": self.batch_size, "shuffle": self.order is not None, "steps_per_epoch": self.limit}


def feed(source: Examples | SlicedSource | BatchSource, batch_size: int | Literal["auto"] | None, shuffle: bool,
         steps_per_epoch: int | None, rows: NDArray[np.int64] | None = None) -> Feed:
    """Return the feed of a training run on the examples, or on these `rows`; the others as for `Network.fit`.

    Raises
    ------
    ValueError
        If an epoch's steps are given where the examples give them.
    """
    if isinstance(source, BatchSource):
        return StreamFeed(source, None if isinstance(batch_size, str) else batch_size, shuffle, steps_per_epoch)
    if steps_per_epoch is not None:
        raise ValueError("steps_per_epoch goes with batches from an iterable or callable: else an epoch takes all "
                         "examples")
    size = AUTO_BATCH if isinstance(batch_size, str) else batch_size or len(source)
    if isinstance(source, SlicedSource):
        return StreamFeed(source, size, shuffle)
    return ArrayFeed(source, size, shuffle, rows)
