"""Data that are no array in memory: batches from iterables, objects read by slices, memory maps; predictions' out."""

import itertools
import pickle
import subprocess
import sys

import numpy as np
import pytest
from helpers.network_cases import as_source
from hypothesis import given
from hypothesis import strategies as st
from scipy import sparse

from fastnn import Network, _tuning, callbacks
from fastnn._data import feeds, sources

N_X = 5
M = 230
rng = np.random.default_rng(0)
X = rng.standard_normal((M, N_X))
LABELS = rng.integers(3, size=M)
BITS = rng.integers(2, size=M)
REALS = rng.standard_normal((M, 2))
WEIGHTS = rng.choice([0, 0.25, 1, 2], size=M)  # their largest is a power of two: the scale of all is that of a batch

KINDS = {  # arguments of the network, targets
    "softmax": ({"layer_sizes": [N_X, 6, 3]}, LABELS),
    "sigmoid": ({"layer_sizes": [N_X, 6, 1], "output": "sigmoid"}, BITS),
    "identity": ({"layer_sizes": [N_X, 6, 2], "output": "identity"}, REALS),
}
DTYPES = ["float32", "float64"]


def make(kind="softmax", dtype="float32", **settings):
    return Network(**KINDS[kind][0], dtype=dtype, random_state=3, **settings)


def state(net):
    """Everything that training changes but the history, byte by byte."""
    return pickle.dumps((net._parameters, net._target_ndim, net._state, net._rng))


def cut(size, *arrays):
    return [tuple(array[start : start + size] for array in arrays) for start in range(0, len(arrays[0]), size)]


class Recorded:
    """A minimal object read by slices; it keeps which ones were asked for."""

    def __init__(self, array):
        self._array, self.asked = array, []
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, rows):
        assert isinstance(rows, slice) and rows.step is None
        self.asked.append((rows.start, rows.stop))
        return self._array[rows].copy()


@pytest.fixture
def small_blocks(tuning):
    """Blocks of about 64 rows of X in float32."""
    tuning(READ_BLOCK_BYTES=64 * N_X * 4)


# ---- Batches


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", [50, 230])
def test_batches_give_the_bits_of_arrays(kind, dtype, weighted, size):
    y = KINDS[kind][1]
    arrays = (X, y, WEIGHTS) if weighted else (X, y)
    whole, batched, called = (make(kind, dtype) for _ in range(3))
    expected = whole.fit(X, y, sample_weight=WEIGHTS if weighted else None, shuffle=False, batch_size=size, epochs=3)
    for net, source in ((batched, cut(size, *arrays)), (called, lambda: iter(cut(size, *arrays)))):
        found = net.fit(source, epochs=3)
        assert state(net) == state(whole)
        assert found["loss"] == pytest.approx(expected["loss"], rel=1e-14)


@given(sizes=st.lists(st.integers(1, 120), min_size=1, max_size=6), batch_size=st.integers(1, 60),
       dtype=st.sampled_from(DTYPES))
def test_batches_are_cut_to_the_batch_size(sizes, batch_size, dtype):
    """The steps are those of partial_fit on the pieces, whatever the batches' sizes."""
    whole, streamed = make(dtype=dtype), make(dtype=dtype)
    bounds = list(itertools.pairwise(itertools.accumulate(sizes, initial=0)))
    rows = np.arange(bounds[-1][1]) % M
    batches = [(X[rows[start:stop]], LABELS[rows[start:stop]]) for start, stop in bounds]
    for one in batches:
        for piece in cut(batch_size, *one):
            whole.partial_fit(*piece)
    streamed.fit(batches, batch_size=batch_size, epochs=1)
    assert state(streamed) == state(whole)


@pytest.mark.parametrize("batch_size", ["auto", None])
def test_the_first_batch_gives_the_size(batch_size):
    """Later ones that are larger are cut."""
    batches = [(X[:30], LABELS[:30]), (X[30:100], LABELS[30:100])]
    whole, streamed = make(), make()
    streamed.fit(batches, epochs=1, batch_size=batch_size)
    whole.fit(X[:100], LABELS[:100], epochs=1, batch_size=30, shuffle=False)
    assert state(streamed) == state(whole)


def test_weights_may_come_with_some_batches_and_be_zero():
    ones, none = np.ones(M), np.zeros(M)
    given_weights, without = make(), make()
    given_weights.fit([(X, LABELS, ones), (X, LABELS), (X, LABELS, none)], epochs=2)
    without.fit([(X, LABELS), (X, LABELS)], epochs=2)
    assert state(given_weights) == state(without)


def test_a_first_batch_without_weight():
    """It gives no examples to judge the parameters by, and no step."""
    net, expected = make(), make()
    net.fit([(X, LABELS, np.zeros(M)), (X, LABELS)], epochs=3)
    expected.fit(X, LABELS, batch_size=None, shuffle=False, epochs=3)
    assert state(net) == state(expected)


def test_batches_of_any_form():
    """Pairs or lists of anything that is an array for `fit`."""
    expected = make()
    expected.fit(cut(23, X, LABELS), epochs=1)
    for form in (lambda x, y: [x.tolist(), y.tolist()], lambda x, y: (memoryview(np.ascontiguousarray(x)), y),
                 lambda x, y: (np.asfortranarray(x), np.eye(3)[y]), lambda x, y: (x.astype(">f8"), y.astype(np.uint8))):
        net = make()
        net.fit((form(x, y) for x, y in cut(23, X, LABELS)), epochs=1)
        assert net._parameters.theta.tobytes() == expected._parameters.theta.tobytes()


class Loader:
    """Like PyTorch's: neither iterator nor sequence; it can be begun again and again."""

    def __init__(self, *arrays):
        self.arrays, self.begun = arrays, 0

    def __len__(self):
        return 10

    def __iter__(self):
        self.begun += 1
        return iter(cut(23, *self.arrays))


def test_a_loader_is_begun_once_an_epoch():
    loader, net, expected = Loader(X, LABELS), make(), make()
    net.fit(loader, epochs=4)
    assert loader.begun == 4
    expected.fit(X, LABELS, batch_size=23, shuffle=False, epochs=4)
    assert state(net) == state(expected)


def test_a_callable_is_called_once_an_epoch():
    calls = []

    def batches():
        calls.append(None)
        yield from cut(23, X, LABELS)

    make().fit(batches, epochs=4)
    assert len(calls) == 4


def test_an_exhausted_generator_is_said_so():
    net, expected = make(), make()
    expected.fit(cut(23, X, LABELS), epochs=1)
    with pytest.raises(ValueError, match=r"X gave no batches in epoch 2: .* pass a callable that returns a new one"):
        net.fit((batch for batch in cut(23, X, LABELS)), epochs=3)
    assert state(net) == state(expected)
    assert len(net.history) == 1 and net.history.stop_reason == "error"
    with pytest.raises(ValueError, match="X gave no batches in epoch 1"):
        net.fit(iter([]))
    with pytest.raises(ValueError, match=r"X gave no batches in epoch 1$"):
        net.fit(lambda: ())
    with pytest.raises(TypeError, match=r"X\(\) must return an iterable of batches, got int"):
        net.fit(lambda: 3)
    with pytest.raises(TypeError, match="sample_weight must come in the batches"):
        net.fit(iter([]), sample_weight=WEIGHTS)


@pytest.mark.parametrize("as_callable", [False, True])
def test_an_endless_stream(as_callable):
    """An iterator goes on from epoch to epoch; a callable begins anew."""
    batches = cut(23, X, LABELS)
    net, expected = make(), make()
    drawn = []

    def source():
        for count in itertools.count():
            drawn.append(count)
            yield batches[count % 10]

    history = net.fit(source if as_callable else source(), epochs=3, steps_per_epoch=4)
    assert drawn == (list(range(4)) * 3 if as_callable else list(range(12)))  # none is drawn in vain
    for count in drawn:
        expected.partial_fit(*batches[count % 10])
    assert state(net) == state(expected)
    assert len(history) == 3


def test_steps_per_epoch_counts_pieces_and_may_not_be_reached():
    net, expected = make(), make()
    net.fit([(X, LABELS)], batch_size=50, steps_per_epoch=3, epochs=2)
    for part in cut(50, X, LABELS)[:3] * 2:
        expected.partial_fit(*part)
    assert state(net) == state(expected)
    net.fit(cut(50, X, LABELS), steps_per_epoch=100, epochs=2)
    expected.fit(X, LABELS, batch_size=50, shuffle=False, epochs=2)
    assert state(net) == state(expected)
    for bad, error in ((0, ValueError), (1.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match="steps_per_epoch must be"):
            net.fit(cut(50, X, LABELS), steps_per_epoch=bad)
    for data in (X, Recorded(X)):
        with pytest.raises(ValueError, match="steps_per_epoch goes with batches"):
            net.fit(data, LABELS, steps_per_epoch=3)


def spoiled(change, index):
    batches = [list(map(np.copy, batch)) for batch in cut(23, X, LABELS, np.ones(M))]
    batches[index] = change(*batches[index])
    return batches


def with_nan(x, y, w):
    x[3, 2] = np.nan
    return x, y, w


BAD = {
    "NaN": (with_nan, ValueError, "X holds NaN"),
    "range": (lambda x, y, w: (x * 1e300, y), ValueError, "X holds values beyond the range of float32"),
    "features": (lambda x, y, w: (x[:, :4], y), ValueError,
                 r"X must have shape \(m, n\[0\]\) = \(m, 5\), got \(23, 4\)"),
    "rows": (lambda x, y, w: (x, y[:-1]), ValueError, r"y must have shape \(m,\) = \(23,\), .* got \(22,\)"),
    "empty": (lambda x, y, w: (x[:0], y[:0]), ValueError, "X must hold at least one example"),
    "label": (lambda x, y, w: (x, y + 1), ValueError, r"y must hold labels 0 .. n\[L\]-1 = 0 .. 2, got 3"),
    "weight": (lambda x, y, w: (x, y, -w), ValueError, "sample_weight must not be negative"),
    "text": (lambda x, y, w: (x.astype(str), y), TypeError, "X must hold real numbers"),
    "alone": (lambda x, y, w: x, TypeError, r"it must be a tuple \(X, y\) or \(X, y, sample_weight\), got ndarray"),
    "four": (lambda x, y, w: (x, y, w, w), TypeError, r"it must be a tuple .* got tuple of 4"),
    "none": (lambda x, y, w: None, TypeError, "it must be a tuple .* got NoneType"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize(("index", "epoch"), [(0, 1), (0, 2), (6, 2)])
def test_a_bad_batch_is_named_and_leaves_the_last_step(case, index, epoch):
    change, error, text = BAD[case]
    good, bad = cut(23, X, LABELS), spoiled(change, index)
    calls = iter([good] * (epoch - 1) + [bad])
    net, expected = make(), make()
    before = pickle.dumps(net)
    with pytest.raises(error, match=f"^batch {index + 1} of epoch {epoch}: {text}") as caught:
        net.fit(lambda: next(calls), epochs=3)
    assert caught.type is error
    for batch in good * (epoch - 1) + good[:index]:
        expected.partial_fit(*batch)
    if (index, epoch) == (0, 1):
        assert pickle.dumps(net) == before
    else:
        assert state(net) == state(expected)
        assert len(net.history) == epoch - 1 and net.history.stop_reason == "error"
    # And a later fit goes on from there.
    net.fit(good, epochs=2)
    expected.fit(good, epochs=2)
    assert net._parameters.theta.tobytes() == expected._parameters.theta.tobytes()


def test_an_error_of_the_iterable_comes_through():
    def broken():
        yield X, LABELS
        raise OSError("the disk is gone")

    net, expected = make(), make()
    with pytest.raises(OSError, match="the disk is gone"):
        net.fit(broken, epochs=2)
    expected.partial_fit(X, LABELS, batch_size=None)
    assert state(net) == state(expected)


def test_forgotten_targets():
    net = make()
    for data in (X, X.astype(np.float32), Recorded(X)):
        with pytest.raises(TypeError, match="y must be an array"):
            net.fit(data)
    with pytest.raises(TypeError, match="batch 1 of epoch 1: it must be a tuple"):
        net.fit(X.tolist())
    for data in (iter([X]), lambda: [X], [X], Loader(X)):
        with pytest.raises(TypeError, match=r"^X gives batches: y must come in them, as \(X, y\)"):
            net.fit(data, LABELS)
        with pytest.raises(TypeError, match=r"^validation X gives batches"):
            net.fit(X, LABELS, validation_data=(data, LABELS))


def test_divergence_early_stopping_and_progress_with_batches():
    pytest.importorskip("tqdm")
    net = make()
    history = net.fit(cut(23, X, LABELS), epochs=40, validation_data=(X, LABELS), early_stopping=2, learning_rate=0.5,
                      progress=True)
    assert history.best_epoch is not None
    net = make("identity")
    with pytest.warns(RuntimeWarning, match="diverged"):
        net.fit(cut(23, X, REALS), optimizer="sgd", learning_rate=1e20, epochs=4)
    assert np.isfinite(net._parameters.theta).all()


# ---- Objects read by slices


def test_reading_in_one_block_gives_the_bits_of_arrays():
    for shuffle in (False, True):
        whole, read = make(), make()
        whole.fit(X, LABELS, shuffle=shuffle, batch_size=40, epochs=3)
        read.fit(Recorded(X), LABELS, shuffle=shuffle, batch_size=40, epochs=3)
        assert state(read) == state(whole)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_reading_in_blocks_without_shuffle_gives_the_bits_of_arrays(kind, dtype, weights, small_blocks):
    y = KINDS[kind][1]
    whole, read = make(kind, dtype), make(kind, dtype)
    expected = whole.fit(X, y, sample_weight=weights, shuffle=False, batch_size=16, epochs=3, validation_data=(X, y))
    found = read.fit(Recorded(X), Recorded(y), sample_weight=weights, shuffle=False, batch_size=16, epochs=3,
                     validation_data=(Recorded(X), y))
    assert state(read) == state(whole)
    assert found["loss"] == expected["loss"]
    assert found["validation_loss"] == pytest.approx(expected["validation_loss"], rel=1e-6)  # in smaller blocks


def test_only_the_targets_are_read_by_slices(small_blocks, tmp_path):
    whole = make("identity")
    whole.fit(X, REALS, shuffle=False, batch_size=16, epochs=2)
    REALS.tofile(tmp_path / "Y")
    for targets in (Recorded(REALS), np.memmap(tmp_path / "Y", REALS.dtype, "r", shape=REALS.shape)):
        read = make("identity")
        read.fit(X, targets, shuffle=False, batch_size=16, epochs=2)
        assert state(read) == state(whole)
        assert isinstance(as_source(read, X, targets, None), sources.SlicedSource)


@pytest.mark.parametrize("shuffle", [False, True])
def test_an_epoch_reads_every_row_once_by_blocks(shuffle, small_blocks):
    data, y = Recorded(X), Recorded(LABELS)
    make().fit(data, y, batch_size=16, shuffle=shuffle, epochs=3)
    assert data.asked == y.asked
    looks, slices = data.asked[: _tuning.SCORED_EXAMPLES_READS], data.asked[_tuning.SCORED_EXAMPLES_READS :]
    assert sum(stop - start for start, stop in looks) <= _tuning.SCORED_EXAMPLES
    assert max(stop - start for start, stop in slices) == 64
    epochs = [slices[:4], slices[4:8], slices[8:]]
    assert [sorted(epoch) for epoch in epochs] == [[(0, 64), (64, 128), (128, 192), (192, 230)]] * 3
    assert (epochs != [sorted(epoch) for epoch in epochs]) == shuffle


def test_shuffling_stays_inside_the_blocks_and_follows_the_generator(small_blocks):
    """Without a hidden layer's help: record the batches through the feed itself."""
    net = make()
    source = as_source(net, Recorded(np.arange(M)[:, None] * np.ones(N_X)), LABELS, None)
    taken = []
    for seed in (0, 0, 1):
        feed = feeds.make_feed(source, 16, True, None)
        generator = np.random.default_rng(seed)
        epochs = []
        for _ in range(2):
            epochs.append([feed.examples.X[feed.order[start:stop], 0].astype(int).tolist()
                           for start, stop in feed.batches(generator)])
            assert feed.steps == 15 and sorted(itertools.chain(*epochs[-1])) == list(range(M))
            assert all(len({row // 64 for row in batch}) == 1 for batch in epochs[-1])
        taken.append(epochs)
    assert taken[0] == taken[1] != taken[2] and taken[0][0] != taken[0][1]


def test_bad_rows_are_named(small_blocks):
    bad, y = X.copy(), LABELS.copy()
    bad[130, 0] = np.inf
    net, expected = make(), make()
    with pytest.raises(ValueError, match=r"^rows 128 to 191: X holds infinity"):
        net.fit(Recorded(bad), LABELS, batch_size=16, shuffle=False)
    expected.fit(X[:128], LABELS[:128], batch_size=16, shuffle=False, epochs=1)
    assert state(net) == state(expected)
    y[190] = 7
    with pytest.raises(ValueError, match=r"^rows 128 to 191: y must hold labels"):
        net.fit(Recorded(X), Recorded(y), batch_size=16, shuffle=False)
    with pytest.raises(ValueError, match=r"^validation rows 128 to 191: X holds infinity"):
        net.fit(X, LABELS, validation_data=(Recorded(bad), LABELS))
    for call in (net.predict, net.predict_proba, net.forward):
        with pytest.raises(ValueError, match=r"^rows .* to .*: X holds infinity"):
            call(Recorded(bad))
    before = pickle.dumps(net)
    for data, targets, text in (
        (X[:, :4], LABELS, r"X must have shape \(m, n\[0\]\) = \(m, 5\), got \(230, 4\)"),
        (X[:0], LABELS[:0], "X must hold at least one example"),
        (X, LABELS[:-1], r"y must have one row for each of the m = 230 rows of X, got shape \(229,\)"),
        (X, 3, r"y must have one row for each"),
    ):
        with pytest.raises(ValueError, match=f"^{text}"):
            net.fit(Recorded(data), targets)
    with pytest.raises(TypeError, match="X must hold real numbers"):
        net.fit(Recorded(X.astype(str)), LABELS)
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(m,\) = \(230,\)"):
        net.fit(Recorded(X), LABELS, sample_weight=WEIGHTS[1:])
    assert pickle.dumps(net) == before


def test_a_reader_that_gives_too_few_rows():
    data = Recorded(X)
    data.shape = (300, N_X)
    with pytest.raises(ValueError, match=r"X\[.*\] gave \d+ rows"):
        make().fit(data, np.zeros(300, int))
    with pytest.raises(ValueError, match=r"X\[0:300\] gave 230 rows"):
        make().predict(data)


def stored_h5(folder, arrays):
    h5py = pytest.importorskip("h5py")
    file = h5py.File(folder / "data.h5", "w")
    return [file.create_dataset(name, data=array) for name, array in arrays.items()]


def stored_zarr(folder, arrays):
    zarr = pytest.importorskip("zarr")
    group = zarr.open_group(str(folder / "data.zarr"), mode="w")
    found = []
    for name, array in arrays.items():
        found.append(group.create_array(name, shape=array.shape, chunks=(50, *array.shape[1:]), dtype=array.dtype))
        found[-1][...] = array
    return found


@pytest.mark.filterwarnings("default")  # of other packages
@pytest.mark.parametrize("stored", [stored_h5, stored_zarr])
def test_stored_arrays(stored, tmp_path, small_blocks):
    data, labels, reals = stored(tmp_path, {"X": X, "labels": LABELS, "reals": REALS})
    whole, read = make(), make()
    whole.fit(X, LABELS, shuffle=False, batch_size=16, epochs=2)
    read.fit(data, labels, shuffle=False, batch_size=16, epochs=2, validation_data=(data, labels))
    assert state(read) == state(whole)
    np.testing.assert_array_equal(read.predict(data), whole.predict(X))
    np.testing.assert_array_equal(read.predict_proba(data), whole.predict_proba(X))
    assert read.evaluate(data, labels) == pytest.approx(whole.evaluate(X, LABELS), rel=1e-6)
    net = make("identity")
    net.fit(data, reals, epochs=2)
    assert net.predict(data).shape == REALS.shape


@pytest.mark.parametrize("kept", ["float64", ">f4", "int16", "unaligned"])
def test_memory_maps_that_are_not_read_as_they_are(kept, tmp_path, small_blocks):
    values = np.round(X * 100)
    if kept == "unaligned":
        (tmp_path / "X").write_bytes(b"." + values.astype(np.float32).tobytes())
        mapped = np.memmap(tmp_path / "X", np.float32, "r", 1, values.shape)
    else:
        values.astype(kept).tofile(tmp_path / "X")
        mapped = np.memmap(tmp_path / "X", kept, "r", shape=values.shape)
    assert isinstance(as_source(make(), mapped, LABELS, None), sources.SlicedSource)
    whole, read = make(), make()
    whole.fit(values, LABELS, shuffle=False, batch_size=16, epochs=2)
    read.fit(mapped, LABELS, shuffle=False, batch_size=16, epochs=2)
    assert state(read) == state(whole)
    np.testing.assert_array_equal(read.predict(mapped), whole.predict(values))


def test_arrays_in_memory_are_not_read_by_slices():
    class Foreign:
        """As torch tensors and data frames: it has shape, dtype and slices, and says that it is in memory."""

        shape, dtype, __array_ufunc__ = X.shape, X.dtype, None

        def __array__(self, dtype=None, copy=None):
            return X

        def __getitem__(self, rows):
            raise AssertionError("not by slices")

    whole, other = make(), make()
    whole.fit(X, LABELS, epochs=2)
    other.fit(Foreign(), LABELS, epochs=2)
    assert state(whole) == state(other)
    np.testing.assert_array_equal(other.predict(Foreign()), whole.predict(X))


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
    """Blocks of other sizes: products may be summed in another order."""
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


def test_out_may_not_be_the_data():
    net = Network([5, 5], output="identity", dtype="float64", random_state=0)
    data = X.copy()
    with pytest.raises(ValueError, match="out must not share memory with X"):
        net.predict(data, out=data)
    assert np.array_equal(data, X)


def test_out_may_not_be_a_part_of_what_it_is_computed_from():
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


def test_validation_fraction_is_of_arrays():
    net = make()
    for arguments in ((cut(23, X, LABELS),), (Recorded(X), LABELS)):
        with pytest.raises(ValueError, match="validation_fraction needs X as an array"):
            net.fit(*arguments, validation_fraction=0.2)


@pytest.mark.parametrize("source", [lambda: cut(23, X, LABELS), lambda: (lambda: iter(cut(23, X, LABELS)))])
def test_a_run_on_batches_is_resumed(source, tmp_path):
    whole, half, resumed = make(), make(), make()
    whole.fit(source(), epochs=4, validation_data=Loader(X, LABELS))
    half.fit(source(), epochs=2, validation_data=Loader(X, LABELS),
             callbacks=[callbacks.Checkpoint(tmp_path / "run")])
    resumed.fit(source(), epochs=4, validation_data=Loader(X, LABELS), resume=tmp_path / "run")
    assert state(resumed) == state(whole)


def test_a_run_on_blocks_is_resumed(tmp_path, small_blocks):
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
    """Begun anew for each evaluation: before training, to have a loss to go back to, and after each epoch."""
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
net.predict(np.zeros((40_000, n), np.float32))  # what is made once: plans at rest, threads
before = status("RssAnon"), status("RssFile")
limit = status("VmData") + 96 * 2**20  # of all memory that is not a file's
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
    """400 and 800 MB pass through 96 MiB: 8 bytes of order and 4 of label an example, two blocks, what the C library
    does not give back at once."""
    done = subprocess.run([sys.executable, "-P", "-c", MAPPED, str(tmp_path / "X"), dtype, what], capture_output=True,
                          text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    anonymous, of_files = map(int, done.stdout.split())
    assert anonymous < 96 * 2**20
    if what == "few":
        assert of_files < 32 * 2**20


# ---- With class weights, sparse X, L-BFGS


def test_class_weights_of_what_is_read_in_parts(small_blocks):
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
