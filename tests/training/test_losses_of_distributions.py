"""Losses that fit more than one number per target: the Gaussian likelihood, and several quantiles."""

import io
import pickle

import numpy as np
import pytest

from fastnn import Gaussian, Huber, Network, Quantile, gradcheck, reference
from fastnn.callbacks import Checkpoint

RNG = np.random.default_rng(4)
M = 400
X = RNG.uniform(-2, 2, (M, 2))
SPREAD = 0.1 + 0.3 * (X[:, 1] > 0)
Y = np.sin(X[:, 0]) + SPREAD * RNG.normal(size=M)
BOTH = np.column_stack([Y, 2 - Y])
LEVELS = [0.1, 0.5, 0.9]
CASES = {  # the loss, targets and n[L]
    "gaussian": ("gaussian", Y, 2),
    "gaussian, two targets": (Gaussian(), BOTH, 4),
    "quantiles": (Quantile(LEVELS), Y, 3),
    "quantiles, two targets": (Quantile(LEVELS), BOTH, 6),
}
each_case = pytest.mark.parametrize(("loss", "y", "n_out"), CASES.values(), ids=CASES)


def net(loss, n_out, **keywords):
    return Network([2, 12, n_out], output="identity", activation="tanh", loss=loss,
                   **{"dtype": "float64", "random_state": 0, **keywords})


def fitted(loss, n_out, y, **keywords):
    network = net(loss, n_out)
    network.fit(X, y, epochs=150, learning_rate=0.01, batch_size=50, **keywords)
    return network


@each_case
@pytest.mark.parametrize("weighted", [None, "examples", "targets"])
def test_cost_and_gradients_are_those_of_the_reference(loss, y, n_out, weighted):
    """float64: sums of 400 examples, with fewer than 2000 roundings."""
    network = net(loss, n_out)
    w = {None: None, "examples": RNG.uniform(size=M), "targets": RNG.uniform(size=(M, y.reshape(M, -1).shape[1]))}[
        weighted]
    J, dW, db = network.gradients(X, y, sample_weight=w)
    expected = reference.gradients(
        X.T, y.reshape(M, -1).T, network.W, network.b, network.activations, network.loss_name,
        None if w is None else w.T, loss_parameter=network._objective.loss.parameter)
    tolerance = 2000 * np.finfo(np.float64).eps
    assert pytest.approx(expected[0], rel=tolerance) == J
    assert network.loss(X, y, sample_weight=w) == pytest.approx(J, rel=tolerance)
    for one, other in zip([*dW, *db], [*expected[1], *expected[2]], strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


@each_case
def test_gradients_are_derivatives_of_the_cost(loss, y, n_out):
    result = gradcheck.check_network(net(loss, n_out), X[:50], y[:50])
    assert result.passed(), str(result)


def test_variances_below_the_least_have_consistent_gradients():
    """Around s = -50, where the loss continues as a tangent of e^-s, and far below."""
    Z = np.array([[0.0, 1.0, 1.0, 2.0], [-49.0, -51.0, -80.0, -1000.0]])
    assert gradcheck.check_loss("gaussian", Z, [[1e-11, 1 - 1e-11, 1 + 2e-11, 2.0]]).passed()
    with np.errstate(all="raise"):
        for dtype in ("float32", "float64"):
            line = Network([1, 2], output="identity", loss="gaussian", dtype=dtype, random_state=0)
            line.b[0][...] = [[0.0], [-1000.0]]
            J, _, (db,) = line.gradients(np.zeros((3, 1)), np.array([0.0, 1.0, -2.0]))
            assert np.isfinite(J) and np.isfinite(db).all() and db[1, 0] < 0  # a step raises s


def test_gaussian_finds_mean_and_standard_deviation():
    """A fit of constants: the sample's mean and standard deviation are the minimum."""
    line = Network([1, 2], output="identity", loss="gaussian", dtype="float64", random_state=0)
    line.fit(np.zeros((M, 1)), Y, optimizer="lbfgs", epochs=200)
    mean, std = line.predict(np.zeros((1, 1)), return_std=True)
    assert mean == pytest.approx(np.mean(Y), abs=1e-6) and std == pytest.approx(np.std(Y), abs=1e-6)
    assert line.loss(np.zeros((M, 1)), Y) == pytest.approx(np.log(np.std(Y)) + 0.5, abs=1e-9)


def test_gaussian_finds_where_the_noise_is():
    _, std = fitted("gaussian", 2, Y).predict(X, return_std=True)
    assert 0.05 < np.mean(std[X[:, 1] < -0.5]) < 0.16 < 0.3 < np.mean(std[X[:, 1] > 0.5]) < 0.5


def test_predictions_have_the_shape_of_y():
    for y, shape in ((Y, (M,)), (Y[:, None], (M, 1)), (BOTH, (M, 2))):
        network = net("gaussian", 2 * y.reshape(M, -1).shape[1])
        network.fit(X, y, epochs=1)
        mean, std = network.predict(X, return_std=True)
        assert network.predict(X).shape == mean.shape == std.shape == shape
        assert np.array_equal(network.predict(X), mean) and (std > 0).all()
        outputs = network.forward(X)
        k = outputs.shape[1] // 2
        np.testing.assert_array_equal(mean.reshape(M, k), outputs[:, :k])
        np.testing.assert_array_equal(std.reshape(M, k), np.exp(outputs[:, k:] / 2))
    for y, shape in ((Y, (M, 3)), (Y[:, None], (M, 3)), (BOTH, (M, 2, 3))):
        network = net(Quantile(LEVELS), 3 * y.reshape(M, -1).shape[1])
        network.fit(X, y, epochs=1)
        assert network.predict(X).shape == shape
    one = net(Quantile([0.3]), 1)
    one.fit(X, Y, epochs=1)
    assert one.predict(X).shape == (M, 1)


@each_case
def test_every_way_of_prediction_gives_the_same(loss, y, n_out):
    network = net(loss, n_out)
    network.fit(X, y, epochs=1)
    expected = network.predict(X)
    out = np.empty_like(expected)
    assert network.predict(X, out=out) is out and np.array_equal(out, expected)
    # Other numbers of rows may take other kernels.
    for given in (X.tolist(), np.asfortranarray(X), [X[:100], X[100:]], lambda: iter([X[:7], X[7:]])):
        np.testing.assert_allclose(network.predict(given), expected, rtol=1e-12, atol=1e-12)


def test_quantiles_have_their_levels_and_never_cross():
    network = fitted(Quantile(LEVELS), 6, BOTH)
    quantiles = network.predict(X)
    assert (np.diff(quantiles, axis=2) >= 0).all()
    assert np.abs(np.mean(BOTH[:, :, None] < quantiles, axis=0) - LEVELS).max() < 0.06


def test_sorting_never_raises_the_loss():
    """Even of a network whose outputs cross: for any y, J of the sorted quantiles is at most that of the outputs."""
    network = net(Quantile(LEVELS), 3)
    outputs, quantiles = network.forward(X), network.predict(X)
    assert (np.diff(outputs, axis=1) < 0).any()
    sorted_loss, loss = (reference.cost("quantile", None, A.T, Y[None], None, LEVELS) for A in (quantiles, outputs))
    assert sorted_loss < loss == pytest.approx(network.loss(X, Y), rel=1e-12)


def test_one_level_is_as_before():
    one, sequence = net(Quantile(0.3), 1), net(Quantile([0.3]), 1)
    assert one.fit(X, Y, epochs=2).loss == sequence.fit(X, Y, epochs=2).loss
    assert np.array_equal(one.predict(X), sequence.predict(X)[:, 0])


@each_case
def test_metrics_judge_the_means_or_the_level_nearest_to_one_half(loss, y, n_out):
    network = net(loss, n_out)
    seen = []

    def shapes(y_true, y_pred):
        seen.append((y_true.shape, y_pred.shape))
        return 0.0

    history = network.fit(X, y, epochs=2, validation_data=(X, y), metrics=["r2", "mae", shapes])
    predicted = network.predict(X)
    centers = predicted if loss == "gaussian" or isinstance(loss, Gaussian) else predicted[..., 1]
    assert history["validation_rmse"][-1] == pytest.approx(np.sqrt(np.mean((centers - y) ** 2)), rel=1e-12)
    assert history["validation_mae"][-1] == pytest.approx(np.mean(np.abs(centers - y)), rel=1e-12)
    assert seen[-1] == (y.reshape(M, -1).shape if y.ndim == 2 else y.shape, predicted.shape)


@pytest.mark.parametrize(("levels", "shares"), [
    ([0.1, 0.9], [0.5, 0.5]), ([0.3, 0.4, 0.8], [0, 0.75, 0.25]), ([0.1, 0.2], [0, 1]), ([0.7, 0.9], [1, 0]),
    ([0.3], [1]), ([0.2, 0.5, 0.6], [0, 1, 0])])
@pytest.mark.parametrize("n_targets", [1, 2])
def test_metrics_of_levels_judge_the_median_between_two_of_them(levels, shares, n_targets):
    """Some roundings of values near 1."""
    network = net(Quantile(levels), len(levels) * n_targets)
    y = Y if n_targets == 1 else np.column_stack([Y, -Y])
    network.fit(X, y, epochs=2)
    median = (network.predict(X).reshape(M, n_targets, -1) @ np.array(shares)).reshape(y.shape)
    assert network.evaluate(X, y, metrics=["mae"])["mae"] == pytest.approx(np.mean(np.abs(median - y)), rel=1e-12)


@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
@pytest.mark.parametrize("levels", [[0.1, 0.9], [0.5]])
def test_levels_need_real_valued_outputs(output, levels):
    with pytest.raises(ValueError, match=f"is for real-valued outputs, not for the labels of output='{output}'"):
        Network([2, 2], output=output, loss=Quantile(levels))


@each_case
def test_a_fit_can_be_resumed(loss, y, n_out, tmp_path):
    whole, killed = net(loss, n_out), net(loss, n_out)
    history = whole.fit(X, y, epochs=3)
    killed.fit(X, y, epochs=2, callbacks=[Checkpoint(tmp_path / "run")])
    for resumed in (net(loss, n_out), Network.load(tmp_path / "run")):
        assert resumed.fit(X, y, epochs=3, resume=tmp_path / "run").loss == history.loss
        assert np.array_equal(resumed.predict(X), whole.predict(X))


@pytest.mark.parametrize("loss", [Huber(np.float32(0.3)), Quantile(np.float64(0.3)), Quantile(np.array([0.25, 0.5]))])
def test_losses_of_numpy_numbers_can_be_saved(loss, tmp_path):
    network = net(loss, loss.per_target)
    network.save(tmp_path / "network")
    assert np.array_equal(Network.load(tmp_path / "network").predict(X), network.predict(X))


@each_case
def test_copies_and_files_keep_the_loss(loss, y, n_out, tmp_path):
    network = net(loss, n_out)
    network.fit(X, y, epochs=1)
    network.save(tmp_path / "net")
    for other in (network.copy(), pickle.load(io.BytesIO(pickle.dumps(network))), Network.load(tmp_path / "net")):
        assert other._objective.loss == network._objective.loss and repr(other) == repr(network)
        assert np.array_equal(other.predict(X), network.predict(X))


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: Quantile([0.5, 0.5]), ValueError, r"q must hold increasing levels, got \[0.5, 0.5\]"),
    (lambda: Quantile([0.9, 0.1]), ValueError, "q must hold increasing levels"),
    (lambda: Quantile([]), ValueError, "q must hold increasing levels"),
    (lambda: Quantile([0.1, 1.0]), ValueError, r"q\[1\] must be finite and above 0 and below 1, got 1"),
    (lambda: Quantile(np.array([0, 0.5])), ValueError, r"q\[0\] must be finite and above 0"),
    (lambda: Quantile(["a"]), TypeError, r"q\[0\] must be a number"),
    (lambda: Quantile("0.5"), TypeError, "q must be a number"),
    (lambda: net("gaussian", 3), ValueError, r"loss='gaussian' needs 2 output units for each target, got n\[L\] = 3"),
    (lambda: net(Quantile(LEVELS), 4), ValueError, "loss='quantile' needs 3 output units for each target"),
    (lambda: Network([2, 2], loss="gaussian"), ValueError, "loss='gaussian' needs output='identity', got 'softmax'"),
    (lambda: net("gaussian", 2).fit(X, BOTH), ValueError, r"y must have shape \(m, n\[L\]\)"),
    (lambda: net("squared_error", 1).predict(X, return_std=True), ValueError,
     "return_std needs loss='gaussian', got 'squared_error'"),
    (lambda: net("gaussian", 2).predict(X, return_std=1), TypeError, "return_std must be True or False"),
    (lambda: net("gaussian", 2).predict(X, out=np.empty(M), return_std=True), ValueError, "out goes without"),
    (lambda: net("gaussian", 2).predict(X, out=np.empty((M, 2))), ValueError, "out must have shape"),
])
def test_misuse_is_refused(make, error, text):
    with pytest.raises(error, match=text):
        make()
