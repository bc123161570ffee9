"""The products of the first layer with a CSR matrix, against those with the same matrix in dense form."""

import numpy as np
import pytest
from helpers.buffers import Buffers
from helpers.kernel_cases import LEVELS, assert_within, each_dtype, smallest, unit_roundoff
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn._core import _testing, kernels, registry


@st.composite
def csr_matrices(draw, dtype, rows=(0, 1, 2, 5, 33)):
    """(values, columns, bounds) and the number of columns: unsorted and duplicate columns, empty rows, explicit zeros,
    elements that belong to no row.
    """
    n_prev, n_rows = draw(st.sampled_from([1, 2, 7, 50, 1025])), draw(st.sampled_from(rows))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    lengths = rng.integers(0, draw(st.sampled_from([1, 3, 40])), n_rows, endpoint=True)
    lengths[rng.uniform(size=n_rows) < draw(st.sampled_from([0, 0.5]))] = 0
    unused = draw(st.sampled_from([0, 3]))
    bounds = unused + np.concatenate([[0], np.cumsum(lengths)]).astype(np.int64)
    size = int(bounds[-1]) + unused
    values = rng.normal(size=size) * rng.choice([0, 1e-3, 1, 1e3], size)
    columns = rng.integers(n_prev, size=size)
    columns[:unused] = columns[size - unused :] = draw(st.sampled_from([0, -1, 2**31 - 1]))  # nothing may read these
    return (values.astype(dtype), columns.astype(np.int32), bounds), n_prev


def written_out(X, n_prev, rows):
    """The rows as a dense float64 matrix, that of their absolute values, and the most elements in a row or column."""
    values, columns, bounds = X
    dense, moduli, counts = np.zeros((3, len(rows), n_prev))
    for j, row in enumerate(rows):
        piece = slice(bounds[row], bounds[row + 1])
        np.add.at(dense[j], columns[piece], values[piece].astype(np.float64))
        np.add.at(moduli[j], columns[piece], np.abs(values[piece]).astype(np.float64))
        np.add.at(counts[j], columns[piece], 1)
    return dense, moduli, counts


def rows_and_order(data, X):
    """The rows of X to use, some of them repeatedly, and the `order` for them (None for all rows)."""
    n_rows = len(X[2]) - 1
    if not n_rows or data.draw(st.booleans(), label="all"):
        return range(n_rows), None
    m = data.draw(st.sampled_from([0, 1, 5, 40]), label="m")
    order = np.random.default_rng(data.draw(st.integers(0, 999), label="seed")).integers(n_rows, size=m)
    return order, order


@each_dtype
@settings(max_examples=80)
@given(data=st.data())
def test_sparse_linear(dtype, data):
    """Z = W X^T: a sum of as many products as the row has elements, in any order; products and additions round once."""
    X, n_prev = data.draw(csr_matrices(dtype))
    rows, order = rows_and_order(data, X)
    n = data.draw(st.sampled_from([1, 2, 5, 16, 31, 100]), label="n")
    W = np.random.default_rng(n).standard_normal((n, n_prev)).astype(dtype)
    dense, moduli, counts = written_out(X, n_prev, rows)
    terms = np.sum(counts, axis=1)
    bound = (terms + 1) * unit_roundoff(dtype) * (np.abs(W) @ moduli.T) + terms * smallest(dtype)
    for level in LEVELS:
        call = Buffers()
        Z = call.output(np.full((n, len(rows)), np.nan, dtype))
        arrays = tuple(call.input(array) for array in X)
        kernels.sparse_linear(call.input(W), arrays, None if order is None else call.input(order), Z, level)
        call.check()
        assert_within(Z, W.astype(np.float64) @ dense.T, bound, registry.LEVELS[level])


@each_dtype
@settings(max_examples=80)
@given(data=st.data())
def test_sparse_weight_gradient(dtype, data):
    """dW = scale dZ X: as many products as the column has elements, each of three factors, and the scale rounded.
    Columns without elements become 0, whatever was there.
    """
    X, n_prev = data.draw(csr_matrices(dtype))
    rows, order = rows_and_order(data, X)
    n = data.draw(st.sampled_from([1, 2, 5, 16, 31, 100]), label="n")
    scale = data.draw(st.sampled_from([1.0, 1 / 3, 0.0, -2.5]), label="scale")
    dZ = np.random.default_rng(n).standard_normal((n, len(rows))).astype(dtype)
    dense, moduli, counts = written_out(X, n_prev, rows)
    terms = np.sum(counts, axis=0)
    size = abs(scale) * np.abs(dZ) @ moduli
    bound = (terms + 3) * unit_roundoff(dtype) * size + 3 * terms * smallest(dtype)
    for level in LEVELS:
        call = Buffers()
        dW = call.output(np.full((n, n_prev), np.nan, dtype))
        arrays = tuple(call.input(array) for array in X)
        given_order = None if order is None else call.input(order)
        _testing.sparse_weight_gradient(call.input(dZ), arrays, given_order, scale, dW, level)
        call.check()
        assert_within(dW, scale * (dZ.astype(np.float64) @ dense), bound, registry.LEVELS[level])


@each_dtype
@given(data=st.data())
def test_indices_out_of_range_are_refused(dtype, data):
    """Columns, rows and bounds; nothing is written."""
    X, n_prev = data.draw(csr_matrices(dtype, rows=(1, 2, 5)))
    values, columns, bounds = (array.copy() for array in X)
    n_rows, order = len(bounds) - 1, None
    row = data.draw(st.integers(0, n_rows - 1), label="row")
    what = data.draw(st.sampled_from(["column", "bound", "order"]), label="what")
    if what == "column" and bounds[-1] > bounds[0]:
        at = data.draw(st.integers(int(bounds[0]), int(bounds[-1]) - 1), label="at")
        columns[at] = data.draw(st.sampled_from([-1, n_prev, 2**31 - 1, -(2**31)]))
    elif what == "order":
        order = np.array([0, data.draw(st.sampled_from([-1, n_rows, 2**62, -(2**62)]))])
    else:
        bounds[row + 1] = data.draw(st.sampled_from([bounds[row] - 1, len(values) + 1, 2**62, -1, -(2**62)]))
    m = n_rows if order is None else len(order)
    Z, dW = np.zeros((3, m), dtype, "F"), np.zeros((3, n_prev), dtype, "F")
    for level in LEVELS:
        with pytest.raises(ValueError, match="must name"):
            kernels.sparse_linear(dW + 1, (values, columns, bounds), order, Z, level)
        with pytest.raises(ValueError, match="must name"):
            _testing.sparse_weight_gradient(Z + 1, (values, columns, bounds), order, 1.0, dW, level)
    assert not Z.any() and not dW.any()


def test_wrong_csr_arrays_are_refused():
    """Each of the three arrays, in both products."""
    X = (np.ones(4), np.array([0, 2, 1, 0], np.int32), np.array([0, 2, 4]))
    Z, W = np.ones((5, 2), order="F"), np.ones((5, 3), order="F")
    kernels.sparse_linear(W, X, None, Z)
    _testing.sparse_weight_gradient(Z, X, None, 1.0, W)
    for k, array in enumerate(X):
        wrong = [array.astype(t) for t in ("float32", "int64", "int32", "int16", "bool", "object", "complex128")]
        wrong = [w for w in wrong if w.dtype != array.dtype]
        wrong += [array.astype(array.dtype.newbyteorder()), np.repeat(array, 2)[::2], array.tolist(), None, 3, "x"]
        wrong += [array[:-1], array[:0]] if k < 2 else [array[:0], np.zeros((), np.int64)]
        raw = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype)  # not aligned
        raw[...] = array
        for value in (*wrong, raw):
            arrays = tuple(value if i == k else other for i, other in enumerate(X))
            with pytest.raises((TypeError, ValueError)):
                kernels.sparse_linear(W, arrays, None, Z)
            with pytest.raises((TypeError, ValueError)):
                _testing.sparse_weight_gradient(Z, arrays, None, 1.0, W)
    for arrays in (X[:2], (*X, X[0]), list(X), None, np.ones((2, 3))):
        with pytest.raises((TypeError, ValueError)):
            kernels.sparse_linear(W, arrays, None, Z)
