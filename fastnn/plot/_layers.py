"""Plots of single layers: first-layer weights as images, histograms of activations and gradients."""

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn._data import checks
from fastnn.plot._axes import colours, own_or_given, panels

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastnn.network import Network

__all__ = ["activation_histograms", "first_layer_weights", "gradient_histograms"]

NETWORK = "network must be a fastnn.Network"
MAX_TICKS = 12
TINY = 1e-200  # smaller values are drawn as zeros


def first_layer_weights(network: "Network", shape: Sequence[int] | None = None, ax: "Axes | None" = None, *,
                        units: Sequence[int] | None = None) -> "Axes":
    """Draw rows of W[1] as images: the pattern that each unit of the first layer responds to.

    Parameters
    ----------
    network : Network
    shape : (height, width) or (height, width, 3), optional
        Shape of one image, with product n[0]. By default a square image, grey or else RGB.
    ax : matplotlib.axes.Axes or None
        Axes to draw on; None creates a new figure with pyplot.
    units : sequence of int, optional
        Rows of W[1] to draw, counted from 0; by default all n[1].

    Returns
    -------
    matplotlib.axes.Axes
        Holds one mosaic of all images, row by row, one pixel apart, on a common scale. Grey images are drawn in red
        (positive), white (zero) and blue (negative); in RGB images zero is grey.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If an argument is invalid.
    """
    checks.having(network, ("W", "layer_sizes"), NETWORK)
    height, width, *rgb = _picture_shape(shape, network.layer_sizes[0])
    W, n = network.W[0], network.layer_sizes[1]
    if W.shape[1] != network.layer_sizes[0]:
        raise ValueError("first_layer_weights draws W[1] by the columns of X: the embedding of this network makes "
                         f"{W.shape[1]} inputs of {network.layer_sizes[0]} columns")
    units = range(n) if units is None else [checks.count(k, "units: a row of W[1]", 0, n - 1) for k in units]
    if not len(units):
        raise ValueError("units must name at least one row of W[1]")
    limit = float(np.abs(W[units]).max()) or 1.0
    columns = min(len(units), math.ceil(math.sqrt(len(units) * height / width)))
    rows = -(-len(units) // columns)
    mosaic = np.full((rows * (height + 1) - 1, columns * (width + 1) - 1, *rgb), 1.0 if rgb else np.nan)
    for i, k in enumerate(units):
        top, left = i // columns * (height + 1), i % columns * (width + 1)
        picture = W[k].reshape(height, width, *rgb)
        mosaic[top : top + height, left : left + width] = 0.5 + 0.5 * picture / limit if rgb else picture

    ax = own_or_given(ax)
    image = ax.imshow(mosaic, cmap="RdBu_r", vmin=-limit, vmax=limit, interpolation="nearest")
    ax.set_xticks([])
    step = -(-rows // MAX_TICKS)
    ax.set_yticks([row * (height + 1) + (height - 1) / 2 for row in range(0, rows, step)],
                  [str(units[row * columns]) for row in range(0, rows, step)])
    ax.set_ylabel("row of W[1] (first of the line)")
    ax.spines[:].set_visible(False)
    if not rgb:
        ax.figure.colorbar(image, ax=ax, label="weight")
    return ax


def _picture_shape(shape: Sequence[int] | None, n_x: int) -> tuple[int, ...]:
    if shape is None:
        for rgb in ((), (3,)):
            side = math.isqrt(n_x // math.prod(rgb))
            if side * side * math.prod(rgb) == n_x:
                return (side, side, *rgb)
        raise ValueError(f"n[0] = {n_x} is no square picture: give shape=(height, width) or (height, width, 3)")
    if not np.iterable(shape) or len(shape) not in (2, 3) or (len(shape) == 3 and shape[2] != 3):
        raise ValueError(f"shape must be (height, width) or (height, width, 3), got {shape!r}")
    checked = tuple(checks.count(n, "shape: height and width") for n in shape)
    if math.prod(checked) != n_x:
        raise ValueError(f"shape must have n[0] = {n_x} numbers, got {checked} with {math.prod(checked)}")
    return checked


def activation_histograms(network: "Network", X: ArrayLike, ax: "Axes | None" = None, *, of: str = "A",
                          bins: int = 50) -> NDArray[Any]:
    """Draw a histogram of A[l] or Z[l] for each layer, to find saturated and dead units.

    Parameters
    ----------
    network : Network
    X : array_like (m, n[0])
        Examples. All layers are held in memory at once, so a few hundred examples are best.
    ax : matplotlib.axes.Axes or None
        Replaced by the panels; None creates a new figure with pyplot.
    of : {"A", "Z"}
    bins : int

    Returns
    -------
    ndarray (L,) of matplotlib.axes.Axes
        Item 0 is layer 1, as in `Network.W`.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If an argument is invalid or a layer's values are not finite.
    """
    checks.having(network, ("forward", "activations"), NETWORK)
    of = checks.name(of, ("A", "Z"), "of")
    bins = checks.count(bins, "bins")
    cache = network.forward(X, return_cache=True)[1]
    titles = [f"{of}[{l}]\n{name if of == 'A' else Z.shape}" for l, (name, Z) in enumerate(zip(
        network.activations, cache.Z, strict=True), 1)]
    return _histograms(getattr(cache, of), of, titles, ax, bins)


def gradient_histograms(network: "Network", X: ArrayLike, y: ArrayLike, ax: "Axes | None" = None, *,
                        bins: int = 50) -> NDArray[Any]:
    """Draw a histogram of dW[l] on (X, y) for each layer, to find vanishing and exploding gradients.

    Parameters
    ----------
    network : Network
    X, y : array_like
        As for `Network.gradients`.
    ax : matplotlib.axes.Axes or None
        Replaced by the panels; None creates a new figure with pyplot.
    bins : int

    Returns
    -------
    ndarray (L,) of matplotlib.axes.Axes
        Item 0 is layer 1, as in `Network.W`.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If an argument is invalid or a gradient is not finite.
    """
    checks.having(network, ("gradients",), NETWORK)
    bins = checks.count(bins, "bins")
    dW = network.gradients(X, y)[1]
    titles = [f"dW[{l}]\n{dW_l.shape}" for l, dW_l in enumerate(dW, 1)]
    return _histograms(dW, "dW", titles, ax, bins)


def _histograms(matrices: list[NDArray[Any]], symbol: str, titles: list[str], ax: "Axes | None",
                bins: int) -> NDArray[Any]:
    bars = []
    for l, matrix in enumerate(matrices, 1):
        if not np.isfinite(matrix).all():
            raise ValueError(f"{symbol}[{l}] holds NaN or infinity: there is no histogram of it")
        values = matrix.astype(np.float64).ravel()  # in a narrow range float32 may have fewer values than bins
        with np.errstate(over="ignore"):  # squares may overflow
            moments = f"mean {values.mean():.2g}\nstd {values.std():.2g}"
        bars.append((moments, *np.histogram(values, bins, range=_range(values))))
    grid = panels(ax, len(matrices))
    for panel, title, (moments, counts, edges) in zip(grid, titles, bars, strict=True):
        panel.stairs(counts, edges, fill=True, color=colours(1)[0])
        panel.set_title(title, fontsize=9)
        panel.set_xlabel(moments, fontsize=8)
        panel.locator_params(axis="x", nbins=3)
        panel.locator_params(axis="y", integer=True)
        for axis in (panel.xaxis, panel.yaxis):
            axis.set_major_formatter("{x:g}")  # no common power of ten, which would overlap the axis label
        panel.tick_params(labelsize=8)
    grid[0].set_ylabel("number of entries", fontsize=9)
    return grid


def _range(values: NDArray[np.float64]) -> tuple[float, float]:
    """Return the smallest and the largest value, widened if they are too close to hold the bins."""
    low, high = float(values.min()), float(values.max())
    size = max(abs(low), abs(high))
    min_width = 1e-6 * size if size > TINY else 0.5
    return (low, high) if high - low > min_width else (low - min_width, high + min_width)
