"""What an optimiser is: its hyperparameters and its state arenas. The update itself is a kernel."""

from dataclasses import asdict, dataclass
from typing import ClassVar

import numpy as np
from numpy.typing import DTypeLike

from fastnn import validation
from fastnn._core._ops import RULES
from fastnn.buffers import aligned_empty

__all__ = ["SGD", "Adam", "Momentum", "Nesterov", "Optimizer", "OptimizerState", "get"]


@dataclass(frozen=True)
class Optimizer:
    """The base of all update rules; instances are values: equal hyperparameters, equal optimisers."""

    rule: ClassVar[str]
    n_states: ClassVar[int]

    @property
    def code(self) -> int:
        """The rule's number in the compiled core."""
        return RULES.index(self.rule)

    @property
    def hyperparameters(self) -> dict[str, float]:
        """The hyperparameters by name."""
        return asdict(self)


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent, as the notes write it: theta = theta - alpha dtheta."""

    rule: ClassVar[str] = "sgd"
    n_states: ClassVar[int] = 0


@dataclass(frozen=True)
class Momentum(Optimizer):
    """Gradient descent with momentum: v = mu v - alpha dtheta; theta = theta + v.

    Parameters
    ----------
    momentum : float, default 0.9
        mu, from 0 to below 1.
    """

    momentum: float = 0.9
    rule: ClassVar[str] = "momentum"
    n_states: ClassVar[int] = 1

    def __post_init__(self) -> None:
        validation.number(self.momentum, "momentum", minimum=0, below=1)


@dataclass(frozen=True)
class Nesterov(Momentum):
    """Nesterov's momentum: v = mu v - alpha dtheta; theta = theta + mu v - alpha dtheta.

    The form of Sutskever et al. (2013), whose parameters are those of the look-ahead point.

    Parameters
    ----------
    momentum : float, default 0.9
        mu, from 0 to below 1.
    """

    rule: ClassVar[str] = "nesterov"


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma & Ba 2015), in the efficient form at the end of their section 2.

    alpha_t = alpha sqrt(1 - beta_2^t) / (1 - beta_1^t); theta = theta - alpha_t m / (sqrt(v) + epsilon).

    Parameters
    ----------
    beta_1, beta_2 : float, default 0.9, 0.999
        Decay of the first and second moment, from 0 to below 1.
    epsilon : float, default 1e-8
        Added to the root of the second moment; positive.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    rule: ClassVar[str] = "adam"
    n_states: ClassVar[int] = 2

    def __post_init__(self) -> None:
        validation.number(self.beta_1, "beta_1", minimum=0, below=1)
        validation.number(self.beta_2, "beta_2", minimum=0, below=1)
        validation.number(self.epsilon, "epsilon", above=0)


BY_NAME: dict[str, type[Optimizer]] = {kind.rule: kind for kind in (SGD, Momentum, Nesterov, Adam)}


def get(optimizer: str | Optimizer) -> Optimizer:
    """Return the optimiser of that name with its default hyperparameters, or the given object.

    Raises
    ------
    ValueError, TypeError
        If the name is unknown or the object is no optimiser.
    """
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, str):
        return BY_NAME[validation.name(optimizer, tuple(BY_NAME), "optimizer")]()
    raise TypeError(f"optimizer must be a name ({', '.join(BY_NAME)}) or an Optimizer, "
                    f"got {type(optimizer).__name__}")


class OptimizerState:
    """The state of an optimiser on one parameter arena.

    Attributes
    ----------
    optimizer : Optimizer
    arenas : list of ndarray (P,)
        Velocity, or first and second moment; zeros at first.
    step_count : ndarray of int64 (1,)
        Updates made.
    """

    def __init__(self, optimizer: Optimizer, size: int, dtype: DTypeLike) -> None:
        self.optimizer = optimizer
        self.arenas = [aligned_empty(size, dtype) for _ in range(optimizer.n_states)]
        self.step_count = np.empty(1, np.int64)
        self.reset()

    def reset(self) -> None:
        """Forget every step."""
        for arena in (*self.arenas, self.step_count):
            arena.fill(0)

