"""The scale of a regressor's targets: standardised inside, hinted at, and compared with that of y_val."""

import pickle
import warnings

import numpy as np
import pytest
from helpers.estimator_cases import OURS, THEIRS
from helpers.estimator_data import SMALL, caught_in, quiet
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import ConvergenceWarning
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import InvalidParameterError

import fastnn

RNG = np.random.default_rng(0)
X = RNG.standard_normal((200, 4))
y = X[:, 0] - X[:, 1] ** 2 + 0.1 * RNG.standard_normal(200)
Y = np.column_stack([y, 1e4 * X[:, 2] + 5e5])
W = RNG.uniform(0.5, 2, 200)
EPS = np.finfo(np.float64).eps
MLP = OURS["regressor"]
FITS = {"hidden_layer_sizes": 16, "learning_rate_init": 0.01, "max_iter": 60, "random_state": 0}


def standardised(target, weights=None):
    """Return the target with mean 0 and standard deviation 1, both weighted."""
    mean = np.average(target, axis=0, weights=weights)
    return (target - mean) / np.sqrt(np.average((target - mean) ** 2, axis=0, weights=weights))


# ---- normalize_y -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
@pytest.mark.parametrize(("target", "weights"), [(1e-3 * y + 7, None), (1e4 * y, W), (Y, None), (Y, W)])
def test_normalize_y_trains_on_the_standardised_targets(solver, loss, target, weights):
    """It equals a fit on them whose predictions are scaled back, up to the rounding of the targets.

    Targets of 7 +- 0.001 lose 4 digits when the mean is subtracted; training amplifies that by a few digits.
    """
    own = FITS | {"solver": solver, "loss": loss, "max_iter": 20}
    mine = quiet(MLP(**own, normalize_y=True), "fit", X, target, weights)
    inside = quiet(MLP(**own), "fit", X, standardised(target, weights), weights)
    scale = np.sqrt(np.average((target - np.average(target, axis=0, weights=weights)) ** 2, axis=0, weights=weights))
    expected = inside.predict(X) * scale + np.average(target, axis=0, weights=weights)
    np.testing.assert_allclose(mine.coefs_[0], inside.coefs_[0], rtol=0, atol=1e-6)
    np.testing.assert_allclose(mine.loss_, inside.loss_, rtol=1e-6)
    np.testing.assert_allclose(mine.predict(X) / scale, expected / scale, rtol=1e-6)


@settings(max_examples=20)
@given(st.integers(-60, 60), st.integers(-5, 5), st.booleans())
def test_the_unit_of_the_targets_does_not_matter(power, shift, early_stopping):
    """For powers of two the scaled targets are the same numbers."""
    factor = 2.0 ** power
    models = [quiet(MLP(**FITS | {"max_iter": 3}, normalize_y=True, early_stopping=early_stopping), "fit", X,
                    factor * np.round(256 * y + shift)) for factor in (1.0, factor)]
    np.testing.assert_array_equal(models[1].predict(X), factor * models[0].predict(X))
    assert models[0].loss_curve_ == models[1].loss_curve_


def test_scores_and_validation_targets_are_in_the_units_of_y():
    target = 1e4 * y + 3e5
    model = MLP(**FITS, normalize_y=True, early_stopping=True)
    assert not caught_in(model, X[:150], target[:150], X_val=X[150:], y_val=target[150:])
    assert model.best_validation_score_ == pytest.approx(model.score(X[150:], target[150:]), rel=1e-12)
    assert model.best_validation_score_ > 0.7
    named = quiet(MLP(**FITS, normalize_y=True, early_stopping=True, scoring="neg_mean_absolute_error"), "fit",
                  X[:150], target[:150], X_val=X[150:], y_val=target[150:])
    assert named.best_validation_score_ == pytest.approx(-np.abs(named.predict(X[150:]) - target[150:]).mean())


def test_the_scale_is_that_of_the_examples_trained_on():
    target = np.where(np.arange(200) < 150, y, 1e6)
    model = quiet(MLP(**FITS, normalize_y=True, early_stopping=True, validation_split="last",
                      validation_fraction=0.25, scoring="loss"), "fit", X, target)
    np.testing.assert_allclose([model.y_mean_[0], model.y_scale_[0]], [y[:150].mean(), y[:150].std()], rtol=1e-12)


@pytest.mark.parametrize("value", [0.0, 3.0, 1e300, -1e-300, 0.1])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_constant_targets_are_predicted(value, solver):
    model = quiet(MLP(**FITS, solver=solver, normalize_y=True), "fit", X, np.full(200, value))
    assert model.y_scale_ == [1.0]
    np.testing.assert_allclose(model.predict(X), value, atol=1.0)


@pytest.mark.parametrize("factor", [1e-300, 1e-160, 1e160, 1e307])
def test_extreme_units_neither_overflow_nor_underflow(factor):
    target = factor * np.round(y)
    model = quiet(MLP(**FITS, normalize_y=True), "fit", X, target)
    assert np.isfinite(model.predict(X)).all()
    np.testing.assert_allclose(model.y_scale_ / factor, np.round(y).std(), rtol=1e-12)


def test_partial_fit_and_warm_start_keep_the_first_scale():
    model = MLP(**FITS, normalize_y=True)
    model.partial_fit(X[:50], y[:50])
    quiet(model, "partial_fit", X[50:], 100 * y[50:])
    model.set_params(warm_start=True)
    quiet(model, "fit", X, 100 * y)
    np.testing.assert_allclose([model.y_mean_[0], model.y_scale_[0]], [y[:50].mean(), y[:50].std()], rtol=1e-13)
    quiet(model.set_params(warm_start=False), "fit", X, 100 * y)
    np.testing.assert_allclose(model.y_scale_, 100 * y.std())


@pytest.mark.parametrize("before", [True, False])
def test_a_change_of_normalize_y_does_not_continue_a_fit(before):
    model = quiet(MLP(**FITS, normalize_y=before, warm_start=True), "fit", X, y)
    predictions = model.predict(X)
    model.set_params(normalize_y=not before)
    np.testing.assert_array_equal(model.predict(X), predictions)
    for method in ("fit", "partial_fit"):
        with pytest.raises(ValueError, match=f"normalize_y={not before} differs from the fit"):
            getattr(model, method)(X, y)
    np.testing.assert_array_equal(model.predict(X), predictions)
    quiet(model.set_params(warm_start=False), "fit", X, y)
    assert hasattr(model, "y_scale_") == (not before)


def test_normalize_y_is_not_for_counts():
    with pytest.raises(ValueError, match="normalize_y=True is not for loss='poisson'"):
        MLP(loss="poisson", normalize_y=True).fit(X, np.abs(y))
    with pytest.raises(InvalidParameterError, match="normalize_y"):
        MLP(normalize_y="yes").fit(X, y)


@pytest.mark.parametrize("early_stopping", [False, True])
@pytest.mark.parametrize("target", [1e4 * y, Y])
def test_conversion_folds_the_scale_into_the_output_layer(target, early_stopping):
    """Sums of 16 products in another order differ by less than 32 units in the last place of their largest term."""
    model = quiet(MLP(**FITS, normalize_y=True, early_stopping=early_stopping), "fit", X, target)
    theirs = model.to_sklearn()
    np.testing.assert_allclose(theirs.predict(X), model.predict(X), rtol=0, atol=32 * 8 * EPS * np.abs(target).max())
    assert type(theirs) is THEIRS["regressor"] and not hasattr(theirs, "_optimizer")
    if not early_stopping:
        theirs.partial_fit(X, target)
    again = fastnn.estimators.from_sklearn(model.to_sklearn())
    np.testing.assert_allclose(again.predict(X), model.predict(X), rtol=0, atol=32 * 8 * EPS * np.abs(target).max())


def test_the_scale_is_pickled_and_single_precision_is_kept():
    model = quiet(MLP(**FITS, normalize_y=True), "fit", X.astype(np.float32), 1e4 * y)
    predictions = model.predict(X.astype(np.float32))
    assert predictions.dtype == np.float32
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(model)).predict(X.astype(np.float32)), predictions)


# ---- The hint --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("loss", ["squared_error", "absolute_error", "huber", "quantile"])
@pytest.mark.parametrize(("factor", "early_stopping", "solver"), [
    (1e-3, True, "adam"), (1e4, False, "adam"), (1e4, True, "sgd"), (1e-3, False, "sgd")])
def test_a_fit_that_fails_for_the_scale_of_y_says_so(loss, factor, early_stopping, solver):
    own = FITS | {"loss": loss, "early_stopping": early_stopping, "solver": solver, "learning_rate_init": 0.001,
                  "clip_norm": 1.0, "max_iter": 30}
    model = MLP(**own, quantile=0.8)
    texts = [text for text in caught_in(model, X, factor * y) if not text.startswith("early stopping")]
    assert len(texts) == 1 or model.score(X, factor * y) > 0.1
    assert all("The scale of the targets is far" in text and "normalize_y=True" in text for text in texts)
    assert not [text for text in caught_in(model.set_params(normalize_y=True), X, factor * y) if "scale" in text]


def test_a_mean_that_is_far_from_zero_is_a_scale():
    assert "mean 1e+04 and standard deviation" in caught_in(MLP(**FITS), X, y + 1e4)[0]


@pytest.mark.parametrize("target", [y, 20 * y, 0.05 * y, 3 * y + 20, np.full(200, 1e4), RNG.standard_normal(200)])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_fits_that_succeed_or_have_ordinary_targets_say_nothing(target, solver):
    model = MLP(**FITS | {"max_iter": 100, "learning_rate_init": 0.05}, solver=solver)
    assert not [text for text in caught_in(model, X, target) if "scale" in text]


def test_noise_of_a_far_scale_is_not_a_failure():
    for seed in range(4):
        noise = 100 * np.random.default_rng(seed).standard_normal((200, 2))
        for target in (noise, noise[:, 0]):
            assert not caught_in(MLP(**FITS | {"max_iter": 10}), X, target)
    assert len(caught_in(MLP(**FITS | {"max_iter": 10}), X, np.column_stack([noise[:, 0], 100 * X[:, 1]]))) == 1


def test_a_warm_start_on_another_scale_than_the_first_fit_says_so():
    model = MLP(**FITS, normalize_y=True, warm_start=True)
    assert not caught_in(model, X, y)
    text, = caught_in(model, X, 1e4 * y)
    assert "far from that of the first fit" in text and text.endswith("a warm start keeps y_mean_ and y_scale_")
    assert not caught_in(model, X, 2 * y + 1)


@pytest.mark.parametrize(("first", "later", "text"), [
    (y[:1], None, "y has a single value, and no spread"),
    (np.full(8, 3.0), None, "y has a single value, and no spread"),
    (y[:20], 1000 * y, "y is on another scale than in the first call"),
    (Y[:20], Y * [1, 1000], "y is on another scale than in the first call")])
def test_a_stream_whose_first_targets_do_not_show_the_scale_says_so(first, later, text):
    model = MLP(**FITS, normalize_y=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        if later is not None:
            model.partial_fit(X[: len(first)], first)
            model.partial_fit(X[: len(first)], first + first.std(axis=0))
    with pytest.warns(ConvergenceWarning, match=text):
        model.partial_fit(*(X[: len(first)], first) if later is None else (X, later))


def test_unknown_targets_have_no_scale():
    known = np.where(np.arange(400).reshape(200, 2) % 3, 1.0, 0.0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        model = MLP(**FITS, normalize_y=True).partial_fit(X, Y, known)
        model.partial_fit(X, np.where(known > 0, Y, 1e12), known)
        model.partial_fit(X, Y * [1, 1e6], known * [1, 0])


def test_partial_fit_says_nothing():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        MLP(**SMALL).partial_fit(X, 1e4 * y)


def test_counts_are_not_to_be_standardised():
    text, = caught_in(MLP(**FITS | {"loss": "poisson", "learning_rate_init": 1e-4}), X, np.exp(y + 9))
    assert "The scale of the targets is far" in text and "normalize_y" not in text


# ---- y_val -----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("target", [200 * y + 1000, 0.001 * y + 5, np.exp(y + 8)])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_a_y_val_that_was_not_transformed_is_named(target, early_stopping):
    inner = MLP(**FITS, early_stopping=early_stopping)
    model = TransformedTargetRegressor(inner, transformer=StandardScaler())
    texts = caught_in(model, X[:150], target[:150], X_val=X[150:], y_val=target[150:])
    assert texts[0].startswith("y_val is on another scale than y: median and standard deviation are ")
    scaled = StandardScaler().fit(target[:150, None]).transform(target[150:, None])[:, 0]
    assert not [text for text in caught_in(model, X[:150], target[:150], X_val=X[150:], y_val=scaled)
                if "another scale" in text]


def test_the_output_on_another_scale_is_named():
    wrong = np.column_stack([y, standardised(Y[:, 1])])
    assert "of output 1 are" in caught_in(MLP(**FITS), X, Y, X_val=X, y_val=wrong)[0]


@pytest.mark.parametrize("validated", [
    y + 3, 4 * y, y / 5, y[:2], y[:1], np.full(50, 0.5), np.where(np.arange(200) == 7, 1e3, y), np.abs(y) - 2])
def test_honest_shifts_are_not_named(validated):
    for target, other in ((y, validated), (validated, y)):
        if len(target) == 200:
            texts = caught_in(MLP(**FITS | {"max_iter": 2}), X, target, X_val=X[: len(other)], y_val=other)
            assert not [text for text in texts if "another scale" in text]
