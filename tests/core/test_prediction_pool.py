"""PlanPool: calls that run at the same time take different plans, others share one."""

import weakref

import numpy as np
import pytest
from helpers.core_cases import Task
from helpers.prediction_cases import prediction_plan

from fastnn._core.prediction_plan import PlanPool

NET = Task([3, 4, 2], ["relu", "softmax"], "cross_entropy", "float32", rows=5)


class Bind:
    """Bind plans of NET, and keep the team of each."""

    def __init__(self):
        self.teams = []

    def __call__(self, team):
        self.teams.append(team)
        return prediction_plan(NET, team=team)


def pool(**changes):
    bind = Bind()
    limits = {"max_rows": 5, "max_rows_single_thread": 2, "max_team": 8, "max_serial_blas_work": 1000}
    return bind, PlanPool(bind, **(limits | changes))


def test_calls_in_turn_share_a_plan():
    bind, plans = pool()
    expected = prediction_plan(NET).fast_path(NET.X[:2])
    for n_threads in (None, 1, 2, 1):
        np.testing.assert_array_equal(plans.fast_path(NET.X[:2], False, n_threads), expected)
    assert bind.teams == [1]


def test_a_plan_in_use_is_not_given_to_another_call():
    bind, plans = pool()
    first, second = plans.take(1), plans.take(1)
    assert first is not second
    plans.give_back(1, second)
    assert plans.take(1) is second and bind.teams == [1, 1]


@pytest.mark.parametrize(("rows", "n_threads", "team"), [(2, 8, 1), (3, 1, 1), (3, 2, 2), (5, 8, 8)])
def test_few_rows_take_a_plan_of_one_thread_and_more_rows_one_of_n_threads(rows, n_threads, team):
    bind, plans = pool()
    for raw in (False, True):
        np.testing.assert_array_equal(plans.fast_path(NET.X[:rows], raw, n_threads),
                                      prediction_plan(NET).fast_path(NET.X[:rows], raw))
    assert bind.teams == [team]


@pytest.mark.parametrize("n_threads", [0, -1, 9, 2**40, 2**70, -2**70, True, 1.0, np.int64(1), "1"])
def test_an_unchecked_number_of_threads_is_left_to_the_caller(n_threads):
    """9 is more than `max_team`, which may be fewer than the caller's limit."""
    bind, plans = pool()
    assert plans.fast_path(NET.X[:1], False, n_threads) is None and not bind.teams


def test_the_default_number_of_threads_is_left_to_the_caller_if_it_matters():
    _, plans = pool()
    assert plans.fast_path(NET.X[:2]) is not None
    assert plans.fast_path(NET.X[:3]) is None


def test_too_many_rows_and_products_that_blas_may_split_are_left_to_the_caller():
    assert pool(max_rows=4)[1].fast_path(NET.X, False, 1) is None
    bind, plans = pool(max_serial_blas_work=0)
    assert plans.fast_path(NET.X, False, 1) is None
    assert plans.take(1) is not None and bind.teams == [1]  # the plan was given back


@pytest.mark.parametrize("X", [None, NET.X.tolist(), NET.X[0], NET.X[:0], np.full((1, 3), np.nan, np.float32)])
def test_input_that_a_plan_refuses_is_refused(X):
    _, plans = pool()
    assert plans.fast_path(X, False, 1) is None


def test_idle_plans_die_with_their_pool():
    """At once, without the garbage collector: a plan holds the network's parameters and scratch memory."""
    bind, plans = pool()
    plans.fast_path(NET.X[:1])
    gone = weakref.ref(bind)
    del bind, plans
    assert gone() is None
