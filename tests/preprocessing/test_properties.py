"""Laws of TableEncoder that hold for every table."""

import copy
import string
import threading

import numpy as np
import pandas as pd
import polars as pl
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnn.preprocessing import TableEncoder, _encoding
from fastnn.preprocessing._columns import _quantiles, scale_of_counts

FINITE = st.floats(allow_infinity=False, allow_nan=False)
NUMBERS = st.one_of(FINITE, st.sampled_from([0.0, -0.0, 1.0, 2.0]))
GAPPY = st.one_of(NUMBERS, st.none(), st.just(float("nan")))
CELLS = {
    "numbers": GAPPY,
    "whole numbers": st.one_of(st.integers(-5, 5), st.integers(-2**63, 2**63 - 1)),
    "texts": st.one_of(st.none(), st.text(string.printable + "äß漢\U0001F600\ud800", max_size=2)),
    "bools": st.one_of(st.none(), st.booleans()),
}


@st.composite
def tables(draw):
    """Rows of a table, and the kind of each column."""
    kinds = draw(st.lists(st.sampled_from(list(CELLS)), min_size=1, max_size=4))
    row = st.tuples(*(CELLS[kind] for kind in kinds))
    return [list(row) for row in draw(st.lists(row, min_size=1, max_size=20))], kinds


PARAMETERS = st.fixed_dictionaries({
    "max_one_hot": st.sampled_from([0, 3, 8]), "clip": st.sampled_from([None, 3.0, 0.5]),
    "indicators": st.sampled_from(["auto", True, False]), "scaling": st.sampled_from(["robust", "standard"]),
    "scale_categories": st.booleans(), "dtype": st.sampled_from(["float32", "float64"])})


@settings(max_examples=60)
@given(tables(), PARAMETERS)
def test_rows_alone_in_blocks_and_together_give_identical_bits(table, parameters):
    rows, _ = table
    encoder = TableEncoder(**parameters).fit(rows)
    whole = encoder.transform(np.array([*rows, None], object)[:-1].tolist() * 9)  # too many for the path of few rows
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_encoding, "BLOCK_ROWS", 3)
        np.testing.assert_array_equal(encoder.transform(rows * 9), whole)
    for i, row in enumerate(rows):
        np.testing.assert_array_equal(encoder.transform([row])[0], whole[i])
    assert np.isfinite(whole).all()
    assert whole.shape == (9 * len(rows), encoder.n_features_out_) and len(encoder.get_feature_names_out()) == len(
        whole[0])


@settings(max_examples=40)
@given(tables(), PARAMETERS)
def test_frames_give_what_lists_give(table, parameters):
    rows, kinds = table
    expected = TableEncoder(**parameters).fit_transform(rows)
    names = [f"{kind} {j}" for j, kind in enumerate(kinds)]
    frame = pd.DataFrame(rows, columns=names, dtype=object)
    np.testing.assert_array_equal(TableEncoder(**parameters).fit_transform(frame), expected)
    assume(not any("\ud800" in (cell or "") for row in rows for cell in row if isinstance(cell, str)))  # no UTF-8
    types = {"numbers": "Float64", "whole numbers": "Int64", "texts": "string", "bools": "boolean"}
    nullable = frame.astype({name: types[kind] for name, kind in zip(names, kinds, strict=True)})
    np.testing.assert_array_equal(TableEncoder(**parameters).fit_transform(nullable), expected)
    types = {"numbers": pl.Float64, "whole numbers": pl.Int64, "texts": pl.String, "bools": pl.Boolean}
    schema = {name: types[kind] for name, kind in zip(names, kinds, strict=True)}
    np.testing.assert_array_equal(TableEncoder(**parameters).fit_transform(pl.DataFrame(rows, schema, orient="row")),
                                  expected)
    arrow = pl.DataFrame(rows, schema, orient="row").to_arrow()
    np.testing.assert_array_equal(TableEncoder(**parameters).fit_transform(arrow), expected)


ARRAYS = hnp.arrays(st.sampled_from([np.float16, np.float32, np.float64, np.longdouble, np.int8, np.int64, np.uint64,
                                     ">f4", ">i2"]),
                    st.tuples(st.integers(1, 12), st.integers(1, 4)))


@given(ARRAYS, PARAMETERS, st.lists(st.integers(0, 3), max_size=2))
def test_arrays_give_what_their_columns_give(X, parameters, chosen):
    assume(not np.isinf(X).any())
    categories = [j for j in chosen if j < X.shape[1]]
    encoder = TableEncoder(categories, **parameters).fit(X)
    expected = encoder.transform(X)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_encoding, "BLOCK_ENTRIES", 1)
        patch.setattr(_encoding, "FEW_ROWS", 0)
        patch.setattr(_encoding, "FEW_ENTRIES", 0)
        np.testing.assert_array_equal(encoder.transform(X), expected)
        np.testing.assert_array_equal(encoder.transform(np.asfortranarray(X)), expected)
        by_column = encoder._plan.table(_encoding_table(X), range(X.shape[1]))
        np.testing.assert_array_equal(by_column, expected)
    np.testing.assert_array_equal(encoder.transform(X.tolist()), expected)


def _encoding_table(X):
    from fastnn.preprocessing._tables import open_table
    return open_table(X)


@given(st.lists(FINITE, min_size=2, max_size=30), st.lists(FINITE, min_size=2, max_size=9))
def test_numbers_keep_their_order_and_stay_within_the_clip(training, others):
    encoder = TableEncoder(dtype="float64").fit([[x] for x in training])
    encoded = encoder.transform([[x] for x in sorted(others)])[:, 0]
    # x / sqrt(1 + (x / 3)^2) is computed with a relative error of at most 3 eps.
    assert (np.diff(encoded) >= -2e-15).all() and (abs(encoded) <= 3 * (1 + 1e-15)).all()


@given(hnp.arrays(float, st.integers(1, 60), elements=st.floats(-1e6, 1e6)),
       st.lists(st.floats(0, 1), min_size=1, max_size=4))
def test_quantiles_are_those_of_numpy(x, levels):
    expected = np.quantile(x, levels)
    # Both are low + t (high - low), perhaps rounded in another order.
    np.testing.assert_allclose(_quantiles(x.copy(), levels), expected, rtol=0, atol=4 * np.spacing(1e6))


@given(st.lists(st.sampled_from([-1.0, 0.0, 1.0]), min_size=1, max_size=60))
def test_the_scale_of_counted_values_is_that_of_the_values(x):
    values = np.array([1.0, -1.0, 0.0])
    center, scale = scale_of_counts(values, np.array([x.count(value) for value in values]), (0.25, 0.75))
    low, median, high = np.quantile(x, [0.25, 0.5, 0.75])
    span = max(x) - min(x)
    assert center == pytest.approx(median, abs=1e-15)
    assert scale == pytest.approx(1 / (high - low) if high > low else 2 / span if span else 0, rel=1e-14)


# ---- the safe file

STATE = TableEncoder(["zip"], max_one_hot=2).fit(pd.DataFrame(
    {"size": [1.5, None, 3.0, 4.0], "zip": [1, 2, 3, 3], "sex": ["m", "f", None, "m"], "const": 1, "gone": np.nan})
).state()


@given(tables(), PARAMETERS)
def test_state_restores_the_encoder(table, parameters):
    rows, _ = table
    encoder = TableEncoder(**parameters).fit(rows)
    restored = TableEncoder.from_state(*encoder.state())
    assert restored.columns_ == encoder.columns_ and restored.get_params() == encoder.get_params()
    np.testing.assert_array_equal(restored.transform(rows), encoder.transform(rows))


JUNK = st.one_of(st.none(), st.booleans(), st.integers(), st.floats(), st.text(max_size=3), st.just([]), st.just({}),
                 st.lists(st.integers(-1, 4), max_size=4))


@given(st.data())
def test_damaged_states_are_refused_or_give_a_working_encoder(data):
    description, arrays = copy.deepcopy(STATE)
    place = data.draw(st.sampled_from(["description", "parameters", "column", "array"]))
    junk = data.draw(JUNK)
    if place == "array":
        name = data.draw(st.sampled_from(list(arrays)))
        if data.draw(st.booleans()):
            flat = arrays[name].reshape(-1)
            flat[data.draw(st.integers(0, len(flat) - 1))] = data.draw(st.integers(-2**63, 2**63 - 1))
        else:
            arrays[name] = arrays[name][:-1]
    else:
        part = {"description": description, "parameters": description["parameters"],
                "column": data.draw(st.sampled_from(description["columns"]))}[place]
        key = data.draw(st.sampled_from(list(part)))
        if data.draw(st.booleans()):
            part[key] = junk
        else:
            del part[key]
    try:
        encoder = TableEncoder.from_state(description, arrays)
    except ValueError as error:
        assert str(error).startswith("not the state of a TableEncoder")
        return
    assert len(encoder.transform(pd.DataFrame([[1.5, 1, "m", 1, None]] * 20, columns=encoder._names))) == 20


def test_state_is_what_a_file_holds():
    import json

    description, arrays = STATE
    assert json.loads(json.dumps(description, allow_nan=False)) == description
    assert {array.dtype.str for array in arrays.values()} <= {"<f8", "<i8"}


# ---- threads


def test_threads_may_share_an_encoder():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame({"a": rng.normal(size=3000), "b": rng.choice(list("abcdefghijkl"), 3000)})
    encoder = TableEncoder().fit(frame)
    expected, results = encoder.transform(frame), [None] * 8

    def work(k):
        results[k] = [encoder.transform(frame[i:i + 1 + 40 * k]) for i in range(0, 3000, 600)]

    threads = [threading.Thread(target=work, args=(k,)) for k in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for k, parts in enumerate(results):
        for i, part in zip(range(0, 3000, 600), parts, strict=True):
            np.testing.assert_array_equal(part, expected[i:i + 1 + 40 * k])
