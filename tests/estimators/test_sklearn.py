"""The estimators within scikit-learn: its own MLP tests, its estimator checks, its tools, data frames."""

import importlib.util
import inspect
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from helpers.estimator_cases import BOTH, OURS, POISSON, THEIRS, WEIGHTS, Case, run
from helpers.estimator_data import SMALL, X_iris, fitted, predict, y_iris
from sklearn import config_context
from sklearn.base import clone, is_classifier, is_regressor
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV, KFold, StratifiedKFold, cross_val_predict, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import estimator_checks_generator

unconverged = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# ---- scikit-learn's own tests and checks -----------------------------------------------------------------------------

IMPORT = "from sklearn.neural_network import MLPClassifier, MLPRegressor\n"
CONFTEST = """
import pytest

@pytest.fixture
def global_random_seed():
    return 42
"""


def test_scikit_learns_own_mlp_tests_pass(tmp_path):
    """Run the installed test_mlp.py with only the import changed."""
    spec = importlib.util.find_spec("sklearn.neural_network")
    path = Path(spec.origin).parent / "tests" / "test_mlp.py"
    if not path.exists():
        pytest.skip("scikit-learn is installed without its tests")
    source = path.read_text()
    assert IMPORT in source
    (tmp_path / "test_mlp.py").write_text(source.replace(IMPORT, "from fastnn import MLPClassifier, MLPRegressor\n"))
    (tmp_path / "conftest.py").write_text(CONFTEST)
    (tmp_path / "pytest.ini").write_text("[pytest]\n")
    result = subprocess.run([sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider"], cwd=tmp_path,
                            capture_output=True, text=True)
    assert result.returncode == 0, result.stdout + result.stderr
    assert "passed" in result.stdout


@unconverged
@pytest.mark.parametrize(("estimator", "check"), [
    pytest.param(estimator, check, id=f"{type(estimator).__name__}-{check.func.__name__}-{number}")
    for kind in OURS for number, (estimator, check) in enumerate(estimator_checks_generator(OURS[kind](max_iter=100)))])
def test_scikit_learns_estimator_checks_pass(estimator, check):
    check(estimator)


# scikit-learn checks its own MLP with these solvers; repeating examples changes the mini-batches of other solvers.
@unconverged
@pytest.mark.skipif(not WEIGHTS, reason="scikit-learn 1.6's MLP has no sample_weight")
@pytest.mark.parametrize("estimator", [
    pytest.param(OURS["classifier"](solver="lbfgs"), id="lbfgs"),
    pytest.param(OURS["regressor"](solver="sgd", tol=1e-2, random_state=42), id="sgd")])
def test_sample_weights_equal_repetitions(estimator):
    from sklearn.utils.estimator_checks import check_sample_weight_equivalence_on_dense_data

    check_sample_weight_equivalence_on_dense_data(type(estimator).__name__, estimator)


# ---- Tools of scikit-learn -------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", BOTH)
def test_parameters_extend_scikit_learns(kind):
    """scikit-learn's parameters come first, in its order and with its defaults; fastnn's own are keyword-only."""
    mine, theirs = OURS[kind], THEIRS[kind]
    defaults, its = mine().get_params(), theirs().get_params()
    signature = dict(inspect.signature(mine).parameters)
    if kind == "regressor" and not POISSON:
        del signature["loss"]
    assert list(signature)[: len(its)] == list(inspect.signature(theirs).parameters)
    assert {name: defaults[name] for name in its} == its
    assert all(one.kind is one.KEYWORD_ONLY for one in list(signature.values())[len(its) :])
    model = mine(**SMALL)
    assert model.get_params() == defaults | SMALL
    assert model.set_params(alpha=1.0).alpha == 1.0
    assert clone(model).get_params() == model.get_params()
    with pytest.raises(ValueError, match="Invalid parameter 'beta'"):
        model.set_params(beta=1)
    assert repr(mine(**SMALL)) == repr(theirs(**SMALL))
    assert mine(hidden_layer_sizes=3)._repr_html_()
    assert is_classifier(model) == (kind == "classifier") and is_regressor(model) == (kind == "regressor")


def test_only_scikit_learns_parameters_are_positional():
    assert OURS["classifier"]((3,), "tanh").activation == "tanh"
    with pytest.raises(TypeError):
        OURS["classifier"]((3,), "tanh", "sgd")
    if WEIGHTS:
        assert OURS["regressor"]("poisson", (3,), "tanh").get_params()["hidden_layer_sizes"] == (3,)


@unconverged
@pytest.mark.parametrize("kind", BOTH)
def test_pipeline_and_grid_search(kind):
    model = make_pipeline(StandardScaler(), OURS[kind](**SMALL))
    name = model.steps[-1][0]
    grid = {f"{name}__alpha": [1e-4, 1.0], f"{name}__activation": ["tanh", "relu"]}
    search = GridSearchCV(model, grid, n_jobs=2, cv=2)
    assert search.fit(X_iris, y_iris).best_score_ == max(search.cv_results_["mean_test_score"])
    alone = GridSearchCV(model, grid, cv=2).fit(X_iris, y_iris)
    np.testing.assert_array_equal(search.cv_results_["mean_test_score"], alone.cv_results_["mean_test_score"])
    assert len(cross_val_score(model, X_iris, y_iris, cv=3)) == 3
    scaled = StandardScaler().fit_transform(X_iris)
    direct = OURS[kind](**SMALL).fit(scaled, y_iris)
    np.testing.assert_array_equal(model.fit(X_iris, y_iris).predict(X_iris), direct.predict(scaled))


@unconverged
def test_calibrated_classifier():
    model = CalibratedClassifierCV(OURS["classifier"](**SMALL), cv=2).fit(X_iris, y_iris)
    np.testing.assert_allclose(model.predict_proba(X_iris).sum(axis=1), 1)


@unconverged
@pytest.mark.filterwarnings("ignore:Number of classes in training fold:RuntimeWarning")
def test_folds_with_two_of_three_classes_have_no_decision_function():
    """As with LogisticRegression; probabilities there are."""
    y, model = np.repeat([0, 1, 2], [60, 60, 30]), OURS["classifier"](**SMALL)
    for estimator in (model, LogisticRegression(solver="newton-cg")):
        with pytest.raises(ValueError, match="Only 2 class/es in training fold"):
            cross_val_predict(estimator, X_iris, y, cv=KFold(5), method="decision_function")
        assert cross_val_predict(estimator, X_iris, y, cv=KFold(5), method="predict_proba").shape == (150, 3)
    calibrated = CalibratedClassifierCV(model, cv=StratifiedKFold(5), ensemble=False)
    assert calibrated.fit(X_iris, y).predict_proba(X_iris).shape == (150, 3)


@pytest.mark.skipif(not WEIGHTS, reason="scikit-learn 1.6's MLP has no sample_weight")
@unconverged
@pytest.mark.parametrize("kind", BOTH)
def test_metadata_routing(kind):
    weights = np.random.default_rng(0).uniform(0.5, 1, len(y_iris))
    with config_context(enable_metadata_routing=True):
        model = OURS[kind](**SMALL).set_fit_request(sample_weight=True).set_partial_fit_request(sample_weight=False)
        model.set_score_request(sample_weight=True)
        scaler = StandardScaler().set_fit_request(sample_weight=False)
        routed = make_pipeline(scaler, model).fit(X_iris, y_iris, sample_weight=weights)
        search = GridSearchCV(model, {"alpha": [0.1]}, cv=2).fit(X_iris, y_iris, sample_weight=weights)
    direct = clone(model).fit(StandardScaler().fit_transform(X_iris), y_iris, sample_weight=weights)
    np.testing.assert_array_equal(predict(routed[-1]), predict(direct))
    direct = clone(model).set_params(alpha=0.1).fit(X_iris, y_iris, sample_weight=weights)
    np.testing.assert_array_equal(predict(search.best_estimator_), predict(direct))


@unconverged
@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("frames", [False, True])
def test_a_pipeline_transforms_the_validation_data(kind, frames):
    train, held = np.arange(0, 150, 2), np.arange(1, 150, 2)
    X, weights = 100 * X_iris + 7, np.linspace(0.5, 2, len(held))
    if frames:
        X = pytest.importorskip("pandas").DataFrame(X, columns=["a", "b", "c", "d"])
    parts = (X.iloc[train], X.iloc[held]) if frames else (X[train], X[held])
    with config_context(enable_metadata_routing=True):
        model = OURS[kind](**SMALL, early_stopping=True)
        model.set_fit_request(X_val=True, y_val=True, sample_weight_val=True)
        steps = StandardScaler(), PCA(2), model  # PCA centres by the mean of X, too
        routed = make_pipeline(*steps, transform_input=["X_val"])
        given = {"X_val": parts[1], "y_val": y_iris[held], "sample_weight_val": weights}
        routed.fit(parts[0], y_iris[train], **given)
        search = GridSearchCV(routed, {f"{routed.steps[-1][0]}__alpha": [SMALL.get("alpha", 1e-4)]}, cv=2)
        search.fit(parts[0], y_iris[train], **(given | {"X_val": parts[1][:60], "y_val": y_iris[held][:60],
                                                        "sample_weight_val": weights[:60]}))
    first = make_pipeline(StandardScaler(), PCA(2)).fit(parts[0])
    direct = OURS[kind](**SMALL, early_stopping=True).fit(
        first.transform(parts[0]), y_iris[train], X_val=first.transform(parts[1]), y_val=y_iris[held],
        sample_weight_val=weights)
    assert routed[-1].validation_loss_curve_ == direct.validation_loss_curve_
    assert routed[-1].validation_scores_ == direct.validation_scores_
    assert len(search.best_estimator_[-1].validation_loss_curve_) == search.best_estimator_[-1].n_iter_


# ---- Data frames -----------------------------------------------------------------------------------------------------

@unconverged
@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_data_frames_set_feature_names(kind, library):
    frames = pytest.importorskip(library)
    frame = frames.DataFrame({f"feature {i}": column for i, column in enumerate(X_iris.T)})
    labels = frames.Series(np.array(["a", "b", "c"])[y_iris] if kind == "classifier" else y_iris.astype(float))
    model = OURS[kind](**SMALL).fit(frame, labels)
    if not hasattr(THEIRS[kind](**SMALL).fit(frame, labels), "feature_names_in_"):
        pytest.skip(f"this scikit-learn does not read names from this {library}'s frames")
    assert model.feature_names_in_.tolist() == list(frame.columns)
    plain = OURS[kind](**SMALL).fit(X_iris, np.asarray(labels))
    np.testing.assert_array_equal(predict(model, frame), predict(plain))
    assert model.score(frame, labels) == plain.score(X_iris, np.asarray(labels))
    with pytest.warns(UserWarning, match="X does not have valid feature names"):
        model.predict(X_iris)
    turned = frame[list(frame.columns)[::-1]]
    with pytest.raises(ValueError, match="feature names should match"):
        model.predict(turned)
    # Scoring the validation data, which have lost their names, must not warn.
    case = Case(kind, {"max_iter": 20, "early_stopping": True}, [("fit", frame, labels, {})], frame)
    assert run(OURS, case).warnings == run(THEIRS, case).warnings


@unconverged
@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_set_output(library):
    frames = pytest.importorskip(library)
    model = fitted("classifier").set_output(transform=library)
    hidden = model.transform(X_iris)
    assert isinstance(hidden, frames.DataFrame) and hidden.shape == (len(X_iris), 5)
    assert list(hidden.columns) == list(model.get_feature_names_out())
    np.testing.assert_array_equal(hidden.to_numpy(), fitted("classifier").transform(X_iris))
