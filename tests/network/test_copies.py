"""Copies and pickles of a network: independent, of other versions, in read-only memory; and fits that fail."""

import copy
import pickle

import numpy as np
import pytest

from fastnn import Network, __version__
from fastnn.callbacks import LambdaCallback

rng = np.random.default_rng(0)
X, y = rng.standard_normal((60, 4)), rng.integers(0, 3, 60)


def trained(**parameters):
    net = Network([4, 6, 3], random_state=0, **parameters)
    net.fit(X, y, epochs=3, batch_size=20)
    return net


def read_only(net):
    """Return a copy on read-only buffers that are not aligned."""
    buffers = []
    data = pickle.dumps(net, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=[memoryview(b"x" + bytes(buffer.raw()))[1:] for buffer in buffers])


@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, Network.copy, lambda net: pickle.loads(pickle.dumps(net)),
                                    read_only])
@pytest.mark.parametrize("dropout", [0.0, 0.2])
def test_copies_are_independent_and_continue_bitwise_identically(copied, dropout):
    net = trained(dropout=dropout)
    twin, alone, before = copied(net), copy.deepcopy(net), net.predict_proba(X)
    twin.fit(X, y, epochs=2, batch_size=20)
    np.testing.assert_array_equal(net.predict_proba(X), before)
    for one in (net, alone):
        one.fit(X, y, epochs=2, batch_size=20)
        np.testing.assert_array_equal(one.predict_proba(X), twin.predict_proba(X))


@pytest.mark.parametrize("optimizer", ["adam", "sgd", "lbfgs"])
def test_networks_in_read_only_memory_train_on_copies(optimizer, tmp_path):
    joblib = pytest.importorskip("joblib")
    net = trained()
    joblib.dump(net, tmp_path / "net")
    for twin in (joblib.load(tmp_path / "net", mmap_mode="r"), read_only(net)):
        source = copy.deepcopy(net)
        np.testing.assert_array_equal(twin.predict_proba(X), source.predict_proba(X))
        assert twin.gradients(X, y)[0] == source.gradients(X, y)[0] and twin.loss(X, y) == source.loss(X, y)
        for one in (twin, source):
            one.fit(X, y, epochs=2, optimizer=optimizer)
        np.testing.assert_array_equal(twin.predict_proba(X), source.predict_proba(X))
        twin.W[0][...] = 0


def test_networks_in_read_only_memory_can_be_initialised():
    net = trained()
    np.testing.assert_array_equal(read_only(net).initialize().W[0], copy.deepcopy(net).initialize().W[0])


def test_states_of_other_versions():
    """An older one lacks attributes; a newer one warns."""
    net = trained()
    state = net.__getstate__()
    assert state["_fastnn_version"] == __version__
    old = Network.__new__(Network)
    old.__setstate__({name: value for name, value in state.items() if name not in ("_fastnn_version", "history")})
    assert old.history is None
    np.testing.assert_array_equal(old.predict_proba(X), net.predict_proba(X))
    with pytest.warns(UserWarning, match=r"this Network was pickled by fastnn 99\.1, which is newer"):
        old.__setstate__(state | {"_fastnn_version": "99.1", "more": 1})
    old.fit(X, y, epochs=1)


FAILURES = [{"optimizer": "ghost"}, {"learning_rate": -1}, {"validation_data": (X[:, :2], y)}, {"epochs": -1},
            {"validation_data": (X, y + 9)}, {"class_weight": {7: 1.0}}, {"sample_weight": -np.ones(60)},
            {"metrics": ["ghost"]}, {"callbacks": [3]}, {"resume": "missing file"}, {"batch_size": 0},
            {"early_stopping": 3}, {"validation_fraction": 0.0001}]


@pytest.mark.parametrize("arguments", FAILURES, ids=lambda arguments: next(iter(arguments)))
@pytest.mark.parametrize("fitted", [False, True])
def test_a_refused_fit_leaves_the_network_as_it_was(arguments, fitted):
    """Parameters, optimiser, generator and history."""
    net = trained() if fitted else Network([4, 6, 3], random_state=0)
    before = pickle.dumps(net)
    with pytest.raises((ValueError, TypeError, OSError)):
        net.fit(X, y, **arguments)
    assert pickle.dumps(net) == before


@pytest.mark.parametrize("hook", ["on_fit_begin", "on_epoch_end", "on_fit_end"])
def test_a_callback_that_raises_leaves_a_usable_network(hook):
    """With the parameters of the steps before."""
    def broken(*arguments):
        raise KeyError("broken")

    net, twin = trained(), trained()
    with pytest.raises(KeyError):
        net.fit(X, y, epochs=1, callbacks=[LambdaCallback(**{hook: broken})])
    if hook != "on_fit_begin":
        twin.fit(X, y, epochs=1)
    np.testing.assert_array_equal(net.predict_proba(X), twin.predict_proba(X))
    for one in (net, twin):
        one.fit(X, y, epochs=1)
    np.testing.assert_array_equal(net.predict_proba(X), twin.predict_proba(X))


def test_what_is_kept_does_not_grow_with_a_stream():
    """The history is that of the last call."""
    net = Network([4, 6, 3], random_state=0)
    sizes = []
    for _ in range(30):
        net.partial_fit(X[:1], y[:1])
        sizes.append(len(pickle.dumps(net)))
    assert len(net.history) == 1 and max(sizes) - sizes[0] < 20  # numbers of other lengths


def test_another_optimizer_begins_with_a_new_state():
    net, fresh = trained(), trained()
    fresh._state = None
    for one in (net, fresh):
        one.partial_fit(X, y, optimizer="rmsprop")
    np.testing.assert_array_equal(net.predict_proba(X), fresh.predict_proba(X))
