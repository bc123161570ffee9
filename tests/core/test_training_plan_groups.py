"""TrainingPlan with groups: each range of parameters has its own learning rate and weight decay."""

from itertools import pairwise

import numpy as np
import pytest
from helpers.core_cases import Task, arena, bind_plan, changed_by_a_step, plan_buffers
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn._core import _testing, kernels, registry

LEVELS = range(len(registry.LEVELS))
SIZES = [5, 7, 4, 3]


def make(dtype, **settings):
    return Task(SIZES, ["tanh", "relu", "softmax"], "cross_entropy", dtype, rows=12, seed=3, **settings)


@st.composite
def rows_of_groups(draw, size):
    """Ranges of an arena in order, some next to each other, with their factors."""
    cuts = sorted(draw(st.sets(st.integers(0, size), min_size=2, max_size=8)))
    pairs = list(pairwise(cuts))
    kept = draw(st.lists(st.booleans(), min_size=len(pairs), max_size=len(pairs)))
    factors = st.sampled_from([0.1, 1.0, 6.0]), st.sampled_from([0.0, 1.0, 2.5])
    rows = [(*pair, draw(factors[0]), draw(factors[1])) for pair, keep in zip(pairs, kept, strict=True) if keep]
    return rows or [(0, size, 1.0, 1.0)]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", registry.RULES)
@settings(max_examples=15)
@given(data=st.data())
def test_a_step_is_an_update_of_each_range_with_its_own_rates(rule, dtype, data):
    """Bitwise the kernel's, with rates multiplied by the factors; the elements between the ranges stay as they are."""
    net = make(dtype, l2=data.draw(st.sampled_from([0.0, 0.1])), l1=data.draw(st.sampled_from([0.0, 0.05])))
    theta = arena(net, (False,) * 3)
    rows = data.draw(rows_of_groups(theta.size), label="rows")
    decay = data.draw(st.sampled_from([0.0, 0.3]), label="weight decay")
    n_shards, team = data.draw(st.sampled_from([1, 3])), data.draw(st.sampled_from([1, 2]))
    halves = data.draw(st.booleans(), label="gradient, then apply")
    for level in LEVELS:
        buffers = plan_buffers(net, rule=rule, batch=12, n_shards=n_shards, team=team, level=level, weight_decay=decay)
        plan, out = bind_plan(**buffers, groups=rows), np.full_like(theta, np.nan)
        theta, states = buffers["theta"].copy(), [state.copy() for state in buffers["states"]]
        J = plan.penalized_gradient(0, 12, out)
        numbers = buffers["hyperparameters"] | {"l2": 0.0, "l1": 0.0}
        betas = {name: numbers[name] for name in ("beta_1", "beta_2") if name in numbers}
        rates = _testing.rates(rule, 1, 0.25, **betas)
        numbers = {name: value for name, value in numbers.items() if name != "weight_decay"}
        for start, stop, rate, factor in rows:
            own = {name: rates[name] * rate for name in ("rate", "gradient_rate")}
            shrink = 1 - 0.25 * decay * (rate * factor)
            with kernels.subnormals_as_zero():  # as in a plan
                _testing.update(rule, theta, out[np.newaxis], *states, start=start, stop=stop, level=level,
                                **numbers | own | {"shrink": shrink})
        assert all(np.isfinite(out[start:stop]).all() for start, stop, *_ in rows)
        stepped = plan.gradient(0, 12) + plan.apply(0.25) if halves else plan.step(0, 12, 0.25)
        assert stepped == pytest.approx(J, rel=1e-5 if dtype == "float32" else 1e-14)  # penalties in another order
        assert [theta.tobytes(), *[state.tobytes() for state in states]] == changed_by_a_step(buffers)[:-1]


@pytest.mark.parametrize("rule", registry.RULES)
@pytest.mark.parametrize("clip_norm", [0.0, 0.05])
def test_groups_with_factors_of_1_are_no_groups(rule, clip_norm):
    """Bitwise, the reported J included."""
    net = make("float32", l2=0.1)
    n_weights, results = sum(W.size for W in net.W), []
    for groups in (None, [(0, n_weights, 1.0, 1.0), (n_weights, n_weights + sum(SIZES[1:]), 1.0, 0.0)]):
        buffers = plan_buffers(net, rule=rule, batch=12, weight_decay=0.3, clip_norm=clip_norm)
        plan = bind_plan(**buffers, groups=groups)
        results.append(([plan.step(0, 12, 0.1) for _ in range(3)], changed_by_a_step(buffers)))
    assert results[0] == results[1]


@pytest.mark.parametrize(("rows", "message"), [
    ([], "all layers are frozen"),
    ([(0, 0, 1, 1)], "ranges in order, from 0 to 89, got 0 to 0 after 0"),
    ([(0, 90, 1, 1)], "ranges in order, from 0 to 89, got 0 to 90"),
    ([(-1, 9, 1, 1)], "ranges in order, from 0 to 89, got -1 to 9"),
    ([(0, 9, 1, 1), (8, 10, 1, 1)], "got 8 to 10 after 9"),
    ([(0, 9, 0, 1)], "positive rate and a decay of at least 0, got 0.0 and 1.0"),
    ([(0, 9, np.inf, 1)], "positive rate"),
    ([(0, 9, np.nan, 1)], "positive rate"),
    ([(0, 9, 1, -1)], "decay of at least 0"),
    ([(0, 9, 1, np.nan)], "decay of at least 0"),
])  # fmt: skip
def test_impossible_groups_are_refused(rows, message):
    net = make("float64")
    with pytest.raises(ValueError, match=message):
        bind_plan(**plan_buffers(net), groups=rows)
