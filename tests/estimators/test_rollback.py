"""Calls of fit and partial_fit that raise: the estimator is as before, unfitted or with its previous fit."""

import pickle

import numpy as np
import pytest
from helpers.estimator_cases import BOTH, OURS
from helpers.estimator_data import SMALL, X_iris, fitted, predict, quiet, y_iris
from sklearn.exceptions import NotFittedError

FIRST = {"classifier": {"classes": [0, 1, 2]}, "regressor": {}}


def broken(*arguments):
    raise ValueError("broken")


def at_epoch(number, error=ValueError):
    """Return a callback that raises in this epoch of each fit."""
    epochs = []

    def callback(estimator, record):
        epochs.append(record["epoch"])
        if record["epoch"] == number:
            raise error("broken")

    return callback


# Parameters and arguments of a fit that raises a ValueError.
FAILURES = {
    "X_val of two columns": ({}, {"X_val": X_iris[:, :2], "y_val": y_iris}),
    "no y_val": ({}, {"X_val": X_iris}),
    "lengths": ({}, {"X_val": X_iris, "y_val": y_iris[1:]}),
    "nothing held out": ({"early_stopping": True, "validation_fraction": 0.001}, {}),
    "a scorer": ({"early_stopping": True, "scoring": broken}, {}),
    "negative weights": ({}, {"sample_weight": -np.ones(len(y_iris))}),
    "a callback": ({"callbacks": [at_epoch(3)]}, {}),
    "a callback of lbfgs": ({"callbacks": [at_epoch(3)], "solver": "lbfgs"}, {}),
    "lbfgs with dropout": ({"dropout": 0.5, "solver": "lbfgs"}, {}),
    "dropout rates": ({"dropout": (0.1, 0.2)}, {}),
    "activations": ({"activation": ("tanh", "relu")}, {}),
    "divergence": ({"solver": "sgd", "learning_rate_init": 1e200, "activation": "identity"}, {}),
    "units": ({"hidden_layer_sizes": (0,)}, {}),
}


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("failure", FAILURES)
def test_a_first_fit_that_raises_leaves_an_unfitted_estimator(kind, failure):
    parameters, arguments = FAILURES[failure]
    model = OURS[kind](**SMALL | parameters)
    before = dict(vars(model))
    with pytest.raises(ValueError):
        quiet(model, "fit", X_iris, y_iris, **arguments)
    assert vars(model) == before
    for method in ("predict", "transform", "predict_proba", "predict_log_proba", "score"):
        if hasattr(model, method):
            with pytest.raises(NotFittedError):
                getattr(model, method)(X_iris, *[y_iris] * (method == "score"))
    model.set_params(**OURS[kind](**SMALL).get_params())
    np.testing.assert_array_equal(predict(quiet(model, "fit", X_iris, y_iris)), predict(fitted(kind)))


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize(("warm_start", "solver"), [(False, "adam"), (True, "sgd"), (True, "lbfgs")])
def test_a_later_fit_that_raises_changes_nothing(kind, failure, warm_start, solver):
    """In a warm start, too, which trains the parameters in place."""
    parameters, arguments = FAILURES[failure]
    model = fitted(kind, warm_start=warm_start, solver=solver)
    model.set_params(**{"solver": "adam"} | parameters)
    before, predictions = pickle.dumps(vars(model).get("_optimizer")), predict(fitted(kind, solver=solver))
    attributes = {name: value for name, value in vars(model).items() if name.endswith("_")}
    with pytest.raises(ValueError):
        quiet(model, "fit", X_iris, y_iris, **arguments)
    model.set_params(**OURS[kind](**SMALL).get_params())
    np.testing.assert_array_equal(predict(model), predictions)
    assert pickle.dumps(vars(model).get("_optimizer")) == before
    assert {name: value for name, value in vars(model).items() if name.endswith("_")} == attributes


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("parameters", [{"callbacks": [at_epoch(1)]}, {"dropout": (0.1, 0.2)}],
                         ids=["callbacks", "dropout"])
def test_a_first_partial_fit_that_raises_leaves_an_unfitted_estimator(kind, parameters):
    model = OURS[kind](**SMALL | parameters)
    before = dict(vars(model))
    with pytest.raises(ValueError):
        model.partial_fit(X_iris, y_iris, **FIRST[kind])
    assert vars(model) == before


def test_classes_of_a_partial_fit_that_raised_are_forgotten():
    model = OURS["classifier"](**SMALL)
    for bad in ([0, 1], [0, 1, 2]):
        with pytest.raises(ValueError):
            model.partial_fit(X_iris[:, :0] if len(bad) == 3 else X_iris, y_iris, classes=bad)
    model.partial_fit(X_iris, y_iris + 5, classes=[5, 6, 7])
    assert model.classes_.tolist() == [5, 6, 7]


@pytest.mark.parametrize("kind", BOTH)
def test_a_later_partial_fit_keeps_its_steps_when_a_callback_raises(kind):
    model, twin = fitted(kind), fitted(kind)
    model.set_params(callbacks=[at_epoch(1)])
    with pytest.raises(ValueError, match="broken"):
        model.partial_fit(X_iris, y_iris)
    twin.partial_fit(X_iris, y_iris)
    np.testing.assert_array_equal(predict(model), predict(twin))
    assert model.loss_curve_ == twin.loss_curve_ and model.t_ == twin.t_
    model.set_params(callbacks=()).partial_fit(X_iris, y_iris)
    np.testing.assert_array_equal(predict(model), predict(twin.partial_fit(X_iris, y_iris)))


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_partial_fit_without_a_finite_loss_changes_nothing(solver):
    """The core makes no step whose loss is not finite."""
    model = fitted("regressor", solver=solver)
    before = pickle.dumps(model)
    for _ in range(2):
        with pytest.raises(ValueError, match="non-finite"), np.errstate(over="ignore"):
            model.partial_fit(X_iris, y_iris * 1e300)
        assert pickle.dumps(model) == before


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_a_partial_fit_counts_the_steps_that_it_keeps(solver):
    """One mini-batch of four has a loss that is not finite: the state is that of a call without its examples."""
    model = OURS["regressor"](hidden_layer_sizes=4, solver=solver, batch_size=30, shuffle=False, random_state=0)
    model.partial_fit(X_iris, y_iris)
    twin = pickle.loads(pickle.dumps(model))
    y = np.where(np.arange(150) == 40, 1e300, y_iris)
    with pytest.raises(ValueError, match="non-finite"), np.errstate(over="ignore"):
        model.partial_fit(X_iris, y)
    rows = np.delete(np.arange(150), slice(30, 60))
    twin.partial_fit(X_iris[rows], y_iris[rows])
    for one, other in ((model.coefs_, twin.coefs_), (model._optimizer.state.arenas, twin._optimizer.state.arenas)):
        np.testing.assert_equal(one, other)
    assert model.loss_curve_ == twin.loss_curve_
    assert (model._optimizer.t, model.t_, model.n_iter_, len(model.loss_curve_)) == (9, 270, twin.n_iter_, 2)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_an_interrupted_fit_keeps_what_was_learned(kind, solver):
    """As in scikit-learn, where fits by L-BFGS raise it."""
    model = OURS[kind](**SMALL | {"solver": solver, "callbacks": [at_epoch(3, KeyboardInterrupt)]})
    if solver == "lbfgs":
        with pytest.raises(KeyboardInterrupt):
            quiet(model, "fit", X_iris, y_iris)
    else:
        with pytest.warns(UserWarning, match="interrupted"):
            model.fit(X_iris, y_iris)
    assert len(model.loss_curve_) == 3
    short = fitted(kind, solver=solver, max_iter=3)
    if solver == "adam":
        np.testing.assert_array_equal(predict(model), predict(short))
    assert np.isfinite(predict(model)).all()


@pytest.mark.parametrize("kind", BOTH)
def test_a_fit_that_raises_gives_back_its_random_draws(kind):
    stream = np.random.RandomState(3)
    model = quiet(OURS[kind](**SMALL | {"random_state": stream}), "fit", X_iris, y_iris)
    before = pickle.dumps(model)
    with pytest.raises(ValueError):
        model.fit(X_iris, y_iris, X_val=X_iris)
    assert pickle.dumps(model) == before and model.random_state is stream


@pytest.mark.parametrize("kind", BOTH)
def test_a_fit_that_raises_leaves_the_global_generator(kind):
    """The first epoch, which checks X, has drawn the parameters and an order by then."""
    X = X_iris.copy()
    X[-1, 0] = np.nan
    before = np.random.get_state()[1:3]
    with pytest.raises(ValueError, match="NaN"):
        OURS[kind](**SMALL | {"random_state": None}).fit(X, y_iris)
    after = np.random.get_state()[1:3]
    assert after[1] == before[1] and np.array_equal(after[0], before[0])


@pytest.mark.parametrize("kind", BOTH)
def test_attributes_of_the_user_survive(kind):
    def callback(estimator, record):
        estimator.notes.append(record["loss"])
        estimator.set_params(alpha=0.5)
        raise ValueError("broken")

    model = OURS[kind](**SMALL, callbacks=[callback])
    model.notes = []
    with pytest.raises(ValueError, match="broken"):
        model.fit(X_iris, y_iris)
    assert len(model.notes) == 1 and model.alpha == 0.5


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_fit_within_the_same_fit_is_refused(kind, method):
    """Fits of other estimators in a callback are not."""
    def callback(estimator, record):
        fitted(kind)
        getattr(estimator, method)(X_iris, y_iris)

    model = OURS[kind](**SMALL, callbacks=[callback])
    before = dict(vars(model))
    with pytest.raises(RuntimeError, match="is being trained"):
        model.fit(X_iris, y_iris)
    assert vars(model) == before
    quiet(model.set_params(callbacks=()), "fit", X_iris, y_iris)
    assert "_in_training" not in vars(model)
