"""Checked examples: features, encoded targets and sample weights, as the compiled core reads them."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from fastnn._data import checks
from fastnn._data.sparse import SparseRows
from fastnn._data.targets import encode_targets
from fastnn._data.weights import WeightScale, by_example, example_weights, total_weight
from fastnn._model.architecture import Architecture
from fastnn._model.parts import refuse_sparse
from fastnn.losses import Loss

__all__ = ["Examples", "Source", "batch_bounds"]


@dataclass
class Examples:
    """Checked examples.

    Attributes
    ----------
    X : ndarray or SparseRows (m, n[0])
    Y : ndarray
        Targets as `targets.encode_targets` returns them.
    weights : ndarray (m,) or (m, n[L]), or None
        Sample weights, of the examples or of each of their outputs.
    y_ndim : int
        The number of dimensions of y as it was given.
    """

    X: NDArray[Any] | SparseRows
    Y: NDArray[Any]
    weights: NDArray[Any] | None
    y_ndim: int = 1

    @classmethod
    def check(cls, X: Any, y: Any, sample_weight: Any, architecture: Architecture, loss: Loss, *, prefix: str = "",
              class_weight: Any = None, scale: WeightScale | None = None, first_row: int = 0,
              warn: bool = False) -> Self:
        """Return the checked data.

        Parameters
        ----------
        X, y, sample_weight, class_weight
            As for `Network.fit`, in memory.
        architecture : Architecture
        loss : Loss
        prefix : str
            Precedes their names in error messages.
        scale : WeightScale, optional
            That of the weights of all examples, of which these are a part, whose one-hot targets are kept as they are.
        first_row : int
            The number of the first example.
        warn : bool
            Warn if float32 merges values: see `precision.warn_if_merged`.

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described.
        """
        features = checks.features(X, architecture.n_features, architecture.dtype, what=f"{prefix}X",
                                   first_row=first_row, warn=warn)
        refuse_sparse(architecture, features, f"{prefix}X")
        m = len(features)
        Y = encode_targets(y, m, architecture, loss, f"{prefix}y", part=scale is not None, first_row=first_row,
                           warn=warn)
        weights = example_weights(sample_weight, class_weight, Y, m, architecture, f"{prefix}sample_weight", scale)
        return cls(features, Y, weights, np.ndim(y))

    def __len__(self) -> int:
        return len(self.X)

    @property
    def n_examples(self) -> int:
        """The number of examples."""
        return len(self.X)

    @property
    def single_pass(self) -> bool:
        """False: see `Source`."""
        return False

    def first(self) -> "Examples":
        """Return the examples themselves: see `Source`."""
        return self

    def sample(self, count: int) -> "Examples":
        """Return a copy of up to `count` examples with weight, evenly spaced so that sorted data are represented."""
        some = np.arange(len(self)) if self.weights is None else np.flatnonzero(by_example(self.weights))
        return self.take(some[:: max(1, len(some) // count)][:count])

    def take(self, rows: NDArray[Any]) -> "Examples":
        """Return a copy of the examples at these positions."""
        return replace(self, X=self.X[rows], Y=self.Y[rows],
                       weights=None if self.weights is None else self.weights[rows])

    def parts(self, size: int) -> Iterator["Examples"]:
        """Yield the examples in chunks of up to `size`, not copied."""
        for start in range(0, len(self), size):
            yield self.rows(start, start + size)

    def work_sizes(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Return `sizes`, n[0] replaced by the mean number of non-zeros per row if X is sparse."""
        if isinstance(self.X, SparseRows):
            return (max(1, self.X.n_values // len(self)), *sizes[1:])
        return sizes

    def weight(self, start: int, stop: int) -> float:
        """Return the sum of the weights of some examples, each the mean over its outputs; without any, their number."""
        return stop - start if self.weights is None else total_weight(self.weights[start:stop])

    def rows(self, start: int, stop: int) -> "Examples":
        """Return the examples `start` to `stop`, not copied."""
        part = slice(start, stop)
        return Examples(self.X[part], self.Y[part], None if self.weights is None else self.weights[part])


class Source(Protocol):
    """Examples in memory, read by slices, or in batches from an iterable: `Examples` and the classes of `sources`.

    Attributes
    ----------
    n_examples : int or None
        Their number; None if an iterable gives them.
    single_pass : bool
        They can be read only once.
    """

    @property
    def n_examples(self) -> int | None:
        """The number of examples, if known."""

    @property
    def single_pass(self) -> bool:
        """Whether the examples can be read only once."""

    def first(self) -> Examples:
        """Return some checked examples, without losing them for the next pass."""

    def parts(self, size: int) -> Iterator[Examples]:
        """Yield all examples in chunks of up to `size`."""


def batch_bounds(m: int, batch_size: int) -> Iterator[tuple[int, int]]:
    """Return the start and stop of each mini-batch of `m` examples; the last one may be short."""
    # Not a generator, which would double the time of a step in the loop.
    return zip(range(0, m, batch_size), chain(range(batch_size, m, batch_size), (m,)), strict=False)
