"""The objective of training: the loss, its penalties and dropout."""

from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastnn import losses
from fastnn._data import checks
from fastnn._model.architecture import Architecture
from fastnn.losses import Loss

__all__ = ["Objective"]


@dataclass(frozen=True)
class Objective:
    """The function that training minimises: J = mean loss + penalties, under dropout.

    Attributes
    ----------
    loss : Loss
    l2, l1 : float
        J = mean loss + l2/2 * (sum of the squares of all weights) + l1 * (sum of their absolute values).
    dropout : tuple of float
        The rate of each hidden layer; empty if all are 0.
    l2_by_batch : bool
        Divide the L2 term of a mini-batch by its total sample weight, as scikit-learn does; but by 0.1 if that is less,
        so that it does not outweigh all else where a mini-batch has hardly any weight.
    """

    loss: Loss
    l2: float = 0.0
    l1: float = 0.0
    dropout: tuple[float, ...] = ()
    l2_by_batch: bool = False

    @classmethod
    def check(cls, architecture: Architecture, *, loss: Any, l2: Any, l1: Any, dropout: Any) -> Self:
        """Build an objective from the arguments of `Network`.

        Raises
        ------
        ValueError, TypeError
            If an argument is not as `Network` describes it, or the loss needs another output or another n[L].
        """
        loss = losses.resolve(loss, architecture.output)
        loss.check_outputs(architecture.n_outputs)
        return cls(loss, checks.number(l2, "l2", minimum=0),
                   checks.number(l1, "l1", minimum=0), checks.dropout(dropout, architecture.hidden))

    def penalty(self, weights: NDArray[Any]) -> float:
        """Return the L2 and L1 terms of J for the weights (n_weights,), biases excluded."""
        squares = 0.5 * self.l2 * float(np.einsum("i,i->", weights, weights, dtype=np.float64)) if self.l2 else 0.0
        return squares + (self.l1 * float(np.abs(weights).sum(dtype=np.float64)) if self.l1 else 0.0)
