"""`ReferenceNetwork`: parameters, loss and optimiser, trained one step at a time."""

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
    """A network that is trained one step at a time.

    Parameters
    ----------
    W, b, activations, loss, loss_parameter, l2, l1
        As in `gradients`. W and b are copied into the attributes `W` and `b`, lists of float64 arrays.
    optimizer : str
        One of `UPDATES`.
    weight_decay : float
        Decoupled weight decay as in AdamW (Loshchilov and Hutter 2019): W := (1 - learning_rate weight_decay) W before
        each update.
    clip_norm : float
        Upper bound on the norm of the gradient over all parameters; larger gradients are scaled down. 0 disables it.
    dropout : sequence of L - 1 float
        Rate of each hidden layer; empty for no dropout.
    dropout_seed : int
        In [0, 2^64).
    **hyperparameters : float
        Hyperparameters of `Optimizer`.
    """

    def __init__(
        self,
        W: Sequence[ArrayLike],
        b: Sequence[ArrayLike],
        activations: Sequence[str],
        loss: str,
        *,
        optimizer: str = "sgd",
        loss_parameter: float | ArrayLike = 0.0,
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
        """Return the dropout mask of each hidden layer for the next step on m examples; empty without dropout."""
        return [
            dropout_mask(rate, (len(b_l), m), seed=self.dropout_seed, step=self.optimizer.t, layer=layer)
            for layer, (rate, b_l) in enumerate(zip(self.dropout, self.b, strict=False), start=1)
        ]

    def step(self, X: ArrayLike, Y: ArrayLike, learning_rate: float, sample_weight: ArrayLike | None = None) -> float:
        """Update all parameters on the mini-batch X (n[0], m), Y (n[L], m); raises the errors of `gradients`.

        Returns
        -------
        J : float
            Cost before the update. If it is not finite, parameters and optimiser state do not change. With `clip_norm`,
            J is NaN if the norm of the gradient is not finite.
        """
        X = float64(X)
        with np.errstate(over="ignore", invalid="ignore"):  # divergence shows in J
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
        """Return A[L] (n[L], m) for X (n[0], m)."""
        return forward(X, self.W, self.b, self.activations)[1][-1]
