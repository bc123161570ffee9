"""NaN and infinity in X of a large fit are found in its first epoch; whole-number labels are counted, not sorted."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from helpers.estimator_cases import BOTH, OURS
from helpers.estimator_data import quiet
from hypothesis import given
from hypothesis import strategies as st
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import unique_labels

from fastnn.estimators import _classification

rng = np.random.default_rng(0)
X = rng.standard_normal((300, 7))
y = rng.integers(0, 3, 300)
QUICK = {"hidden_layer_sizes": (5,), "max_iter": 3, "random_state": 0}
FORMS = {
    "C": np.ascontiguousarray, "F": np.asfortranarray, "strided": lambda X: np.repeat(X, 2, axis=1)[:, ::2],
    "float32": lambda X: X.astype(np.float32), "csr_matrix": scipy.sparse.csr_matrix,
    "csr_array": scipy.sparse.csr_array,
}
WAYS = {
    "shuffled": {}, "in order": {"shuffle": False}, "one mini-batch": {"batch_size": 300},
    "tanh": {"activation": "tanh"}, "lbfgs": {"solver": "lbfgs"}, "early stopping": {"early_stopping": True},
    "other dtype": {"dtype": "float32"}, "sgd": {"solver": "sgd"},
}


def error_of(model, X, **arguments):
    with pytest.raises(ValueError) as caught:
        quiet(model, "fit", X, y, **arguments)
    return type(caught.value), str(caught.value)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("way", WAYS)
def test_the_error_is_that_of_a_check_before_training(kind, bad, form, way):
    """Sample weights are checked with X before."""
    given_X = X.copy()
    given_X[233, 4] = bad
    given_X = FORMS[form](given_X)
    model = OURS[kind](**QUICK | WAYS[way])
    before = dict(vars(model))
    error = error_of(model, given_X)
    assert "NaN" in error[1] if np.isnan(bad) else "infinity" in error[1]
    assert "in column 4, row 233" in error[1]
    assert error == error_of(OURS[kind](**QUICK | WAYS[way]), given_X, sample_weight=np.ones(300))
    assert vars(model) == before


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("form", ["C", "csr_matrix"])
@pytest.mark.parametrize("row", [0, 99, 100, 199, 299])
@pytest.mark.parametrize("batch_size", [100, 4])
def test_each_shard_or_part_is_checked(bad, form, row, batch_size, tuning):
    """Threads take a shard each; of few examples, parts of each layer."""
    tuning(MIN_SHARD_WORK=0, MIN_SHARD_WORK_PER_PARAMETER=0)
    given_X = X.copy()
    given_X[row, 0] = bad
    model = OURS["classifier"](**QUICK, n_threads=2, batch_size=batch_size, shuffle=False)
    assert f"in column 0, row {row}" in error_of(model, FORMS[form](given_X))[1]


@pytest.mark.parametrize("kind", BOTH)
def test_a_warm_start_and_the_random_state_are_undone(kind):
    random_state = np.random.RandomState(0)
    model = quiet(OURS[kind](**QUICK | {"warm_start": True, "random_state": random_state}), "fit", X, y)
    before, coefs = dict(vars(model)), [coef.copy() for coef in model.coefs_]
    twin = np.random.RandomState()
    twin.set_state(random_state.get_state())
    bad = X.copy()
    bad[7, 2] = np.inf
    error_of(model, bad)
    assert vars(model) == before and all(map(np.array_equal, model.coefs_, coefs))
    assert random_state.bytes(100) == twin.bytes(100)


@pytest.mark.parametrize("form", ["C", "csr_matrix"])
def test_products_that_overflow_are_not_taken_for_infinite_data(form):
    """X is finite, but Z is not: the error is that of parameters which are not finite, as in scikit-learn."""
    model = OURS["regressor"](**QUICK | {"solver": "sgd", "activation": "identity"})
    assert "non-finite parameter weights" in error_of(model, FORMS[form](X * 1e307))[1]


def test_a_value_that_becomes_infinite_in_float32_is_refused():
    assert "X holds values beyond the range of float32" in error_of(OURS["classifier"](**QUICK, dtype="float32"),
                                                                    X * 1e300)[1]


# ---- Labels ---------------------------------------------------------------------------------------------------------

DTYPES = (np.int8, np.int16, np.int32, np.int64, np.uint8, np.uint16, np.uint32, np.uint64)


@st.composite
def labels(draw):
    """Many labels of few classes, at any place in the range of their dtype."""
    dtype = draw(st.sampled_from(DTYPES))
    limits = np.iinfo(dtype)
    first = draw(st.sampled_from([limits.min, limits.max - 90, max(limits.min, 0), max(limits.min, -45)]))
    classes = draw(st.lists(st.integers(0, 90), min_size=1, max_size=40, unique=True))
    numbers = np.array([first + one for one in classes], dtype)
    return np.concatenate([numbers, draw(st.randoms()).choices(numbers, k=2000)]).astype(dtype)


@given(labels())
def test_counted_labels_give_the_classes_and_numbers_of_scikit_learn(y):
    classes, expected = _classification.few_labels(y), LabelBinarizer().fit(y)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # of many classes
        ours = LabelBinarizer().fit(classes)
    assert ours.classes_.dtype == expected.classes_.dtype and np.array_equal(ours.classes_, expected.classes_)
    assert ours.y_type_ == expected.y_type_
    assert np.array_equal(_classification.present_classes(y), unique_labels(y))
    assert np.array_equal(_classification.class_numbers(expected.classes_, y), np.searchsorted(expected.classes_, y))


@pytest.mark.parametrize("y", [
    np.arange(2000), np.array([0, 2**40] * 1000), np.array(["a", "b"] * 1000), np.array([0.0, 1.0] * 1000),
    np.array([True, False] * 1000), np.arange(5), np.array([-(2**63), 2**63 - 1] * 1000),
], ids=["all differ", "far apart", "texts", "floats", "bools", "few", "the ends of the range"])
def test_other_labels_are_sorted(y):
    assert _classification.few_labels(y) is y
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        found = _classification.present_classes(y)
    with warnings.catch_warnings(record=True) as expected:
        warnings.simplefilter("always")
        assert np.array_equal(found, unique_labels(y))
    assert [str(one.message) for one in caught] == [str(one.message) for one in expected]
    assert np.array_equal(_classification.class_numbers(np.unique(y), y), np.unique(y, return_inverse=True)[1])
