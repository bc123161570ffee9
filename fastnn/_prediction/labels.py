"""Predictions from outputs: their shape, the labels that a classifier's outputs stand for, log-probabilities."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import runtime
from fastnn._core import kernels
from fastnn.losses import Loss, Quantile

__all__ = ["CLASSIFYING", "is_flat", "predicted", "shaped", "take_logarithms", "true_labels"]

CLASSIFYING = ("softmax", "sigmoid")  # output activations whose predictions are labels


def is_flat(output: str, n_out: int, y_ndim: int) -> bool:
    """Return whether predictions have the shape (m,) rather than (m, n[L]).

    Labels of a softmax output and a single sigmoid output do; a single real-valued output has the shape of the y that
    was fitted last.
    """
    return output == "softmax" or (n_out == 1 and (output == "sigmoid" or y_ndim == 1))


def predicted(outputs: NDArray[Any], output: str, y_ndim: int, threshold: float) -> NDArray[Any]:
    """Return what `Network.predict` returns for these outputs.

    Parameters
    ----------
    outputs : ndarray (m, n[L])
        Z[L] or A[L].
    output : str
        The output layer's activation.
    y_ndim : int
        Number of dimensions of the y that was fitted last.
    threshold : float
        A sigmoid output above it is labelled 1: 0 for Z[L], 0.5 for A[L].

    Returns
    -------
    ndarray
        softmax: labels; sigmoid: 0 and 1; otherwise the values. The shape follows `is_flat`.
    """
    if output == "softmax":
        labels: NDArray[np.int64] = outputs.argmax(axis=1)
        return labels
    values = (outputs > threshold).astype(np.int64) if output == "sigmoid" else outputs
    return values[:, 0] if is_flat(output, outputs.shape[1], y_ndim) else values


def shaped(values: NDArray[Any], loss: Loss, y_ndim: int) -> NDArray[Any]:
    """Return values (m, 1) for a single target as (m,) if the y fitted last had that shape; not those of levels."""
    return values[:, 0] if y_ndim == 1 and values.shape[1:] == (1,) and not isinstance(loss, Quantile) else values


def true_labels(Y: NDArray[Any], output: str, y_ndim: int) -> NDArray[Any]:
    """Return checked targets in the form of `predicted`."""
    if output == "softmax" and Y.ndim == 1:
        return Y
    return predicted(Y, output, y_ndim, 0.5)


def take_logarithms(Z: NDArray[Any], output: str) -> None:
    """Replace Z[L], C-ordered (m, n[L]), by the logarithms of the probabilities A[L], for an output in CLASSIFYING."""
    kernels.log_probabilities(output, Z.T, runtime.LEVEL)
