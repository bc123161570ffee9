"""Training by a stochastic solver, with scikit-learn's epochs. Each step is one call into the core."""

import warnings
from contextlib import AbstractContextManager
from dataclasses import dataclass
from math import isfinite, nan
from types import SimpleNamespace
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from fastnn import runtime
from fastnn._core.training_plan import Plan
from fastnn._data import checks
from fastnn._data.examples import Examples
from fastnn._data.feeds import bounds
from fastnn._model.objective import Objective
from fastnn._training import loop
from fastnn.callbacks import asked_to_stop
from fastnn.estimators.solvers import Solver
from fastnn.estimators.weights import Weights
from fastnn.history import History
from fastnn.losses import Loss

__all__ = ["StochasticFit", "ValidationSet"]


@dataclass
class ValidationSet:
    """Validation data of a fit.

    Attributes
    ----------
    examples : Examples
        In the core's layout and dtype.
    X, y : array_like
        As a scorer takes them.
    weights : ndarray (m,) or None
        The user's sample weights.
    """

    examples: Examples
    X: Any
    y: Any
    weights: NDArray[Any] | None


def rows_of_batch(batch_size: Any, m: int) -> int:
    """Return the number of examples in a mini-batch."""
    if isinstance(batch_size, str):  # "auto"
        return min(200, m)
    if batch_size > m:
        warnings.warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                      stacklevel=2)
    return int(min(batch_size, m))


def recorded(validates: bool) -> tuple[str, ...]:
    """Return the names of the values that callbacks get after each epoch."""
    return ("epoch", "loss", *("validation_loss", "validation_score") * validates, "learning_rate")


class StochasticFit:
    """A fit, or the single epoch of partial_fit; callbacks get it as their run.

    Parameters
    ----------
    estimator : BaseMLP
        Its attributes `n_iter_`, `loss_`, ... are updated after each epoch.
    weights : Weights
    loss : Loss
    solver : Solver
    examples : Examples
    rows : ndarray of int64 or None
        Positions of the training examples, in the order of the first epoch; None for all.
    validation : ValidationSet or None
    callbacks : tuple of Callback
    incremental : bool
        Run a single epoch.
    """

    def __init__(self, estimator: Any, weights: Weights, loss: Loss, solver: Solver, examples: Examples,
                 rows: NDArray[np.int64] | None, validation: ValidationSet | None, callbacks: tuple[Any, ...],
                 incremental: bool) -> None:
        self.network = self.estimator = estimator
        self.weights, self.solver, self.examples, self.validation = weights, solver, examples, validation
        self.callbacks, self.incremental = callbacks, incremental
        decoupled = solver.name == "adamw"
        self.objective = Objective(loss, l2=0.0 if decoupled else float(estimator.alpha), l2_by_batch=True,
                                   dropout=checks.dropout(estimator.dropout, weights.architecture.hidden))
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
        self.recorded = recorded(validation is not None)

    @property
    def epoch(self) -> int:
        """Number of finished epochs."""
        return int(self.estimator.n_iter_)

    def run(self) -> None:
        """Run the epochs.

        Warns
        -----
        ConvergenceWarning
            If the last epoch was reached without convergence.
        """
        estimator = self.estimator
        estimator.n_iter_ = 0
        bar = loop.progress_bar()(total=self.epochs, unit="epoch") if estimator.verbose == "bar" else None
        try:
            for callback in self.callbacks:
                callback.on_fit_begin(self)
            with self._bound_plan() as plan:
                for _ in range(self.epochs):
                    self._run_epoch(plan)
                    if self._report(bar) or self._without_improvement():
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
            for callback in self.callbacks:
                callback.on_fit_end(self)
        if estimator.early_stopping:
            self.weights.copy_from(estimator._best_coefs, estimator._best_intercepts)
            # The same lists, as in scikit-learn: a warm start without improvement keeps its last parameters.
            estimator._best_coefs, estimator._best_intercepts = estimator.coefs_, estimator.intercepts_

    def _bound_plan(self) -> AbstractContextManager[Plan]:
        estimator = self.estimator
        return loop.bound_plan(
            self.weights.architecture, self.objective, self.weights.parameters, self.examples, self.solver.state,
            batch_size=self.batch_size, order=self.order, n_threads=runtime.thread_count(estimator.n_threads),
            clip_norm=0.0 if estimator.clip_norm is None else float(estimator.clip_norm))

    def _run_epoch(self, plan: Plan) -> None:
        """Run the steps of an epoch, then record and score it."""
        estimator, solver, theta = self.estimator, self.solver, self.weights.parameters.theta
        if estimator.shuffle:
            self._shuffle(estimator._random_state)
        self._check_batch_weights()
        rates = solver.rates(estimator.max_iter * len(self.bounds))
        total = 0.0
        for (start, stop), rate in zip(self.bounds, rates, strict=False):
            J = plan.step(start, stop, rate)
            total += J * (stop - start)
        if not isfinite(total):
            theta.fill(nan)  # the core skips such a step; scikit-learn continues with NaN
        self.rate = rate
        estimator.n_iter_ += 1
        estimator.loss_ = np.float64(total / self.m)  # a NumPy scalar, as in scikit-learn
        estimator.t_ += self.m
        estimator.loss_curve_.append(estimator.loss_)
        if estimator.verbose and estimator.verbose != "bar":
            print(f"Iteration {estimator.n_iter_}, loss = {estimator.loss_:.8f}")
        self._score_epoch()
        solver.iteration_ends(estimator.t_)

    def _shuffle(self, random_state: np.random.RandomState) -> None:
        """Permute the order again, with the random draws of `sklearn.utils.shuffle`."""
        permutation = np.arange(self.m)
        random_state.shuffle(permutation)
        if self.order is not None and len(self.bounds) > 1:  # with one batch, the order does not matter
            self.order[: self.m] = self.order[permutation]

    def _check_batch_weights(self) -> None:
        """Raise, before the first step of the epoch, if the weights of a mini-batch are all zero."""
        weights = self.examples.weights
        if weights is None or weights.all():
            return
        if self.order is not None:
            weights = weights[self.order]
        for start, stop in self.bounds:
            if not weights[start:stop].any():
                raise ValueError(f"sample_weight is zero for all {stop - start} examples of a mini-batch: its mean "
                                 "loss is not defined. Leave out examples without weight or raise batch_size.")

    def _score_epoch(self) -> None:
        """Score the validation set and count the epochs without improvement of the score or the loss."""
        estimator, validation = self.estimator, self.validation
        if validation is not None:
            J = self.weights.predictor.evaluate(Objective(self.objective.loss), validation.examples,
                                                n_threads=estimator.n_threads)["loss"]
            estimator.validation_loss_curve_.append(J)
            estimator.validation_scores_.append(estimator._score_validation(validation))
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
        """Return whether to stop because nothing has improved for more than `n_iter_no_change` epochs."""
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

    def _report(self, bar: Any) -> bool:
        """Update the progress bar and call the callbacks; return whether a callback asks to stop."""
        estimator = self.estimator
        if bar is not None:
            bar.set_postfix(loss=f"{estimator.loss_:.4g}", refresh=False)
            bar.update()
        if not self.callbacks:
            return False
        record = {"epoch": estimator.n_iter_, "loss": estimator.loss_}
        if self.validation is not None:
            record |= {"validation_loss": estimator.validation_loss_curve_[-1],
                       "validation_score": estimator.validation_scores_[-1]}
        record["learning_rate"] = self.rate
        self.history.append(record)
        return asked_to_stop(self.callbacks, self, record)
