"""The data of a fit: validated by scikit-learn, then converted to the layout and dtype of the core."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.class_weight import compute_class_weight
from sklearn.utils.validation import _check_sample_weight, check_array

from fastnn._data import arrays
from fastnn._data.examples import Examples
from fastnn._data.sparse import SparseRows, is_sparse
from fastnn._data.weights import WeightScale, as_counts, for_core
from fastnn._model.architecture import Architecture
from fastnn.estimators._user_data import located, refuse_no_numbers

__all__ = ["FitData", "as_core_X", "as_examples", "check_sample_weight", "class_factors"]


@dataclass(frozen=True)
class FitData:
    """Validated training or validation data.

    Attributes
    ----------
    X : ndarray or sparse matrix (m, n_x)
    y : ndarray or sparse matrix (m,) or (m, n_outputs)
    encoded_y : ndarray
        y as numbers: int32 labels (m,) for a softmax output, else (m,) or (m, n[L]).
    sample_weight : ndarray (m,) or (m, n[L]), or None
        The user's weights.
    loss_weight : ndarray (m,) or (m, n[L]), or None
        The weights in the loss, as `weights.as_counts` returns them: times those of the classes.
    """

    X: Any
    y: Any
    encoded_y: NDArray[Any]
    sample_weight: NDArray[Any] | None
    loss_weight: NDArray[Any] | None

    @classmethod
    def of(cls, X: Any, y: Any, encoded_y: NDArray[Any], sample_weight: NDArray[Any] | None,
           class_factors: NDArray[np.float64] | None = None, part: bool = False) -> "FitData":
        """Return the data, with the weights in the loss; of a `part` of a stream they may all be zero.

        Raises
        ------
        ValueError
            If all these weights are zero.
        """
        loss_weight = as_counts(sample_weight, class_factors)
        if loss_weight is not None and not part and not loss_weight.any():
            raise ValueError("class_weight leaves no example with a weight that is not zero")
        return cls(X, y, encoded_y, sample_weight, loss_weight)

    @property
    def score_weight(self) -> NDArray[Any] | None:
        """The user's weights times a power of two, so that their sum is in range."""
        return None if self.sample_weight is None else WeightScale().apply(self.sample_weight)

    def weighted_rows(self) -> NDArray[np.int64]:
        """Return the positions of the examples with weight."""
        if self.loss_weight is None:
            return np.arange(len(self.encoded_y))
        return np.flatnonzero(self.loss_weight.reshape(len(self.loss_weight), -1).any(axis=1))

    def take(self, rows: NDArray[Any] | slice) -> "FitData":
        """Return the examples at these positions: a copy, or a view if each follows the one before."""
        if isinstance(rows, np.ndarray) and len(rows) and (np.diff(rows) == 1).all():
            rows = slice(int(rows[0]), int(rows[-1]) + 1)
        sample_weight, loss_weight = (None if weights is None else weights[rows]
                                      for weights in (self.sample_weight, self.loss_weight))
        return FitData(self.X[rows], self.y[rows], self.encoded_y[rows], sample_weight, loss_weight)

    def examples(self, architecture: Architecture, per_target: int = 1) -> Examples:
        """Return the data as the core reads them, with the weights of the loss; see `as_examples`."""
        return as_examples(self.X, self.encoded_y, self.loss_weight, architecture, per_target)


def as_core_X(X: Any, dtype: np.dtype[Any]) -> NDArray[Any] | SparseRows:
    """Return an array or sparse matrix X (m, n[0]) as the core reads it, copied only if necessary."""
    return SparseRows.of(X, dtype) if is_sparse(X) else arrays.as_real(X, dtype)


def as_examples(X: Any, encoded_y: NDArray[Any], weights: NDArray[Any] | None, architecture: Architecture,
                per_target: int = 1) -> Examples:
    """Return validated data in the core's layout and dtype; each target has `per_target` outputs.

    Raises
    ------
    ValueError
        If y does not have the outputs of the network, or a value is beyond the range of its dtype.
    """
    dtype, Y = architecture.dtype, encoded_y
    if Y.dtype != np.int32:  # not labels
        Y = np.ascontiguousarray(arrays.finite(Y.reshape(len(Y), -1), dtype, "y"))
        if Y.shape[1] * per_target != architecture.n_outputs:
            each = f" of {per_target} units each" * (per_target > 1)
            fitted_with = f"{architecture.n_outputs}{' units' * (per_target > 1)}"
            raise ValueError(f"y has {Y.shape[1]} outputs{each}, but the estimator was fitted with {fitted_with}")
    core_X = as_core_X(X, dtype)
    if X.dtype.itemsize > dtype.itemsize and not arrays.is_finite(
            core_X.values if isinstance(core_X, SparseRows) else core_X):
        arrays.refuse_not_finite(as_core_X(X, X.dtype), "X", dtype)
    return Examples(core_X, Y, None if weights is None else for_core(weights, dtype))


def check_sample_weight(sample_weight: Any, X: Any, encoded_y: NDArray[Any], n_outputs: int,
                        name: str = "sample_weight") -> NDArray[Any] | None:
    """Return the sample weights of X, (m,), or for several targets also (m, n_outputs), or None.

    Raises
    ------
    ValueError
        If they are invalid for scikit-learn, negative or all zero, or labels of classes have weights for each class.
    """
    if sample_weight is None:
        return None
    refuse_no_numbers(sample_weight, name)
    try:
        weights = _validated_weights(sample_weight, X, encoded_y, n_outputs, name)
    except ValueError as error:
        raise located(error, **{name: sample_weight}) from error
    if (weights < 0).any():
        raise ValueError(f"{name} must not be negative, got {weights.min():g}")
    if not weights.any():
        raise ValueError(f"{name} must not be all zero")
    return weights


def _validated_weights(sample_weight: Any, X: Any, encoded_y: NDArray[Any], n_outputs: int, name: str) -> NDArray[Any]:
    """Return finite weights of one of the shapes that `check_sample_weight` takes."""
    shape = sample_weight.shape if hasattr(sample_weight, "shape") else np.asarray(sample_weight).shape
    if len(shape) == 2 and shape == (len(encoded_y), n_outputs):
        if encoded_y.dtype == np.int32:
            raise ValueError(f"{name} must have shape (m,) = ({len(encoded_y)},), got {shape}: y has one label, and "
                             "one weight, per example")
        weights: NDArray[Any] = check_array(sample_weight, dtype=np.float64, input_name=name)
        return weights.ravel() if n_outputs == 1 else weights
    if len(shape) == 2 and encoded_y.ndim == 2:
        m, n = encoded_y.shape
        raise ValueError(f"{name} must have shape (m,) = ({m},) or (m, n_outputs) = ({m}, {n}), got {shape}")
    return np.asarray(_check_sample_weight(sample_weight, X, dtype=np.float64))


def class_factors(class_weight: Any, classes: NDArray[Any], encoded_y: NDArray[Any],
                  sample_weight: NDArray[Any] | None, applied_to: NDArray[Any]) -> NDArray[np.float64]:
    """Return the factors of sample weights by class: (m,) for labels (m,), (m, n) for several labels (m, n).

    Parameters
    ----------
    class_weight
        As for `MLPClassifier`.
    classes : ndarray
    encoded_y, sample_weight : ndarray (m_training,) or (m_training, n)
        The encoded training labels, which 'balanced' counts where their weight is not 0.
    applied_to : ndarray (m,) or (m, n)
        The encoded labels whose factors are returned.

    Raises
    ------
    ValueError
        If the class weights do not fit y, or a factor is negative or infinite.
    """
    listed = isinstance(class_weight, (list, tuple))
    if encoded_y.ndim == 1:
        if listed:
            raise ValueError("class_weight: a list is for several labels per example, here y has one")
        by_class = _by_class(class_weight, classes, encoded_y, sample_weight)
        return by_class[applied_to.astype(np.intp)]
    n = encoded_y.shape[1]
    if isinstance(class_weight, dict) or (listed and len(class_weight) != n):
        given = "a dict" if isinstance(class_weight, dict) else f"a list of {len(class_weight)}"
        raise ValueError(f"class_weight of {n} labels per example must be 'balanced' or a list of {n}, one dict or "
                         f"'balanced' for each, got {given}")
    by_output = class_weight if listed else [class_weight] * n
    weights = [None] * n if sample_weight is None else np.broadcast_to(
        sample_weight.reshape(len(encoded_y), -1), encoded_y.shape).T
    return np.stack([_by_class(by_output[j], np.arange(2), encoded_y[:, j], weights[j], f" of output {j}")[
        applied_to[:, j].astype(np.intp)] for j in range(n)], axis=1)


def _by_class(class_weight: Any, classes: NDArray[Any], codes: NDArray[Any], sample_weight: NDArray[Any] | None,
              where: str = "") -> NDArray[np.float64]:
    """Return the factor of each class, given the numbers of the training labels (m,); 1 if it does not occur."""
    balanced = isinstance(class_weight, str)
    codes = codes.astype(np.intp)
    if balanced and sample_weight is not None:
        codes = codes[sample_weight > 0]
    present = np.unique(codes) if balanced else np.arange(len(classes))
    factors = np.ones(len(classes))
    if len(present):  # else all labels are unknown
        try:
            factors[present] = compute_class_weight(class_weight, classes=classes[present], y=classes[codes])
        except ValueError as error:
            unknown = [label for label in class_weight if label not in set(classes.tolist())]
            raise ValueError(f"class_weight{where} names {unknown}, but the classes are {classes.tolist()}") from error
    for label, factor in zip(classes, factors, strict=True):
        if not 0 <= factor < np.inf:
            raise ValueError(f"class_weight must not be negative or infinite, got {factor:g} for the class {label}"
                             f"{where}")
    return factors
