"""TableEncoder: a scikit-learn transformer from tables to matrices of floats."""

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from numbers import Integral, Real
from typing import Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, TransformerMixin
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import _check_feature_names_in, check_is_fitted

from fastnn.embeddings import Embedding
from fastnn.preprocessing._arguments import category_columns, check_quantiles, column_order
from fastnn.preprocessing._columns import ColumnInfo, learn_column
from fastnn.preprocessing._encoding import Plan
from fastnn.preprocessing._names import output_names
from fastnn.preprocessing._state import from_state, state
from fastnn.preprocessing._tables import Table, open_table

__all__ = ["TableEncoder"]


class TableEncoder(TransformerMixin, BaseEstimator):  # type: ignore[misc]
    """Encode a table of numbers, categories and missing values as the matrix of floats that a `Network` takes.

    Numbers are centred, scaled and smoothly clipped: x -> s (x - median), s = 1 / (q75 - q25), or 2 / (max - min) where
    that is not defined, or 0 for equal numbers; then x / sqrt(1 + (x / clip)^2). A category of at most `max_one_hot`
    values becomes one column per value, of two values a single column of -1 and 1; missing and unknown values are 0.
    More values become one column of codes 1, 2, ..., K, 0 for missing and unknown values, for the learned vectors of
    `fastnn.embeddings.Embedding`, see `embedding`. The formulas are those of RealMLP [1]_.

    X is a table of pandas, polars or pyarrow, a NumPy array or a list of rows. Bools, texts, columns of dtype
    "category" and objects other than numbers are categories, all others numbers. None, NaN and NA are missing. Dates,
    times and durations, infinity, sparse matrices and repeated column names are refused. Columns of a table are found
    by name if the training table had names; others are ignored.

    Parameters
    ----------
    categorical_features : 'auto', sequence of names, positions or bools, default='auto'
        Columns whose numbers are categories, in addition to those that are categories anyway. Bools are a mask of all
        columns.
    max_one_hot : int, default=8
        The largest number of values of a category that become one column each.
    scaling : {'robust', 'standard'}, default='robust'
        'standard' uses mean and standard deviation instead of median and quantiles.
    quantile_range : tuple of two floats, default=(0.25, 0.75)
        The quantiles whose distance becomes 1.
    clip : float or None, default=3.0
        The bound of clipped numbers; None: no clip.
    indicators : 'auto' or bool, default='auto'
        Whether a column of numbers gets a second one that is 1 where the number is missing: 'auto', if numbers were
        missing in training; True, always; False, never. The number itself is then 0, the median.
    scale_categories : bool, default=False
        Whether the columns of categories of few values and of indicators are centred, scaled and clipped like numbers,
        as RealMLP does.
    dtype : {'float32', 'float64'}, default='float32'
        The dtype of the output. All is computed in float64.

    Attributes
    ----------
    columns_ : list of ColumnInfo
        What was learned of each column of the training table.
    numbers_ : list of int
        The columns of the output that are scaled numbers, other than constant ones, to be embedded.
    codes_ : dict of int to int
        The columns of the output that hold codes, and their numbers of codes K + 1.
    n_features_in_ : int
        Columns of the training table.
    n_features_out_ : int
        Columns of the output.
    n_samples_ : int
        Rows of the training table.
    feature_names_in_ : ndarray of str
        The names of its columns, if all are texts.

    References
    ----------
    .. [1] D. Holzmüller, L. Grinsztajn and I. Steinwart, Better by Default: Strong Pre-Tuned MLPs and Boosted Trees on
       Tabular Data, 2024, https://arxiv.org/abs/2407.04491

    Examples
    --------
    >>> from fastnn.preprocessing import TableEncoder
    >>> encoder = TableEncoder().fit([[1.0, "red"], [2.0, "blue"], [3.0, None], [None, "red"]])
    >>> encoder.transform([[2.0, "red"], [2.5, "green"]])
    array([[0.        , 0.        , 1.        ],
           [0.49319696, 0.        , 0.        ]], dtype=float32)
    """

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "categorical_features": [StrOptions({"auto"}), "array-like", None],
        "max_one_hot": [Interval(Integral, 0, None, closed="left")],
        "scaling": [StrOptions({"robust", "standard"})],
        "quantile_range": ["array-like"],
        "clip": [Interval(Real, 0, None, closed="neither"), None],
        "indicators": [StrOptions({"auto"}), "boolean"],
        "scale_categories": ["boolean"],
        "dtype": [StrOptions({"float32", "float64"})],
    }

    def __init__(self, categorical_features: Any = "auto", *, max_one_hot: int = 8,
                 scaling: Literal["robust", "standard"] = "robust", quantile_range: tuple[float, float] = (0.25, 0.75),
                 clip: float | None = 3.0, indicators: bool | Literal["auto"] = "auto", scale_categories: bool = False,
                 dtype: Literal["float32", "float64"] = "float32") -> None:
        self.categorical_features = categorical_features
        self.max_one_hot = max_one_hot
        self.scaling = scaling
        self.quantile_range = quantile_range
        self.clip = clip
        self.indicators = indicators
        self.scale_categories = scale_categories
        self.dtype = dtype

    def fit(self, X: Any, y: Any = None) -> "TableEncoder":
        """Learn scales and categories.

        Parameters
        ----------
        X : table or array_like (m, n)
        y : ignored

        Returns
        -------
        TableEncoder
            The encoder itself. After an error it is as before.

        Raises
        ------
        ValueError, TypeError
            If a parameter or X is invalid; the error names the column, and the row where one entry is at fault.
        """
        self._validate_params()
        check_quantiles(self.quantile_range)
        table = open_table(X)
        if not table.n_rows or not table.n_columns:
            n, what = (table.n_rows, "sample") if table.n_columns else (table.n_columns, "feature")
            raise ValueError(f"Found array with {n} {what}(s) (shape=({table.n_rows}, {table.n_columns})) while a "
                             "minimum of 1 is required by TableEncoder.")
        chosen = category_columns(self.categorical_features, table)
        columns = [learn_column(table, j, j in chosen, self) for j in range(table.n_columns)]
        self._accept(self._numbered(columns, table.n_rows), table.n_rows, table.names)
        return self

    def _numbered(self, columns: list[ColumnInfo], n_rows: int) -> list[ColumnInfo]:
        """Return the columns with their places in the output."""
        numbered, first = [], 0
        for column in columns:
            n_labels, indicator = len(column.categories or ()), None
            n_outputs = n_labels if column.encoding == "one-hot" and n_labels > 2 else 1
            if column.median is not None and (self.indicators is True or (self.indicators == "auto" and column.gaps)):
                indicator, n_outputs = first + 1, 2
            if column.encoding == "code" and self.dtype == "float32" and n_labels >= 1 << 24:
                raise ValueError(f"column {column.name!r} has {n_labels} categories, more than float32 can number: use "
                                 "dtype='float64'")
            numbered.append(replace(column, outputs=tuple(range(first, first + n_outputs)), indicator=indicator))
            first += n_outputs
        return numbered

    def _accept(self, columns: list[ColumnInfo], n_rows: int, names: Sequence[Any] | None) -> None:
        """Store the fitted state."""
        self._plan = Plan(columns, n_rows, self)
        self.columns_, self.n_samples_ = columns, n_rows
        self.n_features_in_, self.n_features_out_ = len(columns), self._plan.width
        self.numbers_ = [column.outputs[0] for column in columns if column.encoding == "number"]
        self.codes_ = {column.outputs[0]: len(column.categories or ()) + 1 for column in columns
                       if column.encoding == "code"}
        self._names = None if names is None else list(names)
        self.__dict__.pop("feature_names_in_", None)
        if names is not None and all(isinstance(name, str) for name in names):
            self.feature_names_in_ = np.array(names, object)

    def transform(self, X: Any) -> NDArray[Any]:
        """Encode a table.

        Parameters
        ----------
        X : table or array_like (m, n)
            With the columns of the training table, by name or in their order.

        Returns
        -------
        ndarray (m, n_features_out_), C-ordered
            Of the parameter `dtype`, or a table if `set_output` says so.

        Raises
        ------
        ValueError, TypeError
            If X is invalid; the error names the column, and the row where one entry is at fault.
        """
        return self._encoded(X)

    def _encoded(self, X: Any) -> NDArray[Any]:
        """Return the array of `transform`, whatever `set_output` says."""
        if "columns_" not in self.__dict__:  # check_is_fitted takes longer than to encode a row
            check_is_fitted(self)
        plan = self._plan
        if type(X) is np.ndarray and X.dtype.kind in "fiu" and X.ndim == 2 and X.shape[1] == plan.n_columns and len(X):
            if self._names is not None:
                self._warn_about_names()
            return plan.array(X)
        table = open_table(X)
        order = self._order(table)
        if not table.n_rows:
            raise ValueError(f"Found array with 0 sample(s) (shape=(0, {table.n_columns})) while a minimum of 1 is "
                             "required by TableEncoder.")
        return plan.table(table, order)

    def _order(self, table: Table) -> Sequence[int]:
        """Return the places of the fitted columns in a table."""
        if table.names is None:
            self._warn_about_names()
        elif self._names is None and all(isinstance(name, str) for name in table.names):
            warnings.warn("X has feature names, but TableEncoder was fitted without feature names", UserWarning,
                          stacklevel=5)
        return column_order(table, self._names, self.n_features_in_)

    def _warn_about_names(self) -> None:
        if "feature_names_in_" in self.__dict__:
            warnings.warn("X does not have valid feature names, but TableEncoder was fitted with feature names",
                          UserWarning, stacklevel=5)

    def embedding(self, **options: Any) -> Embedding:
        """Return the embedding of this encoder's output for `Network(embedding=...)`.

        Parameters
        ----------
        **options
            Other parameters of `fastnn.embeddings.Embedding`, such as `n_frequencies` and `vector_size`.

        Returns
        -------
        fastnn.embeddings.Embedding
            Of the columns `numbers_` and `codes_`.
        """
        check_is_fitted(self)
        return Embedding(numbers=tuple(self.numbers_), categories=dict(self.codes_), **options)

    def get_feature_names_out(self, input_features: Any = None) -> NDArray[Any]:
        """Return the names of the output's columns.

        Parameters
        ----------
        input_features : array_like of str, optional
            The names of the training table's columns, if they were not texts; default x0, x1, ...

        Returns
        -------
        ndarray of str
            "age" for a number, "age_missing" for its indicator, "colour_red" for a category of few values and "city"
            for a column of codes.

        Raises
        ------
        ValueError
            If `input_features` are not the names of the training table.
        """
        check_is_fitted(self)
        return output_names(self.columns_, _check_feature_names_in(self, input_features))

    # ---- the safe file

    def state(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return the fitted encoder as JSON values and arrays of float64 and int64, without pickles.

        Returns
        -------
        description : dict
        arrays : dict of str to ndarray

        Raises
        ------
        TypeError
            If a column's name or a label is neither a text, a number, a bool nor None.
        """
        check_is_fitted(self)
        return state(self)

    @classmethod
    def from_state(cls, description: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> "TableEncoder":
        """Return the encoder that `state` described.

        Raises
        ------
        ValueError
            If description and arrays do not describe an encoder.
        """
        encoder: TableEncoder = from_state(cls, description, arrays)
        return encoder

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.string = True
        tags.input_tags.categorical = True
        tags.transformer_tags.preserves_dtype = []
        return tags
