"""PredictionPlan on many rows: the output layer vectorised over examples, and X found finite by its product."""

import numpy as np
import pytest
from helpers.core_cases import Task
from helpers.prediction_cases import LEVELS, each_dtype, in_layout, prediction_plan
from hypothesis import given
from hypothesis import strategies as st

from fastnn._core import _testing, kernels, registry

VECTOR = {"avx2": 32, "avx512": 64}  # bytes


@each_dtype
@pytest.mark.parametrize("activation", registry.ACTIVATIONS)
@given(data=st.data())
def test_outputs_vectorised_over_examples_are_bitwise_identical_to_tiles(activation, dtype, data):
    """For any block and team, so that outputs do not depend on the number of rows. These numbers of units leave lanes
    of 8 and 16 elements idle.
    """
    hidden = data.draw(st.sampled_from([16, 17, 64, 100, 300]), label="n[1]")
    n_out = data.draw(st.sampled_from([6, 7, 9, 10, 14, 17, 20, 28]), label="n[2]")
    rows = data.draw(st.sampled_from([64, 65, 97, 150, 301]), label="rows")
    block = data.draw(st.sampled_from([1, 7, 48, 64, 100]), label="block")
    row_major, raw = (data.draw(st.booleans(), label=label) for label in ("row-major", "raw"))
    layout = data.draw(st.sampled_from(["C", "F", "strided", "padded"]), label="layout")
    loss = "cross_entropy" if activation == "softmax" else "squared_error"
    net = Task([23, hidden, n_out], ["relu", activation], loss, dtype, rows=rows, seed=data.draw(st.integers(0, 999)))
    X, W, b = in_layout(net.X, layout), net.W, net.b
    for level in LEVELS:
        if VECTOR.get(registry.LEVELS[level], 0) < 8 * np.dtype(dtype).itemsize:
            continue
        A_prev, Z, expected = (np.empty((n, rows), dtype, "F") for n in (hidden, n_out, n_out))
        _testing.multiply(np.asfortranarray(W[0]), np.asfortranarray(net.X.T), A_prev, level, by="tiles",
                          bias=b[0].ravel(), relu=True)
        _testing.multiply(np.asfortranarray(W[1]), A_prev, Z, level, by="tiles")
        kernels.activate("identity" if raw else activation, Z, b[1].ravel(), expected, level)
        for team in (1, 2):
            plan = prediction_plan(net, row_major=(False, row_major), team=team, block=block, level=level)
            out = np.full((rows, n_out), np.nan, dtype)
            assert plan.run(X, out, raw) is True
            np.testing.assert_array_equal(out, expected.T)


@each_dtype
@given(data=st.data())
def test_nan_or_infinity_in_X_is_found_by_the_first_product(dtype, data):
    """Anywhere in X, in layers that fill vectors and tiles or do not; relu maps -inf to 0. A product that overflows,
    or weights that are not finite, say nothing about X.
    """
    n_x = data.draw(st.sampled_from([1, 3, 64, 257, 600]), label="n[0]")
    hidden = data.draw(st.sampled_from([3, 8, 9, 15, 16, 17, 33, 48, 49, 130]), label="n[1]")
    rows = data.draw(st.sampled_from([2, 33, 65, 200]), label="rows")
    n_out, activation = (data.draw(st.sampled_from(values)) for values in ([2, 10, 40], ["relu", "identity", "tanh"]))
    row_major = data.draw(st.booleans(), label="row-major")
    places = data.draw(st.lists(st.tuples(st.integers(0, rows - 1), st.integers(0, n_x - 1)), min_size=3, max_size=3))
    net = Task([n_x, hidden, n_out], [activation, "softmax"], "cross_entropy", dtype, rows=rows)
    X, out, largest = net.X.copy(), np.empty((rows, n_out), dtype), np.finfo(dtype).max
    for weight in (-1, 0, 1, largest, np.inf, np.nan):
        net.W[0][...] = weight
        for level in LEVELS:
            plan = prediction_plan(net, row_major=(row_major, False), block=64, level=level)
            with np.errstate(all="ignore"):
                assert plan.run(X, out) is True
                for place in places:
                    for value in (np.nan, np.inf, -np.inf):
                        before, X[place] = X[place], value
                        assert plan.run(X, out) is False
                        X[place] = before


def test_a_sparse_X_of_many_rows_predicts_as_the_dense_X():
    """The first layer has a kernel of its own; the output layer is the same as for the dense X."""
    net = Task([30, 64, 10], ["relu", "softmax"], "cross_entropy", "float32", rows=200, sparse=True)
    for level in LEVELS:
        plan = prediction_plan(net, block=64, level=level)
        dense, sparse = (np.empty((200, 10), np.float32) for _ in range(2))
        assert plan.run(net.X, dense) and plan.run(net.csr, sparse)
        np.testing.assert_allclose(sparse, dense, atol=100 * np.finfo(np.float32).eps)
