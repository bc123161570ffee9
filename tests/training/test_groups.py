"""Groups of parameters with their own learning rate and weight decay, in `Network.fit`."""

import numpy as np
import pytest
import scipy.sparse
from helpers.fit_cases import blobs
from helpers.network_cases import parameter_bytes

from fastnn import Network
from fastnn._model.parameters import ParameterLayout
from fastnn.callbacks import Checkpoint
from fastnn.embeddings import Embedding
from fastnn.optimizers import Adam, AdamW, Group

RULES = ["sgd", "momentum", "nesterov", "adam", "adamw", "nadam", "rmsprop"]
X, LABELS = blobs(m=90)


def make(seed=0, **settings):
    return Network([4, 7, 5, 3], **{"activation": "tanh", "dtype": "float64", "random_state": seed} | settings)


def fitted(**settings):
    net = make(l2=0.02, dropout=0.2)
    net.fit(X, LABELS, **{"epochs": 3, "batch_size": 16, "n_threads": 1} | settings)
    return net


def test_the_layout_names_every_element_of_the_arena_once():
    parts = list(ParameterLayout((4, 7, 5, 3), (False,) * 3).groups())
    assert [(one.name, one.layer, one.stop - one.start) for one in parts] == [
        ("W", 1, 28), ("W", 2, 35), ("W", 3, 15), ("b", 1, 7), ("b", 2, 5), ("b", 3, 3)]  # fmt: skip
    assert [one.start for one in parts] == [0, *(one.stop for one in parts[:-1])]


@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("n_threads", [1, 2])
def test_factors_of_1_change_nothing(rule, n_threads):
    settings = {"optimizer": rule, "n_threads": n_threads, "clip_norm": 0.5}
    plain = fitted(**settings)
    decay = 1 if rule == "adamw" else None
    for groups in ({"W": Group()}, {"W": Group(1, decay), "b": Group([1, 1, 1], 0)}):
        assert parameter_bytes(fitted(groups=groups, **settings)) == parameter_bytes(plain)


@pytest.mark.parametrize("rule", RULES)
def test_the_same_factor_for_all_groups_is_another_learning_rate(rule):
    """A factor of a power of 2 rounds nothing."""
    net = fitted(optimizer=rule, learning_rate=0.02, groups={"W": Group(0.25), "b": Group([0.25] * 3)})
    assert parameter_bytes(net) == parameter_bytes(fitted(optimizer=rule, learning_rate=0.005))


@pytest.mark.parametrize("clip_norm", [None, 0.1])
@pytest.mark.parametrize("rule", RULES)
def test_a_learning_rate_of_0_freezes(rule, clip_norm):
    """Bitwise as `frozen_layers`, states and norm included; also if W and b are frozen in different layers."""
    settings = {"optimizer": rule, "clip_norm": clip_norm}
    by_groups = fitted(groups={"W": Group([0, 1, 1]), "b": Group([0, 1, 1])}, **settings)
    by_layers = fitted(frozen_layers=[1], **settings)
    assert parameter_bytes(by_groups) == parameter_bytes(by_layers)
    for mine, its in zip(by_groups._state.arenas, by_layers._state.arenas, strict=True):
        assert np.array_equal(mine, its)
    assert by_groups.history.loss == by_layers.history.loss
    start, net = make(l2=0.02, dropout=0.2), fitted(groups={"W": Group([0, 1, 0]), "b": Group([1, 0, 1])}, **settings)
    assert [np.array_equal(*both) for both in zip(net.W, start.W, strict=True)] == [True, False, True]
    assert [np.array_equal(*both) for both in zip(net.b, start.b, strict=True)] == [False, True, False]


def test_groups_and_frozen_layers_work_together():
    both = fitted(groups={"W": Group([1, 0.5, 0]), "b": Group(0.1)}, frozen_layers=[1], clip_norm=0.2)
    groups = fitted(groups={"W": Group([0, 0.5, 0]), "b": Group([0, 0.1, 0.1])}, clip_norm=0.2)
    assert parameter_bytes(both) == parameter_bytes(groups)


def test_weight_decay_by_group_multiplies_the_learning_rate_of_the_group():
    """One step with an epsilon so large that parameters do nothing but shrink."""
    net = Network([2, 2, 1], output="identity", activation="identity", dtype="float64", random_state=0)
    for b in net.b:
        b[...] = 1
    before = [np.copy(one) for one in (*net.W, *net.b)]
    net.fit(X[:, :2], X[:, 2], batch_size=None, epochs=1, learning_rate=0.5,
            optimizer=AdamW(epsilon=1e200, weight_decay=0.1),
            groups={"W": Group(2, [1, 3]), "b": Group([0.5, 0.25], 4)})
    factors = [0.9, 0.7, 0.9, 0.95]  # 1 - 0.5 * rate * 0.1 * decay
    for now, was, factor in zip((*net.W, *net.b), before, factors, strict=True):
        np.testing.assert_allclose(now, factor * was, rtol=4 * 2.2e-16)  # factor and product are rounded


@pytest.mark.parametrize("n_threads", [1, 2])
def test_sparse_examples_have_groups(n_threads, tuning):
    tuning(MIN_SHARD_WORK=0)
    groups, settings = {"W": Group([0, 0.5, 2], 2), "b": Group(0.1, 1)}, {"optimizer": "adamw", "n_threads": n_threads}
    dense, sparse = make(), make()
    dense.fit(X, LABELS, epochs=2, groups=groups, **settings)
    sparse.fit(scipy.sparse.csr_array(X), LABELS, epochs=2, groups=groups, **settings)
    for mine, its in zip((*dense.W, *dense.b), (*sparse.W, *sparse.b), strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-9)
    assert np.array_equal(dense.W[0], make().W[0])


def test_a_resumed_fit_is_bitwise_the_whole_one_and_has_the_same_groups(tmp_path):
    path, groups = tmp_path / "run.fastnn", {"b": Group(0.1, 1), "W": Group([1, 2, 0.5])}
    settings = {"optimizer": "adamw", "groups": groups}
    whole = make()
    whole.fit(X, LABELS, epochs=4, **settings)
    make().fit(X, LABELS, epochs=2, callbacks=[Checkpoint(path)], **settings)
    again = make(seed=3)
    again.fit(X, LABELS, epochs=4, resume=path, **settings)
    assert parameter_bytes(again) == parameter_bytes(whole)
    for other in (None, {"b": Group(0.1, 1)}, {"b": Group(0.1, 1), "W": Group([1, 2, 0.25])}):
        with pytest.raises(ValueError, match=r"it has groups=\{.*this fit groups=\{"):
            make().fit(X, LABELS, epochs=4, resume=path, optimizer="adamw", groups=other)


PARTS = {"W": ["W[1]", "W[2]", "W[3]"], "b": ["b[1]", "b[2]", "b[3]"], "scale": ["scale"], "vectors": ["vectors"],
         "embedding": ["frequencies", "phases", "weights", "biases"], "mixture": ["mixture[1]", "mixture[2]"]}


def with_inputs():
    return Network([4, 7, 5, 3], embedding=Embedding(numbers=(0, 1), categories={3: 5}), scale_inputs=True,
                   activation_mixture=True, dtype="float64", random_state=0)


@pytest.mark.parametrize("n_threads", [1, 2])
@pytest.mark.parametrize("group", PARTS)
def test_every_group_of_a_network_with_an_input_stage_can_be_frozen_and_decays(group, n_threads):
    """With a large epsilon, parameters do nothing but shrink, by 1 - 0.5 * 2 * 0.1 * 3: a step is below 1e-190."""
    inputs = X.copy()
    inputs[:, 3] = np.arange(90) % 5
    net, before = with_inputs(), {name: view.copy() for name, view in with_inputs().parameters.items()}
    net.fit(inputs, LABELS, epochs=2, groups={group: Group(0)}, n_threads=n_threads)
    kept = [name for name, view in net.parameters.items() if np.array_equal(view, before[name])]
    assert kept == [name for name in net.parameters if name in PARTS[group]]
    net, others = with_inputs(), {name: Group(1, 0) for name in PARTS}
    net.fit(inputs, LABELS, batch_size=None, epochs=1, optimizer=AdamW(epsilon=1e200, weight_decay=0.1),
            learning_rate=0.5, groups=others | {group: Group(2, 3)}, n_threads=n_threads)
    for name, view in net.parameters.items():
        np.testing.assert_allclose(view, before[name] * (0.7 if name in PARTS[group] else 1), rtol=4 * 2.2e-16,
                                   atol=1e-190)


def test_partial_fit_takes_groups():
    one, other = make(), make()
    one.partial_fit(X, LABELS, groups={"W": Group(0)})
    other.fit(X, LABELS, epochs=1, groups={"W": Group(0)})
    assert parameter_bytes(one) == parameter_bytes(other)
    assert all(np.array_equal(*both) for both in zip(one.W, make().W, strict=True))


@pytest.mark.parametrize(("groups", "error", "message"), [
    ([Group()], TypeError, "groups must be a dict of fastnn.optimizers.Group"),
    ({"weights": Group()}, ValueError, "this network has no group 'weights'; it has W, b"),
    ({1: Group()}, ValueError, "this network has no group 1; it has W, b"),
    ({"mixture": Group()}, ValueError, "this network has no group 'mixture'; it has W, b"),
    ({"W": 0.1}, TypeError, r"groups\['W'\] must be a fastnn.optimizers.Group, got 0.1"),
    ({"W": Group([1, 2])}, ValueError, r"groups\['W'\] needs 3 factors of the learning_rate, one for each layer, or a "
                                       r"number; got 2: \(1.0, 2.0\)"),
    ({"b": Group(1, [1] * 4)}, ValueError, r"groups\['b'\] needs 3 factors of the weight_decay"),
    ({"W": Group(0), "b": Group(0)}, ValueError, "groups and frozen_layers leave nothing to train"),
])  # fmt: skip
def test_impossible_groups_are_refused(groups, error, message):
    net = make()
    before = parameter_bytes(net)
    with pytest.raises(error, match=message):
        net.fit(X, LABELS, optimizer="adamw", groups=groups)
    assert parameter_bytes(net) == before and net.history is None


@pytest.mark.parametrize(("arguments", "error", "message"), [
    ((-0.1,), ValueError, "learning_rate of a group must be finite and at least 0"),
    ((np.inf,), ValueError, "learning_rate of a group must be finite"),
    ((np.nan,), ValueError, "learning_rate of a group must be finite"),
    ((1, -1), ValueError, "weight_decay of a group must be finite and at least 0"),
    (([1, -1],), ValueError, "learning_rate of layer 2 of a group must be finite and at least 0"),
    (("fast",), TypeError, "learning_rate of a group must be a number"),
    ((None,), TypeError, "learning_rate of a group must be a number"),
])  # fmt: skip
def test_impossible_factors_are_refused(arguments, error, message):
    with pytest.raises(error, match=message):
        Group(*arguments)


def test_weight_decay_needs_an_optimiser_that_has_it():
    with pytest.raises(ValueError, match=r"groups\['b'\] has weight_decay=1.0, but Adam\(.*has no weight decay"):
        make().fit(X, LABELS, optimizer=Adam(), groups={"b": Group(1, 1)})
    make().fit(X, LABELS, optimizer=Adam(), epochs=1, groups={"b": Group(0.1, 0), "W": Group([1, 2, 3])})


def test_lbfgs_has_no_groups():
    with pytest.raises(ValueError, match="it takes no groups"):
        make().fit(X, LABELS, optimizer="lbfgs", groups={"b": Group(0.1)})


def test_groups_with_equal_factors_are_equal():
    assert Group([1, 2], 0) == Group(np.array([1.0, 2.0]), 0.0) and repr(Group(1)) == repr(Group(1.0))
