"""The losses: values with their parameters, which output each goes with, and what its targets look like."""

from dataclasses import asdict, dataclass
from math import inf
from typing import Any, ClassVar

from numpy.typing import NDArray

from fastnn._core import kernels
from fastnn._core.registry import FROM_Z, loss_code
from fastnn._data import checks

__all__ = ["Absolute", "BinaryCrossEntropy", "CrossEntropy", "Huber", "Loss", "Poisson", "Quantile", "SquaredError",
           "resolve", "weighted_sum"]


@dataclass(frozen=True)
class Loss:
    """The base of all losses; instances are values: equal parameters, equal losses.

    L is a sum over the output units; J is its weighted mean over the examples.
    """

    name: ClassVar[str]
    output: ClassVar[str | None] = None  # the activation that it needs; None for any

    @property
    def code(self) -> int:
        """The loss's number in the compiled core."""
        return loss_code(self.name)

    @property
    def from_z(self) -> bool:
        """Whether it is taken from Z[L], its output activation inside it, rather than from A[L]."""
        return self.name in FROM_Z

    @property
    def parameter(self) -> float:
        """The one number that the kernel needs."""
        return next(iter(self.parameters.values()), 0.0)

    @property
    def ceiling(self) -> float:
        """Upper bound on a reported loss term: per example for the cross-entropy, per output unit otherwise.

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
    """L = -sum_i t_i log a_i on a softmax output, t the one-hot target.

    Parameters
    ----------
    label_smoothing : float, default 0.0
        s, from 0 to below 1: t becomes (1 - s) t + s / n[L] (Szegedy et al. 2016, section 7).
    """

    label_smoothing: float = 0.0
    name: ClassVar[str] = "cross_entropy"
    output: ClassVar[str | None] = "softmax"

    def __post_init__(self) -> None:
        checks.number(self.label_smoothing, "label_smoothing", minimum=0, below=1)


@dataclass(frozen=True)
class BinaryCrossEntropy(CrossEntropy):
    """L = -(y log a + (1 - y) log(1 - a)) on a sigmoid output: the notes' loss of logistic regression.

    Parameters
    ----------
    label_smoothing : float, default 0.0
        s, from 0 to below 1: y becomes (1 - s) y + s / 2.
    """

    name: ClassVar[str] = "binary_cross_entropy"
    output: ClassVar[str | None] = "sigmoid"


@dataclass(frozen=True)
class Poisson(Loss):
    """L = y log(y / a) - y + a on an exp output: half the Poisson deviance, for counts y >= 0."""

    name: ClassVar[str] = "poisson"
    output: ClassVar[str | None] = "exp"


@dataclass(frozen=True)
class SquaredError(Loss):
    """L = (a - y)^2 / 2."""

    name: ClassVar[str] = "squared_error"


@dataclass(frozen=True)
class Absolute(Loss):
    """L = |a - y|, whose minimum is at the median; its derivative at 0 is taken as 0."""

    name: ClassVar[str] = "absolute"


@dataclass(frozen=True)
class Huber(Loss):
    """L = (a - y)^2 / 2 where |a - y| <= delta, else delta (|a - y| - delta / 2) (Huber 1964).

    Parameters
    ----------
    delta : float, default 1.0
        Positive, in units of y.
    """

    delta: float = 1.0
    name: ClassVar[str] = "huber"

    def __post_init__(self) -> None:
        checks.number(self.delta, "delta", above=0)


@dataclass(frozen=True)
class Quantile(Loss):
    """L = q (y - a) where a < y, else (1 - q) (a - y), whose minimum is at the q-quantile (Koenker & Bassett 1978).

    Parameters
    ----------
    q : float, default 0.5
        Between 0 and 1. 0.5 is half the absolute error.
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
    """Return the loss of that name with its default parameters, or the given object; "auto" follows the output.

    Raises
    ------
    ValueError, TypeError
        If it is unknown, or needs another output activation.
    """
    if isinstance(loss, str):
        name = checks.name(loss, ("auto", *BY_NAME), "loss")
        loss = AUTO.get(output, SquaredError)() if name == "auto" else BY_NAME[name]()
    if not isinstance(loss, Loss):
        raise TypeError(f"loss must be a name (auto, {', '.join(BY_NAME)}) or a fastnn.losses.Loss, "
                        f"got {type(loss).__name__}")
    if loss.output not in (None, output):
        raise ValueError(f"loss={loss.name!r} needs output={loss.output!r}, got {output!r}")
    return loss


def weighted_sum(loss: Loss, raw: NDArray[Any], Y: NDArray[Any], weights: NDArray[Any] | None, level: int) -> float:
    """Return sum_j w_j L_j, as J reports it; `raw` (m, n[L]), C-ordered, is overwritten.

    It holds Z[L] if `loss.from_z`, else A[L].
    """
    dZ = raw.T
    targets = Y if Y.ndim == 1 else Y.T
    return loss.factor * float(kernels.loss(loss.name, dZ, targets, weights, dZ, level, loss.parameter, loss.ceiling))
