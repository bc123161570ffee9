"""Forward propagation, back propagation, and gradients."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastnn.reference.activations import ACTIVATIONS, activate, activate_backward
from fastnn.reference.checks import Array, float64, known
from fastnn.reference.losses import checked_weights, cost, output_gradient, total_weight, units_per_target


def check_layers(n_x: int, W: Sequence[Array], b: Sequence[Array], activations: Sequence[str]) -> None:
    """Raise ValueError unless the shapes of all layers fit together, with n[0] = n_x, and all activations are known."""
    if isinstance(activations, str) or not len(W) == len(b) == len(activations) > 0:
        raise ValueError(
            "W, b and activations must be lists with one entry per layer, at least one; "
            f"got {len(W)} W, {len(b)} b and activations {activations!r}"
        )
    n_prev = n_x
    for layer, (W_l, b_l, g_l) in enumerate(zip(W, b, activations, strict=True), start=1):
        if b_l.ndim != 2 or b_l.shape[1] != 1:
            raise ValueError(f"b[{layer}] must have shape (n[{layer}], 1), got {b_l.shape}")
        if W_l.ndim != 2 or W_l.shape[1] != n_prev:
            expected = f"(n[{layer}], n[{layer - 1}]) = {(b_l.shape[0], n_prev)}"
            raise ValueError(f"W[{layer}] must have shape {expected}, got {W_l.shape}")
        n_prev = W_l.shape[0]
        if b_l.shape[0] != n_prev:
            raise ValueError(f"b[{layer}] must have shape (n[{layer}], 1) = {(n_prev, 1)}, got {b_l.shape}")
        known("activation", g_l, ACTIVATIONS)


def _masks(masks: Sequence[ArrayLike], shapes: list[tuple[int, ...]]) -> list[Array]:
    """Check the dropout masks of the hidden layers and return them; without dropout return ones."""
    checked = [float64(D) for D in masks] if len(masks) else [np.ones(shape) for shape in shapes]
    if [D.shape for D in checked] != shapes:
        raise ValueError(f"masks must have the shapes (n[l], m) = {shapes}, got {[D.shape for D in checked]}")
    return checked


def forward(
    X: ArrayLike,
    W: Sequence[ArrayLike],
    b: Sequence[ArrayLike],
    activations: Sequence[str],
    masks: Sequence[ArrayLike] = (),
) -> tuple[list[Any], list[Array]]:
    """Forward propagation: Z[l] = W[l] A[l-1] + b[l], A[l] = g[l](Z[l]) * D[l], l = 1 .. L.

    Parameters
    ----------
    X : array_like, (n[0], m)
    W, b : sequences of L array_like, (n[l], n[l-1]) and (n[l], 1)
    activations : sequence of L str
        One of `ACTIVATIONS` for each layer, including the output layer.
    masks : sequence of L - 1 array_like, (n[l], m)
        D[l] of each hidden layer, for example from `dropout_mask`; empty for no dropout.

    Returns
    -------
    Z, A : lists of L + 1 arrays, (n[l], m)
        ``Z[0]`` is None, ``A[0]`` is X.
    """
    X = float64(X)
    W_all, b_all = [float64(W_l) for W_l in W], [float64(b_l) for b_l in b]
    if X.ndim != 2:
        raise ValueError(f"X must have shape (n[0], m), got {X.shape}")
    check_layers(X.shape[0], W_all, b_all, activations)
    Z: list[Any] = [None]
    A = [X]
    D_all = [*_masks(masks, [(len(W_l), X.shape[1]) for W_l in W_all[:-1]]), np.ones((1, 1))]
    for W_l, b_l, g_l, D_l in zip(W_all, b_all, activations, D_all, strict=True):
        Z.append(W_l @ A[-1] + b_l)
        A.append(activate(g_l, Z[-1]) * D_l)
    return Z, A


def backward(
    Z: Sequence[Any],
    A: Sequence[ArrayLike],
    W: Sequence[ArrayLike],
    dZ_L: ArrayLike,
    activations: Sequence[str],
    total_weight: float,
    l2: float = 0.0,
    *,
    l1: float = 0.0,
    masks: Sequence[ArrayLike] = (),
) -> tuple[list[Array], list[Array]]:
    """Back propagation for l = L .. 1.

    dW[l] = (1/m) dZ[l] A[l-1]^T + l2 W[l] + l1 sign(W[l]), db[l] = (1/m) sum of dZ[l] over the examples,
    dA[l-1] = W[l]^T dZ[l] * D[l-1], dZ[l-1] = dA[l-1] * g[l-1]'(Z[l-1]).

    Parameters
    ----------
    Z, A : lists of L + 1 arrays
        From `forward`.
    W : sequence of L array_like, (n[l], n[l-1])
    dZ_L : array_like, (n[L], m)
        From `output_gradient`.
    activations : sequence of L str
    total_weight : float
        m, or the sum of the weights, weights (n[L], m) divided by n[L].
    l2, l1 : float
        As in `gradients`.
    masks : sequence of L - 1 array_like
        The masks passed to `forward`.

    Returns
    -------
    dW, db : lists of L arrays, (n[l], n[l-1]) and (n[l], 1)
    """
    if not len(Z) == len(A) == len(W) + 1 == len(activations) + 1:
        lengths = f"{len(Z)}, {len(A)}, {len(W)} and {len(activations)}"
        raise ValueError(f"Z and A must have L + 1 entries, W and activations L; got {lengths}")
    dW: list[Array] = []
    db: list[Array] = []
    dZ = float64(dZ_L)
    D = _masks(masks, [np.shape(A_l) for A_l in A[1:-1]])
    for layer in range(len(W), 0, -1):
        W_l, A_prev = float64(W[layer - 1]), float64(A[layer - 1])
        if dZ.shape != np.shape(A[layer]):
            raise ValueError(f"dZ[{layer}] must have shape (n[{layer}], m) = {np.shape(A[layer])}, got {dZ.shape}")
        expected = (dZ.shape[0], A_prev.shape[0])
        if W_l.shape != expected:
            raise ValueError(f"W[{layer}] must have shape (n[{layer}], n[{layer - 1}]) = {expected}, got {W_l.shape}")
        with np.errstate(invalid="ignore"):  # 0 / 0
            dW.insert(0, dZ @ A_prev.T / total_weight + l2 * W_l + l1 * np.sign(W_l))
            db.insert(0, np.sum(dZ, axis=1, keepdims=True) / total_weight)
        if layer > 1:
            dA_prev = W_l.T @ dZ * D[layer - 2]
            dZ = activate_backward(activations[layer - 2], dA_prev, Z[layer - 1])
    return dW, db


def gradients(
    X: ArrayLike,
    Y: ArrayLike,
    W: Sequence[ArrayLike],
    b: Sequence[ArrayLike],
    activations: Sequence[str],
    loss: str,
    sample_weight: ArrayLike | None = None,
    l2: float = 0.0,
    *,
    l1: float = 0.0,
    loss_parameter: float | ArrayLike = 0.0,
    masks: Sequence[ArrayLike] = (),
) -> tuple[float, list[Array], list[Array]]:
    """Return J and its derivatives with respect to all parameters.

    Parameters
    ----------
    X, W, b, activations, masks
        As in `forward`.
    Y, sample_weight, loss_parameter
        As in `cost`.
    loss : str
        One of `LOSSES`, compatible with the output activation as in `output_gradient`.
    l2, l1 : float
        J is the cost plus l2/2 times the sum of squares of all W, plus l1 times the sum of their absolute values (with
        derivative 0 at 0). The penalties exclude b.

    Returns
    -------
    J : float
    dW, db : lists of L arrays, (n[l], n[l-1]) and (n[l], 1)
    """
    Z, A = forward(X, W, b, activations, masks)
    n, m = A[-1].shape
    w = checked_weights(loss, sample_weight, (n // units_per_target(loss, loss_parameter), m))
    dZ_L = output_gradient(loss, activations[-1], Z[-1], A[-1], Y, w, loss_parameter)
    dW, db = backward(Z, A, W, dZ_L, activations, total_weight(w), l2, l1=l1, masks=masks)
    J = cost(loss, Z[-1], A[-1], Y, w, loss_parameter)
    for W_l in map(float64, W):
        J += l2 / 2 * float(np.sum(W_l**2)) + l1 * float(np.sum(np.abs(W_l)))
    return J, dW, db
