"""y as programs hold it: texts, objects, tables and columns of targets, and targets of any size."""

import warnings

import numpy as np
import pytest
from helpers.user_data import CODES, DAYS, NO_NUMBERS, SMALL, TABLE, WORDS, M, X

from fastnn import MLPClassifier, MLPRegressor

pd, pl = pytest.importorskip("pandas"), pytest.importorskip("polars")
pytestmark = pytest.mark.filterwarnings("ignore::sklearn.exceptions.ConvergenceWarning")


# ---- targets of a regressor

def test_errors_name_the_place_in_the_targets_of_a_regressor():
    if np.finfo(np.longdouble).maxexp > 1024:
        with pytest.raises(ValueError, match=r"^y holds values beyond the range of float64 .* in row 0: rescale it$"):
            MLPRegressor(**SMALL).fit(X, np.full(M, 1e300, np.longdouble) ** 2)
    bad = TABLE.assign(size=np.where(CODES == 1, np.nan, X[:, 1]))
    with pytest.raises(ValueError, match=r"^Input y contains NaN\.\ny holds NaN in column 'size', row 1$"):
        MLPRegressor(**SMALL).fit(X, bad)
    with pytest.raises(ValueError, match=r"(?s)^Input y contains infinity.*\ny holds infinity in row 2$"):
        MLPRegressor(**SMALL).fit(X, np.where(np.arange(M) == 2, np.inf, 1.0))


@pytest.mark.parametrize("form", NO_NUMBERS)
def test_a_regressor_refuses_targets_that_are_no_numbers(form):
    y = NO_NUMBERS[form]
    advice = "convert texts" if "text" in form or form in ("bytes", "categories") else "subtract a date from dates"
    advice = "a missing value" if form == "None" else advice
    text = rf"Complex data not supported|y(_val)? must hold real numbers, got .*{advice}"
    reg = MLPRegressor(**SMALL)
    for call in (lambda: reg.fit(X, y), lambda: reg.partial_fit(X, y)):
        with pytest.raises(ValueError, match=text):
            call()
    with pytest.raises(ValueError, match=text):
        MLPRegressor(**SMALL).fit(X, X[:, 0]).score(X, y)
    good = X if form == "columns" else X[:, 0]
    with pytest.raises(ValueError, match=text):
        MLPRegressor(**SMALL).fit(X, good[:, :2] if form == "columns" else good, X_val=X, y_val=y)


NUMBERS = {
    "bools": CODES > 0, "objects": (X[:, 0]).astype(object), "nullable": pd.Series(CODES, dtype="Int64"),
    "polars": pl.Series(X[:, 0]), "column": TABLE[["age"]], "whole numbers": CODES,
}


@pytest.mark.parametrize("form", NUMBERS)
def test_a_regressor_takes_targets_that_are_numbers(form):
    plain = np.asarray(NUMBERS[form]).astype(float).ravel()
    mine, expected = (MLPRegressor(**SMALL) for _ in range(2))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        mine.fit(X, NUMBERS[form])
    np.testing.assert_array_equal(mine.coefs_[0], expected.fit(X, plain).coefs_[0])


# ---- labels of a classifier

LABELS = {
    "U": WORDS, "objects": WORDS.astype(object), "list": WORDS.tolist(), "str": pd.Series(WORDS),
    "string": pd.Series(WORDS, dtype="string"), "category": pd.Series(WORDS, dtype="category"),
    "ordered": pd.Series(pd.Categorical(WORDS, ["c", "bb", "a"], ordered=True)), "polars": pl.Series(WORDS.tolist()),
    "polars categories": pl.Series(WORDS.tolist(), dtype=pl.Categorical), "column": pd.DataFrame({"y": WORDS}),
}
if hasattr(np.dtypes, "StringDType"):
    LABELS["StringDType"] = WORDS.astype(np.dtypes.StringDType())
    LABELS["StringDType with NaN"] = WORDS.astype(np.dtypes.StringDType(na_object=np.nan))


@pytest.mark.filterwarnings("ignore:A column-vector y")
@pytest.mark.parametrize("form", LABELS)
def test_texts_of_any_dtype_are_labels(form):
    y, settings = LABELS[form], {**SMALL, "class_weight": {"a": 2.0, "bb": 1.0}}
    expected, clf = (MLPClassifier(**settings).fit(X, labels, X_val=X, y_val=labels) for labels in (WORDS, y))
    assert clf.classes_.tolist() == ["a", "bb", "c"]
    assert clf.validation_scores_ == expected.validation_scores_ and clf.score(X, y) == expected.score(X, WORDS)
    np.testing.assert_array_equal(clf.predict_proba(X), expected.predict_proba(X))
    warm, early = MLPClassifier(**SMALL, warm_start=True), MLPClassifier(**SMALL, early_stopping=True)
    assert warm.fit(X, y).fit(X, WORDS).fit(X, y).predict(X).dtype.kind == "U"
    early.fit(X, y)
    steps = MLPClassifier(**SMALL)
    for labels in (y, WORDS, y):
        steps.partial_fit(X, labels, classes=np.unique(WORDS).astype(getattr(y, "dtype", str)) if form.startswith("St")
                          else ["a", "bb", "c"])
    assert steps.classes_.tolist() == ["a", "bb", "c"]


@pytest.mark.parametrize("dtype", [bool, int, float, "mixed"])
def test_labels_that_are_objects_are_numbers(dtype):
    plain = CODES > 0 if dtype is bool else CODES if dtype is not float else CODES.astype(float)
    y = plain.astype(object)
    if dtype == "mixed":
        y[:3] = [np.int8(0), np.int64(1), 2]
    clf, expected = MLPClassifier(**SMALL).fit(X, y), MLPClassifier(**SMALL).fit(X, plain)
    assert clf.classes_.dtype == expected.classes_.dtype and clf.score(X, y) == expected.score(X, plain)
    np.testing.assert_array_equal(clf.predict(X), expected.predict(X))


MISSING = {
    "NaN": np.where(CODES == 1, np.nan, CODES), "None": np.where(CODES == 1, None, WORDS),
    "NaN among texts": np.where(CODES == 1, np.nan, WORDS.astype(object)),
    "NA": pd.Series(WORDS, dtype="string").where(CODES != 1), "NaN in str": pd.Series(WORDS).where(CODES != 1),
    "category": pd.Series(WORDS, dtype="category").where(CODES != 1),
    "nullable": pd.Series(CODES, dtype="Int64").where(CODES != 1),
    "polars": pl.Series([None if word == "bb" else word for word in WORDS.tolist()]),
    "NaT": np.where(CODES == 1, np.datetime64("NaT"), np.datetime64("2024-01-01")),
    "a list with NaN": [np.nan if word == "bb" else word for word in WORDS.tolist()],
    "a tuple with NaN": tuple(np.nan if word == "bb" else word for word in WORDS.tolist()),
}


@pytest.mark.parametrize("form", MISSING)
def test_a_missing_label_is_named(form):
    y, text = MISSING[form], r"^Input (y(?:_val)?) contains NaN\.\n\1 has no label in row 1 \(.*\): leave out"
    for call in (lambda: MLPClassifier(**SMALL).fit(X, y),
                 lambda: MLPClassifier(**SMALL).fit(X, WORDS, X_val=X, y_val=y),
                 lambda: MLPClassifier(**SMALL).partial_fit(X, y, classes=["a", "c"])):
        with pytest.raises(ValueError, match=text):
            call()


def test_mixed_labels_are_named():
    for y in (np.array([0, "a", "b"] * 20, object), [0, "a", "b"] * 20):
        with pytest.raises(ValueError, match="y mixes labels of several types: int, str"):
            MLPClassifier(**SMALL).fit(X, y)
    with pytest.raises(ValueError, match="y mixes labels of several types"):
        MLPClassifier(**SMALL).fit(X, pd.DataFrame({"a": DAYS, "b": CODES}))


# ---- the range of targets

@pytest.mark.parametrize("form", ["one", "two"])
@pytest.mark.parametrize("unit", [1e-300, 1e-165, 1e165, 1e300])
def test_scores_do_not_depend_on_the_unit_of_the_targets(unit, form):
    y = X[:, :2] + 0.5 if form == "two" else X[:, 0] + 0.5
    unit = np.array([unit, 1.0]) if form == "two" else unit
    fitted = []
    with np.errstate(all="raise"):
        for factor in (1.0, unit):
            reg = MLPRegressor(**SMALL, early_stopping=True, normalize_y=True, quantile=[0.2, 0.8], loss="quantile")
            reg.fit(X, y * factor, X_val=X[:20], y_val=y[:20] * factor)
            mean = MLPRegressor(**SMALL, early_stopping=True, normalize_y=True).fit(X, y * factor)
            fitted.append([reg.score(X, y * factor), *reg.validation_scores_, mean.score(X, y * factor),
                           *mean.validation_scores_])
    # The scores are below 1 + |score| in size, and the scale of y is rounded: some eps of float64 times the condition.
    np.testing.assert_allclose(fitted[1], fitted[0], rtol=1e-9)
    assert max(fitted[0]) < 1


@pytest.mark.filterwarnings("ignore:y_val is on another scale")
def test_standardised_targets_stay_in_the_range_of_predictions():
    single, settings = X.astype(np.float32), {**SMALL, "normalize_y": True}
    with pytest.raises(ValueError, match=r"^y holds values beyond the range of float32"):
        MLPRegressor(**settings).fit(single, X[:, 0] * 1e39)
    with pytest.raises(ValueError, match=r"^y_val holds values beyond the range of float32"):
        MLPRegressor(**settings).fit(single, X[:, 0], X_val=single, y_val=X[:, 0] * 1e39)
    with pytest.raises(ValueError, match=r"^y spreads too little for predictions in float32: .* is .*e-46; rescale it"):
        MLPRegressor(**settings).fit(single, X[:, 0] * 1e-46)
    for dtype, unit in (("float32", 1e-36), ("float64", 1e-305)):
        with np.errstate(all="raise"):
            reg = MLPRegressor(**settings, dtype=dtype).fit(X, X[:, 0] * unit)
            assert 0 < np.abs(reg.predict(X)).max() < 10 * unit and reg.score(X, X[:, 0] * unit) < 1


def test_scales_of_far_targets_are_compared():
    with np.errstate(all="raise"), pytest.warns(UserWarning, match="y_val is on another scale than y"):
        MLPRegressor(**SMALL, normalize_y=True).fit(X, X[:, 0] * 1e-100, X_val=X, y_val=X[:, 0] * 1e-50)
