"""The checked settings of a fit."""

from dataclasses import dataclass
from typing import Any, Literal

from fastnn import callbacks as callback_objects
from fastnn import metrics as metric_objects
from fastnn import optimizers, runtime, schedules
from fastnn._data import checks, functions
from fastnn._model.parameters import ParameterLayout
from fastnn._training import lbfgs
from fastnn._training.groups import check_groups
from fastnn._training.progress import progress_bar
from fastnn.callbacks import Callback, Checkpoint, EarlyStopping
from fastnn.metrics import Metric
from fastnn.optimizers import LBFGS, Group, Optimizer
from fastnn.schedules import Schedule

__all__ = ["FitSettings"]


@dataclass(frozen=True, kw_only=True)
class FitSettings:
    """The arguments of `Network.fit` other than its data.

    Attributes
    ----------
    optimizer : Optimizer
    schedule : Schedule
    clip_norm : float
        0 for none.
    batch_size : int, "auto" or None
    epochs : int
    steps_per_epoch : int or None
    shuffle : bool
    metrics : tuple of Metric
    early_stopping : EarlyStopping or None
    callbacks : tuple of Callback
    progress_bar : class or None
        tqdm's class.
    n_threads : int
    frozen : tuple of int
        Indices from 0 of the layers that are not trained.
    groups : dict of Group
        By their names; empty for none.
    factors : dict of Schedule
        Of "weight_decay" and "dropout", as far as they vary.
    """

    optimizer: Optimizer
    schedule: Schedule
    clip_norm: float
    batch_size: int | Literal["auto"] | None
    epochs: int
    steps_per_epoch: int | None
    shuffle: bool
    metrics: tuple[Metric, ...]
    early_stopping: EarlyStopping | None
    callbacks: tuple[Callback, ...]
    progress_bar: Any
    n_threads: int
    frozen: tuple[int, ...]
    groups: dict[str, Group]
    factors: dict[str, Schedule]

    @classmethod
    def check(cls, output: str, layout: ParameterLayout, dropout: tuple[float, ...], *, optimizer: Any,
              learning_rate: Any, clip_norm: Any, batch_size: Any, epochs: Any, steps_per_epoch: Any, shuffle: Any,
              metrics: Any, early_stopping: Any, callbacks: Any, progress: Any, resume: Any, n_threads: Any,
              frozen_layers: Any, groups: Any, weight_decay_schedule: Any, dropout_schedule: Any) -> "FitSettings":
        """Check the arguments of `Network.fit`, for a network of this output, layout of parameters and dropout.

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described there.
        """
        chosen, rule = callback_objects.resolve(callbacks, early_stopping)
        checked: dict[str, Any] = {
            "epochs": checks.count(epochs, "epochs", 0),
            "metrics": metric_objects.get(metrics, output),
            "progress_bar": progress_bar() if checks.flag(progress, "progress") else None,
            "n_threads": runtime.thread_count(n_threads),
            "frozen": checks.frozen_layers(frozen_layers, len(layout.sizes) - 1),
            "clip_norm": 0.0 if clip_norm is None else checks.number(clip_norm, "clip_norm", above=0),
            "steps_per_epoch": None if steps_per_epoch is None else checks.count(steps_per_epoch, "steps_per_epoch"),
            "optimizer": optimizers.get(optimizer),
        }
        if isinstance(checked["optimizer"], LBFGS):
            lbfgs.check_unused(learning_rate=learning_rate, batch_size=None if batch_size == "auto" else batch_size,
                               clip_norm=clip_norm, resume=resume, dropout=dropout or None, groups=groups or None,
                               weight_decay_schedule=weight_decay_schedule, dropout_schedule=dropout_schedule,
                               checkpoints=next((one for one in chosen if isinstance(one, Checkpoint)), None))
            batch_size = None
        return cls(callbacks=chosen, early_stopping=rule,
                   factors=_factors(checked["optimizer"], dropout, weight_decay_schedule, dropout_schedule),
                   groups=check_groups(groups, checked["optimizer"], layout),
                   schedule=schedules.get(1e-3 if learning_rate is None else learning_rate),
                   batch_size=checks.batch_size(batch_size), shuffle=checks.flag(shuffle, "shuffle"), **checked)


def _factors(optimizer: Optimizer, rates: tuple[float, ...], weight_decay: Any, dropout: Any) -> dict[str, Schedule]:
    """Return the schedules of weight decay and of dropout that are given, by name."""
    given = {"weight_decay": weight_decay, "dropout": dropout}
    for name, one in given.items():
        if one is not None and not isinstance(one, Schedule):
            functions.refuse_class(one, f"{name}_schedule")
            raise TypeError(f"{name}_schedule must be a schedule of fastnn.schedules, such as FlatCosine(1.0), got "
                            f"{checks.shown(one)}")
    if weight_decay is not None and not hasattr(optimizer, "weight_decay"):
        raise ValueError(f"weight_decay_schedule={checks.shown(weight_decay)}, but {optimizer!r} has no weight decay: "
                         "use AdamW")
    if dropout is not None and rates and max(rates) * dropout.rate >= 1:
        raise ValueError(f"dropout_schedule={checks.shown(dropout)} multiplies a dropout rate of {max(rates):g} to "
                         f"{max(rates) * dropout.rate:g}: rates must stay below 1")
    return {name: one for name, one in given.items() if one is not None}
