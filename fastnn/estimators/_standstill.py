"""Whether early stopping kept parameters that are hardly trained, because its score stood still."""

import warnings
from math import inf, sqrt
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning

from fastnn._model.objective import Objective
from fastnn._prediction.evaluate import evaluate
from fastnn.estimators._scores import ValidationScore
from fastnn.estimators._stand_in import constant_network, constant_outputs, stand_in

__all__ = ["warn_of_standstill"]

CHANCE = 5  # so many epochs without a better score may be chance
FALL = 0.01  # a smaller relative fall of the validation loss may be chance


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
    finite = np.where(np.isfinite(scores), scores, -inf)
    best = int(np.argmax(finite))
    if (score.is_loss or finite[best] in (-inf, score.highest)
            or not (stalled or len(scores) - best > CHANCE)
            or not losses[-1] < losses[best] - FALL * abs(losses[best])):
        return
    constant_score, constant_loss = of_constant(score)
    still = bool(np.ptp(finite[best:]) == 0)
    if not ((fresh and best == 0) or losses[best] >= constant_loss
            or finite[best] <= constant_score + still * margin(constant_score, len(score.examples))):
        return
    known = [f"a {name} of {value:.3g}" for name, value in (("score", constant_score), ("loss", constant_loss))
             if np.isfinite(value)]
    compared = f" A constant prediction has {' and '.join(known)}." if known else ""
    others = ", 'neg_log_loss' or 'roc_auc'" if is_classifier(score.estimator) else ""
    warnings.warn(
        f"early stopping: the validation score {score.name} did not rise above {finite[best]:.3g} after epoch "
        f"{best + 1}, whose parameters are kept, while the validation loss fell from {losses[best]:.3g} to "
        f"{losses[-1]:.3g}.{compared} Another score may judge better: scoring='loss'{others}", ConvergenceWarning,
        stacklevel=2)


def of_constant(score: ValidationScore) -> tuple[float, float]:
    """Return the score and the loss of the mean of the targets as prediction; -inf and inf if they are not known."""
    estimator, network, data = score.estimator, score.network, score.data
    mean = constant_outputs(network, data)
    if mean is None:
        return -inf, inf
    objective = Objective(estimator._core_loss(network.architecture.dtype))
    loss = evaluate(constant_network(network, mean).predictor, objective, score.examples)["loss"]
    outputs = np.tile(mean, (len(score.examples), 1))
    if score.scorer is None:
        return estimator._score_outputs(outputs, data), loss
    return score_of(score, stand_in(estimator, outputs)), loss


def score_of(score: ValidationScore, estimator: Any) -> float:
    """Return the score of an estimator by a scorer of scikit-learn, -inf if it has none."""
    if not hasattr(score.scorer, "_score_func"):
        return -inf  # a user's function may need more than predictions
    try:
        return score.of(estimator)
    except Exception:  # not defined for constant predictions
        return -inf


def margin(share: float, m: int) -> float:
    """Return twice the standard error of a share of m examples; 0 if it is no share."""
    return 2 * sqrt(max(share * (1 - share), 1 / m) / m) if 0 <= share <= 1 else 0.0
