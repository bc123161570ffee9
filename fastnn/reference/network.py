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
    rate_factors, decay_factors : sequence of 2L float
        Factors of the learning rate and of the weight decay for W[1], ..., W[L], b[1], ..., b[L]: the learning rate is
        learning_rate r, and before each update the parameter is multiplied by 1 - learning_rate r weight_decay d. A
        parameter with r = 0 is a constant: its gradient counts as 0. Empty for r = 1, and d = 1 for W and 0 for b.
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
        rate_factors: Sequence[float] = (),
        decay_factors: Sequence[float] = (),
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
        self.rate_factors = list(rate_factors) or [1.0] * (2 * len(self.W))
        self.decay_factors = list(decay_factors) or [1.0] * len(self.W) + [0.0] * len(self.W)
        self.dropout, self.dropout_seed = list(dropout), dropout_seed
        self.optimizer = Optimizer(optimizer, **hyperparameters)
        check_layers(self.W[0].shape[-1] if self.W and self.W[0].ndim else 0, self.W, self.b, activations)
        check_loss(loss, activations[-1])
        if len(self.dropout) not in (0, len(self.W) - 1):
            raise ValueError(f"dropout must have {len(self.W) - 1} rates, one per hidden layer, got {self.dropout}")

    def masks(self, m: int, factor: float = 1.0) -> list[Array]:
        """Return the dropout mask of each hidden layer for the next step on m examples; empty without dropout.

        `factor` multiplies the rates.
        """
        return [
            dropout_mask(rate * factor, (len(b_l), m), seed=self.dropout_seed, step=self.optimizer.t, layer=layer)
            for layer, (rate, b_l) in enumerate(zip(self.dropout, self.b, strict=False), start=1)
        ]

    def step(
        self,
        X: ArrayLike,
        Y: ArrayLike,
        learning_rate: float,
        sample_weight: ArrayLike | None = None,
        *,
        weight_decay: float = 1.0,
        dropout: float = 1.0,
    ) -> float:
        """Update all parameters on the mini-batch X (n[0], m), Y (n[L], m); raises the errors of `gradients`.

        `weight_decay` and `dropout` multiply those of the network.

        Returns
        -------
        J : float
            Cost before the update. If it is not finite, parameters and optimiser state do not change. With `clip_norm`,
            J is NaN if the norm of the gradient is not finite.
        """
        X = float64(X)
        masks = self.masks(X.shape[1], dropout) if X.ndim == 2 else ()
        with np.errstate(over="ignore", invalid="ignore"):  # divergence shows in J
            J, dW, db = gradients(
                X, Y, self.W, self.b, self.activations, self.loss, sample_weight, self.l2,
                l1=self.l1, loss_parameter=self.loss_parameter, masks=masks,
            )  # fmt: skip
            G = [g if r else np.zeros_like(g) for g, r in zip([*dW, *db], self.rate_factors, strict=True)]
            if self.clip_norm:
                G, norm = clip(G, self.clip_norm)
                J = J if math.isfinite(norm) else math.nan
            if math.isfinite(J):
                parameters, rates = [*self.W, *self.b], [learning_rate * r for r in self.rate_factors]
                for p, rate, d in zip(parameters, rates, self.decay_factors, strict=True):
                    p *= 1 - rate * (weight_decay * self.weight_decay) * d
                self.optimizer.update(parameters, G, rates)
        return J

    def predict(self, X: ArrayLike) -> Array:
        """Return A[L] (n[L], m) for X (n[0], m)."""
        return forward(X, self.W, self.b, self.activations)[1][-1]
