"""PredictionPlan, the compiled forward pass, against the NumPy reference; bounds by the analysis in `PassErrors`."""

import itertools
import threading

import numpy as np
import pytest
from helpers.buffers import Buffers
from helpers.core_cases import Task
from helpers.kernel_cases import unit_roundoff
from helpers.pass_errors import PassErrors
from helpers.prediction_cases import LEVELS, bind_prediction, each_dtype, in_layout, prediction_plan, prediction_values
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn._core import registry
from fastnn._core.prediction_plan import PredictionPlan


@each_dtype
@pytest.mark.parametrize("activation", registry.ACTIVATIONS)
@settings(max_examples=25)
@given(data=st.data())
def test_outputs_are_within_bounds_in_every_layout_and_for_any_team(activation, dtype, data):
    """A[L], or Z[L] with `raw`, for every activation, any layout of X and W, sparse X, fewer rows than a block and
    more, the fastest kernels or BLAS. The results of teams are bitwise identical.
    """
    hidden = data.draw(st.lists(st.integers(1, 20), max_size=3), label="hidden")
    sizes = [data.draw(st.integers(1, 20), label="n[0]"), *hidden, data.draw(st.integers(1, 20), label="n[L]")]
    row_major = tuple(
        data.draw(st.lists(st.booleans(), min_size=len(sizes) - 1, max_size=len(sizes) - 1), label="row-major")
    )
    rows = data.draw(st.sampled_from([0, 1, 2, 7, 8, 9, 40, 41, 64, 131]), label="rows")
    block = data.draw(st.sampled_from([1, 3, 8, 64]), label="block")
    raw = data.draw(st.booleans(), label="raw")
    sparse = data.draw(st.booleans(), label="sparse") and not row_major[0]
    activations = [activation] * (len(sizes) - 1)
    if activation == "exp":
        activations[1::2] = ["tanh"] * len(activations[1::2])  # exp of exp soon overflows
    seed = data.draw(st.integers(0, 999))
    net = Task(sizes, activations, "squared_error", dtype, rows=rows, sparse=sparse, seed=seed)
    if sparse:
        X = net.csr
    else:
        X = in_layout(net.X, data.draw(st.sampled_from(["C", "F", "strided", "padded"]), label="layout"))
    errors = PassErrors(net, slice(None), unit_roundoff(dtype)) if rows else None
    for level in LEVELS:
        results = []
        for team in (1, 2) if level == LEVELS[-1] else (1,):  # threads do not care for the level
            plan = prediction_plan(net, row_major=row_major, team=team, block=block, level=level)
            call = Buffers()
            out = call.output(np.full((rows, sizes[-1]), np.nan, dtype), order="C")
            assert plan.run(X, out, raw) is True
            call.check()
            results.append(out)
        np.testing.assert_array_equal(results[0], results[-1])
        if rows:
            exact, bound = (errors.Z[-1], errors.eZ[-1]) if raw else (errors.A[-1], errors.eA[-1])
            assert np.all(np.abs(out.T - exact) <= bound)
    if not sparse:
        np.testing.assert_array_equal(X, net.X)


@each_dtype
@pytest.mark.parametrize("layout", ["C", "F", "strided", "padded"])
@pytest.mark.parametrize("team", [1, 2])
def test_nan_or_infinity_anywhere_in_X_is_found(dtype, layout, team):
    net = Task([3, 4, 2], ["relu", "softmax"], "cross_entropy", dtype, rows=13)
    X, out = in_layout(net.X, layout), np.empty((13, 2), dtype)
    for level in LEVELS:
        plan = prediction_plan(net, team=team, block=4, level=level)
        for row in range(13):
            for column in range(3):
                before = X[row, column]
                for value in (np.nan, np.inf, -np.inf):
                    X[row, column] = value
                    assert plan.run(X, out) is False
                X[row, column] = before
        assert plan.run(X, out) is True


@each_dtype
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("row_major", [False, True])
def test_nan_or_infinity_in_X_is_found_with_every_kernel(dtype, value, row_major):
    """In one row and in several, in layers computed by dots, matvec, tiles and BLAS. Negative weights give -inf, which
    relu maps to 0; with infinite weights a finite X is still predicted.
    """
    for n_x, rows in ((5, 1), (300, 1), (300, 3), (600, 40)):
        net = Task([n_x, 40, 2], ["relu", "softmax"], "cross_entropy", dtype, rows=rows)
        X, out = net.X.copy(), np.empty((rows, 2), dtype)
        for weights in (-np.abs(net.W[0]), np.zeros_like(net.W[0]), np.full_like(net.W[0], np.inf)):
            net.W[0][...] = weights
            for level in LEVELS:
                plan = prediction_plan(net, row_major=(row_major, False), level=level)
                with np.errstate(invalid="ignore"):
                    assert plan.run(X, out) is True
                    for column in (0, n_x // 2, n_x - 1):
                        before = X[rows - 1, column]
                        X[rows - 1, column] = value
                        assert plan.run(X, out) is False
                        assert plan.fast_path(X) is None
                        X[rows - 1, column] = before


@each_dtype
@pytest.mark.parametrize("rows", [1, 4, 7, 8, 10, 33, 63, 64, 65, 200])
def test_splitting_the_units_of_large_layers_is_bitwise_identical(dtype, rows):
    """For few units, or W that is small compared with the rows, the rows are split."""
    sizes, row_major = [700, 130, 610, 3], (True, False, True)
    if rows % 2:
        sizes = [4500, 20, 7, 3]
    net = Task(sizes, ["relu", "tanh", "softmax"], "cross_entropy", dtype, rows=rows)
    for order in (row_major, (False, False, True)):
        alone, team = (prediction_plan(net, row_major=order, team=n, block=256, level=LEVELS[-1]) for n in (1, 3))
        expected, out = (np.empty((rows, 3), dtype) for _ in range(2))
        assert alone.run(net.X, expected)
        for _ in range(3):
            out[...] = np.nan
            assert team.run(net.X, out)
            np.testing.assert_array_equal(out, expected)


@each_dtype
@given(data=st.data())
def test_splitting_rows_is_bitwise_identical(dtype, data):
    """The rows that a thread and BLAS get at a time depend on m alone, whatever the team and the kernels."""
    sizes = [data.draw(st.integers(1, 300), label="n[0]"), *data.draw(st.lists(st.integers(1, 150), max_size=3)), 3]
    orders = [tuple(data.draw(st.booleans(), label="row-major") for _ in sizes[1:]), (False,) * (len(sizes) - 1)]
    rows = data.draw(st.integers(2, 140), label="rows")
    block = data.draw(st.sampled_from([16, 32, 33, 256]), label="block")
    net = Task(sizes, ["relu"] * (len(sizes) - 2) + ["softmax"], "cross_entropy", dtype, rows=rows)
    for level, order in itertools.product(LEVELS, orders):
        results = []
        for team in (1, 2, 3):
            plan = prediction_plan(net, row_major=order, team=team, block=block, level=level)
            for _ in range(2):  # the second call of a team is made alone
                out = np.full((rows, 3), np.nan, dtype)
                assert plan.run(net.X, out)
                results.append(out)
        for out in results[1:]:
            np.testing.assert_array_equal(out, results[0])


@each_dtype
@pytest.mark.parametrize("rows", [8, 32, 100])
def test_calls_with_and_without_the_team_are_bitwise_identical(dtype, rows):
    """The team policy tries both in many calls; also with products by BLAS."""
    net = Task([300, 1000, 10], ["relu", "softmax"], "cross_entropy", dtype, rows=rows)
    for level in LEVELS:
        plan, seen = prediction_plan(net, team=2, block=256, level=level), set()
        for _ in range(60):
            out = np.empty((rows, 10), dtype)
            assert plan.run(net.X, out)
            seen.add(out.tobytes())
        assert len(seen) == 1


@each_dtype
def test_fast_path_refuses_what_it_can_neither_read_nor_convert(dtype):
    net = Task([3, 4, 2], ["relu", "softmax"], "cross_entropy", dtype, rows=5)
    plan, expected = prediction_plan(net), np.empty((5, 2), dtype)
    X = net.X
    for raw in (False, True):
        plan.run(X, expected, raw)
        outputs = plan.fast_path(X, raw)
        assert outputs.dtype == dtype and outputs.flags.owndata and outputs.flags.c_contiguous
        np.testing.assert_array_equal(outputs, expected)
    read_only = X.copy()
    read_only.flags.writeable = False
    assert plan.fast_path(read_only) is not None
    unaligned = np.empty(X.nbytes + 1, np.uint8)[1:].view(dtype).reshape(X.shape)
    unaligned[...] = X
    for refused in (X.tolist(), None, X.astype(X.dtype.newbyteorder()), X[:, :2], X[0], X[None], X[:0], unaligned,
                    np.ma.array(X), X.astype(complex), X.astype(object), X.astype(str), X.astype("M8[s]"),
                    X.astype(np.longdouble), np.zeros((30_000, 3), np.int8)):
        assert plan.fast_path(refused) is None


@each_dtype
@pytest.mark.parametrize("form", [*"?bBhHiIlLqQfd", "F order", "every second row", "every second column", "backwards"])
def test_fast_path_converts_rows_as_numpy_does(dtype, form):
    net = Task([3, 4, 2], ["relu", "softmax"], "cross_entropy", dtype, rows=5)
    plan = prediction_plan(net)
    integers = np.random.default_rng(0).integers(-90, 90, (5, 3))
    layouts = {"F order": np.asfortranarray, "every second row": lambda X: np.repeat(X, 2, 0)[::2],
               "every second column": lambda X: np.repeat(X, 2, 1)[:, ::2],
               "backwards": lambda X: X[::-1, ::-1].copy()[::-1, ::-1]}
    # From integers, because C leaves open what a negative float is as an unsigned integer.
    given = layouts[form](integers.astype(dtype)) if form in layouts else integers.astype(form)
    np.testing.assert_array_equal(plan.fast_path(given), plan.fast_path(np.ascontiguousarray(given, dtype)))


def test_fast_path_refuses_values_beyond_the_range():
    plan = prediction_plan(Task([3, 4, 2], ["relu", "softmax"], "cross_entropy", "float32", rows=5))
    for value in (1e300, -1e39, np.nan, np.inf):
        assert plan.fast_path(np.array([[0.0, value, 1.0]])) is None
    with np.errstate(all="raise"):
        assert plan.fast_path(np.array([[0.0, 1e-300, 1.0]])) is not None


@pytest.mark.skipif(registry.ALL_LEVELS[0] != "baseline", reason="every level has kernels of its own: NEON")
def test_blas_work_is_the_largest_product_left_to_blas():
    """The baseline level leaves all products to BLAS: the largest is that of a block, or of fewer rows."""
    net = Task([3, 4, 2], ["relu", "softmax"], "cross_entropy", "float64", rows=5)
    plan = prediction_plan(net, block=8, level=0)
    assert [plan.blas_work(m) for m in (0, 1, 8, 9, 100)] == [0, 12, 96, 96, 96]


def test_wrong_arguments_are_refused():
    net = Task([3, 4, 2], ["relu", "softmax"], "cross_entropy", "float64", rows=5)
    good = prediction_values(net)
    read_only = good["scratch"].copy()
    read_only.flags.writeable = False
    needed = good["scratch"].shape[1]
    wrong = {
        "level": [-1, 99, "x", None],
        "sizes": [
            (3,),
            (),
            (3, 4),
            (3, 4, 2, 2),
            (3, 0, 2),
            (3, -4, 2),
            (3, 4.5, 2),
            (3, "4", 2),
            (3, 2**31, 2),
            (2**31 - 1,) * 3,
            None,
            "342",
        ],
        "activations": [[2], [2, 5, 5], [2, len(registry.ACTIVATIONS)], [2, -1], [2, "x"], [2, None], None],
        "row_major": [(False,), (False,) * 3, None, 1],
        "theta": [
            good["theta"][:-1],
            good["theta"].astype("float32"),
            good["theta"].astype(int),
            np.zeros(0),
            np.repeat(good["theta"], 2)[::2],
            good["theta"].astype(">f8"),
            good["theta"].tolist(),
            None,
            "x",
        ],
        "scratch": [
            read_only,
            np.zeros((1, needed - 1)),
            np.zeros((0, needed)),
            np.zeros(needed),
            np.zeros((1, needed, 1)),
            np.zeros((1, needed), "float32"),
            np.zeros((1, 2 * needed))[:, ::2],
            None,
            [[0.0] * needed],
        ],
        "block": [0, -1, 7, 2**31, 2**70, 1.5, None, "8"],
    }
    for key, values in wrong.items():
        for value in values:
            with pytest.raises((TypeError, ValueError, OverflowError)):
                bind_prediction(**good | {key: value})
    with pytest.raises(TypeError):
        PredictionPlan.__new__(PredictionPlan)  # no instance without buffers


def test_wrong_rows_and_outputs_are_refused():
    net = Task([3, 4, 2], ["relu", "softmax"], "cross_entropy", "float64", rows=5)
    plan = prediction_plan(net)
    read_only = np.empty((5, 2))
    read_only.flags.writeable = False
    for out in (
        read_only,
        np.empty((2, 5)),
        np.empty((5, 2), order="F"),
        np.empty(10),
        np.empty((5, 2, 1)),
        np.empty((4, 2)),
        np.empty((5, 2), "float32"),
        np.empty((5, 4))[:, ::2],
        np.empty((5, 2), ">f8"),
        [[0.0] * 2] * 5,
        None,
    ):
        with pytest.raises((TypeError, ValueError)):
            plan.run(net.X, out)
    out = np.zeros((5, 2))
    for X in (
        net.X[:, :2],
        net.X.T,
        net.X.ravel(),
        net.X[..., None],
        net.X.astype("float32"),
        net.X.astype(int),
        net.X.tolist(),
        None,
        net.X.astype(">f8"),
        np.zeros(15, "S8").reshape(5, 3),
        net.X[:4],
        np.zeros(121, np.uint8)[1:].view(float).reshape(5, 3),
    ):
        with pytest.raises((TypeError, ValueError)):
            plan.run(X, out)
    assert not out.any()
    assert plan.run(net.X, out)


def test_a_plan_in_use_refuses_other_threads():
    """The second of two threads gets an error; each can use the plan afterwards."""
    net = Task([400, 400, 400, 2], ["tanh", "tanh", "softmax"], "cross_entropy", "float64", rows=4000)
    plan = prediction_plan(net, block=100)
    out = np.empty((2, len(net.X), 2))
    refused = []

    def work(k):
        while not refused:
            try:
                plan.run(net.X, out[k])
            except RuntimeError as error:
                refused.append(str(error))

    threads = [threading.Thread(target=work, args=(k,)) for k in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert "in use by another thread" in refused[0]
    assert plan.run(net.X, out[0])


def test_bound_buffers_stay_alive_and_cannot_be_resized():
    net = Task([3, 4, 2], ["relu", "softmax"], "cross_entropy", "float64", rows=5)
    good = prediction_values(net)
    plan, out = bind_prediction(**good), np.empty((2, 5, 2))
    plan.run(net.X, out[0])
    for key in ("theta", "scratch"):
        with pytest.raises(ValueError, match="resize"):
            good[key].resize(7)
    del good
    plan.run(net.X, out[1])
    np.testing.assert_array_equal(out[0], out[1])
