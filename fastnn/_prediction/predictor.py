"""Prediction and evaluation: the forward pass in cache-sized blocks of rows."""

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from itertools import pairwise
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn import _tuning, losses, runtime
from fastnn._core import kernels
from fastnn._core.prediction_plan import PredictionPlan
from fastnn._data import checks
from fastnn._data.examples import Source
from fastnn._data.sources import Features, block_rows
from fastnn._data.sparse import SparseRows
from fastnn._model.architecture import Architecture
from fastnn._model.objective import Objective
from fastnn._model.parameters import Parameters
from fastnn._model.workspace import aligned_empty
from fastnn._prediction import labels
from fastnn.metrics import EvaluatedChunk, Metric

__all__ = ["Cache", "Predictor"]

NO_LIMIT = nullcontext()


class Cache(NamedTuple):
    """What a forward pass computed: lists of Z[l] and A[l], each (n[l], m); item 0 is layer 1, as in `Network.W`."""

    Z: list[NDArray[Any]]
    A: list[NDArray[Any]]


class Predictor:
    """The forward pass of a network; may be used from several threads at once.

    Parameters
    ----------
    architecture : Architecture
    parameters : Parameters
    """

    def __init__(self, architecture: Architecture, parameters: Parameters) -> None:
        self.architecture, self.parameters, model = architecture, parameters, architecture
        self.work = sum(n_prev * n for n_prev, n in pairwise(model.sizes))  # multiply-adds a row
        row = (model.sizes[0] + 2 * max(model.sizes[1:])) * model.dtype.itemsize
        self.block = min(max(_tuning.FORWARD_BLOCK_BYTES // row // 16 * 16, 32), 1024)
        self.rows = block_rows(model.sizes[0] + model.sizes[-1], model.dtype.itemsize, self.block)
        self.few = (_tuning.MIN_PARALLEL_PREDICTION_WORK - 1) // self.work  # rows that are not worth a second thread,
        largest = max(n_prev * n for n_prev, n in pairwise(model.sizes))
        self.fewer = (_tuning.MAX_SERIAL_BLAS_WORK - 1) // largest  # and of which BLAS shares out no product
        self._free: dict[int, list[PredictionPlan]] = {}  # plans at rest, by how many threads they are for

    def _bind(self, team: int) -> PredictionPlan:
        model, parameters = self.architecture, self.parameters
        scratch = aligned_empty((team, PredictionPlan.scratch_size(model.sizes, self.block)), model.dtype)
        return PredictionPlan(model, parameters, scratch, self.block, level=runtime.LEVEL)

    def at_once(self, X: Any, *, raw: bool = False, n_threads: int | None = None) -> NDArray[Any] | None:
        """Return the `outputs` for an X that the core can read as it is, in one part: with no more checks than needed.

        Returns None for anything else, which may well be valid.
        """
        if type(X) is not np.ndarray or X.ndim != 2 or len(X) > self.rows:
            return None
        m = len(X)
        plan, free, limit = self._plan(m, n_threads)
        with limit:
            outputs = plan.fast_path(X, raw)
        free.append(plan)
        return outputs

    def outputs(self, X: NDArray[Any] | SparseRows, *, raw: bool = False, n_threads: int | None = None,
                out: NDArray[Any] | None = None) -> NDArray[Any] | None:
        """Return A[L] of each row of X (m, n[0]) as a C-ordered (m, n[L]) array, `out` if given; with `raw`, Z[L].

        Returns None if X holds NaN or infinity.
        """
        if isinstance(X, SparseRows) and self.parameters.row_major[0]:
            predictor = Predictor(self.architecture, self.parameters.column_major())
            return predictor.outputs(X, raw=raw, n_threads=n_threads, out=out)
        m = len(X)
        if out is None:
            out = np.empty((m, self.architecture.n_outputs), self.architecture.dtype)
        plan, free, limit = self._plan(m, n_threads)
        with limit:
            finite = plan.run(X.arrays if isinstance(X, SparseRows) else X, out, raw)
        free.append(plan)
        return out if finite else None

    def _plan(self, m: int, n_threads: int | None
              ) -> tuple[PredictionPlan, list[PredictionPlan], AbstractContextManager[object]]:
        """Take a plan for `m` rows out of those at rest, these, and what limits BLAS meanwhile."""
        threads = 1 if n_threads is None and m <= self.few else runtime.thread_count(n_threads)
        team = 1 if m <= self.few else min(threads, _tuning.MAX_TEAM)
        free = self._free.setdefault(team, [])
        try:
            plan = free.pop()
        except IndexError:
            plan = self._bind(min(team, runtime.cores()))
        if m <= self.fewer or plan.blas_work(m) < _tuning.MAX_SERIAL_BLAS_WORK:
            return plan, free, NO_LIMIT
        return plan, free, runtime.blas_threads(1)

    def predict(self, X: Features, out: NDArray[Any] | None = None, *, flat: bool = False,
                decided: bool = False, n_threads: int | None = None) -> NDArray[Any]:
        """Return A[L] of each row, or what a classifier decides; in `out` if that is given.

        Parameters
        ----------
        X : Features
            Taken in parts, so that nothing else of m x n[0] or m x n[L] elements is allocated.
        out : ndarray, optional
        flat : bool
            The result is (m,), else (m, n[L]).
        decided : bool
            Return the labels that `labels.predicted` gives for Z[L].

        Raises
        ------
        ValueError, TypeError
            If `out` does not fit, or X is not (m, n[0]) finite real numbers; `out` may then be filled in part.
        """
        model, n_out, done, size = self.architecture, self.architecture.n_outputs, 0, self.rows
        if isinstance(X.X, SparseRows):
            if self.parameters.row_major[0]:
                predictor = Predictor(model, self.parameters.column_major())
                return predictor.predict(X, out, flat=flat, decided=decided, n_threads=n_threads)
            size = block_rows(n_out, model.dtype.itemsize, self.block)
        tail, dtype = () if flat else (n_out,), np.dtype(np.int64) if decided else model.dtype
        result = None if out is not None or X.m is None else np.empty((X.m, *tail), dtype)
        if out is not None:
            m = np.shape(out)[:1] if X.m is None else (X.m,)
            result = checks.output(out, (*m, *tail), dtype)
            checks.apart(out, "the network's W and b", self.parameters.theta)
            checks.apart(out, "X", *X.arrays())
        pieces: list[NDArray[Any]] = []  # of a result whose length is not known yet
        for part, refuse in X.parts(size, out):
            stop = done + len(part)
            if result is None:
                target = np.empty((len(part), *tail), dtype)
                pieces.append(target)
            elif stop <= len(result):
                target = result[done:stop]
            else:
                raise ValueError(f"out has {len(result)} rows, X gave more")
            outputs = self.outputs(part, raw=decided, n_threads=n_threads,
                                   out=None if decided else target.reshape(-1, n_out))
            if outputs is None:
                refuse()
            if decided:
                target[...] = labels.predicted(outputs, model.output, 1, 0.0)
            done = stop
        if result is None:
            return np.concatenate(pieces)
        if done < len(result):
            raise ValueError(f"out has {len(result)} rows, X gave {done}")
        return result

    def caches(self, X: NDArray[Any] | SparseRows, n_threads: int | None = None) -> Cache:
        """Return each layer's Z and A for the rows of X (m, n[0])."""
        model, parameters, cache = self.architecture, self.parameters, Cache([], [])
        A_prev: NDArray[Any] | SparseRows
        if isinstance(X, SparseRows):
            parameters, A_prev = parameters.column_major(), X
        else:
            A_prev = np.asfortranarray(X.T)
        with runtime.blas_threads(min(runtime.thread_count(n_threads), runtime.cores())):
            for W, b, name in zip(*parameters.views(), model.activations, strict=True):
                Z, A = (aligned_empty((len(W), len(X)), model.dtype, "F") for _ in range(2))
                if isinstance(A_prev, SparseRows):
                    kernels.sparse_linear(W, A_prev.arrays, None, Z, runtime.LEVEL)
                else:
                    row_major = not W.flags.f_contiguous
                    kernels.multiply(W.T if row_major else W, A_prev, Z, transpose_A=row_major)
                kernels.activate(name, Z, b, A, runtime.LEVEL)
                cache.Z.append(Z)
                cache.A.append(A)
                A_prev = A
        return cache

    def evaluate(self, objective: Objective, examples: Source, metrics: Sequence[Metric] = (), *,
                 target_ndim: int = 1, n_threads: int | None = None) -> dict[str, float]:
        """Return {"loss": J, name: value of each metric} on the examples."""
        for metric in metrics:
            metric.begin()
        loss = total = 0.0
        raw = objective.loss.from_z
        for part in examples.parts(_tuning.EVALUATION_BLOCK_ROWS):
            outputs = self.outputs(part.X, raw=raw, n_threads=n_threads)
            assert outputs is not None, "examples are checked before"
            chunk = EvaluatedChunk(self.architecture, part, outputs, raw, target_ndim)
            for metric in metrics:
                metric.add(chunk)
            total += float(chunk.weights.sum())
            loss += losses.weighted_sum(objective.loss, outputs, part.Y, part.weights, runtime.LEVEL)
        # A part of weighted data may have no weight.
        J = loss / total + objective.penalty(self.parameters.weights) if total else math.nan
        return {"loss": J, **{metric.name: metric.value() for metric in metrics}}
