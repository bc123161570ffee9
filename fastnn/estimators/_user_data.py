"""X and y as the user passes them: checked by scikit-learn, with errors that name the column and the row."""

import numbers
from decimal import Decimal
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils.validation import validate_data

from fastnn._data import arrays, checks
from fastnn._data.frames import column_names, frame_columns, place
from fastnn._data.precision import warn_if_merged
from fastnn._data.sparse import SparseRows, is_sparse

__all__ = ["as_labels", "refuse_no_numbers", "validated_X", "validated_X_y", "warn_if_merges"]

DATES = (np.datetime64, np.timedelta64)
ADVICE = ": subtract a date from dates, and divide durations by one, such as np.timedelta64(1, 'D')"


def validated_X(estimator: Any, X: Any) -> Any:
    """Return X (m, n_x) for a prediction as scikit-learn's `validate_data` does."""
    _refuse_dates(X)
    try:
        with np.errstate(all="ignore"):
            checked = validate_data(estimator, X, accept_sparse=["csr", "csc"], reset=False)
            # Columns of categories are still objects.
            return checked.astype(np.float64) if checked.dtype.kind == "O" else checked
    except (ValueError, TypeError) as error:
        raise _located(error, X) from error


def validated_X_y(estimator: Any, X: Any, y: Any, reset: bool, **options: Any) -> tuple[Any, Any]:
    """Return X (m, n_x) and y as scikit-learn's `validate_data` does; X in float32 if the estimator computes in it.

    Raises
    ------
    ValueError, TypeError
        scikit-learn's error, followed by the column and row of the first fault; or if X holds dates or durations, or a
        value beyond the range of float32.
    """
    _refuse_dates(X)
    single = estimator.dtype == "float32"
    try:
        with np.errstate(all="ignore"):
            X_checked, y = validate_data(estimator, X, y, accept_sparse=["csr", "csc"], multi_output=True, reset=reset,
                                         dtype=(np.float32, np.float64) if single else (np.float64, np.float32),
                                         **options)
    except (ValueError, TypeError) as error:
        raise _located(error, X) from error
    if single and X_checked.dtype != np.float32:
        X_checked = _as_single(X_checked, X)
    return X_checked, y


def _as_single(X: Any, given: Any) -> Any:
    """Return validated X in float32."""
    if not is_sparse(X):
        return arrays.finite(X, np.dtype(np.float32), "X", given)
    with np.errstate(all="ignore"):
        single = X.astype(np.float32)
    if not np.isfinite(single.data).all():
        arrays.refuse_not_finite(SparseRows.of(X, X.dtype), "X", single.dtype)
    return single


def _located(error: Exception, X: Any) -> Exception:
    """Return the error, with the place of the first entry of X that is no finite number; itself if there is none."""
    try:
        shape = np.shape(X)
        if len(shape) == 2:
            checks.features(X, shape[1], np.dtype(np.float64))
    except (ValueError, TypeError) as fault:
        kind = TypeError if isinstance(error, TypeError) else ValueError
        if " in column " in str(fault):
            return kind(f"{error}\n{fault}")
    return error


def _refuse_dates(X: Any) -> None:
    """Raise a TypeError if X holds dates or durations, which scikit-learn takes for whole numbers."""
    names = column_names(X)
    if names is None:
        dtype = getattr(X, "dtype", None)
        if getattr(dtype, "kind", "") == "O":
            dtype = next((one for one in set(map(type, X.flat)) if issubclass(one, DATES)), None)
        if isinstance(dtype, type) or getattr(dtype, "kind", "") in ("m", "M"):
            raise TypeError(f"X must hold real numbers, got {getattr(dtype, '__name__', dtype)}{ADVICE}")
    elif not hasattr(X, "iloc") or any(dtype.kind in "mM" for dtype in set(X.dtypes)):
        for name, column in zip(names, frame_columns(X) or [], strict=True):
            if column.dtype.kind in "mM":
                raise TypeError(f"X must hold real numbers, got dtype {column.dtype} in column {name!r}{ADVICE}")


def warn_if_merges(estimator: Any, given: Any, X: Any, y: NDArray[Any]) -> None:
    """Warn if the estimator computes in float32 and that merges values: see `warn_if_merged`.

    Parameters
    ----------
    estimator : BaseMLP
    given : array_like or sparse matrix (m, n_x)
        X as the user passed it.
    X : ndarray or sparse matrix (m, n_x)
        X after the checks.
    y : ndarray
        Encoded targets.
    """
    if estimator.dtype == "float32":
        _warn_if_X_is_merged(given, "X")
    computes_in = estimator.dtype or ("float64" if estimator.solver == "lbfgs" else X.dtype)
    if computes_in == "float32" and not getattr(estimator, "normalize_y", False):  # y is standardised in float64
        warn_if_merged(y, "y")


def _warn_if_X_is_merged(X: Any, what: str) -> None:
    if is_sparse(X):
        if X.dtype != np.float32:
            warn_if_merged(SparseRows.of(X, np.dtype(np.float64)), what)
        return
    columns = frame_columns(X)
    data = _numbers(X) if columns is None else [_numbers(column) for column in columns]
    warn_if_merged(data, what, column_names(X))


def _numbers(X: Any) -> NDArray[Any]:
    """Return data that scikit-learn converted, such as texts that are numbers, as an array of real numbers."""
    array = np.asarray(X)
    return array if array.dtype.kind in "fiub" else array.astype(np.float64)


def refuse_no_numbers(y: Any, what: str) -> None:
    """Raise a ValueError if the targets of a regressor are dates, durations, texts or objects that are no numbers."""
    if y is None or is_sparse(y):
        return
    try:
        arrays.numeric(y, what, "(m,) or (m, n_outputs)")
    except TypeError as error:
        if "complex" in str(error):
            return  # scikit-learn refuses it
        raise ValueError(f"{error}{ADVICE}; convert texts by astype(float)") from None


def as_labels(y: Any, what: str = "y") -> Any:
    """Return the labels of a classifier, as an array if they are objects that are numbers or of NumPy's StringDType.

    Raises
    ------
    ValueError
        If a label is missing (None, NaN, NA, NaT), or texts and numbers are mixed.
    """
    if y is None or is_sparse(y):
        return y
    try:
        labels = np.asarray(y)
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
    if any(issubclass(one, str) for one in kinds):
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
