"""A temperature for the probabilities of a classifier."""

import numpy as np
from numpy.typing import NDArray

__all__ = ["temperature"]

BOUNDS = 1 / 20, 20.0  # of the inverse temperature
MAX_ITERATIONS = 50
TOLERANCE = 1e-6  # relative


def temperature(Z: NDArray[np.float64], labels: NDArray[np.intp], weights: NDArray[np.float64] | None = None) -> float:
    """Return the temperature T whose softmax(Z / T) has the lowest log-loss, 1 if none is below that of softmax(Z).

    The log-loss is convex in 1 / T, which Newton's method finds. So that a few examples that are all right do not ask
    for certainty, each label is mixed with K / (m + K) of the uniform distribution, as Platt's labels are.

    Parameters
    ----------
    Z : ndarray (m, K)
        Logits.
    labels : ndarray of int (m,)
    weights : ndarray (m,), optional
        Not all zero.

    Returns
    -------
    float
        Between 1/20 and 20.

    References
    ----------
    C. Guo, G. Pleiss, Y. Sun and K. Q. Weinberger, "On calibration of modern neural networks", ICML 2017;
    J. Platt, "Probabilistic outputs for support vector machines", 1999.
    """
    m, n_classes = Z.shape
    weights = np.full(m, 1 / m) if weights is None else weights / weights.sum()
    Z = Z - Z.max(axis=1, keepdims=True)
    smoothing = n_classes / (m + n_classes)
    right = Z[np.arange(m), labels]
    aim = float(weights @ ((1 - smoothing) * right + smoothing * Z.mean(axis=1)))
    low, high = BOUNDS
    beta = 1.0
    for _ in range(MAX_ITERATIONS):
        P = np.exp(beta * Z)
        P /= P.sum(axis=1, keepdims=True)
        mean = np.einsum("ij,ij->i", P, Z)
        slope = float(weights @ mean) - aim
        curvature = float(weights @ (np.einsum("ij,ij->i", P, Z * Z) - mean**2))
        low, high = (low, beta) if slope > 0 else (beta, high)
        following = beta - slope / curvature if curvature > 0 else np.inf
        if not low < following < high:
            following = float(np.sqrt(low * high))
        if abs(following - beta) <= TOLERANCE * beta:
            break
        beta = following
    return 1 / beta if _log_loss(beta * Z, right * beta, weights) < _log_loss(Z, right, weights) else 1.0


def _log_loss(Z: NDArray[np.float64], right: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Return the weighted mean of -log p, for logits (m, K), at most 0, and those of the right classes (m,)."""
    return float(weights @ (np.log(np.exp(Z).sum(axis=1)) - right))
