"""The part of the training data that early stopping holds out."""

import warnings
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split

from fastnn._data.split import spare_classes
from fastnn.estimators._inputs import FitData

__all__ = ["early_stopping_split"]


def early_stopping_split(estimator: Any, data: FitData) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of the training examples and of those that early stopping holds out.

    Examples without weight are in neither part. With positive weights a random split is scikit-learn's, except that no
    class, or value of a label, has all its examples in the held-out part.

    Raises
    ------
    ValueError
        If a part would be too small, or a class has too few examples to stratify the split.
    """
    rows = data.weighted_rows()
    if estimator.validation_split == "last":
        parts = last_rows(rows, estimator.validation_fraction)
    else:
        parts = random_rows(estimator, data, rows)
    if len(parts[1]) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your "
                         "dataset.")
    if data.encoded_y.dtype.kind == "f":
        return parts
    training, held = spare_classes(data.encoded_y, data.loss_weight, *parts)
    if not len(held):
        training, held = training[:-1], training[-1:]
        warnings.warn("early stopping holds out the only example of a class, which is not trained on: raise "
                      "validation_fraction, or pass X_val and y_val", ConvergenceWarning, stacklevel=2)
    elif data.encoded_y.ndim == 1:
        warn_of_one_class(estimator, data.encoded_y, training, held)
    return training, held


def last_rows(rows: NDArray[np.int64], fraction: float) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the first rows, to train on, and the last ones, as many as scikit-learn would hold out at random."""
    count = len(rows) - ceil(fraction * len(rows))
    if count < 1:
        raise ValueError(f"validation_fraction={fraction:g} of {len(rows)} examples leaves none to train on")
    return rows[:count], rows[count:]


def random_rows(estimator: Any, data: FitData, rows: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split rows as scikit-learn does; add to its errors which class or parameter they are about."""
    strata = estimator._strata(data.encoded_y)
    strata = None if strata is None else strata[rows]
    try:
        training, held = train_test_split(rows, random_state=estimator._random_state, stratify=strata,
                                          test_size=estimator.validation_fraction)
    except ValueError as error:
        advice = f"Early stopping holds out validation_fraction={estimator.validation_fraction:g} of {len(rows)} rows"
        if strata is not None:
            labels, counts = np.unique(strata, return_counts=True)
            rarest = estimator.classes_[int(labels[counts.argmin()] == "True")]
            advice += (f" with the same share of each class; the class {rarest} has {counts.min()}. Pass X_val and "
                       "y_val, or more examples of this class")
        raise ValueError(f"{str(error).rstrip('.')}. {advice}.") from error
    return training, held


def warn_of_one_class(estimator: Any, labels: NDArray[Any], training: NDArray[np.int64],
                      held: NDArray[np.int64]) -> None:
    """Warn if the held-out part has examples of a single class of several: no score of it says much."""
    found = np.unique(labels[held])
    if len(found) == 1 and (labels[training] != found[0]).any():
        warnings.warn(
            f"all {len(held)} examples that early stopping holds out are of the class "
            f"{estimator.classes_[int(found[0])]}, so that their score says nothing about the other classes: raise "
            "validation_fraction, or pass X_val and y_val", ConvergenceWarning, stacklevel=2)
