"""Subnormal numbers count as zero in compiled calls, in every thread, and the floating-point modes are restored."""

from contextlib import nullcontext
from types import SimpleNamespace

import numpy as np
import pytest
from helpers.core_cases import Task, bind_plan, changed_by_a_step, plan_buffers
from helpers.prediction_cases import LEVELS, each_dtype, in_layout, prediction_plan

from fastnn import Network
from fastnn._core import _testing, kernels

SIZES, ACTIVATIONS, ROWS = [9, 24, 17, 3], ["sigmoid", "relu", "softmax"], 40

flushes = pytest.mark.skipif(not _testing.FLUSH, reason="this CPU's mode is not known: it computes with subnormals")


@pytest.fixture(params=["ieee", "flushing"])
def mode(request):
    """The caller's floating-point mode: as Python starts, or with subnormals flushed."""
    before = _testing.floating_mode()
    chosen = before & ~_testing.FLUSH if request.param == "ieee" else before | _testing.FLUSH
    _testing.set_floating_mode(chosen)
    yield chosen & _testing.FLUSH
    _testing.set_floating_mode(before)


def task(dtype="float32", loss="cross_entropy", **options):
    return Task(SIZES, ACTIVATIONS, loss, dtype, rows=ROWS, **options)


def training_plan(net, **options):
    """A plan of two shards, and the arrays that it is bound to."""
    buffers = plan_buffers(net, **{"rule": "adam", "batch": ROWS, "n_shards": 2, "team": 2} | options)
    return bind_plan(**buffers), buffers


def sprinkled(values, seed=0):
    """A copy with a third of the numbers subnormal, and the same with zeros of their signs."""
    rng = np.random.default_rng(seed)
    limit = np.finfo(values.dtype).smallest_normal
    chosen = rng.uniform(size=values.shape) < 1 / 3
    small = np.copysign(rng.uniform(0.01, 0.99, values.shape), values) * limit
    return [np.where(chosen, replacement, values).astype(values.dtype)
            for replacement in (small, np.copysign(0, values))]


def subnormals(values):
    return np.count_nonzero((values != 0) & (np.abs(values) < np.finfo(values.dtype).smallest_normal))


def test_sprinkled_makes_subnormals():
    small, zero = sprinkled(np.ones(100, np.float32))
    assert subnormals(small) > 10 and subnormals(zero) == 0 and np.count_nonzero(zero) == 100 - subnormals(small)


# ---- the mode afterwards


def calls(dtype):
    """Every call of a plan that computes with floating-point numbers, by its name."""
    net = task(dtype, l2=0.1)
    plan, _ = training_plan(net)
    clipping, buffers = training_plan(net, clip_norm=0.1)
    prediction = prediction_plan(net, team=2, block=8)
    by_units = prediction_plan(Task([300, 1024, 4], ["relu", "softmax"], "cross_entropy", dtype, rows=3), team=2)
    out, wide = np.empty((ROWS, 3), dtype), np.zeros((4, 300), dtype)
    many, other = np.tile(net.X, (60, 1)), "float64" if dtype == "float32" else "float32"
    return {
        "step": lambda: plan.step(0, ROWS, 1e-3),
        "step with clipping": lambda: clipping.step(0, ROWS, 1e-3),
        "gradient": lambda: plan.gradient(0, ROWS),
        "gradient and apply": lambda: (plan.gradient(0, ROWS), plan.apply(1e-3)),
        "penalized_gradient": lambda: plan.penalized_gradient(0, ROWS, np.empty(buffers["theta"].size, dtype)),
        "run": lambda: prediction.run(net.X, out),
        "run by rows": lambda: prediction.run(many, np.empty((len(many), 3), dtype)),
        "run by units": lambda: by_units.run(wide, np.empty((4, 4), dtype)),
        "fast_path": lambda: prediction.fast_path(net.X[:1]),
        "fast_path of another dtype": lambda: prediction.fast_path(net.X.astype(other)),
    }


@each_dtype
@pytest.mark.parametrize("name", calls("float32"))
def test_a_call_restores_the_mode_of_every_thread(name, dtype, mode):
    call = calls(dtype)[name]
    workers = _testing.modes_of_team(2)[1:]
    for _ in range(3):  # the team works in the first
        call()
        assert _testing.floating_mode() & _testing.FLUSH == mode
        assert _testing.modes_of_team(2)[1:] == workers


def test_a_call_that_fails_leaves_the_mode(mode):
    net = task()
    plan, _ = training_plan(net)
    prediction = prediction_plan(net)
    infinite = np.full_like(net.X, np.inf)
    for call in (lambda: plan.step(0, ROWS + 1, 1e-3), lambda: plan.apply(1e-3), lambda: prediction.run(net.X, net.X)):
        with pytest.raises((ValueError, RuntimeError)):
            call()
        assert _testing.floating_mode() & _testing.FLUSH == mode
    for refused in (prediction.fast_path(infinite), prediction.fast_path(infinite.astype(np.float64)),
                    prediction.run(infinite, np.empty((ROWS, 3), np.float32)) or None):
        assert refused is None and _testing.floating_mode() & _testing.FLUSH == mode


@pytest.mark.skipif(_testing.FLUSH != 0x8040, reason="only x86 has the flags in the same register")
def test_a_call_raises_no_flags():
    """NumPy's error handling reads the flags of the exceptions: underflow, overflow and others."""
    flags = 0x3F
    plan, _ = training_plan(task())
    before = _testing.floating_mode()
    plan.step(0, ROWS, 1e-3)
    assert _testing.floating_mode() & flags == before & flags


# ---- subnormal numbers count as zero


@flushes
@each_dtype
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("rows", [1, 3, 40, 700])
def test_predictions_of_a_subnormal_x_are_those_of_zeros(rows, level, dtype):
    net = task(dtype)
    X = np.random.default_rng(1).standard_normal((rows, SIZES[0])).astype(dtype)
    small, zero = sprinkled(X)
    expected = prediction_plan(net, level=level, block=16).fast_path(zero)
    for team in (1, 2):
        plan = prediction_plan(net, level=level, block=16, team=team)
        for layout in ("C", "F", "strided"):
            out = np.empty((rows, 3), dtype)
            assert plan.run(in_layout(small, layout), out)
            np.testing.assert_array_equal(out, expected)
        np.testing.assert_array_equal(plan.fast_path(small), expected)


@flushes
def test_a_number_below_the_range_of_float32_is_a_zero():
    net = task()
    plan = prediction_plan(net)
    X = net.X.astype(np.float64)
    X[::2] = 1e-40
    np.testing.assert_array_equal(plan.fast_path(X), plan.fast_path(np.where(X == 1e-40, 0, X)))


@flushes
@each_dtype
@pytest.mark.parametrize("level", LEVELS)
@pytest.mark.parametrize("rule", ["adam", "momentum", "rmsprop_nesterov"])
@pytest.mark.parametrize("sparse", [False, True])
def test_a_step_takes_subnormals_as_zeros_and_leaves_none(sparse, rule, level, dtype):
    """Subnormal X, parameters, states and weights; threads share the work or not."""
    results = []
    for kind in (0, 1):
        for team in (1, 2):
            net = task(dtype, weighted=True, sparse=sparse, l2=0.1, l1=0.01)
            net.weights = sprinkled(net.weights)[kind]
            if sparse:
                values, columns, bounds = net.csr
                net.csr = sprinkled(values)[kind], columns, bounds
            else:
                net.X = sprinkled(net.X)[kind]
            plan, buffers = training_plan(net, rule=rule, team=team, level=level)
            buffers["theta"][:] = sprinkled(buffers["theta"])[kind]
            for k, state in enumerate(buffers["states"]):
                state[:] = sprinkled(np.full_like(state, 0.5), k)[kind]
            J = plan.step(0, ROWS, 1e-3)
            assert not sum(subnormals(array) for array in (buffers["theta"], *buffers["states"]))
            results.append((J, changed_by_a_step(buffers)))
    assert results.count(results[0]) == 4


@flushes
@each_dtype
def test_moments_that_decay_become_zero(dtype):
    """With subnormals, rounding would stop the decay: 0.9 of the four smallest numbers rounds to the same number."""
    net = task(dtype)
    plan, buffers = training_plan(net)
    for state in buffers["states"]:
        state[:] = 2 * np.finfo(dtype).smallest_normal
    for _ in range(10):
        plan.gradient(0, ROWS)
        plan.workspace.gradients[0][:] = 0
        plan.apply(1e-3)
    first, second = buffers["states"]  # second: 2 * 0.999^10 times the smallest normal number
    assert not first.any() and second.all()


@flushes
@each_dtype
def test_frozen_layers_keep_their_subnormals(dtype):
    net = task(dtype)
    buffers = plan_buffers(net, rule="adam", batch=ROWS)
    n = SIZES[0] * SIZES[1]
    buffers["theta"][:n] = np.finfo(dtype).smallest_normal / 4
    before = buffers["theta"][:n].tobytes()
    plan = bind_plan(**buffers, frozen=SimpleNamespace(layers=[0], squares=0.0, absolutes=0.0))
    plan.step(0, ROWS, 1e-3)
    assert buffers["theta"][:n].tobytes() == before


# ---- outside plans


@flushes
@each_dtype
def test_kernels_take_subnormals_as_zeros_in_a_context(dtype):
    smallest = np.finfo(dtype).smallest_normal
    for value, expected in ((smallest, smallest), (-smallest, -smallest), (smallest / 2, 0)):
        for inside in (False, True):
            A = np.full((1, 1), value, dtype)
            with kernels.subnormals_as_zero() if inside else nullcontext():
                kernels.activate("identity", A, np.zeros(1, dtype), A)
            assert A[0, 0] == (expected if inside else value)


def test_the_context_restores_the_mode_after_an_error(mode):
    with pytest.raises(KeyError), kernels.subnormals_as_zero():
        with kernels.subnormals_as_zero():
            assert _testing.floating_mode() & _testing.FLUSH == _testing.FLUSH
        raise KeyError
    assert _testing.floating_mode() & _testing.FLUSH == mode


@flushes
@each_dtype
@pytest.mark.parametrize("n_threads", [1, 2])
def test_all_kinds_of_predictions_take_a_subnormal_x_as_zeros(n_threads, dtype):
    rng = np.random.default_rng(0)
    net = Network([9, 24, 3], activation="sigmoid", dropout=0.2, dtype=dtype, random_state=0)
    net.W[0][...], net.W[1][...] = (sprinkled(W, 1)[0] for W in net.W)
    results = [
        (net.predict_proba(X), *net.forward(X, return_cache=True)[1].A, net.input_gradients(X, n_threads=n_threads),
         net.predict_proba(X, dropout_samples=3, random_state=0, n_threads=n_threads),
         net.evaluate(X, np.arange(len(X)) % 3, metrics=["log_loss"])["log_loss"])
        for X in sprinkled(rng.standard_normal((2000, 9)).astype(dtype))
    ]
    for small, zero in zip(*results, strict=True):
        np.testing.assert_array_equal(small, zero)
