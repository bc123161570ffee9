"""Optimisers: hyperparameters and state. The updates themselves are compiled kernels."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np

from fastnn._core.registry import STATES
from fastnn._data import checks, functions

__all__ = ["LBFGS", "SGD", "Adam", "AdamW", "Group", "Momentum", "NAdam", "Nesterov", "Optimizer", "RMSprop",
           "get"]


@dataclass(frozen=True)
class Optimizer:
    """Base class of the optimisers. Instances are immutable and compare equal if their hyperparameters are equal."""

    name: ClassVar[str]

    @property
    def rule(self) -> str:
        """The name of the update rule in the compiled core."""
        return self.name

    @property
    def n_states(self) -> int:
        """The number of state arenas, such as velocity or moments."""
        return STATES[self.rule]

    @property
    def hyperparameters(self) -> dict[str, float]:
        """The hyperparameters under the compiled core's names."""
        return dict(vars(self))


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent: theta = theta - alpha dtheta."""

    name: ClassVar[str] = "sgd"


@dataclass(frozen=True)
class Momentum(Optimizer):
    """Gradient descent with momentum: v = mu v - alpha dtheta; theta = theta + v.

    Parameters
    ----------
    momentum : float, default 0.9
        mu, in [0, 1).
    """

    momentum: float = 0.9
    name: ClassVar[str] = "momentum"

    def __post_init__(self) -> None:
        checks.number(self.momentum, "momentum", minimum=0, below=1)


@dataclass(frozen=True)
class Nesterov(Momentum):
    """Gradient descent with Nesterov momentum: v = mu v - alpha dtheta; theta = theta + mu v - alpha dtheta.

    theta is the look-ahead point of the formulation of Sutskever et al. (2013).

    Parameters
    ----------
    momentum : float, default 0.9
        mu, in [0, 1).
    """

    name: ClassVar[str] = "nesterov"


@dataclass(frozen=True)
class Adam(Optimizer):
    """Adam (Kingma & Ba 2015), in the efficient form at the end of section 2.

    alpha_t = alpha sqrt(1 - beta_2^t) / (1 - beta_1^t); theta = theta - alpha_t m / (sqrt(v) + epsilon).

    Parameters
    ----------
    beta_1, beta_2 : float, default 0.9, 0.999
        Decay rates of the first and second moment, in [0, 1).
    epsilon : float, default 1e-8
        Added to the square root of the second moment; positive.
    """

    beta_1: float = 0.9
    beta_2: float = 0.999
    epsilon: float = 1e-8
    name: ClassVar[str] = "adam"

    def __post_init__(self) -> None:
        checks.number(self.beta_1, "beta_1", minimum=0, below=1)
        checks.number(self.beta_2, "beta_2", minimum=0, below=1)
        checks.number(self.epsilon, "epsilon", above=0)


@dataclass(frozen=True)
class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019): W = (1 - alpha weight_decay) W before each step.

    Parameters
    ----------
    beta_1, beta_2, epsilon : float
        As for `Adam`.
    weight_decay : float, default 0.01
        Non-negative; applied to W only, not to the biases.
    """

    weight_decay: float = 0.01
    name: ClassVar[str] = "adamw"

    @property
    def rule(self) -> str:
        """The rule of Adam."""
        return "adam"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.number(self.weight_decay, "weight_decay", minimum=0)


@dataclass(frozen=True)
class NAdam(Adam):
    """Adam with Nesterov momentum (Dozat 2016) and constant beta_1.

    In the efficient form of Adam: theta = theta - alpha sqrt(1 - beta_2^t) d / (sqrt(v) + epsilon) with
    d = beta_1 m / (1 - beta_1^(t+1)) + (1 - beta_1) dtheta / (1 - beta_1^t).

    Parameters
    ----------
    beta_1, beta_2, epsilon : float
        As for `Adam`.
    """

    name: ClassVar[str] = "nadam"


@dataclass(frozen=True)
class RMSprop(Optimizer):
    """RMSprop (Tieleman & Hinton 2012): theta = theta - alpha dtheta / (sqrt(v) + epsilon).

    v = rho v + (1 - rho) dtheta^2. With momentum, dtheta / (sqrt(v) + epsilon) replaces dtheta in the update of
    `Momentum` or `Nesterov`.

    Parameters
    ----------
    rho : float, default 0.9
        Decay rate of the second moment, in [0, 1).
    momentum : float, default 0.0
        mu, in [0, 1).
    nesterov : bool, default False
        Whether the momentum is Nesterov's.
    epsilon : float, default 1e-8
        Positive.
    """

    rho: float = 0.9
    momentum: float = 0.0
    nesterov: bool = False
    epsilon: float = 1e-8
    name: ClassVar[str] = "rmsprop"

    def __post_init__(self) -> None:
        checks.number(self.rho, "rho", minimum=0, below=1)
        checks.number(self.momentum, "momentum", minimum=0, below=1)
        checks.flag(self.nesterov, "nesterov")
        checks.number(self.epsilon, "epsilon", above=0)

    @property
    def rule(self) -> str:
        """The rule without momentum, or with one of the two kinds of momentum."""
        if self.momentum == 0:
            return "rmsprop"
        return "rmsprop_nesterov" if self.nesterov else "rmsprop_momentum"

    @property
    def hyperparameters(self) -> dict[str, float]:
        """The hyperparameters under the compiled core's names."""
        return {"beta_2": self.rho, "momentum": self.momentum, "epsilon": self.epsilon}


@dataclass(frozen=True)
class LBFGS(Optimizer):
    """Full-batch L-BFGS-B from SciPy (Zhu, Byrd, Lu & Nocedal 1997), for small data and accurate minima.

    Each epoch is one iteration, and training stops at convergence. L-BFGS computes in float64 and does not support
    mini-batches, learning rates, dropout or `clip_norm`. Each fit starts with an empty memory of past steps.

    Parameters
    ----------
    memory : int, default 10
        Number of past steps used to estimate the Hessian.
    gradient_tolerance : float, default 1e-5
        Converged if no entry of the gradient of J has a larger absolute value.
    cost_tolerance : float, default 2.2e-9
        Converged if an iteration reduces J by less than this fraction of max(J, 1).
    max_evaluations : int, default 15000
        Maximum number of evaluations of J and its gradient; training stops after the iteration that reaches it.
    max_line_search : int, default 20
        Maximum number of evaluations per iteration.
    """

    memory: int = 10
    gradient_tolerance: float = 1e-5
    cost_tolerance: float = 2.2e-9
    max_evaluations: int = 15000
    max_line_search: int = 20
    name: ClassVar[str] = "lbfgs"

    def __post_init__(self) -> None:
        checks.count(self.memory, "memory")
        checks.number(self.gradient_tolerance, "gradient_tolerance", minimum=0)
        checks.number(self.cost_tolerance, "cost_tolerance", minimum=0)
        checks.count(self.max_evaluations, "max_evaluations")
        checks.count(self.max_line_search, "max_line_search")

    @property
    def n_states(self) -> int:
        """None: SciPy keeps its state."""
        return 0

    @property
    def hyperparameters(self) -> dict[str, float]:
        """None of the compiled core's."""
        return {}


@dataclass(frozen=True)
class Group:
    """Factors of the learning rate and of the weight decay for a group of parameters: see `Network.fit`.

    Updates of the group are made with alpha * learning_rate. Before each of them, decoupled weight decay multiplies its
    parameters by 1 - alpha * learning_rate * weight_decay * (the optimiser's weight_decay).

    Parameters
    ----------
    learning_rate : float or sequence of float, default 1.0
        Non-negative. With 0 the group keeps its parameters and the optimiser's state, as in `frozen_layers`. A sequence
        holds a factor for each layer in which the group has parameters.
    weight_decay : float or sequence of float, optional
        Non-negative, likewise. By default 1 for the weights W and 0 for all other groups.

    Raises
    ------
    ValueError, TypeError
        If a factor is negative or not finite.
    """

    learning_rate: float | Sequence[float] = 1.0
    weight_decay: float | Sequence[float] | None = None

    def __post_init__(self) -> None:
        object.__setattr__(self, "learning_rate", _factors(self.learning_rate, "learning_rate"))
        if self.weight_decay is not None:
            object.__setattr__(self, "weight_decay", _factors(self.weight_decay, "weight_decay"))


def _factors(value: Any, name: str) -> float | tuple[float, ...]:
    """Return a non-negative factor, or a tuple of them."""
    if isinstance(value, (str, bytes, dict, set, frozenset)) or not np.iterable(value):
        return float(checks.number(value, f"{name} of a group", minimum=0))
    return tuple(float(checks.number(one, f"{name} of layer {l} of a group", minimum=0))
                 for l, one in enumerate(value, 1))


BY_NAME: dict[str, type[Optimizer]] = {
    kind.name: kind for kind in (SGD, Momentum, Nesterov, Adam, AdamW, NAdam, RMSprop, LBFGS)
}


def get(optimizer: str | Optimizer) -> Optimizer:
    """Return the optimiser with the given name and default hyperparameters, or the given Optimizer itself.

    Raises
    ------
    ValueError, TypeError
        If the name is unknown, or the object is not an Optimizer.
    """
    optimizer = checks.scalar(optimizer)
    if isinstance(optimizer, Optimizer):
        return optimizer
    if isinstance(optimizer, str):
        return BY_NAME[checks.name(optimizer, tuple(BY_NAME), "optimizer")]()
    functions.refuse_class(optimizer, "optimizer")
    raise TypeError(f"optimizer must be a name ({', '.join(BY_NAME)}) or an Optimizer, "
                    f"got {checks.shown(optimizer)}")
