"""The fitted attributes of an estimator that change in each epoch."""

from dataclasses import dataclass, field
from typing import Any, Self

from numpy.typing import NDArray

from fastnn.estimators._network import CoreNetwork

__all__ = ["FitRecords"]


@dataclass
class FitRecords:
    """The fitted attributes of an estimator that change in each epoch; the field `loss` is the attribute `loss_`.

    Attributes
    ----------
    best_loss : float or None
        Not recorded with early stopping.
    validation_scores, validation_losses : list of float or None
        Not recorded without validation data.
    best_score : float or None
        Recorded with early stopping, like `best_coefs` and `best_intercepts`.
    no_improvement_count : int
        Consecutive epochs without an improvement.
    """

    n_iter: int = 0
    t: int = 0
    loss: float | None = None
    loss_curve: list[float] = field(default_factory=list)
    best_loss: float | None = None
    validation_losses: list[float] | None = None
    validation_scores: list[float] | None = None
    best_score: float | None = None
    best_coefs: list[NDArray[Any]] | None = None
    best_intercepts: list[NDArray[Any]] | None = None
    no_improvement_count: int = 0

    @classmethod
    def of(cls, estimator: Any) -> Self:
        """Return the records of the previous fit, to be continued, or new ones."""
        get = vars(estimator).get
        if get("loss_curve_") is None:
            return cls(t=estimator.t_, validation_losses=get("validation_loss_curve_"))
        return cls(t=estimator.t_, loss_curve=get("loss_curve_"), best_loss=get("best_loss_"),
                   validation_losses=get("validation_loss_curve_"), validation_scores=get("validation_scores_"),
                   best_score=get("best_validation_score_"), best_coefs=get("_best_coefs"),
                   best_intercepts=get("_best_intercepts"), no_improvement_count=get("_no_improvement_count", 0))

    def copy_to(self, estimator: Any) -> None:
        """Set the attributes of the estimator. The lists are shared."""
        estimator.n_iter_, estimator.t_ = self.n_iter, self.t
        estimator.loss_curve_, estimator.best_loss_ = self.loss_curve, self.best_loss
        estimator.validation_scores_, estimator.best_validation_score_ = self.validation_scores, self.best_score
        estimator._no_improvement_count = self.no_improvement_count
        if self.loss is not None:
            estimator.loss_ = self.loss
        if self.validation_losses is not None:
            estimator.validation_loss_curve_ = self.validation_losses
        if self.best_coefs is not None:
            estimator._best_coefs, estimator._best_intercepts = self.best_coefs, self.best_intercepts

    def keep_best(self, network: CoreNetwork) -> None:
        """Store a copy of the current parameters as the best ones."""
        self.best_coefs = [coef.copy() for coef in network.coefs]
        self.best_intercepts = [intercept.copy() for intercept in network.intercepts]
