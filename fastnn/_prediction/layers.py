"""The steps of a forward and backward pass as single calls, for what no plan computes."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import runtime
from fastnn._core import kernels
from fastnn._core.registry import KEEPS_Z
from fastnn._data.sparse import SparseRows
from fastnn._model.architecture import Architecture
from fastnn._model.parameters import Parameters
from fastnn._model.parts import Parts, mixture_name, refuse_sparse
from fastnn._model.workspace import aligned_empty

__all__ = ["LayerCalls", "linear"]


def linear(W: NDArray[Any], A_prev: NDArray[Any] | SparseRows, *, scale: float = 1.0) -> NDArray[Any]:
    """Return scale W A_prev (n, m) of A_prev (n_prev, m) in Fortran order; or W X^T of sparse rows X, with scale 1."""
    m = len(A_prev) if isinstance(A_prev, SparseRows) else A_prev.shape[1]
    Z = aligned_empty((len(W), m), W.dtype, "F")
    if isinstance(A_prev, SparseRows):
        kernels.sparse_linear(W, A_prev.arrays, None, Z, runtime.LEVEL)
    else:
        row_major = not W.flags.f_contiguous
        kernels.multiply(W.T if row_major else W, A_prev, Z, transpose_A=row_major, alpha=scale)
    return Z


class LayerCalls:
    """The steps of one network; layers are counted from 0.

    Parameters
    ----------
    architecture : Architecture
    parameters : Parameters

    Attributes
    ----------
    architecture : Architecture
    W, b : sequence of ndarray
        Views of the parameters.
    """

    def __init__(self, architecture: Architecture, parameters: Parameters) -> None:
        self.architecture, self.names, self._parameters = architecture, architecture.activations, parameters
        self.W, self.b = parameters.views()
        self._parts = Parts.of(architecture, parameters.layout)
        named = parameters.layout.named(parameters.theta) if architecture.activation_mixture else {}
        self._t = [named.get(mixture_name(l)) for l in range(1, len(self.names) + 1)]

    def inputs(self, X: NDArray[Any] | SparseRows) -> NDArray[Any] | SparseRows:
        """Return A[0] (width, m) of the rows of X (m, n[0]), in Fortran order; a sparse X as it is.

        Raises
        ------
        ValueError
            If X is sparse and there is an input stage.
        """
        refuse_sparse(self.architecture, X)
        if isinstance(X, SparseRows):
            return X
        columns, parts = np.asfortranarray(X.T), self._parts
        if parts is None or parts.table is None:
            return columns
        A = aligned_empty((parts.widths[0], len(X)), X.dtype, "F")
        kernels.embed(columns, self._parameters.theta, A, table=parts.table, sizes=parts.sizes, offsets=parts.offsets,
                      level=runtime.LEVEL)
        return A

    def activate(self, l: int, Z: NDArray[Any], A: NDArray[Any], *,
                 dropout: tuple[int, int, int, int] | None = None, first: int = 0) -> None:
        """Fill A (n, m) from W A_prev in Z, as `kernels.activate` does; A may be Z."""
        t = self._t[l]
        if t is None:
            kernels.activate(self.names[l], Z, self.b[l], A, runtime.LEVEL, dropout=dropout, first=first)
        else:
            Z = Z.copy(order="F") if A is Z else Z
            kernels.activate_mixed(self.names[l], Z, self.b[l], t, A, runtime.LEVEL, dropout=dropout, first=first)

    def activate_backward(self, l: int, Z: NDArray[Any], A: NDArray[Any], dZ: NDArray[Any]) -> None:
        """Turn dA in dZ (n, m) into dZ, from Z + b and A."""
        t = self._t[l]
        if t is None:
            kernels.activate_backward(self.names[l], Z if self.names[l] in KEEPS_Z else A, dZ, level=runtime.LEVEL)
        else:
            kernels.activate_mixed_backward(self.names[l], t, Z, dZ, level=runtime.LEVEL)

    def linear_backward(self, l: int, dZ: NDArray[Any]) -> NDArray[Any]:
        """Return dA_prev = W^T dZ (n_prev, m)."""
        W = self.W[l]
        dA = np.empty((W.shape[1], dZ.shape[1]), dZ.dtype, "F")
        row_major = not W.flags.f_contiguous
        kernels.multiply(W.T if row_major else W, dZ, dA, transpose_A=not row_major)
        return dA
