"""Misused parameters: refused by the name and the value that the user wrote. NumPy scalars: as Python values."""

import pickle
import warnings

import numpy as np
import pytest
from helpers.estimator_cases import BOTH, OURS
from helpers.estimator_data import X_iris, predict, y_iris
from sklearn.base import clone
from sklearn.model_selection import ParameterGrid, RandomizedSearchCV

from fastnn.callbacks import Callback, CSVLogger, LambdaCallback

NAN, INF = float("nan"), float("inf")


def quiet_fit(kind, **parameters):
    model = OURS[kind](**{"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0} | parameters)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return model.fit(X_iris, y_iris)


# ---- Misuse ----------------------------------------------------------------------------------------------------------

# Parameter, values, and the parameters that make a difference of it.
MISUSED = [
    ("hidden_layer_sizes", [(5, None), (5.0,), 5.0, (5, "3"), "5", b"5", {5: 3}, {5}, ((5, 3),), (NAN,), NAN, (True, 3),
                            True, 2**31, (2**40, 2), 10**30, 0, -1, None, [[5]], np.array([[5, 3]]), np.array([5.0]),
                            (2j,), object(), np.array(["5"]), np.timedelta64(5)], {}),
    ("activation", ["foo", "sigmoid", "RELU", None, 5, {"relu": 1}, ("relu", "relu"), []], {}),
    ("solver", ["Adam", None, 5, ("adam",), True], {}),
    ("alpha", [-1, NAN, INF, "0.1", None, True, [0.1], 1j], {}),
    ("alpha", [True, INF], {"solver": "adamw"}),
    ("batch_size", [0, -1, True, 2.5, 32.0, "Auto", None, NAN, [5], np.True_], {}),
    ("learning_rate", ["constantly", 0.1, None, True], {}),
    ("learning_rate_init", [0, -1, NAN, INF, None, "0.1", True], {}),
    ("learning_rate_init", [0, True], {"learning_rate": "cosine"}),
    ("power_t", [-1, NAN, None, True], {"solver": "sgd", "learning_rate": "invscaling"}),
    ("max_iter", [0, -1, True, 2.5, NAN, INF, None, "5", 5.0], {}),
    ("shuffle", [1, 0, "yes", None], {}),
    ("random_state", ["0", 0.5, -1, np.random.default_rng(0), True, 2**40], {}),
    ("tol", [-1, NAN, None, "x", True], {}),
    ("verbose", ["yes", -1, None, 0.5], {}),
    ("warm_start", [1, "yes", None], {}),
    ("momentum", [-0.1, 1.1, NAN, None, True], {"solver": "sgd"}),
    ("nesterovs_momentum", [1, "yes", None], {}),
    ("early_stopping", [1, "yes", None, 5], {}),
    ("validation_fraction", [-0.1, 1.0, 0, NAN, None, "x", True, 5], {"early_stopping": True}),
    ("beta_1", [-0.1, 1.0, NAN, None, True], {}), ("beta_2", [-0.1, 1.0, NAN, None, True], {}),
    ("epsilon", [0, -1, NAN, None, True], {}),
    ("n_iter_no_change", [0, -1, 2.5, NAN, None, True, "x"], {}),
    ("max_fun", [0, -1, 2.5, None, True], {"solver": "lbfgs"}),
    ("class_weight", ["Balanced", 3], {}),
    ("label_smoothing", [-0.1, 1.0, NAN, None, True, "x"], {}),
    ("dropout", [-0.1, 1.0, NAN, None, True, "x", (0.1, 0.2), {"a": 0.1}], {}),
    ("clip_norm", [0, -1, NAN, INF, True, "x"], {}),
    ("scoring", ["ghost", 5, True], {"early_stopping": True}),
    ("callbacks", [5, "x", {"a": print}], {}),
    ("dtype", ["float16", "f4", 5, "double"], {}),
    ("n_threads", [0, -1, 2.5, True, "all", 4097], {}),
    ("loss", ["mse", None, 5], {}),
    ("huber_delta", [0, -1, NAN, None, True], {"loss": "huber"}),
    ("quantile", [0, 1, NAN, None, True], {"loss": "quantile"}),
]
# An element that is wrong is shown alone.
ELEMENTS = [
    ("activation", ("relu", "foo"), "activation of layer 2 must be one of .*'foo'"),
    ("activation", (5,), "activation of layer 1 must be a name .*, got 5"),
    ("dropout", (1.5,), "dropout of layer 1 must be .*, got 1.5"),
    ("hidden_layer_sizes", (5, 0), r"hidden_layer_sizes must be > 0, got \[5, 0\]"),
    ("callbacks", [5], "callbacks: a callback must be callable .*, got 5"),
    ("scoring", lambda model: 0, r"scoring is called as <lambda>\(estimator, X, y\), but its parameters are \(model\)"),
    ("scoring", dict, r"scoring: dict is a class; pass an instance: dict\(\)"),
    ("class_weight", {0: "x"}, "class_weight of the class 0 must be a number, got 'x'"),
    ("class_weight", {0: None}, "class_weight of the class 0 must be a number, got None"),
    ("class_weight", {0: 1.0, 1: 1.0, 2: NAN}, "class_weight must not be .* infinite, got nan for the class 2"),
]


@pytest.mark.parametrize(("name", "value", "others"), [(name, value, others) for name, values, others in MISUSED
                                                       for value in values])
def test_the_error_about_a_parameter_names_it_and_shows_its_value(name, value, others):
    for kind in BOTH:
        kind = kind.values[0]
        if name not in OURS[kind]().get_params():
            continue
        with pytest.raises((TypeError, ValueError)) as caught:
            quiet_fit(kind, **others | {name: value})
        assert name in str(caught.value) and repr(value)[:20] in str(caught.value)


@pytest.mark.parametrize(("name", "value", "message"), ELEMENTS)
def test_the_error_about_an_element_of_a_parameter_names_it(name, value, message):
    sizes = {"hidden_layer_sizes": (4, 3)} if name == "activation" else {}
    with pytest.raises((TypeError, ValueError), match=message):
        quiet_fit("classifier", **sizes | {name: value})


@pytest.mark.parametrize("callback", [LambdaCallback, CSVLogger, Callback])
def test_a_class_among_the_callbacks_is_refused_before_training(callback):
    model = OURS["classifier"](callbacks=[callback])
    with pytest.raises(TypeError, match=rf"callbacks: {callback.__name__} is a class; pass an instance"):
        model.fit(X_iris, y_iris)
    assert not hasattr(model, "coefs_")


def test_an_iterator_of_callbacks_is_refused():
    with pytest.raises(TypeError, match="callbacks must be a sequence, which every fit can read again"):
        quiet_fit("classifier", callbacks=(one for one in [print]))


def test_none_means_no_callbacks():
    np.testing.assert_array_equal(predict(quiet_fit("classifier", callbacks=None)), predict(quiet_fit("classifier")))


def test_a_generator_of_layer_sizes_is_refused():
    with pytest.raises((TypeError, ValueError), match="hidden_layer_sizes"):
        quiet_fit("classifier", hidden_layer_sizes=(size for size in (3, 2)))


@pytest.mark.parametrize("sizes", [(), [], 5, (5, 3), [5, 3], np.array([5, 3]), np.int64(5), (np.uint8(5), np.int32(3)),
                                   np.array(5), range(3, 5)])
def test_layer_sizes_of_every_sensible_kind(sizes):
    model = quiet_fit("regressor", hidden_layer_sizes=sizes)
    assert [len(intercept) for intercept in model.intercepts_[:-1]] == list(np.atleast_1d(sizes))


# ---- NumPy scalars ---------------------------------------------------------------------------------------------------

VALUES = {
    "hidden_layer_sizes": 5, "activation": "tanh", "solver": "rmsprop", "alpha": 0.1, "batch_size": 50,
    "learning_rate": "cosine", "learning_rate_init": 0.01, "power_t": 0.3, "max_iter": 2, "shuffle": False,
    "random_state": 3, "tol": 0.01, "verbose": False, "warm_start": True, "momentum": 0.7, "nesterovs_momentum": False,
    "early_stopping": True, "validation_fraction": 0.2, "beta_1": 0.8, "beta_2": 0.99, "epsilon": 1e-3,
    "n_iter_no_change": 2, "max_fun": 20, "class_weight": "balanced", "label_smoothing": 0.1, "dropout": 0.2,
    "clip_norm": 0.5, "dtype": "float32", "n_threads": 2, "loss": "huber", "huber_delta": 0.5, "quantile": 0.3,
}
NEEDED = {"power_t": {"solver": "sgd", "learning_rate": "invscaling"}, "momentum": {"solver": "sgd"},
          "nesterovs_momentum": {"solver": "sgd"}, "validation_fraction": {"early_stopping": True},
          "max_fun": {"solver": "lbfgs"}, "huber_delta": {"loss": "huber"}, "quantile": {"loss": "quantile"}}


def numpy_scalars(value):
    if isinstance(value, bool):
        kinds = [np.bool_]
    elif isinstance(value, int):
        kinds = [np.int64, np.uint8]
    elif isinstance(value, float):
        kinds = [np.float64, np.float32, np.float16, np.longdouble]
    else:
        kinds = [np.str_]
    return [*(kind(value) for kind in kinds), np.array(kinds[-1](value))]


@pytest.mark.parametrize("name", VALUES)
def test_a_numpy_scalar_acts_as_the_python_value(name):
    kind = "regressor" if name in OURS["regressor"]().get_params() else "classifier"
    for scalar in numpy_scalars(VALUES[name]):
        value = type(VALUES[name])(scalar)
        plain, model = (quiet_fit(kind, **{"batch_size": 20} | NEEDED.get(name, {}) | {name: one})
                        for one in (value, scalar))
        for mine, its in zip(model.coefs_ + model.intercepts_, plain.coefs_ + plain.intercepts_, strict=True):
            np.testing.assert_array_equal(mine, its)
        assert getattr(model, name) is scalar and model.loss_ == plain.loss_ and repr(model)
        np.testing.assert_array_equal(predict(pickle.loads(pickle.dumps(model))), predict(plain))
        assert getattr(clone(model), name) == scalar


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_searches_over_arrays_work():
    grid = {"early_stopping": np.array([True, False]), "alpha": np.logspace(-3, -2, 2, dtype=np.float32),
            "activation": np.array(["relu", "tanh"]), "hidden_layer_sizes": np.array([4, 5])}
    search = RandomizedSearchCV(OURS["classifier"](max_iter=2), grid, n_iter=3, cv=2, error_score="raise")
    assert search.fit(X_iris, y_iris).best_params_["alpha"].dtype == np.float32
    assert all(quiet_fit("regressor", **point).n_iter_ for point in list(ParameterGrid(grid))[:4])


def test_a_parameter_that_a_callback_changes_stays_changed():
    def change(estimator, record):
        estimator.alpha = 0.5

    model = quiet_fit("classifier", alpha=np.float32(0.1), tol=np.float32(0.1), callbacks=[change])
    assert model.alpha == 0.5 and type(model.tol) is np.float32
