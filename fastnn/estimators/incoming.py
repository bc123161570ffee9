"""Convert scikit-learn's estimators to fastnn's."""

from types import SimpleNamespace
from typing import Any

from sklearn.base import clone
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from fastnn.estimators import classifier, regressor
from fastnn.estimators.outgoing import copy_fitted
from fastnn.estimators.solvers import Solver
from fastnn.estimators.weights import Weights

__all__ = ["from_sklearn"]


def from_sklearn(estimator: Any) -> Any:
    """Return the fastnn estimator with the parameters and fitted state of a scikit-learn estimator.

    Parameters
    ----------
    estimator : sklearn.neural_network.MLPClassifier or sklearn.neural_network.MLPRegressor
        Fitted or not. It is not modified.

    Returns
    -------
    fastnn.MLPClassifier or fastnn.MLPRegressor
        It makes the same predictions, and its `partial_fit` continues from the same optimiser state.

    Raises
    ------
    TypeError
        If `estimator` is anything else.
    """
    if not isinstance(estimator, (MLPClassifier, MLPRegressor)):
        raise TypeError("from_sklearn takes scikit-learn's MLPClassifier or MLPRegressor, "
                        f"got {type(estimator).__module__}.{type(estimator).__name__}")
    kind = classifier.MLPClassifier if isinstance(estimator, MLPClassifier) else regressor.MLPRegressor
    ours = kind(**clone(estimator).get_params(deep=False))
    if not hasattr(estimator, "coefs_"):
        return ours
    copy_fitted(estimator, ours)
    names = ours._hidden_activations(len(estimator.coefs_) - 1)
    weights = Weights.of(estimator.coefs_, estimator.intercepts_, names, estimator.out_activation_)
    ours._take(weights)
    if hasattr(estimator, "_optimizer"):
        ours._optimizer = _our_solver(estimator._optimizer, weights)
    return ours


def _our_solver(optimizer: AdamOptimizer | SGDOptimizer, weights: Weights) -> Solver:
    """Return a solver with the state of scikit-learn's optimiser."""
    settings = SimpleNamespace(power_t=0.5, momentum=0.9, alpha=0.0, beta_1=0.9, beta_2=0.999, epsilon=1e-8)
    settings.__dict__.update(vars(optimizer))
    settings.solver = "adam" if isinstance(optimizer, AdamOptimizer) else "sgd"
    settings.learning_rate = getattr(optimizer, "lr_schedule", "constant")
    settings.nesterovs_momentum = getattr(optimizer, "nesterov", True)
    solver = Solver(settings, weights.parameters.layout, weights.architecture.dtype)
    if isinstance(optimizer, AdamOptimizer):
        pairs = [(solver.ms, optimizer.ms), (solver.vs, optimizer.vs)]
        solver.t = optimizer.t
    else:
        pairs = [(solver.velocities, optimizer.velocities)] if optimizer.momentum else []
        solver.learning_rate = optimizer.learning_rate
    for mine, given in pairs:
        for view, array in zip(mine, given, strict=True):
            view[...] = array
    return solver
