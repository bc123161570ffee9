"""The rows that models hold out."""

import numpy as np
import pytest
from helpers.tabular_cases import KINDS, made, table
from hypothesis import given
from hypothesis import strategies as st

from fastnn.tabular._holdout import MIN_ROWS, hold_out, orders

labels = st.lists(st.integers(0, 3), min_size=1, max_size=200).map(lambda entries: np.array(entries, np.int32))


@given(labels, st.floats(0.05, 0.5), st.integers(0, 7), st.integers(0, 10))
def test_the_parts_are_disjoint_and_each_class_stays_to_train_on(y, fraction, turn, seed):
    order = orders(y, len(y), fraction, turn + 1, np.random.default_rng(seed))[turn]
    training, held = hold_out(order, fraction, turn, y)
    np.testing.assert_array_equal(np.sort(np.concatenate([training, held])), np.arange(len(y)))
    assert set(y[training]) == set(y)
    assert (np.diff(training) > 0).all() and (np.diff(held) > 0).all()
    if len(y) < MIN_ROWS:
        assert not len(held)
    for label in np.unique(y):
        share = np.count_nonzero(y == label) * fraction
        assert np.count_nonzero(y[held] == label) <= share + 1


def test_five_models_hold_out_each_row_once():
    y = np.repeat([0, 1], [60, 40]).astype(np.int32)
    for own in (y, None):
        found = orders(own, 100, 0.2, 10, np.random.default_rng(0))
        held = [hold_out(order, 0.2, turn, own)[1] for turn, order in enumerate(found)]
        for five in (held[:5], held[5:]):
            np.testing.assert_array_equal(np.sort(np.concatenate(five)), np.arange(100))
        assert {*map(tuple, held[:5])} != {*map(tuple, held[5:])}  # a new order
    shares = [np.bincount(y[part]) for part in (hold_out(order, 0.2, t, y)[1] for t, order in enumerate(
        orders(y, 100, 0.2, 5, np.random.default_rng(0))))]
    np.testing.assert_array_equal(shares, [[12, 8]] * 5)


@pytest.mark.parametrize("kind", KINDS)
def test_rows_without_weight_are_in_neither_part(kind):
    """Their targets are of no matter, however large."""
    X, y = table(kind)
    weights = np.ones(len(y))
    weights[::4] = 0
    other = y.copy()
    other[::4] = "high" if kind == "classifier" else 1e9
    first, second = (made(kind).fit(X, targets, sample_weight=weights).predict(X) for targets in (y, other))
    np.testing.assert_array_equal(first, second)


@pytest.mark.parametrize("kind", KINDS)
def test_given_validation_data_replace_the_hold_out(kind):
    X, y = table(kind)
    model = made(kind).fit(X[:150], y[:150], X_val=X[150:], y_val=y[150:])
    best = model.history_["validation_score"][model.best_epoch_ - 1]
    if kind == "classifier":
        assert model.score(X[150:], y[150:]) == pytest.approx(best)
    else:
        assert -np.sqrt(np.mean((model.predict(X[150:]) - y[150:]) ** 2)) == pytest.approx(best, rel=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_validation_data_are_checked(kind):
    X, y = table(kind)
    with pytest.raises(ValueError, match="X_val and y_val belong together"):
        made(kind).fit(X, y, X_val=X)
    with pytest.raises(ValueError, match="X_val and y_val must have the same number of rows"):
        made(kind).fit(X, y, X_val=X, y_val=y[1:])
    if kind == "classifier":
        with pytest.raises(ValueError, match=r"y_val has the classes \['giant'\]"):
            made(kind).fit(X, y, X_val=X, y_val=np.where(y == "high", "giant", y))
    else:
        with pytest.raises(ValueError, match="y_val must have 1 outputs, as y, got 2"):
            made(kind).fit(X, y, X_val=X, y_val=np.stack([y, y], axis=1))


def test_without_a_hold_out_the_last_epoch_counts():
    model = made("classifier", validation_fraction=0).fit(*table("classifier"))
    assert model.best_epoch_ is None and model.temperatures_ == [1.0]
    assert "validation_loss" not in model.history_
