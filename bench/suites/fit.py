"""Whole fits: the cost of shuffling, the time to a test accuracy from interpreter start, and the import time."""

import gzip
import subprocess
import sys
from itertools import product
from pathlib import Path
from statistics import median
from time import perf_counter

import numpy as np
import peers
import targets
from measure import gather, in_process, threads

SIZES, BATCH = [784, 128, 64, 10], 128
ROWS = 60_000
ACCURACY, MAX_EPOCHS = 0.88, 30
# A common constant rate, and the fastest for fastnn among several constants and decays with batches of 64 to 512.
RATES = {"0.001": lambda epoch: 0.001, "0.004 x 0.6^epoch": lambda epoch: 0.004 * 0.6**epoch}


# ---- Shuffling ------------------------------------------------------------------------------------------------------


def epochs(system: str, n_threads: int) -> dict[str, float]:
    """Milliseconds of a shuffled epoch on 60 000 x 784 random numbers; for fastnn also of an epoch in order."""
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((ROWS, SIZES[0]), np.float32), rng.integers(0, SIZES[-1], ROWS)
    peer = peers.make(system, SIZES, "float32", n_threads)
    if system != "fastnn":
        peer.train(X, y, BATCH, 1)
        times = []
        for _ in range(2):
            began = perf_counter()
            peer.train(X, y, BATCH, 1)
            times.append(perf_counter() - began)
        return {"shuffled": min(times) * 1e3}
    times = {True: [], False: []}
    for _ in range(4):
        for shuffle, found in times.items():
            ends: list[float] = []  # differences between epochs exclude the fixed cost of a fit
            peer.net.fit(X, y, batch_size=BATCH, epochs=4, shuffle=shuffle, n_threads=n_threads,
                         callbacks=[lambda net, record, ends=ends: ends.append(perf_counter())])
            found += np.diff(ends).tolist()
    return {"shuffled": median(times[True]) * 1e3, "in order": median(times[False]) * 1e3}


def run_shuffling(options) -> list[dict]:
    systems, rows = peers.chosen(options, "trains"), []
    print(f"\nMilliseconds per shuffled epoch of {ROWS} x {SIZES[0]} float32, batch {BATCH}; for fastnn also in order, "
          f"and the ratio (target: at most {targets.SHUFFLED_EPOCH})")
    for n_threads in threads(options):
        cases = {name: {"part": "epochs", "system": name, "n_threads": n_threads} for name in systems}
        figures = gather("fit", cases, n_threads, options.turns)
        ours = figures["fastnn"]
        ratio = ours["shuffled"] / ours["in order"]
        print(f"{n_threads} threads: " + ", ".join(f"{name} {figures[name]['shuffled']:.0f}" for name in systems)
              + f"; fastnn in order {ours['in order']:.0f}: {ratio:.3f}", flush=True)
        rows.append({"part": "shuffling", "threads": n_threads, "ms": {n: figures[n]["shuffled"] for n in systems},
                     "in order": ours["in order"], "ratio": ratio, "target": targets.SHUFFLED_EPOCH})
    return rows


# ---- Time to accuracy -----------------------------------------------------------------------------------------------


def fashion_mnist() -> Path | None:
    """The folder of the data set, or None if it is not installed."""
    from fastnn import datasets

    try:
        datasets.load_fashion_mnist()
    except FileNotFoundError as error:
        print(f"\ntime to accuracy skipped: {error}")
        return None
    return datasets._FASHION_MNIST


def read(folder: str, part: str) -> tuple[np.ndarray, np.ndarray]:
    """Images (m, 784) as float32 in [0, 1], and labels (m,); the same code for every system, without fastnn."""
    def values(kind: str, header: int) -> np.ndarray:
        with gzip.open(Path(folder) / f"{part}-{kind}-ubyte.gz") as file:
            return np.frombuffer(file.read(), np.uint8, offset=header)

    y = values("labels-idx1", 8).astype(np.int64)
    return np.multiply(values("images-idx3", 16), np.float32(1 / 255), dtype=np.float32).reshape(len(y), -1), y


def accuracy(system: str, n_threads: int, folder: str, rate: str, seed: int) -> dict[str, float]:
    """Train one epoch at a time until the test accuracy reaches ACCURACY."""
    began = perf_counter()
    X, y = read(folder, "train")
    X_test, y_test = read(folder, "t10k")
    reading = perf_counter() - began
    peers.seed = seed
    peer = peers.make(system, SIZES, "float32", n_threads)
    right, epoch, began = 0.0, 0, perf_counter()
    while right < ACCURACY and epoch < MAX_EPOCHS:
        peer.train(X, y, BATCH, 1, RATES[rate](epoch))
        right = float((peer.predict(X_test).argmax(axis=1) == y_test).mean())
        epoch += 1
    return {"epochs": epoch, "accuracy": right, "reading": reading, "training": perf_counter() - began}


def run_accuracy(options) -> list[dict]:
    folder, rows = fashion_mnist(), []
    if folder is None:
        return []
    systems = peers.chosen(options, "trains")
    print(f"\nSeconds to {ACCURACY:.0%} test accuracy on Fashion-MNIST, for the whole process with start-up, imports "
          f"and reading: median of {options.turns} seeds (epochs; seconds of training and prediction)")
    for rate, n_threads in product(RATES, threads(options)):
        turns: dict[str, list[dict]] = {name: [] for name in systems}
        for seed in range(options.turns):
            for name, found in turns.items():
                arguments = {"part": "accuracy", "system": name, "n_threads": n_threads, "folder": str(folder),
                             "rate": rate, "seed": seed}
                began = perf_counter()
                figures = in_process("fit", arguments, n_threads)
                found.append({"seconds": perf_counter() - began, **figures})
        medians = {name: {key: median(turn[key] for turn in found) for key in found[0]}
                   for name, found in turns.items()}
        reached = {name: sum(turn["accuracy"] >= ACCURACY for turn in found) for name, found in turns.items()}
        best = min((medians[name]["seconds"] for name in systems if name != "fastnn"), default=float("nan"))
        print(f"rate {rate}, {n_threads} threads: "
              + ", ".join(f"{name} {of['seconds']:.2f} ({of['epochs']:.0f}; {of['training']:.2f})"
                          for name, of in medians.items())
              + f"; fastnn / best peer {medians['fastnn']['seconds'] / best:.2f} (target: at most {targets.ACCURACY})"
              + "".join(f"; {name} reached it in {n} of {options.turns}" for name, n in reached.items()
                        if n < options.turns), flush=True)
        rows.append({"part": "accuracy", "rate": rate, "threads": n_threads, "reached": reached,
                     "turns": options.turns, "target": targets.ACCURACY,
                     **{key: {name: medians[name][key] for name in systems} for key in medians["fastnn"]}})
    return rows


# ---- Import ---------------------------------------------------------------------------------------------------------


def run_import(options) -> list[dict]:
    """Milliseconds of ``import fastnn`` once its dependencies are imported."""
    code = ("from time import perf_counter; import numpy, scipy.linalg; began = perf_counter(); import fastnn; "
            "print(perf_counter() - began)")
    command = [sys.executable, "-P", "-c", code]
    times = [float(subprocess.run(command, capture_output=True, text=True, check=True).stdout) * 1e3
             for _ in range(1 + 4 * options.turns)][1:]
    print(f"\nimport fastnn beyond numpy and scipy.linalg: {median(times):.1f} ms, median of {len(times)} processes "
          f"(target: at most {targets.IMPORT:.0f})")
    return [{"part": "import", "ms": median(times), "target": targets.IMPORT}]


PARTS = {"shuffling": run_shuffling, "accuracy": run_accuracy, "import": run_import}


def work(part: str, **arguments) -> dict[str, float]:
    return {"epochs": epochs, "accuracy": accuracy}[part](**arguments)


def run(options) -> list[dict]:
    names = options.only.split(",") if options.only else PARTS
    return [row for name in names for row in PARTS[name](options)]
