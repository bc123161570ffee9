"""Training by a stochastic solver, with scikit-learn's epochs. Each step is one call into the core."""

import warnings
from collections.abc import Collection
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import compress
from math import isfinite, nan
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning

from fastnn import runtime
from fastnn._core import kernels
from fastnn._core.training_plan import TrainingPlan
from fastnn._data import checks
from fastnn._data.examples import Examples, batch_bounds
from fastnn._data.weights import by_example
from fastnn._model.objective import Objective
from fastnn._prediction.evaluate import evaluate
from fastnn._training import binding, loop
from fastnn._training.groups import TrainedGroups
from fastnn._training.progress import progress_bar
from fastnn._training.view import FitView
from fastnn.callbacks import Callback
from fastnn.estimators._network import CoreNetwork
from fastnn.estimators._records import FitRecords
from fastnn.estimators._scores import ValidationScore
from fastnn.estimators._solver import Solver
from fastnn.estimators._standstill import warn_of_standstill

__all__ = ["StochasticFit", "ValidationSet"]


@dataclass(frozen=True)
class ValidationSet:
    """Validation examples, and the score of the current parameters on them.

    Attributes
    ----------
    examples : Examples
    score : ValidationScore
    origin : tuple
        Where the examples come from. Scores on examples of another origin cannot be compared.
    """

    examples: Examples
    score: ValidationScore
    origin: tuple[Any, ...]


def batch_rows(batch_size: Any, m: int) -> int:
    """Return the number of examples in a mini-batch."""
    if isinstance(batch_size, str):  # "auto"
        return min(200, m)
    if batch_size > m:
        warnings.warn("Got `batch_size` less than 1 or larger than sample size. It is going to be clipped",
                      stacklevel=2)
    return int(min(batch_size, m))


class StochasticFit:
    """A fit, or the single epoch of partial_fit.

    Parameters
    ----------
    estimator : BaseMLP
        Source of the hyperparameters; those that callbacks change take effect with the next call. After each epoch it
        gets the records, which callbacks and scorers read.
    network : CoreNetwork
        Its parameters are trained in place.
    objective : Objective
    solver : Solver
    examples : Examples
    rows : ndarray of int64 or None
        Positions of the training examples, in the order of the first epoch; None for all.
    validation : ValidationSet or None
    callbacks : tuple of Callback
    view : FitView
        Passed to the callbacks.
    incremental : bool
        A call of partial_fit, which does not warn that the single epoch did not converge.
    changed : collection of str
        The parameters that have changed since the previous call.
    """

    def __init__(self, estimator: Any, network: CoreNetwork, objective: Objective, solver: Solver, examples: Examples,
                 *, rows: NDArray[np.int64] | None, validation: ValidationSet | None,
                 callbacks: tuple[Callback, ...], view: FitView, incremental: bool,
                 changed: Collection[str] = ()) -> None:
        self.estimator, self.network, self.solver = estimator, network, solver
        self.objective, self.unpenalized = objective, Objective(objective.loss)
        self.examples, self.validation = examples, validation
        self.callbacks, self.view, self.incremental = callbacks, view, incremental
        self.tol, self.patience, self.max_iter = estimator.tol, estimator.n_iter_no_change, estimator.max_iter
        self.shuffle, self.early_stopping, self.verbose = estimator.shuffle, estimator.early_stopping, estimator.verbose
        self.n_threads = estimator.n_threads
        self.m = len(examples) if rows is None else len(rows)
        self.batch_size = batch_rows(estimator.batch_size, self.m)
        self.batches = list(batch_bounds(self.m, self.batch_size))
        self.order: NDArray[np.int64] | None = None
        if rows is not None or (self.shuffle and len(self.batches) > 1):
            self.order = np.arange(len(examples))
            if rows is not None:
                self.order[: self.m] = rows
        self.has_weight = None if examples.weights is None else by_example(examples.weights) > 0
        if self.has_weight is not None and not any(self._weighty_batches()):
            raise ValueError("no example to train on has a weight that is not zero beside the largest")
        self.skipped = 0  # examples of the steps of partial_fit whose loss was not finite, which the core does not make
        self.records = FitRecords.of(estimator, network, changed, incremental=incremental,
                                     validated_on=None if validation is None else validation.origin)
        self.replaces_r2 = self.early_stopping and validation is not None and validation.score.replaces_r2
        self.first_epoch = len(self.records.validation_scores or ())
        self.prints = self.verbose and self.verbose != "bar"
        self.constant_rates = solver.rates(len(self.batches), self.max_iter) if solver.has_constant_rate else None

    def run(self, checks_X: bool = False) -> None:
        """Run the epochs.

        Parameters
        ----------
        checks_X : bool
            Check in the first epoch that X of the training examples is finite.

        Raises
        ------
        ValueError
            If it is not.

        Warns
        -----
        ConvergenceWarning
            If the last epoch was reached without convergence.
        """
        self.records.replace(self.estimator)
        bar = progress_bar()(total=self.view.epochs, unit="epoch") if self.verbose == "bar" else None
        try:
            for callback in self.callbacks:
                callback.on_fit_begin(self.view)
            with self._bound_plan() as plan:
                plan.checks_X = checks_X
                for _ in range(self.view.epochs):
                    self._run_epoch(plan)
                    plan.checks_X = False
                    if (bar is not None or self.callbacks) and self._report(bar):
                        break
                    if self.records.no_improvement_count > self.patience and self._stops_stalled():
                        self._check_score_moved(stalled=True)
                        break
                else:
                    self._check_score_moved(stalled=False)
                    if not self.incremental and not (self.replaces_r2 and self._has_constant_targets()):
                        warnings.warn(f"Stochastic Optimizer: Maximum iterations ({self.max_iter}) reached and "
                                      "the optimization hasn't converged yet.", ConvergenceWarning, stacklevel=2)
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=2)
        finally:
            if bar is not None:
                bar.close()
            if not self.incremental:
                self.records.keep_whole()
            self.records.copy_to(self.estimator)
            for callback in self.callbacks:
                callback.on_fit_end(self.view)

    def _has_constant_targets(self) -> bool:
        """Return whether all targets with weight are equal: early stopping has nothing to warn of then."""
        Y = self.examples.Y if self.has_weight is None else self.examples.Y[self.has_weight]
        return bool((Y[0] == Y).all())

    def _bound_plan(self) -> AbstractContextManager[TrainingPlan]:
        estimator = self.estimator
        return binding.bound_plan(
            self.network.architecture, self.objective, self.network.parameters, self.examples, self.solver.state,
            batch_size=self.batch_size, order=self.order, n_threads=runtime.thread_count(self.n_threads),
            clip_norm=0.0 if estimator.clip_norm is None else float(estimator.clip_norm),
            trained=TrainedGroups(frozen=checks.frozen_layers(
                estimator.frozen_layers, len(self.network.architecture.activations))))

    def _run_epoch(self, plan: TrainingPlan) -> None:
        """Run the steps of an epoch, then record and score it."""
        records = self.records
        if self.shuffle:
            self._shuffle(self.estimator._random_state)
        rates = self.constant_rates or self.solver.rates(len(self.batches), self.max_iter)
        self.rate = rates[-1]
        if self.incremental or self.has_weight is not None:
            loss, m = self._run_counted_steps(plan, rates)
        else:
            loop.run_batches(plan.step, self.batches, rates, stop_if_diverged=False)
            loss, m = plan.take_mean_loss(), self.m
        if not isfinite(loss) and m:
            self.network.parameters.theta.fill(nan)  # the core skips such a step; scikit-learn continues with NaN
        records.n_iter += 1
        records.t += m
        records.loss = np.float64(loss)  # a NumPy scalar, as in scikit-learn
        records.loss_curve.append(records.loss)
        if self.prints:
            print(f"Iteration {records.n_iter}, loss = {records.loss:.8f}")
        if self.validation is not None:
            records.copy_to(self.estimator)  # scorers may read them
            self._score(self.validation)
        worse = self._is_worse_score() if self.early_stopping else self._is_worse_loss(loss)
        records.no_improvement_count = records.no_improvement_count + 1 if worse else 0
        if self.callbacks:  # which may read them
            records.copy_to(self.estimator)
        self.solver.iteration_ends(records.t)

    def _run_counted_steps(self, plan: TrainingPlan, rates: list[float]) -> tuple[float, int]:
        """Run the steps of an epoch; return the mean loss of those that count, and their number of examples.

        A mini-batch without weight makes no step. In partial_fit, one whose loss is not finite counts as skipped.
        """
        total, m = 0.0, 0

        def step(start: int, stop: int, rate: float) -> float:
            nonlocal total, m
            J = plan.step(start, stop, rate)
            if self.incremental and not isfinite(J):
                self.skipped += stop - start
            else:
                total += J * (stop - start)
                m += stop - start
            return J

        weighty = self._weighty_batches()
        loop.run_batches(step, compress(self.batches, weighty), compress(rates, weighty), stop_if_diverged=False)
        return total / m if m else nan, m

    def _shuffle(self, random_state: np.random.RandomState) -> None:
        """Draw a permutation as `sklearn.utils.shuffle` does; apply it to the order if there are several batches."""
        order = self.order if len(self.batches) > 1 else None  # with one batch, the order does not matter
        if type(random_state) is np.random.RandomState:
            kernels.legacy_shuffle(order, self.m, random_state)
            return
        permutation = np.arange(self.m)
        random_state.shuffle(permutation)  # a method of the user's class
        if order is not None:
            order[: self.m] = order[permutation]

    def _weighty_batches(self) -> list[bool]:
        """Tell which mini-batches of the epoch have weight; the others make no step and do not count."""
        if self.has_weight is None:
            return [True] * len(self.batches)
        has_weight = self.has_weight if self.order is None else self.has_weight[self.order[: self.m]]
        return [bool(has_weight[start:stop].any()) for start, stop in self.batches]

    def _score(self, validation: ValidationSet) -> None:
        """Record the loss, without the penalty, and the score on the validation set."""
        records = self.records
        values = evaluate(self.network.predictor, self.unpenalized, validation.examples,
                          n_threads=self.n_threads)
        assert records.validation_losses is not None and records.validation_scores is not None
        records.validation_losses.append(values["loss"])
        score = validation.score.value(values["loss"])
        validation.score.warn_if_not_finite(score, records.n_iter)
        records.validation_scores.append(score)

    def _is_worse_score(self) -> bool:
        """Record the score of the epoch if it is the best; return whether it counts as no improvement."""
        records = self.records
        assert records.validation_scores is not None and records.best_score is not None
        score = records.validation_scores[-1]
        if self.prints:
            print(f"Validation score: {score:f}")
        if isfinite(score):
            worse: bool = score < records.best_score + self.tol
        else:  # a score without a finite value before it cannot say when to stop
            worse = isfinite(records.best_score)
        if isfinite(score) and score > records.best_score:
            records.best_score = score
            records.keep_best(self.network)
        return worse

    def _is_worse_loss(self, loss: float) -> bool:
        """Record the loss of the epoch if it is the best; return whether it counts as no improvement."""
        records = self.records
        assert records.best_loss is not None
        worse: bool = loss > records.best_loss - self.tol
        if loss < records.best_loss:
            records.best_loss = records.loss
        return worse

    def _stops_stalled(self) -> bool:
        """Return whether to stop, since nothing has improved for more than `n_iter_no_change` epochs."""
        what = "Validation score" if self.early_stopping else "Training loss"
        if self.solver.trigger_stopping(f"{what} did not improve more than tol={self.tol:f} for "
                                        f"{self.patience} consecutive epochs.", self.prints):
            return True
        self.records.no_improvement_count = self.estimator._no_improvement_count = 0
        return False

    def _check_score_moved(self, stalled: bool) -> None:
        """With early stopping, warn if the score of this fit stood still while the validation loss fell."""
        records = self.records
        if self.validation is not None and self.early_stopping and not self._has_constant_targets():
            assert records.validation_scores is not None and records.validation_losses is not None
            scores = records.validation_scores[self.first_epoch :]
            warn_of_standstill(self.validation.score, scores, records.validation_losses[-len(scores) :],
                               stalled=stalled, fresh=self.first_epoch == 0)

    def _report(self, bar: Any) -> bool:
        """Update the progress bar and call the callbacks; return whether a callback asks to stop."""
        records = self.records
        if bar is not None:
            bar.set_postfix(loss=f"{records.loss:.4g}", refresh=False)
            bar.update()
        if not self.callbacks:
            return False
        record = {"epoch": records.n_iter, "loss": records.loss_curve[-1]}
        if records.validation_losses and records.validation_scores and self.validation is not None:
            record |= {"validation_loss": records.validation_losses[-1],
                       "validation_score": records.validation_scores[-1]}
        record["learning_rate"] = self.rate
        return self.view.end_epoch(self.callbacks, record)
