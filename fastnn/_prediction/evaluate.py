"""Evaluation: J and metrics over examples of any number and source."""

import math
from collections.abc import Sequence

import numpy as np

from fastnn import _tuning, losses, runtime
from fastnn._data.examples import Source
from fastnn._model.objective import Objective
from fastnn._prediction.predictor import Predictor
from fastnn.metrics import EvaluatedChunk, Metric

__all__ = ["evaluate"]


def evaluate(predictor: Predictor, objective: Objective, examples: Source, metrics: Sequence[Metric] = (), *,
             target_ndim: int = 1, n_threads: int | None = None) -> dict[str, float]:
    """Return {"loss": J, name: value of each metric} over the examples.

    Parameters
    ----------
    predictor : Predictor
    objective : Objective
    examples : Source
        Read in chunks.
    metrics : sequence of Metric
    target_ndim : int
        Number of dimensions of the y that was fitted last.
    n_threads : int, optional
    """
    for metric in metrics:
        metric.begin()
    loss = total = 0.0
    raw = objective.loss.from_z
    for part in examples.parts(_tuning.EVALUATION_BLOCK_ROWS):
        outputs = predictor.outputs(part.X, raw=raw, n_threads=n_threads)
        assert outputs is not None, "examples are checked before"
        with np.errstate(all="ignore"):  # an underflow is harmless, and after divergence metrics are NaN
            chunk = EvaluatedChunk(predictor.architecture, part, outputs, raw, target_ndim, objective.loss)
            for metric in metrics:
                metric.add(chunk)
        total += float(chunk.weights.sum())
        loss += losses.weighted_sum(objective.loss, outputs, part.Y, part.weights, runtime.LEVEL)
    # A part of weighted data may have no weight.
    J = loss / total + objective.penalty(predictor.parameters.weights) if total else math.nan
    return {"loss": J, **{metric.name: metric.value() for metric in metrics}}
