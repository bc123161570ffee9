"""Losses: J and its derivative with respect to Z[L]."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from fastnn.reference.activations import ACTIVATIONS, activate_backward, column_sums, log_softmax
from fastnn.reference.checks import Array, float64, known

# Losses computed from Z[L], and the output activation that each of them needs.
_OUTPUT_OF = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "poisson": "exp"}


def _cross_entropy(Z: Array, Y: Array) -> Array:
    return -Y * log_softmax(Z)


def _binary_cross_entropy(Z: Array, Y: Array) -> Array:
    return np.maximum(Z, 0) - Y * Z + np.log1p(np.exp(-np.abs(Z)))  # -y log a - (1 - y) log(1 - a) without overflow


def _poisson(Z: Array, Y: Array) -> Array:
    log_Y = np.log(np.where(Y == 0, 1, Y))  # makes y log y = 0 at y = 0
    with np.errstate(over="ignore"):
        return Y * (log_Y - Z) - Y + np.exp(Z)


_OF_Z: dict[str, Callable[[Array, Array], Array]] = {
    "cross_entropy": _cross_entropy,
    "binary_cross_entropy": _binary_cross_entropy,
    "poisson": _poisson,
}

# Losses computed from A[L] with any activation: L and dL/da as functions of D = A - Y and the parameter.
_OF_A: dict[str, tuple[Callable[[Array, float], Array], Callable[[Array, float], Array]]] = {
    "squared_error": (lambda D, _: D**2 / 2, lambda D, _: D),
    "absolute": (lambda D, _: np.abs(D), lambda D, _: np.sign(D)),
    "huber": (
        lambda D, delta: np.where(np.abs(D) <= delta, D**2 / 2, delta * (np.abs(D) - delta / 2)),
        lambda D, delta: np.clip(D, -delta, delta),
    ),
    "quantile": (
        lambda D, q: np.where(D > 0, 1 - q, q) * np.abs(D),
        lambda D, q: np.where(D > 0, 1 - q, q) * np.sign(D),
    ),
}

LOSSES = (*_OF_Z, *_OF_A)


def check_loss(loss: str, output_activation: str) -> None:
    """Raise ValueError unless both names are known and compatible."""
    known("loss", loss, LOSSES)
    known("activation", output_activation, ACTIVATIONS)
    needed = _OUTPUT_OF.get(loss, output_activation)
    if output_activation != needed:
        raise ValueError(f"loss {loss} needs the output activation {needed}, got {output_activation}")


def _targets(name: str, Y: ArrayLike, shape: tuple[int, ...], parameter: float) -> Array:
    """Check Y and return it, with label smoothing for the cross-entropies."""
    Y = float64(Y)
    if Y.ndim != 2 or Y.shape != shape:
        raise ValueError(f"Y must have shape (n[L], m) = {shape}, got {Y.shape}")
    if name == "poisson" and np.any(Y < 0):
        raise ValueError(f"Y must not be negative for poisson, got {Y.min()}")
    if name == "cross_entropy" and parameter:
        return (1 - parameter) * Y + parameter / len(Y)
    if name == "binary_cross_entropy":
        return Y + parameter * (0.5 - Y)
    return Y


def checked_weights(name: str, sample_weight: ArrayLike | None, shape: tuple[int, ...]) -> Array:
    """Check the weights and return them, (m,) or (n[L], m); None gives ones (m,)."""
    if sample_weight is None:
        return np.ones(shape[1:])
    w = float64(sample_weight)
    if w.shape != shape[1:] and (name == "cross_entropy" or w.shape != shape):
        each = "" if name == "cross_entropy" else f" or (n[L], m) = {shape}"
        raise ValueError(f"sample_weight must have shape (m,) = {shape[1:]}{each}, got {w.shape}")
    if np.any(w < 0):
        raise ValueError(f"sample_weight must not be negative, got {w.min()}")
    return w


def weighted(w: Array, values: Array) -> Array:
    """Return w times values (n[L], m), 0 where w is 0 even if a value has overflowed."""
    with np.errstate(invalid="ignore"):  # 0 inf
        return np.where(w == 0, 0, w * values)


def total_weight(w: Array) -> float:
    """Return the sum of the weights (m,), or of the means of the weights (n[L], m) over the units."""
    return float(np.sum(w)) / (len(w) if w.ndim == 2 and w.size else 1)


def cost(
    name: str,
    Z: ArrayLike,
    A: ArrayLike,
    Y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    parameter: float = 0.0,
) -> float:
    """Return J = (1/m) sum of L over the examples; with weights w, J = (sum of w L) / (sum of w).

    With weights w_ij of the output units, J = (sum of w_ij L_ij) / (sum of w_ij / n[L]).

    L is the sum over the output units of

    - cross_entropy: -y log softmax(z), from Z
    - binary_cross_entropy: -(y log a + (1 - y) log(1 - a)) with a = sigmoid(z), from Z
    - poisson: y log(y / a) - y + a with a = e^z, half the deviance, from Z; y log y = 0 at y = 0
    - squared_error: (a - y)^2 / 2, from A
    - absolute: |a - y|, from A
    - huber: (a - y)^2 / 2 if |a - y| <= delta, else delta (|a - y| - delta / 2), from A
    - quantile: q (y - a) if a < y, else (1 - q) (a - y), from A

    Parameters
    ----------
    name : str
        One of `LOSSES`.
    Z, A : array_like, (n[L], m)
        Z[L] and A[L]. The one that the loss does not use may be None.
    Y : array_like, (n[L], m)
        For cross_entropy columns that add up to 1, such as one-hot ones; from 0 to 1 for binary_cross_entropy;
        non-negative for poisson, else ValueError.
    sample_weight : array_like, (m,) or (n[L], m), optional
        One for each example or, not with cross_entropy, for each output unit of each example.
    parameter : float
        delta > 0 of huber, q in (0, 1) of quantile, or the label smoothing s in [0, 1] of both cross-entropies, which
        replaces y by (1 - s) y + s / n[L] and, for binary_cross_entropy, by y + s (1/2 - y).
    """
    known("loss", name, LOSSES)
    output = float64(Z if name in _OF_Z else A)
    Y = _targets(name, Y, output.shape, parameter)
    L = _OF_Z[name](output, Y) if name in _OF_Z else _OF_A[name][0](output - Y, parameter)
    w = checked_weights(name, sample_weight, output.shape)
    with np.errstate(invalid="ignore"):  # 0 / 0
        return float(np.sum(weighted(w, L)) / np.float64(total_weight(w)))


def output_gradient(
    name: str,
    output_activation: str,
    Z: ArrayLike,
    A: ArrayLike,
    Y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    parameter: float = 0.0,
) -> Array:
    """Return dZ[L] (n[L], m): the derivative of each example's loss with respect to Z[L], times the weight.

    Losses from Z have dZ[L] = A[L] - Y (with smoothed Y), losses from A have dZ[L] = dL/da * g'(Z[L]). At a kink of L
    (absolute and quantile at a = y) dL/da is 0. As in the course, dZ excludes the factor 1/m, which dW and db include.

    Parameters
    ----------
    name : str
        One of `LOSSES`.
    output_activation : str
        softmax for cross_entropy, sigmoid for binary_cross_entropy, exp for poisson, any for the other losses.
    Z, A, Y, sample_weight, parameter
        As in `cost`. A is always needed, Z only by the losses from A.
    """
    check_loss(name, output_activation)
    A = float64(A)
    Y = _targets(name, Y, A.shape, parameter)
    w = checked_weights(name, sample_weight, A.shape)
    if name == "cross_entropy":
        return w * (A * column_sums(Y) - Y)  # the column sums are 1 up to rounding
    if name in _OF_Z:
        return weighted(w, A - Y)
    return activate_backward(output_activation, weighted(w, _OF_A[name][1](A - Y, parameter)), Z)


def one_hot(labels: ArrayLike, n_classes: int) -> Array:
    """Return Y (n_classes, m) with 1 in row labels[i] of column i and 0 elsewhere.

    Parameters
    ----------
    labels : array_like, (m,)
        Whole numbers from 0 to n_classes - 1, else ValueError.
    n_classes : int
    """
    labels = float64(labels)
    if labels.ndim != 1:
        raise ValueError(f"labels must have shape (m,), got {labels.shape}")
    Y = np.where(labels == np.arange(n_classes)[:, np.newaxis], 1.0, 0.0)
    wrong = labels[np.sum(Y, axis=0) != 1]
    if wrong.size:
        raise ValueError(f"labels must be whole numbers from 0 to {n_classes - 1}, got {wrong[0]}")
    return Y
