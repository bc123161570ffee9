"""fastnn through its public interface."""

import numpy as np

from fastnn import Network
from peers import RATE, initial


class FastNN:
    def __init__(self, sizes: list[int], dtype: str, n_threads: int) -> None:
        self.net, self.n_threads = Network(sizes, random_state=0, dtype=dtype), n_threads
        for W, start in zip(self.net.W, initial(sizes, dtype), strict=True):
            W[...] = start

    def train(self, X: np.ndarray, y: np.ndarray, batch: int, epochs: int, rate: float = RATE) -> float:
        history = self.net.fit(X, y, batch_size=batch, epochs=epochs, learning_rate=rate,
                               n_threads=self.n_threads)
        return history["loss"][-1]

    def predict(self, X: np.ndarray) -> np.ndarray:
        return self.net.predict_proba(X, n_threads=self.n_threads)
