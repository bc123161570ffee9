"""The view of a running fit that callbacks get."""

from dataclasses import dataclass, field
from typing import Any, Self

from fastnn.callbacks import Callback, asked_to_stop
from fastnn.history import History

__all__ = ["FitView"]


@dataclass
class FitView:
    """A running fit, as callbacks see it.

    Attributes
    ----------
    network : BaseMLP
        The estimator.
    epochs : int
        The planned number of epochs or iterations.
    recorded : tuple of str
        The names of the values in each record.
    epoch : int
        The number of finished epochs.
    history : History
    """

    network: Any
    epochs: int
    recorded: tuple[str, ...]
    epoch: int = 0
    history: History = field(default_factory=History)

    @property
    def settings(self) -> Self:
        """This object, for ``settings.epochs``."""
        return self

    def end_epoch(self, callbacks: tuple[Callback, ...], record: dict[str, Any]) -> bool:
        """Add the record of an epoch to the history; return whether a callback asks to stop."""
        self.epoch = int(record["epoch"])
        self.history.append(record)
        return asked_to_stop(callbacks, self, record)
