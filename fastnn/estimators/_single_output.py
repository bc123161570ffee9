"""Outputs of an estimator of several, as scorers see them: a classifier of 0 and 1, or a regressor of one target."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier

__all__ = ["pooled_outputs", "single_output"]


class OneTarget(RegressorMixin, BaseEstimator):  # type: ignore[misc]
    """One target of a fitted regressor.

    Parameters
    ----------
    estimator : MLPRegressor
    output : int
    """

    def __init__(self, estimator: Any, output: int) -> None:
        self.estimator, self.output = estimator, output

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> NDArray[Any]:
        """Return the predictions of the target (m,)."""
        return np.asarray(self.estimator.predict(X)[:, self.output])


class Labels(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """One label of a fitted multilabel classifier, or all labels as examples of their own.

    Parameters
    ----------
    estimator : MLPClassifier
    output : int or None
        None for all, those of an example in turn.
    """

    def __init__(self, estimator: Any, output: int | None) -> None:
        self.estimator, self.output = estimator, output
        self.classes_ = np.arange(2)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> NDArray[np.intp]:
        """Return 0 or 1 for each example."""
        return np.asarray(self._chosen(self.estimator.predict(X)) == 1, np.intp)

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probabilities of 0 and 1 (examples, 2)."""
        positive = self._chosen(self.estimator.predict_proba(X))
        return np.column_stack([1 - positive, positive])

    def decision_function(self, X: Any) -> NDArray[Any]:
        """Return Z[L] of each example."""
        return self._chosen(self.estimator.decision_function(X))

    def _chosen(self, values: NDArray[Any]) -> NDArray[Any]:
        return values.ravel() if self.output is None else values[:, self.output]


def single_output(estimator: Any, output: int) -> Any:
    """Return one output of a fitted estimator as an estimator."""
    return (Labels if is_classifier(estimator) else OneTarget)(estimator, output)


def pooled_outputs(estimator: Any) -> Any:
    """Return a fitted multilabel classifier as one of a single label: those of an example are examples in turn."""
    return Labels(estimator, None)
