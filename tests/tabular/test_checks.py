"""scikit-learn's estimator checks, its tools, and the docstrings of both estimators."""

import inspect
import re

import numpy as np
import pytest
from helpers.tabular_cases import KINDS, SMALL, made, table
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.model_selection import GridSearchCV, cross_val_predict, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils._param_validation import StrOptions
from sklearn.utils.estimator_checks import estimator_checks_generator

# As for scikit-learn's own estimators that draw rows at random, such as its forests and histogram gradient boosting:
# a row of weight 2 is in one mini-batch or held out as a whole, two rows need not be.
NOT_FOR_DRAWN_ROWS = {
    "check_sample_weight_equivalence_on_dense_data": "rows are held out and dropped at random"}


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning", "ignore:early stopping:UserWarning")
@pytest.mark.parametrize(("estimator", "check"), [
    pytest.param(estimator, check, id=f"{name}-{check.func.__name__}-{number}")
    for name, kind in KINDS.items() for number, (estimator, check) in enumerate(estimator_checks_generator(
        kind(hidden_layer_sizes=(64, 64), epochs=64, n_threads=1)))
    if check.func.__name__ not in NOT_FOR_DRAWN_ROWS])
def test_scikit_learns_estimator_checks_pass(estimator, check):
    check(estimator)


# ---- tools of scikit-learn


@pytest.mark.parametrize("kind", KINDS)
def test_parameters_are_keyword_only_and_kept(kind):
    model = made(kind)
    assert all(one.kind is one.KEYWORD_ONLY for one in inspect.signature(KINDS[kind]).parameters.values())
    assert clone(model).get_params() == model.get_params()
    assert model.set_params(epochs=3).epochs == 3
    assert is_classifier(model) == (kind == "classifier") and is_regressor(model) == (kind == "regressor")
    with pytest.raises(TypeError):
        KINDS[kind](3)


@pytest.mark.parametrize("kind", KINDS)
def test_pipelines_searches_and_cross_validation(kind):
    X, y = table(kind)
    X = X[["size", "weight"]]
    model = make_pipeline(StandardScaler(), made(kind))
    name = model.steps[-1][0]
    search = GridSearchCV(model, {f"{name}__epochs": [1, 8]}, cv=2).fit(X, y)
    assert search.best_score_ == max(search.cv_results_["mean_test_score"])
    assert len(cross_val_predict(made(kind), X, y, cv=2)) == len(y)


@pytest.mark.parametrize("kind", KINDS)
def test_metadata_routing_passes_weights_and_validation_data(kind):
    X, y = table(kind)
    weights = np.linspace(0.5, 2, len(y))
    with config_context(enable_metadata_routing=True):
        model = made(kind).set_fit_request(sample_weight=True).set_score_request(sample_weight=True)
        found = cross_validate(model, X, y, cv=2, params={"sample_weight": weights}, return_estimator=True)
        assert len(found["estimator"]) == 2
    half = len(y) // 2
    direct = made(kind).fit(X[:half], y[:half], sample_weight=weights[:half], X_val=X[half:], y_val=y[half:])
    assert "validation_score" in direct.history_


@pytest.mark.parametrize("kind", KINDS)
def test_the_output_of_transformers_is_no_matter(kind):
    X, y = table(kind)
    expected = made(kind).fit(X, y).predict(X)
    with config_context(transform_output="pandas"):
        model = made(kind).fit(X, y)
        np.testing.assert_array_equal(model.predict(X), expected)


# ---- docstrings


def section(kind, name):
    """Return the entries of a docstring section as {name: (type, description)}."""
    text = inspect.cleandoc(KINDS[kind].__doc__)
    body = re.search(rf"^{name}\n-+\n(.*?)(?=\n\n\w+\n---|\Z)", text, re.S | re.M)[1]
    entries = re.findall(r"^([\w, ]+) : (.*)\n((?:    .*(?:\n|\Z))*)", body + "\n", re.M)
    return {name: (kind, description) for name, kind, description in entries}


@pytest.mark.parametrize("kind", KINDS)
def test_every_parameter_is_documented_with_its_default(kind):
    documented, signature = section(kind, "Parameters"), inspect.signature(KINDS[kind]).parameters
    assert list(documented) == list(signature)
    for name, (kinds, description) in documented.items():
        assert kinds.endswith(f", default={signature[name].default!r}"), name
        assert description, name


@pytest.mark.parametrize("kind", KINDS)
def test_documented_options_are_the_accepted_ones(kind):
    documented = section(kind, "Parameters")
    constraints = KINDS[kind]._parameter_constraints
    assert set(documented) - set(constraints) == {"callbacks"}
    for name in set(constraints) - {"activation"}:
        options = {option for one in constraints[name] if isinstance(one, StrOptions) for option in one.options}
        assert set(re.findall(r"'(\w+)'", documented[name][0].rpartition(", default=")[0])) == options, name


def test_shared_entries_are_identical_except_for_the_recipes_of_classes_and_numbers():
    first, second = (section(kind, "Parameters") for kind in KINDS)
    different = {name for name in first.keys() & second.keys() if first[name] != second[name]}
    assert different == {"n_models", "scoring", "validation_fraction", "activation", "learning_rate"}


@pytest.mark.parametrize("kind", KINDS)
def test_every_fitted_attribute_is_documented(kind):
    model = made(kind).fit(*table(kind))
    public = {name for name in dir(model) if name.endswith("_") and not name.startswith("_")}
    assert public == section(kind, "Attributes").keys()


@pytest.mark.parametrize("kind", KINDS)
def test_small_networks_are_for_tests_only(kind):
    """The defaults are the numbers of RealMLP-TD, arXiv 2407.04491, table A.1."""
    found = KINDS[kind]().get_params()
    recipe = {"hidden_layer_sizes": (256, 256, 256), "dropout": 0.15, "epochs": 256, "batch_size": 256, "bumps": 4,
              "beta_1": 0.9, "beta_2": 0.95, "weight_decay": 0.02, "n_frequencies": 16, "n_embedding_outputs": 3,
              "frequency_scale": 0.1, "vector_size": 8, "max_one_hot": 8, "clip": 3.0, "validation_fraction": 0.2,
              "input_scale_rate": 6.0, "embedding_rate": 0.1, "bias_rate": 0.1, "mixture_rate": 0.1}
    recipe |= ({"activation": "selu", "learning_rate": 0.04, "label_smoothing": 0.1} if kind == "classifier" else
               {"activation": "mish", "learning_rate": 0.2})
    assert {name: found[name] for name in recipe} == recipe
    assert SMALL.keys() <= found.keys()
