"""Training: the loop, its settings and its results."""

import pickle
import sys
from itertools import product

import numpy as np
import pytest
from helpers.fit_cases import OPTIMIZERS, blobs, make, regression
from helpers.network_cases import checked, parameter_bytes
from threadpoolctl import threadpool_info

from fastnn import SGD, Adam, DivergenceWarning, History, Momentum, Nesterov, Network, datasets, reference
from fastnn import optimizers as optimizer_module
from fastnn._data import feeds

# ---- what fit returns


def test_history_of_the_epochs():
    net = make()
    X, y = blobs()
    history = net.fit(X, y, epochs=3, learning_rate=0.02)
    assert isinstance(history, History) and history is net.history
    assert history.stop_reason == "epochs" and history.best_epoch is None
    assert history.epochs == [1, 2, 3]
    assert set(history.keys()) == {"epoch", "loss", "learning_rate", "seconds"}
    assert history["learning_rate"] == [0.02] * 3
    assert all(seconds > 0 for seconds in history["seconds"])


@pytest.mark.parametrize(("output", "metric"), [("softmax", "accuracy"), ("sigmoid", "accuracy"), ("identity", "rmse")])
def test_history_with_validation_data(output, metric):
    net = make(output=output)
    X, y = blobs()
    y = y if output == "softmax" else np.eye(3)[y]
    history = net.fit(X, y, epochs=2, validation_data=(X[:9], y[:9]))
    assert set(history.keys()) == {"epoch", "loss", "learning_rate", "seconds", "validation_loss",
                                   f"validation_{metric}"}
    evaluation = net.evaluate(X[:9], y[:9])
    assert history["validation_loss"][-1] == evaluation["loss"]
    assert history[f"validation_{metric}"][-1] == evaluation[metric]


def test_validation_weights_are_used():
    X, y = blobs()
    weights = np.arange(60.0)
    weighted, plain = (make().fit(X, y, epochs=1, validation_data=data) for data in ((X, y, weights), [X, y]))
    net = make()
    net.fit(X, y, epochs=1)
    assert weighted["validation_loss"] == [net.evaluate(X, y, sample_weight=weights)["loss"]]
    assert plain["validation_loss"] == [net.loss(X, y)] != weighted["validation_loss"]


def test_recorded_loss_is_measured_before_each_update():
    net = make(l2=0.1)
    X, y = blobs()
    before = net.loss(X, y)
    history = net.fit(X, y, batch_size=None, epochs=2, optimizer="sgd", learning_rate=0.1)
    assert history.loss[0] == pytest.approx(before, rel=1e-13)  # 60 positive terms, summed another way
    assert history.loss[1] < before


def test_no_epochs_change_nothing():
    net = make()
    before = parameter_bytes(net)
    history = net.fit(*blobs(), epochs=0)
    assert len(history) == 0 and history.stop_reason == "epochs" and parameter_bytes(net) == before


# ---- the steps themselves, against the reference
#
# Float64 on a smooth network: a step's rounding errors are some K u = 200 * 1.1e-16 relative to its gradients, and grow
# by less than a factor of 2 in each of the at most 24 small steps taken here: below 1e-7 even if all were first steps.
# Adam divides by the gradient's root mean square, which magnifies the relative error of gradients that nearly cancel:
# a factor of 100 for entries of a hundredth of the others. In truth the errors are about 1e-14.
TOLERANCE = 1e-9

HYPERPARAMETERS = [
    (SGD(), {}), (Momentum(), {}), (Momentum(0.5), {"momentum": 0.5}), (Nesterov(), {}),
    (Nesterov(momentum=0.7), {"momentum": 0.7}), (Adam(), {}),
    (Adam(beta_1=0.5, beta_2=0.9, epsilon=1e-3), {"beta_1": 0.5, "beta_2": 0.9, "epsilon": 1e-3}),
    ("sgd", {}), ("momentum", {}), ("nesterov", {}), ("adam", {}),
]


@pytest.mark.parametrize(("optimizer", "hyperparameters"), HYPERPARAMETERS)
@pytest.mark.parametrize("batch_size", [None, 1, 7, 60, 1000])
def test_trajectory_equals_the_reference(optimizer, hyperparameters, batch_size):
    X, y = blobs(m=12)
    weights = np.random.default_rng(1).uniform(0.5, 2, 12)
    net = make(l2=0.05)
    rule = optimizer if isinstance(optimizer, str) else optimizer.rule
    twin = reference.ReferenceNetwork(net.W, net.b, net.activations, "cross_entropy", optimizer=rule, l2=0.05,
                                      **hyperparameters)
    net.fit(X, y, sample_weight=weights, optimizer=optimizer, learning_rate=0.01, batch_size=batch_size, epochs=2,
            shuffle=False)
    size, Y = min(batch_size or 12, 12), reference.one_hot(y, 3)
    for _, start in product(range(2), range(0, 12, size)):
        batch = slice(start, start + size)
        twin.step(X[batch].T, Y[:, batch], 0.01, weights[batch])
    for actual, expected in zip((*net.W, *net.b), (*twin.W, *twin.b), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=TOLERANCE, atol=TOLERANCE)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_full_batch_is_one_step_however_it_is_asked_for(dtype):
    X, y = blobs()
    results = set()
    for batch_size, shuffle in product((None, 60, 61, 2**31 - 1), (False, True)):
        net = make(dtype)
        net.fit(X, y, batch_size=batch_size, shuffle=shuffle, epochs=3)
        results.add(parameter_bytes(net))
    assert len(results) == 1


def test_shuffle_takes_every_example_once_in_an_order_of_the_generator():
    X, y = blobs()
    rng = np.random.default_rng(5)
    net = make(seed=rng)
    state = rng.bit_generator.state
    twin = net.copy()
    net.fit(X, y, batch_size=7, epochs=2)
    replay = np.random.default_rng()
    replay.bit_generator.state = state
    orders = []
    for _ in range(2):
        order = np.empty(60, np.int64)
        feeds.shuffle(order, replay)
        orders.append(order)
        twin.fit(X[order], y[order], batch_size=7, epochs=1, shuffle=False)
    assert parameter_bytes(net) == parameter_bytes(twin)
    assert not np.array_equal(*orders)


def test_training_without_shuffle_draws_no_random_numbers():
    rng = np.random.default_rng(5)
    net = make(seed=rng)
    state = rng.bit_generator.state
    net.fit(*blobs(), epochs=2, batch_size=7, shuffle=False)
    assert rng.bit_generator.state == state


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_same_seed_is_bitwise_identical(dtype):
    results = set()
    for _ in range(3):
        net = make(dtype)
        net.fit(*blobs(), epochs=3, batch_size=13)
        results.add(parameter_bytes(net))
    assert len(results) == 1


# ---- going on


@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, Momentum(0.3), Adam(beta_1=0.8)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [None, 7])
def test_a_second_fit_continues(optimizer, dtype, batch_size):
    X, y = blobs()
    weights = np.linspace(0.5, 2, 60)
    settings = {"sample_weight": weights, "optimizer": optimizer, "batch_size": batch_size}
    once, twice, passes = (make(dtype, l2=1e-3) for _ in range(3))
    losses = once.fit(X, y, epochs=6, **settings).loss
    assert twice.fit(X, y, epochs=2, **settings).loss + twice.fit(X, y, epochs=4, **settings).loss == losses
    assert [passes.partial_fit(X, y, **settings).loss[0] for _ in range(6)] == losses
    assert parameter_bytes(once) == parameter_bytes(twice) == parameter_bytes(passes)


def test_partial_fit_takes_streams():
    """Batches of changing size, continuing the state, follow the reference."""
    X, y = blobs()
    Y = reference.one_hot(y, 3)
    net = make()
    twin = reference.ReferenceNetwork(net.W, net.b, net.activations, "cross_entropy", optimizer="adam")
    for start, stop in ((0, 5), (5, 6), (6, 30), (30, 60)):
        history = net.partial_fit(X[start:stop], y[start:stop], learning_rate=0.01)
        assert len(history) == 1
        twin.step(X[start:stop].T, Y[:, start:stop], 0.01)
    for actual, expected in zip((*net.W, *net.b), (*twin.W, *twin.b), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=TOLERANCE, atol=TOLERANCE)


def fresh(net, tmp_path):
    """A copy of the network without optimiser state."""
    net.save(tmp_path / "net.fastnn")
    return Network.load(tmp_path / "net.fastnn")


@pytest.mark.parametrize(("first", "second"), [("momentum", "adam"), ("adam", "sgd"), ("adam", Adam(beta_2=0.9)),
                                               ("momentum", "nesterov"), (Momentum(0.5), "momentum")])
def test_another_optimizer_starts_with_a_new_state(first, second, tmp_path):
    X, y = blobs()
    net = make()
    net.fit(X, y, epochs=3, optimizer=first, batch_size=None)
    twin = fresh(net, tmp_path)
    for one in (net, twin):
        one.fit(X, y, epochs=3, optimizer=second, batch_size=None)
    assert parameter_bytes(net) == parameter_bytes(twin)
    twin = fresh(net, tmp_path)  # the first one's state is gone as well
    for one in (net, twin):
        one.fit(X, y, epochs=3, optimizer=first, batch_size=None)
    assert parameter_bytes(net) == parameter_bytes(twin)


@pytest.mark.parametrize("same", ["adam", Adam(), Adam(0.9, 0.999)])
def test_equal_optimizer_keeps_its_state_with_another_rate(same):
    X, y = blobs()
    Y = reference.one_hot(y, 3)
    net = make()
    twin = reference.ReferenceNetwork(net.W, net.b, net.activations, "cross_entropy", optimizer="adam")
    for optimizer, rate in (("adam", 0.01), (same, 0.002)):
        net.fit(X, y, epochs=3, optimizer=optimizer, batch_size=None, learning_rate=rate)
        for _ in range(3):
            twin.step(X.T, Y, rate)
    np.testing.assert_allclose(net.W[0], twin.W[0], rtol=TOLERANCE, atol=TOLERANCE)


def test_optimizers_are_values():
    assert Adam() == Adam(beta_1=0.9) != Adam(beta_1=0.8) and Momentum() != Nesterov()
    assert len({SGD(), SGD(), Momentum()}) == 2
    assert pickle.loads(pickle.dumps(Adam(beta_2=0.9))) == Adam(beta_2=0.9)
    with pytest.raises(AttributeError):
        Adam().beta_1 = 2
    assert sorted(optimizer_module.BY_NAME) == sorted([*OPTIMIZERS, "lbfgs"])


# ---- weights


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_weight_2_duplicates_an_example_and_weight_0_removes_it(optimizer):
    """The sums are the same in another order: within the tolerance of the trajectories."""
    X, y = blobs()
    counts = np.random.default_rng(0).integers(0, 3, 60)
    settings = {"optimizer": optimizer, "learning_rate": 0.01, "batch_size": None, "epochs": 5}
    weighted, repeated = make(l2=0.01), make(l2=0.01)
    losses = weighted.fit(X, y, sample_weight=counts, **settings).loss
    X, y = np.repeat(X, counts, axis=0), np.repeat(y, counts)
    np.testing.assert_allclose(repeated.fit(X, y, **settings).loss, losses, rtol=TOLERANCE)
    for actual, expected in zip((*weighted.W, *weighted.b), (*repeated.W, *repeated.b), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=TOLERANCE, atol=TOLERANCE)


def test_scaling_sample_weights_changes_nothing():
    X, y = blobs()
    weights = np.random.default_rng(0).uniform(0, 1, 60)
    results = set()
    for factor in (1, 4, 2.0**-20):  # powers of 2 round nothing
        net = make()
        net.fit(X, y, sample_weight=factor * weights, batch_size=13, epochs=3)
        results.add(parameter_bytes(net))
    assert len(results) == 1


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_batch_without_weight_changes_nothing(optimizer):
    X, y = blobs()
    weights = np.ones(60)
    weights[20:40] = 0
    net, twin = make(), make()
    net.fit(X, y, sample_weight=weights, batch_size=20, shuffle=False, optimizer=optimizer, epochs=3)
    kept = weights > 0
    twin.fit(X[kept], y[kept], batch_size=20, shuffle=False, optimizer=optimizer, epochs=3)
    assert parameter_bytes(net) == parameter_bytes(twin)


def test_scoring_skips_examples_without_weight():
    """The first examples, which the progress bar shows, may have no weight at all."""
    pytest.importorskip("tqdm")
    X, y = blobs(m=1200)
    weights = np.zeros(1200)
    weights[1100:] = 1
    history = make().fit(X, y, sample_weight=weights, epochs=40, progress=True)
    assert history.stop_reason == "epochs" and np.isfinite(history.loss).all()


# ---- early stopping


@pytest.mark.parametrize("patience", [1, 3])
def test_early_stopping_on_a_loss_that_only_rises(patience):
    X, y = blobs()
    wrong = (y + 1) % 3  # the better the fit, the worse the validation loss
    net, twin = make(), make()
    settings = {"batch_size": None, "learning_rate": 0.01}
    history = net.fit(X, y, validation_data=(X, wrong), early_stopping=patience, epochs=50, **settings)
    assert history.stop_reason == "early_stopping"
    assert history.best_epoch == 1 and len(history) == 1 + patience
    twin.fit(X, y, epochs=1, **settings)
    assert parameter_bytes(net) == parameter_bytes(twin)


def test_early_stopping_on_a_loss_that_only_falls():
    X, y = blobs()
    net, twin = make(), make()
    settings = {"batch_size": None, "learning_rate": 0.01, "epochs": 20}
    history = net.fit(X, y, validation_data=(X, y), early_stopping=1, **settings)
    assert history.stop_reason == "epochs" and history.best_epoch == 20
    twin.fit(X, y, **settings)
    assert parameter_bytes(net) == parameter_bytes(twin)


@pytest.mark.parametrize("seed", range(6))
def test_early_stopping_keeps_the_best_weights(seed):
    X, y = blobs(seed=seed)
    X_val, y_val = blobs(m=20, seed=100 + seed)
    net = make("float32", seed=seed)
    history = net.fit(X, y, validation_data=(X_val, y_val), early_stopping=4, epochs=60, learning_rate=0.3,
                      batch_size=9)
    losses = history["validation_loss"]
    assert history.best_epoch == 1 + int(np.argmin(losses))
    stopped = history.stop_reason == "early_stopping"
    assert len(history) == (history.best_epoch + 4 if stopped else 60)
    assert net.loss(X_val, y_val) == min(losses)


def test_early_stopping_needs_validation_data():
    net = make()
    before = pickle.dumps(net)
    with pytest.raises(ValueError, match=r"validation_data=\(X_val, y_val\)"):
        net.fit(*blobs(), early_stopping=3)
    assert pickle.dumps(net) == before


# ---- callbacks


def test_callbacks_see_each_record():
    seen = []
    net = make()
    history = net.fit(*blobs(), epochs=4, callbacks=[lambda network, record: seen.append((network, record))])
    assert [network for network, _ in seen] == [net] * 4
    assert [record for _, record in seen] == history.records


def test_a_callback_can_stop_but_not_change_the_record():
    X, y = blobs()

    def stop(network, record):
        enough = record["epoch"] == 3
        record.clear()
        return enough

    calls = []
    net, twin = make(), make()
    history = net.fit(X, y, epochs=10, callbacks=(stop, lambda network, record: calls.append(record["epoch"])))
    assert history.stop_reason == "callback" and history.epochs == [1, 2, 3] == calls
    twin.fit(X, y, epochs=3)
    assert parameter_bytes(net) == parameter_bytes(twin)


def blas_threads():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, SystemExit])
def test_an_exception_in_a_callback_leaves_a_whole_network(error):
    X, y = blobs()
    before = blas_threads()

    def fail(network, record):
        if record["epoch"] == 2:
            raise error("here")

    net, twin = make(), make()
    with pytest.raises(error, match="here"):
        net.fit(X, y, epochs=5, callbacks=[fail])
    assert blas_threads() == before
    assert net.history.epochs == [1, 2]
    assert net.history.stop_reason == ("interrupted" if error is KeyboardInterrupt else "error")
    twin.fit(X, y, epochs=2)
    assert parameter_bytes(net) == parameter_bytes(twin)
    for one in (net, twin):
        one.fit(X, y, epochs=2)
    assert parameter_bytes(net) == parameter_bytes(twin)


def test_a_callback_may_change_the_parameters():
    X, y = blobs()
    net, twin = make(), make()
    net.fit(X, y, epochs=2, optimizer="sgd", batch_size=None,
            callbacks=[lambda network, record: network.W[0].fill(0.5)])
    twin.partial_fit(X, y, optimizer="sgd", batch_size=None)
    twin.W[0].fill(0.5)
    twin.partial_fit(X, y, optimizer="sgd", batch_size=None)
    twin.W[0].fill(0.5)
    assert parameter_bytes(net) == parameter_bytes(twin)


# ---- the progress bar


def test_progress_bar_shows_loss_and_metric(capsys):
    pytest.importorskip("tqdm")
    X, y = blobs()
    net, silent = make(), make()
    net.fit(X, y, epochs=3, progress=True)
    out, err = capsys.readouterr()
    assert out == "" and "3/3" in err and "loss=" in err
    accuracy = net.evaluate(X, y)["accuracy"]
    assert f"accuracy={accuracy:.4g}" in err
    net.fit(X, y, epochs=2, progress=True, validation_data=(X, y))
    err = capsys.readouterr().err
    assert "2/2" in err and "validation_loss=" in err and "validation_accuracy=" in err
    silent.fit(X, y, epochs=3)
    silent.fit(X, y, epochs=2)
    assert capsys.readouterr() == ("", "")
    assert parameter_bytes(net) == parameter_bytes(silent)  # watching changes nothing


def test_progress_without_tqdm_is_refused_before_training(monkeypatch):
    net = make()
    net.fit(*blobs(), epochs=1)
    before = pickle.dumps(net)
    for name in ("tqdm", "tqdm.auto"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"a progress bar needs tqdm: pip install 'fastnn\[progress\]'"):
        net.fit(*blobs(), epochs=5, progress=True, optimizer="sgd")
    assert pickle.dumps(net) == before


# ---- it learns


def test_learns_the_flower():
    X, y = datasets.make_flower(400, random_state=0)
    net = Network([2, 16, 1], activation="tanh", output="sigmoid", random_state=0)
    history = net.fit(X, y, learning_rate=0.01, batch_size=32, epochs=300)
    assert net.evaluate(X, y)["accuracy"] > 0.9
    assert history.loss[-1] < history.loss[0] / 2


def test_learns_the_digits():
    X, y = datasets.load_digits()
    train, test = datasets.stratified_split(y, 0.2, random_state=0)
    net = Network([64, 64, 10], random_state=0, l2=1e-4)
    net.fit(X[train] / 16, y[train], batch_size=32, epochs=40)
    assert net.evaluate(X[test] / 16, y[test])["accuracy"] >= 0.97


@pytest.mark.parametrize("activation", ["tanh", "gelu"])
def test_learns_a_curve(activation):
    x = np.linspace(-3, 3, 200)[:, None]
    y = np.sin(2 * x) + 0.5 * x
    net = Network([1, 32, 32, 1], activation=activation, output="identity", random_state=0)
    net.fit(x, y, learning_rate=0.01, batch_size=20, epochs=200)
    assert net.evaluate(x, y)["rmse"] < 0.1 < np.std(y)


def test_logistic_regression_finds_the_one_minimum():
    """J is convex: batch gradient descent ends where dJ vanishes."""
    X, y = blobs(m=200, n_classes=2)
    net = Network([4, 1], output="sigmoid", l2=0.1, dtype="float64", random_state=0)
    net.fit(X, y, optimizer="sgd", learning_rate=1.0, batch_size=None, epochs=500)
    _, dW, db = net.gradients(X, y)
    # J'' >= 0.1 in W and at least the mean of p (1 - p) in b: below 1 - 0.05 a step, 500 steps leave 1e-11
    assert np.abs(dW[0]).max() < 1e-10 and np.abs(db[0]).max() < 1e-10


def test_a_short_fit_restores_a_good_epoch():
    """Instead of the initial parameters, although it has fewer steps than later scores are apart."""
    X, y = regression()
    net = make(sizes=(4, 8, 1), output="identity")
    before = net.loss(X, y)

    def poison(network, record):
        if record["epoch"] == 100:
            network.W[1].fill(1e200)

    with pytest.warns(DivergenceWarning, match="those after epoch 63"):
        history = net.fit(X, y, optimizer="sgd", learning_rate=0.01, batch_size=None, epochs=120, callbacks=[poison])
    assert history.best_epoch == 63 and net.loss(X, y) < before


def test_scored_examples_represent_sorted_and_weighted_data():
    """Parameters are scored on evenly spaced examples with weight."""
    X, y = regression(m=600)
    weights = np.ones(600)
    weights[:300] = 0
    net = make(sizes=(4, 8, 1), output="identity")

    def poison(network, record):
        if record["epoch"] == 100:
            network.W[1].fill(1e200)

    with pytest.warns(DivergenceWarning, match="those after epoch 63"):
        net.fit(X, y, sample_weight=weights, optimizer="sgd", learning_rate=0.01, batch_size=None, epochs=120,
                callbacks=[poison])
    examples = checked(net, X, y, weights)
    assert len(examples.sample(128)) == 128 and examples.sample(128).weights.all()
    assert np.array_equal(examples.sample(1000).X, X[300:])


def test_a_network_is_trained_by_one_fit_at_a_time():
    X, y = regression()
    net = make(sizes=(4, 8, 1), output="identity")

    def again(network, record):
        with pytest.raises(RuntimeError, match="being trained"):
            network.fit(X, y, epochs=1)
        assert network.copy().fit(X, y, epochs=1).stop_reason == "epochs"

    history = net.fit(X, y, epochs=3, callbacks=[again])
    assert len(history) == 3 and net.history is history
    assert net.fit(X, y, epochs=1).stop_reason == "epochs"


def test_only_true_stops():
    X, y = regression()
    net = make(sizes=(4, 8, 1), output="identity")
    for answer in (1.5, "yes", np.ones(3), [0], None):
        assert net.fit(X, y, epochs=2, callbacks=[lambda n, r, answer=answer: answer]).stop_reason == "epochs"
    assert len(net.fit(X, y, epochs=2, callbacks=[lambda n, r: np.True_])) == 1


def test_huge_and_tiny_weights():
    """J is a weighted mean: scaling the weights by powers of two is bitwise identical."""
    X, y = regression()
    results = set()
    for scale in (1.0, 2.0**100, 2.0**-100):
        net = make(sizes=(4, 8, 1), output="identity", dtype="float32")
        history = net.fit(X, 1e3 * y, sample_weight=np.full(len(X), scale), epochs=3)
        results.add((tuple(history.loss), net.W[0].tobytes()))
    assert len(results) == 1
