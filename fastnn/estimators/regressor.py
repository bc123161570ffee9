"""MLPRegressor: scikit-learn's, on the compiled core."""

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if
from sklearn.utils.validation import validate_data

from fastnn.estimators.documentation import documented
from fastnn.estimators.fitting import TrainableMLP
from fastnn.estimators.losses import MeanSquaredError
from fastnn.estimators.stochastic import HeldOut
from fastnn.losses import Absolute, Huber, Loss, Poisson, Quantile

__all__ = ["MLPRegressor"]


@documented
class MLPRegressor(RegressorMixin, TrainableMLP):  # type: ignore[misc]
    """Multi-layer perceptron regressor: scikit-learn's `MLPRegressor`, number for number, on the compiled core.

    The parameters from `huber_delta` on, and the values marked with a star, are fastnn's own.

    Parameters
    ----------
    loss : {'squared_error', 'poisson', 'absolute_error', 'huber', 'quantile'}, default='squared_error'
        Half the squared error, half the Poisson deviance (of an exponential output, for y >= 0); * the absolute error,
        Huber's loss, the quantile loss. Of several outputs the squared error reports the mean, though its gradient is
        that of the sum, as in scikit-learn; the others sum both.
    {parameters}
    huber_delta : float, default=1.0
        * Errors beyond it count linearly, in units of y.
    quantile : float, default=0.5
        * Which quantile of y given X to fit, between 0 and 1.
    {extras}

    Attributes
    ----------
    {attributes}

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from fastnn import MLPRegressor
    >>> X, y = make_regression(n_samples=200, n_features=20, random_state=1)
    >>> regr = MLPRegressor(random_state=1, max_iter=2000, tol=0.1).fit(X, y)
    >>> regr.predict(X[:2]).shape
    (2,)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TrainableMLP._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson", "absolute_error", "huber", "quantile"})],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
        "quantile": [Interval(Real, 0, 1, closed="neither")],
    }

    def __init__(self, loss: str = "squared_error", hidden_layer_sizes: Any = (100,), activation: Any = "relu", *,
                 solver: str = "adam", alpha: float = 0.0001, batch_size: Any = "auto",
                 learning_rate: str = "constant", learning_rate_init: float = 0.001, power_t: float = 0.5,
                 max_iter: int = 200, shuffle: bool = True, random_state: Any = None, tol: float = 1e-4,
                 verbose: Any = False, warm_start: bool = False, momentum: float = 0.9,
                 nesterovs_momentum: bool = True, early_stopping: bool = False, validation_fraction: float = 0.1,
                 beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8, n_iter_no_change: float = 10,
                 max_fun: int = 15000, huber_delta: float = 1.0, quantile: float = 0.5, dropout: Any = 0.0,
                 clip_norm: float | None = None, scoring: Any = None, callbacks: Any = (), dtype: str | None = None,
                 n_threads: int | None = None) -> None:
        self._set_parameters(locals())

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], multi_output=True, y_numeric=True,
                             dtype=(np.float64, np.float32), reset=reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and y.min() < 0:
            raise ValueError(f"y must not be negative for loss='poisson', got {y.min():g}")
        return X, y

    def _validate_held_out(self, X: Any, y: Any) -> tuple[Any, Any]:
        return self._validate_input(X, y, incremental=True, reset=False)

    def _encode(self, y: Any) -> NDArray[Any]:
        return np.asarray(y, np.float64)

    def _output_activation(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _core_loss(self, dtype: np.dtype[Any]) -> Loss:
        losses: dict[str, Loss] = {
            "squared_error": MeanSquaredError(self.n_outputs_),
            "poisson": Poisson(),
            "absolute_error": Absolute(),
            "huber": Huber(float(self.huber_delta)),
            "quantile": Quantile(float(self.quantile)),
        }
        return losses[self.loss]

    def _score_outputs(self, outputs: NDArray[Any], held_out: HeldOut) -> float:
        if not np.isfinite(outputs).all():
            return float("nan")
        return float(r2_score(held_out.y, outputs.reshape(held_out.y.shape), sample_weight=held_out.weights))

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None,
            sample_weight_val: Any = None) -> Self:
        """Fit the model to X and y.

        {fit_parameters}
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    @available_if(lambda estimator: estimator._check_solver())  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Go through the data once.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n_x)
        y : array-like of shape (m,) or (m, n_outputs)
        sample_weight : array-like of shape (m,), default=None

        Returns
        -------
        self : object
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the values for each row of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n_x)

        Returns
        -------
        ndarray of shape (m,) or (m, n_outputs)
        """
        self._check_fitted()
        outputs = self._forward_pass_fast(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs
