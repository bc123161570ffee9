"""`fastnn predict`: the answers of a saved model to a table."""

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from fastnn._commands.models import load_tabular
from fastnn._commands.outputs import check_outputs, replacing
from fastnn._commands.table_files import TableError, find_column, read_table, require
from fastnn._commands.text import say

__all__ = ["Query", "run"]


@dataclass(frozen=True, kw_only=True)
class Query:
    """The arguments of `fastnn predict`; `__main__` describes them."""

    model: str
    table: str
    out: str | None
    keep: tuple[str, ...]
    missing: tuple[str, ...]
    header: bool
    threads: int


def run(query: Query) -> None:
    """Predict each row of a table and write the answers as CSV or Parquet.

    Raises
    ------
    TableError
        If the table does not suit the model.
    OSError
        If a file cannot be read or written.
    """
    check_outputs([query.out], [query.model, query.table])
    model = load_tabular(query.model)
    if not hasattr(model, "feature_names_in_"):
        raise TableError(f"{query.model} was trained on an array without names of columns: use its predict in Python")
    model.n_threads = query.threads
    frame = read_table(query.table, missing=query.missing, header=query.header,
                       text_columns=_text_columns(model), used=set(model.feature_names_in_).__contains__)
    names = list(frame.columns)
    for name in query.keep:
        find_column(names, name, "--keep")
    missing = [name for name in model.feature_names_in_ if name not in names]
    if missing:
        find_column(names, missing[0], "the model needs it")
    X = frame[list(model.feature_names_in_)]
    answers = _answers(model, X)
    for name in reversed(query.keep):
        answers.insert(0, name, frame[name])
    _write(answers, query.out)
    if query.out is not None:
        say(f"{len(answers):,} rows, {answers.shape[1]} columns ({_shown(answers.columns)}) written to {query.out}")


def _text_columns(model: Any) -> Sequence[str]:
    """Return the columns whose values are categories for the model, so that they may look like numbers."""
    return [column.name for column in model.encoder_.columns_ if column.kind == "category"]


def _answers(model: Any, X: Any) -> Any:
    """Return a table with the prediction and, for classes, the probability of each."""
    pandas = require("pandas")
    target = "prediction"
    if not hasattr(model, "classes_"):
        predicted = np.asarray(model.predict(X))
        if predicted.ndim == 1:
            return pandas.DataFrame({target: predicted})
        return pandas.DataFrame({f"{target} {k + 1}": predicted[:, k] for k in range(predicted.shape[1])})
    probabilities = model.predict_proba(X)
    labels = model.classes_[probabilities.argmax(axis=1)]
    return pandas.DataFrame({target: labels} | {f"probability of {label}": probabilities[:, k]
                                                for k, label in enumerate(model.classes_)})


def _shown(names: Any) -> str:
    names = list(map(str, names))
    return ", ".join(names[:3]) + (", ..." if len(names) > 3 else "")


def _write(answers: Any, out: str | None) -> None:
    """Write to a new file beside `out` and rename it, so that an error leaves no half-written file; None prints."""
    if out is None:
        answers.to_csv(sys.stdout, index=False)
        return
    path = Path(out)
    parquet = path.suffix.lower() in (".parquet", ".pq")
    if parquet:
        require("pyarrow")
    with replacing(path) as partial:
        if parquet:
            answers.to_parquet(partial, index=False)
        else:
            answers.to_csv(partial, index=False, compression="gzip" if path.suffix == ".gz" else None)
