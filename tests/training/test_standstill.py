"""Early stopping of networks by values that are not defined, not finite or stand still."""

import warnings

import numpy as np
import pytest

from fastnn import Network
from fastnn.callbacks import EarlyStopping
from fastnn.metrics import UndefinedMetricWarning

RNG = np.random.default_rng(0)
X = RNG.standard_normal((400, 6)).astype(np.float32)
SIGNAL = X[:, 0] - X[:, 1]


def fitted(y, rule, metrics=(), n_outputs=1, output="sigmoid", **arguments):
    """Fit a small network with validation data; return it, its history and the texts of its warnings."""
    net = Network([6, 8, n_outputs], output=output, random_state=0)
    given = {"learning_rate": 0.003, "epochs": 60, "validation_data": (X[300:], y[300:])} | arguments
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = net.fit(X[:300], y[:300], metrics=metrics, early_stopping=rule, **given)
    return net, history, [str(one.message) for one in caught if one.category is not UndefinedMetricWarning]


class Sequence:
    """A metric with given values; it repeats the last one."""

    __name__ = "given"

    def __init__(self, *values):
        self.values, self.calls = values, 0

    def __call__(self, y_true, y_pred):
        self.calls += 1
        return self.values[min(self.calls, len(self.values)) - 1]


@pytest.mark.parametrize("other", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_a_value_that_is_not_finite_is_no_improvement(other, mode):
    values = (0.3, 0.2, other) if mode == "min" else (0.2, 0.3, other)
    _, history, texts = fitted(SIGNAL > 0, EarlyStopping("validation_given", 4, mode=mode), [Sequence(*values)])
    assert history.stop_reason == "early_stopping" and len(history) == 6 and history.best_epoch == 2
    assert texts == [f"early stopping: validation_given was {other} in epoch 3, which counts as no improvement. The "
                     "parameters kept are those after epoch 2"]


@pytest.mark.parametrize("never", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("mode", ["min", "max"])
def test_without_a_finite_value_the_last_parameters_are_kept(never, mode):
    """All epochs are run."""
    net, history, texts = fitted(SIGNAL > 0, EarlyStopping("validation_given", 4, mode=mode), [Sequence(never)])
    whole, _, _ = fitted(SIGNAL > 0, None)
    assert history.stop_reason == "epochs" and history.best_epoch is None
    np.testing.assert_array_equal(net.W[0], whole.W[0])
    assert len(texts) == 1 and "No value was finite: the parameters kept are the last ones" in texts[0]


@pytest.mark.parametrize("metric", ["roc_auc", "average_precision"])
def test_a_metric_that_is_not_defined_for_the_validation_data_is_refused(metric):
    net = Network([6, 8, 1], output="sigmoid", random_state=0)
    before = net.W[0].copy()
    with pytest.raises(ValueError, match=f"early_stopping watches validation_{metric}, which is nan"):
        net.fit(X, SIGNAL > 0, validation_data=(X, np.zeros(400)), metrics=[metric],
                early_stopping=EarlyStopping(f"validation_{metric}"))
    np.testing.assert_array_equal(net.W[0], before)


@pytest.mark.parametrize("rows", [slice(1), slice(9)])
def test_r2_of_equal_targets_is_refused(rows):
    """It is 0 in each epoch. Known targets of one output that vary are enough."""
    y, weights = np.column_stack([np.where(np.arange(400) < 9, 3.0, SIGNAL), SIGNAL]), np.ones((400, 2))
    weights[:9, 1] = 0
    net, options = Network([6, 8, 2], output="identity", random_state=0), {
        "metrics": ["r2"], "early_stopping": EarlyStopping("validation_r2"), "epochs": 2}
    with pytest.raises(ValueError, match=r"validation_r2, which is 0\.0 for these"):
        net.fit(X, y, validation_data=(X[rows], y[rows], weights[rows]), **options)
    assert len(net.fit(X, y, validation_data=(X[:9], y[:9]), **options)) == 2


MANY = (X @ RNG.standard_normal((6, 20)) > 0).astype(int)
RARE = X[:, 0] + 0.5 * X[:, 2] > 2.2


@pytest.mark.parametrize(("y", "n_outputs", "metric"), [
    (MANY, 20, "accuracy"), (RARE, 1, "accuracy"), (RARE, 1, "f1"), (RARE, 1, Sequence(0.5))])
def test_a_metric_that_stands_still_while_the_loss_falls_is_named(y, n_outputs, metric):
    name = f"validation_{getattr(metric, '__name__', metric)}"
    _, history, texts = fitted(y, EarlyStopping(name, 10, mode="max"), [metric], n_outputs)
    assert history.stop_reason == "early_stopping" and len(texts) == 1
    assert texts[0].startswith(f"early stopping: {name} did not improve on")
    assert f"The parameters kept are those after epoch {history.best_epoch}" in texts[0]
    assert not fitted(y, 10, (), n_outputs)[2]


def test_a_rule_that_runs_all_epochs_does_not_doubt_its_value():
    rules = [EarlyStopping("validation_given", patience, mode="max") for patience in (10, None)]
    found = [fitted(RARE, rule, [Sequence(0.5)]) for rule in rules]
    assert [len(texts) for _, _, texts in found] == [1, 0]
    assert found[1][1].stop_reason == "epochs" and len(found[1][1]) == 60



def test_ordinary_early_stopping_does_not_warn():
    for metric in ("accuracy", "f1", "roc_auc", "log_loss"):
        _, history, texts = fitted(SIGNAL > 0, EarlyStopping(f"validation_{metric}", 5), [metric], learning_rate=0.02,
                                   epochs=300)
        assert not texts and history["validation_accuracy"][history.best_epoch - 1] > 0.9
    _, history, texts = fitted(SIGNAL, EarlyStopping("validation_r2", 5), ["r2"], output="identity",
                               learning_rate=0.02, epochs=300)
    assert not texts and history["validation_r2"][history.best_epoch - 1] > 0.9
