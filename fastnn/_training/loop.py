"""The training loop: epochs, early stopping, callbacks, progress. Each step is one call into the compiled plan."""

import warnings
from collections.abc import Iterator, Sized
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from math import inf, isfinite
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import _tuning, runtime
from fastnn._core import kernels
from fastnn._core.training_plan import Plan
from fastnn._data.examples import ExampleChunks, Examples
from fastnn._data.feeds import Feed, bounds
from fastnn._data.sparse import SparseRows
from fastnn._model.architecture import Architecture
from fastnn._model.files import NetworkValues
from fastnn._model.objective import Objective
from fastnn._model.parameters import Parameters, activation_codes
from fastnn._model.workspace import Workspace, aligned_empty
from fastnn._prediction.predictor import Predictor
from fastnn._training import lbfgs
from fastnn._training.optimizer_state import OptimizerState
from fastnn._training.schedule_state import Pace
from fastnn._training.stopping import Snapshot, Watch
from fastnn.callbacks import Callback, EarlyStopping, asked_to_stop
from fastnn.history import History
from fastnn.metrics import Metric
from fastnn.optimizers import LBFGS, SGD
from fastnn.schedules import Schedule

__all__ = ["DivergenceWarning", "Run", "Settings", "bind", "bound_plan", "gradients", "progress_bar"]


class DivergenceWarning(RuntimeWarning):
    """The loss or the parameters stopped being finite; the best parameters so far are kept."""


@dataclass
class Settings:
    """How a run is made; see `Network.fit`."""

    epochs: int
    metrics: tuple[Metric, ...]
    early_stopping: EarlyStopping | None
    callbacks: tuple[Callback, ...]
    progress_bar: Any  # tqdm's class, or None
    n_threads: int
    clip_norm: float  # 0 for none


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
    for start, stop in bounds(m, _tuning.GRADIENT_BLOCK_ROWS):
        share = examples.weight(start, stop) / total
        if share > 0:
            J += share * plan.gradient(start, stop, part)
            part *= share
            out += part
    return J


class Run:
    """One fit: what its course depends on, which is also what a checkpoint holds.

    Parameters
    ----------
    network : Network
        Only handed on to the callbacks.
    values : NetworkValues
        The network's.
    predictor : Predictor
    feed : Feed
    held_out : ExampleChunks or None
        To validate on.
    held_rows : ndarray of int64 or None
        Where they are among the feed's examples, if they come from there.
    state : OptimizerState
    rng : Generator
        Draws the order of the examples.
    schedule : Schedule
    settings : Settings

    Attributes
    ----------
    epoch : int
        The number of epochs that are finished.
    history : History
    recorded : tuple of str
        What each epoch records.
    best : Snapshot
    pace : Pace
        Where it stands in the schedule.
    watch : Watch or None
        Of early stopping.

    Raises
    ------
    ValueError
        If something watches a value that is not recorded, or the schedule needs a length that is not known.
    """

    def __init__(self, network: Any, values: NetworkValues, predictor: Predictor, feed: Feed,
                 held_out: ExampleChunks | None, held_rows: NDArray[np.int64] | None, state: OptimizerState,
                 rng: np.random.Generator, schedule: Schedule, settings: Settings) -> None:
        self.network, self.values, self.predictor = network, values, predictor
        self.feed, self.held_out, self.held_rows = feed, held_out, held_rows
        self.state, self.rng, self.settings = state, rng, settings
        self.epoch, self.history = 0, History()
        rate = () if isinstance(state.optimizer, LBFGS) else ("learning_rate",)
        self.recorded = ("epoch", "loss", *(() if held_out is None else self._validation_keys()), *rate, "seconds")
        self.pace = Pace(schedule, settings.epochs, feed.steps, self.recorded)
        rule = settings.early_stopping
        self.watch = None if rule is None else Watch(rule.monitor, rule.mode, rule.min_delta, self.recorded,
                                                     "early_stopping")
        self.best = Snapshot(values.parameters.theta)
        self.judged: ExampleChunks | None = None

    def _validation_keys(self) -> list[str]:
        return [f"validation_{name}" for name in ("loss", *(metric.name for metric in self.settings.metrics))]

    def describe(self) -> dict[str, Any]:
        """Return what must be the same where a checkpoint is resumed, as JSON can hold it."""
        return {"optimizer": repr(self.state.optimizer), "learning_rate": repr(self.pace.schedule),
                "clip_norm": self.settings.clip_norm, "early_stopping": repr(self.settings.early_stopping),
                "recorded": list(self.recorded),
                "validation": len(self.held_out) if isinstance(self.held_out, Sized) else self.held_out is not None,
                **self.feed.describe()}

    def train(self) -> None:
        """Run the epochs.

        Warns
        -----
        DivergenceWarning
            If the loss or a parameter is no longer finite: training stops with the best parameters so far.
        """
        history, settings = self.history, self.settings
        bar = None if settings.progress_bar is None else settings.progress_bar(
            total=settings.epochs, initial=self.epoch, unit="epoch")
        try:
            for callback in settings.callbacks:
                callback.on_fit_begin(self)
            if self.epoch == 0 and self.watch is None and settings.epochs > 1:
                self._judge()
            with bound_plan(*self.values[:3], self.feed.examples, self.state, batch_size=self._rows_at_once(),
                            n_threads=settings.n_threads, order=self.feed.order, clip_norm=settings.clip_norm) as plan:
                reason = self._enough()
                if reason is None and isinstance(self.state.optimizer, LBFGS):
                    reason = self._minimize(plan, self.state.optimizer, bar)
                while reason is None:
                    reason = self._run_epoch(plan, bar) or self._enough()
            history.stop_reason = reason
            self._settle()
        except KeyboardInterrupt:
            history.stop_reason = "interrupted"
            raise
        except BaseException:  # of a callback
            history.stop_reason = "error"
            raise
        finally:
            if bar is not None:
                bar.close()
            for callback in settings.callbacks:
                callback.on_fit_end(self)
        if history.stop_reason == "diverged":
            self._warn()

    def _enough(self) -> str | None:
        """Return the reason to stop now, if there is one."""
        rule = self.settings.early_stopping
        if self.watch is not None and rule is not None and self.watch.stale >= rule.patience:
            return "early_stopping"
        return "epochs" if self.epoch >= self.settings.epochs else None

    def _run_epoch(self, plan: Plan, bar: Any) -> str | None:
        """Run one epoch; return the reason to stop if it gave one."""
        began = perf_counter()
        finite = _steps(plan, self.feed.batches(self.rng), self.pace.rates())
        rate = self.pace.last(self.feed.steps or 1)
        return self._end_epoch(began, plan.take_mean_loss(), finite, {"learning_rate": rate}, bar)

    def _minimize(self, plan: Plan, optimizer: LBFGS, bar: Any) -> str:
        """Run L-BFGS, an epoch an iteration; return the reason why it ended."""
        began = perf_counter()

        def after_iteration(J: float) -> str | None:
            nonlocal began
            reason = self._end_epoch(began, J, isfinite(J), {}, bar) or self._enough()
            began = perf_counter()
            return reason

        reason, _ = lbfgs.minimize(optimizer, self.values.parameters.theta,
                                   partial(whole_gradient, plan, self.feed.examples),
                                   self.settings.epochs - self.epoch, after_iteration)
        return reason

    def _rows_at_once(self) -> int:
        if isinstance(self.state.optimizer, LBFGS):
            return min(self.feed.max_rows, _tuning.GRADIENT_BLOCK_ROWS)
        return self.feed.max_rows

    def _end_epoch(self, began: float, J: float, finite: bool, rate: dict[str, float], bar: Any) -> str | None:
        """Record an epoch and all that depends on it; return the reason to stop if it gave one."""
        epoch, steps = self.epoch + 1, self.feed.steps or 1
        record = {"epoch": epoch, "loss": J}
        if finite and self.held_out is not None:
            scores = self._evaluate(self.held_out)
            record |= {f"validation_{name}": value for name, value in scores.items()}
            finite = isfinite(scores["loss"])
        record |= {**rate, "seconds": perf_counter() - began}
        self.history.append(record)
        self.epoch = epoch
        if not finite:
            return "diverged"
        self.pace.advance(steps, record)
        if self.watch is not None:
            self.watch.update(record)
            self.best.update(self.watch.cost(record), epoch)
        elif epoch < self.settings.epochs and self.best.due(steps):
            self.best.update(record["validation_loss"] if self.held_out is not None else self._judgement(), epoch)
        if bar is not None:
            self._show(bar, record)
        return "callback" if asked_to_stop(self.settings.callbacks, self, record) else None

    def _judge(self) -> None:
        """Judge the parameters that training begins with."""
        self.best.judge(self._judgement())

    def _judgement(self) -> float:
        """Return the parameters' loss on the examples that they are judged by."""
        if self.judged is None:
            self.judged = self.feed.sample(_tuning.SCORED_EXAMPLES) if self.held_out is None else self.held_out
        if self.judged is None:
            return inf
        return self._evaluate(self.judged, ())["loss"]

    def _evaluate(self, examples: ExampleChunks, metrics: tuple[Metric, ...] | None = None) -> dict[str, float]:
        """Return J and the metrics on some examples."""
        chosen = self.settings.metrics if metrics is None else metrics
        return self.predictor.evaluate(self.values.objective, examples, chosen, target_ndim=self.values.target_ndim,
                                       n_threads=self.settings.n_threads)

    def take_generator(self, rng: np.random.Generator) -> None:
        """Go on with the state of another generator: in the network's own, where it is of the same kind."""
        if type(self.rng.bit_generator) is type(rng.bit_generator):
            self.rng.bit_generator.state = rng.bit_generator.state
        else:
            self.rng = self.network._rng = rng

    def _settle(self) -> None:
        """Restore the best parameters where that was asked for or the run diverged."""
        history, best = self.history, self.best
        if history.stop_reason != "diverged" and not kernels.all_finite(self.values.parameters.theta, runtime.LEVEL):
            history.stop_reason = "diverged"  # by the last update
        diverged = history.stop_reason == "diverged"
        if diverged:
            self.state.reset()  # its moments may not be finite
        if diverged or (self.watch is not None and best.epoch is not None):
            best.restore()
            history.best_epoch = best.epoch

    def _warn(self) -> None:
        kept = f"those after epoch {self.best.epoch}" if self.best.epoch else "the initial ones"
        warnings.warn(f"training diverged in epoch {self.epoch}: the loss or the parameters are no longer finite; "
                      f"the parameters kept are {kept}. A lower learning rate or scaled features may help.",
                      DivergenceWarning, stacklevel=4)

    def _show(self, bar: Any, record: dict[str, float]) -> None:
        values = {key: f"{record[key]:.4g}" for key in record if key not in ("epoch", "learning_rate", "seconds")}
        if self.held_out is None:  # else the metrics are in the record
            few = self.feed.examples.rows(0, _tuning.PROGRESS_EXAMPLES)
            scores = self._evaluate(few)
            values |= {name: f"{value:.4g}" for name, value in scores.items() if name != "loss"}
        bar.set_postfix(values, refresh=False)
        bar.update()


def _steps(plan: Plan, batches: Iterator[tuple[int, int]], rates: Iterator[float]) -> bool:
    """Run one epoch's steps; return False at the first loss that is not finite."""
    step = plan.step
    # The rates have no end. A loop: all() of a generator would take twice as long.
    for (start, stop), rate in zip(batches, rates, strict=False):  # noqa: SIM110
        if not isfinite(step(start, stop, rate)):
            return False
    return True


def progress_bar() -> Any:
    """Return tqdm's class.

    Raises
    ------
    ImportError
        If tqdm is not installed.
    """
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("a progress bar needs tqdm: pip install 'fastnn[progress]'") from None
    return tqdm
