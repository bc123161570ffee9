"""Matrix products by BLAS and by the kernels of every SIMD level that has them, against NumPy in float64."""

import itertools
import os

import numpy as np
import pytest
from helpers.buffers import Buffers
from helpers.kernel_cases import assert_within, each_dtype, unit_roundoff
from hypothesis import given
from hypothesis import strategies as st

from fastnn._core import _testing, blas, registry

# With a size of 1, BLAS uses its matrix-vector routines. k must not be 0.
SIZES = (0, 1, 2, 3, 5, 7, 16, 31, 127)
# Around the sizes of vectors (4 to 16 elements), of tiles (2 to 4 vectors, 4 to 8 columns), of the dot kernel's tiles
# (3 or 5) and of blocks (256 columns and terms).
EDGES = (1, 2, 3, 4, 5, 7, 8, 9, 12, 13, 15, 16, 17, 23, 24, 25, 31, 33, 47, 48, 49, 97, 100, 255, 256, 257, 300, 513)

TRANSPOSITIONS = [(False, False), (False, True), (True, False), (True, True)]
each_transposition = pytest.mark.parametrize(("transpose_A", "transpose_B"), TRANSPOSITIONS)


def own_levels(dtype):
    """Return the levels that have product kernels."""
    one = np.ones((1, 1), dtype)
    levels = []
    for level in range(len(registry.LEVELS)):
        try:
            _testing.multiply(one, one, one.copy(), level, by="tiles")
        except ValueError:
            continue
        levels.append(level)
    return levels


def check_product(n, m, k, seed, level, buffers, dtype, transpose_A, transpose_B, alpha, by="tiles"):
    """Check C = alpha op(A) op(B) and return A, B and C. C is filled with NaN before, so that adding to it would show.

    The error of a dot product of k terms, in any order, is at most (k + 1) u sum |a b| (Higham 2002, 3.1). Rounding
    alpha and multiplying by it add 2 u. The error of NumPy's product in float64 is covered by the same count.
    """
    rng = np.random.default_rng(seed)
    A, B = rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((k, m)).astype(dtype)
    call = buffers()
    stored_A, stored_B = call.input(A.T if transpose_A else A), call.input(B.T if transpose_B else B)
    C = call.output(np.full((n, m), np.nan, dtype))
    options = {"transpose_A": transpose_A, "transpose_B": transpose_B, "alpha": alpha}
    _testing.multiply(stored_A, stored_B, C, level, by=by if level is not None else "", **options)
    call.check()
    wide_A, wide_B = A.astype(np.float64), B.astype(np.float64)
    bound = (k + 3) * unit_roundoff(dtype) * abs(alpha) * (np.abs(wide_A) @ np.abs(wide_B))
    assert_within(C, alpha * (wide_A @ wide_B), bound, f"({n}, {k}) ({k}, {m}) at {level}")
    return A, B, C


def check_part(A, B, C, top, left, level):
    """Check that tiles compute C[top:, left:] bitwise identically from these rows of A and columns of B alone."""
    part = np.full(C[top:, left:].shape, np.nan, C.dtype, "F")
    _testing.multiply(np.asfortranarray(A[top:]), np.asfortranarray(B[:, left:]), part, level, by="tiles", alpha=0.25)
    np.testing.assert_array_equal(part, C[top:, left:])


@each_dtype
@each_transposition
@pytest.mark.parametrize("alpha", [1.0, 1 / 3, -2.5, 0.0])
def test_products_of_all_small_sizes(dtype, transpose_A, transpose_B, alpha):
    for level in (None, *own_levels(dtype)):
        for n, m, k in itertools.product(SIZES, SIZES, SIZES[1:]):
            check_product(n, m, k, 0, level, Buffers, dtype, transpose_A, transpose_B, alpha)


@each_dtype
@each_transposition
@given(data=st.data())
def test_tiles(dtype, transpose_A, transpose_B, data):
    """An element of C is bitwise identical whichever other rows and columns are computed."""
    n, m, k = (data.draw(st.sampled_from(EDGES), label=letter) for letter in "nmk")
    seed = data.draw(st.integers(0, 2**32 - 1))
    top, left = data.draw(st.integers(0, n - 1), label="top"), data.draw(st.integers(0, m - 1), label="left")
    for level in own_levels(dtype):
        A, B, C = check_product(n, m, k, seed, level, Buffers, dtype, transpose_A, transpose_B, 0.25)
        check_part(A, B, C, top, left, level)


@each_dtype
@each_transposition
@given(data=st.data())
def test_tiles_of_matrices_whose_columns_share_sets_of_the_l1_cache(dtype, transpose_A, transpose_B, data):
    """These are packed. An element of C is bitwise identical to that of smaller matrices, which are read in place."""
    n = data.draw(st.sampled_from([63, 64, 127, 128, 129, 135, 143, 192, 250, 256]), label="n")
    m = data.draw(st.sampled_from([31, 32, 33, 40, 127, *range(129, 136), 256, *range(257, 264), 300]), label="m")
    k = data.draw(st.sampled_from([1, 2, 7, 64, 255, 256, 257, 512, 1024]), label="k")
    seed = data.draw(st.integers(0, 2**32 - 1))
    top, left = data.draw(st.integers(n - 60, n - 1), label="top"), data.draw(st.integers(m - 31, m - 1), label="left")
    for level in own_levels(dtype):
        A, B, C = check_product(n, m, k, seed, level, Buffers, dtype, transpose_A, transpose_B, 0.25)
        check_part(A, B, C, top, left, level)


@each_dtype
@given(data=st.data())
def test_dot_products(dtype, data):
    """An element of C is bitwise identical whichever other rows and columns are computed."""
    n, m = (data.draw(st.sampled_from(EDGES), label=letter) for letter in "nm")
    k = data.draw(st.sampled_from([*EDGES, 511, 512, 1023, 1024, 1025, 2100]), label="k")
    seed = data.draw(st.integers(0, 2**32 - 1))
    top, left = data.draw(st.integers(0, n - 1), label="top"), data.draw(st.integers(0, m - 1), label="left")
    for level in own_levels(dtype):
        A, B, C = check_product(n, m, k, seed, level, Buffers, dtype, True, False, 0.25, "dots")
        A, B = np.asfortranarray(A[top:].T), np.asfortranarray(B[:, left:])
        part = np.full((n - top, m - left), np.nan, dtype, "F")
        _testing.multiply(A, B, part, level, by="dots", transpose_A=True, alpha=0.25)
        np.testing.assert_array_equal(part, C[top:, left:])


@each_dtype
@given(data=st.data())
def test_matrix_vector_product(dtype, data):
    """For alpha = 1, as in predictions, A b is bitwise identical to the tiles' product, also for a part of the rows.

    The sizes of A include those from which it is read column by column.
    """
    n = data.draw(st.sampled_from([16, 17, 31, 33, 100, 255, 257, 300, 513, 1024, 1100]), label="n")
    k = data.draw(st.sampled_from([*EDGES, 1100]), label="k")
    seed, top = data.draw(st.integers(0, 2**32 - 1)), data.draw(st.integers(0, n - 16), label="top")
    for level in own_levels(dtype):
        A, b, c = check_product(n, 1, k, seed, level, Buffers, dtype, False, False, 1.0, "matvec")
        A, b = np.asfortranarray(A), np.asfortranarray(b)
        for by, rows in (("tiles", A), ("matvec", np.asfortranarray(A[top:]))):
            again = np.full((len(rows), 1), np.nan, dtype, "F")
            _testing.multiply(rows, b, again, level, by=by)
            np.testing.assert_array_equal(again, c[n - len(rows):])


@each_dtype
def test_non_finite_values_stay_in_their_row_and_column(dtype):
    """This includes panels whose rows are padded with zeros."""
    for level, (n, k) in itertools.product(own_levels(dtype), [(5, 7), (21, 300)]):
        A, B = np.ones((n, k), dtype, "F"), np.ones((k, 9), dtype, "F")
        A[n - 1, k - 1], B[0, 4] = np.inf, np.nan
        C = np.zeros((n, 9), dtype, "F")
        _testing.multiply(A, B, C, level, by="tiles")
        expected = np.full((n, 9), k, dtype)
        expected[n - 1], expected[:, 4] = np.inf, np.nan
        np.testing.assert_array_equal(C, expected)
        C[:] = 0
        _testing.multiply(np.asfortranarray(A.T), B, C, level, by="dots", transpose_A=True)
        np.testing.assert_array_equal(C, expected)
        if n > 16:
            c = np.zeros((n, 1), dtype, "F")
            _testing.multiply(A, np.asfortranarray(B[:, :1]), c, level, by="matvec")
            np.testing.assert_array_equal(c, expected[:, :1])


@each_dtype
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_a_non_finite_example_makes_every_unit_non_finite(dtype, value):
    """For any W, because `PredictionChunks` checks X by the first unit of Z[1]."""
    for level, (n, k), m in itertools.product(own_levels(dtype), [(17, 9), (40, 300), (300, 1000)], [1, 2, 33]):
        B = np.ones((k, m), dtype, "F")
        for W in (0.0, -0.0, 1e-300, -1.0, np.inf):
            for by, transpose_A in (("tiles", False), ("tiles", True), ("dots", True), ("matvec", False)):
                if by == "matvec" and m > 1:
                    continue
                A = np.full((k, n) if transpose_A else (n, k), W, dtype, "F")
                for p in (0, k // 2, k - 1):
                    B[p, m - 1] = value
                    C = np.zeros((n, m), dtype, "F")
                    _testing.multiply(A, B, C, level, by=by, transpose_A=transpose_A)
                    B[p, m - 1] = 1
                    assert not np.isfinite(C[:, m - 1]).any()


@pytest.mark.parametrize(
    ("by", "level", "transposes", "message"),
    [
        ("dots", 0, {}, "do not make this"),
        ("dots", 0, {"transpose_A": True, "transpose_B": True}, "do not make this"),
        ("matvec", 0, {}, "do not make this"),
        ("tiles", None, {}, "needs a level"),
    ],
)
def test_unsupported_products_are_refused(by, level, transposes, message):
    square = np.ones((2, 2), order="F")
    with pytest.raises(ValueError, match=message):
        _testing.multiply(square, square, square.copy("F"), level, by=by, **transposes)


@each_dtype
@each_transposition
@given(data=st.data())
def test_epilogue_of_tiles(dtype, transpose_A, transpose_B, data):
    """A bias of rows or columns, relu, and the relu mask with column sums.

    - Bias: one more addition, with an error of at most u (|C| + |bias|). Relu and its mask are exact.
    - Column sums: m u sum |C| in any order; rounding scale and multiplying by it add 2 u.

    An element is bitwise identical whichever other rows and columns are computed.
    """
    n, m, k = (data.draw(st.sampled_from(EDGES), label=letter) for letter in "nmk")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    relu, left = data.draw(st.booleans(), label="relu"), data.draw(st.integers(0, m - 1), label="left")
    A, B = rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((k, m)).astype(dtype)
    bias, active = rng.standard_normal(n).astype(dtype), rng.standard_normal((n, m)).astype(dtype)
    shifts, top = rng.standard_normal(m).astype(dtype), data.draw(st.integers(0, n - 1), label="top")
    active[rng.random((n, m)) < 0.2] = rng.choice([0.0, -0.0])
    u, alpha, scale = unit_roundoff(dtype), 0.3, 1 / 7
    exact = alpha * (A.astype(np.float64) @ B)
    bound = (k + 3) * u * alpha * (np.abs(A).astype(np.float64) @ np.abs(B))
    for level in own_levels(dtype):
        options = {"transpose_A": transpose_A, "transpose_B": transpose_B, "alpha": alpha, "by": "tiles"}
        call = Buffers()
        stored_A, stored_B = call.input(A.T if transpose_A else A), call.input(B.T if transpose_B else B)
        C, D, E = (call.output(np.full((n, m), np.nan, dtype)) for _ in range(3))
        sums = call.output(np.full(n, np.nan, dtype))
        _testing.multiply(stored_A, stored_B, C, level, bias=call.input(bias), relu=relu, **options)
        _testing.multiply(stored_A, stored_B, D, level, active=call.input(active), sums=sums, scale=scale, **options)
        F = call.output(np.full((n, m), np.nan, dtype))
        _testing.multiply(stored_A, stored_B, E, level, shifts=call.input(shifts), relu=relu, **options)
        _testing.multiply(stored_A, stored_B, F, level, relu=relu, **options)
        call.check()
        for result, added in ((C, bias[:, None]), (E, shifts), (F, np.zeros(1))):
            Z = exact + added.astype(np.float64)
            rounded = bound * (1 + u) + u * (np.abs(Z) + np.abs(added))
            assert_within(result, np.maximum(Z, 0) if relu else Z, rounded, f"bias {n, m, k} at {level}")
            assert not np.signbit(result[result == 0]).any() or not relu
        on = active > 0
        assert_within(D, np.where(on, exact, 0), np.where(on, bound, 0), f"derivative {n, m, k} at {level}")
        wide = D.astype(np.float64)
        error = (m + 2) * u * scale * np.abs(wide).sum(axis=1)
        assert_within(sums, scale * wide.sum(axis=1), error, f"sums {n, m, k} at {level}")
        part = np.full((n, m - left), np.nan, dtype, "F")
        right = np.asfortranarray(B[:, left:].T if transpose_B else B[:, left:])
        _testing.multiply(stored_A, right, part, level, bias=bias, relu=relu, **options)
        np.testing.assert_array_equal(part, C[:, left:])
        part = np.full((n - top, m), np.nan, dtype, "F")
        below = np.asfortranarray(A[top:].T if transpose_A else A[top:])
        _testing.multiply(below, stored_B, part, level, shifts=shifts, relu=relu, **options)
        np.testing.assert_array_equal(part, E[top:])


@each_dtype
@given(data=st.data())
def test_epilogue_of_dot_products(dtype, data):
    """Bias and relu in the kernel are bitwise identical to the same steps after it, for any number of blocks."""
    n, m = (data.draw(st.sampled_from(EDGES), label=letter) for letter in "nm")
    k = data.draw(st.sampled_from([*EDGES, 1024, 1025, 2100]), label="k")
    rng = np.random.default_rng(data.draw(st.integers(0, 2**32 - 1)))
    biased, relu = (data.draw(st.booleans(), label=label) for label in ("bias", "relu"))
    A, B = rng.standard_normal((n, k)).astype(dtype), rng.standard_normal((k, m)).astype(dtype)
    bias = rng.standard_normal(n).astype(dtype) * biased
    for level in own_levels(dtype):
        call = Buffers()
        stored_A, stored_B = call.input(A.T), call.input(B)
        C, alone = (call.output(np.full((n, m), np.nan, dtype)) for _ in range(2))
        options = {"transpose_A": True, "alpha": 0.3, "by": "dots"}
        _testing.multiply(stored_A, stored_B, C, level, bias=call.input(bias) if biased else None, relu=relu, **options)
        _testing.multiply(stored_A, stored_B, alone, level, **options)
        call.check()
        Z = alone + bias[:, None]
        np.testing.assert_array_equal(C, np.where(Z <= 0, 0, Z) if relu else Z)
        assert not np.signbit(C[C == 0]).any() or not relu


@each_dtype
def test_epilogue_of_non_finite_values(dtype):
    """Relu keeps NaN and infinity. The gradient of an inactive unit is 0: dZ[Z <= 0] = 0, as in the course."""
    for level, n in itertools.product(own_levels(dtype), (5, 21)):
        A, B = np.ones((n, 2), dtype, "F"), np.ones((2, 4), dtype, "F")
        B[0] = [np.nan, np.inf, -np.inf, 1]
        C, sums = np.zeros((n, 4), dtype, "F"), np.zeros(n, dtype)
        _testing.multiply(A, B, C, level, by="tiles", bias=np.zeros(n, dtype), relu=True)
        np.testing.assert_array_equal(C, np.tile(np.array([np.nan, np.inf, 0, 2], dtype), (n, 1)))
        _testing.multiply(np.asfortranarray(A.T), B, C, level, transpose_A=True, by="dots", bias=np.zeros(n, dtype),
                          relu=True)
        np.testing.assert_array_equal(C, np.tile(np.array([np.nan, np.inf, 0, 2], dtype), (n, 1)))
        active = np.asfortranarray(np.tile(np.array([0, -1, np.nan, 1], dtype), (n, 1)))
        _testing.multiply(A, B, C, level, by="tiles", active=active, sums=sums)
        np.testing.assert_array_equal(C, np.tile(np.array([0, 0, 0, 2], dtype), (n, 1)))
        np.testing.assert_array_equal(sums, np.full(n, 2, dtype))


def test_an_unsupported_epilogue_is_refused():
    one = np.ones((1, 1))
    for options in ({"bias": np.ones(1)}, {"shifts": np.ones(1)}, {"relu": True}, {"active": one, "sums": np.ones(1)}):
        with pytest.raises(ValueError, match="only the level's own product"):
            _testing.multiply(one, one, one.copy(), 0, **options)
    for level in own_levels("float64"):
        with pytest.raises(ValueError, match="only the level's own product"):
            _testing.multiply(one, one, one.copy(), level, transpose_A=True, by="dots", active=one, sums=np.ones(1))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="fork is POSIX's")
def test_a_fork_after_refused_arguments():
    """A fork waits for running calls, so a refused call must count as ended."""
    one = np.ones((1, 1))
    wrong = [{"bias": np.ones(3)}, {"shifts": np.ones(3)}, {"active": one, "sums": None},
             {"active": one, "sums": np.ones(1)}, {"relu": True}, {"repetitions": 0}]
    for options in wrong:
        with pytest.raises((TypeError, ValueError, AttributeError)):
            _testing.multiply(one, one, one.copy(), 0, **options)
    pid = os.fork()
    if pid == 0:
        os._exit(0)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize(
    "shapes",
    [
        ((3, 2), (3, 4), (3, 4)),
        ((3, 2), (2, 4), (4, 3)),
        ((3, 0), (0, 4), (3, 4)),
        ((2, 3), (2, 4), (3, 4)),
    ],
)
def test_mismatched_shapes_are_refused(shapes):
    A, B, C = (np.zeros(shape, order="F") for shape in shapes)
    for level in (None, *own_levels("float64")):
        with pytest.raises(ValueError, match="do not chain"):
            _testing.multiply(A, B, C, level)


@pytest.mark.skipif(registry.ALL_LEVELS[0] != "baseline", reason="every level has kernels of its own: NEON")
@pytest.mark.parametrize(("by", "transpose_A"), [("tiles", False), ("dots", True)])
def test_a_level_without_products_is_refused(by, transpose_A):
    one = np.ones((1, 1))
    with pytest.raises(ValueError, match="leaves products to BLAS"):
        _testing.multiply(one, one, one.copy(), 0, by=by, transpose_A=transpose_A)


def test_check_dimension():
    for size in (0, 1, 2**31 - 1, np.int64(7), True):
        assert blas.check_dimension(size, "n[1]") == size
    for size in (-1, 2**31, 2**32, 2**64, -(2**31)):
        with pytest.raises(ValueError, match=r"n\[1\] must be from 0 to 2147483647"):
            blas.check_dimension(size, "n[1]")
    for size in (1.0, 2.5, float("nan"), "1", None, (), np.zeros(2), 1j):
        with pytest.raises(TypeError):
            blas.check_dimension(size, "n[1]")
