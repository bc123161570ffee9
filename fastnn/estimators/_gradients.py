"""`input_gradients` of both estimators."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from fastnn._data import arrays
from fastnn._prediction.input_gradients import check_output, input_gradients

__all__ = ["ClassifierGradients", "RegressorGradients"]


class ClassifierGradients:
    """The method `input_gradients` of `MLPClassifier`."""

    def input_gradients(self: Any, X: Any, output: int | None = None, of: str = "predict_proba") -> NDArray[Any]:
        """Return the derivatives of the probabilities, or of the scores, by the features of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n_x)
        output : int or None, default=None
            Position in `classes_` of a class, whose derivatives alone are returned.
        of : {'predict_proba', 'decision_function'}, default='predict_proba'
            The method whose results are differentiated. The scores do not saturate.

        Returns
        -------
        ndarray of shape (m, n_x) or (m, n_classes, n_x)
            (m, n_x) with `output`, for two classes (those of ``classes_[1]``), and for one class.

        Raises
        ------
        ValueError
            If an argument is not as described.
        """
        check_is_fitted(self)
        if of not in ("predict_proba", "decision_function"):
            raise ValueError(f"of must be 'predict_proba' or 'decision_function', got {of!r}")
        chosen = check_output(output, len(self.classes_))
        raw = of == "decision_function"
        if self.n_outputs_ > 1:
            return _gradients(self, X, chosen, raw)
        gradients = _gradients(self, X, 0, raw)
        if self._has_one_class():
            return -gradients if raw else np.zeros_like(gradients)
        return -gradients if chosen == 0 else gradients


class RegressorGradients:
    """The method `input_gradients` of `MLPRegressor`."""

    def input_gradients(self: Any, X: Any, output: int | None = None) -> NDArray[Any]:
        """Return the derivatives of the predictions by the features of each row.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n_x)
        output : int or None, default=None
            The derivatives of this output alone, counted from 0.

        Returns
        -------
        ndarray of shape (m, n_x) or (m, n_outputs, n_x)
            (m, n_x) with `output` and for a single output. In units of y by units of X.

        Raises
        ------
        ValueError
            If an argument is not as described.
        """
        check_is_fitted(self)
        unit = check_output(output, self.n_outputs_)
        if self.n_outputs_ == 1:
            unit = 0
        gradients, target_scale = _gradients(self, X, unit, raw=False), self._scale()
        if target_scale is None:
            return gradients
        _, scale = self._shaping_loss().units(*target_scale)
        scaled: NDArray[Any] = gradients * (scale[:, None] if unit is None else scale[unit])
        return scaled.astype(gradients.dtype, copy=False)


def _gradients(estimator: Any, X: Any, unit: int | None, raw: bool) -> NDArray[Any]:
    """Return the derivatives of the output layer in the dtype of predictions."""
    network = estimator._fitted_network()
    dtype = network.architecture.dtype
    core_X, result_dtype = estimator._core_input(X, dtype)
    gradients = input_gradients(network.predictor, core_X, unit=unit, raw=raw, n_threads=estimator.n_threads)
    if gradients is None:
        arrays.refuse_not_finite(core_X, "X", dtype)
    return gradients.astype(result_dtype, copy=False)
