"""Activation functions and their backward functions.

`f(Z)` returns A and the cache, which is Z; `f_backward(dA, cache)` returns dZ = dA * g'(Z). Z may have any shape;
softmax normalises over the units (axis 0). At Z = 0 the derivative of relu is 0 and that of leaky relu 0.01.
"""

from typing import Any

from numpy.typing import ArrayLike, NDArray

from fastnn._core.course import activate, activate_backward
from fastnn._core.registry import activation_code
from fastnn._data import checks
from fastnn.runtime import LEVEL

__all__ = ["code", "leaky_relu", "leaky_relu_backward", "relu", "relu_backward", "sigmoid", "sigmoid_backward",
           "softmax", "softmax_backward", "tanh", "tanh_backward"]

Forward = tuple[NDArray[Any], NDArray[Any]]

NAMES = ("sigmoid", "tanh", "relu", "leaky_relu", "softmax")
SIGMOID, TANH, RELU, LEAKY_RELU, SOFTMAX = (activation_code(name) for name in NAMES)


def code(activation: str) -> int:
    """Return the compiled core's index of an activation in `NAMES`."""
    return activation_code(checks.name(activation, NAMES, "activation"))


def sigmoid(Z: ArrayLike) -> Forward:
    """Return A = 1 / (1 + e^-Z) and the cache Z."""
    return activate(SIGMOID, Z, LEVEL)


def sigmoid_backward(dA: ArrayLike, cache: ArrayLike) -> NDArray[Any]:
    """Return dZ = dA * a (1 - a), a = sigmoid(Z); `cache` is Z, with dA's shape."""
    return activate_backward(SIGMOID, dA, cache, LEVEL)


def tanh(Z: ArrayLike) -> Forward:
    """Return A = tanh(Z) and the cache Z."""
    return activate(TANH, Z, LEVEL)


def tanh_backward(dA: ArrayLike, cache: ArrayLike) -> NDArray[Any]:
    """Return dZ = dA * (1 - a^2), a = tanh(Z); `cache` is Z, with dA's shape."""
    return activate_backward(TANH, dA, cache, LEVEL)


def relu(Z: ArrayLike) -> Forward:
    """Return A = max(0, Z) and the cache Z."""
    return activate(RELU, Z, LEVEL)


def relu_backward(dA: ArrayLike, cache: ArrayLike) -> NDArray[Any]:
    """Return dZ = dA where Z > 0, else 0; `cache` is Z, with dA's shape."""
    return activate_backward(RELU, dA, cache, LEVEL)


def leaky_relu(Z: ArrayLike) -> Forward:
    """Return A = max(0.01 Z, Z) and the cache Z."""
    return activate(LEAKY_RELU, Z, LEVEL)


def leaky_relu_backward(dA: ArrayLike, cache: ArrayLike) -> NDArray[Any]:
    """Return dZ = dA where Z > 0, else 0.01 dA; `cache` is Z, with dA's shape."""
    return activate_backward(LEAKY_RELU, dA, cache, LEVEL)


def softmax(Z: ArrayLike) -> Forward:
    """Return A = e^Z / (sum of e^Z over axis 0), for Z (n, m), and the cache Z."""
    return activate(SOFTMAX, Z, LEVEL)


def softmax_backward(dA: ArrayLike, cache: ArrayLike) -> NDArray[Any]:
    """Return dZ = A * (dA - sum of A * dA over axis 0), A = softmax(Z); `cache` is Z, with dA's shape (n, m)."""
    return activate_backward(SOFTMAX, dA, cache, LEVEL)
