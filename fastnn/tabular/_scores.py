"""The score of each epoch on the held-out rows, the best of which gives the parameters."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import check_scoring

from fastnn.estimators._scores import accepts_sample_weight, quiet_scorer
from fastnn.losses import Loss, Quantile
from fastnn.metrics import Custom
from fastnn.tabular._targets import Values, mean_pinball

__all__ = ["SCORE", "accuracy_metric", "scorer_metric", "values_metric", "values_score"]

SCORE = "score"  # recorded as validation_score; larger is better
WEIGHTED_DIGITS = 6  # of a weighted accuracy: weights are float32, and epochs that differ in rounding are equally good


def accuracy_metric() -> Custom:
    """Return the metric of a classifier's default score, the weighted share of right labels."""

    def accuracy(y_true: NDArray[Any], y_pred: NDArray[Any], sample_weight: Any = None) -> float:
        share = float(np.average(y_true == y_pred, weights=sample_weight))
        return share if sample_weight is None else round(share, WEIGHTED_DIGITS)

    return Custom(accuracy, SCORE)


def values_metric(values: Values, loss: Loss, Y: NDArray[np.float64], weights: NDArray[np.float64] | None) -> Custom:
    """Return the metric of a regressor's default score for held-out targets Y (m, k) in the units of y."""

    def score(y_true: NDArray[Any], y_pred: NDArray[Any]) -> float:
        with np.errstate(all="ignore"):  # after divergence
            return values_score(Y, values.in_units(y_pred.reshape(len(y_pred), -1), loss), loss, values, weights)

    return Custom(score, SCORE)


def values_score(Y: NDArray[np.float64], predicted: NDArray[np.float64], loss: Loss, values: Values,
                 weights: NDArray[np.float64] | None) -> float:
    """Return the negative error of predictions in the units of y.

    The error is the root of the mean squared error over rows and targets; with other losses the mean absolute error, or
    the mean quantile loss over targets and levels. The largest deviation is the unit in which it is computed, so that
    squares do not overflow.
    """
    unit = values.deviation.max()
    if isinstance(loss, Quantile):
        levels = np.atleast_1d(np.asarray(loss.q, np.float64))
        by_level = predicted if predicted.ndim == 3 else predicted[:, :, None]
        return -float(unit * mean_pinball(Y / unit, by_level / unit, levels, weights).mean() / len(levels))
    away = (predicted - Y) / unit
    if loss.name == "absolute":
        return -float(unit * np.average(np.abs(away), axis=0, weights=weights).mean())
    return -float(unit * np.sqrt(np.average(away**2, axis=0, weights=weights).mean()))


def scorer_metric(estimator: Any, X: Any, y: Any, weights: NDArray[np.float64] | None) -> Custom:
    """Return the metric of the parameter `scoring`, for an estimator that predicts with the network in training.

    Parameters
    ----------
    estimator : BaseTabular
    X, y
        The held-out rows, as the user passed them.
    weights : ndarray (m,) or None
        Their sample weights.
    """
    scorer = check_scoring(estimator, scoring=estimator.scoring)
    keywords = {"sample_weight": weights} if weights is not None and accepts_sample_weight(scorer) else {}

    def score(y_true: NDArray[Any], y_pred: NDArray[Any]) -> float:
        try:
            with quiet_scorer():
                value = scorer(estimator, X, y, **keywords)
        except Exception as error:
            error.add_note(f"raised by scoring={estimator.scoring!r} on the held-out rows")
            raise
        if np.ndim(value) or not np.isreal(value):
            raise TypeError(f"scoring={estimator.scoring!r} must return a number, got {type(value).__name__}")
        return float(value)

    return Custom(score, SCORE)
