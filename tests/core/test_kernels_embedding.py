"""The kernels of the input stage at every SIMD level and in both dtypes, against the NumPy reference in float64."""

import numpy as np
import pytest
from helpers.buffers import Buffers
from helpers.embedding_cases import AFTER, BEFORE, Stage, inputs, stages, wrong_codes
from helpers.kernel_cases import LEVELS, arrays, as64, assert_within, each_dtype
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn import reference
from fastnn._core import kernels, registry
from fastnn.embeddings import Embedding


def case(data, dtype):
    stage = data.draw(stages(), label="stage")
    X = data.draw(inputs(stage, dtype), label="X")
    theta = data.draw(arrays(stage.size, dtype), label="theta")
    dA = data.draw(arrays((stage.embedding.width(stage.n_columns), X.shape[1]), dtype), label="dA")
    return stage, X, theta, dA


def finite_codes(stage, X):
    """X with 0 for codes that are no finite numbers, for bounds."""
    return np.where(np.isin(np.arange(len(X)), list(stage.embedding.categories))[:, None], 0, X)


@each_dtype
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_embed(dtype, data):
    stage, X, theta, dA = case(data, dtype)
    X64, theta64 = as64(X, theta)
    A = reference.embed(X64, *stage.reference, stage.views(theta64))
    bound, _ = stage.bounds(finite_codes(stage, X64), dA, stage.views(theta64), 1.0, dtype)
    for level in LEVELS:
        call = Buffers()
        out = call.output(np.full(A.shape, np.nan, dtype))
        kernels.embed(call.input(X), call.input(theta), out, level=level, **stage.arguments)
        call.check()
        assert_within(out, A, bound, registry.LEVELS[level])


@each_dtype
@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_embed_backward(dtype, data):
    stage, X, theta, dA = case(data, dtype)
    scale = data.draw(st.floats(-1e3, 1e3), label="scale")
    X64, theta64, dA64 = as64(X, theta, dA)
    expected = reference.embed_backward(X64, dA64, *stage.reference, stage.views(theta64))
    _, bounds = stage.bounds(finite_codes(stage, X64), dA64, stage.views(theta64), scale, dtype)
    for level in LEVELS:
        call = Buffers()
        gradient = call.output(np.full(stage.size, 7.0, dtype))
        kernels.embed_backward(call.input(X), call.input(theta), call.input(dA), scale, gradient, level=level,
                               **stage.arguments)
        call.check()
        for name, values in stage.views(gradient).items():
            assert_within(values, scale * expected[name], bounds[name], f"{name}, {registry.LEVELS[level]}")
        others = np.r_[gradient[:BEFORE], gradient[stage.size - AFTER :]]
        np.testing.assert_array_equal(others, np.full(BEFORE + AFTER, 7.0, dtype))


STAGE = Stage(Embedding([0, 3], {1: 5}, vector_size=2), 5, True)  # number, category, plain, number, plain


def random_case(m, dtype):
    rng = np.random.default_rng(m)
    X = np.asfortranarray(rng.normal(size=(5, m)), dtype)
    X[1] = rng.integers(0, 5, m)
    return X, rng.normal(size=STAGE.size).astype(dtype)


@each_dtype
def test_an_example_does_not_depend_on_its_neighbours(dtype):
    """So a prediction of one row is bitwise that of many."""
    X, theta = random_case(300, dtype)
    for level in LEVELS:
        together = np.empty((STAGE.embedding.width(5), 300), dtype, order="F")
        kernels.embed(X, theta, together, level=level, **STAGE.arguments)
        for j in (0, 31, 32, 255, 256, 299):
            alone = np.empty((len(together), 1), dtype, order="F")
            kernels.embed(np.asfortranarray(X[:, j : j + 1]), theta, alone, level=level, **STAGE.arguments)
            np.testing.assert_array_equal(alone[:, 0], together[:, j])


@each_dtype
@pytest.mark.parametrize("code", wrong_codes(5))
def test_a_code_that_does_not_exist_counts_as_0(code, dtype):
    X, theta = random_case(40, dtype)
    zeros = X.copy(order="F")
    X[1, ::3], zeros[1, ::3] = code, 0
    dA = np.asfortranarray(np.random.default_rng(0).normal(size=(STAGE.embedding.width(5), 40)), dtype)
    for level in LEVELS:
        results = []
        for values in (X, zeros):
            A, gradient = np.empty_like(dA), np.empty_like(theta)
            kernels.embed(values, theta, A, level=level, **STAGE.arguments)
            kernels.embed_backward(values, theta, dA, 1.0, gradient, level=level, **STAGE.arguments)
            results.append((A, gradient[BEFORE : STAGE.size - AFTER]))
        for actual, expected in zip(*results, strict=True):
            np.testing.assert_array_equal(actual, expected)


@pytest.mark.parametrize("code", [2**24 - 1, 2**24, 2**24 + 2])
def test_the_largest_number_of_codes(code):
    """2^24 codes: float32 tells them apart, and what lies beyond counts as 0."""
    stage = Stage(Embedding(categories={0: 2**24}, vector_size=1), 1, False)
    theta = np.zeros(stage.size, np.float32)
    vectors = stage.views(theta)["vectors"]
    vectors[0], vectors[-1] = 1, 2
    A = np.empty((1, 1), np.float32)
    kernels.embed(np.full((1, 1), code, np.float32), theta, A, **stage.arguments)
    assert A[0, 0] == (2 if code == 2**24 - 1 else 1)


@each_dtype
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_number_that_is_not_finite_spoils_its_rows_only(value, dtype):
    X, theta = random_case(9, dtype)
    X[0, 4] = value
    dA = np.ones((STAGE.embedding.width(5), 9), dtype, order="F")
    for level in LEVELS:
        A, gradient = np.empty_like(dA), np.empty_like(theta)
        kernels.embed(X, theta, A, level=level, **STAGE.arguments)
        kernels.embed_backward(X, theta, dA, 1.0, gradient, level=level, **STAGE.arguments)
        spoilt = np.zeros(A.shape, bool)
        spoilt[:4, 4] = True
        np.testing.assert_array_equal(np.isfinite(A), ~spoilt)
        assert np.all(np.isnan(A[1:4, 4]))
        views = STAGE.views(gradient)
        for name in ("frequencies", "phases", "weights"):
            assert np.all(np.isnan(views[name][0])) and np.all(np.isfinite(views[name][1])), name
        np.testing.assert_array_equal(np.isfinite(views["scale"]), np.arange(len(A)) >= 4)


@each_dtype
def test_without_examples_the_gradient_is_0(dtype):
    theta = np.ones(STAGE.size, dtype)
    empty = np.empty((5, 0), dtype, order="F")
    for level in LEVELS:
        gradient = np.full_like(theta, 7)
        kernels.embed(empty, theta, np.empty((STAGE.embedding.width(5), 0), dtype, order="F"), level=level,
                      **STAGE.arguments)
        kernels.embed_backward(empty, theta, np.empty((STAGE.embedding.width(5), 0), dtype, order="F"), 1.0, gradient,
                               level=level, **STAGE.arguments)
        assert not np.any(gradient[BEFORE : STAGE.size - AFTER])


@pytest.mark.parametrize("change", [
    {"offsets": (0, 0, 0, 0, 0, 0)}, {"offsets": (-1, 10**6, 0, 0, 0, 0)}, {"offsets": (-1, -5, 100, 200, 400, 500)},
    {"sizes": (0, 3, 2)}, {"sizes": (2**31, 3, 2)}, {"sizes": (16, 2, 2)}, {"sizes": (16, 3, 2**20)},
    {"table": np.zeros(5)}, {"table": STAGE.embedding.table(5)[::-1].copy()}, {"table": STAGE.embedding.table(5)[1:]},
    {"table": None},
])  # fmt: skip
def test_an_input_stage_that_does_not_fit_is_refused(change):
    X, theta = random_case(3, "float64")
    A = np.empty((STAGE.embedding.width(5), 3), order="F")
    with pytest.raises((TypeError, ValueError)):
        kernels.embed(X, theta, A, **STAGE.arguments | change)


@pytest.mark.parametrize("field, value", [("kind", 3), ("kind", -1), ("row", 1), ("index", 1), ("count", 0),
                                          ("count", 2**60)])
def test_a_table_with_a_wrong_entry_is_refused(field, value):
    X, theta = random_case(3, "float64")
    table = STAGE.embedding.table(5)
    table[field][1] = value
    with pytest.raises(ValueError, match="table of an Embedding is wrong at column"):
        kernels.embed(X, theta, np.empty((STAGE.embedding.width(5), 3), order="F"),
                      **STAGE.arguments | {"table": table})
