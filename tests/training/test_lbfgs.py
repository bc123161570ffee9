"""L-BFGS: SciPy's minimiser on the parameter arena, with the records, callbacks and stopping of the training loop."""

import math

import numpy as np
import pytest
import scipy.optimize

from fastnn import LBFGS, CrossEntropy, Network, callbacks, reference, schedules
from fastnn._training import loop

RNG = np.random.default_rng(5)
X = RNG.standard_normal((90, 6))
Y = (X @ RNG.standard_normal((6, 3))).argmax(axis=1)


def net(**keywords):
    return Network([6, 5, 3], **{"activation": "tanh", "l2": 0.01, "dtype": "float64", "random_state": 1} | keywords)


def test_trajectory_equals_scipy_on_the_reference():
    """The iterates equal those of SciPy with J and gradient of the NumPy reference to 1e-9 over 30 iterations."""
    network = net()
    W, b = [M.copy() for M in network.W], [v.copy() for v in network.b]
    shapes, theta = [M.shape for M in W + b], np.concatenate([M.ravel() for M in W + b])

    def cost(theta):
        parts = np.split(theta, np.cumsum([math.prod(shape) for shape in shapes])[:-1])
        parts = [part.reshape(shape) for part, shape in zip(parts, shapes, strict=True)]
        J, dW, db = reference.gradients(X.T, reference.one_hot(Y, 3), parts[:2], parts[2:], network.activations,
                                        "cross_entropy", l2=0.01)
        return J, np.concatenate([g.ravel() for g in dW + db])

    costs = []
    scipy.optimize.minimize(cost, theta, jac=True, method="L-BFGS-B", options={"maxiter": 30, "gtol": 0, "ftol": 0},
                            callback=lambda intermediate_result: costs.append(intermediate_result.fun))
    history = network.fit(X, Y, optimizer=LBFGS(gradient_tolerance=0, cost_tolerance=0), epochs=30)
    # The arena's order differs, and with it the rounding of SciPy's dot products.
    np.testing.assert_allclose(history.loss, costs, rtol=1e-9)
    assert history.loss[-1] == pytest.approx(network.loss(X, Y), rel=1e-12)


def test_convergence_is_the_stop_reason():
    network = net()
    history = network.fit(X, Y, optimizer=LBFGS(gradient_tolerance=1e-7, cost_tolerance=0), epochs=5000)
    assert history.stop_reason == "converged" and len(history) < 5000
    _, dW, db = network.gradients(X, Y)
    assert max(np.abs(g).max() for g in dW + db) <= 1e-7
    assert "learning_rate" not in history and all(np.diff(history.loss) <= 0)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_by_name(dtype):
    network = net(dtype=dtype)
    assert network.fit(X, Y, optimizer="lbfgs", epochs=100).loss[-1] < 0.4
    assert network.dtype == dtype


def test_epochs_evaluations_and_stalling():
    assert net().fit(X, Y, optimizer="lbfgs", epochs=4).stop_reason == "epochs"
    assert net().fit(X, Y, optimizer=LBFGS(max_evaluations=5), epochs=400).stop_reason == "evaluations"
    assert len(net().fit(X, Y, optimizer="lbfgs", epochs=0)) == 0
    # float32's J cannot fall to a zero gradient: at last no step lowers it.
    history = net(dtype="float32").fit(X, Y, optimizer=LBFGS(gradient_tolerance=0, cost_tolerance=0), epochs=5000)
    assert history.stop_reason in ("stalled", "converged")


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("error", [KeyboardInterrupt, MemoryError])
def test_an_interrupted_evaluation_leaves_the_last_iteration(error, dtype, monkeypatch):
    """And not a point of the line search, where J may have any value."""
    evaluate, left = loop.whole_gradient, 0

    def interrupted(plan, examples, out):
        nonlocal left
        left -= 1
        if left < 0:
            raise error
        return evaluate(plan, examples, out)

    monkeypatch.setattr(loop, "whole_gradient", interrupted)
    for left in range(30):
        network, whole = net(dtype=dtype), net(dtype=dtype)
        with pytest.raises(error):
            network.fit(X, Y, optimizer="lbfgs", epochs=300)
        assert network.history.stop_reason == ("interrupted" if error is KeyboardInterrupt else "error")
        left = 1000
        whole.fit(X, Y, optimizer="lbfgs", epochs=len(network.history))
        assert network._parameters.theta.tobytes() == whole._parameters.theta.tobytes()


def test_callbacks_validation_and_early_stopping():
    network, seen = net(l2=0.0), []
    history = network.fit(X, Y, optimizer="lbfgs", epochs=300, validation_fraction=0.3, early_stopping=5,
                          metrics=["log_loss"], callbacks=[lambda _, record: seen.append(record["epoch"])])
    assert history.stop_reason == "early_stopping" and history.best_epoch == len(history) - 5
    assert seen == history.epochs and "validation_log_loss" in history
    history = net().fit(X, Y, optimizer="lbfgs", epochs=300, callbacks=[lambda _, record: record["epoch"] == 7])
    assert (history.stop_reason, len(history)) == ("callback", 7)


def test_weights_losses_and_labels_apply():
    weights = np.where(np.arange(90) < 40, 1.0, 0.0)
    one, other = (net(loss=CrossEntropy(label_smoothing=0.1)) for _ in range(2))
    one.fit(X, Y, sample_weight=weights, optimizer="lbfgs", epochs=20)
    other.fit(X[:40], Y[:40], optimizer="lbfgs", epochs=20)
    for mine, its in zip(one.W, other.W, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-6)


def test_data_larger_than_a_chunk(monkeypatch, tuning):
    """The gradient over all examples is summed chunk by chunk."""

    whole = net().gradients(X, Y, sample_weight=np.linspace(0, 3, 90))
    tuning(GRADIENT_BLOCK_ROWS=17)
    blocks = net().gradients(X, Y, sample_weight=np.linspace(0, 3, 90))
    assert blocks[0] == pytest.approx(whole[0], rel=1e-14)
    for mine, its in zip(blocks[1] + blocks[2], whole[1] + whole[2], strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-11, atol=1e-15)
    history = net().fit(X, Y, optimizer="lbfgs", epochs=15)
    monkeypatch.undo()
    np.testing.assert_allclose(history.loss, net().fit(X, Y, optimizer="lbfgs", epochs=15).loss, rtol=1e-9)


@pytest.mark.parametrize(("name", "value"), [
    ("learning_rate", 0.1), ("learning_rate", schedules.Cosine(0.1)), ("batch_size", 32), ("clip_norm", 1.0),
    ("resume", "nowhere"), ("checkpoints", callbacks.Checkpoint("nowhere"))])
def test_lbfgs_refuses_unsupported_settings(name, value):
    network = net()
    before = network._parameters.theta.copy()
    keywords = {"callbacks": [value]} if name == "checkpoints" else {name: value}
    with pytest.raises(ValueError, match=f"optimizer='lbfgs' works on all examples .* it takes no {name}"):
        network.fit(X, Y, optimizer="lbfgs", **keywords)
    assert np.array_equal(network._parameters.theta, before)


def test_dropout_is_refused():
    with pytest.raises(ValueError, match="it takes no dropout"):
        net(dropout=0.5).fit(X, Y, optimizer="lbfgs")


@pytest.mark.parametrize(("keywords", "error"), [
    ({"memory": 0}, ValueError), ({"memory": 1.5}, TypeError), ({"gradient_tolerance": -1}, ValueError),
    ({"cost_tolerance": "0"}, TypeError), ({"max_evaluations": 0}, ValueError), ({"max_line_search": 0}, ValueError)])
def test_bad_options(keywords, error):
    with pytest.raises(error, match=next(iter(keywords))):
        LBFGS(**keywords)


def test_the_line_search_takes_back_overflowing_steps():
    network = Network([1, 1], output="exp", loss="poisson", dtype="float64", random_state=0)
    x = np.linspace(0, 30, 40)[:, None]
    network.fit(x, np.exp(0.1 * x), optimizer=LBFGS(cost_tolerance=0), epochs=200)
    assert network.W[0][0, 0] == pytest.approx(0.1, abs=1e-5)
