"""Plan, the compiled training step, against the NumPy reference; bounds by the error analysis in conftest.py."""

import gc
import threading
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn import reference
from fastnn._core import _kernels
from fastnn._core._plan import Plan
from fastnn.buffers import ParameterLayout

LEVELS = range(len(_kernels.LEVELS))
PAIRS = [
    ("cross_entropy", "softmax"),
    ("binary_cross_entropy", "sigmoid"),
    *(("squared_error", name) for name in _kernels.ACTIVATIONS),
]
each_dtype = pytest.mark.parametrize("dtype", ("float32", "float64"))


def lists(net, row_major, arena):
    """The W and b views of an arena."""
    return ParameterLayout(net.sizes, row_major).views(arena)


def relaid(data, X):
    layout = data.draw(st.sampled_from(["C", "F", "strided", "padded"]), label="layout of X")
    if layout in ("C", "F"):
        return np.array(X, order=layout)
    rows, n = X.shape
    view = (
        np.empty((2 * rows, 3 * n), X.dtype)[::-2, ::3]
        if layout == "strided"
        else np.empty((rows, n + 1), X.dtype)[:, 1:]
    )
    view[...] = X
    return view


# ---- One step -------------------------------------------------------------------------------------------------------


@each_dtype
@pytest.mark.parametrize(("loss", "output"), PAIRS)
@settings(max_examples=40)
@given(data=st.data())
def test_gradient_and_step(loss, output, dtype, task, pass_errors, arguments, changing, data):
    """J, dW and db of a batch anywhere in the data, in any layout, for any shards and team; then the step is the
    update kernel on this very gradient, bit by bit.
    """
    hidden = data.draw(st.lists(st.integers(1, 17), max_size=3), label="hidden")
    sizes = [data.draw(st.integers(1, 17), label="n[0]"), *hidden, data.draw(st.integers(1, 6), label="n[L]")]
    activations = [data.draw(st.sampled_from(_kernels.ACTIVATIONS), label="activation") for _ in hidden] + [output]
    row_major = tuple(
        data.draw(st.lists(st.booleans(), min_size=len(hidden) + 1, max_size=len(hidden) + 1), label="row-major")
    )
    rows, batch = data.draw(st.sampled_from([(1, 1), (3, 8), (8, 8), (23, 8), (40, 33)]), label="rows and batch")
    rule = data.draw(st.sampled_from(_kernels.RULES), label="rule")
    l2 = data.draw(st.sampled_from([0.0, 0.1]), label="l2")
    n_shards = data.draw(st.sampled_from([1, 2, 3, 5]), label="shards")
    seed = data.draw(st.integers(0, 999), label="seed")
    keep_Z = data.draw(st.booleans(), label="keep Z")
    net = task(
        sizes, activations, loss, dtype, rows=rows, weighted=data.draw(st.booleans(), label="weights"), l2=l2, seed=seed
    )
    X = relaid(data, net.X)
    order = np.random.default_rng(seed).integers(rows, size=rows) if data.draw(st.booleans(), label="order") else None
    start = data.draw(st.integers(0, rows - 1), label="start")
    stop = data.draw(st.integers(start + 1, min(rows, start + batch)), label="stop")
    taken = slice(start, stop) if order is None else order[start:stop]
    if net.weights is not None:
        net.weights[taken] = np.maximum(net.weights[taken], 0.25)  # their sum must not be 0: see below
    with np.errstate(under="ignore"):
        errors = pass_errors(net, taken)
        W, b = [M.astype(np.float64) for M in net.W], [v.astype(np.float64) for v in net.b]
        x, y, w = net.batch(taken)
        J, dW, db = reference.gradients(x, y, W, b, activations, loss, w, l2)
    for level in LEVELS:
        results = []
        for team in (1, 2) if level == LEVELS[-1] else (1,):  # threads do not care for the level
            buffers = arguments(
                net,
                rule=rule,
                batch=batch,
                n_shards=n_shards,
                team=team,
                level=level,
                order=order,
                row_major=row_major,
                X=X,
                keep_Z=keep_Z,
            )
            plan, out, before = Plan(**buffers), np.full_like(buffers["theta"], np.nan), changing(buffers)
            assert abs(plan.gradient(start, stop, out) - J) <= errors.J
            assert changing(buffers) == before
            for got, expected, bound in zip(lists(net, row_major, out), (dW, db), (errors.dW, errors.db), strict=True):
                for actual, exact, limit in zip(got, expected, bound, strict=True):
                    assert np.all(np.abs(actual - exact) <= limit)
            theta, states = buffers["theta"].copy(), [state.copy() for state in buffers["states"]]
            step_J = plan.step(start, stop, 0.25)
            # squares of the weights are summed by slices: their roundings are J's bound
            assert abs(step_J - J) <= errors.J
            rate = 0.25 * (np.sqrt(1 - 0.999) / (1 - 0.9) if rule == "adam" else 1)
            numbers = {key: value for key, value in buffers["hyperparameters"].items() if key != "l2"} | {"rate": rate}
            _kernels.update(rule, theta, out[np.newaxis], *states, level=level, **numbers)
            assert [
                theta.tobytes(),
                *[state.tobytes() for state in states],
                np.ones(1, np.int64).tobytes(),
            ] == changing(buffers)
            results.append((step_J, out.tobytes(), *changing(buffers)))
        assert results[0] == results[-1]  # by any team
    np.testing.assert_array_equal(X, net.X)


@pytest.mark.parametrize(("loss", "output"), PAIRS)
@pytest.mark.parametrize("hidden", _kernels.ACTIVATIONS)
def test_gradient_by_two_sided_differences(loss, output, hidden, task, arguments):
    """(J(theta + h) - J(theta - h)) / 2h, from J alone. With h = 1e-5 and third derivatives of order 1 to 10 the
    truncation h^2/6 J''' is under 2e-10, the rounding u |J| / h under 2e-10; the norm of the differences is asked to
    be within 1e-7 of the sum of the norms. (No Z of these seeds is within 1e-4 of a kink.)
    """
    net = task([4, 5, 3], [hidden, output], loss, "float64", rows=6, weighted=True, l2=0.05, seed=11)
    net.weights[:] = np.maximum(net.weights, 0.25)
    Z = reference.forward(net.X.T, net.W, net.b, net.activations)[0]
    assert min(np.min(np.abs(z)) for z in Z[1:]) > 1e-4
    buffers = arguments(net, batch=6, n_shards=2, level=LEVELS[-1])
    plan, theta, scratch = Plan(**buffers), buffers["theta"], np.empty_like(buffers["theta"])
    gradient, numerical, h = np.empty_like(theta), np.empty_like(theta), 1e-5
    plan.gradient(0, 6, gradient)
    for i in range(theta.size):
        kept = theta[i]
        J = []
        for moved in (kept + h, kept - h):
            theta[i] = moved
            J.append(plan.gradient(0, 6, scratch))
        theta[i] = kept
        numerical[i] = (J[0] - J[1]) / (2 * h)
    assert np.linalg.norm(gradient - numerical) <= 1e-7 * (np.linalg.norm(gradient) + np.linalg.norm(numerical))


@each_dtype
@pytest.mark.parametrize("rule", _kernels.RULES)
@pytest.mark.parametrize("n_shards", [1, 2, 3, 5])
def test_the_bits_depend_on_the_shards_alone(dtype, rule, n_shards, task, arguments, changing):
    """Twenty steps over batches of every length, by teams of 1, 2 and 4 threads."""
    net = task([9, 31, 17, 4], ["tanh", "gelu", "softmax"], "cross_entropy", dtype, rows=61, weighted=True, l2=0.01)
    order = np.random.default_rng(0).permutation(61)
    runs = []
    for team in (1, 2, 4):
        buffers = arguments(net, rule=rule, batch=23, n_shards=n_shards, team=team, order=order, level=LEVELS[-1])
        plan = Plan(**buffers)
        losses = [plan.step(k, min(61, k + 1 + k % 23), 0.05) for k in range(20)]
        runs.append((losses, plan.take_mean_loss(), *changing(buffers)))
    assert runs[0] == runs[1] == runs[2]
    assert np.isfinite(runs[0][0]).all()


def test_mean_loss_is_weighted_and_taken_once(task, arguments):
    """The mean over steps; five roundings beside those of J."""
    for weighted in (False, True):
        net = task(
            [3, 4, 2], ["relu", "softmax"], "cross_entropy", "float64", rows=20, weighted=weighted, l2=0.1, seed=3
        )
        plan = Plan(**arguments(net))
        w = np.ones(20) if net.weights is None else net.weights
        bounds = [(0, 8), (8, 16), (16, 20)]
        losses = [plan.step(*at, 0.1) for at in bounds]
        totals = [w[slice(*at)].sum() for at in bounds]
        assert plan.take_mean_loss() == pytest.approx(np.average(losses, weights=totals), rel=5e-16 * 5)
        assert np.isnan(plan.take_mean_loss())


# ---- Batches that change nothing ------------------------------------------------------------------------------------


@each_dtype
@pytest.mark.parametrize("rule", _kernels.RULES)
@pytest.mark.parametrize("n_shards", [1, 2])
def test_a_batch_without_weight_changes_nothing(dtype, rule, n_shards, task, arguments, changing):
    net = task([3, 4, 2], ["tanh", "softmax"], "cross_entropy", dtype, rows=12, weighted=True, l2=0.1)
    net.weights[:] = 1
    net.weights[4:8] = 0
    buffers = arguments(net, rule=rule, n_shards=n_shards, batch=4)
    plan = Plan(**buffers)
    plan.step(0, 4, 0.1)
    before = changing(buffers)
    assert plan.step(4, 8, 0.1) == 0
    assert changing(buffers) == before
    plan.step(8, 12, 0.1)
    assert changing(buffers) != before
    assert buffers["step_count"][0] == 2


@each_dtype
@pytest.mark.parametrize("rule", _kernels.RULES)
@pytest.mark.parametrize(("n_shards", "team"), [(1, 1), (2, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("where", ["X", "Y", "weights", "theta"])
def test_a_loss_that_is_not_finite_changes_nothing(dtype, rule, n_shards, team, where, task, arguments, changing):
    """NaN or infinity in one example spoils its shard's loss alone, but no shard may update."""
    for value in (np.nan, np.inf):
        net = task([3, 4, 2], ["tanh", "identity"], "squared_error", dtype, rows=12, weighted=True, l2=0.1)
        net.weights[:] = 1
        buffers = arguments(net, rule=rule, n_shards=n_shards, team=team, batch=6)
        plan = Plan(**buffers)
        assert np.isfinite(plan.step(0, 6, 0.1))
        target = (
            buffers["theta"][-1:] if where == "theta" else {"X": net.X, "Y": net.Y, "weights": net.weights}[where][11:]
        )
        target[...] = value
        before = changing(buffers)
        J = plan.step(6, 12, 0.1)
        # tanh saturates at an infinite Z: that loss is finite
        if where == "X" and value == np.inf and np.isfinite(J):
            continue
        assert not np.isfinite(J)
        assert changing(buffers) == before


def test_a_label_out_of_range_changes_nothing(task, arguments, changing):
    net = task([3, 4, 2], ["tanh", "softmax"], "cross_entropy", "float64", rows=12)
    for label in (-1, 2, 2**31 - 1, -(2**31)):
        net.Y[7] = label
        buffers = arguments(net, rule="adam", n_shards=2)
        plan, before = Plan(**buffers), changing(buffers)
        assert np.isnan(plan.step(4, 12, 0.1))
        assert changing(buffers) == before


# ---- Its place in memory and in time --------------------------------------------------------------------------------


def test_a_step_allocates_nothing(task, arguments):
    """The peak of 1000 steps is that of one: its float and the loop's range."""
    net = task([9, 30, 4], ["relu", "softmax"], "cross_entropy", "float32", rows=100, weighted=True, l2=0.01)
    order = np.arange(100)
    plan = Plan(**arguments(net, rule="adam", batch=20, n_shards=2, order=order))

    def peak(steps):
        tracemalloc.reset_peak()
        before = tracemalloc.get_traced_memory()[0]
        for _ in range(steps):
            plan.step(0, 20, 0.001)
        return tracemalloc.get_traced_memory()[1] - before

    tracemalloc.start()
    try:
        peak(10)
        once, often = peak(2), peak(1000)
    finally:
        tracemalloc.stop()
    assert often <= once + 64  # the loop's counter is a small integer up to 256 and an object from there on


def test_a_plan_at_work_is_refused_to_other_threads(task, arguments):
    """Whichever of two threads comes second is told so, and harms nothing."""
    net = task([500, 500, 500, 2], ["tanh", "tanh", "softmax"], "cross_entropy", "float64", rows=600)
    buffers = arguments(net, batch=600)
    plan, refused, outs = Plan(**buffers), [], [np.empty_like(buffers["theta"]) for _ in range(2)]

    def work(out):
        while not refused:
            try:
                plan.gradient(0, 600, out)
            except RuntimeError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=work, args=(out,)) for out in outs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "at work in another thread" in refused[0]
    assert np.isfinite(plan.step(0, 600, 1e-3))


def test_bound_buffers_can_be_dropped_but_not_resized(task, arguments):
    net = task([3, 4, 2], ["gelu", "softmax"], "cross_entropy", "float64", rows=9, weighted=True)
    results = []
    for drop in (False, True):
        buffers = arguments(net, rule="adam", order=np.arange(9), n_shards=2)
        buffers["X"], buffers["weights"], buffers["Y"] = net.X.copy(), net.weights.copy(), net.Y.copy()
        plan, theta = Plan(**buffers), buffers["theta"]
        arrays = [buffers[key] for key in ("theta", "gradients", "X", "Y", "weights", "order", "step_count")] + buffers[
            "states"
        ]
        for array in [*arrays, *buffers["batch"]]:
            with pytest.raises(ValueError, match="resize"):
                array.resize(7)
        del array, arrays
        if drop:
            buffers.clear()
            gc.collect()
        results.append([plan.step(k, k + 8, 0.1) for k in (0, 1, 0, 1)] + [theta.tobytes()])
    assert results[0] == results[1]
