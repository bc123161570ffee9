"""Every compiled kernel refuses wrong arrays, read-only outputs and unknown names; no argument crashes it."""

import contextlib
import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn._core import _testing, kernels, registry


def valid_call(name, dtype="float64"):
    """Keyword arguments of a call that succeeds."""

    def F(n, m):
        return np.asfortranarray(np.arange(1.0, n * m + 1).reshape(n, m).astype(dtype))

    def v(n):
        return np.arange(1.0, n + 1).astype(dtype)

    csr = (v(6), np.array([0, 2, 1, 1, 0, 2], np.int32), np.array([0, 2, 2, 5, 6]))
    return {
        "activate": lambda: {
            "name": "tanh",
            "Z": F(5, 4),
            "b": v(5),
            "A": F(5, 4),
            "dropout": (1, 2, 3, 2**31),
            "first": 7,
        },
        "activate_backward": lambda: {
            "name": "tanh",
            "cache": F(5, 4),
            "dZ": F(5, 4),
            "scale": 0.5,
            "db": v(5),
            "dropped": F(5, 4),
        },
        "activate_mixed": lambda: {
            "name": "tanh",
            "Z": F(5, 4),
            "b": v(5),
            "t": v(5),
            "A": F(5, 4),
            "dropout": (1, 2, 3, 2**31),
            "first": 7,
        },
        "activate_mixed_backward": lambda: {
            "name": "tanh",
            "t": v(5),
            "Z": F(5, 4),
            "dZ": F(5, 4),
            "scale": 0.5,
            "db": v(5),
            "dt": v(5),
            "dropped": F(5, 4),
        },
        "loss": lambda: {
            "name": "huber",
            "Z": F(5, 4),
            "Y": F(5, 4),
            "weights": v(4),
            "dZ": F(5, 4),
            "parameter": 1.5,
        },
        "unit_weights": lambda: {
            "name": "huber",
            "Z": F(5, 4),
            "Y": F(5, 4),
            "weights": F(5, 4),
            "dZ": F(5, 4),
            "parameter": 1.5,
        },
        "cross_entropy": lambda: {
            "name": "cross_entropy",
            "Z": F(5, 4),
            "Y": np.arange(4, dtype=np.int32),
            "weights": v(4),
            "dZ": F(5, 4),
        },
        "sum_columns": lambda: {"M": F(5, 4), "scale": 2.0, "out": v(5)},
        "gather": lambda: {"X": F(7, 5), "order": np.arange(4), "out": F(5, 4)},
        "all_finite": lambda: {"X": F(5, 4)},
        "elementwise": lambda: {"name": "exp", "x": v(5), "out": v(5)},
        "multiply": lambda: {"A": F(5, 3), "B": F(3, 4), "C": F(5, 4), "transpose_A": False, "alpha": 1.0},
        "update": lambda: {
            "rule": "adam",
            "theta": v(6),
            "gradients": np.ascontiguousarray(F(2, 6)),
            "first": v(6),
            "second": v(6),
            "start": 1,
            "stop": 5,
            "epsilon": 1e-8,
            "rate": 0.1,
        },
        "total_gradient": lambda: {"theta": v(6), "gradients": np.ascontiguousarray(F(2, 6)), "out": v(6), "l2": 0.1},
        "sparse_linear": lambda: {"W": F(5, 3), "X": csr, "order": np.array([3, 0, 2, 2]), "Z": F(5, 4)},
        "sparse_weight_gradient": lambda: {
            "dZ": F(5, 4),
            "X": csr,
            "order": np.array([3, 0, 2, 2]),
            "scale": 0.5,
            "dW": F(5, 3),
        },
    }[name]()


CALLS = (
    "activate",
    "activate_backward",
    "activate_mixed",
    "activate_mixed_backward",
    "loss",
    "cross_entropy",
    "sum_columns",
    "gather",
    "all_finite",
    "elementwise",
    "multiply",
    "update",
    "total_gradient",
    "sparse_linear",
    "sparse_weight_gradient",
)
OUTPUTS = {
    "activate": ("Z", "A"),
    "activate_backward": ("dZ", "db"),
    "activate_mixed": ("Z", "A"),
    "activate_mixed_backward": ("dZ", "db", "dt"),
    "loss": ("dZ",),
    "unit_weights": ("dZ",),
    "cross_entropy": ("dZ",),
    "sum_columns": ("out",),
    "gather": ("out",),
    "all_finite": (),
    "elementwise": ("out",),
    "multiply": ("C",),
    "update": ("theta", "first", "second"),
    "total_gradient": ("out",),
    "sparse_linear": ("Z",),
    "sparse_weight_gradient": ("dW",),
}


def function(name):
    name = "loss" if name in ("cross_entropy", "unit_weights") else name
    return getattr(_testing if hasattr(_testing, name) else kernels, name)


def array_arguments():
    for name in CALLS:
        for key, value in valid_call(name).items():
            if isinstance(value, np.ndarray):
                yield name, key


def unaligned(array):
    raw = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape, order="F")
    raw[...] = array
    return raw


@pytest.mark.parametrize("name", CALLS)
def test_valid_calls_succeed(name):
    function(name)(**valid_call(name))


@pytest.mark.parametrize(("name", "key"), list(array_arguments()))
def test_wrong_arrays_are_refused(name, key):
    array = valid_call(name)[key]
    wrong = [
        array.astype(t)
        for t in ("complex128", "float16", "int64", "bool", "object", "S8", "float32", "longdouble")
        if np.dtype(t) != array.dtype
    ]
    wrong += [array.astype(array.dtype.newbyteorder()), array.tolist(), "x", object()]
    if (name, key) == ("all_finite", "X"):
        wrong = [w for w in wrong if getattr(w, "dtype", None) != np.float32] + [
            np.zeros((2, 2, 2)),
            np.float64(1),
            np.zeros(()),
        ]
    else:
        # the number of columns of M, of gradients and of rows of X is free
        shorter = array[..., :-1] if key in ("gradients", "X") else array[:-1]
        wrong += [shorter, np.zeros((0, *array.shape[1:]), array.dtype), np.zeros((), array.dtype)]
    if (name, key) != ("gather", "X"):
        wrong += [] if name == "all_finite" else [np.repeat(array, 2, axis=-1)[..., ::2]]
        if array.ndim == 2 and name != "all_finite":
            wrong += [
                array.T,
                array.reshape(-1),
                array[..., None],
                np.array(array, order="C" if array.flags.f_contiguous else "F"),
            ]
    if array.itemsize > 1:
        wrong.append(unaligned(array))
    for value in wrong:
        arguments = valid_call(name)
        arguments[key] = value
        before = {k: v.copy() for k, v in arguments.items() if isinstance(v, np.ndarray)}
        with pytest.raises((TypeError, ValueError)):
            function(name)(**arguments)
        for k, v in before.items():
            assert arguments[k].tobytes() == v.tobytes()


@pytest.mark.parametrize(("name", "key"), [(name, key) for name in CALLS for key in OUTPUTS[name]])
def test_read_only_outputs_are_refused(name, key):
    arguments = valid_call(name)
    arguments[key].flags.writeable = False
    before = arguments[key].copy()
    with pytest.raises(ValueError, match="read-only"):
        function(name)(**arguments)
    assert np.array_equal(arguments[key], before)


@pytest.mark.parametrize("name", CALLS)
@pytest.mark.parametrize("level", [-1, len(registry.LEVELS), 99, -(2**31)])
def test_missing_simd_levels_are_refused(name, level):
    if name != "multiply":
        with pytest.raises(ValueError, match="SIMD level"):
            function(name)(**valid_call(name), level=level)


def test_wrong_names_and_ranges_are_refused():
    for name, key in (
        ("activate", "name"),
        ("activate_backward", "name"),
        ("activate_mixed", "name"),
        ("activate_mixed_backward", "name"),
        ("loss", "name"),
        ("elementwise", "name"),
        ("update", "rule"),
    ):
        for value in ("", "Relu", "relu ", None):
            with pytest.raises((TypeError, ValueError)):
                function(name)(**valid_call(name) | {key: value})
    for name in ("activate_mixed", "activate_mixed_backward"):
        with pytest.raises(ValueError, match="softmax depends on all units"):
            function(name)(**valid_call(name) | {"name": "softmax"})
    Z = np.ones((5, 4), order="F")
    for wrong in ({"Z": Z, "A": Z}, {"first": -1}):
        with pytest.raises(ValueError, match="A must not be Z, and first must not be negative"):
            kernels.activate_mixed(**valid_call("activate_mixed") | wrong)
    with pytest.raises(ValueError, match="one weight per example"):
        kernels.loss(**valid_call("cross_entropy") | {"weights": np.ones((5, 4), order="F")})
    for start, stop in ((-1, 3), (4, 3), (0, 7), (7, 7), (2**40, 2**41)):
        with pytest.raises(ValueError, match="start"):
            _testing.update(**valid_call("update") | {"start": start, "stop": stop})
    for name, row in itertools.product(("gather", "sparse_linear", "sparse_weight_gradient"), (7, -1, 2**62)):
        with pytest.raises(ValueError, match="order"):
            function(name)(**valid_call(name) | {"order": np.array([0, 1, 2, row])})
    with pytest.raises(ValueError, match="order"):
        _testing.gather(np.zeros((3, 5)), None, np.zeros((5, 4), order="F"))
    with pytest.raises(ValueError, match="state arrays"):
        _testing.update("sgd", np.zeros(3), np.zeros((1, 3)), np.zeros(3))
    with pytest.raises(TypeError, match="unknown hyperparameters"):
        _testing.update("sgd", np.zeros(3), np.zeros((1, 3)), learning_rate=0.1)
    with pytest.raises(ValueError, match="at least one"):
        _testing.update("sgd", np.zeros(3), np.zeros((0, 3)))


class Strange:
    """An object with wrong answers to every question."""

    ndim, shape, dtype, size, flags = 2, (5, 4), np.dtype("float64"), 20, None

    def __index__(self):
        raise ZeroDivisionError

    def __len__(self):
        return -1


GARBAGE = (
    None,
    True,
    0,
    -1,
    1.5,
    float("nan"),
    2**100,
    -(2**63),
    "x",
    b"x",
    (),
    [],
    {},
    set(),
    object(),
    Strange(),
    Strange,
    np.float64(1),
    np.zeros(0),
    np.zeros(()),
    np.zeros((0, 0), order="F"),
    np.zeros((1, 1, 1)),
    np.zeros(4),
    np.eye(5),
    np.zeros((5, 4), "float32", "F"),
    np.zeros((5, 4), order="F"),
    np.array(["a"]),
    np.ma.masked_array(np.zeros(5)),
    np.zeros(5, [("a", "f8")]),
    memoryview(np.zeros(5)),
    np.broadcast_to(np.zeros(1), (5, 4)),
    range(5),
)


@pytest.mark.parametrize("name", CALLS)
@settings(max_examples=300)
@given(data=st.data())
def test_garbage_never_crashes(name, data):
    """With any arguments, the call succeeds or raises, and the next valid call succeeds."""
    arguments = valid_call(name)
    keys = data.draw(
        st.lists(st.sampled_from([*arguments, "level"]), min_size=1, max_size=3, unique=True), label="keys"
    )
    for key in keys:
        arguments[key] = GARBAGE[data.draw(st.integers(0, len(GARBAGE) - 1), label=key)]
    with contextlib.suppress(TypeError, ValueError, OverflowError, ZeroDivisionError):
        function(name)(**arguments)
    function(name)(**valid_call(name))
