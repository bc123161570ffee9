"""The checks of an estimator's parameters that scikit-learn's constraints cannot express."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from itertools import pairwise
from numbers import Real
from typing import Any, TypeVar

import numpy as np
from sklearn.metrics import check_scoring
from sklearn.utils._param_validation import Interval, InvalidParameterError

from fastnn._data import checks, functions
from fastnn._data.weights import needs_all_labels
from fastnn._training.view import FitView
from fastnn.callbacks import Callback, Checkpoint, EarlyStopping, resolve
from fastnn.estimators._scores import LOSS

__all__ = ["check_callbacks", "check_parameters", "hidden_sizes", "python_values", "recorded", "refuse_flags",
           "with_python_values"]


R = TypeVar("R")
NUMPY = (np.generic, np.ndarray)
FLAG_LIKE = (bool, *NUMPY)


@contextmanager
def python_values(estimator: Any) -> Iterator[None]:
    """Give an estimator Python values for the parameters that are NumPy scalars, and give these back at the end.

    Searches draw NumPy scalars; np.float32(0.1) would make a float64 computation one of float32.
    """
    attributes, names = vars(estimator), estimator._parameter_constraints
    given = {}
    if any(issubclass(kind, NUMPY) for kind in set(map(type, map(attributes.get, names)))):
        given = {name: attributes[name] for name in names if isinstance(attributes.get(name), NUMPY)}
    used = {name: checks.scalar(value) for name, value in given.items()}
    attributes.update(used)
    try:
        yield
    finally:
        for name, value in given.items():
            if attributes.get(name) is used[name]:  # else a callback has changed the parameter
                attributes[name] = value


def with_python_values(function: Callable[..., R]) -> Callable[..., R]:
    """Decorate a function of an estimator and further arguments: it runs with `python_values`."""
    @wraps(function)
    def wrapper(estimator: Any, *arguments: Any, **keywords: Any) -> R:
        with python_values(estimator):
            return function(estimator, *arguments, **keywords)

    return wrapper


def refuse_flags(estimator: Any) -> None:
    """Raise an error if a parameter that is a number is True, False or a duration, which Python takes for integers."""
    for name, constraints in estimator._parameter_constraints.items():
        value = getattr(estimator, name, None)
        other = isinstance(value, FLAG_LIKE) and isinstance(checks.scalar(value), (bool, np.timedelta64))
        if other and any(isinstance(one, Interval) or one == "random_state" for one in constraints):
            raise InvalidParameterError(f"The {name!r} parameter of {type(estimator).__name__} must be a number. "
                                        f"Got {value!r} instead.")


def hidden_sizes(given: Any) -> list[int]:
    """Return the sizes of the hidden layers.

    Raises
    ------
    ValueError, TypeError
        If they are not whole numbers from 1 to 2**31 - 1.
    """
    listed = given if np.iterable(given) else (given,)
    if isinstance(given, (str, bytes, dict, set, frozenset)) or not hasattr(listed, "__len__"):
        raise TypeError(f"hidden_layer_sizes must be a sequence of whole numbers, got {checks.shown(given)}")
    what = f"hidden_layer_sizes={checks.shown(given)}: the size of layer"
    sizes = [checks.count(size, f"{what} {l}", -checks.LARGEST) for l, size in enumerate(listed, 1)]
    if any(size <= 0 for size in sizes):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {sizes}.")
    if sum(n_prev * n for n_prev, n in pairwise(sizes)) > checks.MOST_PARAMETERS:
        raise ValueError(f"hidden_layer_sizes={checks.shown(given)} gives more parameters than any memory holds")
    return sizes


def check_parameters(estimator: Any, validates: bool, incremental: bool) -> list[int]:
    """Check what scikit-learn's parameter constraints cannot express; return the sizes of the hidden layers."""
    if estimator.solver == "lbfgs":
        unusable = {"dropout": np.any(estimator.dropout), "clip_norm": estimator.clip_norm is not None,
                    "X_val": validates, "verbose='bar'": estimator.verbose == "bar"}
        for name, given in unusable.items():
            if given:
                raise ValueError("solver='lbfgs' works on all examples with its own step lengths: it takes no "
                                 f"{name}")
    elif estimator.early_stopping and incremental:
        raise ValueError("partial_fit does not support early_stopping=True")
    elif estimator.early_stopping and not validates and estimator.validation_fraction == 0:
        raise ValueError("validation_fraction must be above 0 with early_stopping, got 0")
    check_class_weight(getattr(estimator, "class_weight", None))
    hidden = hidden_sizes(estimator.hidden_layer_sizes)
    checks.frozen_layers(estimator.frozen_layers, len(hidden) + 1)
    checks.dropout(estimator.dropout, estimator._hidden_activations(len(hidden)))
    if estimator.scoring not in (None, LOSS):
        functions.refuse_class(estimator.scoring, "scoring")
        if callable(estimator.scoring):
            functions.check_call(estimator.scoring, ("estimator", "X", "y"), "scoring")
        check_scoring(estimator, scoring=estimator.scoring)
    return hidden


def check_class_weight(class_weight: Any) -> None:
    """Check the class weights of an output, or those of each in a list.

    Raises
    ------
    TypeError
        If a weight is no number, or an entry of a list is none of dict, "balanced" and None.
    """
    for one in class_weight if isinstance(class_weight, (list, tuple)) else [class_weight]:
        if not isinstance(one, dict) and not needs_all_labels(one) and one is not None:
            raise TypeError(f"class_weight of an output must be a dict, 'balanced' or None, got {checks.shown(one)}")
        for label, factor in one.items() if isinstance(one, dict) else ():
            if isinstance(factor, bool) or not isinstance(factor, Real):
                raise TypeError(f"class_weight of the class {checks.shown(label)} must be a number, got "
                                f"{checks.shown(factor)}")


def recorded(estimator: Any, validates: bool) -> tuple[str, ...]:
    """Return the names of the values that callbacks get after each epoch."""
    if estimator.solver == "lbfgs":
        return "epoch", "loss"
    validation = ("validation_loss", "validation_score") if validates or estimator.early_stopping else ()
    return ("epoch", "loss", *validation, "learning_rate")


def check_callbacks(given: Any, view: FitView) -> tuple[Callback, ...]:
    """Return the callbacks of a fit after checking that they work with it."""
    if isinstance(given, Iterator):
        raise TypeError("callbacks must be a sequence, which every fit can read again, got an iterator")
    callbacks, rule = resolve(given, None)
    if rule is not None or any(isinstance(callback, Checkpoint) for callback in callbacks):
        kind = EarlyStopping if rule is not None else Checkpoint
        raise ValueError(f"callbacks: {kind.__name__} is for fastnn.Network; here early_stopping, n_iter_no_change "
                         "and scoring say when to stop, and pickle keeps an estimator between calls of partial_fit")
    for callback in callbacks:
        callback.check(view)
    return callbacks
