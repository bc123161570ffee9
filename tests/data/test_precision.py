"""A warning where float32 merges values that differ."""

import warnings

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from hypothesis import given
from hypothesis import strategies as st

from fastnn import Network
from fastnn._core.conversion import narrow_columns
from fastnn._data.precision import FEW_SPACINGS, warn_if_merged

rng = np.random.default_rng(0)
M = 400
NOISE = rng.standard_normal((M, 3))
SECONDS = 1.7e9 + np.arange(M)
WITH_SECONDS = np.column_stack([NOISE[:, 0], SECONDS, NOISE[:, 1]])


def message(data, *names):
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warn_if_merged(data, "X", *names)
    return str(caught[0].message) if caught else ""


MERGED = {
    "seconds": WITH_SECONDS,
    "column-major": np.asfortranarray(WITH_SECONDS),
    "strided": np.repeat(WITH_SECONDS, 2, axis=1)[:, ::2],
    "misaligned": np.frombuffer(b"x" + WITH_SECONDS.tobytes(), np.uint8)[1:].view(float).reshape(M, 3),
    "whole numbers": np.column_stack([NOISE[:, 0], SECONDS, NOISE[:, 1]]).astype(np.int64),
    "shuffled": rng.permutation(WITH_SECONDS),
    "zeros for gaps": np.where((np.arange(M) % 10 == 0)[:, None] & [False, True, False], 0, WITH_SECONDS),
    "an outlier": np.where((np.arange(M) == 7)[:, None] & [False, True, False], 1e12, WITH_SECONDS),
    "zeros in a third": np.where((np.arange(M) % 3 == 0)[:, None] & [False, True, False], 0, WITH_SECONDS),
    "a code in every other row": np.where((np.arange(M) % 2 == 0)[:, None] & [False, True, False], -1, WITH_SECONDS),
    "two clusters": WITH_SECONDS - np.outer(np.arange(M) % 2, [0, 1.6e9, 0]),
    "below the range": np.column_stack([NOISE[:, 0], 1e-46 * rng.random(M), NOISE[:, 1]]),
    "columns of a table": [NOISE[:, 0], SECONDS.astype(int), NOISE[:, 1]],
    "two values": np.column_stack([NOISE[:, 0], np.where(NOISE[:, 0] > 0, 2.0**24, 2.0**24 + 1), NOISE[:, 1]]),
}


@pytest.mark.parametrize("form", MERGED)
def test_columns_that_float32_cannot_resolve_are_named(form):
    text = message(MERGED[form])
    assert text.startswith("float32 merges distinct values of X: ") and "left in column 1." in text
    assert "left in column 'when'." in message(MERGED[form], ["a", "when", "b"])


KEPT = {
    "standardised": NOISE, "tiny": 1e-30 * NOISE, "huge": 1e300 * NOISE, "heavy tails": np.exp(5 * NOISE),
    "constant": np.full((M, 2), 0.1), "rounding errors": 0.1 * (1 + 2.0**-52 * rng.integers(0, 5, (M, 2))),
    "sums of probabilities": (NOISE**2 / (NOISE**2).sum(axis=1, keepdims=True)).sum(axis=1)[:, None],
    "flags": (NOISE > 1).astype(float), "years": rng.integers(1990, 2030, (M, 1)).astype(float),
    "pressure in Pa": 101_325 + 50 * NOISE, "whole numbers": rng.integers(0, 2**24, (M, 2)),
    "seconds of a year": 1.7e9 + np.linspace(0, 3e7, M)[:, None].round(), "float32": SECONDS.astype(np.float32),
    "bytes": rng.integers(0, 256, (M, 2)).astype(np.uint8), "no rows": NOISE[:0], "one row": NOISE[:1],
    "a fine grid": 300 + 0.01 * NOISE, "a constant with gaps": np.where(NOISE > 0, 0, 0.1 * (1 + 2.0**-52)),
    "exact": 2.0**30 + 128 * rng.integers(0, 20, (M, 1)),
}


@pytest.mark.parametrize("form", KEPT)
def test_columns_that_float32_resolves_give_no_warning(form):
    assert message(KEPT[form]) == ""


@given(st.floats(-1e6, 1e6), st.floats(1e-3, 1e3), st.integers(2, 60))
def test_the_threshold_is_a_number_of_spacings(center, scale, m):
    """Values that span 2 FEW_SPACINGS spacings and more are never examined, half of it always."""
    column = np.linspace(0, 1, m)
    for factor, narrow in ((2.0, False), (0.5, True)):
        span = factor * FEW_SPACINGS * 2.0**-23 * (abs(center) + scale)
        data = (np.sign(center) or 1) * (abs(center) + scale - span * column)
        merged = len(np.unique(data.astype(np.float32))) < len(np.unique(data))
        assert bool(narrow_columns(data[:, None], FEW_SPACINGS)) >= narrow
        assert (message(data[:, None]) != "") == (narrow and merged)


@pytest.mark.parametrize("shape", [(1, 1), (2, 3), (7, 5), (64, 33)])
def test_narrow_columns_are_the_same_in_each_memory_order(shape):
    X = rng.standard_normal(shape) * 10.0 ** rng.integers(-9, 3, shape[1]) + 1
    expected = [j for j in range(shape[1]) if 0 < np.ptp(X[:, j]) < FEW_SPACINGS * 2.0**-23 * abs(X[:, j]).max()]
    for form in (X, np.asfortranarray(X), np.repeat(np.repeat(X, 2, 0), 2, 1)[::2, ::2], X[::-1].copy()[::-1]):
        found = narrow_columns(form, FEW_SPACINGS)
        assert set(expected) <= set(found)
        for j in set(found) - set(expected):  # of two consecutive entries
            first, second = X[:-1, j], X[1:, j]
            assert ((first != second) & (first.astype(np.float32) == second.astype(np.float32))).any()


def test_narrow_columns_refuses_what_it_cannot_read():
    for bad in (NOISE.astype(np.float32), NOISE[0], NOISE.tolist(), NOISE.astype(">f8"), None):
        with pytest.raises(TypeError):
            narrow_columns(bad, FEW_SPACINGS)
    assert narrow_columns(NOISE[:0], FEW_SPACINGS) == []


def make(dtype="float32", output="sigmoid"):
    return Network([3, 1], output=output, dtype=dtype, random_state=0)


Y = (NOISE[:, 0] > 0).astype(int)
FORMS = {
    "array": lambda fit: fit(WITH_SECONDS, Y), "list": lambda fit: fit(WITH_SECONDS.tolist(), Y),
    "table": lambda fit: fit(pd.DataFrame(WITH_SECONDS, columns=["a", "1", "b"]), Y),
    "sparse": lambda fit: fit(sp.csr_array(WITH_SECONDS), Y), "batches": lambda fit: fit(lambda: [(WITH_SECONDS, Y)]),
}


@pytest.mark.parametrize("form", FORMS)
def test_training_in_float32_warns(form, recwarn):
    net = make()
    with pytest.warns(UserWarning, match="float32 merges .* in column '?1'?"):
        FORMS[form](lambda *data: net.fit(*data, epochs=1))
    recwarn.clear()
    FORMS[form](lambda *data: make("float64").fit(*data, epochs=1))
    net.predict(WITH_SECONDS)
    net.evaluate(WITH_SECONDS, Y)
    assert not recwarn


def test_data_read_by_slices_warn_by_their_sample(tmp_path):
    for name, data in (("X", WITH_SECONDS), ("y", SECONDS)):
        np.save(tmp_path / f"{name}.npy", data)
    X, y = (np.load(tmp_path / f"{name}.npy", mmap_mode="r") for name in "Xy")
    with pytest.warns(UserWarning, match="float32 merges distinct values of X"):
        make().fit(X, Y, epochs=1)
    with pytest.warns(UserWarning, match="float32 merges distinct values of y"):
        make(output="identity").fit(np.load(tmp_path / "X.npy", mmap_mode="r")[:, [0, 0, 2]], y, epochs=1)


def test_validation_data_warn():
    with pytest.warns(UserWarning, match="float32 merges distinct values of validation X: .* in column 1"):
        make().fit(NOISE, Y, epochs=1, validation_data=(WITH_SECONDS, Y))


def test_real_targets_warn():
    with pytest.warns(UserWarning, match=r"float32 merges distinct values of y: \d+ of 400 are left\. Subtract"):
        make(output="identity").fit(NOISE, SECONDS, epochs=1)
