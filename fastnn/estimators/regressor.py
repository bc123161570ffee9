"""MLPRegressor: scikit-learn's regressor on the compiled core."""

from numbers import Real
from typing import Any, ClassVar, Self

from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.metaestimators import available_if

from fastnn._data import checks
from fastnn._prediction.dropout_samples import check_companions
from fastnn.estimators._fit import fit_estimator
from fastnn.estimators._regression import BaseMLPRegressor
from fastnn.estimators._validation import ValidationArguments
from fastnn.losses import Gaussian

__all__ = ["MLPRegressor"]


class MLPRegressor(BaseMLPRegressor):
    """Multi-layer perceptron regressor: scikit-learn's `MLPRegressor` on fastnn's compiled core.

    The same data, parameters and `random_state` give the same results up to rounding.

    Parameters
    ----------
    loss : {'squared_error', 'poisson', 'absolute_error', 'huber', 'quantile', 'gaussian'}, default='squared_error'
        Half the squared error or half the Poisson deviance (exponential output, y >= 0). Only in fastnn: the absolute
        error, the Huber loss, the quantile loss, and the Gaussian likelihood of means and variances that depend on X
        (`fastnn.losses.Gaussian`): `score` is R2 of the means; `predict` can also return standard deviations.
        With several outputs the gradient is that of the sum over the outputs; the reported squared error is the mean
        over them, as in scikit-learn, and the other losses the sum.
    hidden_layer_sizes : array-like of shape (n_layers - 2,), default=(100,)
        Number of units in each hidden layer.
    activation : {'identity', 'logistic', 'tanh', 'relu', 'leaky_relu', 'elu', 'selu', 'gelu', 'silu', 'softplus', \
            'mish'} or array-like of str, default='relu'
        Activation function of the hidden layers. Only in fastnn: the last seven, and a sequence of one name per layer.
    solver : {'lbfgs', 'sgd', 'adam', 'adamw', 'rmsprop'}, default='adam'
        Optimiser. Only in fastnn: 'adamw', whose decoupled weight decay is `alpha`, and 'rmsprop'.
    alpha : float, default=0.0001
        Strength of the L2 penalty, divided by the number of examples in a mini-batch (or the sum of their weights).
    batch_size : int or 'auto', default='auto'
        Examples in a mini-batch; 'auto' is min(200, m). Ignored by 'lbfgs'.
    learning_rate : {'constant', 'invscaling', 'adaptive', 'cosine', 'one_cycle', 'cos_log', 'flat_cosine'}, \
            default='constant'
        Learning rate schedule. 'invscaling' and 'adaptive' apply to 'sgd'. The last four are only in fastnn (see
        `fastnn.schedules`): they set the rate of every step over `max_iter` epochs, with any stochastic solver; each
        warm start begins them anew, and so does `partial_fit` after every `max_iter` calls.
    learning_rate_init : float, default=0.001
        Initial learning rate, or the highest one of 'one_cycle' and 'cos_log'.
    power_t : float, default=0.5
        Exponent of 'invscaling'.
    max_iter : int, default=200
        Maximum number of epochs, or of iterations of 'lbfgs'.
    shuffle : bool, default=True
        Whether to shuffle the examples in each epoch.
    random_state : int, RandomState instance or None, default=None
        Determines the initial parameters, the early stopping split, the order of the examples and dropout.
    tol : float, default=0.0001
        Minimum improvement of the loss or validation score in an epoch. 'lbfgs' has converged when no entry of the
        gradient is larger than `tol`.
    verbose : bool, int or 'bar', default=False
        Whether to print the loss of each epoch. Only in fastnn: 'bar' shows a progress bar (needs tqdm).
    warm_start : bool, default=False
        Whether `fit` continues from the parameters of the previous fit, with a new state of the optimiser.
    momentum : float, default=0.9
        Momentum of 'sgd', between 0 and 1.
    nesterovs_momentum : bool, default=True
        Whether 'sgd' uses Nesterov's momentum.
    early_stopping : bool, default=False
        Whether to stop when the validation score no longer improves and restore the parameters of the best epoch.
    validation_fraction : float, default=0.1
        Fraction of the examples that early stopping holds out. Examples without weight are in neither part.
    beta_1 : float, default=0.9
        Decay rate of the first moment in 'adam' and 'adamw'.
    beta_2 : float, default=0.999
        Decay rate of the second moment in 'adam' and 'adamw'.
    epsilon : float, default=1e-08
        Constant for numerical stability in 'adam', 'adamw' and 'rmsprop'.
    n_iter_no_change : int, default=10
        Training stops after more than this many consecutive epochs without improvement.
    max_fun : int, default=15000
        Maximum number of loss evaluations by 'lbfgs'.
    huber_delta : float, default=1.0
        Only in fastnn. Error above which the Huber loss is linear, in units of y (with `normalize_y`, of its standard
        deviation).
    quantile : float or array-like of float, default=0.5
        Only in fastnn. Quantile of y given X that the quantile loss fits, between 0 and 1. Or increasing levels, else
        a ValueError: predictions then have the shape (m, n_levels), or (m, n_targets, n_levels) for several targets.
        They are sorted along the levels, so that quantiles never cross.
    normalize_y : bool, default=False
        Only in fastnn. Whether to train on y minus its mean, divided by its standard deviation: weighted, per output,
        of the examples that the first fit or call of `partial_fit` trains on. Predictions, scores and y_val are in
        the units of y; `coefs_` and losses are those of the standardised targets. A ValueError for loss='poisson', and
        if it changes before a warm start or a later `partial_fit`.
    dropout : float or array-like of float, default=0.0
        Only in fastnn. Fraction of units that each training step drops, for all hidden layers or one number per layer.
    clip_norm : float or None, default=None
        Only in fastnn. Maximum norm of the gradient; a larger gradient is scaled down to it.
    validation_split : {'random', 'last'}, default='random'
        Only in fastnn. Which examples early stopping holds out; 'last', for time series, takes the last rows.
    scoring : str, callable or None, default=None
        Only in fastnn. Scorer that early stopping monitors, as elsewhere in scikit-learn, or "loss" for the negative
        validation loss; None uses that of `score`. A scorer that accepts `sample_weight` gets the weights of the
        validation data. A score that is NaN or infinite counts as no improvement.
    callbacks : sequence or None, default=()
        Only in fastnn. Functions called after each epoch as ``callback(estimator, record)``, which stop the training by
        returning True; or instances of `fastnn.callbacks.LambdaCallback`, `CSVLogger` or your own subclass of
        `Callback`. Copies and clones share them; pickles, and so worker processes, hold copies. A
        pickle made during a fit leaves out those that may hold data, such as earlier pickles.
    dtype : {'float32', 'float64'} or None, default=None
        Only in fastnn. Precision of the parameters and computations; None uses that of X, and float64 for 'lbfgs'.
    n_threads : int or None, default=None
        Only in fastnn. Maximum number of threads; None uses FASTNN_NUM_THREADS, OMP_NUM_THREADS or all available cores.
    frozen_layers : array-like of int, default=()
        Only in fastnn. Numbers l of layers whose coefs_[l-1] and intercepts_[l-1] stay as they are, from 1 to
        n_layers_ - 1, or from -1, the last, downwards; not all of them, else a ValueError. For `warm_start` or
        `partial_fit` after a first fit, or of a converted model: a fit that draws new weights freezes those, with a
        warning.

    Attributes
    ----------
    coefs_ : list of ndarray of shape (n[l-1], n[l])
        Weights of each layer: writable, transposed views of the core's W[l].
    intercepts_ : list of ndarray of shape (n[l],)
        Biases of each layer: writable views of the core's b[l].
    loss_ : float
        Mean loss over the mini-batches of the last epoch, including the L2 penalty, each before its update.
    loss_curve_ : list of float
        Value of `loss_` after each epoch, or each iteration of 'lbfgs'. Stochastic warm starts and `partial_fit` add to
        the curves of the calls before, if these recorded the same values. Of earlier calls, `partial_fit` keeps as many
        epochs as the last fit left and 199 more; a warm start keeps 10,000.
    best_loss_ : float or None
        Minimum of `loss_` over the epochs; None with early stopping.
    validation_scores_ : list of float or None
        Validation score after each epoch; None without early stopping and X_val.
    best_validation_score_ : float or None
        Maximum of `validation_scores_`; None without early stopping.
    validation_loss_curve_ : list of float
        Only in fastnn. Validation loss after each epoch, without the penalty, with early stopping or X_val.
    y_mean_ : ndarray of shape (n_outputs,)
        Only in fastnn. With `normalize_y`, the mean of y that predictions add.
    y_scale_ : ndarray of shape (n_outputs,)
        Only in fastnn. With `normalize_y`, the standard deviation of y that multiplies predictions; 1 if y is constant.
    t_ : int
        Number of training examples processed.
    n_iter_ : int
        Number of epochs or iterations of the last fit.
    n_layers_ : int
        Number of layers, including the input layer.
    n_outputs_ : int
        Number of output units.
    out_activation_ : str
        Activation function of the output layer.
    n_features_in_ : int
        Number of features of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Feature names of X, if it has string column names.

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
        **BaseMLPRegressor._parameter_constraints,
        "loss": [StrOptions({"squared_error", "poisson", "absolute_error", "huber", "quantile", "gaussian"})],
        "huber_delta": [Interval(Real, 0, None, closed="neither")],
        "quantile": [Interval(Real, 0, 1, closed="neither"), "array-like"],
        "normalize_y": ["boolean"],
    }

    def __init__(self, loss: str = "squared_error", hidden_layer_sizes: Any = (100,), activation: Any = "relu", *,
                 solver: str = "adam", alpha: float = 0.0001, batch_size: Any = "auto",
                 learning_rate: str = "constant", learning_rate_init: float = 0.001, power_t: float = 0.5,
                 max_iter: int = 200, shuffle: bool = True, random_state: Any = None, tol: float = 1e-4,
                 verbose: Any = False, warm_start: bool = False, momentum: float = 0.9,
                 nesterovs_momentum: bool = True, early_stopping: bool = False, validation_fraction: float = 0.1,
                 beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8, n_iter_no_change: float = 10,
                 max_fun: int = 15000, huber_delta: float = 1.0, quantile: Any = 0.5, normalize_y: bool = False,
                 dropout: Any = 0.0, clip_norm: float | None = None, validation_split: str = "random",
                 scoring: Any = None, callbacks: Any = (), dtype: str | None = None,
                 n_threads: int | None = None, frozen_layers: Any = ()) -> None:
        self._set_parameters(locals())

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None,
            sample_weight_val: Any = None) -> Self:
        """Fit the model to X and y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n_x)
            Training examples.
        y : array-like of shape (m,) or (m, n_outputs)
            Targets.
        sample_weight : array-like of shape (m,) or (m, n_outputs), default=None
            Non-negative weights, not all zero. A mini-batch without weight makes no step. Of equal weights, and of
            weights with a mean below 0.1 or above 1e6, only the ratios count. Only in fastnn: one for each of
            several targets or labels of an example, 0 where it is unknown.
        X_val, y_val : same as X and y, with m_val rows, default=None
            Only in fastnn. Validation data. Early stopping uses it instead of a part of X; otherwise it is only scored.
        sample_weight_val : array-like of shape (m_val,) or (m_val, n_outputs), default=None
            Only in fastnn. Weights of the validation examples, for X_val and y_val.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If an argument is invalid, the score that early stopping watches is not defined for the validation data, or
            the parameters did not stay finite. After any error the estimator is as before the call.

        Warns
        -----
        ConvergenceWarning
            If the last epoch was reached, a score is not finite or stood still while the validation loss fell, or a
            regressor fits targets of an unusual scale badly.
        """
        fit_estimator(self, X, y, sample_weight, ValidationArguments(X_val, y_val, sample_weight_val))
        return self

    @available_if(lambda estimator: estimator._check_solver())  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None) -> Self:
        """Train for one epoch on X and y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n_x)
        y : array-like of shape (m,) or (m, n_outputs)
        sample_weight : array-like of shape (m,) or (m, n_outputs), default=None

        Returns
        -------
        self : object
            The estimator.

        Raises
        ------
        ValueError, TypeError
            If an argument or a changed parameter is invalid, or the loss is not finite. The estimator is then as before
            the call, except for the mini-batches before the one whose loss is not finite.

        Warns
        -----
        ConvergenceWarning
            If 'adaptive' or 'invscaling' has lowered the learning rate to 1e-6 or less.
        """
        fit_estimator(self, X, y, sample_weight, incremental=True)
        return self

    def predict(self, X: Any, *, return_std: bool = False, dropout_samples: int | None = None,
                random_state: Any = None) -> Any:
        """Return the prediction for each row of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n_x)
        return_std : bool, default=False
            Only in fastnn. For loss='gaussian' or with `dropout_samples`: also return the standard deviations. With
            both, their variance is the mean of the variances plus the variance of the means.
        dropout_samples : int or None, default=None
            Only in fastnn. Return the mean over this many forward passes that drop units as in training (Gal &
            Ghahramani 2016), at the rates of `dropout`.
        random_state : int, RandomState instance or None, default=None
            Only in fastnn. Determines the units that these passes drop.

        Returns
        -------
        ndarray of shape (m,) or (m, n_outputs), or a tuple of two with `return_std`
            The means for loss='gaussian'. With levels of `quantile` (m, n_levels), for several targets (m, n_targets,
            n_levels).

        Raises
        ------
        ValueError, TypeError
            If an argument is invalid, `return_std` is asked of another loss without `dropout_samples`, or these of a
            model without dropout.
        """
        self._check_fitted()
        checks.flag(return_std, "return_std")
        if dropout_samples is not None or random_state is not None:
            check_companions(dropout_samples, random_state=random_state)
            mean, std = self._sampled_predictions(X, dropout_samples, random_state)
            return (mean, std) if return_std else mean
        if not return_std:
            return self._shaped(self._in_units(self._forward_pass_fast(X)))
        loss = self._shaping_loss()
        if not isinstance(loss, Gaussian):
            raise ValueError(f"return_std needs loss='gaussian', got {self._fitted('loss')!r}, or dropout_samples")
        outputs = self._in_units(self._forward_pass_fast(X))
        return self._shaped(outputs), self._flat(loss.deviations(outputs))
