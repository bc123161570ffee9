"""The validation data of an estimator's fit."""

from typing import Any, NamedTuple

from fastnn.estimators._inputs import FitData, check_sample_weight
from fastnn.estimators._network import CoreNetwork
from fastnn.estimators._scores import ValidationScore
from fastnn.estimators._stochastic import ValidationSet

__all__ = ["ValidationArguments", "validation_data", "validation_set"]


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


def validation_set(estimator: Any, network: CoreNetwork, data: FitData, given: bool) -> ValidationSet:
    """Return the examples to evaluate after each epoch, with their score; the user passed them if `given`.

    Raises
    ------
    ValueError
        If early stopping would watch a score that is not defined for them.
    """
    examples = data.examples(network.architecture)
    score = ValidationScore(estimator, network, data, examples, given)
    if estimator.early_stopping:
        score.check()
    return ValidationSet(examples, score)
