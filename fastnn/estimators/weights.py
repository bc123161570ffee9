"""The parameters of an estimator: one arena of the core, seen as scikit-learn's coefs_ and intercepts_."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastnn._model.model import Model
from fastnn._prediction.predictor import Predictor

__all__ = ["CORE_NAMES", "Weights"]

# The activations that the core knows by another name.
CORE_NAMES = {"logistic": "sigmoid"}


class Weights:
    """One parameter arena and its views.

    Parameters
    ----------
    model : Model
        Its loss and penalties do not matter: training has its own.

    Attributes
    ----------
    coefs : list of ndarray (n[l-1], n[l])
        The transposes of the notes' W[l].
    intercepts : list of ndarray (n[l],)
    predictor : Predictor
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.predictor = Predictor(model)
        W, b = model.layout.views(model.theta)
        self.coefs = [W_l.T for W_l in W]
        self.intercepts = [b_l[:, 0] for b_l in b]

    @classmethod
    def allocate(cls, sizes: Sequence[int], hidden: Sequence[str], output: str, dtype: Any) -> Self:
        """Return uninitialised parameters of a network of these sizes; activations by scikit-learn's names."""
        hidden = [CORE_NAMES.get(name, name) for name in hidden]
        return cls(Model.build(sizes, activation=hidden, output=CORE_NAMES.get(output, output), loss="auto",
                               init="zeros", l2=0.0, dtype=dtype))

    @classmethod
    def of(cls, coefs: Sequence[NDArray[Any]], intercepts: Sequence[NDArray[Any]], hidden: Sequence[str],
           output: str) -> Self:
        """Return copies of these parameters.

        Raises
        ------
        ValueError
            If their shapes do not fit each other.
        """
        coefs, intercepts = [np.asarray(W) for W in coefs], [np.asarray(b) for b in intercepts]
        sizes = [len(coefs[0]), *(np.shape(coef)[1] for coef in coefs)]
        weights = cls.allocate(sizes, hidden, output, np.result_type(np.float32, *coefs, *intercepts))
        weights.copy_from(coefs, intercepts)
        return weights

    def copy_from(self, coefs: Sequence[NDArray[Any]], intercepts: Sequence[NDArray[Any]]) -> None:
        """Take these values."""
        for kind, mine, given in (("coefs_", self.coefs, coefs), ("intercepts_", self.intercepts, intercepts)):
            for l, (view, array) in enumerate(zip(mine, given, strict=True)):
                if np.shape(array) != view.shape:
                    raise ValueError(f"{kind}[{l}] must have shape {view.shape}, got {np.shape(array)}")
                view[...] = array

    def are(self, coefs: Sequence[NDArray[Any]], intercepts: Sequence[NDArray[Any]]) -> bool:
        """Tell whether these are the views themselves, so that whatever was written to them is in the arena."""
        return (len(coefs) == len(self.coefs) and len(intercepts) == len(self.intercepts)
                and all(mine is given for mine, given in zip(self.coefs, coefs, strict=True))
                and all(mine is given for mine, given in zip(self.intercepts, intercepts, strict=True)))

    def as_dtype(self, dtype: Any) -> "Weights":
        """Return these parameters, or a copy in another dtype."""
        model = self.model
        if model.dtype == dtype:
            return self
        return Weights(replace(model, dtype=np.dtype(dtype), theta=model.layout.moved(model.theta.astype(dtype),
                                                                                      model.layout)))

    def column_major(self) -> "Weights":
        """Return these parameters, or a copy whose W[1] is column-major, as products with a sparse X need it."""
        model = self.model.column_major()
        return self if model is self.model else Weights(model)

    def layers_below(self, count: int) -> "Weights":
        """Return a copy of the first `count` layers as a network of their own."""
        model = self.model
        below = Weights.allocate(model.sizes[: count + 1], model.activations[: count - 1],
                                 model.activations[count - 1], model.dtype)
        below.copy_from(self.coefs[:count], self.intercepts[:count])
        return below
