from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

class TrainingPlan:
    def __init__(
        self,
        architecture: Any,
        parameters: Any,
        objective: Any,
        update: Any,
        examples: Any,
        workspace: Any,
        parallelism: Any,
        *,
        level: int,
        frozen: Any = None,
        groups: Any = None,
        parts: Any = None,
    ) -> None: ...
    def step(
        self, start: int, stop: int, learning_rate: float, weight_decay: float = 1, dropout: float = 1
    ) -> float: ...
    def gradient(self, start: int, stop: int, dropout: float = 1) -> float: ...
    def apply(
        self, learning_rate: float, loss: float | None = None, weight: float | None = None, weight_decay: float = 1
    ) -> float: ...
    def penalized_gradient(self, start: int, stop: int, out: Array) -> float: ...
    @property
    def workspace(self) -> Any: ...
    @property
    def checks_X(self) -> bool: ...
    @checks_X.setter
    def checks_X(self, value: bool) -> None: ...
    @property
    def batch_weight(self) -> float: ...
    def take_mean_loss(self) -> float: ...
