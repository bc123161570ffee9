"""The model file format: round trips, refusals, and the file after a failure."""

import hashlib
import json
import math
import os
import pickle
import stat
import struct
import tracemalloc
import zipfile

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnn._model import file_format
from fastnn._model.file_format import ModelFileError

posix_only = pytest.mark.skipif(os.name != "posix", reason="permissions and links as POSIX has them")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("models")


def craft(text, body=b"", *, version=1, size=None, json_size=None):
    """Write a file with a valid checksum around any content, independently of the writer."""
    text = text if isinstance(text, bytes) else json.dumps(text).encode()
    total = 24 + len(text) + len(body) + 32 if size is None else size
    content = b"\x89FASTNN\n" + struct.pack("<IIQ", version, len(text) if json_size is None else json_size, total)
    content += text + body
    return content + hashlib.sha256(content).digest()


def read_bytes(folder, content):
    path = folder / "file.fastnn"
    path.write_bytes(content)
    return file_format.read(path)


def small_file(folder):
    path = folder / "small.fastnn"
    arrays = {"W": np.arange(6.0).reshape(2, 3), "b": np.ones(2, np.float32), "classes": np.array([3, 5])}
    file_format.write(path, {"layer_sizes": [3, 2], "output": "identity"}, arrays)
    return path.read_bytes()


# ---- round trip

json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@st.composite
def stored_arrays(draw):
    """Arrays of every dtype, byte order, memory order and stride."""
    dtype = np.dtype(draw(st.sampled_from(["f4", "f8", "i8"]))).newbyteorder(draw(st.sampled_from("<>")))
    array = draw(hnp.arrays(dtype, hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=5)))
    layout = draw(st.sampled_from(["C", "F", "reversed", "every second", "swapped"]))
    if layout == "F":
        return np.asfortranarray(array)
    if layout == "reversed" and array.ndim:
        return array[::-1]
    if layout == "every second" and array.ndim:
        return array[..., ::2]
    if layout == "swapped" and array.ndim > 1:
        return array.swapaxes(0, 1)
    return array


@given(
    header=st.dictionaries(st.text(), json_values, max_size=5),
    arrays=st.dictionaries(st.text(), stored_arrays(), max_size=4),
)
def test_round_trip(folder, header, arrays):
    path = folder / "round.fastnn"
    file_format.write(path, header, arrays)
    header_again, arrays_again = file_format.read(str(path))
    assert header_again == header
    assert list(arrays_again) == list(arrays)
    for name, array in arrays.items():
        again = arrays_again[name]
        native = array.astype(array.dtype.newbyteorder("="))
        assert again.dtype == native.dtype and again.dtype.isnative and again.shape == array.shape
        assert again.tobytes() == native.tobytes()  # the bits, NaNs and signed zeros included
        assert again.flags.owndata and again.flags.writeable and again.flags.aligned
        assert again.flags.f_contiguous if array.flags.fnc else again.flags.c_contiguous


def test_equal_content_makes_equal_files(folder):
    assert small_file(folder) == small_file(folder)


def test_several_chunks_and_both_orders(tmp_path):
    rng = np.random.default_rng(0)
    arrays = {"C": rng.standard_normal((701, 503)), "F": np.asfortranarray(rng.standard_normal((503, 701)))}
    file_format.write(tmp_path / "m", {}, arrays)
    _, again = file_format.read(tmp_path / "m")
    assert np.array_equal(again["C"], arrays["C"]) and np.array_equal(again["F"], arrays["F"])
    assert again["C"].flags.c_contiguous and again["F"].flags.fnc


def test_file_layout_is_as_documented(folder):
    content = small_file(folder)
    magic, version, json_size, size = struct.unpack("<8sIIQ", content[:24])
    assert (magic, version, size) == (b"\x89FASTNN\n", 1, len(content))
    assert json.loads(content[24 : 24 + json_size]) == {
        "header": {"layer_sizes": [3, 2], "output": "identity"},
        "arrays": [
            {"name": "W", "dtype": "<f8", "shape": [2, 3], "order": "C"},
            {"name": "b", "dtype": "<f4", "shape": [2], "order": "C"},
            {"name": "classes", "dtype": "<i8", "shape": [2], "order": "C"},
        ],
    }
    start = -(-(24 + json_size) // 64) * 64
    assert content[24 + json_size : start] == bytes(start - 24 - json_size)
    assert content[start : start + 48] == struct.pack("<6d", *range(6)) and content[start + 48 : start + 64] == bytes(
        16
    )
    assert content[start + 64 : start + 72] == struct.pack("<2f", 1, 1)
    assert content[start + 128 : start + 144] == struct.pack("<2q", 3, 5)
    assert content[start + 144 :] == hashlib.sha256(content[:-32]).digest()


def test_input_arrays_are_not_changed(folder):
    array = np.arange(6, dtype=">f8").reshape(2, 3)[:, ::-1]
    array.flags.writeable = False
    before = array.tobytes(), array.strides
    file_format.write(folder / "m", {}, {"a": array})
    assert (array.tobytes(), array.strides) == before


def test_tuples_are_read_back_as_lists(folder):
    file_format.write(folder / "m", {"sizes": (1, (2, 3))}, {})
    assert file_format.read(folder / "m")[0] == {"sizes": [1, [2, 3]]}


def test_reading_and_writing_copy_nothing(tmp_path):
    array = np.zeros((2000, 500))  # 8 MB
    tracemalloc.start()
    try:
        file_format.write(tmp_path / "m", {}, {"C": array, "F": array.T})
        written = tracemalloc.get_traced_memory()[1]
        tracemalloc.reset_peak()
        file_format.read(tmp_path / "m")
        read = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert written < 2**20
    assert read < 2 * array.nbytes + 2**20


# ---- what the writer refuses

deep: list = []
for _ in range(100):
    deep = [deep]


@pytest.mark.parametrize(
    ("header", "error", "match"),
    [
        ({"rate": math.nan}, ValueError, r"header\['rate'\] must be a finite number"),
        ({"rates": [1.0, -math.inf]}, ValueError, r"header\['rates'\]\[1\]"),
        ({"a": {1: 2}}, TypeError, r"header\['a'\] must have str keys, got 1"),
        ({None: 2}, TypeError, "str keys"),
        ({"a": {1, 2}}, TypeError, "got set"),
        ({"a": np.int64(3)}, TypeError, "got int64"),
        ({"a": b"bytes"}, TypeError, "got bytes"),
        ({"a": deep}, ValueError, "64 deep"),
        ({"a": "x" * (4 << 20)}, ValueError, "4194304 bytes"),
        ([1, 2], TypeError, "header must be a dict"),
    ],
)
def test_writing_refuses_headers_that_would_not_come_back(tmp_path, header, error, match):
    with pytest.raises(error, match=match):
        file_format.write(tmp_path / "m", header, {})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    "array",
    [
        np.zeros(3, np.int32),
        np.zeros(3, complex),
        np.zeros(3, bool),
        np.zeros(3, np.float16),
        np.array([None]),
        np.array(["a"]),
        np.zeros(2, "f8,f8"),
        [1.0, 2.0],
        np.float64(1),
    ],
)
def test_writing_refuses_other_arrays(tmp_path, array):
    with pytest.raises(TypeError, match=r"arrays\['a'\]"):
        file_format.write(tmp_path / "m", {}, {"a": array})
    assert list(tmp_path.iterdir()) == []


# ---- damage


def test_every_altered_bit_is_refused(folder):
    content = bytearray(small_file(folder))
    read_bytes(folder, content)
    for position in range(len(content)):
        for bit in range(8):
            content[position] ^= 1 << bit
            with pytest.raises(ModelFileError, match=r"file\.fastnn"):
                read_bytes(folder, content)
            content[position] ^= 1 << bit


def test_every_truncation_is_refused(folder):
    content = small_file(folder)
    for size in range(len(content)):
        with pytest.raises(ModelFileError, match="truncated" if size >= 8 else "not a fastnn model file"):
            read_bytes(folder, content[:size])


@given(extra=st.binary(min_size=1, max_size=200))
def test_appended_bytes_are_refused(folder, extra):
    with pytest.raises(ModelFileError, match="damaged"):
        read_bytes(folder, small_file(folder) + extra)


@given(data=st.data())
def test_altered_spans_are_refused(folder, data):
    content = small_file(folder)
    start = data.draw(st.integers(0, len(content) - 1))
    span = data.draw(st.binary(min_size=1, max_size=len(content) - start))
    altered = content[:start] + span + content[start + len(span) :]
    if altered != content:
        with pytest.raises(ModelFileError):
            read_bytes(folder, altered)


def test_a_file_that_shrinks_while_it_is_read_is_refused(folder, monkeypatch):
    content = small_file(folder)
    (folder / "shrunk").write_bytes(content[:-100])
    result = os.stat_result((stat.S_IFREG, 0, 0, 1, 0, 0, len(content), 0, 0, 0))
    monkeypatch.setattr(file_format.os, "fstat", lambda descriptor: result)
    with pytest.raises(ModelFileError, match="truncated"):
        file_format.read(folder / "shrunk")


# ---- foreign and crafted files


def test_foreign_files_are_refused(folder):
    with zipfile.ZipFile(folder / "a.zip", "w") as archive:
        archive.writestr("model", "x" * 100)
    np.savez(folder / "a.npz", W=np.zeros(3))
    foreign = [
        b"",
        (folder / "a.zip").read_bytes(),
        (folder / "a.npz").read_bytes(),
        pickle.dumps({"W": list(range(100))}),
        b"\x89PNG\r\n\x1a\n" + bytes(100),
        b"import os\n" * 20,
        small_file(folder).replace(b"\n", b"\r\n", 1),  # as a transfer in text mode leaves it
    ]
    for content in foreign:
        with pytest.raises(ModelFileError, match=r"file\.fastnn.*not a fastnn model file"):
            read_bytes(folder, content)


def test_writing_refuses_more_dimensions_than_can_be_read(tmp_path):
    file_format.write(tmp_path / "m", {}, {"a": np.zeros((1,) * 32)})
    assert file_format.read(tmp_path / "m")[1]["a"].shape == (1,) * 32
    if int(np.__version__.split(".")[0]) >= 2:
        with pytest.raises(ValueError, match=r"arrays\['a'\] must have at most 32 dimensions, got 33"):
            file_format.write(tmp_path / "m", {}, {"a": np.zeros((1,) * 33)})


def test_missing_files_and_folders_are_os_errors(tmp_path):
    with pytest.raises(FileNotFoundError):
        file_format.read(tmp_path / "nothing")
    with pytest.raises(OSError):  # IsADirectoryError or PermissionError, by system
        file_format.read(tmp_path)


def test_a_newer_format_is_named(folder):
    with pytest.raises(ModelFileError, match=r"file\.fastnn.*written by a newer fastnn"):
        read_bytes(folder, craft({"whatever": 1}, bytes(100), version=2))
    with pytest.raises(ModelFileError, match="version 0"):
        read_bytes(folder, craft({"header": {}, "arrays": []}, version=0))


def test_a_hand_written_file_is_read(folder):
    """So the hand-written files below are refused for their claims alone."""
    table = [{"name": "a", "dtype": "<f8", "shape": [2], "order": "C"}]
    text = json.dumps({"header": {"k": 1}, "arrays": table}).encode()
    padding = bytes(-(24 + len(text)) % 64)
    header, arrays = read_bytes(folder, craft(text, padding + struct.pack("<2d", 1, 2)))
    assert header == {"k": 1} and arrays["a"].tolist() == [1, 2]


def claim(**changes):
    return {"header": {}, "arrays": [{"name": "a", "dtype": "<f8", "shape": [1], "order": "C"} | changes]}


def craft_claim(**changes):
    """Write a valid file except for the claim of its one array, which has 8 bytes of values."""
    text = json.dumps(claim(**changes)).encode()
    empty = 0 in changes.get("shape", [1])
    return craft(text, bytes(-(24 + len(text)) % 64 + (0 if empty else 8)))


HUGE = [
    craft_claim(shape=[0, 2**62, 2**62]),
    craft_claim(shape=[1] * 33),
    craft(claim(shape=[2**40]), bytes(1000)),
    craft(claim(shape=[2**31, 2**31, 2**31]), bytes(1000)),
    craft(claim(shape=[10**4000]), bytes(1000)),
    craft(claim(shape=[2**40]), bytes(1000), size=2**43 + 1000),
    craft(claim(), json_size=2**32 - 1),
    craft(claim(), json_size=3 << 20),
    craft(claim(), size=2**64 - 1),
    craft({"header": {}, "arrays": claim(shape=[2**30])["arrays"] * 1000}, bytes(1000)),
]


@pytest.mark.parametrize("content", HUGE, ids=range(len(HUGE)))
def test_false_sizes_are_refused_without_allocation(folder, content):
    path = folder / "huge.fastnn"
    path.write_bytes(content)
    tracemalloc.start()
    try:
        with pytest.raises(ModelFileError, match=r"damaged|truncated"):
            file_format.read(path)
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert peak < 2**20 + 20 * len(content)  # the JSON as text, and as Python objects


BAD_HEADERS = [
    claim(dtype="|O"),
    claim(dtype=">f8"),
    claim(dtype="<c16"),
    claim(dtype="<f2"),
    claim(dtype=8),
    claim(dtype=["<f8"]),
    claim(shape=[-1]),
    claim(shape=[True]),
    claim(shape=[1.0]),
    claim(shape=["1"]),
    claim(shape=1),
    claim(shape=None),
    claim(order="A"),
    claim(order=None),
    claim(name=1),
    claim(offset=0),
    {"header": {}, "arrays": [{"name": "a"}]},
    {"header": {}, "arrays": ["a"]},
    {"header": {}, "arrays": {}},
    {"header": {}, "arrays": [], "more": 1},
    {"header": []},
    {"header": [], "arrays": []},
    [],
    b"",
    b"\xff\xfe",
    b"{",
    b'{"header": {}, "arrays": []} x',
    b'{"header": {}, "header": {}, "arrays": []}',
    b'{"header": {"a": {"k": 1, "k": 2}}, "arrays": []}',
    b'{"header": {"a": NaN}, "arrays": []}',
    b'{"header": {"a": -Infinity}, "arrays": []}',
    b'{"header": {"a": 1e999}, "arrays": []}',
    b'{"header": {"a": ' + b"9" * 5000 + b'}, "arrays": []}',
    b'{"header": {"a": ' + b"[" * 200_000 + b"]" * 200_000 + b'}, "arrays": []}',
    b'{"header": {}, "arrays": []}' + b" " * (4 << 20),
]


@pytest.mark.parametrize("header", BAD_HEADERS, ids=range(len(BAD_HEADERS)))
def test_bad_headers_are_refused(folder, header):
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    body = bytes(-(24 + len(text)) % 64 + 8)  # one float64, what `claim` declares
    for content in (craft(text), craft(text, body)):
        with pytest.raises(ModelFileError, match="damaged"):
            read_bytes(folder, content)


def test_bytes_after_the_checksum_are_refused(folder):
    text = b'{"header": {}, "arrays": []}'
    assert read_bytes(folder, craft(text)) == ({}, {})
    with pytest.raises(ModelFileError, match="damaged"):
        read_bytes(folder, craft(text, size=24 + len(text) + 32 + 10) + bytes(10))


def test_duplicate_array_names_are_refused(folder):
    text = json.dumps({"header": {}, "arrays": claim(shape=[0])["arrays"] * 2}).encode()
    with pytest.raises(ModelFileError, match="one name"):
        read_bytes(folder, craft(text, bytes(-(24 + len(text)) % 64)))


# ---- atomic writing


@pytest.mark.parametrize("error", [OSError("disk full"), KeyboardInterrupt(), MemoryError()], ids=repr)
@pytest.mark.parametrize(
    ("where", "exists"),
    [
        ("values", True),
        ("values", False),
        ("fsync", True),
        ("fsync", False),
        ("replace", True),
        ("replace", False),
        pytest.param("chmod", True, marks=posix_only),
    ],
)
def test_a_failure_leaves_the_old_file_and_nothing_else(tmp_path, monkeypatch, error, where, exists):
    path = tmp_path / "m.fastnn"
    if exists:
        file_format.write(path, {"version": "old"}, {"a": np.ones(3)})
    before = {item.name: item.read_bytes() for item in tmp_path.iterdir()}
    seen = []

    def fail(*arguments):
        seen.extend(item.name for item in tmp_path.iterdir() if item.name not in before)
        raise error

    if where == "values":
        monkeypatch.setattr(file_format, "_flat_bytes", fail)
    else:
        monkeypatch.setattr(file_format.os, where, fail)
    with pytest.raises(type(error)):
        file_format.write(path, {"version": "new"}, {"a": np.zeros(3)})
    monkeypatch.undo()
    assert len(seen) == 1  # the temporary file was there, in the same folder
    assert {item.name: item.read_bytes() for item in tmp_path.iterdir()} == before


@posix_only
def test_a_full_disk_leaves_the_old_file(tmp_path):
    resource = pytest.importorskip("resource")
    path = tmp_path / "m.fastnn"
    file_format.write(path, {"version": "old"}, {})
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limits[1]))  # stands for a full disk: writes fail part way
    try:
        with pytest.raises(OSError):
            file_format.write(path, {"version": "new"}, {"a": np.zeros(100_000)})
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert file_format.read(path)[0] == {"version": "old"}
    assert list(tmp_path.iterdir()) == [path]


def test_the_bytes_are_synced_before_the_rename_and_the_folder_after(tmp_path, monkeypatch):
    events = []
    fsync, replace = os.fsync, os.replace

    def note_fsync(descriptor):
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        fsync(descriptor)

    def note_replace(source, target):
        assert file_format.read(source)[0] == {"a": 1}  # whole, before it takes the name
        events.append("rename")
        replace(source, target)

    monkeypatch.setattr(file_format.os, "fsync", note_fsync)
    monkeypatch.setattr(file_format.os, "replace", note_replace)
    file_format.write(tmp_path / "m", {"a": 1}, {"a": np.zeros(5)})
    assert events == ["file", "rename", *(["folder"] if hasattr(os, "O_DIRECTORY") else [])]


def test_a_missing_folder_is_an_os_error(tmp_path):
    with pytest.raises(FileNotFoundError):
        file_format.write(tmp_path / "nowhere" / "m", {}, {})


def test_a_bare_file_name_goes_to_the_current_folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file_format.write("m", {"a": 1}, {})
    assert file_format.read("m")[0] == {"a": 1} and [item.name for item in tmp_path.iterdir()] == ["m"]


@posix_only
@pytest.mark.parametrize("umask", [0o000, 0o022, 0o027, 0o077])
def test_a_new_file_respects_the_umask_and_a_replaced_one_keeps_its_mode(tmp_path, umask):
    path = tmp_path / "m"
    old = os.umask(umask)
    try:
        file_format.write(path, {}, {})
        assert stat.S_IMODE(path.stat().st_mode) == 0o666 & ~umask
        path.chmod(0o604)
        file_format.write(path, {"a": 1}, {})
    finally:
        os.umask(old)
    assert stat.S_IMODE(path.stat().st_mode) == 0o604 and file_format.read(path)[0] == {"a": 1}


@posix_only
def test_a_symbolic_link_stays_a_link(tmp_path):
    (tmp_path / "real").mkdir()
    target, link = tmp_path / "real" / "m", tmp_path / "link"
    link.symlink_to(target)
    for value in (1, 2):  # a dangling link first, then one to a file
        file_format.write(link, {"a": value}, {})
        assert link.is_symlink() and not target.is_symlink() and file_format.read(target)[0] == {"a": value}


@posix_only
def test_only_regular_files_are_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    for name in ("pipe", "folder"):
        with pytest.raises(OSError, match="regular file"):
            file_format.write(tmp_path / name, {}, {})
    assert sorted(item.name for item in tmp_path.iterdir()) == ["folder", "pipe"]
