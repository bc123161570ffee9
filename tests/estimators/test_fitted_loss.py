"""Predictions and scores of a regressor follow the loss of its fit; a loss that gives outputs a meaning is kept."""

import copy
import pickle

import numpy as np
import pytest
from helpers.estimator_cases import OURS, THEIRS
from helpers.estimator_data import SMALL, X_iris, quiet, y_iris

import fastnn

Regressor = OURS["regressor"]
TWO = np.column_stack([y_iris, X_iris[:, 0]])
PARAMETERS = {
    "squares": {"loss": "squared_error"},
    "huber": {"loss": "huber"},
    "counts": {"loss": "poisson"},
    "level": {"loss": "quantile", "quantile": 0.3},
    "one level": {"loss": "quantile", "quantile": [0.3]},
    "two levels": {"loss": "quantile", "quantile": [0.1, 0.9]},
    "three levels": {"loss": "quantile", "quantile": [0.1, 0.5, 0.9]},
    "gaussian": {"loss": "gaussian"},
}


def regressor(loss, y=y_iris, **parameters):
    return quiet(Regressor(**SMALL | PARAMETERS[loss] | parameters), "fit", X_iris, y)


def judged(model, y):
    """Return all that a model says of the data."""
    deviations = [model.predict(X_iris, return_std=True)[1]] if model._fitted_with["loss"] == "gaussian" else []
    return [model.predict(X_iris), model.score(X_iris, y), model.input_gradients(X_iris), *deviations]


@pytest.mark.parametrize("normalize_y", [False, True])
@pytest.mark.parametrize("before", [loss for loss in PARAMETERS if loss not in ("counts", "two levels")])
def test_a_changed_loss_does_not_change_what_was_fitted(before, normalize_y):
    """Neither in the model itself, nor in its copies and pickles."""
    for y in (y_iris, TWO):
        model = regressor(before, y, normalize_y=normalize_y)
        expected = judged(model, y)
        for after in PARAMETERS:
            model.set_params(**{"quantile": 0.5} | PARAMETERS[after])
            for same in (model, copy.copy(model), pickle.loads(pickle.dumps(model))):
                for value, wanted in zip(judged(same, y), expected, strict=True):
                    np.testing.assert_array_equal(value, wanted)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("before", "after", "parameter", "y"), [
    ("squares", "gaussian", "loss", (TWO, y_iris)),
    ("gaussian", "squares", "loss", (y_iris, TWO)),
    ("two levels", "squares", "loss", (y_iris, TWO)),
    ("gaussian", "two levels", "loss", (y_iris, y_iris)),
    ("two levels", "gaussian", "loss", (y_iris, y_iris)),
    ("two levels", "three levels", "quantile", (np.column_stack([TWO, y_iris]), TWO)),
    ("squares", "gaussian", "loss", (y_iris, y_iris)),
    ("two levels", "level", "quantile", (y_iris, y_iris)),
    ("squares", "counts", "loss", (y_iris, y_iris)),
])
def test_outputs_do_not_get_another_meaning(before, after, parameter, y, method):
    """Even if their number is the same by accident. A refused change leaves the model as it was."""
    model = regressor(before, y[0], warm_start=True)
    expected = model.predict(X_iris), model.score(X_iris, y[0])
    model.set_params(**{"quantile": 0.5} | PARAMETERS[after])
    with pytest.raises(ValueError, match=rf"^{parameter}=.*output layer.*fitted with {parameter}="):
        getattr(model, method)(X_iris, y[1])
    np.testing.assert_array_equal(model.predict(X_iris), expected[0])
    assert model.score(X_iris, y[0]) == expected[1]


@pytest.mark.parametrize(("before", "after"), [("squares", "huber"), ("huber", "level"), ("level", "one level"),
                                               ("one level", "squares")])
def test_losses_of_one_output_for_each_target_may_follow_each_other(before, after):
    model = regressor(before, warm_start=True)
    steps = model.t_
    quiet(model.set_params(**PARAMETERS[after]), "fit", X_iris, y_iris)
    assert model.t_ > steps and model.predict(X_iris).ndim == (2 if after == "one level" else 1)


def test_other_levels_of_the_same_number_are_obeyed():
    model = regressor("two levels", learning_rate_init=0.05, warm_start=True)
    before = model.predict(X_iris)
    quiet(model.set_params(quantile=[0.4, 0.6], max_iter=30), "fit", X_iris, y_iris)
    assert np.diff(model.predict(X_iris)).mean() < 0.7 * np.diff(before).mean()


def test_a_scorer_sees_the_loss_of_the_running_fit():
    shapes = set()

    def scorer(estimator, X, y):
        shapes.add(estimator.predict(X).shape[1:])
        return -np.abs(estimator.coefs_[0]).sum()

    model = regressor("three levels", early_stopping=True, scoring=scorer)
    quiet(model.set_params(loss="squared_error"), "fit", X_iris, y_iris)
    assert shapes == {(3,), ()}


@pytest.mark.parametrize("loss", ["gaussian", "two levels"])
def test_several_outputs_for_each_target_are_not_converted(loss):
    """scikit-learn would return all of them as predictions."""
    model = regressor(loss).set_params(loss="squared_error", quantile=0.5)
    with pytest.raises(ValueError, match="fitted with loss="):
        model.to_sklearn()


def test_models_without_stored_parameters_keep_the_loss_that_their_outputs_show():
    """They were fitted by scikit-learn, or by an early version."""
    def early(model):
        state = model.__getstate__()
        del state["_fitted_with"]
        loaded = object.__new__(Regressor)
        loaded.__setstate__(state)
        return loaded

    def converted():
        return fastnn.from_sklearn(quiet(THEIRS["regressor"](**SMALL | {"warm_start": True}), "fit", X_iris, y_iris))

    for model in (early(regressor("squares", warm_start=True)), converted()):
        for loss in ("poisson", "gaussian"):
            for method in (model.fit, model.partial_fit):
                with pytest.raises(ValueError, match=f"loss='{loss}'.*fitted with loss='squared_error'"):
                    model.set_params(loss=loss) and method(X_iris, y_iris)
            assert model.predict(X_iris).shape == y_iris.shape
    model = early(regressor("gaussian")).set_params(loss="squared_error")
    np.testing.assert_array_equal(model.predict(X_iris), regressor("gaussian").predict(X_iris))
    assert early(regressor("counts").set_params(loss="squared_error"))._fitted_with["loss"] == "poisson"
