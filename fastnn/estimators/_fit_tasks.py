"""The callbacks of scikit-learn 1.9 and newer, which `set_callbacks` registers: each epoch is a task of the fit."""

from collections.abc import Callable
from functools import wraps
from typing import Any

import numpy as np

from fastnn._training.view import FitView
from fastnn.callbacks import Callback

try:
    from sklearn.callback import CallbackSupportMixin
except ImportError:  # before scikit-learn 1.9

    class CallbackSupportMixin:  # type: ignore[no-redef]
        """Stands for scikit-learn's class, without `set_callbacks`."""


__all__ = ["CallbackSupportMixin", "FitTasks", "with_fit_tasks"]


class FitTasks(Callback):
    """Report each epoch, or iteration of L-BFGS, to the callbacks of scikit-learn as a task of a fit.

    A task begins with the fit or at the end of the task before it. If the fit stops early, the last one is empty, as in
    scikit-learn's own estimators.

    Parameters
    ----------
    estimator : BaseMLP
    context : sklearn.callback.CallbackContext
        That of the fit.
    X, y, metadata
        The user's data, and the other arguments for scorers.
    """

    def __init__(self, estimator: Any, context: Any, X: Any, y: Any, metadata: dict[str, Any] | None) -> None:
        self.estimator, self.context = estimator, context
        self.data = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self.task: Any = None

    def on_fit_begin(self, run: FitView) -> None:
        """Begin the first task."""
        self._begin()

    def on_epoch_end(self, run: FitView, record: dict[str, float]) -> bool:
        """End the task of the epoch and begin the next one, unless a callback asks to stop."""
        stop = bool(self.task.call_on_fit_task_end(**self.data, reconstruction_attributes=lambda: {
            "n_iter_": int(record["epoch"]), "loss_": np.float64(record["loss"])}))
        self.task = None
        if not stop and run.epoch < run.settings.epochs:
            self._begin()
        return stop

    def end(self) -> None:
        """End the fit."""
        if self.task is not None:
            self.task.call_on_fit_task_end(estimator=self.estimator)
        self.context.call_on_fit_task_end(**self.data, reconstruction_attributes=dict)

    def _begin(self) -> None:
        self.task = self.context.subcontext(task_name="epoch")
        self.task.call_on_fit_task_begin(**self.data)


def with_fit_tasks(function: Callable[..., None]) -> Callable[..., None]:
    """Decorate the fit of an estimator: pass it ``tasks``, callbacks that report to those of scikit-learn."""
    @wraps(function)
    def wrapper(estimator: Any, X: Any, y: Any, sample_weight: Any = None, *arguments: Any, incremental: bool = False,
                **keywords: Any) -> None:
        fit = (estimator, X, y, sample_weight, *arguments)
        if "_skl_callbacks" not in vars(estimator):
            function(*fit, incremental=incremental, **keywords)
            return
        context = estimator._init_callback_context(max_subtasks=1 if incremental else int(estimator.max_iter))
        tasks = FitTasks(estimator, context, X, y, None if sample_weight is None else {"sample_weight": sample_weight})
        context.call_on_fit_task_begin(**tasks.data)
        function(*fit, incremental=incremental, tasks=(tasks,), **keywords)
        tasks.end()

    return wrapper
