"""What both estimators do in `fit` and `partial_fit`: checks, first parameters, data for the core, then a solver."""

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
from fastnn._model.model import Examples
from fastnn.callbacks import Callback, Checkpoint, EarlyStopping, prepare
from fastnn.estimators import lbfgs, stochastic
from fastnn.estimators.base import BaseMLP, as_core_reads
from fastnn.estimators.helpers import Helpers
from fastnn.estimators.solvers import Solver
from fastnn.estimators.stochastic import Course, HeldOut
from fastnn.estimators.weights import Weights
from fastnn.losses import Loss

__all__ = ["TrainableMLP"]


def _knows_weights(scorer: Any) -> bool:
    """Tell whether a scorer, or the metric in it, takes a sample_weight."""
    parameters = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
    return "sample_weight" in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())


class TrainableMLP(Helpers, BaseMLP):
    """The base of `MLPClassifier` and `MLPRegressor`."""

    # What the two kinds of estimator do each in their own way

    @abstractmethod
    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        """Return X and y, checked in scikit-learn's way and with its errors."""

    @abstractmethod
    def _encode(self, y: Any) -> NDArray[Any]:
        """Return checked targets as numbers: int32 labels (m,) for a softmax output, else (m,) or (m, n[L])."""

    @abstractmethod
    def _validate_held_out(self, X: Any, y: Any) -> tuple[Any, Any]:
        """Return X_val and y_val, checked."""

    @abstractmethod
    def _core_loss(self, dtype: np.dtype[Any]) -> Loss:
        """Return the loss that training lowers."""

    @abstractmethod
    def _output_activation(self) -> str:
        """Return the activation of the output layer."""

    @abstractmethod
    def _score_outputs(self, outputs: NDArray[Any], held_out: HeldOut) -> float:
        """Return the accuracy or R2 of outputs A[L] (m, n[L])."""

    def _strata(self, coded: NDArray[Any]) -> NDArray[Any] | None:
        """Return labels of which the two parts of an early stopping's split have the same shares."""
        return None

    def _class_factors(self, coded: NDArray[Any], incremental: bool) -> NDArray[np.float64] | None:
        """Return factors (m,) of the sample weights."""
        return None

    # Training

    def _fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: tuple[Any, Any, Any] | None = None,
             *, incremental: bool = False) -> Self:
        if validation_data is not None and all(given is None for given in validation_data):
            validation_data = None
        self._check_combinations(validation_data, incremental)
        hooks = self._hooks(validates=self.early_stopping or validation_data is not None)
        hidden = list(np.atleast_1d(np.asarray(self.hidden_layer_sizes)).tolist())
        if np.any(np.array(hidden) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden}.")
        checks.dropout(self.dropout, self._hidden_activations(len(hidden)))
        if self.scoring is not None:
            check_scoring(self, scoring=self.scoring)
        first_pass = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        X, y = self._validate_input(X, y, incremental, reset=first_pass)
        coded = self._encode(y)
        sample_weight = self._checked_weights(sample_weight, X)
        training_weight = self._with_factors(sample_weight, coded, incremental)
        self._random_state = check_random_state(self.random_state)
        if first_pass:
            self._initialize(coded, [X.shape[1], *hidden, self._n_outputs(coded)], self.dtype or X.dtype)
        weights = self._trainable_weights(X)
        self.n_outputs_ = weights.model.sizes[-1]
        loss = self._core_loss(weights.model.dtype)
        examples = self._examples(weights, X, coded, training_weight)
        if self.solver == "lbfgs":
            lbfgs.minimize(self, weights, loss, examples, hooks)
        else:
            self._open_books()
            solver = self._prepared_solver(weights, incremental)
            rows, held_out = self._held_out(weights, examples, X, y, coded, sample_weight, validation_data)
            Course(self, weights, loss, solver, examples, rows, held_out, hooks, incremental).train()
        if not np.isfinite(weights.model.theta).all():
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

    def _hooks(self, validates: bool) -> tuple[Callback, ...]:
        hooks, rule = prepare(self.callbacks, None)
        if rule is not None or any(isinstance(hook, Checkpoint) for hook in hooks):
            kind = EarlyStopping if rule is not None else Checkpoint
            raise ValueError(f"callbacks: {kind.__name__} is for fastnn.Network; here early_stopping, n_iter_no_change "
                             "and scoring say when to stop, and pickle keeps an estimator between calls of partial_fit")
        recorded = lbfgs.RECORDED if self.solver == "lbfgs" else stochastic.recorded(validates)
        for hook in hooks:
            hook.check(SimpleNamespace(epoch=0, recorded=recorded))  # type: ignore[arg-type]
        return hooks

    def _checked_weights(self, sample_weight: Any, X: Any, name: str = "sample_weight") -> NDArray[Any] | None:
        if sample_weight is None:
            return None
        weights: NDArray[Any] = _check_sample_weight(sample_weight, X)
        if (weights < 0).any():
            raise ValueError(f"{name} must not be negative, got {weights.min():g}")
        if not weights.any():
            raise ValueError(f"{name} must not be all zero")
        return weights

    def _with_factors(self, sample_weight: NDArray[Any] | None, coded: NDArray[Any],
                      incremental: bool) -> NDArray[Any] | None:
        factors = self._class_factors(coded, incremental)
        if factors is None:
            return sample_weight
        weights: NDArray[Any] = factors if sample_weight is None else sample_weight * factors
        if not weights.any():
            raise ValueError("class_weight leaves no example with a weight that is not zero")
        return weights

    def _n_outputs(self, coded: NDArray[Any]) -> int:
        return 1 if coded.ndim == 1 else int(coded.shape[1])

    def _initialize(self, y: Any, layer_units: list[int], dtype: Any) -> None:
        """Draw the parameters of layers of so many units, and set the attributes that a first fit begins with."""
        self.n_iter_ = self.t_ = 0
        self.n_layers_, self.n_outputs_ = len(layer_units), layer_units[-1]
        self.out_activation_ = self._output_activation()
        if self.solver == "lbfgs" and self.dtype is None:
            drawn, dtype = np.dtype(dtype), np.float64  # SciPy's minimiser works in float64
        else:
            drawn = np.dtype(dtype)
        names = self._hidden_activations(len(layer_units) - 2)
        weights = Weights.allocate(layer_units, names, self.out_activation_, dtype)
        # The output layer is drawn as if it were one more hidden layer.
        drawn_for = [*names, names[-1] if names else self.activation]
        for coef, intercept, name in zip(weights.coefs, weights.intercepts, drawn_for, strict=True):
            fan_in, fan_out = coef.shape
            own = () if isinstance(self.activation, str) else (name,)  # a derived class may know scikit-learn's alone
            coef[...], intercept[...] = self._init_coef(fan_in, fan_out, drawn, *own)
        self._take(weights)
        self.__dict__.pop("validation_loss_curve_", None)
        if self.solver != "lbfgs":
            self.__dict__.pop("loss_curve_", None)

    def _open_books(self) -> None:
        """Begin what a stochastic fit records, and what the last one did not because it stopped by another value."""
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
        """Return a layer's first parameters (fan_in, fan_out) and (fan_out,), drawn in float64, then rounded.

        Uniform (Glorot & Bengio 2010); a class derived from this one may draw others, as from scikit-learn's.
        """
        bound = np.sqrt((2.0 if (activation or self.activation) == "logistic" else 6.0) / (fan_in + fan_out))
        coef, intercept = (self._random_state.uniform(-bound, bound, size) for size in ((fan_in, fan_out), fan_out))
        return coef.astype(dtype, copy=False), intercept.astype(dtype, copy=False)

    def _keep_best(self) -> None:
        self._best_coefs = [coef.copy() for coef in self.coefs_]
        self._best_intercepts = [intercept.copy() for intercept in self.intercepts_]

    def _prepared_solver(self, weights: Weights, incremental: bool) -> Solver:
        """Return a new solver, or for partial_fit the last one; it is also the attribute `_optimizer`."""
        if not incremental or not hasattr(self, "_optimizer"):
            drops = np.any(self.dropout)  # else nothing is drawn, as in scikit-learn
            seed = int(self._random_state.randint(2**31 - 1)) if drops else 0
            self._optimizer = Solver(self, weights.model.layout, weights.model.dtype, seed)
        self._optimizer.prepare(weights.model.layout, self.alpha)
        return self._optimizer

    def _examples(self, weights: Weights, X: Any, coded: NDArray[Any], sample_weight: NDArray[Any] | None) -> Examples:
        """Return checked data as the core reads them."""
        dtype = weights.model.dtype
        Y = coded if coded.dtype == np.int32 else np.ascontiguousarray(coded.reshape(len(coded), -1), dtype)
        n_outputs = weights.model.sizes[-1]
        if Y.shape[1:] not in ((), (n_outputs,)):
            raise ValueError(f"y has {Y.shape[1]} outputs, but the estimator was fitted with {n_outputs}")
        weights_of_examples = None if sample_weight is None else np.ascontiguousarray(sample_weight, dtype)
        return Examples(as_core_reads(X, dtype), Y, weights_of_examples)

    def _held_out(self, weights: Weights, examples: Examples, X: Any, y: Any, coded: NDArray[Any], sample_weight: Any,
                  given: tuple[Any, Any, Any] | None) -> tuple[NDArray[np.int64] | None, HeldOut | None]:
        """Return the rows to train on, None for all, and what to validate on: as given, or split off."""
        if given is not None:
            X_val, y_val, w_val = given
            if X_val is None or y_val is None:
                raise ValueError("X_val and y_val go together")
            X_val, y_val = self._validate_held_out(X_val, y_val)
            w_val = self._checked_weights(w_val, X_val, "sample_weight_val")
            held_out = HeldOut(self._examples(weights, X_val, self._encode(y_val), w_val), X_val, y_val, w_val)
            rows = None
        elif self.early_stopping:
            rows, held = train_test_split(np.arange(len(examples)), random_state=self._random_state,
                                          test_size=self.validation_fraction, stratify=self._strata(coded))
            if len(held) < 2:
                raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your "
                                 "dataset.")
            held_out = HeldOut(examples.take(held), X[held], y[held],
                               None if sample_weight is None else sample_weight[held])
        else:
            return None, None
        if self.validation_scores_ is None:
            self.validation_scores_ = []
        if not hasattr(self, "validation_loss_curve_"):
            self.validation_loss_curve_: list[float] = []
        return rows, held_out

    def _score_held_out(self, held_out: HeldOut) -> float:
        """Return the score that early stopping watches."""
        if self.scoring is None:
            outputs = self._weights.predictor.outputs(held_out.examples.X, n_threads=self.n_threads)
            assert outputs is not None, "examples are checked before"
            return self._score_outputs(outputs, held_out)
        if not np.isfinite(self._weights.model.theta).all():
            return float("nan")  # scorers would complain of their input
        scorer = check_scoring(self, scoring=self.scoring)
        weighted = {}
        if held_out.weights is not None and _knows_weights(scorer):
            weighted["sample_weight"] = held_out.weights
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
            return float(scorer(self, held_out.X, held_out.y, **weighted))
