"""Types of X and y, changes between calls, saturated outputs and printed output, compared with scikit-learn."""

import numpy as np
import pytest
import scipy.sparse
from helpers.estimator_cases import BOTH, OURS, POISSON, THEIRS, WEIGHTS, Case, check_equal, run, steady
from helpers.estimator_data import SMALL, X_iris, fitted, predict, quiet, rounding_of_logarithms, target, y_iris

ONE_HOT = np.eye(3, dtype=int)[y_iris]
COUNTS = np.round(4 * X_iris).astype(int)


def check_steady_case(case):
    """Compare a case in which scikit-learn must be steady."""
    theirs = run(THEIRS, case)
    assert theirs.error is None and steady(case, theirs)
    check_equal(case, theirs)


# ---- X and y ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("convert", [
    lambda X: X.astype(np.int8), lambda X: X.astype(np.int64), lambda X: X.astype(np.float16), lambda X: X > 0,
    lambda X: (X - X.min()).astype(np.uint16), lambda X: X.astype(np.longdouble), lambda X: X.astype(object),
    lambda X: X.astype(">f8"), lambda X: np.ma.array(X, dtype=float), lambda X: [tuple(row) for row in X],
    lambda X: np.lib.stride_tricks.as_strided(X.astype(float), writeable=False),
    *[getattr(scipy.sparse, f"{name}_{what}") for name in ("coo", "lil", "dok", "bsr") for what in ("array", "matrix")],
    lambda X: scipy.sparse.csr_matrix(X.astype(np.float32)), lambda X: scipy.sparse.csc_array(X)],
    ids=lambda convert: getattr(convert, "__name__", None))
def test_types_of_X_match_scikit_learn(kind, convert):
    """All types and containers; most hold integers, so that no perturbation is needed."""
    X = convert(COUNTS)
    calls = [("fit", X, y_iris, {}), ("partial_fit", X, y_iris, {})]
    case = Case(kind, {"hidden_layer_sizes": 5, "max_iter": 10}, calls, X)
    mine, theirs = run(OURS, case), run(THEIRS, case)
    assert theirs.error is None and mine.warnings == theirs.warnings
    single = theirs.model.coefs_[0].dtype == np.float32
    assert mine.model.coefs_[0].dtype == theirs.model.coefs_[0].dtype
    np.testing.assert_allclose(mine.model.loss_curve_, theirs.model.loss_curve_, rtol=1e-4 if single else 1e-8)


@pytest.mark.parametrize(("kind", "y"), [
    ("classifier", y_iris.tolist()), ("classifier", y_iris.astype(float)), ("classifier", y_iris == 1),
    ("classifier", (y_iris == 1).astype(np.uint8)), ("classifier", np.array(["a", "b", "c"])[y_iris].tolist()),
    ("classifier", np.array(["a", "b", "c"], object)[y_iris]), ("classifier", ONE_HOT), ("classifier", ONE_HOT == 1),
    ("classifier", ONE_HOT.tolist()), ("classifier", ONE_HOT[:, :2].astype(float)),
    ("classifier", scipy.sparse.csr_matrix(ONE_HOT)), ("classifier", scipy.sparse.csr_matrix(ONE_HOT[:, :2])),
    ("classifier", np.zeros(len(y_iris))), ("classifier", ["only"] * len(y_iris)), ("classifier", -y_iris),
    ("regressor", y_iris.tolist()), ("regressor", y_iris.astype(np.float32)), ("regressor", y_iris.astype(np.int8)),
    ("regressor", ONE_HOT), ("regressor", ONE_HOT.tolist()), ("regressor", y_iris > 0), ("regressor", X_iris),
    ("regressor", y_iris.astype(object))])
@pytest.mark.parametrize("solver", ["adam", "lbfgs"])
def test_types_of_y_match_scikit_learn(kind, y, solver):
    case = Case(kind, {"hidden_layer_sizes": 5, "max_iter": 5, "solver": solver}, [("fit", X_iris, y, {})], X_iris)
    theirs = run(THEIRS, case)
    if theirs.error is None:
        assert steady(case, theirs)
    check_equal(case, theirs)


@pytest.mark.parametrize("classes", [[0, 1, 2], (2, 0, 1), np.array([0, 1, 2, 7]), [1, 2, 0, 0]])
def test_partial_fit_takes_classes_in_any_order(classes):
    """Also with classes that do not occur in the data."""
    rows = np.flatnonzero(y_iris < 2)
    calls = [("partial_fit", X_iris[rows], y_iris[rows], {"classes": classes}), ("partial_fit", X_iris, y_iris, {})]
    check_steady_case(Case("classifier", {"hidden_layer_sizes": 5}, calls, X_iris))


# ---- Changes between calls -------------------------------------------------------------------------------------------

CHANGES = [{"alpha": 1.0}, {"learning_rate_init": 0.1}, {"momentum": 0.1}, {"batch_size": 11}, {"shuffle": False},
           {"beta_1": 0.5}, {"tol": 1.0}, {"random_state": 9}, {"n_iter_no_change": 1}, {"activation": "tanh"},
           {"learning_rate": "invscaling"}, {"max_iter": 2}]


OF_THE_OPTIMIZER = {"learning_rate_init": ["learning_rate_init", "learning_rate"], "momentum": ["momentum"],
                    "beta_1": ["beta_1"], "learning_rate": ["lr_schedule"]}


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
@pytest.mark.parametrize("change", CHANGES, ids=str)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_parameter_changes_between_calls_match_scikit_learn(kind, solver, change, method):
    """scikit-learn's partial_fit keeps the hyperparameters of its optimiser, unless these are changed themselves."""
    results = []
    for classes in (OURS, THEIRS):
        model = quiet(classes[kind](**SMALL | {"solver": solver, "warm_start": method == "fit"}), "fit", X_iris, y_iris)
        if classes is THEIRS and method == "partial_fit":
            for name in change:
                for its in OF_THE_OPTIMIZER.get(name, []):
                    setattr(model._optimizer, its, change[name])
            if "learning_rate" in change:  # the rate of invscaling after the examples so far
                model._optimizer.iteration_ends(model.t_)
        for _ in range(2):
            quiet(model.set_params(**change), method, X_iris, y_iris)
        results.append([*model.coefs_, *model.intercepts_, np.array(model.loss_curve_), predict(model)])
        results[-1].append(np.array([model.n_iter_, model.t_, model._optimizer.learning_rate]))
    for mine, its in zip(*results, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-8, atol=1e-10)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_type_of_X_may_change_between_calls(kind, solver):
    """Dense, sparse, float32: the parameters keep the dtype of the first call."""
    kinds = [X_iris, scipy.sparse.csr_matrix(X_iris), X_iris.astype(np.float32), X_iris.tolist(),
             scipy.sparse.csc_array(X_iris), COUNTS]
    for order in (kinds, kinds[::-1], kinds[2:] + kinds[:2]):
        mine, theirs = (classes[kind](**SMALL | {"solver": solver}) for classes in (OURS, THEIRS))
        for model in (mine, theirs):
            for number, X in enumerate(order):
                first = {"classes": [0, 1, 2]} if kind == "classifier" and not number else {}
                model.partial_fit(X, y_iris, **first)
        assert mine.coefs_[0].dtype == theirs.coefs_[0].dtype
        for rows in order:  # float32 among them: to its rounding, over six epochs
            np.testing.assert_allclose(predict(mine, rows), predict(theirs, rows), rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("kind", BOTH)
def test_solver_may_change_between_calls(kind):
    """Each solver continues from the parameters of the previous one. Ours records L-BFGS, too."""
    calls = []
    for classes in (OURS, THEIRS):
        model = classes[kind](**SMALL | {"warm_start": True, "max_iter": 5})
        for solver in ("adam", "lbfgs", "sgd"):
            quiet(model.set_params(solver=solver), "fit", X_iris, y_iris)
            if classes is OURS:
                assert len(model.loss_curve_) == model.n_iter_ == 5
        calls.append((predict(model), model.loss_, np.array(model.loss_curve_[-5:])))
    for mine, its in zip(*calls, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-8)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("before", [{}, {"early_stopping": True}, {"solver": "lbfgs"}], ids=str)
@pytest.mark.parametrize("after", [{}, {"early_stopping": True}], ids=str)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_stopping_criterion_may_change_between_calls(kind, before, after, method):
    """scikit-learn fails here, because the best loss or score is None; fastnn starts to record it."""
    if method == "partial_fit" and after:
        pytest.skip("partial_fit does not stop early")
    model = fitted(kind, **before)
    start = model.coefs_[0].copy()
    model.set_params(**{"solver": "adam", "early_stopping": False, "warm_start": True} | after)
    quiet(model, method, X_iris, y_iris)
    assert not np.array_equal(model.coefs_[0], start)
    if after:
        assert model.best_validation_score_ == max(model.validation_scores_)
    else:
        assert model.best_loss_ <= model.loss_curve_[-1]


# ---- Probabilities of 0 and 1 ----------------------------------------------------------------------------------------

@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("task", ["binary", "multiclass", "multilabel"])
@pytest.mark.parametrize("factor", [1e2, 1e4])
def test_loss_of_saturated_outputs_matches_scikit_learn(task, dtype, factor):
    """Probabilities are clipped at the dtype's eps, so that the loss of a zero probability is -log(eps).

    With logits of a few hundred, almost all probabilities are 0 or 1.
    """
    rng = np.random.default_rng(1)
    X = (factor * rng.standard_normal((40, 3))).astype(dtype)
    _, y = target(task, X, rng)
    keywords = {"classes": np.unique(y) if y.ndim == 1 else [0, 1, 2]}
    results = []
    for classes in (OURS, THEIRS):
        model = classes["classifier"](hidden_layer_sizes=(), solver="sgd", learning_rate_init=1e-9, random_state=0)
        model.partial_fit(X, y, **keywords)
        results.append((model.loss_, model.predict_proba(X)))
    (mine, probabilities), (its, its_probabilities) = results
    slack = rounding_of_logarithms(model, X, model._label_binarizer.transform(y))
    u = np.finfo(dtype).eps
    # The rounding error of a logit z is at most 4 u |z|.
    assert abs(mine - its) <= 20 * u * factor * its + slack and its > 1
    np.testing.assert_allclose(probabilities, its_probabilities, rtol=20 * u * factor, atol=20 * u * factor)


# ---- Printed output --------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("verbose", [True, 1, 10, False, 0])
@pytest.mark.parametrize("parameters", [
    {}, {"early_stopping": True, "n_iter_no_change": 2}, {"tol": 1.0, "n_iter_no_change": 2},
    {"solver": "sgd", "learning_rate": "adaptive", "tol": 1.0, "n_iter_no_change": 1, "learning_rate_init": 1e-5}],
    ids=["adam", "early stopping", "tol", "adaptive"])
def test_verbose_output_matches_scikit_learn(kind, verbose, parameters, capsys):
    texts = []
    for classes in (OURS, THEIRS):
        quiet(classes[kind](**SMALL | parameters | {"verbose": verbose}), "fit", X_iris, y_iris)
        texts.append(capsys.readouterr())
    assert texts[0] == texts[1] and ("Iteration 1, loss = " in texts[0].out) == bool(verbose)


def test_keyboard_interrupt_ends_training_with_a_warning():
    """After Ctrl-C the estimator keeps the parameters of the last epoch."""
    def interrupt(model, record):
        if record["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.warns(UserWarning, match=r"Training interrupted by user\."):
        model = OURS["classifier"](**SMALL, callbacks=[interrupt]).fit(X_iris, y_iris)
    np.testing.assert_array_equal(predict(model), predict(fitted("classifier", max_iter=3)))


# ---- Predictions -----------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("sizes", [(), (5,), (30, 20)])
@pytest.mark.parametrize("m", [1, 2, 33, 5000])
def test_predictions_match_scikit_learn_for_any_number_of_rows(kind, sizes, m):
    """One row, several chunks of rows, every container, with and without checks."""
    model, theirs = (quiet(classes[kind](**SMALL | {"hidden_layer_sizes": sizes}), "fit", X_iris, y_iris)
                     for classes in (OURS, THEIRS))
    X = np.random.default_rng(m).standard_normal((m, 4))
    expected = predict(theirs, X)
    for rows in (X, np.asfortranarray(X), X.tolist(), scipy.sparse.csr_matrix(X), scipy.sparse.csc_array(X)):
        np.testing.assert_allclose(predict(model, rows), expected, rtol=1e-8, atol=1e-12)
    outputs = model._forward_pass_fast(X)
    np.testing.assert_allclose(outputs, theirs._forward_pass_fast(X), rtol=1e-8, atol=1e-12)
    np.testing.assert_array_equal(model._forward_pass_fast(X, check_input=False), outputs)
    assert model.predict(X).dtype == theirs.predict(X).dtype and outputs.flags.writeable


@pytest.mark.skipif(not (WEIGHTS and POISSON), reason="since scikit-learn 1.7")
def test_weighted_poisson_fit_matches_scikit_learn():
    rng = np.random.default_rng(0)
    kind, y = target("poisson", X_iris, rng)
    check_steady_case(Case(kind, {"loss": "poisson", "early_stopping": True, "max_iter": 20},
               [("fit", X_iris, y, {"sample_weight": rng.uniform(0, 1, len(y))})], X_iris))
