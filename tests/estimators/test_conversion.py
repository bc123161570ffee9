"""Conversion from and to scikit-learn's estimators; hidden activations as features."""

import copy

import numpy as np
import pytest
import scipy.sparse
import scipy.special
from helpers.estimator_cases import BOTH, EQUAL, OURS, POISSON, THEIRS, Run, distances
from helpers.estimator_data import SMALL, X_iris, fitted, predict, quiet, y_iris
from sklearn.base import BaseEstimator
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import fastnn

# ---- Conversion ------------------------------------------------------------------------------------------------------

STATES = {
    "adam": {"solver": "adam"},
    "adam, float32": {"solver": "adam", "X": X_iris.astype(np.float32)},
    "nesterov": {"solver": "sgd", "learning_rate": "invscaling", "learning_rate_init": 0.1},
    "momentum, adaptive": {"solver": "sgd", "learning_rate": "adaptive", "learning_rate_init": 0.1, "tol": 1.0,
                           "n_iter_no_change": 2, "nesterovs_momentum": False},
    "sgd": {"solver": "sgd", "momentum": 0.0},
    "early stopping": {"early_stopping": True, "warm_start": True},
    "lbfgs": {"solver": "lbfgs"},
    "no hidden layer": {"hidden_layer_sizes": ()},
    "strings": {"y": np.array(["a", "b", "c"])[y_iris]},
    "several": {"y": np.eye(3, dtype=int)[y_iris]},
    "sparse": {"X": scipy.sparse.csr_matrix(X_iris)},
    "a random state": {"random_state": np.random.RandomState(3)},
}


def fitted_in_state(classes, kind, name):
    """Return an estimator of `classes` fitted as `STATES[name]` says, and its training data."""
    parameters = SMALL | STATES[name]
    X, y = parameters.pop("X", X_iris), parameters.pop("y", y_iris)
    if kind == "regressor" and y.dtype.kind == "U":
        pytest.skip("strings are labels")
    return quiet(classes[kind](**copy.deepcopy(parameters)), "fit", X, y), X, y


def equal_state(mine, theirs, X):
    """Return whether the fitted attributes and predictions of two estimators agree up to rounding."""
    u = np.finfo(mine.coefs_[0].dtype).eps
    runs = [Run(model, predictions={"predict": predict(model, X)}) for model in (mine, theirs)]
    return max(distances(*runs).values()) <= 100 * u  # of sums over five and four units


def train_further(model, X, y, early_stopping):
    """Call fit or partial_fit twice more, whichever the parameters allow."""
    method = "fit" if early_stopping or model.solver == "lbfgs" else "partial_fit"
    for _ in range(2):
        quiet(model, method, X, y)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("name", STATES)
def test_from_sklearn_keeps_the_state_and_continues_alike(kind, name):
    theirs, X, y = fitted_in_state(THEIRS, kind, name)
    before = copy.deepcopy(theirs)
    mine = fastnn.from_sklearn(theirs)
    assert type(mine) is OURS[kind] and equal_state(mine, theirs, X)
    train_further(mine, X, y, "early" in name)
    assert equal_state(fastnn.from_sklearn(theirs), before, X)  # training the copy did not change the original
    train_further(theirs, X, y, "early" in name)
    limit = EQUAL if X.dtype == np.float64 else 1e-4  # two epochs of float32
    np.testing.assert_allclose(predict(mine), predict(theirs), rtol=limit, atol=limit)
    if name != "lbfgs":
        np.testing.assert_allclose(mine.loss_curve_, theirs.loss_curve_, rtol=limit)
        assert mine._optimizer.learning_rate == pytest.approx(theirs._optimizer.learning_rate)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("name", STATES)
def test_to_sklearn_keeps_the_state_and_continues_alike(kind, name):
    mine, X, y = fitted_in_state(OURS, kind, name)
    theirs = mine.to_sklearn()
    assert type(theirs) is THEIRS[kind] and equal_state(mine, theirs, X)
    before = copy.deepcopy(theirs)
    train_further(theirs, X, y, "early" in name)
    assert equal_state(mine, before, X)
    train_further(mine, X, y, "early" in name)
    limit = EQUAL if X.dtype == np.float64 else 1e-4
    np.testing.assert_allclose(predict(mine), predict(theirs), rtol=limit, atol=limit)
    if name != "lbfgs":
        np.testing.assert_allclose(mine.loss_curve_, theirs.loss_curve_, rtol=limit)


@pytest.mark.parametrize("kind", BOTH)
def test_unfitted_estimators_are_converted(kind):
    for model in (THEIRS[kind](alpha=0.3, hidden_layer_sizes=(4, 2)), fastnn.from_sklearn(THEIRS[kind](alpha=0.3))):
        other = model.to_sklearn() if hasattr(model, "to_sklearn") else fastnn.from_sklearn(model)
        assert other.alpha == 0.3
        with pytest.raises(NotFittedError):
            other.predict(X_iris)


def test_conversion_keeps_feature_names():
    pandas = pytest.importorskip("pandas")
    frame = pandas.DataFrame(X_iris, columns=list("abcd"))
    mine = fastnn.from_sklearn(quiet(THEIRS["classifier"](**SMALL), "fit", frame, y_iris))
    assert mine.feature_names_in_.tolist() == list("abcd") == mine.to_sklearn().feature_names_in_.tolist()


@pytest.mark.parametrize(("kind", "extra"), [
    ("classifier", {"class_weight": "balanced"}), ("classifier", {"label_smoothing": 0.1}),
    ("regressor", {"loss": "huber"}), ("regressor", {"huber_delta": 2.0}),
    ("classifier", {"dropout": 0.1}), ("classifier", {"dropout": [0.1]}),
    ("classifier", {"clip_norm": 1.0}), ("classifier", {"scoring": "accuracy"}), ("classifier", {"dtype": "float32"}),
    ("regressor", {"callbacks": [print]}), ("classifier", {"activation": "gelu"}), ("classifier", {"solver": "adamw"}),
    ("classifier", {"learning_rate": "cosine"}), ("classifier", {"verbose": "bar"}),
    ("regressor", {"activation": ["relu"]})])
def test_to_sklearn_refuses_parameters_that_scikit_learn_lacks(kind, extra):
    for model in (OURS[kind](**SMALL | extra), fitted(kind).set_params(**extra)):
        with pytest.raises(ValueError, match=next(iter(extra))):
            model.to_sklearn()
    if kind == "regressor" and not POISSON and "loss" in extra:
        with pytest.raises(ValueError, match="loss"):
            OURS[kind](loss="poisson").to_sklearn()


@pytest.mark.parametrize("wrong", [LogisticRegression(), None, "model", THEIRS["classifier"]])
def test_from_sklearn_refuses_other_objects(wrong):
    with pytest.raises(TypeError, match="from_sklearn takes scikit-learn's MLPClassifier or MLPRegressor, got"):
        fastnn.from_sklearn(wrong)


# ---- Hidden activations ----------------------------------------------------------------------------------------------

ACTIVATIONS = {
    "identity": lambda Z: Z, "logistic": scipy.special.expit, "tanh": np.tanh, "relu": lambda Z: np.maximum(Z, 0),
    "leaky_relu": lambda Z: np.where(Z > 0, Z, 0.01 * Z),
    "elu": lambda Z: np.where(Z > 0, Z, np.expm1(np.minimum(Z, 0))),
    "silu": lambda Z: Z * scipy.special.expit(Z), "gelu": lambda Z: Z * scipy.special.ndtr(Z),
    "softplus": lambda Z: np.logaddexp(Z, 0), "mish": lambda Z: Z * np.tanh(np.logaddexp(Z, 0)),
    "selu": lambda Z: 1.0507009873554805 * np.where(Z > 0, Z, 1.6732632423543772 * np.expm1(np.minimum(Z, 0))),
}


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
@pytest.mark.parametrize("activation", [*ACTIVATIONS, ("gelu", "softplus", "selu"), ["tanh", "relu", "elu"]], ids=str)
@pytest.mark.parametrize("wrap", [np.asarray, scipy.sparse.csr_array])
def test_transform_returns_the_hidden_activations(kind, solver, activation, wrap):
    model = fitted(kind, hidden_layer_sizes=(6, 5, 4), activation=activation, solver=solver, max_iter=5)
    names = [activation] * 3 if isinstance(activation, str) else activation
    A = X_iris
    for layer, name in enumerate(names):
        A = ACTIVATIONS[name](A @ model.coefs_[layer] + model.intercepts_[layer])
        for number in (layer, layer - 3):
            np.testing.assert_allclose(model.transform(wrap(X_iris), layer=number), A, rtol=1e-10, atol=1e-12)
    np.testing.assert_array_equal(model.transform(X_iris), model.transform(X_iris, layer=2))
    assert model.get_feature_names_out().tolist() == [f"{type(model).__name__.lower()}{i}" for i in range(4)]
    model.coefs_[0] *= 2
    first = ACTIVATIONS[names[0]](X_iris @ model.coefs_[0] + model.intercepts_[0])
    np.testing.assert_allclose(model.transform(X_iris, layer=0), first, rtol=1e-10, atol=1e-12)


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # an old LogisticRegression's on a new SciPy
def test_transform_works_in_a_pipeline():
    features = OURS["classifier"](**SMALL | {"tol": 1e9, "n_iter_no_change": 20})
    model = make_pipeline(StandardScaler(), features, LogisticRegression()).fit(X_iris, y_iris)
    assert model.score(X_iris, y_iris) > 0.8 and model[:-1].transform(X_iris).shape == (len(X_iris), 5)


@pytest.mark.parametrize("kind", BOTH)
def test_transform_refuses_missing_layers(kind):
    for layer in (1, -2, 10):
        with pytest.raises(ValueError, match=f"layer must be one of the 1 hidden layers, from -1 to 0, got {layer}"):
            fitted(kind).transform(X_iris, layer=layer)
    for layer in (0.5, "last", None):
        with pytest.raises((TypeError, ValueError), match="layer"):
            fitted(kind).transform(X_iris, layer=layer)
    with pytest.raises(ValueError, match="this network has no hidden layer"):
        fitted(kind, hidden_layer_sizes=()).transform(X_iris)
    with pytest.raises(NotFittedError):
        OURS[kind]().transform(X_iris)
    with pytest.raises(ValueError, match="X has 2 features"):
        fitted(kind).transform(X_iris[:, :2])


def test_classes_derive_from_base_estimator():
    assert all(issubclass(kind, BaseEstimator) for kind in OURS.values())
    assert all(getattr(fastnn, kind.__name__) is kind for kind in OURS.values())
