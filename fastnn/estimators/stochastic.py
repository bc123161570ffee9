"""Training by a stochastic solver: scikit-learn's epochs; each step is one call into the core."""

import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass, replace
from math import isfinite, nan
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from fastnn import runtime
from fastnn._core.training_plan import Plan
from fastnn._data import checks
from fastnn._data.feeds import bounds
from fastnn._model.model import Examples
from fastnn._prediction.predictor import Predictor
from fastnn._training import loop
from fastnn.callbacks import asked_to_stop
from fastnn.estimators.solvers import Solver
from fastnn.estimators.weights import Weights
from fastnn.history import History
from fastnn.losses import Loss

__all__ = ["Course", "HeldOut"]


@dataclass
class HeldOut:
    """What a fit validates on.

    Attributes
    ----------
    examples : Examples
        For the core.
    X, y : array_like
        As a scorer gets them.
    weights : ndarray (m,) or None
        The user's.
    """

    examples: Examples
    X: Any
    y: Any
    weights: NDArray[Any] | None


def rows_of_batch(batch_size: Any, m: int) -> int:
    """Return the size of the mini-batches of `m` examples."""
    if isinstance(batch_size, str):  # "auto"
        return min(200, m)
    if batch_size > m:
        warnings.warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                      stacklevel=2)
    return int(min(batch_size, m))


def recorded(validates: bool) -> tuple[str, ...]:
    """Return what each epoch records for the callbacks."""
    return ("epoch", "loss", *("validation_loss", "validation_score") * validates, "learning_rate")


class Course:
    """One fit, or the one epoch of a partial_fit; callbacks get it as their run.

    Parameters
    ----------
    estimator : BaseMLP
        Its attributes `n_iter_`, `loss_`, ... are kept up to date.
    weights : Weights
    loss : Loss
    solver : Solver
    examples : Examples
    rows : ndarray of int64 or None
        Which of them are trained on, in the order of the first epoch; None for all.
    held_out : HeldOut or None
    hooks : tuple of Callback
    incremental : bool
        One epoch only.
    """

    def __init__(self, estimator: Any, weights: Weights, loss: Loss, solver: Solver, examples: Examples,
                 rows: NDArray[np.int64] | None, held_out: HeldOut | None, hooks: tuple[Any, ...],
                 incremental: bool) -> None:
        self.network = self.estimator = estimator
        self.weights, self.solver, self.examples, self.held_out = weights, solver, examples, held_out
        self.hooks, self.incremental = hooks, incremental
        decoupled = solver.name == "adamw"
        self.model = replace(weights.model, loss=loss, l2=0.0 if decoupled else float(estimator.alpha))
        self.validator = Predictor(replace(weights.model, loss=loss))
        self.m = len(examples) if rows is None else len(rows)
        self.batch_size = rows_of_batch(estimator.batch_size, self.m)
        self.bounds = list(bounds(self.m, self.batch_size))
        self.order: NDArray[np.int64] | None = None
        if rows is not None or (estimator.shuffle and len(self.bounds) > 1):
            self.order = np.arange(len(examples))
            if rows is not None:
                self.order[: self.m] = rows
        self.epochs = 1 if incremental else estimator.max_iter
        self.settings, self.history = SimpleNamespace(epochs=self.epochs), History()
        self.recorded = recorded(held_out is not None)

    @property
    def epoch(self) -> int:
        """The epochs that are finished."""
        return int(self.estimator.n_iter_)

    def train(self) -> None:
        """Run the epochs.

        Warns
        -----
        ConvergenceWarning
            If it ended because there were no more epochs.
        """
        estimator = self.estimator
        estimator.n_iter_ = 0
        bar = loop.progress_bar()(total=self.epochs, unit="epoch") if estimator.verbose == "bar" else None
        try:
            for hook in self.hooks:
                hook.on_fit_begin(self)
            with self._bound_plan() as plan:
                for _ in range(self.epochs):
                    self._run_epoch(plan)
                    if self._observed(bar) or self._without_improvement():
                        break
                else:
                    if not self.incremental:
                        warnings.warn(f"Stochastic Optimizer: Maximum iterations ({estimator.max_iter}) reached and "
                                      "the optimization hasn't converged yet.", ConvergenceWarning, stacklevel=2)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=2)
        finally:
            if bar is not None:
                bar.close()
            for hook in self.hooks:
                hook.on_fit_end(self)
        if estimator.early_stopping:
            self.weights.copy_from(estimator._best_coefs, estimator._best_intercepts)
            # The same lists, as in scikit-learn: a warm start that improves on nothing restores nothing.
            estimator._best_coefs, estimator._best_intercepts = estimator.coefs_, estimator.intercepts_

    def _bound_plan(self) -> AbstractContextManager[Plan]:
        estimator = self.estimator
        return loop.bound_plan(
            self.model, self.examples, self.solver.state, batch_size=self.batch_size, order=self.order,
            n_threads=runtime.thread_count(estimator.n_threads), l2_by_batch=True,
            dropout=checks.dropout(estimator.dropout, self.model.activations[:-1]),
            clip_norm=0.0 if estimator.clip_norm is None else float(estimator.clip_norm))

    def _run_epoch(self, plan: Plan) -> None:
        """Make the steps of an epoch and keep the books of it."""
        estimator, solver, theta = self.estimator, self.solver, self.model.theta
        if estimator.shuffle:
            self._shuffle(estimator._random_state)
        self._refuse_weightless()
        rates = solver.rates(estimator.max_iter * len(self.bounds))
        total = 0.0
        for (start, stop), rate in zip(self.bounds, rates, strict=False):
            J = plan.step(start, stop, rate)
            total += J * (stop - start)
        if not isfinite(total):
            theta.fill(nan)  # the core makes no such step; scikit-learn goes on with what it leaves
        self.rate = rate
        estimator.n_iter_ += 1
        estimator.loss_ = np.float64(total / self.m)  # a float with NumPy's methods, as in scikit-learn
        estimator.t_ += self.m
        estimator.loss_curve_.append(estimator.loss_)
        if estimator.verbose and estimator.verbose != "bar":
            print(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
        self._judge()
        solver.iteration_ends(estimator.t_)

    def _shuffle(self, random_state: np.random.RandomState) -> None:
        """Permute the order once more, by the draws that sklearn.utils.shuffle makes."""
        permutation = np.arange(self.m)
        random_state.shuffle(permutation)
        if self.order is not None and len(self.bounds) > 1:  # within a batch the order does not matter
            self.order[: self.m] = self.order[permutation]

    def _refuse_weightless(self) -> None:
        """Raise if there is a mini-batch without any weight, before a step is made."""
        weights = self.examples.weights
        if weights is None or weights.all():
            return
        if self.order is not None:
            weights = weights[self.order]
        for start, stop in self.bounds:
            if not weights[start:stop].any():
                raise ValueError(f"sample_weight is zero for all {stop - start} examples of a mini-batch: its mean "
                                 "loss is not defined. Leave out examples without weight or raise batch_size.")

    def _judge(self) -> None:
        """Count the epochs without improvement: of the validation score, or of the loss."""
        estimator, held_out = self.estimator, self.held_out
        if held_out is not None:
            J = self.validator.evaluate(held_out.examples, n_threads=estimator.n_threads)["loss"]
            estimator.validation_loss_curve_.append(J)
            estimator.validation_scores_.append(estimator._score_held_out(held_out))
        if not estimator.early_stopping:
            loss = estimator.loss_curve_[-1]
            worse = loss > estimator.best_loss_ - estimator.tol
            if loss < estimator.best_loss_:
                estimator.best_loss_ = loss
        else:
            score = estimator.validation_scores_[-1]
            if estimator.verbose and estimator.verbose != "bar":
                print(f"Validation score: {score:f}")
            worse = score < estimator.best_validation_score_ + estimator.tol
            if score > estimator.best_validation_score_:
                estimator.best_validation_score_ = score
                estimator._keep_best()
        estimator._no_improvement_count = estimator._no_improvement_count + 1 if worse else 0

    def _without_improvement(self) -> bool:
        """Return whether to stop because nothing improved for `n_iter_no_change` epochs."""
        estimator = self.estimator
        if estimator._no_improvement_count <= estimator.n_iter_no_change:
            return False
        what = "Validation score" if estimator.early_stopping else "Training loss"
        if self.solver.trigger_stopping(f"{what} did not improve more than tol={estimator.tol:f} for "
                                        f"{estimator.n_iter_no_change} consecutive epochs.",
                                        estimator.verbose and estimator.verbose != "bar"):
            return True
        estimator._no_improvement_count = 0
        return False

    def _observed(self, bar: Any) -> bool:
        """Show the epoch to the progress bar and the callbacks; return whether one of these asks to stop."""
        estimator = self.estimator
        if bar is not None:
            bar.set_postfix(loss=f"{estimator.loss_:.4g}", refresh=False)
            bar.update()
        if not self.hooks:
            return False
        record = {"epoch": estimator.n_iter_, "loss": estimator.loss_}
        if self.held_out is not None:
            record |= {"validation_loss": estimator.validation_loss_curve_[-1],
                       "validation_score": estimator.validation_scores_[-1]}
        record["learning_rate"] = self.rate
        self.history.append(record)
        return asked_to_stop(self.hooks, self, record)
