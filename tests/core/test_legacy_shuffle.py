"""The order of examples that scikit-learn draws (csrc/random/legacy_shuffle.h) against NumPy's RandomState."""

import pickle
from threading import Thread

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastnn import MLPClassifier
from fastnn._core import kernels

GENERATORS = [np.random.MT19937, np.random.PCG64, np.random.Philox, np.random.SFC64]
BOUNDARIES = [count for bits in (1, 2, 8, 10, 16) for count in (2**bits - 1, 2**bits, 2**bits + 1)]


def twins(kind=np.random.MT19937, seed=0, words=0, gauss=False):
    """Two generators in the same state: after `words` words, and with or without a stored normal number."""
    pair = np.random.RandomState(kind(seed)), np.random.RandomState(kind(seed))
    for one in pair:
        one.bytes(4 * words)
        if gauss:
            one.standard_normal()
    return pair


def same_stream(ours, theirs):
    return (ours.standard_normal(3).tolist() == theirs.standard_normal(3).tolist()
            and ours.bytes(5000) == theirs.bytes(5000))


@settings(deadline=None, max_examples=100)
@given(st.integers(0, 3000) | st.sampled_from(BOUNDARIES), st.integers(0, 2**32 - 1), st.integers(0, 1300),
       st.booleans(), st.sampled_from(GENERATORS))
@example(2**17 + 3, 0, 0, False, np.random.MT19937)
def test_order_and_state_are_those_of_numpy(count, seed, words, gauss, kind):
    ours, theirs = twins(kind, seed, words, gauss)
    expected = np.arange(count)
    for _ in range(3):
        order = np.arange(count)
        kernels.legacy_shuffle(order, count, ours)
        expected[:] = np.arange(count)
        theirs.shuffle(expected)
        assert np.array_equal(order, expected)
    assert same_stream(ours, theirs)


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 3000) | st.sampled_from(BOUNDARIES), st.integers(0, 2**32 - 1), st.integers(0, 1300))
def test_without_an_order_only_the_state_changes(count, seed, words):
    ours, theirs = twins(seed=seed, words=words)
    kernels.legacy_shuffle(None, count, ours)
    theirs.shuffle(np.arange(count))
    assert same_stream(ours, theirs)


@pytest.mark.parametrize("state", ["new", "a set state", "a legacy tuple", "unpickled", "the global generator"])
def test_generators_of_any_origin_continue_as_in_numpy(state):
    saved = np.random.get_state()
    try:
        np.random.seed(3)
        ours = np.random.mtrand._rand if state == "the global generator" else np.random.RandomState(3)
        theirs = np.random.RandomState(3)
        if state == "a set state":
            ours.set_state(np.random.RandomState(7).get_state(legacy=False))
        elif state == "a legacy tuple":
            ours.set_state(np.random.RandomState(7).get_state())
        elif state == "unpickled":
            ours = pickle.loads(pickle.dumps(ours))
        if state in ("a set state", "a legacy tuple"):
            theirs = np.random.RandomState(7)
        for one in (ours, theirs):
            one.standard_normal()
        order, expected = np.arange(1000), np.arange(1000)
        kernels.legacy_shuffle(order, 1000, ours)
        theirs.shuffle(expected)
        assert np.array_equal(order, expected) and same_stream(ours, theirs)
    finally:
        np.random.set_state(saved)


def test_only_the_first_elements_are_shuffled_and_orders_compose():
    ours, theirs = twins()
    order = np.random.default_rng(0).permutation(100)
    expected = order.copy()
    for _ in range(5):
        kernels.legacy_shuffle(order, 90, ours)
        permutation = np.arange(90)
        theirs.shuffle(permutation)
        expected[:90] = expected[permutation]
    assert order.tolist() == expected.tolist()


def test_threads_sharing_a_generator_take_turns():
    rng, alone = twins()
    orders = [np.arange(20_000) for _ in range(4)]
    threads = [Thread(target=kernels.legacy_shuffle, args=(order, len(order), rng)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    expected = set()
    for _ in orders:
        order = np.arange(20_000)
        alone.shuffle(order)
        expected.add(order.tobytes())
    assert {order.tobytes() for order in orders} == expected


@pytest.mark.parametrize("order", [np.zeros(3, np.int32), np.zeros(3), np.zeros((3, 2), np.int64)[:, 0], [1, 2, 3],
                                   np.zeros(3, "m8[s]"), np.zeros(3, ">i8"), np.zeros(3, np.uint64), np.zeros(2, int)])
def test_wrong_orders_are_refused(order):
    with pytest.raises((TypeError, ValueError)):
        kernels.legacy_shuffle(order, 3, np.random.RandomState(0))


def test_read_only_orders_and_wrong_counts_are_refused():
    order = np.arange(4)
    with pytest.raises(ValueError, match="need a count from 0 to 4, got -1"):
        kernels.legacy_shuffle(order, -1, np.random.RandomState(0))
    order.flags.writeable = False
    with pytest.raises(ValueError, match="order is read-only"):
        kernels.legacy_shuffle(order, 4, np.random.RandomState(0))


def test_wrong_generators_are_refused():
    class Impostor:
        _bit_generator = type("Bits", (), {"capsule": 3, "lock": None})

    order = np.arange(4)
    for rng in (None, Impostor()):
        with pytest.raises((AttributeError, ValueError)):
            kernels.legacy_shuffle(order, 4, rng)
    assert order.tolist() == [0, 1, 2, 3]


class Counting(np.random.RandomState):
    """A user's class with a method of its own."""

    calls = 0

    def shuffle(self, x):
        self.calls += 1
        super().shuffle(x)


@pytest.mark.parametrize("batch_size", [20, 50])
def test_a_fit_calls_the_shuffle_of_a_subclass(batch_size):
    X, y = np.random.default_rng(0).random((50, 3)), np.arange(50) % 2
    options = {"max_iter": 3, "batch_size": batch_size, "hidden_layer_sizes": (4,), "tol": 0.0}
    rng = Counting(5)
    with pytest.warns(UserWarning):  # not converged
        own = MLPClassifier(random_state=rng, **options).fit(X, y)
        expected = MLPClassifier(random_state=np.random.RandomState(5), **options).fit(X, y)
    assert rng.calls == 3 and np.array_equal(own.coefs_[0], expected.coefs_[0])
