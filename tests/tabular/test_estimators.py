"""What both estimators learn and predict, from every kind of table."""

import threading
import warnings

import numpy as np
import pandas as pd
import pytest
from helpers.table_cases import TABLES, rows_of
from helpers.tabular_cases import KINDS, made, table
from sklearn.datasets import make_classification, make_regression
from sklearn.exceptions import DataConversionWarning

BOTH = list(KINDS)


# ---- tables


@pytest.mark.parametrize("form", TABLES)
@pytest.mark.parametrize("kind", BOTH)
def test_every_form_of_a_table_gives_the_same_model(kind, form):
    y = np.array([1.0, 0, 1, 0, 1, 0])
    model = made(kind, validation_fraction=0).fit(TABLES[form], y)
    expected = made(kind, validation_fraction=0).fit(TABLES["lists"], y)
    np.testing.assert_array_equal(model.predict(TABLES[form]), expected.predict(TABLES["lists"]))
    assert model.n_features_in_ == 7
    rows = rows_of(form, 2, 5)
    np.testing.assert_allclose(model.predict(rows), model.predict(TABLES[form])[2:5], rtol=1e-5)


@pytest.mark.parametrize("kind", BOTH)
def test_columns_are_found_by_name_and_unknown_categories_count_as_missing(kind):
    X, y = table(kind)
    model = made(kind).fit(X, y)
    expected = model.predict(X)
    np.testing.assert_array_equal(model.predict(X[X.columns[::-1]].assign(more=1)), expected)
    unknown, missing = X.assign(colour="violet", town="nowhere"), X.assign(colour=None, town=None)
    np.testing.assert_array_equal(model.predict(unknown), model.predict(missing))
    with pytest.raises(ValueError, match="colour"):
        model.predict(X.drop(columns="colour"))


@pytest.mark.parametrize("kind", BOTH)
def test_numbers_are_categories_if_the_user_says_so(kind):
    X, y = table(kind)
    X = X.assign(town=X["town"].astype(int))
    model = made(kind, categorical_features=["town"]).fit(X, y)
    assert [column.kind for column in model.encoder_.columns_ if column.name == "town"] == ["category"]
    assert len(model.encoder_.codes_) == 1  # 12 towns: learned vectors


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(("change", "text"), [
    (lambda X: X.assign(when=pd.Timestamp("2020-01-01")), "when"),
    (lambda X: X.assign(size=np.inf), "infinity"),
    (lambda X: X.iloc[:-1], "same number of rows")])
def test_bad_tables_are_refused_and_the_model_stays(kind, change, text):
    X, y = table(kind)
    model = made(kind).fit(X, y)
    before = model.predict(X)
    with pytest.raises((ValueError, TypeError), match=text):
        model.fit(change(X), y)
    np.testing.assert_array_equal(model.predict(X), before)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("exponent", [-30, 0, 30])
def test_the_scale_of_the_columns_is_no_matter(kind, exponent):
    """Powers of two change no bit."""
    X, y = table(kind)
    scaled = X.assign(size=X["size"] * 2.0**exponent, weight=X["weight"] * 2.0**-exponent)
    np.testing.assert_array_equal(made(kind).fit(scaled, y).predict(scaled), made(kind).fit(X, y).predict(X))


# ---- small and degenerate tables


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("m", [1, 2, 3, 5, 9, 10, 12])
def test_few_rows(kind, m):
    X, y = table(kind, m=20)
    model = made(kind).fit(X[:m], y[:m])
    predicted = model.predict(X)
    if kind == "classifier":
        assert set(predicted) <= set(y[:m])
    else:
        assert y[:m].min() <= predicted.min() and predicted.max() <= y[:m].max()


@pytest.mark.parametrize("kind", BOTH)
def test_degenerate_columns(kind):
    X, y = table(kind)
    X = X.assign(none=None, nan=np.nan, one=1.0, same="x", old=X["old"])
    model = made(kind).fit(X, y)
    np.testing.assert_array_equal(model.predict(X.assign(one=2.0, none=3.0)), model.predict(X))
    for name in ("none", "nan", "one", "same"):
        predicted = made(kind).fit(X[[name]], y).predict(X[[name]])
        assert len(np.unique(predicted)) == 1


@pytest.mark.parametrize("kind", BOTH)
def test_many_columns(kind):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((100, 2000)).astype(np.float32)
    y = (X[:, :100].sum(axis=1) > 0).astype(float)
    assert made(kind, epochs=2).fit(X, y).n_features_in_ == 2000


@pytest.mark.parametrize("kind", BOTH)
def test_no_hidden_layers_and_no_embedding(kind):
    X, y = table(kind)
    model = made(kind, hidden_layer_sizes=(), n_frequencies=0, input_scale_rate=0, mixture_rate=0).fit(X, y)
    assert len(model.predict(X)) == len(y)


# ---- targets


@pytest.mark.parametrize("labels", [
    ["no", "yes", "perhaps"], [True, False], [3, -7, 10], [0.0, 2.0], np.array(["b", "a"], object)], ids=str)
def test_labels_of_any_type_come_back(labels):
    X, y = make_classification(200, n_classes=len(labels), n_informative=4, random_state=0)
    given = np.asarray(labels)[y]
    model = made("classifier", epochs=32).fit(X, given)
    assert model.classes_.tolist() == sorted(set(np.asarray(labels).tolist()))
    predicted = model.predict(X)
    assert predicted.dtype == given.dtype and np.mean(predicted == given) > 0.7
    np.testing.assert_array_equal(made("classifier", epochs=32).fit(X, given.tolist()).predict(X), predicted)
    np.testing.assert_array_equal(made("classifier", epochs=32).fit(X, pd.Series(given)).predict(X), predicted)


def test_labels_that_are_no_classes_are_refused():
    X, y = table("classifier")
    for bad, text in ((np.where(y == "low", None, y), "no label"), (np.linspace(0, 1, len(y)), "[Uu]nknown label type"),
                      (np.stack([y == "low", y == "high"], axis=1), "one label for each row"),
                      (np.where(y == "low", np.inf, 1.0), "infinity")):
        with pytest.raises(ValueError, match=text):
            made("classifier").fit(X, bad)
    with pytest.warns(DataConversionWarning, match="column-vector"):
        made("classifier").fit(X, y[:, None])


def test_a_single_class_is_always_predicted():
    X, _ = table()
    model = made("classifier", n_models=2).fit(X, ["x"] * len(X))
    assert set(model.predict(X)) == {"x"} and model.histories_[0].records == []
    np.testing.assert_array_equal(model.predict_proba(X), np.ones((len(X), 1)))
    np.testing.assert_array_equal(model.predict_log_proba(X), np.zeros((len(X), 1)))
    np.testing.assert_array_equal(model.decision_function(X), np.zeros(len(X)))


@pytest.mark.parametrize("n_models", [1, 3])
@pytest.mark.parametrize("n_classes", [2, 3])
def test_outputs_of_a_classifier_agree(n_classes, n_models):
    X, y = make_classification(300, n_classes=n_classes, n_informative=4, random_state=0)
    model = made("classifier", n_models=n_models).fit(X, y)
    P, logarithms, decision = model.predict_proba(X), model.predict_log_proba(X), model.decision_function(X)
    # float32 probabilities and their logarithms: a few units in the last place.
    np.testing.assert_allclose(P.sum(axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(np.exp(logarithms), P, rtol=1e-5)
    np.testing.assert_array_equal(model.predict(X), model.classes_[P.argmax(axis=1)])
    if n_classes == 2:
        np.testing.assert_allclose(1 / (1 + np.exp(-decision.astype(float))), P[:, 1], rtol=1e-5)
    else:
        np.testing.assert_array_equal(decision, logarithms)


def test_logarithms_are_finite_where_probabilities_are_zero():
    X, y = make_classification(300, random_state=0)
    model = made("classifier", n_models=2).fit(X, y)
    for member in model._members:
        member.network.W[-1][...] *= 1e4
        member.network.b[-1][...] *= 1e4
    assert (model.predict_proba(X) == 0).any()
    assert np.isfinite(model.predict_log_proba(X)).all() and model.predict_log_proba(X).max() <= 0


@pytest.mark.parametrize("exponent", [-500, -40, 0, 40, 500])
def test_the_scale_of_y_is_no_matter(exponent):
    """Powers of two change no bit."""
    X, y = table()
    expected = made("regressor").fit(X, y).predict(X)
    found = made("regressor").fit(X, y * 2.0**exponent).predict(X)
    np.testing.assert_array_equal(found, expected * 2.0**exponent)


def test_a_large_offset_of_y_costs_no_digits():
    """The network sees standardised targets; 1e9 + y has a spacing of 1e-7."""
    X, y = table()
    expected = made("regressor").fit(X, y).predict(X)
    np.testing.assert_allclose(made("regressor").fit(X, 1e9 + y).predict(X) - 1e9, expected, atol=1e-3)


def test_predictions_stay_in_the_range_of_training():
    X, y = make_regression(200, 4, random_state=0)
    model = made("regressor").fit(X, y)
    predicted = model.predict(100 * X)
    assert y.min() <= predicted.min() and predicted.max() <= y.max()


def test_several_outputs_of_different_scale():
    X, y = table()
    Y = np.stack([y, 1e12 * y, np.full(len(y), 7.0), -y], axis=1)
    model = made("regressor", epochs=32).fit(X, Y)
    predicted = model.predict(X)
    assert predicted.shape == Y.shape and (predicted[:, 2] == 7).all() and model.n_outputs_ == 4
    for j in (0, 1, 3):
        assert np.corrcoef(predicted[:, j], Y[:, j])[0, 1] > 0.7
    assert made("regressor").fit(X, Y[:, 2]).predict(X).tolist() == [7.0] * len(X)


@pytest.mark.parametrize("n_models", [1, 2])
def test_quantiles_never_cross_and_cover_their_share(n_models):
    rng = np.random.default_rng(0)
    X = rng.uniform(-1, 1, (2000, 1))
    y = X[:, 0] + (0.5 + 0.4 * X[:, 0]) * rng.standard_normal(2000)
    levels = [0.1, 0.5, 0.9]
    model = made("regressor", loss="quantile", quantile=levels, epochs=24, n_models=n_models).fit(X, y)
    predicted = model.predict(X)
    assert predicted.shape == (2000, 3) and (np.diff(predicted, axis=1) >= 0).all()
    shares = (y[:, None] <= predicted).mean(axis=0)
    np.testing.assert_allclose(shares, levels, atol=0.06)
    assert 0.1 < model.score(X, y) < 0.5
    both = made("regressor", loss="quantile", quantile=levels).fit(X, np.stack([y, -y], axis=1)).predict(X)
    assert both.shape == (2000, 2, 3) and (np.diff(both, axis=2) >= 0).all()
    assert made("regressor", loss="quantile", quantile=0.9).fit(X, y).predict(X).shape == (2000,)


@pytest.mark.parametrize("bad", [[0.5, 0.1], [], 1.5, [0.0, 0.5], "x"])
def test_levels_are_checked(bad):
    with pytest.raises((ValueError, TypeError), match="quantile"):
        made("regressor", loss="quantile", quantile=bad).fit(*table())


def test_absolute_errors_give_the_median():
    rng = np.random.default_rng(0)
    X = rng.integers(0, 2, (3000, 1)).astype(float)
    y = np.exp(rng.standard_normal(3000)) * (1 + X[:, 0])
    model = made("regressor", loss="absolute_error", epochs=32).fit(X, y)
    found = model.predict([[0.0], [1.0]])
    np.testing.assert_allclose(found, [np.median(y[X[:, 0] == value]) for value in (0, 1)], rtol=0.15)


def test_numbers_of_y_are_checked():
    X, y = table()
    for bad, text in ((np.where(y > 1, np.nan, y), "NaN"), (y.astype(str), "number"), (np.ones((len(y), 2, 2)), "dim")):
        with pytest.raises(ValueError, match=text):
            made("regressor").fit(X, bad)


# ---- weights, models, seeds


@pytest.mark.parametrize("kind", BOTH)
def test_scaling_sample_weights_changes_nothing(kind):
    X, y = table(kind)
    weights = np.random.default_rng(0).integers(1, 4, len(y)).astype(float)
    first, second = (made(kind).fit(X, y, sample_weight=w).predict(X) for w in (weights, weights * 2.0**-40))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(("bad", "text"), [(-1.0, "negative"), (0.0, "zero"), (np.nan, "NaN")])
def test_weights_are_checked(kind, bad, text):
    X, y = table(kind)
    with pytest.raises(ValueError, match=text):
        made(kind).fit(X, y, sample_weight=np.full(len(y), bad))


def test_class_weights_favour_a_class():
    X, y = make_classification(600, flip_y=0.4, random_state=0)
    shares = [made("classifier", epochs=24, class_weight=weight).fit(X, y).predict(X).mean()
              for weight in ({1: 0.1}, None, {1: 10})]
    assert shares[0] < shares[1] < shares[2]
    with pytest.raises(ValueError, match="class_weight names"):
        made("classifier", class_weight={2: 1.0}).fit(X, y)
    skewed = y * (np.arange(600) % 5 == 0)
    balanced = made("classifier", epochs=24, class_weight="balanced").fit(X, skewed).predict(X).mean()
    assert balanced > made("classifier", epochs=24).fit(X, skewed).predict(X).mean()


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("threads", [1, 2])
def test_the_same_seed_and_threads_give_the_same_bits(kind, threads):
    X, y = table(kind)
    first, second = (made(kind, n_models=3, n_threads=threads).fit(X, y) for _ in range(2))
    np.testing.assert_array_equal(first.predict(X), second.predict(X))
    assert [h["loss"] for h in first.histories_] == [h["loss"] for h in second.histories_]
    other = made(kind, n_models=3, n_threads=threads, random_state=1).fit(X, y)
    assert first.histories_[0]["loss"] != other.histories_[0]["loss"]


@pytest.mark.parametrize("kind", BOTH)
def test_models_differ_and_the_first_is_that_of_a_single_one(kind):
    X, y = table(kind)
    single, several = made(kind).fit(X, y), made(kind, n_models=3).fit(X, y)
    assert several.histories_[0]["loss"] == single.history_["loss"]
    assert several.history_ is several.histories_[0] and several.best_epoch_ == single.best_epoch_
    assert len({tuple(history["loss"]) for history in several.histories_}) == 3
    members = several._members
    parts = []
    for member in members:
        several._members = [member]
        parts.append(several.predict_proba(X) if kind == "classifier" else several.predict(X))
    several._members = members
    mean = several.predict_proba(X) if kind == "classifier" else several.predict(X)
    np.testing.assert_allclose(mean, np.mean(parts, axis=0), rtol=1e-5)


@pytest.mark.parametrize("kind", BOTH)
def test_a_model_predicts_in_several_threads(kind):
    X, y = table(kind)
    model = made(kind).fit(X, y)
    expected, found = model.predict(X), []
    threads = [threading.Thread(target=lambda: found.append(model.predict(X))) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for each in found:
        np.testing.assert_array_equal(each, expected)


@pytest.mark.parametrize("kind", BOTH)
def test_a_fit_of_the_defaults_warns_of_nothing(kind):
    X, y = table(kind)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        made(kind).fit(X, y).predict(X)
