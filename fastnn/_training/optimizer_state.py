"""The state of an optimiser: its arenas, the number of updates and the seed of dropout."""

import numpy as np
from numpy.typing import DTypeLike

from fastnn._model.parameters import ParameterLayout
from fastnn._model.workspace import aligned_empty
from fastnn.optimizers import Optimizer

__all__ = ["OptimizerState"]


class OptimizerState:
    """The state of an optimiser on one parameter arena.

    Attributes
    ----------
    optimizer : Optimizer
    arenas : list of ndarray (P,)
        Velocity, or first and second moment; initially zero.
    step_count : ndarray of int64 (1,)
        The number of updates.
    dropout_seed : int
        The units that a step drops depend on this and the step count only.
    """

    def __init__(self, optimizer: Optimizer, size: int, dtype: DTypeLike, dropout_seed: int = 0) -> None:
        self.optimizer = optimizer
        self.dtype = dtype
        self.dropout_seed = dropout_seed
        self.arenas = [aligned_empty(size, dtype) for _ in range(optimizer.n_states)]
        self.step_count = np.empty(1, np.int64)
        self.reset()

    def in_layout(self, layout: ParameterLayout, other: ParameterLayout) -> "OptimizerState":
        """Return a copy whose arenas have the layout `other`."""
        copy = OptimizerState(self.optimizer, other.size, self.dtype, self.dropout_seed)
        copy.arenas = [layout.move(arena, other) for arena in self.arenas]
        copy.step_count[:] = self.step_count
        return copy

    def reset(self) -> None:
        """Forget every step."""
        for arena in (*self.arenas, self.step_count):
            arena.fill(0)

