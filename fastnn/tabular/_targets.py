"""The targets of a table: classes, or numbers standardised for a network."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.estimators._targets import TargetScale
from fastnn.losses import Absolute, Loss, Quantile, SquaredError

__all__ = ["REGRESSION_LOSSES", "Values", "fitted_values", "mean_pinball", "regression_loss"]

REGRESSION_LOSSES: dict[str, type[Loss]] = {"squared_error": SquaredError, "absolute_error": Absolute,
                                            "quantile": Quantile}


def regression_loss(name: str, quantile: Any) -> Loss:
    """Return a regressor's loss for its parameters `loss` and `quantile`.

    Raises
    ------
    ValueError, TypeError
        If the levels are not increasing numbers between 0 and 1.
    """
    if name == "quantile":
        try:
            return Quantile(float(quantile) if np.ndim(quantile) == 0 else tuple(np.asarray(quantile).tolist()))
        except (ValueError, TypeError) as error:
            raise type(error)(f"quantile: {error}") from None
    return REGRESSION_LOSSES[name]()


class Values(NamedTuple):
    """The scale and the range of the numbers that a network was trained on.

    Attributes
    ----------
    mean, deviation, low, high : ndarray of float64 (k,)
        Of each target.
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    def standardised(self, Y: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return targets (m, k) with mean 0 and standard deviation 1."""
        return TargetScale(self.mean, self.deviation).standardised(Y)

    def in_units(self, outputs: NDArray[Any], loss: Loss) -> NDArray[np.float64]:
        """Return the predictions for outputs A[L], in the units of y and in the range of the training targets.

        Parameters
        ----------
        outputs : ndarray (m, n[L])
        loss : Loss

        Returns
        -------
        ndarray
            (m, k), or for a sequence of levels (m, k, levels), which do not decrease.
        """
        mean, deviation, low, high = self
        if isinstance(loss, Quantile) and loss.shapes_predictions:
            outputs = np.sort(outputs.reshape(len(outputs), -1, loss.per_target), axis=2)
            mean, deviation, low, high = (part[:, None] for part in self)
        result: NDArray[np.float64] = outputs * deviation  # in float64
        result += mean
        np.maximum(result, low, out=result)
        np.minimum(result, high, out=result)
        return result


def fitted_values(Y: NDArray[np.float64], weights: NDArray[np.float64] | None) -> Values:
    """Return scale and range of targets (m, k) with these weights (m,)."""
    return Values(*TargetScale.of(Y, weights), Y.min(axis=0), Y.max(axis=0))


def mean_pinball(Y: NDArray[np.float64], predicted: NDArray[np.float64], levels: NDArray[np.float64],
                 weights: NDArray[np.float64] | None) -> NDArray[np.float64]:
    """Return the mean quantile loss of each target (k,), summed over the levels.

    Parameters
    ----------
    Y : ndarray (m, k)
    predicted : ndarray (m, k, levels)
    levels : ndarray (levels,)
    weights : ndarray (m,) or None
    """
    away = Y[:, :, None] - predicted
    return np.average(np.maximum(levels * away, (levels - 1) * away).sum(axis=2), axis=0, weights=weights)

