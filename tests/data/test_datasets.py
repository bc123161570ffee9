"""The data that ships, the flower, and the reader of IDX files."""

import gzip
import math
import os
import struct
import subprocess
import sys
import tracemalloc
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnn import datasets

EPS = np.finfo(np.float64).eps
CODES = {"u1": 8, "i1": 9, "i2": 11, "i4": 12, "f4": 13, "f8": 14}


def idx_bytes(array):
    """Write the IDX format independently of the reader."""
    code = CODES[array.dtype.str[1:]]
    header = struct.pack(f">2xBB{array.ndim}I", code, array.ndim, *array.shape)
    return header + array.astype(array.dtype.newbyteorder(">")).tobytes()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("idx")


def read_bytes(folder, content):
    path = folder / "file"
    path.write_bytes(content)
    return datasets.read_idx(path)


# ---- digits


def test_digits_have_the_shape_and_the_class_counts_of_the_source():
    X, y = datasets.load_digits()
    assert X.shape == (1797, 64) and X.dtype == np.float64 and X.flags.c_contiguous and X.flags.writeable
    assert y.shape == (1797,) and y.dtype == np.int64 and y.flags.writeable
    assert X.min() == 0 and X.max() == 16 and np.array_equal(X, np.floor(X))
    # Counted in the UCI description of the test set.
    assert np.bincount(y).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]


def test_digits_equal_those_of_scikit_learn():
    sklearn_datasets = pytest.importorskip("sklearn.datasets", reason="scikit-learn is not installed")
    X, y = sklearn_datasets.load_digits(return_X_y=True)
    ours = datasets.load_digits()
    assert np.array_equal(ours[0], X) and np.array_equal(ours[1], y)


def test_digits_are_loaded_afresh():
    datasets.load_digits()[0][:] = -1
    assert datasets.load_digits()[0].min() == 0


def test_source_and_licence_stand_beside_the_digits():
    text = (Path(datasets.__file__).parent / "README.md").read_text(encoding="utf-8")
    assert "10.24432/C50P49" in text and "CC BY 4.0" in text


def test_import_opens_no_data_file():
    code = (
        "import sys; opened = []\n"
        "sys.addaudithook(lambda event, args: opened.append(str(args[0])) if event == 'open' else None)\n"
        "import fastnn.datasets\n"
        "print([path for path in opened if path.endswith('ubyte.gz')])\n"
        "fastnn.datasets.load_digits()\n"
        "print(len([path for path in opened if path.endswith('ubyte.gz')]))\n"
    )
    result = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["[]", "2"]


# ---- flower


@given(n_samples=st.integers(2, 500), n_petals=st.integers(1, 10).map(lambda k: 2 * k), seed=st.integers(0, 2**32))
def test_flower_without_noise_lies_on_its_curve(n_samples, n_petals, seed):
    X, y = datasets.make_flower(n_samples, noise=0, n_petals=n_petals, random_state=seed)
    assert X.shape == (n_samples, 2) and X.dtype == np.float64 and y.dtype == np.int64
    assert np.bincount(y, minlength=2).tolist() == [(n_samples + 1) // 2, n_samples // 2]
    # x = (r sin t, r cos t), so the angle from the second axis is t, or t + pi where r < 0: n_petals is even, the sine
    # of n_petals times either is the same. Each coordinate has a relative error of 2 eps, so the angle is off by 2 eps,
    # and atan2 adds one ulp of pi (2 eps). Rounding n t, t <= 2 pi, here and there adds 2 n pi eps. The curve's slope
    # is 4: 4 n (4 + 2 pi) eps < 42 n eps in the radius, and 8 eps from its own computation.
    tolerance = 64 * n_petals * EPS
    angle = np.arctan2(X[:, 0], X[:, 1])
    wave = np.sin(n_petals * angle)
    assert np.all(np.abs(np.hypot(X[:, 0], X[:, 1]) - 4 * np.abs(wave)) <= tolerance)
    # Class 0 has t in [0, pi], where sin t >= 0: its first coordinate r sin t has the sign of r. Class 1 the opposite.
    side = X[:, 0] * wave
    clear = np.abs(side) > 4 * tolerance
    assert np.array_equal(y[clear], (side[clear] < 0).astype(int))


def test_flower_has_as_many_petals_as_asked():
    X, y = datasets.make_flower(20_000, noise=0, n_petals=6, random_state=0)
    octant = np.floor(np.arctan2(X[:, 0], X[:, 1]) / (np.pi / 6)).astype(int) % 12
    inside = np.hypot(X[:, 0], X[:, 1]) > 1e-6  # at the origin all petals meet
    for label in (0, 1):
        assert len(np.unique(octant[inside & (y == label)])) == 6
    assert len(np.unique(octant[inside])) == 12


def test_flower_noise_has_its_standard_deviation_on_angle_and_radius():
    noise, seed = 1e-6, 20
    still, _ = datasets.make_flower(20_000, noise=0, random_state=seed)
    moved, _ = datasets.make_flower(20_000, noise=noise, random_state=seed)
    # At a petal's tip, r = 4, the radius hardly depends on the angle: |cos 4t| < 0.01, so at most 0.16 of the angle's
    # noise, which widens the standard deviation by 1.3 %. There the noise on the radius is noise N(0, 1) along the
    # petal, the one on the angle 4 noise N(0, 1) across it. Of about 127 points a standard deviation is known to
    # 1 / sqrt(2 * 127) = 6.3 %; allowed are 5 times that.
    radius = np.hypot(still[:, 0], still[:, 1])
    tips = radius > 4 * math.sqrt(1 - 0.01**2)
    assert tips.sum() > 100
    along = still[tips] / radius[tips, None]
    shift = (moved - still)[tips] / noise
    radial = (shift * along).sum(axis=1)
    across = shift[:, 0] * along[:, 1] - shift[:, 1] * along[:, 0]
    allowed = 5 / math.sqrt(2 * tips.sum()) + 0.013
    assert abs(radial.std() - 1) <= allowed
    assert abs(across.std() / 4 - 1) <= allowed


def test_flower_depends_on_the_seed_alone():
    first, again, other = (datasets.make_flower(random_state=seed) for seed in (1, np.random.default_rng(1), 2))
    assert np.array_equal(first[0], again[0]) and np.array_equal(first[1], again[1])
    assert not np.array_equal(first[0], other[0])
    assert not np.array_equal(datasets.make_flower()[0], datasets.make_flower()[0])


@pytest.mark.parametrize("arguments", [{"n_samples": 1}, {"n_samples": -4}, {"n_petals": 3}, {"n_petals": 0}])
def test_flower_refuses_bad_counts(arguments):
    with pytest.raises(ValueError, match=next(iter(arguments))):
        datasets.make_flower(**arguments)


@pytest.mark.parametrize("noise", [-0.1, math.nan, math.inf])
def test_flower_refuses_bad_noise(noise):
    with pytest.raises(ValueError, match="noise"):
        datasets.make_flower(noise=noise)


def test_flower_refuses_fractional_counts():
    with pytest.raises(TypeError):
        datasets.make_flower(10.5)


# ---- IDX


@given(data=st.data(), dtype=st.sampled_from(sorted(CODES)), compress=st.booleans())
def test_idx_round_trip(folder, data, dtype, compress):
    array = data.draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=5)))
    content = idx_bytes(array)
    result = read_bytes(folder, gzip.compress(content) if compress else content)
    assert result.dtype == array.dtype and result.dtype.isnative and result.shape == array.shape
    assert result.tobytes() == array.tobytes()  # the bits, NaNs included
    assert result.flags.c_contiguous and result.flags.writeable


def test_idx_of_several_chunks(folder):
    array = np.random.default_rng(0).integers(-(2**31), 2**31, (700, 1000), dtype=np.int32)
    assert np.array_equal(read_bytes(folder, idx_bytes(array)), array)
    assert np.array_equal(read_bytes(folder, gzip.compress(idx_bytes(array), 1)), array)


@pytest.mark.parametrize("compress", [False, True])
def test_idx_truncated_anywhere_is_refused(folder, compress):
    content = idx_bytes(np.arange(24, dtype=np.int16).reshape(2, 3, 4))
    content = gzip.compress(content) if compress else content
    read_bytes(folder, content)
    for size in range(len(content)):
        with pytest.raises(ValueError, match="file"):
            read_bytes(folder, content[:size])


@given(extra=st.binary(min_size=1, max_size=40))
def test_idx_with_bytes_after_the_values_is_refused(folder, extra):
    content = idx_bytes(np.arange(6, dtype=np.uint8))
    with pytest.raises(ValueError, match="more follow"):
        read_bytes(folder, content + extra)
    with pytest.raises(ValueError, match="more follow"):
        read_bytes(folder, gzip.compress(content + extra))
    with pytest.raises(ValueError, match="more follow"):
        read_bytes(folder, gzip.compress(content) + gzip.compress(extra))


def test_idx_damaged_gzip_is_refused(folder):
    array = np.random.default_rng(0).integers(0, 4, 60, dtype=np.uint8)
    content = bytearray(gzip.compress(idx_bytes(array)))
    refused = 0
    for position in range(len(content)):
        for bit in range(8):
            content[position] ^= 1 << bit
            try:
                # The gzip header's time stamp and the like may change; the values never may.
                assert np.array_equal(read_bytes(folder, content), array)
            except ValueError:
                refused += 1
            content[position] ^= 1 << bit
    assert refused >= 8 * (len(content) - 10)  # 10 bytes of gzip header, the rest is data and checksums


def test_idx_of_the_densest_gzip_is_read(folder):
    zeros = np.zeros((1000, 20_000), np.uint8)
    content = gzip.compress(idx_bytes(zeros))
    assert len(content) * 1032 >= zeros.size > len(content) * 1000
    assert np.array_equal(read_bytes(folder, content), zeros)


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0",
        b"PK\3\4 a zip",
        b"\x80\x04\x95 a pickle",
        b"\0\0\x0a\1\0\0\0\0",
        b"\0\0\x08\0",
        b"\0\1\x08\1\0\0\0\0",
    ],
)
def test_idx_foreign_files_are_refused(folder, content):
    for variant in (content, gzip.compress(content)):
        with pytest.raises(ValueError, match="is not an IDX file"):
            read_bytes(folder, variant)


@pytest.mark.parametrize("compress", [False, True])
@pytest.mark.parametrize("shape", [(2**32 - 1,) * 3, (2**31, 8), (100_000_000,), (0, *(2**32 - 1,) * 3), (1,) * 255])
@pytest.mark.parametrize("code", [0x08, 0x0E])
def test_idx_false_sizes_are_refused_and_cost_no_memory(folder, compress, shape, code):
    # Noise, so that 300 kB of gzip could hold at most 310 MB and the 100 MB of one case are not refused at sight.
    noise = np.random.default_rng(0).bytes(300_000)
    content = struct.pack(f">2xBB{len(shape)}I", code, len(shape), *shape) + (noise if math.prod(shape) > 1 else b"")
    content += bytes(8 if code == 0x0E else 1) if shape[-1] == 1 else b""
    path = folder / "huge"
    path.write_bytes(gzip.compress(content) if compress else content)
    tracemalloc.start()
    try:
        with pytest.raises(ValueError, match="huge") as caught:
            datasets.read_idx(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    if math.prod(shape) > 1032 * len(content):
        assert "more than the file can hold" in str(caught.value)
    assert peak < 4 * 2**20  # what is really there, and a chunk of 1 MiB with the decompressor's copies of it


# ---- folders of IDX files


def write_set(folder, names=None, compress=(False,) * 4, **changes):
    rng = np.random.default_rng(5)
    arrays = {
        "train-images-idx3-ubyte": rng.integers(0, 256, (7, 3, 2), dtype=np.uint8),
        "train-labels-idx1-ubyte": rng.integers(0, 10, 7, dtype=np.uint8),
        "t10k-images-idx3-ubyte": rng.integers(0, 256, (4, 3, 2), dtype=np.uint8),
        "t10k-labels-idx1-ubyte": rng.integers(0, 10, 4, dtype=np.uint8),
    }
    arrays |= {name.replace("_", "-"): array for name, array in changes.items()}
    for name, array, gz in zip(names or arrays, arrays.values(), compress, strict=True):
        content = idx_bytes(array)
        (folder / name).write_bytes(gzip.compress(content) if gz else content)
    return list(arrays.values())


@pytest.mark.parametrize(
    ("names", "compress"),
    [
        (None, (False, False, False, False)),
        (
            [
                "train-images-idx3-ubyte.gz",
                "train-labels-idx1-ubyte.gz",
                "t10k-images-idx3-ubyte.gz",
                "t10k-labels-idx1-ubyte.gz",
            ],
            (True, True, True, True),
        ),
        (
            ["train-images.idx3-ubyte", "train-labels.idx1-ubyte", "t10k-images.idx3-ubyte", "t10k-labels.idx1-ubyte"],
            (False,) * 4,
        ),
        (
            [
                "Train_images_idx3_ubyte",
                "train-labels-idx1-ubyte.gz",
                "test-images-idx3-ubyte",
                "test.labels-idx1-ubyte",
            ],
            (0, 1, 0, 0),
        ),
    ],
)
def test_idx_folder(tmp_path, names, compress):
    (tmp_path / "readme.txt").write_text("train-images-idx3-ubyte")
    X_train, y_train, X_test, y_test = write_set(tmp_path, names, compress)
    result = datasets.load_idx_folder(tmp_path)
    for got, expected in zip(result, (X_train.reshape(7, 6), y_train, X_test.reshape(4, 6), y_test), strict=True):
        assert np.array_equal(got, expected)
    assert [array.dtype.name for array in result] == ["uint8", "int64", "uint8", "int64"]


def test_idx_folder_prefers_the_plain_file(tmp_path):
    arrays = write_set(tmp_path)
    (tmp_path / "train-images-idx3-ubyte.gz").write_bytes(b"never read")
    assert np.array_equal(datasets.load_idx_folder(str(tmp_path))[0], arrays[0].reshape(7, 6))


def test_idx_folder_names_all_that_is_missing(tmp_path):
    write_set(tmp_path)
    (tmp_path / "train-labels-idx1-ubyte").unlink()
    (tmp_path / "t10k-images-idx3-ubyte").rename(tmp_path / "t10k-images-idx3-ubyte.bak")
    with pytest.raises(FileNotFoundError) as caught:
        datasets.load_idx_folder(tmp_path)
    message = str(caught.value)
    assert "train-labels-idx1-ubyte" in message and "t10k-images-idx3-ubyte" in message
    assert "train-images" not in message and "t10k-labels" not in message
    with pytest.raises(FileNotFoundError, match="nowhere"):
        datasets.load_idx_folder(tmp_path / "nowhere")


@pytest.mark.parametrize(
    ("change", "match"),
    [
        ({"train_labels_idx1_ubyte": np.zeros(6, np.uint8)}, r"m = 7 pictures.* 6 labels"),
        ({"t10k_images_idx3_ubyte": np.zeros((4, 2, 3), np.uint8)}, r"\(3, 2\).*\(2, 3\)"),
        ({"t10k_images_idx3_ubyte": np.zeros((4, 3, 2), np.int16)}, r"t10k-images.*uint8.*int16"),
        ({"train_images_idx3_ubyte": np.zeros((7, 6), np.uint8)}, r"train-images.*\(m, rows, columns\).*\(7, 6\)"),
        ({"train_labels_idx1_ubyte": np.zeros((7, 1), np.uint8)}, r"train-labels.*\(m,\).*\(7, 1\)"),
        ({"train_labels_idx1_ubyte": np.zeros(7, np.float32)}, r"train-labels.*integer.*float32"),
    ],
)
def test_idx_folder_refuses_what_does_not_fit(tmp_path, change, match):
    write_set(tmp_path, **change)
    with pytest.raises(ValueError, match=match):
        datasets.load_idx_folder(tmp_path)


def test_fashion_mnist_says_how_to_get_it(tmp_path, monkeypatch):
    monkeypatch.setattr(datasets, "_FASHION_MNIST", tmp_path / "absent")
    with pytest.raises(FileNotFoundError, match="apt-get install dataset-fashion-mnist"):
        datasets.load_fashion_mnist()
    arrays = write_set(tmp_path)
    assert np.array_equal(datasets.load_fashion_mnist(tmp_path)[1], arrays[1])


@pytest.mark.skipif(
    not os.path.isdir("/usr/share/datasets/fashion-mnist"), reason="dataset-fashion-mnist is not installed"
)
def test_fashion_mnist():
    X_train, y_train, X_test, y_test = datasets.load_fashion_mnist()
    assert X_train.shape == (60_000, 784) and X_test.shape == (10_000, 784)
    assert np.bincount(y_train).tolist() == [6000] * 10 and np.bincount(y_test).tolist() == [1000] * 10
    assert X_train.max() == 255 and X_train.dtype == np.uint8


# ---- hold-out


@given(
    y=hnp.arrays(np.int64, st.integers(2, 300), elements=st.integers(-2, 4)),
    fraction=st.floats(0.01, 0.99),
    seed=st.integers(0, 2**32),
)
def test_split_is_stratified(y, fraction, seed):
    m = len(y)
    size = math.floor(m * fraction + 0.5)
    if size in (0, m):
        with pytest.raises(ValueError, match="too few"):
            datasets.stratified_split(y, fraction, seed)
        return
    train, test = datasets.stratified_split(y, fraction, seed)
    assert len(test) == size and train.dtype == test.dtype == np.intp
    assert np.array_equal(np.sort(np.concatenate([train, test])), np.arange(m))
    assert np.all(np.diff(train) > 0) and np.all(np.diff(test) > 0)
    for label in np.unique(y):
        # The class is a run of the order; its share is a difference of two rounded numbers, each i * fraction being
        # off by at most m eps.
        assert abs(np.sum(y[test] == label) - fraction * np.sum(y == label)) <= 1 + 2 * m * EPS


def test_split_is_random_and_repeats_with_the_seed():
    y = np.repeat(["cat", "dog"], 200)
    first, again, other = (datasets.stratified_split(y, 0.25, seed)[1] for seed in (3, 3, 4))
    assert np.array_equal(first, again) and not np.array_equal(first, other)
    # Every example is as likely as any other: in 400 splits it is held out 100 times, give or take 8.7; 6 times that.
    counts = np.zeros(400)
    rng = np.random.default_rng(0)
    for _ in range(400):
        counts[datasets.stratified_split(y, 0.25, rng)[1]] += 1
    assert np.all(np.abs(counts - 100) <= 52)


@pytest.mark.parametrize("fraction", [0, 1, -0.5, 1.5, math.nan])
def test_split_refuses_bad_fractions(fraction):
    with pytest.raises(ValueError, match="test_fraction"):
        datasets.stratified_split(np.zeros(10), fraction)


def test_split_refuses_bad_labels():
    with pytest.raises(ValueError, match=r"\(m,\)"):
        datasets.stratified_split(np.zeros((10, 1)))
    with pytest.raises(ValueError, match="too few"):
        datasets.stratified_split([])
