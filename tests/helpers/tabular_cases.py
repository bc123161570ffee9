"""Small tables with numbers, categories and gaps, and small models of them."""

import numpy as np
import pandas as pd

from fastnn import TabularClassifier, TabularRegressor

KINDS = {"classifier": TabularClassifier, "regressor": TabularRegressor}
SMALL = {"hidden_layer_sizes": (16, 16), "epochs": 8, "batch_size": 64, "random_state": 0, "n_threads": 1}


def made(kind, **parameters):
    """Return a small unfitted estimator."""
    return KINDS[kind](**SMALL | parameters)


def table(kind="regressor", m=200, seed=0):
    """Return a table of m rows with a target that depends on all its columns."""
    rng = np.random.default_rng(seed)
    size, weight = rng.normal(170, 10, m), np.exp(rng.normal(4, 1, m))
    colour, town = rng.choice(["red", "green", "blue"], m), rng.integers(0, 12, m)
    score = (size - 170) / 10 + np.log(weight) - 4 + (colour == "red") + (town % 3 == 0)
    X = pd.DataFrame({"size": size, "weight": weight, "colour": colour, "town": town.astype(str), "old": town > 5})
    X.loc[rng.random(m) < 0.1, "weight"] = np.nan
    X.loc[rng.random(m) < 0.1, "colour"] = None
    if kind == "regressor":
        return X, score
    return X, np.array(["low", "middle", "high"])[np.digitize(score, [-0.5, 1.5])]
