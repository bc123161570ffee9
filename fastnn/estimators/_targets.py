"""The scale of a regressor's targets: standardised inside, compared, and hinted at."""

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn._data.sparse import is_sparse
from fastnn._data.weights import by_output
from fastnn.estimators._inputs import FitData

__all__ = ["TargetScale", "explained", "is_noise", "moderate", "on_another_scale", "sample", "scale_of_stream",
           "unusual_scale"]

SPREADS = 10.0  # a spread that differs by this factor, or a shift of this many spreads, is another scale
SQUARED = 1e-100, 1e100  # sums of squares of numbers between them are in the range of float64
HINTED_ROWS = 1000  # rows that decide whether a fit explains its targets


class TargetScale(NamedTuple):
    """The mean and the standard deviation of each target.

    Attributes
    ----------
    mean, deviation : ndarray of float64 (n_outputs,)
    """

    mean: NDArray[np.float64]
    deviation: NDArray[np.float64]

    @classmethod
    def of(cls, Y: NDArray[Any], weights: NDArray[Any] | None) -> "TargetScale":
        """Return the weighted scale of targets (m, n_outputs); the deviation of a constant target is 1.

        Both are computed relative to the largest value, so that they neither overflow nor underflow.
        """
        if weights is not None:
            weights = by_output(weights, Y.shape[1])
            Y = np.where(weights > 0, Y, 0)  # an unknown target may be of any size
        largest = np.abs(Y).max(axis=0)
        unit = np.where(largest > 0, largest, 1.0)
        mean = unit * np.average(Y / unit, axis=0, weights=weights)
        away = Y - mean if weights is None else np.where(weights > 0, Y - mean, 0)
        farthest = np.abs(away).max(axis=0)
        constant = farthest <= 8 * np.finfo(np.float64).eps * largest  # rounding of the mean
        unit = np.where(constant, 1.0, farthest)
        deviation = unit * np.sqrt(np.average((away / unit) ** 2, axis=0, weights=weights))
        return cls(mean, np.where(constant | (deviation == 0), 1.0, deviation))

    def standardised(self, Y: NDArray[Any]) -> NDArray[np.float64]:
        """Return targets (m,) or (m, n_outputs) with mean 0 and standard deviation 1."""
        shape = np.shape(Y)
        result: NDArray[np.float64] = ((np.reshape(Y, (len(Y), -1)) - self.mean) / self.deviation).reshape(shape)
        return result

    def in_units(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return predictions (m, n_outputs) of standardised targets in the units of y, in the dtype given."""
        with np.errstate(under="ignore"):
            result: NDArray[Any] = (outputs * self.deviation + self.mean).astype(outputs.dtype, copy=False)
        return result


def moderate(y: NDArray[Any], predicted: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return targets and predictions whose squares neither overflow nor underflow, for scores that units do not change.

    Each target is multiplied by a power of two if it is far from 1.

    Parameters
    ----------
    y : ndarray (m,) or (m, n_outputs)
    predicted : ndarray
        The same shape, or with further axes.
    """
    if y.dtype.kind != "f" or not len(y):
        return y, predicted
    largest = np.abs(y).max(axis=0)
    far = (largest > 0) & ((largest < SQUARED[0]) | (largest > SQUARED[1]))
    if not far.any():
        return y, predicted
    exponents = np.where(far, -np.frexp(largest)[1], 0)
    of_predicted = exponents.reshape(exponents.shape + (1,) * (predicted.ndim - y.ndim))
    with np.errstate(over="ignore", under="ignore"):
        return (np.ldexp(y.astype(np.float64), exponents),
                np.ldexp(predicted.astype(np.float64), of_predicted))


def by_target(data: FitData) -> bool:
    """Tell whether each target has its own weight: it may be 0 because the target is unknown."""
    return data.loss_weight is not None and data.loss_weight.ndim == 2


def columns(data: FitData) -> NDArray[np.float64]:
    """Return the targets with weight as a matrix (m, n_outputs)."""
    return np.asarray(data.y, np.float64).reshape(len(data.y), -1)[data.weighted_rows()]


def on_another_scale(training: FitData, validation: FitData) -> str:
    """Say how far apart the targets for training and validation are, if no honest shift explains it; else ''.

    Standard deviations and interquartile ranges must both differ by the factor `SPREADS`, or the medians by `SPREADS`
    times the larger spread of the training targets, so that neither outliers nor many equal values matter. Where some
    targets of an example are unknown, nothing is said.
    """
    if by_target(training) or by_target(validation):
        return ""
    for k, (y, other) in enumerate(zip(columns(training).T, columns(validation).T, strict=False)):
        ours, theirs = spreads(y), spreads(other)
        if not (ours > 0).all():
            continue
        with np.errstate(over="ignore", under="ignore"):
            wider = (theirs > SPREADS * ours).all()
            narrower = (theirs < ours / SPREADS).all() and len(other) >= 10
            shifted = abs(np.median(other) - np.median(y)) > SPREADS * ours.max()
        if wider or shifted or (narrower and (theirs > 0).all()):
            of = f" of output {k}" if training.y.ndim > 1 else ""
            return (f"median and standard deviation{of} are {np.median(other):.3g} and {theirs[0]:.3g}, those of y "
                    f"{np.median(y):.3g} and {ours[0]:.3g}")
    return ""


def spreads(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the standard deviation and the interquartile range of y (m,), in units of one standard deviation."""
    exponent = int(np.frexp(np.abs(y).max())[1])  # so that no square overflows
    with np.errstate(under="ignore"):
        scaled = np.ldexp(y, -exponent)
        low, high = np.percentile(scaled, [25, 75])
        return np.ldexp([scaled.std(), (high - low) / 1.349], exponent)  # 1.349: that of a normal distribution


def unusual_scale(data: FitData) -> str:
    """Say what the scale of the targets is if it is far from that of the initial outputs; else ''.

    Where some targets of an example may be unknown, nothing is said.
    """
    if by_target(data):
        return ""
    Y = columns(data)
    with np.errstate(all="ignore"):  # of extreme targets, which need the longer computation
        means = Y.sum(axis=0) / len(Y)
        deviations = np.sqrt(((Y - means) ** 2).sum(axis=0) / len(Y))
    if all(map(is_usual, means, deviations)):
        return ""
    for center, spread in zip(*TargetScale.of(Y, None), strict=True):
        if not is_usual(center, spread):
            return f"mean {center:.3g} and standard deviation {spread:.3g}"
    return ""


def is_usual(center: float, spread: float) -> bool:
    """Return whether the scale of a target is near that of the initial outputs."""
    return bool(1 / SPREADS <= spread <= SPREADS and abs(center) <= SPREADS * spread)


def sample(data: FitData) -> tuple[Any, NDArray[np.float64]]:
    """Return up to `HINTED_ROWS` rows of X with weight, evenly spaced, and their targets (rows, n_outputs)."""
    rows = data.weighted_rows()
    rows = rows[:: -(-len(rows) // HINTED_ROWS)]
    return data.X[rows], np.asarray(data.y, np.float64).reshape(len(data.y), -1)[rows]


def explained(y: NDArray[np.float64], predicted: NDArray[np.float64], quantile: float | None, squared: bool) -> float:
    """Return the lowest share of the loss of the best constant prediction that the predictions (m, n_outputs) save.

    For squared errors it is R2; else the quantile loss takes the place of squares, with the median for other losses.
    Constant targets are left out; if all are, the result is 1.
    """
    q = 0.5 if quantile is None else quantile

    def loss(errors: NDArray[np.float64]) -> NDArray[np.float64]:
        mean: NDArray[np.float64] = np.mean(errors**2 if squared else np.maximum(q * errors, (q - 1) * errors), axis=0)
        return mean

    with np.errstate(over="ignore", invalid="ignore"):
        of_constant = loss(y - (y.mean(axis=0) if squared else np.quantile(y, q, axis=0)))
        ratios = loss(y - predicted)[of_constant > 0] / of_constant[of_constant > 0]
    return float(1 - ratios.max(initial=0))


def is_noise(X: Any, y: NDArray[np.float64], predicted: NDArray[np.float64], share: float) -> bool:
    """Return whether neither the predictions (m, n_outputs), rescaled, nor a linear model explain `share` of y.

    Then a fit that explains none of it did not fail for its scale. Of many features nothing is known.
    """
    m, n = X.shape
    if is_sparse(X) or 10 * n > m:
        return False
    away = y - y.mean(axis=0)
    columns = np.asarray(X, np.float64) - np.mean(X, axis=0, dtype=np.float64)
    line = columns @ np.linalg.lstsq(columns, away, rcond=None)[0]
    explained_by_line = squared_correlations(away, line)
    adjusted = 1 - (1 - explained_by_line) * (m - 1) / (m - n - 1)  # for the n coefficients
    return bool((np.maximum(adjusted, squared_correlations(away, predicted)) < share).all())


def squared_correlations(y: NDArray[np.float64], other: NDArray[Any]) -> NDArray[np.float64]:
    """Return the squared correlations (n_outputs,) of values (m, n_outputs), 0 of constants."""
    y, other = (values / np.maximum(np.abs(values).max(axis=0), np.finfo(np.float64).tiny) for values in (
        y - y.mean(axis=0), other - other.mean(axis=0, dtype=np.float64)))
    squares: NDArray[np.float64] = (y**2).sum(axis=0) * (other**2).sum(axis=0)
    return np.asarray((y * other).sum(axis=0) ** 2 / np.where(squares > 0, squares, 1))


def scale_of_stream(data: FitData, first: bool) -> str:
    """Say why the scale of standardised targets does not suit a stream of partial_fit; else ''.

    In the first call, each target must have more than one value. In later calls, the root mean square of the
    standardised targets must be at most `SPREADS`.
    """
    Y = np.reshape(data.encoded_y, (len(data.encoded_y), -1))
    known = np.ones(Y.shape, np.bool_)
    if data.loss_weight is not None:
        known = np.broadcast_to(np.reshape(data.loss_weight, (len(Y), -1)) > 0, Y.shape)
    if first:
        return "" if (Y.any(axis=0) | ~known.any(axis=0)).all() else "y has a single value, and no spread"
    squares = (np.where(known, Y, 0) ** 2).sum(axis=0)
    return "y is on another scale than in the first call" if (squares > SPREADS**2 * known.sum(axis=0)).any() else ""
