"""The validation data of an estimator's fit."""

import re
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import blake2b
from typing import Any, NamedTuple

import numpy as np
from sklearn.base import is_regressor

from fastnn._data.sparse import is_sparse
from fastnn.estimators._inputs import FitData, check_sample_weight
from fastnn.estimators._network import CoreNetwork
from fastnn.estimators._scores import ValidationScore
from fastnn.estimators._stochastic import ValidationSet
from fastnn.estimators._targets import on_another_scale
from fastnn.estimators._user_data import warn_if_merges

__all__ = ["ValidationArguments", "validation_data", "validation_set"]

DIGESTED = 100  # rows that tell whether validation data are those of the fit before


class ValidationArguments(NamedTuple):
    """The validation data that the user passes to `fit`."""

    X: Any = None
    y: Any = None
    sample_weight: Any = None

    @property
    def given(self) -> bool:
        """Whether any argument was passed."""
        return any(argument is not None for argument in self)


@contextmanager
def naming_validation_data() -> Iterator[None]:
    """Call the data X_val, y_val and sample_weight_val in errors, including those of scikit-learn."""
    try:
        yield
    except (ValueError, TypeError) as error:
        named = re.sub(r"(?<![\w'\"])(X|y|sample_weight)(?![\w'\"])|(?<=')y(?=' has)", r"\g<0>_val", str(error))
        if named == str(error):
            raise
        raise (TypeError if isinstance(error, TypeError) else ValueError)(named) from error


@naming_validation_data()
def validation_data(estimator: Any, given: ValidationArguments, training: FitData) -> FitData:
    """Validate and encode the validation data that the user passed.

    Warns
    -----
    UserWarning
        If the targets are on another scale than those of the training data.
    """
    if given.X is None and given.y is None:
        raise ValueError("sample_weight_val needs X_val and y_val")
    if given.X is None or given.y is None:
        raise ValueError("X_val and y_val go together")
    X, y = estimator._validate_validation_data(given.X, given.y)
    encoded_y = estimator._encode(y)
    warn_if_merges(estimator, given.X, given.y, encoded_y, trained_on=training.X, suffix="_val")
    weights = check_sample_weight(given.sample_weight, X, encoded_y, estimator._n_targets(encoded_y),
                                  "sample_weight_val")
    factors = estimator._class_factors(training.encoded_y, training.sample_weight, applied_to=encoded_y)
    data = FitData.of(X, y, encoded_y, weights, factors)
    if is_regressor(estimator) and (difference := on_another_scale(training, data)):
        warnings.warn(f"y_val is on another scale than y: {difference}. Transform both alike; "
                      "TransformedTargetRegressor transforms y only, normalize_y=True both", stacklevel=2)
    return data


def origin_of(estimator: Any, given: FitData | None) -> tuple[Any, ...]:
    """Return where validation data come from: a digest of those that the user passed, or how they are held out.

    The digest is that of 100 examples, in the precision of float32: an estimator may change its dtype.
    """
    if given is None:
        return estimator.validation_split, float(estimator.validation_fraction)
    part = given.take(np.linspace(0, len(given.encoded_y) - 1, DIGESTED).astype(np.int64))
    X = part.X.tocsr() if is_sparse(part.X) else part.X
    weights = [] if part.sample_weight is None else [part.sample_weight]
    digest = blake2b(digest_size=16)
    for array in (*([X.data, X.indices] if is_sparse(X) else [X]), part.encoded_y, *weights):
        with np.errstate(over="ignore", under="ignore"):
            digest.update(np.ascontiguousarray(array, np.float32).tobytes())
    return given.X.shape, given.encoded_y.shape, digest.hexdigest()


def validation_set(estimator: Any, network: CoreNetwork, data: FitData, given: bool) -> ValidationSet:
    """Return the examples to evaluate after each epoch, with their score; the user passed them if `given`.

    Raises
    ------
    ValueError
        If early stopping would watch a score that is not defined for them.
    """
    with naming_validation_data():
        data = estimator._standardised(data)
        examples = data.examples(network.architecture, estimator._per_target())
    score = ValidationScore(estimator, network, data, examples, given)
    if estimator.early_stopping:
        score.check()
    return ValidationSet(examples, score, origin_of(estimator, data if given else None))
