"""Random networks, targets, and pairs of losses and outputs, for the tests of the reference."""

import itertools

import numpy as np
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnn import reference

EPS = np.finfo(np.float64).eps

# Each loss with the outputs to test it with; the squared error with all, since losses computed from A share the code.
FROM_Z = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "poisson": "exp"}
PER_TARGET = {"gaussian": 2}  # output units
FROM_A = [loss for loss in reference.LOSSES if loss not in (*FROM_Z, *PER_TARGET, "squared_error")]
PAIRS = [
    *FROM_Z.items(),
    *(("squared_error", name) for name in reference.ACTIVATIONS),
    *((loss, output) for loss in FROM_A for output in ("identity", "softmax")),
    ("gaussian", "identity"),
]
PARAMETERS = {  # values to test, for losses with a parameter
    "cross_entropy": (0.0, 0.1, 1.0),
    "binary_cross_entropy": (0.0, 0.1, 1.0),
    "huber": (0.25, 1.0),
    "quantile": (0.1, 0.5, 0.8),
}

seeds = st.integers(0, 2**32 - 1)
columns = hnp.arrays(np.float64, hnp.array_shapes(min_dims=2, max_dims=2, max_side=7), elements=st.floats(-30, 30))


def parameters(loss):
    return st.sampled_from(PARAMETERS.get(loss, (0.0,)))


def random_network(rng, sizes, activations):
    W = [rng.uniform(-1, 1, (n, n_prev)) for n_prev, n in itertools.pairwise(sizes)]
    b = [rng.uniform(-1, 1, (n, 1)) for n in sizes[1:]]
    return W, b, list(activations)


def random_targets(rng, loss, n, m):
    if loss == "cross_entropy":
        return reference.one_hot(rng.integers(n, size=m), n)
    if loss == "binary_cross_entropy":
        return rng.integers(2, size=(n, m)).astype(float)
    if loss == "poisson":
        return rng.poisson(1.5, (n, m)).astype(float)
    return rng.uniform(-2, 2, (n // PER_TARGET.get(loss, 1), m))


def kink_distance(loss, parameter, A, Y):
    """The distance of the outputs from a jump of the loss or of its derivative."""
    if loss in ("absolute", "quantile"):
        return np.min(np.abs(A - Y))
    if loss == "gaussian":
        return np.min(np.abs(A[len(Y) :] + 50))
    return np.min(np.abs(np.abs(A - Y) - parameter)) if loss == "huber" else np.inf


def error_of(function, *arguments, **keywords):
    """The type and text of the error that a call raises."""
    try:
        function(*arguments, **keywords)
    except (ValueError, TypeError) as error:
        return f"{type(error).__name__}: {error}"
    raise AssertionError("nothing was raised")


def ones(*shapes):
    return [np.ones(shape) for shape in shapes]
