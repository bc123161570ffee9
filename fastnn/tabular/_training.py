"""The training of one model of an estimator."""

from dataclasses import dataclass
from time import perf_counter
from typing import Any

import numpy as np
from sklearn.utils import _safe_indexing

from fastnn.callbacks import EarlyStopping
from fastnn.losses import Loss
from fastnn.network import Network
from fastnn.tabular._budget import SHARE, Deadline, Plan, measured, plan_within, planned
from fastnn.tabular._calibration import temperature
from fastnn.tabular._data import TableData
from fastnn.tabular._members import Member
from fastnn.tabular._recipe import build_network, initialise, training_arguments
from fastnn.tabular._scores import SCORE, accuracy_metric, scorer_metric, values_metric
from fastnn.tabular._targets import fitted_values
from fastnn.tabular._watch import Reports, Watch

__all__ = ["Job", "train"]

CALIBRATION_ROWS = 100_000  # the standard error of a temperature is then below 1 %
TRIAL_RATE = 1e-6  # a trial measures time and must not diverge


@dataclass(frozen=True)
class Job:
    """What all models of a fit share.

    Attributes
    ----------
    estimator : BaseTabular
        A copy with the fitted attributes.
    hidden : list of int
    output : str
    loss : Loss
    n_outputs : int
    reports : Reports
    n_threads : int
        Of each model.
    """

    estimator: Any
    hidden: list[int]
    output: str
    loss: Loss
    n_outputs: int
    reports: Reports
    n_threads: int


def train(job: Job, number: int, data: TableData, held: TableData | None, held_X: Any, deadline: Deadline,
          rng: np.random.Generator) -> Member:
    """Return a trained model.

    Parameters
    ----------
    job : Job
    number : int
        The number of the model, from 0.
    data, held : TableData
        To train on, and to choose the best epoch by; `held` may be None.
    held_X : table or None
        The held-out rows as the user passed them, for a scorer.
    deadline : Deadline
    rng : Generator
        Of this model.
    """
    estimator = job.estimator
    network = build_network(estimator, estimator.encoder_, job.hidden, job.output, job.loss, job.n_outputs, rng)
    values = None if data.labels is not None else fitted_values(data.Y, data.loss_weight)
    targets = data.Y if values is None else values.standardised(data.Y)
    member = Member(network, values)
    view = estimator._view_of(member, held_X, None if held is None else held.E)
    initialise(network, data.E, rng)
    arguments = training_arguments(estimator, network) | {
        "batch_size": min(int(estimator.batch_size), len(data.Y)), "n_threads": job.n_threads,
        "callbacks": [Watch(job.reports, view, number, deadline)]}
    plan = planned(int(estimator.epochs), len(data.Y), arguments["batch_size"], 0 if held is None else len(held.Y))
    if deadline.limit < np.inf:
        plan = _plan_within(network, plan, (data.E, targets, data.loss_weight), held, arguments, deadline)
    job.reports.expect(plan.epochs)
    arguments |= {"epochs": plan.epochs, "steps_per_epoch": plan.steps}
    if held is not None:
        scored, scored_X = held, held_X
        if plan.held < len(held.Y):
            rows = np.sort(rng.permutation(len(held.Y))[: plan.held])
            scored, scored_X = held.take(rows), None if held_X is None else _safe_indexing(held_X, rows)
        arguments |= _validation(job, member, view, scored, scored_X)
    network.fit(data.E, targets, sample_weight=data.loss_weight, **arguments)
    network._state = None  # of the optimiser: twice the size of the parameters
    if held is not None and values is None and estimator.calibrate:
        _calibrate(member, held, rng, job.n_threads)
    return member


def _validation(job: Job, member: Member, view: Any, held: TableData, held_X: Any) -> dict[str, Any]:
    """Return the arguments of `Network.fit` that choose the best epoch by these held-out rows."""
    if job.estimator.scoring is not None:
        metric = scorer_metric(view, held_X, held.y, held.sample_weight)
        view._held = held_X, held.E
    elif member.values is None:
        metric = accuracy_metric()
    else:
        metric = values_metric(member.values, job.loss, held.Y, held.loss_weight)
    targets = held.Y if member.values is None else member.values.standardised(held.Y)
    rule = EarlyStopping(f"validation_{SCORE}", patience=None, mode="max", ties="last")
    return {"validation_data": (held.E, targets, held.loss_weight), "metrics": [metric], "early_stopping": rule}


def _plan_within(network: Network, full: Plan, training: tuple[Any, ...], held: TableData | None,
                 arguments: dict[str, Any], deadline: Deadline) -> Plan:
    """Return the plan that ends before the deadline, measured with a copy of the network."""
    trial = network.copy()
    options = arguments | {"callbacks": (), "learning_rate": TRIAL_RATE}
    X, Y, weights = training

    def run(steps: int) -> float:
        rows = slice(0, steps * options["batch_size"])
        began = perf_counter()
        trial.fit(X[rows], Y[rows], sample_weight=None if weights is None else np.maximum(weights[rows], 1e-30),
                  epochs=1, **options)
        return perf_counter() - began

    step = measured(run, full.steps, deadline.left)
    validation = 0.0
    if held is not None:
        began = perf_counter()
        trial.forward(held.E, n_threads=options["n_threads"])
        validation = perf_counter() - began
    return plan_within(full, SHARE * deadline.left, step, validation)


def _calibrate(member: Member, held: TableData, rng: np.random.Generator, n_threads: int) -> None:
    """Divide the logits by the temperature that is best for the held-out rows."""
    if len(held.Y) > CALIBRATION_ROWS:
        held = held.take(np.sort(rng.permutation(len(held.Y))[:CALIBRATION_ROWS]))
    Z = member.network.predict_log_proba(held.E, n_threads=n_threads).astype(np.float64)
    if not np.isfinite(Z).all():
        return
    member.temperature = temperature(Z, held.Y.astype(np.intp), held.loss_weight)
    for parameter in (member.network.W[-1], member.network.b[-1]):
        parameter /= member.temperature
