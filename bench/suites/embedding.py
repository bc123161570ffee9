"""The cost of an input stage: its kernels, and training steps and predictions of a row with and without it.

"without" is the network of the same columns, "wide" one of as many plain columns as the input stage has rows: its first
layer is the same, so that the difference is the input stage alone, with the derivative of A[0].
"""

from collections.abc import Callable

import numpy as np
import targets
from measure import gather, microseconds, threads

from suites.step import data, step_time

COLUMNS, HIDDEN, BATCH, N_BATCHES = 20, [256, 256, 256, 2], 256, 8
SHARE, ADDED, ROW = ("kernels of the input stage / step", "input stage / step",
                     "prediction of a row with input stage / without")
SYSTEMS = ("kernels", "with", "without", "wide")
CASES = {"numbers": "20 numbers", "mixed": "10 numbers, 10 categories of 20 codes"}


def stage(case: str):
    """The embedding of a case."""
    from fastnn.embeddings import Embedding

    if case == "numbers":
        return Embedding(range(COLUMNS))
    return Embedding(range(COLUMNS // 2), dict.fromkeys(range(COLUMNS // 2, COLUMNS), 20))


def table(case: str, dtype: str) -> tuple[np.ndarray, np.ndarray]:
    X, y = data([COLUMNS, *HIDDEN], BATCH, N_BATCHES, dtype)
    for column, count in stage(case).categories.items():
        X[:, column] = np.random.default_rng(column).integers(0, count, len(X))
    return X, y


def kernel_calls(case: str, dtype: str, m: int) -> dict[str, Callable[[], object]]:
    """Calls of the two kernels on m examples."""
    from fastnn._core import kernels
    from fastnn.runtime import LEVEL

    embedding = stage(case)
    shapes = {"scale": (embedding.width(COLUMNS),), **embedding.shapes}
    stops = np.cumsum([int(np.prod(shape)) for shape in shapes.values()])
    arguments = {"table": embedding.table(COLUMNS), "level": LEVEL, "offsets": (0, *map(int, stops[:-1])),
                 "sizes": (embedding.n_frequencies, embedding.n_outputs, embedding.vector_size)}
    theta = np.random.default_rng(0).standard_normal(stops[-1]).astype(dtype)
    X = np.asfortranarray(table(case, dtype)[0][:m].T)
    A, gradient = np.ones((embedding.width(COLUMNS), m), dtype, order="F"), np.empty_like(theta)
    return {"embed": lambda: kernels.embed(X, theta, A, **arguments),
            "embed_backward": lambda: kernels.embed_backward(X, theta, A, 1.0, gradient, **arguments)}


class Trained:
    """A network as `step_time` trains it."""

    def __init__(self, net, n_threads: int):
        self.net, self.n_threads = net, n_threads

    def train(self, X: np.ndarray, y: np.ndarray, batch: int, epochs: int) -> None:
        self.net.fit(X, y, batch_size=batch, epochs=epochs, learning_rate=1e-4, n_threads=self.n_threads)


def work(case: str, dtype: str, n_threads: int, system: str) -> dict[str, float]:
    if system == "kernels":
        without = kernel_calls(case, dtype, 0)  # the fixed cost of a call
        return {name: microseconds(call, seconds=0.05) - microseconds(without[name], seconds=0.02)
                for name, call in kernel_calls(case, dtype, BATCH).items()}
    from fastnn import Network

    X, y = table(case, dtype)
    if system == "wide":
        X = np.resize(X, (len(X), stage(case).width(COLUMNS)))
    parts = {"embedding": stage(case), "scale_inputs": True} if system == "with" else {}
    net = Network([X.shape[1], *HIDDEN], random_state=0, dtype=dtype, **parts)
    us = {"step": step_time(Trained(net, n_threads), X, y, BATCH)}
    row = X[:1]
    return us | {"row": microseconds(lambda: net.predict_proba(row, n_threads=n_threads), seconds=0.05)}


def run(options) -> list[dict]:
    names = options.only.split(",") if options.only else list(CASES)
    rows = []
    print(f"us per call of the kernels, per step and per prediction of a row; {COLUMNS}-{'-'.join(map(str, HIDDEN))}, "
          f"batch {BATCH} (median of {options.turns})")
    for dtype in options.dtypes.split(","):
        for case in names:
            for n_threads in threads(options):
                systems = {system: {"case": case, "dtype": dtype, "n_threads": n_threads, "system": system}
                           for system in SYSTEMS}
                us = gather("embedding", systems, n_threads, options.turns)
                kernels, step = sum(us["kernels"].values()), us["with"]["step"]
                found = {ADDED: 1 - us["wide"]["step"] / step, ROW: us["with"]["row"] / us["without"]["row"]}
                if n_threads == 1:  # the kernels are measured on one
                    found = {SHARE: kernels / step, **found}
                print(f"{CASES[case]:<38} {dtype} {n_threads} thread(s): "
                      + ", ".join(f"{name} {value:.1f}" for name, value in us["kernels"].items())
                      + "".join(f", {name} {us[name]['step']:.0f} and {us[name]['row']:.1f}"
                                for name in ("without", "wide", "with")), flush=True)
                for name, value in found.items():
                    print(f"    {name}: {value:.3f} ({targets.LIMITS[name].bound})", flush=True)
                limited = found if case == "numbers" and dtype == "float32" and n_threads == 1 else {}
                rows.append({"case": case, "dtype": dtype, "threads": n_threads, "us": us, "figures": found,
                             "cell": f"{CASES[case]}, {dtype}, {n_threads} thread(s)", "targets": limited})
    return rows
