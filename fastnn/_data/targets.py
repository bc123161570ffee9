"""Targets: y checked against the output and the loss, and encoded as the compiled core reads it."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._data import checks
from fastnn._data.arrays import numeric
from fastnn._data.frames import place
from fastnn._model.architecture import Architecture
from fastnn.losses import CrossEntropy, Loss, Poisson

__all__ = ["check_distributions", "class_labels", "encode_targets", "in_form"]

def encode_targets(y: Any, m: int, architecture: Architecture, loss: Loss, what: str = "y", *,
                   part: bool = False, first_row: int = 0, warn: bool = False) -> NDArray[Any]:
    """Return the targets as the compiled core reads them.

    Parameters
    ----------
    y : array_like
        softmax output: class labels (m,), or one-hot or the probabilities of the classes (m, n[L]); sigmoid: values
        from 0 to 1, (m,) or (m, n[L]); else real values (m,) or (m, n[L]), with r output units
        per target (m, n[L] / r).
    m : int
        Examples.
    architecture : Architecture
    loss : Loss
    what : str
        Their name in error messages.
    part : bool
        They are a part of all targets: the form of the result depends on the shape of y alone, because other parts of
        one-hot rows may be probabilities.
    first_row : int
        The number of the first example.
    warn : bool
        Warn if float32 merges real values: see `precision.warn_if_merged`.

    Returns
    -------
    ndarray
        For cross_entropy int32 labels (m,), unless y holds probabilities; else C-ordered (m, n[L]) or (m, n[L] / r) of
        the network's dtype.

    Raises
    ------
    ValueError, TypeError
        If they do not match the output or the loss.
    """
    n_out, dtype = architecture.n_outputs, architecture.dtype
    if architecture.output == "softmax":
        takes_labels = isinstance(loss, CrossEntropy)
        array = numeric(y, what, f"(m,) = ({m},), or (m, n[L]) = ({m}, {n_out})")
        if array.shape != (m, n_out):
            labels = checks.labels(array, m, n_out, what)
            return labels if takes_labels else _one_hot(labels, n_out, dtype)
        if takes_labels and not part and checks.one_hot(array):
            return _labels_of(array)
        values = checks.values(y, m, n_out, dtype, what)
        check_distributions(values, what, array.dtype, first_row)
        return values
    values = checks.values(y, m, n_out // loss.per_target, dtype, what, warn=warn)
    if architecture.output == "sigmoid":
        _check_probabilities(values, f"{what} must hold values from 0 to 1 for a sigmoid output", first_row)
    if isinstance(loss, Poisson) and values.min() < 0:
        raise ValueError(f"{what} must not be negative for the Poisson loss, got {values.min():g}")
    return values


def check_distributions(Y: NDArray[Any], what: str, given: np.dtype[Any], first_row: int = 0) -> None:
    """Raise a ValueError unless each row of Y (m, n[L]) holds probabilities that add up to 1, up to rounding.

    The sum may be off by the root of the epsilon of float32, or of the dtype in which y was given if that is coarser:
    probabilities often come from a network of that precision.
    """
    must = f"{what} must hold labels, one-hot rows, or rows of probabilities that add up to 1"
    _check_probabilities(Y, must, first_row)
    coarse = np.finfo(np.float16 if given == np.float16 else np.float32)
    sums = Y.sum(axis=1, dtype=np.float64)
    wrong = np.abs(sums - 1) > np.sqrt(coarse.eps)
    if wrong.any():
        row = int(wrong.argmax())
        raise ValueError(f"{must}, but row {row + first_row} adds up to {sums[row]:g}")


def _check_probabilities(values: NDArray[Any], must: str, first_row: int) -> None:
    """Raise a ValueError unless all `values` (m, n[L]) are from 0 to 1, up to a few roundings in float32."""
    slack = 4 * np.finfo(np.float32).eps  # of sums such as a y_1 + (1 - a) y_2
    if values.min() >= -slack and values.max() <= 1 + slack:
        return
    row, column = np.argwhere((values < -slack) | (values > 1 + slack))[0].tolist()
    where = place((row, column) if values.shape[1] > 1 else (row,), None, first_row)
    raise ValueError(f"{must}, got {values[row, column]:g}{where}")


def in_form(Y: NDArray[Any], dense: bool, n_out: int, dtype: np.dtype[Any], prefix: str = "") -> NDArray[Any]:
    """Return encoded targets of classes as probabilities (m, n[L]) if `dense`, else as labels (m,).

    Raises
    ------
    ValueError
        If labels are needed and Y holds probabilities; `prefix` begins the message.
    """
    if (Y.ndim == 2) == dense:
        return Y
    if dense:
        return _one_hot(Y, n_out, dtype)
    if not checks.one_hot(Y):
        raise ValueError(f"{prefix}y holds probabilities, but that of the first batch holds labels: give it as rows of "
                         "probabilities (m, n[L]) too, such as numpy.eye(n)[labels]")
    return _labels_of(Y)


def _one_hot(labels: NDArray[np.int32], n_out: int, dtype: np.dtype[Any]) -> NDArray[Any]:
    return np.asarray(np.eye(n_out, dtype=dtype)[labels])


def _labels_of(one_hot: NDArray[Any]) -> NDArray[np.int32]:
    return np.asarray(one_hot.argmax(axis=1), np.int32)


def class_labels(Y: NDArray[Any], architecture: Architecture) -> NDArray[Any] | None:
    """Return the label of each example (m,) from encoded targets, None unless the output is softmax or one sigmoid.

    Of probabilities it is the most probable one.
    """
    if architecture.output == "softmax":
        return Y if Y.ndim == 1 else np.asarray(Y.argmax(axis=1))
    if architecture.output == "sigmoid" and architecture.n_outputs == 1:
        return (Y[:, 0] > 0.5).astype(np.intp)
    return None
