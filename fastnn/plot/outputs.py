"""What a classifier decides: its regions in the plane, and its confusions."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn._data import checks
from fastnn.plot.axes import colours, font_size, own_or_given

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from fastnn.network import Network

__all__ = ["confusion_matrix", "decision_boundary"]

MARKERS = "osD^vP*X"
MOST_CLASSES = 1000  # of a matrix that can be drawn
MOST_WRITTEN = 25  # classes up to which the numbers in the cells can be read


def decision_boundary(network: "Network", X: ArrayLike, y: ArrayLike, ax: "Axes | None" = None, *,
                      names: Sequence[str] | None = None, resolution: int = 250, legend: bool = True) -> "Axes":
    """Draw the regions of the plane in which a network of two features decides for each class, and the examples.

    Parameters
    ----------
    network : Network
        With n[0] = 2 and a softmax output, or a sigmoid output of one unit.
    X : array_like (m, 2)
        Features.
    y : array_like
        As for `Network.fit`: class labels (m,), or one-hot (m, n[L]).
    ax : matplotlib.axes.Axes or None
        Where to draw; None makes a new figure with pyplot.
    names : sequence of str, optional
        Of the classes 0, 1, ...
    resolution : int
        Points of the grid along each axis, at least 2.
    legend : bool
        Name the classes.

    Returns
    -------
    matplotlib.axes.Axes
        With the predicted classes as an image, the boundary as the contour where the two largest probabilities are
        equal, and the examples of each class as points.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If an argument is not as described.
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
    network.evaluate(X, y)  # refuses what is not as `fit` takes it
    n_classes = max(n_y, 2)
    names = _names(names, n_classes, [f"class {k}" for k in range(n_classes)])
    points, labels = np.asarray(X), np.asarray(y)
    labels = labels.argmax(axis=1) if labels.ndim == 2 and labels.shape[1] > 1 else labels.reshape(-1)

    low, high = points.min(axis=0).astype(float), points.max(axis=0).astype(float)
    margin = np.where(high > low, 0.08 * (high - low), 1.0)
    x_1, x_2 = (np.linspace(a, b, resolution) for a, b in zip(low - margin, high + margin, strict=True))
    grid = np.stack(np.meshgrid(x_1, x_2), axis=-1).reshape(-1, 2)
    A = network.predict_proba(grid)
    A = np.stack([1 - A, A], axis=1) if A.ndim == 1 else A
    decided = network.predict(grid).reshape(resolution, resolution)

    ax = own_or_given(ax)
    from matplotlib.colors import ListedColormap

    palette = colours(n_classes)
    half = (x_1[1] - x_1[0]) / 2, (x_2[1] - x_2[0]) / 2  # a pixel's middle is a point of the grid
    ax.imshow(decided, cmap=ListedColormap(palette), vmin=-0.5, vmax=n_classes - 0.5, alpha=0.25, origin="lower",
              interpolation="nearest", aspect="auto",
              extent=(x_1[0] - half[0], x_1[-1] + half[0], x_2[0] - half[1], x_2[-1] + half[1]))
    for k in range(n_classes if n_classes > 2 else 1):
        lead = (A[:, k] - np.delete(A, k, axis=1).max(axis=1)).reshape(resolution, resolution)
        if lead.min() < 0 < lead.max():
            ax.contour(x_1, x_2, lead, levels=[0.0], colors="0.2", linewidths=1.2)
    for k, name in enumerate(names):
        x = points[labels == k]
        ax.scatter(x[:, 0], x[:, 1], s=26, color=[palette[k]], marker=MARKERS[k % len(MARKERS)],
                   edgecolors="white", linewidths=0.5, label=name)
    ax.set_xlabel("$x_1$")
    ax.set_ylabel("$x_2$")
    if legend:
        ax.legend(loc="upper right", framealpha=0.9)
    return ax


def confusion_matrix(y_true: ArrayLike, y_pred: ArrayLike, ax: "Axes | None" = None, *, normalize: bool = False,
                     names: Sequence[str] | None = None) -> "Axes":
    """Draw how often examples of each class were taken for each class.

    Parameters
    ----------
    y_true : array_like (m,)
        Class labels 0 .. K-1, or one-hot (m, K).
    y_pred : array_like (m,)
        The labels that `Network.predict` returned.
    ax : matplotlib.axes.Axes or None
        Where to draw; None makes a new figure with pyplot.
    normalize : bool
        Draw shares of each true class instead of counts: rows sum to 1 (a class without examples has none).
    names : sequence of str, optional
        Of the K classes; without it K - 1 is the largest label.

    Returns
    -------
    matplotlib.axes.Axes
        With the matrix (K, K) as an image: row i, column j is true class i taken for j. Up to 25 classes the numbers
        are written in the cells.

    Raises
    ------
    ImportError
        If matplotlib is not installed.
    TypeError, ValueError
        If an argument is not as described.
    """
    true, predicted = _labels(y_true, "y_true"), _labels(y_pred, "y_pred")
    if len(true) != len(predicted):
        raise ValueError(f"y_true and y_pred must hold the same m examples, got {len(true)} and {len(predicted)}")
    normalize = checks.flag(normalize, "normalize")
    found = int(max(true.max(), predicted.max())) + 1
    if found > MOST_CLASSES:
        raise ValueError(f"a confusion matrix is of at most {MOST_CLASSES} classes, got the label {found - 1}")
    n = found if names is None else max(found, len(names))
    names = _names(names, n, [str(k) for k in range(n)])
    counts = np.bincount(true.astype(np.int64) * n + predicted, minlength=n * n).reshape(n, n)
    totals = counts.sum(axis=1, keepdims=True)
    matrix = np.divide(counts, totals, out=np.full((n, n), np.nan), where=totals > 0) if normalize else counts

    written = n <= MOST_WRITTEN
    ax = own_or_given(ax, (max(5.0, 1.8 + 0.5 * n),) * 2 if written else (7.0, 7.0))
    most = 1 if normalize else max(1, int(counts.max()))
    from matplotlib.ticker import MaxNLocator

    image = ax.imshow(matrix, cmap="Blues", vmin=0, vmax=most)
    if written:
        size = font_size(ax, n, 4 if normalize else len(str(most)))
        for (i, j), value in np.ndenumerate(matrix):
            text = "–" if np.isnan(value) else f"{value:.2f}" if normalize else str(value)
            ax.text(j, i, text, ha="center", va="center", fontsize=size,
                    color="white" if value > most / 2 else "black")
        ax.set_yticks(range(n), names)
        long = max(map(len, names)) > 3
        ax.set_xticks(range(n), names, rotation=45 if long else 0, ha="right" if long else "center",
                      rotation_mode="anchor" if long else "default")
    else:
        ax.figure.colorbar(image, ax=ax, label="share of the true class" if normalize else "examples",
                           ticks=MaxNLocator("auto", integer=not normalize))
    ax.set_xlabel("predicted class")
    ax.set_ylabel("true class")
    return ax


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
