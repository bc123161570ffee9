"""Metrics of classifiers by name: against their definitions and scikit-learn; where they are undefined."""

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn import Network, metrics
from fastnn.callbacks import Checkpoint, EarlyStopping
from fastnn.metrics import UndefinedMetricWarning

BY_LABELS = ["balanced_accuracy", "precision", "recall", "f1", "matthews_corrcoef"]
RANKING = ["roc_auc", "average_precision"]
NAMES = [*BY_LABELS, *RANKING, "brier"]
TASKS = [("sigmoid", 1), ("softmax", 2), ("softmax", 4), ("sigmoid", 3)]
ROUNDING = 1e-12  # some hundred terms in double, in another order


def data(output, n_out, m=200, seed=0):
    """Rows that repeat, so that probabilities are tied; labels; weights, some of them zero."""
    rng = np.random.default_rng(seed)
    X = rng.integers(-1, 2, size=(m, 4)).astype(float)
    y = rng.integers(n_out, size=m) if output == "softmax" else rng.integers(2, size=(m, n_out))
    return X, y[:, 0] if n_out == 1 else y, np.where(rng.random(m) < 0.1, 0, rng.uniform(0.1, 2, m).astype(np.float32))


def make(output, n_out, dtype="float64", loss="auto"):
    return Network([4, 8, n_out], output=output, dtype=dtype, loss=loss, random_state=1)


def logistic(dtype="float64"):
    """A network of one input x and the output sigmoid(x)."""
    net = Network([1, 1], output="sigmoid", dtype=dtype)
    net.W[0][...] = 1
    net.b[0][...] = 0
    return net


def by_scikit_learn(y, P, labels, w):
    """scikit-learn's functions, as the documentation says that the names are to be understood."""
    sk = pytest.importorskip("sklearn.metrics")
    if P.ndim == 2 and P.shape[1] == 2:
        P = P[:, 1]
    average = "binary" if P.ndim == 1 else "macro"
    values = {name: getattr(sk, f"{name}_score")(y, labels, average=average, sample_weight=w, zero_division=0)
              for name in ("precision", "recall", "f1")}
    values["roc_auc"] = sk.roc_auc_score(y, P, sample_weight=w, multi_class="ovr")
    values["average_precision"] = sk.average_precision_score(y, P, sample_weight=w)
    columns = [(y, labels)] if y.ndim == 1 else list(zip(y.T, labels.T, strict=True))
    for name in ("balanced_accuracy_score", "matthews_corrcoef"):
        values[name.removesuffix("_score")] = np.mean([getattr(sk, name)(*pair, sample_weight=w) for pair in columns])
    return values


def brier(y, P, w):
    """Its definition; scikit-learn has none for several outputs before 1.7."""
    P = P.astype(float)
    if P.ndim == 1:
        return np.average((P - y) ** 2, weights=w)
    if y.ndim == 2:
        return np.average(((P - y) ** 2).mean(axis=1), weights=w)
    return np.average(((P - np.eye(P.shape[1])[y]) ** 2).sum(axis=1), weights=w) / (2 if P.shape[1] == 2 else 1)


@pytest.mark.parametrize(("output", "n_out"), TASKS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("loss", ["auto", "squared_error"])
@pytest.mark.parametrize("weighted", [False, True])
def test_metrics_agree_with_scikit_learn(output, n_out, dtype, loss, weighted, tuning):
    tuning(EVALUATION_BLOCK_ROWS=16)
    X, y, w = data(output, n_out)
    net = make(output, n_out, dtype, loss)
    found = net.evaluate(X, y, sample_weight=w if weighted else None, metrics=NAMES)
    w = w if weighted else np.ones(len(X))
    # of as many rows at a time: the last bits of a product depend on how many there are, and ties on them
    P = np.concatenate([net.predict_proba(X[start : start + 16]) for start in range(0, len(X), 16)])
    rows = w > 0
    expected = by_scikit_learn(y[rows], P[rows], net.predict(X)[rows], w[rows]) | {"brier": brier(y, P, w)}
    assert list(found) == ["loss", "accuracy", *NAMES]
    assert {name: found[name] for name in NAMES} == pytest.approx(expected, rel=ROUNDING, abs=ROUNDING)


examples = st.lists(st.tuples(st.integers(-3, 3), st.booleans(), st.sampled_from([0.5, 1.0, 3.0])), min_size=2,
                    max_size=12).filter(lambda rows: len({y for _, y, _ in rows}) == 2)


@given(examples)
def test_ranking_metrics_follow_their_definitions(rows):
    x, y, w = (np.array(column, float) for column in zip(*rows, strict=True))
    found = logistic().evaluate(x[:, None], y, sample_weight=w, metrics=RANKING)
    pairs = [(wi * wj, (xi > xj) + 0.5 * (xi == xj)) for xi, yi, wi in zip(x, y, w, strict=True)
             for xj, yj, wj in zip(x, y, w, strict=True) if yi and not yj]
    assert found["roc_auc"] == pytest.approx(np.average([good for _, good in pairs], weights=[p for p, _ in pairs]),
                                             rel=ROUNDING)
    precisions = [w[(x >= level) & (y == 1)].sum() / w[x >= level].sum() for level in x[y == 1]]
    assert found["average_precision"] == pytest.approx(np.average(precisions, weights=w[y == 1]), rel=ROUNDING)


@given(examples)
def test_metrics_of_labels_follow_their_definitions(rows):
    x, y, w = (np.array(column, float) for column in zip(*rows, strict=True))
    found = logistic().evaluate(x[:, None], y, sample_weight=w, metrics=BY_LABELS)
    guess = x > 0
    tp, fp, fn, tn = (w[(guess == a) & (y == b)].sum() for a, b in ((1, 1), (1, 0), (0, 1), (0, 0)))
    root = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    assert {name: found[name] for name in BY_LABELS} == pytest.approx({
        "balanced_accuracy": (tp / (tp + fn) + tn / (tn + fp)) / 2, "precision": tp / (tp + fp) if tp + fp else 0,
        "recall": tp / (tp + fn), "f1": 2 * tp / (2 * tp + fp + fn),
        "matthews_corrcoef": (tp * tn - fp * fn) / root if root else 0}, rel=ROUNDING, abs=ROUNDING)


def test_probabilities_that_are_equal_are_ties():
    """Z tells them apart, but what users see and compare with are probabilities."""
    x, y = np.array([[100.0], [200.0], [-1.0]]), [0, 1, 0]
    assert logistic("float32").evaluate(x, y, metrics=["roc_auc"])["roc_auc"] == 0.75


def test_classes_that_occur_nowhere_do_not_count():
    """As in scikit-learn: the mean is over the classes in y or the predictions."""
    net = Network([1, 4], dtype="float64")
    net.W[0][...] = [[1.0], [-1.0], [0.0], [0.0]]
    net.b[0][...] = [[0.0], [0.0], [-100.0], [-200.0]]
    assert net.evaluate([[1.0], [-1.0], [2.0]], [0, 1, 1], metrics=["f1"])["f1"] == pytest.approx(2 / 3)


# ---- undefined


@pytest.mark.parametrize("label", [0, 1])
@pytest.mark.parametrize("name", [*BY_LABELS, *RANKING])
def test_a_metric_of_one_class_is_nan_with_a_warning(name, label):
    for output, n_out in TASKS[:3]:
        X, y, _ = data(output, n_out)
        with pytest.warns(UndefinedMetricWarning, match=rf"the metric '{name}' is undefined: no example .* of class "):
            result = make(output, n_out).evaluate(X, np.full(len(X), label), metrics=[name])
        assert np.isnan(result[name]) and np.isfinite(result["loss"])
        with pytest.warns(UndefinedMetricWarning):  # a class without weight
            assert np.isnan(make(output, n_out).evaluate(X, y, sample_weight=y == label, metrics=[name])[name])


@pytest.mark.parametrize("name", [*BY_LABELS, *RANKING])
def test_the_warning_names_the_output(name):
    X, y, _ = data("sigmoid", 3)
    y[:, 1] = 1
    with pytest.warns(UndefinedMetricWarning, match=r"output 1 has no example \(with weight\) of class 0$"):
        assert np.isnan(make("sigmoid", 3).evaluate(X, y, metrics=[name])[name])


@pytest.mark.parametrize("name", RANKING)
def test_a_ranking_needs_every_class(name):
    X, y, _ = data("softmax", 4)
    y[y == 2] = 0
    with pytest.warns(UndefinedMetricWarning, match=r"no example \(with weight\) of class 2$"):
        assert np.isnan(make("softmax", 4).evaluate(X, y, metrics=[name])[name])
    assert np.isfinite(make("softmax", 4).evaluate(X, y, metrics=["f1"])["f1"])


def test_an_undefined_metric_warns_once_per_fit():
    X, y, _ = data("sigmoid", 1)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        history = make("sigmoid", 1).fit(X, y, epochs=3, metrics=["roc_auc"], validation_data=(X, np.ones(len(X))))
    assert [one.category for one in caught] == [UndefinedMetricWarning]
    assert np.isnan(history["validation_roc_auc"]).all()


def test_a_run_with_an_undefined_metric_can_be_resumed(tmp_path):
    X, y, _ = data("sigmoid", 1)
    arguments = {"metrics": ["roc_auc"], "validation_data": (X, np.ones(len(X)))}
    with pytest.warns(UndefinedMetricWarning):
        make("sigmoid", 1).fit(X, y, epochs=1, callbacks=[Checkpoint(tmp_path / "run")], **arguments)
        history = make("sigmoid", 1).fit(X, y, epochs=2, resume=tmp_path / "run", **arguments)
    assert np.isnan(history["validation_roc_auc"]).tolist() == [True, True]


def test_metrics_of_a_network_that_diverged_are_nan():
    X, y, _ = data("sigmoid", 1)
    net = make("sigmoid", 1)
    net.W[0][...] = np.nan
    result = net.evaluate(X, y, metrics=["roc_auc", "average_precision", "brier"])
    assert np.isnan([result[name] for name in ("roc_auc", "average_precision", "brier")]).all()


# ---- in a fit


@pytest.mark.parametrize("name", ["roc_auc", "f1", "brier"])
def test_early_stopping_knows_which_direction_is_better(name):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((120, 4))
    y = (X[:, 0] + rng.standard_normal(120) > 0).astype(int)
    net = make("sigmoid", 1)
    history = net.fit(X[:60], y[:60], epochs=200, learning_rate=0.05, metrics=[name],
                      validation_data=(X[60:], y[60:]), early_stopping=EarlyStopping(f"validation_{name}", patience=5))
    values = history[f"validation_{name}"]
    choose = np.argmin if name == "brier" else np.argmax
    assert history.stop_reason == "early_stopping" and history.best_epoch == 1 + choose(values)
    assert net.evaluate(X[60:], y[60:], metrics=[name])[name] == values[history.best_epoch - 1]


@pytest.mark.parametrize(("monitor", "match"), [
    ("validation_roc_auc", r"metrics=\['roc_auc'\] of Network.fit records it"),
    ("accuracy", "do you mean 'validation_accuracy'"),
])
def test_early_stopping_says_how_to_record_a_metric(monitor, match):
    X, y, _ = data("sigmoid", 1)
    with pytest.raises(ValueError, match=match):
        make("sigmoid", 1).fit(X, y, validation_data=(X, y), early_stopping=EarlyStopping(monitor))


def test_the_progress_bar_judges_sorted_examples(capsys):
    pytest.importorskip("tqdm")
    X, y = np.linspace(-1, 1, 3000)[:, None], np.repeat([0, 1], 1500)
    logistic().fit(X, y, epochs=2, metrics=["roc_auc"], progress=True)
    assert "roc_auc=1" in capsys.readouterr().err


def test_labels_that_are_probabilities_count_as_the_most_probable():
    X, y, _ = data("softmax", 4)
    soft = 0.6 * np.eye(4)[y] + 0.1
    net = make("softmax", 4)
    names = [*BY_LABELS, *RANKING]
    of_labels, of_soft = (net.evaluate(X, target, metrics=names) for target in (y, soft))
    assert {name: of_soft[name] for name in names} == {name: of_labels[name] for name in names}
    expected = np.square(net.predict_proba(X) - soft).sum(axis=1).mean()
    assert net.evaluate(X, soft, metrics=["brier"])["brier"] == pytest.approx(expected, rel=ROUNDING)


def test_metrics_take_data_in_batches():
    X, y, w = data("softmax", 4)
    net = make("softmax", 4)
    batches = [(X[start : start + 50], y[start : start + 50], w[start : start + 50]) for start in range(0, 200, 50)]
    # 4e-16 of a probability may part a tie: as for other blocks, allow for one pair in 200 * 200 / 2
    assert net.evaluate(batches, metrics=NAMES) == pytest.approx(net.evaluate(X, y, sample_weight=w, metrics=NAMES),
                                                                 abs=1 / 20000)


def test_every_class_of_the_module_has_its_name():
    for name, kind in metrics.NAMED.items():
        assert kind().name == name and kind.__name__ in metrics.__all__
