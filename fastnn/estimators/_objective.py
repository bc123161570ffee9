"""The objectives that scikit-learn minimises: its losses, with the values that it reports, and its L2 penalty.

Gradients are those of `fastnn.losses`.
"""

from dataclasses import dataclass
from math import inf, log
from typing import ClassVar

from fastnn._data.examples import Examples
from fastnn._model.objective import Objective
from fastnn.losses import CrossEntropy, Loss, SquaredError

__all__ = ["BinaryLogLoss", "LogLoss", "MeanSquaredError", "full_batch_objective"]


@dataclass(frozen=True)
class LogLoss(CrossEntropy):
    """Cross-entropy with probabilities clipped at `eps` (no clipping with label smoothing).

    Parameters
    ----------
    label_smoothing : float, default 0.0
    eps : float, default 0.0
        Machine epsilon of the dtype; 0 disables clipping.
    """

    eps: float = 0.0

    @property
    def ceiling(self) -> float:
        """The loss of probability `eps`."""
        return -log(self.eps) if self.eps > 0 and self.label_smoothing == 0 else inf


@dataclass(frozen=True)
class BinaryLogLoss(LogLoss):
    """Binary cross-entropy with probabilities clipped at `eps` (no clipping with label smoothing)."""

    name: ClassVar[str] = "binary_cross_entropy"
    output: ClassVar[str | None] = "sigmoid"


@dataclass(frozen=True)
class MeanSquaredError(SquaredError):
    """Half the squared error: reports the mean over the outputs, but its gradient is that of their sum.

    scikit-learn does the same (its issue 8349).

    Parameters
    ----------
    n_outputs : int
    """

    n_outputs: int = 1

    @property
    def factor(self) -> float:
        """Factor from the sum over the outputs to their mean."""
        return 1 / self.n_outputs


def full_batch_objective(loss: Loss, alpha: float, examples: Examples) -> Objective:
    """Return the objective of L-BFGS, whose penalty is `alpha` divided by the sum of the sample weights."""
    return Objective(loss, l2=float(alpha) / examples.weight(0, len(examples)))
