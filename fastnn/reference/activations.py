"""Activations A = g(Z) and their derivatives g'(Z)."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import ArrayLike

from fastnn.reference.checks import Array, float64, known

LEAKY_SLOPE = 0.01
# Klambauer, Unterthiner, Mayr and Hochreiter, Self-Normalizing Neural Networks (2017), equation 14
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805

# exp(-1000) and erfc(700) are 0 in float64, so a factor z can be clamped to this range. The clamp only changes the
# product of an infinite z and 0, from NaN to the limit 0.
FAR = 1000.0


def _sigmoid(Z: Array) -> Array:
    e: Array = np.exp(-np.abs(Z))  # cannot overflow
    return np.where(Z < 0, e, 1.0) / (1 + e)


def _sigmoid_derivative(Z: Array) -> Array:
    return _sigmoid(Z) * _sigmoid(-Z)  # g (1 - g), without cancellation


def _elu(Z: Array) -> Array:
    return np.where(Z > 0, Z, np.expm1(np.minimum(Z, 0)))


def _elu_derivative(Z: Array) -> Array:
    return np.where(Z > 0, 1.0, np.exp(np.minimum(Z, 0)))


_erfc = np.frompyfunc(math.erfc, 1, 1)


def _normal_cdf(Z: Array) -> Array:  # about z^2 rounding errors in the left tail, where erfc amplifies that of Z
    return np.asarray(_erfc(-Z / math.sqrt(2)), dtype=np.float64) / 2


def _normal_pdf(Z: Array) -> Array:
    return np.exp(-(np.clip(Z, -FAR, FAR) ** 2) / 2) / math.sqrt(2 * math.pi)  # clamped, so the square cannot overflow


def _softplus(Z: Array) -> Array:
    return np.maximum(Z, 0) + np.log1p(np.exp(-np.abs(Z)))


def _mish_derivative(Z: Array) -> Array:
    s = _softplus(Z)
    return np.tanh(s) + np.clip(Z, -FAR, FAR) * 4 * _sigmoid_derivative(2 * s) * _sigmoid(Z)  # tanh' as below


def _exp(Z: Array) -> Array:
    with np.errstate(over="ignore"):  # infinity is the intended result
        return np.exp(Z)


def column_sums(M: Array) -> Array:
    """Return the column sums (1, m) of M (n, m)."""
    sums: Array = np.sum(M, axis=0, keepdims=True)
    return sums


def _softmax(Z: Array) -> Array:
    e: Array = np.exp(Z - np.max(Z, axis=0, keepdims=True, initial=-np.inf))  # the largest term is 1, so no overflow
    return e / column_sums(e)


def log_softmax(Z: Array) -> Array:
    """Return log(softmax(Z)), accurate also where the softmax is close to 1."""
    S: Array = Z - np.max(Z, axis=0, keepdims=True, initial=-np.inf)
    others = np.sort(np.exp(S), axis=0)[:-1]  # drop the largest term, exp(0) = 1, which log1p adds exactly
    return S - np.log1p(column_sums(others))


_ACTIVATE: dict[str, Callable[[Array], Array]] = {
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "relu": lambda Z: np.maximum(Z, 0),
    "leaky_relu": lambda Z: np.where(Z > 0, Z, LEAKY_SLOPE * Z),
    "identity": np.copy,
    "softmax": _softmax,
    "elu": _elu,
    "selu": lambda Z: SELU_SCALE * np.where(Z > 0, Z, SELU_ALPHA * _elu(Z)),
    "gelu": lambda Z: np.maximum(Z, -FAR) * _normal_cdf(Z),
    "silu": lambda Z: np.maximum(Z, -FAR) * _sigmoid(Z),
    "softplus": _softplus,
    "exp": _exp,
    "mish": lambda Z: np.maximum(Z, -FAR) * np.tanh(_softplus(Z)),
}

# At a kink (z = 0), the left-hand derivative. Softmax is missing, because it depends on all units of a column.
_DERIVATIVE: dict[str, Callable[[Array], Array]] = {
    "sigmoid": _sigmoid_derivative,
    "tanh": lambda Z: 4 * _sigmoid_derivative(2 * Z),  # 1 - tanh^2, without cancellation
    "relu": lambda Z: np.where(Z > 0, 1.0, 0.0),
    "leaky_relu": lambda Z: np.where(Z > 0, 1.0, LEAKY_SLOPE),
    "identity": np.ones_like,
    "elu": _elu_derivative,
    "selu": lambda Z: SELU_SCALE * np.where(Z > 0, 1.0, SELU_ALPHA * _elu_derivative(Z)),
    "gelu": lambda Z: _normal_cdf(Z) + np.clip(Z, -FAR, FAR) * _normal_pdf(Z),
    "silu": lambda Z: _sigmoid(Z) + np.clip(Z, -FAR, FAR) * _sigmoid_derivative(Z),
    "softplus": _sigmoid,
    "exp": _exp,
    "mish": _mish_derivative,
}

ACTIVATIONS = tuple(_ACTIVATE)


def activate(name: str, Z: ArrayLike) -> Array:
    """Return A = g(Z) as a new array.

    NaN gives NaN and +-inf gives the limit, except that both make their column NaN in softmax.

    Parameters
    ----------
    name : str
        One of `ACTIVATIONS`. leaky_relu has slope 0.01, elu has alpha 1, gelu is the exact z Phi(z), mish is
        z tanh(softplus(z)), softmax runs over the units (axis 0).
    Z : array_like, (n, m)
    """
    known("activation", name, ACTIVATIONS)
    return _ACTIVATE[name](float64(Z))


def activate_backward(name: str, dA: ArrayLike, Z: ArrayLike) -> Array:
    """Return dZ = dA * g'(Z); for softmax dZ = A * (dA - sum of dA * A over the units).

    At a kink (z = 0) g' is the left-hand derivative: 0 for relu, 0.01 for leaky_relu.

    Parameters
    ----------
    name : str
        One of `ACTIVATIONS`.
    dA, Z : array_like, (n, m)
    """
    known("activation", name, ACTIVATIONS)
    dA, Z = float64(dA), float64(Z)
    if dA.shape != Z.shape:
        raise ValueError(f"dA must have the shape of Z, {Z.shape}, got {dA.shape}")
    if name == "softmax":
        A = _softmax(Z)
        return A * (dA - column_sums(dA * A))
    return dA * _DERIVATIVE[name](Z)


def _units(name: str, t: ArrayLike, Z: Array) -> Array:
    """Check the arguments of a mixture and return t (n, 1)."""
    known("activation", name, tuple(_DERIVATIVE))
    shares: Array = float64(t)
    if shares.shape != (len(Z), 1):
        raise ValueError(f"t must have the shape {(len(Z), 1)}, one row per unit of Z, got {shares.shape}")
    return shares


def activate_mixed(name: str, t: ArrayLike, Z: ArrayLike) -> Array:
    """Return A = (1 - t) Z + t g(Z), with a share t of the activation for each unit.

    Parameters
    ----------
    name : str
        One of `ACTIVATIONS`, except softmax.
    t : array_like, (n, 1)
    Z : array_like, (n, m)
    """
    Z = float64(Z)
    t = _units(name, t, Z)
    return (1 - t) * Z + t * _ACTIVATE[name](Z)


def activate_mixed_backward(name: str, dA: ArrayLike, t: ArrayLike, Z: ArrayLike) -> tuple[Array, Array]:
    """Return dZ = dA * ((1 - t) + t g'(Z)) and dt (n, 1), the sum of dA * (g(Z) - Z) over the examples.

    Parameters
    ----------
    name : str
        One of `ACTIVATIONS`, except softmax.
    t : array_like, (n, 1)
    dA, Z : array_like, (n, m)
    """
    dA, Z = float64(dA), float64(Z)
    t = _units(name, t, Z)
    if dA.shape != Z.shape:
        raise ValueError(f"dA must have the shape of Z, {Z.shape}, got {dA.shape}")
    dt: Array = np.sum(dA * (_ACTIVATE[name](Z) - Z), axis=1, keepdims=True)
    return dA * ((1 - t) + t * _DERIVATIVE[name](Z)), dt
