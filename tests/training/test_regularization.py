"""Dropout, L1, weight decay and clipping through the public methods. The kernels are tested against the reference."""

import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn import AdamW, Network

RNG = np.random.default_rng(11)
X = RNG.standard_normal((400, 12))
Y = (X @ RNG.standard_normal((12, 3))).argmax(axis=1)


def net(dtype="float64", seed=0, sizes=(12, 64, 48, 3), **keywords):
    return Network(list(sizes), dtype=dtype, random_state=seed, **keywords)


def arena(network):
    return np.concatenate([view.ravel() for view in (*network.W, *network.b)])


# ---- dropout


def test_prediction_and_gradients_are_without_dropout():
    dropped, plain = net(dropout=0.5), net()
    dropped.W[:], dropped.b[:] = list(plain.W), list(plain.b)
    np.testing.assert_array_equal(dropped.predict_proba(X), plain.predict_proba(X))
    np.testing.assert_array_equal(dropped.forward(X), plain.forward(X))
    assert dropped.evaluate(X, Y) == plain.evaluate(X, Y)
    for mine, its in zip(dropped.gradients(X, Y)[1], plain.gradients(X, Y)[1], strict=True):
        np.testing.assert_array_equal(mine, its)


def test_a_run_is_reproducible_and_continues():
    one, other, longer = net(dropout=[0.3, 0.2]), net(dropout=[0.3, 0.2]), net(dropout=[0.3, 0.2])
    one.fit(X, Y, epochs=4)
    other.fit(X, Y, epochs=2)
    other = pickle.loads(pickle.dumps(other))
    other.fit(X, Y, epochs=2)
    longer.fit(X, Y, epochs=4)
    assert arena(one).tobytes() == arena(other).tobytes() == arena(longer).tobytes()
    assert not np.array_equal(arena(one), arena(net(dropout=[0.3, 0.2], seed=1).copy()))


def test_the_masks_do_not_depend_on_threads():
    """Two shards drop the same units as one: the losses differ by rounding only."""
    runs = []
    for threads in (1, 2):
        network = net(sizes=(12, 256, 256, 3), dropout=0.4)
        runs.append(network.fit(np.tile(X, (4, 1)), np.tile(Y, 4), epochs=3, batch_size=400, n_threads=threads).loss)
    np.testing.assert_allclose(runs[0], runs[1], rtol=1e-9)


@settings(max_examples=15, deadline=None)
@given(rate=st.floats(0.01, 0.9), seed=st.integers(0, 1000))
def test_the_expected_output_is_kept(rate, seed):
    """One linear layer of many units of value 1: the scaled sum of kept units has the same mean, to 6 sigma."""
    n = 20000
    network = Network([1, n, 1], activation="identity", output="identity", loss="absolute", init="zeros",
                      dropout=rate, dtype="float64", random_state=seed)
    network.b[0] = np.ones((n, 1))
    network.W[1] = np.full((1, n), 1 / n)
    J = network.fit(np.zeros((1, 1)), [-1.0], optimizer="sgd", learning_rate=1e-12, epochs=1).loss[0]
    # J = 1 + (kept / (1 - rate)) / n, kept binomial
    assert abs(J - 2) <= 6 * np.sqrt(rate / (1 - rate) / n) + 1e-9


def test_dropout_regularises():
    noisy = np.where(RNG.random(400) < 0.3, RNG.integers(3, size=400), Y)
    plain, dropped = net(), net(dropout=0.5)
    for network in (plain, dropped):
        network.fit(X, noisy, epochs=150, batch_size=32)
    assert dropped.evaluate(X, noisy)["loss"] > plain.evaluate(X, noisy)["loss"]
    fresh = np.random.default_rng(3).standard_normal((2000, 12))
    truth = (fresh @ np.linalg.lstsq(X, np.eye(3)[Y], rcond=None)[0]).argmax(axis=1)
    assert dropped.evaluate(fresh, truth)["loss"] < plain.evaluate(fresh, truth)["loss"]


def test_dropout_rates_of_each_layer():
    assert net(dropout=0.25).dropout == (0.25, 0.25)
    assert net(dropout=[0.25, 0]).dropout == (0.25, 0.0)
    assert net().dropout == net(dropout=0).dropout == (0.0, 0.0)
    assert net(dropout=[0.0, 0.0]).fit(X, Y, epochs=1).loss == net().fit(X, Y, epochs=1).loss


# ---- L1, weight decay, clipping


def test_l1_is_in_the_cost_and_its_gradient():
    plain, with_l1 = net(), net(l1=0.3)
    with_l1.W[:], with_l1.b[:] = list(plain.W), list(plain.b)
    extra = 0.3 * sum(np.abs(W).sum() for W in plain.W)
    assert with_l1.loss(X, Y) == pytest.approx(plain.loss(X, Y) + extra, rel=1e-12)
    (J, dW, db), (J_0, dW_0, db_0) = with_l1.gradients(X, Y), plain.gradients(X, Y)
    np.testing.assert_allclose(J, J_0 + extra, rtol=1e-12)
    for W, mine, its in zip(plain.W, dW, dW_0, strict=True):
        np.testing.assert_allclose(mine, its + 0.3 * np.sign(W), rtol=1e-12, atol=1e-15)
    for mine, its in zip(db, db_0, strict=True):
        np.testing.assert_array_equal(mine, its)
    assert with_l1.fit(X, Y, epochs=1, batch_size=None).loss[0] == pytest.approx(J, rel=1e-12)


def test_weight_decay_shrinks_weights_alone():
    network = net()
    W, b = [view.copy() for view in network.W], [view.copy() for view in network.b]
    zero = Network([12, 64, 48, 3], output="identity", loss="squared_error", init="zeros", dtype="float64")
    zero.W[:] = W  # with W[2] x + b = y no gradient: targets are what it predicts
    zero.fit(X, zero.predict(X), optimizer=AdamW(weight_decay=0.5), learning_rate=0.1, epochs=1, batch_size=None)
    for view, before in zip(zero.W, W, strict=True):
        np.testing.assert_allclose(view, before * (1 - 0.1 * 0.5), rtol=1e-12, atol=1e-9)
    assert all(np.abs(view).max() <= 1e-9 for view in zero.b) and len(b) == 3


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_clipped_gradient_has_the_given_norm(dtype, threads):
    for clip_norm in (1e-3, 0.1, 1e6):
        network = net(dtype, sizes=(12, 256, 256, 3), l2=0.01)
        _, dW, db = network.gradients(X, Y)
        norm = np.sqrt(sum(np.sum(np.square(g, dtype=np.float64)) for g in dW + db))
        before = arena(network).astype(np.float64)
        network.fit(X, Y, optimizer="sgd", learning_rate=0.5, clip_norm=clip_norm, epochs=1, batch_size=None,
                    n_threads=threads)
        moved = np.linalg.norm(arena(network) - before)
        # theta is rounded after the step, each entry of the gradient by its sum over 400 examples
        slack = np.finfo(dtype).eps * (np.linalg.norm(before) + 400 * norm)
        assert abs(moved - 0.5 * min(norm, clip_norm)) <= slack


def test_a_non_finite_gradient_norm_is_a_divergence():
    """J is finite, gradients exceed the range of the dtype: nothing changes, and training stops."""
    network = Network([1, 1], output="identity", dtype="float32", random_state=0)
    before = arena(network)
    with pytest.warns(RuntimeWarning, match="training diverged"):
        network.fit([[3e30]], [1e-30], optimizer="sgd", clip_norm=1.0, epochs=3)
    np.testing.assert_array_equal(arena(network), before)


@pytest.mark.parametrize(("value", "error"), [(0, ValueError), (-1, ValueError), (np.inf, ValueError), ("1", TypeError),
                                              (True, TypeError)])
def test_bad_clip_norm(value, error):
    with pytest.raises(error, match="clip_norm must be"):
        net().fit(X, Y, clip_norm=value)
