"""The examples that early stopping holds out: by scikit-learn's draw, among those with weight, or the last ones."""

import warnings

import numpy as np
import pytest
import scipy.sparse
from helpers.estimator_cases import BOTH, OURS, THEIRS, Case, check_equal, run
from helpers.estimator_data import SMALL, X_iris, caught_in, predict, quiet, y_iris
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import r2_score

STOPS = SMALL | {"early_stopping": True}
LAST = STOPS | {"validation_split": "last"}
MIXED = np.arange(len(y_iris)) % 3
MIXED_ROWS = np.argsort(np.arange(len(y_iris)) % 50, kind="stable")  # every contiguous part has all classes
X, y = X_iris[MIXED_ROWS], y_iris[MIXED_ROWS]


def same(mine, other):
    """Return whether two fits have the same curves and parameters."""
    return all(np.array_equal(ours, its) for ours, its in
               [*zip(mine.coefs_, other.coefs_, strict=True), (mine.loss_curve_, other.loss_curve_),
                (mine.validation_scores_, other.validation_scores_)])


# ---- Weights ---------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("split", ["random", "last"])
def test_examples_without_weight_are_in_neither_part(kind, split):
    """Leaving them out changes nothing, whatever they hold."""
    rng = np.random.default_rng(1)
    weights = rng.uniform(0.5, 2, len(y)) * (rng.random(len(y)) < 0.7)
    kept = weights > 0
    wrong = np.where(kept[:, None], X, 1e3), np.where(kept, y, 0)
    whole = quiet(OURS[kind](**STOPS, validation_split=split), "fit", *wrong, sample_weight=weights)
    part = quiet(OURS[kind](**STOPS, validation_split=split), "fit", X[kept], y[kept], sample_weight=weights[kept])
    assert same(whole, part)


def test_a_class_without_weight_is_not_held_out():
    model = quiet(OURS["classifier"](**STOPS, class_weight={0: 1, 1: 1, 2: 0}), "fit", X, y)
    assert len(model.classes_) == 3 and model.t_ == 90 * model.n_iter_
    np.testing.assert_allclose(np.multiply(model.validation_scores_, 10) % 1, 0, atol=1e-12)  # of 10 examples


# ---- Classes ---------------------------------------------------------------------------------------------------------

@settings(max_examples=15)
@given(st.integers(0, 30))
def test_the_training_part_has_every_class(seed):
    """An example of a class that only the held-out part has goes back; all others stay where scikit-learn has them."""
    labels = np.where(np.arange(len(y)) < 2, 7, MIXED)
    mine = OURS["classifier"](**STOPS | {"random_state": seed, "max_iter": 1, "validation_fraction": 0.5})
    theirs = THEIRS["classifier"](**STOPS | {"random_state": seed, "max_iter": 1, "validation_fraction": 0.5})
    quiet(mine, "fit", X, labels)
    quiet(theirs, "fit", X, labels)
    assert mine.t_ - theirs.t_ in (0, 1)
    if mine.t_ == theirs.t_:
        np.testing.assert_allclose(mine.coefs_[0], theirs.coefs_[0], rtol=1e-8)


def test_a_single_example_of_a_class_is_trained_on():
    labels = np.where(np.arange(len(y)) == 0, 7, MIXED)
    seen = {quiet(OURS["classifier"](**STOPS | {"random_state": seed, "max_iter": 1}), "fit", X, labels).t_
            for seed in range(30)}
    assert seen == {135, 136}  # in some splits it was held out


@pytest.mark.parametrize(("labels", "lost"), [
    (np.arange(150) >= 120, 1), (np.where(np.arange(150) < 120, "no", "yes"), 1),
    (np.where(np.arange(150) < 120, 0, 2 + MIXED % 2), 2),
    (np.column_stack([np.arange(150) >= 130, np.arange(150) < 120, MIXED > 0]).astype(int), 1),
    (np.column_stack([np.arange(150) >= 130, np.arange(150) % 141 < 140]).astype(int), 2)])
def test_a_class_of_the_last_rows_is_trained_on(labels, lost):
    """An example of each class, or value of a label, that the first rows lack."""
    seen = []

    def scorer(estimator, X, y):
        seen.append(len(y))
        return 0.5

    model = quiet(OURS["classifier"](**LAST | {"max_iter": 1, "validation_fraction": 0.2}, scoring=scorer), "fit", X,
                  labels)
    assert (model.t_, seen) == (120 + lost, [30 - lost])


def test_only_known_labels_count_as_trained_on():
    labels = np.column_stack([np.arange(150) >= 120, MIXED > 0]).astype(int)
    labels[:20, 0], weights = 1, np.ones((150, 2))
    weights[:20, 0] = 0
    model = quiet(OURS["classifier"](**LAST | {"max_iter": 1, "validation_fraction": 0.2}), "fit", X, labels, weights)
    assert model.t_ == 121


def test_early_stopping_keeps_an_example_to_hold_out():
    """Two of 20 examples are held out, each the only one of its class; scikit-learn trains without both."""
    model = OURS["classifier"](**STOPS | {"max_iter": 2})
    texts = caught_in(model, X[:20], np.arange(20))
    assert texts == ["early stopping holds out the only example of a class, which is not trained on: raise "
                     "validation_fraction, or pass X_val and y_val"]
    assert model.t_ == 38


def test_a_held_out_part_of_one_class_is_named():
    for labels, name in ((y_iris, "2"), (y_iris == 0, "False"), (np.where(y_iris == 0, "no", "yes"), "yes")):
        texts = caught_in(OURS["classifier"](**LAST), X_iris, labels)
        assert texts[0].startswith(f"all 15 examples that early stopping holds out are of the class {name}, so")


# ---- Errors ----------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize(("kind", "parameters", "labels", "text"), [
    ("classifier", {}, np.where(np.arange(150) == 3, "rare", "usual"),
     "validation_fraction=0.1 of 150 rows with the same share of each class; the class rare has 1. Pass X_val"),
    ("classifier", {"validation_fraction": 0.005}, MIXED > 0, "validation_fraction=0.005 of 150 rows"),
    ("regressor", {"validation_fraction": 0.999}, MIXED[:10], "validation_fraction=0.999 of 10 rows")])
def test_errors_about_the_split_keep_scikit_learns_text_and_name_the_reason(kind, parameters, labels, text):
    case = Case(kind, {"hidden_layer_sizes": 5, "early_stopping": True} | parameters,
                [("fit", X[: len(labels)], labels, {})], X)
    mine, its = run(OURS, case).error, run(THEIRS, case).error
    assert mine[0] is its[0] is ValueError
    assert mine[1].startswith(its[1].rstrip(".")) and text in mine[1]


@pytest.mark.parametrize(("fraction", "rows", "text"), [
    (0.99, 10, "validation_fraction=0.99 of 10 examples leaves none to train on"),
    (0.1, 10, "The validation set is too small")])
def test_both_parts_of_the_last_rows_need_examples(fraction, rows, text):
    with pytest.raises(ValueError, match=text):
        OURS["regressor"](**LAST, validation_fraction=fraction).fit(X[:rows], y[:rows])


# ---- The last rows ---------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("kind", BOTH)
@pytest.mark.parametrize("wrap", [np.asarray, np.asfortranarray, scipy.sparse.csr_matrix, scipy.sparse.csc_array, list])
@pytest.mark.parametrize("shuffle", [True, False])
def test_the_last_rows_are_held_out(kind, wrap, shuffle):
    """The fit is that of the first rows with the last ones as validation data."""
    weights = np.random.default_rng(0).uniform(0.5, 2, len(y))
    whole = OURS[kind](**LAST, validation_fraction=0.25, shuffle=shuffle)
    quiet(whole, "fit", wrap(X), y, sample_weight=weights)
    first = OURS[kind](**STOPS, shuffle=shuffle)
    quiet(first, "fit", wrap(X[:112]), y[:112], sample_weight=weights[:112], X_val=wrap(X[112:]), y_val=y[112:],
          sample_weight_val=weights[112:])
    assert same(whole, first)


def test_the_last_rows_of_several_labels():
    labels = np.column_stack([y > 0, y > 1]).astype(int)
    for target in (labels, scipy.sparse.csr_matrix(labels)):
        model = quiet(OURS["classifier"](**LAST), "fit", X, target)
        assert model.t_ == 135 * model.n_iter_


def test_a_memory_map_is_not_copied_to_hold_out_its_last_rows(tmp_path):
    mapped = np.memmap(tmp_path / "X", np.float64, "w+", shape=(1000, 4))
    mapped[:] = np.random.default_rng(0).standard_normal(mapped.shape)
    held = []

    def scorer(estimator, X, y):
        held.append(np.shares_memory(X, mapped))
        return r2_score(y, estimator.predict(X))

    quiet(OURS["regressor"](**LAST, scoring=scorer), "fit", mapped, mapped[:, 0])
    assert all(held) and held


def test_a_random_split_is_scikit_learns():
    """Also with weights, all of them positive."""
    rng = np.random.default_rng(0)
    for kind, target in (("classifier", y), ("classifier", y > 0), ("regressor", X[:, 0])):
        case = Case(kind, STOPS | {"max_iter": 5}, [("fit", X, target, {})], X)
        case.parameters.pop("random_state")
        check_equal(case, run(THEIRS, case))
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        model = quiet(OURS["regressor"](**STOPS), "fit", X, y, sample_weight=rng.uniform(0.1, 1, len(y)))
    assert np.isfinite(predict(model)).all()
