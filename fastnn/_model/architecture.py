"""The architecture of a network: layer sizes, activations and dtype."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from fastnn._core.registry import ACTIVATIONS
from fastnn._data import checks
from fastnn._model.parts import mixture_name
from fastnn.embeddings import Embedding

__all__ = ["Architecture"]


@dataclass(frozen=True)
class Architecture:
    """Everything about a network except its objective and its parameters.

    Attributes
    ----------
    sizes : tuple of int
        n[0], ..., n[L].
    activations : tuple of str
        One name per layer, the output's last.
    dtype : dtype
        float32 or float64, of parameters and outputs.
    embedding : Embedding or None
        How the columns of X become rows of A[0].
    scale_inputs : bool
        Each row of A[0] has a learned factor.
    activation_mixture : bool
        Each hidden unit has a learned mixture of its activation and the identity.
    """

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    dtype: np.dtype[Any]
    embedding: Embedding | None = None
    scale_inputs: bool = False
    activation_mixture: bool = False

    @classmethod
    def check(cls, layer_sizes: Any, *, activation: Any, output: Any, dtype: Any, embedding: Any = None,
              scale_inputs: Any = False, activation_mixture: Any = False) -> Self:
        """Build an architecture from the arguments of `Network`.

        Raises
        ------
        ValueError, TypeError
            If an argument is not as `Network` describes it.
        """
        sizes = checks.layer_sizes(layer_sizes)
        hidden = checks.hidden_activations(activation, len(sizes) - 2, ACTIVATIONS)
        output = checks.name(output, ACTIVATIONS, "output")
        if output == "softmax" and sizes[-1] < 2:
            raise ValueError(f"a softmax output needs n[L] >= 2, got {sizes[-1]}; for two classes on one unit use "
                             "output='sigmoid'")
        if not (embedding is None or isinstance(embedding, Embedding)):
            raise TypeError(f"embedding must be a fastnn.embeddings.Embedding or None, got {checks.shown(embedding)}")
        mixture = checks.flag(activation_mixture, "activation_mixture")
        if mixture and "softmax" in hidden:
            raise ValueError("activation_mixture needs activations of single units in the hidden layers, not softmax")
        architecture = cls(sizes, (*hidden, output), checks.dtype(dtype), embedding,
                           checks.flag(scale_inputs, "scale_inputs"), mixture)
        if architecture.n_parameters > checks.MOST_PARAMETERS:
            raise ValueError("the network has more parameters than any memory holds")
        return architecture

    @property
    def output(self) -> str:
        """The output layer's activation."""
        return self.activations[-1]

    @property
    def hidden(self) -> tuple[str, ...]:
        """The activations of the hidden layers."""
        return self.activations[:-1]

    @property
    def n_features(self) -> int:
        """n[0]."""
        return self.sizes[0]

    @property
    def n_outputs(self) -> int:
        """n[L]."""
        return self.sizes[-1]

    @property
    def has_inputs(self) -> bool:
        """Whether there is an input stage, so that A[0] is not X^T."""
        return self.scale_inputs or self.embedding is not None

    @property
    def has_parts(self) -> bool:
        """Whether there is more than layers: an input stage or mixtures."""
        return self.has_inputs or self.activation_mixture

    @property
    def widths(self) -> tuple[int, ...]:
        """The rows of A[0], ..., A[L]: `sizes`, with those that the embedding makes of X instead of n[0]."""
        if self.embedding is None:
            return self.sizes
        return (self.embedding.width(self.n_features), *self.sizes[1:])

    @property
    def extra_shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of all parameters except W and b, by name, in the order of the arena."""
        shapes: dict[str, tuple[int, ...]] = {"scale": self.widths[:1]} if self.scale_inputs else {}
        if self.embedding is not None:
            shapes |= self.embedding.shapes
        if self.activation_mixture:
            shapes |= {mixture_name(l): (n,) for l, n in enumerate(self.sizes[1:-1], 1)}
        return shapes

    @property
    def n_parameters(self) -> int:
        """P."""
        return n_parameters(self.widths) + sum(map(math.prod, self.extra_shapes.values()))

    def summary(self, loss: str) -> str:
        """Return a table of the layers' dimensions; `loss` is the loss's name."""
        rows, widths = [("layer", "activation", "W[l]", "b[l]", "Z[l], A[l]", "parameters")], self.widths
        extras = {name: math.prod(shape) for name, shape in self.extra_shapes.items()}
        for l, (n_prev, n, name) in enumerate(zip(widths[:-1], widths[1:], self.activations, strict=True), 1):
            own = extras.pop(mixture_name(l), 0)
            rows.append((str(l), f"{name} mixture" if own else name, f"({n}, {n_prev})", f"({n}, 1)", f"({n}, m)",
                         f"{n * (n_prev + 1) + own:,}"))
        if self.has_inputs:
            what = ["embedding"] * (self.embedding is not None) + ["scale"] * self.scale_inputs
            rows.insert(1, ("0", ", ".join(what), "", "", f"({widths[0]}, m)", f"{sum(extras.values()):,}"))
        rows.append(("", "", "", "", "total", f"{self.n_parameters:,}"))
        lengths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join([*map(str.ljust, row[:-1], lengths), row[-1].rjust(lengths[-1])]) for row in rows]
        return "\n".join([f"X: (m, {self.n_features}), A[0]{'' if self.has_inputs else ' = X^T'}: ({widths[0]}, m), "
                          f"loss: {loss}, {self.dtype.name}", *lines])


def n_parameters(sizes: Sequence[int]) -> int:
    """Return P, the number of weights and biases of layers of these sizes."""
    return sum((n_prev + 1) * n for n_prev, n in pairwise(sizes))
