"""Losses: J and its derivative with respect to Z[L]."""

from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from fastnn.reference.activations import ACTIVATIONS, activate_backward, column_sums, log_softmax
from fastnn.reference.checks import Array, float64, known

# The output activation that a loss needs: those computed from Z[L], and of Gaussian targets.
_OUTPUT_OF = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "poisson": "exp", "gaussian": "identity"}


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
_OF_A: dict[str, tuple[Callable[[Array, Array], Array], Callable[[Array, Array], Array]]] = {
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



def _gaussian(A: Array, Y: Array) -> tuple[Array, Array]:
    """Return L and dL/dA of the Gaussian likelihood, continued below s = -50 along the tangent of e^-s."""
    k = len(A) // 2
    D, s = A[:k] - Y, np.maximum(A[k:], -50)
    below = s - A[k:]
    precision = np.exp(-s)
    slope = np.where(below > 0, 0, 1) - D**2 * precision
    return (s + D**2 * precision * (1 + below)) / 2, np.concatenate([D * precision * (1 + below), slope / 2])


# Losses of targets with several output units, computed from A[L] with an identity output: L (targets, m) and dL/dA as
# a function of A and Y; and the number of output units of each target.
_OF_TARGETS: dict[str, tuple[Callable[[Array, Array], tuple[Array, Array]], int]] = {"gaussian": (_gaussian, 2)}

LOSSES = (*_OF_Z, *_OF_A, *_OF_TARGETS)


def check_loss(loss: str, output_activation: str) -> None:
    """Raise ValueError unless both names are known and compatible."""
    known("loss", loss, LOSSES)
    known("activation", output_activation, ACTIVATIONS)
    needed = _OUTPUT_OF.get(loss, output_activation)
    if output_activation != needed:
        raise ValueError(f"loss {loss} needs the output activation {needed}, got {output_activation}")


def units_per_target(name: str, parameter: float | ArrayLike = 0.0) -> int:
    """Return the number r of output units of each target."""
    return _OF_TARGETS[name][1] if name in _OF_TARGETS else int(np.size(parameter))


def _each_unit(values: Array, parameter: float | ArrayLike, n: int) -> tuple[Array, Array]:
    """Return values (targets, m) and the parameter for each of n output units."""
    if np.ndim(parameter) == 0:
        return values, float64(parameter)
    levels = float64(parameter)
    return np.repeat(values, len(levels), axis=0), np.tile(levels, n // len(levels))[:, np.newaxis]


def _targets(name: str, Y: ArrayLike, shape: tuple[int, ...], parameter: float | ArrayLike) -> Array:
    """Check Y and return it, with label smoothing for the cross-entropies."""
    Y = float64(Y)
    r = units_per_target(name, parameter)
    expected = (shape[0] // r, shape[1])
    if shape[0] % r or Y.shape != expected:
        rows = "n[L]" if r == 1 else f"n[L] / {r}"
        raise ValueError(f"Y must have shape ({rows}, m) = {expected}, got {Y.shape}" + (
            f", and n[L] = {shape[0]} is no multiple" if shape[0] % r else ""))
    if name == "poisson" and np.any(Y < 0):
        raise ValueError(f"Y must not be negative for poisson, got {Y.min()}")
    s = float64(parameter)
    if name == "cross_entropy" and s != 0:
        return (1 - s) * Y + s / len(Y)
    if name == "binary_cross_entropy":
        return Y + s * (0.5 - Y)
    return Y


def checked_weights(name: str, sample_weight: ArrayLike | None, shape: tuple[int, ...]) -> Array:
    """Check the weights and return them, (m,) or `shape`, that of Y; None gives ones (m,)."""
    if sample_weight is None:
        return np.ones(shape[1:])
    w = float64(sample_weight)
    if w.shape != shape[1:] and (name == "cross_entropy" or w.shape != shape):
        each = "" if name == "cross_entropy" else f" or that of Y, {shape}"
        raise ValueError(f"sample_weight must have shape (m,) = {shape[1:]}{each}, got {w.shape}")
    if np.any(w < 0):
        raise ValueError(f"sample_weight must not be negative, got {w.min()}")
    return w


def weighted(w: Array, values: Array) -> Array:
    """Return w times values (n[L], m), 0 where w is 0 even if a value has overflowed."""
    with np.errstate(invalid="ignore"):  # 0 inf
        return np.where(w == 0, 0, w * values)


def total_weight(w: Array) -> float:
    """Return the sum of the weights (m,), or of the means of the weights (targets, m) over the targets."""
    return float(np.sum(w)) / (len(w) if w.ndim == 2 and w.size else 1)


def cost(
    name: str,
    Z: ArrayLike,
    A: ArrayLike,
    Y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    parameter: float | ArrayLike = 0.0,
) -> float:
    """Return J = (1/m) sum of L over the examples; with weights w, J = (sum of w L) / (sum of w).

    With weights w_ij of the k targets, n[L] in general, J = (sum of w_ij L_ij) / (sum of w_ij / k).

    L is the sum over the output units of

    - cross_entropy: -y log softmax(z), from Z
    - binary_cross_entropy: -(y log a + (1 - y) log(1 - a)) with a = sigmoid(z), from Z
    - poisson: y log(y / a) - y + a with a = e^z, half the deviance, from Z; y log y = 0 at y = 0
    - squared_error: (a - y)^2 / 2, from A
    - absolute: |a - y|, from A
    - huber: (a - y)^2 / 2 if |a - y| <= delta, else delta (|a - y| - delta / 2), from A
    - quantile: q (y - a) if a < y, else (1 - q) (a - y), from A
    - gaussian: over the targets, (s + (y - a)^2 e^-s) / 2 of the means a and the logarithms s of the variances, which
      follow the means, from A; below s = -50, (y - a)^2 e^-s continues as (y - a)^2 e^50 (-49 - s) and the first s as
      -50

    Parameters
    ----------
    name : str
        One of `LOSSES`.
    Z, A : array_like, (n[L], m)
        Z[L] and A[L]. The one that the loss does not use may be None.
    Y : array_like, (n[L], m), or (n[L] / r, m) with r output units per target
        For cross_entropy columns that add up to 1, such as one-hot ones; from 0 to 1 for binary_cross_entropy;
        non-negative for poisson, else ValueError.
    sample_weight : array_like, (m,) or the shape of Y, optional
        One for each example or, not with cross_entropy, for each target of each example.
    parameter : float or array_like (r,)
        delta > 0 of huber, q in (0, 1) of quantile, both also r values for r consecutive output units per target; or
        the label smoothing s in [0, 1] of both cross-entropies, which replaces y by (1 - s) y + s / n[L] and, for
        binary_cross_entropy, by y + s (1/2 - y).
    """
    known("loss", name, LOSSES)
    output = float64(Z if name in _OF_Z else A)
    Y = _targets(name, Y, output.shape, parameter)
    w = checked_weights(name, sample_weight, Y.shape)
    total = total_weight(w)
    if name in _OF_Z:
        L = _OF_Z[name](output, Y)
    elif name in _OF_TARGETS:
        L = _OF_TARGETS[name][0](output, Y)[0]
    else:
        Y, each = _each_unit(Y, parameter, len(output))
        if w.ndim == 2:
            w, _ = _each_unit(w, parameter, len(output))
        L = _OF_A[name][0](output - Y, each)
    with np.errstate(invalid="ignore"):  # 0 / 0
        return float(np.sum(weighted(w, L)) / np.float64(total))


def output_gradient(
    name: str,
    output_activation: str,
    Z: ArrayLike,
    A: ArrayLike,
    Y: ArrayLike,
    sample_weight: ArrayLike | None = None,
    parameter: float | ArrayLike = 0.0,
) -> Array:
    """Return dZ[L] (n[L], m): the derivative of each example's loss with respect to Z[L], times the weight.

    Losses from Z have dZ[L] = A[L] - Y (with smoothed Y), losses from A have dZ[L] = dL/da * g'(Z[L]). At a kink of L
    (absolute and quantile at a = y) dL/da is 0. As in the course, dZ excludes the factor 1/m, which dW and db include.

    Parameters
    ----------
    name : str
        One of `LOSSES`.
    output_activation : str
        softmax for cross_entropy, sigmoid for binary_cross_entropy, exp for poisson, identity for gaussian, any for the
        other losses.
    Z, A, Y, sample_weight, parameter
        As in `cost`. A is always needed, Z only by the losses from A.
    """
    check_loss(name, output_activation)
    A = float64(A)
    Y = _targets(name, Y, A.shape, parameter)
    w = checked_weights(name, sample_weight, Y.shape)
    if name == "cross_entropy":
        return w * (A * column_sums(Y) - Y)  # the column sums are 1 up to rounding
    if name in _OF_Z:
        return weighted(w, A - Y)
    if name in _OF_TARGETS:
        slopes, r = _OF_TARGETS[name][0](A, Y)[1], _OF_TARGETS[name][1]
        return weighted(np.tile(w, (r, 1)) if w.ndim == 2 else w, slopes)
    Y, each = _each_unit(Y, parameter, len(A))
    if w.ndim == 2:
        w, _ = _each_unit(w, parameter, len(A))
    return activate_backward(output_activation, weighted(w, _OF_A[name][1](A - Y, each)), Z)


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
