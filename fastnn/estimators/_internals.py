"""Private methods of scikit-learn's MLP that other programs call. fastnn's own fits use only the initialisation."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import runtime
from fastnn._model.workspace import aligned_empty
from fastnn._training import binding
from fastnn.estimators._inputs import as_core_X, as_examples
from fastnn.estimators._network import CoreNetwork
from fastnn.estimators._objective import full_batch_objective
from fastnn.estimators._records import forget_records

__all__ = ["Internals"]

# Methods that subclasses of scikit-learn's estimators override to change a training step.
PARTS_OF_A_FIT = ("_forward_pass", "_backprop", "_compute_loss_grad", "_loss_grad_lbfgs", "_fit_stochastic",
                  "_fit_lbfgs", "_update_no_improvement_count")


class Internals:
    """Initialisation, single forward and backward passes and packed parameters, under scikit-learn's names."""

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        for name in PARTS_OF_A_FIT:
            if name in vars(cls):
                raise TypeError(f"{cls.__name__}.{name} would never be called: fits run in fastnn's compiled core. "
                                "Derive the class from scikit-learn's estimator.")

    def _initialize(self: Any, y: Any, layer_units: list[int], dtype: Any) -> None:
        """Draw the parameters of layers with these numbers of units and reset the fitted attributes."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_, self.n_outputs_ = len(layer_units), layer_units[-1]
        self.out_activation_ = self._output_activation()
        drawn = np.dtype(dtype)
        if self.solver == "lbfgs" and self.dtype is None:
            dtype = np.float64  # SciPy's L-BFGS works in float64
        names = self._hidden_activations(len(layer_units) - 2)
        network = CoreNetwork.allocate(layer_units, names, self.out_activation_, dtype)
        # The output layer is drawn like the last hidden layer.
        drawn_for = [*names, names[-1] if names else self.activation]
        for coef, intercept, name in zip(network.coefs, network.intercepts, drawn_for, strict=True):
            fan_in, fan_out = coef.shape
            # Subclasses may override _init_coef with scikit-learn's signature, without the activation.
            extra = () if isinstance(self.activation, str) else (name,)
            coef[...], intercept[...] = self._init_coef(fan_in, fan_out, drawn, *extra)
        self._use_network(network)
        forget_records(self)

    def _init_coef(self: Any, fan_in: int, fan_out: int, dtype: Any,
                   activation: str | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the initial W (fan_in, fan_out) and b (fan_out,) of a layer, drawn in float64 and cast to `dtype`.

        The distribution is uniform (Glorot & Bengio 2010). Subclasses may override it, as those of scikit-learn's.
        """
        bound = np.sqrt((2.0 if (activation or self.activation) == "logistic" else 6.0) / (fan_in + fan_out))
        coef, intercept = (self._random_state.uniform(-bound, bound, size) for size in ((fan_in, fan_out), fan_out))
        return coef.astype(dtype, copy=False), intercept.astype(dtype, copy=False)

    def _forward_pass(self: Any, activations: list[Any]) -> list[Any]:
        """Set activations[1:] to A[1] .. A[L], each (m, n[l]), for X = activations[0]; return the list."""
        network = self._fitted_network()
        cache = network.predictor.caches(as_core_X(activations[0], network.architecture.dtype), self.n_threads)
        activations[1:] = [A.T for A in cache.A]
        return activations

    def _backprop(self: Any, X: Any, y: NDArray[Any], *buffers: Any) -> tuple[float, list[Any], list[Any]]:
        """Return J and its gradients, which are also stored in the last two buffers, for numeric y (m, n[L]).

        The buffers are (sample_weight, activations, deltas, coef_grads, intercept_grads), in scikit-learn 1.6 without
        sample_weight. Activations and deltas are not modified.
        """
        *sample_weight, _, _, coef_grads, intercept_grads = buffers
        network, y = self._trainable_network(X), np.asarray(y)
        encoded_y = y.argmax(axis=1).astype(np.int32) if self.out_activation_ == "softmax" else y
        architecture, parameters = network.architecture, network.parameters
        loss = self._core_loss(architecture.dtype)
        examples = as_examples(X, encoded_y, sample_weight[0] if sample_weight else None, architecture, loss.per_target)
        objective = full_batch_objective(loss, self.alpha, examples)
        gradient = aligned_empty(parameters.size, architecture.dtype)
        J = binding.gradients(architecture, objective, parameters, examples, gradient,
                              runtime.thread_count(self.n_threads))
        dW, db = parameters.layout.views(gradient)
        coef_grads[:], intercept_grads[:] = [dW_l.T for dW_l in dW], [db_l[:, 0] for db_l in db]
        return J, coef_grads, intercept_grads

    def _unpack(self: Any, packed_parameters: NDArray[Any]) -> None:
        """Set coefs_ and intercepts_ from one vector: coefs_, then intercepts_, each in row-major order."""
        parameters = [*self.coefs_, *self.intercepts_]
        parts = np.split(packed_parameters, np.cumsum([one.size for one in parameters])[:-1])
        parts = [part.reshape(one.shape) for one, part in zip(parameters, parts, strict=True)]
        self.coefs_, self.intercepts_ = parts[: len(self.coefs_)], parts[len(self.coefs_) :]

    def _loss_grad_lbfgs(self: Any, packed_coef_inter: NDArray[Any], X: Any, y: NDArray[Any],
                         *buffers: Any) -> tuple[float, NDArray[Any]]:
        """Set the packed parameters; return J and its packed gradient."""
        self._unpack(packed_coef_inter)
        J, coef_grads, intercept_grads = self._backprop(X, y, *buffers)
        return J, np.concatenate([part.ravel() for part in (*coef_grads, *intercept_grads)])
