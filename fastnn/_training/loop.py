"""The training loop: epochs of mini-batches, stopping and callbacks. Each step is one call into the compiled plan."""

import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from math import isfinite
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import _tuning, runtime
from fastnn._core import kernels
from fastnn._core.training_plan import Plan
from fastnn._data.examples import Examples, batch_bounds
from fastnn._data.sparse import SparseRows
from fastnn._model.architecture import Architecture
from fastnn._model.objective import Objective
from fastnn._model.parameters import Parameters, activation_codes
from fastnn._model.workspace import Workspace, aligned_empty
from fastnn._training import lbfgs
from fastnn._training.optimizer_state import OptimizerState
from fastnn._training.prepare import PreparedFit
from fastnn._training.recorder import Recorder
from fastnn.optimizers import LBFGS, SGD

__all__ = ["DivergenceWarning", "FitLoop", "bind", "bound_plan", "gradients", "run_batches", "whole_gradient"]


class DivergenceWarning(RuntimeWarning):
    """The loss or the parameters stopped being finite; the best parameters so far are kept."""


def bind(architecture: Architecture, objective: Objective, parameters: Parameters, examples: Examples,
         state: OptimizerState, *, batch_size: int, n_shards: int, team: int, order: NDArray[np.int64] | None,
         blas: bool = False, clip_norm: float = 0.0) -> Plan:
    """Allocate every buffer of a run and bind them into a plan."""
    dtype, n_x, n_out, loss = architecture.dtype, architecture.n_features, architecture.n_outputs, objective.loss
    labels = examples.Y.ndim == 1
    X = examples.X.arrays if isinstance(examples.X, SparseRows) else examples.X
    in_place = isinstance(X, tuple) or (order is None and X.flags.c_contiguous)
    batch_X = batch_Y = batch_weights = None
    if not in_place:
        batch_X = aligned_empty((n_x, batch_size), dtype, "F")
    if order is not None:
        batch_Y = np.empty(batch_size, np.int32) if labels else aligned_empty((n_out, batch_size), dtype, "F")
        batch_weights = None if examples.weights is None else aligned_empty(batch_size, dtype)
    caches = Workspace(architecture.sizes, architecture.activations, batch_size, dtype)
    return Plan(
        level=runtime.LEVEL, sizes=architecture.sizes, activations=activation_codes(architecture.activations),
        row_major=parameters.row_major, loss=loss.code, loss_parameter=loss.parameter, loss_ceiling=loss.ceiling,
        loss_factor=loss.factor, l2_by_batch=objective.l2_by_batch, theta=parameters.theta,
        gradients=aligned_empty((n_shards, parameters.size), dtype), Z=caches.Z, A=caches.A, dZ=caches.dZ,
        X=X, Y=examples.Y, weights=examples.weights,
        batch=(batch_X, batch_Y, batch_weights), order=order,
        rule=state.optimizer.code, states=state.arenas, step_count=state.step_count,
        hyperparameters={**state.optimizer.hyperparameters, "l2": objective.l2, "l1": objective.l1,
                         "clip_norm": clip_norm},
        team=team, blas=blas, dropout=objective.dropout, dropout_seed=state.dropout_seed,
    )


@contextmanager
def bound_plan(architecture: Architecture, objective: Objective, parameters: Parameters, examples: Examples,
               state: OptimizerState, *, batch_size: int, n_threads: int, order: NDArray[np.int64] | None = None,
               clip_norm: float = 0.0) -> Iterator[Plan]:
    """Bind a plan with the shards and threads that suit it, and limit BLAS's threads while it is used."""
    way = runtime.parallelism(examples.effective_sizes(architecture.sizes), batch_size, n_threads, parameters.size)
    with runtime.blas_threads(way.blas_threads) as confirmed:
        n_shards, team = way[:2] if confirmed else (1, 1)
        yield bind(architecture, objective, parameters, examples, state, batch_size=batch_size, n_shards=n_shards,
                   team=team, order=order, blas=way.blas_threads > 1, clip_norm=clip_norm)


def gradients(architecture: Architecture, objective: Objective, parameters: Parameters, examples: Examples,
              out: NDArray[Any], n_threads: int) -> float:
    """Fill `out` (P,) with dJ/dtheta over all examples, without dropout; return J."""
    state = OptimizerState(SGD(), parameters.size, architecture.dtype)
    objective = replace(objective, dropout=())
    rows = min(len(examples), _tuning.GRADIENT_BLOCK_ROWS)
    with bound_plan(architecture, objective, parameters, examples, state, batch_size=rows,
                    n_threads=n_threads) as plan:
        return whole_gradient(plan, examples, out)


def whole_gradient(plan: Plan, examples: Examples, out: NDArray[Any]) -> float:
    """Fill `out` (P,) with dJ/dtheta over all examples, in blocks of _tuning.GRADIENT_BLOCK_ROWS; return J."""
    m = len(examples)
    if m <= _tuning.GRADIENT_BLOCK_ROWS:
        return float(plan.gradient(0, m, out))
    part, J, total = aligned_empty(out.shape, out.dtype), 0.0, examples.weight(0, m)
    out.fill(0)
    for start, stop in batch_bounds(m, _tuning.GRADIENT_BLOCK_ROWS):
        share = examples.weight(start, stop) / total
        if share > 0:
            J += share * plan.gradient(start, stop, part)
            part *= share
            out += part
    return J


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
        except BaseException:  # raised by a callback
            state.history.stop_reason = "error"
            raise
        finally:
            self.recorder.close_bar()
            for callback in callbacks:
                callback.on_fit_end(state)
        if state.history.stop_reason == "diverged":
            self._warn()

    def _run_epochs(self) -> str:
        """Run epochs until there is a reason to stop; return it."""
        state, optimizer = self.state, self.settings.optimizer
        if state.epoch == 0 and state.monitor is None and state.epochs > 1:
            state.best.score_initial(self.recorder.score_parameters())
        rows = self.feed.max_rows
        if isinstance(optimizer, LBFGS):
            rows = min(rows, _tuning.GRADIENT_BLOCK_ROWS)
        with bound_plan(*state.values[:3], self.feed.examples, state.optimizer_state, batch_size=rows,
                        n_threads=self.settings.n_threads, order=self.feed.order,
                        clip_norm=self.settings.clip_norm) as plan:
            reason = state.stop_reason()
            if reason is None and isinstance(optimizer, LBFGS):
                reason = self._minimize(plan, optimizer)
            while reason is None:
                reason = self._run_epoch(plan) or state.stop_reason()
        return reason

    def _run_epoch(self, plan: Plan) -> str | None:
        """Run one epoch; return the reason to stop if it gave one."""
        state, began = self.state, perf_counter()
        finite = run_batches(plan.step, self.feed.batches(state.rng), state.schedule.rates())
        rate = state.schedule.last(self.feed.steps or 1)
        return self._end_epoch(began, plan.take_mean_loss(), finite, {"learning_rate": rate})

    def _minimize(self, plan: Plan, optimizer: LBFGS) -> str:
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
        state.schedule.advance(steps, record)
        self._update_best(record, steps)
        self.recorder.show(record)
        return "callback" if state.asked_to_stop(self.settings.callbacks, record) else None

    def _update_best(self, record: dict[str, float], steps: int) -> None:
        """Keep the parameters if they are the best so far: after each epoch with early stopping, else when due."""
        state = self.state
        if state.monitor is not None:
            state.monitor.update(record)
            state.best.update(state.monitor.cost(record), state.epoch)
        elif state.epoch < state.epochs and state.best.due(steps):
            score = record.get("validation_loss")
            state.best.update(self.recorder.score_parameters() if score is None else score, state.epoch)

    def _finish(self) -> None:
        """Restore the best parameters after early stopping or divergence."""
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


def run_batches(step: Callable[[int, int, float], float], batches: Iterator[tuple[int, int]], rates: Iterator[float], *,
                stop_if_diverged: bool = True) -> bool:
    """Run a step for each mini-batch, each with the next learning rate.

    Parameters
    ----------
    step : callable
        ``step(start, stop, rate) -> J``, such as ``plan.step``.
    batches : iterator of (start, stop)
    rates : iterator of float
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
