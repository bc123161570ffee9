"""The view of a running fit that callbacks get."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

import numpy as np

from fastnn.history import History

__all__ = ["FitView", "ViewSettings"]


class EpochCallback(Protocol):
    """A callback after each epoch: see `fastnn.callbacks.Callback`."""

    def on_epoch_end(self, run: Any, record: dict[str, float]) -> bool | None:
        """Take the record of an epoch; return True to stop."""


class ViewSettings(NamedTuple):
    """The settings of a fit that callbacks may read."""

    epochs: int


@dataclass
class FitView:
    """A running fit of a network or an estimator.

    Attributes
    ----------
    network : Network or estimator
    epochs : int
        The total number of epochs of the fit.
    recorded : tuple of str
        The names of the values that each epoch records.
    epoch : int
        The number of finished epochs.
    history : History
        The values recorded so far.
    """

    network: Any
    epochs: int
    recorded: tuple[str, ...]
    epoch: int = 0
    history: History = field(default_factory=History)

    @property
    def settings(self) -> ViewSettings:
        """The settings of the fit: ``settings.epochs``."""
        return ViewSettings(self.epochs)

    def append(self, record: Mapping[str, float]) -> None:
        """Add the record of a finished epoch to the history."""
        self.history.append(record)
        self.epoch = int(record["epoch"])

    def asked_to_stop(self, callbacks: Iterable[EpochCallback], record: Mapping[str, float]) -> bool:
        """Call each callback with the record of an epoch; return whether one of them returned True."""
        answers = [callback.on_epoch_end(self, dict(record)) for callback in callbacks]
        return any(isinstance(answer, (bool, np.bool_)) and answer for answer in answers)

    def end_epoch(self, callbacks: Iterable[EpochCallback], record: Mapping[str, float]) -> bool:
        """Add the record of an epoch and call the callbacks; return whether one of them asks to stop."""
        self.append(record)
        return self.asked_to_stop(callbacks, record)
