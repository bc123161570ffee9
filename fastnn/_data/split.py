"""What a run trains on, and what it validates on."""

import copy
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._data import checks, sources
from fastnn._data.examples import ExampleChunks, Examples, class_labels
from fastnn._data.sources import BatchSource, SlicedSource
from fastnn._model.architecture import Architecture
from fastnn._training.checkpoints import Saved
from fastnn.datasets import stratified_split
from fastnn.losses import Loss

__all__ = ["Split", "hold_out", "split"]


@dataclass
class Split:
    """The data of a run.

    Attributes
    ----------
    examples : Examples, SlicedSource or BatchSource
    rows : ndarray of int64 or None
        Those of the examples that are trained on, ascending; None for all.
    held_out : ExampleChunks or None
        To validate on.
    held_rows : ndarray of int64 or None
        Where they are among the examples, if they come from there.
    rng : Generator
        As it was given, or a copy from which the rows were drawn.
    """

    examples: Examples | SlicedSource | BatchSource
    rows: NDArray[np.int64] | None
    held_out: ExampleChunks | None
    held_rows: NDArray[np.int64] | None
    rng: np.random.Generator

    def whole(self) -> Examples:
        """Return the examples that are trained on, as L-BFGS takes them: all at once.

        Raises
        ------
        ValueError
            If they are read in parts.
        """
        if not isinstance(self.examples, Examples):
            raise ValueError("optimizer='lbfgs' works on all examples at once: it needs X as an array")
        return self.examples if self.rows is None else self.examples.take(self.rows)


def split(architecture: Architecture, loss: Loss, X: Any, y: Any, sample_weight: Any, class_weight: Any,
          validation_data: Any, validation_fraction: Any, rng: np.random.Generator, saved: Saved | None,
          epochs: int) -> Split:
    """Return the checked data of a run; arguments as for `Network.fit`, `saved` the checkpoint to go on from.

    Of validation data that are read in parts the first are read here; no pass loses a batch by it.

    Raises
    ------
    ValueError, TypeError
        If they are not as described there.
    """
    examples = sources.as_source(architecture, loss, X, y, sample_weight, class_weight=class_weight, training=True)
    held_out = None if validation_data is None else _given(architecture, loss, validation_data, epochs)
    if validation_fraction is None:
        return Split(examples, None, held_out, None, rng)
    fraction = checks.number(validation_fraction, "validation_fraction", above=0, below=1)
    if held_out is not None:
        raise ValueError("give validation_data or validation_fraction, not both")
    if not isinstance(examples, Examples):
        raise ValueError("validation_fraction needs X as an array: of what is read in parts give validation_data")
    rng = copy.deepcopy(rng)
    m = len(examples)
    held_rows = hold_out(architecture, examples, fraction, rng) if saved is None else saved.held_out_of(m)
    return Split(examples, np.delete(np.arange(m), held_rows), examples.take(held_rows), held_rows, rng)


def _given(architecture: Architecture, loss: Loss, data: Any, epochs: int) -> ExampleChunks:
    listed = isinstance(data, (tuple, list))
    if _is_list_of_batches(data) or (not listed and sources.is_batches(data, labelled=True)):
        X, y, weights = data, None, None
    elif listed and len(data) in (2, 3):
        X, y, weights = (*data, None)[:3]
    else:
        raise TypeError("validation_data must be a tuple (X, y) or (X, y, sample_weight), or batches of such tuples")
    given = sources.as_source(architecture, loss, X, y, weights, "validation ")
    if isinstance(given, BatchSource) and hasattr(given.source, "__next__") and epochs > 1:
        raise ValueError("validation_data is an iterator, which can be used once, but it is needed after each epoch: "
                         "pass a callable that returns a new one")
    if not isinstance(given, Examples):
        given.first()
    return given


def _is_list_of_batches(data: Any) -> bool:
    """Tell a list of tuples that begin with a matrix from a list [X, y], whatever X and y are."""
    return isinstance(data, list) and bool(data) and all(
        isinstance(batch, tuple) and len(batch) in (2, 3) and getattr(batch[0], "ndim", None) == 2 for batch in data)


def hold_out(architecture: Architecture, examples: Examples, fraction: float,
             rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the ascending positions of a random share of the examples, to validate on.

    Of labels (softmax, one sigmoid output) each class has its share.

    Raises
    ------
    ValueError
        If one of the two parts would be empty, or without weight.
    """
    labels = class_labels(examples.Y, architecture)
    parts = stratified_split(np.zeros(len(examples)) if labels is None else labels, fraction, rng)
    if examples.weights is not None and not all(examples.weights[part].any() for part in parts):
        raise ValueError(f"validation_fraction={fraction:g} leaves no example with weight to train or to validate on")
    return parts[1].astype(np.int64)
