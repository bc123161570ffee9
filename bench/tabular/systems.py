"""The systems that learn from a table, each with its defaults and the preparation that it needs.

fastnn gets the table as it is, as does LightGBM except that text becomes the dtype "category". RealMLP and
scikit-learn's MLP refuse gaps in numbers, so the median of the training rows replaces them; scikit-learn's MLP gets
standardised numbers, one column per category, and a standardised target. Preparation by another package is not timed,
except in the pipeline of scikit-learn.
"""

from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from typing import NamedTuple

import numpy as np

Frames = tuple  # of training and test rows


def is_text(column) -> bool:
    from pandas.api import types

    return not (types.is_numeric_dtype(column) or types.is_bool_dtype(column))


def as_it_is(train, test) -> Frames:
    return train, test


def categories(train, test) -> Frames:
    """Columns of text as the dtype "category", with the values of the training rows."""
    import pandas as pd

    text = [name for name in train if is_text(train[name])]
    dtypes = {name: pd.CategoricalDtype(sorted(train[name].dropna().unique())) for name in text}
    return train.astype(dtypes), test.astype(dtypes)


def without_gaps(train, test) -> Frames:
    """Numbers without gaps; text as Python objects."""
    text = {name: object for name in train if is_text(train[name])}
    medians = train.median(numeric_only=True)
    return train.astype(text).fillna(medians), test.astype(text).fillna(medians)


def fastnn(train, classes: bool, seed: int, n_threads: int, n_models: int = 1, **parameters):
    from fastnn import TabularClassifier, TabularRegressor

    return (TabularClassifier if classes else TabularRegressor)(
        n_models=n_models, random_state=seed, n_threads=n_threads, **parameters)


def realmlp(train, classes: bool, seed: int, n_threads: int):
    import logging

    from pytabkit import RealMLP_TD_Classifier, RealMLP_TD_Regressor

    logging.getLogger("pytorch_lightning").setLevel(logging.ERROR)
    return (RealMLP_TD_Classifier if classes else RealMLP_TD_Regressor)(
        random_state=seed, n_threads=n_threads, device="cpu")


def lightgbm(train, classes: bool, seed: int, n_threads: int):
    from lightgbm import LGBMClassifier, LGBMRegressor

    return (LGBMClassifier if classes else LGBMRegressor)(random_state=seed, n_jobs=n_threads, verbose=-1)


def sklearn_mlp(train, classes: bool, seed: int, n_threads: int, **parameters):
    """The environment limits its threads."""
    from sklearn.compose import TransformedTargetRegressor, make_column_transformer
    from sklearn.neural_network import MLPClassifier, MLPRegressor
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import OneHotEncoder, StandardScaler

    text = [name for name in train if is_text(train[name])]
    columns = make_column_transformer((StandardScaler(), [name for name in train if name not in text]),
                                      (OneHotEncoder(handle_unknown="ignore", sparse_output=False), text))
    model = make_pipeline(columns, (MLPClassifier if classes else MLPRegressor)(random_state=seed, **parameters))
    return model if classes else TransformedTargetRegressor(model, transformer=StandardScaler())


class System(NamedTuple):
    make: Callable  # (train, classes, seed, n_threads) -> an estimator
    prepare: Callable[..., Frames]
    needs: tuple[str, ...]  # packages
    confinable: bool = True  # whether it has a switch for the instruction set (see isa.py)


OURS, OUR_ENSEMBLE, REALMLP, LIGHTGBM = "fastnn", "fastnn x5", "RealMLP-TD", "LightGBM"
MLPS = ("scikit-learn", "scikit-learn early")  # the second: 256-256-256 with early stopping
SYSTEMS = {
    OURS: System(fastnn, as_it_is, ("fastnn",)),
    OUR_ENSEMBLE: System(partial(fastnn, n_models=5), as_it_is, ("fastnn",)),
    REALMLP: System(realmlp, without_gaps, ("pytabkit",)),
    LIGHTGBM: System(lightgbm, categories, ("lightgbm",), confinable=False),
    MLPS[0]: System(sklearn_mlp, without_gaps, ("sklearn",)),
    MLPS[1]: System(partial(sklearn_mlp, early_stopping=True, hidden_layer_sizes=(256, 256, 256)), without_gaps,
                    ("sklearn",)),
}


def chosen(names: str, confined: bool) -> list[str]:
    """The systems of --peers (default: all); those that cannot run are left out with a message."""
    asked = names.split(",") if names else list(SYSTEMS)
    if unknown := [name for name in asked if name not in SYSTEMS]:
        raise SystemExit(f"unknown systems {', '.join(unknown)}: choose from {', '.join(SYSTEMS)}")
    able = [name for name in asked if all(find_spec(package) for package in SYSTEMS[name].needs)
            and (SYSTEMS[name].confinable or not confined)]
    if len(able) < len(asked):
        print("left out, not installed or without a switch for --isa:",
              ", ".join(name for name in asked if name not in able))
    return able


def score(predicted: np.ndarray, y: np.ndarray, classes: bool) -> float:
    """The part of wrong classes, or the root of the mean squared error."""
    return float(np.mean(predicted != y)) if classes else float(np.sqrt(np.mean((predicted - y) ** 2)))


def baseline(y_train: np.ndarray, y: np.ndarray, classes: bool) -> float:
    """The score of always predicting the commonest class or the mean."""
    constant = np.bincount(y_train).argmax() if classes else y_train.mean()
    return score(np.full(len(y), constant), y, classes)
