"""The training loop: epochs, early stopping, callbacks, progress. Each step is one call into the compiled plan."""

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import inf, isfinite
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import losses, runtime
from fastnn._core import _kernels
from fastnn._core._plan import Plan
from fastnn.batches import bounds, shuffle
from fastnn.buffers import Caches, activation_codes, aligned_empty
from fastnn.history import History
from fastnn.inference import Predictor, metric_name
from fastnn.model import Examples, Model
from fastnn.optimizers import SGD, OptimizerState

__all__ = ["Callback", "DivergenceWarning", "Settings", "bind", "gradients", "train"]

Callback = Callable[[Any, dict[str, float]], bool | None]

# A snapshot of the best parameters is a copy of the arena: at most one in this many steps, unless it is asked for.
STEPS_PER_SNAPSHOT = 16
# Without validation data the progress bar shows the metric of this many training examples.
METRIC_EXAMPLES = 1000


class DivergenceWarning(RuntimeWarning):
    """The loss or the parameters stopped being finite; the best parameters so far are kept."""


@dataclass
class Settings:
    """How a run is made; see `Network.fit`."""

    learning_rate: float
    batch_size: int
    epochs: int
    shuffle: bool
    patience: int | None
    progress: bool
    n_threads: int


class Snapshot:
    """The best parameters so far, by the validation loss where there is one, else by the training loss."""

    def __init__(self, theta: NDArray[Any]) -> None:
        self.theta = theta
        self.copy = theta.copy()
        self.value = inf
        self.epoch: int | None = None
        self.wait = 0  # steps until the next copy is worth its time

    def update(self, value: float, epoch: int, steps: int, *, at_once: bool) -> bool:
        """Take the parameters if they are better; return whether `value` is the best yet."""
        self.wait -= steps
        better = value < self.value
        if better and (at_once or self.wait <= 0) and _kernels.all_finite(self.theta, runtime.LEVEL):
            np.copyto(self.copy, self.theta)
            self.value, self.epoch, self.wait = value, epoch, STEPS_PER_SNAPSHOT
        return better

    def restore(self) -> None:
        """Put the best parameters back."""
        np.copyto(self.theta, self.copy)


def bind(model: Model, examples: Examples, state: OptimizerState, *, batch_size: int, n_shards: int, team: int,
         order: NDArray[np.int64] | None) -> Plan:
    """Allocate every buffer of a run and bind them into a plan."""
    dtype, n_x, n_out = model.dtype, model.sizes[0], model.sizes[-1]
    labels = examples.Y.ndim == 1
    gather = order is not None
    contiguous = examples.X.flags.c_contiguous
    batch = (
        aligned_empty((n_x, batch_size), dtype, "F") if gather or not contiguous else None,
        None if not gather else np.empty(batch_size, np.int32) if labels else aligned_empty((n_out, batch_size), dtype, "F"),
        aligned_empty(batch_size, dtype) if gather and examples.weights is not None else None,
    )
    caches = Caches(model.sizes, model.activations, batch_size, dtype)
    return Plan(
        level=runtime.LEVEL, sizes=model.sizes, activations=activation_codes(model.activations),
        row_major=model.layout.row_major, loss=losses.code(model.loss), theta=model.theta,
        gradients=aligned_empty((n_shards, model.layout.size), dtype), Z=caches.Z, A=caches.A, dZ=caches.dZ,
        X=examples.X, Y=examples.Y, weights=examples.weights, batch=batch, order=order,
        rule=state.optimizer.code, states=state.arenas, step_count=state.step_count,
        hyperparameters={**state.optimizer.hyperparameters, "l2": model.l2}, team=team,
    )


def gradients(model: Model, examples: Examples, out: NDArray[Any], n_threads: int) -> float:
    """Fill `out` (P,) with dJ/dtheta over all examples; return J."""
    m = len(examples)
    way = runtime.parallelism(model.sizes, m, n_threads)
    with runtime.blas_threads(way.blas_threads) as confirmed:
        shards = way.n_shards if confirmed else 1
        plan = bind(model, examples, OptimizerState(SGD(), model.layout.size, model.dtype), batch_size=m,
                    n_shards=shards, team=shards, order=None)
        return float(plan.gradient(0, m, out))


def train(network: Any, model: Model, predictor: Predictor, examples: Examples, validation: Examples | None,
          state: OptimizerState, rng: np.random.Generator, settings: Settings, callbacks: Sequence[Callback],
          history: History) -> History:
    """Run the epochs, recording into `history`; `network` is only handed on to the callbacks.

    Warns
    -----
    DivergenceWarning
        If the loss or a parameter is no longer finite: training stops with the best parameters so far.
    """
    m, batch_size = len(examples), min(settings.batch_size, len(examples))
    way = runtime.parallelism(model.sizes, batch_size, settings.n_threads)
    order = np.empty(m, np.int64) if settings.shuffle else None
    shown = _metric_examples(examples, validation) if settings.progress else None
    best = Snapshot(model.theta)
    stale = 0
    bar = _progress_bar(settings.epochs) if settings.progress else None
    try:
        with runtime.blas_threads(way.blas_threads) as confirmed:
            shards = way.n_shards if confirmed else 1
            plan = bind(model, examples, state, batch_size=batch_size, n_shards=shards, team=shards, order=order)
            for epoch in range(1, settings.epochs + 1):
                began = perf_counter()
                if order is not None:
                    shuffle(order, rng)
                finite = _epoch(plan, m, batch_size, settings.learning_rate)
                record = {"epoch": epoch, "loss": plan.take_mean_loss()}
                if finite and validation is not None:
                    J, metric = predictor.evaluate(validation, settings.n_threads)
                    record |= {"validation_loss": J, f"validation_{metric_name(model.output)}": metric}
                    finite = isfinite(J)
                record |= {"learning_rate": settings.learning_rate, "seconds": perf_counter() - began}
                history.append(record)
                if not finite:
                    history.stop_reason = "diverged"
                    break
                watched = record.get("validation_loss", record["loss"])
                better = best.update(watched, epoch, -(-m // batch_size), at_once=settings.patience is not None)
                stale = 0 if better else stale + 1
                if bar is not None:
                    _show(bar, record, model, predictor, shown, settings.n_threads)
                if any([callback(network, dict(record)) for callback in callbacks]):
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
    finally:
        if bar is not None:
            bar.close()
    _finish(history, best, settings)
    return history


def _epoch(plan: Plan, m: int, batch_size: int, learning_rate: float) -> bool:
    """Run one epoch's steps; return False at the first loss that is not finite."""
    step = plan.step
    for start, stop in bounds(m, batch_size):
        if not isfinite(step(start, stop, learning_rate)):
            return False
    return True


def _finish(history: History, best: Snapshot, settings: Settings) -> None:
    """Restore the best parameters where that was asked for or the run diverged."""
    if history.stop_reason != "diverged" and not _kernels.all_finite(best.theta, runtime.LEVEL):
        history.stop_reason = "diverged"  # by the last update
    if history.stop_reason == "diverged":
        best.restore()
        history.best_epoch = best.epoch
        kept = f"those after epoch {best.epoch}" if best.epoch else "the initial ones"
        warnings.warn(f"training diverged in epoch {len(history)}: the loss or the parameters are no longer finite; "
                      f"the parameters kept are {kept}. A lower learning rate or scaled features may help.",
                      DivergenceWarning, stacklevel=4)
    elif settings.patience is not None and best.epoch is not None:
        best.restore()
        history.best_epoch = best.epoch


def _metric_examples(examples: Examples, validation: Examples | None) -> Examples | None:
    if validation is not None:
        return None  # its metric is in the record
    first = slice(0, METRIC_EXAMPLES)
    return Examples(examples.X[first], examples.Y[first],
                    None if examples.weights is None else examples.weights[first])


def _progress_bar(epochs: int) -> Any:
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("progress=True needs tqdm: pip install 'fastnn[progress]'") from None
    return tqdm(total=epochs, unit="epoch")


def _show(bar: Any, record: dict[str, float], model: Model, predictor: Predictor, shown: Examples | None,
          n_threads: int) -> None:
    values = {key: f"{record[key]:.4g}" for key in record if key not in ("epoch", "learning_rate", "seconds")}
    if shown is not None:
        values[metric_name(model.output)] = f"{predictor.evaluate(shown, n_threads)[1]:.4g}"
    bar.set_postfix(values, refresh=False)
    bar.update()
