"""Initial weights: each initialiser draws W[l] of shape (n[l], n[l-1]); biases begin at zero."""

import math
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

__all__ = ["INITIALIZERS", "draw", "resolve"]

Draw = Callable[[np.random.Generator, int, int], NDArray[np.float64]]

RELU_FAMILY = frozenset({"relu", "leaky_relu", "elu", "gelu", "silu", "softplus"})


def _normal(variance: Callable[[int, int], float]) -> Draw:
    def draw(rng: np.random.Generator, n_prev: int, n: int) -> NDArray[np.float64]:
        return rng.standard_normal((n, n_prev)) * math.sqrt(variance(n_prev, n))

    return draw


def _uniform(variance: Callable[[int, int], float]) -> Draw:
    def draw(rng: np.random.Generator, n_prev: int, n: int) -> NDArray[np.float64]:
        bound = math.sqrt(3 * variance(n_prev, n))  # the variance of U(-a, a) is a^2/3
        return rng.uniform(-bound, bound, (n, n_prev))

    return draw


INITIALIZERS: dict[str, Draw] = {
    "zeros": lambda rng, n_prev, n: np.zeros((n, n_prev)),
    "small_normal": _normal(lambda n_prev, n: 0.01**2),  # the notes: randn * 0.01
    "glorot_uniform": _uniform(lambda n_prev, n: 2 / (n_prev + n)),  # Glorot & Bengio 2010
    "glorot_normal": _normal(lambda n_prev, n: 2 / (n_prev + n)),
    "he_uniform": _uniform(lambda n_prev, n: 2 / n_prev),  # He et al. 2015
    "he_normal": _normal(lambda n_prev, n: 2 / n_prev),
    "lecun_normal": _normal(lambda n_prev, n: 1 / n_prev),  # LeCun et al. 1998
}


def resolve(init: str, activation: str) -> str:
    """Return the initialiser's name for a layer: "auto" is he_normal for the relu family, else glorot_uniform."""
    if init != "auto":
        return init
    return "he_normal" if activation in RELU_FAMILY else "glorot_uniform"


def draw(init: str, activation: str, rng: np.random.Generator, n_prev: int, n: int) -> NDArray[np.float64]:
    """Draw W[l] (n[l], n[l-1]) in float64, so that every dtype starts from the same numbers."""
    return INITIALIZERS[resolve(init, activation)](rng, n_prev, n)
