"""The split of the data of a fit into examples to train and to validate on."""

import copy
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn._data import checks, sources
from fastnn._data.examples import Examples, Source
from fastnn._data.sources import BatchSource, SlicedSource
from fastnn._data.targets import class_labels
from fastnn._data.weights import by_example
from fastnn._model.architecture import Architecture
from fastnn.losses import Loss

__all__ = ["FitData", "Split", "hold_out", "spare_classes", "split", "stratified_split"]


@dataclass(frozen=True)
class FitData:
    """The data arguments of `Network.fit`, unchecked."""

    X: Any
    y: Any
    sample_weight: Any = None
    class_weight: Any = None
    validation_data: Any = None
    validation_fraction: Any = None
    validation_split: Any = "random"


@dataclass(frozen=True)
class Split:
    """The checked data of a fit.

    Attributes
    ----------
    examples : Examples, SlicedSource or BatchSource
    rows : ndarray of int64 or None
        The examples to train on, ascending; None for all.
    held_out : Source or None
        The examples to validate on.
    held_rows : ndarray of int64 or None
        Their positions among the examples, if they were split off these.
    rng : Generator
        The given generator, or a copy of it that drew the split.
    """

    examples: Examples | SlicedSource | BatchSource
    rows: NDArray[np.int64] | None
    held_out: Source | None
    held_rows: NDArray[np.int64] | None
    rng: np.random.Generator

    def whole(self) -> "Split":
        """Return this split with the examples to train on as one array, as L-BFGS needs them.

        Raises
        ------
        ValueError
            If they are read in chunks.
        """
        if not isinstance(self.examples, Examples):
            raise ValueError("optimizer='lbfgs' works on all examples at once: it needs X as an array")
        examples = self.examples if self.rows is None else self.examples.take(self.rows)
        return Split(examples, None, self.held_out, self.held_rows, self.rng)


def split(data: FitData, architecture: Architecture, loss: Loss, rng: np.random.Generator, epochs: int,
          saved_rows: Callable[[int], NDArray[np.int64]] | None = None) -> Split:
    """Check the data of a fit and split off the examples to validate on.

    Of validation data that are read in chunks the first chunk is read and checked; the first pass still gets it.

    Parameters
    ----------
    data : FitData
    architecture : Architecture
    loss : Loss
    rng : Generator
        Draws the split from a copy.
    epochs : int
    saved_rows : callable, optional
        For a resumed fit: returns the positions that it held out of `m` examples.

    Raises
    ------
    ValueError, TypeError
        If the data are not as `Network.fit` describes them.
    """
    examples = sources.as_source(architecture, loss, data.X, data.y, data.sample_weight,
                                 class_weight=data.class_weight, training=True)
    held_out = None
    if data.validation_data is not None:
        held_out = _validation_source(architecture, loss, data.validation_data, epochs)
    kind = checks.name(data.validation_split, ("random", "last"), "validation_split")
    if data.validation_fraction is None:
        if kind == "last":
            raise ValueError("validation_split='last' needs validation_fraction, the share of the rows to hold out")
        return Split(examples, None, held_out, None, rng)
    fraction = checks.number(data.validation_fraction, "validation_fraction", above=0, below=1)
    if held_out is not None:
        raise ValueError("give validation_data or validation_fraction, not both")
    if kind == "last" and isinstance(examples, SlicedSource):
        start = _first_held(examples.weights, examples.n_examples, fraction)
        return Split(examples.part(0, start), None, examples.part(start, examples.n_examples), None, rng)
    if not isinstance(examples, Examples):
        raise ValueError("validation_fraction needs X as an array: of what is read in parts give validation_data"
                         + (", or of slices validation_split='last'" if isinstance(examples, SlicedSource) else ""))
    rng = copy.deepcopy(rng)
    m = len(examples)
    if saved_rows is not None:
        held_rows = saved_rows(m)
    elif kind == "last":
        held_rows = last_rows(architecture, examples, fraction)
    else:
        held_rows = hold_out(architecture, examples, fraction, rng)
    consecutive = bool((np.diff(held_rows) == 1).all())
    held = examples.rows(held_rows[0], held_rows[-1] + 1) if consecutive else examples.take(held_rows)
    return Split(examples, np.delete(np.arange(m), held_rows), held, held_rows, rng)


def weighted(weights: NDArray[Any] | None, m: int) -> NDArray[np.bool_]:
    """Return whether each of the m examples has weight (m,)."""
    return np.ones(m, np.bool_) if weights is None else by_example(weights) > 0


def _first_held(weights: NDArray[Any] | None, m: int, fraction: float) -> int:
    """Return where the last examples begin that hold this share of those with weight, rounded."""
    rows = np.flatnonzero(weighted(weights, m))
    return int(rows[len(rows) - _held_count(len(rows), fraction)])


def _held_count(n_weighted: int, fraction: float) -> int:
    """Return how many of the examples with weight are a fraction, rounded.

    Raises
    ------
    ValueError
        If none or all.
    """
    count = int(n_weighted * fraction + 0.5)
    if not 0 < count < n_weighted:
        raise ValueError(f"{n_weighted} examples are too few to hold out validation_fraction={fraction:g} of them: no "
                         "example with weight would be left to train or to validate on")
    return count


def _validation_source(architecture: Architecture, loss: Loss, data: Any, epochs: int) -> Source:
    listed = isinstance(data, (tuple, list))
    if _is_list_of_batches(data) or (not listed and sources.is_batches(data, labelled=True)):
        X, y, weights = data, None, None
    elif listed and len(data) in (2, 3):
        X, y, weights = (*data, None)[:3]
    else:
        raise TypeError("validation_data must be a tuple (X, y) or (X, y, sample_weight), or batches of such tuples, "
                        f"got {checks.shown(data)}")
    source = sources.as_source(architecture, loss, X, y, weights, "validation ", warn=True)
    if source.single_pass and epochs > 1:
        raise ValueError("validation_data is an iterator, which can be used once, but it is needed after each epoch: "
                         "pass a callable that returns a new one")
    source.first()
    return source


def _is_list_of_batches(data: Any) -> bool:
    """Tell a list of tuples that start with a matrix from a list [X, y]."""
    return isinstance(data, list) and bool(data) and all(
        isinstance(batch, tuple) and len(batch) in (2, 3) and getattr(batch[0], "ndim", None) == 2 for batch in data)


def hold_out(architecture: Architecture, examples: Examples, fraction: float,
             rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the ascending positions of a random share of the examples with weight, stratified by class if possible.

    An example of each class stays to train on.

    Raises
    ------
    ValueError
        If one of the two parts would be empty.
    """
    rows = np.flatnonzero(weighted(examples.weights, len(examples)))
    _held_count(len(rows), fraction)
    labels = class_labels(examples.Y, architecture)
    labels = np.zeros(len(rows), np.int32) if labels is None else labels[rows]
    training, held = stratified_split(labels, fraction, rng)
    return _held_after_sparing(architecture, examples, rows[training], rows[held])


def last_rows(architecture: Architecture, examples: Examples, fraction: float) -> NDArray[np.int64]:
    """Return the ascending positions of the last share of the examples with weight.

    An example of each class stays to train on.

    Raises
    ------
    ValueError
        If one of the two parts would be empty.
    """
    m = len(examples)
    rows, start = np.flatnonzero(weighted(examples.weights, m)), _first_held(examples.weights, m, fraction)
    return _held_after_sparing(architecture, examples, rows[rows < start], rows[rows >= start])


def _held_after_sparing(architecture: Architecture, examples: Examples, training: NDArray[np.intp],
                        held: NDArray[np.intp]) -> NDArray[np.int64]:
    """Return the positions of the examples to hold out, without those that `spare_classes` moves."""
    labels = class_labels(examples.Y, architecture)
    if labels is None and architecture.output == "sigmoid":
        labels = examples.Y > 0.5
    if labels is not None:
        n_rows = len(training) + len(held)
        training, held = spare_classes(labels, examples.weights, training, held)
        if not len(held):
            raise ValueError(f"{n_rows} examples are too few to hold out: each is needed to train on, as the only one "
                             "of its class")
    return held.astype(np.int64)


def spare_classes(labels: NDArray[Any], weights: NDArray[Any] | None, training: NDArray[np.intp],
                  held: NDArray[np.intp]) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Move an example of each class that is missing in the training part there; return both parts.

    Parameters
    ----------
    labels : ndarray (m,), or of bool (m, k)
        The classes of the examples, or k labels each, whose classes are True and False.
    weights : ndarray (m,) or (m, k), or None
        A label without weight is unknown.
    training, held : ndarray of int
        Positions of examples with weight.
    """
    known: NDArray[np.bool_] = np.ones(labels.shape, np.bool_)
    if weights is not None and weights.ndim == labels.ndim:
        known = weights > 0
    columns = [0]
    if labels.ndim == 2:
        on, off = labels & known, ~labels & known
        lost = [values[held].any(axis=0) & ~values[training].any(axis=0) for values in (on, off)]
        columns = np.flatnonzero(lost[0] | lost[1]).tolist()
    labels, known = labels.reshape(len(labels), -1), known.reshape(len(labels), -1)
    for column in columns:
        ours, theirs = (rows[known[rows, column]] for rows in (training, held))
        found, first = np.unique(labels[theirs, column], return_index=True)
        moved = theirs[first[np.isin(found, labels[ours, column], invert=True)]]
        training, held = np.append(training, moved), held[np.isin(held, moved, invert=True)]
    return training, held


def stratified_split(
    y: ArrayLike, test_fraction: float = 0.2, random_state: int | np.random.Generator | None = None
) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Split examples at random into a training and a test set with the same proportions of all classes.

    Parameters
    ----------
    y : array_like of shape (m,)
        Class labels of any type that NumPy can sort.
    test_fraction : float
        Fraction of the examples in the test set, between 0 and 1.
    random_state : int, numpy.random.Generator or None
        Seed, as for ``numpy.random.default_rng``.

    Returns
    -------
    train_index, test_index : ndarray of intp
        Indices into y, in ascending order. The test set has floor(m test_fraction + 1/2) examples; the number of each
        class differs from its exact proportion by less than one.

    Raises
    ------
    ValueError
        If y is not 1-dimensional, the fraction is not between 0 and 1, or one set would be empty.
    """
    labels = np.asarray(y)
    if labels.ndim != 1:
        raise ValueError(f"y must have shape (m,), got {labels.shape}")
    if not 0 < test_fraction < 1:
        raise ValueError(f"test_fraction must lie between 0 and 1, got {test_fraction!r}")
    m = len(labels)
    # Sort by class, with random order within each; picking every (1 / test_fraction)-th example is then proportional.
    shuffled = np.random.default_rng(random_state).permutation(m)
    order = shuffled[np.argsort(labels[shuffled], kind="stable")]
    is_test = np.empty(m, dtype=bool)
    is_test[order] = np.diff(np.floor(np.arange(m + 1) * test_fraction + 0.5)) > 0
    if is_test.all() or not is_test.any():
        raise ValueError(f"m = {m} examples are too few to hold out {test_fraction!r} of them: one part would be empty")
    return np.flatnonzero(~is_test), np.flatnonzero(is_test)
