"""`Network.input_gradients`: the derivatives of the outputs by the inputs, against the NumPy reference."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from fastnn import Network, gradcheck, reference

ACTIVATIONS = list(reference.ACTIVATIONS)
HIDDEN = [name for name in ACTIVATIONS if name != "exp"]


def expected_gradients(net, X, of="A"):
    """dA[L]/dX or dZ[L]/dX (m, n[L], n[0]) by the reference in float64."""
    Z, A = reference.forward(X.T, net.W, net.b, net.activations)
    each = []
    for unit in range(net.layer_sizes[-1]):
        dZ = np.zeros(A[-1].shape)
        dZ[unit] = 1
        if of == "A":
            dZ = reference.activate_backward(net.activations[-1], dZ, Z[-1])
        for l in range(len(net.W) - 1, 0, -1):
            dZ = reference.activate_backward(net.activations[l - 1], net.W[l].T.astype(float) @ dZ, Z[l])
        each.append((net.W[0].T.astype(float) @ dZ).T)
    return np.stack(each, axis=1)


@st.composite
def networks(draw):
    hidden = draw(st.lists(st.integers(1, 20), max_size=3))
    n_x, n_out = draw(st.sampled_from([1, 3, 70])), draw(st.integers(1, 5))
    output = draw(st.sampled_from([name for name in ACTIVATIONS if name != "softmax" or n_out > 1]))
    names = [draw(st.sampled_from([name for name in HIDDEN if name != "softmax" or n > 1])) for n in hidden]
    return Network([n_x, *hidden, n_out], activation=names or "relu", output=output, random_state=0,
                   dtype=draw(st.sampled_from(["float32", "float64"])))


@given(net=networks(), m=st.sampled_from([1, 2, 33]), of=st.sampled_from(["A", "Z"]))
def test_gradients_are_those_of_the_reference(net, m, of):
    X = np.random.default_rng(m).normal(size=(m, net.layer_sizes[0])).astype(net.dtype)
    found, exact = net.input_gradients(X, of=of), expected_gradients(net, X, of)
    n_out = net.layer_sizes[-1]
    assert found.dtype == net.dtype
    assert found.shape == ((m, n_out, X.shape[1]) if n_out > 1 else (m, X.shape[1]))
    # Each layer adds some roundings of sums of up to 70 terms, relative to sizes that grow at most by the norm of W.
    size = np.prod([1 + np.abs(W).sum(axis=1).max() for W in net.W]) * (1 + np.abs(exact).max())
    bound = 200 * np.finfo(net.dtype).eps * size
    np.testing.assert_allclose(found.reshape(exact.shape), exact, rtol=0, atol=bound)
    for unit in range(n_out):
        chosen = net.input_gradients(X, output=np.int64(unit), of=of)
        assert chosen.shape == X.shape
        np.testing.assert_allclose(chosen, exact[:, unit], rtol=0, atol=bound)


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity", "exp"])
def test_gradients_are_slopes_of_the_outputs(output):
    net = Network([3, 6, 4], activation="tanh", output=output, random_state=0, dtype="float64")
    x = np.random.default_rng(0).normal(size=3)
    for unit in range(4):
        slopes = gradcheck.numerical_derivative(lambda point, k=unit: net.forward(point[None])[0, k], x, step=1e-4)
        # Truncation step^2 / 6 f''' and rounding eps / step, both below 1e-7 for outputs of order 1.
        np.testing.assert_allclose(net.input_gradients(x[None], output=unit)[0], slopes, rtol=0, atol=1e-6)


def test_derivatives_at_a_kink_are_those_of_training():
    net = Network([1, 1, 1], activation="relu", output="identity", random_state=0)
    net.b[0][...] = 0
    assert net.input_gradients([[0.0]]) == 0


def test_gradients_do_not_depend_on_chunks_and_threads(tuning):
    net = Network([5, 40, 3], random_state=0, dtype="float64")
    X = np.random.default_rng(0).normal(size=(3000, 5))
    whole = net.input_gradients(X, n_threads=1)
    assert np.array_equal(net.input_gradients(X, n_threads=3), whole)
    tuning(READ_BLOCK_BYTES=2**14)
    np.testing.assert_allclose(net.input_gradients(X, n_threads=2), whole, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(net.input_gradients(X[7:9]), whole[7:9], rtol=1e-12, atol=1e-14)


def test_every_form_of_x_is_taken():
    net = Network([4, 6, 3], random_state=0, dtype="float64")
    X = np.random.default_rng(0).normal(size=(50, 4))
    expected = net.input_gradients(X)
    for form in (X.tolist(), np.asfortranarray(X), X.astype(object), scipy.sparse.csr_array(X), [X[:20], X[20:]],
                 lambda: iter([X[:1], X[1:]])):
        np.testing.assert_allclose(net.input_gradients(form), expected, rtol=1e-12, atol=1e-14)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"output": 3}, "output must be None or a whole number from 0 to 2, got 3"), ({"output": -1}, "got -1"),
    ({"output": True}, "got True"), ({"output": 1.0}, r"got 1\.0"), ({"of": "probabilities"}, "of must be")])
def test_wrong_arguments_are_refused(arguments, message):
    with pytest.raises(ValueError, match=message):
        Network([4, 6, 3]).input_gradients(np.zeros((2, 4)), **arguments)


@pytest.mark.parametrize("X", [np.full((2, 4), np.nan), scipy.sparse.csr_array(np.full((2, 4), np.inf)),
                               np.zeros((2, 3)), np.zeros((0, 4))])
def test_x_that_predict_refuses_is_refused(X):
    for method in (Network.predict, Network.input_gradients):
        with pytest.raises(ValueError, match="X "):
            method(Network([4, 6, 3]), X)
