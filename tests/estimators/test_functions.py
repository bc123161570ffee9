"""Functions and objects among the parameters: in copies, clones, searches and pickles."""

import copy
import io
import pickle
import subprocess
import sys
import threading
import warnings

import numpy as np
import pytest
from helpers.estimator_cases import BOTH, OURS
from helpers.estimator_data import X_iris, fitted, predict, quiet, y_iris
from sklearn.base import clone
from sklearn.ensemble import BaggingClassifier
from sklearn.metrics import accuracy_score, make_scorer
from sklearn.model_selection import GridSearchCV, cross_val_score
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils import estimator_html_repr

from fastnn import Network
from fastnn.callbacks import Callback, CSVLogger, LambdaCallback

joblib = pytest.importorskip("joblib")
EPOCHS = 3


class Recorder(Callback):
    def __init__(self):
        self.heard = []

    def on_epoch_end(self, run, record):
        self.heard.append(record["epoch"])


class Locked(Recorder):
    def __init__(self):
        super().__init__()
        self.lock = threading.Lock()


class LockedFunction:
    """A function that is no `Callback` and cannot be copied."""

    def __init__(self):
        self.heard, self.lock = [], threading.Lock()

    def __call__(self, estimator, record):
        self.heard.append(record["epoch"])


class Trainer:
    """An object whose method watches the estimator that it owns."""

    def __init__(self):
        self.heard = []
        self.model = make(callbacks=[self.watch])

    def watch(self, estimator, record):
        self.heard.append(record["epoch"])


def make(**parameters):
    return OURS["classifier"](**{"hidden_layer_sizes": (4,), "max_iter": EPOCHS, "random_state": 0} | parameters)


def cloudpickled(model):
    """Return the model as a worker process of joblib gets it."""
    return pickle.loads(pickle.dumps(joblib.wrap_non_picklable_objects(model, keep_wrapper=False)))


def through_joblib(model):
    file = io.BytesIO()
    joblib.dump(model, file)
    file.seek(0)
    return joblib.load(file)


def through_pickle(model):
    return pickle.loads(pickle.dumps(model))


PICKLES = pytest.mark.parametrize("through", [through_pickle, through_joblib, cloudpickled])
COPIES = pytest.mark.parametrize("copied", [copy.copy, copy.deepcopy])

# ---- Searches --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [Recorder, Locked, LockedFunction])
@pytest.mark.parametrize("container", [list, tuple])
@pytest.mark.parametrize("n_jobs", [None, 2])
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_callback_object_hears_every_fit_of_a_cross_validation(kind, container, n_jobs):
    callback = kind()
    with joblib.parallel_config("threading"):
        cross_val_score(make(callbacks=container([callback])), X_iris, y_iris, cv=3, n_jobs=n_jobs)
    assert sorted(callback.heard) == sorted(3 * [1, 2, 3])


SEARCHES = {
    "grid": (lambda model: GridSearchCV(model, {"alpha": [0.1, 1.0]}, cv=2), 5),
    "pipeline": (lambda model: make_pipeline(StandardScaler(), model), 1),
    "pipeline in a search": (lambda model: GridSearchCV(make_pipeline(StandardScaler(), model),
                                                        {"mlpclassifier__alpha": [0.1, 1.0]}, cv=2), 5),
    "bagging": (lambda model: BaggingClassifier(model, n_estimators=3, bootstrap=False), 3),
}


@pytest.mark.parametrize("kind", [Recorder, Locked, LockedFunction])
@pytest.mark.parametrize("name", SEARCHES)
@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_callback_object_hears_every_fit_of_a_meta_estimator(kind, name):
    callback = kind()
    wrap, n_fits = SEARCHES[name]
    wrap(make(callbacks=[callback])).fit(X_iris, y_iris)
    assert callback.heard == n_fits * [1, 2, 3]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_callback_objects_in_a_parameter_grid_hear_their_fits():
    first, second = Locked(), Locked()
    GridSearchCV(make(), {"callbacks": [[first], (second,)]}, cv=2, refit=False).fit(X_iris, y_iris)
    assert first.heard == second.heard == 2 * [1, 2, 3]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_log_without_append_holds_the_last_fit_of_a_search_and_with_append_all(tmp_path):
    for append, n_fits in ((False, 1), (True, 3)):
        path = tmp_path / f"{append}.csv"
        cross_val_score(make(callbacks=[CSVLogger(path, append=append)]), X_iris, y_iris, cv=3)
        epochs = [line.partition(",")[0] for line in path.read_text().splitlines()]
        assert epochs == ["epoch", *n_fits * "123"]


# ---- Clones and copies -----------------------------------------------------------------------------------------------


def test_clones_share_functions_and_copy_the_rest():
    callbacks, scorer = [Locked(), LockedFunction(), print], LockedFunction()
    sizes = [4]
    model = make(callbacks=callbacks, scoring=scorer, hidden_layer_sizes=sizes)
    twin = clone(model)
    assert twin.callbacks == callbacks and twin.callbacks is not callbacks
    assert twin.scoring is scorer and twin.hidden_layer_sizes == sizes and twin.hidden_layer_sizes is not sizes
    assert model.callbacks is callbacks and clone(make(callbacks=None)).callbacks is None


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@COPIES
def test_copies_share_functions(copied):
    callbacks = (Locked(), LockedFunction(), lambda estimator, record: None)
    model = make(callbacks=callbacks, early_stopping=True, scoring=make_scorer(lambda y, z: float((y == z).mean())))
    for original in (model, model.fit(X_iris, y_iris)):
        twin = copied(original)
        assert twin.callbacks == callbacks and twin.scoring is original.scoring
    np.testing.assert_array_equal(twin.predict(X_iris), model.predict(X_iris))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_deep_copy_of_an_owner_keeps_its_references():
    trainer = Trainer()
    trainer.model.fit(X_iris, y_iris)
    twins = copy.deepcopy([trainer.model, trainer.model])
    assert twins[0] is twins[1] is not trainer.model


def test_representations_show_callbacks():
    model = make(callbacks=[Locked(), print, LambdaCallback(print)], scoring=print)
    assert "Locked" in repr(model) and "Locked" in estimator_html_repr(model)
    assert model.get_params()["callbacks"] is model.callbacks
    assert model.set_params(callbacks=()).callbacks == ()


# ---- Pickles ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", BOTH)
@PICKLES
def test_local_functions_survive_pickling(kind, through):
    limit = 2

    def stop(estimator, record):
        return record["epoch"] == limit

    model = fitted(kind, early_stopping=True, callbacks=(lambda *_: None, stop, print),
                   scoring=lambda estimator, X, y: -float(np.square(estimator.predict(X) - y).mean()))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        twin = through(model)
    np.testing.assert_array_equal(predict(twin), predict(model))
    assert type(twin.callbacks) is tuple and twin.callbacks[2] is print
    assert clone(twin).fit(X_iris, y_iris).n_iter_ == limit
    assert twin.scoring(twin, X_iris, y_iris) == model.scoring(model, X_iris, y_iris)
    assert through(clone(model)).callbacks[1](None, {"epoch": limit})


@PICKLES
def test_objects_that_cannot_be_pickled_are_left_out_with_a_warning(through):
    model = fitted("classifier", early_stopping=True, callbacks=[Locked(), print, LockedFunction()],
                   scoring=make_scorer(accuracy_score))
    model.scoring = LockedFunction()
    with pytest.warns(UserWarning, match="and is left out: set .* again after loading") as caught:
        twin = through(model)
    texts = [str(one.message).partition(" cannot be pickled")[0] for one in caught]
    assert [text.partition(": <")[0] for text in texts] == ["callbacks", "callbacks", "scoring"]
    assert "Locked object" in texts[0] and "LockedFunction" in texts[2]
    assert twin.callbacks == [print] and twin.scoring is None
    np.testing.assert_array_equal(predict(twin), predict(model))


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
@PICKLES
def test_a_method_of_the_owner_of_a_model_still_belongs_to_it(through):
    trainer = Trainer()
    trainer.model.fit(X_iris, y_iris)
    again = through(trainer)
    assert again.model.callbacks[0].__self__ is again
    again.model.fit(X_iris, y_iris)
    assert again.heard == 2 * [1, 2, 3] and trainer.heard == [1, 2, 3]


@pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
def test_a_method_of_an_object_of_a_local_class_is_pickled():
    class Local(Trainer):
        pass

    owner = Local()
    twin = through_pickle(owner.model.fit(X_iris, y_iris))
    assert twin.fit(X_iris, y_iris).callbacks[0].__self__.heard == 2 * [1, 2, 3]


def test_functions_that_share_a_variable_still_do_after_pickling():
    heard = []
    model = make(callbacks=[lambda estimator, record: heard.append(record["epoch"]),
                            lambda estimator, record: len(heard) == 2])
    twin = through_pickle(model)
    assert twin.fit(X_iris, y_iris).n_iter_ == 2 and heard == []


class Keeper:
    """A callback that keeps a pickle of each epoch."""

    def __init__(self):
        self.kept = []

    def __call__(self, estimator, record):
        self.kept.append(pickle.dumps(estimator))


def harmless(estimator, record):
    return False


@pytest.mark.parametrize("local", [True, False])
@pytest.mark.parametrize("kind", BOTH)
def test_pickles_made_during_a_fit_do_not_hold_earlier_ones(kind, local, tmp_path):
    """They grow by the curves alone. A function of a module and a CSV log stay in them."""
    keeper = Keeper()
    callback = (lambda estimator, record: keeper(estimator, record)) if local else keeper
    model = OURS[kind](hidden_layer_sizes=(4,), max_iter=EPOCHS, random_state=0,
                       callbacks=[callback, harmless, CSVLogger(tmp_path / "log")])
    quiet(model, "fit", X_iris, y_iris)
    for _ in range(3):
        quiet(model, "partial_fit", X_iris, y_iris)
    sizes = [len(one) for one in keeper.kept]
    assert len(sizes) > 4 and sizes[-1] < 1.1 * sizes[0]
    with pytest.warns(UserWarning, match="made during a fit, which leaves out callbacks that may hold data"):
        twin = pickle.loads(keeper.kept[-1])
    assert twin.callbacks[0] is harmless and type(twin.callbacks[1]) is CSVLogger and len(twin.callbacks) == 2
    np.testing.assert_array_equal(predict(twin), predict(model))
    assert len(model.callbacks) == len(through_pickle(model).callbacks) == 3


SCRIPT = """
import pickle, sys
from fastnn import MLPClassifier
from fastnn.callbacks import Callback

class Stopper(Callback):
    def on_epoch_end(self, run, record):
        return record["epoch"] == 2

def score(model, X, y):
    return 7.0

sys.stdout.buffer.write(pickle.dumps(MLPClassifier((4,), callbacks=[Stopper()], scoring=score)))
"""


def test_a_model_with_functions_of_a_script_loads_in_another_program():
    written = subprocess.run([sys.executable, "-c", SCRIPT], capture_output=True, timeout=60, check=True).stdout
    model = pickle.loads(written).set_params(early_stopping=True).fit(X_iris, y_iris)
    assert model.n_iter_ == 2 and model.validation_scores_ == [7.0, 7.0]


def test_a_function_that_cannot_be_loaded_is_left_out_with_a_warning(monkeypatch):
    model = make(callbacks=[lambda estimator, record: None, print], scoring=lambda model, X, y: 0.0)
    written = pickle.dumps(model)

    def fail(data):
        raise ValueError("bad marshal data")

    monkeypatch.setattr("fastnn.estimators._functions.pickle.loads", fail)
    with pytest.warns(UserWarning, match=r"left out \(ValueError: bad marshal data\)") as caught:
        twin = pickle.Unpickler(io.BytesIO(written)).load()
    assert sorted(str(one.message).partition(":")[0] for one in caught) == ["callbacks", "scoring"]
    assert twin.callbacks == [print] and twin.scoring is None


def test_a_network_keeps_no_functions():
    def metric(y_true, y_pred):
        return 0.0

    net = Network([4, 3], random_state=0)
    net.fit(X_iris, y_iris, epochs=1, validation_data=(X_iris, y_iris), metrics=[metric], callbacks=[
        Locked(), lambda network, record: pickle.dumps(network)])
    np.testing.assert_array_equal(through_pickle(net).forward(X_iris), net.forward(X_iris))
