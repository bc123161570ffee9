"""X and weights as programs hold them: tables, objects, texts, bytes, dates, and values that float32 merges."""

import datetime
import tracemalloc
import warnings
from decimal import Decimal

import numpy as np
import pytest
import scipy.sparse as sp
from helpers.estimator_cases import OURS, THEIRS
from helpers.user_data import CODES, DAYS, NO_NUMBERS, SMALL, TABLE, M, X
from sklearn.exceptions import ConvergenceWarning

from fastnn import MLPClassifier, MLPRegressor

pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")
rng = np.random.default_rng(1)


# ---- errors name the column

COLUMNS = {
    "text": ["x"] * M, "NaN": [*range(M - 1), np.nan], "infinity": [np.inf] * M, "a gap": pd.array([None] * M, "Int64"),
    "NA": np.array([pd.NA] * M, object), "text in a category": pd.Categorical(["x", "y"] * (M // 2)),
    "dates": pd.date_range("2024", periods=M), "time zone": pd.date_range("2024", periods=M, tz="Europe/Paris"),
    "durations": pd.to_timedelta(np.arange(M), "h"), "complex": np.full(M, 1j),
}


@pytest.mark.parametrize("kind", OURS)
@pytest.mark.parametrize("fault", COLUMNS)
def test_errors_name_the_column_of_a_table(kind, fault):
    good, table = OURS[kind](**SMALL).fit(TABLE, CODES), TABLE.assign(size=COLUMNS[fault])
    for call in (lambda: OURS[kind](**SMALL).fit(table, CODES), lambda: good.predict(table),
                 lambda: OURS[kind](**SMALL, dtype="float32").fit(table, CODES),
                 lambda: OURS[kind](**SMALL).fit(TABLE, CODES, X_val=table, y_val=CODES)):
        with pytest.raises((ValueError, TypeError), match=r"column 'size'|Complex data"):
            call()


def test_scikit_learns_message_comes_first():
    with pytest.raises(ValueError, match=r"(?s)^Input X contains NaN\..*\nX holds NaN in column 'size', row 59$"):
        MLPClassifier(**SMALL).fit(TABLE.assign(size=COLUMNS["NaN"]), CODES)
    bad = X.copy()
    bad[7, 2] = np.nan
    for form in (bad, sp.csr_array(bad), bad.tolist()):
        with pytest.raises(ValueError, match=r"(?s)^Input .*contains NaN.*\nX holds NaN in column 2, row 7$"):
            MLPClassifier(**SMALL).fit(form, CODES)


def test_dates_are_no_numbers_in_any_table():
    for table in (TABLE.assign(day=DAYS), pl.DataFrame({"day": DAYS, "count": CODES}), pd.DataFrame({"day": DAYS})):
        with pytest.raises(TypeError, match="in column 'day': subtract a date"):
            MLPRegressor(**SMALL).fit(table, CODES)


class Calendar:
    """An object that NumPy converts to an array."""

    def __array__(self, dtype=None, copy=None):
        return np.column_stack([DAYS] * 3)


HOURS = (DAYS - DAYS[0]).astype("m8[h]")
DATED = {
    "dates": np.column_stack([DAYS] * 3), "durations": np.column_stack([HOURS] * 3), "an object": Calendar(),
    "objects": np.array([[day] * 3 for day in DAYS], object), "rows of dates": [[day] * 3 for day in DAYS],
    "a duration in each row": [[1.0, 2.0, hour] for hour in HOURS], "tuples": tuple((1.0, 2, day) for day in DAYS),
    "a list of arrays": list(np.column_stack([DAYS] * 3)),
    "dates of Python": [[1.0, 2.0, day] for day in DAYS.tolist()],
    "a list of series": [pd.Series([day] * 3) for day in DAYS],
    "a column of objects": TABLE.assign(size=pd.Series(list(HOURS), dtype=object)),
    "time zone": TABLE.assign(size=pd.date_range("2024", periods=M, tz="UTC")),
    "times": pl.DataFrame({"a": X[:, 0], "b": [datetime.time(1)] * M, "c": X[:, 1]}),
    "dates and counts": [[1, 2, hour] for hour in HOURS],
}


@pytest.mark.parametrize("form", DATED)
def test_dates_are_no_numbers_in_any_form(form):
    data, text = DATED[form], r"X must hold real numbers, got .*: subtract a date from dates"
    good = MLPClassifier(**SMALL).fit(X, CODES)
    for call in (lambda: MLPClassifier(**SMALL).fit(data, CODES),
                 lambda: MLPRegressor(**SMALL).partial_fit(data, CODES),
                 lambda: MLPClassifier(**SMALL, dtype="float32").fit(data, CODES), lambda: good.predict(data),
                 lambda: good.predict(data if isinstance(data, (pd.DataFrame, pl.DataFrame, Calendar)) else data[:5]),
                 lambda: good.predict([*data, *data] if isinstance(data, list) else data)):
        with pytest.raises(TypeError, match=text):
            call()


@pytest.mark.parametrize("form", ["dates", "a missing date", "durations", "texts", "numbers as texts",
                                  "objects of dates", "None", "pandas dates", "polars dates", "masked"])
@pytest.mark.parametrize("kind", OURS)
def test_weights_that_are_no_numbers_are_refused(kind, form):
    weights = {"masked": np.ma.array(np.ones(M), mask=CODES == 1), **NO_NUMBERS}[form]
    model, text = OURS[kind](**SMALL).fit(X, CODES), "^sample_weight (must hold real numbers, got|has masked entries)"
    for call in (model.fit, model.partial_fit):
        with pytest.raises(ValueError, match=text):
            call(X, CODES, weights)


def test_weights_that_are_not_finite_are_named():
    bad = np.ones(M)
    bad[5] = np.nan
    with pytest.raises(ValueError, match=r"NaN\.?\nsample_weight holds NaN in row 5$"):
        MLPClassifier(**SMALL).fit(X, CODES, bad)
    with pytest.raises(ValueError, match=r"NaN\.?\nsample_weight holds NaN in column 1, row 5$"):
        MLPRegressor(**SMALL).fit(X, X[:, :2], np.column_stack([np.ones(M), bad]))


def test_masked_entries_are_no_values():
    mask = X > 1
    masked, good = np.ma.array(X, mask=mask), MLPClassifier(**SMALL).fit(X, CODES)
    for call in (lambda: MLPClassifier(**SMALL).fit(masked, CODES), lambda: good.predict(masked),
                 lambda: MLPRegressor(**SMALL).partial_fit(masked, CODES), lambda: good.predict(list(masked)),
                 lambda: MLPClassifier(**SMALL, dtype="float32").fit(masked, CODES)):
        with pytest.raises(ValueError, match=r"^X has masked entries"):
            call()
    y = np.ma.array(CODES, mask=mask[:, 0])
    for model in (MLPClassifier(**SMALL), MLPRegressor(**SMALL)):
        for call in (model.fit, model.partial_fit, model.fit(X, CODES).score):
            with pytest.raises(ValueError, match=r"^y has masked entries"):
                call(X, y)
    np.testing.assert_array_equal(good.fit(np.ma.array(X), np.ma.array(CODES), np.ma.ones(M)).coefs_[0],
                                  MLPClassifier(**SMALL).fit(X, CODES, np.ones(M)).coefs_[0])


def test_objects_beyond_float64_and_complex_numbers_are_named():
    huge, signal = ([[1.0, 2.0, 3] for _ in range(M)] for _ in range(2))
    huge[4][2], signal[4][2] = 10**400, Decimal("sNaN")
    mixed = TABLE.assign(size=np.full(M, 1j))
    for data, text in ((huge, "holds a number beyond the range of float64 in column 2, row 4$"),
                       (signal, "X holds NaN in column 2, row 4$"),
                       (mixed, r"^Complex data not supported\nX .*got dtype complex128 in column 'size'$")):
        good = MLPClassifier(**SMALL).fit(TABLE if data is mixed else X, CODES)
        for call in (lambda data=data: MLPClassifier(**SMALL).fit(data, CODES),
                     lambda data=data, good=good: good.predict(data)):
            with pytest.raises(ValueError, match=text):
                call()


def test_columns_that_hold_arrays_are_named():
    pairs = pl.DataFrame({"a": X[:, 0], "b": pl.Series([[1.0, 2.0]] * M, dtype=pl.Array(pl.Float64, 2)), "c": X[:, 1]})
    good = MLPClassifier(**SMALL).fit(X, CODES)
    for call in (lambda: MLPClassifier(**SMALL).fit(pairs, CODES), lambda: good.predict(pairs)):
        with pytest.raises(TypeError, match=r"^X must hold real numbers, got arrays of shape \(2,\) in column 'b'$"):
            call()


# ---- one copy in float32

BYTES = rng.integers(0, 2, (2000, 300), dtype=np.uint8)
BYTE_LABELS = np.arange(2000) % 10


def copies(call):
    """The memory that the call takes at most, in float32 copies of BYTES."""
    call()
    tracemalloc.start()
    call()
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak / (4 * BYTES.size)


@pytest.mark.parametrize("form", ["uint8", "bool", "int16", "float16", "table", "early stopping", "validation data"])
def test_float32_is_one_copy(form):
    data = {"table": pd.DataFrame(BYTES)}.get(form, BYTES if form not in ("bool", "int16", "float16")
                                              else BYTES.astype(form))
    clf = MLPClassifier((8,), dtype="float32", max_iter=1, random_state=0, early_stopping="stopping" in form)
    validation = {"X_val": data[:200], "y_val": BYTE_LABELS[:200]} if "validation" in form else {}
    assert copies(lambda: clf.fit(data, BYTE_LABELS, **validation)) < 1.4
    assert copies(lambda: clf.predict(data)) < 1.4
    if not clf.early_stopping:
        assert copies(lambda: clf.partial_fit(data, BYTE_LABELS)) < 1.4


def test_whole_numbers_in_csr_become_float32():
    data = sp.random_array((2000, 300), density=0.3, format="csr", rng=0, dtype=float)
    counts = (10 * data).astype(np.int64)
    clf = MLPClassifier(**SMALL, dtype="float32")
    assert clf.fit(counts, BYTE_LABELS).coefs_[0].dtype == np.float32
    exact = MLPClassifier(**SMALL, dtype="float32").fit(counts.astype(np.float32), BYTE_LABELS)
    np.testing.assert_array_equal(clf.coefs_[0], exact.coefs_[0])


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, sp.csc_array, pd.DataFrame])
def test_values_beyond_float32_are_refused(form):
    bad = X.copy()
    bad[5, 1] = 1e300
    with pytest.raises(ValueError, match=r"X holds values beyond the range of float32 .* in column 1, row 5: rescale"):
        MLPClassifier(**SMALL, dtype="float32").fit(form(bad), CODES)
    with pytest.raises(ValueError, match="y holds values beyond the range of float32"):
        MLPRegressor(**SMALL, dtype="float32").fit(X, bad[:, 1])


# ---- values that float32 merges

SECONDS = 1.7e9 + np.arange(M)
WITH_SECONDS = X * [1, 0, 1] + np.outer(SECONDS, [0, 1, 0])


@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("form", ["array", "whole numbers", "table", "mixed table", "sparse", "list"])
def test_values_that_float32_merges_give_a_warning(method, form):
    data = {"array": WITH_SECONDS, "whole numbers": WITH_SECONDS.astype(np.int64), "list": WITH_SECONDS.tolist(),
            "table": pd.DataFrame(WITH_SECONDS), "sparse": sp.csr_array(WITH_SECONDS),
            "mixed table": pd.DataFrame(X, columns=list("012")).assign(**{"1": SECONDS.astype(int)})}[form]
    arguments = {"classes": [0, 1, 2]} if method == "partial_fit" else {}
    with pytest.warns(UserWarning, match="float32 merges distinct values of X: . of 60 are left in column '?1'?"):
        getattr(MLPClassifier(**SMALL, dtype="float32"), method)(data, CODES, **arguments)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        warnings.simplefilter("ignore", ConvergenceWarning)
        getattr(MLPClassifier(**SMALL), method)(data, CODES, **arguments)


def test_targets_that_float32_merges_give_a_warning():
    for settings, data in (({"dtype": "float32"}, X), ({}, X.astype(np.float32))):
        with pytest.warns(UserWarning, match="float32 merges distinct values of y"):
            MLPRegressor(**SMALL, **settings).fit(data, SECONDS)
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            warnings.simplefilter("ignore", ConvergenceWarning)
            MLPRegressor(**SMALL, **settings, normalize_y=True).fit(data, SECONDS)


# ---- rows in another form

ROWS = {
    "float32": X[:5].astype(np.float32), "whole numbers": (10 * X[:5]).astype(int), "bools": X[:5] > 0,
    "bytes": np.abs(10 * X[:5]).astype(np.uint8), "float16": X[:5].astype(np.float16), "list": X[:5].tolist(),
    "rows in a list": list(X[:5]), "strided": np.repeat(X[:5], 2, axis=1)[:, ::2],
    "column-major": np.asfortranarray(X[:5]),
}


@pytest.mark.parametrize("form", ROWS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_rows_of_any_form_give_what_scikit_learns_checks_give(form, dtype):
    rows = ROWS[form]
    clf = MLPClassifier(**SMALL, dtype=dtype).fit(X, CODES)
    full = clf.predict_proba(pd.DataFrame(np.asarray(rows)))
    result = clf.predict_proba(rows)
    assert result.dtype == full.dtype == np.result_type(np.asarray(rows).dtype, dtype)
    np.testing.assert_array_equal(result, full)


def test_a_model_of_a_table_warns_about_arrays_as_scikit_learn_does():
    mine, theirs = OURS["classifier"](**SMALL).fit(TABLE, CODES), THEIRS["classifier"](**SMALL).fit(TABLE, CODES)
    for rows in (X[:1], X[:1].astype(np.float32), X[:1].tolist(), X[:1].astype(object)):
        messages = []
        for model in (mine, theirs):
            with warnings.catch_warnings(record=True) as caught:
                warnings.simplefilter("always")
                model.predict(rows)
            messages.append([(one.category, str(one.message)) for one in caught])
        assert messages[0] == messages[1] and len(messages[0]) == 1
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        mine.predict(TABLE)


# ---- floating-point errors

@pytest.mark.filterwarnings("ignore:float32 merges distinct values of y")
def test_an_underflow_raises_nothing():
    tiny, weights = X.copy(), np.where(CODES == 1, 1.0, 1e-300)
    tiny[::2] *= 1e-60
    with np.errstate(all="raise"):
        for dtype in (None, "float32"):
            for form in (tiny, sp.csr_array(tiny), tiny.astype(np.longdouble), tiny.astype(object)):
                clf = MLPClassifier(**SMALL, dtype=dtype, early_stopping=True, scoring="neg_log_loss")
                clf.fit(form, CODES, sample_weight=weights).predict_log_proba(form)
                reg = MLPRegressor(**SMALL, dtype=dtype, early_stopping=True)
                reg.fit(form, tiny[:, :2], sample_weight=weights).predict(form)
                MLPRegressor(**SMALL, dtype=dtype).fit(form, 1e-170 * X[:, 0], weights)
                MLPRegressor(**SMALL, dtype=dtype).partial_fit(form, 1e-170 * X[:, 0], weights)


@pytest.mark.parametrize("kind", OURS)
def test_weights_may_be_float32_where_x_is_float64(kind):
    weights = np.linspace(1, 2, M, dtype=np.float32)
    with np.errstate(all="raise"):
        for further in ({}, {"X_val": X, "y_val": CODES, "sample_weight_val": weights}):
            mine, expected = (OURS[kind](**SMALL).fit(X, CODES, one, **further)
                              for one in (weights, weights.astype(float)))
            np.testing.assert_array_equal(mine.coefs_[0], expected.coefs_[0])
        expected.partial_fit(X, CODES, weights)


@pytest.mark.parametrize("form", ["csr", "csc", "coo", "lil", "dok", "dia", "bsr"])
def test_sparse_matrices_of_any_format_are_converted(form):
    for dtype in (np.float32, np.float64):
        data = sp.csr_array(X.astype(dtype)).asformat(form)
        mine, expected = (MLPClassifier(**SMALL, dtype="float32").fit(one, CODES) for one in (data, sp.csr_array(data)))
        np.testing.assert_array_equal(mine.coefs_[0], expected.coefs_[0])


def test_texts_that_are_numbers_are_converted_in_each_dtype():
    texts = X.astype(str).astype(object)
    for form in (texts, texts.tolist(), pd.DataFrame(texts), TABLE.assign(text=texts[:, 0])):
        same = X[:, [0, 1, 2, 0]] if np.shape(form)[1] == 4 else X
        for dtype in ("float32", None):
            mine, expected = (MLPClassifier(**SMALL, dtype=dtype).fit(one, CODES) for one in (form, same))
            np.testing.assert_array_equal(mine.coefs_[0], expected.coefs_[0])


# ---- the range of float32, and the names of the validation data

HUGE = np.where((np.arange(M) == 7)[:, None] & [False, True, False], 1e39, X)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array, sp.csc_array, pd.DataFrame, np.ndarray.tolist])
@pytest.mark.parametrize("kind", OURS)
def test_finite_values_beyond_float32_are_not_called_infinite(kind, form):
    model = OURS[kind](**SMALL, dtype="float32", dropout=0.1).fit(X, CODES)
    text = r"^X holds values beyond the range of float32 \(largest 3.4e\+38\) in column '?1'?, row 7: rescale"
    calls = [model.predict, model.transform, model.input_gradients, lambda data: model.score(data, CODES)]
    calls += [model.predict_proba, model.predict_log_proba, lambda data: model.predict_proba(data, dropout_samples=3)
              ] if kind == "classifier" else [lambda data: model.predict(data, dropout_samples=3)]
    for call in (*calls, lambda data: OURS[kind](**SMALL).fit(X.astype(np.float32), CODES).predict(data)):
        with pytest.raises(ValueError, match=text):
            call(form(HUGE))
    if np.finfo(np.longdouble).maxexp == 1024:  # the range of float64
        return
    with pytest.raises(ValueError, match=r"X holds values beyond the range of float64 .* in column 1, row 7: .* it$"):
        OURS[kind](**SMALL).fit(X, CODES).predict(HUGE.astype(np.longdouble) ** 10)


@pytest.mark.parametrize("form", [np.asarray, sp.csr_array])
@pytest.mark.parametrize("kind", OURS)
def test_float64_data_for_parameters_in_float32_are_checked(kind, form):
    model = OURS[kind](**SMALL).fit(X.astype(np.float32), CODES)
    with pytest.raises(ValueError, match=r"^X holds values beyond the range of float32"):
        model.partial_fit(form(HUGE), CODES)
    for early_stopping in (False, True):
        with pytest.raises(ValueError, match=r"^X_val holds values beyond the range of float32"):
            OURS[kind](**SMALL, early_stopping=early_stopping).fit(X.astype(np.float32), CODES, X_val=form(HUGE),
                                                                   y_val=CODES)


WITH_NAN, OF_ANOTHER_KIND = np.where(X > 1, np.nan, X), np.array(["x", "y", "z"])[CODES]
VALIDATION = {
    "NaN in X": ({"X_val": WITH_NAN}, r"^Input X_val contains NaN.(?s:.*)\nX_val holds NaN in column"),
    "a column named X": ({"X_val": pd.DataFrame(WITH_NAN, columns=["X", "y", "sample_weight"])},
                         r"\nX_val holds NaN in column '(X|y|sample_weight)', row"),
    "dates": ({"X_val": np.column_stack([DAYS] * 3)}, "^X_val must hold real numbers"),
    "columns": ({"X_val": X[:, :2]}, "^X_val has 2 features"),
    "a new label": ({"y_val": CODES + 1}, "^`y_val` has classes not in .* 'y_val' has"),
    "texts": ({"y_val": OF_ANOTHER_KIND}, r"^`y_val` has labels \['x' 'y' 'z'\]"),
    "a missing label": ({"y_val": np.where(CODES == 1, np.nan, CODES)}, r"^Input y_val .*\ny_val has no label"),
    "masked": ({"y_val": np.ma.array(CODES, mask=CODES == 1)}, "^y_val has masked"),
    "weights": ({"sample_weight_val": np.where(CODES == 1, np.nan, 1)},
                r"^Input sample_weight_val contains NaN.\nsample_weight_val holds NaN in row 1"),
    "too few weights": ({"sample_weight_val": np.ones(3)}, "^sample_weight_val.shape == "),
}


@pytest.mark.parametrize("fault", VALIDATION)
def test_errors_about_validation_data_name_them(fault):
    bad, text = VALIDATION[fault]
    data = pd.DataFrame(X, columns=["X", "y", "sample_weight"]) if "named" in fault else X
    with pytest.raises((ValueError, TypeError), match=text):
        MLPClassifier(**SMALL).fit(data, CODES, **{"X_val": X, "y_val": CODES, **bad})


@pytest.mark.filterwarnings("ignore:y_val is on another scale", "ignore:float32 merges distinct values of y.")
def test_validation_data_that_float32_merges_give_a_warning():
    seconds = pd.DataFrame({"a": X[:, 0], "when": SECONDS})
    with pytest.warns(UserWarning, match="float32 merges distinct values of X_val: .* in column 1"):
        MLPClassifier(**SMALL, dtype="float32").fit(X, CODES, X_val=WITH_SECONDS, y_val=CODES)
    with pytest.warns(UserWarning, match="float32 merges distinct values of y_val: .* in column 'when'"):
        MLPRegressor(**SMALL, dtype="float32").fit(X, X[:, :2] + [0, 1.7e9], X_val=X, y_val=seconds)
