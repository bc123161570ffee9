"""Training on objects read by slices and on memory maps."""

import itertools
import pickle

import numpy as np
import pytest
from helpers.network_cases import as_source
from helpers.stream_cases import DTYPES, KINDS, LABELS, N_X, REALS, WEIGHTS, M, Recorded, X, make, state

from fastnn import _tuning
from fastnn._data import feeds, sources


def test_reading_in_one_chunk_is_bitwise_identical_to_arrays():
    for shuffle in (False, True):
        whole, read = make(), make()
        whole.fit(X, LABELS, shuffle=shuffle, batch_size=40, epochs=3)
        read.fit(Recorded(X), LABELS, shuffle=shuffle, batch_size=40, epochs=3)
        assert state(read) == state(whole)


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weights", [None, WEIGHTS])
def test_reading_in_chunks_without_shuffle_is_bitwise_identical_to_arrays(kind, dtype, weights, small_blocks):
    y = KINDS[kind][1]
    whole, read = make(kind, dtype), make(kind, dtype)
    expected = whole.fit(X, y, sample_weight=weights, shuffle=False, batch_size=16, epochs=3, validation_data=(X, y))
    found = read.fit(Recorded(X), Recorded(y), sample_weight=weights, shuffle=False, batch_size=16, epochs=3,
                     validation_data=(Recorded(X), y))
    assert state(read) == state(whole)
    assert found["loss"] == expected["loss"]
    assert found["validation_loss"] == pytest.approx(expected["validation_loss"], rel=1e-6)  # in smaller blocks


def test_targets_alone_may_be_read_by_slices(small_blocks, tmp_path):
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
    """Recorded through the feed itself."""
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


def test_sliced_data_with_too_few_rows():
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
def test_memory_maps_of_another_dtype_are_read_by_slices(kept, tmp_path, small_blocks):
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
        """Has shape, dtype and slicing, but is in memory, like torch tensors and data frames."""

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
