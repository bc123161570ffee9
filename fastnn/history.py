"""The values recorded during training, and their plot."""

import math
import numbers
import operator
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["History"]


class History:
    """The record of a training run: one dict of numbers for each epoch.

    Parameters
    ----------
    records : iterable of mappings
        Each as for `append`.
    stop_reason : str or None
        Why training ended: "epochs" (all were run), "early_stopping", "callback", "diverged", "interrupted" or
        "error" (a callback raised); with L-BFGS also "converged", "evaluations" (used up) or "stalled" (no step lowers
        J). None during training.
    best_epoch : int or None
        The epoch whose parameters were restored, if any.

    Attributes
    ----------
    records : list of dict
        "epoch" (int, counted from 1) and the values of the epoch as floats: "loss" (the cost J) and, if recorded,
        "validation_loss", "learning_rate", "seconds" and metrics under their names.
    stop_reason, best_epoch
        As above.

    Examples
    --------
    >>> history = History([{"epoch": 1, "loss": 0.7}, {"epoch": 2, "loss": 0.5, "validation_loss": 0.6}])
    >>> history["validation_loss"]
    [nan, 0.6]
    """

    def __init__(
        self,
        records: Iterable[Mapping[str, float]] = (),
        *,
        stop_reason: str | None = None,
        best_epoch: int | None = None,
    ) -> None:
        self.records: list[dict[str, float]] = []
        self.stop_reason = stop_reason
        self.best_epoch = best_epoch
        for record in records:
            self.append(record)

    @property
    def epochs(self) -> list[int]:
        """The numbers of the recorded epochs, in ascending order."""
        return [int(record["epoch"]) for record in self.records]

    @property
    def loss(self) -> list[float]:
        """The cost J of each epoch."""
        return self["loss"]

    def keys(self) -> list[str]:
        """Return the names of the curves, "epoch" and "loss" first."""
        return list(dict.fromkeys(["epoch", "loss", *(key for record in self.records for key in record)]))

    def __contains__(self, key: object) -> bool:
        return key in self.keys()

    def __getitem__(self, key: str) -> list[float]:
        """Return one curve: a number for each recorded epoch, nan if it was not recorded."""
        if key not in self.keys():
            raise KeyError(f"no curve {key!r} was recorded, only {', '.join(self.keys())}")
        return [record.get(key, math.nan) for record in self.records]

    def __len__(self) -> int:
        """Return the number of recorded epochs."""
        return len(self.records)

    def append(self, record: Mapping[str, float]) -> None:
        """Add a copy of the record of one epoch.

        Parameters
        ----------
        record : mapping of str to number
            Must contain "epoch", a positive integer larger than all before. Other values may be nan or infinite.

        Raises
        ------
        TypeError, ValueError
            If the record is not as described.
        """
        if "epoch" not in record:
            raise ValueError(f"a record must have an 'epoch', got only {list(record)}")
        epoch = operator.index(record["epoch"])  # type: ignore[arg-type]  # a float is refused here
        last = self.records[-1]["epoch"] if self.records else 0
        if epoch <= last:
            raise ValueError(f"epochs must ascend from 1: {epoch} cannot follow {last}")
        clean: dict[str, float] = {"epoch": epoch}
        for key, value in record.items():
            if not isinstance(key, str):
                raise TypeError(f"a record must have str keys, got {key!r}")
            if key != "epoch":
                if type(value) is not float and not isinstance(value, numbers.Real):  # isinstance is slow
                    raise TypeError(f"record[{key!r}] must be a number, got {value!r}")
                clean[key] = float(value)
        self.records.append(clean)

    def extend(self, other: "History") -> None:
        """Append the records of a later fit; its epochs are renumbered if they do not follow the last one here.

        `stop_reason` and `best_epoch` are taken from the later fit.
        """
        if not isinstance(other, History):
            raise TypeError(f"other must be a History, got {type(other).__name__}")
        shift = 0
        if self.records and other.records:
            shift = max(0, self.epochs[-1] + 1 - other.epochs[0])
        self.records += [{**record, "epoch": int(record["epoch"]) + shift} for record in other.records]
        self.stop_reason = other.stop_reason
        self.best_epoch = None if other.best_epoch is None else other.best_epoch + shift

    def to_dict(self) -> dict[str, Any]:
        """Return the history as strict JSON values: non-finite numbers become "nan", "inf" or "-inf"."""
        records = [
            {key: value if math.isfinite(value) else str(value) for key, value in record.items()}
            for record in self.records
        ]
        return {"records": records, "stop_reason": self.stop_reason, "best_epoch": self.best_epoch}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> "History":
        """Build a history from the result of `to_dict`.

        Raises
        ------
        TypeError, ValueError
            If the data are not as `to_dict` returns them.
        """
        match data:
            case {
                "records": list(records),
                "stop_reason": str() | None as stop_reason,
                "best_epoch": int() | None as best_epoch,
                **rest,
            } if not rest and all(isinstance(record, Mapping) for record in records):
                decoded = [
                    {key: float(value) if isinstance(value, str) else value for key, value in record.items()}
                    for record in records
                ]
                return cls(decoded, stop_reason=stop_reason, best_epoch=best_epoch)
        raise ValueError("data must have records (list of dict), stop_reason (str or None), best_epoch (int or None)")

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, History):
            return NotImplemented
        return self.to_dict() == other.to_dict()  # in which nan equals nan

    __hash__ = None  # type: ignore[assignment]  # mutable

    def __repr__(self) -> str:
        parts = [f"{len(self)} epoch{'' if len(self) == 1 else 's'}"]
        if self.records:
            parts += [f"{key} {value:.4g}" for key, value in self.records[-1].items() if key.endswith("loss")]
        if self.best_epoch is not None:
            parts.append(f"best epoch {self.best_epoch}")
        if self.stop_reason is not None:
            parts.append(f"stopped by {self.stop_reason}")
        return f"<History: {', '.join(parts)}>"

    def plot(self, ax: "Axes | None" = None, keys: Sequence[str] | None = None) -> "Axes":
        """Plot curves over the epochs. `fastnn.plot.curves` can also plot several histories.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None
            Where to draw. None creates a new figure with pyplot; with an `ax` pyplot is not used.
        keys : sequence of str or None
            The curves. None means the training loss and, if recorded, the validation loss.

        Returns
        -------
        matplotlib.axes.Axes
            The scale is logarithmic if all curves are positive losses that span more than two decades.

        Raises
        ------
        ImportError
            If matplotlib is not installed.
        KeyError
            If no such curve was recorded.
        """
        from fastnn import plot

        return plot.curves(self, keys, ax)
