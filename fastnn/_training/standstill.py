"""Whether early stopping kept parameters that are hardly trained, because the value it watches stood still."""

from collections.abc import Sequence
from math import inf, sqrt

import numpy as np

__all__ = ["best_before_fall", "is_constant_like"]

CHANCE = 5  # so many epochs without a better score may be chance
FALL = 0.01  # a smaller relative fall of the validation loss may be chance


def best_before_fall(scores: Sequence[float], losses: Sequence[float], *, stalled: bool) -> int | None:
    """Return the position of the best epoch if the validation loss fell after it and it may have been kept too early.

    Parameters
    ----------
    scores, losses : sequence of float
        Of the validation data after each epoch; larger scores are better.
    stalled : bool
        Whether early stopping ended the fit, not the number of epochs.
    """
    finite = np.where(np.isfinite(scores), scores, -inf)
    best = int(np.argmax(finite)) if len(finite) else 0
    if not len(finite) or finite[best] == -inf or not (stalled or len(finite) - best > CHANCE):
        return None
    return best if losses[-1] < losses[best] - FALL * abs(losses[best]) else None


def is_constant_like(scores: Sequence[float], best: int, of_constant: float, m: int) -> bool:
    """Tell whether the best of the scores is not above that of a constant prediction for the m validation examples.

    If the score stood still, it may exceed it by two standard errors of a share.
    """
    tail = np.asarray(scores[best:])
    margin = 0.0
    if np.ptp(tail) == 0 and 0 <= of_constant <= 1:
        margin = 2 * sqrt(max(of_constant * (1 - of_constant), 1 / m) / m)
    return bool(scores[best] <= of_constant + margin)
