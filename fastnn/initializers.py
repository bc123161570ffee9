"""Weight initialisers. Each draws W[l] of shape (n[l], n[l-1]); biases are initialised to zero."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import _tuning
from fastnn._core.registry import RECTIFIERS
from fastnn._data import checks

__all__ = ["INITIALIZERS", "check", "fill", "resolve"]

# (rng, n[l-1], n[l], rows) -> that many rows of W[l], drawn in float64 so that all dtypes start from the same weights
Draw = Callable[[np.random.Generator, int, int, int], NDArray[np.float64]]


def _normal(variance: Callable[[int, int], float]) -> Draw:
    def draw(rng: np.random.Generator, n_prev: int, n: int, rows: int) -> NDArray[np.float64]:
        return rng.standard_normal((rows, n_prev)) * math.sqrt(variance(n_prev, n))

    return draw


def _uniform(variance: Callable[[int, int], float]) -> Draw:
    def draw(rng: np.random.Generator, n_prev: int, n: int, rows: int) -> NDArray[np.float64]:
        bound = math.sqrt(3 * variance(n_prev, n))  # U(-a, a) has the variance a^2 / 3
        return rng.uniform(-bound, bound, (rows, n_prev))

    return draw


INITIALIZERS: dict[str, Draw] = {
    "zeros": lambda rng, n_prev, n, rows: np.zeros((rows, n_prev)),
    "small_normal": _normal(lambda n_prev, n: 0.01**2),  # the course: randn * 0.01
    "glorot_uniform": _uniform(lambda n_prev, n: 2 / (n_prev + n)),  # Glorot & Bengio 2010
    "glorot_normal": _normal(lambda n_prev, n: 2 / (n_prev + n)),
    "he_uniform": _uniform(lambda n_prev, n: 2 / n_prev),  # He et al. 2015
    "he_normal": _normal(lambda n_prev, n: 2 / n_prev),
    "lecun_normal": _normal(lambda n_prev, n: 1 / n_prev),  # LeCun et al. 1998
}


def check(init: Any) -> str:
    """Return `init` if it is "auto" or the name of an initialiser.

    Raises
    ------
    ValueError, TypeError
        If it is not.
    """
    return checks.name(init, ("auto", *INITIALIZERS), "init")


def resolve(init: str, activation: str) -> str:
    """Return the name of the initialiser; "auto" is he_normal for the relu family, else glorot_uniform."""
    if init != "auto":
        return init
    return "he_normal" if activation in RECTIFIERS else "glorot_uniform"


def fill(W: NDArray[Any], init: str, activation: str, rng: np.random.Generator) -> None:
    """Initialise W[l] (n[l], n[l-1]) in place, a block of rows at a time."""
    n, n_prev = W.shape
    draw = INITIALIZERS[resolve(init, activation)]
    rows = max(1, _tuning.INITIALIZER_BLOCK // n_prev)
    for start in range(0, n, rows):
        stop = min(start + rows, n)
        W[start:stop] = draw(rng, n_prev, n, stop - start)
