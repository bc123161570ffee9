"""TrainingPlan, the compiled training step, against the NumPy reference; bounds by the analysis in `PassErrors`."""

import gc
import threading
import tracemalloc

import numpy as np
import pytest
from helpers.core_cases import HYPER, PAIRS, PARAMETERS, PER_TARGET, Task, bind_plan, changed_by_a_step, plan_buffers
from helpers.kernel_cases import unit_roundoff
from helpers.pass_errors import PassErrors
from helpers.prediction_cases import in_layout
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fastnn import reference
from fastnn._core import _testing, kernels, registry
from fastnn._model.parameters import ParameterLayout

LEVELS = range(len(registry.LEVELS))
each_dtype = pytest.mark.parametrize("dtype", ("float32", "float64"))


def lists(net, row_major, arena):
    """The W and b views of an arena."""
    return ParameterLayout(net.sizes, row_major).views(arena)


def relaid(data, X):
    """X in a drawn memory layout."""
    return in_layout(X, data.draw(st.sampled_from(["C", "F", "strided", "padded"]), label="layout of X"))


# ---- One step -------------------------------------------------------------------------------------------------------


@st.composite
def networks(draw, loss, output, dtype):
    """A `Task` of any shape and settings, and the storage orders of its W."""
    hidden = draw(st.lists(st.one_of(st.integers(1, 17), st.sampled_from([64, 75])), max_size=3), label="hidden")
    L = len(hidden) + 1
    parameter = PARAMETERS.get(loss, 0.0)
    if loss == "quantile" and draw(st.booleans(), label="levels"):
        parameter = np.array([0.1, 0.5, 0.9])
    per_target = max(PER_TARGET[loss], np.size(parameter))
    sizes = [draw(st.integers(1, 17), label="n[0]"), *hidden, per_target * draw(st.integers(1, 6), label="targets")]
    known = [name for name in registry.ACTIVATIONS if name != "exp"]
    activations = [draw(st.sampled_from(known), label="activation") for _ in hidden] + [output]
    if hidden and output != "exp" and draw(st.booleans(), label="one exp"):  # two would soon overflow
        activations[draw(st.integers(0, L - 2))] = "exp"
    dropout = ()
    if draw(st.booleans(), label="dropout"):
        rates = [draw(st.sampled_from([0.0, 0.2, 0.7]), label="rate") for _ in hidden]
        dropout = [0.0 if g == "softmax" else rate for g, rate in zip(activations, rates, strict=False)]
    row_major = tuple(draw(st.lists(st.booleans(), min_size=L, max_size=L), label="row-major"))
    rows = draw(st.sampled_from([1, 3, 8, 23, 40]), label="rows")
    net = Task(
        sizes, activations, loss, dtype, rows=rows,
        weighted=draw(st.sampled_from([False, True, "units"][: 2 + (loss != "cross_entropy")]), label="weights"),
        l2=draw(st.sampled_from([0.0, 0.1]), label="l2"), l1=draw(st.sampled_from([0.0, 0.05]), label="l1"),
        loss_parameter=parameter, dropout=dropout,
        dropout_seed=draw(st.integers(0, 2**64 - 1), label="dropout seed"),
        sparse=draw(st.booleans(), label="sparse") and not row_major[0], seed=draw(st.integers(0, 999), label="seed"),
    )  # fmt: skip
    return net, row_major


def numbers_of(net, rule, t, **hyperparameters):
    """The update kernel's hyperparameters at step t, with a learning rate of 0.25."""
    decay = {key: HYPER[rule][key] for key in ("beta_1", "beta_2") if key in HYPER[rule]}
    rates = _testing.rates(rule, t, 0.25, **decay, **hyperparameters)
    return HYPER[rule] | rates | {"n_decayed": sum(W_l.size for W_l in net.W)}


def update_by_kernel(rule, theta, gradient, states, level, numbers):
    """One update of an arena: weight decay shrinks the weights alone."""
    end = numbers["n_decayed"]
    for start, stop, more in ((0, end, {}), (end, theta.size, {"shrink": 1.0})):
        _testing.update(rule, theta, gradient[np.newaxis], *states, start=start, stop=stop, level=level,
                        **numbers | more)


@each_dtype
@pytest.mark.parametrize(("loss", "output"), PAIRS)
@settings(max_examples=40)
@given(data=st.data())
def test_the_gradient_is_within_bounds_and_a_step_applies_it(loss, output, dtype, data):
    """Any part of the data in any layout, any shards, parts and team, the fastest kernels or BLAS; then a step is
    bitwise identical to the update kernel on this gradient.
    """
    net, row_major = data.draw(networks(loss, output, dtype))
    rows = len(net.X)
    batch = data.draw(st.sampled_from([8, 33]), label="batch")
    rule = data.draw(st.sampled_from(registry.RULES), label="rule")
    n_shards = data.draw(st.sampled_from([1, 2, 3, 5]), label="shards")
    n_parts = 1 if n_shards > 1 or net.csr is not None else data.draw(st.sampled_from([1, 2, 3, 5]), label="parts")
    blas = data.draw(st.booleans(), label="BLAS")
    step = data.draw(st.sampled_from([0, 1, 2**33]), label="steps before")
    weight_decay = data.draw(st.sampled_from([0.0, 0.3]), label="weight decay")
    X = net.csr if net.csr is not None else relaid(data, net.X)
    order = np.random.default_rng(rows).integers(rows, size=rows) if data.draw(st.booleans(), label="order") else None
    start = data.draw(st.integers(0, rows - 1), label="start")
    stop = data.draw(st.integers(start + 1, min(rows, start + batch)), label="stop")
    taken = slice(start, stop) if order is None else order[start:stop]
    if net.weights is not None:
        net.weights[taken] = np.maximum(net.weights[taken], 0.25)  # their sum must not be 0
    with np.errstate(under="ignore"):
        errors = PassErrors(net, taken, unit_roundoff(dtype), step)
        assume(errors.largest < np.finfo(dtype).max / 8)  # exp after steep layers would overflow
        x, y, w = net.batch(taken)
        J, dW, db = reference.gradients(
            x, y, net.W, net.b, net.activations, loss, w, net.l2, l1=net.l1, loss_parameter=net.loss_parameter,
            masks=errors.masks,
        )  # fmt: skip
    for level in LEVELS:
        results = []
        for team in (1, 2) if level == LEVELS[-1] else (1,):  # threads do not depend on the level
            buffers = plan_buffers(
                net, rule=rule, batch=batch, n_shards=n_shards, team=team, level=level, order=order,
                row_major=row_major, X=X, weight_decay=weight_decay,
            )  # fmt: skip
            buffers["step_count"][0] = step
            plan = bind_plan(**buffers, blas=blas, n_parts=n_parts)
            out, before = np.full_like(buffers["theta"], np.nan), changed_by_a_step(buffers)
            assert abs(plan.penalized_gradient(start, stop, out) - J) <= errors.J
            assert changed_by_a_step(buffers) == before
            for got, expected, bound in zip(lists(net, row_major, out), (dW, db), (errors.dW, errors.db), strict=True):
                for actual, exact, limit in zip(got, expected, bound, strict=True):
                    assert np.all(np.abs(actual - exact) <= limit)
            theta, states = buffers["theta"].copy(), [state.copy() for state in buffers["states"]]
            step_J = plan.step(start, stop, 0.25)
            # the penalties are summed by slices: their roundings are J's bound
            assert abs(step_J - J) <= errors.J
            numbers = numbers_of(net, rule, step + 1, weight_decay=weight_decay)
            with kernels.subnormals_as_zero():  # as in a plan
                update_by_kernel(rule, theta, out, states, level, numbers)
            assert [
                theta.tobytes(),
                *[state.tobytes() for state in states],
                np.array([step + 1]).tobytes(),
            ] == changed_by_a_step(buffers)
            # of one shard without parts the update is split into a slice a thread, and so is the sum of the penalties
            results.append((step_J if max(n_shards, n_parts) > 1 else 0, out.tobytes(), *changed_by_a_step(buffers)))
        assert results[0] == results[-1]  # by any team
    if net.csr is None:
        np.testing.assert_array_equal(X, net.X)


@pytest.mark.parametrize("level", LEVELS)
def test_the_gradient_of_a_unit_below_the_normal_numbers_is_within_bounds(level):
    """e^-88 is smaller than every normal number of float32: 0 in a plan, but not times the e^40 of its derivative."""
    net = Task([1, 2, 1], ["exp", "identity"], "squared_error", "float32")
    net.X[...], net.W[0][...], net.W[1][...] = 1, [[40], [-88]], 1
    for b in net.b:
        b[...] = 0
    errors = PassErrors(net, slice(None), unit_roundoff(net.dtype))
    J, dW, db = reference.gradients(*net.batch(slice(None))[:2], net.W, net.b, net.activations, net.loss)
    buffers = plan_buffers(net, level=level)
    gradient = np.empty_like(buffers["theta"])
    assert abs(bind_plan(**buffers).penalized_gradient(0, 1, gradient) - J) <= errors.J
    found = lists(net, (False, False), gradient)
    for got, expected, bound in zip(found, (dW, db), (errors.dW, errors.db), strict=True):
        for actual, exact, limit in zip(got, expected, bound, strict=True):
            assert np.all(np.abs(actual - exact) <= limit)
    assert gradient[1] == 0 < dW[0][1, 0] < errors.dW[0][1, 0]


@each_dtype
@pytest.mark.parametrize("rule", registry.RULES)
@pytest.mark.parametrize("n_shards", [1, 2, 3])
@pytest.mark.parametrize("clip_norm", [0.0, 0.1])
@pytest.mark.parametrize("sparse", [False, True])
def test_gradient_and_apply_are_bitwise_identical_to_step(dtype, rule, n_shards, clip_norm, sparse):
    """Losses, parameters, states and step count over batches of every length, some of them without weight."""
    net = Task(
        [9, 31, 17, 4], ["tanh", "gelu", "softmax"], "cross_entropy", dtype, rows=61, weighted=True, l2=0.01, l1=0.01,
        loss_parameter=0.1, dropout=[0.2, 0.5], dropout_seed=3, sparse=sparse,
    )  # fmt: skip
    net.weights[7:9] = 0
    order = None if sparse else np.random.default_rng(0).permutation(61)
    runs = []
    for team, halves in ((1, False), (1, True), (2, True)):
        buffers = plan_buffers(
            net, rule=rule, batch=23, n_shards=n_shards, team=team if n_shards > 1 else 1, order=order,
            level=LEVELS[-1], clip_norm=clip_norm, weight_decay=0.1,
        )  # fmt: skip
        plan, losses = bind_plan(**buffers), []
        for k in range(20):
            at = k, min(61, k + 1 + k % 23)
            losses.append(plan.gradient(*at) + plan.apply(0.05) if halves else plan.step(*at, 0.05))
        runs.append((losses, plan.take_mean_loss(), *changed_by_a_step(buffers)))
    assert runs[0] == runs[1] == runs[2]


@each_dtype
@pytest.mark.parametrize("n_shards", [1, 3])
def test_gradient_leaves_the_gradient_without_penalties(dtype, n_shards):
    """It is the gradient of the same objective without penalties, whose J is the loss that it returns."""
    options = {"rows": 12, "weighted": True, "seed": 4}
    plain, penalized = (Task([5, 7, 3], ["tanh", "softmax"], "cross_entropy", dtype, l2=l2, l1=l2, **options)
                        for l2 in (0.0, 0.3))  # fmt: skip
    buffers, expected = plan_buffers(penalized, batch=12, n_shards=n_shards), plan_buffers(plain, batch=12)
    plan, out = bind_plan(**buffers), np.empty_like(buffers["theta"])
    before = changed_by_a_step(buffers)
    loss = plan.gradient(0, 12)
    assert changed_by_a_step(buffers) == before
    assert plan.batch_weight == pytest.approx(plain.weights.sum())
    J = bind_plan(**expected).penalized_gradient(0, 12, out)
    assert loss == pytest.approx(J, rel=64 * unit_roundoff(dtype))
    error = PassErrors(plain, slice(0, 12), unit_roundoff(dtype))
    found, exact = (lists(plain, (False, False), arena) for arena in (buffers["gradients"][0], out))
    for actuals, others, limits in zip(found, exact, (error.dW, error.db), strict=True):
        for actual, other, limit in zip(actuals, others, limits, strict=True):
            assert np.all(np.abs(actual - other) <= 2 * limit)


def test_averaged_gradients_of_two_halves_give_the_step_of_all_examples():
    """Two machines' gradients, averaged by weight, give the step of all examples."""
    net = Task([5, 7, 3], ["tanh", "softmax"], "cross_entropy", "float64", rows=20, weighted=True, l2=0.1, seed=2)
    whole, *halves = (plan_buffers(net, rule="adam", batch=20) for _ in range(3))
    bind_plan(**whole).step(0, 20, 0.1)
    plans = [bind_plan(**buffers) for buffers in halves]
    for plan, at in zip(plans, ((0, 8), (8, 20)), strict=True):
        plan.gradient(*at)
    total = sum(plan.batch_weight for plan in plans)
    reduced = sum(plan.batch_weight / total * buffers["gradients"][0]
                  for plan, buffers in zip(plans, halves, strict=True))  # fmt: skip
    for plan, buffers in zip(plans, halves, strict=True):
        buffers["gradients"][0] = reduced
        plan.apply(0.1)
        np.testing.assert_allclose(buffers["theta"], whole["theta"], rtol=0, atol=1e-9)
    assert halves[0]["theta"].tobytes() == halves[1]["theta"].tobytes()


@pytest.mark.parametrize("clip_norm", [0.0, 0.01])
def test_a_part_without_weight_follows_the_others(clip_norm):
    """Loss and weight of all parts make every part take the step of the whole, also one whose examples do not count."""
    net = Task([5, 7, 3], ["tanh", "softmax"], "cross_entropy", "float64", rows=20, weighted=True, l2=0.1, seed=2)
    net.weights[:8] = 0
    whole, *parts = (plan_buffers(net, rule="adam", batch=20, clip_norm=clip_norm) for _ in range(3))
    for buffers in (whole, *parts):
        buffers["l2_by_batch"] = True
    J = bind_plan(**whole).step(0, 20, 0.1)
    plans = [bind_plan(**buffers) for buffers in parts]
    losses = [plan.gradient(*at) for plan, at in zip(plans, ((0, 8), (8, 20)), strict=True)]
    weights = [plan.batch_weight for plan in plans]
    total = sum(weights)
    assert weights[0] == 0
    loss = np.dot(weights, losses) / total
    reduced = sum(weight / total * plan.workspace.gradients[0] for weight, plan in zip(weights, plans, strict=True))
    for plan, buffers in zip(plans, parts, strict=True):
        plan.workspace.gradients[0] = reduced
        assert loss + plan.apply(0.1, loss, total) == pytest.approx(J, rel=1e-13)
        np.testing.assert_allclose(buffers["theta"], whole["theta"], rtol=0, atol=1e-9)
    assert parts[0]["theta"].tobytes() == parts[1]["theta"].tobytes()


def test_apply_refuses_half_of_the_combined_batch():
    buffers = plan_buffers(Task([5, 7, 3], ["tanh", "softmax"], "cross_entropy", "float64"), rule="sgd")
    plan = bind_plan(**buffers)
    plan.gradient(0, 1)
    for arguments, error in (((0.1, 1.0), TypeError), ((0.1, None, 1.0), TypeError), ((0.1, 1.0, -1.0), ValueError),
                             ((0.1, 1.0, np.inf), ValueError), ((0.1, "a", 1.0), TypeError)):
        with pytest.raises(error):
            plan.apply(*arguments)
    plan.apply(0.1)  # what was refused left the plan as it was


@each_dtype
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("clip_norm", [0.0, 0.05])
def test_l2_by_batch_equals_l2_divided_by_the_batch_weight(dtype, weighted, clip_norm):
    """J, gradient and step are bitwise identical to those of l2 / weight, or of l2 / 0.1 for a weight below."""
    shared = Task([5, 7, 3], ["tanh", "identity"], "squared_error", dtype, rows=12, weighted=weighted, l2=0.3)
    if weighted:
        shared.weights[3] = 0.01
    for start, stop in ((0, 5), (5, 12), (3, 4)):
        part = slice(start, stop)
        weight = stop - start if shared.weights is None else float(shared.weights[part].sum(dtype=np.float64))
        if weight == 0:
            continue
        one, other = (plan_buffers(net, batch=8, n_shards=2, clip_norm=clip_norm) for net in (shared, shared))
        one["l2_by_batch"] = True
        other["hyperparameters"] = other["hyperparameters"] | {"l2": 0.3 / max(weight, 0.1)}
        outcomes = []
        for buffers in (one, other):
            plan, out = bind_plan(**buffers), np.empty_like(buffers["theta"])
            outcomes.append((plan.penalized_gradient(start, stop, out), out.tobytes(), plan.step(start, stop, 0.1),
                             changed_by_a_step(buffers)))
        assert outcomes[0] == outcomes[1]


@each_dtype
def test_loss_factor_and_ceiling_change_only_the_reported_loss(dtype):
    """The gradient and the step stay the same."""
    outcomes = {}
    for l2 in (0.0, 0.3):
        net = Task([5, 7, 3], ["tanh", "softmax"], "cross_entropy", dtype, rows=12, l2=l2, seed=4)
        for more in ({}, {"loss_factor": 0.25}, {"loss_ceiling": 0.0}):
            buffers = plan_buffers(net, batch=12, n_shards=2) | more
            plan, out = bind_plan(**buffers), np.empty_like(buffers["theta"])
            J = plan.penalized_gradient(0, 12, out)
            outcomes[l2, *more] = (J, plan.step(0, 12, 0.1), out.tobytes(), changed_by_a_step(buffers))
        same = [outcome[2:] for key, outcome in outcomes.items() if key[0] == l2]
        assert same[0] == same[1] == same[2]
    for which in (0, 1):
        J, scaled, none = (outcomes[key][which] for key in ((0.0,), (0.0, "loss_factor"), (0.0, "loss_ceiling")))
        penalty = outcomes[0.3, "loss_ceiling"][which]
        assert none == 0 and penalty > 0 and scaled == pytest.approx(0.25 * J, rel=4e-16)
        # one more addition each
        assert outcomes[0.3,][which] == pytest.approx(J + penalty, rel=1e-15)
        assert outcomes[0.3, "loss_factor"][which] == pytest.approx(0.25 * J + penalty, rel=1e-15)


@pytest.mark.parametrize(("loss", "output"), PAIRS)
@pytest.mark.parametrize("hidden", registry.ACTIVATIONS)
def test_the_gradient_agrees_with_two_sided_differences(loss, output, hidden):
    """Compare with (J(theta + h) - J(theta - h)) / 2h, with both penalties and, except for softmax, dropout.

    With h = 1e-5 and third derivatives of order 1 to 10, the truncation error h^2/6 J''' and the rounding error
    u |J| / h are below 2e-10 each. The norm of the difference may be at most 1e-7 of the sum of the norms. No Z, W or
    a - y of these seeds is within 1e-4 of a kink.
    """
    rate, parameter = 0.3 * (hidden != "softmax"), PARAMETERS.get(loss, 0.0)
    net = Task(
        [4, 5, 3 * PER_TARGET[loss]], [hidden, output], loss, "float64", rows=6, weighted=True, l2=0.05, l1=0.02,
        loss_parameter=parameter, dropout=[rate], dropout_seed=5, seed=11,
    )  # fmt: skip
    net.weights[:] = np.maximum(net.weights, 0.25)
    Z, A = reference.forward(net.X.T, net.W, net.b, net.activations, net.reference().masks(6))
    jumps = [*Z[1:], *net.W]
    if loss in ("absolute", "huber", "quantile"):
        jumps.append(np.abs(A[-1] - net.Y.T) - (parameter if loss == "huber" else 0))
    assert min(np.min(np.abs(jump)) for jump in jumps) > 1e-4
    buffers = plan_buffers(net, batch=6, n_shards=2, level=LEVELS[-1])
    plan, theta, scratch = bind_plan(**buffers), buffers["theta"], np.empty_like(buffers["theta"])
    gradient, numerical, h = np.empty_like(theta), np.empty_like(theta), 1e-5
    plan.penalized_gradient(0, 6, gradient)
    for i in range(theta.size):
        kept = theta[i]
        J = []
        for moved in (kept + h, kept - h):
            theta[i] = moved
            J.append(plan.penalized_gradient(0, 6, scratch))
        theta[i] = kept
        numerical[i] = (J[0] - J[1]) / (2 * h)
    assert np.linalg.norm(gradient - numerical) <= 1e-7 * (np.linalg.norm(gradient) + np.linalg.norm(numerical))


@each_dtype
@pytest.mark.parametrize("rule", registry.RULES)
@pytest.mark.parametrize(("n_shards", "n_parts", "sparse"), [
    (1, 1, False), (2, 1, False), (3, 1, False), (5, 1, False), (1, 1, True), (2, 1, True), (3, 1, True), (5, 1, True),
    (1, 2, False), (1, 3, False), (1, 5, False)])
def test_steps_are_bitwise_identical_for_any_team(dtype, rule, n_shards, n_parts, sparse):
    """Twenty steps over batches of every length, by teams of 1, 2 and 4 threads, with all that a step may do.

    For one shard without parts a team splits the update: element by element, so that only a norm and J are summed in
    another order.
    """
    split = max(n_shards, n_parts) > 1
    net = Task(
        [9, 31, 17, 4], ["tanh", "gelu", "softmax"], "cross_entropy", dtype, rows=61, weighted=True, l2=0.01, l1=0.01,
        loss_parameter=0.1, dropout=[0.2, 0.5], dropout_seed=3, sparse=sparse,
    )  # fmt: skip
    order = np.random.default_rng(0).permutation(61)
    runs = []
    for team in (1, 2, 4):
        buffers = plan_buffers(
            net, rule=rule, batch=23, n_shards=n_shards, team=team, order=order, level=LEVELS[-1],
            clip_norm=0.1 if split else 0.0, weight_decay=0.1,
        )  # fmt: skip
        plan = bind_plan(**buffers, n_parts=n_parts)
        losses = [plan.step(k, min(61, k + 1 + k % 23), 0.05) for k in range(20)]
        assert np.isfinite(losses).all()
        runs.append(((losses, plan.take_mean_loss()) if split else None, *changed_by_a_step(buffers)))
    assert runs[0] == runs[1] == runs[2]


def test_parts_of_a_layer_with_one_input_do_not_overlap():
    """The matrix-vector kernel computes dW[1]. A last part of fewer units than a vector would add to the one before.

    Threads rarely meet there: such an overlap showed in one of 750 steps.
    """
    net = Task([1, 20, 64, 64, 1], ["tanh", "tanh", "tanh", "identity"], "squared_error", "float32", rows=5000)
    gradients = set()
    for team, steps in ((1, 1), (2, 1000)):
        buffers = plan_buffers(net, batch=5000, team=team, level=LEVELS[-1])
        plan = bind_plan(**buffers, n_parts=2)
        for _ in range(steps):
            plan.step(0, 5000, 0.0)
            gradients.add(buffers["gradients"][0].tobytes())
    assert len(gradients) == 1


@each_dtype
@pytest.mark.parametrize("rule", registry.RULES)
@settings(max_examples=20)
@given(data=st.data())
def test_a_clipped_step_scales_the_gradient_to_the_norm(rule, dtype, data):
    """Bitwise identical to the update kernel with the factor min(1, clip_norm / norm)."""
    clip_norm = data.draw(st.sampled_from([1e-3, 0.1, 1.0, 100.0]), label="clip_norm")
    net = Task([5, 7, 3], ["tanh", "softmax"], "cross_entropy", dtype, rows=9, l2=0.3, l1=0.1, dropout=[0.2],
               seed=data.draw(st.integers(0, 99)))  # fmt: skip
    for level in LEVELS:
        buffers = plan_buffers(net, rule=rule, batch=9, level=level, clip_norm=clip_norm, weight_decay=0.1)
        plan, out = bind_plan(**buffers), np.empty_like(buffers["theta"])
        J = plan.penalized_gradient(0, 9, out)
        theta, states = buffers["theta"].copy(), [state.copy() for state in buffers["states"]]
        norm = np.sqrt(_testing.total_gradient(theta, out[np.newaxis], np.empty_like(out), level)[1])
        numbers = numbers_of(net, rule, 1, weight_decay=0.1) | {"clip": min(1.0, clip_norm / norm)}
        update_by_kernel(rule, theta, out, states, level, numbers)
        assert plan.step(0, 9, 0.25) == pytest.approx(J, rel=1e-15)  # the penalties are added one by one here
        expected = [theta.tobytes(), *[state.tobytes() for state in states], np.ones(1, np.int64).tobytes()]
        assert changed_by_a_step(buffers) == expected


@pytest.mark.parametrize("n_shards", [1, 2, 3])
def test_clipping_a_norm_that_is_not_finite_changes_nothing(n_shards):
    """J is finite, but the squares of its gradient overflow; without clipping the same step succeeds."""
    net = Task([3, 2], ["identity"], "absolute", "float64", rows=6)
    net.X[5] = 1e200
    for clip_norm, finite in ((1.0, False), (0.0, True)):
        buffers = plan_buffers(net, n_shards=n_shards, clip_norm=clip_norm)
        plan, before = bind_plan(**buffers), changed_by_a_step(buffers)
        J = plan.step(0, 6, 1e-200)
        assert np.isfinite(J) == finite
        assert (changed_by_a_step(buffers) != before) == finite
        if not finite:
            assert np.isnan(J) and np.isnan(plan.take_mean_loss())
            assert np.isfinite(plan.step(0, 5, 1e-3))


def test_take_mean_loss_weights_the_batches_and_resets():
    """Five roundings more than the losses themselves."""
    for weighted in (False, True):
        net = Task(
            [3, 4, 2], ["relu", "softmax"], "cross_entropy", "float64", rows=20, weighted=weighted, l2=0.1, seed=3
        )
        plan = bind_plan(**plan_buffers(net))
        w = np.ones(20) if net.weights is None else net.weights
        bounds = [(0, 8), (8, 16), (16, 20)]
        losses = [plan.step(*at, 0.1) for at in bounds]
        totals = [w[slice(*at)].sum() for at in bounds]
        assert plan.take_mean_loss() == pytest.approx(np.average(losses, weights=totals), rel=5e-16 * 5)
        assert np.isnan(plan.take_mean_loss())


# ---- Batches that change nothing ------------------------------------------------------------------------------------


@each_dtype
@pytest.mark.parametrize("rule", registry.RULES)
@pytest.mark.parametrize("n_shards", [1, 2])
def test_a_batch_without_weight_changes_nothing(dtype, rule, n_shards):
    net = Task([3, 4, 2], ["tanh", "softmax"], "cross_entropy", dtype, rows=12, weighted=True, l2=0.1)
    net.weights[:] = 1
    net.weights[4:8] = 0
    buffers = plan_buffers(net, rule=rule, n_shards=n_shards, batch=4)
    plan = bind_plan(**buffers)
    plan.step(0, 4, 0.1)
    before = changed_by_a_step(buffers)
    assert plan.step(4, 8, 0.1) == 0
    assert changed_by_a_step(buffers) == before
    plan.step(8, 12, 0.1)
    assert changed_by_a_step(buffers) != before
    assert buffers["step_count"][0] == 2


@each_dtype
@pytest.mark.parametrize("rule", registry.RULES)
@pytest.mark.parametrize(("n_shards", "team"), [(1, 1), (2, 1), (2, 2), (3, 2)])
@pytest.mark.parametrize("where", ["X", "Y", "weights", "theta"])
def test_a_loss_that_is_not_finite_changes_nothing(dtype, rule, n_shards, team, where):
    """NaN or infinity in one example affects one shard's loss, but no shard may update."""
    for value in (np.nan, np.inf):
        net = Task([3, 4, 2], ["tanh", "identity"], "squared_error", dtype, rows=12, weighted=True, l2=0.1)
        net.weights[:] = 1
        buffers = plan_buffers(net, rule=rule, n_shards=n_shards, team=team, batch=6)
        plan = bind_plan(**buffers)
        assert np.isfinite(plan.step(0, 6, 0.1))
        target = (
            buffers["theta"][-1:] if where == "theta" else {"X": net.X, "Y": net.Y, "weights": net.weights}[where][11:]
        )
        target[...] = value
        before = changed_by_a_step(buffers)
        J = plan.step(6, 12, 0.1)
        # tanh saturates at an infinite Z: that loss is finite
        if where == "X" and value == np.inf and np.isfinite(J):
            continue
        assert not np.isfinite(J)
        assert changed_by_a_step(buffers) == before


def test_a_label_out_of_range_changes_nothing():
    net = Task([3, 4, 2], ["tanh", "softmax"], "cross_entropy", "float64", rows=12)
    for label in (-1, 2, 2**31 - 1, -(2**31)):
        net.Y[7] = label
        buffers = plan_buffers(net, rule="adam", n_shards=2)
        plan, before = bind_plan(**buffers), changed_by_a_step(buffers)
        assert np.isnan(plan.step(4, 12, 0.1))
        assert changed_by_a_step(buffers) == before


# ---- Memory and threads --------------------------------------------------------------------------------


def test_a_step_allocates_nothing():
    """1000 steps have the peak of one: its float and the loop's range."""
    net = Task([9, 30, 4], ["relu", "softmax"], "cross_entropy", "float32", rows=100, weighted=True, l2=0.01)
    order = np.arange(100)
    plan = bind_plan(**plan_buffers(net, rule="adam", batch=20, n_shards=2, order=order))

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


def test_a_plan_in_use_refuses_other_threads():
    """The second of two threads gets an error, and the plan is unharmed."""
    net = Task([500, 500, 500, 2], ["tanh", "tanh", "softmax"], "cross_entropy", "float64", rows=600)
    buffers = plan_buffers(net, batch=600)
    plan, refused, outs = bind_plan(**buffers), [], [np.empty_like(buffers["theta"]) for _ in range(2)]

    def work(out):
        while not refused:
            try:
                plan.penalized_gradient(0, 600, out)
            except RuntimeError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=work, args=(out,)) for out in outs]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "in use by another thread" in refused[0]
    assert np.isfinite(plan.step(0, 600, 1e-3))


def test_bound_buffers_stay_alive_and_cannot_be_resized():
    net = Task([3, 4, 2], ["gelu", "softmax"], "cross_entropy", "float64", rows=9, weighted=True)
    results = []
    for drop in (False, True):
        buffers = plan_buffers(net, rule="adam", order=np.arange(9), n_shards=2)
        buffers["X"], buffers["weights"], buffers["Y"] = net.X.copy(), net.weights.copy(), net.Y.copy()
        plan, theta = bind_plan(**buffers), buffers["theta"]
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
