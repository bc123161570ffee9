"""TrainingPlan refuses ranges, buffers, names and sizes that do not fit; garbage never crashes."""

import contextlib

import numpy as np
import pytest
from helpers.core_cases import Task, bind_plan, changed_by_a_step, plan_arguments, plan_buffers
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn._core.training_plan import TrainingPlan

each_dtype = pytest.mark.parametrize("dtype", ("float32", "float64"))


@given(
    start=st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 25),
    stop=st.integers(-(2**63), 2**63 - 1) | st.integers(-3, 25),
)
def test_ranges_outside_the_data_or_the_workspace_are_refused(start, stop):
    net = Task([3, 4, 2], ["relu", "softmax"], "cross_entropy", "float64", rows=20)
    buffers = plan_buffers(net, batch=8)
    plan, out, before = bind_plan(**buffers), np.empty_like(buffers["theta"]), changed_by_a_step(buffers)
    if 0 <= start < stop <= 20 and stop - start <= 8:
        assert np.isfinite(plan.step(start, stop, 0.1))
    else:
        with pytest.raises(ValueError, match="0 <= start < stop <= 20 and at most 8"):
            plan.step(start, stop, 0.1)
        with pytest.raises(ValueError, match="0 <= start < stop <= 20 and at most 8"):
            plan.penalized_gradient(start, stop, out)
        assert changed_by_a_step(buffers) == before


def test_wrong_step_arguments_are_refused():
    net = Task([3, 4, 2], ["relu", "softmax"], "cross_entropy", "float64", rows=20)
    plan = bind_plan(**plan_buffers(net, batch=8))
    P = 3 * 4 + 4 + 4 * 2 + 2
    for wrong in (("a", 4, 0.1), (0, None, 0.1), (0, 4, "x"), (0, 4, None), (2**70, 4, 0.1), (0, 4), ()):
        with pytest.raises((TypeError, OverflowError)):
            plan.step(*wrong)
    read_only = np.empty(P)
    read_only.flags.writeable = False
    for out in (
        read_only,
        np.empty(P + 1),
        np.empty(P, "float32"),
        np.empty(2 * P)[::2],
        np.empty(P, ">f8"),
        [0.0] * P,
        None,
    ):
        with pytest.raises((TypeError, ValueError)):
            plan.penalized_gradient(0, 4, out)
    assert np.isfinite(plan.step(0, 8, 0.1))


def test_a_plan_without_update_computes_gradients_only():
    net = Task([3, 4, 2], ["relu", "softmax"], "cross_entropy", "float64", rows=20, dropout=[0.5])
    buffers = plan_buffers(net)
    plan, out = bind_plan(**buffers, with_update=False), np.empty_like(buffers["theta"])
    loss = plan.gradient(0, 8)
    for call in (lambda: plan.step(0, 8, 0.1), lambda: plan.apply(0.1)):
        with pytest.raises(ValueError, match="has no update: it computes gradients only"):
            call()
    net.dropout = ()
    assert loss == plan.penalized_gradient(0, 8, out) == bind_plan(**plan_buffers(net)).gradient(0, 8)


def test_a_gradient_is_applied_once():
    net = Task([3, 4, 2], ["relu", "softmax"], "cross_entropy", "float64", rows=20)
    buffers = plan_buffers(net)
    plan, out = bind_plan(**buffers), np.empty_like(buffers["theta"])
    plan.gradient(0, 8)
    plan.apply(0.1)
    before = changed_by_a_step(buffers)
    for use in (lambda: None, lambda: plan.penalized_gradient(0, 8, out)):
        use()
        with pytest.raises(RuntimeError, match="no gradient to apply"):
            plan.apply(0.1)
    assert changed_by_a_step(buffers) == before
    plan.gradient(0, 8)
    plan.step(0, 8, 0.1)
    with pytest.raises(RuntimeError, match="no gradient to apply"):
        plan.apply(0.1)


def test_an_order_out_of_range_is_refused_at_the_step():
    net = Task([3, 4, 2], ["relu", "softmax"], "cross_entropy", "float64", rows=20)
    order = np.arange(20)
    plan = bind_plan(**plan_buffers(net, batch=8, order=order))
    for row in (-1, 20, 2**62, -(2**62)):
        order[5] = row
        with pytest.raises(ValueError, match="order must name rows, from 0 to 19"):
            plan.step(0, 8, 0.1)
        assert np.isfinite(plan.step(8, 16, 0.1))


@pytest.mark.parametrize("missing", [0, 1, 2])
def test_missing_batch_buffers_are_refused(missing):
    net = Task([3, 4, 2], ["relu", "softmax"], "cross_entropy", "float64", rows=20, weighted=True)
    buffers = plan_buffers(net, order=np.arange(20))
    buffers["batch"] = tuple(None if k == missing else buffer for k, buffer in enumerate(buffers["batch"]))
    with pytest.raises(ValueError, match="batch"):
        bind_plan(**buffers)
    in_place = plan_buffers(net) | {"batch": (None, None, None)}
    assert np.isfinite(bind_plan(**in_place).step(0, 8, 0.1))
    with pytest.raises(ValueError, match="batch"):
        bind_plan(**in_place | {"X": np.asfortranarray(net.X)})


@each_dtype
def test_a_single_row_or_column_of_any_stride_is_read_in_place(dtype):
    """NumPy calls arrays contiguous whatever the stride of an axis of one element."""
    for sizes, rows in (([3, 4, 1], 1), ([1, 4, 1], 5)):
        net = Task(sizes, ["tanh", "identity"], "squared_error", dtype, rows=rows)
        n = sizes[0]
        X = np.empty((rows, n + 2), dtype)[:, :n] if rows == 1 else np.empty((1, rows), dtype).T
        X[...] = net.X
        assert X.flags.c_contiguous
        results = []
        for data in (X, net.X):
            buffers = plan_buffers(net, batch=rows) | {"batch": (None, None, None), "X": data}
            plan = bind_plan(**buffers)
            results.append((plan.step(0, rows, 0.1), *changed_by_a_step(buffers)))
        assert results[0] == results[1]


def wrong_arrays(array, *, output):
    """Arrays that must be refused instead of this one."""
    array = np.zeros_like(array)
    other = "float32" if array.dtype != np.float32 else "float64"
    wrong = [array.astype(t) for t in (other, "int16", "complex128", "object") if np.dtype(t) != array.dtype]
    wrong += [
        array.astype(array.dtype.newbyteorder()),
        array[:-1],
        array.tolist(),
        "x",
        3,
        np.concatenate([array, array]),
    ]
    unaligned = np.zeros(array.nbytes + 1, np.uint8)[1:].view(array.dtype).reshape(array.shape, order="F")
    unaligned[...] = array
    wrong.append(unaligned)
    if array.size > 1:
        wrong += [np.repeat(array, 2, axis=-1)[..., ::2], np.zeros((), array.dtype)]
    if output:
        read_only = array.copy(order="K")
        read_only.flags.writeable = False
        wrong.append(read_only)
    return wrong


ARRAYS = {"theta": True, "gradients": True, "Y": False, "weights": False, "order": False, "step_count": True}
LISTS = {"Z": True, "A": True, "dZ": True, "states": True, "batch": True}
SHARED = [("cross_entropy", "softmax"), ("squared_error", "gelu")]


def refuse(buffers):
    with pytest.raises((TypeError, ValueError, AttributeError)):
        bind_plan(**buffers)


@pytest.mark.parametrize("key", [*ARRAYS, *LISTS])
@pytest.mark.parametrize(("loss", "output"), SHARED)
def test_wrong_buffers_are_refused(key, loss, output):
    net = Task([3, 4, 2], ["gelu", output], loss, "float64", rows=20, weighted=True)
    good = plan_buffers(net, rule="adam", order=np.arange(20), n_shards=2)
    bind_plan(**good)
    if key in ARRAYS:
        for wrong in wrong_arrays(good[key], output=ARRAYS[key]):
            if (
                key == "gradients"
                and isinstance(wrong, np.ndarray)
                and wrong.dtype == np.float64
                and wrong.ndim == 2
                and wrong.shape[1] == good[key].shape[1]
                and wrong.flags.c_contiguous
                and wrong.flags.aligned
                and wrong.flags.writeable
            ):
                continue  # another number of shards
            if (
                key == "order"
                and isinstance(wrong, np.ndarray)
                and wrong.ndim == 1
                and wrong.dtype == np.int64
                and wrong.flags.c_contiguous
                and wrong.flags.aligned
            ):
                continue  # another number of positions
            refuse(good | {key: wrong})
        if key not in ("weights", "order"):
            refuse(good | {key: None})
        if key == "gradients":
            refuse(good | {key: np.zeros((0, good[key].shape[1]))})
        return
    for k, array in enumerate(good[key]):
        for wrong in wrong_arrays(array, output=True):
            items = list(good[key])
            items[k] = wrong
            refuse(good | {key: type(good[key])(items)})
    refuse(good | {key: None})
    refuse(good | {key: good[key][:-1]})
    refuse(good | {key: [*good[key], good[key][0]]})


def test_wrong_rows_are_refused():
    net = Task([3, 4, 2], ["gelu", "softmax"], "cross_entropy", "float64", rows=20)
    good = plan_buffers(net)
    for X in (
        net.X[:, :2],
        net.X.T,
        net.X.ravel(),
        net.X[..., None],
        net.X.astype("float32"),
        net.X.astype(int),
        net.X.astype(">f8"),
        net.X.tolist(),
        None,
        "x",
        net.X[:19],
        np.zeros(481, np.uint8)[1:].view(float).reshape(20, 3),
    ):
        refuse(good | {"X": X})


def test_wrong_sparse_rows_are_refused():
    """At binding: wrong dtypes, W[1] row-major, another number of rows than Y."""
    net = Task([3, 4, 2], ["gelu", "softmax"], "cross_entropy", "float64", rows=20, sparse=True)
    good = plan_buffers(net)
    values, columns, bounds = net.csr
    assert np.isfinite(bind_plan(**good).step(0, 8, 0.1))
    for X in (
        (values.astype("float32"), columns, bounds),
        (values, columns.astype("int64"), bounds),
        (values, columns, bounds.astype("int32")),
        (values[:-1], columns, bounds),
        (values, columns, bounds[:-1]),
        (values, columns, bounds[:0]),
        (values, columns, bounds.tolist()),
        (values[::2], columns[::2], bounds),
        (values, columns),
        (values, columns, bounds, bounds),
        (None, None, None),
        (),
    ):
        refuse(good | {"X": X})
    refuse(good | {"row_major": (True, False)})


@pytest.mark.parametrize("ordered", [False, True])
def test_a_damaged_sparse_X_is_refused_at_the_step(ordered):
    """Each step checks the rows that it takes."""
    net = Task([3, 4, 2], ["gelu", "softmax"], "cross_entropy", "float64", rows=20, sparse=True)
    values, columns, bounds = net.csr
    buffers = plan_buffers(net, order=np.arange(20) if ordered else None)
    plan, out = bind_plan(**buffers), np.empty_like(buffers["theta"])
    middle = int(bounds[5:8][np.diff(bounds[5:9]) > 0][0])  # an element of rows 5 to 7
    for array, at, wrong in (
        (columns, middle, (-1, 3, 2**31 - 1, -(2**31))),
        (bounds, 6, (-1, 2**62, -(2**62), len(values) + 1, bounds[5] - 1)),
    ):
        kept = array[at]
        for value in wrong:
            array[at] = value
            before = changed_by_a_step(buffers)
            with pytest.raises(ValueError, match="a sparse X columns, from 0 to 2"):
                plan.step(0, 8, 0.1)
            with pytest.raises(ValueError, match="a sparse X columns, from 0 to 2"):
                plan.penalized_gradient(0, 8, out)
            assert changed_by_a_step(buffers) == before
            assert np.isfinite(plan.step(8, 16, 0.1))
        array[at] = kept
    assert np.isfinite(plan.step(0, 8, 0.1))


def test_dropout_of_softmax_is_refused():
    net = Task([3, 4, 4, 2], ["softmax", "relu", "softmax"], "cross_entropy", "float64", rows=20)
    good = plan_buffers(net)
    refuse(good | {"dropout": [0.1, 0.0]})
    bind_plan(**good | {"dropout": [0.0, 0.1]})


def test_wrong_names_sizes_and_numbers_are_refused():
    net = Task([3, 4, 2], ["gelu", "softmax"], "cross_entropy", "float64", rows=20)
    good = plan_buffers(net)
    wrong = {
        "level": [-1, 99, None, "x"],
        "loss": ["hinge", "", None, 0],
        "rule": ["adagrad", "", None, 0],
        "team": [None, "x", 2**40],
        "sizes": [
            (3,),
            (),
            (3, 4),
            (3, 4, 2, 2),
            (3, 0, 2),
            (3, -4, 2),
            (3, 4.5, 2),
            (2**31, 4, 2),
            (2**31 - 1,) * 3,
            None,
            "342",
        ],
        "activations": [["gelu"], ["gelu", "softmax", "softmax"], ["gelu", "swish"], ["gelu", 5], ["gelu", None], None],
        "row_major": [(False,), None, 1],
        "hyperparameters": [None, {"l2": "x"}, {"momentum": None}, {"clip_norm": "x"}, {"weight_decay": None}, []],
        "loss_parameter": [None, "x"],
        "dropout": [[0.1, 0.2], [1.0], [-0.1], [np.nan], [None], ["x"], None, 0.5, "x"],
        "dropout_seed": [-1, 2**64, None, "x"],
    }
    for key, values in wrong.items():
        for value in values:
            with pytest.raises((TypeError, ValueError, OverflowError)):
                bind_plan(**good | {key: value})
    for key in good:
        with pytest.raises((TypeError, AttributeError)):
            bind_plan(**{k: v for k, v in good.items() if k != key})
    Z = good["Z"]
    with pytest.raises(ValueError, match="apart"):
        bind_plan(**good | {"A": Z})  # gelu's derivative needs Z


def test_a_plan_that_was_never_bound_cannot_be_used():
    """From TrainingPlan.__new__, or after an __init__ that failed."""
    net = Task([3, 4, 2], ["gelu", "softmax"], "cross_entropy", "float64", rows=20)
    good = plan_buffers(net)
    plans = []
    with contextlib.suppress(TypeError):
        plans.append(TrainingPlan.__new__(TrainingPlan))
    for key in ("Z", "A", "dZ", "batch", "states", "Y"):
        with contextlib.suppress(TypeError):
            plan = TrainingPlan.__new__(TrainingPlan)
            plans.append(plan)
            with contextlib.suppress(TypeError, ValueError, AttributeError):
                plan.__init__(**plan_arguments(**good | {key: [object()] * 3}))
    for plan in plans:
        with pytest.raises((TypeError, ValueError, RuntimeError)):
            plan.step(0, 8, 0.1)
        with pytest.raises((TypeError, ValueError, RuntimeError)):
            plan.gradient(0, 8)


def test_binding_a_plan_again_changes_nothing():
    net = Task([3, 4, 2], ["gelu", "softmax"], "cross_entropy", "float64", rows=20)
    buffers = plan_buffers(net)
    plan = bind_plan(**buffers)
    with contextlib.suppress(RuntimeError, TypeError):
        plan.__init__(**plan_arguments(**plan_buffers(net)))
    before = changed_by_a_step(buffers)
    plan.step(0, 8, 0.1)
    assert changed_by_a_step(buffers) != before  # still the first ones


GARBAGE = (
    None,
    True,
    -1,
    0,
    1.5,
    2**100,
    "x",
    b"x",
    (),
    [],
    [None] * 2,
    {},
    object(),
    np.float64(1),
    np.zeros(0),
    np.zeros(()),
    np.zeros((0, 0)),
    np.zeros((8, 4)),
    np.zeros((4, 8), order="F"),
    np.zeros(20, np.int32),
    np.arange(20),
    np.zeros(26),
    [np.zeros((4, 8), order="F"), np.zeros((2, 8), order="F")],
    [np.zeros((0, 0))] * 2,
    (np.zeros((0, 0)),) * 3,
    range(3),
)


@settings(max_examples=600)
@given(data=st.data())
def test_garbage_never_crashes(data):
    """Whatever the arguments, the plan is refused or works."""
    net = Task([3, 4, 2], ["relu", "softmax"], "cross_entropy", "float64", rows=20)
    buffers = plan_buffers(net, order=np.arange(20))
    for key in data.draw(st.lists(st.sampled_from(list(buffers)), min_size=1, max_size=3, unique=True), label="keys"):
        buffers[key] = GARBAGE[data.draw(st.integers(0, len(GARBAGE) - 1), label=key)]
    try:
        plan = bind_plan(**buffers)
        plan.step(0, 8, 0.1)
    except (TypeError, ValueError, AttributeError, OverflowError, RuntimeError, IndexError, KeyError):
        pass
