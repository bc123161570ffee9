"""The comparisons of the demo: the same steps in NumPy, and the same training in scikit-learn."""

import warnings
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from fastnn import SGD, Network
from fastnn._data.examples import batch_bounds
from fastnn._demo.data import Pictures, Recipe
from fastnn.reference import ReferenceNetwork, one_hot

__all__ = ["INSTALL", "CheckFailed", "compare_with_numpy", "compare_with_sklearn", "duration", "say"]

INSTALL = "pip install 'fastnn[demo]'"

# Gradient descent of the comparison with NumPy: PASSES epochs over the first BATCHES mini-batches.
PASSES, BATCHES, COMPARED_RATE = 10, 20, 0.1
REPEATS = 3  # of each timing; the fastest one counts

say = partial(print, flush=True)  # flushed, to stay in order with the progress bar on stderr


class CheckFailed(Exception):
    """Two computations that must agree differ."""


def compare_with_numpy(sizes: tuple[int, ...], pictures: Pictures, batch_size: int, n_threads: int, seed: int) -> None:
    """Run the same steps in fastnn and in `fastnn.reference`; print costs, differences and times.

    Raises
    ------
    CheckFailed
        If the results differ by more than the accumulated rounding errors.
    """
    rows = min(BATCHES * batch_size, len(pictures.X_train))
    X, y = pictures.X_train[:rows].astype(np.float64), pictures.y_train[:rows]
    batches = [(np.ascontiguousarray(X[i:j].T), one_hot(y[i:j], sizes[-1])) for i, j in batch_bounds(rows, batch_size)]
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
    say(f"fastnn {duration(seconds)}, NumPy {duration(reference_seconds)}: "
        f"fastnn is {_ratio(seconds, reference_seconds)}")

    # A sum of n terms has a relative error of at most n eps, activations and updates a smaller one. Steps add up.
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
    """Train scikit-learn's MLPClassifier with the same recipe; print its time and accuracy next to those of fastnn."""
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
        warnings.simplefilter("ignore", ConvergenceWarning)  # training is meant to end after max_iter epochs
        for epochs, learning_rate in recipe.stages():
            other.set_params(max_iter=epochs, learning_rate_init=learning_rate)
            other.fit(pictures.X_train, pictures.y_train)
    other_seconds = perf_counter() - began
    say(f"{'':14}{'training':>10}  {'test accuracy':>13}")
    for name, time, score in (("fastnn", seconds, accuracy),
                              ("scikit-learn", other_seconds, other.score(pictures.X_test, pictures.y_test))):
        say(f"{name:14}{duration(time):>10}  {100 * score:11.1f} %")
    say(f"fastnn is {_ratio(seconds, other_seconds)}")


def duration(seconds: float) -> str:
    return f"{1000 * seconds:.0f} ms" if seconds < 1 else f"{seconds:.1f} s"


def _ratio(ours: float, theirs: float) -> str:
    return f"{theirs / ours:.1f} times faster" if ours <= theirs else f"{ours / theirs:.1f} times slower"
