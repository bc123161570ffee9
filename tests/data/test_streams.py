"""Prediction, evaluation and memory with data read in chunks."""

import subprocess
import sys

import numpy as np
import pytest
from helpers.stream_cases import (
    DTYPES,
    KINDS,
    LABELS,
    N_X,
    WEIGHTS,
    Loader,
    M,
    Recorded,
    X,
    cut,
    make,
    spoiled,
    state,
    with_nan,
)
from scipy import sparse

from fastnn import Network, callbacks

# ---- Prediction and evaluation

SOURCES = {
    "array": lambda a: a,
    "reader": Recorded,
    "generator": lambda a: (part for (part,) in cut(70, a)),
    "list": lambda a: [part for (part,) in cut(70, a)],
    "callable": lambda a: lambda: (part for (part,) in cut(70, a)),
    "loader": lambda a: Parts(a),
}


class Parts:
    def __init__(self, array):
        self.array = array

    def __iter__(self):
        return (part for (part,) in cut(70, self.array))


def calls(net):
    names = ["predict", "forward"] + ["predict_proba"] * (net.activations[-1] != "identity")
    return {name: getattr(net, name) for name in names}


def close(found, expected):
    """Compare with a tolerance, because chunks of other sizes may sum products in another order."""
    assert found.dtype == expected.dtype and found.shape == expected.shape
    np.testing.assert_allclose(found, expected, rtol=64 * np.finfo(expected.dtype).eps if expected.dtype.kind == "f"
                               else 0, atol=0 if expected.dtype.kind != "f" else 64 * np.finfo(expected.dtype).eps)


@pytest.mark.parametrize("source", SOURCES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", DTYPES)
def test_predictions_from_every_source_and_into_out(source, kind, dtype, tmp_path, small_blocks):
    net = make(kind, dtype)
    net.fit(X, KINDS[kind][1], epochs=2)
    for call in calls(net).values():
        expected = call(X)
        close(call(SOURCES[source](X)), expected)
        mapped = np.memmap(tmp_path / "out", expected.dtype, "w+", shape=expected.shape)
        for out in (np.full_like(expected, 7), mapped):
            assert call(SOURCES[source](X), out=out) is out
            close(np.asarray(out), expected)


@pytest.mark.parametrize("kind", KINDS)
def test_out_must_fit(kind):
    net = make(kind)
    net.fit(X, KINDS[kind][1], epochs=1)
    for call in calls(net).values():
        good = call(X)
        other = np.float64 if good.dtype != np.float64 else np.float32
        read_only = good.copy()
        read_only.flags.writeable = False
        unaligned = np.empty(good.nbytes + 1, np.uint8)[1:].view(good.dtype).reshape(good.shape)
        for out in (good[1:], good.reshape(-1, 1, 1), good[..., None], good.astype(other),
                    good.astype(good.dtype.newbyteorder()), np.repeat(good, 2, axis=0)[::2], read_only, unaligned):
            before = out.copy()
            with pytest.raises(ValueError, match=r"^out must"):
                call(X, out=out)
            assert out.tobytes() == before.tobytes()
        for out in (good.tolist(), "out", 3):
            with pytest.raises(TypeError, match=r"^out must be an ndarray"):
                call(X, out=out)
        for source in (SOURCES["generator"], SOURCES["list"]):
            with pytest.raises(ValueError, match="out has 229 rows, X gave more"):
                call(source(X), out=good[1:])
            with pytest.raises(ValueError, match="out has 231 rows, X gave 230"):
                call(source(X), out=np.concatenate([good, good[:1]]))
    with pytest.raises(ValueError, match="out goes without return_cache"):
        net.forward(X, out=net.forward(X), return_cache=True)


def test_out_must_not_overlap_the_data():
    net = Network([5, 5], output="identity", dtype="float64", random_state=0)
    data = X.copy()
    with pytest.raises(ValueError, match="out must not share memory with X"):
        net.predict(data, out=data)
    assert np.array_equal(data, X)


def test_out_must_not_overlap_the_inputs():
    net = Network([5, 5], output="identity", dtype="float64", random_state=0)
    batch = X[:10].copy()
    for source in ([batch], iter([batch]), lambda: [batch]):
        with pytest.raises(ValueError, match="out must not share memory with batch 1: X"):
            net.predict(source, out=batch)
    rows = sparse.csr_array(np.ones((5, 5)))
    with pytest.raises(ValueError, match="out must not share memory with X"):
        net.predict(rows, out=rows.data.reshape(5, 5))
    labelling = Network([5, 3], dtype="float64", random_state=0)
    rows.indptr = rows.indptr.astype(np.int64)  # as predicted labels are
    with pytest.raises(ValueError, match="out must not share memory with X"):
        labelling.predict(rows, out=rows.indptr[1:])
    before = state(net)
    with pytest.raises(ValueError, match="out must not share memory with the network's W and b"):
        net.predict(X[:5], out=net.W[0] if net.W[0].flags.c_contiguous else net.W[0].T)
    assert state(net) == before and np.array_equal(batch, X[:10])


def test_bad_batches_of_a_prediction():
    net = make()
    bad = X.copy()
    bad[100] = np.nan
    for call in calls(net).values():
        for source in ("generator", "list", "callable"):
            with pytest.raises(ValueError, match=r"^batch 2: X holds NaN"):
                call(SOURCES[source](bad))
            with pytest.raises(ValueError, match=r"^batch 1: X must have shape \(m, n\[0\]\) = .* got \(70, 4\)"):
                call(SOURCES[source](X[:, :4]))
        with pytest.raises(ValueError, match=r"^X gave no batches"):
            call(iter([]))
        with pytest.raises(TypeError, match=r"^X\(\) must return an iterable"):
            call(lambda: None)
    with pytest.raises(ValueError, match=r"^batch 3: y must hold labels"):
        net.evaluate(cut(70, X, LABELS + (np.arange(M) >= 140)))


def test_validation_fraction_needs_an_array():
    net = make()
    for arguments in ((cut(23, X, LABELS),), (Recorded(X), LABELS)):
        with pytest.raises(ValueError, match="validation_fraction needs X as an array"):
            net.fit(*arguments, validation_fraction=0.2)


@pytest.mark.parametrize("source", [lambda: cut(23, X, LABELS), lambda: (lambda: iter(cut(23, X, LABELS)))])
def test_resume_with_batches(source, tmp_path):
    whole, half, resumed = make(), make(), make()
    whole.fit(source(), epochs=4, validation_data=Loader(X, LABELS))
    half.fit(source(), epochs=2, validation_data=Loader(X, LABELS),
             callbacks=[callbacks.Checkpoint(tmp_path / "run")])
    resumed.fit(source(), epochs=4, validation_data=Loader(X, LABELS), resume=tmp_path / "run")
    assert state(resumed) == state(whole)


def test_resume_with_data_read_in_chunks(tmp_path, small_blocks):
    whole, half, resumed = make(), make(), make()
    whole.fit(Recorded(X), LABELS, batch_size=16, epochs=4)
    half.fit(Recorded(X), LABELS, batch_size=16, epochs=2, callbacks=[callbacks.Checkpoint(tmp_path / "run")])
    resumed.fit(Recorded(X), LABELS, batch_size=16, epochs=4, resume=tmp_path / "run")
    assert state(resumed) == state(whole)


@pytest.mark.parametrize("kind", KINDS)
def test_evaluation_from_every_source(kind):
    net, y = make(kind), KINDS[kind][1]
    for weights in (None, WEIGHTS):
        arrays = (X, y) if weights is None else (X, y, weights)
        expected = net.evaluate(X, y, sample_weight=weights)
        for found in (net.evaluate(Recorded(X), y, sample_weight=weights), net.evaluate(cut(70, *arrays)),
                      net.evaluate(iter(cut(70, *arrays))), net.evaluate(lambda arrays=arrays: cut(70, *arrays))):
            assert found == pytest.approx(expected, rel=1e-6)
        assert net.loss(cut(70, *arrays)) == pytest.approx(expected["loss"], rel=1e-6)


def test_validation_batches():
    """The callable is called for each evaluation: before training and after each epoch."""
    whole, streamed = make(), make()
    expected = whole.fit(X, LABELS, epochs=3, validation_data=(X, LABELS))
    loader = Loader(X, LABELS)
    found = streamed.fit(X, LABELS, epochs=3, validation_data=loader)
    assert loader.begun == 4 and state(streamed) == state(whole)
    assert found["validation_loss"] == pytest.approx(expected["validation_loss"], rel=1e-6)
    with pytest.raises(ValueError, match="validation_data is an iterator, which can be used once"):
        streamed.fit(X, LABELS, epochs=3, validation_data=iter(cut(70, X, LABELS)))
    with pytest.raises(ValueError, match=r"^validation batch 2: X holds NaN"):
        streamed.fit(X, LABELS, validation_data=lambda: iter(spoiled(with_nan, 1)))


# ---- Memory

MAPPED = """
import resource, sys
import numpy as np
from fastnn import Network
path, dtype, what = sys.argv[1:]

def status(key):
    with open("/proc/self/status") as lines:
        return next(int(line.split()[1]) * 1024 for line in lines if line.startswith(key))

m, n = 1_000_000, 100
with open(path, "wb") as file:
    file.truncate(m * n * np.dtype(dtype).itemsize)
X = np.memmap(path, dtype, "r", shape=(m, n))
y = np.zeros(m, np.uint8)
net = Network([n, 8, 3], random_state=0)
few = np.zeros((400, n), np.float32)
net.fit(few, y[:400], epochs=2)
net.predict(np.zeros((40_000, n), np.float32))  # allocate idle plans and threads before measuring
before = status("RssAnon"), status("RssFile")
limit = status("VmData") + 96 * 2**20  # private memory, without mapped files
resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))
if what == "few":
    net.fit(X[:500], y[:500], epochs=1)
    net.predict(X[-500:])
elif what == "predict":
    net.predict(X, out=np.memmap(path + "out", np.int64, "w+", shape=m))
elif what == "predict_proba":
    net.predict_proba(X, out=np.memmap(path + "out", np.float32, "w+", shape=(m, 3)))
elif what == "validation":
    net.fit(few, y[:400], epochs=1, validation_data=(X, y))
else:
    net.fit(X, y, epochs=1, batch_size=500, shuffle=what == "shuffled")
print(status("RssAnon") - before[0], status("RssFile") - before[1])
"""


@pytest.mark.skipif(sys.platform != "linux", reason="/proc/self/status")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("what", ["fit", "shuffled", "validation", "predict", "predict_proba", "few"])
def test_a_memory_map_stays_a_file(dtype, what, tmp_path):
    """Data of 400 or 800 MB are processed in 96 MiB of memory.

    The limit covers 8 bytes per example for the order and 4 for the label, two blocks, and memory that the C library
    has not yet returned to the system.
    """
    done = subprocess.run([sys.executable, "-P", "-c", MAPPED, str(tmp_path / "X"), dtype, what], capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    anonymous, of_files = map(int, done.stdout.split())
    assert anonymous < 96 * 2**20
    if what == "few":
        assert of_files < 32 * 2**20


# ---- With class weights, sparse X, L-BFGS


def test_class_weights_of_data_read_in_chunks(small_blocks):
    factors = {0: 2.0, 2: 0.5}
    for weights in (None, WEIGHTS):
        whole, batched, read = make(), make(), make()
        settings = {"class_weight": factors, "shuffle": False, "epochs": 2}
        whole.fit(X, LABELS, sample_weight=weights, batch_size=16, **settings)
        arrays = (X, LABELS) if weights is None else (X, LABELS, weights)
        batched.fit(cut(16, *arrays), **settings)
        read.fit(Recorded(X), Recorded(LABELS), sample_weight=weights, batch_size=16, **settings)
        assert state(batched) == state(read) == state(whole)  # the factors are powers of two
    for arguments in ((cut(16, X, LABELS),), (Recorded(X), LABELS)):
        with pytest.raises(ValueError, match="class_weight='balanced' needs all labels at once"):
            make().fit(*arguments, class_weight="balanced")


@pytest.mark.parametrize("sizes", [[N_X, 6, 3], [400, 4, 3]])  # W[1] column-major and row-major
def test_sparse_predictions(sizes, tmp_path):
    matrix = sparse.random_array((M, sizes[0]), density=0.2, format="csr", rng=np.random.default_rng(0))
    net = Network(sizes, random_state=0)
    for call in calls(net).values():
        expected = call(matrix.toarray())
        parts = [matrix[:100], matrix[100:]]
        out = np.empty_like(expected)
        close(call(matrix), expected)
        close(call(iter(parts)), expected)
        close(call(lambda parts=parts: parts), expected)
        assert call(matrix, out=out) is out
        close(out, expected)
    found = net.evaluate([(matrix[:100], LABELS[:100]), (matrix[100:], LABELS[100:])])
    assert found == pytest.approx(net.evaluate(matrix, LABELS), rel=1e-6)
    bad = matrix.copy()
    bad.data[0] = np.nan
    with pytest.raises(ValueError, match=r"^batch 2: X holds NaN"):
        net.predict([matrix, bad])
    with pytest.raises(TypeError, match=r"^batch 1 of epoch 1: X is a sparse matrix, .* pass X.toarray\(\)"):
        net.fit([(matrix, LABELS)])


def test_lbfgs_needs_arrays():
    for arguments in ((cut(16, X, LABELS),), (Recorded(X), LABELS)):
        with pytest.raises(ValueError, match="optimizer='lbfgs' works on all examples at once"):
            make().fit(*arguments, optimizer="lbfgs")
