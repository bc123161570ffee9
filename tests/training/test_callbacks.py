"""Callbacks, early stopping, the CSV log, and the examples held out for validation."""

import csv
import os
import pickle

import numpy as np
import pytest
from helpers.fit_cases import blobs
from helpers.network_cases import checked, parameter_bytes, prepared_fit

from fastnn import DivergenceWarning, Network, _monitor, metrics
from fastnn._data.examples import batch_bounds
from fastnn._data.feeds import ArrayFeed
from fastnn._data.split import hold_out
from fastnn.callbacks import Callback, Checkpoint, CSVLogger, EarlyStopping, LambdaCallback
from fastnn.metrics import Custom, Metric
from fastnn.schedules import ReduceOnPlateau


def make(dtype="float64", output="softmax", n_out=3, seed=0):
    return Network([4, 6, n_out], activation="tanh", output=output, dtype=dtype, random_state=seed)


# ---- hooks


class Recorder(Callback):
    def __init__(self):
        self.calls = []

    def on_fit_begin(self, run):
        self.calls.append(("begin", run.epoch, run.settings.epochs))

    def on_epoch_end(self, run, record):
        self.calls.append((run.epoch, record["epoch"], run.network.history is run.history))

    def on_fit_end(self, run):
        self.calls.append(("end", run.history.stop_reason))


def test_callback_methods_are_called_in_order():
    recorder, calls = Recorder(), []
    plain = LambdaCallback(on_fit_begin=lambda net: calls.append(net), on_fit_end=lambda net: calls.append(net.history),
                           on_epoch_end=lambda net, record: record["epoch"] == 2)
    net = make()
    history = net.fit(*blobs(), epochs=5, callbacks=[recorder, plain, LambdaCallback()])
    assert recorder.calls == [("begin", 0, 5), (1, 1, True), (2, 2, True), ("end", "callback")]
    assert calls == [net, history]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt])
@pytest.mark.parametrize("hook", ["on_fit_begin", "on_epoch_end"])
def test_on_fit_end_is_called_after_any_error(error, hook):
    def fail(*arguments):
        raise error("here")

    recorder, net = Recorder(), make()
    with pytest.raises(error, match="here"):
        net.fit(*blobs(), callbacks=[recorder, LambdaCallback(**{hook: fail})])
    assert recorder.calls[-1] == ("end", "interrupted" if error is KeyboardInterrupt else "error")
    assert net.fit(*blobs(), epochs=1).stop_reason == "epochs"


def test_on_fit_end_sees_the_restored_parameters():
    seen = []
    X, y = blobs()
    net = make()
    history = net.fit(X, y, epochs=200, learning_rate=0.3, validation_data=blobs(seed=1), early_stopping=2,
                      callbacks=[LambdaCallback(on_fit_end=lambda net: seen.append(parameter_bytes(net)))])
    assert history.best_epoch < len(history) and seen == [parameter_bytes(net)]


def test_every_named_metric_has_a_direction():
    assert set(_monitor.LARGER_IS_BETTER) == {"loss", *metrics.NAMED}


def test_early_stopping_among_the_callbacks():
    X, y = blobs()
    settings = {"epochs": 50, "validation_data": blobs(seed=1), "learning_rate": 0.1}
    nets = [make() for _ in range(3)]
    for net, how in zip(nets, ({"early_stopping": 2}, {"early_stopping": EarlyStopping(patience=2)},
                               {"callbacks": [EarlyStopping(patience=2)]}), strict=True):
        assert net.fit(X, y, **settings, **how).stop_reason == "early_stopping"
    assert len({parameter_bytes(net) for net in nets}) == 1


@pytest.mark.parametrize(("arguments", "error", "match"), [
    ({"callbacks": [EarlyStopping()], "early_stopping": 3}, ValueError, "early_stopping was given twice"),
    ({"early_stopping": EarlyStopping("validation_r2")}, ValueError,
     "early_stopping watches 'validation_r2', but each epoch records only epoch, loss, validation_loss, "),
    ({"callbacks": [3]}, TypeError, "a callback must be callable as"),
    ({"callbacks": Checkpoint("x")}, TypeError, "callbacks must be a sequence"),
    ({"early_stopping": 0}, ValueError, "early_stopping must be from 1"),
    ({"early_stopping": "loss"}, TypeError, "early_stopping must be a whole number"),
])
def test_bad_callbacks(arguments, error, match):
    X, y = blobs()
    net = make()
    before = pickle.dumps(net)
    with pytest.raises(error, match=match):
        net.fit(X, y, validation_data=(X, y), **arguments)
    assert pickle.dumps(net) == before


@pytest.mark.parametrize("optimizer", ["adam", "sgd"])
@pytest.mark.parametrize(("make_one", "error", "match"), [
    (lambda folder: Checkpoint(folder / "none" / "run"), FileNotFoundError, r"there is no folder .*none.* 'run'"),
    (lambda folder: Checkpoint(folder), IsADirectoryError, "is a folder, not a file"),
    (lambda folder: CSVLogger(folder / "none" / "log.csv"), FileNotFoundError, r"there is no folder .* 'log.csv'"),
    (lambda folder: CSVLogger(folder), IsADirectoryError, "is a folder, not a file"),
    (lambda folder: CSVLogger(folder / "other.csv", append=True), ValueError, "has other columns than this run"),
])
def test_unwritable_files_are_refused_before_training(make_one, error, match, optimizer, tmp_path):
    X, y = blobs()
    (tmp_path / "other.csv").write_text("a,b\n1,2\n")
    net, recorder = make(), Recorder()
    net.fit(X, y, epochs=1)
    before = pickle.dumps(net)
    with pytest.raises(error, match=match):
        net.fit(X, y, optimizer=optimizer, callbacks=[recorder, make_one(tmp_path)])
    assert pickle.dumps(net) == before and recorder.calls == []
    assert sorted(tmp_path.iterdir()) == [tmp_path / "other.csv"]


@pytest.mark.parametrize(("make_one", "error", "match"), [
    (lambda: EarlyStopping(patience=0), ValueError, "patience must be from 1"),
    (lambda: EarlyStopping(min_delta=-1), ValueError, "min_delta"),
    (lambda: EarlyStopping(monitor=None), TypeError, "monitor must be the name of a recorded value"),
    (lambda: LambdaCallback(on_fit_end=3), TypeError, "on_fit_end must be callable, got int"),
    (lambda: Checkpoint("a", every=0), ValueError, "every must be from 1"),
    (lambda: Checkpoint("a{b}"), ValueError, "path may hold {epoch}"),
    (lambda: Checkpoint("a{"), ValueError, "path may hold {epoch}"),
    (lambda: Checkpoint(b"a"), TypeError, "path must be a str"),
    (lambda: Checkpoint(3), TypeError, "PathLike"),
    (lambda: CSVLogger("a", append=1), TypeError, "append must be True or False"),
])
def test_bad_arguments(make_one, error, match):
    with pytest.raises(error, match=match):
        make_one()


# ---- the log


def rows(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def test_csv_log_equals_the_history(tmp_path):
    X, y = blobs()
    path = tmp_path / "log.csv"
    counts = []
    history = make().fit(X, y, epochs=4, validation_data=(X, y), metrics=["log_loss"], callbacks=[
        CSVLogger(path), lambda net, record: counts.append(len(rows(path)))])
    assert counts == [1, 2, 3, 4]  # each row is there when its epoch has ended
    assert [{key: float(value) for key, value in row.items()} for row in rows(path)] == history.records
    assert os.listdir(tmp_path) == ["log.csv"]


def test_csv_log_is_replaced_or_appended_to(tmp_path):
    X, y = blobs()
    path, logger = tmp_path / "log.csv", CSVLogger(tmp_path / "log.csv", append=True)
    net = make()
    net.fit(X, y, epochs=2, callbacks=[logger])
    net.fit(X, y, epochs=3, callbacks=[logger])
    assert [row["epoch"] for row in rows(path)] == ["1", "2", "1", "2", "3"]
    before = path.read_bytes()
    with pytest.raises(ValueError, match="has other columns than this run"):
        net.fit(X, y, epochs=1, validation_data=(X, y), callbacks=[logger])
    assert path.read_bytes() == before
    with open(path, "a") as file:
        file.write("4,0.2")  # half a row, of a process that was killed
    net.fit(X, y, epochs=1, callbacks=[logger])
    assert [row["epoch"] for row in rows(path)] == ["1", "2", "1", "2", "3", "1"]
    net.fit(X, y, epochs=1, callbacks=[CSVLogger(path)])
    assert [row["epoch"] for row in rows(path)] == ["1"]


def test_csv_log_of_a_diverged_fit(tmp_path):
    X, _ = blobs()
    with pytest.warns(DivergenceWarning):
        history = make(output="identity", n_out=1).fit(X, X[:, 0], optimizer="sgd", learning_rate=1e200, epochs=9,
                                                       callbacks=[CSVLogger(tmp_path / "log.csv")])
    assert len(rows(tmp_path / "log.csv")) == len(history)


@pytest.mark.parametrize("kept", [3, 4, 6])
def test_csv_log_of_a_resumed_fit_equals_that_of_an_uninterrupted_one(tmp_path, kept):
    """Rows written after the checkpoint are replaced; lost rows are written again."""
    X, y = blobs()
    path, checkpoint = tmp_path / "log.csv", tmp_path / "run.fastnn"

    class Killed(Exception):
        pass

    def kill(net, record):
        if record["epoch"] == 6:
            raise Killed

    for append in (False, True):
        path.unlink(missing_ok=True)
        logger = CSVLogger(path, append=append)
        make(seed=5).fit(X, y, epochs=2, callbacks=[logger])
        net = make()
        with pytest.raises(Killed):
            net.fit(X, y, epochs=8, callbacks=[Checkpoint(checkpoint, every=4), logger, kill])
        earlier = 2 * append
        lines = path.read_text().splitlines(keepends=True)
        path.write_text("".join(lines[: 1 + earlier + kept]))
        history = net.fit(X, y, epochs=8, resume=checkpoint, callbacks=[CSVLogger(path, append=append)])
        assert [row["epoch"] for row in rows(path)] == [*"12"] * append + [*"12345678"]
        assert [float(row["loss"]) for row in rows(path)[earlier:]] == history.loss


# ---- held out


@pytest.mark.parametrize(("output", "n_out"), [("softmax", 3), ("sigmoid", 1), ("sigmoid", 3), ("identity", 1)])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [7, None])
@pytest.mark.parametrize("shuffle", [False, True])
def test_validation_fraction_equals_validation_data_of_the_same_rows(output, n_out, dtype, batch_size, shuffle):
    X, labels = blobs(m=61)
    X = np.asfortranarray(X) if shuffle else X
    y = {"softmax": labels, "sigmoid": np.eye(3)[labels][:, :n_out], "identity": X[:, 0]}[output]
    weights = np.linspace(0.5, 2, 61)
    settings = {"batch_size": batch_size, "shuffle": shuffle, "epochs": 4}
    net, twin = (make(dtype, output, n_out) for _ in range(2))
    history = net.fit(X, y, sample_weight=weights, validation_fraction=0.2, **settings)
    # The twin's generator draws the same split, and goes on with the same orders.
    held = hold_out(twin._architecture, checked(twin, X, y, weights), 0.2, twin._rng)
    rest = np.delete(np.arange(61), held)
    assert len(held) == 12
    if output == "softmax":
        assert np.abs(np.bincount(y[held]) - 0.2 * np.bincount(y)).max() < 1
    expected = twin.fit(X[rest], y[rest], sample_weight=weights[rest], **settings,
                        validation_data=(X[held], y[held], weights[held]))
    assert history["validation_loss"] == expected["validation_loss"] and history.loss == expected.loss
    assert parameter_bytes(net) == parameter_bytes(twin)


def test_held_out_examples_are_not_trained_on():
    X, y = blobs()
    net = make()
    prepared = prepared_fit(net, X, y, validation_fraction=0.25, batch_size=8, epochs=1)
    held_rows = prepared.state.held_rows
    list(prepared.feed.batches(prepared.state.rng))
    taken = prepared.feed.order[: prepared.feed.m]
    assert sorted([*taken, *held_rows]) == list(range(60)) and len(held_rows) == 15


def test_each_fit_draws_another_split():
    X, y = blobs()
    net, twin = make(), make()
    first, second = (net.fit(X, y, validation_fraction=0.2, epochs=1) for _ in range(2))
    again = twin.fit(X, y, validation_fraction=0.2, epochs=1)
    assert again["validation_loss"] == first["validation_loss"] != second["validation_loss"]


@pytest.mark.parametrize(("arguments", "match"), [
    ({"validation_fraction": 0.2, "validation_data": blobs()}, "validation_data or validation_fraction, not both"),
    ({"validation_fraction": 0.0}, "validation_fraction must be finite and above 0 and below 1"),
    ({"validation_fraction": 1}, "validation_fraction must be"),
    ({"validation_fraction": 0.001}, "60 examples are too few"),
    ({"validation_fraction": 0.999}, "60 examples are too few"),
    ({"validation_fraction": 0.2, "sample_weight": np.eye(60)[3]}, "no example with weight"),
])
def test_bad_fractions(arguments, match):
    X, y = blobs()
    net = make()
    before = pickle.dumps(net)
    with pytest.raises(ValueError, match=match):
        net.fit(X, y, **arguments)
    assert pickle.dumps(net) == before


# ---- the feed


@pytest.mark.parametrize(("m", "batch_size"), [(1, 1), (10, 3), (9, 3), (2, 3), (10, 1), (7, 100)])
def test_bounds(m, batch_size):
    expected = [(start, min(start + batch_size, m)) for start in range(0, m, batch_size)]
    assert list(batch_bounds(m, batch_size)) == expected


@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("rows", [None, [1, 4, 5, 8, 11, 19]])
def test_array_feed(shuffle, rows):
    X, y = blobs(m=20)
    rows = None if rows is None else np.array(rows)
    feed = ArrayFeed(checked(make(), X, y), 4, shuffle, rows)
    wanted = np.arange(20) if rows is None else rows
    orders = []
    for _ in range(2):
        rng = np.random.default_rng(0)
        batches = list(feed.batches(rng))
        assert batches == list(batch_bounds(len(wanted), 4)) and feed.steps == len(batches)
        orders.append(None if feed.order is None else feed.order[: len(wanted)].tolist())
    assert orders[0] == orders[1]
    if shuffle:
        assert sorted(orders[0]) == wanted.tolist() != orders[0]
    else:
        assert orders[0] == (None if rows is None else wanted.tolist())
    assert feed.batch_size == 4


@pytest.mark.parametrize("watch", [
    lambda mode: {"early_stopping": EarlyStopping("validation_f1", patience=2, mode=mode)},
    lambda mode: {"learning_rate": ReduceOnPlateau(0.01, monitor="validation_f1", mode=mode)}])
def test_the_name_of_a_users_metric_does_not_say_its_direction(watch):
    """Its name may be that of a metric of fastnn."""
    X = np.random.default_rng(0).standard_normal((60, 3))
    y = (X[:, 0] > 0).astype(int)

    def f1(y_true, y_pred):
        return np.mean(y_true != y_pred)

    class Inverse(Metric):
        name = "f1"

        def scores(self, chunk):
            return chunk.weights

    for metric in (f1, Inverse(), Custom(f1)):
        net = Network([3, 4, 2], random_state=0)
        with pytest.raises(ValueError, match="mode='auto' does not know whether a larger 'validation_f1' is better"):
            net.fit(X, y, epochs=2, validation_data=(X, y), metrics=[metric], **watch("auto"))
        assert len(net.fit(X, y, epochs=2, validation_data=(X, y), metrics=[metric], **watch("min"))) == 2
    assert len(net.fit(X, y, epochs=2, validation_data=(X, y), metrics=["f1"], **watch("auto"))) == 2
