"""The choice of a product's kernel, one shape for each rule and for both sides of its threshold."""

import pytest

from fastnn._core import _testing, registry

WIDE, NARROW, NEON = "avx512", "avx2", "neon"

# level, shape (n, m, k), transposes of A and B, kernel; float32, so that a wide vector has 16 elements, a narrow one 8,
# that of NEON 4
RULES = [
    # dots for long sums in few columns, if A is large
    (WIDE, (64, 31, 128), "T", "dots"),
    (WIDE, (64, 32, 128), "T", "tiles"),
    (WIDE, (63, 31, 128), "T", "BLAS"),  # 63 * 128 < 8192 elements
    (WIDE, (64, 31, 127), "T", "BLAS"),
    # dots for long sums in few rows
    (WIDE, (24, 500, 400), "T", "dots"),
    (WIDE, (25, 500, 400), "T", "tiles"),  # a column of more than 96 bytes
    (WIDE, (24, 500, 341), "T", "tiles"),  # 24 * 341 < 8192 elements
    # dots in a single column, or a single tile of rows, if the sums fill a vector
    (WIDE, (40, 1, 16), "T", "dots"),
    (WIDE, (40, 1, 15), "T", "BLAS"),
    (WIDE, (5, 50, 16), "T", "dots"),
    (WIDE, (6, 50, 16), "T", "BLAS"),
    (NARROW, (3, 50, 8), "T", "dots"),
    (NARROW, (4, 50, 8), "T", "tiles"),
    (NEON, (5, 50, 4), "T", "dots"),
    (NEON, (6, 50, 4), "T", "tiles"),
    # matvec for a single column that fills a vector
    (WIDE, (16, 1, 30), "", "matvec"),
    (WIDE, (15, 1, 30), "", "BLAS"),
    (NEON, (4, 1, 30), "", "matvec"),
    (NEON, (3, 1, 30), "", "BLAS"),
    # BLAS for a small C of badly filled vectors if A is transposed
    (WIDE, (17, 50, 30), "T", "BLAS"),
    (WIDE, (17, 61, 30), "T", "tiles"),  # more than 1024 elements
    (WIDE, (16, 50, 30), "T", "tiles"),  # filled
    (NARROW, (17, 50, 30), "T", "tiles"),
    # tiles if a column fills a vector, or half a vector if A is transposed
    (WIDE, (16, 2, 30), "", "tiles"),
    (WIDE, (15, 2, 30), "", "BLAS"),
    (NEON, (4, 2, 30), "", "tiles"),
    (NEON, (3, 2, 30), "", "BLAS"),
    (WIDE, (8, 200, 30), "T", "tiles"),
    (WIDE, (7, 200, 30), "T", "BLAS"),
    # and if there are enough columns
    (WIDE, (64, 2, 30), "", "tiles"),
    (WIDE, (64, 32, 30), "T", "tiles"),
    (WIDE, (64, 31, 30), "T", "BLAS"),
    # also if columns share sets of the L1 cache
    (NARROW, (1024, 50, 30), "", "tiles"),
    (WIDE, (1024, 50, 30), "", "tiles"),
    # a transposed B changes nothing for tiles and rules out dots
    (WIDE, (64, 40, 128), "N T", "tiles"),
]  # fmt: skip


@pytest.mark.parametrize(("level", "shape", "transposes", "kernel"), RULES)
def test_each_rule_chooses_its_kernel(level, shape, transposes, kernel):
    if level not in registry.LEVELS:
        pytest.skip(f"this machine lacks {level}")
    transpose_A, transpose_B = transposes == "T", transposes == "N T"
    found = _testing.fastest(registry.LEVELS.index(level), "float32", *shape, transpose_A=transpose_A,
                             transpose_B=transpose_B)  # fmt: skip
    assert found == kernel


@pytest.mark.skipif(registry.ALL_LEVELS[0] != "baseline", reason="every level has kernels of its own: NEON")
def test_a_level_without_kernels_of_its_own_leaves_products_to_blas():
    assert {_testing.fastest(0, "float64", n, m, 200) for n in (1, 64) for m in (1, 64)} == {"BLAS"}
