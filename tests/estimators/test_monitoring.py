"""Monitoring of a fit: validation data, scoring, callbacks and the progress bar."""

import csv
import sys

import numpy as np
import pytest
import scipy.sparse
from helpers.estimator_cases import BOTH, EQUAL, OURS
from helpers.estimator_data import SMALL, X_iris, predict, quiet, y_iris
from sklearn.metrics import accuracy_score, get_scorer, log_loss, make_scorer, max_error, r2_score
from sklearn.model_selection import train_test_split

from fastnn import callbacks, reference, schedules

TRAIN, HELD = train_test_split(np.arange(len(y_iris)), test_size=0.3, random_state=0, stratify=y_iris)
X, y, X_val, y_val = X_iris[TRAIN], y_iris[TRAIN], X_iris[HELD], y_iris[HELD]
W_VAL = np.random.default_rng(0).uniform(0.1, 3, len(y_val))


class Recorder:
    """Callback that stores each record and the result of `probe(estimator)`; it stops after epoch `until`."""

    def __init__(self, probe=lambda estimator: None, until=np.inf):
        self.probe, self.until, self.records, self.seen = probe, until, [], []

    def __call__(self, estimator, record):
        self.records.append(record)
        self.seen.append(self.probe(estimator))
        return record["epoch"] == self.until


def validated(kind, recorder, weights=None, **parameters):
    model = OURS[kind](**SMALL | {"callbacks": [recorder]} | parameters)
    return quiet(model, "fit", X, y, X_val=X_val, y_val=y_val, sample_weight_val=weights)


# ---- Validation data -------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("weights", [None, W_VAL])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_validation_curves_of_classifiers_match_scikit_learns_metrics(weights, early_stopping):
    """The curves hold the values at the end of each epoch."""
    recorder = Recorder(lambda model: (log_loss(y_val, model.predict_proba(X_val), sample_weight=weights),
                                 accuracy_score(y_val, model.predict(X_val), sample_weight=weights)))
    model = validated("classifier", recorder, weights, early_stopping=early_stopping)
    losses, scores = zip(*recorder.seen, strict=True)
    np.testing.assert_allclose(model.validation_loss_curve_, losses, rtol=1e-10)
    np.testing.assert_allclose(model.validation_scores_, scores, rtol=1e-12)
    assert len(losses) == model.n_iter_ == len(model.loss_curve_)


@pytest.mark.parametrize("weights", [None, W_VAL])
@pytest.mark.parametrize(("loss", "name", "parameters", "parameter"), [
    ("squared_error", "squared_error", {}, 0), ("absolute_error", "absolute", {}, 0), ("poisson", "poisson", {}, 0),
    ("huber", "huber", {"huber_delta": 0.3}, 0.3), ("quantile", "quantile", {"quantile": 0.7}, 0.7)])
def test_validation_curves_of_regressors_match_the_reference(weights, loss, name, parameters, parameter):
    def probe(model):
        predicted = model.predict(X_val)[None]
        with np.errstate(divide="ignore"):
            Z = np.log(predicted) if loss == "poisson" else None
        return reference.cost(name, Z, predicted, y_val[None], weights, parameter), r2_score(y_val, predicted[0],
                                                                                             sample_weight=weights)

    recorder = Recorder(probe)
    model = validated("regressor", recorder, weights, loss=loss, **parameters)
    losses, scores = zip(*recorder.seen, strict=True)
    np.testing.assert_allclose(model.validation_loss_curve_, losses, rtol=1e-10)
    np.testing.assert_allclose(model.validation_scores_, scores, rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("wrap", [np.asarray, scipy.sparse.csr_matrix, scipy.sparse.csc_array, np.asfortranarray, list])
def test_early_stopping_uses_given_validation_data(kind, wrap):
    """The best parameters are restored, and X is trained on completely, whatever the containers."""
    recorder = Recorder(predict)
    model = OURS[kind](**SMALL | {"early_stopping": True, "max_iter": 200, "n_iter_no_change": 3,
                                  "callbacks": [recorder], "learning_rate_init": 0.02})
    quiet(model, "fit", wrap(X), y, X_val=wrap(X_val), y_val=list(y_val))
    scores = np.array(model.validation_scores_)
    assert model.n_iter_ < 200 and model.t_ == model.n_iter_ * len(X)
    assert model.best_validation_score_ == scores.max() == pytest.approx(model.score(X_val, y_val), rel=1e-12)
    np.testing.assert_array_equal(predict(model), recorder.seen[scores.argmax()])
    assert len(model.validation_loss_curve_) == model.n_iter_


@pytest.mark.parametrize("kind", BOTH)
def test_early_stopping_records_the_validation_loss(kind):
    model = quiet(OURS[kind](**SMALL | {"early_stopping": True}), "fit", X, y)
    assert len(model.validation_loss_curve_) == len(model.validation_scores_) == model.n_iter_
    assert not hasattr(quiet(OURS[kind](**SMALL), "fit", X, y), "validation_loss_curve_")


def test_warm_start_extends_the_curves():
    model = OURS["classifier"](**SMALL | {"warm_start": True, "max_iter": 4})
    for _ in range(2):
        quiet(model, "fit", X, y, X_val=X_val, y_val=y_val)
    assert len(model.loss_curve_) == len(model.validation_loss_curve_) == 8
    model.set_params(warm_start=False)
    quiet(model, "fit", X, y, X_val=X_val, y_val=y_val)
    assert len(model.loss_curve_) == len(model.validation_loss_curve_) == len(model.validation_scores_) == 4


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(("given", "text"), [
    ({"X_val": X_val}, "X_val and y_val go together"), ({"y_val": y_val}, "X_val and y_val go together"),
    ({"sample_weight_val": W_VAL}, "sample_weight_val needs X_val and y_val"),
    ({"X_val": X_val[:, :2], "y_val": y_val}, "X_val has 2 features"),
    ({"X_val": X_val, "y_val": y_val[1:]}, "inconsistent numbers of samples"),
    ({"X_val": X_val * np.nan, "y_val": y_val}, "NaN"),
    ({"X_val": X_val, "y_val": y_val, "sample_weight_val": -W_VAL}, "sample_weight_val must not be negative"),
    ({"X_val": X_val, "y_val": y_val, "sample_weight_val": W_VAL[1:]}, "sample_weight"),
    ({"X_val": X_val, "y_val": np.column_stack([y_val, y_val])}, "y|multi")])
def test_invalid_validation_data_are_refused(kind, given, text):
    with pytest.raises(ValueError, match=text):
        OURS[kind](**SMALL).fit(X, y, **given)


def test_unseen_classes_in_validation_data_are_refused():
    with pytest.raises(ValueError, match="has classes not in"):
        OURS["classifier"](**SMALL).fit(X, y, X_val=X_val, y_val=np.where(y_val == 2, 9, y_val))


# ---- Scoring ---------------------------------------------------------------------------------------------------------

def by_hand(model, X, y):
    return -model.loss_ - abs(np.mean(model.predict(X) != y))


@pytest.mark.parametrize(("kind", "scoring"), [
    ("classifier", "neg_log_loss"), ("classifier", "balanced_accuracy"), ("classifier", "roc_auc_ovr"),
    ("classifier", by_hand), ("regressor", "neg_mean_absolute_error"), ("regressor", "neg_max_error"),
    ("regressor", make_scorer(max_error, greater_is_better=False)), ("regressor", by_hand)])
@pytest.mark.parametrize("weights", [None, W_VAL])
def test_early_stopping_uses_the_scorer(kind, scoring, weights):
    """Scores are the scorer's and the best epoch is restored. Weights go only to metrics that accept them."""
    scorer = get_scorer(scoring) if isinstance(scoring, str) else scoring
    accepts = scoring not in (by_hand, "neg_max_error") and getattr(scoring, "_score_func", None) is not max_error
    weighted = {"sample_weight": weights} if weights is not None and accepts else {}
    recorder = Recorder(lambda model: (scorer(model, X_val, y_val, **weighted), predict(model)))
    model = validated(kind, recorder, weights, scoring=scoring, early_stopping=True, n_iter_no_change=5)
    scores, states = zip(*recorder.seen, strict=True)
    np.testing.assert_allclose(model.validation_scores_, scores, rtol=1e-12)
    assert model.best_validation_score_ == max(model.validation_scores_)
    np.testing.assert_array_equal(predict(model), states[int(np.argmax(model.validation_scores_))])


def test_scorer_gets_data_frames_without_warnings():
    """The scorer predicts on data frames without a warning about feature names."""
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X_iris, columns=list("abcd"))
    recorder = Recorder(lambda model: model.score(frame.iloc[HELD], y_val))
    model = OURS["classifier"](**SMALL | {"scoring": "accuracy", "early_stopping": True, "callbacks": [recorder]})
    quiet(model, "fit", frame.iloc[TRAIN], y, X_val=frame.iloc[HELD], y_val=y_val)
    assert model.validation_scores_ == recorder.seen


# ---- Callbacks -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("answer", [True, np.True_])
def test_callback_that_returns_true_stops_training(kind, answer):
    seen = []
    model = OURS[kind](**SMALL, callbacks=[lambda estimator, record: seen.append(record) or
                                           (answer if record["epoch"] == 4 else None)])
    model.fit(X, y)  # stopped by the callback: no ConvergenceWarning
    assert model.n_iter_ == 4 and [record["epoch"] for record in seen] == [1, 2, 3, 4]
    assert [record["loss"] for record in seen] == model.loss_curve_
    assert all(set(record) == {"epoch", "loss", "learning_rate"} for record in seen)


@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "rmsprop"])
def test_record_holds_rates_and_validation_values(solver):
    """The rate is that of the last step of the epoch, without bias correction."""
    recorder, batches = Recorder(lambda estimator: estimator), -(-len(X) // 20)
    own = {"solver": solver, "learning_rate": "cosine", "learning_rate_init": 0.01, "batch_size": 20}
    model = validated("classifier", recorder, **own)
    assert all(seen is model for seen in recorder.seen)
    rates = schedules.Cosine(0.01).rates(30 * batches)[batches - 1 :: batches]
    np.testing.assert_allclose([record["learning_rate"] for record in recorder.records], rates, rtol=1e-12)
    assert [record["validation_loss"] for record in recorder.records] == model.validation_loss_curve_
    assert [record["validation_score"] for record in recorder.records] == model.validation_scores_


def test_lambda_callback_and_csv_logger(tmp_path):
    began, ended, path = [], [], tmp_path / "log.csv"
    hooks = [callbacks.LambdaCallback(on_fit_begin=began.append, on_fit_end=ended.append,
                                      on_epoch_end=lambda model, record: record["epoch"] == 3),
             callbacks.CSVLogger(path)]
    model = OURS["regressor"](**SMALL, callbacks=hooks)
    model.fit(X, y, X_val=X_val, y_val=y_val)
    assert began == ended == [model] and model.n_iter_ == 3
    with open(path, newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert [float(row["loss"]) for row in rows] == model.loss_curve_
    assert [float(row["validation_loss"]) for row in rows] == model.validation_loss_curve_
    model.partial_fit(X, y)
    assert model.n_iter_ == 1 and len(path.read_text().splitlines()) == 2


@pytest.mark.parametrize("kind", BOTH)
def test_exception_in_a_callback_propagates(kind):
    """on_fit_end is still called, and the estimator can be fitted again."""
    ended = []

    def fail(estimator, record):
        raise RuntimeError("as it likes")

    model = OURS[kind](**SMALL, callbacks=[fail, callbacks.LambdaCallback(on_fit_end=ended.append)])
    with pytest.raises(RuntimeError, match="as it likes"):
        model.fit(X, y)
    assert ended == [model]
    quiet(model.set_params(callbacks=()), "fit", X, y)
    np.testing.assert_array_equal(predict(model), predict(quiet(OURS[kind](**SMALL), "fit", X, y)))


def test_callbacks_with_lbfgs():
    recorder = Recorder(predict, until=5)
    model = OURS["classifier"](**SMALL | {"solver": "lbfgs", "callbacks": [recorder]}).fit(X, y)
    assert model.n_iter_ == 5 and [set(record) for record in recorder.records] == [{"epoch", "loss"}] * 5
    assert recorder.records[-1]["loss"] == model.loss_
    np.testing.assert_array_equal(predict(model), recorder.seen[-1])
    short = quiet(OURS["classifier"](**SMALL | {"solver": "lbfgs", "max_iter": 5}), "fit", X, y)
    np.testing.assert_allclose(predict(model), predict(short), rtol=EQUAL)


@pytest.mark.parametrize(("refused", "name"), [(callbacks.Checkpoint("nowhere"), "Checkpoint"),
                                               (callbacks.EarlyStopping(), "EarlyStopping")])
def test_network_only_callbacks_are_refused(refused, name):
    with pytest.raises(ValueError, match=f"callbacks: {name} is for fastnn.Network"):
        OURS["classifier"](callbacks=[refused]).fit(X, y)


# ---- The progress bar ------------------------------------------------------------------------------------------------

def test_progress_bar(capsys):
    pytest.importorskip("tqdm")
    quiet(OURS["classifier"](**SMALL | {"verbose": "bar"}), "fit", X, y)
    out, err = capsys.readouterr()
    assert "30/30" in err and "loss=" in err and "Iteration" not in out


def test_progress_bar_needs_tqdm(monkeypatch):
    monkeypatch.setitem(sys.modules, "tqdm", None)
    monkeypatch.setitem(sys.modules, "tqdm.auto", None)
    with pytest.raises(ImportError, match=r"a progress bar needs tqdm: pip install 'fastnn\[progress\]'"):
        OURS["classifier"](**SMALL | {"verbose": "bar"}).fit(X, y)
