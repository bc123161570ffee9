"""The building blocks of an L-layer network."""

import math
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn._core import course
from fastnn._core.course import ANY, as_matrix, as_real, product
from fastnn._core.registry import activation_code
from fastnn._data import checks
from fastnn.functional._activations import RELU, SIGMOID, code
from fastnn.functional._parameters import ParameterDict, n_layers
from fastnn.runtime import LEVEL

__all__ = ["L_model_backward", "L_model_forward", "compute_cost", "initialize_parameters",
           "initialize_parameters_deep", "linear_activation_backward", "linear_activation_forward",
           "linear_backward", "linear_forward", "predict", "update_parameters"]

LinearCache = tuple[NDArray[Any], NDArray[Any], NDArray[Any]]
Cache = tuple[LinearCache, NDArray[Any]]

IDENTITY = activation_code("identity")


def initialize_parameters(n_x: int, n_h: int, n_y: int) -> ParameterDict:
    """Return W1 (n_h, n_x), b1, W2 (n_y, n_h), b2: weights 0.01 * randn from NumPy's global generator, biases 0."""
    parameters = {}
    for l, (n_prev, n) in enumerate(((n_x, n_h), (n_h, n_y)), 1):
        shape = checks.count(n, f"n[{l}]"), checks.count(n_prev, f"n[{l - 1}]")
        parameters[f"W{l}"] = np.random.randn(*shape) * 0.01  # noqa: NPY002  as in the course
        parameters[f"b{l}"] = np.zeros((n, 1))
    return parameters


def initialize_parameters_deep(layer_dims: ArrayLike) -> ParameterDict:
    """Return W1, b1, ..., WL, bL for layer_dims = [n[0], ..., n[L]].

    W[l] is randn(n[l], n[l-1]) / sqrt(n[l-1]), drawn from NumPy's global generator; b[l] is 0.
    """
    dims = checks.layer_sizes(layer_dims, "layer_dims")
    parameters = {}
    for l in range(1, len(dims)):
        parameters[f"W{l}"] = np.random.randn(dims[l], dims[l - 1]) / np.sqrt(dims[l - 1])  # noqa: NPY002
        parameters[f"b{l}"] = np.zeros((dims[l], 1))
    return parameters


def linear_forward(A: ArrayLike, W: ArrayLike, b: ArrayLike) -> tuple[NDArray[Any], LinearCache]:
    """Return Z = W A + b (n[l], m) and the cache (A, W, b).

    Parameters
    ----------
    A : array_like (n[l-1], m)
        Activations of the previous layer.
    W : array_like (n[l], n[l-1])
    b : array_like (n[l], 1)

    Raises
    ------
    ValueError, TypeError
        If the shapes do not match, or an array does not hold real numbers.
    """
    Z, _, cache = course.linear(A, W, b, IDENTITY, LEVEL)
    return Z, cache


def linear_activation_forward(A_prev: ArrayLike, W: ArrayLike, b: ArrayLike,
                              activation: str) -> tuple[NDArray[Any], Cache]:
    """Return A = g(W A_prev + b) and the cache ((A_prev, W, b), Z).

    Parameters
    ----------
    A_prev, W, b : array_like
        As for `linear_forward`.
    activation : {"sigmoid", "tanh", "relu", "leaky_relu", "softmax"}
    """
    Z, A, linear_cache = course.linear(A_prev, W, b, code(activation), LEVEL)
    return A, (linear_cache, Z)


def L_model_forward(X: ArrayLike, parameters: ParameterDict) -> tuple[NDArray[Any], list[Cache]]:
    """Return AL and the list of caches of [linear -> relu] x (L-1) -> linear -> sigmoid for X (n_x, m)."""
    L = n_layers(parameters)
    A: Any = X
    caches = []
    for l in range(1, L + 1):
        try:
            Z, A, linear_cache = course.linear(A, parameters[f"W{l}"], parameters[f"b{l}"],
                                                RELU if l < L else SIGMOID, LEVEL)
        except (TypeError, ValueError) as error:
            raise type(error)(f"layer {l}: {error}") from None
        caches.append((linear_cache, Z))
    return A, caches


def compute_cost(AL: ArrayLike, Y: ArrayLike) -> float:
    """Return J = -1/m * sum(Y log AL + (1 - Y) log(1 - AL)), with 0 log 0 = 0.

    Parameters
    ----------
    AL : array_like (n_y, m)
        Probabilities.
    Y : array_like (n_y, m)
        Integer, boolean or float.
    """
    AL = as_matrix(AL, "AL", ANY, ANY, "(n_y, m)")
    n_y, m = AL.shape
    Y = as_matrix(Y, "Y", n_y, m, "of AL, (n_y, m)")
    if not AL.size:
        raise ValueError(f"AL must hold at least one unit and one example, got shape {AL.shape}")
    total = course.cross_entropy(AL, Y, LEVEL)
    if math.isnan(total):  # the kernel met 0 log 0
        with np.errstate(divide="ignore", invalid="ignore"):
            total = float((np.where(Y == 0, 0, Y * np.log(AL)) + np.where(Y == 1, 0, (1 - Y) * np.log(1 - AL))).sum())
    return float(0 - total / m)  # 0 - x, so that the cost is never -0.0


def linear_backward(dZ: ArrayLike, cache: LinearCache) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return dA_prev = W^T dZ, dW = 1/m dZ A_prev^T and db = 1/m * (sum of dZ over the examples).

    Parameters
    ----------
    dZ : array_like (n[l], m)
    cache : tuple (A_prev, W, b)
        From `linear_forward`.
    """
    dW, db, dZ, W = _parameter_gradients(dZ, cache)
    return product(W, dZ, transpose_A=True), dW, db


def _parameter_gradients(dZ: ArrayLike, cache: LinearCache) -> tuple[NDArray[Any], ...]:
    """Return dW and db, then dZ and W as checked arrays."""
    try:
        A_prev, W, _ = cache
    except (TypeError, ValueError):
        raise ValueError("cache must be the tuple (A_prev, W, b) that linear_forward returns") from None
    return course.parameter_gradients(dZ, A_prev, W)


def linear_activation_backward(dA: ArrayLike, cache: Cache,
                               activation: str) -> tuple[NDArray[Any], NDArray[Any], NDArray[Any]]:
    """Return dA_prev, dW, db from dA (n[l], m) and the cache of `linear_activation_forward`."""
    linear_cache, dZ = _activation_gradient(dA, cache, code(activation))
    return linear_backward(dZ, linear_cache)


def _activation_gradient(dA: ArrayLike, cache: Cache, activation: int) -> tuple[LinearCache, NDArray[Any]]:
    linear_cache, Z = _parts(cache)
    return linear_cache, course.activate_backward(activation, dA, Z, LEVEL)


def _parts(cache: Cache) -> Cache:
    try:
        linear_cache, Z = cache
    except (TypeError, ValueError):
        raise ValueError("cache must be the tuple ((A_prev, W, b), Z) that linear_activation_forward returns") from None
    return linear_cache, Z


def L_model_backward(AL: ArrayLike, Y: ArrayLike, caches: list[Cache], input_gradient: bool = False) -> ParameterDict:
    """Return the gradients {"dA1", "dW1", "db1", ..., "dWL", "dbL"} of [linear -> relu] x (L-1) -> linear -> sigmoid.

    Parameters
    ----------
    AL, caches
        The results of `L_model_forward`.
    Y : array_like (n_y, m)
        Any shape that can be reshaped to AL's.
    input_gradient : bool, default False
        Also return dA0, the derivative with respect to X. Training does not need it.
    """
    AL = as_matrix(AL, "AL", ANY, ANY, "(n_y, m)")
    Y = as_real(Y, "Y")
    if Y.size != AL.size:
        raise ValueError(f"Y must have the shape of AL, {AL.shape}, got {Y.shape}")
    Y = as_matrix(Y.reshape(AL.shape), "Y", ANY, ANY, "(n_y, m)")
    if not caches:
        raise ValueError("caches must hold one cache per layer: got none")
    L = len(caches)
    grads: ParameterDict = {}
    for l in range(L, 0, -1):
        try:
            if l < L:
                linear_cache, dZ = _activation_gradient(grads[f"dA{l}"], caches[l - 1], RELU)
            else:
                linear_cache, Z = _parts(caches[-1])
                as_matrix(Z, "Z of the cache", AL.shape[0], AL.shape[1], "of AL, (n_y, m)")
                dZ = AL - Y  # dA * a (1 - a), but exact where AL is 0 or 1
            dW, db, dZ, W = _parameter_gradients(dZ, linear_cache)
        except (TypeError, ValueError) as error:
            raise type(error)(f"layer {l}: {error}") from None
        if l > 1 or input_gradient:
            grads[f"dA{l - 1}"] = product(W, dZ, transpose_A=True)
        grads[f"dW{l}"], grads[f"db{l}"] = dW, db
    return grads


def update_parameters(parameters: ParameterDict, grads: ParameterDict, learning_rate: float) -> ParameterDict:
    """Return new arrays W[l] - learning_rate * dW[l] and b[l] - learning_rate * db[l]; `parameters` is not changed."""
    L = n_layers(parameters)
    if not isinstance(grads, (dict, Mapping)):
        raise TypeError(f"grads must be a dict of dW1, db1, ..., got {type(grads).__name__}")
    if type(learning_rate) is not float or not math.isfinite(learning_rate):
        learning_rate = checks.number(learning_rate, "learning_rate")
    updated = {}
    for l in range(1, L + 1):
        for key, name in ((f"W{l}", f"dW{l}"), (f"b{l}", f"db{l}")):
            if name not in grads:
                raise KeyError(f"grads must hold dW1, db1, ..., dW{L}, db{L}: {name} is missing")
            updated[key] = course.moved(parameters[key], grads[name], learning_rate, key, name, LEVEL)
    return updated


def predict(X: ArrayLike, y: ArrayLike | None, parameters: ParameterDict) -> NDArray[Any]:
    """Return the L-layer network's predictions, 0.0 or 1.0, (1, m); print their accuracy if y (1, m) is not None."""
    AL, _ = L_model_forward(X, parameters)
    p = (AL > 0.5).astype(np.float64)
    if y is not None:
        print(f"Accuracy: {np.mean(p == as_matrix(y, 'y', p.shape[0], p.shape[1], '(1, m)'))}")
    return p
