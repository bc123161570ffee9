"""Private methods of scikit-learn's MLP that other programs call. fastnn's own fits do not use them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.estimators import lbfgs
from fastnn.estimators.base import BaseMLP, as_core_reads

__all__ = ["Helpers"]

# Methods that subclasses of scikit-learn's estimators override to change a training step.
PARTS_OF_A_FIT = ("_forward_pass", "_backprop", "_compute_loss_grad", "_loss_grad_lbfgs", "_fit_stochastic",
                  "_fit_lbfgs", "_update_no_improvement_count")


class Helpers(BaseMLP):
    """Single forward and backward passes and packed parameters, under scikit-learn's names."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name in PARTS_OF_A_FIT:
            if name in vars(cls):
                raise TypeError(f"{cls.__name__}.{name} would never be called: fits run in fastnn's compiled core. "
                                "Derive the class from scikit-learn's estimator.")

    def _forward_pass(self, activations: list[Any]) -> list[Any]:
        """Set activations[1:] to A[1] .. A[L], each (m, n[l]), for X = activations[0]; return the list."""
        weights = self._fitted_weights()
        cache = weights.predictor.caches(as_core_reads(activations[0], weights.architecture.dtype), self.n_threads)
        activations[1:] = [A.T for A in cache.A]
        return activations

    def _backprop(self, X: Any, y: NDArray[Any], *buffers: Any) -> tuple[float, list[Any], list[Any]]:
        """Return J and its gradients, which are also stored in the last two buffers, for numeric y (m, n[L]).

        The buffers are (sample_weight, activations, deltas, coef_grads, intercept_grads), in scikit-learn 1.6 without
        sample_weight. Activations and deltas are not modified.
        """
        *sample_weight, _, _, coef_grads, intercept_grads = buffers
        J, coef_grads[:], intercept_grads[:] = lbfgs.cost_and_gradients(self, X, y, *sample_weight)
        return J, coef_grads, intercept_grads

    def _unpack(self, packed_parameters: NDArray[Any]) -> None:
        """Set coefs_ and intercepts_ from one vector: coefs_, then intercepts_, each in row-major order."""
        parameters = [*self.coefs_, *self.intercepts_]
        parts = np.split(packed_parameters, np.cumsum([one.size for one in parameters])[:-1])
        parts = [part.reshape(one.shape) for one, part in zip(parameters, parts, strict=True)]
        self.coefs_, self.intercepts_ = parts[: len(self.coefs_)], parts[len(self.coefs_) :]

    def _loss_grad_lbfgs(self, packed_coef_inter: NDArray[Any], X: Any, y: NDArray[Any],
                         *buffers: Any) -> tuple[float, NDArray[Any]]:
        """Set the packed parameters; return J and its packed gradient."""
        self._unpack(packed_coef_inter)
        J, coef_grads, intercept_grads = self._backprop(X, y, *buffers)
        return J, np.concatenate([part.ravel() for part in (*coef_grads, *intercept_grads)])
