"""The state of an optimiser: its arenas, the number of updates and the seed of dropout."""

import copy
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnn._model.parameters import ParameterLayout
from fastnn._model.workspace import aligned_empty, copied, writable
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

    def with_arenas(self, arenas: list[NDArray[Any]]) -> "OptimizerState":
        """Return a copy with these arenas, which are not copied."""
        twin = copy.copy(self)
        twin.arenas, twin.step_count = arenas, self.step_count.copy()
        if arenas:
            twin.dtype = arenas[0].dtype
        return twin

    def copy(self) -> "OptimizerState":
        """Return an independent copy, writable even if this state is in read-only memory."""
        return self.with_arenas([copied(arena) for arena in self.arenas])

    def in_layout(self, layout: ParameterLayout, other: ParameterLayout) -> "OptimizerState":
        """Return a copy whose arenas have the layout `other`."""
        return self.with_arenas([layout.move(arena, other) for arena in self.arenas])

    def as_dtype(self, dtype: DTypeLike) -> "OptimizerState":
        """Return this state, or a copy in another dtype."""
        if self.dtype == dtype:
            return self
        twin = self.with_arenas([copied(arena, dtype) for arena in self.arenas])
        twin.dtype = dtype
        return twin

    def writable(self) -> "OptimizerState":
        """Return this state, or a copy if it is in read-only memory, such as a memory map."""
        return self if all(writable(array) for array in (*self.arenas, self.step_count)) else self.copy()

    def reset(self) -> None:
        """Forget every step."""
        for arena in (*self.arenas, self.step_count):
            arena.fill(0)
