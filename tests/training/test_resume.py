"""Checkpoints: a fit that was killed and resumed is bitwise identical to one that was not."""

import copy
import os
import pickle
import signal
import subprocess
import sys

import numpy as np
import pytest
from helpers.network_cases import parameter_bytes
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scipy import sparse

from fastnn import Adam, ModelFileError, Momentum, Network
from fastnn._model import file_format
from fastnn._training import checkpoints
from fastnn.callbacks import Callback, Checkpoint, CSVLogger, EarlyStopping
from fastnn.optimizers import BY_NAME
from fastnn.schedules import Constant, Cosine, Exponential, InverseScaling, OneCycle, ReduceOnPlateau, StepDecay

GENERATORS = [np.random.MT19937, np.random.PCG64, np.random.PCG64DXSM, np.random.Philox, np.random.SFC64]
OPTIMIZERS = [name for name in BY_NAME if name != "lbfgs"]  # SciPy's, which has no steps to go on from
SCHEDULES = [Constant(0.02), StepDecay(0.05, every=2), Exponential(0.05, per="step"), InverseScaling(0.05),
             Cosine(0.05, warmup=0.3), OneCycle(0.1), ReduceOnPlateau(0.05, patience=1)]


def problem(m=61, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(3, size=m)
    return rng.standard_normal((m, 4)) + 0.5 * np.eye(3, 4)[y], y


def make(dtype="float64", seed=0, sizes=(4, 6, 3), l2=1e-3, **arguments):
    return Network(sizes, activation="tanh", l2=l2, dtype=dtype, random_state=seed, **arguments)


def untimed(history):
    """All recorded values except the seconds."""
    records = [{key: value for key, value in record.items() if key != "seconds"} for record in history.records]
    return records, history.stop_reason, history.best_epoch


class Killed(Exception):
    pass


class Kill(Callback):
    def __init__(self, epoch):
        self.epoch = epoch

    def on_epoch_end(self, run, record):
        if run.epoch == self.epoch:
            raise Killed


def killed(net, path, epoch, X, y, *, every=1, **settings):
    """A fit that ends after some epoch and leaves its checkpoint."""
    with pytest.raises(Killed):
        net.fit(X, y, callbacks=[Checkpoint(path, every), Kill(epoch)], **settings)


def check_resumed(whole, resumed, path, epoch, X, y, *, every=1, **settings):
    """Compare two networks with the same start: one trained without a break, one killed and resumed into the third."""
    expected = whole.fit(X, y, **settings)
    killed(copy.deepcopy(resumed), path, epoch, X, y, every=every, **settings)
    other = make(whole.dtype, seed=99, sizes=whole.layer_sizes, l2=whole.l2, output=whole.activations[-1])
    history = other.fit(X, y, resume=path, **settings)
    assert untimed(history) == untimed(expected)
    assert parameter_bytes(other) == parameter_bytes(whole)
    # And so is what follows: generator and optimiser are where they would be.
    settings.pop("early_stopping", None)
    assert untimed(other.fit(X, y, **settings)) == untimed(whole.fit(X, y, **settings))
    assert parameter_bytes(other) == parameter_bytes(whole)
    return expected


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("optimizer", [*OPTIMIZERS, Momentum(0.5), Adam(beta_1=0.7)], ids=str)
@pytest.mark.parametrize("batch_size", [None, 7])
def test_resume(tmp_path, dtype, optimizer, batch_size):
    X, y = problem()
    check_resumed(make(dtype), make(dtype), tmp_path / "run", 4, X, y, optimizer=optimizer, batch_size=batch_size,
                  epochs=7, sample_weight=np.linspace(0.5, 2, 61), learning_rate=0.02)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("schedule", SCHEDULES, ids=lambda schedule: type(schedule).__name__)
@pytest.mark.parametrize("held_out", ["data", "fraction", None])
def test_resume_with_schedules_and_early_stopping(tmp_path, dtype, schedule, held_out):
    X, y = problem()
    settings = {"learning_rate": schedule, "batch_size": 8, "epochs": 40, "every": 3}
    if held_out == "data":
        settings |= {"validation_data": problem(seed=1), "metrics": ["log_loss"]}
        settings |= {"early_stopping": EarlyStopping("validation_log_loss", patience=8, min_delta=1e-3)}
    elif held_out == "fraction":
        settings |= {"validation_fraction": 0.2, "early_stopping": EarlyStopping("validation_accuracy", patience=9)}
    for epoch in (4, 7):
        expected = check_resumed(make(dtype), make(dtype), tmp_path / "run", epoch, X, y, **settings)
        assert len(expected) > epoch


@settings(max_examples=80, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_any_fit_can_be_resumed_bitwise(tmp_path, data):
    """For any arguments, kind of data and number of threads, including those of BLAS."""
    def draw(*values):
        return data.draw(st.sampled_from(values))

    X, y = problem(150)
    X = np.tile(X, 8)
    kind, dtype = draw("array", "sparse", "batches"), draw("float32", "float64")
    form = {"array": (X, y), "sparse": (sparse.csr_array(X * (X > 0)), y),
            "batches": ([(X[i : i + 40], y[i : i + 40]) for i in range(0, 150, 40)],)}[kind]
    arguments = {
        "optimizer": draw(*OPTIMIZERS, Momentum(0.5)), "learning_rate": draw(*SCHEDULES[:4], OneCycle(0.1, total=40)),
        "clip_norm": draw(None, 0.1), "batch_size": draw(None, 32, 150), "n_threads": draw(1, 2, 5, 5),
        "shuffle": draw(True, False), "validation_data": draw(None, (X, y)),
    }
    if kind == "array" and arguments["validation_data"] is None:
        arguments["validation_fraction"] = draw(None, 0.2)

    def new(seed):
        return Network([32, hidden, 5, 3], dropout=dropout, l1=l1, dtype=dtype, random_state=seed)

    hidden, dropout, l1 = draw(6, 800), draw(0.0, [0.2, 0.5]), draw(0.0, 1e-3)  # with 800 units a step has threads
    epochs, cut = 4, draw(1, 2, 3)
    whole, half, resumed = new(1), new(1), new(2)
    expected = whole.fit(*form, epochs=epochs, **arguments)
    half.fit(*form, epochs=cut, callbacks=[Checkpoint(tmp_path / "run")], **arguments)
    found = resumed.fit(*form, epochs=epochs, resume=tmp_path / "run", **arguments)
    assert parameter_bytes(resumed) == parameter_bytes(whole) and found["loss"] == expected["loss"]
    assert resumed._rng.bit_generator.state == whole._rng.bit_generator.state


@pytest.mark.parametrize("kind", GENERATORS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("other", GENERATORS, ids=lambda kind: kind.__name__)
def test_resume_with_any_generator(tmp_path, kind, other):
    X, y = problem()
    path, settings = tmp_path / "run", {"batch_size": 7, "epochs": 5}

    def begin(kind, seed):
        rng = np.random.Generator(kind(seed))
        rng.integers(100, dtype=np.uint32)  # half of a 64-bit draw is left over
        return Network([4, 6, 3], random_state=rng), rng

    (whole, _), (there, _), (here, rng) = begin(kind, 0), begin(kind, 0), begin(other, 1)
    expected = whole.fit(X, y, **settings)
    killed(there, path, 2, X, y, **settings)
    assert untimed(here.fit(X, y, resume=path, **settings)) == untimed(expected)
    assert parameter_bytes(here) == parameter_bytes(whole) and type(here._rng.bit_generator) is kind
    assert (here._rng is rng) == (kind is other)  # a generator that others share goes on, where that can be


def test_resume_from_each_epoch(tmp_path):
    X, y = problem()
    settings = {"batch_size": 8, "epochs": 30, "validation_data": problem(seed=1), "early_stopping": 4,
                "learning_rate": 0.05}
    whole = make()
    expected = whole.fit(X, y, **settings, callbacks=[Checkpoint(f"{tmp_path}/{{epoch:02d}}.run")])
    assert expected.stop_reason == "early_stopping"
    assert sorted(os.listdir(tmp_path)) == [f"{epoch:02d}.run" for epoch in expected.epochs]
    for epoch in expected.epochs:  # the last one too: there the run has ended
        net = make(seed=epoch)
        assert untimed(net.fit(X, y, resume=tmp_path / f"{epoch:02d}.run", **settings)) == untimed(expected)
        assert parameter_bytes(net) == parameter_bytes(whole)


def test_checkpoint_every_n_epochs(tmp_path):
    X, y = problem()
    make().fit(X, y, epochs=7, callbacks=[Checkpoint(f"{tmp_path}/{{epoch}}", every=3)])
    assert sorted(os.listdir(tmp_path)) == ["3", "6", "7"]


def test_resume_with_more_epochs(tmp_path):
    """`epochs` is the total, which may increase."""
    X, y = problem()
    whole, there, here = (make() for _ in range(3))
    expected = whole.fit(X, y, epochs=8, batch_size=7)
    there.fit(X, y, epochs=5, batch_size=7, callbacks=[Checkpoint(tmp_path / "run", every=5)])
    assert untimed(here.fit(X, y, epochs=8, batch_size=7, resume=tmp_path / "run")) == untimed(expected)
    assert parameter_bytes(here) == parameter_bytes(whole)
    done = make().fit(X, y, epochs=5, batch_size=7, resume=tmp_path / "run")
    assert len(done) == 5 and done.stop_reason == "epochs"


def test_best_parameters_without_early_stopping(tmp_path):
    """Those that are restored if the fit diverges after a resume."""
    X, y = problem()

    class Poison(Callback):
        def on_epoch_end(self, run, record):
            if run.epoch == 30:
                run.network.W[1].fill(np.nan)

    whole, there, here = (make() for _ in range(3))
    settings = {"epochs": 40, "batch_size": None, "learning_rate": 0.01}
    with pytest.warns(RuntimeWarning, match="diverged in epoch 31: .* those after epoch 15"):
        whole.fit(X, y, **settings, callbacks=[Poison()])
    killed(there, tmp_path / "run", 20, X, y, **settings)
    with pytest.warns(RuntimeWarning, match="diverged in epoch 31: .* those after epoch 15"):
        here.fit(X, y, **settings, resume=tmp_path / "run", callbacks=[Poison()])
    assert parameter_bytes(here) == parameter_bytes(whole)


def test_resumed_twice(tmp_path):
    X, y = problem()
    path, settings = tmp_path / "run", {"epochs": 9, "batch_size": 7, "learning_rate": OneCycle(0.05)}
    whole, net = make(), make()
    expected = whole.fit(X, y, **settings)
    killed(net, path, 3, X, y, **settings)
    killed(net, path, 6, X, y, resume=path, **settings)
    assert untimed(make().fit(X, y, resume=path, **settings)) == untimed(expected)


KILLED = """
import sys, numpy as np
from fastnn import Network
from fastnn.callbacks import Checkpoint
rng = np.random.default_rng(0)
X, y = rng.standard_normal((500, 4)), rng.integers(3, size=500)
net = Network([4, 6, 3], random_state=0)
net.fit(X, y, epochs=10**9, batch_size=7, learning_rate=0.01,
        callbacks=[Checkpoint(sys.argv[1]), lambda net, record: print(record["epoch"], flush=True)])
"""


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL")
def test_a_process_that_is_killed_leaves_a_whole_checkpoint(tmp_path):
    path = tmp_path / "run"
    process = subprocess.Popen([sys.executable, "-P", "-c", KILLED, str(path)], stdout=subprocess.PIPE, text=True)
    try:
        for _ in range(20):
            process.stdout.readline()
        process.send_signal(signal.SIGKILL)
        process.communicate(timeout=60)
    finally:
        process.kill()
    rng = np.random.default_rng(0)
    X, y = rng.standard_normal((500, 4)), rng.integers(3, size=500)
    settings = {"epochs": 10**9, "batch_size": 7, "learning_rate": 0.01}
    net, whole = (Network([4, 6, 3], random_state=seed) for seed in (1, 0))
    arrays = file_format.read(path)[1]
    done = len(arrays["history"])
    assert done >= 19
    with pytest.raises(Killed):
        net.fit(X, y, resume=path, callbacks=[Kill(done + 3)], **settings)
    with pytest.raises(Killed):
        whole.fit(X, y, callbacks=[Kill(done + 3)], **settings)
    assert parameter_bytes(net) == parameter_bytes(whole)


# ---- the file


@pytest.fixture
def checkpoint(tmp_path):
    """The path of a checkpoint, and the data and settings of its fit."""
    X, y = problem()
    settings = {"epochs": 6, "batch_size": 8, "validation_fraction": 0.2, "learning_rate": ReduceOnPlateau(0.01),
                "early_stopping": 5}
    killed(make(), tmp_path / "run", 4, X, y, **settings)
    return tmp_path / "run", X, y, settings


def test_load_restores_the_network(checkpoint):
    path, X, y, settings = checkpoint
    twin = make()
    with pytest.raises(Killed):
        twin.fit(X, y, **settings, callbacks=[Kill(4)])
    net = Network.load(path)
    assert parameter_bytes(net) == parameter_bytes(twin) and net.dtype == twin.dtype
    assert np.array_equal(net.predict(X), twin.predict(X))


@pytest.mark.parametrize(("change", "match"), [
    (lambda net, X, y, settings: (make(sizes=(4, 7, 3)), X, y, settings), r"layer_sizes=\[4, 6, 3\], this fit"),
    (lambda net, X, y, settings: (make("float32"), X, y, settings), "dtype=float64, this fit dtype=float32"),
    (lambda net, X, y, settings: (make(l2=0.5), X, y, settings), "l2=0.001, this fit l2=0.5"),
    (lambda net, X, y, settings: (make(loss="squared_error"), X, y, settings), "loss=cross_entropy, this fit"),
    (lambda net, X, y, settings: (net, X[:-2], y[:-2], settings), "examples=61, this fit examples=59|other data"),
    (lambda net, X, y, settings: (net, X[:9], y[:9], settings), "other data"),
    (lambda net, X, y, settings: (net, X, y, settings | {"batch_size": 9}), "batch_size=8, this fit batch_size=9"),
    (lambda net, X, y, settings: (net, X, y, settings | {"shuffle": False}), "shuffle=True"),
    (lambda net, X, y, settings: (net, X, y, settings | {"optimizer": "sgd"}), r"optimizer=Adam\(.*SGD"),
    (lambda net, X, y, settings: (net, X, y, settings | {"optimizer": Adam(0.5)}), r"optimizer=Adam\("),
    (lambda net, X, y, settings: (net, X, y, settings | {"learning_rate": 0.01}), "learning_rate=ReduceOnPlateau"),
    (lambda net, X, y, settings: (net, X, y, settings | {"early_stopping": 6}), "early_stopping=EarlyStopping"),
    (lambda net, X, y, settings: (net, X, y, settings | {"metrics": ["log_loss"]}), "recorded="),
    (lambda net, X, y, settings: (net, X, y, settings | {"sample_weight": np.ones(61)}), "weighted=False"),
    (lambda net, X, y, settings: (net, X, y, settings | {"epochs": 3}), "is of epoch 4, but epochs=3"),
    (lambda net, X, y, settings: (net, X, y, settings | {"validation_fraction": None, "validation_data": (X, y)}),
     "validation=12, this fit validation=61"),
    (lambda net, X, y, settings: (net, X, y, settings | {"validation_fraction": 0.4}), "validation_fraction=0.2, this"),
    (lambda net, X, y, settings: (net, X, y, settings | {"validation_split": "last"}), "split=random, this fit .*last"),
    (lambda net, X, y, settings: (net, X, y, settings | {"class_weight": "balanced"}), "class_weight=None, this"),
])
def test_a_checkpoint_of_another_run_is_refused(checkpoint, change, match):
    path, *rest = checkpoint
    net, X, y, settings = change(make(), *rest)
    before = pickle.dumps(net)
    with pytest.raises(ValueError, match=match):
        net.fit(X, y, resume=path, **settings)
    assert pickle.dumps(net) == before


def test_equal_class_weights_can_be_resumed_and_others_not(tmp_path):
    X, y = problem()
    whole = make().fit(X, y, epochs=3, class_weight={0: 2, 2: 1.5})
    killed(make(), tmp_path / "run", 2, X, y, epochs=3, class_weight={0: 2, 2: 1.5})
    resumed = make().fit(X, y, epochs=3, class_weight={2: np.float64(1.5), 0: 2.0}, resume=tmp_path / "run")
    assert resumed.loss == whole.loss
    with pytest.raises(ValueError, match=r"class_weight=\[\[0, 2.0\], \[2, 1.5\]\], this fit .*\[\[0, 3.0\]\]"):
        make().fit(X, y, epochs=3, class_weight={0: 3}, resume=tmp_path / "run")


def test_a_checkpoint_of_an_older_version_can_be_resumed(checkpoint):
    path, X, y, settings = checkpoint
    header, arrays = file_format.read(path)
    for key in ("validation_fraction", "validation_split", "class_weight"):
        del header["run"][key]
    file_format.write(path, header, arrays)
    assert len(make().fit(X, y, resume=path, **settings)) == 6


def test_resume_with_a_new_validation_fraction_is_refused(tmp_path):
    X, y = problem()
    killed(make(), tmp_path / "run", 1, X, y)
    with pytest.raises(ValueError, match="without validation_fraction"):
        make().fit(X, y, resume=tmp_path / "run", validation_fraction=0.2)


def refused(path, X, y, settings):
    net = make()
    before = pickle.dumps(net)
    with pytest.raises(ModelFileError):
        net.fit(X, y, resume=path, **settings)
    assert pickle.dumps(net) == before


def test_a_damaged_file_is_refused(checkpoint):
    path, X, y, settings = checkpoint
    whole = path.read_bytes()
    rng = np.random.default_rng(0)
    for position in rng.integers(len(whole), size=40):
        broken = bytearray(whole)
        broken[position] ^= 1 << rng.integers(8)
        path.write_bytes(broken)
        refused(path, X, y, settings)
        with pytest.raises(ModelFileError):
            Network.load(path)
    for size in (0, 5, 23, 100, len(whole) - 1):
        path.write_bytes(whole[:size])
        refused(path, X, y, settings)
    path.unlink()
    with pytest.raises(FileNotFoundError):
        make().fit(X, y, resume=path, **settings)


def test_resuming_a_file_without_a_checkpoint_is_refused(checkpoint):
    path, X, y, settings = checkpoint
    make().save(path)
    net = make()
    with pytest.raises(ModelFileError, match=r"is no checkpoint of a run: it holds 'fastnn\.Network'"):
        net.fit(X, y, resume=path, **settings)


def places(value, path=()):
    """Yield the path to each item of nested dicts."""
    for key, item in value.items():
        yield (*path, key)
        if isinstance(item, dict):
            yield from places(item, (*path, key))


def test_a_file_with_a_wrong_header_is_refused(checkpoint):
    """Each field is missing or replaced, with a valid checksum."""
    path, X, y, settings = checkpoint
    header, arrays = file_format.read(path)
    ignored = {("kind",), ("init",), ("target_ndim",)}  # the first has its own test; no run depends on the others
    tried = 0
    for place in places(header):
        if place in ignored:
            continue
        older = place[-1] in {"validation_fraction", "validation_split", "class_weight"}
        for wrong in (..., "wrong", -1, [], {}, 1e300, 2**70, None):
            broken = copy.deepcopy(header)
            inner = broken
            for key in place[:-1]:
                inner = inner[key]
            if wrong is ... and older:
                continue  # files of older versions do not hold them
            if wrong is ...:
                del inner[place[-1]]
            elif inner[place[-1]] == wrong or (place == ("best", "epoch") and wrong is None) or (
                    place[-1] in ("best", "value") and len(place) > 1 and not isinstance(wrong, (str, list, dict))):
                continue  # as good as any
            elif place[:2] == ("generator", "state") and type(wrong) is type(inner[place[-1]]) is int:
                continue  # another state of the generator
            else:
                inner[place[-1]] = wrong
            file_format.write(path, broken, arrays)
            net = make()
            before = pickle.dumps(net)
            with pytest.raises(ValueError):
                net.fit(X, y, resume=path, **settings)
            assert pickle.dumps(net) == before, (place, wrong)
            tried += 1
    assert tried > 100


@pytest.mark.parametrize(("kind", "key"), [(np.random.MT19937, "pos"), (np.random.Philox, "buffer_pos"),
                                           (np.random.SFC64, "has_uint32"), (np.random.PCG64, "uinteger")])
@pytest.mark.parametrize("wrong", [-1, 2**33, 0.5, True])
def test_generator_states_out_of_range_are_refused(tmp_path, kind, key, wrong):
    X, y = problem()
    path = tmp_path / "run"
    net = Network([4, 6, 3], dtype="float64", random_state=np.random.Generator(kind(0)))
    killed(net, path, 1, X, y, epochs=2)
    header, arrays = file_format.read(path)
    state = header["generator"]
    (state["state"] if key == "pos" else state)[key] = wrong
    file_format.write(path, header, arrays)
    with pytest.raises(ModelFileError, match=f"is damaged: {key} must be"):
        Network([4, 6, 3], activation="relu", dtype="float64").fit(X, y, epochs=2, resume=path)


def test_a_file_with_wrong_arrays_is_refused(checkpoint):
    path, X, y, settings = checkpoint
    header, arrays = file_format.read(path)
    assert {"W1", "b2", "best.W1", "state0.b1", "state1.W2", "history", "held_rows"} <= set(arrays)
    for name, array in arrays.items():
        changed = [array[..., None]]
        if name in ("history", "held_rows"):  # their values are checked too
            changed.append(-np.abs(array) - 1)
        if name != "history":  # a shorter one is another history
            changed += [array[:-1], array.astype(np.float32)]
        for wrong in (None, *changed):
            broken = {key: value for key, value in arrays.items() if key != name}
            file_format.write(path, header, broken if wrong is None else broken | {name: wrong})
            net = make()
            before = pickle.dumps(net)
            with pytest.raises(ValueError):
                net.fit(X, y, resume=path, **settings)
            assert pickle.dumps(net) == before, name


def test_unstorable_generators_are_refused_before_training(tmp_path):
    class Own(np.random.PCG64):
        pass

    X, y = problem()
    net = Network([4, 6, 3], random_state=np.random.Generator(Own(0)))
    before = parameter_bytes(net)
    with pytest.raises(ValueError, match=r"a checkpoint can hold the random generators MT19937, .* got Own"):
        net.fit(X, y, callbacks=[Checkpoint(tmp_path / "run")])
    with pytest.raises(FileNotFoundError, match="there is no folder"):
        make().fit(X, y, callbacks=[Checkpoint(tmp_path / "missing" / "run")])
    assert parameter_bytes(net) == before


def test_a_long_history_can_be_resumed(tmp_path):
    """It is stored as an array, since the header has a size limit."""
    X, y = problem(m=3)
    net = Network([4, 3], random_state=0)
    net.fit(X, y, epochs=3000, callbacks=[Checkpoint(tmp_path / "run", every=3000), CSVLogger(tmp_path / "log")])
    assert os.path.getsize(tmp_path / "run") < 3000 * 4 * 8 + 8192
    assert checkpoints.read(tmp_path / "run").arrays["history"].shape == (3000, 4)
