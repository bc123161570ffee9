"""Training steps and predictions on subnormal numbers, compared with the same on normal ones."""

from collections.abc import Callable
from time import perf_counter

import numpy as np
import targets
from measure import gather, threads
from networks import NETWORKS, chosen, label

TARGET = "with subnormal numbers / without"
ROUNDS, SECONDS = 5, 0.05  # of measurement for each kind of numbers, per case and process
MAX_STEPS = 400  # of a round: the moments decay by 0.9 a step, and must neither vanish nor become subnormal
ROWS = 1000  # of a prediction
CASES = ("moments", "activations", "X", "prediction")


def seconds(prepare: Callable[[], None], call: Callable[[], object], count: int) -> float:
    """The mean time of `count` calls after `prepare`."""
    prepare()
    began = perf_counter()
    for _ in range(count):
        call()
    return (perf_counter() - began) / count


def compared(prepare: Callable[[bool], None], call: Callable[[], object]) -> dict[str, float]:
    """Microseconds of `call` after `prepare(small)` with normal and with subnormal numbers, in turn."""
    best = {False: float("inf"), True: float("inf")}
    for small in best:
        prepare(small)
        call()
    once = min(seconds(lambda: prepare(False), call, 1) for _ in range(3))
    count = max(1, min(MAX_STEPS, round(SECONDS / once)))
    for _ in range(ROUNDS):
        for small in best:
            best[small] = min(best[small], seconds(lambda small=small: prepare(small), call, count))
    return {"normal": best[False] * 1e6, "subnormal": best[True] * 1e6}


def plan_of(sizes: list[int], batch: int, dtype: str, n_threads: int, activation: str):
    """A plan with its network, its examples and the state of Adam. A learning rate of 0 leaves the parameters."""
    from fastnn import Network, optimizers
    from fastnn._data.examples import Examples
    from fastnn._threads.policy import parallelism
    from fastnn._training.binding import bind
    from fastnn._training.optimizer_state import OptimizerState

    rng = np.random.default_rng(0)
    net = Network(sizes, activation=activation, random_state=0, dtype=dtype)
    X = rng.standard_normal((batch, sizes[0])).astype(dtype)
    examples = Examples(X, rng.integers(0, sizes[-1], batch).astype(np.int32), None)
    state = OptimizerState(optimizers.Adam(), net._parameters.size, net.dtype)
    way = parallelism(sizes, batch, n_threads, net._parameters.size)
    plan = bind(net._architecture, net._objective, net._parameters, examples, state, batch_size=batch,
                parallelism=way)
    return net, X, state, plan, way.blas_threads


def moments_case(sizes: list[int], batch: int, dtype: str, n_threads: int):
    """Hidden units that are dead, so that their gradients are 0 and their moments decay."""
    net, _, state, plan, blas = plan_of(sizes, batch, dtype, n_threads, "relu")
    for b in net.b[:-1]:
        b[...] = -1e3

    def prepare(small: bool) -> None:
        for arena in state.arenas:
            arena[...] = np.finfo(dtype).smallest_normal / 4 if small else 1

    return prepare, lambda: plan.step(0, batch, 0.0), blas


def activations_case(sizes: list[int], batch: int, dtype: str, n_threads: int):
    """Sigmoid units whose outputs are about the smallest normal number / 20, or 1/2."""
    net, _, _, plan, blas = plan_of(sizes, batch, dtype, n_threads, "sigmoid")
    for W in net.W[:-1]:
        W[...] = 0

    def prepare(small: bool) -> None:
        for b in net.b[:-1]:
            b[...] = np.log(np.finfo(dtype).smallest_normal) - 3 if small else 0

    return prepare, lambda: plan.step(0, batch, 0.0), blas


def X_case(sizes: list[int], batch: int, dtype: str, n_threads: int):
    """A step on X of order 1, or a quarter of the smallest normal number."""
    _, X, _, plan, blas = plan_of(sizes, batch, dtype, n_threads, "relu")
    normal = X.copy()

    def prepare(small: bool) -> None:
        X[...] = normal * (np.finfo(dtype).smallest_normal / 4 if small else 1)

    return prepare, lambda: plan.step(0, batch, 0.0), blas


def prediction_case(sizes: list[int], batch: int, dtype: str, n_threads: int):
    """The probabilities of rows like those of `X_case`."""
    from fastnn import Network

    net = Network(sizes, random_state=0, dtype=dtype)
    normal = np.random.default_rng(0).standard_normal((ROWS, sizes[0])).astype(dtype)
    X = normal.copy()

    def prepare(small: bool) -> None:
        X[...] = normal * (np.finfo(dtype).smallest_normal / 4 if small else 1)

    return prepare, lambda: net.predict_proba(X, n_threads=n_threads), 1


def work(workload: str, dtype: str, n_threads: int) -> dict[str, float]:
    from fastnn import runtime

    sizes, batch = NETWORKS[workload]
    makers = dict(zip(CASES, (moments_case, activations_case, X_case, prediction_case), strict=True))
    figures = {}
    for case, make in makers.items():
        prepare, call, blas = make(sizes, batch, dtype, n_threads)
        with runtime.blas_threads(blas):
            figures |= {f"{case} {name}": value for name, value in compared(prepare, call).items()}
    return figures


def run(options) -> list[dict]:
    table = []
    print(f"us with normal and with subnormal numbers (median of {options.turns}), and their ratio (target: at most "
          f"{targets.LIMITS[TARGET].bound}): a step with such moments, hidden activations or X, and a prediction of "
          f"{ROWS} rows")
    for dtype in options.dtypes.split(","):
        for workload in chosen(options):
            for n_threads in threads(options):
                case = {"fastnn": {"workload": workload, "dtype": dtype, "n_threads": n_threads}}
                figures = gather("subnormals", case, n_threads, options.turns)["fastnn"]
                for name in CASES:
                    us = {kind: figures[f"{name} {kind}"] for kind in ("normal", "subnormal")}
                    ratio = us["subnormal"] / us["normal"]
                    print(f"{label(workload):<36} {dtype} {n_threads} thread{'s' * (n_threads > 1):<1} {name:<12} "
                          f"{us['normal']:>10.1f} {us['subnormal']:>10.1f} {ratio:>6.2f}", flush=True)
                    table.append({"workload": workload, "dtype": dtype, "threads": n_threads, "numbers": name, "us": us,
                                  "cell": f"subnormal {name} of {workload}, {dtype}, threads: {n_threads}",
                                  "targets": {TARGET: ratio}})
    return table
