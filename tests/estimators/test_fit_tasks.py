"""The callbacks of scikit-learn 1.9: each epoch of a fit is a task."""

import numpy as np
import pytest
from helpers.estimator_cases import BOTH, OURS
from helpers.estimator_data import X_iris, predict, y_iris
from joblib import parallel_config
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

callback = pytest.importorskip("sklearn.callback", reason="new in scikit-learn 1.9")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")

SOLVERS = ["adam", "sgd", "lbfgs"]


class Hooks:
    """A callback that keeps what it hears, and asks to stop after an epoch."""

    max_propagation_depth = None

    def __init__(self, stop_after=None, fail=False):
        self.heard, self.models, self.stop_after, self.fail = [], [], stop_after, fail

    def setup(self, estimator, context):
        self.heard.append("setup")

    def teardown(self, estimator, context):
        self.heard.append("teardown")

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.heard.append(("begin", context.task_name, context.task_id))
        self.data = X, y, metadata

    def on_fit_task_end(self, estimator, context, *, X=None, fitted_estimator=None):
        self.heard.append(("end", context.task_name, context.task_id) if X is not None else "end of an empty task")
        if self.fail and context.task_name == "epoch":
            raise RuntimeError("here")
        if fitted_estimator is not None:
            self.models.append(fitted_estimator)
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after


def make(kind="classifier", **parameters):
    return OURS[kind](**{"hidden_layer_sizes": (4,), "max_iter": 3, "random_state": 0} | parameters)


def tasks(n):
    return [(when, "epoch", i) for i in range(n) for when in ("begin", "end")]


def whole(n, *more):
    return ["setup", ("begin", "fit", 0), *tasks(n), *more, ("end", "fit", 0), "teardown"]


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", SOLVERS)
def test_each_epoch_is_a_task_of_the_fit(kind, solver):
    hooks, weights = Hooks(), np.ones(len(X_iris))
    model = make(kind, solver=solver).set_callbacks(hooks).fit(X_iris, y_iris, sample_weight=weights)
    assert hooks.heard == whole(3)
    assert hooks.data[0] is X_iris and hooks.data[1] is y_iris and hooks.data[2]["sample_weight"] is weights
    assert [one.n_iter_ for one in hooks.models] == [1, 2, 3, 3] and hooks.models[2].loss_ == model.loss_
    plain = make(kind, solver=solver).fit(X_iris, y_iris, sample_weight=weights)
    np.testing.assert_array_equal(predict(model), predict(plain))
    for epochs, stopped in enumerate(hooks.models[:3], 1):
        np.testing.assert_array_equal(predict(stopped), predict(
            make(kind, solver=solver, max_iter=epochs).fit(X_iris, y_iris, sample_weight=weights)))


@pytest.mark.parametrize("solver", SOLVERS)
def test_a_hook_that_returns_true_stops_the_fit(solver):
    hooks = Hooks(stop_after=2)
    assert make(solver=solver, max_iter=9).set_callbacks(hooks).fit(X_iris, y_iris).n_iter_ == 2
    assert hooks.heard == whole(2)


def test_a_fit_that_stops_by_itself_ends_with_an_empty_task():
    hooks = Hooks()
    model = make(tol=1e9, n_iter_no_change=1, max_iter=9).set_callbacks(hooks).fit(X_iris, y_iris)
    assert model.n_iter_ == 3
    assert hooks.heard == whole(3, ("begin", "epoch", 3), "end of an empty task")


def test_early_stopping_ends_with_the_best_parameters():
    hooks = Hooks()
    model = make(early_stopping=True, tol=1e9, n_iter_no_change=1, max_iter=9).set_callbacks(hooks)
    model.fit(X_iris, y_iris)
    np.testing.assert_array_equal(predict(hooks.models[-1]), predict(model))


def test_partial_fit_is_a_fit_of_one_task():
    hooks = Hooks()
    model = make().set_callbacks(hooks)
    for _ in range(2):
        model.partial_fit(X_iris, y_iris, classes=[0, 1, 2])
    assert hooks.heard == 2 * whole(1) and [one.t_ for one in hooks.models] == [150, 150, 300, 300]


def test_callbacks_of_both_kinds_work_together():
    hooks, heard = Hooks(), []
    make(callbacks=[lambda estimator, record: heard.append(record["epoch"])]).set_callbacks(hooks).fit(X_iris, y_iris)
    assert heard == [1, 2, 3] and hooks.heard == whole(3)
    assert not hasattr(make().set_callbacks(hooks).set_callbacks(), "_skl_callbacks")


@pytest.mark.parametrize("solver", SOLVERS)
def test_callbacks_are_torn_down_after_an_error(solver):
    hooks = Hooks(fail=True)
    model = make(solver=solver).set_callbacks(hooks)
    with pytest.raises(RuntimeError, match="here"):
        model.fit(X_iris, y_iris)
    assert hooks.heard == ["setup", ("begin", "fit", 0), *tasks(1), "teardown"]
    assert model.set_callbacks().fit(X_iris, y_iris).n_iter_ == 3


@pytest.mark.parametrize("n_jobs", [None, 2])
def test_scores_of_each_epoch_are_monitored_within_a_search(n_jobs):
    monitor, heard = callback.ScoringMonitor(scoring="accuracy"), []
    model = make(callbacks=[lambda estimator, record: heard.append(estimator.score(X_iris, y_iris))])
    model.set_callbacks(monitor).fit(X_iris, y_iris)
    rows = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert [row["accuracy"] for row in rows] == heard and len(heard) == 3
    model.set_params(callbacks=())
    cross_val_score(model, X_iris, y_iris, cv=2)
    assert len(monitor.get_logs("all")) == 3
    search = GridSearchCV(make_pipeline(StandardScaler(), make()), {"mlpclassifier__alpha": [0.1, 1.0]}, cv=2,
                          n_jobs=n_jobs)
    hooks = Hooks()
    with parallel_config("threading"):
        search.set_callbacks(hooks).fit(X_iris, y_iris)
    assert len([one for one in hooks.heard if one[:2] == ("end", "epoch")]) == 5 * 3


def test_the_monitored_loss_is_that_of_the_next_epoch_on_one_batch():
    """`loss_curve_` holds the loss before each update: without a penalty, that after the update before it.

    Both sum the logarithms of 150 probabilities, in different orders: 150 roundings of 1.1e-16 each, relative.
    """
    monitor = callback.ScoringMonitor(scoring="neg_log_loss")
    model = make(alpha=0.0, batch_size=150, max_iter=6).set_callbacks(monitor).fit(X_iris, y_iris)
    losses = [-row["neg_log_loss"] for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    np.testing.assert_allclose(losses[:-1], model.loss_curve_[1:], rtol=150 * 1.2e-16, atol=0)


def test_a_class_is_refused():
    with pytest.raises(TypeError, match="instances"):
        make().set_callbacks(Hooks)
