"""Private parts of scikit-learn's MLP that other programs use.

Models built by hand from stored or averaged parameters, subclasses, single forward and backward passes, an optimiser
that changes between two calls of partial_fit.
"""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse
from helpers.estimator_cases import BOTH, EQUAL, OURS, STEADY, THEIRS, WEIGHTS, norm
from helpers.estimator_data import SMALL, TASKS, X_iris, fitted, predict, quiet, rounding_of_logarithms, target, y_iris
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.preprocessing import LabelBinarizer


def all_close(mine, theirs, limit=EQUAL):
    """Return whether two lists of arrays agree, norm-wise."""
    return len(mine) == len(theirs) and all(np.shape(one) == np.shape(other) and norm(np.subtract(one, other))
                                            <= limit * norm(other) for one, other in zip(mine, theirs, strict=True))


def learned_arrays(model, X):
    """Return the parameters, records and predictions of a model as arrays."""
    return [*model.coefs_, *model.intercepts_, np.array(model.loss_curve_), np.array(model.t_), predict(model, X)]


# ---- Single passes ---------------------------------------------------------------------------------------------------

@settings(max_examples=60)
@given(data=st.data(), activation=st.sampled_from(["identity", "logistic", "tanh", "relu"]),
       task=st.sampled_from(TASKS), sizes=st.lists(st.integers(1, 8), max_size=3), seed=st.integers(0, 2**16),
       weighted=st.booleans(),
       container=st.sampled_from([np.asarray, np.asfortranarray, scipy.sparse.csr_matrix, scipy.sparse.csc_array]))
def test_forward_pass_and_backprop_match_scikit_learn(data, activation, task, sizes, seed, weighted, container):
    """At the same parameters, which `_unpack` sets. The test of `_loss_grad_lbfgs` explains the tolerances."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((data.draw(st.integers(4, 30)), data.draw(st.integers(1, 6))))
    kind, y = target(task, X, rng)
    weights = [rng.uniform(0.1, 2, len(y)) if weighted else None] if WEIGHTS else []
    results, X = [], container(X)
    for classes in (OURS, THEIRS):
        model = classes[kind](hidden_layer_sizes=sizes, activation=activation, solver="lbfgs", max_iter=1, alpha=0.1)
        quiet(model, "fit", X, y)
        units = [X.shape[1], *(len(b) for b in model.intercepts_)]
        shapes = [*pairwise(units), *((n,) for n in units[1:])]
        model._unpack(np.cos(np.arange(sum(map(np.prod, shapes)))))
        Y = model._label_binarizer.transform(y) if kind == "classifier" else np.reshape(y, (len(y), -1))
        activations, deltas = [X] + [None] * len(units[1:]), [None] * len(units[1:])
        assert model._forward_pass(activations) is activations and activations[0] is X
        outputs = [A.copy() for A in activations[1:]]
        coef_grads, intercept_grads = ([np.empty(shape) for shape in part]
                                       for part in (shapes[: len(units) - 1], shapes[len(units) - 1 :]))
        J, *gradients = model._backprop(X, Y, *weights, activations, deltas, coef_grads, intercept_grads)
        assert gradients[0] is coef_grads and gradients[1] is intercept_grads
        results.append((J, np.concatenate([g.ravel() for g in coef_grads + intercept_grads]), outputs,
                        model.coefs_ + model.intercepts_))
    (my_J, my_gradient, *mine), (J, gradient, *theirs) = results
    assert abs(my_J - J) <= STEADY * abs(J) + rounding_of_logarithms(model, X, Y, *weights)
    theta = np.concatenate([one.ravel() for one in theirs[-1]])
    assert norm(my_gradient - gradient) <= STEADY * norm(gradient) + 100 * np.finfo(float).eps * norm(theta)
    assert all(all_close(one, other, STEADY) for one, other in zip(mine, theirs, strict=True))


# ---- Subclasses ------------------------------------------------------------------------------------------------------

def with_normal_initialisation(base):
    """Return a subclass that draws its initial weights from a normal distribution (He et al. 2015)."""
    class Normal(base):
        def _init_coef(self, fan_in, fan_out, dtype):
            W = self._random_state.normal(scale=np.sqrt(2 / fan_in), size=(fan_in, fan_out))
            return W.astype(dtype), np.zeros(fan_out, dtype)
    return Normal


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_subclasses_may_override_the_initialisation(kind, solver):
    parameters = {"hidden_layer_sizes": (9, 4), "solver": solver, "max_iter": 3, "random_state": 1}
    mine, theirs = (quiet(with_normal_initialisation(classes[kind])(**parameters), "fit", X_iris, y_iris)
                    for classes in (OURS, THEIRS))
    assert all_close(mine.coefs_ + mine.intercepts_, theirs.coefs_ + theirs.intercepts_)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("name", ["_forward_pass", "_backprop", "_fit_stochastic", "_update_no_improvement_count"])
def test_subclasses_may_not_override_parts_of_a_step(kind, name):
    with pytest.raises(TypeError, match=rf"Mine\.{name} would never be called"):
        type("Mine", (OURS[kind],), {name: lambda self: None})
    assert type("Mine", (OURS[kind],), {"_helper": None})().get_params() == OURS[kind]().get_params()


# ---- Built by hand ---------------------------------------------------------------------------------------------------

def hand_built(classes, task, *, records, **parameters):
    """Return a model that was never fitted, with the attributes that programs set after loading stored parameters."""
    kind = "regressor" if task == "regression" else "classifier"
    n_out, output = {"regression": (1, "identity"), "binary": (1, "logistic"), "multiclass": (3, "softmax")}[task]
    model = classes[kind](**SMALL | parameters)
    units = (4, 5, n_out)
    model.coefs_ = [np.sin(np.arange(a * b, dtype=float)).reshape(a, b) for a, b in pairwise(units)]
    model.intercepts_ = [np.cos(np.arange(b, dtype=float)) for b in units[1:]]
    model.n_layers_, model.out_activation_ = 3, output
    if kind == "classifier":
        model._label_binarizer = LabelBinarizer().fit(np.arange(max(n_out, 2)))
    if records:
        model.t_, model.loss_curve_, model.best_loss_, model._no_improvement_count = 0, [], np.inf, 0
    return model


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
def test_hand_built_models_predict(task):
    mine, theirs = (hand_built(classes, task, records=False) for classes in (OURS, THEIRS))
    for model in (mine, theirs):
        model.n_outputs_ = len(model.intercepts_[-1])
    assert all_close([predict(mine, X_iris)], [predict(theirs, X_iris)], STEADY)
    np.testing.assert_allclose(mine.predict(X_iris), theirs.predict(X_iris), rtol=STEADY)


@pytest.mark.parametrize("task", ["regression", "binary", "multiclass"])
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("method", ["partial_fit", "fit"])
def test_hand_built_models_train(task, solver, method):
    y = np.minimum(y_iris, 1) if task == "binary" else y_iris
    mine, theirs = (hand_built(classes, task, records=True, solver=solver, warm_start=method == "fit")
                    for classes in (OURS, THEIRS))
    for model in (mine, theirs):
        if task != "regression":
            model.classes_ = model._label_binarizer.classes_
        quiet(model, method, X_iris, y)
    assert all_close(learned_arrays(mine, X_iris), learned_arrays(theirs, X_iris))
    assert mine.n_outputs_ == theirs.n_outputs_


@pytest.mark.parametrize("y", [y_iris, np.minimum(y_iris, 1), np.eye(3, dtype=int)[y_iris]],
                         ids=["multiclass", "binary", "several"])
def test_initialize_matches_scikit_learn(y):
    results = []
    for classes in (OURS, THEIRS):
        model = classes["classifier"](hidden_layer_sizes=(5,), max_iter=2, random_state=3)
        model._validate_input(X_iris, y, False, reset=True)
        model._random_state = np.random.RandomState(3)
        n_outputs = 1 if y.ndim == 1 and y.max() == 1 else 3
        model._initialize(np.zeros((1, n_outputs)), [4, 5, n_outputs], X_iris.dtype)
        shape = np.array([model.n_layers_, model.n_outputs_])
        results.append([*model.coefs_, *model.intercepts_, predict(model), shape])
    assert all_close(*results)


@pytest.mark.parametrize("kind", BOTH)
def test_parameters_may_be_lists(kind):
    """As they come from a JSON file; scikit-learn takes arrays only."""
    model, same = fitted(kind), fitted(kind)
    same.coefs_, same.intercepts_ = ([one.tolist() for one in parts] for parts in (same.coefs_, same.intercepts_))
    np.testing.assert_array_equal(predict(same), predict(model))
    np.testing.assert_array_equal(predict(same.partial_fit(X_iris, y_iris)), predict(model.partial_fit(X_iris, y_iris)))


# ---- The optimiser and the records -----------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(("parameters", "changes"), [
    ({"solver": "sgd"}, {"learning_rate": 0.3}), ({"solver": "sgd"}, {"momentum": 0.2}),
    ({"solver": "sgd"}, {"momentum": 0.0}), ({"solver": "sgd"}, {"nesterov": False}),
    ({"solver": "sgd", "learning_rate": "invscaling"}, {"learning_rate_init": 0.3}),
    ({"solver": "sgd", "learning_rate": "invscaling"}, {"power_t": 0.2}),
    ({"solver": "sgd", "nesterovs_momentum": False}, {"nesterov": True}),
    ({"solver": "adam"}, {"learning_rate": 0.3}), ({"solver": "adam"}, {"learning_rate_init": 0.3}),
    ({"solver": "adam"}, {"beta_1": 0.5, "beta_2": 0.9}), ({"solver": "adam"}, {"epsilon": 0.1}),
    ({"solver": "adam"}, {"t": 0}),
], ids=str)
def test_changes_of_the_optimizer_take_effect(kind, parameters, changes):
    models = []
    for classes in (OURS, THEIRS):
        model = quiet(classes[kind](**SMALL | parameters), "fit", X_iris, y_iris)
        for name, value in changes.items():
            assert hasattr(model._optimizer, name)
            setattr(model._optimizer, name, value)
        models.append([quiet(model, "partial_fit", X_iris, y_iris) for _ in range(3)][-1])
    mine, theirs = models
    assert all_close(learned_arrays(mine, X_iris), learned_arrays(theirs, X_iris))
    assert mine._optimizer.learning_rate == pytest.approx(theirs._optimizer.learning_rate)
    if changes != {"learning_rate": 0.3} or parameters["solver"] == "sgd":  # Adam recomputes its rate
        unchanged = quiet(OURS[kind](**SMALL | parameters), "fit", X_iris, y_iris)
        for _ in range(3):
            quiet(unchanged, "partial_fit", X_iris, y_iris)
        assert not all_close(unchanged.coefs_, mine.coefs_, 1e-6)


@pytest.mark.parametrize("kind", BOTH)
def test_momentum_may_be_switched_on_between_calls(kind):
    """The velocity starts at zero; in scikit-learn, which stores it even without momentum, at the last step."""
    model, twin = (fitted(kind, solver="sgd", momentum=0.0) for _ in range(2))
    model._optimizer.momentum = 0.5
    twin.set_params(momentum=0.5, warm_start=True, max_iter=1)
    quiet(twin, "fit", X_iris, y_iris)
    np.testing.assert_array_equal(predict(model.partial_fit(X_iris, y_iris)), predict(twin))


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "rmsprop"])
def test_alpha_may_change_between_calls(kind, solver):
    """Solvers with an L2 penalty and with decoupled weight decay."""
    weak, strong = (fitted(kind, solver=solver, alpha=0.0) for _ in range(2))
    before = norm(strong.coefs_[0])
    for _ in range(5):
        weak.partial_fit(X_iris, y_iris)
        strong.set_params(alpha=100.0).partial_fit(X_iris, y_iris)
    assert norm(strong.coefs_[0]) < min(before, norm(weak.coefs_[0]))


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_losses_are_numpy_scalars(kind, solver):
    model = fitted(kind, solver=solver)
    assert {type(value) for value in [model.loss_, model.best_loss_, *model.loss_curve_]} == {np.float64}
