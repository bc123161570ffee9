"""The base class of both estimators: their common parameters, fitted state, predictions and pickling."""

import warnings
from abc import ABC, abstractmethod
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import check_is_fitted

from fastnn._core.registry import BY_UNITS
from fastnn._data import arrays, checks
from fastnn.estimators._arguments import python_values, refuse_flags
from fastnn.estimators._fit_tasks import CallbackSupportMixin
from fastnn.estimators._inputs import FitData, as_core_X
from fastnn.estimators._internals import Internals
from fastnn.estimators._layers import HiddenLayers
from fastnn.estimators._network import CoreNetwork
from fastnn.estimators._solver import STOCHASTIC_SOLVERS
from fastnn.estimators._state import FittedState
from fastnn.estimators._to_sklearn import to_sklearn
from fastnn.estimators._user_data import validated_X
from fastnn.losses import Loss

__all__ = ["BaseMLP"]

# scikit-learn's names, then fastnn's other element-wise activations except exp, which would overflow in hidden layers.
SKLEARN_ACTIVATIONS = ("identity", "logistic", "tanh", "relu")
ACTIVATIONS = (*SKLEARN_ACTIVATIONS,
               *(name for name in BY_UNITS if name not in (*SKLEARN_ACTIVATIONS, "sigmoid", "exp")))


class BaseMLP(FittedState, Internals, HiddenLayers, CallbackSupportMixin, ClassNamePrefixFeaturesOutMixin,  # type: ignore[misc]
              TransformerMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """Base class of `MLPClassifier` and `MLPRegressor`. Training is in `fastnn.estimators._fit`."""

    # Those of callbacks are in `_arguments.check_callbacks`.
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "hidden_layer_sizes": ["array-like", Interval(Integral, 1, None, closed="left")],
        "activation": [StrOptions(set(ACTIVATIONS)), "array-like"],
        "solver": [StrOptions({"lbfgs", *STOCHASTIC_SOLVERS})],
        "alpha": [Interval(Real, 0, None, closed="left")],
        "batch_size": [StrOptions({"auto"}), Interval(Integral, 1, None, closed="left")],
        "learning_rate": [StrOptions({"constant", "invscaling", "adaptive", "cosine", "one_cycle", "cos_log",
                                      "flat_cosine"})],
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
        "validation_split": [StrOptions({"random", "last"})],
        "validation_fraction": [Interval(Real, 0, 1, closed="left")],
        "beta_1": [Interval(Real, 0, 1, closed="left")],
        "beta_2": [Interval(Real, 0, 1, closed="left")],
        "epsilon": [Interval(Real, 0, None, closed="neither")],
        "n_iter_no_change": [Interval(Integral, 1, None, closed="left"), Options(Real, {np.inf})],
        "max_fun": [Interval(Integral, 1, None, closed="left")],
        "dropout": [Interval(Real, 0, 1, closed="left"), "array-like"],
        "clip_norm": [Interval(Real, 0, None, closed="neither"), None],
        "scoring": [str, callable, None],
        "dtype": [StrOptions({"float32", "float64"}), None],
        "frozen_layers": ["array-like", None],
        "n_threads": [Interval(Integral, 1, None, closed="left"), None],
    }

    def _set_parameters(self, arguments: dict[str, Any]) -> None:
        """Store the constructor's arguments unchanged, as `sklearn.base.clone` requires."""
        self.__dict__.update({name: value for name, value in arguments.items() if name not in ("self", "__class__")})

    def _validate_params(self) -> None:
        """Validate the parameters by scikit-learn's constraints; refuse True and False for numbers."""
        refuse_flags(self)
        with python_values(self):
            super()._validate_params()

    def _check_solver(self) -> bool:
        if self.solver not in STOCHASTIC_SOLVERS:
            raise AttributeError("partial_fit is only available for stochastic optimizers. "
                                 f"{self.solver} is not stochastic.")
        return True

    # Methods in which classifier and regressor differ

    @abstractmethod
    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool, later: bool = False) -> tuple[Any, Any]:
        """Return X and y, validated by scikit-learn. With `later`, X may not be finite: see `validated_X_y`."""

    @abstractmethod
    def _validate_validation_data(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return X_val and y_val, validated by scikit-learn."""

    @abstractmethod
    def _encode(self, y: Any) -> NDArray[Any]:
        """Return validated targets as numbers: int32 labels (m,) for a softmax output, else (m,) or (m, n[L])."""

    @abstractmethod
    def _core_loss(self, dtype: np.dtype[Any]) -> Loss:
        """Return the loss to minimise."""

    @abstractmethod
    def _output_activation(self) -> str:
        """Return the activation of the output layer."""

    @abstractmethod
    def _score_outputs(self, outputs: NDArray[Any], data: FitData) -> float:
        """Return the accuracy or R2 of outputs A[L] (m, n[L])."""

    def _per_target(self) -> int:
        """Return the number of output units of each target that the parameters need."""
        return 1

    def _keeps_meaning_of_outputs(self) -> bool:
        """Return whether the output units mean the same for the parameters as for the fit before."""
        return True

    def _n_outputs(self, encoded_y: NDArray[Any]) -> int:
        return self._per_target() * (1 if encoded_y.ndim == 1 else int(encoded_y.shape[1]))

    def _n_targets(self, encoded_y: NDArray[Any]) -> int:
        return self._n_outputs(encoded_y) // self._per_target()

    def _announce_classes(self, y: Any, classes: Any) -> None:
        """Store the classes that later calls of partial_fit may bring."""

    def _strata(self, encoded_y: NDArray[Any]) -> NDArray[Any] | None:
        """Return the labels by which early stopping stratifies its split, or None."""
        return None

    def _class_factors(self, encoded_y: NDArray[Any], sample_weight: NDArray[Any] | None, incremental: bool = False,
                       applied_to: NDArray[Any] | None = None) -> NDArray[np.float64] | None:
        """Return factors of the sample weights of the training labels, or of those in `applied_to`; None for ones."""
        return None

    def _score_name(self) -> str:
        """Return the name of the default score."""
        raise NotImplementedError

    def _reason_against_score(self, data: FitData) -> str | None:
        """Return why the default score is not defined for these validation data, or None if it is."""
        return None

    # The scale of a regressor's targets

    def _check_scale(self, continues: bool) -> None:
        """Check that the targets can be standardised as the parameters say."""

    def _learn_scale(self, data: FitData, rows: NDArray[Any] | None) -> None:
        """Store the scale of the targets of a new fit, which trains on these rows (None for all)."""

    def _standardised(self, data: FitData) -> FitData:
        """Return the data with encoded targets on the scale of the network."""
        return data

    def _hint_at_scale(self, data: FitData, incremental: bool, continues: bool) -> None:
        """Warn if the fit failed for the scale of its targets, or a stream of partial_fit will."""

    # Fitted state

    def _hidden_activations(self, n_hidden: int) -> list[str]:
        return list(checks.hidden_activations(self.activation, n_hidden, ACTIVATIONS))

    def to_sklearn(self) -> Any:
        """Return the equivalent scikit-learn estimator, with the same parameters and fitted state.

        With `normalize_y` its output layer includes the scale of y, and it has no state of the optimiser.

        Returns
        -------
        sklearn.neural_network.MLPClassifier or sklearn.neural_network.MLPRegressor

        Raises
        ------
        ValueError
            If a parameter that exists only in fastnn is not at its default, a value is invalid in scikit-learn, or the
            loss of the fit needed several outputs for each target.
        """
        return to_sklearn(self)

    # Prediction

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> NDArray[Any]:
        """Return the outputs A[L] as (m, n[L]) for X (m, n_x)."""
        return self._outputs(self._fitted_network(), X, check_input)

    def _outputs(self, network: CoreNetwork, X: Any, check_input: bool = True, raw: bool = False) -> NDArray[Any]:
        """Return A[L], or with `raw` Z[L], as (m, n[L])."""
        dtype = network.architecture.dtype
        if type(X) is list:
            X = arrays.listed_rows(X)
        outputs = network.predictor.fast_path(X, raw=raw, n_threads=self.n_threads)
        if outputs is not None:
            if check_input and "feature_names_in_" in self.__dict__:
                warnings.warn(f"X does not have valid feature names, but {type(self).__name__} was fitted with feature "
                              "names", UserWarning, stacklevel=2)
            return outputs if X.dtype is dtype else outputs.astype(np.result_type(X.dtype, dtype), copy=False)
        core_X, result_dtype = self._core_input(X, dtype, check_input)
        outputs = network.predictor.outputs(core_X, raw=raw, n_threads=self.n_threads)
        if outputs is None:
            raise self._not_finite(X, dtype, check_input)
        if raw and result_dtype.itemsize > 8:  # the kernels have no long double
            result_dtype = np.dtype(np.float64)
        return outputs.astype(result_dtype, copy=False)

    def _core_input(self, X: Any, dtype: np.dtype[Any], check_input: bool = True) -> tuple[Any, np.dtype[Any]]:
        """Return X, validated by scikit-learn, as the core reads it, and the dtype of the results."""
        if check_input:
            X = validated_X(self, X)
        return as_core_X(X, dtype), np.result_type(X.dtype, dtype)

    def _not_finite(self, X: Any, dtype: np.dtype[Any], check_input: bool = True) -> Exception:
        """Return the error about X, in which an entry is not finite in the dtype of the parameters."""
        checked = validated_X(self, X) if check_input else X
        try:
            arrays.refuse_not_finite(as_core_X(checked, checked.dtype), "X", dtype, X)
        except ValueError as error:
            return error

    def _check_fitted(self) -> None:
        if "coefs_" not in self.__dict__:  # check_is_fitted takes longer than a prediction
            check_is_fitted(self)

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
