"""MLPRegressor with several levels of the quantile loss, and with the Gaussian likelihood."""

import pickle

import numpy as np
import pytest
from helpers.estimator_cases import OURS, WEIGHTS  # skips this file without scikit-learn
from sklearn.base import clone
from sklearn.metrics import d2_pinball_score, mean_pinball_loss, r2_score
from sklearn.model_selection import cross_val_score

MLPRegressor = OURS["regressor"]
RNG = np.random.default_rng(5)
M = 300
X = RNG.uniform(-2, 2, (M, 2))
Y = np.sin(X[:, 0]) + (0.1 + 0.3 * (X[:, 1] > 0)) * RNG.normal(size=M)
BOTH = np.column_stack([Y, 5 - 20 * Y])
LEVELS = [0.1, 0.5, 0.9]


def regressor(loss, **parameters):
    defaults = {"hidden_layer_sizes": (12,), "activation": "tanh", "learning_rate_init": 0.01, "random_state": 0,
                "max_iter": 100, "tol": 0.0, "n_iter_no_change": 1000}
    return MLPRegressor(loss, **(defaults | parameters))


def quantiles(**parameters):
    return regressor("quantile", quantile=LEVELS, **parameters)


pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def test_levels_have_their_shares_and_never_cross():
    for y, shape in ((Y, (M, 3)), (Y[:, None].ravel(), (M, 3)), (BOTH, (M, 2, 3))):
        predicted = quantiles(normalize_y=True).fit(X, y).predict(X)
        assert predicted.shape == shape
        assert (np.diff(predicted, axis=-1) >= 0).all()
        assert np.abs(np.mean(y[..., None] < predicted, axis=0) - LEVELS).max() < 0.08
    assert regressor("quantile", quantile=[0.3], max_iter=1).fit(X, Y).predict(X).shape == (M, 1)


def test_one_level_as_a_number_is_as_before():
    one, sequence = regressor("quantile", quantile=0.3), regressor("quantile", quantile=(0.3,))
    assert np.array_equal(one.fit(X, Y).predict(X), sequence.fit(X, Y).predict(X)[:, 0])
    assert one.loss_curve_ == sequence.loss_curve_


@pytest.mark.parametrize("y", [Y, BOTH], ids=["one target", "two targets"])
@pytest.mark.parametrize("weighted", [False, True])
def test_score_of_levels_is_the_mean_of_d2(y, weighted):
    weights = RNG.uniform(size=M) if weighted else None
    levels = quantiles(max_iter=20).fit(X, y)
    predicted = levels.predict(X)
    expected = np.mean([d2_pinball_score(y, predicted[..., i], alpha=q, sample_weight=weights)
                        for i, q in enumerate(LEVELS)])
    assert levels.score(X, y, weights) == pytest.approx(expected, rel=1e-12)


def test_reported_loss_is_the_sum_over_levels():
    """One batch per epoch: the loss before the second step is that of the predictions after the first."""
    levels = quantiles(alpha=0.0, batch_size=M, max_iter=1, hidden_layer_sizes=()).fit(X, Y)
    outputs = X @ levels.coefs_[0] + levels.intercepts_[0]
    levels.partial_fit(X, Y)
    assert levels.loss_ == pytest.approx(sum(mean_pinball_loss(Y, outputs[:, i], alpha=q)
                                             for i, q in enumerate(LEVELS)), rel=1e-12)


@pytest.mark.parametrize("normalize_y", [False, True])
@pytest.mark.parametrize("y", [Y, BOTH], ids=["one target", "two targets"])
def test_gaussian_gives_means_and_deviations(y, normalize_y):
    regr = regressor("gaussian", normalize_y=normalize_y).fit(X, y)
    mean, std = regr.predict(X, return_std=True)
    assert mean.shape == std.shape == y.shape and np.array_equal(mean, regr.predict(X))
    assert regr.score(X, y) == pytest.approx(r2_score(y, mean), rel=1e-12)
    if normalize_y or y.ndim == 1:
        quiet, loud = (np.mean(std[rows], axis=0) for rows in (X[:, 1] < -0.5, X[:, 1] > 0.5))
        assert (loud > 1.5 * quiet).all()
        share = np.mean(np.abs(y - mean) < std, axis=0)  # 0.68 of a normal distribution
        assert ((share > 0.6) & (share < 0.8)).all()


@pytest.mark.parametrize("make", [quantiles, lambda **p: regressor("gaussian", **p)], ids=["quantiles", "gaussian"])
@pytest.mark.parametrize("solver", ["adam", "sgd", "lbfgs"])
def test_all_solvers_and_ways_of_a_fit(make, solver):
    regr = make(solver=solver, max_iter=30).fit(X, BOTH)
    before = regr.predict(X)
    assert np.array_equal(pickle.loads(pickle.dumps(regr)).predict(X), before)
    assert np.array_equal(clone(regr).fit(X, BOTH).predict(X), before)
    if solver == "lbfgs":
        return
    for more in ({"early_stopping": True}, {"early_stopping": True, "scoring": "loss"}, {"warm_start": True}):
        one = make(solver=solver, max_iter=5, **more).fit(X, BOTH)
        assert np.isfinite(one.score(X, BOTH))
    held = make(solver=solver, max_iter=5).fit(X, BOTH, X_val=X[:50], y_val=BOTH[:50])
    assert held.validation_scores_[-1] == pytest.approx(held.score(X[:50], BOTH[:50]), rel=1e-9)
    units = held.n_outputs_
    with pytest.raises(ValueError, match=f"1 outputs of {units // 2} units each, but .* fitted with {units} units"):
        held.partial_fit(X, Y)


@pytest.mark.parametrize("make", [quantiles, lambda **p: regressor("gaussian", **p)], ids=["quantiles", "gaussian"])
def test_each_target_may_have_its_own_weight(make):
    """A target without weight, of any size, does not count; in networks either."""
    known = RNG.random(BOTH.shape) < 0.5
    one, other = (make(max_iter=5).fit(X, y, sample_weight=known) for y in (BOTH, np.where(known, BOTH, 1e6)))
    assert np.array_equal(one.predict(X), other.predict(X))
    assert not WEIGHTS or one.score(X, BOTH, known) == pytest.approx(np.mean([  # 1.6 has other weighted quantiles
        one._score_of_examples(BOTH[known[:, k], k], one.predict(X)[known[:, k], k], None) for k in (0, 1)]))


@pytest.mark.parametrize("make", [quantiles, lambda **p: regressor("gaussian", **p)], ids=["quantiles", "gaussian"])
@pytest.mark.parametrize("y", [Y, BOTH], ids=["one target", "two targets"])
def test_samples_with_dropout_are_of_predictions_in_units_of_y(make, y):
    """A dropout that is nearly 0 changes nothing: means and deviations are those without it."""
    regr = make(normalize_y=True, max_iter=20, dropout=1e-13).fit(X, y)
    mean, std = regr.predict(X, dropout_samples=3, return_std=True, random_state=0)
    np.testing.assert_allclose(mean, regr.predict(X), rtol=1e-9, atol=1e-9)
    expected = regr.predict(X, return_std=True)[1] if regr.loss == "gaussian" else np.zeros(mean.shape)
    np.testing.assert_allclose(std, expected, rtol=1e-9, atol=1e-6)


def test_cross_validation_judges_the_levels():
    assert (cross_val_score(quantiles(), X, Y, cv=3) > 0.3).all()


@pytest.mark.parametrize("y", [Y, BOTH], ids=["one target", "two targets"])
@pytest.mark.parametrize("normalize_y", [False, True])
@pytest.mark.parametrize("parameters", [("gaussian",), ("quantile", 0.3), ("quantile", [0.3]), ("quantile", LEVELS)],
                         ids=str)
def test_input_gradients_are_the_slopes_of_the_predictions(y, normalize_y, parameters):
    loss, *level = parameters
    levels = {"quantile": level[0]} if level else {}
    model = regressor(loss, **levels, normalize_y=normalize_y, max_iter=2).fit(X, y)  # outputs cross in some rows
    slopes = [(model.predict(X + h) - model.predict(X - h)) / 2e-6 for h in 1e-6 * np.eye(2)]
    found, expected = model.input_gradients(X), np.stack(slopes, axis=-1)
    # Rounding: eps |f| / 1e-6, of the order of 1e-9; a pair of outputs that cross within 1e-6 of a row is rare.
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-6 * (1 + np.abs(expected).max()))
    for k in range(expected.shape[1] if expected.ndim > 2 else 1):
        one = model.input_gradients(X, output=k)
        assert np.array_equal(one, found[:, k] if expected.ndim > 2 else found)
    with pytest.raises(ValueError, match="output must be None or a whole number from 0 to "):
        model.input_gradients(X, output=3)


def test_input_gradients_follow_the_order_of_sorting():
    model = quantiles(hidden_layer_sizes=(), max_iter=1).fit(X, Y)
    model.coefs_[0][...], model.intercepts_[0][...] = [[1, 0, -1], [0, 0, 0]], 0
    right, left = [[1, 0], [0, 0], [-1, 0]], [[-1, 0], [0, 0], [1, 0]]
    assert model.input_gradients([[-1.0, 0], [1, 0]]).tolist() == [right, left]


@pytest.mark.parametrize(("make", "text"), [
    (lambda: regressor("quantile", quantile=[0.9, 0.1]).fit(X, Y), r"quantile: q must hold increasing levels"),
    (lambda: regressor("quantile", quantile=[0.1, 1.5]).fit(X, Y), r"quantile: q\[1\] must be finite and above 0"),
    (lambda: regressor("squared_error", max_iter=1).fit(X, Y).predict(X, return_std=True),
     "return_std needs loss='gaussian', got 'squared_error'"),
    (lambda: regressor("gaussian", max_iter=1).fit(X, Y).to_sklearn(), "several outputs for each target|has no loss"),
])
def test_misuse_is_refused(make, text):
    with pytest.raises(ValueError, match=text):
        make()


@pytest.mark.parametrize("wrong", ["no", 1, None])
def test_return_std_is_true_or_false(wrong):
    model = regressor("gaussian", max_iter=1).fit(X, Y)
    with pytest.raises(TypeError, match="return_std must be True or False"):
        model.predict(X, return_std=wrong)
    assert len(model.predict(X, return_std=np.True_)) == 2
