"""Parameters that were changed since the previous call of `fit` or `partial_fit`."""

import copy
from typing import Any

import numpy as np

__all__ = ["changed_parameters", "portable", "refuse_changes", "remember_parameters"]

# Every call reads these, whatever they were before. They are not stored, since they may be large or locked.
UNTRACKED = frozenset({"callbacks", "random_state"})
ANEW = "To start anew, fit with warm_start=False, or fit a clone."


def remember_parameters(estimator: Any) -> None:
    """Store the parameters with which a call trains, as the attribute `_fitted_with`."""
    estimator._fitted_with = {name: copy.copy(getattr(estimator, name)) if changeable(getattr(estimator, name))
                              else getattr(estimator, name) for name in tracked(estimator)}


def changed_parameters(estimator: Any) -> frozenset[str]:
    """Return the names of the parameters that differ from those of the previous call; none if it stored none."""
    before = vars(estimator).get("_fitted_with")
    if before is None:
        return frozenset()
    return frozenset(name for name in tracked(estimator)
                     if name in before and not same(before[name], getattr(estimator, name)))


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
        If the numbers of units differ from those of the network, or a changed loss needs another output layer.
    """
    present = [len(intercept) for intercept in estimator.intercepts_[:-1]]
    if hidden != present:
        raise ValueError(f"hidden_layer_sizes is {hidden}, but the network to train further has hidden layers of "
                         f"{present} units. {ANEW}")
    output, units = estimator.out_activation_, len(estimator.intercepts_[-1])
    for name in sorted(changed & {"loss", "quantile"}):
        needed = estimator._output_activation()
        if (needed, n_outputs) != (output, units):
            raise ValueError(f"{name}={getattr(estimator, name)!r} and y need an output layer of {n_outputs} "
                             f"{needed!r} units, but the network to train further, which was fitted with "
                             f"{name}={estimator._fitted_with[name]!r}, has {units} of {output!r}. {ANEW}")


def portable(fitted_with: dict[str, Any]) -> dict[str, Any]:
    """Return the stored parameters without functions, which might prevent pickling."""
    return {name: value for name, value in fitted_with.items() if not callable(value)}


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
