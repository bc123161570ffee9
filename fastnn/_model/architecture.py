"""The architecture of a network: layer sizes, activations and dtype."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np

from fastnn._core.registry import ACTIVATIONS
from fastnn._data import checks

__all__ = ["Architecture"]


@dataclass(frozen=True)
class Architecture:
    """Layer sizes, activations and dtype: everything about a network except its objective and its parameters.

    Attributes
    ----------
    sizes : tuple of int
        n[0], ..., n[L].
    activations : tuple of str
        One name per layer, the output's last.
    dtype : dtype
        float32 or float64, of parameters and outputs.
    """

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    dtype: np.dtype[Any]

    @classmethod
    def check(cls, layer_sizes: Any, *, activation: Any, output: Any, dtype: Any) -> Self:
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
        return cls(sizes, (*hidden, output), checks.dtype(dtype))

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

    def summary(self, loss: str) -> str:
        """Return a table of the layers' dimensions; `loss` is the loss's name."""
        rows = [("layer", "activation", "W[l]", "b[l]", "Z[l], A[l]", "parameters")]
        for l, (n_prev, n, name) in enumerate(zip(self.sizes[:-1], self.sizes[1:], self.activations, strict=True), 1):
            rows.append((str(l), name, f"({n}, {n_prev})", f"({n}, 1)", f"({n}, m)", f"{n * (n_prev + 1):,}"))
        rows.append(("", "", "", "", "total", f"{n_parameters(self.sizes):,}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join([*map(str.ljust, row[:-1], widths), row[-1].rjust(widths[-1])]) for row in rows]
        return "\n".join([f"X: (m, {self.n_features}), A[0] = X^T: ({self.n_features}, m), loss: {loss}, "
                          f"{self.dtype.name}", *lines])


def n_parameters(sizes: Sequence[int]) -> int:
    """Return P, the number of weights and biases of layers of these sizes."""
    return sum((n_prev + 1) * n for n_prev, n in pairwise(sizes))
