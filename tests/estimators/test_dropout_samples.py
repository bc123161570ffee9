"""Predictions of the estimators with dropout."""

import numpy as np
import pytest
import scipy.sparse
from helpers.estimator_cases import OURS
from helpers.estimator_data import SMALL, X_iris, quiet, y_iris

from fastnn import reference

CORE = {"logistic": "sigmoid"}


def trained(kind, y, X=X_iris, **parameters):
    return quiet(OURS[kind](**SMALL | {"dropout": 0.4, "activation": "tanh"} | parameters), "fit", X, y)


def samples(model, n_samples, random_state):
    """A[L] of each sample by the reference, (samples, m, n[L])."""
    seed, m = int(np.random.RandomState(random_state).randint(2**31 - 1)), len(X_iris)
    W, b = [coef.T for coef in model.coefs_], [intercept[:, None] for intercept in model.intercepts_]
    names = ["tanh", CORE.get(model.out_activation_, model.out_activation_)]
    masks = [[reference.dropout_mask(0.4, (len(W[0]), m), seed=seed, step=step, layer=1)] for step in range(n_samples)]
    return np.array([reference.forward(X_iris.T, W, b, names, mask)[1][-1].T for mask in masks])


def test_probabilities_are_means_over_samples():
    for y, columns in ((y_iris, 3), (y_iris == 1, 2), (np.eye(3, dtype=int)[y_iris], 3)):
        model = trained("classifier", y)
        mean = samples(model, 6, 3).mean(axis=0)
        expected = np.hstack([1 - mean, mean]) if mean.shape[1] == 1 else mean
        found = model.predict_proba(X_iris, dropout_samples=6, random_state=3)
        assert found.shape == (len(X_iris), columns)
        np.testing.assert_allclose(found, expected, atol=1e-12)


def test_a_single_class_has_one_column_of_ones():
    model = trained("classifier", np.zeros(len(X_iris)))
    assert np.array_equal(model.predict_proba(X_iris, dropout_samples=2), np.ones((len(X_iris), 1)))


@pytest.mark.parametrize("normalize_y", [False, True])
@pytest.mark.parametrize("y", [y_iris * 100.0, X_iris[:, :2] * [10, 2000]], ids=["one", "several"])
def test_regressors_return_mean_and_standard_deviation(y, normalize_y):
    model = trained("regressor", y, normalize_y=normalize_y, loss="absolute_error")
    found = samples(model, 6, 3)
    if normalize_y:
        found = found * model.y_scale_ + model.y_mean_
    mean, std = model.predict(X_iris, dropout_samples=6, return_std=True, random_state=3)
    np.testing.assert_allclose(mean, found.mean(axis=0).reshape(y.shape), rtol=1e-10, atol=1e-9)
    np.testing.assert_allclose(std, found.std(axis=0).reshape(y.shape), rtol=1e-10, atol=1e-9)
    assert np.array_equal(model.predict(X_iris, dropout_samples=6, random_state=3), mean)


def test_the_seed_decides():
    model = trained("regressor", y_iris)
    state = np.random.RandomState(1)
    first, second = (model.predict(X_iris, dropout_samples=3, random_state=state) for _ in range(2))
    assert np.array_equal(model.predict(X_iris, dropout_samples=3, random_state=1), first)
    assert not np.array_equal(first, second)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_containers_and_dtypes_are_those_of_predictions(dtype):
    X = X_iris.astype(dtype)
    model = trained("regressor", y_iris, X)
    dense = model.predict(X, dropout_samples=3, random_state=1)
    assert dense.dtype == model.predict(X).dtype == dtype
    np.testing.assert_allclose(model.predict(scipy.sparse.csr_array(X), dropout_samples=3, random_state=1), dense,
                               atol=1e-5)
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X, columns=list("abcd"))
    named = trained("regressor", y_iris, frame)
    assert np.array_equal(named.predict(frame, dropout_samples=3, random_state=1), dense)


def test_models_without_dropout_and_lonely_arguments_are_refused():
    model, classifier = trained("regressor", y_iris), trained("classifier", y_iris)
    with pytest.raises(ValueError, match="needs the dropout of training, and all rates are 0"):
        trained("regressor", y_iris, dropout=0).predict(X_iris, dropout_samples=3)
    with pytest.raises(ValueError, match="return_std needs loss='gaussian', got 'squared_error', or dropout_samples"):
        model.predict(X_iris, return_std=True)
    with pytest.raises(ValueError, match="random_state goes with dropout_samples"):
        model.predict(X_iris, random_state=0)
    with pytest.raises(ValueError, match="random_state goes with dropout_samples"):
        classifier.predict_proba(X_iris, random_state=0)
    for wrong in (0, -1, True, 1.5, "2"):
        with pytest.raises((ValueError, TypeError), match="dropout_samples"):
            model.predict(X_iris, dropout_samples=wrong)
