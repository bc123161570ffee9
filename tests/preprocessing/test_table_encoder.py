"""TableEncoder: what numbers, categories and missing values become, whatever kind of table they come in."""

import doctest
import inspect
import pickle
import re
import tracemalloc
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
from helpers.table_cases import COLUMNS, NAMED, NAMES, PLAIN, ROWS, TABLES, rows_of
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from fastnn import Network
from fastnn.embeddings import Embedding
from fastnn.preprocessing import ColumnInfo, TableEncoder


@parametrize_with_checks([TableEncoder(), TableEncoder(max_one_hot=0, indicators=True, scaling="standard")])
def test_scikit_learn_accepts_it(estimator, check):
    check(estimator)


def encode_number(values, clip=3.0):
    """The recipe's formulas, in float64."""
    x = np.array(values, float)
    low, median, high = np.nanquantile(x, [0.25, 0.5, 0.75])
    span = np.nanmax(x) - np.nanmin(x)
    x = (x - median) * (1 / (high - low) if high > low else 2 / span if span else 0)
    x = np.where(np.isnan(x), 0, x)
    return x / np.sqrt(1 + (x / clip) ** 2) if clip else x


def expected():
    """The encoded table of `table_cases`."""
    def flags(name, on, off):
        return [1.0 if value == on else -1.0 if value == off else 0.0 for value in COLUMNS[name]]

    columns = [encode_number(COLUMNS["size"]), [0, 1, 0, 0, 0, 0], encode_number(COLUMNS["count"]),
               encode_number(COLUMNS["rooms"]), [0, 1, 0, 0, 0, 0], flags("new", True, False),
               flags("sold", True, False), flags("sex", "m", "f"),
               *([float(value == colour) for value in COLUMNS["colour"]] for colour in ("blue", "green", "red"))]
    return np.array(columns, float).T.astype(np.float32)


# ---- every kind of table


@pytest.mark.parametrize("form", TABLES)
def test_every_kind_of_table_gives_the_same_matrix(form):
    encoder = TableEncoder()
    encoded = encoder.fit_transform(TABLES[form])
    np.testing.assert_array_equal(encoded, expected())
    assert encoded.dtype == np.float32 and encoded.flags.c_contiguous
    assert encoder.numbers_ == [0, 2, 3] and encoder.codes_ == {}
    assert [column.gaps for column in encoder.columns_] == [1, 0, 1, 0, 2, 1, 1]
    assert [column.kind for column in encoder.columns_] == ["number"] * 3 + ["category"] * 4


@pytest.mark.parametrize("form", TABLES)
def test_a_single_row_gives_what_it_gives_in_the_table(form):
    encoder = TableEncoder(max_one_hot=2).fit(TABLES[form])
    whole = encoder.transform(TABLES[form])
    for i in range(len(ROWS)):
        np.testing.assert_array_equal(encoder.transform(rows_of(form, i, i + 1)), whole[i:i + 1])


@pytest.mark.parametrize("form", NAMED)
def test_columns_are_found_by_name(form):
    encoder = TableEncoder().fit(PLAIN)
    np.testing.assert_array_equal(encoder.feature_names_in_, NAMES)
    table = NAMED[form]
    if form.startswith("pandas"):
        other = table[NAMES[::-1]].assign(extra=0)
    elif form.startswith("polars"):
        other = table.select(NAMES[::-1]).with_columns(extra=0)
    else:
        other = table.select(NAMES[::-1])
    np.testing.assert_array_equal(encoder.transform(other), expected())
    names = NAMES[:3] + NAMES[5:]
    lacking = table[names] if form.startswith("pandas") else table.select(names)
    with pytest.raises(ValueError, match="X lacks 2 of the 7 columns of the training table: 'new', 'sold'"):
        encoder.transform(lacking)


# ---- categories


def test_more_values_than_max_one_hot_become_codes():
    X = [[str(i % 12)] for i in range(30)]
    encoder = TableEncoder().fit(X)
    labels = sorted({row[0] for row in X})
    np.testing.assert_array_equal(encoder.transform(X)[:, 0], [1 + labels.index(row[0]) for row in X])
    assert encoder.codes_ == {0: 13} and encoder.numbers_ == []
    assert encoder.columns_[0].categories == tuple(labels)
    np.testing.assert_array_equal(encoder.transform([["unseen"], [None]]), [[0], [0]])
    assert encoder.embedding(vector_size=4) == Embedding(categories={0: 13}, vector_size=4)


def test_unseen_and_missing_categories_are_zeros():
    encoder = TableEncoder().fit([["a", "x"], ["b", "y"], ["c", "x"]])
    np.testing.assert_array_equal(encoder.transform([["z", "z"], [None, np.nan]]), np.zeros((2, 4)))


@pytest.mark.parametrize("chosen", [["zip"], [1], [-1], [False, True], np.array([False, True]), np.array([1]),
                                    pd.Index(["zip"])], ids=str)
def test_numbers_can_be_categories(chosen):
    table = pd.DataFrame({"size": [1.0, 2.0, 4.0], "zip": [10115, 80331, 10115]})
    encoder = TableEncoder(chosen).fit(table)
    assert encoder.columns_[1].categories == (10115, 80331)
    np.testing.assert_array_equal(encoder.transform(table)[:, 1], [-1, 1, -1])
    with_gap = table.astype({"zip": float}).assign(zip=[np.nan, 80331.0, 5.0])
    np.testing.assert_array_equal(encoder.transform(with_gap)[:, 1], [0, 1, 0])


@pytest.mark.parametrize("scale", [False, True])
def test_scaled_categories_are_those_of_the_published_model(scale):
    """0/1 columns centred, scaled and clipped: rare ones 2 / sqrt(1 + 4/9), ones of a third 1 / sqrt(1 + 1/9)."""
    X = np.array([["a"] * 60 + ["b"] * 30 + ["c"] * 10], object).T
    values = np.unique(TableEncoder(scale_categories=scale).fit_transform(X), axis=0)
    rare, third = 2 / np.sqrt(1 + 4 / 9), 1 / np.sqrt(1 + 1 / 9)
    wanted = [[-third, 0, rare], [-third, third, 0], [0, 0, 0]] if scale else np.eye(3)[::-1]
    np.testing.assert_allclose(values, np.array(wanted), rtol=1e-6)


def test_a_network_embeds_the_numbers_and_codes_of_the_encoder():
    encoder = TableEncoder(["count"], max_one_hot=2)
    X = encoder.fit_transform(PLAIN)
    assert encoder.codes_ == {2: 6, 8: 4} and encoder.numbers_ == [0, 3]
    embedding = encoder.embedding(vector_size=5, n_outputs=2)
    net = Network([encoder.n_features_out_, 4, 1], embedding=embedding, output="sigmoid", random_state=0)
    net.fit(X, [0, 1, 0, 1, 0, 1], epochs=2)
    assert net.parameters["vectors"].shape == (10, 5) and net.parameters["biases"].shape == (2, 2)
    unknown = encoder.transform(PLAIN.assign(count=-1, colour="unseen"))
    X[:, [2, 8]] = 0
    np.testing.assert_array_equal(net.predict_proba(unknown), net.predict_proba(X))


# ---- numbers


def test_numbers_that_are_equal_or_missing_are_zero():
    X = np.array([[7.0, np.nan, 1.0], [7.0, np.nan, 2.0], [7.0, np.nan, 3.0]])
    encoder = TableEncoder().fit(X)
    assert [column.encoding for column in encoder.columns_] == ["constant", "constant", "number"]
    assert encoder.numbers_ == [2]
    np.testing.assert_array_equal(encoder.transform(np.array([[9.0, 3.0, 2.0]])), [[0, 0, 0]])
    for m in (1, 20):  # nothing is known about the second column
        np.testing.assert_array_equal(encoder.transform([[9.0, "text", 2.0]] * m), np.zeros((m, 3)))


def test_small_differences_of_large_numbers_survive():
    X = 1.6e9 + np.array([[-1.0], [0.0], [1.0], [0.5]])
    expected = encode_number((X - 1.6e9)[:, 0])
    for data in (X, pd.DataFrame(X), (4 * X).astype(np.int64), X.tolist()):
        np.testing.assert_array_equal(TableEncoder().fit_transform(data)[:, 0], expected.astype(np.float32))


@pytest.mark.parametrize("factor", [5e-324, 1e-310, 1e-200, 1e200, 3e307])
def test_the_scale_of_numbers_is_without_limits(factor):
    X = factor * np.array([[0.0], [1.0], [2.0], [3.0], [5.0]])
    for data in (X, X.tolist(), pd.DataFrame(X)):
        encoded = TableEncoder().fit(data).transform(data)
        np.testing.assert_allclose(encoded[:, 0], encode_number([0, 1, 2, 3, 5]), rtol=1e-6)


# ---- fitted encoders


@pytest.mark.parametrize("form", NAMED)
@pytest.mark.parametrize("max_one_hot", [0, 8])
def test_state_restores_the_encoder(form, max_one_hot):
    encoder = TableEncoder(["count"], max_one_hot=max_one_hot, clip=None).fit(NAMED[form])
    other = TableEncoder.from_state(*encoder.state())
    assert other.columns_ == encoder.columns_ and other.get_params() == encoder.get_params()
    np.testing.assert_array_equal(other.transform(NAMED[form]), encoder.transform(NAMED[form]))
    np.testing.assert_array_equal(other.get_feature_names_out(), encoder.get_feature_names_out())


def test_encoders_are_cloned_pickled_and_composed():
    encoder = TableEncoder(max_one_hot=2).fit(PLAIN)
    np.testing.assert_array_equal(pickle.loads(pickle.dumps(encoder)).transform(PLAIN), encoder.transform(PLAIN))
    np.testing.assert_array_equal(clone(encoder).fit_transform(PLAIN), encoder.transform(PLAIN))
    union = ColumnTransformer([("a", TableEncoder(), NAMES[:3]), ("b", TableEncoder(), NAMES[3:])])
    np.testing.assert_array_equal(make_pipeline(union).fit_transform(PLAIN), expected())
    assert union.get_feature_names_out()[1] == "a__size_missing"


@pytest.mark.parametrize("library, kind", [("pandas", pd.DataFrame), ("polars", pl.DataFrame)])
def test_set_output_names_the_columns(library, kind):
    encoder = TableEncoder().set_output(transform=library)
    table = encoder.fit_transform(PLAIN)
    assert isinstance(table, kind)
    assert list(table.columns) == ["size", "size_missing", "count", "rooms", "rooms_missing", "new_True", "sold_True",
                                   "sex_m", "colour_blue", "colour_green", "colour_red"]
    assert isinstance(encoder.columns_[0], ColumnInfo)


def test_names_of_the_output_are_unique():
    table = pd.DataFrame({"a": ["b", "c", "d"], "a_b": [1.0, 2.0, None], "a_b_missing": [1.0, 2.0, 3.0]})
    names = TableEncoder().fit(table).get_feature_names_out()
    assert names.tolist() == ["a_b", "a_c", "a_d", "a_b_2", "a_b_missing", "a_b_missing_2"]
    np.testing.assert_array_equal(TableEncoder().fit([["x"], ["y"]]).get_feature_names_out(["sex"]), ["sex_y"])


def test_changed_parameters_take_effect_in_the_next_fit():
    encoder = TableEncoder(clip=None).fit(PLAIN)
    before, state = encoder.transform(PLAIN), encoder.state()
    encoder.set_params(clip=1.0, dtype="float64")
    np.testing.assert_array_equal(encoder.transform(PLAIN), before)
    assert encoder.state()[0] == state[0]
    assert encoder.fit_transform(PLAIN).dtype == np.float64


def test_every_parameter_is_documented_with_its_default():
    documented = dict(re.findall(r"^    (\w+) : .*, default=(.*)$", TableEncoder.__doc__, re.MULTILINE))
    assert documented == {name: repr(parameter.default)
                          for name, parameter in inspect.signature(TableEncoder).parameters.items()}


def test_every_fitted_attribute_is_documented():
    public = {name for name in vars(TableEncoder().fit(PLAIN)) if name.endswith("_") and not name.startswith("_")}
    attributes = TableEncoder.__doc__.split("Attributes\n")[1].split("References\n")[0]
    assert set(re.findall(r"^    (\w+_) : ", attributes, re.MULTILINE)) == public


def test_the_example_of_the_docstring_runs():
    runner = doctest.DocTestRunner()
    for test in doctest.DocTestFinder(recurse=False).find(TableEncoder, globs={}):
        assert test.examples
        runner.run(test)
    assert runner.summarize(verbose=False).failed == 0


# ---- more about categories


def test_declared_categories_without_examples_count_as_unknown():
    """Nothing would be learned about their columns or vectors."""
    column = pd.Categorical(["low", "high", "low", None], categories=["none", "low", "high"], ordered=True)
    encoder = TableEncoder().fit(pd.DataFrame({"dose": column}))
    assert encoder.columns_[0].categories == ("low", "high")  # in their order
    table = pd.DataFrame({"dose": pd.Categorical(["none", "high"], categories=["high", "none"])})
    np.testing.assert_array_equal(encoder.transform(table), [[0], [1]])


def test_categories_may_be_of_several_types():
    X = np.array([["a"], [2], [True], [1.5], [None], [b"a"]], object)
    encoder = TableEncoder().fit(X)
    assert encoder.columns_[0].categories == (True, 1.5, 2, b"a", "a")
    np.testing.assert_array_equal(encoder.transform(X)[[0, 1, 2, 3, 5]], np.eye(5)[[4, 2, 0, 1, 3]])


def test_large_whole_numbers_remain_distinct_categories():
    ids = [2**60, 2**60 + 1, None]
    for column in (pd.array(ids, "Int64"), pd.array(ids, "int64[pyarrow]"), pd.Series(ids, dtype=object)):
        encoder = TableEncoder(["id"]).fit(pd.DataFrame({"id": column}))
        assert encoder.columns_[0].categories == (2**60, 2**60 + 1)
        np.testing.assert_array_equal(encoder.transform(pd.DataFrame({"id": column})), [[-1], [1], [0]])
    for table in (pl.DataFrame({"id": ids}), pa.table({"id": ids})):
        np.testing.assert_array_equal(TableEncoder([0]).fit_transform(table), [[-1], [1], [0]])


def test_many_rows_and_categories_are_encoded_in_blocks():
    rng = np.random.default_rng(0)
    codes = rng.integers(0, 50_000, 100_000)
    labels = np.array([f"id {k}" for k in range(50_000)], object)[codes]
    expected = np.unique(labels.astype(str), return_inverse=True)[1] + 1
    for column in (labels, pd.Categorical(labels), pd.array(labels, "string"), pa.array(labels)):
        table = pa.table({"id": column}) if isinstance(column, pa.Array) else pd.DataFrame({"id": column})
        encoder = TableEncoder().fit(table)
        np.testing.assert_array_equal(encoder.transform(table)[:, 0], expected)
        assert encoder.codes_ == {0: len(np.unique(codes)) + 1}


# ---- more about numbers


@pytest.mark.parametrize("dtype", ["f2", "f4", "f8", "g", "i1", "u1", "i4", "u8", ">f8", ">i2"])
def test_every_dtype_of_numbers_is_encoded_in_float64(dtype):
    X = np.array([[1, 5], [2, 7], [3, 7], [9, 100]], dtype)
    expected = np.column_stack([encode_number(X[:, 0]), encode_number(X[:, 1])]).astype(np.float32)
    np.testing.assert_array_equal(TableEncoder().fit_transform(X), expected)
    np.testing.assert_array_equal(TableEncoder().fit_transform(X.astype(object)), expected)
    np.testing.assert_allclose(TableEncoder(dtype="float64").fit_transform(X), expected, rtol=1e-7)


def test_decimals_and_fractions_are_numbers():
    X = [[Decimal("0.1"), Fraction(1, 3)], [Decimal("0.5"), None], [Decimal("NaN"), Fraction(2)], [2, 3.5]]
    expected = np.array([[float("nan") if value is None else float(value) for value in row] for row in X])
    np.testing.assert_array_equal(TableEncoder().fit_transform(X), TableEncoder().fit_transform(expected))


def test_standard_scaling_uses_mean_and_standard_deviation():
    X = 1e9 + np.array([[1.0], [2.0], [3.0], [np.nan], [10.0]])
    encoder = TableEncoder(scaling="standard", clip=None, dtype="float64", indicators=False).fit(X)
    expected = (X - np.nanmean(X)) / np.nanstd(X)
    np.testing.assert_allclose(encoder.transform(X), np.nan_to_num(expected), rtol=1e-6, atol=1e-6)  # 1e9 eps / 3.5


@pytest.mark.parametrize("indicators, names", [
    ("auto", ["a", "a_missing", "b"]), (True, ["a", "a_missing", "b", "b_missing"]), (False, ["a", "b"])])
def test_indicators_mark_missing_numbers(indicators, names):
    encoder = TableEncoder(indicators=indicators).fit(pd.DataFrame({"a": [1.0, None, 3.0], "b": [1.0, 2.0, 3.0]}))
    assert encoder.get_feature_names_out().tolist() == names
    encoded = encoder.transform(pd.DataFrame({"a": [None, 2.0], "b": [None, 2.0]}, dtype=float))
    for name, values in zip(names, encoded.T, strict=True):
        np.testing.assert_array_equal(values, [1, 0] if name.endswith("missing") else [0, 0])


# ---- memory


@pytest.mark.parametrize("form", ["array", "column-major", "pandas", "polars", "pyarrow"])
def test_transform_needs_little_memory_beside_its_output(form):
    """A block of rows in float64 and its squares; a fit needs a few copies of one column."""
    m, n = 200_000, 10
    X = np.random.default_rng(0).normal(size=(m, n))
    names = list(map(str, range(n)))
    table = {"array": lambda: X, "column-major": lambda: np.asfortranarray(X), "pandas": lambda: pd.DataFrame(X),
             "polars": lambda: pl.DataFrame(X, schema=names), "pyarrow": lambda: pa.table(list(X.T), names)}[form]()
    encoder = TableEncoder().fit(table)
    assert peak(lambda: encoder.fit(table)) < 6 * 8 * m  # values, those present, flags
    assert peak(lambda: encoder.transform(table)) < 4 * m * n + 2**21


def peak(call):
    """The peak memory of the call in bytes, beyond the memory before it."""
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
