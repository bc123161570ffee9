"""scikit-learn's MLPClassifier."""

import warnings

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier

from peers import RATE, initial

warnings.simplefilter("ignore", ConvergenceWarning)


class ScikitLearn:
    def __init__(self, sizes: list[int], dtype: str, n_threads: int) -> None:
        self.sizes, self.dtype = sizes, dtype
        self.net = MLPClassifier(sizes[1:-1], alpha=0, tol=0, warm_start=True, random_state=0)

    def begin(self) -> None:
        """Let scikit-learn allocate the parameters, then set them."""
        rows, labels = max(2, self.sizes[-1]), np.arange(max(2, self.sizes[-1]))
        self.net.set_params(max_iter=1).fit(np.zeros((rows, self.sizes[0]), self.dtype), labels)
        for coef, intercept, W in zip(self.net.coefs_, self.net.intercepts_, initial(self.sizes, self.dtype),
                                      strict=True):
            if len(W) == coef.shape[1]:
                coef[...], intercept[...] = W.T, 0
            else:  # scikit-learn uses one logistic unit for two classes
                coef[...], intercept[...] = (W[1] - W[0])[:, None], 0

    def train(self, X: np.ndarray, y: np.ndarray, batch: int, epochs: int, rate: float = RATE) -> float:
        if not hasattr(self.net, "coefs_"):
            self.begin()
        self.net.set_params(batch_size=batch, max_iter=epochs, n_iter_no_change=epochs + 1, learning_rate_init=rate)
        self.net.fit(X, y)
        return self.net.loss_

    def predict(self, X: np.ndarray) -> np.ndarray:
        if not hasattr(self.net, "coefs_"):
            self.begin()
        return self.net.predict_proba(X)
