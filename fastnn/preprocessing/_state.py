"""A fitted encoder as JSON values and arrays, and back."""

import itertools
import json
import math
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.preprocessing._columns import ColumnInfo, category_encoding, number_encoding

__all__ = ["from_state", "state"]

SIMPLE = (str, int, float, bool, type(None))


def state(encoder: Any) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the JSON values and arrays of a fitted encoder."""
    columns: Sequence[ColumnInfo] = encoder.columns_
    for column in columns:
        for label in column.categories or ():
            if type(label) not in SIMPLE:
                raise TypeError(f"column {column.name!r} has the category {label!r} of type {type(label).__name__}; a "
                                "file can hold texts, numbers and bools: convert the column by astype(str) before fit")
    for name in encoder._names or ():
        if type(name) not in SIMPLE:
            raise TypeError(f"the column name {name!r} is of type {type(name).__name__}; a file can hold texts and "
                            "numbers")
    parameters = {name: _plain(value) for name, value in encoder._plan.parameters.items()}
    described = [{"kind": column.kind, "gaps": column.gaps, "all_missing": column.median is None}
                 for column in columns]
    labels = [list(column.categories or ()) for column in columns]
    arrays = {
        "scales": np.array([(column.median or 0.0, column.scale or 0.0, column.unit) for column in columns]),
        "counts": np.array([count for column in columns for count in column.counts or ()], np.int64),
        "labels": _packed(labels),
        "names": _packed(encoder._names),
    }
    return {"parameters": parameters, "n_samples": encoder.n_samples_, "columns": described}, arrays


def _plain(value: Any) -> Any:
    """Return a parameter as JSON values."""
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, str) or value is None or isinstance(value, (bool, int, float)):
        return value
    return [_plain(entry) for entry in value]


def _packed(value: Any) -> NDArray[np.int64]:
    """Return the JSON of a value as bytes in int64, padded by blanks: long lists do not fit the header of a file."""
    text = json.dumps(value, separators=(",", ":")).encode()
    return np.frombuffer(text + b" " * (-len(text) % 8), "<i8").astype(np.int64)


def _unpacked(array: NDArray[Any]) -> Any:
    return json.loads(np.ascontiguousarray(array, "<i8").tobytes())


def from_state(cls: Any, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Any:
    """Return the encoder of class `cls` that `state` described."""
    try:
        return _restored(cls, description, arrays)
    except (KeyError, TypeError, IndexError, AttributeError, RecursionError, ValueError, ArithmeticError) as error:
        raise ValueError(f"not the state of a TableEncoder: {error}") from None


def _restored(cls: Any, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> Any:
    parameters = dict(description["parameters"])
    if isinstance(parameters["quantile_range"], list):
        parameters["quantile_range"] = tuple(parameters["quantile_range"])
    encoder = cls(**parameters)
    encoder._validate_params()
    names, labels, scales = _unpacked(arrays["names"]), _unpacked(arrays["labels"]), arrays["scales"]
    described, n_rows = description["columns"], description["n_samples"]
    n = len(described)
    if not (n and type(n_rows) is int and n_rows > 0 and len(labels) == n == len(scales) and scales.shape[1:] == (3,)
            and np.isfinite(scales).all() and (names is None or len(names) == len(set(names)) == n)):
        raise ValueError("its parts do not fit each other")
    counts: Iterator[int] = iter(arrays["counts"].tolist())
    columns = []
    for j, (entry, own_labels, row) in enumerate(zip(described, labels, scales.tolist(), strict=True)):
        columns.append(_column(entry, j if names is None else names[j], own_labels, row, counts, encoder.max_one_hot))
    if next(counts, None) is not None or any(
            column.gaps + sum(column.counts or (0,)) != n_rows if column.kind == "category" else column.gaps > n_rows
            for column in columns):
        raise ValueError("the counts do not add up")
    encoder._accept(encoder._numbered(columns, n_rows), n_rows, names)
    return encoder


def _column(entry: Mapping[str, Any], name: Any, labels: list[Any], row: list[float], counts: Iterator[int],
            max_one_hot: int) -> ColumnInfo:
    kind, gaps = entry["kind"], entry["gaps"]
    if kind not in ("number", "category") or type(gaps) is not int or gaps < 0 or type(name) not in SIMPLE:
        raise ValueError("a column is of no known kind")
    if kind == "number":
        median, scale, unit = row
        if not (unit > 0 and math.frexp(unit)[0] == 0.5 and scale >= 0):
            raise ValueError("a column has no scale")
        if entry["all_missing"]:
            return ColumnInfo(name, "number", "constant", gaps)
        return ColumnInfo(name, "number", number_encoding(scale), gaps, median=median, scale=scale, unit=unit)
    if any(type(label) not in SIMPLE or label is None or label != label for label in labels) or (
            len(set(labels)) < len(labels)):
        raise ValueError("a column has no valid categories")
    own = tuple(itertools.islice(counts, len(labels)))
    if len(own) < len(labels) or any(count < 1 for count in own):
        raise ValueError("a category does not occur")
    return ColumnInfo(name, "category", category_encoding(len(labels), max_one_hot), gaps, categories=tuple(labels),
                      counts=own)
