"""The private part of MLPRegressor: its targets, loss and score."""

from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils import column_or_1d
from sklearn.utils.validation import validate_data

from fastnn.estimators._base import BaseMLP
from fastnn.estimators._inputs import FitData
from fastnn.estimators._objective import MeanSquaredError
from fastnn.losses import Absolute, Huber, Loss, Poisson, Quantile

__all__ = ["BaseMLPRegressor"]


class BaseMLPRegressor(RegressorMixin, BaseMLP):  # type: ignore[misc]
    """Base class of `MLPRegressor`: checks targets, chooses the output layer and loss, scores outputs."""

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool) -> tuple[Any, Any]:
        X, y = validate_data(self, X, y, accept_sparse=["csr", "csc"], multi_output=True, y_numeric=True,
                             dtype=(np.float64, np.float32), reset=reset)
        if y.ndim == 2 and y.shape[1] == 1:
            y = column_or_1d(y, warn=True)
        if self.loss == "poisson" and y.min() < 0:
            raise ValueError(f"y must not be negative for loss='poisson', got {y.min():g}")
        return X, y

    def _validate_validation_data(self, X: Any, y: Any) -> tuple[Any, Any]:
        return self._validate_input(X, y, incremental=True, reset=False)

    def _encode(self, y: Any) -> NDArray[Any]:
        return np.asarray(y, np.float64)

    def _output_activation(self) -> str:
        return "exp" if self.loss == "poisson" else "identity"

    def _core_loss(self, dtype: np.dtype[Any]) -> Loss:
        losses: dict[str, Loss] = {
            "squared_error": MeanSquaredError(self.n_outputs_),
            "poisson": Poisson(),
            "absolute_error": Absolute(),
            "huber": Huber(float(self.huber_delta)),
            "quantile": Quantile(float(self.quantile)),
        }
        return losses[self.loss]

    def _score_outputs(self, outputs: NDArray[Any], data: FitData) -> float:
        if not np.isfinite(outputs).all() or len(data.y) < 2:
            return float("nan")
        predicted = outputs.reshape(data.y.shape)
        return float(r2_score(data.y, predicted, sample_weight=data.sample_weight))

    def _reason_against_score(self, data: FitData) -> str | None:
        y = data.y[data.weighted_rows()]
        if len(y) < 2:
            return f"R2 needs at least 2 examples, y_val has {len(y)} with weight"
        return "R2 is not defined where y_val is constant" if (y == y[0]).all() else None
