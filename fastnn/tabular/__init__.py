"""TabularClassifier and TabularRegressor: an MLP for tables as they are, trained by the recipe of RealMLP.

X is a table or an array of shape (m, n), one row per example. This package requires scikit-learn.
"""

try:
    import sklearn.utils.validation

    sklearn.utils.validation.validate_data  # noqa: B018  new in 1.6
except (ImportError, AttributeError):
    raise ImportError("fastnn's TabularClassifier and TabularRegressor need scikit-learn 1.6 or newer: "
                      "pip install 'fastnn[sklearn]'", name="sklearn") from None

from fastnn.tabular.classifier import TabularClassifier
from fastnn.tabular.regressor import TabularRegressor

__all__ = ["TabularClassifier", "TabularRegressor"]
