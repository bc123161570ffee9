"""Whole fits of MLPClassifier, fastnn's and scikit-learn's, through the public interface; predict_proba of one row."""

import resource
import sys
import warnings
from collections.abc import Callable
from importlib.util import find_spec
from statistics import median
from time import perf_counter

import numpy as np
from measure import in_process, microseconds, threads

SECONDS = 1.0  # for which fits of the same number of epochs are repeated
ROWS, FEATURES, NON_ZEROS, CLASSES = 20_000, 50_000, 100, 20  # of the bag-of-words matrix


def shipped(name: str):
    """A standardised data set of scikit-learn."""
    from sklearn import datasets, preprocessing

    X, y = getattr(datasets, f"load_{name}")(return_X_y=True)
    return preprocessing.StandardScaler().fit_transform(X), y


def pictures():
    rng = np.random.default_rng(0)
    return rng.random((12_800, 784), np.float32), rng.integers(0, 10, 12_800)


def texts():
    import scipy.sparse as sp

    rng = np.random.default_rng(0)
    columns = rng.integers(0, FEATURES, ROWS * NON_ZEROS, dtype=np.int32)
    bounds = np.arange(0, ROWS * NON_ZEROS + 1, NON_ZEROS, dtype=np.int32)
    X = sp.csr_matrix((rng.random(ROWS * NON_ZEROS), columns, bounds), shape=(ROWS, FEATURES))
    X.sum_duplicates()
    return X, rng.integers(0, CLASSES, ROWS)


# Data, parameters, epochs and the target: how many times faster than scikit-learn.
WORKLOADS: dict[str, tuple[Callable, dict, int, float]] = {
    "iris": (lambda: shipped("iris"), {}, 60, 6.0),
    "breast cancer": (lambda: shipped("breast_cancer"), {}, 60, 4.5),
    "digits": (lambda: shipped("digits"), {}, 60, 3.5),
    "pictures": (pictures, {"hidden_layer_sizes": (128, 64), "batch_size": 128}, 3, 2.5),
    "texts": (texts, {"hidden_layer_sizes": (64,)}, 3, 3.0),
}
ONE_ROW = "predict_proba of one row of digits"
ONE_ROW_TARGET = 4.0


def classifier(system: str, epochs: int, parameters: dict):
    """An estimator that trains for exactly `epochs` epochs."""
    if system == "fastnn":
        from fastnn import MLPClassifier
    else:
        from sklearn.neural_network import MLPClassifier
    return MLPClassifier(max_iter=epochs, tol=0, n_iter_no_change=epochs + 1, random_state=0, **parameters)


def fit_seconds(system: str, X, y, epochs: int, parameters: dict) -> float:
    """The best time of a whole fit."""
    times = []
    while not times or sum(times) < SECONDS:
        estimator = classifier(system, epochs, parameters)
        began = perf_counter()
        estimator.fit(X, y)
        times.append(perf_counter() - began)
    return min(times)


def work(system: str, workload: str) -> dict[str, float]:
    warnings.simplefilter("ignore")  # ConvergenceWarning
    if workload == ONE_ROW:
        X, y = shipped("digits")
        estimator = classifier(system, 5, {}).fit(X, y)
        return {"us": microseconds(lambda: estimator.predict_proba(X[:1]))}
    data, parameters, epochs, _ = WORKLOADS[workload]
    X, y = data()
    steps = -(-X.shape[0] // parameters.get("batch_size", min(200, X.shape[0])))
    fit_seconds(system, X, y, 1, parameters)
    one, all_of_them = (fit_seconds(system, X, y, count, parameters) for count in (1, epochs))
    fixed = one - (all_of_them - one) / (epochs - 1)
    unit = 1 if sys.platform == "darwin" else 1024  # of ru_maxrss, in bytes
    return {"us": all_of_them / (epochs * steps) * 1e6, "fixed_ms": fixed * 1e3,
            "peak_MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 1e6}


def run(options) -> list[dict]:
    if not find_spec("sklearn"):
        print("scikit-learn is not installed: pip install 'fastnn[bench]'")
        return []
    names = options.only.split(",") if options.only else [*WORKLOADS, ONE_ROW]
    systems, rows = ("scikit-learn", "fastnn"), []
    print(f"scikit-learn / fastnn, medians of {options.turns} processes: us per step of a whole fit (or per "
          "call), fixed cost of a fit, peak memory of the process")
    print(f"| {'':<34} | threads | {'us':^19} | ratio | target | {'fixed ms':^17} | {'peak MB':^15} |")
    print("|" + "---|" * 7)
    for name in names:
        target = ONE_ROW_TARGET if name == ONE_ROW else WORKLOADS[name][3]
        for n_threads in threads(options):
            turns = [{system: in_process("estimators", {"system": system, "workload": name}, n_threads)
                      for system in systems} for _ in range(options.turns)]
            row = {system: {key: median(turn[system][key] for turn in turns) for key in turns[0][system]}
                   for system in systems}
            theirs, ours = (row[system] for system in systems)
            print(f"| {name:<34} | {n_threads:>7} | {theirs['us']:>8.1f} / {ours['us']:>8.1f} |"
                  f" {theirs['us'] / ours['us']:>5.1f} | {target:>6.1f} | "
                  + " | ".join(f"{theirs[key]:>{w}.{d}f} / {ours[key]:>{w}.{d}f}" if key in ours else " " * (2 * w + 3)
                               for key, w, d in (("fixed_ms", 7, 2), ("peak_MB", 6, 0))) + " |", flush=True)
            rows.append({"workload": name, "threads": n_threads, "target": target, **row})
    return rows
