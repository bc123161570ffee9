"""Update rules and gradient clipping."""

import math
from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from fastnn.reference.checks import Array, float64, known

UPDATES = ("sgd", "momentum", "nesterov", "adam", "nadam", "rmsprop", "rmsprop_momentum", "rmsprop_nesterov")


def clip(gradients: Sequence[ArrayLike], norm: float) -> tuple[list[Array], float]:
    """Scale all gradients by min(1, norm / N), where N is their joint Euclidean norm; return them and N."""
    G = [float64(g) for g in gradients]
    with np.errstate(over="ignore"):
        size = math.sqrt(sum(float(np.sum(g**2)) for g in G))
    return ([norm / size * g for g in G] if size > norm else G), size


class Optimizer:
    """An update rule and its state.

    With parameters p, gradients g and learning rate alpha, the rules are

    - sgd: p := p - alpha g
    - momentum: v := mu v - alpha g, p := p + v
    - nesterov: v := mu v - alpha g, p := p + mu v - alpha g (Bengio, Boulanger-Lewandowski and Pascanu 2013)
    - adam: m := beta_1 m + (1 - beta_1) g, s := beta_2 s + (1 - beta_2) g^2,
      p := p - alpha sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(s) + epsilon)
      (Kingma and Ba 2015, the efficient form at the end of section 2)
    - nadam: m and s as adam, p := p - alpha sqrt(1 - beta_2^t)
      (beta_1 m / (1 - beta_1^(t + 1)) + (1 - beta_1) g / (1 - beta_1^t)) / (sqrt(s) + epsilon)
      (Dozat 2016, with constant beta_1, in the same efficient form)
    - rmsprop: s := beta_2 s + (1 - beta_2) g^2, then sgd with g / (sqrt(s) + epsilon) instead of g
      (Tieleman and Hinton 2012); rmsprop_momentum and rmsprop_nesterov: then momentum or nesterov instead of sgd

    Parameters
    ----------
    rule : str
        One of `UPDATES`.
    momentum : float
        mu of the momentum and nesterov rules.
    beta_1, beta_2, epsilon : float
        Used by adam and nadam; beta_2 and epsilon also by rmsprop.
    """

    def __init__(
        self,
        rule: str,
        *,
        momentum: float = 0.9,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        known("optimizer", rule, UPDATES)
        self.rule = rule
        self.momentum = momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.t = 0  # number of updates so far
        self._state: list[tuple[Array, Array]] = []  # for each parameter: (m or v, s)

    def update(
        self,
        parameters: Sequence[Array],
        gradients: Sequence[ArrayLike],
        learning_rate: float | Sequence[float],
    ) -> None:
        """Update the parameters in place by one step.

        Parameters
        ----------
        parameters : sequence of ndarray of float64
            The same arrays in every call; TypeError for other dtypes.
        gradients : sequence of array_like
            In the shapes of the parameters.
        learning_rate : float, or one for each parameter
        """
        for p in parameters:
            if not isinstance(p, np.ndarray) or p.dtype != np.float64:
                raise TypeError(f"parameters must be float64 arrays, got {getattr(p, 'dtype', type(p).__name__)}")
        if not self._state:
            self._state = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
        G = [float64(g) for g in gradients]
        shapes = [first.shape for first, _ in self._state]
        if not [p.shape for p in parameters] == [g.shape for g in G] == shapes:
            raise ValueError(f"parameters and gradients must have the shapes {shapes}, got {[g.shape for g in G]}")
        rates = learning_rate if isinstance(learning_rate, Sequence) else [learning_rate] * len(G)
        self.t += 1
        for p, g, (first, s), rate in zip(parameters, G, self._state, rates, strict=True):
            if self.rule in ("adam", "nadam"):
                self._adam(p, g, first, s, rate)
            elif self.rule.startswith("rmsprop"):
                s[...] = self.beta_2 * s + (1 - self.beta_2) * g**2
                self._move(self.rule.removeprefix("rmsprop"), p, g / (np.sqrt(s) + self.epsilon), first, rate)
            else:
                self._move(self.rule, p, g, first, rate)

    def _move(self, rule: str, p: Array, g: Array, v: Array, learning_rate: float) -> None:
        if rule.endswith("momentum"):
            v[...] = self.momentum * v - learning_rate * g
            p += v
        elif rule.endswith("nesterov"):
            v[...] = self.momentum * v - learning_rate * g
            p += self.momentum * v - learning_rate * g
        else:
            p -= learning_rate * g

    def _adam(self, p: Array, g: Array, m: Array, s: Array, learning_rate: float) -> None:
        m[...] = self.beta_1 * m + (1 - self.beta_1) * g
        s[...] = self.beta_2 * s + (1 - self.beta_2) * g**2
        m_hat = m / (1 - self.beta_1**self.t)
        if self.rule == "nadam":
            ahead = self.beta_1 * m / (1 - self.beta_1 ** (self.t + 1))
            m_hat = ahead + (1 - self.beta_1) * g / (1 - self.beta_1**self.t)
        p -= learning_rate * math.sqrt(1 - self.beta_2**self.t) * m_hat / (np.sqrt(s) + self.epsilon)
