"""Parameters, classes and arrays that change before a warm start or the next partial_fit: obeyed or refused."""

import copy
import pickle
import warnings

import numpy as np
import pytest
from helpers.estimator_cases import BOTH, OURS, THEIRS
from helpers.estimator_data import SMALL, X_iris, fitted, predict, quiet, y_iris
from scipy.sparse import csc_array, csr_array

import fastnn

PARAMETERS = {"hidden_layer_sizes": 5, "max_iter": 6, "batch_size": 20, "random_state": 0, "n_iter_no_change": 3}
OBEYED, REFUSED, UNUSED = "obeyed", "refused", "unused"


def stop_at_once(estimator, record):
    return True


# The parameters before, the changed value, and what a warm start and a partial_fit make of it.
WALK = {
    "hidden_layer_sizes": ({}, 7, REFUSED, REFUSED),
    "activation": ({}, "tanh", OBEYED, OBEYED),
    "solver": ({}, "sgd", OBEYED, OBEYED),
    "alpha": ({}, 5.0, OBEYED, OBEYED),
    "batch_size": ({}, 30, OBEYED, OBEYED),
    "learning_rate": ({}, "cosine", OBEYED, OBEYED),
    "learning_rate_init": ({}, 0.1, OBEYED, OBEYED),
    "power_t": ({"solver": "sgd", "learning_rate": "invscaling"}, 0.1, OBEYED, OBEYED),
    "max_iter": ({"learning_rate": "one_cycle"}, 5, OBEYED, OBEYED),
    "shuffle": ({}, False, OBEYED, OBEYED),
    "random_state": ({}, 9, OBEYED, OBEYED),
    "tol": ({}, 10.0, OBEYED, OBEYED),
    "verbose": ({}, 1, UNUSED, UNUSED),
    "warm_start": ({}, False, OBEYED, UNUSED),
    "momentum": ({"solver": "sgd"}, 0.1, OBEYED, OBEYED),
    "nesterovs_momentum": ({"solver": "sgd"}, False, OBEYED, OBEYED),
    "early_stopping": ({}, True, OBEYED, REFUSED),
    "validation_fraction": ({"early_stopping": True}, 0.3, OBEYED, REFUSED),
    "beta_1": ({}, 0.5, OBEYED, OBEYED),
    "beta_2": ({}, 0.9, OBEYED, OBEYED),
    "epsilon": ({}, 0.1, OBEYED, OBEYED),
    "n_iter_no_change": ({"tol": 10.0, "n_iter_no_change": 8}, 1, OBEYED, UNUSED),
    "max_fun": ({"solver": "lbfgs"}, 2, OBEYED, REFUSED),
    "dropout": ({}, 0.5, OBEYED, OBEYED),
    "clip_norm": ({}, 1e-3, OBEYED, OBEYED),
    "validation_split": ({"early_stopping": True}, "last", OBEYED, REFUSED),
    "scoring": ({"early_stopping": True}, lambda estimator, X, y: -np.abs(estimator.coefs_[0]).sum(), OBEYED, REFUSED),
    "callbacks": ({}, [stop_at_once], OBEYED, UNUSED),
    "frozen_layers": ({}, [1], OBEYED, OBEYED),
    "dtype": ({}, "float32", OBEYED, OBEYED),
    "n_threads": ({}, 1, UNUSED, UNUSED),
    "loss": ({}, "huber", OBEYED, OBEYED),
    "huber_delta": ({"loss": "huber"}, 0.1, OBEYED, OBEYED),
    "quantile": ({"loss": "quantile"}, 0.9, OBEYED, OBEYED),
    "class_weight": ({}, {1: 5.0}, OBEYED, OBEYED),
    "label_smoothing": ({}, 0.3, OBEYED, OBEYED),
    "normalize_y": ({}, True, REFUSED, REFUSED),
}


def test_the_walk_is_over_all_parameters():
    assert WALK.keys() == OURS["classifier"]().get_params().keys() | OURS["regressor"]().get_params().keys()


def results(model):
    """Return everything that a change can affect, as bytes."""
    names = ("n_iter_", "validation_scores_", "_no_improvement_count")
    return pickle.dumps([[one.tolist() for one in model.coefs_ + model.intercepts_],
                         [repr(getattr(model, name, None)) for name in names]])


@pytest.mark.parametrize("name", WALK)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_changed_parameter_is_obeyed_or_refused(name, method):
    before, value, *outcomes = WALK[name]
    outcome = outcomes[method == "partial_fit"]
    for kind in [kind for kind in OURS if name in OURS[kind]().get_params()]:
        model = quiet(OURS[kind](**PARAMETERS | before, warm_start=True), "fit", X_iris, y_iris)
        twin = copy.deepcopy(model)
        model.set_params(**{name: value})
        if outcome is REFUSED:
            state = pickle.dumps(model)
            with pytest.raises((ValueError, AttributeError), match=f"{name}|early_stopping|partial_fit"):
                getattr(model, method)(X_iris, y_iris)
            assert pickle.dumps(model) == state
        else:
            assert (results(quiet(model, method, X_iris, y_iris)) == results(quiet(twin, method, X_iris, y_iris))) is (
                outcome is UNUSED)


@pytest.mark.parametrize("kind", BOTH)
def test_invalid_changes_are_refused(kind):
    """scikit-learn checks parameters before the first partial_fit only."""
    for name, value in {"alpha": -1, "learning_rate": "ghost", "batch_size": 0, "clip_norm": "1"}.items():
        model = fitted(kind).set_params(**{name: value})
        with pytest.raises(ValueError, match=name):
            model.partial_fit(X_iris, y_iris)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("sizes", [4, (5, 5), ()])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_refused_layer_sizes_say_how_to_start_anew(kind, sizes, method):
    model = fitted(kind, warm_start=True).set_params(hidden_layer_sizes=sizes)
    with pytest.raises(ValueError, match=r"hidden_layer_sizes is .*\[5\] units.*warm_start=False"):
        getattr(model, method)(X_iris, y_iris)
    assert len(quiet(model.set_params(warm_start=False), "fit", X_iris, y_iris).coefs_) == np.size(sizes) + 1


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_dtype_may_change_between_calls(kind, method, solver):
    """Parameters and optimiser are converted; the results are those of float64 but for rounding."""
    model, exact = (fitted(kind, warm_start=True, solver=solver) for _ in range(2))
    for dtype in ("float32", None, "float32", "float64"):
        quiet(model.set_params(dtype=dtype), method, X_iris, y_iris)
        quiet(exact, method, X_iris, y_iris)
        assert {one.dtype for one in model.coefs_ + model.intercepts_} == {np.dtype(dtype or "float64")}
        np.testing.assert_allclose(predict(model), predict(exact), rtol=1e-3, atol=1e-4)  # 120 epochs of float32


def test_a_change_of_the_output_layer_is_refused():
    model = quiet(OURS["regressor"](**SMALL, loss="poisson", warm_start=True), "fit", X_iris, y_iris)
    model.set_params(loss="squared_error")
    for method in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match="loss='squared_error' and y need an output layer of 1 'identity'"):
            method(X_iris, y_iris)
    assert predict(model).min() > 0 and predict(quiet(model.set_params(warm_start=False), "fit", X_iris, -y_iris)
                                                ).min() < 0


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize(("before", "change"), [
    ({}, {"loss": "gaussian"}), ({"loss": "gaussian"}, {"loss": "squared_error"}),
    ({"loss": "quantile"}, {"quantile": [0.1, 0.9]}),
    ({"loss": "quantile", "quantile": [0.1, 0.9]}, {"quantile": 0.5})])
def test_another_number_of_output_units_is_refused(method, before, change):
    model = quiet(OURS["regressor"](**SMALL | before, warm_start=True), "fit", X_iris, y_iris).set_params(**change)
    with pytest.raises(ValueError, match=f"{next(iter(change))}=.* output layer of . 'identity' units"):
        getattr(model, method)(X_iris, y_iris)


@pytest.mark.parametrize("kind", BOTH)
def test_another_solver_begins_with_a_new_state(kind):
    """Also after L-BFGS: an optimiser from before it is forgotten."""
    model = fitted(kind, warm_start=True)
    steps = model._optimizer.t
    model.partial_fit(X_iris, y_iris)
    assert model._optimizer.t == steps + 1
    model.set_params(solver="rmsprop").partial_fit(X_iris, y_iris)
    assert (model._optimizer.name, model._optimizer.t) == ("rmsprop", 1)
    quiet(model.set_params(solver="lbfgs"), "fit", X_iris, y_iris)
    assert not hasattr(model, "_optimizer")
    model.set_params(solver="rmsprop").partial_fit(X_iris, y_iris)
    assert model._optimizer.t == 1


@pytest.mark.parametrize("kind", BOTH)
def test_a_new_learning_rate_replaces_the_one_that_adaptive_has_lowered(kind):
    model = fitted(kind, solver="sgd", learning_rate="adaptive", tol=10.0, n_iter_no_change=1)
    assert model._optimizer.learning_rate < 1e-3
    model.set_params(learning_rate_init=0.5, n_iter_no_change=9).partial_fit(X_iris, y_iris)
    assert model._optimizer.learning_rate == 0.5


def test_parameters_that_change_in_place_are_noticed():
    weights = {1: 1.0}
    model, twin = (fitted("classifier", class_weight=weights, warm_start=True) for _ in range(2))
    quiet(twin, "fit", X_iris, y_iris)
    weights[1] = 9.0
    quiet(model, "fit", X_iris, y_iris)
    assert model.best_loss_ > 1 > twin.best_loss_  # of the new loss


def test_a_changed_score_has_its_own_best():
    """An accuracy from before would never be reached by a negative loss, and the old parameters would come back."""
    model = fitted("classifier", early_stopping=True, warm_start=True, max_iter=5)
    model.set_params(scoring="neg_log_loss")
    quiet(model, "fit", X_iris, y_iris)
    assert len(model.validation_scores_) == 5 and model.best_validation_score_ == max(model.validation_scores_) < 0


def constant_scorer(value):
    def scorer(estimator, X, y):
        return value - np.abs(estimator.coefs_[0]).sum() * 1e-9

    return scorer


def test_a_pickle_remembers_which_score_was_watched():
    """The best value continues with the same function, and with no other."""
    model = fitted("classifier", early_stopping=True, warm_start=True, max_iter=5, scoring=constant_scorer(1000.0))
    best = model.best_validation_score_
    again = pickle.loads(pickle.dumps(pickle.loads(pickle.dumps(model))))
    assert quiet(again, "fit", X_iris, y_iris).best_validation_score_ >= best
    for scoring in (None, constant_scorer(7.0)):
        before, after = (copy.deepcopy(model) for _ in range(2))
        before = pickle.loads(pickle.dumps(before)).set_params(scoring=scoring)
        after = pickle.loads(pickle.dumps(after.set_params(scoring=scoring)))
        for loaded in (before, after):
            assert quiet(loaded, "fit", X_iris, y_iris).best_validation_score_ < 8


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(("before", "change"), [
    ({}, {"alpha": 50.0}), ({}, {"dropout": 0.9}),
    ({"solver": "adamw", "alpha": 1.0, "batch_size": 5}, {"solver": "adam"})])
def test_a_best_loss_that_cannot_be_compared_begins_anew(kind, before, change):
    """Else a warm start would stop while its own loss falls. Solver adamw leaves the penalty out of the loss."""
    model = fitted(kind, warm_start=True, learning_rate_init=0.05, max_iter=40, **before)
    start = len(model.loss_curve_)
    quiet(model.set_params(**change), "fit", X_iris, y_iris)
    assert model.best_loss_ == min(model.loss_curve_[start:]) > min(model.loss_curve_[:start])


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("sparse", [False, True])
def test_other_validation_data_have_their_own_best_score(kind, sparse):
    """So have examples that are held out in another way. Examples from other rows in the same way are compared."""
    X = csc_array(X_iris) if sparse else X_iris
    given = [{}, {"X_val": X[:70], "y_val": y_iris[:70]}, {"X_val": X[70:], "y_val": y_iris[70:]},
             {"X_val": X[70:], "y_val": y_iris[70:], "sample_weight_val": np.arange(80.0)}, {}]
    model = OURS[kind](**SMALL | {"early_stopping": True, "warm_start": True, "max_iter": 3})
    for arguments in given:
        for epochs in (3, 6):  # of the same data, the curves continue
            quiet(model, "fit", X, y_iris, **arguments)
            assert len(model.validation_scores_) == len(model.loss_curve_) == epochs
    for change in ({"validation_split": "last"}, {"validation_fraction": 0.3}):
        quiet(model.set_params(**change), "fit", X, y_iris)
        assert len(model.validation_scores_) == 3
    quiet(model, "fit", X[:140], y_iris[:140])
    assert len(model.validation_scores_) == 6


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_warm_starts_on_the_same_data_stay_those_of_scikit_learn(kind, early_stopping):
    """Also after a change of rates, and after a conversion."""
    parameters = SMALL | {"early_stopping": early_stopping, "warm_start": True}
    model, theirs = (quiet(classes[kind](**parameters), "fit", X_iris, y_iris) for classes in (OURS, THEIRS))
    converted = fastnn.from_sklearn(theirs)
    for one in (model, theirs, converted):
        quiet(one.set_params(learning_rate_init=0.02, tol=1e-3), "fit", X_iris, y_iris)
    for one in (model, converted):
        np.testing.assert_allclose(one.loss_curve_, theirs.loss_curve_, rtol=1e-8)
        np.testing.assert_allclose(predict(one), predict(theirs), rtol=1e-8)
        assert one.best_loss_ == pytest.approx(theirs.best_loss_) and one.n_iter_ == theirs.n_iter_


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("source", ["scikit-learn", "an early version", "arrays"])
def test_changes_to_a_fit_without_stored_parameters_are_obeyed_or_refused(kind, source):
    """Those of the optimiser are compared with what it has."""
    theirs = THEIRS[kind](**SMALL | {"solver": "sgd"})
    theirs.partial_fit(X_iris, y_iris, **{"classes": [0, 1, 2]} if kind == "classifier" else {})
    theirs.set_params(momentum=0.2)  # which scikit-learn ignores
    model = fastnn.from_sklearn(theirs)
    state = {name: value for name, value in model.__getstate__().items() if name != "_fitted_with"}
    if source != "scikit-learn":
        model = object.__new__(OURS[kind])
        (model.__setstate__ if source == "an early version" else vars(model).update)(state)
    if source == "arrays":
        del model._optimizer
    for invalid in ({"learning_rate_init": -1.0}, {"n_iter_no_change": 0}):
        with pytest.raises(ValueError, match=next(iter(invalid))):
            copy.copy(model).set_params(**invalid).partial_fit(X_iris, y_iris)
    model.set_params(learning_rate_init=0.5).partial_fit(X_iris, y_iris)
    assert (model._optimizer.learning_rate, model._optimizer.momentum) == (0.5, 0.2)


def test_parameters_set_in_a_callback_take_effect_with_the_next_call():
    def change(estimator, record):
        estimator.set_params(early_stopping=True, max_iter=2, shuffle=False, tol=10.0, learning_rate_init=0.9)

    model = quiet(OURS["classifier"](**SMALL, callbacks=[change]), "fit", X_iris, y_iris)
    np.testing.assert_array_equal(predict(model), predict(fitted("classifier")))
    again = quiet(model.set_params(warm_start=True, callbacks=()), "fit", X_iris, y_iris)
    assert again.n_iter_ == len(again.validation_scores_) == 2 and again._optimizer.learning_rate_init == 0.9


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_more_outputs_or_features_are_refused(kind, method):
    model = fitted(kind, warm_start=True)
    state = pickle.dumps(model)
    for X, y in ((X_iris, np.column_stack([y_iris > 0, y_iris > 1]).astype(int)), (X_iris[:, :3], y_iris)):
        with pytest.raises(ValueError, match=r"outputs|features|multilabel|classes"):
            getattr(model, method)(X, y)
        assert pickle.dumps(model) == state


# ---- Classes ---------------------------------------------------------------------------------------------------------

ONE = y_iris == 1


@pytest.mark.parametrize("warm_start", [True, False])
def test_announced_classes_need_not_occur(warm_start):
    """Neither in partial_fit, nor in a warm start; scikit-learn refuses the first if warm_start is set."""
    model, theirs = (classes["classifier"](**SMALL | {"warm_start": warm_start}) for classes in (OURS, THEIRS))
    model.partial_fit(X_iris[ONE], y_iris[ONE], classes=[2, 0, 1])
    for _ in range(3):
        model.partial_fit(X_iris[ONE][:1], y_iris[ONE][:1])
    theirs.set_params(warm_start=False).partial_fit(X_iris[ONE], y_iris[ONE], classes=[2, 0, 1])
    for _ in range(3):
        theirs.partial_fit(X_iris[ONE][:1], y_iris[ONE][:1])
    np.testing.assert_allclose(predict(model), predict(theirs), rtol=1e-8)
    quiet(model, "fit", X_iris[~ONE], y_iris[~ONE])
    assert model.classes_.tolist() == ([0, 1, 2] if warm_start else [0, 2])


def test_classes_of_a_fit_stay_in_a_warm_start():
    model = fitted("classifier", warm_start=True)
    with pytest.raises(ValueError, match="same classes as in the previous call to fit"):
        model.fit(X_iris[~ONE], y_iris[~ONE])
    model.partial_fit(X_iris[~ONE], y_iris[~ONE])
    with pytest.raises(ValueError, match="classes not in"):
        model.partial_fit(X_iris, y_iris + 1)


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("dtype", ["U1", object])
def test_texts_are_no_numbers(method, dtype):
    """NumPy compares 1 and '1' as texts."""
    text = y_iris.astype("U1").astype(dtype)
    for first, second in ((y_iris, text), (text, y_iris), (y_iris.astype(float), text)):
        model = quiet(OURS["classifier"](**SMALL, warm_start=True), "fit", X_iris, first)
        with pytest.raises(ValueError, match=r"of another type than `self.classes_`"):
            getattr(model, method)(X_iris, second)
        np.testing.assert_array_equal(quiet(model, method, X_iris, first).classes_, np.unique(first))


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_one_label_does_not_stand_for_several(method):
    several = np.column_stack([y_iris > 0, y_iris > 1, y_iris == 1]).astype(int)
    model = quiet(OURS["classifier"](**SMALL, warm_start=True), "fit", X_iris, several)
    with pytest.raises(ValueError, match="one label for each example"):
        getattr(model, method)(X_iris, y_iris)


@pytest.mark.parametrize("values", [[0, 2], [-1, 1], [1, 2]])
def test_labels_of_columns_are_0_and_1(values):
    """scikit-learn takes whatever is not 0 for 1, also -1."""
    several = np.column_stack([y_iris > 0, y_iris > 1]).astype(int)
    other = np.array(values)[several]
    model = quiet(OURS["classifier"](**SMALL), "fit", X_iris, several.astype(float))
    expected = predict(model)
    for call in (lambda: OURS["classifier"](**SMALL).fit(X_iris, other), lambda: model.partial_fit(X_iris, other),
                 lambda: OURS["classifier"](**SMALL).fit(X_iris, csr_array(other)),
                 lambda: model.fit(X_iris, several, X_val=X_iris, y_val=other)):
        with pytest.raises(ValueError, match=r"must hold 0 and 1, got (-1|2)|^Multioutput"):
            call()
    np.testing.assert_array_equal(predict(model), expected)
    with pytest.raises(ValueError, match="one label for each example"):
        model.fit(X_iris, several, X_val=X_iris, y_val=y_iris)


# ---- Schedules -------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["adam", "sgd"])
@pytest.mark.parametrize("schedule", ["cosine", "one_cycle"])
def test_schedules_of_max_iter_epochs_begin_anew_in_partial_fit(kind, solver, schedule):
    rates = []
    model = OURS[kind](hidden_layer_sizes=4, learning_rate=schedule, solver=solver, max_iter=3,
                       callbacks=[lambda estimator, record: rates.append(record["learning_rate"])])
    first = {"classes": [0, 1, 2]} if kind == "classifier" else {}
    for _ in range(9):
        model.partial_fit(X_iris, y_iris, **first)
    assert rates[:3] == rates[3:6] == rates[6:] and len(set(rates)) == 3
    rates.clear()
    quiet(model.set_params(warm_start=True), "fit", X_iris, y_iris)
    model.partial_fit(X_iris, y_iris)
    assert rates[3] == rates[0]


@pytest.mark.parametrize("kind", BOTH)
def test_batches_of_any_length_take_one_epoch_of_a_schedule(kind):
    model = fitted(kind, learning_rate="cosine", max_iter=4, batch_size=10)
    rates = []
    model.set_params(callbacks=[lambda estimator, record: rates.append(record["learning_rate"])])
    for length in (150, 10, 75, 30):
        model.partial_fit(X_iris[:length], y_iris[:length])
    steps = np.array([15, 1, 8, 3])
    t = np.arange(4) * steps + steps - 1  # of the last step
    np.testing.assert_allclose(rates, 5e-4 * (1 + np.cos(np.pi * t / (4 * steps))), rtol=1e-12)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(("schedule", "parameters"), [("adaptive", {"tol": 10.0, "n_iter_no_change": 1}),
                                                      ("invscaling", {"power_t": 2.0})])
def test_partial_fit_warns_if_the_learning_rate_has_vanished(kind, schedule, parameters):
    model = fitted(kind, solver="sgd", learning_rate=schedule, **parameters)
    with pytest.warns(UserWarning, match=f"learning_rate='{schedule}' has lowered the learning rate to"):
        model.partial_fit(X_iris, y_iris)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model.set_params(learning_rate="constant").partial_fit(X_iris, y_iris)


