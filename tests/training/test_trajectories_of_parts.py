"""Twenty steps of networks with an input stage or mixtures against the NumPy reference.

Bounded by perturbed runs of the reference, as test_trajectories describes; the longest path of a step includes the
waves of the embedding: the sum over the frequencies, and 16 roundings for each wave and its slope.
"""

from functools import cache

import numpy as np
import pytest
from helpers.kernel_cases import LEVELS
from helpers.part_cases import NETS, ROWS, Reference, data, flat, network

from fastnn import optimizers, runtime
from fastnn._data import feeds
from fastnn._data.examples import Examples
from fastnn._threads.policy import Parallelism
from fastnn._training.binding import bind
from fastnn._training.optimizer_state import OptimizerState

BATCH = 16
BATCHES = [slice(start, stop) for start, stop in feeds.batch_bounds(ROWS, BATCH)] * 5
RUNS, SEED = 3, 2**63 - 5
OPTIMIZERS = {
    "sgd": (optimizers.SGD(), 0.1),
    "momentum": (optimizers.Momentum(), 0.02),
    "adam": (optimizers.Adam(), 0.01),
}


def longest_path(net):
    widths = net._architecture.widths
    waves = 0 if net.embedding is None else net.embedding.n_frequencies + 32
    return sum(widths) + sum(widths[1:]) + 16 * (len(widths) - 1) + BATCH + waves


def run_reference(name, dtype, rule, nudge=0.0, seed=0):
    net = network(name, dtype)
    optimizer, rate = OPTIMIZERS[rule]
    model = Reference(net, optimizer.rule, SEED, **optimizer.hyperparameters)
    rng, losses = np.random.default_rng(seed), []
    X, y, weights = data(net, weighted=True)
    codes = [] if net.embedding is None else list(net.embedding.categories)
    for rows in BATCHES:
        x = X[rows].astype(np.float64)
        if nudge:
            for array in (*model.parameters.values(), x):
                array *= 1 + nudge * rng.choice([-1, 1], array.shape)
            x[:, codes] = X[rows][:, codes]
        losses.append(model.step(x, y[rows], rate, weights[rows].astype(np.float64)))
    return np.array(losses), model.theta()


@cache
def expected(name, dtype, rule):
    """The reference's losses and parameters, and the distances of its perturbed runs."""
    exact = run_reference(name, dtype, rule)
    nudge = longest_path(network(name)) * float(np.finfo(dtype).eps) / 2
    nudged = [run_reference(name, dtype, rule, nudge, seed) for seed in range(RUNS)]
    return *exact, *(max(np.linalg.norm(run[k] - exact[k]) for run in nudged) for k in range(2))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", OPTIMIZERS)
@pytest.mark.parametrize("name", NETS)
def test_plan_follows_the_reference(name, rule, dtype, monkeypatch):
    optimizer, rate = OPTIMIZERS[rule]
    exact_losses, exact_theta, e_losses, e_theta = expected(name, dtype, rule)
    for level in LEVELS:
        monkeypatch.setattr(runtime, "LEVEL", level)
        ways = [Parallelism(1, 1, 1), Parallelism(2, 1, 1), Parallelism(2, 2, 1)]
        results = []
        for way in ways if level == LEVELS[-1] else ways[:2]:
            net = network(name, dtype)
            X, y, weights = data(net, weighted=True)
            values = net._values()
            examples = Examples.check(X, y, weights, values.architecture, values.objective.loss)
            state = OptimizerState(optimizer, net.n_parameters, dtype, SEED)
            plan = bind(values.architecture, values.objective, values.parameters, examples, state, batch_size=BATCH,
                        parallelism=way)  # fmt: skip
            losses = [plan.step(rows.start, rows.stop, rate) for rows in BATCHES]
            off = np.linalg.norm(flat(net.parameters) - exact_theta)
            assert off <= e_theta
            assert np.linalg.norm(losses - exact_losses) <= e_losses
            if dtype == "float64":
                assert off <= 1e-10 * np.linalg.norm(exact_theta)
            results.append(flat(net.parameters))
        if len(results) == 3:
            assert np.array_equal(results[1], results[2])  # shards alone determine the bits, not threads


@pytest.mark.parametrize("name", NETS)
def test_fit_follows_the_reference(name):
    net = network(name)
    X, y, _ = data(net)
    model = Reference(net, "adam")
    history = net.fit(X, y, batch_size=BATCH, epochs=5, learning_rate=0.01, shuffle=False, n_threads=1)
    model.seed = net._state.dropout_seed
    losses = np.array([model.step(X[rows], y[rows], 0.01) for rows in BATCHES]).reshape(5, -1)
    counts = [rows.stop - rows.start for rows in BATCHES[: losses.shape[1]]]
    np.testing.assert_allclose(history["loss"], losses @ counts / ROWS, rtol=1e-10)
    np.testing.assert_allclose(flat(net.parameters), model.theta(), rtol=1e-8, atol=1e-10)
