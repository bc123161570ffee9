"""`Network.predict_log_proba`: from Z, in every form of X."""

import warnings

import numpy as np
import pytest
import scipy.sparse
import scipy.special as sp

from fastnn import Network

NETWORKS = {"softmax": ([4, 6, 3], {}), "sigmoid": ([4, 6, 1], {"output": "sigmoid"}),
            "labels": ([4, 6, 5], {"output": "sigmoid"})}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("case", NETWORKS)
@pytest.mark.parametrize("far", [1, 1e4])
def test_logarithms_are_finite_and_those_of_z(case, dtype, far):
    sizes, options = NETWORKS[case]
    net = Network(sizes, random_state=0, dtype=dtype, **options)
    X = (far * np.random.default_rng(0).normal(size=(50, 4))).astype(dtype)
    Z = net.forward(X, return_cache=True)[1].Z[-1].T.astype(np.float64)
    exact = -np.logaddexp(0, -Z) if options.get("output") == "sigmoid" else sp.log_softmax(Z, axis=1)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        logarithms = net.predict_log_proba(X)
    assert logarithms.dtype == dtype and logarithms.shape == net.predict_proba(X).shape
    # Another kernel of the last product: Z to some tens of roundings of its size.
    u = np.finfo(dtype).eps
    np.testing.assert_allclose(logarithms, exact.reshape(logarithms.shape), rtol=50 * u,
                               atol=50 * u * (1 + np.abs(Z).max()))
    if far == 1:
        np.testing.assert_allclose(np.exp(logarithms), net.predict_proba(X), rtol=50 * u)


def test_every_form_of_x_has_the_same_logarithms():
    net = Network([4, 6, 3], random_state=0, dtype="float64")
    X = np.random.default_rng(0).normal(size=(50, 4))
    expected = net.predict_log_proba(X)
    for form in (X.tolist(), np.asfortranarray(X), scipy.sparse.csr_array(X), [X[:20], X[20:]]):
        np.testing.assert_allclose(net.predict_log_proba(form), expected, rtol=1e-12)
    out = np.empty((50, 3))
    assert net.predict_log_proba(X, out=out) is out and np.array_equal(out, expected)


def test_outputs_that_are_no_probabilities_are_refused():
    with pytest.raises(ValueError, match="output='identity' gives no probabilities: use predict"):
        Network([4, 2], output="identity").predict_log_proba(np.zeros((1, 4)))
