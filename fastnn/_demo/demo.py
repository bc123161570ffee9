"""The demo: train a network on pictures and test it, then compare it with NumPy and scikit-learn."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from fastnn import History, Network, __version__, runtime
from fastnn._demo.comparison import INSTALL, CheckFailed, compare_with_numpy, compare_with_sklearn, duration, say
from fastnn._demo.data import Pictures, Recipe, load

__all__ = ["CheckFailed", "Pictures", "Recipe", "load", "run"]

ROWS, COLUMNS = 4, 7  # of the grid of misclassified pictures


def run(pictures: Pictures, out: str | os.PathLike[str], *, epochs: int | None, n_threads: int, seed: int) -> None:
    """Run the whole demo, print its results, and write files to the folder `out`.

    Parameters
    ----------
    pictures : Pictures
    out : path
        An existing folder.
    epochs : int or None
        None uses the number of the recipe.
    n_threads, seed : int

    Raises
    ------
    CheckFailed
        If the costs differ from those of the NumPy reference by more than rounding errors, or the saved network makes
        other predictions than the trained one.
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
    say(f"trained in {duration(seconds)}; loss: {history.loss[-1]:.4g} on the training pictures, "
        f"{scores['loss']:.4g} on those held out")
    say(f"test accuracy: {100 * scores['accuracy']:.1f} %\n")

    keep(network, pictures, history, Path(out))
    say()
    compare_with_numpy(network.layer_sizes, pictures, recipe.batch_size, n_threads, seed)
    say()
    compare_with_sklearn(pictures, recipe, n_threads, seed, seconds, scores["accuracy"])


def train(network: Network, pictures: Pictures, recipe: Recipe, n_threads: int) -> History:
    """Train and return the history of all stages. The held-out pictures are only reported, not used for choices."""
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


# ---- Output files


def keep(network: Network, pictures: Pictures, history: History, out: Path) -> None:
    """Save the network, verify the saved file, and draw the loss and the mistakes.

    Raises
    ------
    CheckFailed
        If the loaded network makes other predictions.
    """
    path = out / "network.fastnn"
    network.save(path)
    loaded = Network.load(path)
    if not np.array_equal(loaded.predict_proba(pictures.X_test), network.predict_proba(pictures.X_test)):
        raise CheckFailed(f"the network in {path} predicts something else than the one that was saved")
    say(f"wrote {path} ({path.stat().st_size / 1000:,.0f} kB); loaded again, its predictions are bitwise identical")
    try:
        draw_loss(history, pictures, out / "loss.png")
        draw_mistakes(network, pictures, out / "wrong.png")
    except ImportError:
        say(f"no pictures: matplotlib is not installed ({INSTALL})")


def _figure(width: float, height: float) -> Any:
    from matplotlib.figure import Figure  # not pyplot: needs no display and keeps no global state

    return Figure(figsize=(width, height), layout="constrained")


def draw_loss(history: History, pictures: Pictures, path: Path) -> None:
    """Draw the cost over the epochs."""
    figure = _figure(7, 4.5)
    axes = history.plot(ax=figure.subplots())
    axes.set_title(f"{pictures.name}: cost of the pictures trained on, and of those held out (validation)", fontsize=10)
    figure.savefig(path, dpi=120)
    say(f"wrote {path}: the cost of each epoch")


def draw_mistakes(network: Network, pictures: Pictures, path: Path) -> None:
    """Draw the misclassified pictures with the highest predicted probabilities."""
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
