"""Fitted models from scikit-learn's estimators to fastnn's, and back."""

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np
from sklearn.base import clone
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from fastnn import estimators
from fastnn.estimators.solvers import Solver
from fastnn.estimators.weights import Weights

__all__ = ["from_sklearn", "to_sklearn"]

# What a fit leaves behind that means the same on both sides.
FITTED = ("classes_", "_label_binarizer", "n_features_in_", "feature_names_in_", "n_iter_", "t_", "n_layers_",
          "n_outputs_", "out_activation_", "loss_", "loss_curve_", "best_loss_", "validation_scores_",
          "best_validation_score_", "_no_improvement_count", "_random_state", "_best_coefs", "_best_intercepts")
# What changes no result, so that nothing is lost without it.
HARMLESS = frozenset({"n_threads"})


def from_sklearn(estimator: Any) -> Any:
    """Return fastnn's estimator in the state of scikit-learn's: parameters, and all that was fitted.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or MLPRegressor
        Fitted or not; not changed.

    Returns
    -------
    fastnn.MLPClassifier or fastnn.MLPRegressor
        Of the same predictions; its `partial_fit` goes on where the other's would.

    Raises
    ------
    TypeError
        If it is something else.
    """
    if not isinstance(estimator, (MLPClassifier, MLPRegressor)):
        raise TypeError("from_sklearn takes scikit-learn's MLPClassifier or MLPRegressor, "
                        f"got {type(estimator).__module__}.{type(estimator).__name__}")
    kind = estimators.MLPClassifier if isinstance(estimator, MLPClassifier) else estimators.MLPRegressor
    ours = kind(**clone(estimator).get_params(deep=False))
    if not hasattr(estimator, "coefs_"):
        return ours
    _copy_fitted(estimator, ours)
    names = ours._hidden_activations(len(estimator.coefs_) - 1)
    weights = Weights.of(estimator.coefs_, estimator.intercepts_, names, estimator.out_activation_)
    ours._take(weights)
    if hasattr(estimator, "_optimizer"):
        ours._optimizer = _our_solver(estimator._optimizer, weights)
    return ours


def to_sklearn(estimator: Any) -> Any:
    """Return scikit-learn's estimator in the state of fastnn's; see `MLPClassifier.to_sklearn`."""
    kind = MLPClassifier if isinstance(estimator, estimators.MLPClassifier) else MLPRegressor
    mine, defaults = clone(estimator).get_params(deep=False), type(estimator)().get_params(deep=False)
    theirs = kind().get_params(deep=False)
    extras = [name for name in mine if name not in theirs.keys() | HARMLESS and mine[name] is not defaults[name]
              and not np.array_equal(mine[name], defaults[name])]
    if extras:
        raise ValueError(f"scikit-learn's {kind.__name__} has no {', '.join(extras)}: first set what it has not to the "
                         "default")
    result = kind(**{name: value for name, value in mine.items() if name in theirs})
    result._validate_params()
    if not hasattr(estimator, "coefs_"):
        return result
    _copy_fitted(estimator, result)
    result.coefs_ = [np.array(coef, order="C") for coef in estimator.coefs_]
    result.intercepts_ = [intercept.copy() for intercept in estimator.intercepts_]
    if hasattr(estimator, "_optimizer"):
        result._optimizer = _their_optimizer(estimator._optimizer, result.coefs_ + result.intercepts_)
    return result


def _copy_fitted(source: Any, target: Any) -> None:
    for name in FITTED:
        if hasattr(source, name):
            setattr(target, name, copy.deepcopy(getattr(source, name)))


def _our_solver(optimizer: AdamOptimizer | SGDOptimizer, weights: Weights) -> Solver:
    """Return the solver in the state of scikit-learn's optimiser."""
    settings = SimpleNamespace(solver="sgd", learning_rate="constant", power_t=0.5, alpha=0.0, beta_1=0.9, beta_2=0.999,
                               epsilon=1e-8)
    settings.__dict__.update(vars(optimizer))
    if isinstance(optimizer, AdamOptimizer):
        settings.solver = "adam"
    else:
        settings.learning_rate, settings.nesterovs_momentum = optimizer.lr_schedule, optimizer.nesterov
    solver = Solver(settings, weights.model.layout, weights.model.dtype)
    if isinstance(optimizer, AdamOptimizer):
        pairs = [(solver.ms, optimizer.ms), (solver.vs, optimizer.vs)]
        solver.state.step_count[:] = optimizer.t
    else:
        pairs = [(solver.velocities, optimizer.velocities)] if optimizer.momentum else []
        solver.current_rate = optimizer.learning_rate
    for mine, given in pairs:
        for view, array in zip(mine, given, strict=True):
            view[...] = array
    return solver


def _their_optimizer(solver: Solver, parameters: list[Any]) -> AdamOptimizer | SGDOptimizer:
    """Return scikit-learn's optimiser in the state of the solver."""
    rule = solver.state.optimizer.hyperparameters
    optimizer: AdamOptimizer | SGDOptimizer
    if solver.name == "adam":
        optimizer = AdamOptimizer(parameters, solver.learning_rate_init, **rule)
        optimizer.t = solver.t
        optimizer.ms, optimizer.vs = ([view.copy() for view in views] for views in (solver.ms, solver.vs))
    else:
        optimizer = SGDOptimizer(parameters, solver.learning_rate_init, solver.lr_schedule, rule.get("momentum", 0.0),
                                 solver.nesterov, solver.power_t)
        if rule:
            optimizer.velocities = [view.copy() for view in solver.velocities]
    optimizer.learning_rate = solver.learning_rate
    return optimizer
