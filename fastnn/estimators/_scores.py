"""The validation score of an estimator's fit, and whether it is defined for the validation data."""

import inspect
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from math import isfinite, nan
from numbers import Real
from typing import Any

import numpy as np
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning, UndefinedMetricWarning
from sklearn.metrics import check_scoring

from fastnn import runtime
from fastnn._core import kernels
from fastnn._data.examples import Examples
from fastnn.estimators._inputs import FitData
from fastnn.estimators._network import CoreNetwork
from fastnn.estimators._scores_by_output import check_by_output, is_of_sklearn, score_by_output
from fastnn.estimators._stand_in import good_outputs, stand_in, typical_data

__all__ = ["LOSS", "ValidationScore"]

LOSS = "loss"  # scoring="loss": the negative validation loss


class ValidationScore:
    """The score of `scoring`, by default accuracy or R2, of the current parameters on the validation data.

    Parameters
    ----------
    estimator : BaseMLP
    network : CoreNetwork
    data : FitData
        The validation data.
    examples : Examples
        The same as the core reads them.
    given : bool
        Whether the user passed them. Of a held-out part of y that is constant, where R2 cannot change, the score is the
        negative loss.
    """

    def __init__(self, estimator: Any, network: CoreNetwork, data: FitData, examples: Examples, given: bool) -> None:
        self.estimator, self.network, self.data, self.examples = estimator, network, data, examples
        self.given, self.scorer, self.weights = given, None, {}
        self.replaces_r2 = (not given and estimator.scoring is None
                            and estimator._reason_against_score(data) is not None)
        self.is_loss = estimator.scoring == LOSS or self.replaces_r2
        if estimator.scoring not in (None, LOSS):
            self.scorer = check_scoring(estimator, scoring=estimator.scoring)
            if data.sample_weight is not None and accepts_sample_weight(self.scorer):
                self.weights["sample_weight"] = data.sample_weight
                if data.sample_weight.ndim == 2 and is_of_sklearn(self.scorer):
                    check_by_output(self.scorer, estimator, self.name)
        self.warned = False

    @property
    def name(self) -> str:
        """The name of the score in messages."""
        scoring = LOSS if self.is_loss else self.estimator.scoring
        if scoring is None:
            return str(self.estimator._score_name())
        return repr(scoring) if isinstance(scoring, str) else getattr(scoring, "__name__", repr(scoring))

    @property
    def highest(self) -> float | None:
        """The highest possible score, if it is known."""
        return 1.0 if self.scorer is None or getattr(self.scorer, "_sign", 0) > 0 else None

    def value(self, loss: float) -> float:
        """Return the score, given the validation loss; NaN if a parameter is not finite.

        Raises
        ------
        TypeError
            If the scorer does not return a number. What it raises itself gets a note that names `scoring`.
        """
        if not kernels.all_finite(self.network.parameters.theta, runtime.LEVEL):
            return nan
        if self.is_loss:
            return -loss
        if self.scorer is None:
            outputs = self.network.predictor.outputs(self.examples.X, n_threads=self.estimator.n_threads)
            assert outputs is not None, "examples were validated"
            return float(self.estimator._score_outputs(outputs, self.data))
        try:
            return self.of(self.estimator)
        except Exception as error:
            error.add_note(f"raised by scoring={self.name} after epoch {self.estimator.n_iter_}")
            raise

    def check(self) -> None:
        """Check, before training, that early stopping can watch the score.

        A scorer of scikit-learn is refused if it is not defined for the validation data, which is the case if it has
        no value for the initial parameters nor for good predictions.

        Raises
        ------
        ValueError
            If the score is not defined for these validation data.
        """
        reason, advice = None, "Pass other validation data or scoring='loss'"
        if self.given and self.estimator.scoring in (None, "r2"):
            reason = self.estimator._reason_against_score(self.data)
        if reason is None and self.scorer is not None and hasattr(self.scorer, "_score_func"):
            # Not of a user's function: it may need a fit.
            reason = self._reason_against_scorer()
            if reason is not None and (error := self._error_of_any_data()) is not None:
                reason = f"it does not apply to this estimator ({error})"
                advice = "Pass another scorer or scoring='loss'"
        if reason is not None:
            raise ValueError(f"early stopping cannot watch the score {self.name}: {reason}. {advice}")

    def warn_if_not_finite(self, score: float, epoch: int) -> None:
        """Warn once if a score is NaN or infinite."""
        if isfinite(score) or self.warned:
            return
        self.warned = True
        effect = ("; it counts as no improvement, and if no score is finite, the last parameters are kept"
                  if self.estimator.early_stopping else "")
        warnings.warn(f"the validation score {self.name} is {score} after epoch {epoch}{effect}", ConvergenceWarning,
                      stacklevel=2)

    def of(self, estimator: Any) -> float:
        """Return the scorer's value of an estimator.

        If the outputs have their own weights, scikit-learn's scorers are computed by `score_by_output`.

        Raises
        ------
        TypeError
            If the scorer does not return a number.
        """
        return self._of(estimator, self.data, self.weights)

    def _of(self, estimator: Any, data: FitData, weights: dict[str, Any]) -> float:
        assert self.scorer is not None
        by_output = "sample_weight" in weights and weights["sample_weight"].ndim == 2
        with quiet_scorer():
            if by_output and is_of_sklearn(self.scorer):
                y = data.encoded_y.astype(int) if is_classifier(estimator) else data.y
                return score_by_output(self.scorer, estimator, data.X, y, weights["sample_weight"])
            value = self.scorer(estimator, data.X, data.y, **weights)
        if not isinstance(value, Real) and (np.ndim(value) or np.asarray(value).dtype.kind not in "biuf"):
            raise TypeError(f"scoring={self.name} must return a number, got {type(value).__name__}")
        return float(value)

    def _reason_against_scorer(self) -> str | None:
        reason = None
        good = stand_in(self.estimator, good_outputs(self.estimator, self.network, self.data))
        for estimator in (good, self.estimator):
            try:
                score = self.of(estimator)
            except Exception as error:
                reason = f"it is not defined for the validation data ({error})"
            else:
                if isfinite(score):
                    return None
                reason = f"it is {score} for the validation data"
        return f"{reason}{self._missing_classes()}"

    def _error_of_any_data(self) -> Exception | None:
        """Return the error that the scorer raises for good predictions of data that lack nothing."""
        data = typical_data(self.estimator, self.data)
        try:
            self._of(stand_in(self.estimator, good_outputs(self.estimator, self.network, data)), data, {})
        except Exception as error:
            return error
        return None

    def _missing_classes(self) -> str:
        """Say which classes the validation data lack."""
        Y = self.data.encoded_y[self.data.weighted_rows()]
        if not is_classifier(self.estimator):
            return ""
        if Y.ndim > 1:
            equal = self.estimator.classes_[Y.all(axis=0) | ~Y.any(axis=0)]
            return f", which have the labels {equal.tolist()} in all rows or in none" if len(equal) else ""
        missing = np.setdiff1d(np.arange(len(self.estimator.classes_)), Y)
        names = self.estimator.classes_[missing].tolist()
        return f", which hold no example of the classes {names}" if names else ""


@contextmanager
def quiet_scorer() -> Iterator[None]:
    """Ignore warnings about what the fit itself reports, or does on purpose."""
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "X does not have valid feature names", UserWarning)
        warnings.filterwarnings("ignore", "y_pred contains classes not in y_true", UserWarning)
        warnings.simplefilter("ignore", UndefinedMetricWarning)
        yield


def accepts_sample_weight(scorer: Any) -> bool:
    """Return whether a scorer, or the metric it wraps, accepts `sample_weight`."""
    parameters = inspect.signature(getattr(scorer, "_score_func", scorer)).parameters
    return "sample_weight" in parameters or any(one.kind is one.VAR_KEYWORD for one in parameters.values())
