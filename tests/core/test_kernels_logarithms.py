"""The logarithms of probabilities, at every SIMD level and in both dtypes, against float64 and mpmath.

helpers/kernel_cases.py says how error bounds are counted.
"""

import mpmath
import numpy as np
import pytest
import scipy.special as sp
from helpers.kernel_cases import LEVELS, arrays, assert_within, each_dtype, shapes, smallest, unit_roundoff
from hypothesis import given
from hypothesis import strategies as st

from fastnn._core import kernels


def logarithms(output, Z, level):
    result = np.array(Z, order="F")
    kernels.log_probabilities(output, result, level)
    return result


@each_dtype
@pytest.mark.parametrize("output", ["softmax", "sigmoid"])
@given(data=st.data())
def test_logarithms_of_any_z(output, dtype, data):
    Z = data.draw(shapes(zero=output == "sigmoid").flatmap(lambda shape: arrays(shape, dtype)))
    Z64, u = Z.astype(np.float64), unit_roundoff(dtype)
    # Nothing cancels, so the errors are relative: of z - top, of e^(z - top), the sum of n terms, the logarithm, the
    # difference; 8 roundings of the reference, which computes the sum with its e^0 = 1, so that it rounds at 1.
    expected = -np.logaddexp(0, -Z64) if output == "sigmoid" else sp.log_softmax(Z64, axis=0)
    bound = (30 + len(Z)) * (u * np.abs(expected) + np.finfo(np.float64).eps) + 4 * smallest(dtype)
    for level in LEVELS:
        assert_within(logarithms(output, Z, level), expected, bound, f"log {output}, level {level}")


@each_dtype
@pytest.mark.parametrize("z", [0.0, 1e-3, -5.0, 30.0, 80.0, -80.0, 700.0, -700.0, -3e4])
def test_the_logarithm_is_accurate_where_the_probability_is_rounded_to_0_or_1(dtype, z):
    exact = [-mpmath.log1p(mpmath.exp(-sign * mpmath.mpf(float(np.array(z, dtype))))) for sign in (1, -1)]
    for level in LEVELS:
        column = logarithms("sigmoid", np.array([[z], [-z]], dtype), level)[:, 0]
        pair = logarithms("softmax", np.array([[z], [0]], dtype), level)[:, 0]
        tall = logarithms("softmax", np.array([z, 0] + [-3e38] * 3000, dtype)[:, None], level)[:2, 0]
        for result in (column, pair, tall):
            for value, expected in zip(result, exact, strict=True):
                # 4 roundings of the function, and of z - top, or e^-|z|, its sum and log1p: the bound of two functions
                assert abs(value - expected) <= 10 * unit_roundoff(dtype) * abs(expected) + smallest(dtype)


@each_dtype
def test_logarithms_of_extreme_z_are_no_nan(dtype):
    large = np.finfo(dtype).max / 4
    for level in LEVELS:
        assert np.array_equal(logarithms("softmax", np.array([[large], [-large], [large]], dtype), level)[:, 0],
                              np.array([-np.log(2), -2 * large, -np.log(2)], dtype))
        assert np.array_equal(logarithms("sigmoid", np.array([[large], [-large]], dtype), level)[:, 0],
                              np.array([0, -large], dtype))


def test_a_single_unit_of_softmax_has_logarithm_0():
    assert np.array_equal(logarithms("softmax", np.array([[-1e30, 3.0, 1e30]]), 0), np.zeros((1, 3)))


@pytest.mark.parametrize("output", ["relu", "identity", "exp"])
def test_outputs_that_are_no_probabilities_are_refused(output):
    with pytest.raises(ValueError, match="only softmax and sigmoid give probabilities"):
        kernels.log_probabilities(output, np.zeros((2, 3), order="F"))
