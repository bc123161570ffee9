"""Convert scikit-learn's estimators to fastnn's."""

from typing import Any

from sklearn.base import clone
from sklearn.neural_network import MLPClassifier, MLPRegressor
from sklearn.neural_network._stochastic_optimizers import AdamOptimizer, SGDOptimizer

from fastnn.estimators import classifier, regressor
from fastnn.estimators._changes import recall_parameters
from fastnn.estimators._network import CoreNetwork
from fastnn.estimators._solver import Solver
from fastnn.estimators._to_sklearn import copy_fitted

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
    network = CoreNetwork.from_arrays(estimator.coefs_, estimator.intercepts_, names, estimator.out_activation_)
    ours._use_network(network)
    if hasattr(estimator, "_optimizer"):
        ours._optimizer = _our_solver(estimator._optimizer, network)
    recall_parameters(ours)
    return ours


def _our_solver(optimizer: AdamOptimizer | SGDOptimizer, network: CoreNetwork) -> Solver:
    """Return a solver with the state of scikit-learn's optimiser."""
    names = ("learning_rate_init", "lr_schedule", "power_t", "momentum", "nesterov", "beta_1", "beta_2", "epsilon")
    hyperparameters = {name: value for name, value in vars(optimizer).items() if name in names}
    solver = Solver("adam" if isinstance(optimizer, AdamOptimizer) else "sgd", network.parameters.layout,
                    network.architecture.dtype, **hyperparameters)
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
