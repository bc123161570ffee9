"""The derivatives of the outputs by the inputs: back propagation from each output unit to X."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import runtime
from fastnn._core import kernels
from fastnn._data.sparse import SparseRows
from fastnn._prediction.blocks import for_each_block
from fastnn._prediction.layers import LayerCalls
from fastnn._prediction.predictor import Cache, Predictor
from fastnn.losses import Loss

__all__ = ["check_output", "input_gradients"]


def check_output(output: Any, n_outputs: int) -> int | None:
    """Return the index of a chosen output, or None.

    Raises
    ------
    ValueError
        If it is no whole number from 0 to n_outputs - 1.
    """
    if output is None:
        return None
    if not isinstance(output, Integral) or isinstance(output, bool) or not 0 <= int(output) < n_outputs:
        raise ValueError(f"output must be None or a whole number from 0 to {n_outputs - 1}, got {output!r}")
    return int(output)


def input_gradients(predictor: Predictor, X: NDArray[Any] | SparseRows, *, unit: int | None = None, raw: bool = False,
                    loss: Loss | None = None, n_threads: int | None = None) -> NDArray[Any] | None:
    """Return dA[L]/dX, or with `raw` dZ[L]/dX, as (m, n[L], n[0]); for one unit of the output layer as (m, n[0]).

    With a `loss`, return the derivatives of what it predicts, in the shape of `Loss.slopes`. Returns None if X holds
    NaN or infinity.
    """
    architecture = predictor.architecture
    if architecture.embedding is not None and architecture.embedding.categories:
        raise ValueError("input_gradients needs numbers: a network with categories in its embedding has no derivative "
                         "by their codes")
    units = range(architecture.n_outputs) if unit is None else (unit,)
    if not kernels.all_finite(X.values if isinstance(X, SparseRows) else X, runtime.LEVEL):
        return None
    result = np.empty((len(X), len(units), architecture.sizes[0]), architecture.dtype)
    outputs = np.empty((len(X), architecture.n_outputs), architecture.dtype)

    calls = LayerCalls(architecture, predictor.parameters)

    def compute(start: int, stop: int) -> None:
        rows = X[start:stop]
        cache = predictor.caches(rows, n_threads=1)
        outputs[start:stop] = cache.A[-1].T
        for k, one in enumerate(units):
            dA = _backward(calls, cache, one, raw)
            result[start:stop, k] = _through_inputs(predictor, rows, dA) if architecture.has_inputs else dA.T

    for_each_block(compute, len(X), predictor.block, n_threads)
    if loss is not None:
        return loss.slopes(outputs, result)
    return result if unit is None else result[:, 0]


def _backward(calls: LayerCalls, cache: Cache, unit: int, raw: bool) -> NDArray[Any]:
    """Return the derivatives (width, m) of one unit of the output layer by A[0]."""
    dZ = np.zeros_like(cache.A[-1])
    dZ[unit] = 1
    for l in range(len(calls.W) - 1, -1, -1):
        if l < len(calls.W) - 1 or not raw:
            calls.activate_backward(l, cache.Z[l], cache.A[l], dZ)
        dZ = calls.linear_backward(l, dZ)
    return dZ


def _through_inputs(predictor: Predictor, X: Any, dA: NDArray[Any]) -> NDArray[Any]:
    """Return the derivatives (m, n[0]) by X of those (width, m) by A[0]."""
    architecture = predictor.architecture
    named = predictor.parameters.layout.named(predictor.parameters.theta)
    dE = dA.T * named["scale"] if architecture.scale_inputs else dA.T
    if architecture.embedding is None:
        return dE
    numbers, K = list(architecture.embedding.numbers), architecture.embedding.n_outputs
    first = np.array(architecture.embedding.first_rows(architecture.n_features))
    dX = dE[:, first[:-1]]
    outputs = dE[:, first[numbers][:, None] + np.arange(1, 1 + K)]  # (m, N, K)
    v, c, U = named["frequencies"], named["phases"], named["weights"]
    slopes = -2 * np.pi * v * np.sin(2 * np.pi * v * X[:, numbers, None] + c)  # of the cosines, (m, N, F)
    dX[:, numbers] += np.einsum("jnk,nkf,jnf->jn", outputs, U, slopes)
    return dX
