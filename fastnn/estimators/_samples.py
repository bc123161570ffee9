"""Predictions of an estimator with dropout."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from fastnn._data import checks
from fastnn._prediction.dropout_samples import DropoutSampler
from fastnn.losses import Loss

__all__ = ["sampled_outputs"]


def sampled_outputs(estimator: Any, X: Any, dropout_samples: Any, random_state: Any,
                    loss: Loss | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
    """Return the mean and the standard deviation of what `loss` predicts, by default A[L], over passes with dropout.

    Raises
    ------
    ValueError, TypeError
        If the estimator has no dropout, or an argument is invalid.
    """
    network = estimator._fitted_network()
    architecture = network.architecture
    rates = checks.dropout(estimator.dropout, architecture.hidden)
    seed = int(check_random_state(random_state).randint(2**31 - 1))
    sampler = DropoutSampler(network.predictor, rates, dropout_samples, seed, loss)
    core_X, dtype = estimator._core_input(X, architecture.dtype)
    moments = sampler.moments(core_X, n_threads=estimator.n_threads)
    if moments is None:
        raise estimator._not_finite(X, architecture.dtype)
    mean, variance = moments
    return mean.astype(dtype, copy=False), np.sqrt(variance).astype(dtype, copy=False)
