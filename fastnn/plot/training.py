"""Curves over the time of a training: what was recorded, and the learning rate that is planned."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastnn._data import checks
from fastnn.plot.axes import GREY, colours, own_or_given

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastnn.history import History

__all__ = ["curves", "schedule"]

LABELS = {"loss": "training", "validation_loss": "validation"}
LOG_SCALE_FROM = 100.0  # two decades
DASHES = ("-", "--", ":", "-.")


def curves(history: "History | Mapping[str, History]", keys: Sequence[str] | None = None,
           ax: "Axes | None" = None) -> "Axes":
    """Draw loss and metric curves over the epochs, of one run or of several to compare.

    Parameters
    ----------
    history : History, or dict of name to History
        Of several runs each has a colour, and each curve of it another dash; a dotted line is its best epoch.
    keys : sequence of str or None
        Which curves; None means the training and, if there is one, the validation loss.
    ax : matplotlib.axes.Axes or None
        Where to draw; None makes a new figure with pyplot. With an `ax` pyplot is not touched.

    Returns
    -------
    matplotlib.axes.Axes
        Its scale is logarithmic if all curves are losses, positive, and span more than two decades.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    KeyError
        If no such curve was recorded.
    TypeError, ValueError
        If `history` or `keys` are not as described.
    """
    runs = dict(history) if isinstance(history, Mapping) else {"": history}
    if not runs:
        raise ValueError("history must hold at least one run, got an empty dict")
    for run in runs.values():
        checks.having(run, ("epochs", "keys", "best_epoch"), "history must be a History or a dict name -> History")
    if isinstance(keys, str):
        raise TypeError(f"keys must be a list of names, such as [{keys!r}]")
    chosen = {name: [key for key in LABELS if key in run] if keys is None else list(keys)
              for name, run in runs.items()}
    # Only what was recorded: a curve of every tenth epoch is a line too.
    points = {(name, key): [(epoch, value) for epoch, value in zip(run.epochs, run[key], strict=True)
                            if math.isfinite(value)]
              for name, run in runs.items() for key in chosen[name]}
    ax = own_or_given(ax)
    from matplotlib.ticker import MaxNLocator

    all_keys = list(dict.fromkeys(key for _, key in points))
    for name, colour in zip(runs, colours(len(runs)), strict=True):
        for key, key_colour in zip(all_keys, colours(len(all_keys)), strict=True):
            if (name, key) not in points:
                continue
            line = points[name, key]
            label = LABELS.get(key, key.replace("_", " "))
            if name:
                label = f"{name}: {label}" if len(all_keys) > 1 else name
            ax.plot([epoch for epoch, _ in line], [value for _, value in line], label=label,
                    color=colour if len(runs) > 1 else key_colour, marker="o" if len(line) == 1 else None,
                    linestyle=DASHES[all_keys.index(key) % len(DASHES)] if len(runs) > 1 else "-")
        best = runs[name].best_epoch
        if best is not None and len(runs) == 1:
            ax.axvline(best, color=GREY, linestyle=":", label=f"best epoch ({best})")
        elif best is not None:  # in the run's own colour, which the legend names already
            ax.axvline(best, color=colour, linestyle=":", linewidth=1)
    values = [value for line in points.values() for _, value in line]
    all_losses = all(key.endswith("loss") for key in all_keys)
    if all_losses and values and min(values) > 0 and max(values) > LOG_SCALE_FROM * min(values):
        ax.set_yscale("log")
    quantities = {key.removeprefix("validation_").replace("_", " ") for key in all_keys}
    ax.set_xlabel("epoch")
    ax.set_ylabel("cost J" if all_losses else quantities.pop() if len(quantities) == 1 else "value")
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    ax.grid(alpha=0.3)
    if ax.get_legend_handles_labels()[0]:
        ax.legend()
    return ax


def schedule(schedule: Callable[[float], float] | Any, total: int, ax: "Axes | None" = None, *,
             unit: str | None = None) -> "Axes":
    """Draw a schedule: the learning rate at each step, or in each epoch.

    Parameters
    ----------
    schedule : callable or object with a method rates
        ``schedule.rates(total)`` gives the learning rates of t = 0, ..., total - 1; without that method
        ``schedule(t)`` gives the rate at t, a float.
    total : int
        How many steps or epochs.
    ax : matplotlib.axes.Axes or None
        Where to draw; None makes a new figure with pyplot.
    unit : str, optional
        What t counts, for the label; by default what the schedule's attribute `per` says, else "step".

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If an argument is not as described, or a rate is no finite number, 0 or more.
    """
    total = checks.count(total, "total")
    if hasattr(schedule, "rates"):
        rates = list(schedule.rates(total))
    elif callable(schedule):
        rates = [schedule(float(t)) for t in range(total)]
    else:
        raise TypeError(f"schedule must be callable as schedule(t), or have a method rates(total), got "
                        f"{type(schedule).__name__}")
    if len(rates) != total:
        raise ValueError(f"schedule.rates({total}) must give a rate for each of t = 0 .. {total - 1}, got {len(rates)}")
    rates = [checks.number(rate, f"schedule: the rate at t = {t}", minimum=0) for t, rate in enumerate(rates)]
    ax = own_or_given(ax)
    from matplotlib.ticker import MaxNLocator

    # A rate holds for its whole step: from t to t + 1.
    ax.stairs(rates, range(total + 1), baseline=None, color=colours(1)[0], linewidth=1.5)
    ax.set_xlabel(getattr(schedule, "per", "step") if unit is None else unit)
    ax.set_ylabel("learning rate α")
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    ax.grid(alpha=0.3)
    return ax
