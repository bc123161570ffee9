"""The cost of the Python training loop per step, per epoch and per fit, on the smallest network."""

from time import perf_counter

import numpy as np
from measure import microseconds, take_turns

STEPS = 200_000


def epoch_us() -> float:
    """A step of a network with two parameters: an upper bound of the cost of the loop."""
    from fastnn import Network

    X = np.zeros((STEPS, 1), np.float32)
    y = np.zeros(STEPS, np.float32)
    net = Network([1, 1], output="identity", random_state=0)
    net.fit(X, y, batch_size=1, epochs=1, optimizer="sgd", shuffle=False, n_threads=1)
    history = net.fit(X, y, batch_size=1, epochs=5, optimizer="sgd", shuffle=False, n_threads=1)
    return min(history["seconds"]) / STEPS * 1e6


def loop_us(learning_rate: str = "0.1") -> float:
    """The loop alone, around a step that does nothing."""
    from fastnn import schedules
    from fastnn._data.examples import batch_bounds
    from fastnn._training import loop
    from fastnn._training.schedule_state import ScheduleState

    class Idle:
        @staticmethod
        def step(start: int, stop: int, learning_rate: float) -> float:
            return 0.0

    schedule = {"0.1": schedules.Constant(0.1), "cosine": schedules.Cosine(0.1, warmup=0.1)}[learning_rate]
    best = float("inf")
    for _ in range(5):
        began = perf_counter()
        loop.run_batches(Idle.step, batch_bounds(STEPS, 1), ScheduleState(schedule, 1, STEPS, ()).rates())
        best = min(best, perf_counter() - began)
    return best / STEPS * 1e6


def epochs_us() -> float:
    """An epoch of one step, 64-64-10 and 32 examples: the step and the fixed cost of an epoch."""
    from fastnn import Network

    X = np.zeros((32, 64), np.float32)
    y = np.zeros(32, np.int64)
    net = Network([64, 64, 10], random_state=0)
    return microseconds(lambda: net.fit(X, y, batch_size=None, epochs=1000)) / 1000


def fit_us() -> float:
    """A whole fit of one epoch of one step, 64-64-10: the fixed cost of a fit."""
    from fastnn import Network

    X = np.zeros((32, 64), np.float32)
    y = np.zeros(32, np.int64)
    net = Network([64, 64, 10], random_state=0)
    return microseconds(lambda: net.fit(X, y, batch_size=32, epochs=1))


CASES = {
    "one step in the loop, net 1-1": epoch_us, "the loop alone": loop_us,
    "the loop alone, cosine per step": lambda: loop_us("cosine"), "a fit of one step, 64-64-10": fit_us,
    "an epoch of one step, 64-64-10": epochs_us,
}


def work(case: str) -> float:
    return CASES[case]()


def run(options) -> dict[str, float]:
    figures = take_turns("loop", {case: {"case": case} for case in CASES}, 1, options.turns)
    for case, value in figures.items():
        print(f"{case:<32} {value:8.2f} us")
    return figures
