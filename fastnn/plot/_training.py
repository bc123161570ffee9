"""Plots over time: recorded losses and metrics, and planned learning rates."""

import math
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from fastnn._data import checks
from fastnn.plot._axes import GREY, colours, own_or_given

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastnn.history import History

__all__ = ["curves", "schedule"]

LABELS = {"loss": "training", "validation_loss": "validation"}
MIN_LOG_SCALE_RATIO = 100.0  # two decades
DASHES = ("-", "--", ":", "-.")

Points = list[tuple[int, float]]  # (epoch, value)
Curves = dict[tuple[str, str], Points]  # by (name of the run, key)


def curves(history: "History | Mapping[str, History]", keys: Sequence[str] | None = None,
           ax: "Axes | None" = None) -> "Axes":
    """Draw loss and metric curves over the epochs of one run, or of several runs to compare.

    Parameters
    ----------
    history : History, or dict of name to History
        Several runs are told apart by colour and their curves by dashes; a dotted line marks each best epoch.
    keys : sequence of str or None
        The curves to draw; None draws the training loss and, if recorded, the validation loss.
    ax : matplotlib.axes.Axes or None
        Axes to draw on; None creates a new figure with pyplot, which is not imported otherwise.

    Returns
    -------
    matplotlib.axes.Axes
        The y axis is logarithmic if all curves are losses, positive, and span more than two decades.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    KeyError
        If a requested curve was not recorded.
    TypeError, ValueError
        If `history` or `keys` is invalid.
    """
    runs = dict(history) if isinstance(history, Mapping) else {"": history}
    points = _select_points(runs, keys)
    ax = own_or_given(ax)
    all_keys = list(dict.fromkeys(key for _, key in points))
    _draw_curves(ax, list(runs), all_keys, points)
    _mark_best_epochs(ax, runs)
    _label_axes(ax, all_keys, [value for line in points.values() for _, value in line])
    return ax


def _select_points(runs: dict[str, "History"], keys: Sequence[str] | None) -> Curves:
    """Check the arguments of `curves` and return the finite points of each curve."""
    if not runs:
        raise ValueError("history must hold at least one run, got an empty dict")
    for run in runs.values():
        checks.having(run, ("epochs", "keys", "best_epoch"), "history must be a History or a dict name -> History")
    if isinstance(keys, str):
        raise TypeError(f"keys must be a list of names, such as [{keys!r}]")
    points: Curves = {}
    for name, run in runs.items():
        for key in list(keys) if keys is not None else [key for key in LABELS if key in run]:
            # Drop the gaps of values that are not recorded in every epoch, so that the line connects the others.
            points[name, key] = [(epoch, value) for epoch, value in zip(run.epochs, run[key], strict=True)
                                 if math.isfinite(value)]
    return points


def _draw_curves(ax: "Axes", names: list[str], all_keys: list[str], points: Curves) -> None:
    """Draw one line for each curve: one run uses a colour per key, several runs a colour per run and dashes."""
    several = len(names) > 1
    run_colours, key_colours = colours(len(names)), colours(len(all_keys))
    for (name, key), line in points.items():
        k = all_keys.index(key)
        label = LABELS.get(key, key.replace("_", " "))
        if name:
            label = f"{name}: {label}" if len(all_keys) > 1 else name
        ax.plot([epoch for epoch, _ in line], [value for _, value in line], label=label,
                color=run_colours[names.index(name)] if several else key_colours[k],
                linestyle=DASHES[k % len(DASHES)] if several else "-", marker="o" if len(line) == 1 else None)


def _mark_best_epochs(ax: "Axes", runs: dict[str, "History"]) -> None:
    for run, colour in zip(runs.values(), colours(len(runs)), strict=True):
        if run.best_epoch is None:
            continue
        if len(runs) == 1:
            ax.axvline(run.best_epoch, color=GREY, linestyle=":", label=f"best epoch ({run.best_epoch})")
        else:  # no legend entry: the colour identifies the run
            ax.axvline(run.best_epoch, color=colour, linestyle=":", linewidth=1)


def _label_axes(ax: "Axes", all_keys: list[str], values: list[float]) -> None:
    """Set scale, labels, ticks and legend."""
    from matplotlib.ticker import MaxNLocator

    all_losses = all(key.endswith("loss") for key in all_keys)
    if all_losses and values and min(values) > 0 and max(values) > MIN_LOG_SCALE_RATIO * min(values):
        ax.set_yscale("log")
    quantities = {key.removeprefix("validation_").replace("_", " ") for key in all_keys}
    ax.set_xlabel("epoch")
    ax.set_ylabel("cost J" if all_losses else quantities.pop() if len(quantities) == 1 else "value")
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    ax.grid(alpha=0.3)
    if ax.get_legend_handles_labels()[0]:
        ax.legend()


def schedule(schedule: Callable[[float], float] | Any, total: int, ax: "Axes | None" = None, *,
             unit: str | None = None) -> "Axes":
    """Draw the learning rate of a schedule at each step or epoch.

    Parameters
    ----------
    schedule : callable or object with a method rates
        ``schedule.rates(total)`` must return the learning rates at t = 0, ..., total - 1. An object without this method
        is called as ``schedule(t)`` with a float t and must return one rate.
    total : int
        Number of steps or epochs.
    ax : matplotlib.axes.Axes or None
        Axes to draw on; None creates a new figure with pyplot.
    unit : str, optional
        What t counts, for the axis label; by default the attribute `per` of the schedule, else "step".

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If an argument is invalid, or a rate is negative or not finite.
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

    # A rate applies to its whole step, from t to t + 1.
    ax.stairs(rates, range(total + 1), baseline=None, color=colours(1)[0], linewidth=1.5)
    ax.set_xlabel(getattr(schedule, "per", "step") if unit is None else unit)
    ax.set_ylabel("learning rate α")
    ax.set_ylim(bottom=0)
    ax.xaxis.set_major_locator(MaxNLocator("auto", integer=True, min_n_ticks=1))
    ax.grid(alpha=0.3)
    return ax
