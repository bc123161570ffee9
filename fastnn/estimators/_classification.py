"""The private part of MLPClassifier: its targets, loss and score."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils import column_or_1d
from sklearn.utils.multiclass import _check_partial_fit_first_call, type_of_target, unique_labels

from fastnn._data.sparse import is_sparse
from fastnn._data.weights import WeightScale, by_example, needs_all_labels
from fastnn._prediction.labels import take_logarithms
from fastnn.estimators._base import BaseMLP
from fastnn.estimators._gradients import ClassifierGradients
from fastnn.estimators._inputs import FitData, check_sample_weight, class_factors
from fastnn.estimators._objective import BinaryLogLoss, LogLoss
from fastnn.estimators._user_data import as_labels, validated_X_y
from fastnn.losses import Loss

__all__ = ["BaseMLPClassifier"]

# Labels are counted instead of sorted (python bench fixed_costs)
MIN_COUNTED_LABELS = 1000  # from this many on
MAX_LABEL_SPAN = 1 << 16  # between the lowest and the highest: the table of counts stays in the L2 cache


class BaseMLPClassifier(ClassifierMixin, ClassifierGradients, BaseMLP):  # type: ignore[misc]
    """Base class of `MLPClassifier`: encodes labels, chooses the output layer and loss, scores outputs."""

    def _announce_classes(self, y: Any, classes: Any) -> None:
        if _check_partial_fit_first_call(self, classes):
            multilabel = type_of_target(y).startswith("multilabel")
            self._label_binarizer = LabelBinarizer().fit(y if multilabel else classes)
            self._announced = True

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool, later: bool = False) -> tuple[Any, Any]:
        X, y = self._validate_X_y(X, y, reset, later)
        if not hasattr(self, "classes_") or (not self.warm_start and not incremental):
            self._label_binarizer = LabelBinarizer().fit(few_labels(y))
            self.classes_ = self._label_binarizer.classes_
            self._announced = False
        elif incremental or vars(self).get("_announced"):
            self._check_known_classes(y)
        else:
            classes = present_classes(y)
            self._check_kind_of_labels(y, classes)
            if set(classes) != set(self.classes_):
                raise ValueError("warm_start can only be used where `y` has the same classes as in the previous call "
                                 f"to fit. Previously got {self.classes_}, `y` has {classes}")
        return X, y

    def _validate_validation_data(self, X: Any, y: Any) -> tuple[Any, Any]:
        X, y = self._validate_X_y(X, y, reset=False)
        self._check_known_classes(y)
        return X, y

    def _validate_X_y(self, X: Any, y: Any, reset: bool, later: bool = False) -> tuple[Any, Any]:
        X, y = validated_X_y(self, X, as_labels(y), reset, later)
        return X, column_or_1d(y, warn=True) if y.ndim == 2 and y.shape[1] == 1 else y

    def _check_known_classes(self, y: Any) -> None:
        classes = present_classes(y)
        self._check_kind_of_labels(y, classes)
        if len(np.setdiff1d(classes, self.classes_, assume_unique=True)):
            raise ValueError(f"`y` has classes not in `self.classes_`. `self.classes_` has {self.classes_}. 'y' has "
                             f"{classes}.")

    def _check_kind_of_labels(self, y: Any, classes: NDArray[Any]) -> None:
        """Refuse one label for several, and texts for numbers or numbers for texts, which NumPy compares as texts."""
        if y.ndim == 1 and self._label_binarizer.y_type_.startswith("multilabel"):
            raise ValueError(f"y has one label for each example, but the classifier was fitted with columns for "
                             f"{len(self.classes_)} labels")
        if is_text(classes) != is_text(self.classes_):
            raise ValueError(f"`y` has labels {classes} of another type than `self.classes_`, which are "
                             f"{self.classes_}")

    def _encode(self, y: Any) -> NDArray[Any]:
        kind = self._label_binarizer.y_type_
        if y.ndim != 1 or kind not in ("binary", "multiclass"):
            if kind.startswith("multilabel"):
                refuse_other_than_bools(y)
            matrix: NDArray[np.bool_] = self._label_binarizer.transform(y).astype(bool)
            if kind.startswith("multilabel") and matrix.shape[1] != len(self.classes_):
                raise ValueError(f"y has {matrix.shape[1]} columns of labels, but there are {len(self.classes_)} "
                                 f"classes: {self.classes_}")
            return matrix
        codes = class_numbers(self.classes_, y)
        labels: NDArray[Any] = codes.astype(np.int32, copy=False) if kind == "multiclass" else codes > 0
        return labels

    def _output_activation(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _n_outputs(self, encoded_y: NDArray[Any]) -> int:
        return len(self.classes_) if encoded_y.dtype == np.int32 else super()._n_outputs(encoded_y)

    def _core_loss(self, dtype: np.dtype[Any]) -> Loss:
        kind = LogLoss if self.out_activation_ == "softmax" else BinaryLogLoss
        return kind(label_smoothing=float(self.label_smoothing), eps=float(np.finfo(dtype).eps))

    def _strata(self, encoded_y: NDArray[Any]) -> NDArray[Any] | None:
        # Strings, because scikit-learn's error messages quote the labels.
        return np.where(encoded_y.ravel(), "True", "False") if self.n_outputs_ == 1 else None

    def _class_factors(self, encoded_y: NDArray[Any], sample_weight: NDArray[Any] | None, incremental: bool = False,
                       applied_to: NDArray[Any] | None = None) -> NDArray[np.float64] | None:
        if self.class_weight is None:
            return None
        if incremental and needs_all_labels(self.class_weight):
            raise ValueError("class_weight='balanced' needs all labels at once, which partial_fit has not: pass a dict")
        return class_factors(self.class_weight, self.classes_, encoded_y, sample_weight,
                             encoded_y if applied_to is None else applied_to)

    def _has_one_class(self) -> bool:
        """Return whether the single output unit stands for one class rather than two."""
        return self.n_outputs_ == 1 and len(vars(self).get("classes_", "01")) == 1  # models built by hand may lack it

    def _class_indices(self, outputs: NDArray[Any]) -> NDArray[np.intp]:
        """Return class indices (m,) for outputs A[L] (m, n[L]); for multilabel targets, 0 or 1 of shape (m, n[L])."""
        if self.out_activation_ == "softmax":
            numbers: NDArray[np.intp] = outputs.argmax(axis=1)
            return numbers
        decided: NDArray[np.intp] = (outputs > 0.5).astype(np.intp)
        if self._label_binarizer.y_type_.startswith("multilabel"):
            return decided
        return decided[:, 0] if len(self._label_binarizer.classes_) == 2 else np.zeros(len(outputs), np.intp)

    def _log_probabilities(self, X: Any) -> NDArray[Any]:
        """Return the logarithms (m, n_classes) of the probabilities for the rows of X."""
        network = self._fitted_network()
        if self.n_outputs_ > 1 and self.out_activation_ != "softmax":
            probabilities = self._outputs(network, X)
            if probabilities.min() >= np.finfo(network.architecture.dtype).tiny:
                np.log(probabilities, out=probabilities)
                return probabilities
            logarithms = self._outputs(network, X, raw=True)
            take_logarithms(logarithms, "sigmoid")
            # scikit-learn's tests compare with the logarithms of rounded probabilities, even near 1.
            np.log(probabilities, out=logarithms, where=probabilities > 0.5)
            return logarithms
        logarithms = self._outputs(network, X, raw=True)
        if self._has_one_class():
            return np.zeros_like(logarithms)
        if self.n_outputs_ == 1:
            logarithms = np.hstack([-logarithms, logarithms])
        take_logarithms(logarithms, "softmax" if self.out_activation_ == "softmax" else "sigmoid")
        return logarithms

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return the accuracy of `predict` for X and its labels y.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n_x)
        y : array-like of shape (m,) or (m, n_classes)
        sample_weight : array-like of shape (m,) or (m, n_classes), default=None
            With several labels per example each may have its own: one without weight counts as right, and an example
            has the mean of its weights.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If weights are negative, not finite, all zero or of another shape.
        """
        y = as_labels(y)
        self._check_fitted()
        if sample_weight is not None:
            labels = y.toarray() if is_sparse(y) else np.asarray(y)
            several = self.n_outputs_ > 1 and self.out_activation_ != "softmax"
            sample_weight = check_sample_weight(sample_weight, X, labels if several else labels.ravel(),
                                                self.n_outputs_ if several else 1)
            if sample_weight.ndim == 2:
                return weighted_accuracy(np.asarray(self.predict(X) == labels), WeightScale().apply(sample_weight))
        return float(super().score(X, y, sample_weight))

    def _score_outputs(self, outputs: NDArray[Any], data: FitData) -> float:
        decided, Y = self._class_indices(outputs), data.encoded_y
        correct = decided == Y if decided.ndim == 2 else decided == Y.ravel()
        return weighted_accuracy(correct, data.score_weight)

    def _score_name(self) -> str:
        return "accuracy"


def few_labels(y: Any) -> Any:
    """Return a short array that has the classes of y, or y: scikit-learn sorts all labels to find the classes.

    Whole numbers close to each other are counted instead. Each class is repeated, because scikit-learn warns if more
    than a quarter of the labels differ.
    """
    if not are_many(y) or label_span(y) > MAX_LABEL_SPAN:
        return y
    least = y.min()
    classes = (np.flatnonzero(np.bincount(np.subtract(y, least, dtype=np.int64))) + least).astype(y.dtype)
    return np.repeat(classes, 4) if 4 * len(classes) < len(y) else y


def present_classes(y: Any) -> NDArray[Any]:
    """Return the sorted classes of y as `unique_labels` does, which takes longer than a step of partial_fit."""
    if type(y) is np.ndarray and y.ndim == 1 and y.dtype.kind in "iu" and len(y):
        classes: NDArray[Any] = np.unique(few_labels(y))
        if 4 * len(classes) < len(y):  # else scikit-learn may warn
            return classes
    return np.asarray(unique_labels(y))


def class_numbers(classes: NDArray[Any], y: NDArray[Any]) -> NDArray[Any]:
    """Return the index in `classes`, which are sorted, of each label (m,)."""
    if not are_many(y) or classes.dtype.kind not in "iu" or label_span(classes) > MAX_LABEL_SPAN:
        return np.asarray(np.searchsorted(classes, y))
    numbers = np.zeros(label_span(classes), np.int32)
    numbers[np.subtract(classes, classes[0], dtype=np.int64)] = np.arange(len(classes))
    return np.asarray(numbers[np.subtract(y, classes[0], dtype=np.int64)])


def are_many(y: Any) -> bool:
    """Return whether labels are whole numbers in an array so large that counting is faster than sorting."""
    return (type(y) is np.ndarray and y.ndim == 1 and len(y) >= MIN_COUNTED_LABELS and y.dtype.kind in "iu"
            and np.can_cast(y.dtype, np.int64))


def label_span(labels: NDArray[Any]) -> int:
    """Return the number of whole numbers from the lowest to the highest label."""
    return int(labels.max()) - int(labels.min()) + 1


def weighted_accuracy(right: NDArray[np.bool_], weights: NDArray[Any] | None) -> float:
    """Return the share of examples whose labels are all right.

    Parameters
    ----------
    right : ndarray (m,) or (m, n)
        Whether each label is right.
    weights : ndarray (m,) or (m, n), or None
        A label without weight counts as right.
    """
    if weights is not None and weights.ndim == 2:
        right = np.asarray(right | (weights == 0))
    right = np.asarray(right.all(axis=1)) if right.ndim == 2 else right
    return float(right.mean() if weights is None else np.average(right, weights=by_example(weights)))


def refuse_other_than_bools(Y: Any) -> None:
    """Raise a ValueError unless an array or sparse matrix of labels (m, n_classes) holds but 0 and 1."""
    values = Y.data if is_sparse(Y) else Y
    other = values[(values != 0) & (values != 1)]
    if len(other):
        raise ValueError(f"y with a column for each label must hold 0 and 1, got {other[0]!s}")


def is_text(classes: NDArray[Any]) -> bool:
    """Return whether class labels are strings."""
    return classes.dtype.kind in "US" or (classes.dtype == object and isinstance(classes[0], str))
