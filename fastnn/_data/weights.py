"""Sample weights: checked, scaled, and multiplied by those of the classes."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._data import checks
from fastnn._data.arrays import finite, ignoring_underflow, numeric
from fastnn._model.architecture import Architecture

__all__ = ["WeightScale", "as_counts", "as_json", "by_example", "by_output", "example_weights", "for_core", "multiply",
           "needs_all_labels", "total_weight"]

EQUAL = 1e-9  # relative to the mean
MEAN_COUNTS = (0.1, 1e6)  # weights of another mean are no numbers of examples


class WeightScale:
    """A power of two by which weights are multiplied, so that neither they nor their sums leave a dtype's range.

    J is a weighted mean: powers of two leave it bitwise identical. The first weights set the exponent; all parts of
    the data share one scale, which keeps the ratios between them.
    """

    def __init__(self) -> None:
        self.exponent: int | None = None

    def apply(self, weights: NDArray[np.float64]) -> NDArray[np.float64]:
        """Return the weights times the power of two; the first that are not all zero then lie below 1."""
        if self.exponent is None and weights.any():
            self.exponent = -int(np.frexp(weights.max())[1])
        with np.errstate(over="ignore"):  # `for_core` refuses what is too large
            scaled: NDArray[np.float64] = np.ldexp(weights, self.exponent or 0)
        return scaled

    def one(self) -> float:
        """Return the weight of an example that is given none."""
        if self.exponent is None:
            self.exponent = 0
        return float(np.ldexp(1.0, self.exponent))


@ignoring_underflow
def example_weights(sample_weight: Any, class_weight: Any, Y: NDArray[Any], m: int, architecture: Architecture,
                    what: str = "sample_weight", scale: WeightScale | None = None) -> NDArray[Any] | None:
    """Return the weights of the examples as the core reads them, (m,) or (m, n[L]), or None for ones.

    Parameters
    ----------
    sample_weight, class_weight
        As for `Network.fit`.
    Y : ndarray
        Targets, for class weights as `targets.encode_targets` returns them.
    m : int
        Examples.
    architecture : Architecture
    what : str
        The sample weights' name in error messages.
    scale : WeightScale, optional
        That of all examples, of which these are a part, whose weights may all be zero.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as `Network.fit` describes it.
    """
    n_targets = Y.shape[1] if len(Y.shape) == 2 else architecture.n_outputs  # Y may be read by slices
    weights = checked(sample_weight, m, architecture, what, n_targets)
    if weights is not None:
        if scale is None and not weights.any():
            raise ValueError(f"{what} must not be all zero")
        weights = (scale or WeightScale()).apply(weights)
    elif scale is not None and scale.one() != 1:
        weights = np.full(m, scale.one())
    if class_weight is not None:
        weights = multiply(weights, class_factors(class_weight, Y, architecture, weights))
    if weights is None:
        return None
    if scale is None:
        if not weights.any():
            raise ValueError(f"{what} times class_weight must not be all zero")
        weights = WeightScale().apply(weights)
    return for_core(weights, architecture.dtype, what)


def checked(sample_weight: Any, m: int, architecture: Architecture,
            what: str = "sample_weight", n_targets: int | None = None) -> NDArray[np.float64] | None:
    """Return sample weights, (m,) or (m, n[L]), or (m, n_targets) if given, or None.

    Raises
    ------
    ValueError, TypeError
        If they are not non-negative finite numbers of one of these shapes.
    """
    if sample_weight is None:
        return None
    n_out, by_output = n_targets or architecture.n_outputs, architecture.output != "softmax"
    shape = f"(m,) = ({m},)" + (f" or (m, n[L]) = ({m}, {n_out})" if by_output else "")
    array = numeric(sample_weight, what, shape)
    if array.shape == (m, n_out) and n_out == 1:
        array = array.reshape(m)
    if array.shape != (m,) and not (by_output and array.shape == (m, n_out)):
        one_label = ": a softmax output has one label, and one weight, per example" * (array.shape == (m, n_out))
        raise ValueError(f"{what} must have shape {shape}, got {array.shape}{one_label}")
    weights = finite(array, np.dtype(np.float64), what, sample_weight)
    if (weights < 0).any():
        raise ValueError(f"{what} must not be negative")
    return weights


def for_core(weights: NDArray[np.float64], dtype: np.dtype[Any], what: str = "sample_weight") -> NDArray[Any]:
    """Return scaled weights C-ordered in the dtype of the core; what its normal numbers cannot hold counts as 0.

    Raises
    ------
    ValueError
        If they are too large: those of a part, in relation to the first part.
    """
    limits = np.finfo(dtype)
    if float(weights.max(initial=0)) > float(limits.max) / max(1, weights.size):
        raise ValueError(f"{what} is too large in relation to the weights of the first examples with weight")
    # Of a smaller weight the inverse, by which a gradient is scaled, would overflow.
    return np.ascontiguousarray(np.where(np.asarray(weights, np.float64) < float(limits.tiny), 0, weights), dtype)


def as_counts(*factors: NDArray[Any] | None) -> NDArray[np.float64] | None:
    """Return the numbers of examples that the products of weights stand for, or None for ones.

    A weight of 2 stands for two examples. But of weights that are equal, up to rounding, or whose mean is outside
    MEAN_COUNTS, only the ratios count: those above 0 then have the mean 1. Weights that are all zero stay so.
    """
    product, exponent = None, 0  # no sum or product overflows or is subnormal
    for weights in factors:
        if weights is not None:
            scale, last = WeightScale(), WeightScale()
            product = last.apply(np.asarray(multiply(product, scale.apply(weights))))
            exponent += (scale.exponent or 0) + (last.exponent or 0)
    if product is None or not product.any():
        return product
    positive = product[product > 0]
    mean = positive.mean()
    with np.errstate(over="ignore", under="ignore"):
        count = np.ldexp(mean, -exponent)
    if positive.max() - positive.min() <= EQUAL * mean or not MEAN_COUNTS[0] <= count <= MEAN_COUNTS[1]:
        return np.asarray(product / mean)
    with np.errstate(under="ignore"):
        return np.asarray(np.ldexp(product, -exponent))


def by_example(weights: NDArray[Any]) -> NDArray[Any]:
    """Return one weight per example (m,): the mean over the outputs."""
    return weights if weights.ndim == 1 else weights.mean(axis=1, dtype=np.float64)


def by_output(weights: NDArray[Any], n: int) -> NDArray[Any]:
    """Return the weights of n outputs (m, n): of one without any weight, ones."""
    wide = np.broadcast_to(weights[:, None] if weights.ndim == 1 else weights, (len(weights), n))
    return np.where(wide.any(axis=0), wide, 1)


def total_weight(weights: NDArray[Any]) -> float:
    """Return the sum of the weights of all examples."""
    return float(weights.sum(dtype=np.float64)) / (weights.shape[1] if weights.ndim == 2 else 1)


def multiply(one: NDArray[Any] | None, other: NDArray[Any] | None) -> NDArray[Any] | None:
    """Return the products of weights (m,) or (m, n[L]), where None means ones."""
    if one is None or other is None:
        return other if one is None else one
    wide = one.ndim != other.ndim
    product: NDArray[Any] = (one[:, None] if wide and one.ndim == 1 else one) * (
        other[:, None] if wide and other.ndim == 1 else other)
    return product


def needs_all_labels(class_weight: Any) -> bool:
    """Return whether class weights, of an output or of any in a list, depend on all labels."""
    if isinstance(class_weight, (list, tuple)):
        return any(needs_all_labels(one) for one in class_weight)
    return isinstance(class_weight, str) and class_weight == "balanced"


def as_json(class_weight: Any) -> Any:
    """Return checked class weights as JSON values, the same for equal ones: a dict as sorted pairs."""
    if isinstance(class_weight, Mapping):
        return sorted([int(label), float(weight)] for label, weight in class_weight.items())
    return [as_json(one) for one in class_weight] if isinstance(class_weight, (list, tuple)) else class_weight


def class_factors(class_weight: Any, Y: NDArray[Any], architecture: Architecture,
                  weights: NDArray[Any] | None = None) -> NDArray[np.float64]:
    """Return the factors of the sample weights: (m,), for several sigmoid outputs (m, n[L]).

    They are multiplied by a power of two, so that none is above 1. Probabilities get the expected factor. Labels
    whose sample weight is 0 do not count for "balanced".

    Parameters
    ----------
    class_weight
        As for `Network.fit`.
    Y : ndarray
        Targets as `targets.encode_targets` returns them.
    architecture : Architecture
    weights : ndarray (m,) or (m, n[L]), optional
        The sample weights.

    Raises
    ------
    ValueError, TypeError
        If the class weights are not as `Network.fit` describes them.
    """
    n_out = architecture.n_outputs
    if architecture.output == "softmax":
        counted = Y if weights is None else Y[weights > 0]
        counts = np.bincount(counted, minlength=n_out) if Y.ndim == 1 else counted.sum(axis=0, dtype=np.float64)
        by_class = WeightScale().apply(_of_output(class_weight, counts, "class_weight"))
        return by_class[Y] if Y.ndim == 1 else np.asarray(Y @ by_class)
    if architecture.output != "sigmoid":
        raise ValueError("class_weight needs a softmax or sigmoid output")
    listed = isinstance(class_weight, (list, tuple))
    if listed and len(class_weight) != n_out:
        raise ValueError(f"class_weight must have one entry per output, {n_out}, got {len(class_weight)}")
    if isinstance(class_weight, Mapping) and n_out > 1:
        raise TypeError("class_weight of several outputs must be 'balanced' or a list of one entry per output, got a "
                        "dict")
    positive = Y.astype(np.float64)
    known = np.ones((1, n_out)) if weights is None else weights.reshape(len(Y), -1) > 0
    counts = np.stack([((1 - positive) * known).sum(axis=0), (positive * known).sum(axis=0)], axis=1)  # (n[L], 2)
    factors = WeightScale().apply(np.array([
        _of_output(class_weight[i] if listed else class_weight, counts[i],
                   f"class_weight[{i}]" if listed else "class_weight") for i in range(n_out)]))  # (n[L], 2)
    by_output: NDArray[np.float64] = (1 - positive) * factors[:, 0] + positive * factors[:, 1]
    return by_output[:, 0] if n_out == 1 else by_output


def _of_output(class_weight: Any, counts: NDArray[Any], what: str) -> NDArray[np.float64]:
    """Return the weight of each label, given the number of examples of each, or the sum of its probabilities."""
    if isinstance(class_weight, str) and class_weight == "balanced":
        present = np.count_nonzero(counts)
        if not present:  # no label is known
            return np.ones(len(counts))
        return np.where(counts > 0, counts.sum() / (present * np.where(counts > 0, counts, 1)), 0.0)
    if class_weight is not None and not isinstance(class_weight, Mapping):
        raise TypeError(f"{what} must be 'balanced' or a dict of label: weight, got {checks.shown(class_weight)}")
    factors = np.ones(len(counts))
    for label, weight in ({} if class_weight is None else class_weight).items():
        position = checks.count(label, f"a label of {what}", 0, len(counts) - 1)
        factors[position] = checks.number(weight, f"{what}[{checks.shown(label)}]", minimum=0)
    return factors
