"""Networks with an input stage and mixtures; their parameters have the names of `fastnn.Network.parameters`."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastnn.reference.activations import activate, activate_backward, activate_mixed, activate_mixed_backward
from fastnn.reference.checks import Array, float64
from fastnn.reference.embeddings import embed, embed_backward
from fastnn.reference.losses import checked_weights, cost, output_gradient, total_weight, units_per_target

# The parameters of an embedding of no columns
NO_EMBEDDING = {"frequencies": np.zeros((0, 1)), "phases": np.zeros((0, 1)), "weights": np.zeros((0, 1, 1)),
                "biases": np.zeros((0, 1)), "vectors": np.zeros((0, 1))}  # fmt: skip


def named_forward(
    X: ArrayLike,
    parameters: Mapping[str, ArrayLike],
    activations: Sequence[str],
    masks: Sequence[ArrayLike] = (),
    *,
    numbers: Sequence[int] = (),
    categories: Mapping[int, int] | None = None,
) -> tuple[list[Any], list[Array]]:
    """Forward propagation from A[0] = s * E(X), with A[l] = ((1 - t) Z[l] + t g[l](Z[l])) * D[l].

    Parameters
    ----------
    X : array_like, (n[0], m)
    parameters : mapping of str to array_like
        ``W[1]`` (n[1], width), ..., ``b[1]`` (n[1], 1), ...; and if the network has them ``mixture[1]`` t (n[1],), ...,
        and those of `embed`.
    activations, masks
        As in `forward`.
    numbers, categories
        As in `embed`.

    Returns
    -------
    Z, A : lists of L + 1 arrays, (n[l], m)
        ``Z[0]`` is None.
    """
    values = {name: float64(value) for name, value in parameters.items()}
    Z: list[Any] = [None]
    A = [embed(X, numbers, categories or {}, NO_EMBEDDING | values)]
    for l, g in enumerate(activations, 1):
        Z.append(values[f"W[{l}]"] @ A[-1] + values[f"b[{l}]"])
        t = values.get(f"mixture[{l}]")
        A_l = activate(g, Z[-1]) if t is None else activate_mixed(g, t[:, None], Z[-1])
        A.append(A_l * float64(masks[l - 1]) if l <= len(masks) else A_l)
    return Z, A


def named_gradients(
    X: ArrayLike,
    Y: ArrayLike,
    parameters: Mapping[str, ArrayLike],
    activations: Sequence[str],
    loss: str,
    sample_weight: ArrayLike | None = None,
    l2: float = 0.0,
    *,
    l1: float = 0.0,
    loss_parameter: float | ArrayLike = 0.0,
    masks: Sequence[ArrayLike] = (),
    numbers: Sequence[int] = (),
    categories: Mapping[int, int] | None = None,
) -> tuple[float, dict[str, Array]]:
    """Return J and its derivative with respect to each of `parameters`, in its shape.

    The arguments are those of `named_forward` and of `gradients`.
    """
    values = {name: float64(value) for name, value in parameters.items()}
    Z, A = named_forward(X, values, activations, masks, numbers=numbers, categories=categories)
    n, m = A[-1].shape
    w = checked_weights(loss, sample_weight, (n // units_per_target(loss, loss_parameter), m))
    total = total_weight(w)
    J = cost(loss, Z[-1], A[-1], Y, w, loss_parameter)
    dZ = output_gradient(loss, activations[-1], Z[-1], A[-1], Y, w, loss_parameter)
    sums: dict[str, Array] = {}  # over the examples
    penalties: dict[str, Array] = {}
    dA = dZ
    for l in range(len(activations), 0, -1):
        if l < len(activations):
            dA = dA * float64(masks[l - 1]) if masks else dA
            t = values.get(f"mixture[{l}]")
            if t is None:
                dZ = activate_backward(activations[l - 1], dA, Z[l])
            else:
                dZ, dt = activate_mixed_backward(activations[l - 1], dA, t[:, None], Z[l])
                sums[f"mixture[{l}]"] = dt[:, 0]
        W = values[f"W[{l}]"]
        J += l2 / 2 * float(np.sum(W**2)) + l1 * float(np.sum(np.abs(W)))
        penalties[f"W[{l}]"] = l2 * W + l1 * np.sign(W)
        sums[f"W[{l}]"], sums[f"b[{l}]"] = dZ @ A[l - 1].T, np.sum(dZ, axis=1, keepdims=True)
        dA = W.T @ dZ
    sums |= embed_backward(X, dA, numbers, categories or {}, NO_EMBEDDING | values)
    return J, {name: sums[name] / total + penalties.get(name, 0.0) for name in parameters}
