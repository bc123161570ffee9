"""Training by SciPy's L-BFGS on the core's cost and gradient."""

from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.optimize import _check_optimize_result

from fastnn import _tuning, runtime
from fastnn._data.examples import Examples
from fastnn._model.objective import Objective
from fastnn._model.workspace import aligned_empty
from fastnn._training import loop
from fastnn._training.optimizer_state import OptimizerState
from fastnn.callbacks import asked_to_stop
from fastnn.estimators.weights import Weights
from fastnn.history import History
from fastnn.losses import Loss
from fastnn.optimizers import SGD

__all__ = ["cost_and_gradients", "minimize"]


def penalized(loss: Loss, alpha: float, examples: Examples) -> Objective:
    """Return scikit-learn's objective: alpha is divided by the sum of the sample weights."""
    return Objective(loss, l2=float(alpha) / examples.weight(0, len(examples)))


RECORDED = ("epoch", "loss")  # after each iteration, for callbacks


class LbfgsFit:
    """One fit by L-BFGS; callbacks get it as their run."""

    recorded = RECORDED

    def __init__(self, estimator: Any, callbacks: tuple[Any, ...]) -> None:
        self.network, self.callbacks, self.epoch, self.history = estimator, callbacks, 0, History()
        self.settings, self.stopped = SimpleNamespace(epochs=estimator.max_iter), False

    def end_iteration(self, J: float) -> None:
        """Record an iteration and call the callbacks."""
        self.epoch += 1
        record = {"epoch": self.epoch, "loss": J}
        self.history.append(record)
        self.stopped = asked_to_stop(self.callbacks, self, record)
        if self.stopped:
            raise StopIteration


def minimize(estimator: Any, weights: Weights, loss: Loss, examples: Examples, callbacks: tuple[Any, ...]) -> None:
    """Minimise the loss in place; set the estimator's `n_iter_` and `loss_`.

    Warns
    -----
    ConvergenceWarning
        If the maximum number of iterations or evaluations was reached.
    """
    import scipy.optimize  # imported here: it takes 0.1 s

    architecture, parameters = weights.architecture, weights.parameters
    objective = penalized(loss, estimator.alpha, examples)
    theta, gradient = parameters.theta, aligned_empty(parameters.size, architecture.dtype)
    state = OptimizerState(SGD(), parameters.size, architecture.dtype)
    fit = LbfgsFit(estimator, callbacks)
    options: dict[str, Any] = {"maxfun": estimator.max_fun, "maxiter": estimator.max_iter, "gtol": estimator.tol}

    def end_iteration(intermediate_result: Any) -> None:
        np.copyto(theta, intermediate_result.x)
        fit.end_iteration(float(intermediate_result.fun))

    for callback in callbacks:
        callback.on_fit_begin(fit)
    try:
        with loop.bound_plan(architecture, objective, parameters, examples, state,
                             batch_size=min(len(examples), _tuning.GRADIENT_BLOCK_ROWS),
                             n_threads=runtime.thread_count(estimator.n_threads)) as plan:
            def cost(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
                np.copyto(theta, point)
                return loop.whole_gradient(plan, examples, gradient), gradient.astype(np.float64)  # SciPy keeps it

            with np.errstate(over="ignore", invalid="ignore"):  # overflow in a step that SciPy rejects
                result = scipy.optimize.minimize(cost, theta.copy(), jac=True, method="L-BFGS-B", options=options,
                                                 callback=end_iteration if callbacks else None)
    finally:
        for callback in callbacks:
            callback.on_fit_end(fit)
    estimator.n_iter_ = result.nit if fit.stopped else _check_optimize_result("lbfgs", result, estimator.max_iter)
    estimator.loss_ = np.float64(result.fun)
    np.copyto(theta, result.x)


def cost_and_gradients(estimator: Any, X: Any, y: NDArray[Any], sample_weight: NDArray[Any] | None = None
                       ) -> tuple[float, list[NDArray[Any]], list[NDArray[Any]]]:
    """Return J over all examples and its gradients, with the shapes of coefs_ and intercepts_.

    Parameters
    ----------
    estimator : TrainableMLP
    X : {array-like, sparse matrix} (m, n[0])
    y : ndarray (m, n[L])
        One-hot or 0 and 1 for classes.
    sample_weight : ndarray (m,) or None
    """
    weights = estimator._trainable_weights(X)
    y = np.asarray(y)
    encoded_y = y.argmax(axis=1).astype(np.int32) if estimator.out_activation_ == "softmax" else y
    examples = estimator._examples(weights, X, encoded_y, sample_weight)
    architecture, parameters = weights.architecture, weights.parameters
    objective = penalized(estimator._core_loss(architecture.dtype), estimator.alpha, examples)
    gradient = aligned_empty(parameters.size, architecture.dtype)
    J = loop.gradients(architecture, objective, parameters, examples, gradient,
                       runtime.thread_count(estimator.n_threads))
    dW, db = parameters.layout.views(gradient)
    return J, [dW_l.T for dW_l in dW], [db_l[:, 0] for db_l in db]
