"""Loss functions."""

from dataclasses import asdict, dataclass
from math import inf
from typing import Any, ClassVar

from numpy.typing import NDArray

from fastnn._core import kernels
from fastnn._core.registry import FROM_Z
from fastnn._data import checks, functions

__all__ = ["Absolute", "BinaryCrossEntropy", "CrossEntropy", "Huber", "Loss", "Poisson", "Quantile", "SquaredError",
           "resolve", "weighted_sum"]


@dataclass(frozen=True)
class Loss:
    """Base class of the losses. Instances are immutable and compare equal if their parameters are equal.

    L is the loss of one example, summed over the output units; J is the weighted mean of L over the examples.
    """

    name: ClassVar[str]
    output: ClassVar[str | None] = None  # the required output activation; None for any

    @property
    def from_z(self) -> bool:
        """Whether the loss is computed from Z[L], including the output activation, rather than from A[L]."""
        return self.name in FROM_Z

    @property
    def parameter(self) -> float:
        """The parameter passed to the kernel; 0 if the loss has none."""
        return next(iter(self.parameters.values()), 0.0)

    @property
    def ceiling(self) -> float:
        """Upper bound on a reported loss term: per example for cross-entropy, per output unit otherwise.

        Gradients ignore it.
        """
        return inf

    @property
    def factor(self) -> float:
        """Factor applied to the reported mean loss; gradients ignore it."""
        return 1.0

    @property
    def parameters(self) -> dict[str, float]:
        """The parameters by name."""
        return asdict(self)


@dataclass(frozen=True)
class CrossEntropy(Loss):
    """Cross-entropy for a softmax output: L = -sum_i t_i log a_i with the target t, one-hot or probabilities.

    dL/dZ = a - t. L is at least the entropy of t, -sum_i t_i log t_i, which is 0 only for a one-hot t.

    Parameters
    ----------
    label_smoothing : float, default 0.0
        s in [0, 1): replaces t by (1 - s) t + s / n[L] (Szegedy et al. 2016, section 7).
    """

    label_smoothing: float = 0.0
    name: ClassVar[str] = "cross_entropy"
    output: ClassVar[str | None] = "softmax"

    def __post_init__(self) -> None:
        checks.number(self.label_smoothing, "label_smoothing", minimum=0, below=1)


@dataclass(frozen=True)
class BinaryCrossEntropy(CrossEntropy):
    """Binary cross-entropy for a sigmoid output and y from 0 to 1: L = -(y log a + (1 - y) log(1 - a)).

    dL/dz = a - y. L is at least the entropy of y, which is 0 only for y = 0 and y = 1.

    Parameters
    ----------
    label_smoothing : float, default 0.0
        s in [0, 1): replaces y by (1 - s) y + s / 2.
    """

    name: ClassVar[str] = "binary_cross_entropy"
    output: ClassVar[str | None] = "sigmoid"


@dataclass(frozen=True)
class Poisson(Loss):
    """Half the Poisson deviance for an exp output and counts y >= 0: L = y log(y / a) - y + a."""

    name: ClassVar[str] = "poisson"
    output: ClassVar[str | None] = "exp"


@dataclass(frozen=True)
class SquaredError(Loss):
    """Squared error: L = (a - y)^2 / 2."""

    name: ClassVar[str] = "squared_error"


@dataclass(frozen=True)
class Absolute(Loss):
    """Absolute error, minimised by the median: L = |a - y|, with derivative 0 at a = y."""

    name: ClassVar[str] = "absolute"


@dataclass(frozen=True)
class Huber(Loss):
    """Huber loss (1964): L = (a - y)^2 / 2 if |a - y| <= delta, else delta (|a - y| - delta / 2).

    Parameters
    ----------
    delta : float, default 1.0
        Where the loss becomes linear, in units of y; positive.
    """

    delta: float = 1.0
    name: ClassVar[str] = "huber"

    def __post_init__(self) -> None:
        checks.number(self.delta, "delta", above=0)


@dataclass(frozen=True)
class Quantile(Loss):
    """Quantile (pinball) loss, minimised by the q-quantile: L = q (y - a) if a < y, else (1 - q) (a - y).

    See Koenker & Bassett (1978).

    Parameters
    ----------
    q : float, default 0.5
        Strictly between 0 and 1; 0.5 gives half the absolute error.
    """

    q: float = 0.5
    name: ClassVar[str] = "quantile"

    def __post_init__(self) -> None:
        checks.number(self.q, "q", above=0, below=1)


BY_NAME: dict[str, type[Loss]] = {
    kind.name: kind for kind in (CrossEntropy, BinaryCrossEntropy, Poisson, SquaredError, Absolute, Huber, Quantile)
}
AUTO = {kind.output: kind for kind in BY_NAME.values() if kind.output is not None}


def resolve(loss: str | Loss, output: str) -> Loss:
    """Return the loss with the given name and default parameters, or the given Loss itself.

    "auto" selects the cross-entropy or deviance that belongs to the output activation, else the squared error.

    Raises
    ------
    ValueError, TypeError
        If the loss is unknown or needs another output activation.
    """
    loss = checks.scalar(loss)
    if isinstance(loss, str):
        name = checks.name(loss, ("auto", *BY_NAME), "loss")
        loss = AUTO.get(output, SquaredError)() if name == "auto" else BY_NAME[name]()
    if not isinstance(loss, Loss):
        functions.refuse_class(loss, "loss")
        raise TypeError(f"loss must be a name (auto, {', '.join(BY_NAME)}) or a fastnn.losses.Loss, "
                        f"got {checks.shown(loss)}")
    if loss.output not in (None, output):
        raise ValueError(f"loss={loss.name!r} needs output={loss.output!r}, got {output!r}")
    return loss


def weighted_sum(loss: Loss, raw: NDArray[Any], Y: NDArray[Any], weights: NDArray[Any] | None, level: int) -> float:
    """Return sum_j w_j L_j, or sum_ij w_ij L_ij, with `loss.ceiling` and `loss.factor` applied.

    `raw` is C-ordered (m, n[L]) and holds Z[L] if `loss.from_z`, else A[L]. It is overwritten.
    """
    dZ = raw.T
    targets = Y.T
    weights = None if weights is None else weights.T
    return loss.factor * float(kernels.loss(loss.name, dZ, targets, weights, dZ, level, loss.parameter, loss.ceiling))
