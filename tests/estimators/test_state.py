"""The state of an estimator: copies and pickles, parameters set by hand, several threads."""

import copy
import io
import pickle
import threading
import warnings

import numpy as np
import pytest
from helpers.estimator_cases import BOTH, OURS, THEIRS
from helpers.estimator_data import SMALL, X_iris, fitted, predict, quiet, y_iris

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


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["sgd", "adam", "lbfgs"])
def test_a_shallow_copy_has_its_own_fitted_state(kind, solver):
    """Training one of them leaves the other as it was; parameters are the same objects."""
    stream, sizes = np.random.RandomState(0), [5]
    model = fitted(kind, solver=solver, random_state=stream, hidden_layer_sizes=sizes, warm_start=True)
    before, alone = pickle.dumps(vars(model)["coefs_"]), copy.deepcopy(model)
    other = copy.copy(model)
    assert other.hidden_layer_sizes is sizes and other.random_state is stream is other._random_state
    draws = stream.get_state()
    quiet(other, "fit", X_iris, y_iris)
    if solver != "lbfgs":
        other.partial_fit(X_iris, y_iris)
    other.coefs_[0] *= 2
    assert pickle.dumps(vars(model)["coefs_"]) == before
    stream.set_state(draws)
    for one in (model, alone):
        quiet(one, "fit", X_iris, y_iris)
    np.testing.assert_array_equal(predict(model), predict(alone))


@pytest.mark.parametrize("kind", BOTH)
def test_copies_of_unfitted_estimators(kind):
    model = OURS[kind](**SMALL)
    for twin in (copy.copy(model), copy.deepcopy(model), pickle.loads(pickle.dumps(model))):
        assert twin.get_params() == model.get_params() and vars(twin) == vars(model)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])
def test_copies_taken_in_a_callback_continue(kind, copied):
    copies = []
    model = fitted(kind, callbacks=[lambda estimator, record: copies.append(copied(estimator))])
    for number in (0, 9):
        short = fitted(kind, max_iter=number + 1)
        np.testing.assert_array_equal(predict(copies[number]), predict(short))
        copies[number].set_params(callbacks=()).partial_fit(X_iris, y_iris)
        np.testing.assert_array_equal(predict(copies[number]), predict(short.partial_fit(X_iris, y_iris)))
    assert copies[0].n_iter_ == 1 and len(model.loss_curve_) == 30


# ---- Other versions --------------------------------------------------------------------------------------------------

def restored(model, state):
    twin = object.__new__(type(model))
    twin.__setstate__(state)
    return twin


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("method", ["partial_fit", "fit"])
def test_states_of_older_versions_work(kind, method):
    """They lack parameters and records that were added later."""
    model = fitted(kind, warm_start=True, max_iter=3)
    state = {name: value for name, value in copy.deepcopy(model).__getstate__().items() if name not in (
        "dropout", "clip_norm", "scoring", "callbacks", "dtype", "n_threads", "label_smoothing", "quantile",
        "_fastnn_version", "_fitted_with", "_n_kept", "_no_improvement_count", "_announced", "best_loss_",
        "validation_scores_", "t_")}
    del state["_optimizer"].__dict__["epoch"]
    with warnings.catch_warnings():
        warnings.simplefilter("error", UserWarning)
        old = restored(model, state)
    assert old.get_params() == model.get_params() and repr(old) == repr(model)
    np.testing.assert_array_equal(predict(old), predict(model))
    for one in (old, model):
        quiet(one, method, X_iris, y_iris)
    np.testing.assert_array_equal(predict(old), predict(model))
    assert pickle.loads(pickle.dumps(old)).dropout == 0.0


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("version", ["99.0", "0.99.1rc1"])
def test_states_of_newer_versions_warn(kind, version):
    from fastnn import __version__

    model = fitted(kind)
    state = model.__getstate__()
    assert state["_fastnn_version"] == __version__ and "_sklearn_version" not in state
    with pytest.warns(UserWarning, match=f"{type(model).__name__} was pickled by fastnn {version}, which is newer"):
        twin = restored(model, state | {"_fastnn_version": version, "new_parameter": 3, "new_": 4})
    np.testing.assert_array_equal(predict(twin), predict(model))
    twin.partial_fit(X_iris, y_iris)
    assert twin.get_params() == model.get_params() and "_fastnn_version" not in vars(twin)


def test_subclasses_get_the_defaults_of_their_own_constructor():
    class Mine(OURS["classifier"]):
        def __init__(self, hidden_layer_sizes=3, max_iter=2):
            super().__init__(hidden_layer_sizes, max_iter=max_iter, random_state=0)

    model = quiet(Mine(), "fit", X_iris, y_iris)
    state = model.__getstate__()
    del state["max_iter"], state["dropout"]
    old = restored(model, state)
    assert (old.max_iter, old.dropout) == (2, 0.0)


# ---- Read-only memory ------------------------------------------------------------------------------------------------

def mapped(model, folder):
    joblib = pytest.importorskip("joblib")
    joblib.dump(model, folder / "model")
    return joblib.load(folder / "model", mmap_mode="r")


def from_buffers(model, folder):
    """Return a copy on read-only buffers that are not aligned."""
    buffers = []
    data = pickle.dumps(model, protocol=5, buffer_callback=buffers.append)
    return pickle.loads(data, buffers=[memoryview(b"x" + bytes(buffer.raw()))[1:] for buffer in buffers])


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("load", [mapped, from_buffers])
@pytest.mark.parametrize(("solver", "after"), [("adam", "adam"), ("sgd", "lbfgs"), ("lbfgs", "adam"), ("adamw", "sgd")])
@pytest.mark.parametrize("early_stopping", [False, True])
def test_models_in_read_only_memory_train_on_copies(kind, load, solver, after, early_stopping, tmp_path):
    model = fitted(kind, solver=solver, early_stopping=early_stopping, warm_start=True)
    loaded = load(model, tmp_path)
    np.testing.assert_array_equal(predict(loaded), predict(model))
    again = copy.deepcopy(loaded)
    for one in (model, loaded, again):
        one.set_params(early_stopping=False)
        if solver != "lbfgs":
            one.partial_fit(X_iris, y_iris)
        quiet(one.set_params(solver=after, early_stopping=early_stopping), "fit", X_iris, y_iris)
    for one in (loaded, again):
        np.testing.assert_array_equal(predict(one), predict(model))


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_read_only_arrays_may_be_assigned(kind, method):
    model, twin = (fitted(kind, warm_start=True) for _ in range(2))
    for part in ("coefs_", "intercepts_"):
        arrays = [one.copy() for one in getattr(model, part)]
        for array in arrays:
            array.flags.writeable = False
        setattr(model, part, arrays)
    for one in (model, twin):
        quiet(one, method, X_iris, y_iris)
    np.testing.assert_array_equal(predict(model), predict(twin))


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
