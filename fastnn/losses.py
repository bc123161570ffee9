"""Loss functions."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import inf
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from fastnn._core import kernels
from fastnn._core.registry import FROM_Z
from fastnn._data import checks, functions

__all__ = ["Absolute", "BinaryCrossEntropy", "CrossEntropy", "Gaussian", "Huber", "Loss", "Poisson", "Quantile",
           "SquaredError", "resolve", "weighted_sum"]


@dataclass(frozen=True)
class Loss:
    """Base class of the losses. Instances are immutable and compare equal if their parameters are equal.

    L is the loss of one example, summed over the output units or targets; J is the weighted mean of L over the
    examples.
    """

    name: ClassVar[str]
    output: ClassVar[str | None] = None  # the required output activation; None for any

    @property
    def per_target(self) -> int:
        """r, the number of output units of each target: y has n[L] / r columns."""
        return 1

    @property
    def shapes_predictions(self) -> bool:
        """Whether the predictions are not the outputs themselves."""
        return False

    @property
    def from_z(self) -> bool:
        """Whether the loss is computed from Z[L], including the output activation, rather than from A[L]."""
        return self.name in FROM_Z

    @property
    def parameter(self) -> float | NDArray[np.float64]:
        """The parameter passed to the kernel, or one for each unit of a target; 0 if the loss has none."""
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
    def parameters(self) -> dict[str, Any]:
        """The parameters by name, as JSON values: numbers of Python, and a list of levels."""
        return {name: list(value) if isinstance(value, tuple) else checks.scalar(value)
                for name, value in vars(self).items()}

    def predictions(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the predictions for real-valued outputs (m, n[L]): here themselves."""
        return outputs

    def slopes(self, outputs: NDArray[Any], gradients: NDArray[Any]) -> NDArray[Any]:
        """Return the derivatives of the predictions, given those of the outputs, (m, n[L], n_x)."""
        return gradients

    def centers(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the prediction of each target (m, n[L] / r) that is compared with y."""
        return self.predictions(outputs)

    def units(self, mean: NDArray[Any], deviation: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return shift and factor (n[L],) of outputs for standardised targets, given the scale (k,) of the targets."""
        return np.repeat(mean, self.per_target), np.repeat(deviation, self.per_target)

    def check_outputs(self, n_out: int) -> None:
        """Raise a ValueError unless n[L] units are outputs for whole targets."""
        if n_out % self.per_target:
            raise ValueError(f"loss={self.name!r} needs {self.per_target} output units for each target, got n[L] = "
                             f"{n_out}")


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

    With r levels, each target has r outputs in turn, and L is the sum over them. Predictions are sorted along the
    levels: they never cross, and their loss is never larger than that of the outputs.

    Parameters
    ----------
    q : float or sequence of float, default 0.5
        Strictly between 0 and 1, increasing; 0.5 gives half the absolute error.

    References
    ----------
    R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46 (1978); V. Chernozhukov, I. Fernandez-Val and
    A. Galichon, "Quantile and probability curves without crossing", Econometrica 78 (2010).
    """

    q: float | Sequence[float] = 0.5
    name: ClassVar[str] = "quantile"

    def __post_init__(self) -> None:
        if not isinstance(self.q, (Sequence, np.ndarray)) or isinstance(self.q, (str, bytes)) or np.ndim(self.q) != 1:
            checks.number(self.q, "q", above=0, below=1)
            return
        levels = tuple(checks.number(level, f"q[{i}]", above=0, below=1) for i, level in enumerate(self.q))
        if not levels or any(low >= high for low, high in pairwise(levels)):
            raise ValueError(f"q must hold increasing levels, got {checks.shown(list(levels))}")
        object.__setattr__(self, "q", levels)

    @property
    def per_target(self) -> int:
        """The number of levels."""
        return len(self.q) if isinstance(self.q, tuple) else 1

    @property
    def shapes_predictions(self) -> bool:
        """Whether there is a sequence of levels."""
        return isinstance(self.q, tuple)

    @property
    def parameter(self) -> float | NDArray[np.float64]:
        """The level, or the levels of the units of a target."""
        if isinstance(self.q, tuple):
            return np.array(self.q) if len(self.q) > 1 else self.q[0]
        return float(self.q)  # type: ignore[arg-type]

    def predictions(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the outputs, or for a sequence of levels the sorted quantiles: (m, r), or (m, k, r) for k targets."""
        if not self.shapes_predictions:
            return outputs
        quantiles: NDArray[Any] = np.sort(outputs.reshape(len(outputs), -1, self.per_target), axis=2)
        return quantiles[:, 0] if quantiles.shape[1] == 1 else quantiles

    def slopes(self, outputs: NDArray[Any], gradients: NDArray[Any]) -> NDArray[Any]:
        """Return the derivatives of the predictions, in the order of sorting: (m, r, n_x), or (m, k, r, n_x)."""
        if not self.shapes_predictions:
            return gradients
        order = np.argsort(outputs.reshape(len(outputs), -1, self.per_target), axis=2, kind="stable")
        by_level = gradients.reshape(*order.shape, gradients.shape[2])
        ordered = np.take_along_axis(by_level, order[..., None], axis=2)
        return ordered[:, 0] if ordered.shape[1] == 1 else ordered

    def centers(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the median of each target: between two levels interpolated, beyond them the nearest quantile."""
        if not isinstance(self.q, tuple):
            return outputs
        quantiles = self.predictions(outputs).reshape(len(outputs), -1, self.per_target)
        place = float(np.interp(0.5, self.q, np.arange(len(self.q))))
        below = int(place)
        if below == place:
            return quantiles[:, :, below]
        with np.errstate(over="ignore", invalid="ignore"):  # after divergence
            low, high = quantiles[:, :, below], quantiles[:, :, below + 1]
            return np.asarray(low + outputs.dtype.type(place - below) * (high - low))


@dataclass(frozen=True)
class Gaussian(Loss):
    """Gaussian likelihood with mean a and variance e^s of each target: L = (s + (y - a)^2 e^-s) / 2.

    It is -log p(y) without the constant log(2 pi) / 2 of each target, and so may be negative. An identity output has 2k
    units for k targets: the means, then the logarithms s of the variances. Below s = -50 (a standard deviation of
    1.4e-11), e^-s continues as its tangent and the first s as -50, so that L and its derivatives stay finite and lead
    back. Scale targets to a standard deviation near 1, from which the training starts.

    References
    ----------
    D. A. Nix and A. S. Weigend, "Estimating the mean and variance of the target probability distribution", ICNN (1994).
    """

    name: ClassVar[str] = "gaussian"
    output: ClassVar[str | None] = "identity"

    @property
    def per_target(self) -> int:
        """2: the mean and the logarithm of the variance."""
        return 2

    @property
    def shapes_predictions(self) -> bool:
        """True: the predictions are the means."""
        return True

    def predictions(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the means (m, k)."""
        return outputs[:, : outputs.shape[1] // 2]

    def slopes(self, outputs: NDArray[Any], gradients: NDArray[Any]) -> NDArray[Any]:
        """Return the derivatives of the means (m, k, n_x)."""
        return self.predictions(gradients)

    def units(self, mean: NDArray[Any], deviation: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return shift and factor (2k,) of outputs for standardised targets, given the scale (k,) of the targets."""
        return (np.concatenate([mean, 2 * np.log(deviation)]),
                np.concatenate([deviation, np.ones(len(deviation))]))

    def deviations(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return the standard deviations (m, k)."""
        s = outputs[:, outputs.shape[1] // 2 :]
        with np.errstate(over="ignore"):  # after divergence
            return np.asarray(np.exp(np.maximum(s, LEAST_LOG_VARIANCE) / 2))


LEAST_LOG_VARIANCE = -50.0  # as in csrc/elementwise/loss_blocks.inc.h
BY_NAME: dict[str, type[Loss]] = {
    kind.name: kind for kind in (CrossEntropy, BinaryCrossEntropy, Poisson, SquaredError, Absolute, Huber, Quantile,
                                 Gaussian)
}
AUTO = {kind.output: kind for kind in BY_NAME.values() if kind.name in FROM_Z}


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
    if loss.shapes_predictions and output in ("softmax", "sigmoid"):
        raise ValueError(f"loss={loss!r} is for real-valued outputs, not for the labels of output={output!r}")
    return loss


def weighted_sum(loss: Loss, raw: NDArray[Any], Y: NDArray[Any], weights: NDArray[Any] | None, level: int) -> float:
    """Return sum_j w_j L_j, or sum_ij w_ij L_ij, with `loss.ceiling` and `loss.factor` applied.

    `raw` is C-ordered (m, n[L]) and holds Z[L] if `loss.from_z`, else A[L]. It is overwritten.
    """
    dZ = raw.T
    targets = Y.T
    weights = None if weights is None else weights.T
    return loss.factor * float(kernels.loss(loss.name, dZ, targets, weights, dZ, level, loss.parameter, loss.ceiling))
