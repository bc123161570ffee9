"""`fastnn train`: a model, its score on rows held out, and a report, from a table."""

from dataclasses import dataclass
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import __version__
from fastnn._commands.columns import column_rows, identifiers
from fastnn._commands.outputs import check_outputs
from fastnn._commands.scores import Scores, baseline, score
from fastnn._commands.table_files import TableError, find_column, read_table, require
from fastnn._commands.text import duration, say, table

__all__ = ["Job", "run"]

MAX_LABELS = 10  # distinct whole numbers up to which a target counts as labels
MIN_ROWS = 20
PREDICTED_ROWS = 100_000  # of the held-out part that are scored and drawn at most


@dataclass(frozen=True, kw_only=True)
class Job:
    """The arguments of `fastnn train`; `__main__` describes them."""

    table: str
    target: str
    out: str
    report: str | None
    task: str
    drop: tuple[str, ...]
    categorical: tuple[str, ...]
    missing: tuple[str, ...]
    header: bool
    holdout: float
    models: int
    epochs: int | None
    time_limit: float | None
    threads: int
    seed: int


@dataclass(frozen=True)
class Parts:
    """The rows to train on and those held out for the score."""

    X_train: Any
    y_train: Any
    X_test: Any
    y_test: Any


@dataclass(frozen=True)
class Outcome:
    """Everything that the report shows."""

    job: Job
    model: Any
    parts: Parts
    n_rows: int
    seconds: float
    predicted: NDArray[Any]
    scores: Scores
    baseline: Scores

    @property
    def classifies(self) -> bool:
        """Whether the target is a label."""
        return self.scores.task == "classification"

    def score_rows(self) -> list[tuple[str, str, str]]:
        """Return the name of each score, its value, and that of the constant answer."""
        return [(name, f"{value:.4g}", f"{self.baseline.values[name]:.4g}")
                for name, value in self.scores.values.items()]


def run(job: Job) -> None:
    """Read the table, train, score on the rows held out, and write the model and the report.

    Raises
    ------
    TableError
        If the table or an argument cannot be used.
    OSError
        If a file cannot be read or written.
    """
    check_outputs([job.out, job.report], [job.table])
    require("sklearn")
    if job.report is not None:
        require("matplotlib")
    frame = read_table(job.table, missing=job.missing, header=job.header, text_columns=(*job.categorical, job.target),
                       used=lambda name: name not in job.drop)
    say(f"fastnn {__version__}, {job.threads} thread{'s' * (job.threads > 1)}")
    X, y, dropped = _features_and_target(frame, job)
    task = _task(y, job)
    say(f"{job.table}: {len(X):,} rows, {X.shape[1]} columns besides the target {job.target!r}")
    if dropped:
        say(f"{dropped:,} rows without a target are left out")
    parts = _split(X, y, task, job)
    model = _model(task, job, parts.X_train)
    say(f"task: {task} of {_described(y, task)}; {len(parts.X_train):,} rows to train on, {len(parts.X_test):,} held "
        "out\n")
    _show_columns(model, parts.X_train)
    began = perf_counter()
    model.fit(parts.X_train, parts.y_train)
    seconds = perf_counter() - began
    say()
    outcome = _outcome(job, model, parts, len(X), seconds, task)
    _show_scores(outcome)
    model.save(job.out)
    say(f"\nmodel:  {job.out} ({Path(job.out).stat().st_size / 1e6:.2f} MB); use it by: fastnn predict {job.out} "
        "new.csv --out answers.csv")
    if job.report is not None:
        from fastnn._commands.report import write

        write(outcome, job.report)
        say(f"report: {job.report}")


def _features_and_target(frame: Any, job: Job) -> tuple[Any, Any, int]:
    """Return the columns to learn from, the target, and how many rows had no target."""
    names = list(frame.columns)
    find_column(names, job.target, "--target")
    for name in job.drop:
        find_column(names, name, "--drop")
    for name in job.categorical:
        find_column(names, name, "--categorical")
    X = frame.drop(columns=[job.target, *job.drop])
    if X.shape[1] == 0:
        raise TableError("no column is left to learn from")
    given = frame[job.target].notna()
    dropped = int((~given).sum())
    X, y = X[given].reset_index(drop=True), frame.loc[given, job.target].reset_index(drop=True)
    if len(X) < MIN_ROWS:
        raise TableError(f"too few rows have a target: {len(X)}, at least {MIN_ROWS} are needed")
    return X, y, dropped


def _task(y: Any, job: Job) -> str:
    """Return the task: as asked for, else by the type of the target and its number of distinct values."""
    pandas = require("pandas")
    numeric = pandas.api.types.is_numeric_dtype(y.dtype) and not pandas.api.types.is_bool_dtype(y.dtype)
    if job.task == "regression" and not numeric:
        raise TableError(f"--task regression needs numbers, but the target {job.target!r} holds {y.iloc[0]!r}")
    if pandas.api.types.is_datetime64_any_dtype(y.dtype):
        raise TableError(f"the target {job.target!r} holds dates: derive a number from them first, such as days")
    if job.task != "auto":
        task = job.task
    else:
        whole = numeric and bool((y == y.round()).all())
        task = "regression" if numeric and not (whole and y.nunique() <= MAX_LABELS) else "classification"
    counts = y.value_counts()
    if len(counts) < 2:
        raise TableError(f"the target {job.target!r} has the single value {counts.index[0]}")
    if task == "classification" and len(counts) > len(y) // 2:
        raise TableError(f"the target {job.target!r} has {len(counts):,} different values in {len(y):,} rows: too many "
                         "to learn as classes")
    return task


def _described(y: Any, task: str) -> str:
    if task == "regression":
        return f"numbers from {y.min():g} to {y.max():g}"
    labels = [str(label) for label in y.value_counts().index[:4]]
    n = y.nunique()
    return f"{n} classes ({', '.join(labels)}{', ...' if n > len(labels) else ''})"


def _split(X: Any, y: Any, task: str, job: Job) -> Parts:
    """Hold out rows at random; of each class the same share, where every class has two rows."""
    from sklearn.model_selection import train_test_split

    stratify = y if task == "classification" and y.value_counts().min() >= 2 else None
    try:
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=job.holdout, random_state=job.seed,
                                                            stratify=stratify)
    except ValueError:  # fewer rows held out than classes
        X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=job.holdout, random_state=job.seed)
    return Parts(X_train, y_train, X_test, y_test)


def _model(task: str, job: Job, X: Any) -> Any:
    from fastnn.tabular import TabularClassifier, TabularRegressor

    further: dict[str, Any] = {} if job.epochs is None else {"epochs": job.epochs}
    kind = TabularClassifier if task == "classification" else TabularRegressor
    try:
        import tqdm.auto  # noqa: F401

        further["verbose"] = "bar"
    except ImportError:
        say("no progress bar: tqdm is not installed\n")
    if job.categorical:
        numeric = set(X.select_dtypes(include=["number"]).columns) - set(job.categorical)
        further["categorical_features"] = [name for name in X.columns if name not in numeric]
    return kind(n_models=job.models, time_limit=job.time_limit, n_threads=job.threads, random_state=job.seed, **further)


def _show_columns(model: Any, X: Any) -> None:
    """Print the type that was guessed for each column, and its gaps."""
    from fastnn.preprocessing import TableEncoder

    names = ("categorical_features", "max_one_hot")
    encoder = TableEncoder(**{name: getattr(model, name) for name in names}).fit(X)
    say(table(("column", "type", "gaps", "values"), column_rows(encoder)) + "\n")
    if found := identifiers(encoder, len(X)):
        say(f"nearly every row has its own value of {', '.join(map(repr, found))}: nothing can be learned from it "
            "about new rows; derive numbers or fewer categories, or use --drop\n")
    if "" in X.columns:
        say("column 1 has no name: if it is the number of the row, use --drop ''\n")


def _outcome(job: Job, model: Any, parts: Parts, n_rows: int, seconds: float, task: str) -> Outcome:
    X, y = parts.X_test[:PREDICTED_ROWS], np.asarray(parts.y_test)[:PREDICTED_ROWS]
    predicted = model.predict(X)
    probabilities = model.predict_proba(X) if task == "classification" else None
    return Outcome(job, model, Parts(parts.X_train, parts.y_train, X, y), n_rows, seconds, predicted,
                   score(task, y, predicted, probabilities, getattr(model, "classes_", None)),
                   baseline(task, np.asarray(parts.y_train), y))


def _show_scores(outcome: Outcome) -> None:
    say(f"trained in {duration(outcome.seconds)}, best epoch {outcome.model.best_epoch_}")
    say(f"on the {len(outcome.predicted):,} rows held out:")
    say(table(("", "model", f"always {outcome.baseline.answer}"), outcome.score_rows()))
