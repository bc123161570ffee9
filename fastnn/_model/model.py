"""What a network is, numerically: sizes, activations, loss and the parameter arena; and examples for it."""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol, Self

import numpy as np
from numpy.typing import NDArray

from fastnn import initializers, losses
from fastnn._core.registry import ACTIVATIONS
from fastnn._data import checks
from fastnn._data.sparse import SparseRows
from fastnn._model.parameters import ParameterLayout, aligned_empty, weight_orders
from fastnn.losses import Loss

__all__ = ["Examples", "Model", "Parts"]


@dataclass
class Examples:
    """Checked data: X (m, n[0]), dense or sparse, targets as `losses.prepare_targets` gives, weights (m,) or None."""

    X: NDArray[Any] | SparseRows
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

    def effective_sizes(self, sizes: tuple[int, ...]) -> tuple[int, ...]:
        """Return n[0], ..., n[L] with the non-zeros of an average row for the n[0] of a sparse X: what is worked on."""
        if isinstance(self.X, SparseRows):
            return (max(1, self.X.n_values // len(self)), *sizes[1:])
        return sizes

    def weight(self, start: int, stop: int) -> float:
        """Return the sum of the weights of some examples; without weights, their number."""
        return stop - start if self.weights is None else float(self.weights[start:stop].sum(dtype=np.float64))

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
    loss : Loss
    init : str
    l2, l1 : float
        J = mean loss + l2/2 * (sum of the squares of all weights) + l1 * (sum of their absolute values).
    dropout : tuple of float
        The rate of each hidden layer; empty where all are 0.
    dtype : dtype
    layout : ParameterLayout
    theta : ndarray (P,)
        The parameter arena.
    y_ndim : int
        Of the targets that were fitted last: 1 or 2.
    """

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    loss: Loss
    init: str
    l2: float
    l1: float
    dropout: tuple[float, ...]
    dtype: np.dtype[Any]
    layout: ParameterLayout
    theta: NDArray[Any]
    y_ndim: int

    @classmethod
    def build(cls, layer_sizes: Any, *, activation: Any, output: Any, loss: Any, init: Any, l2: Any,
              dtype: Any, l1: Any = 0.0, dropout: Any = 0.0) -> Self:
        """Check the arguments of `Network` and allocate its parameters, uninitialised.

        Raises
        ------
        ValueError, TypeError
            If an argument is not as `Network` describes it, or the parameters do not fit in memory.
        """
        sizes = checks.layer_sizes(layer_sizes)
        hidden = checks.hidden_activations(activation, len(sizes) - 2, ACTIVATIONS)
        output = checks.name(output, ACTIVATIONS, "output")
        if output == "softmax" and sizes[-1] < 2:
            raise ValueError(f"a softmax output needs n[L] >= 2, got {sizes[-1]}; for two classes on one unit use "
                             "output='sigmoid'")
        loss = losses.resolve(loss, output)
        init = checks.name(init, ("auto", *initializers.INITIALIZERS), "init")
        l2, l1 = checks.number(l2, "l2", minimum=0), checks.number(l1, "l1", minimum=0)
        rates = checks.dropout(dropout, hidden)
        dtype = checks.dtype(dtype)
        layout = ParameterLayout(sizes, weight_orders(sizes))
        try:
            theta = aligned_empty(layout.size, dtype)
        except MemoryError:
            raise ValueError(f"layer_sizes {list(sizes)}: {layout.size:,} parameters of {dtype.name} do not fit in "
                             "memory") from None
        return cls(sizes, (*hidden, output), loss, init, l2, l1, rates, dtype, layout, theta,
                   1 if sizes[-1] == 1 else 2)

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

    def column_major(self) -> Self:
        """Return this model, or a copy whose W[1] is column-major, which the products with a sparse X need."""
        if not self.layout.row_major[0]:
            return self
        layout = ParameterLayout(self.sizes, (False, *self.layout.row_major[1:]))
        return replace(self, layout=layout, theta=self.layout.moved(self.theta, layout))

    def penalty(self) -> float:
        """Return the L2 and L1 terms of J."""
        W = self.theta[: self.layout.n_weights]
        squares = 0.5 * self.l2 * float(np.einsum("i,i->", W, W, dtype=np.float64)) if self.l2 else 0.0
        return squares + (self.l1 * float(np.abs(W).sum(dtype=np.float64)) if self.l1 else 0.0)

    def examples(self, X: Any, y: Any, weights: Any, prefix: str = "", class_weight: Any = None, *,
                 part: bool = False) -> Examples:
        """Return the checked data, classes' weights in the examples'.

        `prefix` comes before their names in error texts; `part` says that they are not all.
        """
        features = checks.features(X, self.sizes[0], self.dtype, what=f"{prefix}X")
        m = len(features)
        Y = losses.prepare_targets(y, m=m, n_out=self.sizes[-1], output=self.output, loss=self.loss,
                                   dtype=self.dtype, what=f"{prefix}y")
        if class_weight is not None:
            weights = self._weights_by_class(class_weight, Y, weights, part)
        weights = checks.sample_weight(weights, m, self.dtype, what=f"{prefix}sample_weight", part=part)
        return Examples(features, Y, weights, np.ndim(y))

    def _weights_by_class(self, class_weight: Any, Y: NDArray[Any], weights: Any,
                          part: bool) -> NDArray[np.float64]:
        n_classes = 2 if self.sizes[-1] == 1 else self.sizes[-1]
        if self.output == "softmax":
            labels = Y if Y.ndim == 1 else Y.argmax(axis=1)
        elif self.output == "sigmoid" and self.sizes[-1] == 1:
            labels = Y[:, 0].astype(np.intp)
        else:
            raise ValueError("class_weight needs a softmax or a single sigmoid output")
        factors: NDArray[np.float64] = checks.class_weight(
            class_weight, np.bincount(labels, minlength=n_classes))[labels]
        given = checks.sample_weight(weights, len(labels), np.dtype(np.float64), part=part)
        return factors if given is None else factors * given

    def summary(self) -> str:
        """Return the notes' table of dimensions."""
        rows = [("layer", "activation", "W[l]", "b[l]", "Z[l], A[l]", "parameters")]
        for l, (n_prev, n, name) in enumerate(zip(self.sizes[:-1], self.sizes[1:], self.activations, strict=True), 1):
            rows.append((str(l), name, f"({n}, {n_prev})", f"({n}, 1)", f"({n}, m)", f"{n * (n_prev + 1):,}"))
        rows.append(("", "", "", "", "total", f"{self.layout.size:,}"))
        widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
        lines = ["  ".join([*map(str.ljust, row[:-1], widths), row[-1].rjust(widths[-1])]) for row in rows]
        return "\n".join([f"X: (m, {self.sizes[0]}), A[0] = X^T: ({self.sizes[0]}, m), loss: {self.loss.name}, "
                          f"{self.dtype.name}", *lines])
