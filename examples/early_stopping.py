"""Regression with a validation part, early stopping, a callback, and a file: a noisy sine."""

import tempfile
from pathlib import Path

import numpy as np

from fastnn import Network

rng = np.random.default_rng(0)
X = rng.uniform(-np.pi, np.pi, (600, 1))
y = np.sin(2 * X[:, 0]) + 0.1 * rng.standard_normal(600)


def report(network, record):
    """Print every hundredth epoch; a callback that returns True would stop the training."""
    if record["epoch"] % 100 == 0:
        print(f"epoch {record['epoch']:3}: cost {record['loss']:.4f}, validation {record['validation_loss']:.4f}")


network = Network([1, 64, 64, 1], activation="tanh", output="identity", random_state=0)
history = network.fit(X[:400], y[:400], learning_rate=5e-3, batch_size=40, epochs=1000,
                      validation_data=(X[400:], y[400:]), early_stopping=50, callbacks=[report])
print(f"stopped after epoch {len(history)} ({history.stop_reason}), kept epoch {history.best_epoch}")
print(f"rmse {network.evaluate(X[400:], y[400:])['rmse']:.3f}; the noise alone has 0.1")

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "sine.fastnn")
    network.save(path)
    print("saved and loaded: equal predictions", np.array_equal(Network.load(path).predict(X), network.predict(X)))
