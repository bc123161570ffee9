"""Parameters that were changed since the previous call of `fit` or `partial_fit`."""

import copy
from typing import Any

import numpy as np

from fastnn.estimators._solver import HYPERPARAMETERS

__all__ = ["changed_parameters", "portable", "recall_parameters", "refuse_changes", "remember_parameters",
           "with_functions"]

# Every call reads these, whatever they were before. They are not stored, since they may be large or locked.
UNTRACKED = frozenset({"callbacks", "random_state"})
# In pickles, instead of functions. No parameter has such a value.
PRESENT, OTHER = "<the function of this parameter>", "<another function>"
ANEW = "To start anew, fit with warm_start=False, or fit a clone."


def remember_parameters(estimator: Any) -> None:
    """Store the parameters with which a call trains, as the attribute `_fitted_with`."""
    estimator._fitted_with = {name: copy.copy(getattr(estimator, name)) if changeable(getattr(estimator, name))
                              else getattr(estimator, name) for name in tracked(estimator)}


def recall_parameters(estimator: Any) -> None:
    """Store the parameters of a fit that did not: by scikit-learn, or by an early version of fastnn.

    They are the present ones, unless the optimiser or the output layer tells others.
    """
    remember_parameters(estimator)
    before, solver = estimator._fitted_with, vars(estimator).get("_optimizer")
    if solver is not None:
        before |= {name: getattr(solver, ours) for name, ours in HYPERPARAMETERS.items()} | {"solver": solver.name}
    counts = vars(estimator).get("out_activation_") == "exp"
    if "loss" in before and (before["loss"] == "poisson") != counts:
        before["loss"] = "poisson" if counts else "squared_error"


def changed_parameters(estimator: Any) -> frozenset[str]:
    """Return the names of the parameters that differ from those of the previous call; none if it stored none.

    For a change from or to solver="adamw", which leaves the penalty out of the loss, alpha is among them.
    """
    before = vars(estimator).get("_fitted_with")
    if before is None:
        return frozenset()
    changed = frozenset(name for name in tracked(estimator)
                        if name in before and not same(before[name], getattr(estimator, name)))
    return changed | {"alpha"} if "solver" in changed and "adamw" in (before["solver"], estimator.solver) else changed


def refuse_changes(estimator: Any, hidden: list[int], n_outputs: int, changed: frozenset[str]) -> None:
    """Refuse changes that the present network cannot follow.

    Parameters
    ----------
    estimator : BaseMLP
        Fitted, and about to continue.
    hidden : list of int
        `hidden_layer_sizes`, as a list.
    n_outputs : int
        Number of output units that y and the parameters need.
    changed : frozenset of str

    Raises
    ------
    ValueError
        If the numbers of units differ from those of the network, or a changed loss needs another output layer: other
        units, or units with another meaning.
    """
    present = [len(intercept) for intercept in estimator.intercepts_[:-1]]
    if hidden != present:
        raise ValueError(f"hidden_layer_sizes is {hidden}, but the network to train further has hidden layers of "
                         f"{present} units. {ANEW}")
    output, units = estimator.out_activation_, len(estimator.intercepts_[-1])
    names = ("loss", "quantile") if vars(estimator).get("loss") == "quantile" else ("loss",)
    for name in sorted(changed.intersection(names)):
        needed = estimator._output_activation()
        if (needed, n_outputs) != (output, units):
            raise ValueError(f"{name}={getattr(estimator, name)!r} and y need an output layer of {n_outputs} "
                             f"{needed!r} units, but the network to train further, which was fitted with "
                             f"{name}={estimator._fitted_with[name]!r}, has {units} of {output!r}. {ANEW}")
        if not estimator._keeps_meaning_of_outputs():
            raise ValueError(f"{name}={getattr(estimator, name)!r} needs another output layer: in the network to train "
                             f"further, which was fitted with {name}={estimator._fitted_with[name]!r}, the {units} "
                             f"{output!r} units have another meaning. {ANEW}")


def portable(estimator: Any) -> dict[str, Any]:
    """Return the stored parameters with names for functions, which might prevent pickling."""
    stored: dict[str, Any] = estimator._fitted_with
    return {name: (PRESENT if same(value, getattr(estimator, name, None)) else OTHER) if callable(value) else value
            for name, value in stored.items()}


def with_functions(estimator: Any) -> dict[str, Any]:
    """Return the stored parameters of an unpickled estimator, with its present functions where they are the same."""
    stored: dict[str, Any] = estimator._fitted_with
    return {name: estimator.__dict__[name] if same(value, PRESENT) and callable(vars(estimator).get(name)) else value
            for name, value in stored.items()}


def tracked(estimator: Any) -> list[str]:
    """Return the names of the parameters to compare."""
    return [name for name in estimator._parameter_constraints if name not in UNTRACKED]


def changeable(value: Any) -> bool:
    """Return whether a parameter may be modified in place."""
    return isinstance(value, (dict, list, np.ndarray))


def same(one: Any, other: Any) -> bool:
    """Return whether two values of a parameter are equal."""
    if one is other:
        return True
    if isinstance(one, (list, tuple, np.ndarray)) or isinstance(other, (list, tuple, np.ndarray)):
        return np.array_equal(one, other)
    return bool(one == other)
