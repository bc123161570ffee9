"""Sparse X in the public methods: results equal those for dense X up to rounding, and X is never made dense.

Results are not bitwise identical, because BLAS adds the products of a row in another order. The bounds on one pass
count roundings as in helpers/kernel_cases.py; whole fits are compared in float64, with a relative tolerance of 1e-9.
"""

import pickle

import numpy as np
import pytest
import scipy.sparse as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn import Network
from fastnn._data.sparse import SparseRows

FORMATS = ("csr", "csc", "coo", "lil", "dok", "bsr")


def matrix(m=60, n_x=300, density=0.05, seed=0):
    X = sp.random(m, n_x, density=density, format="csr", random_state=seed)
    X.data -= 0.5
    return X


def labels(m, n_classes=3, seed=0):
    return np.random.default_rng(seed).integers(n_classes, size=m)


def net(n_x=300, dtype="float64", sizes=(8, 3), **keywords):
    return Network([n_x, *sizes], activation="tanh", dtype=dtype, random_state=0, **keywords)


@pytest.mark.parametrize("kind", [sp.csr_matrix, sp.csr_array])
@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_fit_follows_dense_data(kind, output):
    X, y = matrix(), labels(60, 2)
    sizes = (8, 2) if output == "softmax" else (8, 1)
    one, other = net(sizes=sizes, output=output), net(sizes=sizes, output=output)
    settings = {"epochs": 8, "batch_size": 16, "sample_weight": np.linspace(0, 2, 60), "n_threads": 1}
    sparse = one.fit(kind(X), y, validation_data=(kind(X), y), **settings)
    dense = other.fit(X.toarray(), y, validation_data=(X.toarray(), y), **settings)
    np.testing.assert_allclose(sparse.loss, dense.loss, rtol=1e-9)
    np.testing.assert_allclose(sparse["validation_loss"], dense["validation_loss"], rtol=1e-9)
    for mine, its in zip([*one.W, *one.b], [*other.W, *other.b], strict=True):
        assert np.linalg.norm(mine - its) <= 1e-9 * np.linalg.norm(its)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_products(dtype, data):
    """Forward and gradients of random matrices with empty rows, repeated and unsorted columns, int64 indices."""
    m, n_x, n = (data.draw(st.integers(1, high)) for high in (9, 40, 70))
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    lengths = rng.integers(0, data.draw(st.sampled_from([1, 5, 50])), size=m)
    bounds = np.concatenate([[0], np.cumsum(lengths)])
    index = data.draw(st.sampled_from([np.int32, np.int64]))
    X = sp.csr_array((rng.standard_normal(bounds[-1]).astype(dtype), rng.integers(n_x, size=bounds[-1]).astype(index),
                      bounds.astype(index)), shape=(m, n_x))
    network = net(n_x, dtype, (n, 2))
    dense = X.astype(np.float64).toarray()  # adds repeated columns
    cache = network.forward(X, return_cache=True)[1]
    W = np.asarray(network.W[0], np.float64)
    # A sum of one product per value, in any order: each product and each addition rounds by u.
    u = np.finfo(dtype).eps / 2
    # abs(X) would add repeated columns first
    sizes = sp.csr_array((np.abs(X.data.astype(np.float64)), X.indices, X.indptr), shape=X.shape)
    size = np.abs(W) @ sizes.toarray().T
    largest = max(lengths.max(), n_x) + 3
    assert (np.abs(cache.Z[0] - W @ dense.T) <= 2 * largest * u * size + 1e-300).all()
    J, dW, _ = network.gradients(X, rng.integers(2, size=m))
    assert np.isfinite(J) and dW[0].shape == (n, n_x)
    untouched = np.setdiff1d(np.arange(n_x), X.indices)
    assert not dW[0][:, untouched].any()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_gradients_are_those_of_dense_data(dtype):
    X, y = matrix(), labels(60)
    network = net(dtype=dtype, l2=0.1, l1=0.01)
    J, dW, db = network.gradients(X, y)
    dense_J, dense_dW, dense_db = network.gradients(X.toarray(), y)
    tolerance = 300 * np.finfo(dtype).eps  # n[0] + m additions
    assert abs(J - dense_J) <= tolerance * dense_J
    for mine, its in zip(dW + db, dense_dW + dense_db, strict=True):
        assert np.linalg.norm(mine - its) <= tolerance * np.linalg.norm(its)


@pytest.mark.parametrize("form", FORMATS)
def test_every_sparse_format_is_accepted(form):
    X = matrix()
    np.testing.assert_array_equal(net().predict_proba(X.asformat(form)), net().predict_proba(X))


@pytest.mark.parametrize("dtype", [np.int8, np.uint16, bool, np.float32, ">f8"])
def test_every_real_dtype_is_accepted(dtype):
    X = matrix()
    X.data = np.sign(X.data).astype(dtype)
    np.testing.assert_array_equal(net().predict(X), net().predict(X.toarray().astype(np.float64)))


def test_predictions_and_scores():
    X, y = matrix(), labels(60)
    network = net()
    np.testing.assert_allclose(network.predict_proba(X), network.predict_proba(X.toarray()), rtol=1e-12)
    assert network.evaluate(X, y)["loss"] == pytest.approx(network.evaluate(X.toarray(), y)["loss"], rel=1e-12)
    assert network.loss(X, y) == pytest.approx(network.loss(X.toarray(), y), rel=1e-12)


def test_input_is_neither_changed_nor_copied():
    X = matrix().astype(np.float32)
    before = pickle.dumps(X)
    rows = SparseRows.of(X, np.dtype(np.float32))
    assert np.shares_memory(rows.values, X.data) and np.shares_memory(rows.columns, X.indices)
    net(dtype="float32").fit(X, labels(60), epochs=2)
    assert pickle.dumps(X) == before


def test_rows():
    X = matrix()
    rows = SparseRows.of(X, np.dtype(np.float64))
    for part in (slice(10, 20), slice(5, 5), slice(50, 99), slice(0, 60, 7), np.array([3, 3, 59, 0])):
        taken = rows[part]
        values, columns, bounds = taken.arrays
        own = slice(bounds[0], bounds[-1])
        again = sp.csr_array((values[own], columns[own], bounds - bounds[0]), shape=taken.shape)
        np.testing.assert_array_equal(again.toarray(), X[part].toarray())
        assert taken.n_values == X[part].nnz


def wide(**keywords):
    """A network whose W[1] is stored row-major for dense data."""
    network = Network([2000, 4, 1], output="sigmoid", dtype="float64", random_state=3, **keywords)
    assert network._parameters.row_major[0]
    return network


def test_row_major_parameters_move_to_a_new_arena():
    X, y = matrix(80, 2000), labels(80, 2)
    one, other = wide(), wide()
    W = one.W[0].copy()
    one.fit(X.toarray(), y, epochs=2, n_threads=1)  # Adam's moments then are row-major
    other.fit(X.toarray(), y, epochs=2, n_threads=1)
    one.fit(X, y, epochs=2, n_threads=1)
    other.fit(X.toarray(), y, epochs=2, n_threads=1)
    assert not one._parameters.row_major[0] and not np.array_equal(one.W[0], W)
    np.testing.assert_allclose(one.W[0], other.W[0], rtol=1e-9, atol=1e-12)
    np.testing.assert_allclose(one.predict_proba(X.toarray()), other.predict_proba(X.toarray()), rtol=1e-9)


def test_prediction_does_not_move_the_parameters():
    network, X = wide(), matrix(80, 2000)
    W = network.W[0]
    np.testing.assert_allclose(network.predict_proba(X), network.predict_proba(X.toarray()), rtol=1e-12)
    network.gradients(X, labels(80, 2))
    network.forward(X, return_cache=True)
    assert network.W[0] is W and network._parameters.row_major[0]


def test_copies_pickles_and_files_of_a_moved_network(tmp_path):
    network, X = wide(), matrix(80, 2000)
    network.fit(X, labels(80, 2), epochs=1)
    network.save(tmp_path / "net")
    for copy in (network.copy(), pickle.loads(pickle.dumps(network)), Network.load(tmp_path / "net")):
        np.testing.assert_allclose(copy.predict_proba(X), network.predict_proba(X), rtol=1e-12)


def test_threads_agree():
    X, y = matrix(400, 500, 0.2), labels(400)
    one, two = (net(500, sizes=(64, 3)) for _ in range(2))
    one.fit(X, y, epochs=3, n_threads=1)
    two.fit(X, y, epochs=3, n_threads=2)
    np.testing.assert_allclose(one.W[0], two.W[0], rtol=1e-8, atol=1e-12)


DAMAGES = {
    "a column too far": lambda X: X.indices.__setitem__(3, 300),
    "a negative column": lambda X: X.indices.__setitem__(3, -1),
    "falling bounds": lambda X: X.indptr.__setitem__(5, X.indptr[7] + 1),
    "bounds beyond the values": lambda X: X.indptr.__setitem__(-1, len(X.data) + 1),
    "a negative bound": lambda X: X.indptr.__setitem__(0, -1),
}


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("method", ["predict", "fit", "gradients"])
def test_damaged_matrices_are_refused(damage, method):
    X = matrix()
    DAMAGES[damage](X)
    network = net()
    with pytest.raises(ValueError, match="X is a damaged CSR matrix"):
        getattr(network, method)(X, *(() if method == "predict" else (labels(60),)))


@pytest.mark.parametrize(("change", "error", "text"), [
    (lambda X: X[:, :-1], ValueError, r"X must have shape \(m, n\[0\]\) = \(m, 300\), got \(60, 299\)"),
    (lambda X: X[:0], ValueError, "X must hold at least one example"),
    (lambda X: X * 1j, TypeError, "X must hold real numbers, got dtype complex128"),
    (lambda X: X * np.nan, ValueError, "X holds NaN"),
    (lambda X: X * np.inf, ValueError, "X holds infinity"),
])
@pytest.mark.parametrize("method", ["predict", "fit"])
def test_bad_matrices_are_refused(change, error, text, method):
    X = change(matrix())
    with pytest.raises(error, match=text):
        getattr(net(), method)(X, *(() if method == "predict" else (labels(X.shape[0]),)))


def test_only_X_may_be_sparse():
    with pytest.raises(TypeError, match=r"y is a sparse matrix: pass y.toarray\(\)"):
        net().fit(matrix(), sp.csr_array(np.eye(60, 3)))
