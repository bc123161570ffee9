"""When a team of threads is used: csrc/team_policy.h, driven by a fake clock."""

import pytest

from fastnn._core._testing import TeamPolicy

SOLO = 1e-3  # seconds of a call alone
ROWS = 10


class Machine:
    """A clock that advances by the time a call takes: `alone` or, by the team, `team` seconds."""

    def __init__(self, team):
        self.policy, self.now, self.team, self.alone = TeamPolicy(), 100.0, team, SOLO

    def call(self, team=None):
        """Do one call; return the state in which it was made."""
        together = self.policy.decide(self.now)
        state = self.policy.state
        assert together == (state == "team")
        self.now += (self.team if team is None else team) if together else self.alone
        self.policy.record(self.now, ROWS)
        return state

    def calls(self, count, team=None):
        return [self.call(team) for _ in range(count)]

    def until(self, state, limit=100_000):
        """Make calls until the policy is in this state; return how many were made and the seconds they took."""
        began, count = self.now, 0
        while self.policy.state != state:
            self.call()
            count += 1
            assert count < limit
        return count, self.now - began


def test_idle_cores_keep_the_team():
    """One call in 256 is made alone, to measure what the team saves."""
    states = Machine(team=0.6 * SOLO).calls(10_000)
    assert states.count("alone") == 0
    samples = [i for i, state in enumerate(states) if state == "sample"]
    assert samples == list(range(1, 10_000, 256))


def test_a_preempted_team_is_disabled_quickly():
    machine = Machine(team=0.6 * SOLO)
    machine.calls(5000)
    machine.team = 20 * SOLO
    assert machine.until("alone")[0] == 1


def test_a_slightly_slower_team_is_disabled_within_a_few_dozen_calls():
    machine = Machine(team=0.9 * SOLO)
    machine.calls(5000)
    machine.team = 1.1 * SOLO
    assert machine.until("alone")[0] <= 2 / 0.1 + 3  # two calls' worth of credit, 0.1 of a call lost each time; samples


def total(count, together, alone):
    """The seconds of `count` calls; `together` and `alone` give those of a call that begins at a given time."""
    policy, now = TeamPolicy(), 0.0
    for _ in range(count):
        now += together(now) if policy.decide(now) else alone(now)
        policy.record(now, ROWS)
    return now


@pytest.mark.parametrize("seconds", [2e-5, 1e-4, 1e-3, 8e-3, 30e-3])
@pytest.mark.parametrize("factor", [1.02, 1.1, 1.5, 2.5, 5])
def test_a_team_slowed_down_for_good_costs_little(seconds, factor):
    """2000 calls of any length: at most 3 % more than alone, at any slow-down, including all retries.

    Each of the first few teams may also lose the 100 us that are allowed for waking the threads.
    """
    assert total(2000, lambda now: seconds * factor, lambda now: seconds) <= 1.03 * 2000 * seconds + 400e-6


@pytest.mark.parametrize("seconds", [1e-3, 30e-3])
@pytest.mark.parametrize("factor", [1.05, 1.1, 1.25, 1.5])
def test_a_slow_team_costs_little_even_in_few_calls(seconds, factor):
    """The first call, and twice a credit of half a call with up to one call more."""
    assert total(20, lambda now: seconds * factor, lambda now: seconds) <= 1.1 * 20 * seconds


def test_a_team_that_is_interrupted_but_saves_time_is_kept():
    """Another program takes a core for 5 of every 50 ms; the team then waits until it ends."""
    def together(now):
        phase = now % 0.05
        return 0.5 * SOLO + max(0.005 - phase, 0)

    always, now = 0.0, 0.0
    for _ in range(2000):
        now += together(now)
        always = now
    assert total(2000, together, lambda now: SOLO) <= 1.05 * always


def test_a_team_is_used_while_another_program_sleeps():
    """It occupies a core for 100 of every 200 ms."""
    def together(now):
        return (1.3 if now % 0.2 < 0.1 else 0.5) * SOLO

    assert total(2000, together, lambda now: SOLO) <= 0.85 * 2000 * SOLO


def test_calls_alone_that_were_pre_empted_do_not_hide_a_slow_team():
    """The time alone is measured again soon, while the team seems to save little."""
    machine = Machine(team=0.6 * SOLO)
    machine.calls(100)
    machine.alone = 2 * SOLO
    machine.calls(500)
    machine.alone, machine.team = SOLO, 1.2 * SOLO
    assert machine.until("alone")[0] <= 64  # at the latest after four samples


def test_waking_up_is_forgiven():
    """A call of 20 us whose team first takes 80 us, because its threads sleep, and then 12 us."""
    policy, now, asleep = TeamPolicy(), 0.0, True
    for _ in range(2000):
        together = policy.decide(now)
        assert policy.state != "alone"
        now += (80e-6 if asleep else 12e-6) if together else 20e-6
        policy.record(now, ROWS)
        asleep = not together


def test_credit_is_capped_at_two_calls():
    machine = Machine(team=0.1 * SOLO)
    machine.calls(200)
    assert machine.policy.credit == pytest.approx(2 * SOLO / ROWS)


def test_the_first_call_is_made_by_the_team_and_counts_for_nothing():
    """It may start the threads, which takes long."""
    machine = Machine(team=0.6 * SOLO)
    assert machine.call(team=1000 * SOLO) == "team"
    assert machine.calls(100) == ["sample"] + ["team"] * 99


def test_a_clock_that_stands_still_keeps_the_team():
    """Without OpenMP there is no clock."""
    policy = TeamPolicy()
    for _ in range(1000):
        policy.decide(0.0)
        policy.record(0.0, ROWS)
        assert policy.state == "team"


def test_batches_of_any_size_are_compared_by_the_time_per_row():
    machine = Machine(team=0.6 * SOLO)
    machine.calls(300)
    for rows in (1, 1000):
        for _ in range(50):
            together = machine.policy.decide(machine.now)
            assert machine.policy.state != "alone"
            machine.now += (0.6 if together else 1.0) * SOLO * rows / ROWS
            machine.policy.record(machine.now, rows)
