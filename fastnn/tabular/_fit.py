"""The fit of an estimator: check, encode, hold out, train each model, keep what was learned."""

from concurrent.futures import ThreadPoolExecutor
from math import ceil
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import check_random_state

from fastnn import runtime
from fastnn._data import checks
from fastnn._training.view import FitView
from fastnn.estimators._arguments import check_callbacks, hidden_sizes, python_values
from fastnn.estimators._inputs import check_sample_weight
from fastnn.history import History
from fastnn.preprocessing import TableEncoder
from fastnn.tabular._budget import Deadline
from fastnn.tabular._data import TableData
from fastnn.tabular._holdout import hold_out, orders
from fastnn.tabular._members import Member
from fastnn.tabular._training import Job, train
from fastnn.tabular._watch import Reports

__all__ = ["fit_tabular"]

RECORDED = ("epoch", "loss", "validation_loss", "validation_score", "learning_rate", "seconds")


def fit_tabular(estimator: Any, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any) -> None:
    """Fit a `TabularClassifier` or `TabularRegressor`; after an error it is as before.

    Raises
    ------
    ValueError, TypeError
        If an argument is invalid.
    RuntimeError
        If the estimator is being trained.
    """
    if "_in_training" in vars(estimator):
        raise RuntimeError("this estimator is being trained: by another thread, or by the fit that called back")
    estimator._in_training = True
    try:
        with python_values(estimator):
            fitted = _fitted(estimator, X, y, sample_weight, X_val, y_val)
    finally:
        del estimator._in_training
    for name in [name for name in vars(estimator) if name.endswith("_") or name == "_members"]:
        delattr(estimator, name)
    vars(estimator).update(fitted)


def _fitted(estimator: Any, X: Any, y: Any, sample_weight: Any, X_val: Any, y_val: Any) -> dict[str, Any]:
    """Return the fitted attributes."""
    deadline = Deadline(estimator.time_limit)
    hidden = hidden_sizes(estimator.hidden_layer_sizes)
    activations = list(checks.hidden_activations(estimator.activation, len(hidden), estimator._activations))
    if hidden:  # else there is nothing to drop
        checks.dropout(estimator.dropout, activations)
    if (X_val is None) != (y_val is None):
        raise ValueError("X_val and y_val belong together: pass both or neither")
    estimator._check_own_parameters()
    callbacks = check_callbacks(estimator.callbacks, FitView(estimator, int(estimator.epochs), RECORDED))
    work = estimator._unfitted_copy()
    data, validation = _checked(work, X, y, sample_weight, X_val, y_val)
    if work._is_constant(data):
        members: list[Member] = []
    else:
        members = _train_all(work, data, validation, hidden, callbacks, deadline)
    histories = [member.network.history or History() for member in members] or [History()]
    work.histories_, work.history_, work.best_epoch_ = histories, histories[0], histories[0].best_epoch
    work._set_members(members, data)
    return {name: value for name, value in vars(work).items() if name.endswith("_") or name == "_members"}


def _checked(work: Any, X: Any, y: Any, sample_weight: Any, X_val: Any,
             y_val: Any) -> tuple[TableData, TableData | None]:
    """Check and encode the data; set the attributes of `work` that follow from them."""
    y = work._validated_y(y)
    encoder = TableEncoder(categorical_features=work.categorical_features, max_one_hot=work.max_one_hot,
                           clip=work.clip, scale_categories=True, dtype=work.dtype)
    E = encoder.fit(X)._encoded(X)
    _check_length("X", E, "y", y)
    work.encoder_, work.n_features_in_ = encoder, encoder.n_features_in_
    if hasattr(encoder, "feature_names_in_"):
        work.feature_names_in_ = encoder.feature_names_in_
    weights = check_sample_weight(sample_weight, E, y, 1)
    work._learn_targets(y)
    data = TableData(X, E, y, *work._encoded_targets(y, weights))
    if data.loss_weight is not None and not data.loss_weight.any():
        raise ValueError("class_weight leaves no example with a weight that is not zero")
    if X_val is None:
        return data, None
    y_val, E_val = work._validated_y(y_val, "y_val"), encoder._encoded(X_val)
    _check_length("X_val", E_val, "y_val", y_val)
    work._check_validation_targets(y_val)
    return data, TableData(X_val, E_val, y_val, *work._encoded_targets(y_val, None, data))


def _check_length(of_rows: str, E: NDArray[Any], of_targets: str, y: NDArray[Any]) -> None:
    if len(E) != len(y):
        raise ValueError(f"{of_rows} and {of_targets} must have the same number of rows: Found input variables with "
                         f"inconsistent numbers of samples: [{len(E)}, {len(y)}]")


def _train_all(work: Any, data: TableData, validation: TableData | None, hidden: list[int], callbacks: Any,
               deadline: Deadline) -> list[Member]:
    """Train the models, several at a time if there are threads for them."""
    n_models, threads = int(work.n_models), runtime.thread_count(work.n_threads)
    workers = min(n_models, threads)
    reports = Reports(work.verbose, n_models, callbacks)
    output, loss, n_outputs = work._output_layer(data)
    job = Job(work, hidden, output, loss, n_outputs, reports, max(1, threads // workers))
    seeds = check_random_state(work.random_state).randint(2**31, size=n_models)
    rows = data.weighted_rows()
    labels = None if data.labels is None else data.labels[rows]
    fraction = 0.0 if validation is not None else float(work.validation_fraction)
    found = orders(labels, len(rows), fraction or 1.0, n_models, np.random.default_rng(seeds[0]))
    rounds = ceil(n_models / workers)

    def one(number: int) -> Member:
        limit = None if work.time_limit is None else deadline.left / (rounds - number // workers)
        training, held = (rows[part] for part in hold_out(found[number], fraction, number, labels))
        held_data, held_X = validation, None
        if validation is not None:
            held_X = validation.X
        elif len(held):
            held_data = data.take(held)
            held_X = data.table(held) if work.scoring is not None else None
        rng = np.random.default_rng([int(seeds[number]), 1])
        try:
            return train(job, number, data.take(training), held_data, held_X, Deadline(limit), rng)
        except BaseException:
            reports.stopped.set()
            raise

    try:
        if workers == 1:
            return [one(number) for number in range(n_models)]
        with ThreadPoolExecutor(workers) as pool:
            futures = [pool.submit(one, number) for number in range(n_models)]
            try:
                return [future.result() for future in futures]
            except BaseException:
                reports.stopped.set()
                pool.shutdown(cancel_futures=True)
                raise
    finally:
        reports.close()
