"""The rows that a model holds out to choose its best epoch."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._data.split import spare_classes

__all__ = ["MIN_ROWS", "hold_out", "orders"]

MIN_ROWS = 10  # of fewer rows none is held out: one or two of them would say nothing about an epoch


def orders(labels: NDArray[Any] | None, m: int, fraction: float, n_models: int,
           rng: np.random.Generator) -> list[NDArray[np.intp]]:
    """Return an order of the examples for each model, grouped by class and random within each.

    Models share an order as long as their held-out rows differ: with a fraction of 1/5, five models hold out every row
    once.

    Parameters
    ----------
    labels : ndarray (m,) or None
        Class numbers, by which the hold-out is stratified.
    m : int
    fraction : float
    n_models : int
    rng : Generator
    """
    found: list[NDArray[np.intp]] = []
    for model in range(n_models):
        if model % max(1, round(1 / fraction)) == 0:
            order = rng.permutation(m)
            if labels is not None:
                order = order[np.argsort(labels[order], kind="stable")]
        found.append(order)
    return found


def hold_out(order: NDArray[np.intp], fraction: float, turn: int,
             labels: NDArray[Any] | None) -> tuple[NDArray[np.intp], NDArray[np.intp]]:
    """Return the ascending positions of the examples to train on and of those held out.

    Every (1 / fraction)-th example of the order is held out, beginning with another one in each turn. One example of
    each class stays to train on. Of fewer than `MIN_ROWS` examples, none is held out.
    """
    m = len(order)
    if m < MIN_ROWS or fraction == 0:
        return np.arange(m), np.arange(0)
    is_held = np.empty(m, np.bool_)
    is_held[order] = np.diff(np.floor((np.arange(m + 1) + turn) * fraction + 0.5)) > 0
    training, held = np.flatnonzero(~is_held), np.flatnonzero(is_held)
    if labels is not None:
        training, held = spare_classes(labels, None, training, held)
    return np.sort(training), np.sort(held)
