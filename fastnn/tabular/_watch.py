"""What happens after each epoch: messages, the progress bar, the user's callbacks, the limit of time."""

import threading
from typing import Any

from fastnn._training.progress import progress_bar
from fastnn._training.view import FitView
from fastnn.callbacks import Callback
from fastnn.tabular._budget import Deadline

__all__ = ["Reports", "Watch"]

LATE = 1.05  # of the limit, beyond which the training of a slow machine is cut


class Reports:
    """The outputs of a fit, which the models in training share.

    Parameters
    ----------
    verbose : bool, int or "bar"
    n_models : int
    callbacks : tuple of Callback
        The user's.
    """

    def __init__(self, verbose: Any, n_models: int, callbacks: tuple[Callback, ...]) -> None:
        self.prints, self.n_models, self.callbacks = verbose != "bar" and bool(verbose), n_models, callbacks
        self.lock = threading.RLock()
        self.stopped = threading.Event()  # set when one of the models failed
        self.new_bar = progress_bar() if isinstance(verbose, str) else None
        self.bar: Any = None  # made when its length is known

    def close(self) -> None:
        """Close the progress bar."""
        if self.bar is not None:
            self.bar.close()

    def expect(self, epochs: int) -> None:
        """Add the epochs of a model to the length of the bar."""
        if self.new_bar is None:
            return
        with self.lock:
            if self.bar is None:
                self.bar = self.new_bar(total=epochs, unit="epoch")
            else:
                self.bar.total += epochs
                self.bar.refresh()

    def show(self, number: int, record: dict[str, float]) -> None:
        """Print or show the record of an epoch of a model."""
        shown = {name: f"{record[name]:.5g}" for name in ("loss", "validation_loss", "validation_score")
                 if name in record}
        if self.bar is not None:
            short = {name.removeprefix("validation_"): shown[name] for name in ("loss", "validation_score")
                     if name in shown}  # all three do not fit into a line of 80 characters
            self.bar.set_postfix(short, refresh=False)
            self.bar.update()
        if self.prints:
            model = f"model {number + 1}, " * (self.n_models > 1)
            print(f"{model}epoch {record['epoch']}: " + ", ".join(f"{name} {text}" for name, text in shown.items()))


class Watch(Callback):
    """The callback of one model's training.

    Parameters
    ----------
    reports : Reports
    estimator : BaseTabular
        For the user's callbacks: it predicts with the network in training.
    number : int
        The number of the model, from 0.
    deadline : Deadline
    """

    def __init__(self, reports: Reports, estimator: Any, number: int, deadline: Deadline) -> None:
        self.reports, self.estimator, self.number, self.deadline = reports, estimator, number, deadline
        self.view: FitView | None = None

    def on_fit_begin(self, run: FitView) -> None:
        """Show the user's callbacks a view of the estimator's fit."""
        self.view = FitView(self.estimator, run.epochs, run.recorded)
        with self.reports.lock:
            for callback in self.reports.callbacks:
                callback.on_fit_begin(self.view)

    def on_epoch_end(self, run: FitView, record: dict[str, float]) -> bool:
        """Show the record; return True if the training is to stop."""
        assert self.view is not None
        late = self.deadline.left + (LATE - 1) * self.deadline.limit < record["seconds"]
        if self.reports.n_models > 1:
            record = {**record, "model": float(self.number + 1)}
        with self.reports.lock:
            self.reports.show(self.number, record)
            stop = self.view.end_epoch(self.reports.callbacks, record)
        return stop or late or self.reports.stopped.is_set()

    def on_fit_end(self, run: FitView) -> None:
        """Tell the user's callbacks why the training ended."""
        if self.view is None:
            return
        self.view.history.stop_reason = run.history.stop_reason
        with self.reports.lock:
            for callback in self.reports.callbacks:
                callback.on_fit_end(self.view)
