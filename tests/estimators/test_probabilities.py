"""Probabilities, their logarithms and scores: a single class, saturated probabilities, scorers that prefer scores."""

import pickle
import warnings

import numpy as np
import pytest
import scipy.special as sp
from helpers.estimator_cases import OURS, THEIRS
from helpers.estimator_data import SMALL, X_iris, quiet, y_iris
from sklearn.calibration import CalibratedClassifierCV
from sklearn.ensemble import BaggingClassifier, VotingClassifier
from sklearn.metrics import get_scorer
from sklearn.model_selection import KFold, cross_val_predict

from fastnn import from_sklearn
from fastnn._core import _testing

MLPClassifier = OURS["classifier"]
ONE_HOT = np.eye(3, dtype=int)[y_iris]
TARGETS = {"two classes": y_iris == 1, "three classes": y_iris, "two labels": ONE_HOT[:, 1:], "three labels": ONE_HOT}
each_target = pytest.mark.parametrize("task", TARGETS)


def trained(y, method="fit", model=None, **parameters):
    model = MLPClassifier(**SMALL | parameters) if model is None else model
    return quiet(model, method, X_iris, y)


def z_of(model, X):
    """Z[L] in float64, from the model's parameters."""
    A = X.astype(np.float64)
    for coef, intercept in zip(model.coefs_[:-1], model.intercepts_[:-1], strict=True):
        A = np.maximum(A @ coef + intercept, 0)
    return A @ model.coefs_[-1] + model.intercepts_[-1]


# ---- A single class --------------------------------------------------------------------------------------------------

def assert_one_column(model, label):
    ones = np.ones((len(X_iris), 1))
    assert model.classes_.tolist() == [label]
    assert np.array_equal(model.predict_proba(X_iris), ones)
    assert np.array_equal(model.predict_log_proba(X_iris), 0 * ones)
    assert model.decision_function(X_iris).shape == ones.shape
    assert (model.predict(X_iris) == label).all()


@pytest.mark.parametrize("label", [0, 1, -1, 2.0, True, False, "no"])
@pytest.mark.parametrize("parameters", [{}, {"solver": "lbfgs"}, {"early_stopping": True}, {"dtype": "float32"},
                                        {"class_weight": "balanced"}])
def test_a_single_class_has_one_column(label, parameters):
    model = trained(np.full(len(X_iris), label), **parameters)
    assert_one_column(model, label)
    assert_one_column(pickle.loads(pickle.dumps(model)), label)


def test_a_column_of_one_label_has_one_column():
    with pytest.warns(Warning, match="column-vector"):
        model = quiet(MLPClassifier(**SMALL), "fit", X_iris, np.ones((len(X_iris), 1), int))
    assert_one_column(model, 1)


def test_a_single_class_has_one_column_after_further_training():
    y = np.full(len(X_iris), "only")
    model = trained(y, warm_start=True)
    assert_one_column(trained(y, model=model), "only")
    announced = MLPClassifier(**SMALL).partial_fit(X_iris, y, classes=["only"])
    assert_one_column(announced.partial_fit(X_iris, y), "only")


def test_a_single_class_trains_as_in_scikit_learn_and_is_converted():
    y = np.full(len(X_iris), "only")
    old, new = quiet(THEIRS["classifier"](**SMALL), "fit", X_iris, y), trained(y)
    np.testing.assert_allclose(new.loss_curve_, old.loss_curve_, rtol=1e-8)
    assert_one_column(from_sklearn(old), "only")
    assert np.array_equal(new.to_sklearn().predict(X_iris), y)


@pytest.mark.parametrize("classes", [["a", "b"], ["a", "b", "c"]])
def test_announced_classes_have_a_column_though_one_alone_occurs(classes):
    model = MLPClassifier(**SMALL).partial_fit(X_iris, np.full(len(X_iris), "b"), classes=classes)
    assert model.predict_proba(X_iris).shape == model.predict_log_proba(X_iris).shape == (len(X_iris), len(classes))


@pytest.mark.parametrize("column", [0, 1])
def test_labels_that_never_change_keep_their_columns(column):
    Y = np.full((len(X_iris), 3), column)
    model = trained(Y)
    assert model.classes_.tolist() == [0, 1, 2]
    for method in ("predict", "predict_proba", "predict_log_proba", "decision_function"):
        assert getattr(model, method)(X_iris).shape == Y.shape


def test_more_classes_than_columns_of_labels_are_refused():
    with pytest.raises(ValueError, match=r"y has 2 columns of labels, but there are 3 classes: \[0 1 2\]"):
        MLPClassifier(**SMALL).partial_fit(X_iris, ONE_HOT[:, :2], classes=[0, 1, 2])


def test_probabilities_of_a_fold_with_one_class_land_in_its_column():
    X, y = X_iris[:100], np.repeat(["first", "second"], 50)
    for method, absent in (("predict_proba", 0), ("predict_log_proba", np.finfo(float).min)):
        found = quiet_cross_val_predict(X, y, method)
        own = found[np.arange(100), (y == "first").astype(int)]  # trained on the other class
        other = found[np.arange(100), (y == "second").astype(int)]
        assert (own == (method == "predict_proba")).all() and (other == absent).all()


def quiet_cross_val_predict(X, y, method):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return cross_val_predict(MLPClassifier(**SMALL), X, y, cv=KFold(2), method=method)


@pytest.mark.parametrize("ensemble", [
    lambda model: VotingClassifier([("a", model), ("b", model)], voting="soft"),
    lambda model: BaggingClassifier(model, n_estimators=2, random_state=0),
    lambda model: CalibratedClassifierCV(model, cv=KFold(2))], ids=["voting", "bagging", "calibration"])
def test_ensembles_of_a_single_class_have_one_column(ensemble):
    model = quiet_fit(ensemble(MLPClassifier(**SMALL)), np.full(len(X_iris), "only"))
    assert np.array_equal(model.predict_proba(X_iris), np.ones((len(X_iris), 1)))


def quiet_fit(model, y):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X_iris, y)


# ---- Logarithms and scores -------------------------------------------------------------------------------------------

@each_target
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("far", [1, 1e3, 1e6])
def test_logarithms_are_those_of_z(task, dtype, far):
    X = (far * X_iris).astype(dtype)
    model = MLPClassifier(**SMALL | {"learning_rate_init": 0.1})
    model = quiet(model, "fit", X_iris.astype(dtype), TARGETS[task])
    Z = z_of(model, X)
    exact = sp.log_softmax(np.hstack([0 * Z, Z]) if Z.shape[1] == 1 else Z, axis=1)
    if task.endswith("labels"):
        exact = -np.logaddexp(0, -Z)
    with warnings.catch_warnings(), np.errstate(all="raise"):
        warnings.simplefilter("error")
        logarithms = model.predict_log_proba(X)
    assert logarithms.dtype == dtype and np.isfinite(logarithms).all()
    # Z is a sum of products up to its own size: some tens of roundings.
    u = np.finfo(dtype).eps
    np.testing.assert_allclose(logarithms, exact, rtol=100 * u, atol=100 * u * (1 + np.abs(Z).max()))


def test_a_subnormal_probability_is_zero_and_has_a_logarithm():
    """e^-720 is 2e-313; a float64 below 2.2e-308 is subnormal."""
    model = trained(y_iris)
    model.coefs_[-1][...], model.intercepts_[-1][...] = 0, [0, -720, -1]
    p = model.predict_proba(X_iris)[:, 1]
    assert (p == 0).all() or not _testing.FLUSH
    np.testing.assert_allclose(model.predict_log_proba(X_iris)[:, 1], -720 - np.log1p(np.exp(-1)), rtol=1e-15)


@each_target
def test_scores_are_z_and_give_the_predictions(task):
    model = trained(TARGETS[task])
    scores, Z = model.decision_function(X_iris), z_of(model, X_iris)
    p, predicted = model.predict_proba(X_iris), model.predict(X_iris)
    np.testing.assert_allclose(scores, Z.ravel() if task == "two classes" else Z, rtol=1e-12, atol=1e-12)
    if task == "three classes":
        assert np.array_equal(model.classes_[scores.argmax(axis=1)], predicted)
        np.testing.assert_allclose(sp.softmax(scores, axis=1), p, rtol=1e-12)
    else:
        assert np.array_equal(scores > 0, predicted)
        np.testing.assert_allclose(sp.expit(scores), p[:, 1] if task == "two classes" else p, rtol=1e-12)


def test_scores_tell_apart_what_probabilities_round_to_one():
    model = trained(y_iris > 0, learning_rate_init=0.1)
    far = 1e4 * X_iris
    assert len(np.unique(model.predict_proba(far)[:, 1])) < len(np.unique(model.decision_function(far)))


@pytest.mark.filterwarnings("ignore:The y_(prob|pred) values do not sum to one")  # log loss of labels
@each_target
@pytest.mark.parametrize("scoring", ["roc_auc", "average_precision", "neg_log_loss", "roc_auc_ovr"])
def test_scorers_agree_with_scikit_learn(task, scoring):
    """Except where scikit-learn's network, which has no scores, fails: it takes two labels for two classes."""
    y, scorer = TARGETS[task], get_scorer(scoring)
    ours, theirs = trained(y), quiet(THEIRS["classifier"](**SMALL), "fit", X_iris, y)
    if task == "two labels" and scoring in ("roc_auc", "average_precision"):
        assert scorer(ours, X_iris, y) == pytest.approx(
            np.mean([scorer(_Scores(ours, label), X_iris, y[:, label]) for label in range(2)]), rel=1e-12)
    elif (task, scoring) in (("three classes", "roc_auc"), ("two labels", "roc_auc_ovr")):
        for model in (ours, theirs):
            with pytest.raises(ValueError):
                scorer(model, X_iris, y)
    elif task == "three classes" and scoring == "average_precision":  # Z[L] is not comparable between examples
        assert abs(scorer(ours, X_iris, y) - scorer(theirs, X_iris, y)) < 0.1
    else:
        assert scorer(ours, X_iris, y) == pytest.approx(scorer(theirs, X_iris, y), rel=1e-8)


class _Scores:
    """One label of a classifier of several, as a binary classifier."""

    def __init__(self, model, label):
        self.model, self.label, self.classes_ = model, label, np.array([0, 1])

    def __sklearn_tags__(self):
        return self.model.__sklearn_tags__()

    def decision_function(self, X):
        return self.model.decision_function(X)[:, self.label]


def test_calibration_is_of_the_scores():
    y = y_iris == 1
    model = quiet_fit(CalibratedClassifierCV(MLPClassifier(**SMALL), ensemble=False, cv=3), y)
    fitted = model.calibrated_classifiers_[0]
    scores = fitted.estimator.decision_function(X_iris)
    np.testing.assert_allclose(model.predict_proba(X_iris)[:, 1], fitted.calibrators[0].predict(scores))
