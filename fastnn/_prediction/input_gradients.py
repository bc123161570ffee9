"""The derivatives of the outputs by the inputs: back propagation from each output unit to X."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import runtime
from fastnn._core import kernels
from fastnn._core.registry import KEEPS_Z
from fastnn._data.sparse import SparseRows
from fastnn._prediction.blocks import for_each_block
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
    units = range(architecture.n_outputs) if unit is None else (unit,)
    if not kernels.all_finite(X.values if isinstance(X, SparseRows) else X, runtime.LEVEL):
        return None
    result = np.empty((len(X), len(units), architecture.sizes[0]), architecture.dtype)
    outputs = np.empty((len(X), architecture.n_outputs), architecture.dtype)

    def compute(start: int, stop: int) -> None:
        cache = predictor.caches(X[start:stop], n_threads=1)
        outputs[start:stop] = cache.A[-1].T
        for k, one in enumerate(units):
            result[start:stop, k] = _backward(predictor, cache, one, raw).T

    for_each_block(compute, len(X), predictor.block, n_threads)
    if loss is not None:
        return loss.slopes(outputs, result)
    return result if unit is None else result[:, 0]


def _backward(predictor: Predictor, cache: Cache, unit: int, raw: bool) -> NDArray[Any]:
    """Return the derivatives (n[0], m) of one unit of the output layer."""
    names, W = predictor.architecture.activations, predictor.parameters.views()[0]
    dZ = np.zeros(cache.A[-1].shape, predictor.architecture.dtype, "F")
    dZ[unit] = 1
    for l in range(len(names) - 1, -1, -1):
        if l < len(names) - 1 or not raw:
            kernels.activate_backward(names[l], (cache.Z if names[l] in KEEPS_Z else cache.A)[l], dZ,
                                      level=runtime.LEVEL)
        dA = np.empty((W[l].shape[1], dZ.shape[1]), dZ.dtype, "F")
        row_major = not W[l].flags.f_contiguous
        kernels.multiply(W[l].T if row_major else W[l], dZ, dA, transpose_A=not row_major)
        dZ = dA
    return dZ
