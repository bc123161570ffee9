"""Checked examples: features, encoded targets and sample weights, as the compiled core reads them."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from fastnn._data import checks
from fastnn._data.sparse import SparseRows
from fastnn._model.architecture import Architecture
from fastnn.losses import CrossEntropy, Loss, Poisson

__all__ = ["Examples", "Source", "batch_bounds", "class_labels", "encode_targets"]


@dataclass
class Examples:
    """Checked examples.

    Attributes
    ----------
    X : ndarray or SparseRows (m, n[0])
    Y : ndarray
        Targets as `encode_targets` returns them.
    weights : ndarray (m,) or None
        Sample weights.
    y_ndim : int
        The number of dimensions of y as it was given.
    """

    X: NDArray[Any] | SparseRows
    Y: NDArray[Any]
    weights: NDArray[Any] | None
    y_ndim: int = 1

    @classmethod
    def check(cls, X: Any, y: Any, sample_weight: Any, architecture: Architecture, loss: Loss, *, prefix: str = "",
              class_weight: Any = None, part: bool = False, first_row: int = 0) -> Self:
        """Return the checked data.

        Parameters
        ----------
        X, y, sample_weight, class_weight
            As for `Network.fit`, in memory.
        architecture : Architecture
        loss : Loss
        prefix : str
            Precedes their names in error messages.
        part : bool
            They are a part of all examples, whose sample weights may all be zero.
        first_row : int
            The number of the first example.

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described.
        """
        features = checks.features(X, architecture.n_features, architecture.dtype, what=f"{prefix}X",
                                   first_row=first_row)
        m = len(features)
        Y = encode_targets(y, m, architecture, loss, f"{prefix}y")
        if class_weight is not None:
            sample_weight = _weights_by_class(class_weight, Y, sample_weight, architecture, part)
        weights = checks.sample_weight(sample_weight, m, architecture.dtype, what=f"{prefix}sample_weight", part=part)
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
        some = np.arange(len(self)) if self.weights is None else np.flatnonzero(self.weights)
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
        """Return the sum of the weights of some examples; without weights, their number."""
        return stop - start if self.weights is None else float(self.weights[start:stop].sum(dtype=np.float64))

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


def encode_targets(y: Any, m: int, architecture: Architecture, loss: Loss, what: str = "y") -> NDArray[Any]:
    """Return the targets as the compiled core reads them.

    Parameters
    ----------
    y : array_like
        softmax output: class labels (m,) or one-hot (m, n[L]); sigmoid: 0 and 1, (m,) or (m, n[L]); else real
        values (m,) or (m, n[L]).
    m : int
        Examples.
    architecture : Architecture
    loss : Loss
    what : str
        Their name in error messages.

    Returns
    -------
    ndarray
        int32 labels (m,) for cross_entropy, else C-ordered (m, n[L]) of the network's dtype.

    Raises
    ------
    ValueError, TypeError
        If they do not match the output or the loss.
    """
    n_out, dtype = architecture.n_outputs, architecture.dtype
    if architecture.output == "softmax":
        labels = checks.labels(y, m, n_out, what)
        if isinstance(loss, CrossEntropy):
            return labels
        return np.eye(n_out, dtype=dtype)[labels]
    values = checks.values(y, m, n_out, dtype, what)
    if architecture.output == "sigmoid":
        checks.binary(values, what)
    if isinstance(loss, Poisson) and values.min() < 0:
        raise ValueError(f"{what} must not be negative for the Poisson loss, got {values.min():g}")
    return values


def class_labels(Y: NDArray[Any], architecture: Architecture) -> NDArray[Any] | None:
    """Return the label of each example (m,) from encoded targets, None unless the output is softmax or one sigmoid."""
    if architecture.output == "softmax":
        return Y if Y.ndim == 1 else np.asarray(Y.argmax(axis=1))
    if architecture.output == "sigmoid" and architecture.n_outputs == 1:
        return Y[:, 0].astype(np.intp)
    return None


def _weights_by_class(class_weight: Any, Y: NDArray[Any], sample_weight: Any, architecture: Architecture,
                      part: bool) -> NDArray[np.float64]:
    """Return the sample weights multiplied by the weights of the classes."""
    labels = class_labels(Y, architecture)
    if labels is None:
        raise ValueError("class_weight needs a softmax or a single sigmoid output")
    n_classes = max(architecture.n_outputs, 2)
    counts = np.bincount(labels, minlength=n_classes)
    factors: NDArray[np.float64] = _class_factors(class_weight, counts)[labels]
    given = checks.sample_weight(sample_weight, len(labels), np.dtype(np.float64), part=part)
    return factors if given is None else factors * given


def _class_factors(class_weight: Any, counts: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return the weight of each label, given the number of examples of each."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        present = np.count_nonzero(counts)
        return np.where(counts > 0, counts.sum() / (present * np.maximum(counts, 1)), 0.0)
    if not isinstance(class_weight, Mapping):
        raise TypeError("class_weight must be 'balanced' or a dict of label: weight, got "
                        f"{checks.shown(class_weight)}")
    factors = np.ones(len(counts))
    for label, weight in class_weight.items():
        position = checks.count(label, "a label of class_weight", 0, len(counts) - 1)
        factors[position] = checks.number(weight, f"class_weight[{checks.shown(label)}]", minimum=0)
    return factors
