"""The network behind an estimator: an arena of the core, viewed as scikit-learn's coefs_ and intercepts_."""

from collections.abc import Sequence
from dataclasses import replace
from operator import is_
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastnn._model.architecture import Architecture
from fastnn._model.parameters import Parameters
from fastnn._prediction.predictor import Predictor

__all__ = ["CoreNetwork"]

# The core's names of activations, where they differ from scikit-learn's.
CORE_NAMES = {"logistic": "sigmoid"}


class CoreNetwork:
    """An architecture and its parameters in the core, with views of the parameters.

    Parameters
    ----------
    architecture : Architecture
    parameters : Parameters

    Attributes
    ----------
    coefs : list of ndarray (n[l-1], n[l])
        Transposed views of W[l].
    intercepts : list of ndarray (n[l],)
        Views of b[l].
    predictor : Predictor
    """

    def __init__(self, architecture: Architecture, parameters: Parameters) -> None:
        self.architecture, self.parameters = architecture, parameters
        self.predictor = Predictor(architecture, parameters)
        W, b = parameters.views()
        self.coefs = [W_l.T for W_l in W]
        self.intercepts = [b_l[:, 0] for b_l in b]

    @classmethod
    def allocate(cls, sizes: Sequence[int], hidden: Sequence[str], output: str, dtype: Any) -> Self:
        """Return a network with uninitialised parameters for these layer sizes and scikit-learn's activations."""
        architecture = Architecture.check(sizes, activation=[CORE_NAMES.get(name, name) for name in hidden],
                                          output=CORE_NAMES.get(output, output), dtype=dtype)
        return cls(architecture, Parameters.allocate(architecture))

    @classmethod
    def from_arrays(cls, coefs: Sequence[NDArray[Any]], intercepts: Sequence[NDArray[Any]], hidden: Sequence[str],
                    output: str) -> Self:
        """Return a network with copies of these parameters.

        Raises
        ------
        ValueError
            If the shapes are inconsistent.
        """
        coefs, intercepts = [np.asarray(W) for W in coefs], [np.asarray(b) for b in intercepts]
        sizes = [len(coefs[0]), *(np.shape(coef)[1] for coef in coefs)]
        network = cls.allocate(sizes, hidden, output, np.result_type(np.float32, *coefs, *intercepts))
        network.copy_from(coefs, intercepts)
        return network

    def copy_from(self, coefs: Sequence[NDArray[Any]], intercepts: Sequence[NDArray[Any]]) -> None:
        """Overwrite the parameters with these values."""
        for kind, mine, given in (("coefs_", self.coefs, coefs), ("intercepts_", self.intercepts, intercepts)):
            for l, (view, array) in enumerate(zip(mine, given, strict=True)):
                if np.shape(array) != view.shape:
                    raise ValueError(f"{kind}[{l}] must have shape {view.shape}, got {np.shape(array)}")
                view[...] = array

    def is_viewed_by(self, coefs: Sequence[NDArray[Any]], intercepts: Sequence[NDArray[Any]]) -> bool:
        """Return whether these arrays are the views themselves, so that values written to them are in the arena."""
        return (len(coefs) == len(self.coefs) and len(intercepts) == len(self.intercepts)
                and all(map(is_, self.coefs, coefs)) and all(map(is_, self.intercepts, intercepts)))

    def as_dtype(self, dtype: Any) -> "CoreNetwork":
        """Return this network, or a copy in another dtype."""
        if self.architecture.dtype == dtype:
            return self
        return CoreNetwork(replace(self.architecture, dtype=np.dtype(dtype)), self.parameters.as_dtype(dtype))

    def column_major(self) -> "CoreNetwork":
        """Return this network, or a copy with a column-major W[1], which products with a sparse X require."""
        parameters = self.parameters.column_major()
        return self if parameters is self.parameters else CoreNetwork(self.architecture, parameters)

    def first_layers(self, count: int) -> "CoreNetwork":
        """Return a copy of the first `count` layers."""
        whole = self.architecture
        network = CoreNetwork.allocate(whole.sizes[: count + 1], whole.activations[: count - 1],
                                       whole.activations[count - 1], whole.dtype)
        network.copy_from(self.coefs[:count], self.intercepts[:count])
        return network
