"""Run the same calls on fastnn's and scikit-learn's estimators and measure how far the results differ.

Programs that sum in different orders agree only where the result does not depend on the last bit. Therefore each case
is run twice in scikit-learn, the second time with X, the initial parameters and the outputs perturbed by one unit in
the last place. Cases in which this changes a result by more than `STEADY` are not compared, nor are those that come
close to overflow.
"""

import inspect
import warnings
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from hypothesis import assume

pytest.importorskip("sklearn", reason="the estimators need scikit-learn: pip install 'fastnn[sklearn]'")

import sklearn.neural_network
from sklearn.utils.fixes import parse_version

from fastnn import MLPClassifier, MLPRegressor

OURS = {"classifier": MLPClassifier, "regressor": MLPRegressor}
THEIRS = {"classifier": sklearn.neural_network.MLPClassifier, "regressor": sklearn.neural_network.MLPRegressor}
BOTH = [pytest.param(kind, id=kind) for kind in OURS]

WEIGHTS = "sample_weight" in inspect.signature(THEIRS["regressor"].fit).parameters  # since scikit-learn 1.7
STRINGS = parse_version(sklearn.__version__) >= parse_version("1.9")  # early stopping accepts string labels
POISSON = "loss" in inspect.signature(THEIRS["regressor"]).parameters  # likewise

U = np.finfo(np.float64).eps
EQUAL, STEADY = 1e-8, 1e-10  # relative, norm-wise: required agreement; largest effect of a perturbation

NOISE = RuntimeWarning, DeprecationWarning  # NumPy's overflows; an old scikit-learn with a new SciPy

# How the warnings begin that scikit-learn does not give.
ADDED = ("early stopping: the validation score", "the validation score", "the fit has ", "all ")

CONTAINERS = {
    "as it is": lambda X: X,
    "C": np.ascontiguousarray,
    "F": np.asfortranarray,
    "strided": lambda X: np.repeat(np.repeat(X, 2, axis=0), 3, axis=1)[::2, ::3],
    "list": lambda X: X.tolist(),
    "csr_matrix": scipy.sparse.csr_matrix,
    "csc_matrix": scipy.sparse.csc_matrix,
    "csr_array": scipy.sparse.csr_array,
    "csc_array": scipy.sparse.csc_array,
}


@dataclass
class Case:
    """The parameters of an estimator, calls (method, X, y, keywords), and X_new to predict afterwards."""

    kind: str
    parameters: dict[str, Any]
    calls: list[tuple[str, Any, Any, dict[str, Any]]]
    X_new: Any
    container: str = "as it is"
    random_state: str | int = 0  # a number, "instance" or "global"


@dataclass
class Run:
    """The result of running a case."""

    model: Any
    warnings: list[tuple[type, str]] = field(default_factory=list)
    error: tuple[type, str] | None = None
    draw: float = 0.0  # next number of the random stream
    predictions: dict[str, Any] = field(default_factory=dict)


def perturbed(X, ulps, rng):
    """Return X with each non-zero element perturbed by `ulps` units in the last place; integers become float64."""
    if not ulps:
        return X
    X = np.asarray(X)
    X = X if X.dtype == np.float32 else X.astype(np.float64)
    return X * (1 + ulps * np.finfo(X.dtype).eps * rng.choice([-1, 1], X.shape)).astype(X.dtype)


def with_perturbations(kind, ulps, rng):
    """Return a subclass of scikit-learn's class that perturbs the initial parameters, and outputs by one unit.

    Outputs matter because scikit-learn computes log(1 - p) from the rounded p.
    """
    def _init_coef(self, *arguments):
        return tuple(perturbed(drawn, ulps, rng) for drawn in kind._init_coef(self, *arguments))

    def _forward_pass(self, activations):
        activations = kind._forward_pass(self, activations)
        if self.solver != "lbfgs":  # whose line search needs a function
            activations[-1] = perturbed(activations[-1], 1, rng)
        return activations

    return type(kind.__name__, (kind,), {"_init_coef": _init_coef, "_forward_pass": _forward_pass})


def run(classes, case, ulps=0, seed=0):
    """Run the case with the class in `classes`; unless `ulps` is 0, with perturbations."""
    rng, wrap, kind = np.random.default_rng(seed), CONTAINERS[case.container], classes[case.kind]
    state = case.random_state if isinstance(case.random_state, int) else None
    if case.random_state == "instance":
        state = np.random.RandomState(5)
    np.random.seed(5)
    chosen = with_perturbations(kind, ulps, rng) if ulps else kind
    result = Run(chosen(random_state=state, **case.parameters))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            for method, X, y, keywords in case.calls:
                getattr(result.model, method)(wrap(perturbed(X, ulps, rng)), y, **keywords)
            result.predictions = predictions(result.model, wrap(perturbed(case.X_new, ulps, rng)))
            _, X, y, _ = case.calls[-1]
            result.predictions["1 - score"] = 1 - result.model.score(wrap(perturbed(X, ulps, rng)), y)
        except Exception as error:  # compared later
            result.error = type(error), str(error)
    result.warnings = [(one.category, str(one.message)) for one in caught if one.category not in NOISE
                       and not (classes is OURS and str(one.message).startswith(ADDED))]
    result.draw = state.random_sample() if isinstance(state, np.random.RandomState) else np.random.random_sample()
    return result


def predictions(model, X):
    """Return the predictions for X; for predict_log_proba, whether it is log(p): near p = 1 rounding dominates.

    Where p is subnormal or 0, fastnn's logarithm is not that of the rounded p; of a single class, fastnn has one
    column of ones. Of two classes, the p of one is 1 - p of the other: it has the other's error of a few eps, which is
    a few eps / p in the logarithm.
    """
    result = {"predict": model.predict(X)}
    if hasattr(model, "predict_proba") and len(model.classes_) > 1:
        p = result["predict_proba"] = model.predict_proba(X)
        normal = p >= np.finfo(p.dtype).tiny
        logarithm, p = model.predict_log_proba(X)[normal], p[normal].astype(np.float64)
        inherited = 4 * np.finfo(logarithm.dtype).eps / p if len(model.classes_) == 2 else 0.0
        result["logarithm"] = bool(
            (np.abs(logarithm - np.log(p)) <= 1e-6 * (1 + np.abs(np.log(p))) + inherited).all())
    return result


def norm(values):
    """Return the Euclidean norm, in float64 and without overflow."""
    values = np.abs(values.astype(np.float64)).ravel()
    largest = values.max(initial=0)
    return largest * np.linalg.norm(values / largest) if largest else 0.0


def distance(mine, theirs):
    """Return max ||mine - theirs|| / ||theirs|| over the arrays; 0 or inf for values that are not real numbers."""
    if isinstance(theirs, list) and theirs and isinstance(theirs[0], np.ndarray):
        if not isinstance(mine, list) or len(mine) != len(theirs):
            return np.inf
        return max(distance(one, other) for one, other in zip(mine, theirs, strict=True))
    if scipy.sparse.issparse(theirs):
        return distance(mine.toarray(), theirs.toarray()) if type(mine) is type(theirs) else np.inf
    ours, its = np.asarray(mine), np.asarray(theirs)
    if (ours.shape, ours.dtype.kind, isinstance(mine, list)) != (its.shape, its.dtype.kind, isinstance(theirs, list)):
        return np.inf
    if its.dtype.kind != "f":
        return 0.0 if np.array_equal(ours, its) else np.inf
    finite = np.isfinite(its)
    if not np.array_equal(ours[~finite], its[~finite], equal_nan=True):
        return np.inf
    ours, its = ours[finite], its[finite]
    return 0.0 if np.array_equal(ours, its) else norm(ours - its) / norm(its) if its.any() else np.inf


def state_of(model, like):
    """Return the fitted attributes that scikit-learn's model `like` has, and private ones that other programs use."""
    names = [name for name in vars(like) if name.endswith("_") and not name.startswith("_")] + ["_no_improvement_count"]
    if like.early_stopping:
        names += ["_best_coefs", "_best_intercepts"]
    values = {name: getattr(model, name, "missing") for name in names}
    for name in ("validation_scores_", "best_validation_score_"):
        if values.get(name) not in (None, "missing"):
            values[name] = 1 - np.array(values[name])  # near 0, an R2 is a difference of numbers near 1
    optimizer, its = getattr(model, "_optimizer", None), getattr(like, "_optimizer", None)
    for name in ("learning_rate", "t", "ms", "vs", "velocities"):
        if hasattr(its, name) and (name != "velocities" or its.momentum):  # fastnn stores them only with momentum
            values[f"_optimizer.{name}"] = getattr(optimizer, name, "missing")
    return values


SOMETIMES = ("loss_curve_", "best_loss_", "validation_scores_", "best_validation_score_", "classes_", "partial_fit",
             "predict_proba", "feature_names_in_")  # depend on solver, data or kind


def distances(mine, theirs):
    """Return the distances of all attributes and predictions of two runs, by name."""
    if mine.error or theirs.error:
        return {"error": 0.0 if mine.error == theirs.error else np.inf}
    types = [[values.dtype for values in [*one.model.coefs_, *one.model.intercepts_, *one.predictions.values()]
              if isinstance(values, np.ndarray)] for one in (mine, theirs)]
    ours, its = (state_of(one.model, theirs.model) | one.predictions for one in (mine, theirs))
    result = {"dtypes": 0.0 if types[0] == types[1] else np.inf}
    result |= {name: distance(ours.get(name, "missing"), value) for name, value in its.items()}
    for name in SOMETIMES:
        if name in ("partial_fit", "loss_curve_", "best_loss_") and theirs.model.solver == "lbfgs":
            continue  # scikit-learn's regressor lacks the check, and its L-BFGS records no curve
        result[f"has {name}"] = 0.0 if hasattr(mine.model, name) == hasattr(theirs.model, name) else np.inf
    result["draw"] = distance(mine.draw, theirs.draw)
    result["warnings"] = 0.0 if mine.warnings == theirs.warnings else np.inf
    return result


def clear_decisions(model, margin=EQUAL):
    """Return whether all comparisons that decide about stopping (of losses or R2) have at least this margin.

    Accuracies are counts, which either agree exactly or differ because a prediction does.
    """
    if not getattr(model, "loss_curve_", None) or model.n_iter_no_change == np.inf:
        return True
    if model.early_stopping:
        if hasattr(model, "classes_"):
            return True
        values, scale = -np.array(model.validation_scores_), 1.0
    else:
        values = np.array(model.loss_curve_)
        scale = np.abs(values).max()
    best = np.minimum.accumulate(values)[:-1]
    margins = np.concatenate([values[1:] - (best - model.tol), values[1:] - best])
    margins = margins[np.isfinite(margins)]
    return not len(margins) or np.abs(margins).min() > margin * scale


def effects_of_perturbation(case, theirs, ulps=1, runs=1):
    """Return the largest distances between scikit-learn's results for X and for perturbed X, by name."""
    farthest = {}
    for seed in range(runs):
        for name, value in distances(run(THEIRS, case, ulps, seed), theirs).items():
            farthest[name] = max(value, farthest.get(name, 0.0))
    return farthest


def leaves_the_range(theirs):
    """Return whether a loss, parameter or prediction of scikit-learn's run overflowed or nearly did.

    Whether a sum then overflows depends on its order. Besides, fastnn stops as soon as the loss does, as documented.
    """
    names = ("loss_curve_", "coefs_", "intercepts_")
    values = [array for name in names for array in getattr(theirs.model, name, [])]
    values.append(theirs.predictions.get("predict", 0))
    limit = np.finfo(theirs.model.coefs_[0].dtype).max ** 0.5
    return any(not np.all(np.abs(array) < limit) for array in values if np.asarray(array).dtype.kind == "f")


def steady(case, theirs):
    """Return whether scikit-learn's result is insensitive to the last bits and to log(p) for p near 1."""
    if max(effects_of_perturbation(case, theirs).values()) > STEADY:
        return False
    if hasattr(theirs.model, "coefs_") and leaves_the_range(theirs):
        return False
    if theirs.error is not None:
        return True
    losses = [*getattr(theirs.model, "loss_curve_", []), theirs.model.loss_]
    lost = hasattr(theirs.model, "classes_") and np.less(losses, U / STEADY).any()
    return clear_decisions(theirs.model) and not lost


def check_equal(case, theirs):
    """Fail if fastnn's run of a case in float64 differs from scikit-learn's by more than `EQUAL`."""
    off = {name: value for name, value in distances(run(OURS, case), theirs).items() if not value <= EQUAL}
    assert not off, f"relative distances from scikit-learn: {off}"


def check_within_rounding(case, theirs, roundings, last):
    """Fail if fastnn's run of a case in float32 differs from scikit-learn's by more than rounding errors explain.

    How a run of a few dozen steps amplifies rounding errors cannot be derived from one step, so the bound is measured:
    scikit-learn is run three more times with inputs and initial parameters perturbed by `roundings` units in the last
    place, the number of consecutive roundings on the longest path of a step. The largest change is the bound. Cases in
    which it is not small, or a stopping decision is too close, are skipped. `last` counts further roundings, of the
    updated parameters and of the result itself.
    """
    bounds = effects_of_perturbation(case, theirs, roundings, runs=3)
    last *= np.finfo(np.float32).eps
    assume(max(bounds.values()) < 0.01)
    if theirs.error is None:
        assume(not leaves_the_range(theirs))
        assume(clear_decisions(theirs.model, bounds.get("loss_curve_", 0) + last))
    if hasattr(theirs.model, "classes_"):
        for name in ("loss_", "best_loss_", "loss_curve_"):  # for p near 1, log(p) has an absolute error of u
            value = getattr(theirs.model, name, None)
            bounds[name] = bounds.get(name, 0) + (last / max(norm(np.array(value)), last) if value else 0)
    mine = distances(run(OURS, case), theirs)
    off = {name: (value, bounds[name]) for name, value in mine.items() if not value <= bounds[name] + last}
    assert not off, f"relative distances from scikit-learn, and their bounds: {off}"


def longest_path(case):
    """Return the number of consecutive roundings in a step: the sums and functions of each layer, the sum over m."""
    sizes = np.atleast_1d(np.asarray(case.parameters["hidden_layer_sizes"], int)).tolist()
    _, X, *_ = case.calls[0]
    return X.shape[1] + 2 * sum(sizes) + 3 + 16 * (len(sizes) + 1) + len(X)


def updates(case, model):
    """Return the number of updates of the parameters, each of which rounds in float32."""
    size = case.parameters["batch_size"]
    _, X, *_ = case.calls[-1]
    return getattr(model, "t_", 0) // min(200 if size == "auto" else size, len(X)) + getattr(model, "n_iter_", 0)
