"""The demo: pictures -> a trained network -> its test; then the same steps in NumPy, and scikit-learn's network."""

import math
import os
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from time import perf_counter
from typing import Any

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from fastnn import SGD, History, Network, __version__, datasets, runtime
from fastnn._data.feeds import bounds
from fastnn.reference import ReferenceNetwork, one_hot

__all__ = ["CheckFailed", "Pictures", "Recipe", "compare_with_numpy", "load", "run"]

FASHION = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")
INSTALL = "pip install 'fastnn[demo]'"

# The comparison with NumPy: passes over the first mini-batches, gradient descent.
PASSES, BATCHES, COMPARED_RATE = 10, 20, 0.1
REPEATS = 3  # of each timing; the shortest counts
ROWS, COLUMNS = 4, 7  # of wrongly classified pictures

say = partial(print, flush=True)  # in order with the progress bar, which goes to stderr


class CheckFailed(Exception):
    """Two computations that must agree do not."""


@dataclass(frozen=True)
class Recipe:
    """How to train: the last quarter of the epochs takes a tenth of the learning rate."""

    hidden: tuple[int, ...]
    batch_size: int
    epochs: int
    learning_rate: float

    def stages(self) -> list[tuple[int, float]]:
        """Return (epochs, learning rate) of each part of the training."""
        late = (self.epochs + 2) // 4
        stages = [(self.epochs - late, self.learning_rate), (late, self.learning_rate / 10)]
        return [stage for stage in stages if stage[0]]


# Measured (test accuracy): digits, 50 seeds, each with another fifth held out: mean 98.1 %, lowest 96.7 %;
# Fashion-MNIST, 5 seeds: 89.3 to 89.4 %.
DIGITS = Recipe(hidden=(256, 128), batch_size=32, epochs=40, learning_rate=2e-3)
LARGE = Recipe(hidden=(256, 128), batch_size=128, epochs=10, learning_rate=1e-3)


@dataclass(frozen=True)
class Pictures:
    """Labelled pictures, pixels from 0 to 1: X (m, n[0]) float32, y (m,) labels 0 .. K-1."""

    name: str
    X_train: NDArray[np.float32]
    y_train: NDArray[np.intp]
    X_test: NDArray[np.float32]
    y_test: NDArray[np.intp]
    class_names: tuple[str, ...]
    recipe: Recipe

    @property
    def shape(self) -> tuple[int, int] | None:
        """Rows and columns of a picture; None where they are not square and so not known."""
        side = math.isqrt(self.X_train.shape[1])
        return (side, side) if side * side == self.X_train.shape[1] else None


def load(data: str, seed: int) -> Pictures:
    """Return the pictures that `data` names: "digits", "fashion-mnist" or a folder of IDX files.

    Raises
    ------
    OSError, ValueError
        If there are no such data, or they are damaged.
    """
    if data == "digits":
        X, y = datasets.load_digits()
        train, test = datasets.stratified_split(y, 0.2, seed)
        return _pictures(data, X[train], y[train], X[test], y[test], 16, DIGITS)
    if data == "fashion-mnist":
        return _pictures(data, *datasets.load_fashion_mnist(), 255, LARGE, FASHION)
    if not os.path.isdir(data):
        raise ValueError(f"--data must be digits, fashion-mnist or a folder of IDX files, got {data!r}")
    return _pictures(Path(data).resolve().name, *datasets.load_idx_folder(data), 255, LARGE)


def _pictures(name: str, X_train: NDArray[Any], y_train: NDArray[Any], X_test: NDArray[Any], y_test: NDArray[Any],
              ink: int, recipe: Recipe, class_names: tuple[str, ...] = ()) -> Pictures:
    if not X_train.size or not X_test.size:
        raise ValueError(f"{name} must hold pictures to train on and to test, got {len(X_train)} and {len(X_test)}")
    classes, labels = np.unique(np.concatenate([y_train, y_test]), return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"{name} must hold at least two classes, got only {classes[0]}")
    X_train, X_test = (np.divide(X, ink, dtype=np.float32) for X in (X_train, X_test))
    return Pictures(name, X_train, labels[: len(X_train)], X_test, labels[len(X_train) :],
                    class_names or tuple(map(str, classes)), recipe)


def run(pictures: Pictures, out: str | os.PathLike[str], *, epochs: int | None, n_threads: int, seed: int) -> None:
    """Run the whole demo, printing as it goes; files go into the folder `out`.

    Parameters
    ----------
    pictures : Pictures
    out : path
        An existing folder.
    epochs : int or None
        None takes the recipe's.
    n_threads, seed : int

    Raises
    ------
    CheckFailed
        If the costs differ from the NumPy reference by more than rounding explains, or the saved network predicts
        something else than the trained one.
    OSError
        If a file cannot be written.
    """
    plan = pictures.recipe
    recipe = Recipe(plan.hidden, min(plan.batch_size, len(pictures.X_train)), epochs or plan.epochs,
                    plan.learning_rate)
    size = f" of {pictures.shape[0]} x {pictures.shape[1]} pixels" if pictures.shape else ""
    say(f"fastnn {__version__}, SIMD level {runtime.simd_level()}, {n_threads} thread{'s' * (n_threads > 1)}")
    say(f"{pictures.name}: {len(pictures.X_train)} pictures{size} to train on, {len(pictures.X_test)} held out\n")

    network = Network([pictures.X_train.shape[1], *recipe.hidden, len(pictures.class_names)], random_state=seed)
    say(network.summary())
    history = train(network, pictures, recipe, n_threads)
    scores = network.evaluate(pictures.X_test, pictures.y_test)
    seconds = sum(history["seconds"])
    say(f"trained in {_duration(seconds)}; loss: {history.loss[-1]:.4g} on the training pictures, "
        f"{scores['loss']:.4g} on those held out")
    say(f"test accuracy: {100 * scores['accuracy']:.1f} %\n")

    keep(network, pictures, history, Path(out))
    say()
    compare_with_numpy(network.layer_sizes, pictures, recipe.batch_size, n_threads, seed)
    say()
    compare_with_sklearn(pictures, recipe, n_threads, seed, seconds, scores["accuracy"])


def train(network: Network, pictures: Pictures, recipe: Recipe, n_threads: int) -> History:
    """Train, watching the held-out pictures (nothing is chosen by them); return the history of all stages."""
    callbacks: list[Callable[[Any, dict[str, float]], None]] = []
    try:
        import tqdm.auto  # noqa: F401
    except ImportError:
        say(f"\nno progress bar: tqdm is not installed ({INSTALL})")
        callbacks.append(_report_every(max(1, recipe.epochs // 10)))
    history = History()
    for epochs, learning_rate in recipe.stages():
        say(f"\nAdam, learning rate {learning_rate:g}, mini-batches of {recipe.batch_size}, {epochs} epochs")
        history.extend(network.fit(
            pictures.X_train, pictures.y_train, batch_size=recipe.batch_size, epochs=epochs,
            learning_rate=learning_rate, validation_data=(pictures.X_test, pictures.y_test), callbacks=callbacks,
            progress=not callbacks, n_threads=n_threads))
    return history


def _report_every(period: int) -> Callable[[Any, dict[str, float]], None]:
    def report(network: Network, record: dict[str, float]) -> None:
        if record["epoch"] % period == 0:
            say(f"epoch {record['epoch']:3}   loss {record['loss']:.4f}   "
                f"held-out accuracy {100 * record['validation_accuracy']:.1f} %")

    return report


# ---- what is kept


def keep(network: Network, pictures: Pictures, history: History, out: Path) -> None:
    """Save the network, check that it comes back the same, and draw; say what was written.

    Raises
    ------
    CheckFailed
        If the loaded network predicts something else.
    """
    path = out / "network.fastnn"
    network.save(path)
    loaded = Network.load(path)
    if not np.array_equal(loaded.predict_proba(pictures.X_test), network.predict_proba(pictures.X_test)):
        raise CheckFailed(f"the network in {path} predicts something else than the one that was saved")
    say(f"wrote {path} ({path.stat().st_size / 1000:,.0f} kB); loaded again, it predicts the same, bit for bit")
    try:
        draw_loss(history, pictures, out / "loss.png")
        draw_mistakes(network, pictures, out / "wrong.png")
    except ImportError:
        say(f"no pictures: matplotlib is not installed ({INSTALL})")


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure  # without pyplot: no display, no global state

    return Figure(figsize=(width, height), layout="constrained")


def draw_loss(history: History, pictures: Pictures, path: Path) -> None:
    """Draw the costs of the epochs."""
    figure = _figure(7, 4.5)
    axes = history.plot(ax=figure.subplots())
    axes.set_title(f"{pictures.name}: cost of the pictures trained on, and of those held out (validation)", fontsize=10)
    figure.savefig(path, dpi=120)
    say(f"wrote {path}: the cost of each epoch")


def draw_mistakes(network: Network, pictures: Pictures, path: Path) -> None:
    """Draw the wrongly classified pictures of which the network is most certain."""
    probabilities = network.predict_proba(pictures.X_test)
    predicted = probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != pictures.y_test)
    if not wrong.size or pictures.shape is None:
        say("no wrongly classified picture to draw" if not wrong.size else "the pictures are not square: none is drawn")
        return
    shown = wrong[np.argsort(-probabilities[wrong, predicted[wrong]], kind="stable")[:COLUMNS * ROWS]]
    rows = -(-len(shown) // COLUMNS)
    figure = _figure(11, 0.6 + 1.8 * rows)
    which = f"; the {len(shown)} of which it is most certain" if len(shown) < len(wrong) else ""
    figure.suptitle(f"{pictures.name}: {len(wrong)} of {len(predicted)} pictures wrongly classified{which}")
    grid = figure.subplots(rows, COLUMNS, squeeze=False)
    for axes in grid.flat[len(shown) :]:
        axes.set_axis_off()
    for axes, i in zip(grid.flat, shown, strict=False):
        true, guess = pictures.class_names[pictures.y_test[i]], pictures.class_names[predicted[i]]
        axes.imshow(pictures.X_test[i].reshape(pictures.shape), cmap="gray_r", vmin=0, vmax=1)
        axes.set(xticks=[], yticks=[])
        axes.set_title(f"true: {true}\npredicted: {guess}\n({100 * probabilities[i, predicted[i]]:.0f} % certain)",
                       fontsize=8)
    figure.savefig(path, dpi=120)
    say(f"wrote {path}: {len(shown)} of the {len(wrong)} wrongly classified pictures")


# ---- beside others


def compare_with_numpy(sizes: tuple[int, ...], pictures: Pictures, batch_size: int, n_threads: int, seed: int) -> None:
    """Run the same steps on fastnn and on `fastnn.reference`; print costs, differences and times.

    Raises
    ------
    CheckFailed
        If they differ by more than the rounding errors of the steps can add up to.
    """
    rows = min(BATCHES * batch_size, len(pictures.X_train))
    X, y = pictures.X_train[:rows].astype(np.float64), pictures.y_train[:rows]
    batches = [(np.ascontiguousarray(X[i:j].T), one_hot(y[i:j], sizes[-1])) for i, j in bounds(rows, batch_size)]
    start = Network(sizes, dtype="float64", random_state=seed)
    n_steps = PASSES * len(batches)
    say(f"The same {n_steps} steps of gradient descent in NumPy (fastnn.reference): float64, the same first weights, "
        f"the same\nmini-batches of {batch_size}, learning rate {COMPARED_RATE:g}; the cost of a pass is the mean over "
        "its mini-batches")

    def on_fastnn() -> tuple[Network, list[float]]:
        network = start.copy()
        history = network.fit(X, y, optimizer=SGD(), learning_rate=COMPARED_RATE, batch_size=batch_size, epochs=PASSES,
                              shuffle=False, n_threads=n_threads)
        return network, history.loss

    def on_numpy() -> tuple[ReferenceNetwork, list[float]]:
        network = ReferenceNetwork(start.W, start.b, start.activations, start.loss_name)
        costs = []
        for _ in range(PASSES):
            total = sum(network.step(X_t, Y_t, COMPARED_RATE) * X_t.shape[1] for X_t, Y_t in batches)
            costs.append(total / rows)
        return network, costs

    ours, costs, seconds = _fastest(on_fastnn)
    with threadpool_limits(n_threads):
        theirs, reference_costs, reference_seconds = _fastest(on_numpy)

    differences = np.abs(np.subtract(costs, reference_costs))
    say(f"{'pass':>4}  {'cost, fastnn':>18}  {'cost, NumPy':>18}  {'difference':>10}")
    for k in sorted({0, 1, 2, 4, PASSES - 1}):
        say(f"{k + 1:4}  {costs[k]:18.15f}  {reference_costs[k]:18.15f}  {differences[k]:10.1e}")
    parameters = max(float(np.abs(mine - other).max())
                     for mine, other in zip([*ours.W, *ours.b], [*theirs.W, *theirs.b], strict=True))
    say(f"largest difference: {differences.max():.1e} between costs, {parameters:.1e} between parameters")
    say(f"fastnn {_duration(seconds)}, NumPy {_duration(reference_seconds)}: "
        f"fastnn is {_ratio(seconds, reference_seconds)}")

    # A sum of n terms is off by at most n eps of its size, activation and update by less; the errors of steps add up.
    bound = n_steps * sum(n_prev + n for n_prev, n in pairwise(sizes)) * np.finfo(np.float64).eps * max(reference_costs)
    if not max(float(differences.max()), parameters) <= bound:
        raise CheckFailed(f"fastnn and the NumPy reference differ by more than rounding explains ({bound:.1e})")


def _fastest(work: Callable[[], tuple[Any, list[float]]]) -> tuple[Any, list[float], float]:
    times = []
    for _ in range(REPEATS):
        began = perf_counter()
        network, costs = work()
        times.append(perf_counter() - began)
    return network, costs, min(times)


def compare_with_sklearn(pictures: Pictures, recipe: Recipe, n_threads: int, seed: int, seconds: float,
                         accuracy: float) -> None:
    """Train scikit-learn's MLPClassifier by the same recipe; print time and accuracy beside ours."""
    try:
        import sklearn
        from sklearn.exceptions import ConvergenceWarning
        from sklearn.neural_network import MLPClassifier
    except ImportError:
        say(f"no comparison with scikit-learn: it is not installed ({INSTALL})")
        return
    say(f"scikit-learn {sklearn.__version__}, MLPClassifier: the same layers, float32, Adam, learning rates, "
        "mini-batch size and epochs ...")
    other = MLPClassifier(recipe.hidden, alpha=0, batch_size=recipe.batch_size, warm_start=True, tol=0,
                          n_iter_no_change=recipe.epochs + 1, random_state=seed)
    began = perf_counter()
    with threadpool_limits(n_threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # the number of epochs is meant to end the training
        for epochs, learning_rate in recipe.stages():
            other.set_params(max_iter=epochs, learning_rate_init=learning_rate)
            other.fit(pictures.X_train, pictures.y_train)
    other_seconds = perf_counter() - began
    say(f"{'':14}{'training':>10}  {'test accuracy':>13}")
    for name, time, score in (("fastnn", seconds, accuracy),
                              ("scikit-learn", other_seconds, other.score(pictures.X_test, pictures.y_test))):
        say(f"{name:14}{_duration(time):>10}  {100 * score:11.1f} %")
    say(f"fastnn is {_ratio(seconds, other_seconds)}")


def _duration(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _ratio(ours: float, theirs: float) -> str:
    return f"{theirs / ours:.1f} times faster" if ours <= theirs else f"{ours / theirs:.1f} times slower"
