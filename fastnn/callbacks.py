"""Training callbacks: early stopping, checkpoints, CSV logging and user functions."""

import contextlib
import csv
import io
import os
import secrets
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Self

from fastnn._data import checks, functions
from fastnn._monitor import check_monitor
from fastnn._training import checkpoints
from fastnn._training.state import FitState
from fastnn._training.view import FitView

__all__ = ["CSVLogger", "Callback", "Checkpoint", "EarlyStopping", "LambdaCallback", "resolve"]


@dataclass(frozen=True)
class EarlyStopping:
    """Stop when a recorded value no longer improves, and restore the parameters of its best epoch.

    Pass it as ``early_stopping=`` of `Network.fit` or among its ``callbacks=``; ``early_stopping=10`` is
    ``EarlyStopping(patience=10)``.

    Parameters
    ----------
    monitor : str, default "validation_loss"
        Any value that each epoch records: "loss" (of the training data, before each update), "validation_loss",
        "validation_accuracy", "validation_r2", ...
    patience : int or None, default 10
        Stop after this many consecutive epochs without an improvement. None: run all epochs, then restore the best.
    min_delta : float, default 0.0
        A value counts as an improvement if it is better than the last one by more than this. The best epoch is that of
        the best value, regardless of `min_delta`. A value that is NaN or infinite is no improvement; without any finite
        value, training runs all epochs and keeps the last parameters.
    mode : {"auto", "min", "max"}, default "auto"
        Whether smaller or larger values are better. "auto" works for losses and named metrics.
    ties : {"first", "last"}, default "first"
        Which of several epochs with the same best value is the best epoch.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described, or "auto" does not apply to the value.
    """

    monitor: str = "validation_loss"
    patience: int | None = 10
    min_delta: float = 0.0
    mode: str = "auto"
    ties: str = "first"

    def __post_init__(self) -> None:
        check_monitor(self.monitor, self.mode, 1 if self.patience is None else self.patience, self.min_delta)
        checks.name(self.ties, ("first", "last"), "ties")


class Callback:
    """The base class of callbacks. Each method does nothing unless it is overridden.

    Methods get a view of the running fit: ``run.network``, ``run.history`` (the values recorded so far), ``run.epoch``
    (the number of finished epochs) and ``run.settings.epochs`` (the total number of epochs).
    """

    def check(self, run: FitView) -> None:
        """Called before training starts; raise if this callback cannot work with the run."""

    def on_fit_begin(self, run: FitView) -> None:
        """Called before the first epoch, or the first one after a resume."""

    def on_epoch_end(self, run: FitView, record: dict[str, float]) -> bool | None:
        """Called after each epoch with a copy of its record; return True to stop training."""

    def on_fit_end(self, run: FitView) -> None:
        """Called when training ends for any reason, which is `run.history.stop_reason`."""

    def __sklearn_clone__(self) -> Self:
        """Return this object: in a cross-validation or search of scikit-learn it hears of every fit."""
        return self


class LambdaCallback(Callback):
    """Call functions during training. A plain callable among `callbacks` is short for its `on_epoch_end`.

    Parameters
    ----------
    on_epoch_end : callable, optional
        Called as ``on_epoch_end(network, record)``; returns True to stop training.
    on_fit_begin, on_fit_end : callable, optional
        Called as ``on_fit_begin(network)``.
    """

    def __init__(self, on_epoch_end: Callable[..., Any] | None = None, on_fit_begin: Callable[..., Any] | None = None,
                 on_fit_end: Callable[..., Any] | None = None) -> None:
        for name, function, arguments in (("on_epoch_end", on_epoch_end, ("network", "record")),
                                          ("on_fit_begin", on_fit_begin, ("network",)),
                                          ("on_fit_end", on_fit_end, ("network",))):
            if function is None:
                continue
            functions.refuse_class(function, name)
            if not callable(function):
                raise TypeError(f"{name} must be callable, got {type(function).__name__}")
            functions.check_call(function, arguments, name)
        self.epoch_end, self.fit_begin, self.fit_end = on_epoch_end, on_fit_begin, on_fit_end

    def on_fit_begin(self, run: FitView) -> None:
        """Call the function."""
        if self.fit_begin is not None:
            self.fit_begin(run.network)

    def on_epoch_end(self, run: FitView, record: dict[str, float]) -> Any:
        """Call the function and return its result."""
        return None if self.epoch_end is None else self.epoch_end(run.network, record)

    def on_fit_end(self, run: FitView) -> None:
        """Call the function."""
        if self.fit_end is not None:
            self.fit_end(run.network)


class Checkpoint(Callback):
    """Save the state of training to a file, from which ``fit(resume=path)`` continues bitwise identically.

    The file is written atomically and holds no pickles. `Network.load` reads the network as it was after that epoch.
    Put it last among several callbacks: changes that later ones make are not saved.

    Parameters
    ----------
    path : str or os.PathLike
        "{epoch}" is replaced by the epoch number ("{epoch:04d}" with leading zeros), which gives one file per epoch.
        Without it the same file is replaced each time.
    every : int, default 1
        Save every this many epochs, and after the last one.
    """

    def __init__(self, path: str | os.PathLike[str], every: int = 1) -> None:
        self.path = _text(path)
        self.every = checks.count(every, "every")
        try:
            self.path.format(epoch=1)
        except (LookupError, ValueError) as error:
            raise ValueError(f"path may hold {{epoch}} and else no braces, got {self.path!r}") from error

    def check(self, run: FitView) -> None:
        """Check early that the file can be written later."""
        checkpoints.encode_generator(_state(run).rng)
        _check_place(self.path.format(epoch=1))

    def on_epoch_end(self, run: FitView, record: dict[str, float]) -> None:
        """Save if due."""
        if run.epoch % self.every == 0 or run.epoch == run.settings.epochs:
            checkpoints.write(self.path.format(epoch=run.epoch), _state(run))


class CSVLogger(Callback):
    """Write the history to a CSV file, one row after each epoch.

    The file is closed after each row, so that a killed process leaves complete rows. When a fit is resumed, its rows
    after the checkpoint are replaced.

    In a cross-validation or search of scikit-learn, fits one after another write to the same file: without `append` the
    rows of the last one remain. Fits that run at the same time mix their rows.

    Parameters
    ----------
    path : str or os.PathLike
    append : bool, default False
        Keep the rows of earlier fits, which must have the same columns, instead of replacing the file.
    """

    def __init__(self, path: str | os.PathLike[str], append: bool = False) -> None:
        self.path = _text(path)
        self.append = checks.flag(append, "append")
        self.written: dict[int, int] = {}  # rows of each running fit, by its id: several may run in threads

    def check(self, run: FitView) -> None:
        """Check early that the file can be written later."""
        _check_place(self.path)
        if self.append and os.path.exists(self.path):
            self._kept(_line(run.recorded), resumed=False)

    def on_fit_begin(self, run: FitView) -> None:
        """Replace the file by the header and the rows recorded so far."""
        lines = [_line(run.recorded)]
        if self.append and os.path.exists(self.path):
            lines = self._kept(lines[0], resumed=run.epoch > 0)
        temporary = f"{self.path}.{secrets.token_hex(8)}.tmp"
        try:
            with open(temporary, "x", newline="", encoding="utf-8") as file:
                file.writelines(lines)
            os.replace(temporary, self.path)
        except BaseException:
            with contextlib.suppress(FileNotFoundError):
                os.unlink(temporary)
            raise
        self.written[id(run)] = 0
        self._write(run)

    def on_epoch_end(self, run: FitView, record: dict[str, float]) -> None:
        """Append the epoch's row."""
        self._write(run)

    def on_fit_end(self, run: FitView) -> None:
        """Append the row of an epoch that diverged, after which `on_epoch_end` is not called."""
        self._write(run)
        self.written.pop(id(run), None)

    def _kept(self, header: str, resumed: bool) -> list[str]:
        """Return the lines of the old file to keep: all complete ones except those of the run that is resumed."""
        with open(self.path, newline="", encoding="utf-8") as file:
            lines = [line for line in file if line.endswith("\n")]
        if lines[:1] != [header]:
            raise ValueError(f"{self.path!r} has other columns than this run: {header.strip()}")
        if resumed:
            starts = [i for i, line in enumerate(lines) if line.startswith("1,")]
            lines = lines[: starts[-1]] if starts else lines
        return lines

    def _write(self, run: FitView) -> None:
        written = self.written.get(id(run), 0)
        records = run.history.records[written:]
        if records:
            with open(self.path, "a", newline="", encoding="utf-8") as file:
                file.writelines(_line([record.get(key, "") for key in run.recorded]) for record in records)
            self.written[id(run)] = written + len(records)


def _state(run: FitView) -> FitState:
    if not isinstance(run, FitState):
        raise TypeError("a Checkpoint is for fits of fastnn.Network")
    return run


def _line(cells: Any) -> str:
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerow(cells)
    return text.getvalue()


def _text(path: Any) -> str:
    text = os.fspath(path)
    if not isinstance(text, str):
        raise TypeError(f"path must be a str or os.PathLike, got {type(path).__name__}")
    return text


def _check_place(path: str) -> None:
    folder = os.path.dirname(path) or "."
    if not os.path.isdir(folder):
        raise FileNotFoundError(f"there is no folder {folder!r} to write {os.path.basename(path)!r} in")
    if os.path.isdir(path):
        raise IsADirectoryError(f"{path!r} is a folder, not a file to write")


def resolve(callbacks: Any, early_stopping: Any) -> tuple[tuple[Callback, ...], EarlyStopping | None]:
    """Return the checked callbacks and the early stopping rule, which may be among them.

    Raises
    ------
    ValueError, TypeError
        If they are not as `Network.fit` describes them.
    """
    given = functions.callbacks(callbacks, Callback, (EarlyStopping,))
    functions.refuse_class(early_stopping, "early_stopping")
    rules = [one for one in given if isinstance(one, EarlyStopping)]
    if early_stopping is not None:
        rules.append(early_stopping if isinstance(early_stopping, EarlyStopping)
                     else EarlyStopping(patience=checks.count(early_stopping, "early_stopping")))
    if len(rules) > 1:
        raise ValueError("early_stopping was given twice")
    others = [one for one in given if not isinstance(one, EarlyStopping)]
    return (tuple(one if isinstance(one, Callback) else LambdaCallback(on_epoch_end=one) for one in others),
            rules[0] if rules else None)
