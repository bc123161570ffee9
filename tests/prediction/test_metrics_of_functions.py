"""Metrics of users: functions and what they are given, objects, and which of them are refused or warned of."""

import functools
import warnings

import numpy as np
import pytest

from fastnn import Network
from fastnn.metrics import F1, R2, Custom, Metric

TASKS = [("sigmoid", 1), ("softmax", 3), ("sigmoid", 3)]


def problem(output, n_out, m=70):
    rng = np.random.default_rng(0)
    y = rng.integers(n_out, size=m) if output == "softmax" else rng.integers(2, size=(m, n_out))
    return rng.standard_normal((m, 4)), y[:, 0] if n_out == 1 else y, rng.uniform(0, 2, m)


def make(output, n_out, dtype="float32", loss="auto"):
    return Network([4, 8, n_out], output=output, dtype=dtype, loss=loss, random_state=3)


@pytest.mark.parametrize(("output", "n_out"), TASKS)
@pytest.mark.parametrize("loss", ["auto", "squared_error"])
def test_a_function_of_probabilities_gets_those_of_predict_proba(output, n_out, loss, tuning):
    tuning(EVALUATION_BLOCK_ROWS=16)
    X, y, _ = problem(output, n_out)
    net, seen = make(output, n_out, loss=loss), []

    def watch(y_true, y_pred):
        seen.append((y_true, y_pred))
        return 0.5

    assert net.evaluate(X, y, metrics=[Custom(watch, given="probabilities")])["watch"] == 0.5
    (y_true, y_pred), = seen
    assert np.array_equal(y_true, y) and y_true.dtype == np.int64
    expected = np.concatenate([net.predict_proba(X[start : start + 16]) for start in range(0, len(X), 16)])
    assert np.array_equal(y_pred, expected) and y_pred.dtype == np.float32


def test_probabilities_give_the_area_that_labels_do_not():
    sk = pytest.importorskip("sklearn.metrics")
    X, y, w = problem("sigmoid", 1)
    net = make("sigmoid", 1)
    result = net.evaluate(X, y, sample_weight=w, metrics=["roc_auc", Custom(sk.roc_auc_score, "auc", "probabilities")])
    assert result["auc"] == pytest.approx(result["roc_auc"], rel=1e-12)  # it gets the weights, too
    assert result["auc"] == pytest.approx(sk.roc_auc_score(y, net.predict_proba(X), sample_weight=w), rel=1e-6)


def test_functions_with_a_parameter_for_weights_get_them():
    X, y, w = problem("softmax", 3)
    seen = []

    def share(y_true, y_pred, sample_weight):
        seen.append(sample_weight)
        return np.average(y_true == y_pred, weights=sample_weight)

    def with_keywords(y_true, y_pred, **keywords):
        return len(keywords)

    result = make("softmax", 3).evaluate(X, y, sample_weight=w, metrics=[share, with_keywords])
    assert result["share"] == pytest.approx(result["accuracy"]) and result["with_keywords"] == 0
    assert seen[0].dtype == np.float64
    assert seen[0] / seen[0].max() == pytest.approx(w / w.max(), rel=1e-6)  # the network keeps them in float32
    result = make("softmax", 3).evaluate(X, y, metrics=[share])
    assert result["share"] == pytest.approx(result["accuracy"]) and seen[1] is None


def test_functions_are_named_by_custom_or_by_themselves():
    X, y, _ = problem("softmax", 3)

    def power(y_true, y_pred, exponent):
        return np.mean(y_true == y_pred) ** exponent

    class Callable:
        def __call__(self, y_true, y_pred):
            return 3.0

    partial = functools.partial(power, exponent=0)
    found = make("softmax", 3).evaluate(X, y, metrics=[Custom(lambda y_true, y_pred: 2.0, "two"), partial, Callable()])
    assert {name: found[name] for name in ("two", "power", "Callable")} == {"two": 2, "power": 1, "Callable": 3}


def test_a_function_may_have_the_name_of_a_metric_that_is_not_asked():
    X, y, _ = problem("softmax", 3)

    def f1(y_true, y_pred):
        return 2.0

    assert make("softmax", 3).evaluate(X, y, metrics=[f1])["f1"] == 2
    with pytest.raises(ValueError, match="two that are called 'f1'"):
        make("softmax", 3).evaluate(X, y, metrics=[f1, "f1"])

    def accuracy(y_true, y_pred):
        return 2.0

    with pytest.raises(ValueError, match="two that are called 'accuracy'"):
        make("softmax", 3).evaluate(X, y, metrics=[accuracy])


def test_metrics_may_be_objects():
    X, y, _ = problem("softmax", 3)

    class Confidence(Metric):
        name = "confidence"

        def scores(self, chunk):
            return chunk.probabilities().max(axis=1)

    net, metric = make("softmax", 3), Confidence()
    result = net.evaluate(X, y, metrics=[metric, F1()])
    assert result["confidence"] == pytest.approx(net.predict_proba(X).max(axis=1).mean())
    assert result["f1"] == net.evaluate(X, y, metrics=["f1"])["f1"]
    assert vars(metric) == {}  # copies do the work, so that fits in several threads may share it
    assert "r2" in make("identity", 1).evaluate(X, X[:, 0], metrics=[R2()])


# ---- functions of probabilities that are not said to be


def test_functions_of_scikit_learn_that_need_probabilities_are_refused():
    sk = pytest.importorskip("sklearn.metrics")
    X, y, _ = problem("softmax", 3)
    net = make("softmax", 3)
    for function, hint in ((sk.roc_auc_score, "'roc_auc' or "), (sk.log_loss, "'log_loss' or "),
                           (functools.partial(sk.top_k_accuracy_score, k=2), "")):
        with pytest.raises(ValueError, match=rf"needs probabilities, .* give {hint}fastnn.metrics.Custom\("):
            net.evaluate(X, y, metrics=[function])
    top_2 = Custom(functools.partial(sk.top_k_accuracy_score, k=2), given="probabilities")
    assert net.evaluate(X, y, metrics=[top_2])["top_k_accuracy_score"] > net.evaluate(X, y)["accuracy"]
    assert net.evaluate(X, y, metrics=[sk.cohen_kappa_score])["cohen_kappa_score"] < 1


def test_functions_that_are_called_like_metrics_of_probabilities_are_warned_of():
    X, y, _ = problem("sigmoid", 1)

    def my_auc(y_true, y_pred):
        return 0.5

    net = make("sigmoid", 1)
    with pytest.warns(UserWarning, match=r"function my_auc gets labels, .* give 'roc_auc', or say .*Custom\(my_auc, "):
        assert net.evaluate(X, y, metrics=[my_auc])["my_auc"] == 0.5
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for given in ("predictions", "probabilities"):
            net.evaluate(X, y, metrics=[Custom(my_auc, given=given)])
        make("identity", 1).evaluate(X, X[:, 0], metrics=[my_auc])


def score(y_true, y_pred):
    return 1.0


@pytest.mark.parametrize(("arguments", "error", "match"), [
    ((3,), TypeError, "must be callable"), ((Metric,), TypeError, "is a class"),
    ((lambda y_true: 1.0, "one"), TypeError, "the metric one is called as .* but its parameters are"),
    ((score, 3), ValueError, "recorded under its name, which 3"),
    ((score, "a b"), ValueError, "recorded under its name, which 'a b'"),
    ((score, None, "labels"), ValueError, "given must be one of predictions, probabilities, got 'labels'"),
    ((score, None, None), TypeError, "given must be a name"),
])
def test_custom_refuses_wrong_arguments(arguments, error, match):
    with pytest.raises(error, match=match):
        Custom(*arguments)


def test_probabilities_are_of_classifiers():
    X, _, _ = problem("softmax", 3)
    with pytest.raises(ValueError, match="'score' is not for output='identity'"):
        make("identity", 1).evaluate(X, X[:, 0], metrics=[Custom(score, given="probabilities")])


# ---- real values


@pytest.mark.parametrize("n_out", [1, 3])
@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_of_values_agree_with_scikit_learn(n_out, weighted, tuning):
    sk = pytest.importorskip("sklearn.metrics")
    tuning(EVALUATION_BLOCK_ROWS=16)
    X, _, w = problem("softmax", 3)
    y, w = X[:, :n_out] * 3 + 1, w if weighted else None
    net = make("identity", n_out, "float64")
    A = net.predict(X).reshape(y.shape)
    names = {"mae": "mean_absolute_error", "mse": "mean_squared_error", "mape": "mean_absolute_percentage_error"}
    found = net.evaluate(X, y, sample_weight=w, metrics=list(names))
    expected = {name: getattr(sk, function)(y, A, sample_weight=w) for name, function in names.items()}
    assert {name: found[name] for name in names} == pytest.approx(expected, rel=1e-12)
    assert found["mse"] == pytest.approx(found["rmse"] ** 2, rel=1e-12)


def test_a_relative_error_of_zero_is_undefined():
    X, y = np.zeros((3, 4)), np.array([1.0, 0.0, 2.0])
    with pytest.warns(UserWarning, match="the metric 'mape' is undefined: 1 of the targets are 0"):
        assert np.isnan(make("identity", 1).evaluate(X, y, metrics=["mape"])["mape"])
    assert np.isfinite(make("identity", 1).evaluate(X, y, sample_weight=[1, 0, 1], metrics=["mape"])["mape"])
