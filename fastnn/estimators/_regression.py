"""The private part of MLPRegressor: its targets, loss and score."""

import warnings
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import RegressorMixin
from sklearn.exceptions import ConvergenceWarning
from sklearn.metrics import d2_pinball_score, r2_score
from sklearn.utils import column_or_1d

from fastnn._data import arrays
from fastnn.estimators._base import BaseMLP
from fastnn.estimators._gradients import RegressorGradients
from fastnn.estimators._inputs import FitData, check_sample_weight
from fastnn.estimators._objective import MeanSquaredError
from fastnn.estimators._samples import sampled_outputs
from fastnn.estimators._targets import (
    TargetScale,
    explained,
    is_noise,
    moderate,
    sample,
    scale_of_stream,
    unusual_scale,
)
from fastnn.estimators._user_data import refuse_no_numbers, validated_X_y
from fastnn.losses import Absolute, Gaussian, Huber, Loss, Poisson, Quantile, SquaredError

__all__ = ["BaseMLPRegressor"]

SHAPING = ("quantile", "gaussian")  # the losses whose predictions may differ from the outputs
HINT_BELOW = 0.1  # the least R2 or D2 of a fit without a hint


class BaseMLPRegressor(RegressorMixin, RegressorGradients, BaseMLP):  # type: ignore[misc]
    """Base class of `MLPRegressor`: checks targets, chooses the output layer and loss, scores outputs."""

    def _validate_input(self, X: Any, y: Any, incremental: bool, reset: bool, later: bool = False) -> tuple[Any, Any]:
        refuse_no_numbers(y, "y")
        X, y = validated_X_y(self, X, y, reset, later, y_numeric=True)
        if y.dtype == np.longdouble:
            y = arrays.finite(y, np.dtype(np.float64), "y")
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
        if self._fitted("loss") == "squared_error":
            return MeanSquaredError(self.n_outputs_)
        return self._shaping_loss()

    def _fitted(self, name: str) -> Any:
        """Return a parameter as it was in the fit, or as it is if there was none."""
        stored = self.__dict__.get("_fitted_with")
        return stored[name] if stored is not None and name in stored else getattr(self, name)

    def _shaping_loss(self) -> Loss:
        """Return the loss of the fit, up to its scale: it says which predictions the outputs are."""
        return shaping_loss(self._fitted("loss"), self._fitted("huber_delta"), self._fitted("quantile"))

    def _next_loss(self) -> Loss:
        """Return the loss that the parameters name, up to its scale: it says which outputs are needed."""
        return shaping_loss(self.loss, self.huber_delta, self.quantile)

    def _per_target(self) -> int:
        return self._next_loss().per_target

    def _keeps_meaning_of_outputs(self) -> bool:
        before, needed = self._shaping_loss(), self._next_loss()
        return before.per_target == needed.per_target and (needed.per_target == 1 or type(before) is type(needed))

    def _levels(self) -> Sequence[float] | None:
        """Return the levels of the fit, if there was a sequence of them."""
        loss = self._shaping_loss()
        return loss.q if isinstance(loss, Quantile) and isinstance(loss.q, tuple) else None

    def _shaped(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return outputs A[L] in the units of y as predictions."""
        if self._fitted("loss") in SHAPING:
            return self._flat(self._shaping_loss().predictions(outputs))
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def _flat(self, predicted: NDArray[Any]) -> NDArray[Any]:
        """Return values (m, 1) of a single target as (m,); not those of a single level."""
        return predicted.ravel() if predicted.shape[1:] == (1,) and self._levels() is None else predicted

    def _sampled_predictions(self, X: Any, dropout_samples: Any,
                             random_state: Any) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the mean and the standard deviation of the predictions over passes with dropout."""
        mean, std = sampled_outputs(self, X, dropout_samples, random_state, self._shaping_loss())
        scale = self._scale()
        if scale is not None:
            of_levels = mean.ndim == 3  # (m, k, levels)
            shift, factor = (part[:, None] if of_levels else part for part in scale)
            mean, std = ((values * factor + add).astype(values.dtype, copy=False)
                         for values, add in ((mean, shift), (std, 0)))
        return self._flat(mean), self._flat(std)

    def _score_outputs(self, outputs: NDArray[Any], data: FitData) -> float:
        if not np.isfinite(outputs).all() or len(data.y) < 2:
            return float("nan")
        y = data.y if self._scale() is None else data.encoded_y  # standardised, as the outputs are
        with np.errstate(over="ignore"):  # of the errors after divergence
            return self._score(y, self._shaped(outputs), data.score_weight)

    def _score(self, y: NDArray[Any], predicted: NDArray[Any], weights: Any) -> float:
        if weights is None or np.ndim(weights) == 1:
            return self._score_of_examples(y, predicted, weights)
        known = weights > 0  # where it is not, y may be of any size
        scores = [self._score_of_examples(y[rows, j], predicted[rows, j], weights[rows, j])
                  for j, rows in enumerate(known.T) if np.count_nonzero(rows) > 1]
        return float(np.mean(scores)) if scores else float("nan")

    def _score_name(self) -> str:
        return "R2" if self._levels() is None else "D2"

    def _score_of_examples(self, y: NDArray[Any], predicted: NDArray[Any], weights: Any) -> float:
        y, predicted = moderate(y, predicted)
        levels = self._levels()
        if levels is None:
            return float(r2_score(y, predicted, sample_weight=weights))
        return float(np.mean([d2_pinball_score(y, predicted[..., i], sample_weight=weights, alpha=q)
                              for i, q in enumerate(levels)]))

    def score(self, X: Any, y: Any, sample_weight: Any = None) -> float:
        """Return R2 of the predictions, with several levels of `quantile` the mean of D2 over them.

        D2 is 1 - L / L0 with the quantile loss L of the predictions and L0 of the best constant prediction. R2 is the
        same with squared errors.

        Parameters
        ----------
        X : {array-like, sparse matrix} of shape (m, n_x)
        y : array-like of shape (m,) or (m, n_outputs)
        sample_weight : array-like of shape (m,) or (m, n_outputs), default=None
            Outputs with fewer than two weights above 0 are left out if each has its own.

        Returns
        -------
        float

        Raises
        ------
        ValueError
            If weights are negative, not finite, all zero or of another shape.
        """
        refuse_no_numbers(y, "y")
        weights = sample_weight
        if weights is not None:
            targets = np.asarray(y)
            weights = check_sample_weight(weights, X, targets, targets.shape[1] if targets.ndim == 2 else 1)
        y = np.asarray(y)
        y = y.ravel() if y.ndim == 2 and y.shape[1] == 1 else y
        return self._score(y, self.predict(X), weights)

    def _reason_against_score(self, data: FitData) -> str | None:
        rows, name = data.weighted_rows(), self._score_name()
        Y = data.y.reshape(len(data.y), -1)
        known = np.ones(Y.shape, np.bool_)
        if data.loss_weight is not None:
            known = np.broadcast_to(data.loss_weight.reshape(len(Y), -1) > 0, Y.shape)
        counts = known.sum(axis=0)
        if counts.max() < 2:
            of = "" if len(rows) == counts.max() else " of any output"
            return f"{name} needs at least 2 examples, y_val has {counts.max()} with weight{of}"
        first = Y[known.argmax(axis=0), np.arange(Y.shape[1])]
        constant = ((first == Y) | ~known).all(axis=0) | (counts < 2)
        return f"{name} is not defined where y_val is constant" if constant.all() else None

    # The scale of the targets

    def _scale(self) -> TargetScale | None:
        """Return the scale that the fit standardised by, or None."""
        fitted = vars(self)
        return TargetScale(self.y_mean_, self.y_scale_) if "y_scale_" in fitted else None

    def _check_scale(self, continues: bool) -> None:
        if self.normalize_y and self.loss == "poisson":
            raise ValueError("normalize_y=True is not for loss='poisson', whose targets are counts or rates")
        if continues and self.normalize_y != (self._scale() is not None):
            raise ValueError(f"normalize_y={self.normalize_y} differs from the fit that is to be continued: set it "
                             "back, or fit a new estimator")

    def _learn_scale(self, data: FitData, rows: NDArray[Any] | None) -> None:
        for name in ("y_mean_", "y_scale_"):
            self.__dict__.pop(name, None)
        if self.normalize_y:
            rows = data.weighted_rows() if rows is None else rows
            Y, weights = data.encoded_y.reshape(len(data.encoded_y), -1), data.loss_weight
            scale = TargetScale.of(Y[rows], None if weights is None else weights[rows])
            if scale.deviation.min() < np.finfo(self.coefs_[0].dtype).tiny:
                raise ValueError(f"y spreads too little for predictions in {self.coefs_[0].dtype}: its standard "
                                 f"deviation is {scale.deviation.min():.3g}; rescale it")
            self.y_mean_, self.y_scale_ = scale

    def _standardised(self, data: FitData) -> FitData:
        scale = self._scale()
        if scale is None:
            return data
        if self.coefs_[0].dtype == np.float32:  # that of the predictions
            arrays.finite(data.encoded_y, np.dtype(np.float32), "y")
        return replace(data, encoded_y=scale.standardised(data.encoded_y))

    def _in_units(self, outputs: NDArray[Any]) -> NDArray[Any]:
        """Return outputs A[L] (m, n[L]) in the units of y."""
        if "y_scale_" not in self.__dict__:
            return outputs
        return TargetScale(*self._shaping_loss().units(self.y_mean_, self.y_scale_)).in_units(outputs)

    def _hint_at_scale(self, data: FitData, incremental: bool, continues: bool) -> None:
        standardised = self._standardised(data)
        if incremental:
            if self.normalize_y and (problem := scale_of_stream(standardised, first=not continues)):
                warnings.warn(f"{problem}: normalize_y=True takes the scale from the first call of partial_fit. Let it "
                              "have many rows", ConvergenceWarning, stacklevel=4)
            return
        if self.normalize_y:
            data = replace(data, y=standardised.encoded_y)
        if (self.normalize_y and not continues) or not (scale := unusual_scale(data)):
            return
        X, Y = sample(data)
        predicted = self._shaping_loss().centers(self._forward_pass_fast(X, check_input=False))
        loss, quantile = self._fitted("loss"), None
        if loss == "quantile":
            quantile = min(np.ravel(self._fitted("quantile")), key=lambda q: abs(q - 0.5))
        squared = loss in ("squared_error", "poisson")
        share = explained(Y, predicted, quantile, squared)
        if not share >= HINT_BELOW and (
                share < -HINT_BELOW or not is_noise(X, Y, predicted, HINT_BELOW)):
            advice = "divide y by a constant" if loss == "poisson" else "normalize_y=True standardises them"
            of, score = "new outputs", "R2" if squared else "D2"
            if self.normalize_y:
                advice, of = "fit anew, since a warm start keeps y_mean_ and y_scale_", "the first fit"
            warnings.warn(f"the fit has {score} = {share:.2g} on the training data. The scale of the targets is far "
                          f"from that of {of} ({scale}): {advice}", ConvergenceWarning, stacklevel=2)


def shaping_loss(name: str, delta: Any, quantile: Any) -> Loss:
    """Return a regressor's loss, up to its scale, for its parameters `loss`, `huber_delta` and `quantile`."""
    if name == "huber":
        return Huber(float(delta))
    if name == "quantile":
        try:
            return Quantile(float(quantile) if np.ndim(quantile) == 0 else quantile)
        except (ValueError, TypeError) as error:
            raise type(error)(f"quantile: {error}") from None
    kinds = {"squared_error": SquaredError, "poisson": Poisson, "absolute_error": Absolute, "gaussian": Gaussian}
    return kinds[name]()
