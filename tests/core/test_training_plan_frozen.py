"""TrainingPlan with frozen layers: the others step as without, and the frozen ones do not."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.core_cases import PAIRS, PARAMETERS, PER_TARGET, Task, bind_plan, plan_buffers
from helpers.kernel_cases import unit_roundoff
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn._core import registry
from fastnn._model.parameters import ParameterLayout

LEVELS = range(len(registry.LEVELS))


def frozen_of(net, layers):
    """The argument `frozen` of a plan."""
    weights = [net.W[l].astype(np.float64) for l in layers]
    return SimpleNamespace(layers=layers, squares=sum((W**2).sum() for W in weights),
                           absolutes=sum(np.abs(W).sum() for W in weights))


def trained(net, row_major, layers):
    """For each parameter of the arena, whether it is trained."""
    mask = np.zeros(sum(W.size + b.size for W, b in zip(net.W, net.b, strict=True)), bool)
    for views in ParameterLayout(net.sizes, row_major).views(mask):
        for l, view in enumerate(views):
            view[...] = l not in layers
    return mask


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rule", registry.RULES)
@settings(max_examples=15)
@given(data=st.data())
def test_a_step_leaves_frozen_layers_and_moves_the_others_bitwise_as_without(rule, dtype, data):
    """The gradient buffers hold NaN before: what is not computed is not used. J sums the penalties in another order."""
    loss, output = data.draw(st.sampled_from(PAIRS), label="loss")
    sizes = data.draw(st.lists(st.integers(1, 17), min_size=3, max_size=5), label="sizes")
    sizes[-1] *= PER_TARGET[loss]
    L = len(sizes) - 1
    layers = sorted(data.draw(st.sets(st.integers(0, L - 1), min_size=1, max_size=L - 1), label="frozen"))
    row_major = tuple(data.draw(st.lists(st.booleans(), min_size=L, max_size=L), label="row-major"))
    net = Task(sizes, ["tanh"] * (L - 1) + [output], loss, dtype, rows=9, loss_parameter=PARAMETERS.get(loss, 0.0),
               l2=data.draw(st.sampled_from([0.0, 0.1])), l1=data.draw(st.sampled_from([0.0, 0.05])),
               sparse=data.draw(st.booleans(), label="sparse") and not row_major[0])
    n_shards, team = data.draw(st.sampled_from([1, 3])), data.draw(st.sampled_from([1, 2]))
    n_parts = 1 if n_shards > 1 or net.csr is not None else data.draw(st.sampled_from([1, 3]), label="parts")
    halves = data.draw(st.booleans(), label="gradient, then apply")
    moving = trained(net, row_major, layers)
    for level in LEVELS:
        results = []
        for frozen in (None, frozen_of(net, layers)):
            buffers = plan_buffers(net, rule=rule, batch=9, n_shards=n_shards, team=team, level=level,
                                   row_major=row_major, weight_decay=0.3)
            for state in buffers["states"]:
                state.fill(0.5)
            plan, whole = bind_plan(**buffers, frozen=frozen, n_parts=n_parts), np.full_like(buffers["theta"], np.nan)
            J = plan.penalized_gradient(0, 9, whole)
            stepped = plan.gradient(0, 9) + plan.apply(0.1) if halves else plan.step(0, 9, 0.1)
            results.append((J, stepped, whole, buffers["theta"], *buffers["states"]))
        free, held = results
        before = plan_buffers(net, rule=rule, row_major=row_major)["theta"]
        for mine, its in zip(held[2:], free[2:], strict=True):
            np.testing.assert_array_equal(mine[moving], its[moving])
        np.testing.assert_array_equal(held[2][~moving], 0)
        np.testing.assert_array_equal(held[3][~moving], before[~moving])
        for state in held[4:]:
            np.testing.assert_array_equal(state[~moving], 0.5)
        bound = 2 * before.size * unit_roundoff(dtype) * max(1.0, abs(free[0]))
        np.testing.assert_allclose(held[:2], free[:2], rtol=0, atol=bound)


@pytest.mark.parametrize(("layers", "message"), [((0, 1), "all layers are frozen"), ((2,), "from 0 to 1, got 2"),
                                                 ((-1,), "from 0 to 1, got -1")])
def test_impossible_layers_are_refused(layers, message):
    net = Task([2, 3, 2], ["relu", "softmax"], "cross_entropy", "float64")
    with pytest.raises(ValueError, match=message):
        bind_plan(**plan_buffers(net), frozen=SimpleNamespace(layers=layers, squares=0.0, absolutes=0.0))
