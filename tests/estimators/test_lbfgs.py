"""solver="lbfgs" against scikit-learn: J and its gradient at given parameters, the first iterations, whole fits."""

from itertools import pairwise

import numpy as np
import pytest
import scipy.sparse
from helpers.estimator_cases import (
    BOTH,
    OURS,
    POISSON,
    STEADY,
    THEIRS,
    WEIGHTS,
    Case,
    U,
    check_equal,
    check_within_rounding,
    longest_path,
    norm,
    run,
    steady,
)
from helpers.estimator_data import TASKS, compared, made, quiet, rounding_of_logarithms, standardised, target
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from sklearn import datasets
from sklearn.exceptions import ConvergenceWarning


def fitted_targets(model, X, y):
    """Fit for one iteration; return the targets (m, n_outputs) that `_loss_grad_lbfgs` takes."""
    quiet(model.set_params(max_iter=1), "fit", X, y)
    return model._label_binarizer.transform(y) if hasattr(model, "classes_") else np.reshape(y, (len(y), -1))


def loss_and_gradient(model, theta, X, Y, weights):
    """Call `_loss_grad_lbfgs` as scikit-learn's tests do, with buffers of the shapes that it allocates."""
    units = [X.shape[1], *(len(b) for b in model.intercepts_)]
    activations, deltas = [X] + [None] * (len(units) - 1), [None] * (len(units) - 1)
    coef_grads = [np.empty(shape) for shape in pairwise(units)]
    intercept_grads = [np.empty(n) for n in units[1:]]
    weighted = [weights] if WEIGHTS else []
    with np.errstate(all="ignore"):  # exp may overflow
        return model._loss_grad_lbfgs(theta, X, Y, *weighted, activations, deltas, coef_grads, intercept_grads)


@settings(max_examples=120)
@given(data=st.data(), activation=st.sampled_from(["identity", "logistic", "tanh", "relu"]),
       task=st.sampled_from(TASKS + ["poisson"] * POISSON), sizes=st.lists(st.integers(1, 8), max_size=3),
       alpha=st.sampled_from([0.0, 1e-4, 1.0]), scale=st.sampled_from([0.1, 0.7, 3.0]), seed=st.integers(0, 2**16),
       weighted=st.booleans(), container=st.sampled_from([np.asarray, np.asfortranarray, scipy.sparse.csr_matrix,
                                                          scipy.sparse.csc_array]))
def test_loss_and_gradient_match_scikit_learn(data, activation, task, sizes, alpha, scale, seed, weighted, container):
    """Agreement to 1e-10 (relative, norm-wise), plus the rounding error of scikit-learn's own logarithms."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((data.draw(st.integers(4, 30)), data.draw(st.integers(1, 6))))
    kind, y = target(task, X, rng)
    X = container(X)
    weights = rng.uniform(0, 2, len(y)) if weighted and WEIGHTS else None
    results = []
    for classes in (THEIRS, OURS):
        model = classes[kind](hidden_layer_sizes=sizes, activation=activation, alpha=alpha, random_state=1)
        model.set_params(solver="lbfgs")
        if task == "poisson":
            model.set_params(loss="poisson")
        Y = fitted_targets(model, X, y)
        size = sum(W.size for W in model.coefs_) + sum(b.size for b in model.intercepts_)
        theta = np.random.default_rng(seed).standard_normal(size) * scale
        results.append(loss_and_gradient(model, theta, X, Y, weights))
        if classes is THEIRS:
            slack = rounding_of_logarithms(model, X, Y, weights)
    (J, gradient), (mine, my_gradient) = results
    assume(np.isfinite(J) and np.isfinite(gradient).all() and gradient.any())
    assert abs(mine - J) <= STEADY * abs(J) + slack
    # dZ = A - Y has an absolute error of u where both are near 1, and so has the gradient of a well-fitted example.
    assert norm(my_gradient - gradient) <= STEADY * norm(gradient) + 100 * U * norm(theta)
    assert my_gradient.shape == gradient.shape and my_gradient.dtype == gradient.dtype


@st.composite
def cases(draw, dtype="float64", iterations=8, fits=2):
    """Draw a case of a few iterations from the initial parameters, possibly followed by a second fit."""
    m, n = draw(st.integers(8, 50)), draw(st.integers(1, 7))
    rng = np.random.default_rng(draw(st.integers(0, 2**16)))
    X = rng.standard_normal((m, n)).astype(dtype)
    kind, y = target(draw(st.sampled_from(TASKS)), X, rng)
    parameters = {
        "solver": "lbfgs",
        "hidden_layer_sizes": draw(st.lists(st.integers(1, 9), max_size=3)),
        "activation": draw(st.sampled_from(["identity", "logistic", "tanh", "relu"])),
        "alpha": draw(st.sampled_from([0.0, 1e-3, 1.0])),
        "max_iter": draw(st.integers(1, iterations)),
        "max_fun": draw(st.sampled_from([1, 3, 6, 15000, 10**10])),
        "tol": draw(st.sampled_from([0.0, 1e-4, 0.1])),
        "warm_start": draw(st.booleans()),
    }
    weights = {"sample_weight": rng.uniform(0, 2, m)} if WEIGHTS and draw(st.booleans()) else {}
    calls = [("fit", X, y, weights)] * draw(st.integers(1, fits))
    return Case(kind, parameters, calls, X[: m // 2], draw(st.sampled_from(["C", "F", "csr_matrix", "csc_array"])),
                draw(st.sampled_from([0, "instance", "global"])))


def test_first_iterations_match_scikit_learn():
    """Including n_iter_ and warnings."""
    def compare(case, theirs):
        assume(steady(case, theirs))
        check_equal(case, theirs)

    compared(cases(), 60, compare, share=0.4)  # L-BFGS amplifies rounding errors


def test_first_float32_iteration_matches_scikit_learn_within_rounding():
    """For float32 data scikit-learn evaluates J in float32 and fastnn in float64; the gradient has one step's error."""
    def compare(case, theirs):
        check_within_rounding(case, theirs, longest_path(case), last=longest_path(case))

    compared(cases("float32", iterations=1, fits=1), 30, compare, share=0.4)


@pytest.mark.parametrize("activation", ["logistic", "tanh", "relu"])
@pytest.mark.parametrize(("kind", "load"), [
    ("classifier", lambda: standardised(datasets.load_iris)),
    ("classifier", lambda: standardised(datasets.load_breast_cancer)),
    ("classifier", made), ("regressor", lambda: standardised(datasets.load_diabetes))],
    ids=["iris", "breast cancer", "multilabel", "diabetes"])
def test_whole_fits_reach_scikit_learns_scores(kind, load, activation):
    """Scores differ by no more than those of scikit-learn's own runs on perturbed inputs, or by 0.02."""
    X, y = load()
    case = Case(kind, {"solver": "lbfgs", "hidden_layer_sizes": 10, "activation": activation, "max_iter": 60,
                       "alpha": 1.0}, [("fit", X, y, {})], X)
    scores = [run(THEIRS, case, ulps=1, seed=seed).predictions["1 - score"] for seed in range(3)]
    spread = max(0.02, max(scores) - min(scores))
    assert min(scores) - spread <= run(OURS, case).predictions["1 - score"] <= max(scores) + spread


@pytest.mark.parametrize("kind", BOTH)
def test_float32_gives_float64_parameters(kind):
    X = np.random.default_rng(0).standard_normal((30, 4)).astype(np.float32)
    model = OURS[kind](hidden_layer_sizes=5, solver="lbfgs", alpha=1.0, max_iter=1000).fit(X, X[:, 0] > 0)
    assert {p.dtype for p in model.coefs_ + model.intercepts_} == {np.dtype(np.float64)}
    assert model.n_iter_ > 1 and model.loss_ < 1


@pytest.mark.parametrize("kind", BOTH)
def test_lbfgs_has_no_partial_fit(kind):
    assert not hasattr(OURS[kind](solver="lbfgs"), "partial_fit")
    assert hasattr(OURS[kind](solver="sgd"), "partial_fit")
    errors = []
    for estimator in (OURS[kind], THEIRS["classifier"]):  # scikit-learn's regressor lacks the check
        with pytest.raises(AttributeError) as caught:
            estimator(solver="lbfgs").partial_fit  # noqa: B018
        errors.append(str(caught.value.__cause__))
    assert errors[0] == errors[1]


@pytest.mark.parametrize("kind", BOTH)
def test_convergence_warning_matches_scikit_learn(kind):
    X = np.random.default_rng(0).standard_normal((30, 4))
    case = Case(kind, {"solver": "lbfgs", "max_iter": 2}, [("fit", X, X[:, 0] > 0, {})], X)
    (category, text), *more = run(OURS, case).warnings
    assert category is ConvergenceWarning and "lbfgs failed to converge" in text and not more
    assert run(THEIRS, case).warnings == [(category, text)]


@pytest.mark.parametrize("kind", BOTH)
def test_gradient_matches_central_differences(kind):
    """With h = 1e-5, rounding and truncation errors are about 1e-10 each."""
    rng = np.random.default_rng(2)
    X = rng.standard_normal((12, 3))
    y = X[:, 0] + 0.1 * X[:, 1]
    model = OURS[kind](hidden_layer_sizes=(4, 3), activation="tanh", solver="lbfgs", alpha=0.1, random_state=0)
    Y = fitted_targets(model, X, y if kind == "regressor" else (y > 0).astype(int))
    theta = np.concatenate([p.ravel() for p in model.coefs_ + model.intercepts_])
    _, gradient = loss_and_gradient(model, theta, X, Y, None)
    for i, h in enumerate(np.full(len(theta), 1e-5)):
        step = h * np.eye(len(theta))[i]
        above, below = (loss_and_gradient(model, theta + s, X, Y, None)[0] for s in (step, -step))
        assert (above - below) / (2 * h) == pytest.approx(gradient[i], abs=1e-8)
