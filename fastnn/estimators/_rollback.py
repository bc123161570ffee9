"""A fit that raises leaves the estimator as it was."""

from types import TracebackType
from typing import Any, Self

import numpy as np

__all__ = ["Rollback"]


class Rollback:
    """The context of a call of `fit` or `partial_fit`: undo the call if it raises.

    The estimator is then unfitted, or as the previous calls left it. There are two exceptions. A KeyboardInterrupt
    during training keeps what was learned, as in scikit-learn. A later call of `partial_fit` keeps it too, because a
    copy of the parameters and of the optimiser's state could take longer than its steps.

    Parameters
    ----------
    estimator : BaseMLP
    continues : bool
        The call trains the present parameters, in place.
    incremental : bool
        This is a call of `partial_fit`.

    Raises
    ------
    RuntimeError
        If the estimator is already being trained.
    """

    def __init__(self, estimator: Any, *, continues: bool, incremental: bool) -> None:
        if "_in_training" in vars(estimator):
            raise RuntimeError("this estimator is being trained: by another thread, or by the fit that called back")
        self.estimator = estimator
        self.kept: tuple[type[BaseException], ...] = ()  # the errors that keep what was learned
        self.steps = 0
        self.kept_in_training = (Exception, KeyboardInterrupt) if continues and incremental else (KeyboardInterrupt,)
        self.before = dict(vars(estimator))
        given: Any = np.random if estimator.random_state is None else estimator.random_state
        draws = given is np.random or isinstance(given, np.random.RandomState)  # np.random: the global generator
        self.stream = (given, given.get_state()) if draws else None
        network = self.before.get("_network")
        self.solver: Any = self.before.get("_optimizer")
        self.hyperparameters = {} if self.solver is None else dict(vars(self.solver))
        self.theta = None
        if continues and not incremental and network is not None and network.parameters.theta.flags.writeable:
            self.theta = network.parameters.theta.copy()

    def __enter__(self) -> Self:
        self.estimator._in_training = True
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None,
                 trace: TracebackType | None) -> None:
        vars(self.estimator).pop("_in_training", None)
        if kind is None:
            return
        if not issubclass(kind, self.kept) or (issubclass(kind, Exception) and self._count_steps() == self.steps):
            self._restore()

    def training_begins(self) -> None:
        """Take note that an error may come from a callback or a scorer now."""
        self.kept, self.steps = self.kept_in_training, self._count_steps()

    def training_ends(self) -> None:
        """Take note that all steps are made."""
        self.kept = ()

    def _count_steps(self) -> int:
        solver = vars(self.estimator).get("_optimizer")
        return 0 if solver is None else int(solver.t)

    def _restore(self) -> None:
        attributes = vars(self.estimator)
        for name in [name for name in attributes if is_fitted(name)]:
            del attributes[name]
        attributes.update({name: value for name, value in self.before.items() if is_fitted(name)})
        if self.theta is not None:
            np.copyto(self.before["_network"].parameters.theta, self.theta)
        if self.solver is not None:
            self.solver.__dict__.update(self.hyperparameters)
        if self.stream is not None:
            self.stream[0].set_state(self.stream[1])


def is_fitted(name: str) -> bool:
    """Return whether an attribute of this name belongs to the fitted state."""
    return name.endswith("_") or name.startswith("_")
