"""Plain NumPy, as a student of the course writes it."""

import numpy as np

from peers import RATE, initial


class PlainNumPy:
    def __init__(self, sizes: list[int], dtype: str, n_threads: int) -> None:
        self.dtype, self.rng = np.dtype(dtype).type, np.random.default_rng(1)
        self.theta = []
        for W in initial(sizes, dtype):
            self.theta += [W, np.zeros((len(W), 1), dtype)]
        self.m = [np.zeros_like(p) for p in self.theta]
        self.v = [np.zeros_like(p) for p in self.theta]
        self.t = 0

    def forward(self, X: np.ndarray) -> list[np.ndarray]:
        W, b, A = self.theta[0::2], self.theta[1::2], [X]
        for l in range(len(W)):
            Z = W[l] @ A[-1] + b[l]
            A.append(np.maximum(Z, 0) if l < len(W) - 1 else np.exp(Z - Z.max(axis=0)))
        A[-1] /= A[-1].sum(axis=0)
        return A

    def step(self, X: np.ndarray, labels: np.ndarray, alpha: float) -> float:
        m, W, real = X.shape[1], self.theta[0::2], self.dtype
        A, examples = self.forward(X), np.arange(X.shape[1])
        J = -np.log(A[-1][labels, examples]).mean()
        dZ = A[-1].copy()
        dZ[labels, examples] -= 1
        gradients = []
        for l in range(len(W) - 1, -1, -1):
            gradients = [dZ @ A[l].T / m, dZ.sum(axis=1, keepdims=True) / m, *gradients]
            if l:
                dZ = (W[l].T @ dZ) * (A[l] > 0)
        self.t += 1
        rate = real(alpha * np.sqrt(1 - 0.999**self.t) / (1 - 0.9**self.t))
        for p, g, first, second in zip(self.theta, gradients, self.m, self.v, strict=True):
            first *= real(0.9)
            first += real(0.1) * g
            second *= real(0.999)
            second += real(0.001) * g * g
            p -= rate * first / (np.sqrt(second) + real(1e-8))
        return float(J)

    def train(self, X: np.ndarray, y: np.ndarray, batch: int, epochs: int, rate: float = RATE) -> float:
        for _ in range(epochs):
            order, total, steps = self.rng.permutation(len(y)), 0.0, len(y) // batch
            for k in range(steps):
                rows = order[k * batch : (k + 1) * batch]
                total += self.step(X[rows].T, y[rows], rate)
        return total / steps

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.forward(X.T)[-1].T
