"""Learning-rate schedules: their formulas, their use in a fit, and the recorded rates."""

import dataclasses
import math
from itertools import pairwise

import numpy as np
import pytest
from helpers.fit_cases import blobs, make
from helpers.network_cases import parameter_bytes
from hypothesis import assume, given
from hypothesis import strategies as st

from fastnn._training.schedule_state import ScheduleState
from fastnn.history import History
from fastnn.schedules import (
    Constant,
    Cosine,
    CosLog,
    Exponential,
    FlatCosine,
    InverseScaling,
    OneCycle,
    ReduceOnPlateau,
    StepDecay,
)

RATES = st.floats(1e-6, 10)
TOTALS = st.integers(1, 400)
SHARES = st.floats(0, 0.99)
UNITS = ("epoch", "step")
# One rounding each of a few operations, relative to the largest rate that takes part.
ROUNDING = 8 * np.finfo(float).eps

ALL = [Constant(0.1), StepDecay(0.1, 0.5, 3), Exponential(0.1, 0.9), InverseScaling(0.1), Cosine(0.1, warmup=0.2),
       OneCycle(0.1), ReduceOnPlateau(0.1, patience=1), CosLog(0.1), FlatCosine(0.1)]


# ---- formulas


@given(RATES, st.integers(0, 10**6))
def test_constant(rate, t):
    assert Constant(rate)(t) == rate and Constant(rate).rates(3).tolist() == [rate] * 3


@given(RATES, st.floats(1e-3, 1), st.integers(1, 50), st.integers(0, 500))
def test_step_decay(rate, factor, every, t):
    schedule = StepDecay(rate, factor, every)
    assert schedule(0) == schedule(every - 1) == rate
    assert schedule(t) == pytest.approx(rate * factor ** (t // every), rel=1e-12)
    assert schedule(t + 1) <= schedule(t)
    assert schedule(t) == schedule(t // every * every)


@given(RATES, st.floats(0.01, 1), st.integers(0, 500))
def test_exponential(rate, factor, t):
    schedule = Exponential(rate, factor)
    assert schedule(0) == rate and schedule(t + 1) <= schedule(t)
    assert schedule(t) == pytest.approx(math.exp(math.log(rate) + t * math.log(factor)), rel=1e-9, abs=1e-300)


@given(RATES, st.floats(0, 3), st.floats(1e-3, 1e4), st.integers(0, 10**6))
def test_inverse_scaling(rate, power, scale, t):
    schedule = InverseScaling(rate, power, scale)
    assert schedule(0) == rate and schedule(t + 1) <= schedule(t)
    assert schedule(t) == pytest.approx(rate / (1 + scale * t) ** power, rel=1e-9)


def test_inverse_scaling_equals_scikit_learn():
    """There t counts examples, and the rate changes after each epoch."""
    m = 150
    for epoch in range(20):
        assert InverseScaling(0.1, 0.5, m)(epoch) == pytest.approx(0.1 / (epoch * m + 1) ** 0.5, rel=1e-14)


@given(RATES, SHARES, SHARES, TOTALS)
def test_cosine(rate, low, warmup, total):
    end = low * rate
    schedule = Cosine(rate, end, warmup)
    rates = schedule.rates(total)
    w = warmup * total
    rising, falling = rates[: math.ceil(w)], rates[math.ceil(w) :]
    assert (np.diff(rising) > 0).all() and (np.diff(falling) <= 0).all()
    assert (rates > 0).all() and rates.max() <= rate * (1 + ROUNDING) and (falling >= end * (1 - ROUNDING)).all()
    assert schedule(total, total) == schedule(total + 7, total) == end
    # Continuous: no step larger than the steepest part of either line.
    steepest = max(rate / (w + 1), (rate - end) * math.pi / 2 / (total - w))
    everything = np.append(rates, end)
    assert np.abs(np.diff(everything)).max() <= steepest * (1 + 1e-9) + ROUNDING * rate
    if not warmup:
        assert abs(rates[0] - rate) <= ROUNDING * rate
        assert schedule(total / 2, total) == pytest.approx((rate + end) / 2)  # halfway


@given(RATES, st.integers(1, 8), TOTALS)
def test_cos_log_has_bumps_that_start_and_end_at_0(rate, bumps, total):
    """A bump from position (2^k - 1) / (2^bumps - 1) to (2^(k+1) - 1) / (2^bumps - 1), its top at log2(...) = k + 1/2.

    The phase is up to 2 pi bumps, with a relative error of 4 roundings; the formula's slope is at most half of it.
    """
    schedule, n = CosLog(rate, bumps, total=total), 2**bumps - 1
    near = 2 * math.pi * bumps * ROUNDING * rate
    for t in range(total + 1):
        phase = math.log2(1 + n * t / total)
        assert 0 <= schedule(t) <= rate
        assert schedule(t) == pytest.approx(rate * math.sin(math.pi * phase) ** 2, abs=near)
    assert schedule(0) == 0 and schedule(total) <= near and schedule(2 * total) == schedule(total)
    for k in range(bumps):
        whole = CosLog(rate, bumps, total=n)
        assert whole(2**k - 1) <= near  # between two bumps


@given(RATES, st.floats(0, 0.99), TOTALS)
def test_flat_cosine_is_flat_then_half_a_cosine(rate, flat, total):
    schedule = FlatCosine(rate, flat, total=total)
    values = [schedule(t) for t in range(total + 1)]
    for t, value in enumerate(values):
        if t <= flat * total:
            assert value == rate
        else:
            x = math.pi * (t - flat * total) / (total - flat * total)
            assert value == pytest.approx(rate * (1 + math.cos(x)) / 2, abs=ROUNDING * rate * 4)
    assert values[-1] == 0 and schedule(2 * total) == 0
    assert all(after <= before for before, after in pairwise(values))


def test_half_flat_is_the_schedule_of_the_recipe():
    """cos(pi (2t - 1)) of t in [0, 1]."""
    for t in range(51, 101):
        assert FlatCosine(2.0, total=100)(t) == pytest.approx(1 + math.cos(math.pi * (t / 50 - 1)), abs=ROUNDING * 8)


@pytest.mark.parametrize(("make_schedule", "message"), [
    (lambda: CosLog(0.1, 0), "bumps must be"), (lambda: CosLog(0.1, 51), "bumps must be"),
    (lambda: CosLog(0), "rate must be"), (lambda: FlatCosine(0.1, 1.0), "flat must be"),
    (lambda: FlatCosine(0.1, -0.1), "flat must be"), (lambda: CosLog(0.1, per="week"), "per must be"),
])  # fmt: skip
def test_impossible_bumps_and_flats_are_refused(make_schedule, message):
    with pytest.raises(ValueError, match=message):
        make_schedule()


@given(RATES, SHARES, st.floats(1, 100), st.floats(1, 1e6), TOTALS)
def test_one_cycle(rate, rise, divide, final_divide, total):
    schedule = OneCycle(rate, rise, divide, final_divide)
    rates = schedule.rates(total)
    p = rise * total
    up, down = rates[: math.ceil(p)], rates[math.ceil(p) :]
    slack = ROUNDING * rate
    assert (np.diff(up) >= -slack).all() and (np.diff(down) <= slack).all()
    if p > 0:
        assert rates[0] == pytest.approx(rate / divide, rel=1e-12)
    assert schedule(p, total) == pytest.approx(rate, rel=1e-12)
    assert schedule(total, total) == schedule(2 * total, total) == pytest.approx(rate / divide / final_divide)
    assert rates.max() <= rate + slack and rates.min() > 0
    steepest = rate * math.pi / 2 / min(p if p > 0 else total, total - p)
    assert np.abs(np.diff(rates)).max(initial=0) <= steepest * (1 + 1e-9) + slack


@pytest.mark.parametrize("kind", [Cosine, OneCycle])
def test_schedule_with_an_explicit_length(kind):
    schedule = kind(0.1, total=10)
    assert schedule.rates(4).tolist() == kind(0.1).rates(10)[:4].tolist()
    assert schedule.rates(15)[10:].tolist() == [schedule(10)] * 5
    with pytest.raises(ValueError, match=f"{kind.__name__} needs total="):
        kind(0.1)(3)


# ---- reduce on plateau


@given(st.lists(st.floats(-1, 1), max_size=40), st.integers(1, 4), st.floats(0, 0.5), st.sampled_from(["min", "max"]))
def test_reduce_on_plateau(values, patience, min_delta, mode):
    """Against a second implementation of its definition."""
    schedule = ReduceOnPlateau(1.0, 0.5, patience, min_delta, 0.01, "loss", mode)
    state = ScheduleState(schedule, 100, 7, ("epoch", "loss"))
    rate, best, waited = 1.0, None, 0
    for value in values:
        assert next(iter(state.rates())) == rate == state.last(7)
        state.advance(7, {"epoch": 1, "loss": value})
        better = best is None or (value < best - min_delta if mode == "min" else -value < -best - min_delta)
        if better:
            best, waited = value, 0
        else:
            waited += 1
        if waited == patience:
            rate, waited = max(0.01, rate / 2), 0
    assert schedule.rates(8).tolist() == [1, 0.5, 0.25, 0.125, 0.0625, 0.03125, 0.015625, 0.01]


def test_reduce_on_plateau_in_a_fit():
    X, y = blobs()
    wrong = (y + 1) % 3  # the better the fit, the worse the validation loss
    settings = {"epochs": 7, "learning_rate": ReduceOnPlateau(0.01, 0.1, 2)}
    history = make().fit(X, y, validation_data=(X, wrong), batch_size=None, **settings)
    np.testing.assert_allclose(history["learning_rate"], [1e-2] * 3 + [1e-3] * 2 + [1e-4] * 2)
    assert make().fit(X, y, **settings)["learning_rate"] == [0.01] * 7  # the training loss falls


# ---- in a fit


@pytest.mark.parametrize("kind", [StepDecay, Exponential, InverseScaling, Cosine, OneCycle])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_schedule_equals_steps_with_its_rates(kind, dtype):
    X, y = blobs()
    epochs, batch, steps = 4, 16, 4
    for per in UNITS:
        net, twin = make(dtype), make(dtype)
        schedule = kind(0.05, per=per)
        history = net.fit(X, y, learning_rate=schedule, batch_size=batch, epochs=epochs, shuffle=False)
        rates = schedule.rates(epochs * (steps if per == "step" else 1))
        each = rates if per == "step" else np.repeat(rates, steps)
        for step, rate in enumerate(each):
            part = slice(step % steps * batch, (step % steps + 1) * batch)
            twin.partial_fit(X[part], y[part], learning_rate=float(rate))
        assert parameter_bytes(net) == parameter_bytes(twin)
        assert history["learning_rate"] == each[steps - 1 :: steps].tolist()


@pytest.mark.parametrize("kind", [StepDecay, Exponential, InverseScaling, Cosine, OneCycle])
def test_an_epoch_of_one_step_is_a_step(kind):
    X, y = blobs()
    rates, results = kind(0.05).rates(9).tolist(), set()
    for per in UNITS:
        net = make()
        history = net.fit(X, y, learning_rate=kind(0.05, per=per), batch_size=None, epochs=9)
        assert history["learning_rate"] == rates
        results.add(parameter_bytes(net))
    assert len(results) == 1


def test_a_number_is_a_constant_schedule():
    X, y = blobs()
    nets = [make() for _ in range(3)]
    for net, rate in zip(nets, (0.01, Constant(0.01), StepDecay(0.01, factor=1.0)), strict=True):
        net.fit(X, y, learning_rate=rate, epochs=3, batch_size=7)
    assert len({parameter_bytes(net) for net in nets}) == 1


@pytest.mark.parametrize("schedule", ALL, ids=lambda schedule: type(schedule).__name__)
def test_lbfgs_memory_starts_empty_in_each_fit(schedule):
    X, y = blobs()
    net = make()
    first, second = (net.fit(X, y, learning_rate=schedule, epochs=4) for _ in range(2))
    assert first["learning_rate"][0] == second["learning_rate"][0]
    rate = net.partial_fit(X, y, learning_rate=schedule)["learning_rate"][0]
    assert rate == 0 if isinstance(schedule, CosLog) else rate > 0  # which begins at 0
    assert isinstance(net.fit(X, y, learning_rate=schedule, epochs=0), History)


@pytest.mark.parametrize("schedule", ALL, ids=lambda schedule: type(schedule).__name__)
def test_schedule_state_continues_from_its_saved_state(schedule):
    rng = np.random.default_rng(0)
    records = [{"loss": float(value)} for value in rng.standard_normal(12)]
    there = ScheduleState(schedule, 12, 5, ("epoch", "loss"))

    def epoch(state, record):
        rates = [rate for rate, _ in zip(state.rates(), range(5), strict=False)]
        assert state.last(5) == rates[-1]
        state.advance(5, record)
        return rates

    for record in records[:7]:
        epoch(there, record)
    here = ScheduleState(schedule, 12, 5, ("epoch", "loss"))
    here.restore(there.state())
    assert [epoch(here, record) for record in records[7:]] == [epoch(there, record) for record in records[7:]]


# ---- bad input


@pytest.mark.parametrize(("make_one", "error", "match"), [
    (lambda: Constant(0), ValueError, "rate must be finite and above 0"),
    (lambda: Cosine("0.1"), TypeError, "rate must be a number"),
    (lambda: StepDecay(0.1, 1.5), ValueError, "factor must be at most 1"),
    (lambda: StepDecay(0.1, every=0), ValueError, "every must be from 1"),
    (lambda: StepDecay(0.1, per="batch"), ValueError, "per must be one of epoch, step"),
    (lambda: Exponential(0.1, per="plateau"), ValueError, "per must be one of epoch, step"),
    (lambda: Exponential(0.1, 0), ValueError, "factor must be finite and above 0"),
    (lambda: InverseScaling(0.1, -1), ValueError, "power"),
    (lambda: InverseScaling(0.1, scale=0), ValueError, "scale"),
    (lambda: Cosine(0.1, end=0.2), ValueError, "end must be at most the rate 0.1, got 0.2"),
    (lambda: Cosine(0.1, warmup=1), ValueError, "warmup must be finite and at least 0 and below 1"),
    (lambda: Cosine(0.1, total=0), ValueError, "total must be from 1"),
    (lambda: OneCycle(0.1, divide=0.5), ValueError, "divide"),
    (lambda: OneCycle(0.1, rise=1.0), ValueError, "rise"),
    (lambda: ReduceOnPlateau(0.1, minimum=1), ValueError, "minimum must be at most the rate"),
    (lambda: ReduceOnPlateau(0.1, patience=0), ValueError, "patience"),
    (lambda: ReduceOnPlateau(0.1, monitor=3), TypeError, "monitor must be the name"),
    (lambda: ReduceOnPlateau(0.1, monitor="validation_cost"), ValueError, "whether a larger 'validation_cost'"),
    (lambda: ReduceOnPlateau(0.1, mode="up"), ValueError, "mode must be one of"),
    (lambda: Constant(0.1).rates(0), ValueError, "total must be from 1"),
])
def test_bad_schedules(make_one, error, match):
    with pytest.raises(error, match=match):
        make_one()


def test_monitoring_an_unrecorded_value_is_refused():
    net = make()
    before = parameter_bytes(net)
    X, y = blobs()
    with pytest.raises(ValueError, match=r"ReduceOnPlateau watches 'validation_loss', .* give validation_data"):
        net.fit(X, y, learning_rate=ReduceOnPlateau(0.1, monitor="validation_loss"))
    assert parameter_bytes(net) == before and net.history is None


@given(st.sampled_from(ALL), st.integers(1, 50))
def test_schedules_are_values(schedule, total):
    twin = dataclasses.replace(schedule)
    assert twin == schedule and hash(twin) == hash(schedule) and repr(twin) == repr(schedule)
    assume(not isinstance(schedule, ReduceOnPlateau))
    assert schedule.rates(total).shape == (total,) and schedule.rates(total).dtype == np.float64
