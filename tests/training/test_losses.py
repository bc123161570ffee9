"""Losses as values, their targets, class weights and sums. test_kernels_losses tests the kernels."""

import pickle

import numpy as np
import pytest

from fastnn import (
    Absolute,
    BinaryCrossEntropy,
    CrossEntropy,
    Huber,
    Network,
    Poisson,
    Quantile,
    SquaredError,
    losses,
    reference,
)

RNG = np.random.default_rng(2)
X = RNG.standard_normal((50, 4))
REAL = RNG.standard_normal((50, 2))
OUTPUTS = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "poisson": "exp"}
OBJECTS = [CrossEntropy(0.2), BinaryCrossEntropy(0.1), Poisson(), SquaredError(), Absolute(), Huber(0.3), Quantile(0.9)]


def net(loss, **keywords):
    name = loss if isinstance(loss, str) else loss.name
    return Network([4, 5, 2], activation="tanh", output=OUTPUTS.get(name, "identity"), loss=loss, dtype="float64",
                   random_state=0, **keywords)


def targets(loss):
    name = loss if isinstance(loss, str) else loss.name
    return {"cross_entropy": (REAL[:, 0] > 0).astype(int), "binary_cross_entropy": (REAL > 0).astype(int),
            "poisson": np.floor(np.exp(REAL))}.get(name, REAL)


@pytest.mark.parametrize("loss", OBJECTS, ids=repr)
def test_loss_is_the_reference(loss):
    network, y = net(loss), targets(loss)
    Z, A = reference.forward(X.T, network.W, network.b, network.activations)
    Y = reference.one_hot(y, 2) if y.ndim == 1 else y.T
    weights = RNG.uniform(size=50)
    expected = reference.cost(loss.name, Z[-1], A[-1], Y, weights, parameter=loss.parameter)
    assert network.loss(X, y, sample_weight=weights) == pytest.approx(expected, rel=1e-12)
    assert network.gradients(X, y, sample_weight=weights)[0] == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("loss", OBJECTS, ids=repr)
def test_fit_lowers_the_loss(loss):
    network, y = net(loss), targets(loss)
    before = network.loss(X, y)
    network.fit(X, y, epochs=60, learning_rate=0.01, batch_size=10)
    assert network.loss(X, y) < 0.95 * before


@pytest.mark.parametrize("loss", OBJECTS, ids=repr)
def test_copies_files_and_repr_keep_the_loss(loss, tmp_path):
    network = net(loss, l1=0.25, dropout=0.5)
    network.save(tmp_path / "net")
    for other in (network.copy(), pickle.loads(pickle.dumps(network)), Network.load(tmp_path / "net")):
        assert other.loss_name == loss.name and other._objective.loss == loss
        assert (other.l1, other.dropout) == (0.25, (0.5,))
        assert repr(other) == repr(network)
    assert repr(loss) in repr(network) or loss == type(loss)()


@pytest.mark.parametrize("name", losses.BY_NAME)
def test_names_are_the_default_objects(name):
    assert net(name)._objective.loss == losses.BY_NAME[name]()


def test_auto_follows_the_output():
    for output, name in {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy", "exp": "poisson",
                         "identity": "squared_error", "relu": "squared_error"}.items():
        assert Network([2, 2], output=output).loss_name == name


@pytest.mark.parametrize("output", ["identity", "sigmoid", "softmax", "exp", "relu"])
def test_losses_that_need_another_output_are_refused(output):
    for loss, needed in OUTPUTS.items():
        if needed != output:
            with pytest.raises(ValueError, match=f"loss='{loss}' needs output='{needed}', got '{output}'"):
                Network([2, 2], output=output, loss=loss)


@pytest.mark.parametrize(("make", "error", "text"), [
    (lambda: CrossEntropy(1.0), ValueError, "label_smoothing must be finite and at least 0 and below 1"),
    (lambda: BinaryCrossEntropy(-0.1), ValueError, "label_smoothing"),
    (lambda: CrossEntropy("0"), TypeError, "label_smoothing"),
    (lambda: Huber(0), ValueError, "delta must be finite and above 0"), (lambda: Huber(np.inf), ValueError, "delta"),
    (lambda: Quantile(1), ValueError, "q must be finite and above 0 and below 1"),
    (lambda: Quantile(0), ValueError, "q must be finite and above 0"),
    (lambda: Network([2, 2], loss=Huber), TypeError, r"loss: Huber is a class; pass an instance: Huber\(\)"),
    (lambda: Network([2, 2], loss=None), TypeError, "loss must be a name"),
    (lambda: Network([2, 2], l1=-1), ValueError, "l1 must be finite and at least 0"),
    (lambda: Network([2, 3, 2], dropout=1.0), ValueError, "dropout of layer 1 must be finite and at least 0 and below"),
    (lambda: Network([2, 3, 2], dropout=[0.1, 0.1]), ValueError, "one rate per hidden layer: expected 1, got 2"),
    (lambda: Network([2, 3, 2], dropout="0.1"), TypeError, "dropout must be a rate"),
    (lambda: Network([2, 2], dropout=0.1), ValueError, "dropout leaves out hidden units, and this network has none"),
    (lambda: Network([2, 3, 2], activation="softmax", dropout=0.1), ValueError, "not on a softmax layer"),
])
def test_bad_parameters(make, error, text):
    with pytest.raises(error, match=text):
        make()


def test_poisson_refuses_negative_targets():
    with pytest.raises(ValueError, match="y must not be negative for the Poisson loss, got -1"):
        net("poisson").fit(X, -np.ones((50, 2)))


def test_poisson_predicts_rates():
    network, y = net("poisson"), targets("poisson")
    scores = network.evaluate(X, y)
    assert scores["rmse"] == pytest.approx(np.sqrt(np.mean((network.predict(X) - y) ** 2)), rel=1e-12)


def test_quantile_finds_the_quantile():
    y = RNG.standard_normal(2000)
    network = Network([1, 1], output="identity", loss=Quantile(0.8), dtype="float64", random_state=0)
    network.fit(np.zeros((2000, 1)), y, optimizer="sgd", learning_rate=0.05, batch_size=None, epochs=1500)
    # Within a step's reach of the sample's quantile: the gradient is at most 1.
    assert abs(network.predict(np.zeros((1, 1)))[0] - np.quantile(y, 0.8)) < 0.05


# ---- class weights


def test_class_weight_is_a_sample_weight():
    y = np.array([0] * 30 + [1] * 15 + [2] * 5)
    by_class, by_example, balanced, own = (
        Network([4, 5, 3], dtype="float64", random_state=0) for _ in range(4))
    given = RNG.uniform(size=50)
    one = by_class.fit(X, y, class_weight={0: 0.5, 2: 3.0}, sample_weight=given, epochs=3)
    other = by_example.fit(X, y, sample_weight=given * np.array([0.5, 1.0, 3.0])[y], epochs=3)
    assert one.loss == other.loss
    one = balanced.fit(X, y, class_weight="balanced", epochs=3)
    other = own.fit(X, y, class_weight={c: 50 / (3 * n) for c, n in enumerate((30, 15, 5))}, epochs=3)
    np.testing.assert_allclose(one.loss, other.loss, rtol=1e-14)


def test_class_weight_of_one_sigmoid_output():
    y = (X[:, 0] > 1).astype(int)
    one, other = (Network([4, 1], output="sigmoid", dtype="float64", random_state=0) for _ in range(2))
    weights = len(y) / (2 * np.bincount(y))
    assert one.fit(X, y, class_weight="balanced", epochs=3).loss == other.fit(
        X, y, sample_weight=weights[y], epochs=3).loss


@pytest.mark.parametrize(("value", "error", "text"), [
    ("equal", TypeError, "class_weight must be 'balanced' or a dict"), ([1, 2], TypeError, "class_weight must be"),
    ({3: 1.0}, ValueError, "a label of class_weight must be from 0 to 2, got 3"),
    ({"a": 1.0}, TypeError, "a label of class_weight"),
    ({0: -1.0}, ValueError, r"class_weight\[0\] must be finite and"),
    ({0: "1"}, TypeError, r"class_weight\[0\] must be a number"),
    ({0: 0, 1: 0, 2: 0}, ValueError, "must not be all zero"),
])
def test_bad_class_weights(value, error, text):
    with pytest.raises(error, match=text):
        Network([4, 3]).fit(X, np.arange(50) % 3, class_weight=value)


def test_class_weight_needs_classes():
    with pytest.raises(ValueError, match="class_weight needs a softmax or sigmoid output"):
        net("squared_error").fit(X, targets("squared_error"), class_weight="balanced")


# ---- sums


@pytest.mark.parametrize("weighted", [False, True])
def test_sums_over_ten_million_examples(weighted):
    """float32: J is within 1e-6, since terms are rounded to float32 and sums computed in double."""
    m = 10_000_000
    y = np.full((m, 1), 0.1, np.float32)
    y[::3] = 1.7
    weights = np.tile(np.array([0.3, 1.9], np.float32), m // 2) if weighted else None
    network = Network([1, 1], output="identity", loss="squared_error", random_state=0)
    network.W[0] = [[0.0]]
    exact = np.average((y[:, 0].astype(np.float64)) ** 2 / 2, weights=weights)
    x = np.zeros((m, 1), np.float32)
    assert network.loss(x, y, sample_weight=weights) == pytest.approx(exact, rel=1e-6)
    assert network.gradients(x, y, sample_weight=weights)[0] == pytest.approx(exact, rel=1e-6)
    history = network.fit(x, y, sample_weight=weights, optimizer="sgd", learning_rate=1e-30, epochs=1, batch_size=None)
    assert history.loss[0] == pytest.approx(exact, rel=1e-6)
