"""A network that trains step by step."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from fastnn.reference.checks import Array, float64
from fastnn.reference.dropout import dropout_mask
from fastnn.reference.losses import check_loss
from fastnn.reference.optimizers import Optimizer, clip
from fastnn.reference.propagation import check_layers, forward, gradients


class ReferenceNetwork:
    """A network that trains step by step.

    Parameters
    ----------
    W, b, activations, loss, loss_parameter, l2, l1
        As in `gradients`. W and b are copied; the attributes W and b are lists of float64 arrays.
    optimizer : str
        One of `UPDATES`.
    weight_decay : float
        Before each update W := (1 - learning_rate weight_decay) W; decoupled from the gradient, as in AdamW
        (Loshchilov and Hutter 2019).
    clip_norm : float
        Where the norm of the gradient of J by all parameters is larger, the gradient is scaled down to it; 0 for never.
    dropout : sequence of L - 1 float
        The rate of each hidden layer; empty for none.
    dropout_seed : int
        From 0 to below 2^64.
    **hyperparameters : float
        Those of `Optimizer`.
    """

    def __init__(
        self,
        W: Sequence[ArrayLike],
        b: Sequence[ArrayLike],
        activations: Sequence[str],
        loss: str,
        *,
        optimizer: str = "sgd",
        loss_parameter: float = 0.0,
        l2: float = 0.0,
        l1: float = 0.0,
        weight_decay: float = 0.0,
        clip_norm: float = 0.0,
        dropout: Sequence[float] = (),
        dropout_seed: int = 0,
        **hyperparameters: float,
    ) -> None:
        self.W = [float64(W_l).copy() for W_l in W]
        self.b = [float64(b_l).copy() for b_l in b]
        self.activations = list(activations)
        self.loss, self.loss_parameter = loss, loss_parameter
        self.l2, self.l1 = l2, l1
        self.weight_decay, self.clip_norm = weight_decay, clip_norm
        self.dropout, self.dropout_seed = list(dropout), dropout_seed
        self.optimizer = Optimizer(optimizer, **hyperparameters)
        check_layers(self.W[0].shape[-1] if self.W and self.W[0].ndim else 0, self.W, self.b, activations)
        check_loss(loss, activations[-1])
        if len(self.dropout) not in (0, len(self.W) - 1):
            raise ValueError(f"dropout must have {len(self.W) - 1} rates, one per hidden layer, got {self.dropout}")

    def masks(self, m: int) -> list[Array]:
        """What the next step multiplies the A of each hidden layer by, for m examples; empty without dropout."""
        return [
            dropout_mask(rate, (len(b_l), m), seed=self.dropout_seed, step=self.optimizer.t, layer=layer)
            for layer, (rate, b_l) in enumerate(zip(self.dropout, self.b, strict=False), start=1)
        ]

    def step(self, X: ArrayLike, Y: ArrayLike, learning_rate: float, sample_weight: ArrayLike | None = None) -> float:
        """One update of all parameters on the mini-batch X (n[0], m), Y (n[L], m); errors as in `gradients`.

        Returns
        -------
        J : float
            Before the update. If it is not finite, parameters and optimizer stay as they were; likewise, with J NaN,
            if a norm to be clipped is not.
        """
        X = float64(X)
        with np.errstate(over="ignore", invalid="ignore"):  # a diverging run shows in J
            J, dW, db = gradients(
                X, Y, self.W, self.b, self.activations, self.loss, sample_weight, self.l2,
                l1=self.l1, loss_parameter=self.loss_parameter, masks=self.masks(X.shape[1]) if X.ndim == 2 else (),
            )  # fmt: skip
            G = [*dW, *db]
            if self.clip_norm:
                G, norm = clip(G, self.clip_norm)
                J = J if math.isfinite(norm) else math.nan
            if math.isfinite(J):
                for W_l in self.W:
                    W_l *= 1 - learning_rate * self.weight_decay
                self.optimizer.update([*self.W, *self.b], G, learning_rate)
        return J

    def predict(self, X: ArrayLike) -> Array:
        """A[L], (n[L], m), for X (n[0], m)."""
        return forward(X, self.W, self.b, self.activations)[1][-1]
