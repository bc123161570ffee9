"""Sources of examples: arrays, objects read by slices (HDF5, Zarr, memory maps), batches from an iterable.

Data read in chunks are validated like an array in memory; errors name the offending rows or batch.
"""

import copy
from collections.abc import Callable, Iterable, Iterator
from itertools import chain
from typing import Any, Protocol

import numpy as np
from numpy.typing import ArrayLike

from fastnn import _tuning
from fastnn._data import arrays, checks
from fastnn._data.examples import Examples
from fastnn._data.precision import warn_if_merged
from fastnn._data.sparse import is_sparse
from fastnn._data.targets import in_form
from fastnn._data.weights import WeightScale, by_example, example_weights, needs_all_labels
from fastnn._model.architecture import Architecture
from fastnn.losses import Loss

__all__ = ["BatchSource", "Data", "SlicedSource", "as_source", "block_rows", "is_batches"]

# Attributes that mark an in-memory array or sparse matrix, as opposed to a sliceable object such as an HDF5 dataset.
IN_MEMORY = ("__array_interface__", "__array_ufunc__", "__array_namespace__", "__dlpack__", "tocsr")


class Sliced(Protocol):
    """An object that is read by slices, such as an h5py dataset or a zarr array."""

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape; the first axis is that of the rows."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype, of real numbers."""

    def __getitem__(self, rows: slice, /) -> Any:
        """Read these rows."""


# The forms of examples: an array, an object read by slices, batches from an iterable or a callable.
Data = ArrayLike | Sliced | Iterable[Any] | Callable[[], Iterable[Any]]


def is_sliced(data: Any) -> bool:
    """Tell whether `data` is read by slices, as h5py datasets and zarr arrays are."""
    return (isinstance(getattr(data, "dtype", None), np.dtype) and isinstance(getattr(data, "shape", None), tuple)
            and hasattr(data, "__getitem__") and not any(hasattr(data, name) for name in IN_MEMORY))


def is_reader(data: Any, dtype: np.dtype[Any]) -> bool:
    """Tell whether a matrix is read by slices: see `is_sliced`, or a memory map that the core cannot read directly."""
    if isinstance(data, np.memmap):
        return data.ndim == 2 and not arrays.is_ready(data, dtype)
    return is_sliced(data) and len(data.shape) == 2


def is_batches(data: Any, *, labelled: bool) -> bool:
    """Tell whether `data` is an iterable or callable that yields batches, `labelled` if of (X, y), and not a matrix."""
    if isinstance(data, (str, bytes, dict, set, frozenset, type)):
        return False
    if isinstance(data, (list, tuple)):  # a list of rows, unless its items are labelled or matrices
        return labelled or (bool(data) and getattr(data[0], "ndim", None) == 2)
    if callable(data) or hasattr(data, "__next__"):
        return True
    return hasattr(data, "__iter__") and not hasattr(data, "shape") and (labelled or not hasattr(data, "__getitem__"))


def block_rows(columns: int, itemsize: int, unit: int) -> int:
    """Return the number of rows to read at a time: a multiple of `unit`."""
    return max(_tuning.READ_BLOCK_BYTES // (columns * itemsize) // unit, 1) * unit


def read(data: Any, start: int, stop: int, what: str) -> Any:
    """Return the rows `start` to `stop`.

    Raises
    ------
    ValueError
        If there are more or fewer.
    """
    part = data[start:stop]
    if len(part) != stop - start:
        raise ValueError(f"{what}[{start}:{stop}] gave {len(part)} rows")
    return part


def begin(source: Any, what: str = "X", when: str = "") -> Iterator[Any]:
    """Yield the batches of an iterable, or of the one a callable returns; `what` and `when` are for error messages.

    Raises
    ------
    ValueError
        If there is none.
    TypeError
        If the callable returns no iterable.
    """
    batches = source() if callable(source) else source
    if not hasattr(batches, "__iter__"):
        raise TypeError(f"{what}() must return an iterable of batches, got {type(batches).__name__}")
    empty = True
    for batch in batches:
        empty = False
        yield batch
    if empty:
        raise ValueError(f"{what} gave no batches{when}" + hasattr(source, "__next__") * (
            ": an iterator can be used once; pass a callable that returns a new one"))


class SlicedSource:
    """Examples that are read by slices and checked at each access; a `Source`.

    Parameters
    ----------
    X, y : array_like or read by slices
        (m, n[0]) and targets as for `Network.fit`.
    weights : array_like (m,) or (m, n[L]), or None
    prefix : str
        Precedes their names in error messages.
    class_weight : dict or list of dict, optional
    training : bool
        `first` warns if float32 merges values: see `precision.warn_if_merged`.
    """

    single_pass = False

    def __init__(self, architecture: Architecture, loss: Loss, X: Any, y: Any, weights: Any, prefix: str = "",
                 class_weight: Any = None, *, training: bool = False) -> None:
        checks.matrix_shape(X.shape, architecture.n_features, f"{prefix}X")
        m = X.shape[0]
        self.architecture, self.loss = architecture, loss
        self.X, self.prefix, self.class_weight, self.training = X, prefix, class_weight, training
        self.y = y if is_sliced(y) or isinstance(y, np.memmap) else arrays.numeric(y, f"{prefix}y", f"({m}, ...)")
        if self.y.shape[:1] != (m,):
            raise ValueError(f"{prefix}y must have one row for each of the m = {m} rows of X, got shape {self.y.shape}")
        self.weights = example_weights(weights, None, self.y, m, architecture, f"{prefix}sample_weight")
        self.scale = WeightScale()
        self.scale.exponent = 0  # they are scaled
        self.range = range(m)

    def part(self, start: int, stop: int) -> "SlicedSource":
        """Return the source of the examples `start` to `stop`."""
        part = copy.copy(self)
        part.range = self.range[start:stop]
        return part

    @property
    def n_examples(self) -> int:
        """The number of examples."""
        return len(self.range)

    def rows(self, start: int, stop: int) -> Examples:
        """Read the examples `start` to `stop`."""
        return self._checked(start, stop, *self._read(start, stop))

    def _read(self, start: int, stop: int) -> tuple[Any, Any]:
        start, stop = self.range.start + start, self.range.start + stop
        return read(self.X, start, stop, "X"), read(self.y, start, stop, "y")

    def _checked(self, start: int, stop: int, X: Any, y: Any) -> Examples:
        start, stop = self.range.start + start, self.range.start + stop
        prefix = f"{self.prefix}rows {start} to {stop - 1}: "
        weights = None if self.weights is None else self.weights[start:stop]
        return Examples.check(X, y, weights, self.architecture, self.loss, prefix=prefix,
                              class_weight=self.class_weight, scale=self.scale, first_row=start)

    def first(self) -> Examples:
        """Read a few runs of consecutive examples with weight, from evenly spaced positions."""
        some = np.arange(self.n_examples)
        if self.weights is not None:
            some = np.flatnonzero(by_example(self.weights[self.range.start : self.range.stop]))
        run = _tuning.SCORED_EXAMPLES // _tuning.SCORED_EXAMPLES_READS
        starts = some[:: max(run, len(some) // _tuning.SCORED_EXAMPLES_READS)][:_tuning.SCORED_EXAMPLES_READS].tolist()
        runs = [(start, min(start + run, self.n_examples)) for start in starts]
        data = [self._read(*run) for run in runs]
        result = joined([self._checked(*run, *part) for run, part in zip(runs, data, strict=True)])
        if self.training and self.architecture.dtype == np.float32:
            for part, what in zip(zip(*data, strict=True), ("X", "y"), strict=True):
                warn_if_merged(np.concatenate(part), what)
        return result

    def parts(self, size: int) -> Iterator[Examples]:
        """Yield the examples in chunks of up to `size`, and of at most `_tuning.READ_BLOCK_BYTES`."""
        return self.blocks(min(size, block_rows(self.architecture.n_features, self.architecture.dtype.itemsize, 1)))

    def blocks(self, size: int, rng: np.random.Generator | None = None) -> Iterator[Examples]:
        """Yield the examples in blocks of `size`; with a generator, the blocks in random order."""
        starts = np.arange(0, self.n_examples, size)
        if rng is not None and len(starts) > 1:
            rng.shuffle(starts)
        for start in starts.tolist():
            yield self.rows(start, min(start + size, self.n_examples))


def joined(parts: list[Examples]) -> Examples:
    """Concatenate examples."""
    weights = [part.weights for part in parts if part.weights is not None]
    return Examples(np.concatenate([part.X for part in parts]), np.concatenate([part.Y for part in parts]),
                    np.concatenate(weights) if weights else None, parts[0].y_ndim)


class BatchSource:
    """Batches (X, y) or (X, y, sample_weight) from an iterable, or from a callable that returns one; a `Source`.

    Parameters
    ----------
    source : iterable or callable
        Iterated over, or called, once per pass.
    prefix : str
        Precedes the name of a batch in error messages.
    class_weight : dict or list of dict, optional
    training : bool
        Error messages name each pass as an epoch; X must be dense.
    """

    n_examples = None

    def __init__(self, architecture: Architecture, loss: Loss, source: Any, prefix: str = "", class_weight: Any = None,
                 *, training: bool = False) -> None:
        self.architecture, self.loss, self.source, self.prefix = architecture, loss, source, prefix
        self.class_weight, self.training, self.scale = class_weight, training, WeightScale()
        self.passes = 0
        self._begun: Iterator[Examples] | None = None
        self._dense: bool | None = None  # whether the targets of the first batch were a matrix

    @property
    def single_pass(self) -> bool:
        """Whether the iterable is an iterator, which can be used only once."""
        return hasattr(self.source, "__next__")

    def first(self) -> Examples:
        """Return the first batch of the next pass without consuming it."""
        begun = self._pass()
        examples = next(begun)
        self._begun = chain([examples], begun)
        return examples

    def parts(self, size: int) -> Iterator[Examples]:
        """Start a pass: yield the batches in order, splitting those of more than `size` examples."""
        return self.blocks(size)

    def blocks(self, size: int, rng: np.random.Generator | None = None) -> Iterator[Examples]:
        """Start a pass; the order of batches is fixed."""
        begun, self._begun = self._begun or self._pass(), None
        for examples in begun:
            yield from examples.parts(size)

    def _pass(self) -> Iterator[Examples]:
        self.passes += 1
        of, when = (f" {word} epoch {self.passes}" if self.training else "" for word in ("of", "in"))
        weighty = False
        for index, batch in enumerate(begin(self.source, f"{self.prefix}X", when), 1):
            examples = self._checked(batch, f"{self.prefix}batch {index}{of}: ", index == self.passes == 1)
            weighty = weighty or examples.weights is None or bool(examples.weights.any())
            yield examples
            del examples  # free it before the next one is read
        if not weighty:
            raise ValueError(f"{self.prefix}X gave no example with weight{when}")

    def _checked(self, batch: Any, prefix: str, warn: bool) -> Examples:
        if not isinstance(batch, (tuple, list)) or len(batch) not in (2, 3):
            raise TypeError(f"{prefix}it must be a tuple (X, y) or (X, y, sample_weight), got {type(batch).__name__}"
                            + (f" of {len(batch)}" if isinstance(batch, (tuple, list)) else ""))
        X, y, weights = (*batch, None)[:3]
        if self.training and is_sparse(X):
            raise TypeError(f"{prefix}X is a sparse matrix, which a batch to train on may not be: pass X.toarray()")
        examples = Examples.check(X, y, weights, self.architecture, self.loss, prefix=prefix,
                                  class_weight=self.class_weight, scale=self.scale, warn=warn and self.training)
        if self.training:  # the plan is bound to one form of targets
            if self._dense is None:
                self._dense = examples.Y.ndim == 2
            examples.Y = in_form(examples.Y, self._dense, self.architecture.n_outputs, self.architecture.dtype,
                                 prefix)
        return examples


def as_source(architecture: Architecture, loss: Loss, X: Any, y: Any, weights: Any, prefix: str = "", *,
              class_weight: Any = None, training: bool = False,
              warn: bool = False) -> Examples | SlicedSource | BatchSource:
    """Return the source for (X, y): arrays, objects read by slices, or batches in X alone.

    In training, or with `warn` for arrays, `precision.warn_if_merged` checks them.

    Raises
    ------
    ValueError, TypeError
        If they are not as `Network.fit` describes them. Data read later are checked then.
    """
    if y is not None and is_batches(X, labelled=False):
        raise TypeError(f"{prefix}X gives batches: {prefix}y must come in them, as (X, y)")
    if y is None and is_batches(X, labelled=True):
        if weights is not None:
            raise TypeError(f"{prefix}sample_weight must come in the batches: (X, y, sample_weight)")
        refuse_balanced(class_weight)
        return BatchSource(architecture, loss, X, prefix, class_weight, training=training)
    if is_reader(X, architecture.dtype) or (isinstance(X, np.ndarray) and is_reader(y, architecture.dtype)):
        refuse_balanced(class_weight)
        return SlicedSource(architecture, loss, X, y, weights, prefix, class_weight, training=training)
    return Examples.check(X, y, weights, architecture, loss, prefix=prefix, class_weight=class_weight,
                          warn=training or warn)


def refuse_balanced(class_weight: Any) -> None:
    """Raise a ValueError for class weights that depend on all labels."""
    if needs_all_labels(class_weight):
        raise ValueError("class_weight='balanced' needs all labels at once: where X is read in parts, pass a dict")
