"""fastnn's own parameters of the estimators, against the NumPy reference; parameters that must not change results."""

import numpy as np
import pytest
import scipy.sparse
from helpers.estimator_cases import BOTH, EQUAL, OURS, STEADY, norm
from helpers.estimator_data import SMALL, X_iris, fitted, predict, quiet, y_iris
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fastnn import reference, schedules

CORE = {"logistic": "sigmoid"}
HIDDEN = ["identity", "logistic", "tanh", "relu", "leaky_relu", "elu", "selu", "gelu", "silu", "softplus", "mish"]
LOSSES = {"absolute_error": "absolute", "squared_error": "squared_error", "huber": "huber", "quantile": "quantile",
          "poisson": "poisson"}


# ---- Training against the reference ----------------------------------------------------------------------------------

def reference_run(model, X, Y, weights, dropout_seed, epochs):
    """Return loss_curve_, coefs_ and intercepts_ of a fit by `fastnn.reference` with the documented random draws.

    The draws are W and b of each layer, the seed of dropout if there is any, and one permutation per epoch, which is
    applied to the previous order.
    """
    p, rng = model.get_params(), np.random.RandomState(model.random_state)
    hidden = list(p["hidden_layer_sizes"])
    names = [p["activation"]] * len(hidden) if isinstance(p["activation"], str) else list(p["activation"])
    sizes, W, b = [X.shape[1], *hidden, Y.shape[1]], [], []
    for fan_in, fan_out, name in zip(sizes, sizes[1:], names + names[-1:] or ["relu"], strict=False):
        bound = np.sqrt((2 if name == "logistic" else 6) / (fan_in + fan_out))
        W.append(rng.uniform(-bound, bound, (fan_in, fan_out)).T)
        b.append(rng.uniform(-bound, bound, fan_out)[:, None])
    if np.any(p["dropout"]):
        rng.randint(2**31 - 1)
    output, loss, parameter = model.out_activation_, model.loss, 0.0
    if loss == "log_loss":
        loss, parameter = "cross_entropy" if output == "softmax" else "binary_cross_entropy", p["label_smoothing"]
    else:
        loss, parameter = LOSSES[loss], {"huber": p["huber_delta"], "quantile": p["quantile"]}.get(loss, 0.0)
    rules = {"sgd": "nesterov" if p["nesterovs_momentum"] else "momentum", "adamw": "adam"}
    own = {"momentum": p["momentum"]} if p["solver"] == "sgd" else {"epsilon": p["epsilon"]}
    own |= {"beta_2": 0.9} if p["solver"] == "rmsprop" else {"beta_1": p["beta_1"], "beta_2": p["beta_2"]}
    rates = np.broadcast_to(p["dropout"], len(hidden)).tolist() if np.any(p["dropout"]) else ()
    net = reference.ReferenceNetwork(
        W, b, [CORE.get(name, name) for name in (*names, output)], loss, loss_parameter=parameter,
        optimizer=rules.get(p["solver"], p["solver"]), weight_decay=p["alpha"] if p["solver"] == "adamw" else 0.0,
        clip_norm=p["clip_norm"] or 0.0, dropout=rates, dropout_seed=dropout_seed, **own)
    m, rows = len(X), np.arange(len(X))
    batch = m if p["batch_size"] == "auto" else p["batch_size"]
    total, t, curve = p["max_iter"] * -(-m // batch), 0, []
    pace = {"cosine": schedules.Cosine, "one_cycle": schedules.OneCycle, "cos_log": schedules.CosLog,
            "flat_cosine": schedules.FlatCosine}.get(p["learning_rate"], schedules.Constant)
    pace = pace(p["learning_rate_init"])
    for _ in range(epochs):
        order = np.arange(m)
        rng.shuffle(order)
        rows, J = rows[order] if batch < m else rows, 0.0  # a single batch keeps its order
        for start in range(0, m, batch):
            taken = rows[start : start + batch]
            w = None if weights is None else weights[taken]
            net.l2 = 0.0 if p["solver"] == "adamw" else p["alpha"] / (len(taken) if w is None else w.sum())
            J += net.step(X[taken].T, Y[taken].T, pace(t, total), w) * len(taken)
            t += 1
        curve.append(J / m)
    return np.array(curve), [W_l.T for W_l in net.W], [b_l[:, 0] for b_l in net.b]


@st.composite
def extras(draw):
    """Draw a kind of estimator, a task and parameters."""
    one_of = st.sampled_from
    kind, task = draw(one_of([("classifier", "binary"), ("classifier", "classes"), ("classifier", "labels"),
                              ("regressor", "one"), ("regressor", "several")]))
    sizes = draw(st.lists(st.integers(2, 9), max_size=3))
    several = draw(st.lists(one_of(HIDDEN), min_size=len(sizes), max_size=len(sizes)))
    rates = draw(st.lists(one_of([0.0, 0.2, 0.5]), min_size=len(sizes), max_size=len(sizes)))
    solver = draw(one_of(["sgd", "adam", "adamw", "rmsprop"]))
    parameters = {
        "hidden_layer_sizes": sizes,
        "activation": draw(one_of([*HIDDEN, several, tuple(several)])) if sizes else "relu",
        "solver": solver,
        "alpha": draw(one_of([0.0, 0.01, 1.0])),
        "learning_rate": draw(one_of(["constant", "cosine", "one_cycle", "cos_log", "flat_cosine"])),
        "learning_rate_init": draw(one_of([0.001, 0.02])),
        "dropout": draw(one_of([0.0, 0.3, rates, tuple(rates)])) if sizes else 0.0,
        "clip_norm": draw(one_of([None, 0.1, 1.0])),
        "nesterovs_momentum": draw(st.booleans()),
        "batch_size": draw(one_of([4, 7, "auto"])),
        "max_iter": draw(st.integers(1, 5)),
        "random_state": draw(st.integers(0, 100)),
    }
    if kind == "classifier":
        parameters["label_smoothing"] = draw(one_of([0.0, 0.2]))
    else:
        parameters |= {"loss": draw(one_of(sorted(LOSSES))), "huber_delta": draw(one_of([0.3, 1.0])),
                       "quantile": draw(one_of([0.1, 0.5, 0.8]))}
    return kind, task, parameters


@settings(max_examples=100)
@given(case=extras(), m=st.integers(8, 40), seed=st.integers(0, 2**16), weighted=st.booleans(),
       wrap=st.sampled_from([np.asarray, scipy.sparse.csr_array]))
def test_training_matches_the_reference(case, m, seed, weighted, wrap):
    """Equal to 1e-8 wherever perturbing X by one unit in the last place moves the reference by at most 1e-10.

    Larger movements come from kinks (relu, absolute error) and from Adam's first steps, which are signs of gradients.
    """
    kind, task, parameters = case
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, 4))
    signal = X @ rng.standard_normal((4, 3)) + 0.3 * rng.standard_normal((m, 3))
    y = {"binary": signal[:, 0] > 0, "classes": signal.argmax(axis=1), "labels": signal > 0, "one": signal[:, 0],
         "several": signal}[task]
    if kind == "classifier":
        y = y.astype(int)
    elif parameters["loss"] == "poisson":
        y = np.floor(np.exp(np.clip(y, -2, 2)))
    assume(task != "classes" or len(np.unique(y)) == 3)
    assume(task != "binary" or len(np.unique(y)) == 2)
    Y = np.eye(3)[y] if task == "classes" else np.reshape(y, (m, -1)).astype(float)
    weights = rng.uniform(0.1, 2, m) if weighted else None
    model = quiet(OURS[kind](**parameters), "fit", wrap(X), y, sample_weight=weights)
    seed = model._optimizer.state.dropout_seed
    expected, perturbed = (reference_run(model, points, Y, weights, seed, model.n_iter_)
                        for points in (X, X * (1 + np.finfo(float).eps * rng.choice([-1, 1], X.shape))))
    if kind == "regressor" and parameters["loss"] == "squared_error" and not parameters["alpha"]:
        scale = 1 / Y.shape[1]  # scikit-learn reports the mean over the outputs
    else:
        assume(kind != "regressor" or parameters["loss"] != "squared_error" or Y.shape[1] == 1)
        scale = 1.0
    results = [(model.loss_curve_, scale * expected[0], scale * perturbed[0])]
    results += list(zip([*model.coefs_, *model.intercepts_], expected[1] + expected[2], perturbed[1] + perturbed[2],
                        strict=True))
    assume(all(norm(moved - right) <= STEADY * norm(right) for _, right, moved in results))
    for mine, right, _ in results:
        assert norm(np.asarray(mine) - right) <= EQUAL * norm(right)


# ---- Neutral parameters ----------------------------------------------------------------------------------------------

NEUTRAL = [{"dropout": 0}, {"dropout": [0.0]}, {"clip_norm": 1e300}, {"clip_norm": None}, {"callbacks": ()},
           {"callbacks": [lambda model, record: None]}, {"dtype": "float64"}, {"dtype": None}, {"n_threads": None},
           {"activation": ("relu",)}, {"activation": ["relu"]}, {"scoring": "r2"},
           {"classifier": {"class_weight": None}}, {"classifier": {"class_weight": {0: 1, 1: 1, 2: 1}}},
           {"classifier": {"label_smoothing": 0.0}}, {"regressor": {"huber_delta": 0.2}},
           {"regressor": {"quantile": 0.2}}]


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_neutral_parameters_leave_results_bitwise_identical(kind, solver):
    """Defaults, equivalent values, and validation data without early stopping."""
    expected = predict(fitted(kind, solver=solver))
    for parameters in NEUTRAL:
        own = parameters.get(kind, {}) if parameters.keys() & OURS.keys() else parameters
        if not (solver == "lbfgs" and own.get("clip_norm")):
            np.testing.assert_array_equal(predict(fitted(kind, solver=solver, **own)), expected)
    if solver != "lbfgs":
        model = OURS[kind](**SMALL | {"solver": solver})
        quiet(model, "fit", X_iris, y_iris, X_val=X_iris[::2], y_val=y_iris[::2])
        np.testing.assert_array_equal(predict(model), expected)


# ---- Class weights ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
@pytest.mark.parametrize("labels", [np.array([3, 5, 8]), np.array(["a", "b", "c"])])
@pytest.mark.parametrize("weighted", [False, True])
def test_class_weight_equals_scaled_sample_weights(solver, labels, weighted):
    rng = np.random.default_rng(0)
    rows = np.flatnonzero(rng.random(len(y_iris)) < 0.3 + 0.3 * y_iris)  # unbalanced classes
    X, y = X_iris[rows], labels[y_iris[rows]]
    own = rng.uniform(0.5, 2, len(y)) if weighted else np.ones(len(y))
    given, counts = {labels[0]: 2.5, labels[2]: 0.5}, {label: np.sum(y == label) for label in labels}
    for class_weight, factor in ((given, [given.get(one, 1.0) for one in y]),
                                 ("balanced", [len(y) / (3 * counts[one]) for one in y])):
        model = quiet(OURS["classifier"](**SMALL | {"solver": solver, "class_weight": class_weight}), "fit", X, y,
                      own if weighted else None)
        same = quiet(OURS["classifier"](**SMALL | {"solver": solver}), "fit", X, y, own * factor)
        np.testing.assert_allclose(model.predict_proba(X), same.predict_proba(X), rtol=1e-9)
        assert model.score(X, y) == np.mean(model.predict(X) == y)  # class weights do not affect the score


def test_class_weight_in_partial_fit():
    model, same = (OURS["classifier"](**SMALL | {"class_weight": one}) for one in ({0: 3.0}, None))
    for rows in (slice(0, 75), slice(75, 150)):
        model.partial_fit(X_iris[rows], y_iris[rows], classes=[0, 1, 2])
        same.partial_fit(X_iris[rows], y_iris[rows], np.where(y_iris[rows] == 0, 3.0, 1.0), classes=[0, 1, 2])
    np.testing.assert_allclose(predict(model), predict(same), rtol=1e-12)
    with pytest.raises(ValueError, match="class_weight='balanced' needs all labels at once"):
        OURS["classifier"](class_weight="balanced").partial_fit(X_iris, y_iris, classes=[0, 1, 2])


@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_invalid_class_weights_are_refused(solver):
    for bad in (-1.0, np.inf, np.nan):
        model = OURS["classifier"](solver=solver, class_weight={1: bad})
        with pytest.raises(ValueError, match=f"class_weight must not be negative or infinite, got {bad:g} for the cla"):
            model.fit(X_iris, y_iris)
        assert not hasattr(model, "coefs_")
    with pytest.raises(ValueError, match="class_weight leaves no example with a weight"):
        OURS["classifier"](solver=solver, class_weight={0: 0, 1: 0, 2: 1}).fit(X_iris, y_iris, y_iris < 2)


# ---- Losses, dtype, threads ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("quantile", [0.1, 0.5, 0.9])
def test_quantile_regression_covers_the_quantile(quantile):
    """At a minimum of J, a fraction q of y lies below the prediction, up to about five examples on the curve."""
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (400, 1))
    y = x[:, 0] + (0.2 + 0.2 * x[:, 0]) * rng.standard_normal(400)
    model = OURS["regressor"]("quantile", (16,), "tanh", quantile=quantile, alpha=0, max_iter=300, batch_size=400,
                              n_iter_no_change=300, learning_rate="cosine", learning_rate_init=0.02, random_state=0)
    below = np.mean(y < quiet(model, "fit", x, y).predict(x))
    assert abs(below - quantile) <= 5 / 400


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "rmsprop"])
@pytest.mark.parametrize("wrap", [np.asarray, scipy.sparse.csr_matrix])
def test_dtype_equals_casting_the_data(kind, solver, wrap):
    """The parameter `dtype` gives the same results as casting X."""
    X = X_iris.astype(np.float32)
    for dtype, rows in (("float32", X_iris), ("float64", X)):
        model = quiet(OURS[kind](**SMALL | {"solver": solver, "dtype": dtype}), "fit", wrap(rows), y_iris)
        plain = quiet(OURS[kind](**SMALL | {"solver": solver}), "fit", wrap(rows.astype(dtype)), y_iris)
        for mine, its in zip(model.coefs_ + model.intercepts_, plain.coefs_ + plain.intercepts_, strict=True):
            assert mine.dtype == dtype
            np.testing.assert_array_equal(mine, its)
    assert {p.dtype.name for p in fitted(kind, solver="lbfgs", dtype="float32").coefs_} == {"float32"}


@pytest.mark.parametrize("kind", BOTH)
def test_number_of_threads_changes_only_rounding(kind):
    rng = np.random.default_rng(0)
    X = rng.standard_normal((1200, 60))
    y = X[:, 0] > 0 if kind == "classifier" else X[:, 0] * X[:, 1]
    large = {"hidden_layer_sizes": (128, 128), "max_iter": 3, "batch_size": 600, "random_state": 0}
    one, two = (quiet(OURS[kind](**large, n_threads=n), "fit", X, y) for n in (1, 2))
    np.testing.assert_allclose(one.loss_curve_, two.loss_curve_, rtol=1e-9)
    np.testing.assert_allclose(predict(one, X), predict(two, X), rtol=1e-7, atol=1e-9)
    again = quiet(OURS[kind](**one.get_params()), "fit", X, y)
    np.testing.assert_array_equal(predict(again, X), predict(one, X))


@pytest.mark.parametrize("kind", BOTH)
def test_lbfgs_refuses_parameters_it_cannot_use(kind):
    """Own activations, losses and class weights work; dropout, clipping, X_val and the progress bar are refused."""
    own = {"label_smoothing": 0.1, "class_weight": "balanced"} if kind == "classifier" else {"loss": "huber"}
    model = fitted(kind, solver="lbfgs", activation=["gelu"], max_iter=300, **own)
    assert model.score(X_iris, y_iris) > 0.9
    for parameters in ({"dropout": 0.1}, {"dropout": [0.1]}, {"clip_norm": 1.0}, {"verbose": "bar"}):
        with pytest.raises(ValueError, match=f"solver='lbfgs' .* takes no {next(iter(parameters))}"):
            OURS[kind](solver="lbfgs", **parameters).fit(X_iris, y_iris)
    with pytest.raises(ValueError, match="takes no X_val"):
        OURS[kind](solver="lbfgs").fit(X_iris, y_iris, X_val=X_iris, y_val=y_iris)
