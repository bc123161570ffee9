"""A bound on the rounding errors of a whole forward and backward pass."""

import numpy as np
import scipy.special as sp
from helpers.activation_facts import facts, smoothness

from fastnn import reference
from fastnn._core import registry

FUNCTION = 8  # roundings that an activation, a factor of its derivative or a logarithm counts as (see kernel_cases)


class PassErrors:
    """First-order bounds, element by element, on the rounding errors of forward and backward propagation.

    Notation:

    - e(M): the bound on the error of M.
    - n[l], m: the lengths of the sums over units and over examples, including the sums over shards.
    - u: the unit roundoff.
    - D: the factor of dropout, 0 or 1 / (1 - rate); A includes it. 1 without dropout.
    - k: the roundings that dropout adds: 2 (1 / (1 - rate) and the product with it), else 0.
    - v: what an operation loses at most where its result is smaller than every normal number, which plans replace by 0,
      and what comes of it by the factors D and scale where they follow. N roundings of a sum of products are of 2 N
      operations at most. Negligible where a bound holds a multiple of u already. Without overflow, see `largest`.

    Bounds:

    - Z = W A_prev + b: e(Z) = |W| e(A_prev) + (n[l-1] + 2 + k) (u (|W| |A_prev| + |b|) + 2 v)
    - A = g(Z) D: e(A) = D (sup|g'| e(Z) + 8 u (1 + |g(Z)|)) + 8 v; exp: without the 1; softmax: n[l] + 4 of u A and v
    - dZ = dA g'(Z): e(dZ) = e(dA) (|g'| + e(g')) + |dA| e(g') + 2 u |dZ| + 2 v, where e(g') = sup|g''| e(Z) + 16 u
      + 16 v (exp: 16 u g' + 16 v), and the jump at the kink where |Z| <= e(Z)
    - dW = scale dZ A_prev^T: e(dW) = scale (e(dZ) (|A_prev| + e(A_prev))^T + |dZ| e(A_prev)^T
      + (m + 6 + k) u |dZ| |A_prev|^T) + (m + 6 + k) 2 v + 3 u |l2 W| + 3 u l1 + u |dW|
    - dA_prev = W^T dZ D: e(dA_prev) = D (|W|^T e(dZ) + (n[l] + 1 + k) u |W|^T |dZ|) + (n[l] + 1 + k) 2 v

    Parameters
    ----------
    task : Task
    rows : index
        The examples.
    u : float
    step : int
        The number of previous updates, which determines the dropout masks.

    Attributes
    ----------
    J : float
    dW, db : list of ndarray
        The bounds.
    eZ, eA : list of ndarray
        Those of the layers' Z and A; of the input first.
    largest : float
        The largest sum of magnitudes: the bounds hold if it is far from the largest number of the dtype.
    """

    def __init__(self, task, rows, u, step=0):
        X, Y, weights = task.batch(rows)
        self.task, self.u, self.activations = task, u, task.activations
        self.W, b = [M.astype(np.float64) for M in task.W], [v.astype(np.float64) for v in task.b]
        network = task.reference()
        network.optimizer.t = step
        self.masks = network.masks(X.shape[1])
        self.k = 2 * bool(self.masks)
        total = 1.0 if weights is None else np.sum(weights) / (len(weights) if weights.ndim == 2 else 1)
        self.v = float(np.finfo(task.dtype).tiny) * max(1, 1 / total if total else 0)
        self.v /= 1 - max(task.dropout, default=0)
        self.largest = 0.0
        self.Z, self.A = reference.forward(X, self.W, b, self.activations, self.masks)
        self.eZ, self.eA = [None], [np.zeros_like(X)]
        D = [*self.masks, 1.0] if self.masks else [1.0] * len(self.W)
        for W_l, b_l, g, Z, A, A_prev, D_l in zip(
            self.W, b, self.activations, self.Z[1:], self.A[1:], self.A, D, strict=False
        ):
            size = np.abs(W_l) @ np.abs(A_prev) + np.abs(b_l)
            self.eZ.append(np.abs(W_l) @ self.eA[-1] + (W_l.shape[1] + 2 + self.k) * (u * size + 2 * self.v))
            self._note(size, A)
            if g == "softmax":
                spread = np.max(np.abs(Z), axis=0) * 2
                own = self.eZ[-1] + u * (spread + FUNCTION)
                self.eA.append(A * (own + np.sum(A * own, axis=0)) + (len(A) + 4) * (u * A + self.v))
            else:
                rounded = FUNCTION * (u * (D_l * (g != "exp") + np.abs(A)) + self.v)
                self.eA.append(D_l * smoothness(g, Z, self.eZ[-1])[0] * self.eZ[-1] + rounded)
        self._backward(Y, np.ones(X.shape[1]) if weights is None else weights)

    def _note(self, *magnitudes):
        self.largest = max(self.largest, *map(np.max, magnitudes))

    def _derivative(self, layer, dA, e_dA):
        """Return dZ of a layer from dA, and its bound."""
        g, Z, A, u, v = self.activations[layer - 1], self.Z[layer], self.A[layer], self.u, self.v
        dZ = reference.activate_backward(g, dA, Z)
        self._note(np.abs(dA), np.abs(dZ))
        if g == "softmax":
            dot, e_A = np.sum(A * np.abs(dA), axis=0), self.eA[layer]
            e_dot = np.sum(A * e_dA + e_A * (np.abs(dA) + e_dA), axis=0)
            inner = e_dA + e_dot + (len(A) + 4) * (u * (dot + np.abs(dA)) + 2 * v)
            return dZ, e_A * (dot + np.abs(dA)) + (A + e_A) * inner + v
        _, curvature, jump = smoothness(g, Z, self.eZ[layer])
        slope = np.abs(reference.activate_backward(g, np.ones_like(dA), Z))
        e_slope = curvature * self.eZ[layer] + jump * (np.abs(Z) <= self.eZ[layer])
        e_slope += 0 if facts(g).exact_slope else 16 * (u * (slope if g == "exp" else 1) + v)
        return dZ, e_dA * (slope + e_slope) + np.abs(dA) * e_slope + 2 * (u * np.abs(dZ) + v)

    def _loss_from_A(self, Y):
        """Return dA, its bound, L and its bound, for weights of 1. |a - y| <= e(A) may be on either side of a kink."""
        if self.task.loss == "gaussian":
            return self._gaussian(Y)
        u, parameter, e_A = self.u, self.task.loss_parameter, self.eA[-1]
        if np.ndim(parameter):  # levels: each target has several outputs
            parameter = np.tile(parameter, len(Y))[:, np.newaxis]
            Y = np.repeat(Y, len(e_A) // len(Y), axis=0)
        D = self.A[-1] - Y
        size = np.abs(D)
        passed = size <= e_A + u * size
        if self.task.loss == "squared_error":
            return D, e_A + 3 * u * size, D**2 / 2, (size + e_A) * e_A + 5 * u * D**2
        if self.task.loss == "huber":
            dA = np.clip(D, -parameter, parameter)
            L = np.where(size <= parameter, D**2 / 2, parameter * (size - parameter / 2))
            return dA, e_A + 3 * u * np.abs(dA), L, (np.abs(dA) + e_A) * e_A + 6 * u * parameter * size
        if self.task.loss not in ("absolute", "quantile"):
            raise AssertionError(f"no error bounds for the loss {self.task.loss}: add them to PassErrors._loss_from_A")
        sides = (1, 1) if self.task.loss == "absolute" else (1 - parameter, parameter)  # the slopes above and below y
        slope = np.where(D > 0, *sides)
        e_dA = sum(sides) * passed + 3 * u * slope * (self.task.loss != "absolute")
        return slope * np.sign(D), e_dA, slope * size, np.maximum(*sides) * e_A + 4 * u * slope * size

    def _gaussian(self, Y):
        """Return dA, its bound, L and its bound, for weights of 1.

        P = e^-s and q = (a - y)^2 P. An error of s changes P by at most its slope at the least s; e^-s counts 8
        roundings, products and sums 8 more. Below -50 it is a tangent; at -50 the derivative jumps by 1/2.
        """
        u, k = self.u, len(Y)
        (a, s), (e_a, e_s) = (np.split(M, [k]) for M in (self.A[-1], self.eA[-1]))
        D, above = np.abs(a - Y), np.maximum(s, -50)
        e_D, stretch, below = e_a + u * D, 1 + above - s, s < -50
        P = np.exp(-above)
        e_P = np.exp(-np.maximum(s - e_s, -50)) * e_s * stretch + 16 * u * P * stretch
        q = D**2 * P
        e_q = (D + e_D) ** 2 * (P * stretch + e_P) - q * stretch + 8 * u * q * stretch
        _, slopes = reference.losses._gaussian(self.A[-1], Y)
        L = (np.abs(above) + q * stretch) / 2
        e_slopes = [e_D * P * stretch + (D + e_D) * e_P + 8 * u * D * P * stretch,
                    e_q / 2 + u * (1 + q) + 0.5 * ((s - e_s < -50) != below) + 0.5 * ((s + e_s < -50) != below)]
        return slopes, np.concatenate(e_slopes), L, (e_s + e_q) / 2 + 4 * u * L

    def _loss_from_Z(self, Y):
        """Return dZ, its bound, L and its bound, for weights of 1."""
        u, Z, A, e_A, e_Z, s = self.u, self.Z[-1], self.A[-1], self.eA[-1], self.eZ[-1], self.task.loss_parameter
        span, n = np.max(np.abs(Z), axis=0), len(Z)
        if self.task.loss == "cross_entropy":
            Y = (1 - s) * Y + s / n
            e_L = 2 * np.max(e_Z, axis=0) + u * (4 * span + n + 2 * FUNCTION) + (s > 0) * (n + 4) * u * 2 * span
            L = span * 2 + np.log(n)
        elif self.task.loss == "poisson":
            L = np.abs(sp.xlogy(Y, Y)) + np.abs(Y * Z) + Y + A  # its terms, of both signs
            e_L = e_A + Y * e_Z + 2 * FUNCTION * u * L
        elif self.task.loss != "binary_cross_entropy":
            raise AssertionError(f"no error bounds for the loss {self.task.loss}: add them to PassErrors._loss_from_Z")
        else:
            Y = Y + s * (0.5 - Y)
            L = np.abs(Z) * (1 + np.abs(Y)) + 1
            e_L = e_Z * (1 + np.abs(Y)) + FUNCTION * u * L
        dZ = A - Y
        return dZ, e_A + FUNCTION * u * A + 3 * u * np.abs(dZ) + (s > 0) * 3 * u * Y, L, e_L

    def _backward(self, Y, w):
        u, v, k, l2, l1 = self.u, self.v, self.k, self.task.l2, self.task.l1
        total, m = np.sum(w) / (len(w) if w.ndim == 2 else 1), Y.shape[1]
        scale = 1 / total if total else 0.0
        if self.task.loss in registry.FROM_Z:
            dZ, e_dZ, L, e_L = self._loss_from_Z(Y)
            dZ, e_dZ = w * dZ, w * e_dZ + v
        else:
            dA, e_dA, L, e_L = self._loss_from_A(Y)
            unit_w = w
            if w.ndim == 2 and len(dA) > len(w):  # the outputs of a target follow each other, or are of two kinds
                copies = len(dA) // len(w)
                unit_w = np.repeat(w, copies, axis=0) if len(L) == len(dA) else np.tile(w, (copies, 1))
            dZ, e_dZ = self._derivative(len(self.activations), unit_w * dA, unit_w * e_dA + v)
        if w.ndim == 2 and len(L) > len(w):
            w = np.repeat(w, len(L) // len(w), axis=0)
        self.J = scale * (np.sum(w * e_L) + (m + 6) * u * np.sum(w * L))
        self._note(w * L)
        for W_l in self.W:
            self.J += (W_l.size + 6) * u * (l2 / 2 * np.sum(W_l**2) + l1 * np.sum(np.abs(W_l)))
        self.dW, self.db = [], []
        for layer in range(len(self.W), 0, -1):
            W_l, A_prev, e_prev = self.W[layer - 1], self.A[layer - 1], self.eA[layer - 1]
            full = scale * np.abs(dZ) @ np.abs(A_prev).T
            self._note(np.abs(dZ) @ np.abs(A_prev).T, full)
            carried = scale * (e_dZ @ (np.abs(A_prev) + e_prev).T + np.abs(dZ) @ e_prev.T)
            penalties = 4 * u * (l2 * np.abs(W_l) + l1)
            self.dW.insert(0, carried + (m + 6 + k) * (u * full + 2 * v) + penalties + u * full)
            self.db.insert(0, scale * np.sum(e_dZ + (m + 6) * u * np.abs(dZ), axis=1, keepdims=True) + (m + 6) * 2 * v)
            if layer > 1:
                D = self.masks[layer - 2] if self.masks else 1.0
                size = np.abs(W_l).T @ np.abs(dZ)
                self._note(size)
                e_dA = np.abs(W_l).T @ e_dZ + (len(W_l) + 1 + k) * (u * size + 2 * v)
                dZ, e_dZ = self._derivative(layer - 1, D * (W_l.T @ dZ), D * e_dA)
