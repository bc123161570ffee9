"""The training loop: epochs of mini-batches, stopping and callbacks. Each step is one call into the compiled plan."""

import warnings
from collections.abc import Callable, Iterable, Iterator
from functools import partial
from itertools import repeat
from math import isfinite
from time import perf_counter
from typing import Any

from fastnn import _tuning, runtime
from fastnn._core import kernels
from fastnn._core.training_plan import TrainingPlan
from fastnn._training import lbfgs
from fastnn._training.binding import bound_plan, whole_gradient
from fastnn._training.prepare import PreparedFit
from fastnn._training.recorder import Recorder
from fastnn._training.standstill import reason_to_doubt
from fastnn.optimizers import LBFGS

__all__ = ["DivergenceWarning", "FitLoop", "run_batches"]


class DivergenceWarning(RuntimeWarning):
    """The loss or the parameters stopped being finite; the best parameters so far are kept."""


class FitLoop:
    """The epochs of a fit.

    Parameters
    ----------
    prepared : PreparedFit
    """

    def __init__(self, prepared: PreparedFit) -> None:
        self.state, self.settings, self.feed = prepared.state, prepared.settings, prepared.feed
        self.recorder = Recorder(prepared)

    def run(self) -> None:
        """Run the epochs.

        Warns
        -----
        DivergenceWarning
            If the loss or a parameter is no longer finite: training stops with the best parameters so far.
        """
        state, callbacks = self.state, self.settings.callbacks
        self.recorder.open_bar()
        try:
            for callback in callbacks:
                callback.on_fit_begin(state)
            state.history.stop_reason = self._run_epochs()
            self._finish()
        except KeyboardInterrupt:
            state.history.stop_reason = "interrupted"
            raise
        except BaseException:  # raised by a callback or by data read during training
            state.history.stop_reason = "error"
            raise
        finally:
            self.recorder.close_bar()
            for callback in callbacks:
                callback.on_fit_end(state)
        if state.history.stop_reason == "diverged":
            self._warn()
        elif (doubt := reason_to_doubt(state, self.settings, self.recorder.held_out)) is not None:
            warnings.warn(f"early stopping: {doubt}", stacklevel=3)  # the caller of Network.fit

    def _run_epochs(self) -> str:
        """Run epochs until there is a reason to stop; return it."""
        state, optimizer = self.state, self.settings.optimizer
        if state.epoch == 0 and state.monitor is None and state.epochs > 1:
            state.best.score_initial(self.recorder.score_parameters())
        rows, update = self.feed.batch_size, None if isinstance(optimizer, LBFGS) else state.optimizer_state
        if update is None:
            rows = min(rows, _tuning.GRADIENT_BLOCK_ROWS)
        values = state.values
        with bound_plan(values.architecture, values.objective, values.parameters, self.feed.examples, update,
                        batch_size=rows, n_threads=self.settings.n_threads, order=self.feed.order,
                        clip_norm=self.settings.clip_norm, trained=state.trained) as plan:
            reason = state.stop_reason()
            if reason is None and isinstance(optimizer, LBFGS):
                reason = self._minimize(plan, optimizer)
            while reason is None:
                reason = self._run_epoch(plan) or state.stop_reason()
        return reason

    def _run_epoch(self, plan: TrainingPlan) -> str | None:
        """Run one epoch; return the reason to stop if it gave one."""
        state, began = self.state, perf_counter()
        step: Callable[[int, int, Any], float] = plan.step
        values: Iterator[Any] = state.schedule.rates()
        if state.factors:
            step = with_factors(plan.step)
            values = zip(values, self._factors("weight_decay"), self._factors("dropout"), strict=True)
        finite = run_batches(step, self.feed.batches(state.rng), values)
        rate = state.schedule.last(self.feed.steps or 1)
        return self._end_epoch(began, plan.take_mean_loss(), finite, {"learning_rate": rate})

    def _factors(self, name: str) -> Iterator[float]:
        """Return the factors of the next steps."""
        schedule = self.state.factors.get(name)
        return repeat(1.0) if schedule is None else schedule.rates()

    def _minimize(self, plan: TrainingPlan, optimizer: LBFGS) -> str:
        """Run L-BFGS, each iteration being an epoch; return the reason why it ended."""
        state, began = self.state, perf_counter()

        def after_iteration(J: float) -> str | None:
            nonlocal began
            reason = self._end_epoch(began, J, isfinite(J), {}) or state.stop_reason()
            began = perf_counter()
            return reason

        return lbfgs.minimize(optimizer, state.theta, partial(whole_gradient, plan, self.feed.examples),
                              state.epochs - state.epoch, after_iteration).reason

    def _end_epoch(self, began: float, J: float, finite: bool, rate: dict[str, float]) -> str | None:
        """Record an epoch, update everything that depends on it and call the callbacks; return a reason to stop."""
        state, steps = self.state, self.feed.steps or 1
        record, finite = self.recorder.record(began, J, finite, rate)
        if not finite:
            return "diverged"
        for schedule in (state.schedule, *state.factors.values()):
            schedule.advance(steps, record)
        self._update_best(record, steps)
        self.recorder.show(record)
        return "callback" if state.asked_to_stop(self.settings.callbacks, record) else None

    def _update_best(self, record: dict[str, float], steps: int) -> None:
        """Keep the best parameters: score after each epoch with early stopping, else if a score is due."""
        state = self.state
        if state.monitor is not None:
            state.monitor.update(record)
            state.best.update(state.monitor.cost(record), state.epoch)
        elif state.epoch < state.epochs and state.best.due(steps):
            score = record.get("validation_loss")
            state.best.update(self.recorder.score_parameters() if score is None else score, state.epoch)

    def _finish(self) -> None:
        """Restore the best parameters if the fit diverged or uses early stopping, even if it ran all epochs."""
        state = self.state
        history, best = state.history, state.best
        if history.stop_reason != "diverged" and not kernels.all_finite(state.theta, runtime.LEVEL):
            history.stop_reason = "diverged"  # in the last update
        diverged = history.stop_reason == "diverged"
        if diverged:
            state.optimizer_state.reset()  # its moments may not be finite
        if diverged or (state.monitor is not None and best.epoch is not None):
            best.restore()
            history.best_epoch = best.epoch

    def _warn(self) -> None:
        best = self.state.best
        kept = f"those after epoch {best.epoch}" if best.epoch else "the initial ones"
        warnings.warn(f"training diverged in epoch {self.state.epoch}: the loss or the parameters are no longer "
                      f"finite; the parameters kept are {kept}. A lower learning rate or scaled features may help.",
                      DivergenceWarning, stacklevel=4)  # the caller of Network.fit


def with_factors(step: Callable[..., float]) -> Callable[[int, int, tuple[float, ...]], float]:
    """Return a step that takes the learning rate and the factors of weight decay and dropout as one tuple."""
    return lambda start, stop, values: step(start, stop, *values)


def run_batches(step: Callable[[int, int, Any], float], batches: Iterable[tuple[int, int]], rates: Iterable[Any], *,
                stop_if_diverged: bool = True) -> bool:
    """Run a step for each mini-batch, each with the next learning rate.

    Parameters
    ----------
    step : callable
        ``step(start, stop, rate) -> J``, such as ``plan.step``.
    batches : iterable of (start, stop)
    rates : iterable of float
        May be endless.
    stop_if_diverged : bool
        Stop at the first J that is not finite.

    Returns
    -------
    bool
        False if it stopped there.
    """
    # A loop: all() of a generator takes twice as long.
    for (start, stop), rate in zip(batches, rates, strict=False):
        if not isfinite(step(start, stop, rate)) and stop_if_diverged:
            return False
    return True
