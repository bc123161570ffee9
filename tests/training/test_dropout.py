"""Dropout masks: the kernels against the reference at every SIMD level, and the randomness of the masks.

Keys are fixed, so the statistics cannot fail by chance. Their bounds are six standard deviations, which a good
generator exceeds once in 5e8.
"""

import itertools

import numpy as np
import pytest
from helpers.buffers import Buffers
from helpers.kernel_cases import LEVELS, arrays, assert_sums, each_dtype, shapes
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn import reference
from fastnn._core import kernels, registry

ELEMENTWISE = [name for name in registry.ACTIVATIONS if name != "softmax"]
words_32 = st.integers(0, 2**32 - 1)


@given(key=st.tuples(words_32, words_32), counter=st.tuples(words_32, words_32))
def test_random_words_equal_the_reference(key, counter):
    assert kernels.random_words(*key, *counter) == reference.random_words(key, counter)


def test_known_answers():
    """Published by the authors of the generator for 13 rounds."""
    ones = 2**32 - 1
    assert kernels.random_words(0, 0, 0, 0) == (0x9D1C5EC6, 0x8BD50731)
    assert kernels.random_words(ones, ones, ones, ones) == (0xFD36D048, 0x2D17272C)
    assert kernels.random_words(0x13198A2E, 0x03707344, 0x243F6A88, 0x85A308D3) == (0xBA3E4725, 0xF27D669E)


def kept_units(key, stream, threshold, first, shape):
    """The kept units according to the reference's words."""
    elements = first + np.arange(shape[0] * shape[1], dtype=np.int64)
    pairs = (elements // 2).astype(np.uint32)
    words = np.where(elements % 2 == 0, *reference.random_words(key, (pairs, np.full_like(pairs, stream))))
    return (words >= threshold).reshape(shape, order="F")


@st.composite
def dropouts(draw):
    """(key_0, key_1, stream, threshold) and the number of the first element."""
    threshold = draw(st.sampled_from([0, 1, 2**31, 2**32 - 1]) | words_32)
    first = draw(st.integers(0, 9) | st.integers(0, 5000) | st.integers(2**32 - 9, 2**32 + 9))
    return (draw(words_32), draw(words_32), draw(st.sampled_from([0, 1, 5, 2**32 - 1])), threshold), first


@each_dtype
@pytest.mark.parametrize("name", ELEMENTWISE)
@settings(max_examples=30)
@given(data=st.data())
def test_activate_marks_dropped_units(name, dtype, data):
    """-0 for dropped units; the others as without dropout, except that zeros are +0. A separate Z is unchanged."""
    shape = data.draw(shapes(), label="(n, m)")
    Z_0 = data.draw(arrays(shape, dtype, 60.0 if name == "exp" else 1e4), label="Z")
    b = data.draw(st.none() | arrays((shape[0], 1), dtype, 20.0), label="b")
    apart = data.draw(st.booleans(), label="apart")
    dropout, first = data.draw(dropouts(), label="dropout")
    kept = kept_units(dropout[:2], dropout[2], dropout[3], first, shape)
    for level in LEVELS:
        plain_Z = np.array(Z_0, order="F")
        plain_A = np.empty_like(plain_Z) if apart else plain_Z
        kernels.activate(name, plain_Z, b, plain_A, level)
        call = Buffers()
        Z = call.output(Z_0)
        A = call.output(np.full(shape, np.nan, dtype)) if apart else Z
        kernels.activate(name, Z, None if b is None else call.input(b), A, level, dropout=dropout, first=first)
        call.check()
        np.testing.assert_array_equal(A[kept], plain_A[kept])
        np.testing.assert_array_equal(A == 0, ~kept | (plain_A == 0))
        np.testing.assert_array_equal(np.signbit(A) & (A == 0), ~kept)
        if apart:
            assert Z.tobytes() == plain_Z.tobytes()


@each_dtype
@given(key=st.tuples(words_32, words_32), element=st.integers(0, 99))
def test_a_word_at_the_threshold_is_kept(dtype, key, element):
    """A rate of k / 2^32 drops words below k; a word equal to the threshold is kept."""
    threshold = int(kernels.random_words(*key, element // 2, 0)[element % 2])
    kept = kept_units(key, 0, threshold, 0, (10, 10))
    assert kept.ravel("F")[element]
    for level in LEVELS:
        A = np.ones((10, 10), dtype, "F")
        kernels.activate("identity", A, None, A, level, dropout=(*key, 0, threshold))
        np.testing.assert_array_equal(A, kept)


@each_dtype
@pytest.mark.parametrize("name", ELEMENTWISE)
def test_non_finite_values_are_recorded_or_omitted(name, dtype):
    """NaN and infinity are dropped or kept too; a kept zero of either sign is not mistaken for a mark."""
    Z_0 = np.tile(np.array([np.nan, np.inf, -np.inf, 0.0, -0.0, -1e-300, -1e4], dtype), (9, 5)).T
    dropout = (1, 2, 3, 2**31)
    kept = kept_units(dropout[:2], 3, 2**31, 0, Z_0.shape)
    for level in LEVELS:
        A, plain = (np.array(Z_0, order="F") for _ in range(2))
        kernels.activate(name, A, None, A, level, dropout=dropout)
        kernels.activate(name, plain, None, plain, level)
        np.testing.assert_array_equal(A[kept], plain[kept])
        np.testing.assert_array_equal(np.signbit(A) & (A == 0), ~kept)


@each_dtype
@pytest.mark.parametrize("name", ELEMENTWISE)
@settings(max_examples=30)
@given(data=st.data())
def test_dropped_units_have_zero_derivative(name, dtype, data):
    """dZ is 0 there and bitwise identical elsewhere; db is its sum."""
    shape = data.draw(shapes(), label="(n, m)")
    Z = np.array(data.draw(arrays(shape, dtype, 60.0 if name == "exp" else 1e4), label="Z"), order="F")
    dA = data.draw(arrays(shape, dtype), label="dA")
    scale, has_db = data.draw(st.floats(-1e3, 1e3), label="scale"), data.draw(st.booleans(), label="db")
    dropout, first = data.draw(dropouts(), label="dropout")
    kept = kept_units(dropout[:2], dropout[2], dropout[3], first, shape)
    for level in LEVELS:
        A = np.empty_like(Z)
        kernels.activate(name, Z, None, A, level, dropout=dropout, first=first)
        call = Buffers()
        cache = call.input(Z if name in registry.KEEPS_Z else A)
        marks = call.input(A) if name in registry.KEEPS_Z else cache
        plain, dZ = np.array(dA, order="F"), call.output(dA)
        db = call.output(np.full(shape[0], np.nan, dtype)) if has_db else None
        kernels.activate_backward(name, cache, plain, scale, None if db is None else db.copy(), level)
        kernels.activate_backward(name, cache, dZ, scale, db, level, dropped=marks)
        call.check()
        np.testing.assert_array_equal(dZ, np.where(kept, plain, 0))
        if has_db:
            assert_sums(db, dZ, scale, dtype)


def test_refused():
    Z, dropout = np.ones((3, 4), order="F"), (0, 0, 0, 0)
    for wrong in ((0, 0, 0), (0, 0, 0, 0, 0), (-1, 0, 0, 0), (0, 0, 0, 2**32), ("x", 0, 0, 0), 3, "word", [None] * 4):
        with pytest.raises((TypeError, ValueError, OverflowError)):
            kernels.activate("relu", Z, None, Z, dropout=wrong)
    with pytest.raises(ValueError, match="softmax"):
        kernels.activate("softmax", Z, None, Z, dropout=dropout)
    with pytest.raises(ValueError, match="first must not be negative"):
        kernels.activate("relu", Z, None, Z, dropout=dropout, first=-1)
    for dropped in (Z[:2], Z.astype("float32"), Z.ravel(), Z.tolist(), np.ascontiguousarray(Z)):
        with pytest.raises((TypeError, ValueError)):
            kernels.activate_backward("relu", Z, Z.copy(order="F"), dropped=dropped)
    with pytest.raises(OverflowError):
        kernels.random_words(2**32, 0, 0, 0)
    assert np.array_equal(Z, np.ones((3, 4)))


# ---- Statistics -----------------------------------------------------------------------------------------------------

UNITS, EXAMPLES = 100, 2000
N = UNITS * EXAMPLES


def marks(rate, *, seed=0, step=0, layer=1):
    """The kept units of a mini-batch, (UNITS, EXAMPLES)."""
    return reference.dropout_mask(rate, (UNITS, EXAMPLES), seed=seed, step=step, layer=layer) > 0


@pytest.mark.parametrize("rate", [0.01, 0.1, 0.5, 0.8, 0.99])
def test_fraction_of_kept_units(rate):
    """Binomial: N trials have a standard deviation of sqrt(rate (1 - rate) N), as do rows and columns. Of some
    2100 sums the farthest may be 6 off (a tail of 2e-9 each in the middle of the distribution; 9 for rare events, whose
    tails are fatter).
    """
    for step, seed in itertools.product((0, 1, 1000), (0, 1, 2**63)):
        kept = marks(rate, seed=seed, step=step)
        for axis, n, sigmas in ((None, N, 6), (0, UNITS, 9), (1, EXAMPLES, 9)):
            off = np.max(np.abs(np.sum(kept, axis=axis) - (1 - rate) * n))
            assert off <= sigmas * np.sqrt(rate * (1 - rate) * n)


def correlation(a, b):
    return np.corrcoef(a.ravel(), b.ravel())[0, 1]


@pytest.mark.parametrize("rate", [0.1, 0.5, 0.8])
def test_no_correlation(rate):
    """Independent marks: 0 with a standard deviation of 1 / sqrt(number of pairs)."""
    kept = marks(rate)
    others = [marks(rate, **{key: value}) for key, value in (
        ("step", 1), ("step", 2), ("step", 2**32), ("layer", 2), ("layer", 3), ("seed", 1), ("seed", 2**32)
    )]  # fmt: skip
    for other in others:
        assert abs(correlation(kept, other)) <= 6 / np.sqrt(N)
    for apart in (1, 2, 3, 8):  # neighbouring units, and neighbouring examples
        assert abs(correlation(kept[apart:], kept[:-apart])) <= 6 / np.sqrt((UNITS - apart) * EXAMPLES)
        assert abs(correlation(kept[:, apart:], kept[:, :-apart])) <= 6 / np.sqrt(UNITS * (EXAMPLES - apart))
    assert abs(correlation(others[0][1:], kept[:-1])) <= 6 / np.sqrt(N - EXAMPLES)


def test_patterns_of_neighbours():
    """At rate 1/2 the 256 patterns of 8 consecutive marks are equally frequent: chi^2 has 255 degrees of freedom, mean
    255 and standard deviation sqrt(510); the bound is 6 of them.
    """
    for step in range(5):
        patterns = np.packbits(marks(0.5, step=step).ravel("F"))
        counts, expected = np.bincount(patterns, minlength=256), patterns.size / 256
        assert abs(np.sum((counts - expected) ** 2 / expected) - 255) <= 6 * np.sqrt(510)


def test_every_bit_of_a_word_is_fair():
    """Binomial with N = 2^16 pairs of words; each pair of bits is uncorrelated."""
    n = 2**16
    words = np.concatenate(reference.random_words((3, 4), (np.arange(n, dtype=np.uint32), np.zeros(n, np.uint32))))
    bits = ((words[:, np.newaxis] >> np.arange(32, dtype=np.uint32)) & 1).astype(np.float64)
    assert np.max(np.abs(np.sum(bits, axis=0) - n)) <= 6 * np.sqrt(2 * n / 4)
    matrix = np.corrcoef(bits.T) - np.eye(32)
    assert np.max(np.abs(matrix)) <= 6 / np.sqrt(2 * n)
