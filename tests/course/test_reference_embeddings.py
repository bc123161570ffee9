"""The reference of the input stage: small cases by hand, and its gradients against differences."""

import numpy as np
import pytest

from fastnn import reference

NUMBERS, CATEGORIES = (0, 3), {1: 3}


def parameters(rng, scaled=True):
    made = {"frequencies": rng.normal(size=(2, 5)), "phases": rng.uniform(-np.pi, np.pi, (2, 5)),
            "weights": rng.normal(size=(2, 2, 5)), "biases": rng.normal(size=(2, 2)),
            "vectors": rng.normal(size=(3, 4))}
    return made | ({"scale": rng.normal(size=11)} if scaled else {})


def examples(rng, m=6):
    X = rng.normal(size=(4, m))
    X[1] = rng.integers(0, 3, m)
    return X


def test_a_number_of_one_frequency():
    """x, and 2 cos(2 pi / 4 + pi) + 3 = 3 at x = 1; the factors multiply both."""
    made = {"frequencies": [[0.25]], "phases": [[np.pi]], "weights": [[[2.0]]], "biases": [[3.0]],
            "vectors": np.zeros((0, 1))}
    np.testing.assert_allclose(reference.embed([[1.0]], [0], {}, made), [[1.0], [3.0]])
    scaled = made | {"scale": [10.0, 100.0]}
    np.testing.assert_allclose(reference.embed([[1.0]], [0], {}, scaled), [[10.0], [300.0]])


def test_vectors_follow_the_columns_and_unknown_codes_are_0():
    vectors = np.arange(10.0).reshape(5, 2)
    made = {"frequencies": np.zeros((0, 1)), "phases": np.zeros((0, 1)), "weights": np.zeros((0, 1, 1)),
            "biases": np.zeros((0, 1)), "vectors": vectors}
    A = reference.embed([[1, 3, np.nan, -1, 0.5], [7] * 5, [1] * 5], [], {2: 2, 0: 3}, made)
    np.testing.assert_array_equal(A[:2], vectors[[1, 0, 0, 0, 0]].T)
    np.testing.assert_array_equal(A[2], [7] * 5)
    np.testing.assert_array_equal(A[3:], np.tile(vectors[[4]].T, 5))


@pytest.mark.parametrize("scaled", [True, False])
def test_gradients_agree_with_central_differences(scaled):
    """The third derivatives are below (2 pi |x|)^3 |U s dA| < 1e5 here: the truncation is below 1e5 h^2 / 6 = 2e-6 at
    h = 1e-5, the rounding below 1e3 eps / h = 2e-8."""
    rng = np.random.default_rng(4)
    X, made = examples(rng), parameters(rng, scaled)
    dA = rng.normal(size=(11, X.shape[1]))
    gradients = reference.embed_backward(X, dA, NUMBERS, CATEGORIES, made)
    assert gradients.keys() == made.keys()

    def J(changed):
        return np.sum(dA * reference.embed(X, NUMBERS, CATEGORIES, changed))

    for name, values in made.items():
        for index in np.ndindex(values.shape):
            step = np.zeros_like(values)
            step[index] = 1e-5
            slope = (J(made | {name: values + step}) - J(made | {name: values - step})) / 2e-5
            assert abs(gradients[name][index] - slope) < 3e-6, (name, index)


def test_what_does_not_fit_is_refused():
    rng = np.random.default_rng(0)
    X, made = examples(rng), parameters(rng)
    for numbers, categories, given in (((0, 9), CATEGORIES, made), ((0, 1), CATEGORIES, made), ((0,), CATEGORIES, made),
                                       (NUMBERS, {1: 4}, made), (NUMBERS, CATEGORIES, {}),
                                       (NUMBERS, CATEGORIES, made | {"phases": made["phases"][0]})):
        with pytest.raises(ValueError, match="must"):
            reference.embed(X, numbers, categories, given)
    with pytest.raises(ValueError, match="dA must have the shape"):
        reference.embed_backward(X, np.zeros((3, 3)), NUMBERS, CATEGORIES, made)
