"""Plots of a classifier's predictions: decision boundary and confusion matrix."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn._data import checks
from fastnn.plot._axes import colours, font_size, own_or_given

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastnn.network import Network

__all__ = ["confusion_matrix", "decision_boundary"]

MARKERS = "osD^vP*X"
MAX_CLASSES = 1000  # of a confusion matrix
MAX_CLASSES_WITH_NUMBERS = 25  # with more, the numbers in the cells would be illegible


def decision_boundary(network: "Network", X: ArrayLike, y: ArrayLike, ax: "Axes | None" = None, *,
                      names: Sequence[str] | None = None, resolution: int = 250, legend: bool = True) -> "Axes":
    """Draw the region in which a network with two features predicts each class, and the examples.

    Parameters
    ----------
    network : Network
        With n[0] = 2 and a softmax output, or one sigmoid output unit.
    X : array_like (m, 2)
        Features.
    y : array_like
        As for `Network.fit`: class labels (m,), or one-hot (m, n[L]).
    ax : matplotlib.axes.Axes or None
        Axes to draw on; None creates a new figure with pyplot.
    names : sequence of str, optional
        Names of the classes 0, 1, ...
    resolution : int
        Number of grid points along each axis, at least 2.
    legend : bool
        Whether to draw a legend with the class names.

    Returns
    -------
    matplotlib.axes.Axes
        Shows the predicted classes as an image, the boundary as the contour on which the two largest probabilities
        are equal, and the examples of each class as points.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If an argument is invalid.
    """
    checks.having(network, ("layer_sizes", "predict_proba"), "network must be a fastnn.Network")
    n_x, n_y, output = network.layer_sizes[0], network.layer_sizes[-1], network.activations[-1]
    if n_x != 2:
        raise ValueError(f"a decision boundary in the plane needs n[0] = 2 features, got n[0] = {n_x}")
    if output != "softmax" and (output, n_y) != ("sigmoid", 1):
        raise ValueError("a decision boundary needs a softmax output, or a sigmoid output with n[L] = 1, "
                         f"got {output} with n[L] = {n_y}")
    resolution = checks.count(resolution, "resolution", 2)
    legend = checks.flag(legend, "legend")
    network.evaluate(X, y)  # raises if X or y is invalid
    n_classes = max(n_y, 2)
    names = _names(names, n_classes, [f"class {k}" for k in range(n_classes)])
    points, labels = np.asarray(X), np.asarray(y)
    labels = labels.argmax(axis=1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.reshape(-1)

    ax = own_or_given(ax)
    palette = colours(n_classes)
    _draw_regions(ax, network, points, resolution, palette)
    for k, name in enumerate(names):
        x = points[labels == k]
        ax.scatter(x[:, 0], x[:, 1], s=26, color=[palette[k]], marker=MARKERS[k % len(MARKERS)],
                   edgecolors="white", linewidths=0.5, label=name)
    ax.set_xlabel("$x_1$")
    ax.set_ylabel("$x_2$")
    if legend:
        ax.legend(loc="upper right", framealpha=0.9)
    return ax


def _draw_regions(ax: "Axes", network: "Network", points: NDArray[Any], resolution: int, palette: list[Any]) -> None:
    """Draw the predicted classes and their boundaries on a grid around `points` (m, 2)."""
    from matplotlib.colors import ListedColormap

    low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
    margin = np.where(high > low, 0.08 * (high - low), 1.0)
    x_1, x_2 = (np.linspace(a, b, resolution) for a, b in zip(low - margin, high + margin, strict=True))
    grid = np.stack(np.meshgrid(x_1, x_2), axis=-1).reshape(-1, 2)
    A = network.predict_proba(grid)
    A = np.stack([1 - A, A], axis=1) if A.ndim == 1 else A
    predicted = network.predict(grid).reshape(resolution, resolution)

    n_classes = len(palette)
    half = (x_1[1] - x_1[0]) / 2, (x_2[1] - x_2[0]) / 2  # pixels are centred on the grid points
    ax.imshow(predicted, cmap=ListedColormap(palette), vmin=-0.5, vmax=n_classes - 0.5, alpha=0.25, origin="lower",
              interpolation="nearest", aspect="auto",
              extent=(x_1[0] - half[0], x_1[-1] + half[0], x_2[0] - half[1], x_2[-1] + half[1]))
    for k in range(n_classes if n_classes > 2 else 1):
        lead = (A[:, k] - np.delete(A, k, axis=1).max(axis=1)).reshape(resolution, resolution)
        if lead.min() < 0 < lead.max():
            ax.contour(x_1, x_2, lead, levels=[0.0], colors="0.2", linewidths=1.2)


def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike, ax: "Axes | None" = None, *, normalize: bool = False,
                     names: Sequence[str] | None = None) -> "Axes":
    """Draw how often examples of each true class were predicted as each class.

    Parameters
    ----------
    y_true : array_like (m,)
        Class labels 0 .. K-1, or one-hot (m, K).
    y_pred : array_like (m,)
        Predicted labels, as returned by `Network.predict`.
    ax : matplotlib.axes.Axes or None
        Axes to draw on; None creates a new figure with pyplot.
    normalize : bool
        Draw fractions of each true class instead of counts: rows sum to 1 (a class without examples stays empty).
    names : sequence of str, optional
        Names of the K classes; by default K - 1 is the largest label.

    Returns
    -------
    matplotlib.axes.Axes
        Shows the matrix (K, K) as an image: row i, column j is true class i predicted as j. With at most 25 classes,
        the cells show their numbers.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If an argument is invalid.
    """
    true, predicted = _labels(y_true, "y_true"), _labels(y_pred, "y_pred")
    if len(true) != len(predicted):
        raise ValueError(f"y_true and y_pred must hold the same m examples, got {len(true)} and {len(predicted)}")
    normalize = checks.flag(normalize, "normalize")
    found = int(max(true.max(), predicted.max())) + 1
    if found > MAX_CLASSES:
        raise ValueError(f"a confusion matrix is of at most {MAX_CLASSES} classes, got the label {found - 1}")
    n = found if names is None else max(found, len(names))
    names = _names(names, n, [str(k) for k in range(n)])
    counts = np.bincount(true.astype(np.int64) * n + predicted, minlength=n * n).reshape(n, n)
    totals = counts.sum(axis=1, keepdims=True)
    matrix = np.divide(counts, totals, out=np.full((n, n), np.nan), where=totals > 0) if normalize else counts

    with_numbers = n <= MAX_CLASSES_WITH_NUMBERS
    ax = own_or_given(ax, (max(5.0, 1.8 + 0.5 * n),) * 2 if with_numbers else (7.0, 7.0))
    largest = 1 if normalize else max(1, int(counts.max()))
    image = ax.imshow(matrix, cmap="Blues", vmin=0, vmax=largest)
    if with_numbers:
        _write_numbers(ax, matrix, names, largest, normalize)
    else:
        from matplotlib.ticker import MaxNLocator

        ax.figure.colorbar(image, ax=ax, label="share of the true class" if normalize else "examples",
                           ticks=MaxNLocator("auto", integer=not normalize))
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    return ax


def _write_numbers(ax: "Axes", matrix: NDArray[Any], names: list[str], largest: int, normalize: bool) -> None:
    """Write the number into each cell of a confusion matrix, and the class names along both axes."""
    n = len(names)
    size = font_size(ax, n, 4 if normalize else len(str(largest)))
    for (i, j), value in np.ndenumerate(matrix):
        text = "–" if np.isnan(value) else f"{value:.2f}" if normalize else str(value)
        ax.text(j, i, text, ha="center", va="center", fontsize=size, color="white" if value > largest / 2 else "black")
    ax.set_yticks(range(n), names)
    long = max(map(len, names)) > 3
    ax.set_xticks(range(n), names, rotation=45 if long else 0, ha="right" if long else "center",
                  rotation_mode="anchor" if long else "default")


def _labels(y: ArrayLike, what: str) -> NDArray[np.int32]:
    shape = np.shape(y)
    if not shape or not shape[0]:
        raise ValueError(f"{what} must hold the class labels (m,) of at least one example, got shape {shape}")
    return checks.labels(y, shape[0], shape[1] if len(shape) == 2 else checks.LARGEST, what)


def _names(names: Sequence[str] | None, n: int, default: list[str]) -> list[str]:
    if names is None:
        return default
    if isinstance(names, str) or len(names) != n:
        raise ValueError(f"names must be one for each of the {n} classes, got {names!r}")
    return [str(name) for name in names]
