"""Twenty steps of whole networks against the NumPy reference: through the bound plan, and through `fit`.

The analysis of one step does not bound the effect of rounding over twenty: training amplifies its own errors (the first
steps of Adam are the signs of the gradient, a unit may pass a kink). So the reference itself gives the bound: it is run
again with every parameter and every input perturbed before each step by a relative +-N u, N being the number of
roundings on the longest path of a step, their worst case. The farthest of three such runs bounds the parameters and the
losses in norm. In float64 the difference must also be within 1e-10, relative.
"""

import copy
from functools import cache

import numpy as np
import pytest
import scipy.sparse
from helpers.core_cases import Task
from helpers.kernel_cases import LEVELS

from fastnn import Network, losses, optimizers, runtime
from fastnn._data import feeds
from fastnn._data.examples import Examples
from fastnn._data.sparse import SparseRows
from fastnn._model.architecture import Architecture
from fastnn._model.objective import Objective
from fastnn._model.parameters import Parameters
from fastnn._threads.policy import Parallelism
from fastnn._training.binding import bind
from fastnn._training.groups import TrainedGroups
from fastnn._training.optimizer_state import OptimizerState
from fastnn.optimizers import Group
from fastnn.schedules import CosLog, FlatCosine, Schedule

ROWS, BATCH, EPOCHS = 50, 16, 5  # batches of 16, 16, 16 and 2: twenty steps
BATCHES = [slice(start, stop) for start, stop in feeds.batch_bounds(ROWS, BATCH)] * EPOCHS
RUNS = 3
OPTIMIZERS = {  # and their learning rates
    "sgd": (optimizers.SGD(), 0.2),
    "momentum": (optimizers.Momentum(), 0.05),
    "nesterov": (optimizers.Nesterov(), 0.05),
    "adam": (optimizers.Adam(), 0.01),
    "adamw": (optimizers.AdamW(weight_decay=0.3), 0.01),
    "nadam": (optimizers.NAdam(), 0.01),
    "rmsprop": (optimizers.RMSprop(), 0.003),
    "rmsprop_momentum": (optimizers.RMSprop(momentum=0.8), 0.001),
    "rmsprop_nesterov": (optimizers.RMSprop(momentum=0.8, nesterov=True), 0.001),
}

# sizes, activations, loss, and what else the task has
NETS = {
    "logistic regression": ([5, 1], ["sigmoid"], "binary_cross_entropy", {}),
    "planar flower": ([4, 100, 3], ["relu", "softmax"], "cross_entropy", {}),
    "deep tanh, sigmoid, relu": (
        [8, 16, 12, 10, 4],
        ["tanh", "sigmoid", "relu", "softmax"],
        "cross_entropy",
        {"weighted": True, "l2": 0.01},
    ),
    "gelu, silu, softplus": ([6, 20, 15, 10, 3], ["gelu", "silu", "softplus", "softmax"], "cross_entropy", {}),
    "mish": ([6, 15, 10, 2], ["mish", "mish", "identity"], "squared_error", {}),
    "elu, selu, regression": ([6, 20, 15, 2], ["elu", "selu", "identity"], "squared_error", {"weighted": True}),
    "several sigmoid outputs": (
        [7, 12, 4],
        ["tanh", "sigmoid"],
        "binary_cross_entropy",
        {"weighted": True, "l2": 0.05},
    ),
    "one real output": ([150, 30, 1], ["leaky_relu", "identity"], "squared_error", {"l2": 0.001}),
    "softmax and squared error": ([6, 15, 5, 3], ["softmax", "relu", "softmax"], "squared_error", {}),
    "squared error of a bounded output": ([3, 9, 2], ["softplus", "tanh"], "squared_error", {}),
    "counts": ([6, 10, 2], ["tanh", "exp"], "poisson", {"weighted": True}),
    "absolute error": ([6, 10, 2], ["tanh", "identity"], "absolute", {}),
    "huber": ([6, 10, 2], ["elu", "identity"], "huber", {"loss_parameter": 0.5, "weighted": True}),
    "quantile": ([6, 10, 1], ["silu", "identity"], "quantile", {"loss_parameter": 0.8}),
    "l1, dropout, smoothing, clipping": (
        [8, 16, 12, 4],
        ["tanh", "relu", "softmax"],
        "cross_entropy",
        {"l1": 0.003, "dropout": (0.3, 0.2), "loss_parameter": 0.1, "clip_norm": 0.3},
    ),
    "dropout before gelu and exp": (
        [6, 14, 10, 2],
        ["gelu", "exp", "sigmoid"],
        "binary_cross_entropy",
        {"dropout": (0.2, 0.5), "loss_parameter": 0.2, "l2": 0.01},
    ),
    "sparse": (
        [60, 12, 3],
        ["relu", "softmax"],
        "cross_entropy",
        {"sparse": True, "dropout": (0.4,), "weighted": True},
    ),
    "sparse regression, clipped": (
        [40, 9, 2],
        ["tanh", "identity"],
        "squared_error",
        {"sparse": True, "clip_norm": 0.5},
    ),
    "groups, schedules, clipping": (
        [8, 16, 12, 4],
        ["tanh", "relu", "softmax"],
        "cross_entropy",
        {"l2": 0.01, "dropout": (0.3, 0.2), "clip_norm": 0.3, "groups": ([0.5, 2, 1], 0.1, [1, 0.5, 2], 3)},
    ),
    "groups, schedules, a frozen layer": (
        [60, 12, 9, 3],
        ["relu", "gelu", "softmax"],
        "cross_entropy",
        {"sparse": True, "dropout": (0.4, 0.1), "groups": ([1, 0.5, 3], [0.1, 0.2, 0], 2, [0, 1, 1]), "frozen": (2,)},
    ),
}
OTHER = {"clip_norm", "groups", "frozen"}  # than of the `Task`


def longest_path(sizes, m):
    """The number of consecutive roundings in a step: both sums of each layer, its functions, and the sum over m."""
    return sum(sizes) + sum(sizes[1:]) + 16 * (len(sizes) - 1) + m


def clip_norm_of(name):
    return NETS[name][3].get("clip_norm", 0.0)


def groups_of(name, rule):
    """The groups of a network, W and b; the factors of their weight decay only for a rule that has it."""
    if "groups" not in NETS[name][3]:
        return None
    W_rate, b_rate, W_decay, b_decay = NETS[name][3]["groups"]
    decays = (W_decay, b_decay) if rule == "adamw" else (None, None)
    return {"W": Group(W_rate, decays[0]), "b": Group(b_rate, decays[1])}


def factors_of(name):
    """The factors of rate and decay of the reference, for each W, then each b; a frozen layer has the rate 0."""
    sizes, _, _, more = NETS[name]
    L = len(sizes) - 1
    if "groups" not in more:
        return {}
    rows = [np.broadcast_to(one, L).tolist() for one in more["groups"]]
    for l in more.get("frozen", ()):
        rows[0][l - 1] = rows[1][l - 1] = 0.0
    return {"rate_factors": rows[0] + rows[1], "decay_factors": rows[2] + rows[3]}


def schedules_of(name, rule):
    """The learning rate, and the schedules of weight decay and dropout."""
    rate = OPTIMIZERS[rule][1]
    if "groups" not in NETS[name][3]:
        return {"learning_rate": rate}
    decay = {"weight_decay_schedule": FlatCosine(1.5, 0.25)} if rule == "adamw" else {}
    return {"learning_rate": CosLog(rate, bumps=2), "dropout_schedule": FlatCosine(1.2)} | decay


def values_of(name, rule):
    """Learning rate and factors of weight decay and dropout of each step: (20, 3)."""
    pace = schedules_of(name, rule)
    given = [pace.get(key, 1.0) for key in ("learning_rate", "weight_decay_schedule", "dropout_schedule")]
    columns = [one.rates(len(BATCHES)) if isinstance(one, Schedule) else np.full(len(BATCHES), one) for one in given]
    return np.transpose(columns).tolist()


def run_reference(net, name, rule, orders, nudge=0.0, seed=0):
    """Losses (20,) and final parameters, W and b, of the reference, optionally perturbed."""
    rng = np.random.default_rng(seed)
    optimizer, values = OPTIMIZERS[rule][0], values_of(name, rule)
    model = net.reference(optimizer=optimizer.rule, clip_norm=clip_norm_of(name), **optimizer.hyperparameters,
                          **factors_of(name))
    losses = []
    for step, rows in enumerate(BATCHES):
        X, Y, weights = net.batch(rows if orders is None else orders[step // (len(BATCHES) // EPOCHS)][rows])
        if nudge:
            for parameter in (*model.W, *model.b, X):
                parameter *= 1 + nudge * rng.choice([-1, 1], parameter.shape)
        rate, decay, dropout = values[step]
        losses.append(model.step(X, Y, rate, weights, weight_decay=decay, dropout=dropout))
    return np.array(losses), net.flat(model.W, model.b)


def expected_and_bounds(net, name, rule, orders=None):
    """The reference's losses and parameters, and the distances of its perturbed runs."""
    losses, theta = run_reference(net, name, rule, orders)
    u = float(np.finfo(net.dtype).eps) / 2
    nudged = [run_reference(net, name, rule, orders, longest_path(net.sizes, BATCH) * u, seed) for seed in range(RUNS)]
    return (
        losses,
        theta,
        *(max(np.linalg.norm(run[k] - exact) for run in nudged) for k, exact in enumerate((losses, theta))),
    )


def assert_on_course(net, losses, W, b, expected):
    exact_losses, exact_theta, e_losses, e_theta = expected
    off = np.linalg.norm(net.flat([M.astype(np.float64) for M in W], [v.astype(np.float64) for v in b]) - exact_theta)
    assert off <= e_theta
    if losses is not None:
        assert np.linalg.norm(losses - exact_losses) <= e_losses
    if net.dtype == np.float64:
        assert off <= 1e-10 * np.linalg.norm(exact_theta)


@pytest.fixture(scope="module")
def nets():
    """Tasks by name and dtype, and the cached expectations for each rule."""

    @cache
    def make(name, dtype):
        sizes, activations, loss, more = NETS[name]
        more = {key: value for key, value in more.items() if key not in OTHER}
        return Task(sizes, activations, loss, dtype, rows=ROWS, dropout_seed=2**63 - 5, seed=len(name), **more)

    @cache
    def expected(name, dtype, rule):
        return expected_and_bounds(make(name, dtype), name, rule)

    return make, expected


def loss_of(net):
    """The loss as an object."""
    kind = losses.BY_NAME[net.loss]
    return kind(net.loss_parameter) if net.loss_parameter else kind()


ARCHITECTURE = "activation", "output", "dtype"
OBJECTIVE = "loss", "l2", "l1", "dropout"


def settings_of(net):
    """The arguments for the network of a task, except its sizes."""
    *hidden, output = net.activations
    return {
        "activation": hidden, "output": output, "loss": loss_of(net), "l2": net.l2, "l1": net.l1,
        "dropout": net.dropout or 0.0, "dtype": net.dtype,
    }  # fmt: skip


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", OPTIMIZERS)
@pytest.mark.parametrize("name", NETS)
def test_plan_follows_the_reference(name, rule, dtype, nets, monkeypatch):
    make, expected = nets
    net = make(name, dtype)
    optimizer = OPTIMIZERS[rule][0]
    X = net.X if net.csr is None else SparseRows(*net.csr, net.sizes[0])
    for level in LEVELS:
        monkeypatch.setattr(runtime, "LEVEL", level)
        ways = [Parallelism(1, 1, 1), Parallelism(2, 1, 1)]
        ways += [Parallelism(1, 1, 1, 3)] if net.csr is None else []
        for way in [*ways, *(way._replace(team=2) for way in ways[1:])] if level == LEVELS[-1] else ways:
            settings = settings_of(net)
            architecture = Architecture.check(net.sizes, **{key: settings[key] for key in ARCHITECTURE})
            objective = Objective.check(architecture, **{key: settings[key] for key in OBJECTIVE})
            parameters = Parameters.allocate(architecture)
            W, b = parameters.views()
            for l in range(len(W)):
                W[l], b[l] = net.W[l], net.b[l]
            state = OptimizerState(optimizer, parameters.size, architecture.dtype, net.dropout_seed)
            plan = bind(
                architecture,
                objective,
                parameters,
                Examples(X, net.Y, net.weights),
                state,
                batch_size=BATCH,
                parallelism=way,
                clip_norm=clip_norm_of(name),
                trained=TrainedGroups.of(
                    parameters.layout,
                    groups_of(name, rule) or {},
                    tuple(l - 1 for l in NETS[name][3].get("frozen", ())),
                ),
            )
            values = values_of(name, rule)
            losses = [plan.step(rows.start, rows.stop, *values[k]) for k, rows in enumerate(BATCHES)]
            assert_on_course(net, losses, W, b, expected(name, dtype, rule))
            assert state.step_count[0] == len(BATCHES)


def fitted(net, name, rule, n_threads, shuffle, tuning):
    """A `Network` fitted for five epochs, and a copy of its generator from before."""
    tuning(MIN_SHARD_WORK=0)  # these networks are small: cut their batches all the same
    rng = np.random.default_rng(1)  # none of whose batches lacks weight
    network = Network(net.sizes, random_state=rng, **settings_of(net))
    for l in range(len(net.W)):
        network.W[l], network.b[l] = net.W[l], net.b[l]
    before = copy.deepcopy(rng)
    X, y = net.X, net.Y.argmax(axis=1) if net.activations[-1] == "softmax" and net.Y.ndim == 2 else net.Y
    if net.csr is not None:
        X = scipy.sparse.csr_array(net.csr, shape=net.X.shape)
    network.fit(
        X,
        y,
        sample_weight=net.weights,
        optimizer=OPTIMIZERS[rule][0],
        **schedules_of(name, rule),
        groups=groups_of(name, rule),
        frozen_layers=NETS[name][3].get("frozen", ()),
        clip_norm=clip_norm_of(name) or None,
        batch_size=BATCH,
        epochs=EPOCHS,
        shuffle=shuffle,
        n_threads=n_threads,
    )
    return network, before


def task_with_labels(net, name):
    """`Network` accepts only class labels for a softmax output, so targets of the squared error become one-hot."""
    if NETS[name][1][-1] == "softmax" and net.loss == "squared_error":
        net = copy.copy(net)
        net.Y = np.eye(net.sizes[-1], dtype=net.dtype)[net.Y.argmax(axis=1)]
    return net


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("name", NETS)
def test_fit_follows_the_reference(name, shuffle, dtype, nets, tuning):
    """For each rule, on one thread and on two. The dropout seed and the shuffled orders are drawn again from the same
    generator. An epoch's loss in the history is the mean of its batches' losses by weight.
    """
    make, unshuffled = nets
    net = task_with_labels(make(name, dtype), name)
    for rule in OPTIMIZERS:
        orders = None
        expected = unshuffled(name, dtype, rule) if not shuffle and net is make(name, dtype) else None
        for n_threads in (1, 2):
            network, rng = fitted(net, name, rule, n_threads, shuffle, tuning)
            if net.dropout:
                net, expected = copy.copy(net), None
                net.dropout_seed = int(rng.integers(2**63))
            if expected is None:
                if shuffle:
                    orders = np.empty((EPOCHS, ROWS), np.int64)
                    for order in orders:
                        feeds.shuffle(order, rng)
                    assert np.array_equal(np.sort(orders), np.tile(np.arange(ROWS), (EPOCHS, 1)))
                expected = expected_and_bounds(net, name, rule, orders)
            assert_on_course(net, None, network.W, network.b, expected)
            w = np.ones(ROWS) if net.weights is None else net.weights.astype(np.float64)
            taken = [
                rows if orders is None else orders[k // (len(BATCHES) // EPOCHS)][rows]
                for k, rows in enumerate(BATCHES)
            ]
            totals = np.array([w[rows].sum() for rows in taken]).reshape(EPOCHS, -1)
            epochs = np.average(expected[0].reshape(EPOCHS, -1), axis=1, weights=totals)
            assert np.linalg.norm(epochs - network.history["loss"]) <= expected[2]


def test_error_bounds_are_much_smaller_than_the_updates(nets):
    """Otherwise they would accept wrong results."""
    make, expected = nets
    for name in NETS:
        for rule in OPTIMIZERS:
            for dtype, part in (("float32", 1e-2), ("float64", 1e-10)):
                net = make(name, dtype)
                _, theta, _, bound = expected(name, dtype, rule)
                start = net.flat([M.astype(np.float64) for M in net.W], [v.astype(np.float64) for v in net.b])
                assert bound <= part * np.linalg.norm(theta - start), (name, rule, dtype)
