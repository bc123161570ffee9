"""The fitted attributes of an estimator that change in each epoch."""

from collections.abc import Collection
from dataclasses import dataclass, field
from math import inf, nan
from typing import Any, Self

from numpy.typing import NDArray

from fastnn.estimators._network import CoreNetwork

__all__ = ["FitRecords", "forget_records", "start_lbfgs_records"]

# Entries of the curves that are kept from earlier calls. A call of partial_fit adds one entry, a stream without end.
KEPT_BY_PARTIAL_FIT = 200  # besides those that the last fit left
KEPT_BY_WARM_START = 10_000
# Parameters that define the loss or the score: a best value from before a change is not comparable with later ones.
MEASURED = frozenset({"class_weight", "huber_delta", "label_smoothing", "loss", "quantile", "scoring"})
# Parameters that define the loss in training, which has the penalty and dropped units.
IN_TRAINING = frozenset({"alpha", "dropout"})
# All attributes that belong to a stochastic fit.
ATTRIBUTES = ("loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_", "validation_loss_curve_",
              "_best_coefs", "_best_intercepts", "_no_improvement_count", "_n_kept", "_validated_on", "_optimizer")


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
    n_kept : int
        The largest number of entries of a curve to which calls of partial_fit add.
    validated_on : tuple or None
        See `ValidationSet.origin`.
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
    n_kept: int = field(default_factory=lambda: KEPT_BY_PARTIAL_FIT)
    validated_on: tuple[Any, ...] | None = None

    @classmethod
    def of(cls, estimator: Any, network: CoreNetwork, changed: Collection[str], *, validated_on: tuple[Any, ...] | None,
           incremental: bool) -> Self:
        """Return the records of the previous fit, to be continued, or new ones.

        The curves continue if the previous fit was a stochastic one and has recorded the same values. The best values
        do so if later ones can be compared with them.

        Parameters
        ----------
        estimator : BaseMLP
        network : CoreNetwork
        changed : collection of str
            The parameters that have changed since.
        validated_on : tuple or None
            Where the validation data come from, if there are any.
        incremental : bool
            This is a call of partial_fit.
        """
        get = vars(estimator).get
        records, validates = cls(t=get("t_", 0), validated_on=validated_on), validated_on is not None
        previous = get("loss_curve_") is not None and get("_no_improvement_count") is not None
        alike = get("_validated_on", validated_on) == validated_on  # scikit-learn does not record it
        measured = MEASURED if estimator.early_stopping else MEASURED | IN_TRAINING
        if previous and measured.isdisjoint(changed) and (alike or not estimator.early_stopping):
            records.no_improvement_count = get("_no_improvement_count")
            records.best_loss, records.best_score = get("best_loss_"), get("best_validation_score_")
            records.best_coefs, records.best_intercepts = get("_best_coefs"), get("_best_intercepts")
        if validates:
            records.validation_scores, records.validation_losses = [], []
        scored = get("validation_scores_") is not None
        if previous and validates == scored and alike and "scoring" not in changed:
            records._continue_curves(estimator, incremental)
        if not estimator.early_stopping:
            records.best_score = records.best_coefs = records.best_intercepts = None
            records.best_loss = inf if records.best_loss is None else records.best_loss
        elif records.best_score is None or records.best_coefs is None:
            records.best_score = -inf
            records.keep_best(network)
        if estimator.early_stopping:
            records.best_loss = None
        return records

    def _continue_curves(self, estimator: Any, incremental: bool) -> None:
        """Take over the latest entries of the curves of the previous fit."""
        get = vars(estimator).get
        length = len(estimator.loss_curve_)
        self.n_kept = get("_n_kept", length + KEPT_BY_PARTIAL_FIT)
        start = max(0, length - (self.n_kept - 1 if incremental else KEPT_BY_WARM_START))
        self.loss_curve = list(estimator.loss_curve_[start:])
        if self.validation_scores is not None:
            # scikit-learn, whose estimators can be converted, does not record the validation loss.
            losses = get("validation_loss_curve_") or [nan] * length
            self.validation_scores, self.validation_losses = list(estimator.validation_scores_[start:]), losses[start:]

    def replace(self, estimator: Any) -> None:
        """Replace the records of the previous fit."""
        forget_records(estimator, kept=("_optimizer",))
        self.copy_to(estimator)

    def copy_to(self, estimator: Any) -> None:
        """Set the attributes of the estimator. The lists are shared."""
        estimator.n_iter_, estimator.t_ = self.n_iter, self.t
        estimator.loss_curve_, estimator.best_loss_ = self.loss_curve, self.best_loss
        estimator.validation_scores_, estimator.best_validation_score_ = self.validation_scores, self.best_score
        estimator._no_improvement_count, estimator._n_kept = self.no_improvement_count, self.n_kept
        if self.validated_on is not None:
            estimator._validated_on = self.validated_on
        if self.loss is not None:
            estimator.loss_ = self.loss
        if self.validation_losses is not None:
            estimator.validation_loss_curve_ = self.validation_losses
        if self.best_coefs is not None:
            estimator._best_coefs, estimator._best_intercepts = self.best_coefs, self.best_intercepts

    def keep_whole(self) -> None:
        """Let calls of partial_fit keep all epochs so far."""
        self.n_kept = len(self.loss_curve) + KEPT_BY_PARTIAL_FIT

    def keep_best(self, network: CoreNetwork) -> None:
        """Store a copy of the current parameters as the best ones."""
        self.best_coefs = [coef.copy() for coef in network.coefs]
        self.best_intercepts = [intercept.copy() for intercept in network.intercepts]


def forget_records(estimator: Any, kept: Collection[str] = ()) -> None:
    """Remove the attributes that belong to a stochastic fit, except those of these names."""
    for name in ATTRIBUTES:
        if name not in kept:
            vars(estimator).pop(name, None)


def start_lbfgs_records(estimator: Any) -> list[float]:
    """Replace the records of the previous fit by those of L-BFGS, which has a loss curve only; return this list."""
    forget_records(estimator)
    estimator.loss_curve_ = []
    curve: list[float] = estimator.loss_curve_
    return curve
