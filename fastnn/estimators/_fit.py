"""`fit` and `partial_fit` of both estimators: validate, initialise or continue, then run a solver."""

import warnings
from functools import partial
from typing import Any, NamedTuple

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.optimize import _check_optimize_result

from fastnn import _tuning, runtime
from fastnn._data import checks
from fastnn._data.arrays import ignoring_underflow
from fastnn._model.objective import Objective
from fastnn._training import binding, lbfgs
from fastnn._training.groups import TrainedGroups
from fastnn._training.view import FitView
from fastnn.callbacks import Callback
from fastnn.estimators._arguments import check_callbacks, check_parameters, recorded, with_python_values
from fastnn.estimators._changes import changed_parameters, refuse_changes, remember_parameters
from fastnn.estimators._fit_tasks import with_fit_tasks
from fastnn.estimators._inputs import FitData, check_sample_weight
from fastnn.estimators._network import CoreNetwork
from fastnn.estimators._objective import full_batch_objective
from fastnn.estimators._records import start_lbfgs_records
from fastnn.estimators._rollback import Rollback
from fastnn.estimators._solver import Solver
from fastnn.estimators._split import early_stopping_split
from fastnn.estimators._stochastic import StochasticFit
from fastnn.estimators._user_data import validated_X, warn_if_merges
from fastnn.estimators._validation import ValidationArguments, validation_data, validation_set
from fastnn.optimizers import LBFGS

__all__ = ["fit_estimator"]

NOT_FINITE = ("Solver produced non-finite parameter weights. The input data may contain large values and need to be "
              "preprocessed.")
SCIPY_FTOL = 2.220446049250313e-09  # SciPy's default, which scikit-learn does not change


@ignoring_underflow
@with_python_values
@with_fit_tasks
def fit_estimator(estimator: Any, X: Any, y: Any, sample_weight: Any = None,
                  validation: ValidationArguments | None = None, *, incremental: bool = False,
                  classes: Any = None, tasks: tuple[Callback, ...] = ()) -> None:
    """Train an estimator, for a single epoch if `incremental`. A call that raises is undone, as `Rollback` says.

    Parameters
    ----------
    estimator : BaseMLP
    X, y, sample_weight
        As for `MLPClassifier.fit`.
    validation : ValidationArguments, optional
    incremental : bool
        This is a call of `partial_fit`.
    classes
        As for `MLPClassifier.partial_fit`.
    tasks : tuple of Callback
        Those that report to the callbacks of scikit-learn.
    """
    validation = validation if validation is not None and validation.given else None
    continues = hasattr(estimator, "coefs_") and (estimator.warm_start or incremental)
    with Rollback(estimator, continues=continues, incremental=incremental) as rollback:
        if incremental:
            estimator._announce_classes(y, classes)
        hidden, changed = checked_parameters(estimator, validation is not None, incremental, continues)
        view = FitView(estimator, epochs=1 if incremental else estimator.max_iter,
                       recorded=recorded(estimator, validation is not None))
        callbacks = (*check_callbacks(estimator.callbacks, view), *tasks)
        estimator._check_scale(continues)
        later = not (incremental or callbacks or validation is not None or sample_weight is not None)
        later = later and checks_while_training(estimator, X)
        data = training_data(estimator, X, y, sample_weight, incremental, reset=not continues, later=later)
        estimator._random_state = check_random_state(estimator.random_state)
        if continues:
            refuse_changes(estimator, hidden, estimator._n_outputs(data.encoded_y), changed)
        else:
            sizes = [data.X.shape[1], *hidden, estimator._n_outputs(data.encoded_y)]
            estimator._initialize(data.encoded_y, sizes, estimator.dtype or data.X.dtype)
            warn_of_frozen_weights(estimator)
        network = estimator._trainable_network(data.X, follow="dtype" in changed)
        estimator.n_outputs_ = network.architecture.n_outputs
        if changed or not continues or "_fitted_with" not in vars(estimator):
            remember_parameters(estimator)
        train(estimator, network, data, validation,
              Call(incremental, continues, changed, callbacks, view, rollback, later))
        estimator._hint_at_scale(data, incremental, continues)


def warn_of_frozen_weights(estimator: Any) -> None:
    """Warn if layers are frozen whose weights have just been drawn."""
    if np.size(estimator.frozen_layers):
        warnings.warn(f"frozen_layers={estimator.frozen_layers} keep new, random weights: this fit does not continue "
                      "another one. Set frozen_layers after a first fit, for partial_fit or a fit with "
                      "warm_start=True", UserWarning, stacklevel=2)


class Call(NamedTuple):
    """A call of `fit` or `partial_fit`, checked.

    Attributes
    ----------
    incremental : bool
    continues : bool
        The call trains the present parameters.
    changed : frozenset of str
        The parameters that have changed since the previous call, if this call continues it.
    callbacks : tuple of Callback
    view : FitView
        Passed to the callbacks.
    rollback : Rollback
    checks_X : bool
        The first epoch checks that X is finite.
    """

    incremental: bool
    continues: bool
    changed: frozenset[str]
    callbacks: tuple[Callback, ...]
    view: FitView
    rollback: Rollback
    checks_X: bool


def checked_parameters(estimator: Any, validates: bool, incremental: bool,
                       continues: bool) -> tuple[list[int], frozenset[str]]:
    """Check the parameters; return the sizes of the hidden layers, and the names of the changed parameters."""
    changed = changed_parameters(estimator) if continues else frozenset()
    if continues and incremental and (changed or "_fitted_with" not in vars(estimator)):
        estimator._validate_params()  # scikit-learn does so before the first call only
    return check_parameters(estimator, validates, incremental), changed


def train(estimator: Any, network: CoreNetwork, data: FitData, validation: ValidationArguments | None,
          call: Call) -> None:
    """Run the solver; raise scikit-learn's error if the parameters did not stay finite."""
    if estimator.solver == "lbfgs":
        if not call.continues:
            estimator._learn_scale(data, None)
        fit_lbfgs(estimator, network, estimator._standardised(data), call)
    else:
        fit_stochastic(estimator, network, data, validation, call)
    call.rollback.training_ends()
    if not np.isfinite(network.parameters.theta).all():
        raise ValueError(NOT_FINITE)


def fit_stochastic(estimator: Any, network: CoreNetwork, data: FitData, validation: ValidationArguments | None,
                   call: Call) -> None:
    """Train by a stochastic solver; with early stopping, restore the best parameters."""
    architecture, incremental = network.architecture, call.incremental
    rows, held_out = None, None
    if validation is not None:
        held_out = validation_data(estimator, validation, data)
    elif estimator.early_stopping:
        rows, held_rows = early_stopping_split(estimator, data)
        held_out = data.take(held_rows)
    if not call.continues:
        estimator._learn_scale(data, rows)
    examples = estimator._standardised(data).examples(architecture, estimator._per_target())
    watched = None
    if held_out is not None:
        watched = validation_set(estimator, network, held_out, validation is not None)
    solver = prepared_solver(estimator, network, incremental, call.changed)
    if data.loss_weight is not None and not data.loss_weight.any():  # the class weight is 0
        return
    l2 = 0.0 if solver.name == "adamw" else float(estimator.alpha)  # adamw decays the weights itself
    objective = Objective(estimator._core_loss(architecture.dtype), l2=l2, l2_by_batch=True,
                          dropout=checks.dropout(estimator.dropout, architecture.hidden))
    fit = StochasticFit(estimator, network, objective, solver, examples, rows=rows, validation=watched,
                        callbacks=call.callbacks, view=call.view, incremental=incremental, changed=call.changed)
    call.rollback.training_begins()
    try:
        fit.run(checks_X=call.checks_X)
    except ValueError:
        if call.checks_X:
            validated_X(estimator, data.X)  # raises scikit-learn's error if X is not finite
        raise
    if fit.skipped:
        raise ValueError(NOT_FINITE)  # before the end of the training: the steps that were made are kept
    if fit.early_stopping:
        if np.isfinite(estimator.best_validation_score_):  # else no epoch was scored, and the last one is kept
            network.copy_from(estimator._best_coefs, estimator._best_intercepts)
        # The same lists, as in scikit-learn: a warm start without improvement keeps its last parameters.
        estimator._best_coefs, estimator._best_intercepts = estimator.coefs_, estimator.intercepts_
    if incremental and solver.exhausted:
        warnings.warn(f"learning_rate={solver.lr_schedule!r} has lowered the learning rate to {solver.sgd_rate:.1g}: "
                      "partial_fit learns next to nothing now. After a change of learning_rate_init it learns again.",
                      ConvergenceWarning, stacklevel=4)


def fit_lbfgs(estimator: Any, network: CoreNetwork, data: FitData, call: Call) -> None:
    """Train by L-BFGS with the settings of scikit-learn.

    Warns
    -----
    ConvergenceWarning
        If the maximum number of iterations or evaluations was reached.
    """
    architecture, parameters, view = network.architecture, network.parameters, call.view
    examples = data.examples(architecture, estimator._per_target())
    objective = full_batch_objective(estimator._core_loss(architecture.dtype), estimator.alpha, examples)
    optimizer = LBFGS(gradient_tolerance=float(estimator.tol), cost_tolerance=SCIPY_FTOL,
                      max_evaluations=min(int(estimator.max_fun), checks.LARGEST))  # scikit-learn has no upper bound

    curve = start_lbfgs_records(estimator)

    def after_iteration(J: float) -> str | None:
        curve.append(np.float64(J))
        return "callback" if view.end_epoch(call.callbacks, {"epoch": view.epoch + 1, "loss": J}) else None

    call.rollback.training_begins()
    for callback in call.callbacks:
        callback.on_fit_begin(view)
    try:
        with binding.bound_plan(architecture, objective, parameters, examples, None,
                                batch_size=min(len(examples), _tuning.GRADIENT_BLOCK_ROWS),
                                n_threads=runtime.thread_count(estimator.n_threads),
                                trained=TrainedGroups(frozen=checks.frozen_layers(
                                    estimator.frozen_layers, len(architecture.activations)))) as plan:
            evaluate = partial(binding.whole_gradient, plan, examples)
            reason, result = lbfgs.minimize(optimizer, parameters.theta, evaluate, estimator.max_iter, after_iteration)
    finally:
        for callback in call.callbacks:
            callback.on_fit_end(view)
    stopped = reason == "callback"
    estimator.n_iter_ = result.nit if stopped else _check_optimize_result("lbfgs", result, estimator.max_iter)
    estimator.loss_ = np.float64(result.fun)
    estimator.best_loss_ = min(curve, default=estimator.loss_)


def checks_while_training(estimator: Any, X: Any) -> bool:
    """Return whether the first epoch can check that X is finite, while its rows are in the cache.

    It reads every row of X as it is, and an error undoes the fit.
    """
    return (estimator.solver != "lbfgs" and not estimator.early_stopping
            and getattr(estimator, "class_weight", None) is None  # mini-batches without weight make no step
            and estimator.dtype in (None, getattr(X, "dtype", None)))


def training_data(estimator: Any, X: Any, y: Any, sample_weight: Any, incremental: bool, reset: bool,
                  later: bool = False) -> FitData:
    """Validate and encode the training data; with `later`, X may not be finite."""
    given_X, given_y = X, y
    X, y = estimator._validate_input(X, y, incremental, reset=reset, later=later)
    encoded_y = estimator._encode(y)
    warn_if_merges(estimator, given_X, given_y, encoded_y, trained_on=X)
    weights = check_sample_weight(sample_weight, X, encoded_y, estimator._n_targets(encoded_y))
    return FitData.of(X, y, encoded_y, weights, estimator._class_factors(encoded_y, weights, incremental),
                      part=incremental)


def prepared_solver(estimator: Any, network: CoreNetwork, incremental: bool, changed: frozenset[str]) -> Solver:
    """Return a new solver, or for partial_fit the previous one. It is also the attribute `_optimizer`."""
    layout, dtype = network.parameters.layout, network.architecture.dtype
    # Without dropout nothing is drawn, as in scikit-learn.
    drops = any(checks.dropout(estimator.dropout, network.architecture.hidden))
    solver: Solver | None = vars(estimator).get("_optimizer")
    if not incremental or solver is None or solver.name != estimator.solver:
        seed = int(estimator._random_state.randint(2**31 - 1)) if drops else 0
        solver = Solver.of(estimator, layout, dtype, seed)
        estimator._optimizer = solver
    elif changed:
        solver.follow(estimator, changed)
        if drops and not solver.state.dropout_seed:
            solver.state.dropout_seed = int(estimator._random_state.randint(2**31 - 1))
    solver.prepare(layout, dtype, estimator.alpha)
    return solver
