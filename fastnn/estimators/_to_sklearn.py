"""Convert fastnn's estimators to scikit-learn's."""

import copy
from typing import Any

import numpy as np
from sklearn.base import clone, is_classifier
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from fastnn._data import checks
from fastnn.estimators._solver import Solver

__all__ = ["copy_fitted", "to_sklearn"]

# Fitted attributes with the same meaning in both libraries.
FITTED = ("classes_", "_label_binarizer", "n_features_in_", "feature_names_in_", "n_iter_", "t_", "n_layers_",
          "n_outputs_", "out_activation_", "loss_", "loss_curve_", "best_loss_", "validation_scores_",
          "best_validation_score_", "_no_improvement_count", "_random_state", "coefs_", "intercepts_", "_best_coefs",
          "_best_intercepts")
# Parameters that can be dropped: one has no effect on results, the other's effect is in the output layer.
HARMLESS = frozenset({"n_threads", "normalize_y"})


def to_sklearn(estimator: Any) -> Any:
    """Return the equivalent scikit-learn estimator; see `MLPClassifier.to_sklearn`."""
    kind = MLPClassifier if is_classifier(estimator) else MLPRegressor
    mine, defaults = clone(estimator).get_params(deep=False), type(estimator)().get_params(deep=False)
    theirs = kind().get_params(deep=False)
    extras = [name for name in mine if name not in theirs.keys() | HARMLESS and mine[name] is not defaults[name]
              and not np.array_equal(mine[name], defaults[name])]
    if extras:
        raise ValueError(f"scikit-learn's {kind.__name__} has no {', '.join(extras)}: first set what it has not to the "
                         "default")
    if not is_classifier(estimator) and hasattr(estimator, "coefs_") and estimator._shaping_loss().per_target > 1:
        raise ValueError(f"the estimator was fitted with loss={estimator._fitted('loss')!r}, which has several outputs "
                         "for each target: scikit-learn's MLPRegressor has one")
    result = kind(**{name: checks.scalar(value) for name, value in mine.items() if name in theirs})
    result._validate_params()
    if not hasattr(estimator, "coefs_"):
        return result
    copy_fitted(estimator, result)
    result.coefs_[:] = map(np.ascontiguousarray, result.coefs_)
    if hasattr(estimator, "y_scale_"):
        result.coefs_[-1] *= estimator.y_scale_  # the outputs of the last layer are its sums
        result.intercepts_[-1][...] = result.intercepts_[-1] * estimator.y_scale_ + estimator.y_mean_
        return result  # without the optimiser, whose state is that of the standardised targets
    if hasattr(estimator, "_optimizer"):
        result._optimizer = _their_optimizer(estimator._optimizer, result.coefs_ + result.intercepts_)
    return result


def copy_fitted(source: Any, target: Any) -> None:
    """Copy the fitted attributes except the optimiser; attributes that share an object still do in the copy."""
    fitted = {name: getattr(source, name) for name in FITTED if hasattr(source, name)}
    target.__dict__.update(copy.deepcopy(fitted))


def _their_optimizer(solver: Solver, parameters: list[Any]) -> AdamOptimizer | SGDOptimizer:
    """Return a scikit-learn optimiser with the state of the solver."""
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
