"""Binding a training run: allocate its workspace and hand all values to a compiled plan."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import NDArray

from fastnn import _tuning, runtime
from fastnn._core.training_plan import TrainingPlan
from fastnn._data.examples import Examples, batch_bounds
from fastnn._data.sparse import SparseRows
from fastnn._model.architecture import Architecture
from fastnn._model.objective import Objective
from fastnn._model.parameters import Parameters
from fastnn._model.parts import Parts
from fastnn._model.workspace import Workspace, aligned_empty
from fastnn._threads.policy import SERIAL, Parallelism
from fastnn._threads.policy import parallelism as choose_parallelism
from fastnn._training.groups import TrainedGroups
from fastnn._training.optimizer_state import OptimizerState

__all__ = ["bind", "bound_plan", "gradients", "whole_gradient"]

ALL = TrainedGroups()


class Update(NamedTuple):
    """The update that a plan makes; `TrainingPlan` documents the fields of all these values."""

    rule: str
    arenas: list[NDArray[Any]]
    step_count: NDArray[np.int64]
    hyperparameters: dict[str, float]
    clip_norm: float
    dropout_seed: int

    @classmethod
    def of(cls, state: OptimizerState, clip_norm: float) -> Self:
        """Return the update of an optimiser and its state."""
        optimizer = state.optimizer
        return cls(optimizer.rule, state.arenas, state.step_count, optimizer.hyperparameters, clip_norm,
                   state.dropout_seed)


class Frozen(NamedTuple):
    """The layers that stay as they are, with sums over their weights for the penalties of J."""

    layers: tuple[int, ...]
    squares: float
    absolutes: float

    @classmethod
    def of(cls, parameters: Parameters, layers: tuple[int, ...]) -> Self | None:
        """Return the layers with these indices, counted from 0; None for no layers."""
        if not layers:
            return None
        weights = [parameters.views()[0][l].ravel(order="K") for l in layers]
        return cls(layers, sum(float(np.einsum("i,i->", W, W, dtype=np.float64)) for W in weights),
                   sum(float(np.abs(W).sum(dtype=np.float64)) for W in weights))


class BoundExamples(NamedTuple):
    """The examples as the core reads them."""

    X: NDArray[Any] | tuple[NDArray[Any], NDArray[np.int32], NDArray[np.int64]]
    Y: NDArray[Any]
    weights: NDArray[Any] | None
    order: NDArray[np.int64] | None

    @classmethod
    def of(cls, examples: Examples, order: NDArray[np.int64] | None) -> Self:
        """Return checked examples, to be taken in this order."""
        X = examples.X.arrays if isinstance(examples.X, SparseRows) else examples.X
        return cls(X, examples.Y, examples.weights, order)


class StepWorkspace(NamedTuple):
    """Everything that a step writes, besides the parameters and the optimiser's state."""

    gradients: NDArray[Any]
    Z: list[NDArray[Any]]
    A: list[NDArray[Any]]
    dZ: list[NDArray[Any]]
    batch_X: NDArray[Any] | None
    batch_Y: NDArray[Any] | None
    batch_weights: NDArray[Any] | None
    A0: NDArray[Any] | None

    @classmethod
    def allocate(cls, architecture: Architecture, n_parameters: int, examples: BoundExamples, batch_size: int,
                 n_shards: int) -> Self:
        """Return a workspace for mini-batches of up to `batch_size` examples, uninitialised."""
        dtype = architecture.dtype
        X, Y, weights, order = examples
        batch_X = batch_Y = batch_weights = None
        if not isinstance(X, tuple) and (order is not None or not X.flags.c_contiguous):
            batch_X = aligned_empty((architecture.n_features, batch_size), dtype, "F")
        if order is not None:
            labels = Y.ndim == 1
            batch_Y = np.empty(batch_size, np.int32) if labels else aligned_empty((Y.shape[1], batch_size), dtype, "F")
            if weights is not None:
                batch_weights = aligned_empty((*weights.shape[:0:-1], batch_size), dtype, "F")
        layers = Workspace(architecture.widths, architecture.activations, batch_size, dtype,
                           inputs=architecture.has_inputs, mixture=architecture.activation_mixture)
        return cls(aligned_empty((n_shards, n_parameters), dtype), layers.Z, layers.A, layers.dZ, batch_X, batch_Y,
                   batch_weights, layers.A0)


def bind(architecture: Architecture, objective: Objective, parameters: Parameters, examples: Examples,
         state: OptimizerState | None, *, batch_size: int, order: NDArray[np.int64] | None = None,
         clip_norm: float = 0.0, parallelism: Parallelism = SERIAL,
         trained: TrainedGroups = ALL) -> TrainingPlan:
    """Allocate the workspace of a run and bind everything into a plan; without a state, for gradients only."""
    update = None if state is None else Update.of(state, clip_norm)
    bound = BoundExamples.of(examples, order)
    workspace = StepWorkspace.allocate(architecture, parameters.size, bound, batch_size, parallelism.n_shards)
    return TrainingPlan(architecture, parameters, objective, update, bound, workspace, parallelism,
                        level=runtime.LEVEL, frozen=Frozen.of(parameters, trained.frozen), groups=trained.rows,
                        parts=Parts.of(architecture, parameters.layout))


@contextmanager
def bound_plan(architecture: Architecture, objective: Objective, parameters: Parameters, examples: Examples,
               state: OptimizerState | None, *, batch_size: int, n_threads: int,
               order: NDArray[np.int64] | None = None, clip_norm: float = 0.0,
               trained: TrainedGroups = ALL) -> Iterator[TrainingPlan]:
    """Bind a plan with the shards and threads that suit it, and limit BLAS's threads while it is used."""
    work_sizes = examples.work_sizes(architecture.widths)
    parallelism = choose_parallelism(work_sizes, batch_size, n_threads, parameters.size,
                                     dense=not (isinstance(examples.X, SparseRows) or architecture.has_parts))
    with runtime.blas_threads(parallelism.blas_threads) as confirmed:
        if not confirmed:
            parallelism = parallelism._replace(n_shards=1, team=1, n_parts=1)
        yield bind(architecture, objective, parameters, examples, state, batch_size=batch_size, order=order,
                   clip_norm=clip_norm, parallelism=parallelism, trained=trained)


def gradients(architecture: Architecture, objective: Objective, parameters: Parameters, examples: Examples,
              out: NDArray[Any], n_threads: int) -> float:
    """Fill `out` (P,) with the gradient of J over all examples, without dropout; return J."""
    rows = min(len(examples), _tuning.GRADIENT_BLOCK_ROWS)
    with bound_plan(architecture, objective, parameters, examples, None, batch_size=rows,
                    n_threads=n_threads) as plan:
        return whole_gradient(plan, examples, out)


def whole_gradient(plan: TrainingPlan, examples: Examples, out: NDArray[Any]) -> float:
    """Fill `out` (P,) with the gradient of J over all examples, in chunks of _tuning.GRADIENT_BLOCK_ROWS; return J."""
    m = len(examples)
    if m <= _tuning.GRADIENT_BLOCK_ROWS:
        return plan.penalized_gradient(0, m, out)
    part, J, total = aligned_empty(out.shape, out.dtype), 0.0, examples.weight(0, m)
    out.fill(0)
    for start, stop in batch_bounds(m, _tuning.GRADIENT_BLOCK_ROWS):
        share = examples.weight(start, stop) / total
        if share > 0:
            J += share * plan.penalized_gradient(start, stop, part)
            part *= share
            out += part
    return J
