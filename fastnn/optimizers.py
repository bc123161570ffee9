"""What an optimiser is: its hyperparameters and its state arenas. The update itself is a kernel."""

from dataclasses import asdict, dataclass
from typing import ClassVar

from fastnn._core.registry import STATES, rule_code
from fastnn._data import checks

__all__ = ["LBFGS", "SGD", "Adam", "AdamW", "Momentum", "NAdam", "Nesterov", "Optimizer", "RMSprop", "get"]


@dataclass(frozen=True)
class Optimizer:
    """The base of all update rules; instances are values: equal hyperparameters, equal optimisers."""

    name: ClassVar[str]

    @property
    def rule(self) -> str:
        """The compiled core's name of the update."""
        return self.name

    @property
    def code(self) -> int:
        """The rule's number in the compiled core."""
        return rule_code(self.rule)

    @property
    def n_states(self) -> int:
        """Its state arenas: velocity, moments."""
        return STATES[self.rule]

    @property
    def hyperparameters(self) -> dict[str, float]:
        """The hyperparameters under the compiled core's names."""
        return asdict(self)


@dataclass(frozen=True)
class SGD(Optimizer):
    """Gradient descent, as the notes write it: theta = theta - alpha dtheta."""

    name: ClassVar[str] = "sgd"


@dataclass(frozen=True)
class Momentum(Optimizer):
    """Gradient descent with momentum: v = mu v - alpha dtheta; theta = theta + v.

    Parameters
    ----------
    momentum : float, default 0.9
        mu, from 0 to below 1.
    """

    momentum: float = 0.9
    name: ClassVar[str] = "momentum"

    def __post_init__(self) -> None:
        checks.number(self.momentum, "momentum", minimum=0, below=1)


@dataclass(frozen=True)
class Nesterov(Momentum):
    """Nesterov's momentum: v = mu v - alpha dtheta; theta = theta + mu v - alpha dtheta.

    The form of Sutskever et al. (2013), whose parameters are those of the look-ahead point.

    Parameters
    ----------
    momentum : float, default 0.9
        mu, from 0 to below 1.
    """

    name: ClassVar[str] = "nesterov"


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
        Not negative; biases do not decay.
    """

    weight_decay: float = 0.01
    name: ClassVar[str] = "adamw"

    @property
    def rule(self) -> str:
        """Adam's."""
        return "adam"

    def __post_init__(self) -> None:
        super().__post_init__()
        checks.number(self.weight_decay, "weight_decay", minimum=0)


@dataclass(frozen=True)
class NAdam(Adam):
    """Adam with Nesterov's momentum (Dozat 2016), its momentum constant.

    In Adam's efficient form: theta = theta - alpha sqrt(1 - beta_2^t) d / (sqrt(v) + epsilon) with
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

    v = rho v + (1 - rho) dtheta^2. With a momentum, dtheta / (sqrt(v) + epsilon) takes the place of dtheta in
    `Momentum` or `Nesterov`.

    Parameters
    ----------
    rho : float, default 0.9
        Decay of the second moment, from 0 to below 1.
    momentum : float, default 0.0
        mu, from 0 to below 1.
    nesterov : bool, default False
        Use Nesterov's momentum.
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
        """Plain, or with momentum of either kind."""
        if self.momentum == 0:
            return "rmsprop"
        return "rmsprop_nesterov" if self.nesterov else "rmsprop_momentum"

    @property
    def hyperparameters(self) -> dict[str, float]:
        """The hyperparameters under the compiled core's names."""
        return {"beta_2": self.rho, "momentum": self.momentum, "epsilon": self.epsilon}


@dataclass(frozen=True)
class LBFGS(Optimizer):
    """L-BFGS-B of SciPy (Zhu, Byrd, Lu & Nocedal 1997) on all examples: for small data, and to the last digits.

    An epoch is one of its iterations; it ends by itself where it has converged. It takes neither mini-batches nor a
    learning rate, dropout or `clip_norm`, and works in float64; its memory of past steps begins anew with each fit.

    Parameters
    ----------
    memory : int, default 10
        Past steps from which the Hessian is estimated.
    gradient_tolerance : float, default 1e-5
        It has converged when no entry of the gradient of J is larger.
    cost_tolerance : float, default 2.2e-9
        Or when an iteration lowers J by less than this part of max(J, 1).
    max_evaluations : int, default 15000
        Of J and its gradient; it ends after the iteration that reaches them.
    max_line_search : int, default 20
        Evaluations of one iteration.
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
    def rule(self) -> str:
        """None of the compiled core's: a plan for it takes gradients alone."""
        return "sgd"

    @property
    def hyperparameters(self) -> dict[str, float]:
        """None of the compiled core's."""
        return {}


BY_NAME: dict[str, type[Optimizer]] = {
    kind.name: kind for kind in (SGD, Momentum, Nesterov, Adam, AdamW, NAdam, RMSprop, LBFGS)
}


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
        return BY_NAME[checks.name(optimizer, tuple(BY_NAME), "optimizer")]()
    raise TypeError(f"optimizer must be a name ({', '.join(BY_NAME)}) or an Optimizer, "
                    f"got {type(optimizer).__name__}")
