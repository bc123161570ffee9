"""Checks of user input, with error messages in textbook notation.

Arrays are returned as the compiled core reads them: aligned, in native byte order and the network's dtype. They are
copied only if necessary; the caller's arrays are never changed.
"""

import math
import numbers
from collections.abc import Sequence
from itertools import pairwise
from operator import index
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from fastnn._data.arrays import finite, is_finite, numeric, refuse_not_finite
from fastnn._data.frames import column_names, place
from fastnn._data.precision import warn_if_merged
from fastnn._data.sparse import SparseRows, is_sparse

__all__ = ["DTYPES", "batch_size", "count", "dropout", "dtype",
           "features", "flag", "frozen_layers", "generator", "having", "hidden_activations", "labels", "layer_sizes",
           "matrix_shape", "name", "number", "one_hot", "output", "parameter", "scalar", "shown", "values"]

DTYPES = ("float32", "float64")
LARGEST = 2**31 - 1  # BLAS counts in int
LARGEST_SEED = 2**128 - 1  # the entropy of a numpy.random.SeedSequence
MOST_PARAMETERS = 2**60


def shown(value: Any) -> str:
    """Return a short representation of any value for an error message."""
    try:
        text = repr(value)
    except Exception:  # a foreign class, or an int with more digits than Python prints
        text = f"a {type(value).__name__}"
    return text if len(text) <= 100 else f"{text[:97]}..."


def scalar(value: Any) -> Any:
    """Return `value`, with a NumPy scalar or an array without dimensions as the Python object that it stands for."""
    if not isinstance(value, (np.generic, np.ndarray)):
        return value
    if isinstance(value, np.ndarray) and value.ndim == 0:
        value = value[()]
    if isinstance(value, np.generic) and not isinstance(value, np.timedelta64):  # a kind of integer for NumPy
        for kind, convert in ((np.bool_, bool), (np.integer, int), (np.floating, float), (np.str_, str)):
            if isinstance(value, kind):
                return convert(value)
    return value


def name(value: Any, allowed: Sequence[str], what: str) -> str:
    """Return `value` if it is one of the `allowed` names."""
    value = scalar(value)
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a name ({', '.join(allowed)}), got {shown(value)}")
    if value not in allowed:
        raise ValueError(f"{what} must be one of {', '.join(allowed)}, got {shown(value)}")
    return value


def flag(value: Any, what: str) -> bool:
    """Return `value` if it is True or False."""
    if value is True or value is False:
        return value
    flag = scalar(value)
    if not isinstance(flag, bool):
        raise TypeError(f"{what} must be True or False, got {shown(value)}")
    return flag


def having(value: Any, attributes: Sequence[str], must: str) -> None:
    """Raise a TypeError if `value` lacks one of these attributes; `must` begins the message: "x must be ..."."""
    if not all(hasattr(value, attribute) for attribute in attributes):
        raise TypeError(f"{must}, got {shown(value)}")


def number(value: Any, what: str, *, minimum: float = -math.inf, above: float = -math.inf,
           below: float = math.inf) -> float:
    """Return `value` as a finite float, `minimum` <= value, `above` < value < `below`."""
    given = scalar(value)
    if type(given) is not float and (isinstance(given, (bool, np.generic)) or not isinstance(given, numbers.Real)):
        raise TypeError(f"{what} must be a number, got {shown(value)}")
    try:
        result = float(given)
    except OverflowError:  # of a large int
        result = math.inf
    if not math.isfinite(result) or result < minimum or result <= above or result >= below:
        bounds = [f"at least {minimum:g}"] * (minimum > -math.inf) + [f"above {above:g}"] * (above > -math.inf)
        bounds += [f"below {below:g}"] * (below < math.inf)
        raise ValueError(f"{what} must be finite{''.join(f' and {bound}' for bound in bounds)}, got {shown(value)}")
    return result


def count(value: Any, what: str, minimum: int = 1, maximum: int = LARGEST) -> int:
    """Return `value` as an int from `minimum` to `maximum`."""
    if type(value) is int and minimum <= value <= maximum:
        return value  # fast path: the checks below take longer than the smallest functions of the course
    try:
        given = scalar(value)
        if isinstance(given, (bool, np.generic)):
            raise TypeError
        result = index(given)
    except TypeError:
        raise TypeError(f"{what} must be a whole number, got {shown(value)}") from None
    if not minimum <= result <= maximum:
        raise ValueError(f"{what} must be from {minimum} to {maximum}, got {shown(result)}")
    return result


def batch_size(value: Any) -> int | Literal["auto"] | None:
    """Return a batch size: a number of examples, "auto" or None."""
    if value is None:
        return None
    given = scalar(value)
    return "auto" if isinstance(given, str) and given == "auto" else count(given, "batch_size")


def generator(random_state: Any) -> np.random.Generator:
    """Return the given generator, or a new one seeded by an int or by the system."""
    if isinstance(random_state, np.random.Generator):
        return random_state
    if random_state is None:
        return np.random.default_rng()
    return np.random.default_rng(count(random_state, "random_state (if no numpy.random.Generator)", 0, LARGEST_SEED))


def layer_sizes(sizes: Any, what: str = "layer_sizes") -> tuple[int, ...]:
    """Return n[0], ..., n[L] as ints."""
    if isinstance(sizes, (str, bytes, dict, set, frozenset)) or not np.iterable(sizes):
        raise TypeError(f"{what} must be a sequence [n[0], ..., n[L]], got {shown(sizes)}")
    checked = tuple(count(n, f"{what}: n[{l}]") for l, n in enumerate(sizes))
    if len(checked) < 2:
        raise ValueError(f"{what} must hold at least n[0] and n[1], got {list(checked)}")
    if sum((n_prev + 1) * n for n_prev, n in pairwise(checked)) > MOST_PARAMETERS:
        raise ValueError(f"{what} {shown(list(checked))} has more parameters than any memory holds")
    return checked


def hidden_activations(activation: Any, n_hidden: int, allowed: Sequence[str]) -> tuple[str, ...]:
    """Return the name of each hidden layer's activation."""
    activation = scalar(activation)
    if isinstance(activation, str):
        return (name(activation, allowed, "activation"),) * n_hidden
    if isinstance(activation, (bytes, dict, set, frozenset)) or not np.iterable(activation):
        raise TypeError(f"activation must be a name or one name per hidden layer, got {shown(activation)}")
    names = tuple(name(one, allowed, f"activation of layer {l}") for l, one in enumerate(activation, 1))
    if len(names) != n_hidden:
        raise ValueError(f"activation must name one per hidden layer: expected {n_hidden}, got {len(names)}: "
                         f"{shown(activation)}")
    return names


def frozen_layers(value: Any, n_layers: int) -> tuple[int, ...]:
    """Return the indices from 0 of the layers that training leaves as they are; None stands for none.

    Layers are counted from 1 to L = `n_layers`, or from -1, the last, downwards.
    """
    if value is None or (type(value) is tuple and not value):
        return ()
    if isinstance(value, (str, bytes, dict)) or not np.iterable(value):
        raise TypeError(f"frozen_layers must be a sequence of numbers of layers, got {shown(value)}")
    numbers = [count(l, "an item of frozen_layers", -LARGEST) for l in value]
    if any(not 1 <= abs(l) <= n_layers for l in numbers):
        raise ValueError(f"frozen_layers counts layers from 1 to {n_layers}, or from -1 to -{n_layers} from the last "
                         f"downwards, got {shown(value)}")
    frozen = sorted({l - 1 if l > 0 else n_layers + l for l in numbers})
    if len(frozen) == n_layers:
        raise ValueError(f"frozen_layers={shown(value)} leaves no layer to train: there are {n_layers}")
    return tuple(frozen)


def dropout(value: Any, hidden: Sequence[str]) -> tuple[float, ...]:
    """Return a rate for each hidden layer; an empty tuple if all are 0."""
    if type(value) is float and value == 0:
        return ()
    if isinstance(value, (str, bytes, dict, set, frozenset)):
        raise TypeError(f"dropout must be a rate or one rate per hidden layer, got {shown(value)}")
    rates = tuple(value) if np.iterable(value) else (value,) * max(1, len(hidden))
    checked = tuple(number(rate, f"dropout of layer {l}", minimum=0, below=1) for l, rate in enumerate(rates, 1))
    if not any(checked):
        return ()
    if len(checked) != len(hidden):
        raise ValueError(f"dropout must hold one rate per hidden layer: expected {len(hidden)}, got {len(checked)}: "
                         f"{shown(value)}"
                         if hidden else "dropout leaves out hidden units, and this network has none")
    for l, (rate, activation) in enumerate(zip(checked, hidden, strict=True), 1):
        if rate and activation == "softmax":
            raise ValueError(f"dropout of layer {l}: not on a softmax layer, whose units depend on each other")
    return checked


def dtype(value: Any) -> np.dtype[Any]:
    """Return float32 or float64 as a dtype."""
    try:
        kind = "" if value is None else np.dtype(scalar(value)).name  # np.dtype(None) is float64
    except Exception:  # NumPy raises many types, including SyntaxError
        kind = ""
    if kind not in DTYPES:
        raise ValueError(f"dtype must be float32 or float64, got {shown(value)}")
    return np.dtype(kind)  # native byte order


def matrix_shape(shape: tuple[int, ...], n_x: int, what: str = "X") -> None:
    """Raise a ValueError if `shape` is not (m, n_x) with m >= 1."""
    if len(shape) != 2 or shape[1] != n_x:
        hint = ": one example needs reshape(1, -1)" if shape == (n_x,) else ""
        raise ValueError(f"{what} must have shape (m, n[0]) = (m, {n_x}), got {shape}{hint}")
    if shape[0] == 0:
        raise ValueError(f"{what} must hold at least one example, got shape {shape}")


def features(X: Any, n_x: int, target: np.dtype[Any], *, what: str = "X", first_row: int = 0,
             warn: bool = False) -> NDArray[Any] | SparseRows:
    """Return X (m, n_x) in the target dtype, a SciPy matrix as `SparseRows`.

    `first_row` is the number of its first row; with `warn`, `precision.warn_if_merged` checks it.

    Raises
    ------
    ValueError
        If the shape differs, X is empty, holds NaN or infinity, or overflows the dtype.
    TypeError
        If it does not hold real numbers.
    """
    array = X if is_sparse(X) else numeric(X, what, f"(m, n[0]) = (m, {n_x})")
    matrix_shape(array.shape, n_x, what)
    if is_sparse(X):
        return _sparse_features(X, target, what, warn)
    result = finite(array, target, what, X, first_row)
    if warn and target == np.float32:
        warn_if_merged(array, what, column_names(X))
    return result


def _sparse_features(X: Any, target: np.dtype[Any], what: str, warn: bool) -> SparseRows:
    if X.dtype.kind not in "fiub":
        raise TypeError(f"{what} must hold real numbers, got dtype {X.dtype}")
    rows = SparseRows.of(X, target, what)
    if not is_finite(rows.values):
        refuse_not_finite(SparseRows.of(X, np.dtype(np.float64)), what, target)
    if warn and target == np.float32 and X.dtype != np.float32:
        warn_if_merged(SparseRows.of(X, np.dtype(np.float64)), what)
    return rows


def parameter(value: Any, shape: tuple[int, ...], target: np.dtype[Any], what: str, notation: str) -> NDArray[Any]:
    """Return values for W[l] or b[l], of the given shape, in the target dtype."""
    array = numeric(value, what, f"{notation} = {shape}")
    if array.shape != shape:
        raise ValueError(f"{what} must have shape {notation} = {shape}, got {array.shape}")
    return finite(array, target, what)


def labels(y: Any, m: int, n_out: int, what: str = "y") -> NDArray[np.int32]:
    """Return class labels 0 .. n[L]-1 (m,), given as labels or one-hot (m, n[L])."""
    shape = f"(m,) = ({m},), or one-hot (m, n[L]) = ({m}, {n_out})"
    array = numeric(y, what, shape)
    if array.shape == (m, n_out) and n_out > 1:
        if not one_hot(array):
            raise ValueError(f"{what} is not one-hot: each row must hold a single 1 and else 0")
        array = array.argmax(axis=1)
    if array.shape not in ((m,), (m, 1)):
        raise ValueError(f"{what} must have shape {shape}, got {array.shape}")
    array = array.reshape(m)
    if array.dtype.kind == "f":
        whole = np.isfinite(array) & (array == np.floor(array))
        if not whole.all():
            raise ValueError(f"{what} must hold whole class labels, got fractions, NaN or infinity"
                             f"{place([int(whole.argmin())])}")
    for label in (array.min(), array.max()):
        if not 0 <= label < n_out:
            raise ValueError(f"{what} must hold labels 0 .. n[L]-1 = 0 .. {n_out - 1}, got {label}")
    result: NDArray[np.int32] = np.ascontiguousarray(array, np.int32)
    return result


def one_hot(array: NDArray[Any]) -> bool:
    """Return whether each row of a matrix holds a single 1 and else 0."""
    # As many non-zero entries as rows, and a maximum of 1 in each row: needs no copy of the array.
    return np.count_nonzero(array) == len(array) and bool((array.max(axis=1) == 1).all())


def values(y: Any, m: int, n_out: int, target: np.dtype[Any], what: str = "y", *,
           warn: bool = False) -> NDArray[Any]:
    """Return real targets as a C-ordered (m, n[L]) array; for one output they may be given as (m,).

    With `warn`, `precision.warn_if_merged` checks them.
    """
    shape = f"(m, n[L]) = ({m}, {n_out})" + (f" or ({m},)" if n_out == 1 else "")
    array = numeric(y, what, shape)
    if array.shape != (m, n_out) and not (n_out == 1 and array.shape == (m,)):
        raise ValueError(f"{what} must have shape {shape}, got {array.shape}")
    result = np.ascontiguousarray(finite(array, target, what, y).reshape(m, n_out))
    if warn and target == np.float32:
        warn_if_merged(array, what, column_names(y))
    return result


def output(out: Any, shape: tuple[int, ...], target: np.dtype[Any]) -> NDArray[Any]:
    """Return `out` after checking that results of this shape and dtype can be written to it."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out must be an ndarray, got {type(out).__name__}")
    if out.shape != shape or out.dtype != target:
        raise ValueError(f"out must have shape {shape} and dtype {target}, got {out.shape} and {out.dtype}")
    if not (out.flags.c_contiguous and out.flags.aligned and out.flags.writeable):
        raise ValueError("out must be C-ordered, aligned and writable")
    return out


def apart(out: NDArray[Any] | None, what: str, *arrays: NDArray[Any]) -> None:
    """Raise a ValueError if `out` may share memory with one of these inputs."""
    if out is not None and any(np.may_share_memory(out, array) for array in arrays):
        raise ValueError(f"out must not share memory with {what}")
