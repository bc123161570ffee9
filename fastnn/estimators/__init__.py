"""MLPClassifier and MLPRegressor: drop-in replacements for scikit-learn's estimators, on the compiled core.

X has shape (m, n_x), one row per example, as everywhere in scikit-learn. This package requires scikit-learn.
"""

try:
    import sklearn.utils.validation

    sklearn.utils.validation.validate_data  # noqa: B018  new in 1.6
except (ImportError, AttributeError):
    raise ImportError("fastnn's MLPClassifier and MLPRegressor need scikit-learn 1.6 or newer: "
                      "pip install 'fastnn[sklearn]'", name="sklearn") from None

from fastnn.estimators._from_sklearn import from_sklearn
from fastnn.estimators.classifier import MLPClassifier
from fastnn.estimators.regressor import MLPRegressor

__all__ = ["MLPClassifier", "MLPRegressor", "from_sklearn"]
