"""Sample and class weights of the estimators: zeros, any scale."""

import warnings

import numpy as np
import pytest
from helpers.estimator_cases import OURS, THEIRS, WEIGHTS
from helpers.estimator_data import X_iris, quiet, y_iris
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import AdaBoostRegressor, BaggingClassifier, BaggingRegressor

from fastnn._data.weights import as_counts

BOTH = ["classifier", "regressor"]
SMALL = {"hidden_layer_sizes": 5, "max_iter": 6, "random_state": 0}
SOLVERS = ["sgd", "adam", "lbfgs"]
RNG = np.random.default_rng(11)


def fitted(kind, weights=None, method="fit", X=X_iris, y=y_iris, **parameters):
    return quiet(OURS[kind](**SMALL | parameters), method, X, y, sample_weight=weights, **(
        {"classes": [0, 1, 2]} if (method, kind) == ("partial_fit", "classifier") else {}))


def arrays(model):
    return np.concatenate([array.ravel() for array in [*model.coefs_, *model.intercepts_]])


# ---- Mini-batches without weight


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "rmsprop"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_mini_batch_without_weight_counts_for_nothing(kind, solver, method):
    """In a fixed order, everything is as if its rows were left out."""
    y, weights = np.arange(150) % 3, np.repeat([1.0, 0.0, 1.0], 50)  # the second of three mini-batches
    options = {"solver": solver, "shuffle": False, "batch_size": 50, "learning_rate": "invscaling", "alpha": 0.1}
    model = fitted(kind, weights, method, y=y, **options)
    rows = weights > 0
    same = fitted(kind, None, method, X_iris[rows], y[rows], **options)
    np.testing.assert_array_equal(arrays(model), arrays(same))
    assert model.loss_curve_ == same.loss_curve_ and model.t_ == same.t_
    assert model._optimizer.t == same._optimizer.t and model._optimizer.learning_rate == same._optimizer.learning_rate


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("batch_size", [1, 7, "auto"])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_few_rows_with_weight_are_enough(kind, batch_size, shuffle, early_stopping):
    weights = np.zeros(len(y_iris))
    weights[::10] = 1
    model = fitted(kind, weights, batch_size=batch_size, shuffle=shuffle, early_stopping=early_stopping,
                   validation_fraction=0.4)
    assert np.isfinite(arrays(model)).all() and np.isfinite(model.loss_curve_).all()


def test_a_class_weight_of_zero_may_leave_a_mini_batch_without_weight():
    options = {"shuffle": False, "batch_size": 50}
    model = fitted("classifier", class_weight={1: 0}, **options)
    np.testing.assert_array_equal(arrays(model), arrays(fitted("classifier", y_iris != 1, **options)))


@pytest.mark.parametrize("kind", ["cosine", "one_cycle"])
def test_a_schedule_ends_with_the_last_epoch(kind):
    """It also moves on in mini-batches without weight."""
    rates = []
    model = OURS["regressor"](**SMALL, learning_rate=kind, batch_size=10, shuffle=False,
                              callbacks=[lambda model, record: rates.append(record["learning_rate"])])
    for weights in (None, np.arange(150) < 20):
        quiet(model, "fit", X_iris, y_iris, sample_weight=weights)
    assert rates[:6] == rates[6:]


@pytest.mark.parametrize(("ensemble", "kind"), [(BaggingClassifier, "classifier"), (BaggingRegressor, "regressor")])
def test_bagging_trains_with_a_small_last_mini_batch(ensemble, kind):
    models = ensemble(OURS[kind](**SMALL, batch_size=149), n_estimators=5, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isfinite(models.fit(X_iris, y_iris).predict(X_iris)).all()


# ---- The scale of weights


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("weight", [5e-324, 1e-30, 1e-4, 0.5, 2, 1e30, 1e308])
def test_equal_weights_give_what_no_weights_give(kind, solver, dtype, weight):
    """Weights of powers of two become 1; others differ from it by a rounding, or by w L / w."""
    options = {"solver": solver, "dtype": dtype, "alpha": 1.0}
    expected, found = fitted(kind, **options), fitted(kind, np.full(150, weight), **options)
    tolerance = 1e-3 if dtype == "float32" else 1e-8
    np.testing.assert_allclose(arrays(found), arrays(expected), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("weight", [1e-300, 1e-4, 3, 1e300])
def test_equal_class_weights_give_what_none_give(solver, weight):
    options = {"solver": solver, "alpha": 1.0}
    expected = fitted("classifier", **options)
    for factors in ({0: weight, 1: weight, 2: weight}, {0: 1 / weight, 1: 1 / weight, 2: 1 / weight}):
        for given_weights in (None, np.full(150, weight)):
            found = fitted("classifier", given_weights, class_weight=factors, **options)
            np.testing.assert_allclose(arrays(found), arrays(expected), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("scale", [2.0**-1000, 2.0**-20, 2.0**40, 2.0**1000])
def test_of_weights_far_from_1_only_the_ratios_count(kind, method, scale):
    """Training, the validation loss and the score of early stopping."""
    weights, curves = RNG.uniform(0.5, 1.5, 150), []
    validation = {} if method == "partial_fit" else {"X_val": X_iris, "y_val": y_iris}
    for factor in (scale, 2.0**-21 if scale < 1 else 2.0**41):
        model = OURS[kind](**SMALL, alpha=1.0)
        own = {"sample_weight_val": factor * weights} if validation else {}
        own |= {"classes": [0, 1, 2]} if (method, kind) == ("partial_fit", "classifier") else {}
        quiet(model, method, X_iris, y_iris, sample_weight=factor * weights, **validation, **own)
        curves.append((arrays(model).tobytes(), model.loss_curve_, model.validation_scores_))
    assert curves[0] == curves[1]


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), exponent=st.integers(-1000, 1000), other=st.integers(-1000, 1000))
def test_counts_keep_the_ratios_of_weights_and_have_a_mean_near_1(seed, exponent, other):
    rng = np.random.default_rng(seed)
    weights = np.ldexp(rng.choice([0, 0.5, 1, 3], 20), exponent)
    weights[0] = np.ldexp(1.0, exponent)
    counts = as_counts(weights)
    np.testing.assert_allclose(counts / counts[0], np.ldexp(weights, -exponent), rtol=1e-15)
    assert 0.1 <= counts[counts > 0].mean() <= 1e6
    factors = rng.choice([0.5, 2], 20)
    together = as_counts(weights, np.ldexp(factors, other))
    np.testing.assert_allclose(together / together[0], np.ldexp(weights, -exponent) * factors / factors[0], rtol=1e-15)
    assert 0.1 <= together[together > 0].mean() <= 1e6


@pytest.mark.skipif(not WEIGHTS, reason="scikit-learn 1.6's MLP has no sample_weight")
@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("weights", [RNG.integers(0, 4, 150), RNG.uniform(0.2, 3, 150), np.arange(150) % 2])
def test_other_weights_give_what_they_give_in_scikit_learn(kind, weights):
    mine, theirs = (quiet(classes[kind](**SMALL, activation="tanh", alpha=1.0), "fit", X_iris, y_iris,
                          sample_weight=weights) for classes in (OURS, THEIRS))
    np.testing.assert_allclose(mine.loss_curve_, theirs.loss_curve_, rtol=1e-8)
    np.testing.assert_allclose(arrays(mine), arrays(theirs), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_the_penalty_of_a_mini_batch_with_little_weight_is_bounded(solver):
    """The last mini-batch, of one row, has a weight of 1e-12: a penalty of alpha / 1e-12 would end all learning."""
    weights = np.ones(150)
    weights[-1] = 1e-12
    options = {"solver": solver, "shuffle": False, "batch_size": 149, "max_iter": 50}
    model, plain = fitted("regressor", weights, **options), fitted("regressor", **options)
    np.testing.assert_allclose(model.loss_curve_, plain.loss_curve_, rtol=0.2)


def test_boosting_by_weights_that_add_up_to_1_trains():
    class Weighted(OURS["regressor"]):
        """Weights of boosting reach the fit, not a resampling."""

    w = RNG.uniform(0.5, 1, 150)
    scores = [quiet(Weighted(**SMALL | {"max_iter": 100}), "fit", X_iris, y_iris, sample_weight=one).score(
        X_iris, y_iris) for one in (w / w.sum(), None)]
    assert scores[0] == pytest.approx(scores[1], abs=0.02)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert AdaBoostRegressor(OURS["regressor"](**SMALL), n_estimators=2, random_state=0).fit(X_iris, y_iris)
