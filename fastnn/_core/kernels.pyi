from math import inf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._core.registry import ACTIVATIONS as ACTIVATIONS
from fastnn._core.registry import ALL_LEVELS as ALL_LEVELS
from fastnn._core.registry import FROM_Z as FROM_Z
from fastnn._core.registry import FUNCTIONS as FUNCTIONS
from fastnn._core.registry import KEEPS_Z as KEEPS_Z
from fastnn._core.registry import LEVELS as LEVELS
from fastnn._core.registry import LOSSES as LOSSES
from fastnn._core.registry import RULES as RULES
from fastnn._core.registry import STATES as STATES

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
def loss(
    name: str, Z: Array, Y: Array, weights: Array | None, dZ: Array, level: int = 0, parameter: float = 0.0,
    ceiling: float = inf,
) -> float: ...
def sum_columns(M: Array, scale: float, out: Array, level: int = 0) -> None: ...
def gather(X: Array, order: Array | None, out: Array, level: int = 0) -> None: ...
def all_finite(X: Array, level: int = 0) -> bool: ...
def elementwise(name: str, x: Array, out: Array, level: int = 0) -> None: ...
def shuffle(order: NDArray[np.int64], rng: np.random.Generator) -> None: ...
def permutation(order: NDArray[np.int64], first: int, count: int, rng_words: NDArray[np.uint64]) -> None: ...
def multiply(
    A: Array, B: Array, C: Array, level: int | None = None, *, transpose_A: bool = False, transpose_B: bool = False,
    alpha: float = 1.0, by: str = "", bias: Array | None = None, shifts: Array | None = None, relu: bool = False,
    active: Array | None = None, sums: Array | None = None, scale: float = 1.0, repetitions: int = 1,
) -> None: ...
def update(
    rule: str,
    theta: Array,
    gradients: Array,
    first: Array | None = None,
    second: Array | None = None,
    start: int = 0,
    stop: int | None = None,
    level: int = 0,
    **hyperparameters: float,
) -> float: ...
def rates(
    rule: str, t: float, learning_rate: float, *, beta_1: float = 0.0, beta_2: float = 0.0, weight_decay: float = 0.0
) -> dict[str, float]: ...
def total_gradient(
    theta: Array, gradients: Array, out: Array, level: int = 0, **hyperparameters: float
) -> tuple[float, float]: ...
def sparse_linear(W: Array, X: Csr, order: Array | None, Z: Array, level: int = 0) -> None: ...
def sparse_weight_gradient(
    dZ: Array, X: Csr, order: Array | None, scale: float, dW: Array, level: int = 0
) -> None: ...
def words(key_0: int, key_1: int, low: int, high: int) -> tuple[int, int]: ...
