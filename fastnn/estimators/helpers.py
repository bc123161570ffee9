"""Private methods of scikit-learn's MLP that other programs call; fits do without them."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.estimators import lbfgs
from fastnn.estimators.base import BaseMLP, as_core_reads

__all__ = ["Helpers"]

# scikit-learn's fits call them, so that a class derived from its estimators can change what a step does.
PARTS_OF_A_FIT = ("_forward_pass", "_backprop", "_compute_loss_grad", "_loss_grad_lbfgs", "_fit_stochastic",
                  "_fit_lbfgs", "_update_no_improvement_count")


class Helpers(BaseMLP):
    """What scikit-learn's estimator can do singly: forward and backward passes, packed parameters."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name in PARTS_OF_A_FIT:
            if name in vars(cls):
                raise TypeError(f"{cls.__name__}.{name} would never be called: fits run in fastnn's compiled core. "
                                "Derive the class from scikit-learn's estimator.")

    def _forward_pass(self, activations: list[Any]) -> list[Any]:
        """Fill in A[1] .. A[L], each (m, n[l]), behind X = activations[0]; return the list."""
        weights = self._fitted_weights()
        cache = weights.predictor.caches(as_core_reads(activations[0], weights.model.dtype), self.n_threads)
        activations[1:] = [A.T for A in cache.A]
        return activations

    def _backprop(self, X: Any, y: NDArray[Any], *buffers: Any) -> tuple[float, list[Any], list[Any]]:
        """Return J and its gradients, which fill the last two buffers; y (m, n[L]) as numbers.

        The buffers are (sample_weight, activations, deltas, coef_grads, intercept_grads); scikit-learn 1.6 has no
        sample_weight. Activations and deltas stay as they are.
        """
        *sample_weight, _, _, coef_grads, intercept_grads = buffers
        J, coef_grads[:], intercept_grads[:] = lbfgs.cost_and_gradients(self, X, y, *sample_weight)
        return J, coef_grads, intercept_grads

    def _unpack(self, packed_parameters: NDArray[Any]) -> None:
        """Set coefs_, then intercepts_, from their elements row after row."""
        parameters = [*self.coefs_, *self.intercepts_]
        parts = np.split(packed_parameters, np.cumsum([one.size for one in parameters])[:-1])
        parts = [part.reshape(one.shape) for one, part in zip(parameters, parts, strict=True)]
        self.coefs_, self.intercepts_ = parts[: len(self.coefs_)], parts[len(self.coefs_) :]

    def _loss_grad_lbfgs(self, packed_coef_inter: NDArray[Any], X: Any, y: NDArray[Any],
                         *buffers: Any) -> tuple[float, NDArray[Any]]:
        """Return J and its packed gradient at packed parameters, which become those of the estimator."""
        self._unpack(packed_coef_inter)
        J, coef_grads, intercept_grads = self._backprop(X, y, *buffers)
        return J, np.concatenate([part.ravel() for part in (*coef_grads, *intercept_grads)])
