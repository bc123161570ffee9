"""The validation data of an estimator's fit, and the score of the parameters on them."""

import inspect
import warnings
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import check_scoring
from sklearn.model_selection import train_test_split

from fastnn._data.examples import Examples
from fastnn.estimators._inputs import FitData, check_sample_weight
from fastnn.estimators._network import CoreNetwork
from fastnn.estimators._stochastic import ValidationSet

__all__ = ["ValidationArguments", "early_stopping_split", "validation_data", "validation_set"]


class ValidationArguments(NamedTuple):
    """The validation data that the user passes to `fit`."""

    X: Any = None
    y: Any = None
    sample_weight: Any = None

    @property
    def given(self) -> bool:
        """Whether any argument was passed."""
        return any(argument is not None for argument in self)


def validation_data(estimator: Any, given: ValidationArguments) -> FitData:
    """Validate and encode the validation data that the user passed."""
    if given.X is None or given.y is None:
        raise ValueError("X_val and y_val go together")
    X, y = estimator._validate_validation_data(given.X, given.y)
    sample_weight = check_sample_weight(given.sample_weight, X, "sample_weight_val")
    return FitData(X, y, estimator._encode(y), sample_weight, sample_weight)


def early_stopping_split(estimator: Any, data: FitData) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return the positions of the training examples and of those that early stopping holds out."""
    rows, held_rows = train_test_split(np.arange(len(data.encoded_y)), random_state=estimator._random_state,
                                       test_size=estimator.validation_fraction,
                                       stratify=estimator._strata(data.encoded_y))
    if len(held_rows) < 2:
        raise ValueError("The validation set is too small. Increase 'validation_fraction' or the size of your "
                         "dataset.")
    return rows, held_rows


def validation_set(estimator: Any, network: CoreNetwork, data: FitData) -> ValidationSet:
    """Return the examples to evaluate after each epoch, with their score."""
    examples = data.examples(network.architecture)
    return ValidationSet(examples, partial(score, estimator, network, data, examples))


def score(estimator: Any, network: CoreNetwork, data: FitData, examples: Examples) -> float:
    """Return the validation score of the current parameters: that of `scoring`, by default accuracy or R2."""
    if estimator.scoring is None:
        outputs = network.predictor.outputs(examples.X, n_threads=estimator.n_threads)
        assert outputs is not None, "examples were validated"
        return float(estimator._score_outputs(outputs, data))
    if not np.isfinite(network.parameters.theta).all():
        return float("nan")  # scorers raise for NaN
    scorer, weights = check_scoring(estimator, scoring=estimator.scoring), {}
    if data.sample_weight is not None and accepts_sample_weight(scorer):
        weights["sample_weight"] = data.sample_weight
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        return float(scorer(estimator, data.X, data.y, **weights))


def accepts_sample_weight(scorer: Any) -> bool:
    """Return whether a scorer, or the metric it wraps, accepts `sample_weight`."""
    parameters = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
    return "sample_weight" in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())
