"""Whether early stopping kept parameters that are hardly trained, because its score stood still."""

import warnings
from math import inf
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning

from fastnn._model.objective import Objective
from fastnn._prediction.constant import constant_predictor
from fastnn._prediction.evaluate import evaluate
from fastnn._training.standstill import best_before_fall, is_constant_like
from fastnn.estimators._scores import ValidationScore
from fastnn.estimators._stand_in import constant_outputs, stand_in

__all__ = ["warn_of_standstill"]


def warn_of_standstill(score: ValidationScore, scores: list[float], losses: list[float], *, stalled: bool,
                       fresh: bool) -> None:
    """Warn if the best epoch by the score is hardly trained and the validation loss fell after it.

    Hardly trained means that its score or its loss is that of a constant prediction, or that it is the first epoch.

    Parameters
    ----------
    score : ValidationScore
    scores, losses : list of float
        Of the validation data after each epoch of this fit.
    stalled : bool
        Whether early stopping ended the fit.
    fresh : bool
        Whether the fit started from random parameters.
    """
    best = best_before_fall(scores, losses, stalled=stalled)
    if score.is_loss or best is None or len(vars(score.estimator).get("classes_", "01")) == 1:
        return
    constant_score, constant_loss = of_constant(score)
    if scores[best] == score.highest and constant_score < scores[best]:
        return
    if not ((fresh and best == 0) or losses[best] >= constant_loss
            or is_constant_like(scores, best, constant_score, len(score.examples))):
        return
    known = [f"a {name} of {value:.3g}" for name, value in (("score", constant_score), ("loss", constant_loss))
             if np.isfinite(value)]
    compared = f" A constant prediction has {' and '.join(known)}." if known else ""
    others = ", 'neg_log_loss' or 'roc_auc'" if is_classifier(score.estimator) else ""
    warnings.warn(
        f"early stopping: the validation score {score.name} did not rise above {scores[best]:.3g} after epoch "
        f"{best + 1}, whose parameters are kept, while the validation loss fell from {losses[best]:.3g} to "
        f"{losses[-1]:.3g}.{compared} Use another score: scoring='loss'{others}", ConvergenceWarning,
        stacklevel=2)


def of_constant(score: ValidationScore) -> tuple[float, float]:
    """Return the score and the loss of the mean of the targets as prediction; -inf and inf if they are not known."""
    estimator, network, loss = score.estimator, score.network, inf
    predictor = constant_predictor(network.architecture, network.parameters.layout, score.examples)
    if predictor is not None:
        objective = Objective(estimator._core_loss(network.architecture.dtype))
        loss = evaluate(predictor, objective, score.examples, n_threads=estimator.n_threads)["loss"]
    mean = constant_outputs(network, score.data)
    if mean is None:
        return -inf, loss
    outputs = np.tile(mean, (len(score.examples), 1))
    if score.scorer is None:
        return estimator._score_outputs(outputs, score.data), loss
    return score_of(score, stand_in(estimator, outputs)), loss


def score_of(score: ValidationScore, estimator: Any) -> float:
    """Return the score of an estimator by a scorer of scikit-learn, -inf if it has none."""
    if not hasattr(score.scorer, "_score_func"):
        return -inf  # a user's function may need more than predictions
    try:
        return score.of(estimator)
    except Exception:  # not defined for constant predictions
        return -inf
