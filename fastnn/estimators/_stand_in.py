"""Predictions that need no training, to find out what a score can tell: good ones and a constant one."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import is_classifier

from fastnn._data.weights import by_output
from fastnn._prediction.constant import sums
from fastnn.estimators._inputs import FitData
from fastnn.estimators._network import CoreNetwork
from fastnn.losses import Gaussian

__all__ = ["constant_outputs", "good_outputs", "stand_in", "typical_data"]

NEARLY = 1e-3  # what good probabilities leave to the other classes


def target_outputs(network: CoreNetwork, data: FitData) -> NDArray[np.float64]:
    """Return the targets as outputs A[L] (m, n[L]); regressors may have fewer targets than outputs."""
    Y = data.encoded_y
    labels = Y.dtype == np.int32
    outputs: NDArray[np.float64] = np.eye(network.architecture.n_outputs)[Y] if labels else Y.astype(np.float64)
    return outputs.reshape(len(Y), -1)


def good_outputs(estimator: Any, network: CoreNetwork, data: FitData) -> NDArray[np.float64]:
    """Return outputs A[L] (m, n[L]) of nearly perfect predictions."""
    outputs, n_outputs = target_outputs(network, data), network.architecture.n_outputs
    if not is_classifier(estimator):
        if isinstance(estimator._shaping_loss(), Gaussian):  # means, then log variances
            return np.tile(outputs, 2)
        return np.repeat(outputs, n_outputs // outputs.shape[1], axis=1)
    return (1 - NEARLY) * outputs + NEARLY / max(n_outputs, 2)


def constant_outputs(network: CoreNetwork, data: FitData) -> NDArray[np.float64] | None:
    """Return outputs A[L] (n[L],) that are the mean of the targets; None unless each output has its target."""
    outputs, weights = target_outputs(network, data), data.score_weight
    if outputs.shape[1] != network.architecture.n_outputs:
        return None
    weights = None if weights is None else by_output(weights, outputs.shape[1])
    mean: NDArray[np.float64] = np.average(outputs, axis=0, weights=weights)
    return mean


def typical_data(estimator: Any, data: FitData) -> FitData:
    """Return data of the same form that lack nothing: each class or label, positive targets that vary, no weights."""
    n_outputs = data.y.shape[1:]
    if not is_classifier(estimator):
        y = np.linspace(1, 2, 8)
    else:
        y = np.tile([0, 1], 4) if n_outputs else np.repeat(estimator.classes_, 4)
    if n_outputs:
        y = np.repeat(y[:, None], n_outputs[0], axis=1)
    standardised: FitData = estimator._standardised(FitData.of(data.X[:1], y, estimator._encode(y), None))
    return standardised


def stand_in(estimator: Any, outputs: NDArray[np.float64]) -> Any:
    """Return a copy of the estimator, for scorers, whose network has these outputs A[L] (m, n[L]) for any X."""
    def fixed_outputs(network: CoreNetwork, X: Any, check_input: bool = True, raw: bool = False) -> NDArray[np.float64]:
        return (sums(outputs, network.architecture.output) if raw else outputs).copy()

    copy = object.__new__(type(estimator))
    copy.__dict__.update(vars(estimator))
    copy._outputs = fixed_outputs
    return copy
