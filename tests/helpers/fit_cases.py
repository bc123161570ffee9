"""Data and networks for the tests of training."""

import numpy as np

from fastnn import Network

OPTIMIZERS = ["sgd", "momentum", "nesterov", "adam", "adamw", "nadam", "rmsprop"]


def blobs(m=60, n_x=4, n_classes=3, seed=0):
    rng = np.random.default_rng(seed)
    y = rng.integers(n_classes, size=m)
    return rng.standard_normal((m, n_x)) + np.eye(n_classes, n_x)[y], y


def make(dtype="float64", sizes=(4, 6, 3), activation="tanh", seed=0, **arguments):
    return Network(sizes, activation=activation, dtype=dtype, random_state=seed, **arguments)


def regression(m=60):
    X, _ = blobs(m)
    return X, X[:, 0] * 2 - X[:, 1]
