"""MLPClassifier: scikit-learn's, on the compiled core."""

from numbers import Real
from typing import Any, ClassVar, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin, _fit_context
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.metaestimators import available_if
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels
from sklearn.utils.validation import validate_data

from fastnn.estimators.documentation import documented
from fastnn.estimators.fitting import TrainableMLP
from fastnn.estimators.losses import BinaryLogLoss, LogLoss
from fastnn.estimators.stochastic import HeldOut
from fastnn.losses import Loss

__all__ = ["MLPClassifier"]


@documented
class MLPClassifier(ClassifierMixin, TrainableMLP):  # type: ignore[misc]
    """Multi-layer perceptron classifier: scikit-learn's `MLPClassifier`, number for number, on the compiled core.

    The parameters from `class_weight` on, and the values marked with a star, are fastnn's own.

    Parameters
    ----------
    {parameters}
    class_weight : dict, 'balanced' or None, default=None
        * Factors of the sample weights for each class; 'balanced' is m / (n_classes * examples of the class).
    label_smoothing : float, default=0.0
        * Moves the targets by this part towards equal probabilities (Szegedy et al. 2016, section 7).
    {extras}

    Attributes
    ----------
    classes_ : ndarray or list of ndarray of shape (n_classes,)
    {attributes}

    Examples
    --------
    >>> from sklearn.datasets import make_classification
    >>> from fastnn import MLPClassifier
    >>> X, y = make_classification(n_samples=100, random_state=1)
    >>> clf = MLPClassifier(random_state=1, max_iter=300).fit(X, y)
    >>> clf.predict_proba(X[:1]).shape
    (1, 2)
    """

    loss = "log_loss"  # as scikit-learn's has it

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **TrainableMLP._parameter_constraints,
        "class_weight": [dict, StrOptions({"balanced"}), None],
        "label_smoothing": [Interval(Real, 0, 1, closed="left")],
    }

    def __init__(self, hidden_layer_sizes: Any = (100,), activation: Any = "relu", *, solver: str = "adam",
                 alpha: float = 0.0001, batch_size: Any = "auto", learning_rate: str = "constant",
                 learning_rate_init: float = 0.001, power_t: float = 0.5, max_iter: int = 200, shuffle: bool = True,
                 random_state: Any = None, tol: float = 1e-4, verbose: Any = False, warm_start: bool = False,
                 momentum: float = 0.9, nesterovs_momentum: bool = True, early_stopping: bool = False,
                 validation_fraction: float = 0.1, beta_1: float = 0.9, beta_2: float = 0.999, epsilon: float = 1e-8,
                 n_iter_no_change: float = 10, max_fun: int = 15000, class_weight: Any = None,
                 label_smoothing: float = 0.0, dropout: Any = 0.0, clip_norm: float | None = None, scoring: Any = None,
                 callbacks: Any = (), dtype: str | None = None, n_threads: int | None = None) -> None:
        self._set_parameters(locals())

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X, y = self._checked(X, y, reset)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer().fit(y)
            self.classes_ = self._label_binarizer.classes_
        elif self.warm_start:
            classes = unique_labels(y)
            if set(classes) != set(self.classes_):
                raise ValueError("warm_start can only be used where `y` has the same classes as in the previous call "
                                 f"to fit. Previously got {self.classes_}, `y` has {classes}")
        else:
            self._refuse_new_classes(y)
        return X, y

    def _validate_held_out(self, X: Any, y: Any) -> tuple[Any, Any]:
        X, y = self._checked(X, y, reset=False)
        self._refuse_new_classes(y)
        return X, y

    def _checked(self, X: Any, y: Any, reset: bool) -> tuple[Any, Any]:
        X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], multi_output=True,
                             dtype=(np.float64, np.float32), reset=reset)
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _refuse_new_classes(self, y: Any) -> None:
        classes = unique_labels(y)
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has "
                             f"{classes}.")

    def _encode(self, y: Any) -> NDArray[Any]:
        kind = self._label_binarizer.y_type_
        if y.ndim != 1 or kind not in ("binary", "multiclass"):
            matrix: NDArray[np.bool_] = self._label_binarizer.transform(y).astype(bool)
            return matrix
        codes = np.searchsorted(self.classes_, y)
        labels: NDArray[Any] = codes.astype(np.int32) if kind == "multiclass" else codes > 0
        return labels

    def _output_activation(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _n_outputs(self, coded: NDArray[Any]) -> int:
        return len(self.classes_) if coded.dtype == np.int32 else super()._n_outputs(coded)

    def _core_loss(self, dtype: np.dtype[Any]) -> Loss:
        kind = LogLoss if self.out_activation_ == "softmax" else BinaryLogLoss
        return kind(label_smoothing=float(self.label_smoothing), eps=float(np.finfo(dtype).eps))

    def _strata(self, coded: NDArray[Any]) -> NDArray[Any] | None:
        # By the names that scikit-learn's errors give to the two values.
        return np.where(coded.ravel(), "True", "False") if self.n_outputs_ == 1 else None

    def _class_factors(self, coded: NDArray[Any], incremental: bool) -> NDArray[np.float64] | None:
        if self.class_weight is None:
            return None
        if coded.ndim != 1:
            raise ValueError("class_weight is for one label an example; where there are several, pass sample_weight")
        if incremental and self.class_weight == "balanced":
            raise ValueError("class_weight='balanced' needs all labels at once, which partial_fit has not: pass a dict")
        labels = self.classes_[coded.astype(np.intp)]
        present = np.unique(labels) if self.class_weight == "balanced" else self.classes_
        by_class = compute_class_weight(self.class_weight, classes=present, y=labels)
        for label, factor in zip(present, by_class, strict=True):
            if not 0 <= factor < np.inf:
                raise ValueError(f"class_weight must not be negative or infinite, got {factor:g} for the class {label}")
        factors: NDArray[np.float64] = by_class[np.searchsorted(present, labels)]
        return factors

    def _decide(self, outputs: NDArray[Any]) -> NDArray[np.intp]:
        """Return from A[L] (m, n[L]) the classes' numbers (m,); 0 and 1, (m, n[L]), where there are several labels."""
        if self.out_activation_ == "softmax":
            numbers: NDArray[np.intp] = outputs.argmax(axis=1)
            return numbers
        decided: NDArray[np.intp] = (outputs > 0.5).astype(np.intp)
        if self._label_binarizer.y_type_.startswith("multilabel"):
            return decided
        return decided[:, 0] if len(self._label_binarizer.classes_) == 2 else np.zeros(len(outputs), np.intp)

    def _score_outputs(self, outputs: NDArray[Any], held_out: HeldOut) -> float:
        decided, Y = self._decide(outputs), held_out.examples.Y
        right = (decided == Y).all(axis=1) if decided.ndim == 2 else decided == Y.ravel()
        return float(np.average(right, weights=held_out.weights))

    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def fit(self, X: Any, y: Any, sample_weight: Any = None, X_val: Any = None, y_val: Any = None,
            sample_weight_val: Any = None) -> Self:
        """Fit the model to X and y.

        {fit_parameters}
        """
        return self._fit(X, y, sample_weight, (X_val, y_val, sample_weight_val))

    @available_if(lambda estimator: estimator._check_solver())  # type: ignore[untyped-decorator]
    @_fit_context(prefer_skip_nested_validation=True)  # type: ignore[untyped-decorator]
    def partial_fit(self, X: Any, y: Any, sample_weight: Any = None, classes: Any = None) -> Self:
        """Go through the data once.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n_x)
        y : array-like of shape (m,) or (m, n_outputs)
        sample_weight : array-like of shape (m,), default=None
        classes : array-like of shape (n_classes,), default=None
            All classes that will come, at the first call.

        Returns
        -------
        self : object
        """
        if _check_partial_fit_first_call(self, classes):
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: Any) -> Any:
        """Return the class of each row of X.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n_x)

        Returns
        -------
        ndarray of shape (m,) or (m, n_classes)
            Sparse, where y of several labels was.
        """
        self._check_fitted()
        outputs = self._forward_pass_fast(X)
        if self._label_binarizer.sparse_input_:  # y was sparse, and so is what is said of it
            return self._label_binarizer.inverse_transform(outputs)
        decided = self._decide(outputs)
        return decided if decided.ndim == 2 else self._label_binarizer.classes_[decided]

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probability of each class.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n_x)

        Returns
        -------
        ndarray of shape (m, n_classes)
            Classes in the order of `classes_`.
        """
        self._check_fitted()
        outputs = self._forward_pass_fast(X)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: Any) -> NDArray[Any]:
        """Return the logarithms of `predict_proba`."""
        probabilities = self.predict_proba(X)
        logarithms: NDArray[Any] = np.log(probabilities, out=probabilities)
        return logarithms

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
