"""The checks of an estimator's parameters that scikit-learn's constraints cannot express."""

from typing import Any

import numpy as np
from sklearn.metrics import check_scoring

from fastnn._data import checks
from fastnn._training.view import FitView
from fastnn.callbacks import Callback, Checkpoint, EarlyStopping, resolve

__all__ = ["check_callbacks", "check_parameters", "recorded"]


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
    hidden = list(np.atleast_1d(np.asarray(estimator.hidden_layer_sizes)).tolist())
    if np.any(np.array(hidden) <= 0):
        raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden}.")
    checks.dropout(estimator.dropout, estimator._hidden_activations(len(hidden)))
    if estimator.scoring is not None:
        check_scoring(estimator, scoring=estimator.scoring)
    return hidden


def recorded(estimator: Any, validates: bool) -> tuple[str, ...]:
    """Return the names of the values that callbacks get after each epoch."""
    if estimator.solver == "lbfgs":
        return "epoch", "loss"
    validation = ("validation_loss", "validation_score") if validates or estimator.early_stopping else ()
    return ("epoch", "loss", *validation, "learning_rate")


def check_callbacks(given: Any, view: FitView) -> tuple[Callback, ...]:
    """Return the callbacks of a fit after checking that they work with it."""
    callbacks, rule = resolve(given, None)
    if rule is not None or any(isinstance(callback, Checkpoint) for callback in callbacks):
        kind = EarlyStopping if rule is not None else Checkpoint
        raise ValueError(f"callbacks: {kind.__name__} is for fastnn.Network; here early_stopping, n_iter_no_change "
                         "and scoring say when to stop, and pickle keeps an estimator between calls of partial_fit")
    for callback in callbacks:
        callback.check(view)
    return callbacks
