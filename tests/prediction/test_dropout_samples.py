"""Predictions with dropout: mean and standard deviation of the passes that the NumPy reference makes."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from fastnn import Network, Quantile, reference
from fastnn._prediction.dropout_samples import DropoutSampler

N_SAMPLES = 7


def reference_samples(net, X, seed, n_samples=N_SAMPLES):
    """A[L] of each sample, (samples, m, n[L])."""
    samples = []
    for step in range(n_samples):
        masks = [reference.dropout_mask(rate, (n, len(X)), seed=seed, step=step, layer=l)
                 for l, (rate, n) in enumerate(zip(net.dropout, net.layer_sizes[1:-1], strict=True), 1)]
        samples.append(reference.forward(X.T, net.W, net.b, net.activations, masks)[1][-1].T)
    return np.array(samples)


def drawn_seed(random_state):
    return int(np.random.default_rng(random_state).integers(2**64, dtype=np.uint64))


@st.composite
def networks(draw):
    hidden = draw(st.lists(st.integers(1, 20), min_size=1, max_size=3))
    rates = draw(st.lists(st.sampled_from([0.0, 0.2, 0.7]), min_size=len(hidden), max_size=len(hidden)).filter(any))
    names = [draw(st.sampled_from(["relu", "tanh", "gelu", "sigmoid"])) for _ in hidden]
    output = draw(st.sampled_from(["identity", "softmax", "sigmoid"]))
    return Network([draw(st.sampled_from([2, 70])), *hidden, 3], activation=names, output=output, dropout=rates,
                   random_state=0, dtype=draw(st.sampled_from(["float32", "float64"])))


@given(net=networks(), m=st.sampled_from([1, 5, 700]), seed=st.integers(0, 2**64 - 1), threads=st.sampled_from([1, 3]))
def test_moments_are_those_of_the_reference(net, m, seed, threads):
    X = np.random.default_rng(0).normal(size=(m, net.layer_sizes[0])).astype(net.dtype)
    samples = reference_samples(net, X, seed)
    sampler = DropoutSampler(net._predictor, net.dropout, N_SAMPLES, seed)
    mean, variance = sampler.moments(X, n_threads=threads)
    # A few roundings for each layer, of sums of up to 70 terms that W and the factors 1 / (1 - rate) enlarge.
    size = np.prod([2 + np.abs(W).sum(axis=1).max() for W in net.W]) * 10
    bound = 100 * np.finfo(net.dtype).eps * size
    np.testing.assert_allclose(mean, samples.mean(axis=0), rtol=0, atol=bound)
    np.testing.assert_allclose(np.sqrt(variance), samples.std(axis=0), rtol=0, atol=bound + 1e-7)


@pytest.fixture
def net():
    return Network([4, 30, 20, 2], output="identity", dropout=0.3, random_state=0, dtype="float64")


X = np.random.default_rng(0).normal(size=(600, 4))


def test_mean_and_standard_deviation_of_real_values(net):
    samples = reference_samples(net, X, drawn_seed(5))
    mean, std = net.predict(X, dropout_samples=N_SAMPLES, return_std=True, random_state=5)
    np.testing.assert_allclose(mean, samples.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(std, samples.std(axis=0), atol=1e-12)
    assert np.array_equal(net.predict(X, dropout_samples=N_SAMPLES, random_state=5), mean)
    one = Network([4, 5, 1], output="identity", dropout=0.5)
    assert [part.shape for part in one.predict(X, dropout_samples=3, return_std=True)] == [(600,), (600,)]


def test_the_mean_of_many_samples_is_near_the_prediction():
    linear = Network([4, 30, 2], activation="identity", output="identity", dropout=0.3, random_state=0)
    mean, std = linear.predict(X, dropout_samples=4000, return_std=True, random_state=0)
    # Dropout keeps the mean of a linear network. 5 standard errors: exceeded once in 2 million.
    assert (np.abs(mean - linear.predict(X)) <= 5 * std / np.sqrt(4000) + 1e-5).all()


def test_a_gaussian_adds_the_variance_that_it_predicts():
    net = Network([4, 9, 2], output="identity", loss="gaussian", dropout=0.5, random_state=0, dtype="float64")
    means, log_variances = np.moveaxis(reference_samples(net, X, drawn_seed(5)), 2, 0)
    mean, std = net.predict(X, dropout_samples=N_SAMPLES, return_std=True, random_state=5)
    np.testing.assert_allclose(mean, means.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(std**2, means.var(axis=0) + np.exp(log_variances).mean(axis=0), rtol=1e-10)


def test_quantiles_are_means_of_sorted_samples():
    net = Network([4, 9, 3], output="identity", loss=Quantile([0.1, 0.5, 0.9]), dropout=0.5, random_state=0,
                  dtype="float64")
    samples = np.sort(reference_samples(net, X, drawn_seed(5)), axis=2)
    mean, std = net.predict(X, dropout_samples=N_SAMPLES, return_std=True, random_state=5)
    np.testing.assert_allclose(mean, samples.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(std, samples.std(axis=0), atol=1e-12)


@pytest.mark.parametrize("sizes", [[4, 9, 3], [4, 9, 1]])
def test_probabilities_are_means_and_labels_follow_them(sizes):
    net = Network(sizes, output="softmax" if sizes[-1] > 1 else "sigmoid", dropout=0.5, random_state=0, dtype="float64")
    mean = reference_samples(net, X, drawn_seed(5)).mean(axis=0)
    found = net.predict_proba(X, dropout_samples=N_SAMPLES, random_state=5)
    np.testing.assert_allclose(found, mean if sizes[-1] > 1 else mean[:, 0], atol=1e-12)
    predicted = net.predict(X, dropout_samples=N_SAMPLES, random_state=5)
    assert np.array_equal(predicted, found.argmax(axis=1) if sizes[-1] > 1 else found > 0.5)


def test_the_seed_decides_and_not_threads_or_chunks(net, tuning):
    first, again, other = (net.predict(X, dropout_samples=5, random_state=seed, n_threads=threads)
                           for seed, threads in ((1, 1), (1, 4), (2, 1)))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    np.testing.assert_allclose(net.predict(X[:3], dropout_samples=5, random_state=1), first[:3], atol=1e-12)
    tuning(READ_BLOCK_BYTES=2**12)
    np.testing.assert_allclose(net.predict(X, dropout_samples=5, random_state=1), first, atol=1e-12)
    assert not np.array_equal(net.predict(X, dropout_samples=5), net.predict(X, dropout_samples=5))


def test_every_form_of_x_is_taken(net):
    expected = net.predict(X, dropout_samples=3, random_state=0)
    for form in (X.tolist(), scipy.sparse.csr_array(X), [X[:20], X[20:]]):
        np.testing.assert_allclose(net.predict(form, dropout_samples=3, random_state=0), expected, atol=1e-12)
    with pytest.raises(ValueError, match="X holds NaN"):
        net.predict(np.full((1, 4), np.nan), dropout_samples=3)


@pytest.mark.parametrize(("arguments", "message"), [
    ({"dropout_samples": 0}, "dropout_samples must be"),
    ({"return_std": True}, "return_std needs loss='gaussian', got 'squared_error', or dropout_samples"),
    ({"random_state": 0}, "random_state goes with dropout_samples"),
    ({"dropout_samples": 2, "out": np.empty((600, 2))}, "out goes without dropout_samples")])
def test_wrong_arguments_are_refused(net, arguments, message):
    with pytest.raises(ValueError, match=message):
        net.predict(X, **arguments)


def test_what_has_no_samples_is_refused():
    with pytest.raises(ValueError, match="needs the dropout of training, and all rates are 0"):
        Network([4, 5, 2], output="identity").predict(X, dropout_samples=2)
    with pytest.raises(ValueError, match="labels have no standard deviation"):
        Network([4, 5, 2], dropout=0.5).predict(X, dropout_samples=2, return_std=True)
    with pytest.raises(ValueError, match="gives no probabilities"):
        Network([4, 5, 2], output="identity", dropout=0.5).predict_proba(X, dropout_samples=2)
