"""The best epoch, its score, callbacks, messages and curves."""

import numpy as np
import pytest
from helpers.tabular_cases import KINDS, made, table
from sklearn.metrics import make_scorer, mean_absolute_error, roc_auc_score

from fastnn.callbacks import Callback, CSVLogger, EarlyStopping
from fastnn.tabular._scores import values_score
from fastnn.tabular._targets import fitted_values, regression_loss

BOTH = list(KINDS)


@pytest.mark.parametrize("kind", BOTH)
def test_the_last_of_the_best_epochs_counts(kind):
    model = made(kind, epochs=20).fit(*table(kind))
    scores = np.array(model.history_["validation_score"])
    assert len(scores) == 20 and model.best_epoch_ == 1 + np.flatnonzero(scores == scores.max())[-1]


def test_a_score_that_never_changes_keeps_the_last_epoch():
    model = made("regressor", scoring=lambda estimator, X, y: 1.0).fit(*table())
    assert model.best_epoch_ == 8


@pytest.mark.parametrize(("kind", "scoring", "score"), [
    ("classifier", "neg_log_loss", lambda model, X, y: np.log(model.predict_proba(X))[
        np.arange(len(y)), np.searchsorted(model.classes_, y)].mean()),
    ("classifier", "roc_auc_ovr", lambda model, X, y: roc_auc_score(y, model.predict_proba(X), multi_class="ovr")),
    ("regressor", "r2", lambda model, X, y: model.score(X, y)),
    ("regressor", make_scorer(mean_absolute_error, greater_is_better=False),
     lambda model, X, y: -np.abs(model.predict(X) - y).mean()),
    ("regressor", lambda model, X, y: model.score(X, y), lambda model, X, y: model.score(X, y))])
def test_scorers_see_the_rows_held_out_and_choose_the_epoch(kind, scoring, score):
    X, y = table(kind, m=300)
    model = made(kind, scoring=scoring, calibrate=False) if kind == "classifier" else made(kind, scoring=scoring)
    model.fit(X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    scores = model.history_["validation_score"]
    assert max(scores) == scores[model.best_epoch_ - 1]
    # Sums over 100 rows of float32 outputs.
    assert score(model, X[200:], y[200:]) == pytest.approx(max(scores), rel=1e-5)


def test_scorers_get_the_weights_of_the_rows():
    X, y = table()
    weights = np.linspace(1, 2, len(y))
    seen = []

    def scorer(estimator, X, y, sample_weight=None):
        seen.append((X, y, sample_weight))
        return 0.0

    made("regressor", scoring=scorer, epochs=1).fit(X, y, sample_weight=weights)
    held, targets, held_weights = seen[0]
    assert list(held) == list(X) and len(held) == len(targets) == 40
    np.testing.assert_array_equal(held_weights, weights[held.index])
    np.testing.assert_array_equal(targets, y[held.index])


@pytest.mark.parametrize(("scoring", "error", "text"), [
    ("nonsense", ValueError, "nonsense"), (lambda estimator, X, y: "x", TypeError, "must return a number"),
    (lambda estimator, X, y: 1 / 0, ZeroDivisionError, "division")])
def test_bad_scorers_raise_and_the_model_stays(scoring, error, text):
    X, y = table()
    model = made("regressor").fit(X, y)
    before = model.predict(X)
    with pytest.raises(error, match=text):
        model.set_params(scoring=scoring).fit(X, y)
    np.testing.assert_array_equal(model.predict(X), before)


@pytest.mark.parametrize("name", ["squared_error", "absolute_error", "quantile"])
def test_the_default_score_is_the_error_in_the_units_of_y(name):
    rng = np.random.default_rng(0)
    levels = np.array([0.2, 0.7])
    loss = regression_loss(name, levels)
    Y, weights = rng.standard_normal((50, 2)) * [1, 100], rng.random(50)
    predicted = rng.standard_normal((50, 2, 2)) if name == "quantile" else rng.standard_normal((50, 2))
    away = Y[:, :, None] - predicted if name == "quantile" else Y - predicted
    expected = {"squared_error": lambda: np.sqrt(np.average(away**2, axis=0, weights=weights).mean()),
                "absolute_error": lambda: np.average(np.abs(away), axis=0, weights=weights).mean(),
                "quantile": lambda: np.average(np.where(away > 0, levels * away, (levels - 1) * away), axis=0,
                                               weights=weights).mean()}[name]()
    for unit in (1.0, 2.0**600):  # squares of 2^600 overflow
        values = fitted_values(Y * unit, None)
        assert values_score(Y * unit, predicted * unit, loss, values, weights) == pytest.approx(-expected * unit)


# ---- callbacks and messages


class Recorder(Callback):
    def __init__(self):
        self.events = []

    def on_fit_begin(self, run):
        self.events.append(("begin", run.settings.epochs))

    def on_epoch_end(self, run, record):
        assert run.history.records[-1] == record and run.epoch == record["epoch"]
        self.events.append(("epoch", record, run.network.predict(X_OF[run.network.__class__.__name__][:3])))

    def on_fit_end(self, run):
        self.events.append(("end", run.history.stop_reason))


X_OF = {f"Tabular{kind.title()}": table(kind)[0] for kind in KINDS}


@pytest.mark.parametrize("kind", BOTH)
def test_callbacks_see_an_estimator_that_predicts(kind):
    X, y = table(kind)
    recorder = Recorder()
    model = made(kind, callbacks=[recorder]).fit(X, y)
    assert recorder.events[0] == ("begin", 8) and recorder.events[-1] == ("end", "epochs")
    records = [event[1] for event in recorder.events[1:-1]]
    assert records == model.history_.records
    assert {"epoch", "loss", "validation_loss", "validation_score", "learning_rate", "seconds"} <= records[0].keys()
    best = recorder.events[model.best_epoch_][2]
    np.testing.assert_array_equal(best, model.predict(X[:3]))


@pytest.mark.parametrize("threads", [1, 2])
def test_records_of_several_models_have_their_number(threads):
    seen = []
    made("regressor", n_models=2, n_threads=threads, callbacks=[lambda estimator, record: seen.append(record)]).fit(
        *table())
    assert sorted((record["model"], record["epoch"]) for record in seen) == [
        (model, epoch) for model in (1, 2) for epoch in range(1, 9)]


@pytest.mark.parametrize("kind", BOTH)
def test_a_callback_stops_the_training(kind):
    model = made(kind, callbacks=[lambda estimator, record: record["epoch"] == 3]).fit(*table(kind))
    assert len(model.history_) == 3 and model.history_.stop_reason == "callback"


@pytest.mark.parametrize("threads", [1, 2])
def test_an_error_of_a_callback_ends_all_models(threads):
    X, y = table()

    def fail(estimator, record):
        raise RuntimeError("no more")

    model = made("regressor", n_models=4, n_threads=threads, callbacks=[fail])
    with pytest.raises(RuntimeError, match="no more"):
        model.fit(X, y)
    assert not hasattr(model, "history_")
    model.set_params(callbacks=()).fit(X, y)


def test_a_model_in_training_refuses_a_second_fit():
    X, y = table()

    def again(estimator, record):
        model.fit(X, y)

    model = made("regressor", callbacks=[again])
    with pytest.raises(RuntimeError, match="is being trained"):
        model.fit(X, y)


def test_callbacks_are_checked(tmp_path):
    X, y = table()
    for bad, text in ((3, "sequence"), ([3], "callable"), ([EarlyStopping()], "EarlyStopping")):
        with pytest.raises((TypeError, ValueError), match=text):
            made("regressor", callbacks=bad).fit(X, y)
    made("regressor", callbacks=[CSVLogger(tmp_path / "log.csv")]).fit(X, y)
    assert len((tmp_path / "log.csv").read_text().splitlines()) == 9


def test_verbose_prints_the_scores_of_each_epoch(capsys):
    made("regressor", verbose=True, epochs=2).fit(*table())
    lines = capsys.readouterr().out.splitlines()
    assert [line.partition(":")[0] for line in lines] == ["epoch 1", "epoch 2"]
    assert "loss" in lines[0] and "validation_score" in lines[0]
    made("regressor", verbose=1, epochs=1, n_models=2).fit(*table())
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        "model 1, epoch 1", "model 2, epoch 1"]
    made("regressor", epochs=2).fit(*table())
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("n_models", [1, 2])
def test_a_progress_bar_counts_the_epochs_of_all_models(capsys, n_models):
    pytest.importorskip("tqdm")
    made("regressor", verbose="bar", n_models=n_models).fit(*table())
    text = capsys.readouterr().err
    assert f"{8 * n_models}/{8 * n_models}" in text and "score=" in text
    assert "validation_loss" not in text  # would leave no room for the score in 80 characters


def test_plot_draws_the_curves():
    pyplot = pytest.importorskip("matplotlib.pyplot")
    model = made("regressor").fit(*table())
    axes = model.plot()
    assert len(axes.get_lines()) >= 2
    assert model.plot(keys=["validation_score"]) is not None
    pyplot.close("all")
