"""Invalid input: scikit-learn's errors, fastnn's own where scikit-learn does not raise, and unchanged estimators."""

import pickle
import re

import numpy as np
import pytest
import scipy.sparse
from helpers.estimator_cases import BOTH, OURS, POISSON, THEIRS, WEIGHTS, Case, run
from helpers.estimator_data import SMALL, X_iris, fitted, predict, quiet, y_iris
from sklearn.exceptions import NotFittedError
from sklearn.utils._param_validation import InvalidParameterError

NAN, INF = np.where(np.arange(4) == 2, np.nan, X_iris), np.where(np.arange(4) == 2, np.inf, X_iris)
HALF = len(X_iris) // 2
MIXED = np.arange(len(y_iris)) % 3  # every contiguous part has all classes


def error_of(function, *arguments, **keywords):
    """Return the class and the message of the exception that a call raises."""
    with pytest.raises(Exception) as caught:
        function(*arguments, **keywords)
    return caught.type, str(caught.value)


# ---- Parameters ------------------------------------------------------------------------------------------------------

BAD_PARAMETERS = [
    ("hidden_layer_sizes", -1), ("hidden_layer_sizes", 0), ("hidden_layer_sizes", (5, -1)),
    ("hidden_layer_sizes", (0,)), ("hidden_layer_sizes", 2.5), ("hidden_layer_sizes", None),
    ("hidden_layer_sizes", "20"),
    ("activation", "ghost"), ("activation", None), ("solver", "hadoken"), ("solver", 1),
    ("alpha", -1), ("alpha", "1"), ("alpha", None), ("batch_size", 0), ("batch_size", "all"), ("batch_size", 2.0),
    ("learning_rate", "ghost"), ("learning_rate_init", 0), ("learning_rate_init", -0.1), ("learning_rate_init", "fast"),
    ("power_t", -1), ("max_iter", 0), ("max_iter", -1), ("max_iter", 1.5), ("shuffle", "true"), ("shuffle", 2),
    ("random_state", "seed"), ("random_state", -1), ("random_state", 1.5), ("tol", -1), ("tol", "H"),
    ("verbose", "loud"), ("verbose", -1), ("warm_start", "yes"), ("momentum", 2), ("momentum", -0.5),
    ("nesterovs_momentum", "yes"), ("early_stopping", "yes"), ("validation_fraction", 1), ("validation_fraction", -0.5),
    ("beta_1", 1), ("beta_1", -0.5), ("beta_2", 1), ("beta_2", -0.5), ("epsilon", -0.5), ("epsilon", 0),
    ("n_iter_no_change", 0), ("n_iter_no_change", -1), ("n_iter_no_change", 1.5), ("max_fun", 0), ("max_fun", 1.5),
]
MORE_ALLOWED = {"activation", "solver", "learning_rate", "loss", "verbose"}  # fastnn allows more values


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(("name", "value"), BAD_PARAMETERS)
def test_invalid_parameters_raise_scikit_learns_errors(kind, name, value):
    (mine, text), (its, its_text) = (
        error_of(classes[kind](**SMALL | {name: value}).fit, X_iris, y_iris) for classes in (OURS, THEIRS))
    assert mine is its
    if name in MORE_ALLOWED:
        assert mine is InvalidParameterError
        ends = [(one.partition(" must be ")[0], one.rpartition(" Got ")[2]) for one in (text, its_text)]
        assert ends[0] == ends[1]
    else:
        assert text == its_text


BAD_EXTRAS = [
    ("dropout", 1.0), ("dropout", -0.1), ("dropout", "much"), ("dropout", [0.1, 0.2]), ("dropout", [1.5]),
    ("clip_norm", 0), ("clip_norm", -1), ("clip_norm", "1"), ("scoring", "no scorer"), ("scoring", 3),
    ("callbacks", "print"), ("callbacks", [3]), ("callbacks", 7), ("dtype", "float16"), ("dtype", "int"),
    ("n_threads", 0), ("n_threads", 1.5), ("n_threads", "all"), ("activation", ("tanh", "relu")),
    ("activation", ["ghost"]), ("activation", [3]), ("loss", "ghost"), ("huber_delta", 0), ("huber_delta", "1"),
    ("quantile", 0), ("quantile", 1), ("quantile", 2), ("class_weight", "even"), ("class_weight", 3),
    ("class_weight", {"ghost": 2.0}), ("label_smoothing", 1), ("label_smoothing", -0.1), ("label_smoothing", "some"),
]


@pytest.mark.parametrize(("name", "value"), BAD_EXTRAS)
def test_invalid_parameters_of_fastnn_are_named(name, value):
    """The error names the parameter or its value, and nothing is fitted."""
    kinds = [kind for kind in OURS if name in OURS[kind]().get_params()]
    assert kinds
    for kind in kinds:
        model = OURS[kind](**SMALL | {"early_stopping": True, name: value})
        category, text = error_of(model.fit, X_iris, y_iris)
        assert issubclass(category, (ValueError, TypeError))
        assert name.rstrip("s") in text or str(value) in text
        assert not hasattr(model, "coefs_")


# ---- Data ------------------------------------------------------------------------------------------------------------

BAD_DATA = {
    "NaN": (NAN, y_iris),
    "inf": (INF, y_iris),
    "NaN in CSR": (scipy.sparse.csr_matrix(NAN), y_iris),
    "one dimension": (X_iris[:, 0], y_iris),
    "three dimensions": (X_iris[None], y_iris),
    "no examples": (X_iris[:0], y_iris[:0]),
    "no features": (X_iris[:, :0], y_iris),
    "complex": (X_iris + 1j, y_iris),
    "strings": (np.full(X_iris.shape, "a"), y_iris),
    "a scalar": (3.0, y_iris),
    "lengths": (X_iris, y_iris[:-1]),
    "no y": (X_iris, None),
    "inf in y": (X_iris, np.where(y_iris == 1, np.inf, y_iris)),
    "three-dimensional y": (X_iris, np.zeros((len(X_iris), 2, 2))),
    "several labels of several classes": (X_iris, np.column_stack([y_iris, y_iris])),  # to the classifier
    "real labels": (X_iris, X_iris[:, 0]),  # to the classifier
    "non-finite parameters": (X_iris * 1e300, y_iris * 1e3),
}


def without_place(error):
    """An error (class, message) without the array or the column and row that may follow the message."""
    of_complex = error and error[1].startswith("Complex data not supported")
    return error and (error[0], re.split(r"\n" if of_complex else r"\n(?:X|y|sample_weight) ", error[1])[0])


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("data", BAD_DATA)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_invalid_data_raise_scikit_learns_errors(kind, data, method):
    """Errors and warnings are scikit-learn's, but the column and row of a fault may follow."""
    bad, y = BAD_DATA[data]
    keywords = {"classes": np.unique(y_iris)} if (kind, method) == ("classifier", "partial_fit") else {}
    case = Case(kind, {"hidden_layer_sizes": 5, "max_iter": 3}, [(method, bad, y, keywords)], X_iris)
    mine, its = run(OURS, case), run(THEIRS, case)
    assert without_place(mine.error) == without_place(its.error)
    assert mine.warnings == its.warnings


SEQUENCES = {
    "classes are missing": ("classifier", {}, [("partial_fit", MIXED, {})]),
    "unseen classes": ("classifier", {}, [("partial_fit", MIXED, {"classes": [0, 1]})]),
    "classes change": ("classifier", {}, [("partial_fit", MIXED, {"classes": [0, 1, 2]}),
                                          ("partial_fit", MIXED, {"classes": [0, 1, 2, 3]})]),
    "new classes after fit": ("classifier", {}, [("fit", MIXED % 2, {}), ("partial_fit", MIXED, {})]),
    "other classes at a warm start": ("classifier", {"warm_start": True}, [("fit", MIXED, {}), ("fit", MIXED % 2, {})]),
    "partial_fit stops early": ("regressor", {"early_stopping": True}, [("partial_fit", MIXED, {})]),
    "a column for y": ("classifier", {}, [("fit", MIXED[:, None], {})]),
    "a column for real y": ("regressor", {}, [("fit", MIXED[:, None], {})]),
}
if WEIGHTS:
    SEQUENCES["held out: one"] = ("regressor", {"early_stopping": True, "validation_fraction": 0.005},
                                  [("fit", MIXED, {})])  # scikit-learn 1.6 goes on, with a score that is NaN
    for name, weights in {"short": np.ones(3), "two-dimensional": np.ones((len(MIXED), 2)), "a word": "balanced",
                          "NaN": np.where(MIXED == 1, np.nan, 1.0), "a number": 2.0}.items():
        SEQUENCES[f"weights: {name}"] = ("classifier", {}, [("fit", MIXED, {"sample_weight": weights})])


@pytest.mark.parametrize("name", SEQUENCES)
def test_invalid_call_sequences_raise_scikit_learns_errors(name):
    kind, parameters, calls = SEQUENCES[name]
    case = Case(kind, {"hidden_layer_sizes": 5, "max_iter": 3} | parameters,
                [(method, X_iris, y, keywords) for method, y, keywords in calls], X_iris)
    mine, its = run(OURS, case), run(THEIRS, case)
    assert (without_place(mine.error), mine.warnings) == (its.error, its.warnings)
    assert its.error or its.warnings


@pytest.mark.parametrize("kind", BOTH)
def test_predicting_invalid_data_raises_scikit_learns_errors(kind):
    mine, theirs = fitted(kind), quiet(THEIRS[kind](**SMALL), "fit", X_iris, y_iris)
    for rows in (NAN, INF, X_iris[:, :2], X_iris[0], X_iris[:0], X_iris + 1j, np.full((3, 4), "a"), "abc",
                 scipy.sparse.csr_matrix(NAN), scipy.sparse.csc_array(X_iris[:, :3])):
        for method in ("predict", "predict_proba"):
            if hasattr(theirs, method):
                errors = [without_place(error_of(getattr(model, method), rows)) for model in (mine, theirs)]
                assert errors[0] == errors[1]
    for method in ("predict", "score", "predict_proba", "predict_log_proba"):
        if hasattr(theirs, method):
            rows = (X_iris, y_iris) if method == "score" else (X_iris,)
            errors = [error_of(getattr(classes[kind](), method), *rows) for classes in (OURS, THEIRS)]
            assert errors[0] == errors[1] and errors[0][0] is NotFittedError


# ---- Input that scikit-learn accepts ---------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_negative_sample_weights_are_refused(kind, solver):
    with pytest.raises(ValueError, match="sample_weight must not be negative, got -2"):
        OURS[kind](solver=solver).fit(X_iris, y_iris, sample_weight=np.where(y_iris, 1, -2))


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_all_zero_sample_weights_are_refused(kind, solver):
    with pytest.raises(ValueError, match=r"Sample weights must contain|sample_weight must not be all zero"):
        OURS[kind](solver=solver).fit(X_iris, y_iris, sample_weight=np.zeros(len(y_iris)))


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_negative_poisson_targets_are_refused(solver):
    with pytest.raises(ValueError, match="y must not be negative for loss='poisson', got -1"):
        OURS["regressor"](loss="poisson", solver=solver).fit(X_iris, y_iris - 1)
    if POISSON:
        assert run(THEIRS, Case("regressor", {"loss": "poisson", "max_iter": 2}, [("fit", X_iris, y_iris - 1, {})],
                                X_iris)).error is None


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_an_infinite_loss_raises_the_error_about_non_finite_weights(method, solver):
    """scikit-learn accepts it as long as the weights are finite."""
    mine, theirs = (classes["regressor"](hidden_layer_sizes=5, activation="identity", solver=solver, max_iter=1)
                    for classes in (OURS, THEIRS))
    y = 1e160 * X_iris[:, 0]  # its square overflows, the gradient does not
    with np.errstate(over="ignore"):
        quiet(theirs, method, X_iris, y)
    assert theirs.loss_ == np.inf and all(np.isfinite(coef).all() for coef in theirs.coefs_)
    with pytest.raises(ValueError, match="Solver produced non-finite parameter weights"):
        quiet(mine, method, X_iris, y)
    with pytest.raises(NotFittedError):
        mine.predict(X_iris)


# ---- Unchanged state and data ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(("X", "y", "weights"), [
    (NAN, y_iris, None), (X_iris[:, :3], y_iris, None), (X_iris, y_iris[:-1], None), (X_iris, np.full(150, "a"), None),
    (X_iris, y_iris, -np.ones(150)), (X_iris, y_iris, np.zeros(150)), (X_iris, y_iris, np.ones(3))],
    ids=["NaN", "features", "lengths", "labels", "negative weights", "no weights", "shape"])
def test_a_refused_partial_fit_changes_nothing(kind, X, y, weights):
    model = fitted(kind, batch_size=10)
    before, predictions = pickle.dumps(model), predict(model)
    with pytest.raises(ValueError):
        model.partial_fit(X, y, weights)
    np.testing.assert_array_equal(predict(model), predictions)
    assert pickle.dumps(model) == before


@pytest.mark.parametrize("kind", BOTH)
def test_read_only_input_is_accepted(kind):
    """X, y, weights and parameters may be read-only arrays."""
    X, y, weights = X_iris.copy(), y_iris.copy(), np.ones(len(y_iris))
    sizes = np.array([5, 4])
    for array in (X, y, weights, sizes):
        array.flags.writeable = False
    model = OURS[kind](hidden_layer_sizes=sizes, max_iter=3)
    quiet(model, "fit", X, y, sample_weight=weights, X_val=X, y_val=y)
    model.partial_fit(scipy.sparse.csr_matrix(X), y, weights)
    assert model.hidden_layer_sizes is sizes and len(predict(model, X)) == len(X)
