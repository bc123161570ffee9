"""Estimators of tables in files, pickles and copies."""

import copy
import pickle

import numpy as np
import pytest
from helpers.tabular_cases import KINDS, made, table

from fastnn import ModelFileError, Network, TabularClassifier, TabularRegressor
from fastnn._model import file_format


def outputs(model, X):
    return model.predict(X).tolist() + (model.predict_proba(X).tolist() if hasattr(model, "classes_") else [])


@pytest.fixture
def path(tmp_path):
    return tmp_path / "model.fastnn"


FITS = {
    "classes": ("classifier", {}, lambda y: y),
    "ensemble": ("classifier", {"n_models": 3, "class_weight": {"low": 2.0}}, lambda y: y),
    "two labels of bool": ("classifier", {}, lambda y: y == "low"),
    "integers": ("classifier", {}, lambda y: np.searchsorted(["high", "low", "middle"], y).astype(np.int16)),
    "objects": ("classifier", {}, lambda y: y.astype(object)),
    "one class": ("classifier", {}, lambda y: np.full(len(y), "x")),
    "numbers": ("regressor", {"hidden_layer_sizes": [8], "activation": ["relu"]}, lambda y: y),
    "several numbers": ("regressor", {}, lambda y: np.stack([y, 1e6 * y], axis=1)),
    "quantiles": ("regressor", {"loss": "quantile", "quantile": (0.1, 0.9), "n_models": 2}, lambda y: y),
    "median": ("regressor", {"loss": "absolute_error", "dtype": "float64"}, lambda y: y),
    "constant": ("regressor", {}, lambda y: 0 * y + 5),
}


@pytest.mark.parametrize(("kind", "parameters", "change"), FITS.values(), ids=FITS)
def test_loaded_predictions_are_bitwise_identical(kind, parameters, change, path):
    X, y = table(kind)
    model = made(kind, **parameters).fit(X, change(y))
    model.save(path)
    loaded = KINDS[kind].load(path)
    assert outputs(loaded, X) == outputs(model, X)
    assert loaded.get_params() == model.get_params()
    assert loaded.histories_ == model.histories_ and loaded.best_epoch_ == model.best_epoch_
    assert loaded.feature_names_in_.tolist() == list(X) and loaded.n_features_in_ == X.shape[1]
    if kind == "classifier":
        assert loaded.classes_.dtype == model.classes_.dtype and loaded.temperatures_ == model.temperatures_
    loaded.save(path)  # again
    assert outputs(KINDS[kind].load(path), X) == outputs(model, X)
    if hasattr(model, "score"):
        assert loaded.score(X, change(y)) == model.score(X, change(y))


def test_functions_and_generators_are_left_out(path):
    X, y = table()
    model = made("regressor", callbacks=[lambda estimator, record: None], scoring=lambda estimator, X, y: 0.0,
                 random_state=np.random.RandomState(0)).fit(X, y)
    model.save(path)
    loaded = TabularRegressor.load(path)
    assert (loaded.callbacks, loaded.scoring, loaded.random_state) == ((), None, None)


def test_nothing_is_unpickled(path, monkeypatch):
    made("regressor").fit(*table()).save(path)
    monkeypatch.setattr(pickle, "loads", None)
    monkeypatch.setattr(pickle, "load", None)
    TabularRegressor.load(path)


def test_other_kinds_of_file_are_refused(path):
    X, y = table("classifier")
    made("classifier").fit(X, y).save(path)
    with pytest.raises(ModelFileError, match=r"'fastnn.TabularClassifier', which fastnn.TabularClassifier.load reads"):
        Network.load(path)
    with pytest.raises(ModelFileError, match=r"holds no fastnn.TabularRegressor: it holds 'fastnn.TabularClassifier'"):
        TabularRegressor.load(path)
    Network([3, 2], random_state=0).save(path)
    with pytest.raises(ModelFileError, match=r"holds 'fastnn.Network', which fastnn.Network.load reads"):
        TabularClassifier.load(path)


WRONG = {
    "no encoder": lambda h, a: h["content"].pop("encoder"),
    "another encoder": lambda h, a: h["content"]["encoder"]["columns"].pop(),
    "no temperatures": lambda h, a: h["content"].pop("temperatures"),
    "a temperature too many": lambda h, a: h["content"]["temperatures"].append(1.0),
    "no classes": lambda h, a: a.pop("content/classes"),
    "other classes": lambda h, a: a.update({"content/classes": np.array([2314885530818457393])}),
    "no parameters": lambda h, a: a.pop("content/parameters"),
    "wrong parameters": lambda h, a: a.update({"content/parameters": np.array([1, 2])}),
    "no histories": lambda h, a: a.pop("content/histories"),
}


@pytest.mark.parametrize("change", WRONG.values(), ids=WRONG)
def test_a_valid_file_of_other_content_is_refused(change, path):
    made("classifier").fit(*table("classifier")).save(path)
    header, arrays = file_format.read(path)
    change(header, arrays)
    file_format.write(path, header, arrays)
    with pytest.raises(ModelFileError, match=r"holds no fastnn\.TabularClassifier"):
        TabularClassifier.load(path)


def test_an_unfitted_estimator_has_nothing_to_save(path):
    with pytest.raises(Exception, match="not fitted"):
        made("regressor").save(path)
    assert not path.exists()


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_copies_and_pickles_predict_the_same(kind, copied):
    X, y = table(kind)
    model = made(kind, callbacks=[lambda estimator, record: None]).fit(X, y)
    before = outputs(model, X)
    other = copied(model)
    assert outputs(other, X) == before
    other.set_params(epochs=2).fit(X[:50], y[:50])
    assert outputs(model, X) == before
