"""TableEncoder: a table as it is, with categories and missing values, becomes the float matrix that a Network takes.

X has shape (m, n), one row per example. This package requires scikit-learn.
"""

try:
    import sklearn.utils.validation

    sklearn.utils.validation.validate_data  # noqa: B018  new in 1.6
except (ImportError, AttributeError):
    raise ImportError("fastnn.preprocessing needs scikit-learn 1.6 or newer: pip install 'fastnn[sklearn]'",
                      name="sklearn") from None

from fastnn.preprocessing._columns import ColumnInfo
from fastnn.preprocessing._encoder import TableEncoder

__all__ = ["ColumnInfo", "TableEncoder"]
