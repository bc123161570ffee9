"""Metrics: against their definitions, in blocks, weighted; in evaluate and in fit."""

import numpy as np
import pytest

from fastnn import Network
from fastnn.callbacks import EarlyStopping
from fastnn.metrics import R2

CASES = [("softmax", 3, "auto"), ("softmax", 3, "squared_error"), ("sigmoid", 1, "auto"), ("sigmoid", 3, "auto"),
         ("sigmoid", 3, "squared_error"), ("identity", 1, "auto"), ("identity", 2, "auto")]


def problem(output, n_out, m=70, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, 4))
    if output == "softmax":
        return X, rng.integers(n_out, size=m), rng.uniform(0, 2, m)
    if output == "sigmoid":
        return X, rng.integers(2, size=(m, n_out)), rng.uniform(0, 2, m)
    return X, X[:, :n_out] ** 2 + 0.1 * rng.standard_normal((m, n_out)), rng.uniform(0, 2, m)


def make(output, n_out, loss="auto", dtype="float64", **arguments):
    return Network([4, 8, n_out], activation="tanh", output=output, loss=loss, dtype=dtype, random_state=3, **arguments)


def expected(net, X, y, weights):
    """The textbook's metrics, on whole arrays."""
    output, w = net.activations[-1], weights / weights.sum()
    A = net.forward(X).astype(float)
    if output == "softmax":
        return {"accuracy": w @ (A.argmax(axis=1) == y), "log_loss": -w @ np.log(A[np.arange(len(y)), y])}
    if output == "sigmoid":
        losses = -(y * np.log(A) + (1 - y) * np.log(1 - A)).sum(axis=1)
        return {"accuracy": w @ ((A > 0.5) == y).all(axis=1), "log_loss": w @ losses}
    errors, mean = w @ (A - y) ** 2, w @ y
    return {"rmse": np.sqrt(errors.mean()), "r2": np.mean(1 - errors / (w @ (y - mean) ** 2))}


@pytest.mark.parametrize(("output", "n_out", "loss"), CASES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("weighted", [False, True])
def test_named_metrics_follow_their_formulas(output, n_out, loss, dtype, weighted, tuning):
    tuning(EVALUATION_BLOCK_ROWS=16)  # several blocks
    X, y, weights = problem(output, n_out)
    net = make(output, n_out, loss, dtype)
    wanted = expected(net, X, y, weights if weighted else np.ones(len(X)))
    result = net.evaluate(X, y, sample_weight=weights if weighted else None, metrics=list(wanted))
    # float32: A has an error of some 1e-6 of itself, log A so many units; 70 terms in double add nothing to speak of.
    tolerance = 1e-5 if dtype == "float32" else 1e-12
    assert list(result) == ["loss", *wanted]
    for name, value in wanted.items():
        assert result[name] == pytest.approx(value, rel=tolerance, abs=tolerance), name


@pytest.mark.parametrize(("output", "n_out"), [("softmax", 3), ("sigmoid", 1), ("identity", 2)])
def test_metrics_agree_with_scikit_learn(output, n_out):
    sklearn = pytest.importorskip("sklearn.metrics")
    X, y, weights = problem(output, n_out)
    net = make(output, n_out)
    if output == "identity":
        result = net.evaluate(X, y, sample_weight=weights, metrics=["r2"])
        assert result["r2"] == pytest.approx(sklearn.r2_score(y, net.predict(X), sample_weight=weights))
        return
    result = net.evaluate(X, y, sample_weight=weights, metrics=["log_loss"])
    assert result["log_loss"] == pytest.approx(sklearn.log_loss(y.ravel(), net.predict_proba(X), sample_weight=weights))
    assert result["accuracy"] == pytest.approx(sklearn.accuracy_score(y.ravel(), net.predict(X), sample_weight=weights))


def test_log_loss_is_the_loss_without_its_l2_term():
    X, y, weights = problem("softmax", 3)
    net = make("softmax", 3, l2=0.3)
    result = net.evaluate(X, y, sample_weight=weights, metrics=["log_loss"])
    squares = sum(float((W**2).sum()) for W in net.W)
    assert result["loss"] == pytest.approx(result["log_loss"] + 0.15 * squares, rel=1e-12)


def test_log_loss_of_certain_mistakes_is_finite():
    net = Network([1, 2], dtype="float64", random_state=0)
    net.W[0][...] = [[1e3], [-1e3]]
    assert net.evaluate([[1.0]], [1], metrics=["log_loss"])["log_loss"] == 2000
    net = Network([1, 2], loss="squared_error", dtype="float64", random_state=0)
    net.W[0][...] = [[1e3], [-1e3]]
    assert 700 < net.evaluate([[1.0]], [1], metrics=["log_loss"])["log_loss"] < 710  # -log of the smallest number


@pytest.mark.parametrize("constant", [0.1, 1e6 / 3, 0.0])
def test_r2_of_constant_targets_is_1_or_0(constant):
    X = np.random.default_rng(0).standard_normal((50, 4))
    net = make("identity", 1)
    assert net.evaluate(X, np.full(50, constant), metrics=["r2"])["r2"] == 0
    net.W[1].fill(0)
    net.b[1].fill(constant)
    assert net.evaluate(X, np.full(50, constant), metrics=["r2"])["r2"] == 1


def test_r2_of_targets_far_from_zero_is_accurate(tuning):
    """Sums of squares would lose all digits: 1e8^2 is 1e16 times the variance."""
    tuning(EVALUATION_BLOCK_ROWS=7)
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((100, 4)), 1e8 + rng.standard_normal(100)
    net = make("identity", 1)
    net.b[1].fill(1e8)
    residuals = y - net.forward(X)[:, 0]
    result = net.evaluate(X, y, metrics=["r2"])["r2"]
    # Means are rounded by 1e-8, which enters times the distances between them, of order 1.
    assert result == pytest.approx(1 - np.square(residuals).sum() / np.square(y - y.mean()).sum(), abs=1e-7)


def test_examples_without_weight_do_not_count():
    X, y, _ = problem("identity", 2)
    weights = np.ones(70)
    weights[:30] = 0
    net = make("identity", 2)
    y[:30] = 1e6
    some, rest = (net.evaluate(X[part], y[part], sample_weight=weights[part], metrics=["r2"])
                  for part in (slice(None), slice(30, None)))
    assert some == pytest.approx(rest)


# ---- functions


def test_a_metric_function_gets_the_predictions(tuning):
    tuning(EVALUATION_BLOCK_ROWS=16)
    for output, n_out, loss in CASES:
        X, y, _ = problem(output, n_out)
        seen = []

        def watch(y_true, y_pred, seen=seen):
            seen.append((y_true, y_pred))
            y_true[...] = 0  # copies: nothing of the caller's is changed
            return np.float32(0.5)

        targets = y[:, 0] if y.ndim == 2 and y.shape[1] == 1 else y
        net = make(output, n_out, loss, "float32")
        net.partial_fit(X, targets)
        before = targets.copy()
        assert net.evaluate(X, targets, metrics=[watch])["watch"] == 0.5
        assert np.array_equal(targets, before)
        (y_true, y_pred), = seen
        # of the same rows at a time: the last bits of a BLAS product depend on how many there are
        prediction = np.concatenate([net.predict(X[start : start + 16]) for start in range(0, len(X), 16)])
        assert np.array_equal(y_pred, prediction) and y_pred.dtype == prediction.dtype
        assert y_true.shape == y_pred.shape and y_true.dtype == y_pred.dtype


def test_a_metric_function_gets_the_targets():
    X, y, _ = problem("softmax", 3)

    def truth(y_true, y_pred):
        assert np.array_equal(y_true, y) and y_true.dtype == np.int64
        return 1

    make("softmax", 3).evaluate(X, np.eye(3)[y], metrics=[truth])  # one-hot: labels all the same
    make("softmax", 3, "squared_error").evaluate(X, y, metrics=[truth])


def test_scikit_learn_metrics_can_be_used():
    metrics = pytest.importorskip("sklearn.metrics")
    X, y, _ = problem("sigmoid", 1)
    result = make("sigmoid", 1).evaluate(X, y, metrics=[metrics.matthews_corrcoef, "log_loss"])
    assert list(result) == ["loss", "accuracy", "matthews_corrcoef", "log_loss"]


# ---- in a fit


def test_fit_records_metrics():
    X, y, weights = problem("softmax", 3)

    def worst(y_true, y_pred):
        return min(np.mean(y_pred[y_true == label] == label) for label in range(3))

    net = make("softmax", 3)
    history = net.fit(X, y, epochs=3, metrics=["log_loss", worst], validation_data=(X, y, weights))
    assert set(history.keys()) == {"epoch", "loss", "learning_rate", "seconds", "validation_loss",
                                   "validation_accuracy", "validation_log_loss", "validation_worst"}
    last = net.evaluate(X, y, sample_weight=weights, metrics=[worst, "log_loss"])
    assert {key: history[f"validation_{key}"][-1] for key in last} == last


@pytest.mark.parametrize(("monitor", "choose"), [("validation_r2", np.argmax), ("validation_rmse", np.argmin),
                                                 ("loss", np.argmin)])
def test_early_stopping_monitors_any_metric(monitor, choose):
    X, y, _ = problem("identity", 1)
    net = make("identity", 1)
    history = net.fit(X[:40], y[:40], epochs=200, learning_rate=0.1, metrics=["r2"], batch_size=7,
                      validation_data=(X[40:], y[40:]), early_stopping=EarlyStopping(monitor, patience=5))
    assert history.stop_reason == "early_stopping"
    assert history.best_epoch == 1 + choose(history[monitor]) == len(history) - 5
    if monitor != "loss":
        name = monitor.removeprefix("validation_")
        assert net.evaluate(X[40:], y[40:], metrics=[name])[name] == history[monitor][history.best_epoch - 1]


def test_early_stopping_on_a_function_needs_a_mode():
    X, y, _ = problem("softmax", 3)

    def score(y_true, y_pred):
        return np.mean(y_true == y_pred)

    with pytest.raises(ValueError, match="whether a larger 'validation_score' is better"):
        EarlyStopping("validation_score")
    rule = EarlyStopping("validation_score", patience=3, mode="max")
    history = make("softmax", 3).fit(X, y, epochs=300, metrics=[score], validation_data=(X, y), early_stopping=rule)
    assert history.best_epoch == 1 + np.argmax(history["validation_score"])


def test_early_stopping_counts_improvements_of_min_delta():
    X, y, _ = problem("softmax", 3)
    values = iter([1.0, 0.95, 0.89, 0.85, 0.81, 0.80, 0.9])

    def told(y_true, y_pred):
        return next(values)

    history = make("softmax", 3).fit(X, y, epochs=7, metrics=[told], validation_data=(X, y),
                                     early_stopping=EarlyStopping("validation_told", 3, 0.1, "min"))
    # 0.89 is the last improvement by more than 0.1; 0.85, 0.81, 0.80 are none; yet 0.80 is the best.
    assert history.stop_reason == "early_stopping" and len(history) == 6 and history.best_epoch == 6


# ---- bad input


def nameless():
    return lambda y_true, y_pred: 0.0


def loss(y_true, y_pred):
    return 0.0


@pytest.mark.parametrize(("metrics", "error", "match"), [
    ("accuracy", TypeError, r"metrics must be a sequence of names .* such as \['accuracy'\]"),
    (loss, TypeError, "metrics must be a sequence"),
    (3, TypeError, "metrics must be a sequence"),
    (["f2"], ValueError, r"one of accuracy, .*, brier \(for output='softmax'\), got 'f2'$"),
    (["auc"], ValueError, "got 'auc'; did you mean 'roc_auc'"),
    (["f1_macro"], ValueError, "got 'f1_macro'; did you mean 'f1'"),
    (["neg_log_loss"], ValueError, "got 'neg_log_loss'; did you mean 'log_loss'"),
    (["recal"], ValueError, "got 'recal'; did you mean 'recall'"),
    (["mcc"], ValueError, "did you mean 'matthews_corrcoef'"),
    (["rmse"], ValueError, "'rmse' is not for output='softmax': there are accuracy, "),
    ([R2()], ValueError, "'r2' is not for output='softmax'"),
    ([R2], TypeError, r"a metric: R2 is a class; pass an instance: R2\(\)"),
    (R2(), TypeError, "metrics must be a sequence"),
    ([3], TypeError, "a metric must be a name .* or callable"),
    ([nameless()], ValueError, "recorded under its name, which '<lambda>' is not good for: .* Custom"),
    (["log_loss", "log_loss"], ValueError, "two that are called 'log_loss'"),
    ([loss], ValueError, "two that are called 'loss'"),
])
def test_wrong_metrics_are_refused(metrics, error, match):
    X, y, _ = problem("softmax", 3)
    net = make("softmax", 3)
    for call in (net.evaluate, net.fit):
        with pytest.raises(error, match=match):
            call(X, y, metrics=metrics)
    assert net.history is None


def test_no_metrics_are_none():
    X, y, _ = problem("softmax", 3)
    assert list(make("softmax", 3).evaluate(X, y, metrics=None)) == ["loss", "accuracy"]


def test_the_error_about_a_name_suggests_metrics_of_this_output_only():
    X, y, _ = problem("identity", 1)
    with pytest.raises(ValueError, match=r"one of rmse, mse, mae, mape, r2 \(for .* got 'neg_mean_squared_error'; did "
                                         "you mean 'mse'"):
        make("identity", 1).evaluate(X, y, metrics=["neg_mean_squared_error"])


def test_a_metric_function_must_return_a_number():
    def wrong(y_true, y_pred):
        return "good"

    X, y, _ = problem("softmax", 3)
    with pytest.raises(TypeError, match="the metric wrong must return a number, got str"):
        make("softmax", 3).evaluate(X, y, metrics=[wrong])
