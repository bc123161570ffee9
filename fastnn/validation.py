"""Every check of user input, and its error text in the notes' notation.

Arrays come back as the compiled core reads them: native byte order, aligned, the network's dtype; copied only where
the input is not so already. The caller's arrays are never changed.
"""

import math
import numbers
from collections.abc import Sequence
from operator import index
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import runtime
from fastnn._core import _kernels

__all__ = ["DTYPES", "count", "dtype", "features", "flag", "labels", "layer_sizes", "name", "number", "sample_weight",
           "values"]

DTYPES = ("float32", "float64")
LARGEST = 2**31 - 1  # BLAS counts in int
MOST_PARAMETERS = 2**60


def name(value: Any, allowed: Sequence[str], what: str) -> str:
    """Return `value` if it is one of the `allowed` names."""
    if not isinstance(value, str):
        raise TypeError(f"{what} must be a name ({', '.join(allowed)}), got {type(value).__name__}")
    if value not in allowed:
        raise ValueError(f"{what} must be one of {', '.join(allowed)}, got {value!r}")
    return value


def flag(value: Any, what: str) -> bool:
    """Return `value` if it is True or False."""
    if not isinstance(value, (bool, np.bool_)):
        raise TypeError(f"{what} must be True or False, got {value!r}")
    return bool(value)


def number(value: Any, what: str, *, minimum: float = -math.inf, above: float = -math.inf,
           below: float = math.inf) -> float:
    """Return `value` as a finite float, `minimum` <= value, `above` < value < `below`."""
    if isinstance(value, (bool, np.bool_)) or not isinstance(value, numbers.Real):
        raise TypeError(f"{what} must be a number, got {value!r}")
    result = float(value)
    if not math.isfinite(result) or result < minimum or result <= above or result >= below:
        bounds = [f"at least {minimum:g}"] * (minimum > -math.inf) + [f"above {above:g}"] * (above > -math.inf)
        bounds += [f"below {below:g}"] * (below < math.inf)
        raise ValueError(f"{what} must be finite{''.join(f' and {bound}' for bound in bounds)}, got {value!r}")
    return result


def count(value: Any, what: str, minimum: int = 1) -> int:
    """Return `value` as an int of at least `minimum`."""
    try:
        if isinstance(value, (bool, np.bool_)):
            raise TypeError
        result = index(value)
    except TypeError:
        raise TypeError(f"{what} must be a whole number, got {value!r}") from None
    if not minimum <= result <= LARGEST:
        raise ValueError(f"{what} must be from {minimum} to {LARGEST}, got {result}")
    return result


def layer_sizes(sizes: Any) -> tuple[int, ...]:
    """Return n[0], ..., n[L] as ints."""
    if isinstance(sizes, (str, bytes)) or not np.iterable(sizes):
        raise TypeError(f"layer_sizes must be a sequence [n[0], ..., n[L]], got {sizes!r}")
    checked = tuple(count(n, f"layer_sizes: n[{l}]") for l, n in enumerate(sizes))
    if len(checked) < 2:
        raise ValueError(f"layer_sizes must hold at least n[0] and n[1], got {list(checked)}")
    if sum((n_prev + 1) * n for n_prev, n in zip(checked[:-1], checked[1:], strict=True)) > MOST_PARAMETERS:
        raise ValueError(f"layer_sizes {list(checked)} has more parameters than any memory holds")
    return checked


def dtype(value: Any) -> np.dtype[Any]:
    """Return float32 or float64 as a dtype."""
    try:
        result = np.dtype(value)
    except TypeError:
        result = None
    if value is None or result is None or result.name not in DTYPES:
        raise ValueError(f"dtype must be float32 or float64, got {value!r}")
    return np.dtype(result.name)  # native byte order


def _numeric(array: Any, what: str, shape: str) -> NDArray[Any]:
    """Return `array` as an ndarray of real numbers."""
    if hasattr(array, "tocsr"):
        raise TypeError(f"{what} is a sparse matrix: pass {what}.toarray()")
    if isinstance(array, (str, bytes, dict, set)) or array is None:
        raise TypeError(f"{what} must be an array of shape {shape}, got {type(array).__name__}")
    if np.ma.isMaskedArray(array) and np.ma.getmaskarray(array).any():
        raise ValueError(f"{what} has masked entries")
    try:
        result = np.asarray(array)
    except ValueError as error:  # ragged lists
        raise ValueError(f"{what} must be an array of shape {shape}: {error}") from None
    if result.dtype.kind not in "fiub":
        raise TypeError(f"{what} must hold real numbers, got dtype {result.dtype}")
    return result


def _as_real(array: NDArray[Any], target: np.dtype[Any]) -> NDArray[Any]:
    """Return `array` in the target dtype, aligned, its strides whole elements; itself where it is so already."""
    if array.dtype == target and array.flags.aligned and all(s % target.itemsize == 0 for s in array.strides):
        return array
    with np.errstate(over="ignore"):  # an overflow is found, and refused, by the check for finite values
        return np.array(array, target, order="K", copy=True)


def refuse_not_finite(array: NDArray[Any], what: str, target: np.dtype[Any]) -> None:
    """Raise the ValueError for an array that is not finite in the target dtype, saying which fault it has."""
    if np.isnan(array).any():
        raise ValueError(f"{what} holds NaN")
    if np.isinf(array).any():
        raise ValueError(f"{what} holds infinity")
    raise ValueError(f"{what} holds values beyond the range of {target.name} "
                     f"(largest {np.finfo(target).max:.3g}): rescale it or use dtype='float64'")


def _finite(array: NDArray[Any], target: np.dtype[Any], what: str) -> NDArray[Any]:
    converted = _as_real(array, target)
    rows = converted if converted.ndim == 2 else converted.reshape(-1)
    if not _kernels.all_finite(rows, runtime.LEVEL):
        refuse_not_finite(array, what, target)
    return converted


def features(X: Any, n_x: int, target: np.dtype[Any], *, what: str = "X", check_finite: bool = True) -> NDArray[Any]:
    """Return X (m, n_x) in the target dtype.

    Raises
    ------
    ValueError
        If the shape differs, X is empty, holds NaN or infinity, or overflows the dtype.
    TypeError
        If it does not hold real numbers.
    """
    shape = f"(m, n[0]) = (m, {n_x})"
    array = _numeric(X, what, shape)
    if array.ndim != 2 or array.shape[1] != n_x:
        hint = ": one example needs reshape(1, -1)" if array.shape == (n_x,) else ""
        raise ValueError(f"{what} must have shape {shape}, got {array.shape}{hint}")
    if array.shape[0] == 0:
        raise ValueError(f"{what} must hold at least one example, got shape {array.shape}")
    return _finite(array, target, what) if check_finite else _as_real(array, target)


def labels(y: Any, m: int, n_out: int) -> NDArray[np.int32]:
    """Return class labels 0 .. n[L]-1 (m,), given as such or one-hot (m, n[L])."""
    shape = f"(m,) = ({m},), or one-hot (m, n[L]) = ({m}, {n_out})"
    array = _numeric(y, "y", shape)
    if array.ndim == 2 and array.shape == (m, n_out) and n_out > 1:
        hot = array == 1
        if not ((array == 0) | hot).all() or not (hot.sum(axis=1) == 1).all():
            raise ValueError("y is not one-hot: each row must hold a single 1 and else 0")
        return hot.argmax(axis=1).astype(np.int32)
    if array.shape not in ((m,), (m, 1)):
        raise ValueError(f"y must have shape {shape}, got {array.shape}")
    array = array.reshape(m)
    if array.dtype.kind == "f" and not (np.isfinite(array).all() and (array == np.floor(array)).all()):
        raise ValueError("y must hold whole class labels, got fractions, NaN or infinity")
    low, high = array.min(), array.max()
    if low < 0 or high >= n_out:
        raise ValueError(f"y must hold labels 0 .. n[L]-1 = 0 .. {n_out - 1}, got {high if high >= n_out else low}")
    return array.astype(np.int32)


def values(y: Any, m: int, n_out: int, target: np.dtype[Any]) -> NDArray[Any]:
    """Return real targets as a C-ordered (m, n[L]) array, given so or, for one output, as (m,)."""
    shape = f"(m, n[L]) = ({m}, {n_out})" + (f" or ({m},)" if n_out == 1 else "")
    array = _numeric(y, "y", shape)
    if array.shape != (m, n_out) and not (n_out == 1 and array.shape == (m,)):
        raise ValueError(f"y must have shape {shape}, got {array.shape}")
    return np.ascontiguousarray(_finite(array.reshape(m, n_out), target, "y"))


def sample_weight(weights: Any, m: int, target: np.dtype[Any]) -> NDArray[Any] | None:
    """Return weights (m,), not negative and not all zero, or None."""
    if weights is None:
        return None
    array = _numeric(weights, "sample_weight", f"(m,) = ({m},)")
    if array.shape != (m,):
        raise ValueError(f"sample_weight must have shape (m,) = ({m},), got {array.shape}")
    result = np.ascontiguousarray(_finite(array, target, "sample_weight"))
    if (result < 0).any():
        raise ValueError("sample_weight must not be negative")
    if not result.any():
        raise ValueError("sample_weight must not be all zero")
    return result
