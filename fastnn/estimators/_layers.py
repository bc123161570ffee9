"""`transform`: the activations of a hidden layer, as features for another model."""

from numbers import Integral
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils._set_output import _wrap_data_with_container
from sklearn.utils.validation import check_is_fitted

__all__ = ["HiddenLayers"]


class HiddenLayers:
    """The method `transform` of both estimators.

    This is no subclass of TransformerMixin, which would name the columns of each result after the last hidden layer.
    """

    def transform(self: Any, X: Any, layer: int = -1) -> NDArray[Any]:
        """Return the activations of a hidden layer.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n_x)
        layer : int, default=-1
            0 is the first hidden layer, -1 the last.

        Returns
        -------
        ndarray of shape (m, n_units)
            With `set_output`, a data frame whose columns are numbered from 0: `get_feature_names_out` gives the names
            of the last hidden layer.

        Raises
        ------
        ValueError
            If there is no such hidden layer.
        """
        check_is_fitted(self)
        n_hidden = self.n_layers_ - 2
        if not isinstance(layer, Integral) or isinstance(layer, bool) or not -n_hidden <= layer < n_hidden:
            raise ValueError(f"layer must be one of the {n_hidden} hidden layers, from {-n_hidden} to {n_hidden - 1}, "
                             f"got {layer!r}" if n_hidden else "this network has no hidden layer")
        activations = self._outputs(self._fitted_network().first_layers(int(layer) % n_hidden + 1), X)
        return _wrap_data_with_container("transform", activations, X, _Columns(self, activations.shape[1]))

    @property
    def _n_features_out(self: Any) -> int:
        """Number of features that `transform` returns by default."""
        return int(self.coefs_[-1].shape[0])


class _Columns:
    """The configuration of an estimator's `set_output`, with names for some number of columns."""

    def __init__(self, estimator: Any, n_columns: int) -> None:
        self.__dict__.update({name: getattr(estimator, name)
                              for name in ("_sklearn_output_config", "_sklearn_auto_wrap_output_keys")
                              if hasattr(estimator, name)})
        self.prefix, self.n_columns = type(estimator).__name__.lower(), n_columns

    def get_feature_names_out(self) -> NDArray[Any]:
        """Return the names in the form of scikit-learn's ClassNamePrefixFeaturesOutMixin."""
        return np.asarray([f"{self.prefix}{column}" for column in range(self.n_columns)], dtype=object)
