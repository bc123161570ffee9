"""The pictures of a report, as SVG text."""

from collections.abc import Callable, Sequence
from io import StringIO
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastnn.history import History

__all__ = ["confusion", "importances", "learning_curves", "residuals"]

BLUE = "#0072B2"
MAX_CLASSES_DRAWN = 30
MAX_CLASSES_WITH_NUMBERS = 12
MAX_POINTS = 5000
MAX_BARS = 25
LONGEST_NAME = 28  # characters


def _svg(draw: Callable[["Axes"], object], size: tuple[float, float]) -> str:
    """Return a figure of one panel, drawn without pyplot; text stays text."""
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context({"svg.fonttype": "none", "svg.hashsalt": "fastnn", "font.family": "sans-serif"}):
        figure = Figure(figsize=size, layout="constrained")
        draw(figure.subplots())
        out = StringIO()
        figure.savefig(out, format="svg", transparent=True, metadata={"Date": None})
    text = out.getvalue()
    return text[text.index("<svg") :]


def _short(name: object) -> str:
    text = str(name)
    return text if len(text) <= LONGEST_NAME else text[: LONGEST_NAME - 3] + "..."


def learning_curves(history: "History", keys: Sequence[str], label: str) -> str:
    """Draw recorded values over the epochs, with the best epoch."""
    from fastnn.plot import curves

    def draw(ax: "Axes") -> None:
        curves(history, list(keys), ax)
        ax.set_ylabel(label)

    return _svg(draw, (5.2, 3.4))


def confusion(y: NDArray[Any], predicted: NDArray[Any], classes: NDArray[Any]) -> str:
    """Draw for each class (row) the share of its rows that got each answer (column)."""
    from sklearn.metrics import confusion_matrix

    counts = confusion_matrix(y, predicted, labels=classes)[:MAX_CLASSES_DRAWN, :MAX_CLASSES_DRAWN]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    n = len(counts)

    def draw(ax: "Axes") -> None:
        ax.imshow(shares, cmap="Blues", vmin=0, vmax=1)
        ax.set_xticks(range(n), [_short(label) for label in classes[:n]], rotation=45, ha="right")
        ax.set_yticks(range(n), [_short(label) for label in classes[:n]])
        ax.set_xlabel("predicted")
        ax.set_ylabel("true")
        for i, j in np.ndindex(n, n) if n <= MAX_CLASSES_WITH_NUMBERS else ():
            ax.text(j, i, f"{counts[i, j]:,}", ha="center", va="center", fontsize=8,
                    color="white" if shares[i, j] > 0.5 else "black")

    side = min(3.0 + 0.28 * n, 7.5)
    return _svg(draw, (side + 1.0, side))


def residuals(y: NDArray[Any], predicted: NDArray[Any]) -> str:
    """Draw the predicted over the true values of up to MAX_POINTS rows, evenly spaced."""
    rows = np.linspace(0, len(y) - 1, min(len(y), MAX_POINTS)).astype(int)
    true, answer = y[rows].astype(float), predicted[rows].astype(float)
    low, high = min(true.min(), answer.min()), max(true.max(), answer.max())

    def draw(ax: "Axes") -> None:
        ax.plot([low, high], [low, high], color="0.45", linewidth=1, linestyle="--", label="predicted = true")
        ax.scatter(true, answer, s=6, alpha=0.35, color=BLUE, linewidths=0, rasterized=len(rows) > 1000)
        ax.set_xlabel("true")
        ax.set_ylabel("predicted")
        ax.legend(loc="upper left")

    return _svg(draw, (5.2, 4.2))


def importances(names: Sequence[object], means: NDArray[np.float64], deviations: NDArray[np.float64],
                label: str) -> str:
    """Draw how much worse the score gets if a column is shuffled: the most important columns first."""
    order = np.argsort(-means, kind="stable")[:MAX_BARS]

    def draw(ax: "Axes") -> None:
        ax.barh(range(len(order)), means[order], xerr=deviations[order], color=BLUE, ecolor="0.45")
        ax.set_yticks(range(len(order)), [_short(names[j]) for j in order])
        ax.invert_yaxis()
        ax.axvline(0, color="black", linewidth=0.8)
        ax.set_xlabel(label)

    return _svg(draw, (6.0, 0.9 + 0.26 * len(order)))
