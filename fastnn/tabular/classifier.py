"""TabularClassifier: a classifier for tables."""

from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.utils import assert_all_finite, column_or_1d
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.multiclass import check_classification_targets

from fastnn._data.sparse import is_sparse
from fastnn._model.bundles import packed, unpacked
from fastnn.estimators._arguments import check_class_weight
from fastnn.estimators._classification import class_numbers, few_labels, is_text
from fastnn.estimators._inputs import class_factors
from fastnn.estimators._user_data import as_labels
from fastnn.losses import CrossEntropy, Loss
from fastnn.tabular._base import SHARE, BaseTabular
from fastnn.tabular._data import TableData, loss_weights
from fastnn.tabular._fit import fit_tabular
from fastnn.tabular._members import Member, log_probabilities, probabilities

__all__ = ["TabularClassifier"]


class TabularClassifier(ClassifierMixin, BaseTabular):  # type: ignore[misc]
    """Classifier for a table as it is: numbers of any scale, categories, missing values.

    A multi-layer perceptron, trained by the recipe of RealMLP-TD [1]_: robust scaling and periodic embeddings of
    numbers, learned vectors for categories of many values, a cyclic learning rate, and the best epoch on a fifth of the
    rows, which are held out. All numbers of the recipe are parameters; the defaults are those of the paper.

    Parameters
    ----------
    n_models : int, default=1
        Networks with different seeds and hold-outs, whose probabilities are averaged. They are trained at the same time
        if there are threads for them.
    time_limit : float or None, default=None
        Seconds that `fit` may take. If the recipe takes longer, as measured by a few steps, the schedules are planned
        over fewer epochs, or parts of an epoch.
    class_weight : dict, 'balanced' or None, default=None
        Factor of the sample weights of each class; 'balanced' uses m / (n_classes * class count). Held-out rows have
        the same factors.
    calibrate : bool, default=True
        Whether to divide the logits by the temperature that has the lowest log-loss on the held-out rows (Guo et al.
        2017), if it is lower than without.
    scoring : str, callable or None, default=None
        The score of the best epoch on the held-out rows, a name or function of scikit-learn; None is the accuracy. Of
        equally good epochs the last one counts.
    validation_fraction : float, default=0.2
        Fraction of the rows that are held out, stratified by class. One row of each class stays to train on. With 0, or
        fewer than 10 rows, none is held out, the last epoch counts, and there is no temperature.
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
    activation : str or array-like of str, default='selu'
        Activation of the hidden layers, as for `MLPClassifier`, or 'mish'.
    dropout : float or array-like of float, default=0.15
        Fraction of hidden units that a step drops, before `flat`.
    label_smoothing : float, default=0.1
        Weight of the uniform distribution that is mixed into the targets.
    epochs : int, default=256
        Passes over the training rows. All are made; the best one gives the parameters.
    batch_size : int, default=256
        Rows of a mini-batch. An incomplete one at the end of an epoch is left out.
    learning_rate : float, default=0.04
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
    classes_ : ndarray of shape (n_classes,)
        Class labels.
    encoder_ : fastnn.preprocessing.TableEncoder
        The fitted encoder of the table.
    history_ : fastnn.History
        Losses and scores of each epoch, of the first model.
    networks_ : list of fastnn.Network
        The trained networks, of encoded rows: ``networks_[0].predict_proba(encoder_.transform(X))``. None if y was
        constant.
    histories_ : list of fastnn.History
        Of each model.
    best_epoch_ : int or None
        The epoch of the first model's parameters; None for the last one.
    temperatures_ : list of float
        The temperature of each model.
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
    >>> from sklearn.datasets import load_iris
    >>> from fastnn import TabularClassifier
    >>> X, y = load_iris(return_X_y=True, as_frame=True)
    >>> model = TabularClassifier(epochs=32, random_state=0).fit(X, y)
    >>> model.predict_proba(X[:2]).shape
    (2, 3)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **BaseTabular._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "calibrate": ["boolean"],
        "label_smoothing": [SHARE],
    }

    def __init__(self, *, n_models: int = 1, time_limit: float | None = None, class_weight: Any = None,
                 calibrate: bool = True, scoring: Any = None, validation_fraction: float = 0.2,
                 categorical_features: Any = "auto", max_one_hot: int = 8, clip: float | None = 3.0,
                 n_frequencies: int = 16, n_embedding_outputs: int = 3, frequency_scale: float = 0.1,
                 vector_size: int = 8, hidden_layer_sizes: Any = (256, 256, 256), activation: Any = "selu",
                 dropout: Any = 0.15, label_smoothing: float = 0.1, epochs: int = 256, batch_size: int = 256,
                 learning_rate: float = 0.04, bumps: int = 4, flat: float = 0.5, beta_1: float = 0.9,
                 beta_2: float = 0.95, epsilon: float = 1e-8, weight_decay: float = 0.02,
                 input_scale_rate: float = 6.0, embedding_rate: float = 0.1, vector_rate: float = 1.0,
                 bias_rate: float = 0.1, mixture_rate: float = 0.1, dtype: str = "float32", callbacks: Any = (),
                 random_state: Any = None, n_threads: int | None = None, verbose: Any = False) -> None:
        self._set_parameters(locals())

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, *, sample_weight: Any = None, X_val: Any = None, y_val: Any = None) -> Self:
        """Fit the model to X and y.

        Parameters
        ----------
        X : table or array-like of shape (m, n)
            A table of pandas, polars or pyarrow, or an array; NaN, None and NA are missing values.
        y : array-like of shape (m,)
            Labels of any kind that can be sorted, without missing ones.
        sample_weight : array-like of shape (m,), default=None
            Non-negative weights, not all zero.
        X_val, y_val : same as X and y, with m_val rows, default=None
            Rows to choose the best epoch and the temperature by, instead of a part of X.

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

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the class of each row of X.

        Parameters
        ----------
        X : table or array-like of shape (m, n)
            With the columns of training, in any order if they have names. Further columns are ignored. Categories that
            did not occur in training count as missing.

        Returns
        -------
        ndarray of shape (m,)
        """
        numbers = self._probabilities(X).argmax(axis=1)
        found: NDArray[Any] = self.classes_[numbers]
        return found

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probability of each class.

        Parameters
        ----------
        X : table or array-like of shape (m, n)

        Returns
        -------
        ndarray of shape (m, n_classes)
            In the order of `classes_`.
        """
        return self._probabilities(X)

    def _probabilities(self, X: Any) -> NDArray[Any]:
        E = self._encoded(X)
        if not self._members:
            return np.ones((len(E), 1), self.dtype)
        return probabilities(self._members, E, self.n_threads)

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return the logarithm of the probability of each class, accurate also where the probability is rounded to 0.

        Parameters
        ----------
        X : table or array-like of shape (m, n)

        Returns
        -------
        ndarray of shape (m, n_classes)
            In the order of `classes_`.
        """
        E = self._encoded(X)
        if not self._members:
            return np.zeros((len(E), 1), self.dtype)
        return log_probabilities(self._members, E, self.n_threads)

    def decision_function(self, X: Any) -> NDArray[Any]:
        """Return the log-odds of the second of two classes, or the logarithms of the probabilities of more classes.

        Parameters
        ----------
        X : table or array-like of shape (m, n)

        Returns
        -------
        ndarray of shape (m,) or (m, n_classes)
            For two classes (m,): log(p / (1 - p)) of the probability p of ``classes_[1]``.
        """
        logarithms = self.predict_log_proba(X)
        if len(self.classes_) == 2:
            return np.asarray(logarithms[:, 1] - logarithms[:, 0])
        return logarithms[:, 0] if len(self.classes_) == 1 else logarithms

    # The parts of a fit

    def _check_own_parameters(self) -> None:
        check_class_weight(self.class_weight)

    def _validated_y(self, y: Any, what: str = "y") -> NDArray[Any]:
        if y is None:
            raise ValueError("This TabularClassifier estimator requires y to be passed, but the target y is None.")
        y = as_labels(y, what)
        if is_sparse(y):
            raise ValueError(f"{what} must be an array of one label for each row, got a sparse matrix")
        shape = getattr(y, "shape", np.asarray(y).shape)
        if len(shape) == 2 and shape[1] > 1:
            raise ValueError(f"{what} must hold one label for each row, got shape {shape}: fit a classifier for each "
                             "column")
        if np.asarray(y).dtype.kind == "f":
            assert_all_finite(y, input_name=what)
        check_classification_targets(y)
        labels = column_or_1d(y, warn=True)
        if not len(labels):
            raise ValueError(f"{what} must hold at least one label")
        return np.asarray(labels)

    def _learn_targets(self, y: NDArray[Any]) -> None:
        self.classes_ = np.unique(few_labels(y))

    def _check_validation_targets(self, y: NDArray[Any]) -> None:
        unknown = np.setdiff1d(np.unique(y), self.classes_) if is_text(y) == is_text(self.classes_) else np.unique(y)
        if len(unknown):
            raise ValueError(f"y_val has the classes {unknown.tolist()}, which y has not: {self.classes_.tolist()}")

    def _encoded_targets(self, y: NDArray[Any], weights: NDArray[Any] | None,
                         training: TableData | None = None) -> tuple[NDArray[Any], Any, Any]:
        Y = class_numbers(self.classes_, y).astype(np.int32)
        factors = None
        if self.class_weight is not None:
            of, known = (Y, weights) if training is None else (training.Y, training.sample_weight)
            factors = class_factors(self.class_weight, self.classes_, of, known, Y)
        return Y, weights, loss_weights(weights, factors)

    def _is_constant(self, data: TableData) -> bool:
        return len(self.classes_) == 1

    def _output_layer(self, data: TableData) -> tuple[str, Loss, int]:
        return "softmax", CrossEntropy(label_smoothing=float(self.label_smoothing)), len(self.classes_)

    def _set_members(self, members: list[Member], data: TableData) -> None:
        self._members = members
        self.temperatures_ = [member.temperature for member in members]

    def _state_of_targets(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        labels = self.classes_.tolist()
        for label in labels:
            if type(label) not in (str, int, float, bool):
                raise TypeError(f"y has the label {label!r} of type {type(label).__name__}; a file can hold texts, "
                                "numbers and bools: convert the labels before fit")
        return {"dtype": self.classes_.dtype.newbyteorder("<").str}, {"classes": packed(labels)}

    def _restore_targets(self, description: dict[str, Any], arrays: dict[str, NDArray[Any]],
                         members: list[Member]) -> None:
        dtype = np.dtype(description["dtype"])
        if dtype.kind not in "OUiufb":
            raise ValueError(f"its labels are of dtype {dtype}")
        self.classes_ = np.array(unpacked(arrays["classes"]), dtype.newbyteorder("="))
        if self.classes_.ndim != 1 or (len(self.classes_) == 1) != (not members) or any(
                member.network.layer_sizes[-1] != len(self.classes_) for member in members):
            raise ValueError("its networks do not fit its classes")
        self._members = members
        self.temperatures_ = [member.temperature for member in members]
