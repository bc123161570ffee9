"""The part of both estimators that is not training: parameters, fitted state, prediction, pickling."""

from abc import ABC
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted, validate_data

from fastnn._data import checks
from fastnn._data.sparse import SparseRows, is_sparse
from fastnn.estimators.outgoing import to_sklearn
from fastnn.estimators.solvers import STOCHASTIC_SOLVERS
from fastnn.estimators.weights import Weights

__all__ = ["BaseMLP", "as_core_reads"]

ACTIVATIONS = ("identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus")
# Rebuilt after copying or unpickling.
TRANSIENT = frozenset({"_weights"})


def as_core_reads(X: Any, dtype: np.dtype[Any]) -> NDArray[Any] | SparseRows:
    """Return an array or sparse matrix X (m, n[0]) as the core reads it, copied only if necessary."""
    return SparseRows.of(X, dtype) if is_sparse(X) else checks.as_real(X, dtype)


class BaseMLP(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Parameters, fitted state and prediction of `MLPClassifier` and `MLPRegressor`."""

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS)), "array-like"],
        "solver": [StrOptions({"lbfgs", *STOCHASTIC_SOLVERS})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive", "cosine", "one_cycle"})],
        "learning_rate_init": [Interval(Real, 0, None, closed="neither")],
        "power_t": [Interval(Real, 0, None, closed="left")],
        "max_iter": [Interval(Integral, 1, None, closed="left")],
        "shuffle": ["boolean"],
        "random_state": ["random_state"],
        "tol": [Interval(Real, 0, None, closed="left")],
        "verbose": ["verbose", StrOptions({"bar"})],
        "warm_start": ["boolean"],
        "momentum": [Interval(Real, 0, 1, closed="both")],
        "nesterovs_momentum": ["boolean"],
        "early_stopping": ["boolean"],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
        "scoring": [str, callable, None],
        "callbacks": ["array-like"],
        "dtype": [StrOptions({"float32", "float64"}), None],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    }

    def _set_parameters(self, arguments: dict[str, Any]) -> None:
        """Store the constructor's arguments unchanged, as `sklearn.base.clone` requires."""
        self.__dict__.update({name: value for name, value in arguments.items() if name not in ("self", "__class__")})

    def _check_solver(self) -> bool:
        if self.solver not in STOCHASTIC_SOLVERS:
            raise AttributeError("partial_fit is only available for stochastic optimizers. "
                                 f"{self.solver} is not stochastic.")
        return True

    # Fitted state

    def _hidden_activations(self, n_hidden: int) -> list[str]:
        return list(checks.hidden_activations(self.activation, n_hidden, ACTIVATIONS))

    def _description(self) -> tuple[Any, str]:
        """Return the activations of the layers: users may set both attributes after a fit."""
        activation = self.activation
        return activation if isinstance(activation, str) else tuple(activation), self.out_activation_

    def _take(self, weights: Weights) -> None:
        before = self.__dict__
        best = "_best_coefs" in before and before["_best_coefs"] is before.get("coefs_")
        self._weights = weights
        self._described = self._description()
        self.coefs_: list[NDArray[Any]] = list(weights.coefs)
        self.intercepts_: list[NDArray[Any]] = list(weights.intercepts)
        if best:
            self._best_coefs, self._best_intercepts = self.coefs_, self.intercepts_

    def _fitted_weights(self) -> Weights:
        """Return the parameter arena; a copy if an array of `coefs_` or `intercepts_` has been replaced."""
        weights: Weights | None = self.__dict__.get("_weights")
        if (weights is not None and self._described == self._description()
                and weights.are(self.coefs_, self.intercepts_)):
            return weights
        names = self._hidden_activations(len(self.coefs_) - 1)
        return Weights.of(self.coefs_, self.intercepts_, names, self.out_activation_)

    def _trainable_weights(self, X: Any) -> Weights:
        """Return the parameters in the dtype and layout for training on X, and make coefs_ and intercepts_ views."""
        weights = self._fitted_weights()
        if self.solver == "lbfgs" and self.dtype is None:
            weights = weights.as_dtype(np.float64)
        if is_sparse(X):
            weights = weights.column_major()
        if weights is not self.__dict__.get("_weights"):
            self._take(weights)
        return weights

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in super().__getstate__().items() if key not in TRANSIENT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        if "_described" in state:
            self._take(self._fitted_weights())

    # Prediction

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> NDArray[Any]:
        """Return the outputs A[L] as (m, n[L]) for X (m, n_x)."""
        weights = self._fitted_weights()
        return self._outputs(weights, X, check_input)

    def _outputs(self, weights: Weights, X: Any, check_input: bool = True) -> NDArray[Any]:
        dtype = weights.architecture.dtype
        if not hasattr(self, "feature_names_in_"):
            outputs = weights.predictor.at_once(X, n_threads=self.n_threads)
            if outputs is not None:
                return outputs
        if check_input:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        core_X = as_core_reads(X, dtype)
        outputs = weights.predictor.outputs(core_X, n_threads=self.n_threads)
        if outputs is None:
            checks.refuse_not_finite(core_X.values if isinstance(core_X, SparseRows) else core_X, "X", dtype)
        return outputs.astype(np.result_type(X.dtype, dtype), copy=False)

    def to_sklearn(self) -> Any:
        """Return the equivalent scikit-learn estimator, with the same parameters and fitted state.

        Returns
        -------
        sklearn.neural_network.MLPClassifier or sklearn.neural_network.MLPRegressor

        Raises
        ------
        ValueError
            If a parameter that exists only in fastnn is not at its default, or a value is invalid in scikit-learn.
        """
        return to_sklearn(self)

    def _check_fitted(self) -> None:
        if "coefs_" not in self.__dict__:  # check_is_fitted takes longer than a prediction
            check_is_fitted(self)

    def transform(self, X: Any, layer: int = -1) -> NDArray[Any]:
        """Return the activations of a hidden layer.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n_x)
        layer : int, default=-1
            0 is the first hidden layer, -1 the last.

        Returns
        -------
        ndarray of shape (m, n_units)

        Raises
        ------
        ValueError
            If there is no such hidden layer.
        """
        check_is_fitted(self)
        n_hidden = self.n_layers_ - 2
        if not isinstance(layer, Integral) or not -n_hidden <= layer < n_hidden:
            raise ValueError(f"layer must be one of the {n_hidden} hidden layers, from {-n_hidden} to {n_hidden - 1}, "
                             f"got {layer}" if n_hidden else "this network has no hidden layer")
        return self._outputs(self._fitted_weights().layers_below(int(layer) % n_hidden + 1), X)

    @property
    def _n_features_out(self) -> int:
        """Number of features that `transform` returns."""
        return int(self.coefs_[-1].shape[0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
