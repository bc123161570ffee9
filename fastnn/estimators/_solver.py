"""The estimators' `_optimizer`: an update rule with its state, and the learning rate of each step."""

from collections.abc import Collection
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastnn import optimizers, schedules
from fastnn._model.parameters import ParameterLayout
from fastnn._training.optimizer_state import OptimizerState

__all__ = ["STOCHASTIC_SOLVERS", "Solver"]

STOCHASTIC_SOLVERS = ("sgd", "adam", "adamw", "rmsprop")
SCHEDULES = {"cosine": schedules.Cosine, "one_cycle": schedules.OneCycle, "cos_log": schedules.CosLog,
             "flat_cosine": schedules.FlatCosine}
SMALLEST_RATE = 1e-6  # learning_rate='adaptive' stops at this rate
# The estimators' parameters, and their names as attributes of a solver.
HYPERPARAMETERS = {"learning_rate_init": "learning_rate_init", "learning_rate": "lr_schedule", "power_t": "power_t",
                   "momentum": "momentum", "nesterovs_momentum": "nesterov", "beta_1": "beta_1", "beta_2": "beta_2",
                   "epsilon": "epsilon"}


class Momentum(optimizers.Momentum):
    """Momentum that may be 1, as in scikit-learn."""

    def __post_init__(self) -> None:
        """Leave the check to the estimator."""


class Nesterov(optimizers.Nesterov):
    """Nesterov's momentum that may be 1, as in scikit-learn."""

    def __post_init__(self) -> None:
        """Leave the check to the estimator."""


class Solver:
    """An update rule with its state and learning rate.

    The hyperparameters are attributes; a change takes effect with the next call of `partial_fit`.

    Parameters
    ----------
    name : str
        One of `STOCHASTIC_SOLVERS`.
    layout : ParameterLayout
        Layout of the parameters and of the state.
    dtype : dtype
    dropout_seed : int
    alpha : float
        Weight decay of 'adamw'.
    learning_rate_init, lr_schedule, power_t, momentum, nesterov, beta_1, beta_2, epsilon
        Hyperparameters under the names of scikit-learn's optimisers.

    Attributes
    ----------
    state : OptimizerState
    epoch : int
        Number of epochs, the position in a schedule of fastnn.
    """

    epoch = 0

    def __init__(self, name: str, layout: ParameterLayout, dtype: Any, *, learning_rate_init: float,
                 lr_schedule: str = "constant", power_t: float = 0.5, momentum: float = 0.9, nesterov: bool = True,
                 beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8, alpha: float = 0.0,
                 dropout_seed: int = 0) -> None:
        self.name, self.layout = name, layout
        self.learning_rate_init, self.lr_schedule, self.power_t = learning_rate_init, lr_schedule, power_t
        self.momentum, self.nesterov = momentum, nesterov
        self.beta_1, self.beta_2, self.epsilon = beta_1, beta_2, epsilon
        self.sgd_rate = float(learning_rate_init)
        self.state = OptimizerState(self._rule(alpha), layout.size, dtype, dropout_seed)

    @classmethod
    def of(cls, estimator: Any, layout: ParameterLayout, dtype: Any, dropout_seed: int) -> Self:
        """Return a new solver with the hyperparameters of an estimator."""
        hyperparameters = {ours: getattr(estimator, name) for name, ours in HYPERPARAMETERS.items()}
        return cls(estimator.solver, layout, dtype, **hyperparameters, alpha=estimator.alpha,
                   dropout_seed=dropout_seed)

    def follow(self, estimator: Any, changed: Collection[str]) -> None:
        """Take over the changed hyperparameters of an estimator. A changed schedule begins anew."""
        for name in HYPERPARAMETERS.keys() & changed:
            setattr(self, HYPERPARAMETERS[name], getattr(estimator, name))
        if not {"learning_rate", "learning_rate_init", "power_t"}.isdisjoint(changed):
            self.sgd_rate = float(self.learning_rate_init)
            self._scale_rate(estimator.t_)
        if "learning_rate" in changed:
            self.epoch = 0

    def _rule(self, alpha: float) -> optimizers.Optimizer:
        """Return the update rule for the current hyperparameters."""
        moments = {"beta_1": self.beta_1, "beta_2": self.beta_2, "epsilon": self.epsilon}
        if self.name == "adam":
            return optimizers.Adam(**moments)
        if self.name == "adamw":
            return optimizers.AdamW(**moments, weight_decay=alpha)
        if self.name == "rmsprop":
            return optimizers.RMSprop(epsilon=self.epsilon)
        if self.momentum == 0:
            return optimizers.SGD()
        return (Nesterov if self.nesterov else Momentum)(self.momentum)

    @property
    def t(self) -> int:
        """Number of updates."""
        return int(self.state.step_count[0])

    @t.setter
    def t(self, count: int) -> None:
        self.state.step_count[0] = count

    @property
    def learning_rate(self) -> float:
        """Current learning rate; for Adam, including the bias correction, as in scikit-learn.

        Assigning has an effect for 'sgd' only: other solvers compute theirs, like scikit-learn's Adam.
        """
        if self.name == "sgd":
            return self.sgd_rate
        rule = self.state.optimizer
        if isinstance(rule, optimizers.Adam) and self.t:
            return float(self.learning_rate_init * np.sqrt(1 - rule.beta_2**self.t) / (1 - rule.beta_1**self.t))
        return float(self.learning_rate_init)

    @learning_rate.setter
    def learning_rate(self, rate: float) -> None:
        self.sgd_rate = float(rate)

    @property
    def has_constant_rate(self) -> bool:
        """Whether `rates` are the same in each step and epoch."""
        return self.name != "sgd" and self.lr_schedule not in SCHEDULES

    def rates(self, steps: int, epochs: int) -> list[float]:
        """Return the rates of an epoch of `steps` steps, without bias correction.

        A schedule of fastnn takes `epochs` epochs, then begins again.
        """
        if self.lr_schedule in SCHEDULES:
            schedule = SCHEDULES[self.lr_schedule](self.learning_rate_init, per="step")
            first = self.epoch % epochs * steps
            return [schedule(t, epochs * steps) for t in range(first, first + steps)]
        return [self.sgd_rate if self.name == "sgd" else float(self.learning_rate_init)] * steps

    def _views(self, arena: NDArray[Any]) -> list[NDArray[Any]]:
        W, b = self.layout.views(arena)
        return [*(W_l.T for W_l in W), *(b_l[:, 0] for b_l in b)]

    def _state_views(self, rule: type[optimizers.Optimizer], arena: int) -> list[NDArray[Any]]:
        if not isinstance(self.state.optimizer, rule):
            raise AttributeError(f"solver {self.name!r} has no such state")
        return self._views(self.state.arenas[arena])

    @property
    def ms(self) -> list[NDArray[Any]]:
        """Adam's first moments, with the shapes of coefs_ + intercepts_."""
        return self._state_views(optimizers.Adam, 0)

    @property
    def vs(self) -> list[NDArray[Any]]:
        """Adam's second moments, with the shapes of coefs_ + intercepts_."""
        return self._state_views(optimizers.Adam, 1)

    @property
    def velocities(self) -> list[NDArray[Any]]:
        """The velocities, with the shapes of coefs_ + intercepts_."""
        return self._state_views(optimizers.Momentum, 0)

    def prepare(self, layout: ParameterLayout, dtype: Any, alpha: float) -> None:
        """Apply changed hyperparameters; convert the state to the layout and dtype of the parameters.

        Raises
        ------
        ValueError
            If the layer sizes have changed.
        """
        if layout.sizes != self.layout.sizes:
            raise ValueError(f"the optimizer's state is that of layers of {list(self.layout.sizes)} units, coefs_ and "
                             f"intercepts_ have {list(layout.sizes)}")
        self.state = self.state.writable().as_dtype(dtype)
        if layout.row_major != self.layout.row_major:
            self.state, self.layout = self.state.in_layout(self.layout, layout), layout
        rule, state = self._rule(alpha), self.state
        if rule.n_states != state.optimizer.n_states:  # momentum has become zero or non-zero
            self.state = OptimizerState(rule, layout.size, state.dtype, state.dropout_seed)
            self.t = int(state.step_count[0])
        self.state.optimizer = rule

    def iteration_ends(self, time_step: int) -> None:
        """Set the rate of the next epoch after `time_step` examples in total."""
        self.epoch += 1
        self._scale_rate(time_step)

    def _scale_rate(self, time_step: int) -> None:
        if self.name == "sgd" and self.lr_schedule == "invscaling":
            self.sgd_rate = float(self.learning_rate_init) / (time_step + 1) ** self.power_t

    @property
    def exhausted(self) -> bool:
        """Whether the schedule has made the rate so small that nothing more is learned."""
        return self.name == "sgd" and self.sgd_rate <= SMALLEST_RATE < self.learning_rate_init

    def trigger_stopping(self, msg: str, verbose: Any) -> bool:
        """Return whether to stop after too many epochs without improvement; 'adaptive' first divides its rate by 5."""
        adaptive = self.name == "sgd" and self.lr_schedule == "adaptive"
        stop = not adaptive or self.sgd_rate <= SMALLEST_RATE
        if stop:
            msg += " Learning rate too small. Stopping." if adaptive else " Stopping."
        else:
            self.sgd_rate /= 5.0
            msg += f" Setting learning rate to {self.sgd_rate:f}"
        if verbose:
            print(msg)
        return stop
