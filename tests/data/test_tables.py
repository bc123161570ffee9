"""Data as programs hold them: objects that are numbers, and tables with named columns."""

from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from fastnn import Network
from fastnn._data.arrays import numeric

rng = np.random.default_rng(0)
FLOATS, FLAGS, COUNTS = rng.standard_normal(20), rng.random(20) < 0.5, rng.integers(0, 9, 20)
X = np.column_stack([FLOATS, FLAGS, COUNTS]).astype(float)
FRAME = pd.DataFrame({"size": FLOATS, "red": FLAGS, "count": COUNTS})
Y = FLAGS.astype(int)

TABLES = {
    "columns of floats, bools and whole numbers": FRAME,
    "nullable columns": FRAME.convert_dtypes(),
    "columns of objects": FRAME.astype(object),
    "a column of objects": FRAME.astype({"red": object}),
    "categories that are numbers": FRAME.astype({"count": "category"}),
    "a repeated name": FRAME.set_axis(["size", "red", "size"], axis=1),
    "polars": pl.DataFrame(FRAME.to_dict("list")),
    "an array of objects": FRAME.to_numpy(object),
    "a list of mixed rows": FRAME.to_numpy(object).tolist(),
    "NumPy's scalars": np.array([[np.float64(a), np.bool_(b), np.uint8(c)] for a, b, c in X], object),
    "decimals": np.array([[Decimal(float(entry)) for entry in row] for row in X]),
    "fractions": np.array([[Fraction(float(entry)) for entry in row] for row in X]),
}


def make(n_x=3, **settings):
    return Network([n_x, 4, 1], **{"output": "sigmoid", "dtype": "float64", "random_state": 0, **settings})


@pytest.mark.parametrize("form", TABLES)
def test_tables_of_numbers_give_what_arrays_give(form):
    table, net, expected = TABLES[form], make(), make()
    for one, data in ((net, table), (expected, X)):
        one.fit(data, Y, epochs=2, validation_data=(data, Y))
    np.testing.assert_array_equal(net.W[0], expected.W[0])
    for method in ("predict", "predict_proba", "forward"):
        np.testing.assert_array_equal(getattr(net, method)(table), getattr(net, method)(X))
    assert net.evaluate(table, Y) == net.evaluate(X, Y)
    assert net.loss(table, Y) == net.loss(X, Y)
    assert net.gradients(table, Y)[0] == net.gradients(X, Y)[0]


@pytest.mark.parametrize("output", ["softmax", "sigmoid", "identity"])
def test_targets_and_weights_that_are_objects_give_what_arrays_give(output):
    sizes = [3, 2] if output == "softmax" else [3, 1]
    states = []
    for y, weights in ((Y, np.ones(20)), (Y.astype(object), np.ones(20, object)),
                       (FLAGS.astype(object), [Decimal(1)] * 20),
                       (pd.Series(Y, dtype="Int64"), pd.Series(np.ones(20), dtype="Float64")),
                       (pl.Series(Y.tolist()), pl.Series([1.0] * 20))):
        net = Network(sizes, output=output, dtype="float64", random_state=0)
        net.fit(X, y, sample_weight=weights, epochs=2)
        states.append((net.W[0].tolist(), net.evaluate(X, y, sample_weight=weights)))
    assert all(state == states[0] for state in states)


NUMBERS = st.one_of(st.integers(-2**53, 2**53), st.booleans(), st.floats(allow_nan=False, allow_infinity=False),
                    st.fractions(max_denominator=1000), st.decimals(-1000, 1000, places=3))


@given(st.lists(NUMBERS, min_size=1, max_size=6))
def test_each_object_becomes_the_nearest_float64(entries):
    array = np.array([*entries, None], object)[:-1]
    assert numeric(array, "X", "(m,)").tolist() == [float(entry) for entry in entries]


class Length:
    def __float__(self):
        raise ValueError("no unit")


NO_NUMBERS = {
    "text": ("12", "a str"), "bytes": (b"1", "a bytes"), "complex": (1j, "a complex"),
    "None": (None, "None, a missing value,"), "NA": (pd.NA, "<NA>, a missing value,"),
    "NaT": (pd.NaT, "NaT, a missing value,"),
    "date": (pd.Timestamp("2024-05-01"), "a Timestamp"), "datetime64": (np.datetime64("2024-05-01"), "a datetime64"),
    "timedelta64": (np.timedelta64(1, "s"), "a timedelta64"), "list": ([1.0], "a list"),
    "object": (Length(), "a Length"),
}


@pytest.mark.parametrize("entry", NO_NUMBERS)
def test_an_entry_that_is_no_number_is_named(entry):
    value, held = NO_NUMBERS[entry]
    table = FRAME.astype(object)
    table.iat[7, 1] = value
    array = np.empty((20, 3), object)
    array[...] = X
    array[7, 1] = value
    for data, column in ((table, "'red'"), (array, "1")):
        text = rf"^X must hold real numbers, got dtype object \({held} in column {column}, row 7\)(: .*)?$"
        for call in (lambda data=data: make().fit(data, Y), lambda data=data: make().predict(data)):
            with pytest.raises(TypeError, match=text):
                call()
    y = Y.astype(object)
    y[7] = value
    with pytest.raises(TypeError, match=rf"^y must hold real numbers, got dtype object \({held} in row 7\)(: .*)?$"):
        make().fit(X, y)


COLUMNS = {
    "text": (["x"] * 20, TypeError, r"got dtype (object \(a str in column 'bad', row 0\)|str in column 'bad')"),
    "dates": (pd.date_range("2024", periods=20), TypeError, r"got dtype datetime64\[.*\] in column 'bad'"),
    "durations": (pd.to_timedelta(np.arange(20), "s"), TypeError, r"got dtype timedelta64\[.*\] in column 'bad'"),
    "texts in categories": (pd.Categorical(["x", "y"] * 10), TypeError, "a str in column 'bad', row 0"),
    "a gap": (pd.array([*range(19), None], "Int64"), ValueError, "X holds NaN in column 'bad', row 19"),
    "NaN": ([1.0, np.nan] * 10, ValueError, "X holds NaN in column 'bad', row 1"),
    "infinity": ([1.0, 2.0, -np.inf, 3.0] * 5, ValueError, "X holds infinity in column 'bad', row 2"),
    "beyond float32": ([1.0, 2.0, 3.0, 1e300] * 5, ValueError,
                       r"beyond the range of float32 \(largest 3.4e\+38\) in column 'bad', row 3: rescale it"),
    "beyond float64": (np.array([10**400] * 20, object), ValueError,
                       "beyond the range of float64 in column 'bad', row 0"),
}


@pytest.mark.parametrize("fault", COLUMNS)
def test_errors_name_the_column_of_a_table(fault):
    column, error, text = COLUMNS[fault]
    for beside in (FRAME, FRAME[["size"]], FRAME[["count"]]):
        table = beside.assign(bad=column)
        net = make(table.shape[1], dtype="float32")
        for method, arguments in (("fit", (Y,)), ("loss", (Y,)), ("gradients", (Y,)), ("predict", ()), ("forward", ())):
            with pytest.raises(error, match=text):
                getattr(net, method)(table, *arguments)
        with pytest.raises(error, match=f"^validation X.*{text.removeprefix('X ')}"):
            net.fit(np.zeros(table.shape), Y, validation_data=(table, Y))


def test_dates_beside_whole_numbers_are_no_numbers():
    """NumPy reads such a table of polars as whole numbers."""
    table = pl.DataFrame({"count": [1, 2], "day": pl.Series([1, 2]).cast(pl.Date)})
    with pytest.raises(TypeError, match=r"got dtype datetime64\[D\] in column 'day'"):
        make(2).fit(table, [0, 1])


@pytest.mark.parametrize("rows", [1, 20])
def test_columns_that_hold_arrays_are_named(rows):
    for series, held in ((pl.Series([[1.0, 2.0]] * rows, dtype=pl.Array(pl.Float64, 2)), r"\(2,\)"),
                         (pl.Series([{"x": 1}] * rows), r"\(1,\)")):
        table = pl.DataFrame({"a": FLOATS[:rows], "b": series})
        with pytest.raises(TypeError, match=rf"got arrays of shape {held} in column 'b'$"):
            make(2).predict(table)
    with pytest.raises(TypeError, match="column 'b': "):
        make(2).predict(pl.DataFrame({"a": [1.0], "b": pl.Series([1], dtype=pl.Int128)}))


def test_errors_name_the_place_in_an_array():
    bad = X.copy()
    bad[11, 2] = np.nan
    for form in (bad, np.asfortranarray(bad), bad.tolist(), sp.csr_matrix(bad)):
        with pytest.raises(ValueError, match="X holds NaN in column 2, row 11"):
            make().fit(form, Y)
        with pytest.raises(ValueError, match="X holds NaN in column 2, row 11"):
            make().predict(form)
    bad[11, 2] = 1e300
    with pytest.raises(ValueError, match=r"beyond the range of float32 .* in column 2, row 11"):
        make(dtype="float32").fit(sp.csr_matrix(bad), Y)
    targets = FLOATS.copy()
    targets[4] = np.inf
    with pytest.raises(ValueError, match="y holds infinity in row 4"):
        make(output="identity").fit(X, targets)
    with pytest.raises(ValueError, match=r"got fractions, NaN or infinity in row 4"):
        Network([3, 2]).fit(X, np.where(np.arange(20) == 4, np.nan, 0))


def test_rows_are_counted_from_the_beginning_of_the_data(tuning):
    tuning(READ_BLOCK_BYTES=64)
    bad = np.zeros((3000, 3), np.float32)
    bad[2500, 1] = np.nan
    with pytest.raises(ValueError, match="X holds NaN in column 1, row 2500"):
        make(dtype="float32").predict(bad)
    with pytest.raises(ValueError, match="X holds NaN in column 'b', row 2500"):
        make(dtype="float32").predict(pd.DataFrame(bad, columns=list("abc")))


def test_tables_of_pyarrow():
    pa = pytest.importorskip("pyarrow")
    table = pa.table(FRAME.to_dict("list"))
    np.testing.assert_array_equal(make().fit(table, pa.array(Y), epochs=1).loss, make().fit(X, Y, epochs=1).loss)
    with pytest.raises(ValueError, match="X holds NaN in column 'b', row 1"):
        make(2).fit(pa.table({"a": [1, 2], "b": [1, None]}), [0, 1])
    with pytest.raises(TypeError, match="in column 'b'"):
        make(2).fit(pa.table({"a": [1, 2], "b": ["x", "y"]}), [0, 1])
