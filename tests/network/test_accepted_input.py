"""Input of every accepted form."""

import pickle
from fractions import Fraction

import numpy as np
import pytest
from helpers.input_cases import BITS, FEATURES, KINDS, LABELS, N_X, TRAINING, WEIGHTS, M, X, make

from fastnn import Network


def misaligned(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)
    view = raw[1:].view(array.dtype).reshape(array.shape)
    view[...] = array
    assert not view.flags.aligned
    return view


def read_only(array):
    result = array.copy()
    result.flags.writeable = False
    return result


def strided(array):
    big = np.full([2 * n + 1 for n in array.shape], 99, array.dtype)
    big[tuple(slice(1, None, 2) for _ in array.shape)] = array
    return big[tuple(slice(1, None, 2) for _ in array.shape)]


def in_records(array):
    """A field of a record array, whose strides are no multiple of the item size."""
    records = np.zeros(array.shape, [("pad", "u1"), ("value", array.dtype)])
    records["value"] = array
    return records["value"]


def negative_strides(array):
    reverse = tuple(slice(None, None, -1) for _ in array.shape)
    return array[reverse].copy()[reverse]


class Subclass(np.ndarray):
    pass


class Duck:
    """An object with only __array__."""

    def __init__(self, array):
        self._array = array

    def __array__(self, dtype=None, copy=None):
        return np.array(self._array, dtype)


FORMS = {
    "C order": np.ascontiguousarray,
    "F order": np.asfortranarray,
    "list": lambda a: a.tolist(),
    "tuple": lambda a: tuple(a.tolist()),
    "list of arrays": list,
    "read-only": read_only,
    "strided": strided,
    "negative strides": negative_strides,
    "byte-swapped": lambda a: a.astype(a.dtype.newbyteorder()),
    "misaligned": misaligned,
    "misaligned and byte-swapped": lambda a: misaligned(a.astype(a.dtype.newbyteorder())),
    "in records": in_records,
    "subclass": lambda a: a.view(Subclass),
    "masked, nothing masked": np.ma.masked_array,
    "memoryview": lambda a: memoryview(np.ascontiguousarray(a)),
    "object with __array__": Duck,
    "longdouble": lambda a: a.astype(np.longdouble),
}
EXACT = {  # forms of whole numbers
    "bool": lambda a: a.astype(bool),
    "float16": lambda a: a.astype(np.float16),
    **{name: (lambda a, name=name: a.astype(name)) for name in
       ("int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64", "float32", "float64", "longdouble")},
}


def results(net, X, y, w):
    """The results of every method, as bytes."""
    found = [pickle.dumps(FEATURES[name](net, X)) for name in ("predict", "forward", "forward with cache")]
    found += [pickle.dumps(call(net, X, y, w)) for name, call in TRAINING.items() if "fit" not in name]
    history = [net.fit(X, y, sample_weight=w, epochs=2, batch_size=4, validation_data=(X, y, w)),
               net.fit(X, y, sample_weight=w, epochs=1, batch_size=4, shuffle=False)]
    found += [repr([run.loss for run in history]), repr(history[0]["validation_loss"])]
    return [*found, *(array.tobytes() for array in (*net.W, *net.b))]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_array_forms_are_bitwise_identical(form, kind, dtype):
    y = KINDS[kind][1]
    expected = results(make(kind, dtype), X.astype(dtype), y, WEIGHTS.astype(dtype))
    same = [form(array) for array in (X.astype(dtype), y, WEIGHTS.astype(dtype))]
    before = pickle.dumps([np.array(array) for array in same])
    assert results(make(kind, dtype), *same) == expected
    assert pickle.dumps([np.array(array) for array in same]) == before


@pytest.mark.parametrize("form", EXACT.values(), ids=EXACT)
@pytest.mark.parametrize("kind", KINDS)
def test_numeric_dtypes_are_bitwise_identical(form, kind):
    ones, y = (X > 0).astype(float), KINDS[kind][1]
    if kind.startswith("identit"):
        y = (y > 0).astype(float)
    expected = results(make(kind), ones, y, BITS.astype(float))
    y = y if form(y).tolist() != y.tolist() else form(y)  # labels 0, 1, 2 as bool are no longer the same
    assert results(make(kind), form(ones), y, form(BITS)) == expected


@pytest.mark.parametrize("shape", [(1, 1), (1, N_X), (M, 1)])
@pytest.mark.parametrize("form", [np.asfortranarray, strided, negative_strides, lambda a: a[:, ::-1],
                                  lambda a: a[::-1], lambda a: np.broadcast_to(a[:1, :1], a.shape), in_records])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_single_rows_and_columns(shape, form, dtype):
    """Their strides are arbitrary, yet NumPy calls them contiguous."""
    values = form(X[: shape[0], : shape[1]].astype(dtype))
    m, n_x = shape
    found = []
    for one in (values, np.ascontiguousarray(values)):
        net = Network([n_x, 3, 2], dtype=dtype, random_state=0)
        found.append(results(net, one, BITS[:m], WEIGHTS[:m]))
    assert found[0] == found[1]


def test_memory_mapped_data(tmp_path):
    np.save(tmp_path / "X.npy", X.astype(np.float32))
    for mode in ("r", "c", "r+"):
        mapped = np.load(tmp_path / "X.npy", mmap_mode=mode)
        assert results(make(), mapped, LABELS, WEIGHTS) == results(make(), X.astype(np.float32), LABELS, WEIGHTS)
    np.testing.assert_array_equal(np.load(tmp_path / "X.npy"), X.astype(np.float32))


def test_data_frames():
    pandas = pytest.importorskip("pandas")
    frame, y, w = pandas.DataFrame(X), pandas.Series(LABELS), pandas.Series(WEIGHTS)
    assert results(make(), frame, y, w) == results(make(), X, LABELS, WEIGHTS)


def test_float64_is_rounded_to_a_float32_network():
    assert results(make(), X, LABELS, WEIGHTS) == results(make(), X.astype(np.float32), LABELS, WEIGHTS)


def test_arrays_of_the_networks_dtype_are_not_copied():
    """They are only read, even if all are the same array."""
    shared = np.abs(X[:, 0]).astype(np.float32)
    net = Network([1, 3, 1], output="identity", random_state=0)
    before = shared.copy()
    net.fit(shared[:, None], shared, sample_weight=shared, epochs=3, batch_size=2)
    np.testing.assert_array_equal(shared, before)


@pytest.mark.parametrize("value", [3, np.int8(3), np.uint64(3), np.array(3)])
def test_integers_of_any_type_are_accepted(value):
    net = make()
    history = net.fit(X, LABELS, epochs=value, batch_size=value, n_threads=value, early_stopping=value,
                      validation_data=[X, LABELS])
    assert len(history) == 3 or history.stop_reason == "early_stopping"
    assert net.predict(X, n_threads=value).shape == (M,)


@pytest.mark.parametrize("value", [1, 0.5, np.float32(0.5), np.float16(0.5), np.longdouble(0.5), Fraction(1, 2)])
def test_real_numbers_of_any_type_are_accepted(value):
    assert make().fit(X, LABELS, epochs=1, learning_rate=value)["learning_rate"] == [float(value)]
    assert Network([2, 2], l2=value).l2 == float(value)
