"""Frozen layers stay bitwise as they are; the others train as if these were constants."""

import numpy as np
import pytest
import scipy.sparse
from helpers.fit_cases import blobs
from helpers.network_cases import parameter_bytes

from fastnn import Network
from fastnn.callbacks import Checkpoint

RULES = ["sgd", "momentum", "nesterov", "adam", "adamw", "nadam", "rmsprop"]
FROZEN = [(1,), (2,), (3,), (1, 2), (1, 3), (-1,), (-3, 2)]
X, LABELS = blobs(m=90)


def make(seed=0, **settings):
    return Network([4, 7, 5, 3], **{"activation": "tanh", "dtype": "float64", "random_state": seed} | settings)


def frozen_indices(frozen):
    return {l - 1 if l > 0 else 3 + l for l in frozen}


def copies(arrays):
    return [array.copy() for array in arrays]


@pytest.mark.parametrize("frozen", FROZEN)
@pytest.mark.parametrize("rule", RULES)
@pytest.mark.parametrize("penalties", [{}, {"l2": 0.05, "l1": 0.01, "dropout": (0.2, 0.1)}])
def test_training_equals_that_of_all_layers_with_the_frozen_ones_put_back_after_each_step(rule, frozen, penalties):
    """Bitwise: an update works element by element, and the gradient of a layer does not depend on other updates."""
    net, twin = make(**penalties), make(**penalties)
    indices, W, b = frozen_indices(frozen), copies(net.W), copies(net.b)
    settings = {"optimizer": rule, "learning_rate": 0.05, "batch_size": None, "shuffle": False, "n_threads": 1}
    history = net.fit(X, LABELS, epochs=4, frozen_layers=frozen, **settings)
    losses = []
    for _ in range(4):
        losses += twin.fit(X, LABELS, epochs=1, **settings).loss
        for l in indices:
            twin.W[l], twin.b[l] = W[l], b[l]
    for l in range(3):
        assert np.array_equal(net.W[l], twin.W[l]) and np.array_equal(net.b[l], twin.b[l])
        assert (l in indices) == np.array_equal(net.W[l], W[l]) == np.array_equal(net.b[l], b[l])
    # The penalties are summed in another order: at most 80 roundings.
    np.testing.assert_allclose(history.loss, losses, rtol=80 * 2.2e-16, atol=0)


@pytest.mark.parametrize("rule", ["momentum", "adam", "rmsprop"])
def test_the_optimiser_state_of_frozen_layers_is_kept(rule):
    net = make()
    settings = {"optimizer": rule, "batch_size": 16}
    net.fit(X, LABELS, epochs=2, **settings)
    layout = net._parameters.layout
    before = [layout.views(arena.copy()) for arena in net._state.arenas]
    net.fit(X, LABELS, epochs=2, frozen_layers=(2,), **settings)
    for arena, kept in zip(net._state.arenas, before, strict=True):
        for mine, its in zip(layout.views(arena), kept, strict=True):
            assert [np.array_equal(one, other) for one, other in zip(mine, its, strict=True)] == [False, True, False]


@pytest.mark.parametrize("frozen", [(1,), (2,), (1, 3)])
def test_clip_norm_limits_the_gradient_of_the_trained_layers(frozen):
    net, rate, limit = make(l2=0.1), 0.5, 0.01
    _, dW, db = net.gradients(X, LABELS)
    trained = set(range(3)) - frozen_indices(frozen)
    norm = np.sqrt(sum((dW[l] ** 2).sum() + (db[l] ** 2).sum() for l in trained))
    assert norm > limit
    W = copies(net.W)
    net.fit(X, LABELS, epochs=1, batch_size=None, optimizer="sgd", learning_rate=rate, clip_norm=limit,
            frozen_layers=frozen)
    for l in trained:  # a few roundings of W and of the sums of 90 examples
        np.testing.assert_allclose(net.W[l], W[l] - rate * limit / norm * dW[l], rtol=0, atol=200 * 2.2e-16)


@pytest.mark.parametrize("optimizer", [*RULES, "lbfgs"])
def test_the_last_layer_alone_trains_as_a_network_on_the_features_below(optimizer):
    """The same products in another network: rounding differences grow a little in each step."""
    net = make(l2=0.01)
    head = Network([5, 3], dtype="float64", l2=0.01, random_state=0)
    head.W[0], head.b[0] = net.W[2], net.b[2]
    features = net.forward(X, return_cache=True)[1].A[1].T.copy()
    settings = {"optimizer": optimizer, "epochs": 5} | ({} if optimizer == "lbfgs" else
                                                        {"batch_size": None, "shuffle": False, "learning_rate": 0.05})
    net.fit(X, LABELS, frozen_layers=(1, 2), **settings)
    head.fit(features, LABELS, **settings)
    np.testing.assert_allclose(net.W[2], head.W[0], rtol=0, atol=1e-9)
    np.testing.assert_allclose(net.b[2], head.b[0], rtol=0, atol=1e-9)


@pytest.mark.parametrize("frozen", FROZEN)
def test_lbfgs_moves_the_trained_layers_only(frozen):
    net = make(l2=0.01)
    W, b = copies(net.W), copies(net.b)
    history = net.fit(X, LABELS, optimizer="lbfgs", epochs=8, frozen_layers=frozen)
    for l in range(3):
        assert (l in frozen_indices(frozen)) == np.array_equal(net.W[l], W[l]) == np.array_equal(net.b[l], b[l])
    assert history.loss[-1] < history.loss[0]
    assert history.loss[-1] == pytest.approx(net.loss(X, LABELS), rel=1e-12)


@pytest.mark.parametrize("n_threads", [1, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sparse_features_and_shards(n_threads, dtype, tuning):
    tuning(MIN_SHARD_WORK=0, MIN_SHARD_WORK_PER_PARAMETER=0, MIN_SHARD_EXAMPLES=1)
    net = make(dtype=dtype)
    W = copies(net.W)
    net.fit(scipy.sparse.csr_array(X), LABELS, epochs=2, batch_size=30, frozen_layers=(1,), n_threads=n_threads)
    assert [np.array_equal(one, other) for one, other in zip(net.W, W, strict=True)] == [True, False, False]
    net.fit(X, LABELS, epochs=2, batch_size=31, frozen_layers=(2, -1), n_threads=n_threads, clip_norm=0.1)
    assert not np.array_equal(net.W[0], W[0])


def test_a_resumed_fit_keeps_its_layers_frozen(tmp_path):
    path = tmp_path / "run.fastnn"
    whole, net = make(), make()
    whole.fit(X, LABELS, epochs=4, frozen_layers=(1,))
    net.fit(X, LABELS, epochs=2, frozen_layers=(1,), callbacks=[Checkpoint(path)])
    for other in ((), (2,)):
        with pytest.raises(ValueError, match=r"it has frozen=\[0\], this fit frozen="):
            make(seed=1).fit(X, LABELS, epochs=4, resume=path, frozen_layers=other)
    again = make(seed=1)
    again.fit(X, LABELS, epochs=4, resume=path, frozen_layers=(-3,))
    assert parameter_bytes(again) == parameter_bytes(whole)


@pytest.mark.parametrize(("value", "error", "message"), [
    ((1, 2, 3), ValueError, r"frozen_layers=\(1, 2, 3\) leaves no layer to train: there are 3"),
    ((1, -2, -1), ValueError, "leaves no layer to train"),
    ((0,), ValueError, r"counts layers from 1 to 3, or from -1 to -3 from the last downwards, got \(0,\)"),
    ((4,), ValueError, r"frozen_layers counts layers from 1 to 3, .* got \(4,\)"),
    ((-4,), ValueError, r"frozen_layers counts layers from 1 to 3, .* got \(-4,\)"),
    ((1.0,), TypeError, "an item of frozen_layers must be a whole number, got 1.0"),
    ((True,), TypeError, "an item of frozen_layers must be a whole number, got True"),
    (1, TypeError, "frozen_layers must be a sequence of numbers of layers, got 1"),
    ("1", TypeError, "frozen_layers must be a sequence of numbers of layers, got '1'"),
])
def test_impossible_layers_are_refused(value, error, message):
    net = make()
    before = parameter_bytes(net)
    with pytest.raises(error, match=message):
        net.fit(X, LABELS, frozen_layers=value)
    assert parameter_bytes(net) == before


@pytest.mark.parametrize("nothing", [None, (), [], np.array([], int)])
def test_no_frozen_layers_train_all(nothing):
    net, twin = make(), make()
    net.fit(X, LABELS, epochs=2, frozen_layers=nothing)
    twin.fit(X, LABELS, epochs=2)
    assert parameter_bytes(net) == parameter_bytes(twin)


def test_partial_fit_freezes_layers():
    net = make()
    W = copies(net.W)
    net.partial_fit(X, LABELS, frozen_layers=np.array([1, 2]))
    assert [np.array_equal(one, other) for one, other in zip(net.W, W, strict=True)] == [True, True, False]
