"""Frozen layers of the estimators: their coefs_ and intercepts_ stay bitwise as they are."""

import numpy as np
import pytest
import scipy.sparse
from helpers.estimator_cases import BOTH, OURS, THEIRS
from helpers.estimator_data import X_iris, y_iris
from sklearn.base import clone

from fastnn import from_sklearn

pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


def trained(kind, **parameters):
    settings = {"hidden_layer_sizes": (6, 4), "activation": "tanh", "max_iter": 3, "random_state": 0}
    return OURS[kind](**settings | parameters).fit(X_iris, y_iris)


def moved(model, coefs, intercepts):
    """For each layer, whether its parameters differ from these; W and b of a layer move together."""
    W, b = ([not np.array_equal(one, other) for one, other in zip(mine, its, strict=True)]
            for mine, its in ((model.coefs_, coefs), (model.intercepts_, intercepts)))
    assert b == W
    return W


def copies(model):
    return [coef.copy() for coef in model.coefs_], [intercept.copy() for intercept in model.intercepts_]


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["lbfgs", "sgd", "adam", "adamw", "rmsprop"])
@pytest.mark.parametrize(("layers", "expected"), [((1,), [False, True, True]), ((-1,), [True, True, False]),
                                                  (np.array([1, 2]), [False, False, True]), ((), [True] * 3)])
def test_a_warm_start_trains_the_other_layers(kind, solver, layers, expected):
    model = trained(kind, solver=solver, warm_start=True, alpha=0.1)
    before = copies(model)
    assert moved(model.set_params(frozen_layers=layers).fit(X_iris, y_iris), *before) == expected


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("convert", [np.asarray, scipy.sparse.csr_array])
def test_partial_fit_trains_the_other_layers(kind, convert):
    model = trained(kind)
    before = copies(model)
    for _ in range(2):
        model.set_params(frozen_layers=(2, -1), clip_norm=0.5).partial_fit(convert(X_iris), y_iris)
    assert moved(model, *before) == [True, False, False]
    assert clone(model).frozen_layers == (2, -1)


def test_early_stopping_keeps_frozen_layers():
    model = trained("classifier", warm_start=True)
    before = copies(model)
    model.set_params(frozen_layers=(1,), early_stopping=True, max_iter=20).fit(X_iris, y_iris)
    assert moved(model, *before) == [False, True, True]


@pytest.mark.parametrize("kind", BOTH)
def test_a_converted_model_is_trained_further_with_frozen_layers(kind):
    model = from_sklearn(THEIRS[kind](hidden_layer_sizes=(5,), max_iter=3, random_state=0).fit(X_iris, y_iris))
    before = copies(model)
    assert moved(model.set_params(frozen_layers=[1]).partial_fit(X_iris, y_iris), *before) == [False, True]
    with pytest.raises(ValueError, match="has no frozen_layers"):
        model.to_sklearn()


@pytest.mark.parametrize(("layers", "message"), [
    ((1, 2, 3), r"frozen_layers=\(1, 2, 3\) leaves no layer to train"),
    ((4,), r"frozen_layers counts layers .* got \(4,\)"),
    ((0,), r"frozen_layers counts layers from 1 to 3, .* got \(0,\)"), (1, "frozen_layers"), ("1", "frozen_layers"),
    ((1.0,), "an item of frozen_layers must be a whole number, got 1.0"), ((True,), "an item of frozen_layers .* True"),
])
def test_impossible_layers_are_refused(layers, message):
    with pytest.raises((TypeError, ValueError), match=message):
        trained("classifier", frozen_layers=layers)


@pytest.mark.parametrize("kind", BOTH)
def test_freezing_new_weights_warns(kind):
    model = OURS[kind](hidden_layer_sizes=(5,), max_iter=2, random_state=0, frozen_layers=(1,), warm_start=True)
    with pytest.warns(UserWarning, match=r"frozen_layers=\(1,\) keep new, random weights: this fit does not continue"):
        model.fit(X_iris, y_iris)
    first = model.coefs_[0].copy()
    assert np.array_equal(model.fit(X_iris, y_iris).partial_fit(X_iris, y_iris).coefs_[0], first)  # no warning
    converted = from_sklearn(THEIRS[kind](hidden_layer_sizes=(5,), max_iter=3).fit(X_iris, y_iris))
    with pytest.warns(UserWarning, match="random weights"):
        converted.set_params(frozen_layers=[1]).fit(X_iris, y_iris)  # without warm_start, it begins anew
