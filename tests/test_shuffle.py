"""The random order of an epoch (csrc/shuffle.h) against the same algorithm in Python's whole numbers."""

from itertools import permutations
from threading import Thread

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fastnn import batches
from fastnn._core import _kernels

WORD = 2**64
GENERATORS = [np.random.PCG64, np.random.MT19937, np.random.Philox, np.random.SFC64]


def together(bound):
    return 4 if bound <= 2**14 else 3 if bound <= 2**19 else 2 if bound <= 2**28 else 1


def shuffled(values, bit_generator):
    """Fisher-Yates from the end, as many indices from a word as shuffle.h says."""
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
def test_it_is_fisher_yates_on_the_generators_words(count, seed, kind):
    order = np.empty(count, np.int64)
    rng = np.random.Generator(kind(seed))
    batches.shuffle(order, rng)
    twin = kind(seed)
    assert order.tolist() == shuffled(range(count), twin)
    assert rng.bit_generator.random_raw() == twin.random_raw()  # no word more, none less


@pytest.mark.parametrize("count", [2**14 + 1, 2**19 + 3])
@pytest.mark.parametrize("kind", GENERATORS)
def test_a_long_order_holds_every_row_once(count, kind):
    order = np.empty(count, np.int64)
    batches.shuffle(order, np.random.Generator(kind(3)))
    assert np.array_equal(np.sort(order), np.arange(count))
    moved = np.count_nonzero(order != np.arange(count))
    assert moved > count - 20  # the number that stays is Poisson(1): more than 20 in a case of 1e19


def test_all_permutations_are_equally_likely():
    counts = dict.fromkeys(permutations(range(5)), 0)
    rng, order, draws = np.random.default_rng(7), np.empty(5, np.int64), 60_000
    for _ in range(draws):
        batches.shuffle(order, rng)
        counts[tuple(order.tolist())] += 1
    expected = draws / 120
    chi_square = sum((count - expected) ** 2 / expected for count in counts.values())
    # 119 degrees of freedom: mean 119, standard deviation 15.4; the seed is fixed, so this cannot fail by chance.
    assert 119 - 4 * 15.4 < chi_square < 119 + 4 * 15.4


@given(st.lists(st.integers(-(2**62), 2**62), max_size=50), st.integers(0, 2**32))
def test_rows_of_ones_own(rows, seed):
    rows = np.array(rows, np.int64)
    order = np.empty(len(rows), np.int64)
    batches.shuffle(order, np.random.default_rng(seed), rows)
    assert order.tolist() == shuffled(rows.tolist(), np.random.PCG64(seed))


def test_threads_that_share_a_generator_wait_for_each_other():
    rng = np.random.default_rng(0)
    orders = [np.empty(20_000, np.int64) for _ in range(4)]
    threads = [Thread(target=batches.shuffle, args=(order, rng)) for order in orders]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    alone, expected = np.random.default_rng(0), set()
    for _ in orders:
        order = np.empty(20_000, np.int64)
        batches.shuffle(order, alone)
        expected.add(order.tobytes())
    assert {order.tobytes() for order in orders} == expected


@pytest.mark.parametrize("order", [np.zeros(3, np.int32), np.zeros(3), np.zeros((2, 2), np.int64)[:, 0], [1, 2]])
def test_what_is_no_order_is_refused(order):
    with pytest.raises((TypeError, ValueError, AttributeError)):
        _kernels.shuffle(order, np.random.default_rng(0))


def test_what_is_read_only_is_refused():
    order = np.arange(4)
    order.flags.writeable = False
    with pytest.raises(ValueError, match="order is read-only"):
        _kernels.shuffle(order, np.random.default_rng(0))


def test_what_is_no_generator_is_refused():
    class Impostor:
        bit_generator = type("Bits", (), {"capsule": 3, "lock": None})

    order = np.arange(4)
    for rng in (None, Impostor()):
        with pytest.raises((AttributeError, ValueError)):
            _kernels.shuffle(order, rng)
    assert order.tolist() == [0, 1, 2, 3]
