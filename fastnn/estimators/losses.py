"""Losses as scikit-learn reports them: their gradients are those of `fastnn.losses`."""

from dataclasses import dataclass
from math import inf, log
from typing import ClassVar

from fastnn.losses import CrossEntropy, SquaredError

__all__ = ["BinaryLogLoss", "LogLoss", "MeanSquaredError"]


@dataclass(frozen=True)
class LogLoss(CrossEntropy):
    """The cross-entropy of probabilities that are not taken to be below `eps`; smoothed labels know no such bound.

    Parameters
    ----------
    label_smoothing : float, default 0.0
    eps : float, default 0.0
        The dtype's, or 0.
    """

    eps: float = 0.0

    @property
    def ceiling(self) -> float:
        """The loss at the probability `eps`."""
        return -log(self.eps) if self.eps > 0 and self.label_smoothing == 0 else inf


@dataclass(frozen=True)
class BinaryLogLoss(LogLoss):
    """The same for sigmoid outputs."""

    name: ClassVar[str] = "binary_cross_entropy"
    output: ClassVar[str | None] = "sigmoid"


@dataclass(frozen=True)
class MeanSquaredError(SquaredError):
    """Half the squared error: its mean over the outputs, though its gradient is that of the sum.

    (scikit-learn's issue 8349.)

    Parameters
    ----------
    n_outputs : int
    """

    n_outputs: int = 1

    @property
    def factor(self) -> float:
        """From the sum over the outputs to their mean."""
        return 1 / self.n_outputs
