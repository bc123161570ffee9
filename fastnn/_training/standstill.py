"""Whether early stopping kept parameters that are hardly trained, because the value it watches stood still."""

from collections.abc import Sequence
from math import inf, nan, sqrt

import numpy as np

from fastnn._data.examples import Source
from fastnn._model.objective import Objective
from fastnn._prediction.constant import constant_predictor
from fastnn._prediction.evaluate import evaluate
from fastnn._training.settings import FitSettings
from fastnn._training.state import FitState
from fastnn.metrics import Metric

__all__ = ["best_before_fall", "is_constant_like", "reason_to_doubt"]

CHANCE = 5  # so many epochs without a better score may be chance
COMPLETE = ("early_stopping", "epochs")  # the reasons to stop that no user or error gave
FALL = 0.01  # a smaller relative fall of the validation loss may be chance


def best_before_fall(scores: Sequence[float], losses: Sequence[float], *, stalled: bool,
                     ties: str = "first") -> int | None:
    """Return the position of the best epoch if the validation loss fell after it and it may have been kept too early.

    Parameters
    ----------
    scores, losses : sequence of float
        Of the validation data after each epoch; larger scores are better.
    stalled : bool
        Whether early stopping ended the fit, not the number of epochs.
    ties : {"first", "last"}
        Which of several best epochs counts.
    """
    finite = np.where(np.isfinite(scores), scores, -inf)
    best = int(np.argmax(finite)) if len(finite) else 0
    if ties == "last" and len(finite):
        best = len(finite) - 1 - int(np.argmax(finite[::-1]))
    if not len(finite) or finite[best] == -inf or not (stalled or len(finite) - best > CHANCE):
        return None
    return best if losses[-1] < losses[best] - FALL * abs(losses[best]) else None


def is_constant_like(scores: Sequence[float], best: int, of_constant: float, m: int | None) -> bool:
    """Tell whether the best of the scores is not above that of a constant prediction for the m validation examples.

    If the score stood still, it may exceed it by two standard errors of a share; not if m is None, not known.
    """
    tail = np.asarray(scores[best:])
    margin = 0.0
    if m and np.ptp(tail) == 0 and 0 <= of_constant <= 1:
        margin = 2 * sqrt(max(of_constant * (1 - of_constant), 1 / m) / m)
    return bool(scores[best] <= of_constant + margin)


def reason_to_doubt(state: FitState, settings: FitSettings, held_out: Source | None) -> str | None:
    """Say why early stopping by a metric may have kept the parameters of a wrong epoch, or None.

    The metric was NaN or infinite; or early stopping was possible, and the best epoch by the metric is no better than a
    constant prediction, in the metric or in the loss, while the validation loss fell after it.
    """
    monitor, history = state.monitor, state.history
    if monitor is None:
        return None
    name, kept = monitor.monitor, f"The parameters kept are those after epoch {state.best.epoch}"
    if monitor.not_finite is not None:
        epoch, value = monitor.not_finite
        kept = kept if state.best.epoch else "No value was finite: the parameters kept are the last ones"
        return f"{name} was {value} in epoch {epoch}, which counts as no improvement. {kept}"
    watched = [metric for metric in settings.metrics if f"validation_{metric.name}" == name]
    if held_out is None or held_out.single_pass or not watched or history.stop_reason not in COMPLETE:
        return None
    if monitor.patience is None:  # all epochs run, and the value only chooses one of them
        return None
    scores, losses = [-monitor.sign * value for value in history[name]], history["validation_loss"]
    best = best_before_fall(scores, losses, stalled=history.stop_reason == "early_stopping",
                            ties=state.best.ties)
    if best is None or scores[best] == 1:  # the highest accuracy, R2, ...
        return None
    loss, value = of_constant(state, settings, held_out, watched[0])
    if losses[best] < loss and not is_constant_like(scores, best, -monitor.sign * value, held_out.n_examples):
        return None
    return (f"{name} did not improve on {history[name][best]:.3g} after epoch {best + 1}, while validation_loss fell "
            f"from {losses[best]:.3g} to {losses[-1]:.3g}. A constant prediction has {value:.3g} and {loss:.3g}. "
            f"{kept}. Monitor another value, such as validation_loss")


def of_constant(state: FitState, settings: FitSettings, held_out: Source, metric: Metric) -> tuple[float, float]:
    """Return the loss and the metric of a constant prediction; inf and nan if they are not known."""
    values = state.values
    predictor = constant_predictor(values.architecture, values.parameters.layout, held_out)
    if predictor is None:
        return inf, nan
    objective = Objective(values.objective.loss)
    try:
        found = evaluate(predictor, objective, held_out, [metric], target_ndim=values.target_ndim,
                         n_threads=settings.n_threads)
    except Exception:  # raised by a user's metric
        return inf, nan
    penalised = values.objective.l1 or values.objective.l2  # then it is in the recorded losses
    return inf if penalised else found["loss"], found[metric.name]
