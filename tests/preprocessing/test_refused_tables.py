"""Tables that TableEncoder refuses: the error names the column and the row, and says what to do."""

import datetime
import re
import warnings
from decimal import Decimal

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import scipy.sparse as sp

from fastnn.preprocessing import TableEncoder

M = 40_000  # rows: more than a block
SIZES = np.linspace(0, 1, M)


def refuses(X, error, match, encoder=None):
    """Check that `fit` refuses X and changes nothing, and that `transform` of a fitted encoder refuses it, too."""
    model = TableEncoder()
    with pytest.raises(error, match=match):
        model.fit(X)
    assert not hasattr(model, "columns_")
    if encoder is not None:
        with pytest.raises(error, match=match):
            encoder.transform(X)


# ---- dates

DATES = {
    "pandas": pd.Series(pd.date_range("2024", periods=3)),
    "pandas, time zone": pd.Series(pd.date_range("2024", periods=3, tz="UTC")),
    "pandas, periods": pd.Series(pd.period_range("2024", periods=3)),
    "pandas, durations": pd.Series(pd.to_timedelta([1, 2, 3], "s")),
    "pandas, arrow": pd.Series(pd.array([None] * 3, pd.ArrowDtype(pa.timestamp("s")))),
    "pandas, arrow's days": pd.Series([datetime.date(2024, 1, 1)] * 3, dtype=pd.ArrowDtype(pa.date32())),
    "NaT among objects": pd.Series([1.0, pd.NaT, 2.0], dtype=object),
    "dates": pd.Series([None, datetime.date(2024, 1, 1), None], dtype=object),
    "times": pd.Series(["noon", datetime.time(12), None], dtype=object),
    "durations": pd.Series([datetime.timedelta(1)] * 3, dtype=object),
    "NumPy's dates": pd.Series([np.datetime64("2024-01-01", "D"), None, None], dtype=object),
    "categories": pd.Series(pd.Categorical(pd.date_range("2024", periods=3))),
}
POLARS_DATES = {"polars": pl.Date, "polars, date and time": pl.Datetime, "polars, durations": pl.Duration}
ARROW_DATES = {"timestamp": pa.timestamp("us"), "date32": pa.date32(), "time64": pa.time64("us"),
               "duration": pa.duration("s")}
ADVICE = "derive numbers or categories from it, such as year, month, day of the week, hour, or the days elapsed"


@pytest.mark.parametrize("kind", DATES)
def test_dates_times_and_durations_are_refused_by_name(kind):
    frame = pd.DataFrame({"size": [1.0, 2.0, 3.0], "sold": DATES[kind]})
    encoder = TableEncoder().fit(frame.assign(sold=["a", "b", "c"]))
    refuses(frame, TypeError, f"^X holds dates, times or durations .*column 'sold'.*: {ADVICE}", encoder)
    if frame["sold"].notna().any():
        row = 1 if kind in ("dates", "NaT among objects", "times") else 0
        with pytest.raises(TypeError, match="column 'sold'"):
            encoder.transform(frame.iloc[row:row + 1])
        refuses(frame.to_numpy(object), TypeError, "X holds dates, times or durations .* in column 1, row [01]")


@pytest.mark.parametrize("kind", POLARS_DATES)
def test_dates_of_polars_are_refused_by_name(kind):
    frame = pl.DataFrame({"size": [1, 2], "sold": pl.Series([1, None]).cast(POLARS_DATES[kind])})
    encoder = TableEncoder().fit(frame.with_columns(sold=pl.Series([1, 2])))
    refuses(frame, TypeError, f"column 'sold'.*{ADVICE}", encoder)


@pytest.mark.parametrize("kind", ARROW_DATES)
def test_dates_of_pyarrow_are_refused_by_name(kind):
    table = pa.table({"size": [1, 2], "sold": pa.array([1, None], ARROW_DATES[kind])})
    encoder = TableEncoder().fit(table.set_column(1, "sold", [[1, 2]]))
    refuses(table, TypeError, rf"\({kind}.*\) in column 'sold'", encoder)


@pytest.mark.parametrize("array", [np.array([["2024-01-01"]], "M8[D]"), np.array([[1]], "m8[s]")], ids=["date", "span"])
def test_arrays_of_dates_are_refused(array):
    refuses(array, TypeError, "X holds dates, times or durations .* in column 0")


# ---- infinity and numbers without a place in float64


@pytest.mark.parametrize("row", [0, M - 1])
@pytest.mark.parametrize("form", ["array", "float32", "pandas", "nullable", "polars", "pyarrow", "objects", "lists"])
def test_infinity_is_refused_with_its_column_and_row(row, form):
    values = np.column_stack([SIZES, SIZES])
    bad = values.copy()
    bad[row, 1] = -np.inf
    names = ["size", "rate"]
    make = {"array": lambda X: X, "float32": lambda X: X.astype(np.float32), "objects": lambda X: X.astype(object),
            "lists": lambda X: X.tolist(), "pandas": lambda X: pd.DataFrame(X, columns=names),
            "nullable": lambda X: pd.DataFrame(X, columns=names).astype("Float64"),
            "polars": lambda X: pl.DataFrame(X, schema=names),
            "pyarrow": lambda X: pa.table([pa.array(X[:, 0]), pa.array(X[:, 1])], names)}[form]
    column = "'rate'" if form in ("pandas", "nullable", "polars", "pyarrow") else "1"
    match = f"^X holds infinity in column {column}, row {row}: replace it by NaN, which means missing, or by a finite"
    refuses(make(bad), ValueError, match, TableEncoder().fit(make(values)))
    with pytest.raises(ValueError, match=f"X holds infinity in column {column}, row 0"):
        TableEncoder().fit(make(values)).transform(make(bad[row:row + 1]))
    with pytest.raises(ValueError, match=f"X holds infinity in column {column}, row {row}"):
        TableEncoder([1]).fit(make(bad))


@pytest.mark.parametrize("number", [10**400, Decimal("1e400"), pytest.param(
    np.longdouble("1e400"), marks=pytest.mark.skipif(np.isinf(np.longdouble("1e400")), reason="no extended range"))])
def test_numbers_beyond_float64_are_refused(number):
    refuses([[1.0], [number]], ValueError, "^X holds a number beyond the range of float64 in column 0, row 1|infinity")


def test_a_signaling_nan_is_refused():
    refuses([[1.0], [Decimal("sNaN")]], ValueError, "column 0, row 1")


# ---- other data

NOT_TABLES = {
    "sparse": (sp.csr_matrix(np.eye(3)), TypeError, r"Sparse data is not supported.*X\.toarray\(\)"),
    "lazy": (pl.LazyFrame({"a": [1]}), TypeError, r"X is a LazyFrame.*X\.collect\(\)"),
    "structured": (np.zeros(3, [("a", float), ("b", int)]), TypeError, r"structured array.*pandas\.DataFrame\(X\)"),
    "masked": (np.ma.masked_equal([[1, 2], [3, 4]], 2), ValueError, "X has masked entries"),
    "one dimension": (np.arange(3.0), ValueError, r"X must have shape \(m, n\), got \(3,\).*Reshape your data"),
    "a series": (pd.Series([1.0, 2.0]), ValueError, r"X must have shape \(m, n\)"),
    "three dimensions": (np.zeros((2, 2, 2)), ValueError, r"X must have shape \(m, n\), got \(2, 2, 2\)"),
    "rows of another length": ([[1, 2], [3]], ValueError, "2 entries in row 0 and 1 in row 1"),
    "a row that is none": ([[1, 2], 3], ValueError, "got a int as row 1"),
    "rows of lists": ([[[1], 2], [[3], 4]], ValueError, r"X must have shape \(m, n\), got a list in column 0, row 0"),
    "a text": ("table.csv", TypeError, "X must be a table or an array .*, got str"),
    "a dict": ({"a": [1]}, TypeError, "X must be a table or an array .*, got dict"),
    "None": (None, TypeError, "X must be a table or an array .*, got NoneType"),
    "complex": (np.array([[1j]]), ValueError, "Complex data not supported"),
    "complex objects": ([[1.0], [1j]], ValueError, "Complex data not supported: X holds a complex in column 0"),
    "sets": ([[1], [{2}]], TypeError, "X must hold numbers or labels, got a set in column 0, row 1"),
    "lists in polars": (pl.DataFrame({"a": [[1], [2]]}), TypeError, r"got List\(Int64\) in column 'a'"),
    "structs in polars": (pl.DataFrame({"a": [{"b": 1}]}), TypeError, r"got Struct.* in column 'a'"),
    "lists in pyarrow": (pa.table({"a": [[1], [2]]}), TypeError, r"got list<.* in column 'a'"),
    "no rows": (np.empty((0, 3)), ValueError, r"Found array with 0 sample\(s\) \(shape=\(0, 3\)\)"),
    "no columns": (pd.DataFrame(index=range(3)), ValueError, r"Found array with 0 feature\(s\) \(shape=\(3, 0\)\)"),
    "a repeated name in pandas": (pd.DataFrame([[1, 2, 3]], columns=["a", "b", "a"]), ValueError,
                                  "^X has several columns of the same name: 'a'$"),
    "a repeated name in pyarrow": (pa.table([[1], [2]], ["a", "a"]), ValueError, "several columns of the same name"),
}


@pytest.mark.parametrize("kind", NOT_TABLES)
def test_other_data_are_refused(kind):
    X, error, match = NOT_TABLES[kind]
    refuses(X, error, match)
    with warnings.catch_warnings(), pytest.raises((error, ValueError), match=f"{match}|is expecting|X lacks"):
        warnings.simplefilter("ignore")  # about names
        TableEncoder().fit([[1.0, "a"], [2.0, "b"]]).transform(X)


@pytest.mark.parametrize("few", [True, False])
def test_columns_of_another_kind_than_in_fit_are_refused(few):
    m = 1 if few else 20
    encoder = TableEncoder().fit([[1.0, "a"], [2.0, "b"], [3.0, "c"]])
    with pytest.raises(TypeError, match="X must hold numbers in column 0, as in fit, got 'ten' in row"):
        encoder.transform([["ten", "a"]] * m)
    with pytest.raises(TypeError, match=r"X must hold texts in column 1, as in fit, got 2\.5 in row 0"):
        encoder.transform([[1.0, 2.5]] * m)
    with pytest.raises(TypeError, match="X must hold numbers in column 0, as in fit, got 'a' in row 0"):
        TableEncoder([0]).fit([[1], [2], [3]]).transform([["a"]] * m)
    with pytest.raises(ValueError, match="X has 3 features, but TableEncoder is expecting 2 features as input"):
        encoder.transform([[1.0, "a", 0]] * m)


def test_labels_of_another_kind_are_found_in_every_block():
    encoder = TableEncoder().fit(pd.DataFrame({"a": ["x", "y"]}))
    codes = np.full(M, -1)
    codes[-1] = 0
    table = pd.DataFrame({"a": pd.Categorical.from_codes(codes, [5, 6])})
    with pytest.raises(TypeError, match=f"X must hold texts in column 'a', as in fit, got 5 in row {M - 1}"):
        encoder.transform(table)
    assert not encoder.transform(table[:-1]).any()


def test_a_refused_table_leaves_a_fitted_encoder_as_it_was():
    encoder = TableEncoder().fit([[1.0, "a"], [2.0, "b"]])
    state = vars(encoder).copy()
    with pytest.raises(ValueError):
        encoder.fit([[1.0], [np.inf]])
    assert vars(encoder) == state


# ---- arguments

ARGUMENTS = [
    ({"categorical_features": ["zip"]}, ValueError, "X has no column 'zip', only 'a', 'b'"),
    ({"categorical_features": [2]}, ValueError, "there is no column 2, X has 2"),
    ({"categorical_features": [-3]}, ValueError, "there is no column -3"),
    ({"categorical_features": [True]}, ValueError, "must be 2 bools, one for each column, got 1 entries"),
    ({"categorical_features": [True, 1]}, ValueError, "must be 2 bools"),
    ({"categorical_features": [1.5]}, TypeError, r"names, positions or a mask of columns, got float 1\.5"),
    ({"categorical_features": "all"}, ValueError, "'categorical_features' parameter"),
    ({"max_one_hot": -1}, ValueError, "'max_one_hot' parameter"),
    ({"scaling": "minmax"}, ValueError, "'scaling' parameter"),
    ({"clip": 0}, ValueError, "'clip' parameter"),
    ({"quantile_range": (0.75, 0.25)}, ValueError, "two levels with 0 <= low < high <= 1"),
    ({"quantile_range": (0.1, 0.2, 0.3)}, ValueError, "two levels"),
    ({"quantile_range": ("a", "b")}, ValueError, "two levels"),
    ({"indicators": "all"}, ValueError, "'indicators' parameter"),
    ({"dtype": "float16"}, ValueError, "'dtype' parameter"),
]


@pytest.mark.parametrize("arguments, error, match", ARGUMENTS, ids=lambda value: re.sub(r"\W+", "-", str(value))[:30])
def test_bad_arguments_are_refused_in_fit(arguments, error, match):
    with pytest.raises(error, match=match):
        TableEncoder(**arguments).fit(pd.DataFrame({"a": [1.0, 2.0], "b": ["x", "y"]}))


def test_names_need_a_table():
    with pytest.raises(ValueError, match="X has no column names, got 'zip'"):
        TableEncoder(["zip"]).fit([[1.0], [2.0]])


# ---- names of columns


def test_names_that_one_of_fit_and_transform_lacks_are_a_warning():
    frame = pd.DataFrame({"a": [1.0, 2.0, 3.0], "b": [5.0, 6.0, 8.0]})
    with pytest.warns(UserWarning, match="X does not have valid feature names, but TableEncoder was fitted with"):
        TableEncoder().fit(frame).transform(frame.to_numpy())
    with pytest.warns(UserWarning, match="X does not have valid feature names, but TableEncoder was fitted with"):
        TableEncoder().fit(frame).transform(frame.to_numpy().tolist())
    with pytest.warns(UserWarning, match="X has feature names, but TableEncoder was fitted without"):
        TableEncoder().fit(frame.to_numpy()).transform(frame)


# ---- the safe file


@pytest.mark.parametrize("label", [Decimal("1.5"), b"a", ("a", 1), pd.Interval(0, 1)], ids=str)
def test_state_refuses_labels_that_a_file_cannot_hold(label):
    column = np.array([None, "a", label], object)
    encoder = TableEncoder([0], max_one_hot=0).fit(pd.DataFrame({"grade": column}))
    with pytest.raises(TypeError, match=f"column 'grade' has the category {re.escape(repr(label))} of type .*astype"):
        encoder.state()


def test_state_refuses_names_that_a_file_cannot_hold():
    encoder = TableEncoder().fit(pd.DataFrame([[1.0], [2.0]], columns=pd.MultiIndex.from_tuples([("a", "b")])))
    with pytest.raises(TypeError, match=r"the column name \('a', 'b'\) is of type tuple"):
        encoder.state()
