"""Axes, colours and font sizes for all plots. The only module that imports pyplot."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["FONT_SIZES", "GREY", "colours", "font_size", "own_or_given", "panels"]

# Distinct for colour-blind readers too: M. Okabe and K. Ito, "Color Universal Design" (2008). Pale yellow comes last.
PALETTE = ("#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#000000", "#F0E442")
GREY = "0.45"
FONT_SIZES = 5.0, 10.0  # smallest and largest, in points
LETTER_WIDTH = 0.6  # in font sizes
MAX_PANEL_COLUMNS = 4
GAP_X, GAP_Y = 0.4, 1.2  # between panels, in panel widths and heights: room for titles and ticks


def colours(n: int) -> list[Any]:
    """Return n colours that colour-blind readers can tell apart, as far as n allows."""
    if n <= len(PALETTE):
        return list(PALETTE[:n])
    from matplotlib import colormaps

    return list(colormaps["viridis"](np.linspace(0, 1, n)))


def own_or_given(ax: "Axes | None", size: tuple[float, float] | None = None) -> "Axes":
    """Return `ax`, or the axes of a new pyplot figure of `size` (width, height) in inches if it is None.

    Call this after all other checks, so that an error leaves no empty figure behind.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError
        If `ax` is not a matplotlib Axes.
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
    """Return the largest font size at which a line of `letters` letters fits into one of `columns` columns of `ax`."""
    width = ax.get_window_extent().width * 72 / ax.figure.dpi / columns
    smallest, largest = FONT_SIZES
    return max(smallest, min(largest, width / (LETTER_WIDTH * (letters + 1))))


def panels(ax: "Axes | None", n: int) -> NDArray[Any]:
    """Replace `ax` by a grid of n panels and return them, (n,); `ax` itself becomes invisible.

    Raises the errors of `own_or_given`.
    """
    rows = -(-n // MAX_PANEL_COLUMNS)
    columns = -(-n // rows)
    ax = own_or_given(ax, (max(4.0, 3.2 * columns), 3.0 * rows))
    ax.set_axis_off()
    spec = ax.get_subplotspec()
    if spec is not None:
        # A layout engine makes room for titles and ticks itself.
        room = {} if ax.figure.get_layout_engine() else {"wspace": GAP_X, "hspace": GAP_Y}
        grid = spec.subgridspec(rows, columns, **room)
        return np.array([ax.figure.add_subplot(grid[i]) for i in range(n)])
    # `ax` is not part of a grid (placed by hand, or inset): put the panels inside it, in fractions of its size.
    width, height = 1 / (columns + GAP_X * (columns - 1)), 1 / (rows + GAP_Y * (rows - 1))
    return np.array([ax.inset_axes((column * (1 + GAP_X) * width, 1 - height - row * (1 + GAP_Y) * height, width,
                                    height)) for row, column in (divmod(i, columns) for i in range(n))])
