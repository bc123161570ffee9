"""Scores of early stopping: those that are not defined, not finite or stand still, and the loss as a score."""

import warnings

import numpy as np
import pytest
from helpers.estimator_cases import BOTH, OURS, THEIRS
from helpers.estimator_data import SMALL, X_iris, caught_in, predict, quiet, y_iris
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import make_scorer, r2_score
from sklearn.preprocessing import scale

RNG = np.random.default_rng(0)
X = RNG.standard_normal((300, 6))
signal = X[:, 0] - X[:, 1]
TARGETS = {"classifier": (signal > 0).astype(int), "regressor": signal}
STOPS = {"hidden_layer_sizes": 16, "learning_rate_init": 0.01, "early_stopping": True, "random_state": 0}


class Sequence:
    """A scorer with given scores; it repeats the last one."""

    def __init__(self, *scores):
        self.scores, self.calls = scores, 0

    def __call__(self, estimator, X, y):
        self.calls += 1
        return self.scores[min(self.calls, len(self.scores)) - 1]


# ---- Refused before training -----------------------------------------------------------------------------------------

ONE_CLASS = TARGETS["classifier"] == 1


def refuses(y, predicted):
    raise RuntimeError("boom")


def needs_both(y, predicted):
    return np.mean(y == predicted) if len(np.unique(y)) == 2 else np.nan


@pytest.mark.parametrize(("kind", "scoring", "rows", "text"), [
    ("classifier", "roc_auc", ONE_CLASS, r"roc_auc.* hold no example of the classes \[0\]"),
    ("classifier", make_scorer(needs_both), ONE_CLASS, "needs_both.* it is nan"),
    ("regressor", None, slice(1), "R2 needs at least 2 examples, y_val has 1"),
    ("regressor", "r2", slice(1), "r2.*at least 2 examples"),
    ("regressor", make_scorer(refuses), slice(9), "refuses.*boom"),
    ("regressor", "neg_root_mean_squared_log_error", slice(9), "-1")])
def test_a_score_that_is_not_defined_for_the_validation_data_is_refused(kind, scoring, rows, text):
    """Nothing is trained, whatever the score lacks: rows, a class, or what its metric asks for."""
    trained, y = [], TARGETS[kind]
    model = OURS[kind](**STOPS, scoring=scoring, callbacks=[lambda *_: trained.append(1)])
    with pytest.raises(ValueError, match=f"early stopping cannot watch the score .*{text}"):
        model.fit(X, y, X_val=X[rows], y_val=y[rows])
    assert not trained


@pytest.mark.parametrize(("kind", "parameters", "scoring", "text"), [
    ("regressor", {"loss": "quantile", "quantile": [0.1, 0.9]}, "r2", "different number of output"),
    ("regressor", {}, "roc_auc", "predict_proba"), ("regressor", {"normalize_y": True}, "accuracy", "continuous"),
    ("classifier", {}, "neg_mean_poisson_deviance", "strictly positive"), ("several", {}, "f1", "average='binary'")])
def test_a_score_that_no_data_would_help_is_refused_with_other_advice(kind, parameters, scoring, text):
    y = np.column_stack([signal > 0, X[:, 2] > 0]) if kind == "several" else TARGETS[kind]
    model = OURS["regressor" if kind == "regressor" else "classifier"](**STOPS | parameters, scoring=scoring)
    with pytest.raises(ValueError, match=rf"does not apply to this estimator \(.*{text}.*Pass another scorer"):
        model.fit(X, y)


def test_a_constant_y_val_has_no_r2():
    model = OURS["regressor"](**STOPS)
    with pytest.raises(ValueError, match="R2 is not defined where y_val is constant"):
        model.fit(X, signal, X_val=X, y_val=np.full(len(X), 2.0))
    weights = np.arange(len(X)) == 5
    with pytest.raises(ValueError, match="R2 needs at least 2 examples, y_val has 1 with weight"):
        model.fit(X, signal, X_val=X, y_val=signal, sample_weight_val=weights)


def test_the_score_of_quantile_levels_is_named():
    model = OURS["regressor"](**STOPS, loss="quantile", quantile=[0.1, 0.9])
    with pytest.raises(ValueError, match="the score D2: D2 is not defined where y_val is constant"):
        model.fit(X, signal, X_val=X, y_val=np.full(len(X), 2.0))


@pytest.mark.parametrize("own", [{"sample_weight": 1.0 * (TARGETS["classifier"] == 0)}, {"class_weight": {1: 0}}])
def test_one_class_with_weight_is_learned_without_a_warning(own):
    own = dict(own)
    weights = own.pop("sample_weight", None)
    model = OURS["classifier"](**STOPS, **own)
    assert not caught_in(model, X, TARGETS["classifier"], weights) and model.best_validation_score_ == 1


def test_a_class_that_y_val_lacks_gives_no_warning_of_scikit_learns_metric():
    labels = np.digitize(signal, [-1, 1])
    rows = labels > 0
    model = OURS["classifier"](**STOPS, scoring="balanced_accuracy")
    assert not [text for text in caught_in(model, X, labels, X_val=X[rows], y_val=labels[rows]) if "y_pred" in text]


def test_a_missing_class_in_the_held_out_part_is_named():
    y = np.where(np.arange(len(X)) < 3, 2, TARGETS["classifier"])
    with pytest.raises(ValueError, match=r"roc_auc_ovr.*hold no example of the classes \[2\]"):
        OURS["classifier"](**STOPS, scoring="roc_auc_ovr", validation_split="last").fit(X, y)


def test_a_label_that_the_held_out_part_lacks_is_named():
    labels = np.column_stack([signal > 0, X[:, 2] > 0, np.arange(300) < 100])
    with pytest.raises(ValueError, match=r"roc_auc.*, which have the labels \[2\] in all rows or in none"):
        OURS["classifier"](**STOPS, scoring="roc_auc", validation_split="last").fit(X, labels)


def test_the_accuracy_of_the_only_class_is_not_named():
    assert not caught_in(OURS["classifier"](**STOPS), X, np.ones(300))


def test_a_score_that_only_the_first_parameters_lack_is_accepted():
    def r2_of_good_predictions(y, predicted):
        return r2_score(y, predicted) if r2_score(y, predicted) > 0.2 else np.nan

    model = OURS["regressor"](**STOPS, scoring=make_scorer(r2_of_good_predictions))
    texts = caught_in(model, X, signal)
    scores = np.array(model.validation_scores_)
    assert np.isnan(scores[0]) and model.best_validation_score_ == np.nanmax(scores) > 0.9
    assert len(texts) == 1 and "is nan after epoch 1;" in texts[0]


# ---- Not finite ------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("never", [np.nan, np.inf, -np.inf])
def test_without_a_finite_score_the_last_parameters_are_kept(kind, never):
    """It trains as without early stopping, on the examples that are not held out, and warns once."""
    def scorer(estimator, X, y):
        return never

    y = TARGETS[kind]
    model = OURS[kind](**STOPS | {"max_iter": 30}, scoring=scorer)
    texts = caught_in(model, X[:200], y[:200], X_val=X[200:], y_val=y[200:])
    whole = quiet(OURS[kind](**STOPS | {"max_iter": 30, "early_stopping": False}), "fit", X[:200], y[:200])
    np.testing.assert_array_equal(predict(model, X), predict(whole, X))
    assert texts == [f"the validation score scorer is {never} after epoch 1; it counts as no improvement, and if no "
                     "score is finite, the last parameters are kept"]


@pytest.mark.parametrize("other", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_never_are_the_best(other):
    seen = []
    model = OURS["regressor"](**STOPS, scoring=Sequence(0.1, 0.3, other), n_iter_no_change=4,
                              callbacks=[lambda model, record: seen.append(predict(model, X))])
    quiet(model, "fit", X, signal)
    assert model.best_validation_score_ == 0.3 and model.n_iter_ == 7
    np.testing.assert_array_equal(predict(model, X), seen[1])


def test_validation_data_without_a_score_are_recorded_with_one_warning():
    model = OURS["regressor"](**STOPS | {"early_stopping": False, "max_iter": 5})
    texts = caught_in(model, X, signal, X_val=X[:1], y_val=signal[:1])
    assert np.isnan(model.validation_scores_).all() and texts == ["the validation score R2 is nan after epoch 1"]
    model.set_params(scoring="r2")
    assert caught_in(model, X, signal, X_val=X[:1], y_val=signal[:1]) == [
        "the validation score 'r2' is nan after epoch 1"]


@pytest.mark.parametrize("kind", BOTH)
def test_divergence_before_the_first_score_is_an_error(kind):
    """Not the random parameters that training started from."""
    model = OURS[kind](**STOPS | {"solver": "sgd", "learning_rate_init": 1e200})
    with pytest.raises(ValueError, match="non-finite parameter weights"):
        quiet(model, "fit", X, TARGETS[kind])


@pytest.mark.parametrize("answer", [None, {"r2": 0.5}, np.ones(3), "0.5", 1j])
def test_a_scorer_must_return_a_number(answer):
    model = OURS["regressor"](**STOPS, scoring=lambda estimator, X, y: answer)
    with pytest.raises(TypeError, match=r"scoring=.* must return a number, got"):
        model.fit(X, signal)


@pytest.mark.parametrize("answer", [np.float32(0.5), np.array(0.5), True, 1])
def test_numbers_of_any_kind_are_scores(answer):
    model = OURS["regressor"](**STOPS | {"max_iter": 2}, scoring=lambda estimator, X, y: answer)
    quiet(model, "fit", X, signal)
    assert model.validation_scores_ == [float(answer)] * 2 and type(model.validation_scores_[0]) is float


def test_an_error_of_a_scorer_names_scoring():
    def fails_later(estimator, X, y):
        return 1 / (2 - estimator.n_iter_)

    with pytest.raises(ZeroDivisionError) as caught:
        OURS["regressor"](**STOPS, scoring=fails_later).fit(X, signal)
    assert caught.value.__notes__ == ["raised by scoring=fails_later after epoch 2"]


# ---- Standing still --------------------------------------------------------------------------------------------------

MANY = (X @ RNG.standard_normal((6, 20)) + 0.1 * RNG.standard_normal((300, 20)) > 0).astype(int)
RARE = (X[:, 0] + 0.5 * X[:, 2] > 2.2).astype(int)
STILL = {
    "exact match of many labels": ("classifier", MANY, {}),
    "accuracy of a rare class": ("classifier", RARE, {"learning_rate_init": 0.01}),
    "F1 of a rare class": ("classifier", RARE, {"learning_rate_init": 0.01, "scoring": "f1"}),
    "named R2 of a constant part": ("regressor", np.where(np.arange(300) < 200, signal, 0.0),
                                    {"validation_split": "last", "scoring": "r2"}),
    "explained variance of a single row": ("regressor", signal, {"scoring": "explained_variance"}),
    "a constant": ("regressor", signal, {"scoring": lambda estimator, X, y: 0.5}),
}


@pytest.mark.parametrize("name", STILL)
@pytest.mark.parametrize("max_iter", [10, 200])
def test_a_score_that_stands_still_while_the_loss_falls_is_named(name, max_iter):
    """Whether early stopping or max_iter ends the fit."""
    kind, y, own = STILL[name]
    model = OURS[kind](**STOPS | {"learning_rate_init": 0.001, "max_iter": max_iter, "batch_size": 30} | own)
    given = {"X_val": X[7:8], "y_val": y[7:8]} if "single row" in name else {}
    texts = caught_in(model, X, y, **given)
    assert len(texts) == 1 and texts[0].startswith("early stopping: the validation score ")
    assert f"after epoch {1 + np.argmax(model.validation_scores_)}, whose parameters are kept" in texts[0]
    assert "scoring='loss'" in texts[0] and ("roc_auc" in texts[0]) == (kind == "classifier")
    assert not caught_in(model.set_params(scoring="loss"), X, y, **given)


@pytest.mark.parametrize("load", [load_breast_cancer, load_digits])
@pytest.mark.parametrize("rate", [0.001, 0.01])
def test_ordinary_early_stopping_does_not_warn(load, rate):
    rows, y = load(return_X_y=True)
    rows = scale(rows)
    for seed in range(2):
        model = OURS["classifier"](**STOPS | {"random_state": seed, "learning_rate_init": rate})
        assert not caught_in(model, rows[:600], y[:600])
        assert model.score(rows, y) > 0.7


def test_the_highest_possible_score_does_not_warn():
    y = (X_iris[:, 2] > 0).astype(int)
    model = OURS["classifier"](**STOPS)
    assert not caught_in(model, X_iris, y)
    assert model.best_validation_score_ == 1


# ---- The loss as a score ---------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("given", [False, True])
def test_the_loss_is_a_score(kind, given):
    seen = []
    model = OURS[kind](**STOPS | {"learning_rate_init": 0.1, "n_iter_no_change": 3}, scoring="loss",
                       callbacks=[lambda model, record: seen.append(predict(model, X))])
    quiet(model, "fit", X, TARGETS[kind], **({"X_val": X[::3], "y_val": TARGETS[kind][::3]} if given else {}))
    losses = model.validation_loss_curve_
    assert model.validation_scores_ == [-loss for loss in losses] and model.n_iter_ < 200
    assert model.best_validation_score_ == -min(losses)
    np.testing.assert_array_equal(predict(model, X), seen[int(np.argmin(losses))])


@pytest.mark.parametrize("y", [np.ones(300), np.where(np.arange(300) < 200, signal, 0.0)])
def test_the_loss_replaces_r2_of_held_out_targets_that_are_equal(y):
    """R2 would be 0 in each epoch."""
    own = STOPS | {"validation_split": "last"}
    mine, by_loss = OURS["regressor"](**own), OURS["regressor"](**own, scoring="loss")
    assert caught_in(mine, X, y) == caught_in(by_loss, X, y) == []
    assert mine.validation_scores_ == by_loss.validation_scores_ == [-loss for loss in mine.validation_loss_curve_]
    np.testing.assert_array_equal(predict(mine, X), predict(by_loss, X))


@pytest.mark.parametrize("max_iter", [3, 200])
def test_a_fit_to_equal_targets_does_not_warn(max_iter):
    """Whether such a fit of ten rows reaches max_iter depends on the initial parameters."""
    for seed in range(5):
        model = OURS["regressor"](early_stopping=True, validation_fraction=0.2, max_iter=max_iter, random_state=seed)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            model.fit(X[:10], np.ones(10))
    with pytest.warns(ConvergenceWarning, match="Maximum iterations"):  # other targets to train on
        OURS["regressor"](**STOPS | {"max_iter": 3}, validation_split="last").fit(X, np.arange(300) < 250)


def test_another_score_changes_only_when_training_stops():
    """The epochs are those of scikit-learn's fit with the default score."""
    mine = quiet(OURS["classifier"](**SMALL | {"early_stopping": True}, scoring="loss"), "fit", X_iris, y_iris)
    theirs = quiet(THEIRS["classifier"](**SMALL | {"early_stopping": True}), "fit", X_iris, y_iris)
    both = min(mine.n_iter_, theirs.n_iter_)
    np.testing.assert_allclose(mine.loss_curve_[:both], theirs.loss_curve_[:both], rtol=1e-8)
