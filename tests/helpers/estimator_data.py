"""Data for the tests of the estimators: synthetic targets of every kind and data sets of scikit-learn."""

import warnings

import numpy as np
from helpers.estimator_cases import OURS, THEIRS, run
from hypothesis import given, settings
from sklearn import datasets
from sklearn.base import is_classifier
from sklearn.exceptions import ConvergenceWarning

TASKS = ["binary", "multiclass", "single class", "strings", "multilabel", "regression", "multi-output"]


def target(task, X, rng):
    """Return the kind of estimator for a task and targets y, a noisy function of X."""
    signal = X @ rng.standard_normal((X.shape[1], 3)) + 0.3 * rng.standard_normal((len(X), 3))
    if task in ("regression", "multi-output", "poisson"):
        y = signal[:, 0] if task != "multi-output" else signal
        return "regressor", np.floor(np.exp(np.clip(y, -2, 2))) if task == "poisson" else y
    y = signal.argmax(axis=1)
    labels = {"binary": y > 0, "multiclass": 10 * y - 7, "single class": np.zeros(len(X), int),
              "strings": np.array(["no", "perhaps", "yes"])[y], "multilabel": (signal > 0).astype(int)}
    return "classifier", labels[task]


def compared(strategy, examples, compare, share=0.6):
    """Run `compare(case, scikit-learn's run)` on many cases; at least a fraction `share` must meet its assumptions."""
    tried, kept = [], []

    @settings(max_examples=examples)
    @given(case=strategy)
    def each(case):
        tried.append(case)
        compare(case, run(THEIRS, case))
        kept.append(case)

    each()
    assert len(kept) >= share * len(tried), f"only {len(kept)} of {len(tried)} cases could be compared"


def standardised(load):
    X, y = load(return_X_y=True)
    spread = X.std(axis=0)
    return (X - X.mean(axis=0)) / np.where(spread, spread, 1), y


def made(seed=3):
    X, y = datasets.make_multilabel_classification(300, 12, n_classes=4, random_state=seed)
    return X / 5, y


DATA = {
    "iris": ("classifier", lambda: standardised(datasets.load_iris)),
    "digits": ("classifier", lambda: standardised(datasets.load_digits)),
    "breast cancer": ("classifier", lambda: standardised(datasets.load_breast_cancer)),
    "diabetes": ("regressor", lambda: standardised(datasets.load_diabetes)),
    "multilabel": ("classifier", made),
}

X_iris, y_iris = standardised(datasets.load_iris)
SMALL = {"hidden_layer_sizes": 5, "max_iter": 30, "random_state": 0}  # parameters of a fast fit


def quiet(model, method, *arguments, **keywords):
    """Call a method of the model, ignoring ConvergenceWarning and SciPy's DeprecationWarning."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)
        warnings.simplefilter("ignore", DeprecationWarning)
        return getattr(model, method)(*arguments, **keywords)


def caught_in(model, *arguments, **keywords):
    """Fit the model and return the texts of its warnings, without those that max_iter was reached."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(*arguments, **keywords)
    limits = "Maximum iterations", "lbfgs failed to converge"
    return [str(one.message) for one in caught if not any(limit in str(one.message) for limit in limits)]


def fitted(kind, **parameters):
    """Return a small estimator fitted to `X_iris` and `y_iris`."""
    return quiet(OURS[kind](**SMALL | parameters), "fit", X_iris, y_iris)


def predict(model, rows=X_iris):
    """Return a classifier's probabilities or a regressor's predictions."""
    return model.predict_proba(rows) if is_classifier(model) else model.predict(rows)


def rounding_of_logarithms(model, X, Y, weights=None):
    """Return a bound on the error of scikit-learn's log-loss due to log(1 - p), where p near 1 is rounded by u / 2.

    The relative error of 1 - p is u / (2 (1 - p)), which is the absolute error of its logarithm; p is clipped to
    1 - u. For softmax, the error of log(p) near p = 1 is only u / 2.
    """
    u = np.finfo(model.coefs_[0].dtype).eps
    if model.out_activation_ != "logistic":
        return u
    p = model._forward_pass_fast(X)
    return np.average(np.where(Y, 0, u / np.maximum(1 - p, u)), weights=weights, axis=0).sum() + u
