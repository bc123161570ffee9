"""X and y as the user passes them: checked by scikit-learn, with errors that name the column and the row."""

import numbers
import re
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data

from fastnn._data import arrays, checks
from fastnn._data.frames import column_names, frame_columns, other_columns, place
from fastnn._data.precision import warn_if_merged
from fastnn._data.sparse import SparseRows, is_sparse

__all__ = ["as_labels", "located", "refuse_no_numbers", "validated_X", "validated_X_y", "warn_if_merges"]

FLOATS = (np.dtype(np.float32), np.dtype(np.float64))


def validated_X(estimator: Any, X: Any) -> Any:
    """Return X (m, n_x) for a prediction as scikit-learn's `validate_data` does."""
    given, X = X, _plain(X)
    try:
        with np.errstate(all="ignore"):
            checked = validate_data(estimator, X, accept_sparse=["csr", "csc"], reset=False)
            # Columns of categories are still objects.
            return checked.astype(np.float64) if checked.dtype.kind == "O" else checked
    except (ValueError, TypeError, OverflowError) as error:
        raise located(error, X=given) from error


def validated_X_y(estimator: Any, X: Any, y: Any, reset: bool, later: bool = False, **options: Any) -> tuple[Any, Any]:
    """Return X (m, n_x) and y as scikit-learn's `validate_data` does; X in float32 if the estimator computes in it.

    With `later`, X may hold NaN or infinity if the core can read it as it is.

    Raises
    ------
    ValueError, TypeError
        scikit-learn's error, followed by the column and row of the first fault; or if X has masked entries, or holds
        dates or durations, or a value beyond the range of float32.
    """
    given, X = X, _plain(X)
    single = estimator.dtype == "float32"
    if _is_valid_X(X, later) and _is_valid(y) and X.shape[0] == len(y):
        # scikit-learn would return the same arrays, later.
        X, y = validate_data(estimator, X, y, reset=reset, skip_check_array=True)
        return _as_single(X, given) if single and X.dtype != np.float32 else X, y
    try:
        with np.errstate(all="ignore"):
            X_checked, y_checked = validate_data(
                estimator, X, y, accept_sparse=["csr", "csc"], multi_output=True, reset=reset,
                dtype=(np.float32, np.float64) if single else (np.float64, np.float32), **options)
    except (ValueError, TypeError, OverflowError) as error:
        raise located(error, X=given, **({"y": y} if "y_numeric" in options else {})) from error
    if single and X_checked.dtype != np.float32:
        X_checked = _as_single(X_checked, given)
    return X_checked, y_checked


def _is_valid_X(X: Any, later: bool) -> bool:
    """Return whether the core can read X, an array or a CSR matrix, and unless `later` whether it is finite."""
    if is_sparse(X):
        if X.format != "csr" or X.ndim != 2 or not all(X.shape) or type(X.data) is not np.ndarray:
            return False
        values = X.data
    elif type(X) is np.ndarray and X.ndim == 2 and X.size:
        values = X
    else:
        return False
    return values.dtype in FLOATS and arrays.is_ready(values, values.dtype) and (later or arrays.is_finite(values))


def _is_valid(array: Any) -> bool:
    """Return whether the array has one or two dimensions, is not empty and holds whole or finite numbers."""
    if type(array) is not np.ndarray or array.ndim not in (1, 2) or not array.size:
        return False
    return array.dtype.kind in "iub" or (array.dtype in FLOATS and arrays.is_ready(array, array.dtype)
                                         and arrays.is_finite(array))


def _as_single(X: Any, given: Any) -> Any:
    """Return validated X in float32."""
    if not is_sparse(X):
        return arrays.finite(X, np.dtype(np.float32), "X", given)
    with np.errstate(all="ignore"):
        single = X.astype(np.float32)
    if not np.isfinite(single.data).all():
        arrays.refuse_not_finite(SparseRows.of(X, X.dtype), "X", single.dtype)
    return single


def located(error: Exception, **data: Any) -> Exception:
    """Return the error, with the place of the first entry of the named data that is no finite number.

    It is the error itself if there is none, or if it is about something else than the entries.
    """
    text = str(error)
    if text.startswith("Complex data not supported"):
        text = text.partition("\n")[0]  # the rest is the array
    for name, array in data.items():
        try:
            if is_sparse(array):
                checks.features(array, array.shape[1], np.dtype(np.float64), what=name)
            else:
                arrays.finite(arrays.numeric(array, name, "(m, n)"), np.dtype(np.float64), name, array)
        except (ValueError, TypeError) as fault:
            if re.search(r" in (column|row) |, got dtype ", str(fault)):
                return (TypeError if isinstance(error, TypeError) else ValueError)(f"{text}\n{fault}")
    return error


def _plain(X: Any) -> Any:
    """Return X without masked entries, dates and durations, which scikit-learn takes for numbers.

    Lists of floats are returned as an array, so that they are converted once.

    Raises
    ------
    ValueError, TypeError
        If there are any.
    """
    if (type(X) is np.ndarray and X.dtype.kind in arrays.REAL) or is_sparse(X):
        return X
    arrays.refuse_masked(X, "X")
    names = column_names(X)
    if names is not None:
        for j, column in other_columns(X):
            arrays.refuse_dates(column, "X", names, j)
        return X
    try:
        array = np.asarray(X)
    except np.exceptions.DTypePromotionError as error:  # of dates and numbers
        raise TypeError(f"X must hold real numbers: {error}") from None
    except Exception:  # scikit-learn raises its error
        return X
    arrays.refuse_dates(array, "X")
    return array if isinstance(X, (list, tuple)) and array.dtype == np.float64 else X


def warn_if_merges(estimator: Any, X: Any, y: Any, encoded_y: NDArray[Any], trained_on: Any, suffix: str = "") -> None:
    """Warn if the estimator computes in float32 and that merges values: see `warn_if_merged`.

    Parameters
    ----------
    estimator : BaseMLP
    X : array_like or sparse matrix (m, n_x)
        As the user passed it.
    y : array_like
        As the user passed it.
    encoded_y : ndarray
        y as numbers.
    trained_on : ndarray or sparse matrix
        The validated X of the training.
    suffix : str
        Follows the names of X and y.
    """
    computes_in = estimator.dtype or ("float64" if estimator.solver == "lbfgs" else trained_on.dtype)
    if computes_in != "float32":
        return
    if getattr(X, "dtype", None) != np.float32:
        _warn_if_X_is_merged(X, f"X{suffix}")
    if not getattr(estimator, "normalize_y", False):  # y is standardised in float64
        warn_if_merged(encoded_y, f"y{suffix}", column_names(y))


def _warn_if_X_is_merged(X: Any, what: str) -> None:
    if is_sparse(X):
        warn_if_merged(SparseRows.of(X, np.dtype(np.float64)), what)
        return
    columns = frame_columns(X)
    data = _numbers(X) if columns is None else [_numbers(column) for column in columns]
    warn_if_merged(data, what, column_names(X))


def _numbers(X: Any) -> NDArray[Any]:
    """Return data that scikit-learn converted, such as texts that are numbers, as an array of real numbers."""
    array = np.asarray(X)
    return array if array.dtype.kind in "fiub" else array.astype(np.float64)


def refuse_no_numbers(data: Any, what: str) -> None:
    """Raise a ValueError if targets or weights have masked entries or hold dates, durations, texts or other objects."""
    if data is None or (type(data) is np.ndarray and data.dtype.kind in arrays.REAL):
        return
    if is_sparse(data) or isinstance(data, (str, bytes)):  # which scikit-learn refuses
        return
    try:
        arrays.numeric(data, what, "(m,) or (m, n_outputs)")
    except TypeError as error:
        if "complex" not in str(error):  # which scikit-learn refuses
            raise ValueError(str(error)) from None


def as_labels(y: Any, what: str = "y") -> Any:
    """Return the labels of a classifier, as an array if they are objects that are numbers or of NumPy's StringDType.

    Raises
    ------
    ValueError
        If a label is missing (None, NaN, NA, NaT), or texts and numbers are mixed.
    """
    if y is None or is_sparse(y):
        return y
    arrays.refuse_masked(y, what)
    try:
        labels = np.asarray(y)
        if labels.dtype.kind in "US" and isinstance(y, (list, tuple)):  # NumPy has made texts of all of them
            labels = np.array(y, object)
    except np.exceptions.DTypePromotionError as error:
        raise ValueError(f"{what} mixes labels of several types: {error}") from None
    except ValueError:  # ragged lists, which scikit-learn refuses
        return y
    kind = labels.dtype.kind
    if kind in "fmM" and (missing := np.isnat(labels) if kind in "mM" else np.isnan(labels)).any():
        _refuse_missing(what, labels, missing)
    if kind not in "OT" or labels.ndim > 2:
        return y
    entries = labels.astype(object)
    kinds = set(map(type, entries.flat))
    if any(one.__name__ in arrays.MISSING or issubclass(one, numbers.Real) for one in kinds):
        _refuse_missing(what, entries, np.frompyfunc(_is_missing, 1, 1)(entries).astype(bool))
    if all(issubclass(one, str) for one in kinds):
        return entries.astype(str) if kind == "T" else y
    if any(0 < sum(issubclass(one, some) for one in kinds) < len(kinds) for some in (str, arrays.DATES)):
        raise ValueError(f"{what} mixes labels of several types: {', '.join(sorted(one.__name__ for one in kinds))}")
    return _as_numbers(entries, kinds, y)


def _as_numbers(entries: NDArray[Any], kinds: set[type], y: Any) -> Any:
    """Return labels that are objects as numbers, and as they were given if they are none."""
    for common, dtype in (((bool, np.bool_), np.bool_), ((numbers.Integral, np.bool_), np.int64),
                          ((numbers.Real, np.bool_, Decimal), np.float64)):
        if all(issubclass(one, common) for one in kinds):
            try:
                return entries.astype(dtype)
            except OverflowError:
                break
    return y


def _is_missing(entry: Any) -> bool:
    return type(entry).__name__ in arrays.MISSING or (isinstance(entry, numbers.Real) and bool(entry != entry))


def _refuse_missing(what: str, labels: NDArray[Any], missing: NDArray[np.bool_]) -> None:
    if missing.any():
        index = np.unravel_index(missing.argmax(), missing.shape)
        raise ValueError(f"Input {what} contains NaN.\n{what} has no label{place([int(i) for i in index][:1])} "
                         f"({labels[index]}): leave out the examples without a label")
