"""The trained networks of an estimator, and the mean of their predictions."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.losses import Loss
from fastnn.network import Network
from fastnn.tabular._targets import Values

__all__ = ["Member", "log_probabilities", "predicted_values", "probabilities"]


@dataclass
class Member:
    """A network and what its outputs mean.

    Attributes
    ----------
    network : Network
        Of an encoded table. Its logits are those of calibrated probabilities: the last layer is divided by the
        temperature.
    values : Values or None
        The scale of a regressor's targets.
    temperature : float
    """

    network: Network
    values: Values | None = None
    temperature: float = 1.0


def probabilities(members: list[Member], E: NDArray[Any], n_threads: int | None) -> NDArray[Any]:
    """Return the mean of the probabilities (m, n_classes) for encoded rows E (m, n_x)."""
    total = members[0].network.predict_proba(E, n_threads=n_threads)
    for member in members[1:]:
        total += member.network.predict_proba(E, n_threads=n_threads)
    if len(members) > 1:
        total /= len(members)
    return total


def log_probabilities(members: list[Member], E: NDArray[Any], n_threads: int | None) -> NDArray[Any]:
    """Return the logarithm of the mean of the probabilities, accurate also where the mean is rounded to 0 or 1."""
    total = members[0].network.predict_log_proba(E, n_threads=n_threads)
    for member in members[1:]:
        np.logaddexp(total, member.network.predict_log_proba(E, n_threads=n_threads), out=total)
    if len(members) > 1:
        total -= total.dtype.type(np.log(len(members)))
        np.minimum(total, 0, out=total)  # rounding
    return total


def predicted_values(members: list[Member], E: NDArray[Any], loss: Loss, n_threads: int | None) -> NDArray[np.float64]:
    """Return the mean of the predictions, as `Values.in_units` returns them."""
    total = None
    for member in members:
        outputs = member.network.forward(E, n_threads=n_threads)
        assert isinstance(outputs, np.ndarray) and member.values is not None
        predicted = member.values.in_units(outputs, loss)
        # The mean of numbers near the limit of float64 must not overflow.
        predicted = predicted if len(members) == 1 else predicted / len(members)
        total = predicted if total is None else np.add(total, predicted, out=total)
    assert total is not None
    return total
