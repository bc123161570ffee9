"""What calls of the estimators and of Network cost besides arithmetic: small calls, an epoch, data, and searches."""

import os
import warnings
from collections.abc import Callable
from statistics import median
from time import perf_counter

import numpy as np
from measure import in_process, microseconds

from suites.estimators import classifier, shipped, texts

ROWS, FEATURES = 60_000, 784
FEW_ROWS = 400  # two mini-batches
EPOCHS = 500
SEARCHES = {"iris": 600, "digits": 80}  # data, epochs of a fit


def best(call: Callable[[], object], seconds: float = 2.0, least: int = 3) -> float:
    """The shortest time of a call, in seconds."""
    times: list[float] = []
    while len(times) < least or sum(times) < seconds:
        began = perf_counter()
        call()
        times.append(perf_counter() - began)
    return min(times)


# ---- Small calls ----------------------------------------------------------------------------------------------------


def calls() -> dict[str, float]:
    """Microseconds of calls on iris, whose networks have a hidden layer of 100 units."""
    import pandas

    from fastnn import MLPRegressor, Network

    X, y = shipped("iris")
    row, rows = X[:1].copy(), (X[:32].copy(), y[:32].copy())
    estimators = {"MLPClassifier": classifier("fastnn", 5, {}),
                  "MLPRegressor": MLPRegressor(max_iter=5, tol=0, random_state=0)}
    net = Network([4, 100, 3], dtype="float64", random_state=0)
    figures = {}
    for name, estimator in estimators.items():
        figures[f"{name}.fit, 5 epochs"] = microseconds(lambda estimator=estimator: estimator.fit(X, y))
        figures[f"{name}.predict, 1 row"] = microseconds(lambda estimator=estimator: estimator.predict(row))
    figures["MLPClassifier.predict_proba, 1 row"] = microseconds(lambda: estimators["MLPClassifier"].predict_proba(row))
    figures["Network.fit, 5 epochs"] = microseconds(lambda: net.fit(X, y, epochs=5))
    figures["Network.predict, 1 row"] = microseconds(lambda: net.predict(row))
    figures["Network.predict_proba, 1 row"] = microseconds(lambda: net.predict_proba(row))
    for name, one in (*estimators.items(), ("Network", net)):
        figures[f"{name}.partial_fit, 32 rows"] = microseconds(lambda one=one: one.partial_fit(*rows))
    for name, estimator in estimators.items():
        estimator.fit(pandas.DataFrame(X, columns=list("abcd")), y)
        figures[f"{name}.predict, 1 row, trained on a frame"] = microseconds(
            lambda estimator=estimator: estimator.predict(row))
    return figures


# ---- An epoch -------------------------------------------------------------------------------------------------------


def epoch() -> dict[str, float]:
    """Microseconds of an epoch of MLPClassifier on iris, and of its single step."""
    from fastnn._core.training_plan import TrainingPlan
    from fastnn.estimators import _stochastic

    X, y = shipped("iris")
    one, all_of_them = (best(lambda count=count: classifier("fastnn", count, {}).fit(X, y)) for count in (1, EPOCHS))
    step: list[float] = []

    def run(fit, checks_X: bool = False) -> None:
        with fit._bound_plan() as plan:
            assert type(plan) is TrainingPlan
            step.append(microseconds(lambda: plan.step(0, len(X), 1e-6)))

    _stochastic.StochasticFit.run, original = run, _stochastic.StochasticFit.run
    try:
        classifier("fastnn", 1, {}).fit(X, y)
    finally:
        _stochastic.StochasticFit.run = original
    return {"epoch": (all_of_them - one) / (EPOCHS - 1) * 1e6, "step": step[0]}


# ---- Data -----------------------------------------------------------------------------------------------------------


def data(kind: str):
    if kind == "CSR":
        return texts()
    rng = np.random.default_rng(0)
    return rng.random((ROWS, FEATURES)).astype(kind), rng.integers(0, 10, ROWS)


def fixed(kind: str) -> dict[str, float]:
    """Milliseconds of scikit-learn's validation, and of what fit does besides its epochs because of the data.

    That is what it does for all rows minus what it does for few. The check for NaN is part of the first epoch, which
    counts as far as it takes longer than the second. A single hidden unit makes epochs and initial weights short.
    """
    X, y = data(kind)
    net = {"hidden_layer_sizes": (1,)}

    def beside_epochs(X, y) -> float:
        times: dict[int, float] = {}
        for count in (1, 2) * 4:  # in turns, because the speed of the memory changes with time
            took = best(lambda count=count: classifier("fastnn", count, net).fit(X, y), seconds=0.5)
            times[count] = min(took, times.get(count, took))
        return 2 * times[1] - times[2]

    theirs = best(lambda: classifier("scikit-learn", 1, net)._validate_input(X, y, False, True))
    return {"scikit-learn": theirs * 1e3,
            "fastnn": (beside_epochs(X, y) - beside_epochs(X[:FEW_ROWS], y[:FEW_ROWS])) * 1e3}


# ---- Searches -------------------------------------------------------------------------------------------------------


def search(workload: str) -> dict[str, float]:
    """Seconds of a grid search: one job, two by threads, two by processes, and the same on one thread each."""
    import joblib
    from joblib.externals.loky import get_reusable_executor
    from sklearn.model_selection import GridSearchCV

    X, y = shipped(workload)
    epochs = SEARCHES[workload]

    def seconds(backend: str, n_jobs: int, n_threads: int | None) -> float:
        estimator = classifier("fastnn", epochs, {"n_threads": n_threads})
        grid = GridSearchCV(estimator, {"alpha": [1e-4, 1e-3, 1e-2, 1e-1]}, cv=2, n_jobs=n_jobs, refit=False)
        with joblib.parallel_config(backend=backend):
            grid.fit(X, y)  # starts the processes
            return best(lambda: grid.fit(X, y), seconds=0.5, least=2)

    figures = {"one job, one thread": seconds("threading", 1, 1), "two threads": seconds("threading", 2, 1),
               "two threads, default n_threads": seconds("threading", 2, None),
               "two processes": seconds("loky", 2, None), "two processes, one thread each": seconds("loky", 2, 1)}
    get_reusable_executor().shutdown(wait=True)
    return figures


# ---- The suite ------------------------------------------------------------------------------------------------------


def work(part: str, **arguments) -> dict[str, float]:
    warnings.simplefilter("ignore")  # ConvergenceWarning, and frames without names
    os.environ["PYTHONWARNINGS"] = "ignore"  # in the processes of searches
    return {"calls": calls, "epoch": epoch, "fixed": fixed, "search": search}[part](**arguments)


def measured(options, part: str, n_threads: int = 1, **arguments) -> dict[str, float]:
    """The medians over the turns."""
    turns = [in_process("fixed_costs", {"part": part, **arguments}, n_threads) for _ in range(options.turns)]
    return {name: median(turn[name] for turn in turns) for name in turns[0]}


def run_calls(options) -> list[dict]:
    us = measured(options, "calls")
    print(f"\nMicroseconds of calls on iris, network 4-100-3, float64, one thread; medians of {options.turns} "
          "processes")
    for name, value in us.items():
        print(f"{name:<52} {value:8.1f}")
    more = {name: us[f"{name}.predict, 1 row, trained on a frame"] - us[f"{name}.predict, 1 row"]
            for name in ("MLPClassifier", "MLPRegressor")}
    return [{"part": "calls", "us": us, "cell": "small calls"},
            *({"part": "frame", "cell": name, "targets": {
                "prediction of a row, trained on a frame - on arrays, us": value}} for name, value in more.items())]


def run_epoch(options) -> list[dict]:
    us = measured(options, "epoch")
    print(f"\nAn epoch of MLPClassifier on iris: {us['epoch']:.1f} us, its step {us['step']:.1f} us")
    return [{"part": "epoch", "us": us, "cell": "MLPClassifier",
             "targets": {"epoch of a fit of iris, us": us["epoch"]}}]


def run_fixed(options) -> list[dict]:
    print("\nMilliseconds of scikit-learn's validation, and of fastnn's fit beside its epochs, because of the data")
    rows = []
    for kind in ("float64", "float32", "CSR"):
        ms = measured(options, "fixed", kind=kind)
        print(f"{kind:<8} {ms['scikit-learn']:8.2f} {ms['fastnn']:8.2f}", flush=True)
        rows.append({"part": "fixed", "ms": ms, "cell": f"fit, {kind}", "targets": {
            "fixed cost of a fit / scikit-learn's validation": ms["fastnn"] / ms["scikit-learn"]}})
    return rows


def run_search(options) -> list[dict]:
    print("\nSeconds of GridSearchCV, 8 fits of MLPClassifier")
    rows = []
    for workload in SEARCHES:
        seconds = measured(options, "search", n_threads=2, workload=workload)
        print(f"{workload}: " + ", ".join(f"{name} {value:.2f}" for name, value in seconds.items()), flush=True)
        rows.append({"part": "search", "seconds": seconds, "cell": f"search on {workload}", "targets": {
            "GridSearchCV, n_jobs=2 by threads: speed-up": seconds["one job, one thread"] / seconds["two threads"],
            "GridSearchCV, n_jobs=2 by processes / one thread each":
                seconds["two processes"] / seconds["two processes, one thread each"]}})
    return rows


PARTS = {"calls": run_calls, "epoch": run_epoch, "fixed": run_fixed, "search": run_search}


def run(options) -> list[dict]:
    names = options.only.split(",") if options.only else PARTS
    return [row for name in names for row in PARTS[name](options)]
