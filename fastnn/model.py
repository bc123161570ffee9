"""What a network is, numerically: sizes, activations, loss and the parameter arena; and examples for it."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.buffers import ParameterLayout

__all__ = ["Examples", "Model"]


@dataclass
class Model:
    """The part of a network that training and prediction work on.

    Attributes
    ----------
    sizes : tuple of int
        n[0], ..., n[L].
    activations : tuple of str
        One name per layer, the output's last.
    loss : str
    l2 : float
        J = mean loss + l2/2 * (sum of the squares of all weights).
    dtype : dtype
    layout : ParameterLayout
    theta : ndarray (P,)
        The parameter arena.
    """

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str
    l2: float
    dtype: np.dtype[Any]
    layout: ParameterLayout
    theta: NDArray[Any]

    @property
    def output(self) -> str:
        """The output layer's activation."""
        return self.activations[-1]


@dataclass
class Examples:
    """Checked data: X (m, n[0]), targets as `losses.prepare_targets` gives them, weights (m,) or None."""

    X: NDArray[Any]
    Y: NDArray[Any]
    weights: NDArray[Any] | None

    def __len__(self) -> int:
        return len(self.X)
