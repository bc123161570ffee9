"""`fit` and `partial_fit` of both estimators: validate, initialise or continue, then run a solver."""

import inspect
import warnings
from abc import abstractmethod
from types import SimpleNamespace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils.validation import _check_sample_weight

from fastnn._data import checks
from fastnn._data.examples import Examples
from fastnn.callbacks import Callback, Checkpoint, EarlyStopping, prepare
from fastnn.estimators import lbfgs, stochastic
from fastnn.estimators.base import BaseMLP, as_core_reads
from fastnn.estimators.helpers import Helpers
from fastnn.estimators.solvers import Solver
from fastnn.estimators.stochastic import StochasticFit, ValidationSet
from fastnn.estimators.weights import Weights
from fastnn.losses import Loss

__all__ = ["TrainableMLP"]


def _accepts_sample_weight(scorer: Any) -> bool:
    """Return whether a scorer, or the metric it wraps, accepts `sample_weight`."""
    parameters = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
    return "sample_weight" in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())


class TrainableMLP(Helpers, BaseMLP):
    """Base class of `MLPClassifier` and `MLPRegressor`."""

    # Methods in which classifier and regressor differ

    @abstractmethod
    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        """Return X and y, validated by scikit-learn."""

    @abstractmethod
    def _encode(self, y: Any) -> NDArray[Any]:
        """Return validated targets as numbers: int32 labels (m,) for a softmax output, else (m,) or (m, n[L])."""

    @abstractmethod
    def _validate_validation_data(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return X_val and y_val, validated by scikit-learn."""

    @abstractmethod
    def _core_loss(self, dtype: np.dtype[Any]) -> Loss:
        """Return the loss to minimise."""

    @abstractmethod
    def _output_activation(self) -> str:
        """Return the activation of the output layer."""

    @abstractmethod
    def _score_outputs(self, outputs: NDArray[Any], validation: ValidationSet) -> float:
        """Return the accuracy or R2 of the outputs A[L] (m, n[L]) on the validation set."""

    def _strata(self, encoded_y: NDArray[Any]) -> NDArray[Any] | None:
        """Return the labels by which early stopping stratifies its split, or None."""
        return None

    def _class_factors(self, encoded_y: NDArray[Any], incremental: bool) -> NDArray[np.float64] | None:
        """Return factors (m,) of the sample weights, or None."""
        return None

    # Training

    def _fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: tuple[Any, Any, Any] | None = None,
             *, incremental: bool = False) -> Self:
        if validation_data is not None and all(given is None for given in validation_data):
            validation_data = None
        self._check_combinations(validation_data, incremental)
        callbacks = self._checked_callbacks(validates=self.early_stopping or validation_data is not None)
        hidden = list(np.atleast_1d(np.asarray(self.hidden_layer_sizes)).tolist())
        if np.any(np.array(hidden) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden}.")
        checks.dropout(self.dropout, self._hidden_activations(len(hidden)))
        if self.scoring is not None:
            check_scoring(self, scoring=self.scoring)
        first_pass = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        X, y = self._validate_input(X, y, incremental, reset=first_pass)
        encoded_y = self._encode(y)
        sample_weight = self._checked_sample_weight(sample_weight, X)
        training_weight = self._with_factors(sample_weight, encoded_y, incremental)
        self._random_state = check_random_state(self.random_state)
        if first_pass:
            self._initialize(encoded_y, [X.shape[1], *hidden, self._n_outputs(encoded_y)], self.dtype or X.dtype)
        weights = self._trainable_weights(X)
        self.n_outputs_ = weights.architecture.n_outputs
        loss = self._core_loss(weights.architecture.dtype)
        examples = self._examples(weights, X, encoded_y, training_weight)
        if self.solver == "lbfgs":
            lbfgs.minimize(self, weights, loss, examples, callbacks)
        else:
            self._init_fit_records()
            solver = self._prepared_solver(weights, incremental)
            rows, validation = self._validation_set(weights, examples, X, y, encoded_y, sample_weight, validation_data)
            StochasticFit(self, weights, loss, solver, examples, rows, validation, callbacks, incremental).run()
        if not np.isfinite(weights.parameters.theta).all():
            raise ValueError("Solver produced non-finite parameter weights. The input data may contain large values "
                             "and need to be preprocessed.")
        return self

    def _check_combinations(self, validation_data: Any, incremental: bool) -> None:
        if self.solver != "lbfgs":
            if self.early_stopping and incremental:
                raise ValueError("partial_fit does not support early_stopping=True")
            return
        given = {"dropout": np.any(self.dropout), "clip_norm": self.clip_norm is not None,
                 "X_val": validation_data is not None, "verbose='bar'": self.verbose == "bar"}
        for name, refused in given.items():
            if refused:
                raise ValueError(f"solver='lbfgs' works on all examples with its own step lengths: it takes no {name}")

    def _checked_callbacks(self, validates: bool) -> tuple[Callback, ...]:
        callbacks, rule = prepare(self.callbacks, None)
        if rule is not None or any(isinstance(callback, Checkpoint) for callback in callbacks):
            kind = EarlyStopping if rule is not None else Checkpoint
            raise ValueError(f"callbacks: {kind.__name__} is for fastnn.Network; here early_stopping, n_iter_no_change "
                             "and scoring say when to stop, and pickle keeps an estimator between calls of partial_fit")
        recorded = lbfgs.RECORDED if self.solver == "lbfgs" else stochastic.recorded(validates)
        for callback in callbacks:
            callback.check(SimpleNamespace(epoch=0, recorded=recorded))  # type: ignore[arg-type]
        return callbacks

    def _checked_sample_weight(self, sample_weight: Any, X: Any, name: str = "sample_weight") -> NDArray[Any] | None:
        if sample_weight is None:
            return None
        weights: NDArray[Any] = _check_sample_weight(sample_weight, X)
        if (weights < 0).any():
            raise ValueError(f"{name} must not be negative, got {weights.min():g}")
        if not weights.any():
            raise ValueError(f"{name} must not be all zero")
        return weights

    def _with_factors(self, sample_weight: NDArray[Any] | None, encoded_y: NDArray[Any],
                      incremental: bool) -> NDArray[Any] | None:
        factors = self._class_factors(encoded_y, incremental)
        if factors is None:
            return sample_weight
        weights: NDArray[Any] = factors if sample_weight is None else sample_weight * factors
        if not weights.any():
            raise ValueError("class_weight leaves no example with a weight that is not zero")
        return weights

    def _n_outputs(self, encoded_y: NDArray[Any]) -> int:
        return 1 if encoded_y.ndim == 1 else int(encoded_y.shape[1])

    def _initialize(self, y: Any, layer_units: list[int], dtype: Any) -> None:
        """Draw the parameters of layers with these numbers of units and reset the fitted attributes."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_, self.n_outputs_ = len(layer_units), layer_units[-1]
        self.out_activation_ = self._output_activation()
        if self.solver == "lbfgs" and self.dtype is None:
            drawn, dtype = np.dtype(dtype), np.float64  # SciPy's L-BFGS works in float64
        else:
            drawn = np.dtype(dtype)
        names = self._hidden_activations(len(layer_units) - 2)
        weights = Weights.allocate(layer_units, names, self.out_activation_, dtype)
        # The output layer is drawn like the last hidden layer.
        drawn_for = [*names, names[-1] if names else self.activation]
        for coef, intercept, name in zip(weights.coefs, weights.intercepts, drawn_for, strict=True):
            fan_in, fan_out = coef.shape
            own = () if isinstance(self.activation, str) else (name,)  # subclasses may have scikit-learn's signature
            coef[...], intercept[...] = self._init_coef(fan_in, fan_out, drawn, *own)
        self._take(weights)
        self.__dict__.pop("validation_loss_curve_", None)
        if self.solver != "lbfgs":
            self.__dict__.pop("loss_curve_", None)

    def _init_fit_records(self) -> None:
        """Initialise the attributes that a stochastic fit records, as far as the previous fit did not."""
        if not hasattr(self, "loss_curve_"):
            self.loss_curve_: list[float] = []
            self._no_improvement_count = 0
            self.best_loss_: float | None = None
            self.best_validation_score_: float | None = None
            self.validation_scores_: list[float] | None = None
        if self.early_stopping and self.best_validation_score_ is None:
            self.best_validation_score_, self.validation_scores_ = -np.inf, self.validation_scores_ or []
            self._keep_best()
        elif not self.early_stopping and self.best_loss_ is None:
            self.best_loss_ = np.inf

    def _init_coef(self, fan_in: int, fan_out: int, dtype: Any,
                   activation: str | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the initial W (fan_in, fan_out) and b (fan_out,) of a layer, drawn in float64 and cast to `dtype`.

        The distribution is uniform (Glorot & Bengio 2010). Subclasses may override it, as those of scikit-learn's.
        """
        bound = np.sqrt((2.0 if (activation or self.activation) == "logistic" else 6.0) / (fan_in + fan_out))
        coef, intercept = (self._random_state.uniform(-bound, bound, size) for size in ((fan_in, fan_out), fan_out))
        return coef.astype(dtype, copy=False), intercept.astype(dtype, copy=False)

    def _keep_best(self) -> None:
        self._best_coefs = [coef.copy() for coef in self.coefs_]
        self._best_intercepts = [intercept.copy() for intercept in self.intercepts_]

    def _prepared_solver(self, weights: Weights, incremental: bool) -> Solver:
        """Return a new solver, or for partial_fit the previous one. It is also the attribute `_optimizer`."""
        if not incremental or not hasattr(self, "_optimizer"):
            drops = np.any(self.dropout)  # without dropout nothing is drawn, as in scikit-learn
            seed = int(self._random_state.randint(2**31 - 1)) if drops else 0
            self._optimizer = Solver(self, weights.parameters.layout, weights.architecture.dtype, seed)
        self._optimizer.prepare(weights.parameters.layout, self.alpha)
        return self._optimizer

    def _examples(self, weights: Weights, X: Any, encoded_y: NDArray[Any],
                  sample_weight: NDArray[Any] | None) -> Examples:
        """Return validated data in the core's layout and dtype."""
        dtype = weights.architecture.dtype
        is_label = encoded_y.dtype == np.int32
        Y = encoded_y if is_label else np.ascontiguousarray(encoded_y.reshape(len(encoded_y), -1), dtype)
        n_outputs = weights.architecture.n_outputs
        if Y.shape[1:] not in ((), (n_outputs,)):
            raise ValueError(f"y has {Y.shape[1]} outputs, but the estimator was fitted with {n_outputs}")
        weights_of_examples = None if sample_weight is None else np.ascontiguousarray(sample_weight, dtype)
        return Examples(as_core_reads(X, dtype), Y, weights_of_examples)

    def _validation_set(self, weights: Weights, examples: Examples, X: Any, y: Any, encoded_y: NDArray[Any],
                        sample_weight: Any, given: tuple[Any, Any, Any] | None,
                        ) -> tuple[NDArray[np.int64] | None, ValidationSet | None]:
        """Return the rows to train on (None for all) and the validation set, either given or split off (or None)."""
        if given is not None:
            X_val, y_val, w_val = given
            if X_val is None or y_val is None:
                raise ValueError("X_val and y_val go together")
            X_val, y_val = self._validate_validation_data(X_val, y_val)
            w_val = self._checked_sample_weight(w_val, X_val, "sample_weight_val")
            validation = ValidationSet(self._examples(weights, X_val, self._encode(y_val), w_val), X_val, y_val, w_val)
            rows = None
        elif self.early_stopping:
            rows, held = train_test_split(np.arange(len(examples)), random_state=self._random_state,
                                          test_size=self.validation_fraction, stratify=self._strata(encoded_y))
            if len(held) < 2:
                raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your "
                                 "dataset.")
            validation = ValidationSet(examples.take(held), X[held], y[held],
                                       None if sample_weight is None else sample_weight[held])
        else:
            return None, None
        if self.validation_scores_ is None:
            self.validation_scores_ = []
        if not hasattr(self, "validation_loss_curve_"):
            self.validation_loss_curve_: list[float] = []
        return rows, validation

    def _score_validation(self, validation: ValidationSet) -> float:
        """Return the score that early stopping monitors."""
        if self.scoring is None:
            outputs = self._weights.predictor.outputs(validation.examples.X, n_threads=self.n_threads)
            assert outputs is not None, "examples were validated"
            return self._score_outputs(outputs, validation)
        if not np.isfinite(self._weights.parameters.theta).all():
            return float("nan")  # scorers raise for NaN
        scorer = check_scoring(self, scoring=self.scoring)
        weighted = {}
        if validation.weights is not None and _accepts_sample_weight(scorer):
            weighted["sample_weight"] = validation.weights
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
            return float(scorer(self, validation.X, validation.y, **weighted))
