"""Prediction and evaluation: the forward pass in cache-sized blocks of rows."""

from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import losses, runtime
from fastnn._core._forward import Forward
from fastnn.buffers import activation_codes, aligned_empty
from fastnn.model import Examples, Model

__all__ = ["Predictor", "metric_name"]

# Bytes of activations that a block of rows should take: it goes through all layers in the second-level cache.
BLOCK_BYTES = 256 * 1024
# Multiply-adds below which a prediction stays on the caller's thread.
THREAD_WORK = 1_000_000


def metric_name(output: str) -> str:
    """Return the name of the metric that goes with an output activation."""
    return "accuracy" if output in ("softmax", "sigmoid") else "rmse"


class Predictor:
    """The forward pass of a model; may be used from several threads at once.

    Parameters
    ----------
    model : Model
    """

    def __init__(self, model: Model) -> None:
        self.model = model
        self.work = sum(n_prev * n for n_prev, n in pairwise(model.sizes))  # multiply-adds a row
        row = (model.sizes[0] + 2 * max(model.sizes[1:])) * model.dtype.itemsize
        self.block = min(max(BLOCK_BYTES // row // 16 * 16, 32), 1024)
        self._free: dict[int, list[Forward]] = {}  # plans at rest, by their number of threads

    def _bind(self, team: int) -> Forward:
        model = self.model
        scratch = aligned_empty((team, Forward.needed(model.sizes, self.block)), model.dtype)
        return Forward(level=runtime.LEVEL, sizes=model.sizes, activations=activation_codes(model.activations),
                       row_major=model.layout.row_major, theta=model.theta, scratch=scratch, block=self.block)

    def outputs(self, X: NDArray[Any], *, raw: bool = False, n_threads: int | None = None) -> NDArray[Any] | None:
        """Return A[L] of each row of X (m, n[0]) as a C-ordered (m, n[L]) array; with `raw`, Z[L].

        Returns None if X holds NaN or infinity.
        """
        m = len(X)
        small = m * self.work < THREAD_WORK
        team = 1 if small or m <= self.block else runtime.thread_count(n_threads)
        out = np.empty((m, self.model.sizes[-1]), self.model.dtype)
        idle = self._free.setdefault(team, [])
        try:
            plan = idle.pop()
        except IndexError:
            plan = self._bind(team)
        # Without threads of ours a large product may have BLAS's, as many as were asked for.
        limit = nullcontext() if small else runtime.blas_threads(1 if team > 1 else runtime.thread_count(n_threads))
        with limit:
            finite = plan.run(X, out, raw)
        idle.append(plan)
        return out if finite else None

    def evaluate(self, examples: Examples, n_threads: int | None = None) -> tuple[float, float]:
        """Return (J, metric) on the examples; the metric is named by `metric_name`.

        The accuracy of several sigmoid outputs counts an example as right when all its outputs are.
        """
        model = self.model
        outputs = self.outputs(examples.X, raw=model.loss != "squared_error", n_threads=n_threads)
        assert outputs is not None, "examples are checked before"
        metric = self._metric(outputs, examples)
        total = len(examples) if examples.weights is None else float(examples.weights.sum(dtype=np.float64))
        J = losses.weighted_sum(model.loss, outputs, examples.Y, examples.weights, runtime.LEVEL) / total
        if model.l2:
            weights = model.theta[: model.layout.n_weights]
            J += 0.5 * model.l2 * float(np.einsum("i,i->", weights, weights, dtype=np.float64))
        return J, metric

    def _metric(self, outputs: NDArray[Any], examples: Examples) -> float:
        if self.model.output == "softmax":
            labels = examples.Y if examples.Y.ndim == 1 else examples.Y.argmax(axis=1)
            return float(np.average(outputs.argmax(axis=1) == labels, weights=examples.weights))
        if self.model.output == "sigmoid":
            threshold = 0 if self.model.loss == "binary_cross_entropy" else 0.5
            right = ((outputs > threshold) == (examples.Y > 0.5)).all(axis=1)
            return float(np.average(right, weights=examples.weights))
        squares = np.square(np.subtract(outputs, examples.Y, dtype=np.float64)).mean(axis=1)
        return float(np.sqrt(np.average(squares, weights=examples.weights)))
