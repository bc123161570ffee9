"""Initial values of W[l] (n[l], n[l-1]) and b[l] (n[l], 1).

The initialisers of `INITIALIZERS` draw W by the sizes of a layer; biases are then zero. `fill_from_data` draws W and b
by the inputs of a layer.
"""

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import _tuning
from fastnn._core import kernels
from fastnn._core.registry import RECTIFIERS
from fastnn._data import checks

__all__ = ["INITIALIZERS", "check", "fill", "fill_from_data", "resolve"]

BIAS_EXAMPLES = 5  # whose Z a bias begins from

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


def fill_from_data(W: NDArray[Any], b: NDArray[Any], A_prev: NDArray[Any], rng: np.random.Generator) -> None:
    """Initialise W[l] and b[l] in place from the inputs of the layer.

    W is drawn from N(0, 1), and each row divided by the standard deviation of its unit's Z = W A[l-1], so that Z has
    variance 1 over these examples. b is minus a random convex combination of the unit's Z of five random examples,
    with weights from an exponential distribution. A unit whose Z is constant gets the variance 1 / n[l-1] for W.

    Parameters
    ----------
    W : ndarray (n[l], n[l-1])
    b : ndarray (n[l], 1)
    A_prev : ndarray (n[l-1], m)
        A[l-1] of m examples, finite. A few thousand are enough: they are copied to float64.
    rng : numpy.random.Generator

    Raises
    ------
    ValueError
        If m is 0. W and b are then unchanged.

    References
    ----------
    Holzmueller, Grinsztajn and Steinwart, Better by default: Strong pre-tuned MLPs and boosted trees on tabular data
    (2024), RealMLP's initialisation.
    """
    (n, n_prev), m = W.shape, A_prev.shape[1]
    if m == 0:
        raise ValueError("initial values from data need at least one example")
    limits = np.finfo(W.dtype)
    # Relative to the largest input, no sum or square overflows.
    peak = float(max(np.max(A_prev), -np.min(A_prev))) or 1.0
    A = np.asfortranarray(A_prev, dtype=np.float64) / peak
    examples = rng.integers(m, size=(n, BIAS_EXAMPLES))
    weights = rng.standard_exponential((n, BIAS_EXAMPLES))
    weights /= np.sum(weights, axis=1, keepdims=True)
    rows = max(1, _tuning.INITIALIZER_BLOCK // max(n_prev, m))
    for start in range(0, n, rows):
        stop = min(start + rows, n)
        drawn = np.asfortranarray(rng.standard_normal((stop - start, n_prev)))
        Z = np.empty((stop - start, m), order="F")
        kernels.multiply(drawn, A, Z)
        deviation = np.std(Z, axis=1, keepdims=True)
        # Below its roundings (at most n[l-1] in each product of |W| |A| <= |W|), Z is constant; a deviation that is too
        # small for its reciprocal counts as constant too.
        roundings = n_prev * np.finfo(np.float64).eps * np.sum(np.abs(drawn), axis=1, keepdims=True)
        constant = (deviation <= roundings) | (deviation * peak <= 1e3 * float(limits.tiny))
        factor = np.where(constant, peak / math.sqrt(n_prev), 1 / np.where(constant, 1, deviation))  # of Z
        W[start:stop] = drawn * (factor / peak)
        chosen = np.take_along_axis(Z, examples[start:stop], axis=1) * factor
        b[start:stop] = -np.sum(weights[start:stop] * chosen, axis=1, keepdims=True)
