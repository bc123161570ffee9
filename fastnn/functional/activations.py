"""The activations and their backward functions, each on the compiled kernel.

`f(Z)` returns A and the cache, which is Z; `f_backward(dA, cache)` returns dZ = dA * g'(Z). Z may have any shape; the
softmax is taken over the units, the rows of Z. At the kink relu's derivative is 0 and leaky relu's 0.01.
"""

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import runtime
from fastnn._core import _kernels
from fastnn.functional.arrays import FLOAT64, as_matrix, as_real

__all__ = ["BACKWARD", "FORWARD", "leaky_relu", "leaky_relu_backward", "relu", "relu_backward", "sigmoid",
           "sigmoid_backward", "softmax", "softmax_backward", "tanh", "tanh_backward"]

Forward = tuple[NDArray[Any], NDArray[Any]]


def _flat(array: NDArray[Any]) -> NDArray[Any]:
    """Return a contiguous array as one row, in the order of its memory, without a copy."""
    return array.ravel(order="K").reshape(1, -1)


def _apply(name: str, Z: ArrayLike) -> Forward:
    cache = as_real(Z, "Z")
    A = cache.copy(order="K")
    flat = _flat(A)
    _kernels.activate(name, flat, None, flat, runtime.LEVEL)
    return A, cache


def _apply_backward(name: str, dA: ArrayLike, cache: ArrayLike) -> NDArray[Any]:
    Z, given = as_real(cache, "cache"), as_real(dA, "dA")
    if Z.shape != given.shape:
        raise ValueError(f"dA must have the shape of the cache Z, {Z.shape}, got {given.shape}")
    dZ = np.empty_like(Z)  # in the order of Z, whichever dA has
    dZ[...] = given
    A = Z.copy(order="K")
    flat = _flat(A)
    _kernels.activate(name, flat, None, flat, runtime.LEVEL)
    _kernels.activate_backward(name, flat, _flat(dZ), level=runtime.LEVEL)
    return dZ


def sigmoid(Z: ArrayLike) -> Forward:
    """Return A = 1 / (1 + e^-Z) and the cache Z."""
    return _apply("sigmoid", Z)


def sigmoid_backward(dA: ArrayLike, cache: ArrayLike) -> NDArray[Any]:
    """Return dZ = dA * a (1 - a), a = sigmoid(Z); `cache` is Z, of dA's shape."""
    return _apply_backward("sigmoid", dA, cache)


def tanh(Z: ArrayLike) -> Forward:
    """Return A = tanh(Z) and the cache Z."""
    return _apply("tanh", Z)


def tanh_backward(dA: ArrayLike, cache: ArrayLike) -> NDArray[Any]:
    """Return dZ = dA * (1 - a^2), a = tanh(Z); `cache` is Z, of dA's shape."""
    return _apply_backward("tanh", dA, cache)


def relu(Z: ArrayLike) -> Forward:
    """Return A = max(0, Z) and the cache Z."""
    return _apply("relu", Z)


def relu_backward(dA: ArrayLike, cache: ArrayLike) -> NDArray[Any]:
    """Return dZ = dA where Z > 0, else 0; `cache` is Z, of dA's shape."""
    return _apply_backward("relu", dA, cache)


def leaky_relu(Z: ArrayLike) -> Forward:
    """Return A = max(0.01 Z, Z) and the cache Z."""
    return _apply("leaky_relu", Z)


def leaky_relu_backward(dA: ArrayLike, cache: ArrayLike) -> NDArray[Any]:
    """Return dZ = dA where Z > 0, else 0.01 dA; `cache` is Z, of dA's shape."""
    return _apply_backward("leaky_relu", dA, cache)


def softmax(Z: ArrayLike) -> Forward:
    """Return A = e^Z / sum of e^Z over the rows, for Z (n, m), and the cache Z."""
    cache = as_matrix(Z, "Z", (None, None), "(n, m)")
    A = np.array(cache, FLOAT64, order="F", copy=True)
    _kernels.activate("softmax", A, None, A, runtime.LEVEL)
    return A, cache


def softmax_backward(dA: ArrayLike, cache: ArrayLike) -> NDArray[Any]:
    """Return dZ = A * (dA - sum of A * dA over the rows), A = softmax(Z); `cache` is Z, of dA's shape (n, m)."""
    A, Z = softmax(cache)
    dZ = np.array(as_matrix(dA, "dA", Z.shape, "(n, m)"), FLOAT64, order="F", copy=True)
    _kernels.activate_backward("softmax", A, dZ, level=runtime.LEVEL)
    return dZ


FORWARD = {"sigmoid": sigmoid, "tanh": tanh, "relu": relu, "leaky_relu": leaky_relu, "softmax": softmax}
BACKWARD = {"sigmoid": sigmoid_backward, "tanh": tanh_backward, "relu": relu_backward,
            "leaky_relu": leaky_relu_backward, "softmax": softmax_backward}
