"""What both estimators share: parameters, fit, the forward pass, pickling."""

import inspect
import warnings
from abc import ABC, abstractmethod
from numbers import Integral, Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state
from sklearn.utils._param_validation import Interval, Options, StrOptions
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from fastnn import validation
from fastnn.callbacks import Callback, Checkpoint, EarlyStopping, prepare
from fastnn.estimators import lbfgs
from fastnn.estimators.outgoing import to_sklearn
from fastnn.estimators.solvers import STOCHASTIC_SOLVERS, Solver
from fastnn.estimators.stochastic import Course, HeldOut
from fastnn.estimators.weights import Weights
from fastnn.losses import Loss
from fastnn.model import Examples
from fastnn.sparse import SparseRows, is_sparse

__all__ = ["BaseMLP"]

ACTIVATIONS = ("identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus")
# Not kept in a copy or a pickle: made anew.
TRANSIENT = frozenset({"_weights"})


def _knows_weights(scorer: Any) -> bool:
    """Tell whether a scorer, or the metric in it, takes a sample_weight."""
    parameters = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
    return "sample_weight" in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())


class BaseMLP(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator, ABC):  # type: ignore[misc]
    """The base of `MLPClassifier` and `MLPRegressor`; their docstrings describe its parameters and attributes."""

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
    def _output_of(self, coded: NDArray[Any]) -> tuple[str, int]:
        """Return the output's activation and units for these targets."""

    @abstractmethod
    def _score_outputs(self, outputs: NDArray[Any], held_out: HeldOut) -> float:
        """Return the accuracy or R2 of outputs A[L] (m, n[L])."""

    def _strata(self, coded: NDArray[Any]) -> NDArray[Any] | None:
        """Return labels of which the two parts of an early stopping's split have the same shares."""
        return None

    def _class_factors(self, coded: NDArray[Any], incremental: bool) -> NDArray[np.float64] | None:
        """Return factors (m,) of the sample weights."""
        return None

    def _set_parameters(self, arguments: dict[str, Any]) -> None:
        """Keep the constructor's arguments as they are, as scikit-learn's `clone` wants it."""
        self.__dict__.update({name: value for name, value in arguments.items() if name not in ("self", "__class__")})

    def _check_solver(self) -> bool:
        if self.solver not in STOCHASTIC_SOLVERS:
            raise AttributeError("partial_fit is only available for stochastic optimizers. "
                                 f"{self.solver} is not stochastic.")
        return True

    # Training

    def _fit(self, X: Any, y: Any, sample_weight: Any = None, validation_data: tuple[Any, Any, Any] | None = None,
             *, incremental: bool = False) -> Self:
        if validation_data is not None and all(given is None for given in validation_data):
            validation_data = None
        self._check_combinations(validation_data)
        hooks = self._hooks()
        hidden = list(np.atleast_1d(np.asarray(self.hidden_layer_sizes)).tolist())
        if np.any(np.array(hidden) <= 0):
            raise ValueError(f"hidden_layer_sizes must be > 0, got {hidden}.")
        validation.dropout(self.dropout, self._hidden_activations(len(hidden)))
        if self.scoring is not None:
            check_scoring(self, scoring=self.scoring)
        first_pass = not hasattr(self, "coefs_") or (not self.warm_start and not incremental)
        X, y = self._validate_input(X, y, incremental, reset=first_pass)
        coded = self._encode(y)
        sample_weight = self._checked_weights(sample_weight, X)
        training_weight = self._with_factors(sample_weight, coded, incremental)
        self._random_state = check_random_state(self.random_state)
        if first_pass:
            self._initialize(coded, [X.shape[1], *hidden], self.dtype or X.dtype)
        weights = self._trainable_weights(X)
        loss = self._core_loss(weights.model.dtype)
        examples = self._examples(weights, X, coded, training_weight)
        if self.solver == "lbfgs":
            lbfgs.minimize(self, weights, loss, examples, hooks)
        else:
            if self.early_stopping and incremental:
                raise ValueError("partial_fit does not support early_stopping=True")
            self._open_books()
            solver = self._prepared_solver(weights, incremental)
            rows, held_out = self._held_out(weights, examples, X, y, coded, sample_weight, validation_data)
            Course(self, weights, loss, solver, examples, rows, held_out, hooks, incremental).train()
        if not np.isfinite(weights.model.theta).all():
            raise ValueError("Solver produced non-finite parameter weights. The input data may contain large values "
                             "and need to be preprocessed.")
        return self

    def _check_combinations(self, validation_data: Any) -> None:
        if self.solver != "lbfgs":
            return
        given = {"dropout": np.any(self.dropout), "clip_norm": self.clip_norm is not None,
                 "X_val": validation_data is not None, "verbose='bar'": self.verbose == "bar"}
        for name, refused in given.items():
            if refused:
                raise ValueError(f"solver='lbfgs' works on all examples with its own step lengths: it takes no {name}")

    def _hooks(self) -> tuple[Callback, ...]:
        hooks, rule = prepare(self.callbacks, None)
        if rule is not None or any(isinstance(hook, Checkpoint) for hook in hooks):
            kind = EarlyStopping if rule is not None else Checkpoint
            raise ValueError(f"callbacks: {kind.__name__} is for fastnn.Network; here early_stopping, n_iter_no_change "
                             "and scoring say when to stop, and pickle keeps an estimator between calls of partial_fit")
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
        if factors is None or sample_weight is None:
            return sample_weight if factors is None else factors
        return sample_weight * factors

    def _initialize(self, coded: NDArray[Any], sizes: list[int], dtype: Any) -> None:
        """Draw the parameters and set the attributes that a first fit begins with."""
        self.n_iter_ = self.t_ = 0
        self.out_activation_, self.n_outputs_ = self._output_of(coded)
        self.n_layers_ = len(sizes) + 1
        if self.solver == "lbfgs" and self.dtype is None:
            drawn, dtype = np.dtype(dtype), np.float64  # SciPy's minimiser works in float64
        else:
            drawn = np.dtype(dtype)
        names = self._hidden_activations(len(sizes) - 1)
        weights = Weights.allocate([*sizes, self.n_outputs_], names, self.out_activation_, dtype)
        # The output layer is drawn as if it were one more hidden layer.
        drawn_for = [*names, names[-1] if names else self.activation]
        for coef, intercept, name in zip(weights.coefs, weights.intercepts, drawn_for, strict=True):
            self._draw(coef, intercept, name, drawn)
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

    def _draw(self, coef: NDArray[Any], intercept: NDArray[Any], activation: str, dtype: np.dtype[Any]) -> None:
        """Fill a layer uniformly (Glorot & Bengio 2010): (n[l-1], n[l]) and (n[l],), drawn in float64, then rounded."""
        bound = np.sqrt((2.0 if activation == "logistic" else 6.0) / sum(coef.shape))
        for array in (coef, intercept):
            array[...] = self._random_state.uniform(-bound, bound, array.shape).astype(dtype, copy=False)

    def _hidden_activations(self, n_hidden: int) -> list[str]:
        return list(validation.hidden_activations(self.activation, n_hidden, ACTIVATIONS))

    def _keep_best(self) -> None:
        self._best_coefs = [coef.copy() for coef in self.coefs_]
        self._best_intercepts = [intercept.copy() for intercept in self.intercepts_]

    def _prepared_solver(self, weights: Weights, incremental: bool) -> Solver:
        """Return a new solver, or for partial_fit the last one; it is also the attribute `_optimizer`."""
        if not incremental or not hasattr(self, "_optimizer"):
            drops = np.any(self.dropout)  # else nothing is drawn, as in scikit-learn
            seed = int(self._random_state.randint(2**31 - 1)) if drops else 0
            self._optimizer = Solver(self, weights.model.layout, weights.model.dtype, seed)
        self._optimizer.fit_layout(weights.model.layout)
        return self._optimizer

    def _examples(self, weights: Weights, X: Any, coded: NDArray[Any], sample_weight: NDArray[Any] | None) -> Examples:
        """Return checked data as the core reads them."""
        dtype = weights.model.dtype
        core_X = SparseRows.of(X, dtype) if is_sparse(X) else validation.as_real(X, dtype)
        Y = coded if coded.dtype == np.int32 else np.ascontiguousarray(coded.reshape(len(coded), -1), dtype)
        if Y.shape[1:] not in ((), (self.n_outputs_,)):
            raise ValueError(f"y has {Y.shape[1]} outputs, but the estimator was fitted with {self.n_outputs_}")
        return Examples(core_X, Y, None if sample_weight is None else np.ascontiguousarray(sample_weight, dtype))

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
        scorer = check_scoring(self, scoring=self.scoring)
        weighted = {}
        if held_out.weights is not None and _knows_weights(scorer):
            weighted["sample_weight"] = held_out.weights
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
            return float(scorer(self, held_out.X, held_out.y, **weighted))

    # The parameters

    def _description(self) -> tuple[Any, str]:
        """Return the activations, as far as they could be changed by hand."""
        activation = self.activation
        return activation if isinstance(activation, str) else tuple(activation), self.out_activation_

    def _take(self, weights: Weights) -> None:
        best = "_best_coefs" in self.__dict__ and self._best_coefs is self.__dict__.get("coefs_")
        self._weights = weights
        self._described = self._description()
        self.coefs_: list[NDArray[Any]] = list(weights.coefs)
        self.intercepts_: list[NDArray[Any]] = list(weights.intercepts)
        if best:
            self._best_coefs, self._best_intercepts = self.coefs_, self.intercepts_

    def _fitted_weights(self) -> Weights:
        """Return the parameters in an arena: copies, where someone replaced an array of coefs_ or intercepts_."""
        weights: Weights | None = self.__dict__.get("_weights")
        if (weights is not None and self._described == self._description()
                and weights.are(self.coefs_, self.intercepts_)):
            return weights
        names = self._hidden_activations(len(self.coefs_) - 1)
        return Weights.of(self.coefs_, self.intercepts_, names, self.out_activation_)

    def _trainable_weights(self, X: Any) -> Weights:
        """Return the parameters as training on X needs them; coefs_ and intercepts_ are their views then."""
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

    # Use

    def _forward_pass_fast(self, X: Any, check_input: bool = True) -> NDArray[Any]:
        """Return A[L] of each row of X (m, n_x), as (m, n[L])."""
        weights = self._fitted_weights()
        return self._outputs(weights, X, check_input)

    def _outputs(self, weights: Weights, X: Any, check_input: bool = True) -> NDArray[Any]:
        dtype = weights.model.dtype
        ready = type(X) is np.ndarray and X.ndim == 2 and X.dtype == dtype and len(X) > 0 and \
            X.shape[1] == weights.model.sizes[0] and not hasattr(self, "feature_names_in_")
        if ready:  # the core looks for NaN itself
            outputs = weights.predictor.outputs(validation.as_real(X, dtype), n_threads=self.n_threads)
            if outputs is not None:
                return outputs
        if check_input:
            X = validate_data(self, X, accept_sparse=["csr", "csc"], reset=False)
        core_X = SparseRows.of(X, dtype) if is_sparse(X) else validation.as_real(X, dtype)
        outputs = weights.predictor.outputs(core_X, n_threads=self.n_threads)
        if outputs is None:
            validation.refuse_not_finite(core_X.values if isinstance(core_X, SparseRows) else core_X, "X", dtype)
        return outputs.astype(np.result_type(X.dtype, dtype), copy=False)

    def _loss_grad_lbfgs(self, packed_coef_inter: NDArray[Any], X: Any, y: Any,
                         *buffers: Any) -> tuple[float, NDArray[Any]]:
        """Return J and its gradient at packed parameters; scikit-learn 1.6 has no sample_weight before the buffers."""
        *sample_weight, _, _, coef_grads, intercept_grads = buffers
        return lbfgs.cost_and_gradient(self, packed_coef_inter, X, y, sample_weight[0] if sample_weight else None,
                                       coef_grads, intercept_grads)

    def to_sklearn(self) -> Any:
        """Return scikit-learn's estimator in this one's state: parameters, and all that was fitted.

        Raises
        ------
        ValueError
            If a parameter that scikit-learn's does not have is not at its default, or one has a value unknown there.
        """
        return to_sklearn(self)

    def _check_fitted(self) -> None:
        if "coefs_" not in self.__dict__:  # check_is_fitted alone takes longer than a prediction
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
        """Of `transform`."""
        return int(self.coefs_[-1].shape[0])

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32"]
        return tags
