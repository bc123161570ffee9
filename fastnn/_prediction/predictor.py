"""Prediction: the forward pass over rows of any number and source, with pooled plans."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from functools import partial
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np
from numpy.typing import DTypeLike, NDArray

from fastnn import _tuning, runtime
from fastnn._core import kernels
from fastnn._core.prediction_plan import PlanPool, PredictionPlan
from fastnn._data import arrays, checks
from fastnn._data.features import Features
from fastnn._data.sources import block_rows
from fastnn._data.sparse import SparseRows
from fastnn._model.architecture import Architecture
from fastnn._model.parameters import Parameters
from fastnn._model.parts import Parts, refuse_sparse
from fastnn._model.workspace import aligned_empty
from fastnn._prediction import labels
from fastnn._prediction.layers import LayerCalls, linear

__all__ = ["Cache", "Form", "Predictor"]

NO_LIMIT = nullcontext()
Conversion = Callable[[NDArray[Any]], NDArray[Any]]

Form = Literal["outputs", "labels", "logarithms"]


class Cache(NamedTuple):
    """The Z[l] and A[l] of a forward pass: lists of (n[l], m); item 0 is layer 1, as in `Network.W`."""

    Z: list[NDArray[Any]]
    A: list[NDArray[Any]]


class Predictor:
    """The forward pass of a network. Several threads may use it at the same time.

    Parameters
    ----------
    architecture : Architecture
    parameters : Parameters

    Attributes
    ----------
    block : int
        Rows that a plan takes through all layers together.
    chunk : int
        Rows that are predicted at a time.
    max_rows_single_thread : int
        Rows up to which a second thread costs more than it saves.
    max_rows_blas_serial : int
        Rows up to which no product is large enough for BLAS's threads.
    """

    def __init__(self, architecture: Architecture, parameters: Parameters) -> None:
        self.architecture, self.parameters = architecture, parameters
        sizes, itemsize = architecture.widths, architecture.dtype.itemsize
        work = [n_prev * n for n_prev, n in pairwise(sizes)]  # multiply-adds of each layer per row
        row_bytes = (sizes[0] + 2 * max(sizes[1:])) * itemsize
        self.block = min(max(_tuning.FORWARD_BLOCK_BYTES // row_bytes // 16 * 16, _tuning.MIN_FORWARD_BLOCK_ROWS), 1024)
        self.chunk = block_rows(sizes[0] + sizes[-1], itemsize, self.block)
        self.max_rows_single_thread = (_tuning.MIN_PARALLEL_PREDICTION_WORK - 1) // sum(work)
        self.max_rows_blas_serial = (_tuning.MAX_SERIAL_BLAS_WORK - 1) // max(work)
        self._plans = PlanPool(partial(_bind, architecture, parameters, self.block), max_rows=self.chunk,
                               max_rows_single_thread=self.max_rows_single_thread, max_team=_tuning.MAX_TEAM,
                               max_serial_blas_work=_tuning.MAX_SERIAL_BLAS_WORK)

    def fast_path(self, X: Any, raw: bool = False, n_threads: int | None = None) -> NDArray[Any] | None:
        """Return the `outputs` of an X that the core reads or converts itself in one chunk, with a minimum of checks.

        Returns None if the fast path does not apply; the caller then falls back to full validation.
        """
        outputs = self._plans.fast_path(X, raw, n_threads)
        if outputs is not None:
            return outputs
        if type(X) is list:
            X = arrays.listed_rows(X)
        if type(X) is not np.ndarray or X.ndim != 2 or len(X) > self.chunk:
            return None
        with self._plan(len(X), n_threads) as plan:
            return plan.fast_path(X, raw)

    def outputs(self, X: NDArray[Any] | SparseRows, *, raw: bool = False, n_threads: int | None = None,
                out: NDArray[Any] | None = None) -> NDArray[Any] | None:
        """Return A[L] of each row of X (m, n[0]) as a C-ordered (m, n[L]) array, `out` if given; with `raw`, Z[L].

        Returns None if X holds NaN or infinity.
        """
        refuse_sparse(self.architecture, X)
        if isinstance(X, SparseRows) and self.parameters.row_major[0]:
            return self._column_major().outputs(X, raw=raw, n_threads=n_threads, out=out)
        if out is None:
            out = np.empty((len(X), self.architecture.n_outputs), self.architecture.dtype)
        with self._plan(len(X), n_threads) as plan:
            finite = plan.run(X.arrays if isinstance(X, SparseRows) else X, out, raw)
        return out if finite else None

    def predict(self, X: Features, out: NDArray[Any] | None = None, *, flat: bool = False,
                form: Form = "outputs", convert: Conversion | None = None,
                n_threads: int | None = None) -> NDArray[Any]:
        """Return A[L] of each row in some form; in `out` if given.

        Parameters
        ----------
        X : Features
            Read in chunks, so that nothing else of m x n[0] or m x n[L] elements is allocated.
        out : ndarray, optional
        flat : bool
            Return the shape (m,) instead of (m, n[L]).
        form : {"outputs", "labels", "logarithms"}
            A[L], the labels that `labels.predicted` gives for Z[L], or log A[L], computed from Z[L].
        convert : callable, optional
            Return what it makes of A[L] (m, n[L]) instead: an array (m, ...) of the same dtype.

        Raises
        ------
        ValueError, TypeError
            If `out` does not fit, or X is not (m, n[0]) finite real numbers; `out` may then be filled in part.
        """
        architecture, size = self.architecture, self.chunk
        if isinstance(X.X, SparseRows):
            if self.parameters.row_major[0]:
                return self._column_major().predict(X, out, flat=flat, form=form, convert=convert, n_threads=n_threads)
            size = block_rows(architecture.n_outputs, architecture.dtype.itemsize, self.block)
        row_shape: tuple[int, ...] = () if flat else (architecture.n_outputs,)
        if convert is not None:
            row_shape = convert(np.zeros((1, architecture.n_outputs), architecture.dtype)).shape[1:]
        results = self._results(X, out, row_shape, np.dtype(np.int64) if form == "labels" else architecture.dtype)
        for chunk, refuse in X.parts(size, out):
            self._predict_chunk(chunk, results.next(len(chunk)), refuse, form, convert, n_threads)
        return results.joined()

    def caches(self, X: NDArray[Any] | SparseRows, n_threads: int | None = None) -> Cache:
        """Return each layer's Z and A for the rows of X (m, n[0]).

        This does not use a plan, because a plan overwrites Z with A and works in chunks.
        """
        if isinstance(X, SparseRows) and self.parameters.row_major[0]:
            return self._column_major().caches(X, n_threads)
        calls, cache = LayerCalls(self.architecture, self.parameters), Cache([], [])
        threads = min(runtime.thread_count(n_threads), runtime.cores())
        with runtime.blas_threads(threads), kernels.subnormals_as_zero():
            A_prev: NDArray[Any] | SparseRows = calls.inputs(X)
            for l, W in enumerate(calls.W):
                Z, A = linear(W, A_prev), aligned_empty((len(W), len(X)), self.architecture.dtype, "F")
                calls.activate(l, Z, A)
                cache.Z.append(Z)
                cache.A.append(A)
                A_prev = A
        return cache

    def _column_major(self) -> "Predictor":
        return Predictor(self.architecture, self.parameters.column_major())

    @contextmanager
    def _plan(self, m: int, n_threads: int | None) -> Iterator[PredictionPlan]:
        """Lend a plan for `m` rows, and limit BLAS to one thread where it might use more."""
        team = 1
        if n_threads is not None or m > self.max_rows_single_thread:
            threads = runtime.thread_count(n_threads)
            if m > self.max_rows_single_thread:
                team = min(threads, _tuning.MAX_TEAM)
        plan = self._plans.take(team)
        serial = m <= self.max_rows_blas_serial or plan.blas_work(m) < _tuning.MAX_SERIAL_BLAS_WORK
        with NO_LIMIT if serial else runtime.blas_threads(1):
            yield plan
        self._plans.give_back(team, plan)

    def _results(self, X: Features, out: NDArray[Any] | None, row_shape: tuple[int, ...],
                 dtype: np.dtype[Any]) -> "_Results":
        """Return the destination of the predictions: `out`, a new array, or a list of pieces if X has no length."""
        if out is None:
            return _Results(None if X.m is None else np.empty((X.m, *row_shape), dtype), row_shape, dtype)
        m = np.shape(out)[:1] if X.m is None else (X.m,)
        array = checks.output(out, (*m, *row_shape), dtype)
        checks.apart(out, "the network's W and b", self.parameters.theta)
        checks.apart(out, "X", *X.in_memory())
        return _Results(array, row_shape, dtype)

    def _predict_chunk(self, X: NDArray[Any] | SparseRows, target: NDArray[Any], refuse: Callable[[], Any],
                       form: Form, convert: Conversion | None, n_threads: int | None) -> None:
        """Fill `target` with the predictions for X, or refuse X if it is not finite."""
        n_out, output = self.architecture.n_outputs, self.architecture.output
        in_place = form != "labels" and convert is None
        outputs = self.outputs(X, raw=form != "outputs", n_threads=n_threads,
                               out=target.reshape(-1, n_out) if in_place else None)
        if outputs is None:
            refuse()
        elif form == "labels":
            target[...] = labels.predicted(outputs, output, 1, 0.0)
        elif form == "logarithms":
            labels.take_logarithms(outputs, output)
        elif convert is not None:
            target[...] = convert(outputs)


def _bind(architecture: Architecture, parameters: Parameters, block: int, team: int) -> PredictionPlan:
    """Return a new plan for up to `team` threads. (A method would tie the parameters' memory into a cycle.)"""
    team = min(team, runtime.cores())
    parts = Parts.of(architecture, parameters.layout)
    scratch = aligned_empty((team, PredictionPlan.scratch_size(architecture.sizes, block, parts)), architecture.dtype)
    return PredictionPlan(architecture, parameters, scratch, block, level=runtime.LEVEL, parts=parts)


class _Results:
    """Predictions of one chunk after the other: in an array, or in pieces that are joined at the end."""

    def __init__(self, array: NDArray[Any] | None, row_shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self.array, self.row_shape, self.dtype = array, row_shape, dtype
        self.pieces: list[NDArray[Any]] = []
        self.done = 0

    def next(self, count: int) -> NDArray[Any]:
        """Return the place of the next `count` predictions."""
        start, self.done = self.done, self.done + count
        if self.array is None:
            self.pieces.append(np.empty((count, *self.row_shape), self.dtype))
            return self.pieces[-1]
        if self.done > len(self.array):
            raise ValueError(f"out has {len(self.array)} rows, X gave more")
        return self.array[start : self.done]

    def joined(self) -> NDArray[Any]:
        """Return all predictions."""
        if self.array is None:
            return np.concatenate(self.pieces)
        if self.done < len(self.array):
            raise ValueError(f"out has {len(self.array)} rows, X gave {self.done}")
        return self.array
