from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Csr = tuple[Array, Array, Array]

def activate(
    name: str, Z: Array, b: Array | None, A: Array, level: int = 0, *,
    dropout: tuple[int, int, int, int] | None = None, first: int = 0,
) -> None: ...
def activate_backward(
    name: str, cache: Array, dZ: Array, scale: float = 1.0, db: Array | None = None, level: int = 0, *,
    dropped: Array | None = None,
) -> None: ...
def log_probabilities(name: str, Z: Array, level: int = 0) -> None: ...
def loss(
    name: str, Z: Array, Y: Array, weights: Array | None, dZ: Array, level: int = 0,
    parameter: float | NDArray[np.float64] = 0.0,
    ceiling: float = inf,
) -> float: ...
def all_finite(X: Array, level: int = 0) -> bool: ...
def multiply(
    A: Array, B: Array, C: Array, *, transpose_A: bool = False, transpose_B: bool = False, alpha: float = 1.0
) -> None: ...
def sparse_linear(W: Array, X: Csr, order: Array | None, Z: Array, level: int = 0) -> None: ...
def shuffle(order: NDArray[np.int64], rng: np.random.Generator) -> None: ...
def permutation(order: NDArray[np.int64], first: int, count: int, rng_words: NDArray[np.uint64]) -> None: ...
