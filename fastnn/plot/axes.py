"""Where to draw, and in which colours: what every picture needs. The only place that knows of pyplot."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FONT_SIZES", "GREY", "colours", "font_size", "own_or_given", "panels"]

# M. Okabe and K. Ito, "Color Universal Design" (2008): told apart by the colour-blind too. Yellow is the palest: last.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#F0E442")
GREY = "0.45"
FONT_SIZES = 5.0, 10.0  # least and largest, in points
LETTER = 0.6  # width of a letter, in font sizes
COLUMNS = 4  # of panels, at most
GAP_X, GAP_Y = 0.4, 1.2  # between panels, in their widths and heights, for titles and ticks


def colours(n: int) -> list[Any]:
    """Return n colours that the colour-blind can tell apart, as well as n allows."""
    if n <= len(PALETTE):
        return list(PALETTE[:n])
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0, 1, n)))


def own_or_given(ax: "Axes | None", size: tuple[float, float] | None = None) -> "Axes":
    """Return `ax`, or for None that of a new pyplot figure of `size` (width, height) in inches.

    Called when all else has been checked, so that no empty figure is left behind.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `ax` is something else.
    """
    try:
        from matplotlib.axes import Axes

        if ax is None:
            import matplotlib.pyplot as plt

            return plt.subplots(figsize=size, layout="constrained")[1]
    except ImportError as error:
        raise ImportError("fastnn.plot needs matplotlib: pip install 'fastnn[plot]'") from error
    if not isinstance(ax, Axes):
        several = " (one of the array)" if isinstance(ax, (np.ndarray, Sequence)) else ""
        raise TypeError(f"ax must be a matplotlib Axes{several}, got {type(ax).__name__}")
    return ax


def font_size(ax: "Axes", columns: int, letters: int) -> float:
    """Return the font size, as large as may be, at which a line of so many letters fits into a column of `ax`."""
    width = ax.get_window_extent().width * 72 / ax.figure.dpi / columns
    least, largest = FONT_SIZES
    return max(least, min(largest, width / (LETTER * (letters + 1))))


def panels(ax: "Axes | None", n: int) -> NDArray[Any]:
    """Return n axes (n,) in a grid that fills the place of `ax`, which becomes an empty frame; errors as above."""
    rows = -(-n // COLUMNS)
    columns = -(-n // rows)
    ax = own_or_given(ax, (max(4.0, 3.2 * columns), 3.0 * rows))
    ax.set_axis_off()
    spec = ax.get_subplotspec()
    if spec is not None:
        # A layout engine finds the room for titles and ticks itself.
        room = {} if ax.figure.get_layout_engine() else {"wspace": GAP_X, "hspace": GAP_Y}
        grid = spec.subgridspec(rows, columns, **room)
        return np.array([ax.figure.add_subplot(grid[i]) for i in range(n)])
    # Axes that were placed freely, or lie inside others: the panels lie inside them, at fractions of their sides.
    width, height = 1 / (columns + GAP_X * (columns - 1)), 1 / (rows + GAP_Y * (rows - 1))
    return np.array([ax.inset_axes((column * (1 + GAP_X) * width, 1 - height - row * (1 + GAP_Y) * height, width,
                                    height)) for row, column in (divmod(i, columns) for i in range(n))])
