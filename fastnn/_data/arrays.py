"""The user's data as arrays of real numbers, and these in the form that the compiled core reads."""

import datetime
import functools
import numbers
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any, NoReturn, TypeVar

import numpy as np
from numpy.typing import NDArray

from fastnn import runtime
from fastnn._core import kernels
from fastnn._data.frames import column_names, frame_columns, place
from fastnn._data.sparse import SparseRows

__all__ = ["DATES", "REAL", "as_real", "finite", "from_objects", "ignoring_underflow", "is_finite", "is_ready",
           "listed_rows", "numeric", "refuse_dates", "refuse_masked", "refuse_not_finite"]

Result = TypeVar("Result")
REAL = "fiub"  # the kinds of NumPy's dtypes of real numbers
MISSING = ("NoneType", "NAType", "NaTType")
DATES = (np.datetime64, np.timedelta64, datetime.date, datetime.time, datetime.timedelta)
DATES_ADVICE = ": subtract a date from dates, and divide durations by one, such as np.timedelta64(1, 'D')"
TEXTS_ADVICE = ": convert texts that are numbers by astype(float)"
MAX_LISTED_ROWS = 64  # above, the time of the conversion hides that of the full checks


def numeric(array: Any, what: str, shape: str) -> NDArray[Any]:
    """Return `array` as an ndarray of real numbers; objects that are numbers become float64.

    Raises
    ------
    ValueError, TypeError
        If it is no array, has masked entries, or an entry is no real number; the error names its column and row.
    """
    if type(array) is np.ndarray and array.dtype.kind in REAL:
        return array
    if hasattr(array, "tocsr"):
        raise TypeError(f"{what} is a sparse matrix: pass {what}.toarray()")
    if isinstance(array, (str, bytes, dict, set)) or array is None:
        raise TypeError(f"{what} must be an array of shape {shape}, got {type(array).__name__}")
    refuse_masked(array, what)
    try:
        columns = frame_columns(array)
        result = np.asarray(array) if columns is None else None
    except ValueError as error:  # ragged lists
        raise ValueError(f"{what} must be an array of shape {shape}: {error}") from None
    except Exception as error:  # anything that a foreign __array__ raises
        raise TypeError(f"{what} must be an array of shape {shape}: {error}") from error
    return _real(result, what) if result is not None else _joined(columns or [], what, column_names(array))


def refuse_masked(data: Any, what: str) -> None:
    """Raise a ValueError if an array, or an item of a list, has masked entries (`numpy.ma`)."""
    if np.ma.is_masked(data) or (isinstance(data, (list, tuple)) and any(
            isinstance(item, np.ma.MaskedArray) and np.ma.is_masked(item) for item in data)):
        raise ValueError(f"{what} has masked entries")


def refuse_dates(array: NDArray[Any], what: str, names: Sequence[Any] | None = None, column: int | None = None) -> None:
    """Raise a TypeError if an array holds dates or durations, or is a column of arrays; see `from_objects`."""
    if array.dtype.kind in "mM" or (column is not None and array.ndim != 1):
        _real(array, what, names, column)
    elif array.dtype.kind == "O":
        dated = tuple(kind for kind in set(map(type, array.flat)) if issubclass(kind, DATES))
        if dated:
            _refuse_first(array, dated, what, names, column)


def _real(array: NDArray[Any], what: str, names: Sequence[Any] | None = None,
          column: int | None = None) -> NDArray[Any]:
    where = "" if names is None or column is None else f" in column {names[column]!r}"
    if column is not None and array.ndim != 1:  # such as a column of structures of polars
        raise TypeError(f"{what} must hold real numbers, got arrays of shape {array.shape[1:]}{where}")
    kind = array.dtype.kind
    if kind == "O":
        return from_objects(array, what, names, column)
    if kind not in REAL:
        advice = DATES_ADVICE if kind in "mM" else TEXTS_ADVICE if kind in "UST" else ""
        raise TypeError(f"{what} must hold real numbers, got dtype {array.dtype}{where}{advice}")
    return array


def _joined(columns: list[NDArray[Any]], what: str, names: Sequence[Any] | None) -> NDArray[Any]:
    """Return the columns of a table as one array (m, n), column-major."""
    real = [_real(column, what, names, j) for j, column in enumerate(columns)]
    result = np.empty((len(real[0]) if real else 0, len(real)), np.result_type(np.bool_, *real), "F")
    for j, column in enumerate(real):
        result[:, j] = column
    return result


def from_objects(array: NDArray[Any], what: str, names: Sequence[Any] | None = None,
                 column: int | None = None) -> NDArray[np.float64]:
    """Return an array of objects as float64.

    Parameters
    ----------
    array : ndarray of object
    what : str
        Its name in error messages.
    names : sequence, optional
        Those of the columns.
    column : int, optional
        The column of a matrix that `array` (m,) is.

    Raises
    ------
    TypeError
        If an entry is no real number, such as a text, a date or None; the error names its column and row.
    ValueError
        If a number is too large for float64.
    """
    strange = tuple(kind for kind in set(map(type, array.flat)) if not _is_real(kind))
    if not strange:
        try:
            return array.astype(np.float64)
        except Exception:  # an int beyond the range of float64, a foreign __float__
            strange = tuple(set(map(type, array.flat)))
    _refuse_first(array, strange, what, names, column)


def _refuse_first(array: NDArray[Any], strange: tuple[type, ...], what: str, names: Sequence[Any] | None,
                  column: int | None) -> NoReturn:
    """Raise the error about the first object of one of these types that is no float."""
    index, entry = next((index, entry) for index, entry in enumerate(array.flat)
                        if type(entry) in strange and not (_is_real(type(entry)) and _is_float(entry)))
    position = tuple(int(i) for i in np.unravel_index(index, array.shape))
    where = place(position if column is None else (position[0], column), names)
    kind = type(entry)
    if _is_real(kind):
        if isinstance(entry, Decimal) and entry.is_nan():  # a signaling one
            raise ValueError(f"{what} holds NaN{where}")
        raise ValueError(f"{what} holds a number beyond the range of float64{where}")
    name = kind.__name__
    held = f"{entry}, a missing value," if name in MISSING else f"{'an' if name[0] in 'aeiou' else 'a'} {name}"
    advice = DATES_ADVICE if issubclass(kind, DATES) else TEXTS_ADVICE if issubclass(kind, (str, bytes)) else ""
    raise TypeError(f"{what} must hold real numbers, got dtype object ({held}{where})"
                    f"{advice if name not in MISSING else ''}")


def _is_real(kind: type) -> bool:
    return issubclass(kind, (numbers.Real, Decimal, np.bool_)) and not issubclass(kind, np.timedelta64)


def _is_float(entry: Any) -> bool:
    try:
        float(entry)
    except Exception:
        return False
    return True


def listed_rows(X: Any) -> Any:
    """Return a short list of rows as an array, anything else unchanged."""
    if type(X) is list and 0 < len(X) <= MAX_LISTED_ROWS and (
            type(X[0]) in (list, tuple) or (set(map(type, X)) == {np.ndarray} and X[0].ndim == 1)):
        try:
            return np.asarray(X)
        except (ValueError, TypeError, OverflowError):  # the full checks raise the error
            return X
    return X


def ignoring_underflow(function: Callable[..., Result]) -> Callable[..., Result]:
    """Return the function without FloatingPointErrors for an underflow, which is harmless.

    Unlike `np.errstate` as a decorator of NumPy 1, it may be entered again and by several threads.
    """
    @functools.wraps(function)
    def wrapper(*arguments: Any, **keywords: Any) -> Result:
        with np.errstate(under="ignore"):
            return function(*arguments, **keywords)

    return wrapper


def is_ready(array: NDArray[Any], target: np.dtype[Any]) -> bool:
    """Tell whether the core can read `array` directly: target dtype, aligned, strides of whole elements."""
    return (array.dtype == target and array.flags.aligned
            and all(stride % target.itemsize == 0 for stride in array.strides))


def as_real(array: NDArray[Any], target: np.dtype[Any]) -> NDArray[Any]:
    """Return `array`, or a copy in the target dtype if the core cannot read it directly."""
    if is_ready(array, target):
        return array
    # The check for finite values finds an overflow, and an underflow is harmless.
    with np.errstate(all="ignore"):
        return np.array(array, target, order="K", copy=True)


def is_finite(array: NDArray[Any]) -> bool:
    """Tell whether an array that the core can read holds neither NaN nor infinity."""
    return bool(kernels.all_finite(array if array.ndim == 2 else array.reshape(-1), runtime.LEVEL))


def finite(array: NDArray[Any], target: np.dtype[Any], what: str, given: Any = None,
           first_row: int = 0) -> NDArray[Any]:
    """Return `array` as `as_real` does.

    `given` is the user's object, whose columns may have names; `first_row` is the number of the first row.

    Raises
    ------
    ValueError
        If an entry is NaN, infinite or beyond the range of the dtype.
    """
    converted = as_real(array, target)
    if not is_finite(converted):
        refuse_not_finite(array, what, target, given, first_row)
    return converted


def refuse_not_finite(array: NDArray[Any] | SparseRows, what: str, target: np.dtype[Any], given: Any = None,
                      first_row: int = 0) -> NoReturn:
    """Raise a ValueError that says why and where an array is not finite in the target dtype.

    `given` and `first_row` are as for `finite`.
    """
    values = array.values if isinstance(array, SparseRows) else array
    for held, test in (("NaN", np.isnan), ("infinity", np.isinf)):
        bad = test(values)
        if bad.any():
            raise ValueError(f"{what} holds {held}{_first(bad, array, given, first_row)}")
    where = _first(np.isinf(as_real(values, target)), array, given, first_row)
    other = " or use dtype='float64'" if target == np.float32 else ""
    raise ValueError(f"{what} holds values beyond the range of {target.name} (largest {np.finfo(target).max:.3g})"
                     f"{where}: rescale it{other}")


def _first(bad: NDArray[np.bool_], array: NDArray[Any] | SparseRows, given: Any, first_row: int) -> str:
    index = int(bad.argmax())
    position = (array.position(index) if isinstance(array, SparseRows)
                else [int(i) for i in np.unravel_index(index, bad.shape)])
    return place(position, column_names(given), first_row)
