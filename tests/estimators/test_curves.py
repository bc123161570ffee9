"""The curves of an estimator belong to the last fit, have one length, and do not grow with a stream."""

import pickle

import numpy as np
import pytest
from helpers.estimator_cases import BOTH, OURS
from helpers.estimator_data import SMALL, X_iris, fitted, quiet, y_iris
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn.estimators import _records

CURVES = ("loss_curve_", "validation_scores_", "validation_loss_curve_")


@pytest.mark.parametrize("kind", BOTH)
def test_lbfgs_records_the_loss_of_each_iteration(kind):
    losses = []
    model = fitted(kind, solver="lbfgs", callbacks=[lambda estimator, record: losses.append(record["loss"])])
    assert model.loss_curve_ == losses and len(losses) == model.n_iter_
    assert model.loss_curve_[-1] == model.loss_ == model.best_loss_ == min(losses)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("warm_start", [True, False])
def test_nothing_of_a_fit_by_another_kind_of_solver_is_left(kind, warm_start):
    """One way and the other."""
    model = fitted(kind, early_stopping=True, warm_start=warm_start, max_iter=4)
    quiet(model.set_params(solver="lbfgs", early_stopping=False), "fit", X_iris, y_iris)
    if not warm_start:
        again = fitted(kind, solver="lbfgs", max_iter=4)
        assert {name for name in vars(model) if name.endswith("_")} == {
            name for name in vars(again) if name.endswith("_")}
    assert not any(hasattr(model, name) for name in ("validation_scores_", "validation_loss_curve_", "_optimizer",
                                                     "best_validation_score_", "_best_coefs"))
    assert len(model.loss_curve_) == model.n_iter_
    quiet(model.set_params(solver="sgd"), "fit", X_iris, y_iris)
    assert len(model.loss_curve_) == model.n_iter_ and model.best_loss_ == min(model.loss_curve_)
    assert model.validation_scores_ is None is model.best_validation_score_
    assert not hasattr(model, "validation_loss_curve_")


@settings(max_examples=25, deadline=None)
@given(kind=st.sampled_from(["classifier", "regressor"]),
       calls=st.lists(st.sampled_from(["fit", "X_val", "early", "both", "partial", "lbfgs"]), min_size=1, max_size=6))
def test_all_curves_have_the_same_length(kind, calls):
    """They continue as long as the calls record the same values, of the same validation data."""
    model, expected, before = OURS[kind](**SMALL | {"max_iter": 2, "warm_start": True}), 0, None
    for call in calls:
        validation = {"X_val": X_iris, "y_val": y_iris} if call in ("X_val", "both") else {}
        model.set_params(early_stopping=call in ("early", "both"), solver="lbfgs" if call == "lbfgs" else "adam")
        if call == "partial":
            keywords = {"classes": [0, 1, 2]} if kind == "classifier" else {}
            model.partial_fit(X_iris, y_iris, **keywords)
        else:
            quiet(model, "fit", X_iris, y_iris, **validation)
        validated = bool(validation) or model.early_stopping
        records = call if call == "lbfgs" else validated and ("given" if validation else "held out")
        expected = model.n_iter_ + (expected if records == before and call != "lbfgs" else 0)
        before = records
        lengths = {len(vars(model)[name]) for name in CURVES if vars(model).get(name) is not None}
        assert lengths == {expected}
        assert (vars(model).get("validation_scores_") is None) == (not validated)
        assert hasattr(model, "validation_loss_curve_") == validated
        assert (vars(model).get("best_validation_score_") is None) == (not model.early_stopping)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("fit", [True, False])
def test_what_is_kept_does_not_grow_with_a_stream(monkeypatch, kind, fit):
    """After a fit, too, whose own curve stays whole at first."""
    monkeypatch.setattr(_records, "KEPT_BY_PARTIAL_FIT", 20)
    model = fitted(kind) if fit else OURS[kind](**SMALL)
    first = {"classes": [0, 1, 2]} if kind == "classifier" else {}
    losses, before = list(getattr(model, "loss_curve_", [])), 30 * fit
    kept = before + _records.KEPT_BY_PARTIAL_FIT
    sizes = {}
    for number in range(1, kept + 11):
        model.partial_fit(X_iris[number % 150][None], y_iris[number % 150][None], **first)
        losses.append(model.loss_)
        if number == kept - before:
            assert model.loss_curve_ == losses
            losses = pickle.loads(pickle.dumps(model)).loss_curve_
        sizes[number] = len(model.loss_curve_)
    assert model.loss_curve_ == losses[-kept:]
    assert max(sizes.values()) == sizes[kept] == kept


def test_warm_starts_without_end_keep_a_bounded_curve(monkeypatch):
    monkeypatch.setattr(_records, "KEPT_BY_WARM_START", 7)
    model = OURS["regressor"](**SMALL | {"max_iter": 3, "warm_start": True})
    lengths = []
    for _ in range(5):
        quiet(model, "fit", X_iris, y_iris, X_val=X_iris, y_val=y_iris)
        lengths.append({len(vars(model)[name]) for name in CURVES})
    assert lengths == [{3}, {6}, {9}, {10}, {10}]


def test_curves_of_a_long_fit_stay_whole():
    model = fitted("regressor", max_iter=300, n_iter_no_change=np.inf)
    assert len(model.partial_fit(X_iris, y_iris).loss_curve_) == 301


@pytest.mark.parametrize("kind", BOTH)
def test_losses_of_float32_data_are_float64(kind):
    model = quiet(OURS[kind](**SMALL), "fit", X_iris.astype(np.float32), y_iris)
    assert {np.asarray(value).dtype for value in (model.loss_, model.best_loss_, *model.loss_curve_)} == {
        np.dtype(np.float64)}
