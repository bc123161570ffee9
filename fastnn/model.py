"""What a network is, numerically: sizes, activations, loss and the parameter arena; and examples for it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from fastnn import initializers, losses, validation
from fastnn._core._ops import ACTIVATIONS
from fastnn.buffers import ParameterLayout, aligned_empty, weight_orders

__all__ = ["Examples", "Model", "Parts"]


@dataclass
class Examples:
    """Checked data: X (m, n[0]), targets as `losses.prepare_targets` gives them, weights (m,) or None."""

    X: NDArray[Any]
    Y: NDArray[Any]
    weights: NDArray[Any] | None
    y_ndim: int = 1  # of the targets as they were given

    def __len__(self) -> int:
        return len(self.X)

    def sample(self, count: int) -> "Examples":
        """Return a copy of up to `count` examples with weight, evenly spaced, so that sorted data are all there."""
        some = np.arange(len(self)) if self.weights is None else np.flatnonzero(self.weights)
        return self.take(some[:: max(1, len(some) // count)][:count])

    def take(self, rows: NDArray[Any]) -> "Examples":
        """Return a copy of the examples at these positions."""
        return replace(self, X=self.X[rows], Y=self.Y[rows],
                       weights=None if self.weights is None else self.weights[rows])

    def parts(self, size: int) -> Iterator["Examples"]:
        """Yield the examples in blocks of up to `size`, not copied."""
        for start in range(0, len(self), size):
            yield self.rows(start, start + size)

    def rows(self, start: int, stop: int) -> "Examples":
        """Return the examples `start` to `stop`, not copied."""
        part = slice(start, stop)
        return Examples(self.X[part], self.Y[part], None if self.weights is None else self.weights[part])


class Parts(Protocol):
    """Examples to evaluate, whole or read bit by bit."""

    def parts(self, size: int) -> Iterator[Examples]:
        """Yield the examples in blocks of up to `size`."""


@dataclass
class Model:
    """The part of a network that training, prediction and storage work on.

    Attributes
    ----------
    sizes : tuple of int
        n[0], ..., n[L].
    activations : tuple of str
        One name per layer, the output's last.
    loss, init : str
    l2 : float
        J = mean loss + l2/2 * (sum of the squares of all weights).
    dtype : dtype
    layout : ParameterLayout
    theta : ndarray (P,)
        The parameter arena.
    y_ndim : int
        Of the targets that were fitted last: 1 or 2.
    """

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str
    init: str
    l2: float
    dtype: np.dtype[Any]
    layout: ParameterLayout
    theta: NDArray[Any]
    y_ndim: int

    @classmethod
    def build(cls, layer_sizes: Any, *, activation: Any, output: Any, loss: Any, init: Any, l2: Any,
              dtype: Any) -> Self:
        """Check the arguments of `Network` and allocate its parameters, uninitialised.

        Raises
        ------
        ValueError, TypeError
            If an argument is not as `Network` describes it, or the parameters do not fit in memory.
        """
        sizes = validation.layer_sizes(layer_sizes)
        hidden = validation.hidden_activations(activation, len(sizes) - 2, ACTIVATIONS)
        output = validation.name(output, ACTIVATIONS, "output")
        if output == "softmax" and sizes[-1] < 2:
            raise ValueError(f"a softmax output needs n[L] >= 2, got {sizes[-1]}; for two classes on one unit use "
                             "output='sigmoid'")
        loss = losses.resolve(loss, output)
        init = validation.name(init, ("auto", *initializers.INITIALIZERS), "init")
        l2 = validation.number(l2, "l2", minimum=0)
        dtype = validation.dtype(dtype)
        layout = ParameterLayout(sizes, weight_orders(sizes))
        try:
            theta = aligned_empty(layout.size, dtype)
        except MemoryError:
            raise ValueError(f"layer_sizes {list(sizes)}: {layout.size:,} parameters of {dtype.name} do not fit in "
                             "memory") from None
        return cls(sizes, (*hidden, output), loss, init, l2, dtype, layout, theta, 1 if sizes[-1] == 1 else 2)

    @property
    def output(self) -> str:
        """The output layer's activation."""
        return self.activations[-1]

    def initialize(self, rng: np.random.Generator) -> None:
        """Draw new weights and set the biases to zero."""
        W, _ = self.layout.views(self.theta)
        for W_l, activation in zip(W, self.activations, strict=True):
            initializers.fill(W_l, self.init, activation, rng)
        self.theta[self.layout.n_weights :] = 0

    def examples(self, X: Any, y: Any, weights: Any, prefix: str = "", *, part: bool = False) -> Examples:
        """Return the checked data; `prefix` comes before their names in error texts, `part` says it is not all."""
        features = validation.features(X, self.sizes[0], self.dtype, what=f"{prefix}X")
        m = len(features)
        Y = losses.prepare_targets(y, m=m, n_out=self.sizes[-1], output=self.output, loss=self.loss,
                                   dtype=self.dtype, what=f"{prefix}y")
        weights = validation.sample_weight(weights, m, self.dtype, what=f"{prefix}sample_weight", part=part)
        return Examples(features, Y, weights, np.ndim(y))

    def summary(self) -> str:
        """Return the notes' table of dimensions."""
        rows = [("layer", "activation", "W[l]", "b[l]", "Z[l], A[l]", "parameters")]
        for l, (n_prev, n, name) in enumerate(zip(self.sizes[:-1], self.sizes[1:], self.activations, strict=True), 1):
            rows.append((str(l), name, f"({n}, {n_prev})", f"({n}, 1)", f"({n}, m)", f"{n * (n_prev + 1):,}"))
        rows.append(("", "", "", "", "total", f"{self.layout.size:,}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join([*map(str.ljust, row[:-1], widths), row[-1].rjust(widths[-1])]) for row in rows]
        return "\n".join([f"X: (m, {self.sizes[0]}), A[0] = X^T: ({self.sizes[0]}, m), loss: {self.loss}, "
                          f"{self.dtype.name}", *lines])
