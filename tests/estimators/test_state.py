"""The state of an estimator: copies and pickles, parameters set by hand, several threads."""

import copy
import io
import pickle
import threading

import numpy as np
import pytest
from helpers.estimator_cases import BOTH, OURS, THEIRS
from helpers.estimator_data import SMALL, X_iris, fitted, predict, y_iris

# ---- Copies ----------------------------------------------------------------------------------------------------------

def through_joblib(model):
    joblib, file = pytest.importorskip("joblib"), io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "rmsprop"])
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), through_joblib],
                         ids=["deepcopy", "pickle", "joblib"])
def test_copies_continue_bitwise_identically(kind, solver, copied):
    """Copies share nothing with the original."""
    model = fitted(kind, solver=solver, learning_rate="adaptive", dropout=0.1)
    before = predict(model)
    twin = copied(model)
    assert twin.get_params() == model.get_params() and twin.n_iter_ == model.n_iter_
    np.testing.assert_array_equal(predict(twin), before)
    for rows in (slice(60), slice(60, None)):
        twin.partial_fit(X_iris[rows], y_iris[rows])
    np.testing.assert_array_equal(predict(model), before)
    for rows in (slice(60), slice(60, None)):
        model.partial_fit(X_iris[rows], y_iris[rows])
    np.testing.assert_array_equal(predict(twin), predict(model))
    assert twin.loss_curve_ == model.loss_curve_ and not np.array_equal(predict(model), before)


# ---- Parameters set by hand ------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", BOTH)
def test_changes_of_coefs_affect_predictions(kind):
    model = fitted(kind)
    before = predict(model)
    model.coefs_[0] *= 2
    model.intercepts_[-1][:] = 0.5
    after = predict(model)
    assert not np.array_equal(after, before)
    other = fitted(kind)
    other.coefs_ = [2 * other.coefs_[0], *other.coefs_[1:]]
    other.intercepts_[-1] = np.full_like(other.intercepts_[-1], 0.5)
    np.testing.assert_array_equal(predict(other), after)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_training_continues_from_assigned_parameters(kind, solver):
    """partial_fit, new parameters, partial_fit: the results are scikit-learn's."""
    results = []
    for classes in (OURS, THEIRS):
        model = classes[kind](**SMALL | {"solver": solver})
        first = {"classes": np.unique(y_iris)} if kind == "classifier" else {}
        model.partial_fit(X_iris, y_iris, **first)
        model.coefs_ = [np.cos(np.arange(W.size)).reshape(W.shape) for W in model.coefs_]
        model.intercepts_ = [np.sin(np.arange(b.size)) for b in model.intercepts_]
        model.partial_fit(X_iris, y_iris)
        results.append([*model.coefs_, *model.intercepts_, model.loss_curve_, predict(model)])
    for mine, its in zip(*results, strict=True):
        np.testing.assert_allclose(mine, its, rtol=1e-8, atol=1e-12)


def test_unfitted_model_predicts_with_assigned_parameters():
    """Setting the fitted attributes by hand is enough to predict, as in scikit-learn."""
    rng = np.random.default_rng(1)
    shape = {"coefs_": [rng.standard_normal((4, 3)), rng.standard_normal((3, 2))],
             "intercepts_": [rng.standard_normal(3), rng.standard_normal(2)],
             "n_layers_": 3, "n_outputs_": 2, "out_activation_": "identity", "n_features_in_": 4}
    results = []
    for classes in (OURS, THEIRS):
        model = classes["regressor"](hidden_layer_sizes=3, activation="tanh")
        model.__dict__.update(shape)
        results.append(model.predict(X_iris))
    np.testing.assert_allclose(*results, rtol=1e-12, atol=1e-13)


# ---- Threads ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", BOTH)
def test_concurrent_predictions(kind):
    model, results = fitted(kind), {}
    rows = [X_iris[i % 7 :: 7] for i in range(8)]
    expected = [predict(model, part) for part in rows]

    def work(i):
        results[i] = all(np.array_equal(predict(model, rows[i]), expected[i]) for _ in range(50))

    threads = [threading.Thread(target=work, args=(i,)) for i in range(len(rows))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results == dict.fromkeys(range(len(rows)), True)


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_concurrent_fits():
    """Fits in several threads give the results of separate fits."""
    alone = [fitted("classifier", random_state=i).coefs_ for i in range(4)]
    models = [OURS["classifier"](**SMALL | {"random_state": i}) for i in range(4)]
    threads = [threading.Thread(target=model.fit, args=(X_iris, y_iris)) for model in models]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for model, coefs in zip(models, alone, strict=True):
        for mine, expected in zip(model.coefs_, coefs, strict=True):
            np.testing.assert_allclose(mine, expected, rtol=1e-9)
