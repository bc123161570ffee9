"""A column of a table as numbers or labels, whatever type its entries have."""

import math
import numbers
from collections.abc import Sequence
from decimal import Decimal
from typing import Any, NamedTuple, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastnn._data.arrays import DATES, MISSING

__all__ = ["Labels", "Numbers", "Place", "as_floats", "as_labels", "from_array", "from_objects", "is_number",
           "refuse_dates", "refuse_infinity", "with_categories"]

DATES_ADVICE = ("derive numbers or categories from it, such as year, month, day of the week, hour, or the days elapsed "
                "since a date")


class Place(NamedTuple):
    """Where entries are, for error messages."""

    column: Any  # its name or number
    first_row: int = 0

    def __str__(self) -> str:
        return f"column {self.column!r}"

    def row(self, i: Any) -> str:
        return f"{self}, row {int(i) + self.first_row}"


class Numbers(NamedTuple):
    """Real numbers, NaN where one is missing."""

    values: NDArray[Any]  # (m,), of any real dtype but bool


class Labels(NamedTuple):
    """Labels as their numbers in a list."""

    codes: NDArray[Any]  # (m,), intp; -1 where one is missing
    labels: list[Any]
    ordered: bool = False  # the list has a meaningful order


def is_number(kind: type) -> bool:
    """Return whether objects of this class are real numbers; True and False are not."""
    return (issubclass(kind, (numbers.Real, Decimal)) and not issubclass(kind, (bool, np.timedelta64)))


def refuse_dates(what: Any, place: Place) -> NoReturn:
    """Raise the error about a column of dates, times or durations."""
    raise TypeError(f"X holds dates, times or durations ({what}) in {place}: {DATES_ADVICE}")


# ---- reading


def from_array(array: NDArray[Any], place: Place, as_labels: bool = False) -> Numbers | Labels:
    """Return an array (m,) of any dtype as numbers or labels.

    Raises
    ------
    TypeError
        If it holds dates, times, durations or objects that are neither numbers nor labels.
    ValueError
        If it holds complex numbers, or numbers beyond the range of float64.
    """
    if array.ndim != 1:  # such as a column of structures
        raise TypeError(f"X must hold numbers or labels, got arrays of shape {array.shape[1:]} in {place}")
    kind = array.dtype.kind
    if kind in "fiu":
        return Numbers(array)
    if kind == "b":
        return Labels(array.astype(np.intp), [False, True])
    if kind in "mM":
        refuse_dates(array.dtype, place)
    if kind == "c":
        raise ValueError(f"Complex data not supported: {place} has dtype {array.dtype}")
    if kind == "V":
        raise TypeError(f"X must hold numbers or labels, got dtype {array.dtype} in {place}")
    return from_objects(array.tolist(), place, as_labels)


def from_objects(values: Sequence[Any], place: Place, as_labels: bool = False) -> Numbers | Labels:
    """Return Python objects as numbers if all are, else, or if wanted, as labels; None, NaN and NA are missing.

    Raises
    ------
    TypeError, ValueError
        As for `from_array`.
    """
    kinds = set(map(type, values))
    absent = {kind for kind in kinds if kind.__name__ in MISSING}
    for kind in kinds:
        if issubclass(kind, DATES) or kind.__name__ in ("NaTType", "Period"):
            i = next(i for i, value in enumerate(values) if type(value) is kind)
            raise TypeError(f"X holds dates, times or durations ({values[i]!r} in {place.row(i)}): {DATES_ADVICE}")
        if issubclass(kind, numbers.Complex) and not issubclass(kind, numbers.Real):
            raise ValueError(f"Complex data not supported: X holds a {kind.__name__} in {place}")
    present = kinds - absent
    flags = {kind for kind in present if issubclass(kind, (bool, np.bool_))}
    if not as_labels and present != flags and all(kind in flags or is_number(kind) for kind in present):
        return Numbers(_floats(values, absent, place))
    if not present:
        return Numbers(np.full(len(values), np.nan))
    return _labelled(values, place)


def _floats(values: Sequence[Any], absent: set[type], place: Place) -> NDArray[np.float64]:
    if absent:
        values = [math.nan if type(value) in absent else value for value in values]
    try:
        with np.errstate(over="ignore"):
            return np.array(values, np.float64)
    except (TypeError, ValueError, ArithmeticError):
        pass
    for i, value in enumerate(values):
        try:
            float(value)
        except OverflowError:
            raise ValueError(f"X holds a number beyond the range of float64 in {place.row(i)}") from None
        except Exception as error:
            raise ValueError(f"X holds {value!r} in {place.row(i)}, which is no float: {error}") from None
    return np.fromiter(map(float, values), np.float64, len(values))


def _labelled(values: Sequence[Any], place: Place) -> Labels:
    try:
        found = dict.fromkeys(values)
    except TypeError:
        i, value = next((i, value) for i, value in enumerate(values) if not _is_hashable(value))
        raise TypeError(f"X must hold numbers or labels, got a {type(value).__name__} in {place.row(i)}; an argument "
                        "must be a string or a number") from None
    for number, label in enumerate(found):
        found[label] = number
    codes = np.fromiter(map(found.__getitem__, values), np.intp, len(values))
    return _without_missing(codes, list(found))


def _without_missing(codes: NDArray[Any], labels: list[Any]) -> Labels:
    """Return labels as Python's objects; those that stand for a missing value become -1."""
    kinds = set(map(type, labels))
    if kinds <= {str} or kinds <= {int} or kinds <= {bool}:
        return Labels(codes, labels)
    renumber = np.empty(len(labels), np.intp)
    kept: dict[Any, int] = {}
    for number, label in enumerate(labels):
        if isinstance(label, np.generic):
            label = label.item()
        if type(label).__name__ in MISSING or (is_number(type(label)) and label != label):
            renumber[number] = -1
        else:
            renumber[number] = kept.setdefault(label, len(kept))
    if len(kept) < len(labels):
        codes = np.append(renumber, -1)[codes]  # a code of -1 stays
    return Labels(codes, list(kept))


def _is_hashable(value: Any) -> bool:
    try:
        hash(value)
    except TypeError:
        return False
    return True


def with_categories(codes: NDArray[Any], labels: list[Any], ordered: bool = False) -> Labels:
    """Return a column of declared categories, some of which may not occur.

    Parameters
    ----------
    codes : ndarray (m,)
        Of integers, negative where the label is missing.
    labels : list
        Of all blocks of a column the same object, of which `Plan.table` looks up the labels once.
    ordered : bool
    """
    entries = _without_missing(codes.astype(np.intp), labels)
    return entries._replace(ordered=ordered)


# ---- conversion


def as_floats(entries: Numbers | Labels, place: Place) -> NDArray[np.float64]:
    """Return the entries as new float64 (m,), NaN where one is missing.

    Raises
    ------
    TypeError
        If the labels are not numbers.
    """
    if isinstance(entries, Labels):
        return _numeric_labels(entries, place)
    with np.errstate(over="ignore"):
        return entries.values.astype(np.float64)


def refuse_infinity(entries: Numbers | Labels, place: Place) -> None:
    """Raise a ValueError if a number is infinite or beyond the range of float64."""
    values = as_floats(entries, place)
    infinite = np.isinf(values)
    if not infinite.any():
        return
    i = int(infinite.argmax())
    if np.isfinite(entries.values[i] if isinstance(entries, Numbers) else values[i]):
        raise ValueError(f"X holds a number beyond the range of float64 in {place.row(i)}")
    raise ValueError(f"X holds infinity in {place.row(i)}: replace it by NaN, which means missing, or by a finite "
                     "number")


def _numeric_labels(entries: Labels, place: Place) -> NDArray[np.float64]:
    for number, label in enumerate(entries.labels):
        if not (isinstance(label, bool) or is_number(type(label))):
            i = (entries.codes == number).argmax()
            raise TypeError(f"X must hold numbers in {place}, as in fit, got {label!r} in row {i + place.first_row}")
    values: NDArray[np.float64] = np.array([*map(float, entries.labels), math.nan])[entries.codes]
    return values


def as_labels(entries: Numbers | Labels, place: Place) -> Labels:
    """Return the entries as labels.

    Raises
    ------
    ValueError
        If a number is infinite.
    """
    if isinstance(entries, Labels):
        for number, label in enumerate(entries.labels if float in set(map(type, entries.labels)) else ()):
            if isinstance(label, float) and math.isinf(label) and (places := entries.codes == number).any():
                refuse_infinity(Numbers(np.where(places, label, 0)), place)
        return entries
    values = entries.values
    if values.dtype.kind == "f":
        refuse_infinity(entries, place)
    found, codes = np.unique(values, return_inverse=True)
    labels = found.tolist() if values.dtype.itemsize <= 8 else found.astype(np.float64).tolist()
    return _without_missing(codes.reshape(-1), labels)
