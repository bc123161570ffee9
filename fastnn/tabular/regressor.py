"""TabularRegressor: a regressor for tables."""

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin, _fit_context
from sklearn.metrics import d2_pinball_score, r2_score
from sklearn.utils import check_array, column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions

from fastnn.estimators._inputs import check_sample_weight
from fastnn.estimators._targets import moderate
from fastnn.estimators._user_data import located, refuse_no_numbers
from fastnn.losses import Loss, Quantile
from fastnn.tabular._base import BaseTabular
from fastnn.tabular._data import TableData, loss_weights
from fastnn.tabular._fit import fit_tabular
from fastnn.tabular._members import Member, predicted_values
from fastnn.tabular._targets import REGRESSION_LOSSES, regression_loss

__all__ = ["TabularRegressor"]


class TabularRegressor(RegressorMixin, BaseTabular):  # type: ignore[misc]
    """Regressor for a table as it is: numbers of any scale, categories, missing values.

    A multi-layer perceptron, trained by the recipe of RealMLP-TD [1]_: robust scaling and periodic embeddings of
    numbers, learned vectors for categories of many values, a cyclic learning rate, and the best epoch on a fifth of the
    rows, which are held out. All numbers of the recipe are parameters; the defaults are those of the paper.

    Parameters
    ----------
    loss : {'squared_error', 'absolute_error', 'quantile'}, default='squared_error'
        What is minimised; targets are standardised for it.
    quantile : float or array-like of float, default=0.5
        The level, or the increasing levels, of loss='quantile'; a single model predicts all of them.
    n_models : int, default=1
        Networks with different seeds and hold-outs, whose predictions are averaged. They are trained at the same time
        if there are threads for them.
    time_limit : float or None, default=None
        Seconds that `fit` may take. If the recipe takes longer, as measured by a few steps, the schedules are planned
        over fewer epochs, or parts of an epoch.
    scoring : str, callable or None, default=None
        The score of the best epoch on the held-out rows, a name or function of scikit-learn; None is the negative root
        mean squared error, or the negative error of `loss`. Of equally good epochs the last one counts.
    validation_fraction : float, default=0.2
        Fraction of the rows that are held out. With 0, or fewer than 10 rows, none is held out and the last epoch
        counts.
    categorical_features : 'auto', array-like of names, positions or bools, default='auto'
        Columns whose numbers are categories. Texts, bools, columns of dtype "category" and objects other than numbers
        are categories in any case.
    max_one_hot : int, default=8
        The largest number of values of a category that gets a column for each; categories of more values get learned
        vectors.
    clip : float or None, default=3.0
        The bound c of scaled numbers, x / sqrt(1 + (x / c)^2).
    n_frequencies : int, default=16
        Frequencies of the embedding of a number; 0 for no embedding.
    n_embedding_outputs : int, default=3
        Periodic features of a number, besides the number itself.
    frequency_scale : float, default=0.1
        Standard deviation of the initial frequencies.
    vector_size : int, default=8
        Size of the vector of a category.
    hidden_layer_sizes : array-like of int, default=(256, 256, 256)
        Numbers of units of the hidden layers.
    activation : str or array-like of str, default='mish'
        Activation of the hidden layers, as for `MLPRegressor`, or 'mish'.
    dropout : float or array-like of float, default=0.15
        Fraction of hidden units that a step drops, before `flat`.
    epochs : int, default=256
        Passes over the training rows. All are made; the best one gives the parameters.
    batch_size : int, default=256
        Rows of a mini-batch. An incomplete one at the end of an epoch is left out.
    learning_rate : float, default=0.2
        Highest rate of the schedule `fastnn.schedules.CosLog`.
    bumps : int, default=4
        Cycles of the schedule.
    flat : float, default=0.5
        Part of the training in which weight decay and dropout keep their values, before they fall to 0 as a cosine.
    beta_1 : float, default=0.9
        Decay rate of the first moment of Adam.
    beta_2 : float, default=0.95
        Decay rate of the second moment of Adam.
    epsilon : float, default=1e-08
        Constant for numerical stability in Adam.
    weight_decay : float, default=0.02
        Decoupled weight decay. Biases have none; other parameters have it times the square of their rate below.
    input_scale_rate : float, default=6.0
        Learning rate, relative to that of the net, of the learned factors of the inputs; 0 for no factors.
    embedding_rate : float, default=0.1
        The same for the embeddings of numbers.
    vector_rate : float, default=1.0
        The same for the vectors of categories.
    bias_rate : float, default=0.1
        The same for biases.
    mixture_rate : float, default=0.1
        The same for the learned mixture of activation and identity of each hidden unit; 0 for no mixtures.
    dtype : {'float32', 'float64'}, default='float32'
        Precision of the parameters and computations.
    callbacks : sequence or None, default=()
        Functions called after each epoch as ``callback(estimator, record)``, which stop the training by returning True,
        or instances of `fastnn.callbacks.Callback`. The estimator is a copy that predicts with the network in training.
        With several models, records have the number of the "model".
    random_state : int, RandomState instance or None, default=None
        Determines the hold-outs, the initial parameters, the order of the rows and dropout. The same seed and number of
        threads give bitwise the same model, without `time_limit`.
    n_threads : int or None, default=None
        Maximum number of threads; None uses FASTNN_NUM_THREADS, OMP_NUM_THREADS or all available cores.
    verbose : bool, int or 'bar', default=False
        Whether to print the scores of each epoch; 'bar' shows a progress bar (needs tqdm).

    Attributes
    ----------
    n_outputs_ : int
        Number of targets.
    encoder_ : fastnn.preprocessing.TableEncoder
        The fitted encoder of the table.
    history_ : fastnn.History
        Losses and scores of each epoch, of the first model.
    networks_ : list of fastnn.Network
        The trained networks, of rows encoded by `encoder_` and standardised targets. None if y was constant.
    histories_ : list of fastnn.History
        Of each model.
    best_epoch_ : int or None
        The epoch of the first model's parameters; None for the last one.
    n_features_in_ : int
        Number of columns of X.
    feature_names_in_ : ndarray of shape (n_features_in_,)
        Names of the columns, if they are strings.

    References
    ----------
    .. [1] D. Holzmüller, L. Grinsztajn and I. Steinwart, "Better by default: strong pre-tuned MLPs and boosted trees on
       tabular data", NeurIPS 2024, arXiv 2407.04491.

    Examples
    --------
    >>> from sklearn.datasets import load_diabetes
    >>> from fastnn import TabularRegressor
    >>> X, y = load_diabetes(return_X_y=True, as_frame=True)
    >>> model = TabularRegressor(loss="quantile", quantile=[0.1, 0.5, 0.9], epochs=32, random_state=0).fit(X, y)
    >>> model.predict(X[:2]).shape
    (2, 3)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseTabular._parameter_constraints,
        "loss": [StrOptions(set(REGRESSION_LOSSES))],
        "quantile": [Interval(Real, 0, 1, closed="neither"), "array-like"],
    }

    def __init__(self, *, loss: str = "squared_error", quantile: Any = 0.5, n_models: int = 1,
                 time_limit: float | None = None, scoring: Any = None, validation_fraction: float = 0.2,
                 categorical_features: Any = "auto", max_one_hot: int = 8, clip: float | None = 3.0,
                 n_frequencies: int = 16, n_embedding_outputs: int = 3, frequency_scale: float = 0.1,
                 vector_size: int = 8, hidden_layer_sizes: Any = (256, 256, 256), activation: Any = "mish",
                 dropout: Any = 0.15, epochs: int = 256, batch_size: int = 256, learning_rate: float = 0.2,
                 bumps: int = 4, flat: float = 0.5, beta_1: float = 0.9, beta_2: float = 0.95, epsilon: float = 1e-8,
                 weight_decay: float = 0.02, input_scale_rate: float = 6.0, embedding_rate: float = 0.1,
                 vector_rate: float = 1.0, bias_rate: float = 0.1, mixture_rate: float = 0.1, dtype: str = "float32",
                 callbacks: Any = (), random_state: Any = None, n_threads: int | None = None,
                 verbose: Any = False) -> None:
        self._set_parameters(locals())

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, *, sample_weight: Any = None, X_val: Any = None, y_val: Any = None) -> Self:
        """Fit the model to X and y.

        Parameters
        ----------
        X : table or array-like of shape (m, n)
            A table of pandas, polars or pyarrow, or an array; NaN, None and NA are missing values.
        y : array-like of shape (m,) or (m, n_outputs)
            Finite numbers of any scale.
        sample_weight : array-like of shape (m,), default=None
            Non-negative weights, not all zero.
        X_val, y_val : same as X and y, with m_val rows, default=None
            Rows to choose the best epoch by, instead of a part of X.

        Returns
        -------
        self : object
            The fitted estimator.

        Raises
        ------
        ValueError, TypeError
            If an argument is invalid; the error names the column and row. After any error the estimator is as before
            the call.
        """
        fit_tabular(self, X, y, sample_weight, X_val, y_val)
        return self

    def predict(self, X: Any) -> NDArray[np.float64]:
        """Return the prediction for each row of X, which lies in the range of the training targets.

        Parameters
        ----------
        X : table or array-like of shape (m, n)
            With the columns of training, in any order if they have names. Further columns are ignored. Categories that
            did not occur in training count as missing.

        Returns
        -------
        ndarray of float64
            (m,) or (m, n_outputs), as y was. With a sequence of q levels of `quantile`, (m, q) or (m, n_outputs, q);
            they do not decrease along the levels.
        """
        E = self._encoded(X)
        if self._members:
            predicted = predicted_values(self._members, E, self._loss_, self.n_threads)
        else:
            shape = (*self._constant_.shape, len(self._levels)) if self._levels else self._constant_.shape
            constant = self._constant_[:, None] if self._levels else self._constant_
            predicted = np.broadcast_to(constant, (len(E), *shape)).copy()
        return predicted[:, 0] if self._flat_ else predicted

    @property
    def _levels(self) -> tuple[float, ...] | None:
        """The levels of the fit, if there was a sequence of them."""
        loss = self._loss_
        return loss.q if isinstance(loss, Quantile) and isinstance(loss.q, tuple) else None

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R2 of the predictions, with several levels of `quantile` the mean of D2 over them.

        D2 is 1 - L / L0 with the quantile loss L of the predictions and L0 of the best constant prediction. R2 is the
        same with squared errors.

        Parameters
        ----------
        X : table or array-like of shape (m, n)
        y : array-like of shape (m,) or (m, n_outputs)
        sample_weight : array-like of shape (m,), default=None

        Returns
        -------
        float
        """
        predicted, y = self.predict(X), self._validated_y(y)
        weights = check_sample_weight(sample_weight, y, y, 1)
        y, predicted = moderate(y, predicted)
        if self._levels is None:
            return float(r2_score(y, predicted, sample_weight=weights))
        return float(np.mean([d2_pinball_score(y, predicted[..., i], sample_weight=weights, alpha=q)
                              for i, q in enumerate(self._levels)]))

    # The parts of a fit

    def _check_own_parameters(self) -> None:
        regression_loss(self.loss, self.quantile)

    def _validated_y(self, y: Any, what: str = "y") -> NDArray[Any]:
        if y is None:
            raise ValueError("This TabularRegressor estimator requires y to be passed, but the target y is None.")
        refuse_no_numbers(y, what)
        try:
            checked = check_array(y, ensure_2d=False, dtype=np.float64, input_name=what)
        except (ValueError, TypeError) as error:
            raise located(error, **{what: y}) from error
        if checked.ndim == 2 and checked.shape[1] == 1:
            checked = column_or_1d(checked, warn=True)
        if checked.ndim > 2:
            raise ValueError(f"{what} must have shape (m,) or (m, n_outputs), got {checked.shape}")
        return np.asarray(checked)

    def _learn_targets(self, y: NDArray[Any]) -> None:
        self._loss_ = regression_loss(self.loss, self.quantile)
        self._flat_ = y.ndim == 1
        self.n_outputs_ = 1 if self._flat_ else y.shape[1]

    def _check_validation_targets(self, y: NDArray[Any]) -> None:
        n = 1 if y.ndim == 1 else y.shape[1]
        if n != self.n_outputs_:
            raise ValueError(f"y_val must have {self.n_outputs_} outputs, as y, got {n}")

    def _encoded_targets(self, y: NDArray[Any], weights: NDArray[Any] | None,
                         training: TableData | None = None) -> tuple[NDArray[Any], Any, Any]:
        return y.reshape(len(y), -1), weights, loss_weights(weights)

    def _is_constant(self, data: TableData) -> bool:
        Y = data.Y[data.weighted_rows()]
        return bool((Y[0] == Y).all())

    def _output_layer(self, data: TableData) -> tuple[str, Loss, int]:
        return "identity", self._loss_, data.Y.shape[1] * self._loss_.per_target

    def _set_members(self, members: list[Member], data: TableData) -> None:
        self._members = members
        self._constant_ = data.Y[data.weighted_rows()[0]].copy()

    def _state_of_targets(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        return {"flat": self._flat_, "loss": self._loss_.name, **self._loss_.parameters}, {"constant": self._constant_}

    def _restore_targets(self, description: dict[str, Any], arrays: dict[str, NDArray[Any]],
                         members: list[Member]) -> None:
        known = {kind.name: name for name, kind in REGRESSION_LOSSES.items()}
        self._loss_ = regression_loss(known[description["loss"]], description.get("q"))
        self._flat_, self._constant_ = bool(description["flat"]), arrays["constant"]
        self.n_outputs_ = len(self._constant_)
        n = self.n_outputs_ * self._loss_.per_target
        if self._constant_.shape != (self.n_outputs_,) or any(
                member.network.layer_sizes[-1] != n or member.values is None
                or any(part.shape != (self.n_outputs_,) for part in member.values) for member in members):
            raise ValueError("its networks do not fit its targets")
        self._members = members

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
