"""Networks in model files: round trips and refusals."""

import json
import os
import pickle
import tracemalloc
from itertools import product
from pathlib import Path

import numpy as np
import pytest
from helpers.network_cases import parameter_bytes

import fastnn._model.parameters
from fastnn import ModelFileError, Network
from fastnn._model import file_format

ACTIVATIONS = ["sigmoid", "tanh", "relu", "leaky_relu", "identity", "softmax", "elu", "selu", "gelu", "silu",
               "softplus", "mish"]
X = np.random.default_rng(0).standard_normal((50, 7))


def bits(net):
    return net.predict(X).tobytes() + net.forward(X).tobytes()


@pytest.fixture
def path(tmp_path):
    return tmp_path / "net.fastnn"


# ---- what comes back


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_loaded_predictions_are_bitwise_identical(activation, dtype, path):
    net = Network([7, 9, 5, 3], activation=activation, output=activation, dtype=dtype, l2=0.1, init="lecun_normal",
                  random_state=0)
    net.b[1][...] = [[1e-30], [-3], [0.1], [1e5], [-0.0]]
    net.save(path)
    loaded = Network.load(path)
    assert repr(loaded) == repr(net) and loaded.summary() == net.summary()
    assert parameter_bytes(loaded) == parameter_bytes(net)
    assert bits(loaded) == bits(net)


@pytest.mark.parametrize("orders", list(product((False, True), repeat=2)))
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_either_storage_order_of_W(orders, dtype, path, monkeypatch):
    """The same file can be read under any choice of row-major and column-major weights."""
    monkeypatch.setattr(fastnn._model.parameters, "weight_orders", lambda sizes: orders)
    net = Network([7, 9, 3], dtype=dtype, random_state=0)
    assert [W.flags.c_contiguous for W in net.W] == list(orders)
    net.save(path)
    assert bits(Network.load(path)) == bits(net)
    monkeypatch.setattr(fastnn._model.parameters, "weight_orders", lambda sizes: tuple(not order for order in orders))
    assert parameter_bytes(Network.load(path)) == parameter_bytes(net)


def test_saved_and_unsaved_state(path):
    """The number of target dimensions is saved; optimiser, generator and history are not."""
    net = Network([7, 4, 1], output="identity", random_state=0)
    net.fit(X, X[:, :1], epochs=2)
    before = pickle.dumps(net)
    net.save(path)
    assert pickle.dumps(net) == before
    loaded = Network.load(path)
    assert loaded.predict(X).shape == (50, 1) and loaded.history is None
    loaded.fit(X, X[:, 0], epochs=2)
    loaded.save(path)
    assert Network.load(path).predict(X).shape == (50,)


@pytest.mark.parametrize("kind", [str, Path])
def test_paths_may_be_str_or_path_objects(kind, tmp_path):
    net = Network([7, 2], random_state=0)
    net.save(kind(tmp_path / "n\u00e9t"))
    assert parameter_bytes(Network.load(kind(tmp_path / "n\u00e9t"))) == parameter_bytes(net)
    assert os.listdir(tmp_path) == ["n\u00e9t"]


def test_a_loaded_network_trains(path):
    net = Network([7, 8, 3], dtype="float64", random_state=0)
    net.save(path)
    loaded, y = Network.load(path), np.arange(50) % 3
    for one in (net, loaded):
        one.fit(X, y, epochs=3, batch_size=None)
    assert parameter_bytes(loaded) == parameter_bytes(net)


def test_a_subclass_loads_itself(path):
    class Mine(Network):
        def __init__(self):
            super().__init__([7, 2])

    Mine().save(path)
    assert type(Mine.load(path)) is Mine


def test_nothing_is_unpickled(path, monkeypatch):
    Network([7, 2]).save(path)
    monkeypatch.setattr(pickle, "loads", None)
    monkeypatch.setattr(pickle, "Unpickler", None)
    Network.load(path)


# ---- what is refused


def refused(path, text):
    with pytest.raises(ModelFileError, match=text) as caught:
        Network.load(path)
    assert str(path) in str(caught.value)


def test_every_truncated_or_altered_file(path):
    Network([2, 1], output="sigmoid", random_state=0).save(path)
    content = path.read_bytes()
    for size in range(len(content)):
        path.write_bytes(content[:size])
        refused(path, "truncated|not a fastnn model file")
    for position in range(len(content)):
        altered = bytearray(content)
        altered[position] ^= 1 << position % 8
        path.write_bytes(altered)
        refused(path, "is damaged|is truncated|not a fastnn model file|newer fastnn")


def rewrite(path, change):
    """Save a network, then replace the content of its file validly."""
    Network([3, 4, 2], random_state=0).save(path)
    header, arrays = file_format.read(path)
    change(header, arrays)
    file_format.write(path, header, arrays)


WRONG = {
    "kind": (lambda h, a: h.update(kind="fastnn.Other"), "holds no network: it holds 'fastnn.Other'"),
    "no kind": (lambda h, a: h.pop("kind"), "it holds None"),
    "empty": (lambda h, a: (h.clear(), a.clear()), "it holds None"),
    "W transposed": (lambda h, a: a.update(W1=a["W1"].T.copy()), "parameters do not fit"),
    "b flat": (lambda h, a: a.update(b1=a["b1"].ravel()), "parameters do not fit"),
    "W missing": (lambda h, a: a.pop("W2"), "parameters do not fit"),
    "W too many": (lambda h, a: a.update(W3=a["W2"]), "parameters do not fit"),
    "dtype of W": (lambda h, a: a.update(W1=a["W1"].astype(float)), "parameters do not fit"),
    "integer W": (lambda h, a: a.update(W1=a["W1"].astype(int)), "parameters do not fit"),
    "dtype": (lambda h, a: h.update(dtype="float64"), "parameters do not fit"),
    "unknown dtype": (lambda h, a: h.update(dtype="float16"), "dtype must be float32 or float64"),
    "sizes": (lambda h, a: h.update(layer_sizes=[3, 5, 2]), "parameters do not fit"),
    "no sizes": (lambda h, a: h.pop("layer_sizes"), "'layer_sizes'"),
    "sizes in words": (lambda h, a: h.update(layer_sizes="342"), "layer_sizes must be a sequence"),
    "fractional sizes": (lambda h, a: h.update(layer_sizes=[3, 4.0, 2]), "must be a whole number"),
    "huge sizes": (lambda h, a: h.update(layer_sizes=[2**31 - 1, 2**24, 2]), "parameters do not fit"),
    "endless sizes": (lambda h, a: h.update(layer_sizes=[10**400, 2]), "must be from 1 to"),
    "activations": (lambda h, a: h.update(activations=["relu", "relu", "softmax"]), "one per hidden layer"),
    "no activations": (lambda h, a: h.update(activations=[]), "holds no network"),
    "one activation": (lambda h, a: h.update(activations="relu"), "must be one of"),
    "numbers for activations": (lambda h, a: h.update(activations=[1, 2]), "must be a name"),
    "null for activations": (lambda h, a: h.update(activations=None), "holds no network"),
    "unknown activation": (lambda h, a: h.update(activations=["swish", "softmax"]), "must be one of"),
    "loss": (lambda h, a: h.update(loss="binary_cross_entropy"), "needs output='sigmoid'"),
    "init": (lambda h, a: h.update(init="ones"), "init must be one of"),
    "l2": (lambda h, a: h.update(l2=-1), "l2 must be finite and at least 0"),
    "huge l2": (lambda h, a: h.update(l2=10**400), "l2 must be finite"),
    "l2 in words": (lambda h, a: h.update(l2="none"), "l2 must be a number"),
    "target_ndim": (lambda h, a: h.update(target_ndim=3), "target_ndim must be from 1 to 2"),
    "fractional target_ndim": (lambda h, a: h.update(target_ndim=1.0), "target_ndim must be a whole number"),
}


@pytest.mark.parametrize(("change", "text"), WRONG.values(), ids=WRONG)
def test_a_valid_file_without_a_network_is_refused(change, text, path):
    rewrite(path, change)
    refused(path, text)


def test_claimed_sizes_are_not_allocated(path):
    """The header claims a billion parameters, the file has twenty."""
    rewrite(path, lambda h, a: h.update(layer_sizes=[2**15, 2**15, 2]))
    tracemalloc.start()
    try:
        refused(path, "parameters do not fit")
        assert tracemalloc.get_traced_memory()[1] < 2**20
    finally:
        tracemalloc.stop()


def test_other_files(tmp_path):
    for content in (b"", b"\x80\x04K\x01.", json.dumps({"kind": "fastnn.Network"}).encode(), os.urandom(1000)):
        (tmp_path / "other").write_bytes(content)
        refused(tmp_path / "other", "is not a fastnn model file|is truncated")
    pickle_file = tmp_path / "pickle"
    pickle_file.write_bytes(pickle.dumps(Network([7, 2])))
    refused(pickle_file, "is not a fastnn model file")


def test_files_that_cannot_be_read_or_written(tmp_path):
    net = Network([7, 2])
    with pytest.raises(FileNotFoundError):
        Network.load(tmp_path / "missing")
    with pytest.raises(FileNotFoundError):
        net.save(tmp_path / "missing" / "net")
    with pytest.raises(OSError):
        net.save(tmp_path)
    with pytest.raises(OSError):
        Network.load(tmp_path)
    for value in (None, 3, 1.5, ["net"], object()):
        with pytest.raises(TypeError):
            net.save(value)
        with pytest.raises(TypeError):
            Network.load(value)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()])
@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_a_failed_save_leaves_the_old_file(step, error, path, monkeypatch):
    old, new = Network([7, 2], random_state=0), Network([7, 5, 2], random_state=1)
    old.save(path)
    content, before = path.read_bytes(), pickle.dumps(new)

    def fail(*args):
        raise error

    with monkeypatch.context() as patch, pytest.raises(type(error)):
        patch.setattr(os, step, fail)
        new.save(path)
    assert path.read_bytes() == content and os.listdir(path.parent) == [path.name]
    assert pickle.dumps(new) == before
    new.save(path)
    assert parameter_bytes(Network.load(path)) == parameter_bytes(new)
