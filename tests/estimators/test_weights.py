"""Sample and class weights of the estimators: zeros, any scale."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from helpers.estimator_cases import OURS, THEIRS, WEIGHTS
from helpers.estimator_data import X_iris, quiet, y_iris
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.ensemble import AdaBoostRegressor, BaggingClassifier, BaggingRegressor
from sklearn.exceptions import NotFittedError
from sklearn.metrics import f1_score, hamming_loss, make_scorer, r2_score, roc_auc_score

from fastnn import Network
from fastnn._data.weights import as_counts

BOTH = ["classifier", "regressor"]
SMALL = {"hidden_layer_sizes": 5, "max_iter": 6, "random_state": 0}
SOLVERS = ["sgd", "adam", "lbfgs"]
RNG = np.random.default_rng(11)


def fitted(kind, weights=None, method="fit", X=X_iris, y=y_iris, **parameters):
    return quiet(OURS[kind](**SMALL | parameters), method, X, y, sample_weight=weights, **(
        {"classes": [0, 1, 2]} if (method, kind) == ("partial_fit", "classifier") else {}))


def arrays(model):
    return np.concatenate([array.ravel() for array in [*model.coefs_, *model.intercepts_]])


# ---- Mini-batches without weight


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", ["sgd", "adam", "adamw", "rmsprop"])
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
def test_a_mini_batch_without_weight_counts_for_nothing(kind, solver, method):
    """In a fixed order, everything is as if its rows were left out."""
    y, weights = np.arange(150) % 3, np.repeat([1.0, 0.0, 1.0], 50)  # the second of three mini-batches
    options = {"solver": solver, "shuffle": False, "batch_size": 50, "learning_rate": "invscaling", "alpha": 0.1}
    model = fitted(kind, weights, method, y=y, **options)
    rows = weights > 0
    same = fitted(kind, None, method, X_iris[rows], y[rows], **options)
    np.testing.assert_array_equal(arrays(model), arrays(same))
    assert model.loss_curve_ == same.loss_curve_ and model.t_ == same.t_
    assert model._optimizer.t == same._optimizer.t and model._optimizer.learning_rate == same._optimizer.learning_rate


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("batch_size", [1, 7, "auto"])
@pytest.mark.parametrize("shuffle", [True, False])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_a_few_rows_with_weight_are_enough(kind, batch_size, shuffle, early_stopping):
    weights = np.zeros(len(y_iris))
    weights[::10] = 1
    model = fitted(kind, weights, batch_size=batch_size, shuffle=shuffle, early_stopping=early_stopping,
                   validation_fraction=0.4)
    assert np.isfinite(arrays(model)).all() and np.isfinite(model.loss_curve_).all()


def test_a_class_weight_of_zero_may_leave_a_mini_batch_without_weight():
    options = {"shuffle": False, "batch_size": 50}
    model = fitted("classifier", class_weight={1: 0}, **options)
    np.testing.assert_array_equal(arrays(model), arrays(fitted("classifier", y_iris != 1, **options)))


def test_a_call_of_partial_fit_on_a_class_with_a_weight_of_zero_makes_no_step():
    """Neither does the first one; changed parameters are obeyed from then on."""
    rows = y_iris == 1
    stream, same = (OURS["classifier"](**SMALL, class_weight={1: 0}) for _ in range(2))
    stream.partial_fit(X_iris[rows], y_iris[rows], classes=[0, 1, 2])
    assert stream.t_ == stream.n_iter_ == 0 and np.isfinite(stream.predict_proba(X_iris)).all()
    for model in (stream, same):
        model.partial_fit(X_iris, y_iris, classes=[0, 1, 2])
    stream.set_params(learning_rate_init=0.1).partial_fit(X_iris[rows], y_iris[rows])
    np.testing.assert_array_equal(arrays(stream), arrays(same))
    assert (stream.t_, stream.loss_curve_) == (same.t_, same.loss_curve_) and stream._optimizer.t == same._optimizer.t
    assert stream._optimizer.learning_rate_init == 0.1


@pytest.mark.parametrize("kind", ["cosine", "one_cycle"])
def test_a_schedule_ends_with_the_last_epoch(kind):
    """It also moves on in mini-batches without weight."""
    rates = []
    model = OURS["regressor"](**SMALL, learning_rate=kind, batch_size=10, shuffle=False,
                              callbacks=[lambda model, record: rates.append(record["learning_rate"])])
    for weights in (None, np.arange(150) < 20):
        quiet(model, "fit", X_iris, y_iris, sample_weight=weights)
    assert rates[:6] == rates[6:]


@pytest.mark.parametrize(("ensemble", "kind"), [(BaggingClassifier, "classifier"), (BaggingRegressor, "regressor")])
def test_bagging_trains_with_a_small_last_mini_batch(ensemble, kind):
    models = ensemble(OURS[kind](**SMALL, batch_size=149), n_estimators=5, random_state=0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert np.isfinite(models.fit(X_iris, y_iris).predict(X_iris)).all()


# ---- The scale of weights


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("dtype", ["float64", "float32"])
@pytest.mark.parametrize("weight", [5e-324, 1e-30, 1e-4, 0.5, 2, 1e30, 1e308])
def test_equal_weights_give_what_no_weights_give(kind, solver, dtype, weight):
    """Weights of powers of two become 1; others differ from it by a rounding, or by w L / w."""
    options = {"solver": solver, "dtype": dtype, "alpha": 1.0}
    expected, found = fitted(kind, **options), fitted(kind, np.full(150, weight), **options)
    tolerance = 1e-3 if dtype == "float32" else 1e-8
    np.testing.assert_allclose(arrays(found), arrays(expected), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("weight", [1e-300, 1e-4, 3, 1e300])
def test_equal_class_weights_give_what_none_give(solver, weight):
    options = {"solver": solver, "alpha": 1.0}
    expected = fitted("classifier", **options)
    for factors in ({0: weight, 1: weight, 2: weight}, {0: 1 / weight, 1: 1 / weight, 2: 1 / weight}):
        for given_weights in (None, np.full(150, weight)):
            found = fitted("classifier", given_weights, class_weight=factors, **options)
            np.testing.assert_allclose(arrays(found), arrays(expected), rtol=1e-8, atol=1e-8)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("scale", [2.0**-1000, 2.0**-20, 2.0**40, 2.0**1000])
def test_of_weights_far_from_1_only_the_ratios_count(kind, method, scale):
    """Training, the validation loss and the score of early stopping."""
    weights, curves = RNG.uniform(0.5, 1.5, 150), []
    validation = {} if method == "partial_fit" else {"X_val": X_iris, "y_val": y_iris}
    for factor in (scale, 2.0**-21 if scale < 1 else 2.0**41):
        model = OURS[kind](**SMALL, alpha=1.0)
        own = {"sample_weight_val": factor * weights} if validation else {}
        own |= {"classes": [0, 1, 2]} if (method, kind) == ("partial_fit", "classifier") else {}
        quiet(model, method, X_iris, y_iris, sample_weight=factor * weights, **validation, **own)
        curves.append((arrays(model).tobytes(), model.loss_curve_, model.validation_scores_))
    assert curves[0] == curves[1]


@settings(max_examples=50)
@given(seed=st.integers(0, 2**32 - 1), exponent=st.integers(-1000, 1000), other=st.integers(-1000, 1000))
def test_counts_keep_the_ratios_of_weights_and_have_a_mean_near_1(seed, exponent, other):
    rng = np.random.default_rng(seed)
    weights = np.ldexp(rng.choice([0, 0.5, 1, 3], 20), exponent)
    weights[0] = np.ldexp(1.0, exponent)
    counts = as_counts(weights)
    np.testing.assert_allclose(counts / counts[0], np.ldexp(weights, -exponent), rtol=1e-15)
    assert 0.1 <= counts[counts > 0].mean() <= 1e6
    factors = rng.choice([0.5, 2], 20)
    together = as_counts(weights, np.ldexp(factors, other))
    np.testing.assert_allclose(together / together[0], np.ldexp(weights, -exponent) * factors / factors[0], rtol=1e-15)
    assert 0.1 <= together[together > 0].mean() <= 1e6


@pytest.mark.skipif(not WEIGHTS, reason="scikit-learn 1.6's MLP has no sample_weight")
@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("weights", [RNG.integers(0, 4, 150), RNG.uniform(0.2, 3, 150), np.arange(150) % 2])
def test_other_weights_give_what_they_give_in_scikit_learn(kind, weights):
    mine, theirs = (quiet(classes[kind](**SMALL, activation="tanh", alpha=1.0), "fit", X_iris, y_iris,
                          sample_weight=weights) for classes in (OURS, THEIRS))
    np.testing.assert_allclose(mine.loss_curve_, theirs.loss_curve_, rtol=1e-8)
    np.testing.assert_allclose(arrays(mine), arrays(theirs), rtol=1e-6, atol=1e-8)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_the_penalty_of_a_mini_batch_with_little_weight_is_bounded(solver):
    """The last mini-batch, of one row, has a weight of 1e-12: a penalty of alpha / 1e-12 would end all learning."""
    weights = np.ones(150)
    weights[-1] = 1e-12
    options = {"solver": solver, "shuffle": False, "batch_size": 149, "max_iter": 50}
    model, plain = fitted("regressor", weights, **options), fitted("regressor", **options)
    np.testing.assert_allclose(model.loss_curve_, plain.loss_curve_, rtol=0.2)


def test_boosting_by_weights_that_add_up_to_1_trains():
    class Weighted(OURS["regressor"]):
        """Weights of boosting reach the fit, not a resampling."""

    w = RNG.uniform(0.5, 1, 150)
    scores = [quiet(Weighted(**SMALL | {"max_iter": 100}), "fit", X_iris, y_iris, sample_weight=one).score(
        X_iris, y_iris) for one in (w / w.sum(), None)]
    assert scores[0] == pytest.approx(scores[1], abs=0.02)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        assert AdaBoostRegressor(OURS["regressor"](**SMALL), n_estimators=2, random_state=0).fit(X_iris, y_iris)


# ---- One weight per output

INPUTS = RNG.standard_normal((200, 4))
TARGETS = INPUTS @ RNG.standard_normal((4, 3))
LABELS = (TARGETS > 0.3).astype(int)
OF_OUTPUTS = RNG.choice([0, 0.5, 1, 3], (200, 3))
SEVERAL = {"classifier": LABELS, "regressor": TARGETS}


def several(kind, weights=None, method="fit", y=None, **parameters):
    keywords = {"classes": range(3)} if (method, kind) == ("partial_fit", "classifier") else {}
    return quiet(OURS[kind](**SMALL | parameters), method, INPUTS, SEVERAL[kind] if y is None else y,
                 sample_weight=weights, **keywords)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("early_stopping", [False, True])
def test_equal_columns_of_weights_give_what_one_weight_per_example_gives(kind, solver, early_stopping):
    """To the roundings of the total weights."""
    options = {"solver": solver, "alpha": 1.0, "early_stopping": early_stopping and solver != "lbfgs"}
    w = OF_OUTPUTS[:, 0]
    one, columns = several(kind, w, **options), several(kind, np.repeat(w[:, None], 3, axis=1), **options)
    np.testing.assert_allclose(arrays(columns), arrays(one), rtol=1e-9, atol=1e-12)
    if options["early_stopping"]:
        np.testing.assert_allclose(columns.validation_scores_, one.validation_scores_, rtol=1e-9)
        np.testing.assert_allclose(columns.validation_loss_curve_, one.validation_loss_curve_, rtol=1e-9)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("method", ["fit", "partial_fit"])
@pytest.mark.parametrize("wrap", [np.asarray, scipy.sparse.csr_array])
def test_a_network_takes_the_same_weights_of_outputs(kind, method, wrap):
    """One gradient step on all rows: both use the same loss, here without penalty."""
    model = quiet(OURS[kind](**SMALL | {"max_iter": 1, "solver": "sgd", "momentum": 0, "alpha": 0, "batch_size": 200,
                                        "activation": "tanh"}), "fit", wrap(INPUTS), SEVERAL[kind])
    net = Network([4, 5, 3], activation="tanh", output="sigmoid" if kind == "classifier" else "identity",
                  dtype="float64")
    for own, value in zip((*net.W, *net.b), (*model.coefs_, *model.intercepts_), strict=True):
        own[...] = value.T if value.ndim == 2 else value[:, None]
    model.set_params(warm_start=True)
    quiet(model, method, wrap(INPUTS), SEVERAL[kind], OF_OUTPUTS)
    net.fit(INPUTS, SEVERAL[kind], sample_weight=OF_OUTPUTS, optimizer="sgd", batch_size=None, epochs=1)
    np.testing.assert_allclose(model.coefs_[0], net.W[0].T, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("kind", BOTH)
def test_a_target_without_weight_does_not_matter(kind):
    known, results = OF_OUTPUTS > 0, []
    for placeholder in (0, 1) if kind == "classifier" else (0, -999.0, 1e200):
        y = np.where(known, SEVERAL[kind], placeholder)
        model = several(kind, known, y=y, early_stopping=True)
        results.append((arrays(model).tobytes(), model.loss_curve_, model.validation_scores_))
    assert all(result == results[0] for result in results)


def test_scores_of_early_stopping_weight_each_output():
    options = {"X_val": INPUTS, "sample_weight_val": OF_OUTPUTS}
    model = quiet(OURS["regressor"](**SMALL, scoring="neg_mean_absolute_error"), "fit", INPUTS, TARGETS,
                  y_val=TARGETS, **options)
    errors = np.average(np.abs(model.predict(INPUTS) - TARGETS), axis=0, weights=OF_OUTPUTS).mean()
    assert model.validation_scores_[-1] == pytest.approx(-errors, rel=1e-12)
    model = quiet(OURS["regressor"](**SMALL), "fit", INPUTS, TARGETS, y_val=TARGETS, **options)
    r2 = [r2_score(TARGETS[:, j], model.predict(INPUTS)[:, j], sample_weight=OF_OUTPUTS[:, j]) for j in range(3)]
    assert model.validation_scores_[-1] == pytest.approx(np.mean(r2), rel=1e-12)
    model = quiet(OURS["classifier"](**SMALL), "fit", INPUTS, LABELS, y_val=LABELS, **options)
    right = ((model.predict(INPUTS) == LABELS) | (OF_OUTPUTS == 0)).all(axis=1)
    assert model.validation_scores_[-1] == pytest.approx(np.average(right, weights=OF_OUTPUTS.sum(axis=1)), rel=1e-12)
    model = quiet(OURS["classifier"](**SMALL, scoring="roc_auc"), "fit", INPUTS, LABELS, y_val=LABELS, **options)
    p = model.predict_proba(INPUTS)
    auc = [roc_auc_score(LABELS[:, j], p[:, j], sample_weight=OF_OUTPUTS[:, j]) for j in range(3)]
    assert model.validation_scores_[-1] == pytest.approx(np.mean(auc), rel=1e-12)


def last_score(kind, scoring, weights):
    model = OURS[kind](**SMALL | {"early_stopping": True}, scoring=scoring)
    quiet(model, "fit", INPUTS, SEVERAL[kind], X_val=INPUTS, y_val=SEVERAL[kind], sample_weight_val=weights)
    return model.validation_scores_[-1]


@pytest.mark.parametrize(("kind", "scoring"), [
    *(("classifier", scoring) for scoring in (
        None, "loss", "accuracy", "f1_macro", "f1_micro", "f1_weighted", "precision_micro", "recall_weighted",
        "jaccard_macro", "roc_auc", "average_precision", make_scorer(roc_auc_score, average="micro"),
        make_scorer(f1_score, average="macro", zero_division=1), make_scorer(hamming_loss, greater_is_better=False))),
    *(("regressor", scoring) for scoring in (
        None, "loss", "r2", "explained_variance", "neg_root_mean_squared_error")),
    *[("regressor", "neg_median_absolute_error")] * WEIGHTS])  # 1.6 has another weighted median
def test_weights_of_one_change_no_score(kind, scoring):
    """The same sums in another order: some 1e-14."""
    assert last_score(kind, scoring, np.ones((200, 3))) == pytest.approx(last_score(kind, scoring, None), rel=1e-11)


@pytest.mark.parametrize(("scoring", "average"), [("f1_macro", "macro"), ("f1_micro", "micro")])
def test_whole_weights_of_outputs_stand_for_repeated_values(scoring, average):
    """Counts are exact; a ratio and a mean of three round."""
    weights = RNG.integers(4, size=(200, 3))
    model = quiet(OURS["classifier"](**SMALL, scoring=scoring), "fit", INPUTS, LABELS, X_val=INPUTS, y_val=LABELS,
                  sample_weight_val=weights)
    labels, found = ([np.repeat(values[:, j], weights[:, j]) for j in range(3)]
                     for values in (LABELS, model.predict(INPUTS)))
    if average == "micro":
        labels, found = [np.concatenate(labels)], [np.concatenate(found)]
    assert model.validation_scores_[-1] == pytest.approx(
        np.mean([f1_score(*pair) for pair in zip(labels, found, strict=True)]), rel=1e-12)


@pytest.mark.parametrize(("kind", "scoring"), [
    ("classifier", "f1_samples"), ("classifier", "neg_log_loss"), ("classifier", "jaccard"),
    ("classifier", make_scorer(f1_score, average="macro", labels=[0, 1])), ("regressor", "accuracy"),
    ("regressor", make_scorer(r2_score, multioutput="variance_weighted")),
    ("regressor", make_scorer(r2_score, multioutput=[1, 2, 3]))])
@pytest.mark.parametrize("early_stopping", [True, False])
def test_scorers_that_cannot_weight_each_output_are_refused(kind, scoring, early_stopping):
    model = OURS[kind](**SMALL | {"early_stopping": early_stopping}, scoring=scoring)
    with pytest.raises(ValueError, match=r"scoring=.* cannot weight each output"):
        model.fit(INPUTS, SEVERAL[kind], X_val=INPUTS, y_val=SEVERAL[kind], sample_weight_val=OF_OUTPUTS)
    assert not hasattr(model, "coefs_")


def test_a_users_scorer_gets_the_weights_of_the_outputs():
    given_weights = []

    def scorer(model, X, y, sample_weight=None):
        given_weights.append(sample_weight)
        return 0.5

    quiet(OURS["regressor"](**SMALL, scoring=scorer), "fit", INPUTS, TARGETS, X_val=INPUTS, y_val=TARGETS,
          sample_weight_val=OF_OUTPUTS)
    np.testing.assert_array_equal(given_weights[-1], OF_OUTPUTS)

    def negative_error(y, predicted, sample_weight):
        return -np.average(np.abs(y - predicted), weights=sample_weight)

    model = quiet(OURS["regressor"](**SMALL, scoring=make_scorer(negative_error)), "fit", INPUTS, TARGETS, X_val=INPUTS,
                  y_val=TARGETS, sample_weight_val=OF_OUTPUTS)
    assert model.validation_scores_[-1] == negative_error(TARGETS, model.predict(INPUTS), OF_OUTPUTS)


def test_an_output_without_any_weight_does_not_count():
    weights = OF_OUTPUTS * [1, 1, 0]
    for parameters in ({}, {"normalize_y": True}, {"early_stopping": True}):
        assert np.isfinite(arrays(several("regressor", weights, **parameters))).all()


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("shape", [(200, 2), (3, 200)])
def test_weights_of_outputs_of_another_shape_are_refused(kind, shape):
    with pytest.raises(ValueError, match=r"sample_weight must have shape \(m,\) = \(200,\) or"):
        several(kind, np.ones(shape))


def test_one_label_per_example_has_one_weight():
    with pytest.raises(ValueError, match="y has one label, and one weight, per example"):
        fitted("classifier", np.ones((150, 3)))


def test_score_takes_the_weights_of_outputs():
    """That of a label which is unknown counts as right."""
    tagger, regr = several("classifier", OF_OUTPUTS), several("regressor", OF_OUTPUTS)
    right = ((tagger.predict(INPUTS) == LABELS) | (OF_OUTPUTS == 0)).all(axis=1)
    expected = np.average(right, weights=OF_OUTPUTS.sum(axis=1))
    for y in (LABELS, LABELS.tolist(), scipy.sparse.csr_array(LABELS)):
        for scale in (1, 1e-300, 1e300):
            assert tagger.score(INPUTS, y, scale * OF_OUTPUTS) == pytest.approx(expected, rel=1e-12)
    r2 = [r2_score(TARGETS[:, j], regr.predict(INPUTS)[:, j], sample_weight=OF_OUTPUTS[:, j]) for j in range(3)]
    assert regr.score(INPUTS, TARGETS, OF_OUTPUTS) == pytest.approx(np.mean(r2), rel=1e-12)
    known = OF_OUTPUTS * [1, 1, 0]
    known[0, 2] = 1
    assert regr.score(INPUTS, TARGETS, known) == pytest.approx(np.mean(r2[:2]), rel=1e-12)


@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize(("weights", "text"), [
    (-OF_OUTPUTS, "sample_weight must not be negative"), (0 * OF_OUTPUTS, "must not be all zero"),
    (np.nan * OF_OUTPUTS, "NaN"), (OF_OUTPUTS[:, :2], r"must have shape \(m,\) = \(200,\) or \(m, n_outputs\) = "),
    (-OF_OUTPUTS[:, 0], "must not be negative"), (np.full(200, np.nan), "NaN"), (np.ones(3), "shape")])
def test_score_refuses_bad_weights(kind, weights, text):
    with pytest.raises(ValueError, match=text):
        several(kind).score(INPUTS, SEVERAL[kind], weights)


def test_one_label_has_one_weight_in_a_score():
    with pytest.raises(ValueError, match="Sample weights must be 1D"):
        fitted("classifier").score(X_iris, y_iris, np.ones((150, 3)))
    with pytest.raises(NotFittedError):
        OURS["classifier"]().score(X_iris, y_iris, np.ones(150))


def test_early_stopping_needs_an_output_with_two_known_targets():
    known = np.zeros((200, 3))
    known[0] = 1
    model = OURS["regressor"](**SMALL, early_stopping=True)
    with pytest.raises(ValueError, match="R2 needs at least 2 examples, y_val has 1 with weight"):
        model.fit(INPUTS, TARGETS, X_val=INPUTS, y_val=TARGETS, sample_weight_val=known)
    known[:, 1] = 1
    constant = np.where(known > 0, 3.0, TARGETS)
    with pytest.raises(ValueError, match="R2 is not defined where y_val is constant"):
        model.fit(INPUTS, TARGETS, X_val=INPUTS, y_val=constant, sample_weight_val=known)
    quiet(model, "fit", INPUTS, TARGETS, X_val=INPUTS, y_val=TARGETS, sample_weight_val=known)
    predicted = quiet(OURS["regressor"](**SMALL), "fit", INPUTS, TARGETS).predict(INPUTS)
    assert model.validation_scores_[-1] == pytest.approx(r2_score(TARGETS[:, 1], predicted[:, 1]), rel=1e-12)


# ---- Class weights of several labels


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("weights", [None, OF_OUTPUTS[:, 0] + 0.5, OF_OUTPUTS])
def test_class_weights_of_several_labels_are_weights_of_outputs(solver, weights):
    own = np.ones((200, 1)) if weights is None else weights.reshape(200, -1)
    known = LABELS[own[:, -1] > 0, 2]
    of_last = len(known) / (2 * np.bincount(known))
    factors = np.where(LABELS == 1, [9, 0.5, of_last[1]], [1, 2, of_last[0]])
    model = several("classifier", weights, solver=solver, class_weight=[{1: 9}, {0: 2, 1: 0.5}, "balanced"])
    np.testing.assert_allclose(arrays(model), arrays(several("classifier", own * factors, solver=solver)), rtol=1e-9)
    balanced, listed = (several("classifier", weights, solver=solver, class_weight=one)
                        for one in ("balanced", ["balanced"] * 3))
    np.testing.assert_array_equal(arrays(balanced), arrays(listed))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("class_weight", ["balanced", [{1: 9}, "balanced", "balanced"]])
def test_balanced_class_weights_do_not_count_unknown_labels(solver, class_weight):
    """Their placeholders do not matter, nor an output without any known label."""
    known = OF_OUTPUTS * [1, 1, 0]
    zeros, ones = (several("classifier", known, y=np.where(known > 0, LABELS, filler), solver=solver,
                           class_weight=class_weight) for filler in (0, 1))
    np.testing.assert_array_equal(arrays(zeros), arrays(ones))


@pytest.mark.parametrize("solver", SOLVERS)
@pytest.mark.parametrize("names", [np.arange(3), np.array([False, False, True]), np.array(["a", "b", "c"])])
def test_balanced_class_weights_do_not_count_examples_without_weight(solver, names):
    """The first mini-batch has no weight; L-BFGS sums the same numbers in other parts, which rounds differently."""
    number = np.arange(150)
    y, weights = names[np.where((number < 50) | (number % 5 > 0), 2, number % 3)], np.where(number < 50, 0.0, number)
    options = {"solver": solver, "shuffle": False, "batch_size": 50, "class_weight": "balanced"}
    whole = fitted("classifier", weights, y=y, **options)
    part = fitted("classifier", weights[50:], X=X_iris[50:], y=y[50:], **options)
    np.testing.assert_allclose(arrays(whole), arrays(part), rtol=1e-9 if solver == "lbfgs" else 0)


@pytest.mark.parametrize("several_labels", [False, True])
def test_validation_losses_have_the_class_weights(several_labels):
    """Of the training data, whether the validation data are held out or given; the accuracy has not."""
    y = LABELS if several_labels else LABELS[:, 0]
    class_weight = [{1: 50}, {0: 3}, {}] if several_labels else {0: 1, 1: 50}
    options = SMALL | {"class_weight": class_weight, "early_stopping": True, "validation_fraction": 0.25}
    held = quiet(OURS["classifier"](**options, validation_split="last"), "fit", INPUTS, y)
    given = quiet(OURS["classifier"](**options), "fit", INPUTS[:150], y[:150], X_val=INPUTS[150:], y_val=y[150:])
    np.testing.assert_allclose(held.validation_loss_curve_, given.validation_loss_curve_, rtol=1e-12)
    assert held.validation_scores_ == given.validation_scores_


def test_validation_losses_have_balanced_weights_of_the_training_data():
    y, y_val = INPUTS[:, 0] > 1.2, INPUTS[:50, 1] > 0
    weights = np.where(y, (~y).sum() / y.sum(), 1.0)  # times a constant
    balanced = quiet(OURS["classifier"](**SMALL, alpha=0, class_weight="balanced"), "fit", INPUTS, y, X_val=INPUTS[:50],
                     y_val=y_val)
    weighted = quiet(OURS["classifier"](**SMALL, alpha=0), "fit", INPUTS, y, weights, X_val=INPUTS[:50], y_val=y_val,
                     sample_weight_val=np.where(y_val, weights.max(), 1.0))
    np.testing.assert_allclose(balanced.validation_loss_curve_, weighted.validation_loss_curve_, rtol=1e-9)


@pytest.mark.parametrize(("value", "error", "text"), [
    ({1: 2}, ValueError, "class_weight of 3 labels per example must be 'balanced' or a list of 3, .* got a dict"),
    ([{1: 2}], ValueError, "got a list of 1"),
    ([{1: 2}, {}, 3], TypeError, "must be a dict, 'balanced' or None, got 3"),
    ([{1: "a"}, {}, {}], TypeError, "class_weight of the class 1 must be a number"),
    ([{}, {1: -1}, None], ValueError, "must not be negative or infinite, got -1 for the class 1 of output 1"),
    ([{0: 0, 1: 0}] * 3, ValueError, "class_weight leaves no example with a weight"),
])
def test_bad_class_weights_of_several_labels(value, error, text):
    with pytest.raises(error, match=text):
        several("classifier", class_weight=value)


def test_a_list_of_class_weights_needs_several_labels():
    with pytest.raises(ValueError, match="class_weight: a list is for several labels per example"):
        fitted("classifier", class_weight=[{0: 1}, {0: 1}, {0: 1}])


def test_partial_fit_refuses_balanced_class_weights_of_several_labels():
    for value in ("balanced", [{}, "balanced", {}]):
        with pytest.raises(ValueError, match="class_weight='balanced' needs all labels at once"):
            several("classifier", method="partial_fit", class_weight=value)


@pytest.mark.parametrize(("y", "class_weight", "text"), [
    (LABELS, [None, {1: 2}, {1: 2, 5: 1}], r"class_weight of output 2 names \[5\], but the classes are \[0, 1\]"),
    (LABELS[:, 0], {2: 1}, r"class_weight names \[2\], but the classes are \[0, 1\]"),
    (np.array(["a", "b"])[LABELS[:, 0]], {"c": 1, "a": 2}, r"names \['c'\], but the classes are \['a', 'b'\]")])
def test_labels_that_y_does_not_have_are_named(y, class_weight, text):
    with pytest.raises(ValueError, match=text):
        OURS["classifier"](**SMALL, class_weight=class_weight).fit(INPUTS, y)
