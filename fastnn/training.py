"""The training loop: epochs, early stopping, callbacks, progress. Each step is one call into the compiled plan."""

import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from math import inf, isfinite
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import runtime
from fastnn._core import _kernels
from fastnn._core._plan import Plan
from fastnn.batches import Feed, bounds
from fastnn.buffers import Caches, activation_codes, aligned_empty
from fastnn.history import History
from fastnn.inference import Predictor, metric_name
from fastnn.model import Examples, Model
from fastnn.optimizers import SGD, OptimizerState
from fastnn.sparse import SparseRows

__all__ = ["Callback", "DivergenceWarning", "Settings", "bind", "bound_plan", "gradients", "progress_bar", "train"]

Callback = Callable[[Any, dict[str, float]], bool | None]

# Unless early stopping asks for it, the best parameters are looked for once in this many steps, at first more often:
# 1 to 2 % of the time.
STEPS_PER_SNAPSHOT = 128
# Without validation data they are judged by the loss of this many training examples: the loss that the steps
# report is that before each update, and a run may diverge by its last one.
JUDGED_EXAMPLES = 128
# Examples whose caches are held at once for the gradient over all.
GRADIENT_ROWS = 8192
# Without validation data the progress bar shows the metric of this many training examples.
METRIC_EXAMPLES = 1000


class DivergenceWarning(RuntimeWarning):
    """The loss or the parameters stopped being finite; the best parameters so far are kept."""


@dataclass
class Settings:
    """How a run is made; see `Network.fit`."""

    learning_rate: float
    epochs: int
    patience: int | None
    callbacks: tuple[Callback, ...]
    progress_bar: Any  # tqdm's class, or None
    n_threads: int
    clip_norm: float  # 0 for none


class Snapshot:
    """The best parameters so far, to go back to; at first those that training begins with."""

    def __init__(self, theta: NDArray[Any]) -> None:
        self.theta = theta
        self.copy = theta.copy()
        self.value = inf
        self.epoch: int | None = None
        self.wait = self.interval = 1

    def judge(self, value: float) -> None:
        """Say what loss the first parameters have."""
        self.value = value if isfinite(value) else inf

    def due(self, steps: int) -> bool:
        """Tell whether enough steps were made since it was last due: 1, 2, 4, ..., STEPS_PER_SNAPSHOT."""
        self.wait -= steps
        if self.wait > 0:
            return False
        self.wait = self.interval = min(2 * self.interval, STEPS_PER_SNAPSHOT)
        return True

    def update(self, value: float, epoch: int) -> bool:
        """Take the parameters if their loss `value` is the lowest yet; return whether it is."""
        if not value < self.value or not _kernels.all_finite(self.theta, runtime.LEVEL):
            return False
        np.copyto(self.copy, self.theta)
        self.value, self.epoch = value, epoch
        return True

    def restore(self) -> None:
        """Put the best parameters back."""
        np.copyto(self.theta, self.copy)


def bind(model: Model, examples: Examples, state: OptimizerState, *, batch_size: int, n_shards: int, team: int,
         order: NDArray[np.int64] | None, dropout: Sequence[float] = (), clip_norm: float = 0.0) -> Plan:
    """Allocate every buffer of a run and bind them into a plan."""
    dtype, n_x, n_out = model.dtype, model.sizes[0], model.sizes[-1]
    labels = examples.Y.ndim == 1
    X = examples.X.arrays if isinstance(examples.X, SparseRows) else examples.X
    in_place = isinstance(X, tuple) or (order is None and X.flags.c_contiguous)
    batch_X = batch_Y = batch_weights = None
    if not in_place:
        batch_X = aligned_empty((n_x, batch_size), dtype, "F")
    if order is not None:
        batch_Y = np.empty(batch_size, np.int32) if labels else aligned_empty((n_out, batch_size), dtype, "F")
        batch_weights = None if examples.weights is None else aligned_empty(batch_size, dtype)
    caches = Caches(model.sizes, model.activations, batch_size, dtype)
    return Plan(
        level=runtime.LEVEL, sizes=model.sizes, activations=activation_codes(model.activations),
        row_major=model.layout.row_major, loss=model.loss.code, loss_parameter=model.loss.parameter, theta=model.theta,
        gradients=aligned_empty((n_shards, model.layout.size), dtype), Z=caches.Z, A=caches.A, dZ=caches.dZ,
        X=X, Y=examples.Y, weights=examples.weights,
        batch=(batch_X, batch_Y, batch_weights), order=order,
        rule=state.optimizer.code, states=state.arenas, step_count=state.step_count,
        hyperparameters={**state.optimizer.hyperparameters, "l2": model.l2, "l1": model.l1, "clip_norm": clip_norm},
        team=team, dropout=dropout, dropout_seed=state.dropout_seed,
    )


@contextmanager
def bound_plan(model: Model, examples: Examples, state: OptimizerState, *, batch_size: int, n_threads: int,
               order: NDArray[np.int64] | None = None, dropout: Sequence[float] = (),
               clip_norm: float = 0.0) -> Iterator[Plan]:
    """Bind a plan with the shards and threads that suit it, and limit BLAS's threads while it is used."""
    way = runtime.parallelism(examples.effective_sizes(model.sizes), model.layout.size, batch_size, n_threads)
    with runtime.blas_threads(way.blas_threads) as confirmed:
        n_shards, team = (way.n_shards, way.team) if confirmed else (1, 1)
        yield bind(model, examples, state, batch_size=batch_size, n_shards=n_shards, team=team, order=order,
                   dropout=dropout, clip_norm=clip_norm)


def gradients(model: Model, examples: Examples, out: NDArray[Any], n_threads: int) -> float:
    """Fill `out` (P,) with dJ/dtheta over all examples; return J."""
    state = OptimizerState(SGD(), model.layout.size, model.dtype)
    with bound_plan(model, examples, state, batch_size=min(len(examples), GRADIENT_ROWS), n_threads=n_threads) as plan:
        return whole_gradient(plan, examples, out)


def whole_gradient(plan: Plan, examples: Examples, out: NDArray[Any]) -> float:
    """Fill `out` (P,) with dJ/dtheta over all examples, in blocks of GRADIENT_ROWS; return J."""
    m = len(examples)
    if m <= GRADIENT_ROWS:
        return float(plan.gradient(0, m, out))
    part, J, total = aligned_empty(out.shape, out.dtype), 0.0, examples.weight(0, m)
    out.fill(0)
    for start, stop in bounds(m, GRADIENT_ROWS):
        share = examples.weight(start, stop) / total
        if share > 0:
            J += share * plan.gradient(start, stop, part)
            part *= share
            out += part
    return J


def train(network: Any, model: Model, predictor: Predictor, feed: Feed, validation: Examples | None,
          state: OptimizerState, rng: np.random.Generator, settings: Settings, history: History) -> None:
    """Run the epochs, recording into `history`; `network` is only handed on to the callbacks.

    Warns
    -----
    DivergenceWarning
        If the loss or a parameter is no longer finite: training stops with the best parameters so far.
    """
    n_threads = settings.n_threads
    judged = feed.sample(JUDGED_EXAMPLES) if validation is None else validation
    best = Snapshot(model.theta)
    stale = 0
    bar = None if settings.progress_bar is None else settings.progress_bar(total=settings.epochs, unit="epoch")
    try:
        with bound_plan(model, feed.examples, state, batch_size=feed.max_rows, n_threads=n_threads,
                        order=feed.order, dropout=model.dropout, clip_norm=settings.clip_norm) as plan:
            if settings.patience is None and settings.epochs > 1 and judged is not None:
                best.judge(predictor.evaluate(judged, n_threads)[0])
            for epoch in range(1, settings.epochs + 1):
                began = perf_counter()
                finite = _epoch(plan, feed.batches(rng), settings.learning_rate)
                J = plan.take_mean_loss()
                record = {"epoch": epoch, "loss": J}
                if finite and validation is not None:
                    J, metric = predictor.evaluate(validation, n_threads)
                    record |= {"validation_loss": J, f"validation_{metric_name(model.output)}": metric}
                    finite = isfinite(J)
                record |= {"learning_rate": settings.learning_rate, "seconds": perf_counter() - began}
                history.append(record)
                if not finite:
                    history.stop_reason = "diverged"
                    break
                if settings.patience is not None:
                    stale = 0 if best.update(record["validation_loss"], epoch) else stale + 1
                elif epoch < settings.epochs and best.due(feed.steps or 1):
                    judged = judged or feed.sample(JUDGED_EXAMPLES)
                    if validation is None and judged is not None:
                        J = predictor.evaluate(judged, n_threads)[0]
                    best.update(J, epoch)
                if bar is not None:
                    _show(bar, record, model, predictor, feed.examples, n_threads)
                answers = [callback(network, dict(record)) for callback in settings.callbacks]
                if any(isinstance(answer, (bool, np.bool_)) and answer for answer in answers):
                    history.stop_reason = "callback"
                    break
                if settings.patience is not None and stale >= settings.patience:
                    history.stop_reason = "early_stopping"
                    break
            else:
                history.stop_reason = "epochs"
    except KeyboardInterrupt:
        history.stop_reason = "interrupted"
        raise
    except BaseException:  # of a callback
        history.stop_reason = "error"
        raise
    finally:
        if bar is not None:
            bar.close()
    _finish(history, best, state, settings)


def _epoch(plan: Plan, batches: Iterator[tuple[int, int]], learning_rate: float) -> bool:
    """Run one epoch's steps; return False at the first loss that is not finite."""
    step = plan.step
    return all(isfinite(step(start, stop, learning_rate)) for start, stop in batches)


def _finish(history: History, best: Snapshot, state: OptimizerState, settings: Settings) -> None:
    """Restore the best parameters where that was asked for or the run diverged."""
    if history.stop_reason != "diverged" and not _kernels.all_finite(best.theta, runtime.LEVEL):
        history.stop_reason = "diverged"  # by the last update
    if history.stop_reason == "diverged":
        best.restore()
        state.reset()  # its moments may not be finite
        history.best_epoch = best.epoch
        kept = f"those after epoch {best.epoch}" if best.epoch else "the initial ones"
        warnings.warn(f"training diverged in epoch {len(history)}: the loss or the parameters are no longer finite; "
                      f"the parameters kept are {kept}. A lower learning rate or scaled features may help.",
                      DivergenceWarning, stacklevel=4)
    elif settings.patience is not None and best.epoch is not None:
        best.restore()
        history.best_epoch = best.epoch


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
        raise ImportError("progress=True needs tqdm: pip install 'fastnn[progress]'") from None
    return tqdm


def _show(bar: Any, record: dict[str, float], model: Model, predictor: Predictor, examples: Examples,
          n_threads: int) -> None:
    values = {key: f"{record[key]:.4g}" for key in record if key not in ("epoch", "learning_rate", "seconds")}
    if "validation_loss" not in record:  # else a metric is in the record
        metric = predictor.evaluate(examples.rows(0, METRIC_EXAMPLES), n_threads)[1]
        values[metric_name(model.output)] = f"{metric:.4g}"
    bar.set_postfix(values, refresh=False)
    bar.update()
