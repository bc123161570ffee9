"""The random order of an epoch (csrc/random/shuffle.h) against the same algorithm in Python integers."""

from itertools import permutations
from threading import Thread

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastnn import Network
from fastnn._core import kernels
from fastnn._data import feeds
from fastnn._data.examples import Examples

WORD = 2**64
GENERATORS = [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64]


def together(bound):
    return 4 if bound <= 2**14 else 3 if bound <= 2**19 else 2 if bound <= 2**28 else 1


def shuffled(values, bit_generator):
    """Fisher-Yates from the end, with as many indices per word as in shuffle.h."""
    order, left = list(values), len(values)
    while left > 1:
        bounds = [left - t for t in range(min(together(left), left - 1))]
        cases = int(np.prod([1], dtype=object) * np.prod(bounds, dtype=object))
        while True:
            rest, indices = int(bit_generator.random_raw()), []
            for bound in bounds:
                index, rest = divmod(rest * bound, WORD)
                indices.append(index)
            if rest >= WORD % cases:
                break
        for index in indices:
            left -= 1
            order[index], order[left] = order[left], order[index]
    return order


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 300), st.integers(0, 2**63), st.sampled_from(GENERATORS[::2]))
@example(2**14 + 5, 1, np.random.PCG64)
def test_shuffle_is_fisher_yates_on_the_words_of_the_generator(count, seed, kind):
    order = np.empty(count, np.int64)
    rng = np.random.Generator(kind(seed))
    feeds.shuffle(order, rng)
    twin = kind(seed)
    assert order.tolist() == shuffled(range(count), twin)
    assert rng.bit_generator.random_raw() == twin.random_raw()  # as many words were used


@pytest.mark.parametrize("count", [2**14 + 1, 2**19 + 3])
@pytest.mark.parametrize("kind", GENERATORS)
def test_shuffling_keeps_every_row_once(count, kind):
    order = np.empty(count, np.int64)
    feeds.shuffle(order, np.random.Generator(kind(3)))
    assert np.array_equal(np.sort(order), np.arange(count))
    moved = np.count_nonzero(order != np.arange(count))
    assert moved > count - 20  # the number that stays is Poisson(1): more than 20 in a case of 1e19


def test_all_permutations_are_equally_likely():
    counts = dict.fromkeys(permutations(range(5)), 0)
    rng, order, draws = np.random.default_rng(7), np.empty(5, np.int64), 60_000
    for _ in range(draws):
        feeds.shuffle(order, rng)
        counts[tuple(order.tolist())] += 1
    expected = draws / 120
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    # 119 degrees of freedom: mean 119, standard deviation 15.4; the seed is fixed, so this cannot fail by chance.
    assert 119 - 4 * 15.4 < chi_square < 119 + 4 * 15.4


@given(st.lists(st.integers(-(2**62), 2**62), max_size=50), st.integers(0, 2**32))
def test_given_rows_are_shuffled(rows, seed):
    rows = np.array(rows, np.int64)
    order = np.empty(len(rows), np.int64)
    feeds.shuffle(order, np.random.default_rng(seed), rows)
    assert order.tolist() == shuffled(rows.tolist(), np.random.PCG64(seed))


def test_threads_sharing_a_generator_take_turns():
    rng = np.random.default_rng(0)
    orders = [np.empty(20_000, np.int64) for _ in range(4)]
    threads = [Thread(target=feeds.shuffle, args=(order, rng)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone, expected = np.random.default_rng(0), set()
    for _ in orders:
        order = np.empty(20_000, np.int64)
        feeds.shuffle(order, alone)
        expected.add(order.tobytes())
    assert {order.tobytes() for order in orders} == expected


@pytest.mark.parametrize("order", [np.zeros(3, np.int32), np.zeros(3), np.zeros((2, 2), np.int64)[:, 0], [1, 2]])
def test_wrong_orders_are_refused(order):
    with pytest.raises((TypeError, ValueError, AttributeError)):
        kernels.shuffle(order, np.random.default_rng(0))


def test_read_only_orders_are_refused():
    order = np.arange(4)
    order.flags.writeable = False
    with pytest.raises(ValueError, match="order is read-only"):
        kernels.shuffle(order, np.random.default_rng(0))


def test_wrong_generators_are_refused():
    class Impostor:
        bit_generator = type("Bits", (), {"capsule": 3, "lock": None})

    order = np.arange(4)
    for rng in (None, Impostor()):
        with pytest.raises((AttributeError, ValueError)):
            kernels.shuffle(order, rng)
    assert order.tolist() == [0, 1, 2, 3]


# ---- The permutation that needs no memory

MASK = WORD - 1


def keyed_hash(x, key):
    x = (x + key) & MASK
    x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 & MASK
    x = (x ^ x >> 27) * 0x94D049BB133111EB & MASK
    return x ^ x >> 31


def permuted(number, count, words):
    """The image of a number under a Feistel network of 8 rounds, repeated until it is below `count`."""
    bits = max(2, (count - 1).bit_length())
    low_bits = bits // 2
    while True:
        low, high = number & (1 << low_bits) - 1, number >> low_bits
        for r in range(0, 8, 2):
            low ^= keyed_hash(high, words[r]) & (1 << low_bits) - 1
            high ^= keyed_hash(low, words[r + 1]) & (1 << bits - low_bits) - 1
        number = high << low_bits | low
        if number < count:
            return number


@given(st.integers(1, 3000), st.integers(0, 2**32), st.data())
def test_parts_of_a_permutation_equal_the_whole(count, seed, data):
    words = np.random.default_rng(seed).integers(2**64, size=8, dtype=np.uint64)
    whole = np.empty(count, np.int64)
    kernels.permutation(whole, 0, count, words)
    assert np.array_equal(np.sort(whole), np.arange(count))
    keys = [int(word) for word in words]
    assert whole[:20].tolist() == [permuted(i, count, keys) for i in range(min(20, count))]
    first = data.draw(st.integers(0, count - 1))
    part = np.empty(data.draw(st.integers(0, count - first)), np.int64)
    kernels.permutation(part, first, count, words)
    assert np.array_equal(part, whole[first : first + len(part)])


@pytest.mark.parametrize("count", [2**31 + 11, 2**45 - 1])
def test_permutations_larger_than_memory(count):
    words = np.random.default_rng(1).integers(2**64, size=8, dtype=np.uint64)
    part, keys = np.empty(100, np.int64), [int(word) for word in words]
    kernels.permutation(part, count - 100, count, words)
    assert part.tolist() == [permuted(i, count, keys) for i in range(count - 100, count)]


def test_all_positions_in_a_permutation_are_equally_likely():
    """Over 20 000 keys: 99 x 99 degrees of freedom, so mean 9801 and standard deviation 140."""
    count, draws = 100, 20_000
    rng, table, order = np.random.default_rng(5), np.zeros((count, count)), np.empty(count, np.int64)
    places = np.arange(count)
    for _ in range(draws):
        kernels.permutation(order, 0, count, rng.integers(2**64, size=8, dtype=np.uint64))
        table[places, order] += 1
    chi_square = ((table - draws / count) ** 2 / (draws / count)).sum()
    assert abs(chi_square - 9801) < 4 * 140
    follows = np.count_nonzero(np.diff(order) == 1)  # neighbours that stay so: Poisson(1)
    assert follows < 10


PARTS = [(-1, 10, 8), (4, 10, 8), (0, 5, 8), (0, 10, 7), (2**62, 2**62, 8)]


def test_empty_permutations_are_refused():
    with pytest.raises(ValueError, match="need 8 words"):
        kernels.permutation(np.empty(0, np.int64), 0, 0, np.ones(8, np.uint64))


@pytest.mark.parametrize(("first", "count", "words"), PARTS)
def test_parts_out_of_range_are_refused(first, count, words):
    with pytest.raises(ValueError, match="need 8 words"):
        kernels.permutation(np.empty(7, np.int64), first, count, np.ones(words, np.uint64))


@pytest.mark.parametrize("batch_size", [1, 7, 64, 1000])
def test_feeds_without_a_stored_order_shuffle_every_epoch(batch_size, tuning):
    """Every example once, in full batches except the last, in an order that the generator determines."""
    tuning(MAX_STORED_ORDER_ROWS=100)
    tuning(SHUFFLE_CHUNK_ROWS=64)
    m = 1003
    examples = Examples(np.zeros((m, 2), np.float32), np.zeros(m, np.int32), None)
    epochs = []
    for _ in range(2):
        feed, rng = feeds.ArrayFeed(examples, batch_size, shuffle=True), np.random.default_rng(4)
        for _ in range(2):
            taken = [feed.order[start:stop].copy() for start, stop in feed.batches(rng)]
            assert [len(rows) for rows in taken] == [b - a for a, b in feeds.batch_bounds(m, min(m, batch_size))]
            assert len(taken) == feed.steps
            epochs.append(np.concatenate(taken))
            assert np.array_equal(np.sort(epochs[-1]), np.arange(m))
    assert np.array_equal(epochs[0], epochs[2]) and np.array_equal(epochs[1], epochs[3])
    assert not np.array_equal(epochs[0], epochs[1])


def test_training_without_a_stored_order_continues_the_same(tuning):
    tuning(MAX_STORED_ORDER_ROWS=100)
    rng = np.random.default_rng(0)
    X = rng.standard_normal((5000, 3)).astype(np.float32)
    y = (X[:, 0] > 0).astype(np.int32)
    once, twice = (Network([3, 8, 2], random_state=1) for _ in range(2))
    once.fit(X, y, epochs=4, batch_size=50)
    for _ in range(2):
        twice.fit(X, y, epochs=2, batch_size=50)
    assert once.evaluate(X, y)["accuracy"] > 0.95
    assert all(np.array_equal(a, b) for a, b in zip(once.W, twice.W, strict=True))
