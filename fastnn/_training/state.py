"""The state of a network's fit: everything that the remaining epochs depend on, which is what a checkpoint holds."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._model.files import NetworkValues
from fastnn._training.groups import TrainedGroups
from fastnn._training.optimizer_state import OptimizerState
from fastnn._training.schedule_state import ScheduleState
from fastnn._training.stopping import BestParameters, MetricMonitor
from fastnn._training.view import FitView

__all__ = ["FitState"]


@dataclass(kw_only=True)
class FitState(FitView):
    """The state of a fit of a `Network`; see `FitView` for the other attributes.

    Attributes
    ----------
    values : NetworkValues
    optimizer_state : OptimizerState
    rng : Generator
        Draws the order of the examples.
    schedule : ScheduleState
        That of the learning rate.
    factors : dict of ScheduleState
        Those of "weight_decay" and "dropout", if they vary.
    monitor : MetricMonitor or None
        That of early stopping.
    best : BestParameters
    held_rows : ndarray of int64 or None
        The positions of the validation examples, if they were split off the training data.
    trained : TrainedGroups
    requirements : dict
        Everything that must not change when a checkpoint is resumed, as JSON values.
    """

    values: NetworkValues
    optimizer_state: OptimizerState
    rng: np.random.Generator
    schedule: ScheduleState
    factors: dict[str, ScheduleState]
    monitor: MetricMonitor | None
    best: BestParameters
    held_rows: NDArray[np.int64] | None
    trained: TrainedGroups
    requirements: dict[str, Any]

    @property
    def theta(self) -> NDArray[Any]:
        """The parameter arena (P,)."""
        return self.values.parameters.theta

    def stop_reason(self) -> str | None:
        """Return the reason to stop after the epochs so far, if there is one."""
        if self.monitor is not None and self.monitor.is_stale:
            return "early_stopping"
        return "epochs" if self.epoch >= self.epochs else None
