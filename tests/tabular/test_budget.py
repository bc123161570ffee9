"""The plan of a training within a limit of time."""

import numpy as np
import pytest
from helpers.tabular_cases import KINDS, made, table
from hypothesis import given
from hypothesis import strategies as st

from fastnn.tabular import _budget
from fastnn.tabular._budget import Plan, measured, plan_within, planned

seconds = st.floats(1e-6, 1e4)
plans = st.builds(Plan, st.integers(1, 500), st.integers(1, 10**5), st.integers(0, 10**6))


def length(plan, step, validation_per_row):
    return plan.epochs * (plan.steps * step + plan.held * validation_per_row)


@given(plans, seconds, st.floats(1e-5, 1.0), st.floats(0, 1e-4))
def test_a_plan_ends_in_time_or_makes_one_step(full, limit, step, validation_per_row):
    found = plan_within(full, limit, step, full.held * validation_per_row)
    assert 1 <= found.epochs <= full.epochs and 1 <= found.steps <= full.steps
    assert min(1, full.held) <= found.held <= full.held
    # If there is time for no more than one step, validation takes its share of the time besides, and at least one row.
    shortest = step + max(_budget.VALIDATION_SHARE * limit / found.epochs, validation_per_row)
    assert length(found, step, validation_per_row) <= max(limit, found.epochs * shortest) * (1 + 1e-9)
    assert found.epochs * step <= max(limit, step) * (1 + 1e-9)


@given(plans, st.floats(1e-5, 1.0), st.floats(0, 1e-4))
def test_the_recipe_is_kept_if_there_is_time(full, step, validation_per_row):
    limit = length(full, step, validation_per_row) * (1 + 1e-9)
    assert plan_within(full, limit, step, full.held * validation_per_row) == full


@given(plans, seconds, st.floats(1e-5, 1.0), st.floats(0, 1e-6))
def test_most_of_the_time_is_used(full, limit, step, validation_per_row):
    """Whole epochs leave less than one of at least `MIN_EPOCHS` unused, parts less than a step of each."""
    validation = full.held * validation_per_row
    found = plan_within(full, limit, step, validation)
    if found == full or limit < 10 * _budget.MIN_EPOCHS * (step + validation):
        return
    assert length(found, step, validation_per_row) >= limit * (1 - 1 / _budget.MIN_EPOCHS) * 0.75


def test_an_incomplete_mini_batch_is_left_out_if_there_are_others():
    assert planned(256, 1000, 256, 200) == (256, 3, 200)
    assert planned(256, 100, 256, 20) == (256, 1, 20)


@pytest.mark.parametrize("overhead", [0.0, 0.01])
@pytest.mark.parametrize("step", [1e-5, 1e-3, 0.5])
def test_trials_take_a_small_share_of_the_time(step, overhead):
    tried = []

    def run(steps):
        tried.append(overhead + steps * step)
        return tried[-1]

    left = 60.0
    found = measured(run, 10**6, left)
    assert found == pytest.approx(step, rel=0.05 + overhead / tried[-1])
    enough = min(_budget.TRIAL_SECONDS, _budget.TRIAL_SHARE * left)
    assert tried[-1] >= enough and sum(tried) <= 4 * enough + 4 * step + len(tried) * overhead
    assert measured(run, 2, left) == pytest.approx(step + overhead / 2)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("limit", [0.05, 30.0])
def test_a_limited_fit_gives_a_model(kind, limit):
    """With much time it is bitwise the model without a limit: the trial leaves no trace."""
    X, y = table(kind)
    model = made(kind, time_limit=limit).fit(X, y)
    assert len(model.predict(X)) == len(y) and len(model.history_) >= 1
    if limit > 1:
        np.testing.assert_array_equal(model.predict(X), made(kind).fit(X, y).predict(X))


def test_the_limit_is_shared_by_the_models():
    X, y = table()
    model = made("regressor", time_limit=0.1, n_models=3).fit(X, y)
    assert len(model.histories_) == 3


def test_a_limit_must_be_positive():
    with pytest.raises(ValueError, match="'time_limit' parameter"):
        made("regressor", time_limit=0).fit(*table())
