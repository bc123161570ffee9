from collections.abc import Sequence
from math import inf
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

class Plan:
    def __init__(
        self,
        *,
        level: int,
        sizes: Sequence[int],
        activations: Sequence[int],
        row_major: Sequence[bool],
        loss: int,
        theta: Array,
        gradients: Array,
        Z: Sequence[Array],
        A: Sequence[Array],
        dZ: Sequence[Array],
        X: Array | tuple[Array, Array, Array],
        Y: Array,
        weights: Array | None,
        batch: tuple[Array | None, Array | None, Array | None],
        order: Array | None,
        rule: int,
        states: Sequence[Array],
        step_count: Array,
        hyperparameters: dict[str, float],
        team: int = 1,
        blas: bool = False,
        loss_parameter: float = 0.0,
        loss_ceiling: float = inf,
        loss_factor: float = 1.0,
        l2_by_batch: bool = False,
        dropout: Sequence[float] = (),
        dropout_seed: int = 0,
    ) -> None: ...
    def step(self, start: int, stop: int, learning_rate: float) -> float: ...
    def gradient(self, start: int, stop: int, out: Array) -> float: ...
    def take_mean_loss(self) -> float: ...
