"""One output of an estimator of several, as scorers see it: a classifier of 0 and 1, or a regressor of one target."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin, is_classifier

__all__ = ["single_output"]


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


class OneLabel(ClassifierMixin, BaseEstimator):  # type: ignore[misc]
    """One label of a fitted multilabel classifier.

    Parameters
    ----------
    estimator : MLPClassifier
    output : int
    """

    def __init__(self, estimator: Any, output: int) -> None:
        self.estimator, self.output = estimator, output
        self.classes_ = np.arange(2)

    def __sklearn_is_fitted__(self) -> bool:
        return True

    def predict(self, X: Any) -> NDArray[np.intp]:
        """Return 0 or 1 for each row (m,)."""
        return np.asarray(self.predict_proba(X)[:, 1] > 0.5, np.intp)

    def predict_proba(self, X: Any) -> NDArray[Any]:
        """Return the probabilities of 0 and 1 (m, 2)."""
        positive = self.estimator.predict_proba(X)[:, self.output]
        return np.column_stack([1 - positive, positive])


def single_output(estimator: Any, output: int) -> Any:
    """Return one output of a fitted estimator as an estimator."""
    return (OneLabel if is_classifier(estimator) else OneTarget)(estimator, output)
