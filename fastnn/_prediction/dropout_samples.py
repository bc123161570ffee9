"""Predictions with dropout, as in training: mean and variance over random masks (Monte Carlo dropout)."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import runtime
from fastnn._core import kernels
from fastnn._data import checks
from fastnn._data.features import Features
from fastnn._data.sparse import SparseRows
from fastnn._prediction.blocks import for_each_block
from fastnn._prediction.layers import LayerCalls, linear
from fastnn._prediction.predictor import Predictor
from fastnn.losses import Gaussian, Loss

__all__ = ["DropoutSampler", "check_companions"]

LOW = 0xFFFFFFFF  # the lower 32 bits


def check_companions(dropout_samples: Any, **companions: Any) -> None:
    """Refuse arguments that mean nothing without `dropout_samples`.

    Raises
    ------
    ValueError
        If one is given, neither None nor False, and `dropout_samples` is None.
    """
    for name, value in companions.items():
        if dropout_samples is None and value is not None and value is not False:
            raise ValueError(f"{name} goes with dropout_samples, the number of samples to draw")


class DropoutSampler:
    """Forward passes that drop hidden units at random (Gal & Ghahramani 2016, "Dropout as a Bayesian Approximation").

    Sample s drops the units that step s of a training with this seed drops, row j being example j of its mini-batch.

    Parameters
    ----------
    predictor : Predictor
    rates : tuple of float
        Of each hidden layer; empty if there is no dropout.
    n_samples : int
    seed : int
        In [0, 2^64).
    loss : Loss, optional
        Its predictions are sampled instead of A[L]. To their variance, that of a Gaussian likelihood is added.

    Raises
    ------
    ValueError, TypeError
        If there is no dropout, or `n_samples` is no positive whole number.
    """

    def __init__(self, predictor: Predictor, rates: tuple[float, ...], n_samples: Any, seed: int,
                 loss: Loss | None = None) -> None:
        n_samples = checks.count(n_samples, "dropout_samples")
        if not any(rates):
            raise ValueError("dropout_samples needs the dropout of training, and all rates are 0")
        self.predictor, self.rates = predictor, rates
        self.loss = loss if loss is not None and loss.shapes_predictions else None
        nothing = np.zeros((1, predictor.architecture.n_outputs), predictor.architecture.dtype)
        self.shape = self._values(nothing).shape[1:]
        self.keys = [kernels.random_words(seed & LOW, seed >> 32, s & LOW, s >> 32) for s in range(n_samples)]
        self.first = next(l for l, rate in enumerate(rates) if rate)  # samples do not differ before its activation

    def over(self, X: Features, n_threads: int | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the mean and the standard deviation over the samples, in the dtype of the network, for all rows of X.

        Raises
        ------
        ValueError, TypeError
            If X is not (m, n[0]) finite real numbers.
        """
        found: list[tuple[NDArray[np.float64], NDArray[np.float64]]] = []
        row = 0
        for part, refuse in X.parts(self.predictor.chunk):
            moments = self.moments(part, row, n_threads)
            if moments is None:
                refuse()
            found.append(moments)
            row += len(part)
        mean, variance = (np.concatenate(parts) for parts in zip(*found, strict=True))
        dtype = self.predictor.architecture.dtype
        return mean.astype(dtype, copy=False), np.sqrt(variance).astype(dtype, copy=False)

    def moments(self, X: NDArray[Any] | SparseRows, first_row: int = 0,
                n_threads: int | None = None) -> tuple[NDArray[np.float64], NDArray[np.float64]] | None:
        """Return the mean and the variance over the samples, (m, n[L]) each for A[L], of rows from `first_row` on.

        Returns None if X holds NaN or infinity.
        """
        if not kernels.all_finite(X.values if isinstance(X, SparseRows) else X, runtime.LEVEL):
            return None
        mean, variance = np.empty((2, len(X), *self.shape))

        def compute(start: int, stop: int) -> None:
            mean[start:stop], variance[start:stop] = self._moments(X[start:stop], first_row + start)

        for_each_block(compute, len(X), self.predictor.block, n_threads)
        return mean, variance

    def _moments(self, X: NDArray[Any] | SparseRows, first_row: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Merge the moments of groups of samples, each of about a block of columns, by Chan, Golub & LeVeque (1983)."""
        Z, rows = self._before_dropout(X), len(X)
        size = max(1, self.predictor.block // rows)
        mean, squares = np.zeros((2, rows, *self.shape))
        for done in range(0, len(self.keys), size):
            keys = self.keys[done : done + size]
            outputs = self._outputs(Z, keys, first_row).T.astype(np.float64)
            values = self._values(outputs).reshape(len(keys), rows, *self.shape)
            own = values.mean(axis=0)
            away, total = own - mean, done + len(keys)
            squares += np.square(values - own).sum(axis=0) + away**2 * (done * len(keys) / total)
            if isinstance(self.loss, Gaussian):  # the law of total variance
                squares += np.square(self.loss.deviations(outputs)).reshape(values.shape).sum(axis=0)
            mean += away * (len(keys) / total)
        return mean, squares / len(self.keys)

    def _values(self, outputs: NDArray[Any]) -> NDArray[Any]:
        return outputs if self.loss is None else self.loss.predictions(outputs)

    def _before_dropout(self, X: NDArray[Any] | SparseRows) -> NDArray[Any]:
        """Return W[l] A[l-1] (n[l], m) of the first layer with dropout."""
        parameters = self.predictor.parameters
        if isinstance(X, SparseRows):
            parameters = parameters.column_major()
        calls = LayerCalls(self.predictor.architecture, parameters)
        A: NDArray[Any] | SparseRows = calls.inputs(X)
        for l in range(self.first):
            Z = linear(calls.W[l], A)
            calls.activate(l, Z, Z)
            A = Z
        return linear(calls.W[self.first], A)

    def _outputs(self, first_Z: NDArray[Any], keys: list[tuple[int, int]], first_row: int) -> NDArray[Any]:
        """Return A[L] (n[L], samples * m) from the result of `_before_dropout`; each sample has m columns."""
        calls = LayerCalls(self.predictor.architecture, self.predictor.parameters)
        rates = (*self.rates, 0.0)
        m = first_Z.shape[1]
        samples = [slice(s * m, (s + 1) * m) for s in range(len(keys))]
        A = np.empty((len(first_Z), len(keys) * m), first_Z.dtype, "F")
        for sample in samples:
            A[:, sample] = first_Z
        for l in range(self.first, len(rates)):
            if l > self.first:
                A = linear(calls.W[l], A, scale=1 / (1 - rates[l - 1]))
            if not rates[l]:
                calls.activate(l, A, A)
                continue
            for sample, key in zip(samples, keys, strict=True):
                part = A[:, sample]
                calls.activate(l, part, part, first=first_row * len(A), dropout=(*key, l, int(rates[l] * 2**32)))
        return A
