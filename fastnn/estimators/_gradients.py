"""`input_gradients` of both estimators."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from fastnn._prediction.input_gradients import check_output, input_gradients
from fastnn.losses import Loss

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
            (m, n_x) with `output`, for two classes (those of ``classes_[1]``), and for one class. Several labels per
            example count as classes: (m, n_outputs, n_x).

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
            The derivatives of ``predict(X)[:, output]`` alone: of a target, or of a level of `quantile` if there is a
            single target.

        Returns
        -------
        ndarray of the shape of the predictions, followed by n_x
            (m, n_x) for a single target, else (m, n_targets, n_x). With levels of `quantile` (m, n_levels, n_x), or
            (m, n_targets, n_levels, n_x): those of the sorted quantiles. For loss='gaussian' those of the means. With
            `output` without the second axis. In units of y by units of X.

        Raises
        ------
        ValueError, TypeError
            If `output` is not as described, or X is not as for `predict`.
        """
        check_is_fitted(self)
        loss, has_levels = self._shaping_loss(), self._levels() is not None
        n_targets = self.n_outputs_ // loss.per_target
        has_one = n_targets == 1 and not has_levels  # predictions (m,)
        chosen = check_output(output, loss.per_target if n_targets == 1 and has_levels else n_targets)
        if has_one:
            chosen = 0
        if loss.shapes_predictions:  # the units of a prediction depend on the row
            gradients = _gradients(self, X, None, loss=loss)
            selected = gradients if chosen is None else gradients[:, chosen]
        else:
            selected = _gradients(self, X, chosen)
        scale = self._scale()
        if scale is None:
            return selected
        of_target = chosen if n_targets > 1 else 0
        factor = scale.deviation if of_target is None else scale.deviation[of_target]
        scaled: NDArray[Any] = selected * factor.reshape(-1, *(1,) * (selected.ndim - 2))
        return scaled.astype(selected.dtype, copy=False)


def _gradients(estimator: Any, X: Any, unit: int | None, raw: bool = False, loss: Loss | None = None) -> NDArray[Any]:
    """Return the derivatives of the output layer, or of what the loss predicts, in the dtype of predictions."""
    network = estimator._fitted_network()
    dtype = network.architecture.dtype
    core_X, result_dtype = estimator._core_input(X, dtype)
    gradients = input_gradients(network.predictor, core_X, unit=unit, raw=raw, loss=loss, n_threads=estimator.n_threads)
    if gradients is None:
        raise estimator._not_finite(X, dtype)
    return gradients.astype(result_dtype, copy=False)
