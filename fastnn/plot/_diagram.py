"""Diagram of a network: layers, units and connections, labelled with the shapes of A, W and b."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnn._data import checks
from fastnn.plot._axes import FONT_SIZES, GREY, colours, font_size, own_or_given

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastnn.network import Network

__all__ = ["network_diagram"]

DIAMETER = 0.7  # of a unit; the distance between units is 1
LINE_HEIGHT = 1.3  # in font sizes
ABOVE, BELOW = 0.17, 0.22  # fractions of the height reserved for the labels above and below the units
MIN_ROWS = 4  # smaller networks are not scaled up to fill the height


def network_diagram(network: "Network", ax: "Axes | None" = None, *, max_units: int = 8) -> "Axes":
    """Draw the layers as columns of units, with activations and the shapes of A[l], W[l] and b[l].

    Parameters
    ----------
    network : Network
    ax : matplotlib.axes.Axes or None
        Axes to draw on; None creates a new figure with pyplot.
    max_units : int
        A larger layer is drawn with this height, with dots in place of the omitted units; at least 3.

    Returns
    -------
    matplotlib.axes.Axes

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If an argument is invalid.
    """
    checks.having(network, ("W", "layer_sizes", "activations"), "network must be a fastnn.Network")
    max_units = checks.count(max_units, "max_units", 3)
    sizes = network.layer_sizes
    n_columns = len(sizes)
    ax = own_or_given(ax, (max(6.4, 1.3 * n_columns), 4.8))
    from matplotlib.collections import EllipseCollection, LineCollection

    columns = [_heights(n, max_units) for n in sizes]
    for l, (left, right) in enumerate(pairwise(columns), 1):
        lines = [((l - 1, y_left), (l, y_right)) for y_left in left for y_right in right]
        ax.add_collection(LineCollection(lines, colors="0.75", linewidths=0.5, zorder=1))
    blue, orange = colours(2)
    for l, (n, heights) in enumerate(zip(sizes, columns, strict=True)):
        circles = np.full(len(heights), DIAMETER)
        # Diameters in units of y keep the circles round whatever the aspect ratio of the axes.
        ax.add_collection(EllipseCollection(
            circles, circles, np.zeros(len(heights)), units="y", offset_transform=ax.transData, zorder=2,
            offsets=np.column_stack([np.full(len(heights), l), heights]), edgecolors="0.2", linewidths=0.8,
            facecolors="0.9" if l == 0 else blue if l < n_columns - 1 else orange))
        if n > max_units:
            ax.text(l, _gap(max_units), "⋮", ha="center", va="center", fontsize=14)

    width = network.W[0].shape[1]
    above = [f"A[0]\n{'of the input stage' if network.embedding or network.scale_inputs else '= X^T'}\n({width}, m)"]
    below = []
    inputs = (width, *sizes[1:-1])
    for l, (n_prev, n, activation) in enumerate(zip(inputs, sizes[1:], network.activations, strict=True), 1):
        above.append(f"A[{l}]\n{activation}\n({n}, m)")
        below.append(f"W[{l}]\n({n}, {n_prev})\nb[{l}]\n({n}, 1)")
    style: dict[str, Any] = {"ha": "center", "transform": ax.get_xaxis_transform(),
                             "fontsize": _font_size(ax, n_columns, [*above, *below])}
    for l, text in enumerate(above):
        ax.text(l, 1, text, va="top", **style)
    for l, text in enumerate(below):
        ax.text(l + 0.5, 0, text, va="bottom", color=GREY, **style)
    rows = max(MIN_ROWS, min(max(sizes), max_units))
    unit = 1 / (1 - ABOVE - BELOW)  # height of the axes, relative to the space between the labels
    ax.set_xlim(-0.5, n_columns - 0.5)
    ax.set_ylim(rows * (-0.5 - BELOW * unit), rows * (0.5 + ABOVE * unit))
    ax.set_axis_off()
    return ax


def _heights(n: int, max_units: int) -> NDArray[Any]:
    """Return y of each drawn unit, the first on top, centred at 0; the place of the dots is left out."""
    heights = (min(n, max_units) - 1) / 2 - np.arange(min(n, max_units))
    return heights if n <= max_units else heights[heights != _gap(max_units)]


def _gap(max_units: int) -> float:
    """Return y of the dots: the last row but one."""
    return (max_units - 1) / 2 - (max_units - 2)


def _font_size(ax: "Axes", n_columns: int, texts: list[str]) -> float:
    """Return the largest font size at which the texts fit into their columns and, if still legible, their bands."""
    by_width = font_size(ax, n_columns, max(len(line) for text in texts for line in text.split("\n")))
    height = ax.get_window_extent().height * 72 / ax.figure.dpi
    return max(FONT_SIZES[0], min(by_width, min(ABOVE / 3, BELOW / 4) * height / LINE_HEIGHT))
