"""The update kernels, for every rule at every SIMD level and in both dtypes, against the NumPy reference in float64.

helpers/kernel_cases.py says how error bounds are counted.
"""

import itertools

import numpy as np
import pytest
from helpers.buffers import Buffers
from helpers.kernel_cases import LEVELS, SIZES, arrays, as64, assert_within, each_dtype, smallest, unit_roundoff
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn import reference
from fastnn._core import _testing, registry

each_rule = pytest.mark.parametrize("rule", registry.RULES)


@st.composite
def updates(draw, dtype, rule):
    """Draw theta, gradients (n_shards, P), states and hyperparameters; some gradients cancel, vanish or are huge.

    `alpha` and `t` are those of the reference; `kernel_numbers` converts them.
    """
    P = draw(st.sampled_from(SIZES))
    S = draw(st.sampled_from([1, 2, 3]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    theta = draw(arrays((P,), dtype))
    G = np.stack([draw(arrays((P,), dtype)) for _ in range(S)])
    if S > 1 and draw(st.booleans()):
        G[1, : P // 2] = -G[0, : P // 2]
    first, second = (np.abs(rng.normal(scale=0.1, size=P)).astype(dtype) for _ in range(2))
    hyper = {
        "alpha": draw(st.sampled_from([1e-3, 0.1, 0.7])),
        "t": draw(st.sampled_from([1, 2, 1000])),
        "n_decayed": draw(st.integers(0, P)),
        "l2": draw(st.sampled_from([0.0, 0.01, 0.3])),
        "l1": draw(st.sampled_from([0.0, 0.2])),
        "shrink": draw(st.sampled_from([1.0, 0.99, 0.3])),
        "clip": draw(st.sampled_from([1.0, 0.7, 1e-3])),
        "momentum": draw(st.sampled_from([0.0, 0.5, 0.9])),
        "beta_1": draw(st.sampled_from([0.0, 0.9])),
        "beta_2": draw(st.sampled_from([0.5, 0.999])),
        "epsilon": 1e-8,
    }
    return theta, G, (first, second), hyper


def kernel_states(rule, first, second):
    """Return the arenas in the kernel's order: rmsprop's second moment comes before its velocity."""
    arenas = (second, first) if rule.startswith("rmsprop") else (first, second)
    return list(arenas[: registry.STATES[rule]])


def kernel_numbers(rule, hyper):
    """Return the kernel's hyperparameters at step t."""
    numbers = {key: value for key, value in hyper.items() if key not in ("alpha", "t")}
    rates = _testing.rates(rule, hyper["t"], hyper["alpha"], beta_1=hyper["beta_1"], beta_2=hyper["beta_2"])
    return rates | numbers


def decayed_part(hyper, P):
    """Return 1 for weights and 0 for biases."""
    return (np.arange(P) < hyper["n_decayed"]).astype(np.float64)


def whole_gradient(G, theta, hyper):
    decayed = decayed_part(hyper, theta.size)
    return hyper["clip"] * (np.sum(G, axis=0) + decayed * (hyper["l2"] * theta + hyper["l1"] * np.sign(theta)))


def penalty_of(theta, hyper):
    weights = theta * decayed_part(hyper, theta.size)
    return hyper["l2"] / 2 * np.sum(weights**2) + hyper["l1"] * np.sum(np.abs(weights))


def gradient_error(G, theta, hyper, u, tiny):
    """Bound the error of clip (sum over shards + l2 theta + l1 sign(theta)).

    Up to S + 1 additions and the products round, and so do the constants. Each product may also underflow, with an
    error of half the smallest subnormal.
    """
    decayed, S = decayed_part(hyper, theta.size), len(G)
    penalties = decayed * (hyper["l2"] * np.abs(theta) + hyper["l1"])
    size = np.sum(np.abs(G), axis=0) + penalties
    clipping = 2 * (hyper["clip"] != 1)
    rounded = S - 1 + (hyper["l2"] > 0) + (hyper["l1"] > 0) + clipping
    underflow = tiny / 2 * (hyper["clip"] * decayed * (hyper["l2"] > 0) + (hyper["clip"] != 1))
    return hyper["clip"] * u * (rounded * size + 3 * penalties) + underflow


def penalty_error(theta, hyper, dtype):
    """Bound the error of the penalty: sums of products in the dtype, in blocks of 1024; factors in double."""
    P, u = theta.size, unit_roundoff(dtype)
    return 1.01 * (min(P, 1024) + 4) * u * penalty_of(theta, hyper) + P * smallest(dtype)


def reference_step(rule, theta, g, states, hyper):
    """Return theta, first and second after step t of the reference, starting from these states."""
    numbers = {key: hyper[key] for key in ("momentum", "beta_1", "beta_2", "epsilon")}
    optimizer = reference.Optimizer(rule, **numbers)
    first, second = (state.copy() for state in states)
    optimizer._state, optimizer.t = [(first, second)], hyper["t"] - 1  # there is no public way to set them
    theta = theta * hyper["shrink"]
    optimizer.update([theta], [g], hyper["alpha"])
    return theta, first, second


def second_moment_error(g, e_g, second, v, beta_2, u, tiny):
    """Bound the error of beta_2 v + (1 - beta_2) g^2, including the rounding of the constants."""
    return (1 - beta_2) * ((2 * np.abs(g) + e_g) * e_g + 5 * u * g**2) + 3 * u * (beta_2 * second + v) + 8 * tiny


def quotient_error(N, e_N, v, e_v, epsilon, u):
    """Bound the error of N / (sqrt(v) + epsilon); also return the largest modulus of the quotient.

    The bound is the distance between the quotient and the ends of its interval, which follow from the ends of the
    intervals of N and v. Because of epsilon, the denominator is never 0.
    """
    middle = np.sqrt(v) + epsilon
    lowest = (np.sqrt(np.maximum(v - e_v, 0)) + epsilon) * (1 - 4 * u)
    highest = (np.sqrt(v + e_v) + epsilon) * (1 + 4 * u)
    largest = (np.abs(N) + e_N) / lowest
    least = np.maximum(np.abs(N) - e_N, 0) / highest
    return np.maximum(largest - np.abs(N) / middle, np.abs(N) / middle - least) + 4 * u * largest, largest


def move_error(rule, theta, g, e_g, velocity, rate, mu, u, tiny):
    """Bound the errors of theta and velocity. A product counts 2, as its constant is rounded too; a sum counts 1."""
    e_step = rate * (e_g + 2 * u * np.abs(g))
    after = np.abs(theta) + rate * np.abs(g)
    if not rule.endswith(("momentum", "nesterov")):
        return e_step + 2 * u * after + 4 * tiny, 0
    e_v = e_step + 4 * u * (mu * np.abs(velocity) + rate * np.abs(g)) + 4 * tiny
    after = after + mu * np.abs(velocity)
    if rule.endswith("momentum"):
        return e_v + 2 * u * after + 4 * tiny, e_v
    return mu * e_v + e_step + 8 * u * after + 8 * tiny, e_v


def update_error(rule, theta, g, e_g, states, hyper, u, tiny):
    """Bound the errors of theta, first and second after a step; that of g is e_g. Shrinking theta rounds twice."""
    if rule not in ("sgd", "momentum", "nesterov", "adam", "nadam", "rmsprop", "rmsprop_momentum", "rmsprop_nesterov"):
        raise AssertionError(f"no error bounds for the rule {rule}: add them to update_error")
    first, second = states
    alpha, mu, beta_1, beta_2, epsilon = (
        hyper[key] for key in ("alpha", "momentum", "beta_1", "beta_2", "epsilon")
    )
    e_shrunk = 2 * u * np.abs(theta) * (hyper["shrink"] != 1)
    v = beta_2 * second + (1 - beta_2) * g**2
    e_v = second_moment_error(g, e_g, second, v, beta_2, u, tiny)
    if rule in ("adam", "nadam"):
        numbers = kernel_numbers(rule, hyper)
        rate, own = numbers["rate"], numbers.get("gradient_rate", 0)
        m, size = beta_1 * first + (1 - beta_1) * g, beta_1 * np.abs(first) + (1 - beta_1) * np.abs(g)
        e_m = (1 - beta_1) * (e_g + 3 * u * np.abs(g)) + 3 * u * size + 4 * tiny
        N, e_N = rate * m + own * g, rate * e_m + own * e_g
        if own:
            e_N = e_N + 3 * u * (rate * np.abs(m) + own * np.abs(g)) + 4 * tiny
        e_quotient, quotient = quotient_error(N, e_N, v, e_v, epsilon, u)
        return e_shrunk + e_quotient + 2 * u * (np.abs(theta) + quotient) + 4 * tiny, e_m, e_v
    if rule.startswith("rmsprop"):
        e_g, g = quotient_error(g, e_g, v, e_v, epsilon, u)
    e_theta, e_first = move_error(rule, theta, g, e_g, first, alpha, mu, u, tiny)
    return e_shrunk + e_theta, e_first, e_v


@each_dtype
@each_rule
@settings(max_examples=60)
@given(data=st.data())
def test_update(rule, dtype, data):
    theta_0, G, states_0, hyper = data.draw(updates(dtype, rule))
    P, u, tiny = theta_0.size, unit_roundoff(dtype), smallest(dtype)
    theta, G64, *states = as64(theta_0, G, *states_0)
    g = whole_gradient(G64, theta, hyper)
    moved, *states_after = reference_step(rule, theta, g, states, hyper)
    expected = [moved, *kernel_states(rule, *states_after)]
    e_g = gradient_error(G64, theta, hyper, u, tiny)
    e_theta, *e_states = update_error(rule, theta, g, e_g, states, hyper, u, tiny)
    bounds = [e_theta, *kernel_states(rule, *e_states)]
    numbers = kernel_numbers(rule, hyper)
    cuts = [0, *sorted(data.draw(st.lists(st.integers(0, P), max_size=4), label="cuts")), P]
    for level in LEVELS:
        whole, sliced = [], []
        for slices, results in (([(0, None)], whole), (list(itertools.pairwise(cuts)), sliced)):
            call = Buffers()
            arenas = [call.output(array) for array in (theta_0, *kernel_states(rule, *states_0))]
            gradients = call.input(G, order="C")
            penalty = 0.0
            for start, stop in slices:
                penalty += _testing.update(
                    rule, arenas[0], gradients, *arenas[1:], start=start, stop=stop, level=level, **numbers
                )
            call.check()
            results += arenas
            assert_within(penalty, penalty_of(theta, hyper), penalty_error(theta, hyper, dtype), "penalty")
        for actual, value, bound, name in zip(whole, expected, bounds, ("theta", "first", "second"), strict=False):
            assert_within(actual, value, bound, f"{name}, {registry.LEVELS[level]}")
        for one, many in zip(whole, sliced, strict=True):
            assert one.tobytes() == many.tobytes()


@each_dtype
@each_rule
@given(data=st.data())
def test_updating_a_slice_changes_nothing_else(rule, dtype, data):
    theta_0, G, states_0, hyper = data.draw(updates(dtype, rule))
    states_0 = kernel_states(rule, *states_0)
    start, stop = sorted(data.draw(st.tuples(*[st.integers(0, theta_0.size)] * 2)))
    for level in LEVELS:
        arenas = [array.copy() for array in (theta_0, *states_0)]
        numbers = kernel_numbers(rule, hyper)
        _testing.update(rule, arenas[0], G, *arenas[1:], start=start, stop=stop, level=level, **numbers)
        for before, after in zip((theta_0, *states_0), arenas, strict=True):
            assert np.delete(after, np.s_[start:stop]).tobytes() == np.delete(before, np.s_[start:stop]).tobytes()


@each_dtype
@pytest.mark.parametrize("rule", [rule for rule in registry.RULES if "adam" in rule or "rmsprop" in rule])
def test_zero_gradients_change_nothing(rule, dtype):
    """0 / (0 + epsilon) is 0, also where epsilon underflows in the dtype."""
    for level in LEVELS:
        for epsilon in (1e-8, 1e-50, 1e-320, 0.0):
            theta, *states = np.ones(37, dtype), *(np.zeros(37, dtype) for _ in range(registry.STATES[rule]))
            numbers = {"rate": 1.0, "gradient_rate": 1.0, "momentum": 0.9, "beta_1": 0.9, "beta_2": 0.999}
            _testing.update(rule, theta, np.zeros((1, 37), dtype), *states, level=level, epsilon=epsilon, **numbers)
            assert np.all(theta == 1) and not any(state.any() for state in states)


@each_dtype
@settings(max_examples=60)
@given(data=st.data())
def test_total_gradient(dtype, data):
    """The sum of squares is compared with that of the kernel's output, in double."""
    theta_0, G, _, hyper = data.draw(updates(dtype, "sgd"))
    P, u = theta_0.size, unit_roundoff(dtype)
    theta, G64 = as64(theta_0, G)
    numbers = {key: hyper[key] for key in ("l2", "l1", "clip", "n_decayed")}
    bound = gradient_error(G64, theta, hyper, u, smallest(dtype)) + 4 * smallest(dtype)
    for level in LEVELS:
        for in_place in (False, True):
            call = Buffers()
            gradients = call.output(G, order="C") if in_place else call.input(G, order="C")
            out = gradients[0] if in_place else call.output(np.full(P, np.nan, dtype))
            penalty, squares = _testing.total_gradient(call.input(theta_0), gradients, out, level, **numbers)
            call.check()
            assert_within(out, whole_gradient(G64, theta, hyper), bound, registry.LEVELS[level])
            assert_within(penalty, penalty_of(theta, hyper), penalty_error(theta, hyper, dtype), "penalty")
            exact = np.sum(out.astype(np.float64) ** 2)
            assert_within(squares, exact, 2 * P * np.finfo(np.float64).eps * exact, "squares")
