"""Regression on a noisy sine with validation data, early stopping, a callback, and a saved model."""

import tempfile
from pathlib import Path

import numpy as np

from fastnn import Network

rng = np.random.default_rng(0)
X = rng.uniform(-np.pi, np.pi, (600, 1))
y = np.sin(2 * X[:, 0]) + 0.1 * rng.standard_normal(600)


def report(network, record):
    """Print every hundredth epoch. (A callback that returns True stops the training.)"""
    if record["epoch"] % 100 == 0:
        print(f"epoch {record['epoch']:3}: cost {record['loss']:.4f}, validation {record['validation_loss']:.4f}")


network = Network([1, 64, 64, 1], activation="tanh", output="identity", random_state=0)
history = network.fit(X[:400], y[:400], learning_rate=5e-3, batch_size=40, epochs=1000,
                      validation_data=(X[400:], y[400:]), early_stopping=50, callbacks=[report])
print(f"stopped after epoch {len(history)} ({history.stop_reason}), kept epoch {history.best_epoch}")
print(f"rmse {network.evaluate(X[400:], y[400:])['rmse']:.3f}; the noise alone gives 0.1")

with tempfile.TemporaryDirectory() as folder:
    path = Path(folder, "sine.fastnn")
    network.save(path)
    loaded = Network.load(path)
    print("equal predictions after saving and loading:", np.array_equal(loaded.predict(X), network.predict(X)))
