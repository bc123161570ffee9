"""Constant predictions, with which a score or a loss is compared to see whether training has begun."""

import numpy as np
from numpy.typing import NDArray

from fastnn import _tuning
from fastnn._data.examples import Source
from fastnn._model.architecture import Architecture
from fastnn._model.parameters import ParameterLayout, Parameters
from fastnn._model.workspace import aligned_empty
from fastnn._prediction.predictor import Predictor

__all__ = ["constant_predictor", "sums"]

SUMMED = ("softmax", "sigmoid", "exp", "identity")  # output activations that `sums` inverts


def constant_predictor(architecture: Architecture, layout: ParameterLayout, examples: Source) -> Predictor | None:
    """Return a predictor of the weighted mean of the targets, for any X; None if the outputs are no such means."""
    if architecture.output not in SUMMED:
        return None
    total, weight = np.zeros(1), np.zeros(1)
    for part in examples.parts(_tuning.EVALUATION_BLOCK_ROWS):
        Y = np.eye(architecture.n_outputs)[part.Y] if part.Y.ndim == 1 else part.Y.astype(np.float64)
        weights = np.ones(len(Y)) if part.weights is None else part.weights.astype(np.float64)
        weights = weights.reshape(len(Y), -1)
        total, weight = total + (weights * Y).sum(axis=0), weight + weights.sum(axis=0)
    if len(total) != architecture.n_outputs or not (weight > 0).all():
        return None
    theta = aligned_empty(layout.size, architecture.dtype)
    theta.fill(0)
    parameters = Parameters(layout, theta)
    _, b = parameters.views()
    b[-1][:, 0] = sums(total / weight, architecture.output)
    return Predictor(architecture, parameters)


def sums(outputs: NDArray[np.float64], activation: str) -> NDArray[np.float64]:
    """Return sums Z[L] that give these outputs A[L], of the same shape; probabilities and rates of 0 become tiny."""
    tiny = np.finfo(np.float32).tiny
    if activation == "identity":
        return outputs
    logarithms: NDArray[np.float64] = np.log(np.maximum(outputs, tiny))
    return logarithms - np.log(np.maximum(1 - outputs, tiny)) if activation == "sigmoid" else logarithms
