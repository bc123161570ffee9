"""`input_gradients` of the estimators: the slopes of predictions, probabilities and scores."""

import numpy as np
import pytest
import scipy.sparse
from helpers.estimator_cases import OURS
from helpers.estimator_data import SMALL, X_iris, fitted, quiet, y_iris

ONE_HOT = np.eye(3, dtype=int)[y_iris]
STEP = 1e-5


def trained(kind, y, X=X_iris, **parameters):
    return quiet(OURS[kind](activation="tanh", **SMALL | parameters), "fit", X, y)


def slopes(function, X):
    """Two-sided quotients (m, outputs, n_x) of a function of X."""
    found = [(function(X + move) - function(X - move)) / (2 * STEP) for move in STEP * np.eye(X.shape[1])]
    return np.stack([one.reshape(len(X), -1) for one in found], axis=2)


def assert_slopes(gradients, expected):
    """The error of a quotient is of the order of STEP^2 f''' + eps |f| / STEP, both near 1e-10 times the size of f."""
    np.testing.assert_allclose(gradients, expected, rtol=0, atol=1e-7 * (1 + np.abs(expected).max()))


@pytest.mark.parametrize("y", [y_iris == 1, y_iris, ONE_HOT, ONE_HOT[:, :2]], ids=["two", "three", "labels", "pair"])
@pytest.mark.parametrize("of", ["predict_proba", "decision_function"])
def test_gradients_of_a_classifier(y, of):
    model = trained("classifier", y)
    expected, found = slopes(getattr(model, of), X_iris), model.input_gradients(X_iris, of=of)
    if y.ndim == 1 and len(model.classes_) == 2:
        assert_slopes(found, expected[:, -1])
        assert_slopes(model.input_gradients(X_iris, output=1, of=of), expected[:, -1])
        assert_slopes(model.input_gradients(X_iris, output=0, of=of), -expected[:, -1])
    else:
        assert_slopes(found, expected)
        for k in range(len(model.classes_)):
            assert_slopes(model.input_gradients(X_iris, output=k, of=of), expected[:, k])


def test_gradients_of_a_single_class():
    model = trained("classifier", np.full(len(X_iris), "only"))
    assert np.array_equal(model.input_gradients(X_iris), np.zeros(X_iris.shape))
    assert_slopes(model.input_gradients(X_iris, of="decision_function"), slopes(model.decision_function, X_iris)[:, 0])


@pytest.mark.parametrize("y", [y_iris * 1000.0, X_iris[:, :2] * [10, 2000]], ids=["one", "several"])
@pytest.mark.parametrize("parameters", [{"loss": "absolute_error"}, {"normalize_y": True}])
def test_gradients_of_a_regressor(y, parameters):
    model = trained("regressor", y, **parameters)
    expected, found = slopes(model.predict, X_iris), model.input_gradients(X_iris)
    assert_slopes(found, expected if y.ndim == 2 else expected[:, 0])
    assert_slopes(model.input_gradients(X_iris, output=0), expected[:, 0])


def test_gradients_of_counts():
    model = trained("regressor", y_iris, loss="poisson")
    assert_slopes(model.input_gradients(X_iris), slopes(model.predict, X_iris)[:, 0])


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_dtype_follows_predictions(dtype):
    X = X_iris.astype(dtype)
    model = trained("classifier", y_iris, X)
    assert model.input_gradients(X).dtype == model.predict_proba(X).dtype == dtype


def test_frames_and_sparse_rows_are_taken():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X_iris, columns=list("abcd"))
    model = trained("classifier", y_iris, frame)
    dense = trained("classifier", y_iris).input_gradients(X_iris)
    np.testing.assert_allclose(model.input_gradients(frame), dense, rtol=1e-12)
    np.testing.assert_allclose(trained("classifier", y_iris).input_gradients(scipy.sparse.csr_array(X_iris)), dense,
                               rtol=1e-10, atol=1e-12)
    with pytest.raises(ValueError, match="feature names"):
        model.input_gradients(frame[list("dcba")])


@pytest.mark.parametrize("kind", ["classifier", "regressor"])
@pytest.mark.parametrize("output", [-1, 3, True, "0", 0.0])
def test_outputs_that_do_not_exist_are_refused(kind, output):
    with pytest.raises(ValueError, match="output must be None or a whole number from 0 to "):
        fitted(kind).input_gradients(X_iris, output=output)


def test_other_methods_are_refused():
    with pytest.raises(ValueError, match="of must be 'predict_proba' or 'decision_function', got 'predict'"):
        fitted("classifier").input_gradients(X_iris, of="predict")
