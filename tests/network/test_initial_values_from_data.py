"""initializers.fill_from_data: W and b from the inputs of a layer."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn import initializers

each_dtype = pytest.mark.parametrize("dtype", ["float32", "float64"])


def filled(A_prev, n, seed=0, dtype=None, order="F"):
    dtype = dtype or A_prev.dtype
    W, b = np.full((n, len(A_prev)), np.nan, dtype, order), np.full((n, 1), np.nan, dtype)
    initializers.fill_from_data(W, b, A_prev, np.random.default_rng(seed))
    return W, b


def inputs(n_prev, m, dtype="float64", seed=1):
    """Columns of different means and scales."""
    rng = np.random.default_rng(seed)
    A = rng.normal(size=(n_prev, m)) * 10.0 ** rng.uniform(-2, 2, (n_prev, 1)) + rng.normal(size=(n_prev, 1)) * 5
    return np.asfortranarray(A.astype(dtype))


@each_dtype
@settings(max_examples=50)
@given(n_prev=st.integers(1, 40), n=st.integers(1, 40), m=st.integers(2, 300), seed=st.integers(0, 2**32 - 1))
def test_units_have_variance_one_and_biases_within_their_values(dtype, n_prev, n, m, seed):
    A = inputs(n_prev, m, dtype, seed)
    W, b = filled(A, n, seed)
    W64, A64 = W.astype(np.float64), A.astype(np.float64)
    Z = W64 @ A64
    # W is rounded to its dtype, and Z by n_prev products: both relative to |W| |A|, as are b and the deviation
    eps = np.finfo(dtype).eps
    error = (n_prev + 4) * eps * np.max(np.abs(W64) @ np.abs(A64), axis=1)
    assert np.all(np.abs(np.std(Z, axis=1) - 1) <= 2 * error + 1e-9)
    low, high = np.min(Z, axis=1), np.max(Z, axis=1)
    assert np.all((low - 2 * error <= -b[:, 0]) & (-b[:, 0] <= high + 2 * error))


def test_weights_are_normal_and_units_independent():
    """Mean, variance and kurtosis of the drawn W, whose rows were scaled: within 5 standard errors."""
    A = np.asfortranarray(np.random.default_rng(0).normal(size=(400, 2000)))
    W, b = filled(A, 300)
    drawn = (W / np.std(W, axis=1, keepdims=True)).ravel()
    assert abs(drawn.mean()) < 5 / math.sqrt(drawn.size)
    assert abs((drawn**4).mean() - 3) < 5 * math.sqrt(24 / drawn.size)
    # The inputs have variance 1 and no correlation, so Z has the variance |W_i|^2, except for that of 2000 examples.
    assert abs(np.mean(np.sum(W**2, axis=1)) - 1) < 5 * math.sqrt(2 / 2000)
    # b: the variance of sum w_k Z_k is E sum w_k^2 = 2 / 6, for exponential weights of five examples.
    assert abs(b.mean()) < 5 * math.sqrt(1 / 3 / b.size)
    assert abs(b.var() - 1 / 3) < 5 / 3 * math.sqrt(3 / b.size)


def test_biases_take_other_examples_and_weights_for_each_unit():
    """Two units of one input see the same Z, except for its sign."""
    A = inputs(1, 1000)
    _, b = filled(A, 50)
    assert len(np.unique(np.abs(b))) == 50


def test_the_seed_determines_the_values_and_the_dtype_only_rounds_them():
    A = inputs(7, 50)
    W, b = filled(A, 5, seed=3)
    for order in "CF":
        again, b_again = filled(A, 5, seed=3, order=order)
        np.testing.assert_array_equal(again, W)
        np.testing.assert_array_equal(b_again, b)
    assert not np.array_equal(filled(A, 5, seed=4)[0], W)
    single, b_single = filled(A, 5, seed=3, dtype="float32")
    np.testing.assert_array_equal(single, W.astype("float32"))
    np.testing.assert_array_equal(b_single, b.astype("float32"))


@pytest.mark.parametrize("block", [1, 60, 130])
def test_blocks_of_units_change_nothing(block, tuning):
    """Except the roundings of a product, which may depend on its shape."""
    A = inputs(7, 50)
    W, b = filled(A, 5)
    tuning(INITIALIZER_BLOCK=block)
    blocks, b_blocks = filled(A, 5)
    np.testing.assert_allclose(blocks, W, rtol=1e-12)
    np.testing.assert_allclose(b_blocks, b, rtol=0, atol=1e-12 * np.max(np.abs(A)))


DEGENERATE = {
    "zeros": np.zeros((3, 20)),
    "one example": np.arange(1.0, 4.0)[:, None],
    "equal examples": np.repeat([[1.0], [0.1], [-7e5]], 20, axis=1),
    "two examples": inputs(3, 2),
    "a constant input": np.vstack([inputs(2, 20), np.full((1, 20), 1e4)]),
    "a zero input": np.vstack([inputs(2, 20), np.zeros((1, 20))]),
    "one rare value": np.eye(3, 20),
    "large": inputs(3, 20) * 1e34,
    "small": inputs(3, 20) * 1e-44,
}


@each_dtype
@pytest.mark.parametrize("case", DEGENERATE)
def test_degenerate_inputs_give_finite_values(case, dtype):
    """Each unit has variance 1; if Z is constant, or 1 / Z would overflow, W has the variance 1 / n[l-1]."""
    A = np.asfortranarray(DEGENERATE[case].astype(dtype))
    W, b = filled(A, 200)
    assert np.all(np.isfinite(W)) and np.all(np.isfinite(b))
    deviations = np.std(W.astype(np.float64) @ A.astype(np.float64), axis=1)
    constant, subnormal = case in ("zeros", "one example", "equal examples"), (case, dtype) == ("small", "float32")
    if constant or subnormal:
        assert abs(W.astype(np.float64).var() - 1 / 3) < 5 / 3 * math.sqrt(2 / W.size)
    if constant:
        np.testing.assert_allclose(W @ A + b, 0, atol=20 * np.finfo(dtype).eps * np.max(np.abs(A)))
    if not constant and not subnormal:
        largest = np.max(np.abs(W.astype(np.float64)) @ np.abs(A.astype(np.float64)))
        np.testing.assert_allclose(deviations, 1, rtol=10 * np.finfo(dtype).eps * largest)


def test_no_examples_are_refused():
    W, b = np.ones((2, 3)), np.ones((2, 1))
    with pytest.raises(ValueError, match="at least one example"):
        initializers.fill_from_data(W, b, np.empty((3, 0)), np.random.default_rng(0))
    assert np.all(W == 1) and np.all(b == 1)
