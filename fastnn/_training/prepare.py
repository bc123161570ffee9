"""The preparation of a fit: everything is checked before the network changes.

The workspace of the steps is allocated later, by `binding.bind`.
"""

import os
import warnings
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._data.examples import Source
from fastnn._data.feeds import BatchFeed, make_feed
from fastnn._data.split import FitData, split
from fastnn._data.weights import as_json
from fastnn._model.files import NetworkValues
from fastnn._prediction.evaluate import evaluate
from fastnn._prediction.predictor import Predictor
from fastnn._training import checkpoints
from fastnn._training.groups import TrainedGroups
from fastnn._training.optimizer_state import OptimizerState
from fastnn._training.schedule_state import ScheduleState
from fastnn._training.settings import FitSettings
from fastnn._training.state import FitState
from fastnn._training.stopping import BestParameters, MetricMonitor
from fastnn.callbacks import EarlyStopping
from fastnn.metrics import NAMED, Custom, UndefinedMetricWarning
from fastnn.optimizers import LBFGS
from fastnn.schedules import ReduceOnPlateau

__all__ = ["PreparedFit", "commit", "prepare"]


@dataclass(frozen=True)
class PreparedFit:
    """A fit that is ready to run after `commit`.

    Attributes
    ----------
    state : FitState
    settings : FitSettings
    feed : BatchFeed
    held_out : Source or None
        The examples to validate on.
    predictor : Predictor
        Of the parameters that are trained.
    theta : ndarray (P,) or None
        The parameters of the checkpoint to resume.
    rng : Generator
        The generator whose state the fit starts from.
    draw_dropout_seed : bool
        The optimiser's state is new and needs a seed for dropout.
    """

    state: FitState
    settings: FitSettings
    feed: BatchFeed
    held_out: Source | None
    predictor: Predictor
    theta: NDArray[Any] | None
    rng: np.random.Generator
    draw_dropout_seed: bool


def prepare(network: Any, values: NetworkValues, predictor: Predictor, optimizer_state: OptimizerState | None,
            rng: np.random.Generator, data: FitData, settings: FitSettings,
            resume: str | os.PathLike[str] | None) -> PreparedFit:
    """Check the data and allocate the state of a fit; the network stays as it is.

    Parameters
    ----------
    network : Network
        For the callbacks.
    values : NetworkValues
    predictor : Predictor
        That of the network's parameters.
    optimizer_state : OptimizerState or None
        That of the previous fit.
    rng : Generator
        The network's.
    data : FitData
    settings : FitSettings
    resume : str, os.PathLike or None
        The checkpoint to resume.

    Raises
    ------
    ValueError, TypeError, OSError
        If something is not as `Network.fit` describes it.
    """
    saved = None if resume is None else checkpoints.read(resume)
    parts = split(data, values.architecture, values.objective.loss, rng, settings.epochs,
                  None if saved is None else saved.held_out_of)
    if isinstance(settings.optimizer, LBFGS):
        parts = parts.whole()
    feed = make_feed(parts.examples, settings.batch_size, settings.shuffle, settings.steps_per_epoch, parts.rows)
    parameters = values.parameters.for_features(feed.examples.X).writable()
    fresh = optimizer_state is None or optimizer_state.optimizer != settings.optimizer or saved is not None
    if optimizer_state is None or fresh:
        optimizer_state = OptimizerState(settings.optimizer, parameters.size, values.architecture.dtype)
    else:
        optimizer_state = optimizer_state.writable()
        if parameters.layout != values.parameters.layout:
            optimizer_state = optimizer_state.in_layout(values.parameters.layout, parameters.layout)
    if parameters is not values.parameters:
        predictor = Predictor(values.architecture, parameters)
    values = values._replace(parameters=parameters, target_ndim=feed.examples.y_ndim)
    recorded, rule = _recorded(settings, parts.held_out), settings.early_stopping
    state = FitState(
        network=network, epochs=settings.epochs, recorded=recorded, values=values, optimizer_state=optimizer_state,
        rng=rng, schedule=ScheduleState(settings.schedule, settings.epochs, feed.steps, recorded),
        monitor=None if rule is None else MetricMonitor(rule.monitor, rule.mode, rule.min_delta, rule.patience,
                                                        recorded, "early_stopping"),
        best=BestParameters(parameters.theta, "first" if rule is None else rule.ties), held_rows=parts.held_rows,
        factors={name: ScheduleState(one, settings.epochs, feed.steps, recorded)
                 for name, one in settings.factors.items()},
        trained=TrainedGroups.of(parameters.layout, settings.groups, settings.frozen),
        requirements=_requirements(settings, recorded, parts.held_out, feed, data))
    _refuse_unknown_direction(settings)
    for callback in settings.callbacks:
        callback.check(state)
    _refuse_undefined(state, settings, parts.held_out, predictor)
    theta, start = (None, parts.rng) if saved is None else saved.restore(state)
    return PreparedFit(state, settings, feed, parts.held_out, predictor, theta, start,
                       fresh and saved is None and bool(values.objective.dropout))


def _refuse_unknown_direction(settings: FitSettings) -> None:
    """Raise if mode="auto" would take the direction of a user's metric from its name."""
    own = {f"validation_{one.name}" for one in settings.metrics if type(one) is not NAMED.get(one.name)}
    for rule in (settings.early_stopping, settings.schedule):
        if isinstance(rule, (EarlyStopping, ReduceOnPlateau)) and rule.mode == "auto" and rule.monitor in own:
            raise ValueError(f"mode='auto' does not know whether a larger {rule.monitor!r} is better, a metric of your "
                             "own: say mode='min' or mode='max'")


def _refuse_undefined(state: FitState, settings: FitSettings, held_out: Source | None, predictor: Predictor) -> None:
    """Raise if early stopping watches a named metric that is not defined for the validation data."""
    watched = [metric for metric in settings.metrics if state.monitor is not None
               and f"validation_{metric.name}" == state.monitor.monitor and not isinstance(metric, Custom)]
    if not watched or held_out is None or held_out.single_pass:
        return
    values = state.values
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        found = evaluate(predictor, values.objective, held_out, watched, target_ndim=values.target_ndim,
                         n_threads=settings.n_threads)
    if np.isfinite(found["loss"]) and not (np.isfinite(found[watched[0].name]) and watched[0].is_defined()):
        raise ValueError(f"early_stopping watches validation_{watched[0].name}, which is {found[watched[0].name]} for "
                         "these validation data: their targets cannot tell good predictions from bad ones")


def commit(prepared: PreparedFit) -> None:
    """Apply what a fit changes in place: parameters and generator of a checkpoint, random draws.

    `Network._adopt` takes over the rest.
    """
    state = prepared.state
    if prepared.theta is not None:
        np.copyto(state.theta, prepared.theta)
    if prepared.rng is not state.rng:
        state.rng = _adopt_rng(state.rng, prepared.rng)
    if prepared.draw_dropout_seed:
        state.optimizer_state.dropout_seed = int(state.rng.integers(2**63))


def _adopt_rng(rng: np.random.Generator, other: np.random.Generator) -> np.random.Generator:
    """Return a generator in the state of `other`: `rng` itself if it is of the same kind, since a user may share it."""
    if type(rng.bit_generator) is not type(other.bit_generator):
        return other
    rng.bit_generator.state = other.bit_generator.state
    return rng


def _recorded(settings: FitSettings, held_out: Source | None) -> tuple[str, ...]:
    """Return the names of the values that each epoch records."""
    validation = [] if held_out is None else [f"validation_{name}" for name in
                                              ("loss", *(metric.name for metric in settings.metrics))]
    rate = [] if isinstance(settings.optimizer, LBFGS) else ["learning_rate"]
    return ("epoch", "loss", *validation, *rate, "seconds")


def _requirements(settings: FitSettings, recorded: tuple[str, ...], held_out: Source | None,
                  feed: BatchFeed, data: FitData) -> dict[str, Any]:
    """Return everything that must not change when a checkpoint is resumed, as JSON values."""
    n_validation = False if held_out is None else held_out.n_examples
    used = {"frozen": list(settings.frozen),
            "groups": {name: repr(settings.groups[name]) for name in sorted(settings.groups)},
            **{f"{name}_schedule": repr(one) for name, one in settings.factors.items()}}
    return {"optimizer": repr(settings.optimizer), "learning_rate": repr(settings.schedule),
            "clip_norm": settings.clip_norm,
            "early_stopping": repr(settings.early_stopping).replace(", ties='first'", ""),  # as in older files
            "recorded": list(recorded), "validation": True if n_validation is None else n_validation,
            "validation_fraction": None if data.validation_fraction is None else float(data.validation_fraction),
            "validation_split": str(data.validation_split), "class_weight": as_json(data.class_weight),
            **{key: value for key, value in used.items() if value}, **feed.describe()}
