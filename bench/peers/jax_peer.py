"""JAX: a whole epoch (gather and steps) in one compiled `lax.scan`."""

import os
from functools import partial

import numpy as np

from peers import RATE, initial

BETA_1, BETA_2, EPSILON = 0.9, 0.999, 1e-8


class ScannedJAX:
    def __init__(self, sizes: list[int], dtype: str, n_threads: int) -> None:
        if n_threads == 1:  # XLA's own flags do not keep it on one core
            own = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
            os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {own}"
            os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
        import jax

        jax.config.update("jax_enable_x64", dtype == "float64")
        jax.config.update("jax_platforms", "cpu")
        self.jax = jax
        theta = [(W.T.copy(), np.zeros(len(W), dtype)) for W in initial(sizes, dtype)]
        self.theta = jax.tree.map(jax.numpy.asarray, theta)
        self.moments = jax.tree.map(jax.numpy.zeros_like, (self.theta, self.theta))
        self.t, self.rng = jax.numpy.zeros((), dtype), np.random.default_rng(1)
        self.forward = jax.jit(lambda theta, X: jax.nn.softmax(self.logits(theta, X)))

    def logits(self, theta, X):
        for W, b in theta[:-1]:
            X = self.jax.nn.relu(X @ W + b)
        W, b = theta[-1]
        return X @ W + b

    def loss(self, theta, X, y):
        log_p = self.jax.nn.log_softmax(self.logits(theta, X))  # multiplying by one-hot rows is faster than indexing
        return -(log_p * self.jax.nn.one_hot(y, log_p.shape[1], dtype=log_p.dtype)).sum(1).mean()

    def step(self, state, batch, rate):
        jnp, tree = self.jax.numpy, self.jax.tree
        theta, (first, second), t = state
        J, g = self.jax.value_and_grad(self.loss)(theta, *batch)
        t = t + 1
        first = tree.map(lambda m, d: BETA_1 * m + (1 - BETA_1) * d, first, g)
        second = tree.map(lambda v, d: BETA_2 * v + (1 - BETA_2) * d * d, second, g)
        rate = rate * jnp.sqrt(1 - BETA_2**t) / (1 - BETA_1**t)
        theta = tree.map(lambda p, m, v: p - rate * m / (jnp.sqrt(v) + EPSILON), theta, first, second)
        return (theta, (first, second), t), J

    def train(self, X: np.ndarray, y: np.ndarray, batch: int, epochs: int, rate: float = RATE) -> float:
        jax = self.jax

        @partial(jax.jit, donate_argnums=0)
        def epoch(state, order, rate, X, y):
            state, losses = jax.lax.scan(lambda s, rows: self.step(s, (X[rows], y[rows]), rate), state, order)
            return state, losses.mean()

        if not hasattr(self, "epoch"):
            self.epoch, self.data = epoch, (jax.numpy.asarray(X), jax.numpy.asarray(y, "int32"))
        state = (self.theta, self.moments, self.t)
        for _ in range(epochs):
            order = self.rng.permutation(len(y)).astype(np.int32)  # faster than JAX's permutation
            order = order[: len(y) // batch * batch].reshape(-1, batch)
            state, J = self.epoch(state, order, rate, *self.data)
        self.theta, self.moments, self.t = state
        return float(J)

    def predict(self, X: np.ndarray) -> np.ndarray:
        return np.asarray(self.forward(self.theta, X))
