"""Targets that are probabilities: rows for a softmax output, values from 0 to 1 for sigmoid outputs."""

import numpy as np
import pytest
import scipy.special as sp
from helpers.network_cases import parameter_bytes
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn import BinaryCrossEntropy, CrossEntropy, Network, gradcheck, reference

RNG = np.random.default_rng(3)
M = 60
X = RNG.standard_normal((M, 4))
SOFT = RNG.dirichlet(np.ones(3), M)
SOFT[:5], SOFT[5:9] = np.eye(3)[[0, 1, 2, 1, 0]], [0.5, 0.5, 0]  # rows of 0 and 1 beside others
LABELS = RNG.integers(3, size=M)
KINDS = {  # the output, n[L] and targets
    "softmax": ("softmax", 3, SOFT),
    "one sigmoid": ("sigmoid", 1, SOFT[:, 0]),
    "one sigmoid, (m, 1)": ("sigmoid", 1, SOFT[:, :1]),
    "several sigmoids": ("sigmoid", 3, SOFT),
}
each_kind = pytest.mark.parametrize(("output", "n_out", "y"), KINDS.values(), ids=KINDS)


def net(output="softmax", n_out=3, **keywords):
    return Network([4, 5, n_out], output=output, activation="tanh",
                   **{"dtype": "float64", "random_state": 0, **keywords})


class Sliced:
    """An object that is read by slices, as an HDF5 dataset."""

    def __init__(self, array):
        self.array, self.shape, self.dtype, self.ndim = array, array.shape, array.dtype, array.ndim

    def __getitem__(self, rows):
        return self.array[rows]


@each_kind
@settings(max_examples=20)
@given(smoothing=st.sampled_from([0.0, 0.2]), weighted=st.booleans())
def test_cost_and_gradients_are_those_of_the_reference(output, n_out, y, smoothing, weighted):
    """float64; the products of 4 and 5 terms, the functions and sums of 60 examples round fewer than 4000 times."""
    loss = (CrossEntropy if output == "softmax" else BinaryCrossEntropy)(smoothing)
    network = net(output, n_out, loss=loss)
    weights = RNG.uniform(size=M) if weighted else None
    J, dW, db = network.gradients(X, y, sample_weight=weights)
    expected = reference.gradients(X.T, y.reshape(M, -1).T, network.W, network.b, network.activations, loss.name,
                                   weights, loss_parameter=smoothing)
    tolerance = 4000 * np.finfo(np.float64).eps
    assert pytest.approx(expected[0], rel=tolerance) == J == pytest.approx(network.loss(X, y, sample_weight=weights))
    for one, other in zip([*dW, *db], [*expected[1], *expected[2]], strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


@each_kind
def test_gradients_are_derivatives_of_the_cost(output, n_out, y):
    result = gradcheck.check_network(net(output, n_out), X, y)
    assert result.passed(), str(result)


def test_the_derivative_by_z_is_a_minus_y():
    network = Network([4, 3], dtype="float64", random_state=0)
    A = network.predict_proba(X)
    _, _, (db,) = network.gradients(X, SOFT)
    np.testing.assert_allclose(db[:, 0], np.mean(A - SOFT, axis=0), rtol=0, atol=1e-15)


@each_kind
def test_fit_reaches_the_entropy_of_the_targets(output, n_out, y):
    """Targets that a network of this size can give: its cost is at least their entropy, and comes near it."""
    teacher = net(output, n_out, random_state=7)
    y = teacher.predict_proba(X).reshape(y.shape)
    network = net(output, n_out)
    network.fit(X, y, epochs=300, learning_rate=0.03, batch_size=None)
    entropy = np.mean(np.sum(sp.entr(y.reshape(M, -1)), axis=1))
    if output == "sigmoid":
        entropy += np.mean(np.sum(sp.entr(1 - y.reshape(M, -1)), axis=1))
    assert entropy <= network.loss(X, y) < entropy + 0.02


def parts(y):
    """The forms of X and y with the same mini-batches of 20 rows."""
    batches = [(X[k : k + 20], y[k : k + 20]) for k in range(0, M, 20)]
    return {"slices": (Sliced(X), y), "slices of both": (Sliced(X), Sliced(y)), "batches": (batches, None),
            "a callable": (lambda: iter(batches), None)}


@each_kind
@pytest.mark.parametrize("form", parts(SOFT))
def test_data_read_in_parts_train_alike(output, n_out, y, form):
    """Also where the first rows are one-hot, and the next are not."""
    whole, streamed = net(output, n_out), net(output, n_out)
    one = whole.fit(X, y, epochs=2, batch_size=20, shuffle=False)
    other = streamed.fit(*parts(y)[form], epochs=2, batch_size=20, shuffle=False)
    # Weights of the streamed rows: J is divided by their sum.
    np.testing.assert_allclose(one.loss, other.loss, rtol=1e-14)
    assert streamed.loss(*parts(y)[form]) == pytest.approx(whole.loss(X, y), rel=1e-12)


def test_one_hot_rows_read_in_parts_are_labels_bitwise():
    """With and without label smoothing, whatever form the batches have."""
    def batches(*forms):
        return [(X[20 * k : 20 * k + 20], form[20 * k : 20 * k + 20]) for k, form in enumerate(forms)]

    hot = np.eye(3)[LABELS]
    for smoothing in (0.0, 0.1):
        trained = []
        for data in (batches(LABELS, LABELS, LABELS), batches(hot, hot, hot), batches(hot, LABELS, hot),
                     batches(LABELS, hot, hot)):
            trained.append(net(loss=CrossEntropy(smoothing)))
            trained[-1].fit(data, epochs=3)
        assert len({parameter_bytes(network) for network in trained}) == 1


def test_probabilities_after_batches_of_labels_are_refused():
    with pytest.raises(ValueError, match="batch 2 of epoch 1: y holds probabilities, but that of the first batch"):
        net().fit([(X, LABELS), (X, SOFT)], epochs=1)


def test_one_hot_rows_in_memory_stay_labels():
    one, other = net(), net()
    one.fit(X, LABELS, epochs=3)
    other.fit(X, np.eye(3)[LABELS], epochs=3)
    assert parameter_bytes(one) == parameter_bytes(other)


@each_kind
def test_validation_data_may_be_soft(output, n_out, y):
    network = net(output, n_out)
    for given_data in ((X, y), [(X[:30], y[:30]), (X[30:], y[30:])], (Sliced(X), y)):
        history = network.fit(X, y, epochs=2, validation_data=given_data, metrics=["log_loss"])
        assert history["validation_loss"][-1] == pytest.approx(network.loss(X, y), rel=1e-12)
        assert history["validation_log_loss"][-1] == pytest.approx(network.loss(X, y), rel=1e-12)
    history = network.fit(X, y, epochs=2, validation_fraction=0.25)
    assert len(history["validation_loss"]) == 2
    network.partial_fit(X, y)


def test_class_weights_are_expected_weights():
    weights = {0: 0.5, 2: 3.0}
    factors = SOFT @ [0.5, 1, 3]
    one, other = net(), net()
    np.testing.assert_allclose(one.fit(X, SOFT, class_weight=weights, epochs=3).loss,
                               other.fit(X, SOFT, sample_weight=factors, epochs=3).loss, rtol=1e-12)
    one, other, counts = net(), net(), SOFT.sum(axis=0)
    np.testing.assert_allclose(
        one.fit(X, SOFT, class_weight="balanced", epochs=3).loss,
        other.fit(X, SOFT, sample_weight=SOFT @ (M / (3 * counts)), epochs=3).loss, rtol=1e-12)
    one, other, y = net("sigmoid", 1), net("sigmoid", 1), SOFT[:, 0]
    np.testing.assert_allclose(one.fit(X, y, class_weight={1: 3.0}, epochs=3).loss,
                               other.fit(X, y, sample_weight=1 + 2 * y, epochs=3).loss, rtol=1e-12)


@each_kind
def test_metrics_of_soft_targets(output, n_out, y):
    """The log loss is the cross-entropy; labels are the most probable ones, of a sigmoid 1 above 0.5."""
    network = net(output, n_out)
    A, seen = network.predict_proba(X).reshape(M, n_out), []

    def agreement(y_true, y_pred):
        seen.append((y_true, y_pred))
        return 0.0

    Y = y.reshape(M, n_out)
    found = network.evaluate(X, y, metrics=["log_loss", agreement])
    log_loss = -np.sum(sp.xlogy(Y, A), axis=1)
    right = Y.argmax(axis=1) == A.argmax(axis=1)
    if output == "sigmoid":
        log_loss -= np.sum(sp.xlog1py(1 - Y, -A), axis=1)
        right = ((Y > 0.5) == (A > 0.5)).all(axis=1)
    assert found["log_loss"] == pytest.approx(np.mean(log_loss), rel=1e-12)
    assert found["accuracy"] == pytest.approx(np.mean(right), rel=1e-12)
    (y_true, y_pred), = seen
    assert y_true.dtype == y_pred.dtype == np.int64 and y_true.shape == y_pred.shape == network.predict(X).shape


def test_other_losses_take_soft_targets():
    for output, n_out, y in KINDS.values():
        network = net(output, n_out, loss="squared_error")
        A = network.predict_proba(X).reshape(M, n_out)
        expected = 0.5 * np.mean(np.sum((A - y.reshape(M, -1)) ** 2, axis=1))
        assert network.loss(X, y) == pytest.approx(expected, rel=1e-12)
        assert network.evaluate(X, y, metrics=["log_loss"])["log_loss"] > 0


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rounded_probabilities_are_accepted(dtype):
    """Rows from a network in float32 or float16 add up to 1 up to its rounding; means of y may exceed 1 by it."""
    network = net(dtype=dtype)
    for given_dtype in ("float16", "float32"):
        rounded = SOFT.astype(given_dtype)
        for y in (rounded, rounded.astype("float64") if given_dtype == "float32" else rounded):
            network.fit(X, y, epochs=1)
    net("sigmoid", 1, dtype=dtype).fit(X, np.full(M, 1 + 2**-23), epochs=1)


def test_errors_name_the_first_wrong_row():
    wrong = SOFT.copy()
    wrong[[40, 50]] *= 1.01
    with pytest.raises(ValueError, match=r"rows of probabilities that add up to 1, but row 40 adds up to 1\.01"):
        net().fit(X, wrong)
    wrong = SOFT[:, 0].copy()
    wrong[[7, 8]] = -0.25, 2
    with pytest.raises(ValueError, match=r"values from 0 to 1 for a sigmoid output, got -0\.25 in row 7"):
        net("sigmoid", 1).loss(X, wrong)
    wrong = SOFT.copy()
    wrong[3, 1] = np.nan
    for output in ("softmax", "sigmoid"):
        with pytest.raises(ValueError, match="y holds NaN"):
            net(output).gradients(X, wrong)
