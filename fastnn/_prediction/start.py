"""The parameters that a network starts from."""

import math
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import initializers
from fastnn._data import checks
from fastnn._data.sparse import SparseRows
from fastnn._model.architecture import Architecture
from fastnn._model.parameters import Parameters
from fastnn._prediction.layers import LayerCalls, linear

__all__ = ["draw", "fit_to", "sample"]


def draw(architecture: Architecture, parameters: Parameters, init: str, rng: np.random.Generator) -> None:
    """Draw the weights, then the parameters of the embedding; set all others to their constants."""
    for W, activation in zip(parameters.views()[0], architecture.activations, strict=True):
        initializers.fill(W, init, activation, rng)
    parameters.biases.fill(0)
    named = parameters.layout.named(parameters.theta)
    for name in architecture.extra_shapes:
        named[name].fill(1)
    embedding = architecture.embedding
    if embedding is None:
        return
    bound = 1 / math.sqrt(embedding.n_frequencies)
    shapes = embedding.shapes
    named["frequencies"][...] = rng.normal(0, embedding.frequency_scale, shapes["frequencies"])
    named["phases"][...] = rng.uniform(-math.pi, math.pi, shapes["phases"])
    named["weights"][...] = rng.uniform(-bound, bound, shapes["weights"])
    named["biases"][...] = rng.uniform(-bound, bound, shapes["biases"])
    first = 0
    for count in embedding.categories.values():  # one after another, to limit the memory of the draws
        vectors = named["vectors"][first : first + count]
        vectors[...] = rng.standard_normal(vectors.shape)
        vectors[0] = 0  # a missing or unknown category
        first += count


def sample(X: Any, architecture: Architecture) -> NDArray[Any]:
    """Return rows to start from (m, n[0]) in the network's dtype.

    Raises
    ------
    ValueError, TypeError
        If X is not (m, n[0]) finite real numbers, or sparse.
    """
    features = checks.features(X, architecture.n_features, architecture.dtype)
    if isinstance(features, SparseRows):
        raise ValueError("initialize takes no sparse X: give it a few hundred rows as an array")
    return features


def fit_to(X: NDArray[Any], architecture: Architecture, parameters: Parameters, rng: np.random.Generator) -> None:
    """Draw W and b of each layer for its inputs A[l-1], those of the rows of X."""
    calls = LayerCalls(architecture, parameters)
    A: Any = calls.inputs(X)
    for l, (W, b) in enumerate(zip(calls.W, calls.b, strict=True)):
        initializers.fill_from_data(W, b, A, rng)
        Z = linear(W, A)
        A = np.empty_like(Z)
        calls.activate(l, Z, A)
