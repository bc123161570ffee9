"""Update rules of the reference, compared with their textbook forms, and steps of a whole network.

EPS is the spacing of floats at 1: each rounding is off by at most EPS/2 of its result.
"""

import math

import numpy as np
import pytest
from helpers.reference_cases import EPS, random_network, random_targets, seeds
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnn import reference

rates = st.floats(1e-4, 0.1)
gradient_lists = st.lists(st.floats(-10, 10), min_size=1, max_size=20)


@pytest.mark.parametrize("rule", ["adam", "nadam"])
@given(
    gs=gradient_lists,
    rate=rates,
    beta_1=st.floats(0, 0.99),
    beta_2=st.floats(0, 0.999),
    log_epsilon=st.floats(-10, -2),
)
def test_adam_and_nadam_agree_with_their_textbook_forms(rule, gs, rate, beta_1, beta_2, log_epsilon):
    """p := p - alpha m_hat / (sqrt(v_hat) + epsilon_hat), epsilon_hat = epsilon / sqrt(1 - beta_2^t), with the moments
    written as sums over the past; nadam's m_hat is beta_1 m / (1 - beta_1^(t+1)) + (1 - beta_1) g / (1 - beta_1^t). 3t
    roundings in m, half of the 3t of v, 10 more, t <= 20, relative to the step that |g| would make; the sums of steps
    take 20 more. 1 - beta^t is the same number on both sides.
    """
    epsilon = 10**log_epsilon
    p = np.array([0.5])
    adam = reference.Optimizer(rule, beta_1=beta_1, beta_2=beta_2, epsilon=epsilon)
    expected, travelled = 0.5, 0.0
    for t in range(1, len(gs) + 1):
        adam.update([p], [np.array([gs[t - 1]])], rate)
        past = list(enumerate(reversed(gs[:t])))
        m = (1 - beta_1) * math.fsum(beta_1**k * g for k, g in past)
        m_size = (1 - beta_1) * math.fsum(beta_1**k * abs(g) for k, g in past) / (1 - beta_1**t)
        m_hat = m / (1 - beta_1**t)
        if rule == "nadam":
            own = (1 - beta_1) * gs[t - 1] / (1 - beta_1**t)
            m_hat, m_size = beta_1 * m / (1 - beta_1 ** (t + 1)) + own, m_size + abs(own)
        v_hat = (1 - beta_2) * math.fsum(beta_2**k * g * g for k, g in past) / (1 - beta_2**t)
        divisor = math.sqrt(v_hat) + epsilon / math.sqrt(1 - beta_2**t)
        expected -= rate * m_hat / divisor
        travelled += rate * m_size / divisor
        assert abs(p[0] - expected) <= 120 * EPS * (0.5 + travelled)


@given(gs=gradient_lists, rate=rates, mu=st.floats(0, 0.99))
def test_momentum_is_a_sum_over_the_past(gs, rate, mu):
    """p_T = p_0 - alpha sum over t of g_t (1 + mu + ... + mu^(T - t)): at most 20 steps of 4 roundings."""
    p = np.array([0.5])
    momentum = reference.Optimizer("momentum", momentum=mu)
    for g in gs:
        momentum.update([p], [[g]], rate)
    T = len(gs)
    moves = [rate * g * math.fsum(mu**k for k in range(T - t)) for t, g in enumerate(gs)]
    assert abs(p[0] - (0.5 - math.fsum(moves))) <= 50 * EPS * (0.5 + math.fsum(map(abs, moves)))


@given(p_0=st.floats(-2, 2), rate=rates, mu=st.floats(0, 0.99))
def test_nesterov_agrees_with_the_look_ahead_form(p_0, rate, mu):
    """On f = p^4/4: p is theta + mu v of the original form, v := mu v - alpha f'(theta + mu v), theta := theta + v.

    Both iterations are stable (alpha f'' <= 1.2): an error in v is carried on, undiminished at worst, into at most 20
    moves of theta. 20 steps a side of 8 roundings of numbers below 4.
    """
    p = np.array([p_0])
    nesterov = reference.Optimizer("nesterov", momentum=mu)
    theta, v = p_0, 0.0
    for _ in range(20):
        nesterov.update([p], [p**3], rate)
        v = mu * v - rate * (theta + mu * v) ** 3
        theta = theta + v
        assert abs(p[0] - (theta + mu * v)) <= 2 * 20 * 20 * 8 * 4 * EPS / 2


@given(gs=gradient_lists, rate=rates)
def test_sgd_keeps_no_state(gs, rate):
    p = np.array([0.5])
    expected = 0.5
    for g in gs:
        reference.Optimizer("sgd").update([p], [[g]], rate)
        expected = expected - rate * g
    assert p[0] == expected


@pytest.mark.parametrize("then", ["sgd", "momentum", "nesterov"])
@given(gs=gradient_lists, rate=rates, mu=st.floats(0, 0.99), beta_2=st.floats(0, 0.999), log_epsilon=st.floats(-10, -2))
def test_rmsprop_is_its_base_rule_on_scaled_gradients(then, gs, rate, mu, beta_2, log_epsilon):
    """g / (sqrt(s) + epsilon), s as a sum over the past: 3t roundings in s, half of them in its root, and 10 more, of
    each scaled gradient; each of up to 20 moves adds up to 1 / (1 - mu) of them, at most 20, and rounds 4 times.
    """
    epsilon = 10**log_epsilon
    p, expected = np.array([0.5]), np.array([0.5])
    name = "rmsprop" if then == "sgd" else f"rmsprop_{then}"
    rmsprop = reference.Optimizer(name, momentum=mu, beta_2=beta_2, epsilon=epsilon)
    rule = reference.Optimizer(then, momentum=mu)
    travelled = 0.0
    for t, g in enumerate(gs, start=1):
        rmsprop.update([p], [[g]], rate)
        s = (1 - beta_2) * math.fsum(beta_2**k * g_k * g_k for k, g_k in enumerate(reversed(gs[:t])))
        scaled = g / (math.sqrt(s) + epsilon)
        rule.update([expected], [[scaled]], rate)
        travelled += rate * abs(scaled)
        assert abs(p[0] - expected[0]) <= 80 * EPS * (0.5 + 21 * travelled)


small_arrays = hnp.arrays(np.float64, hnp.array_shapes(max_dims=2, max_side=4), elements=st.floats(-10, 10))


@given(G=st.lists(small_arrays, min_size=1), norm=st.floats(0.01, 100))
def test_clipping_scales_to_the_norm(G, norm):
    """Gradients within the norm are unchanged, longer ones are scaled down to it. The sums of squares have at most
    len(G) * 16 terms, which gives as many rounding errors relative to the norm, plus 3.
    """
    clipped, before = reference.clip(G, norm)
    exact = math.sqrt(math.fsum(float(x) ** 2 for g in G for x in g.ravel()))
    rounding = EPS * (16 * len(G) + 6)
    assert before == pytest.approx(exact, rel=rounding)
    if before <= norm:
        assert all(np.array_equal(g, c) for g, c in zip(G, clipped, strict=True))
    else:
        after = math.sqrt(math.fsum(float(x) ** 2 for g in clipped for x in g.ravel()))
        assert after == pytest.approx(norm, rel=rounding)
        assert all(np.allclose(c, g * (norm / exact), rtol=rounding, atol=0) for g, c in zip(G, clipped, strict=True))


@pytest.mark.parametrize("rule", reference.UPDATES)
def test_step_applies_the_optimizer_to_the_gradients(rule):
    """Over several mini-batches and rates, parameters are bitwise identical to those of the optimizer alone."""
    rng = np.random.default_rng(0)
    W, b, activations = random_network(rng, (3, 5, 2), ("relu", "softmax"))
    W_before = [W_l.copy() for W_l in W]
    net = reference.ReferenceNetwork(W, b, activations, "cross_entropy", optimizer=rule, l2=0.01)
    optimizer = reference.Optimizer(rule)
    parameters = [p.copy() for p in (*W, *b)]
    for t in range(5):
        X, Y = rng.normal(size=(3, 4)), random_targets(rng, "cross_entropy", 2, 4)
        w = rng.uniform(0, 1, 4)
        J, dW, db = reference.gradients(X, Y, parameters[:2], parameters[2:], activations, "cross_entropy", w, 0.01)
        optimizer.update(parameters, [*dW, *db], 0.1 / (1 + t))
        assert net.step(X, Y, 0.1 / (1 + t), w) == J
        assert all(np.array_equal(p, q) for p, q in zip([*net.W, *net.b], parameters, strict=True))
        assert np.array_equal(net.predict(X), reference.forward(X, net.W, net.b, activations)[1][2])
    assert all(np.array_equal(W_l, before) for W_l, before in zip(W, W_before, strict=True))


@pytest.mark.parametrize("rule", reference.UPDATES)
def test_step_with_non_finite_cost_changes_nothing(rule):
    def trained(poison):
        net = reference.ReferenceNetwork(
            [[[0.5]]], [[[0.1]]], ["identity"], "squared_error", optimizer=rule, weight_decay=0.1, clip_norm=1
        )
        for x in (1.0, *poison, 2.0):
            J = net.step([[x]], [[1.0]], 0.1)
            assert math.isfinite(J) == math.isfinite(x * x)
        return net

    poisoned, clean = trained([math.nan, math.inf, 1e200]), trained([])
    assert (poisoned.W[0], poisoned.b[0], poisoned.optimizer.t) == (clean.W[0], clean.b[0], 2)


def network_and_batch(rng, **settings):
    W, b, activations = random_network(rng, (3, 5, 2), ("tanh", "softmax"))
    net = reference.ReferenceNetwork(W, b, activations, "cross_entropy", **settings)
    return net, rng.normal(size=(3, 4)), random_targets(rng, "cross_entropy", 2, 4)


@pytest.mark.parametrize("rule", reference.UPDATES)
@given(seed=seeds)
def test_weight_decay_shrinks_weights_but_not_biases(rule, seed):
    """A step with decay equals a step without it from weights scaled by 1 - rate * decay, with the same gradient."""
    net, X, Y = network_and_batch(np.random.default_rng(seed), optimizer=rule)
    decaying = reference.ReferenceNetwork(
        net.W, net.b, net.activations, net.loss, optimizer=rule, weight_decay=0.5
    )
    _, dW, db = reference.gradients(X, Y, net.W, net.b, net.activations, net.loss)
    parameters = [*[(1 - 0.1 * 0.5) * W_l for W_l in net.W], *net.b]
    net.optimizer.update(parameters, [*dW, *db], 0.1)
    decaying.step(X, Y, 0.1)
    assert all(np.array_equal(p, q) for p, q in zip([*decaying.W, *decaying.b], parameters, strict=True))


@given(seed=seeds, clip_norm=st.floats(1e-3, 10))
def test_network_clips_the_norm_over_all_parameters(seed, clip_norm):
    """The gradient includes the derivatives of the penalties."""
    net, X, Y = network_and_batch(np.random.default_rng(seed), clip_norm=clip_norm, l2=0.3, l1=0.2)
    J, dW, db = reference.gradients(X, Y, net.W, net.b, net.activations, net.loss, None, 0.3, l1=0.2)
    before = [p.copy() for p in (*net.W, *net.b)]
    assert net.step(X, Y, 0.1) == J
    G, _ = reference.clip([*dW, *db], clip_norm)
    assert all(np.array_equal(p, q - 0.1 * g) for p, q, g in zip([*net.W, *net.b], before, G, strict=True))


def test_step_with_overflowing_norm_changes_nothing():
    """J is finite, but the square of its gradient is not."""
    net = reference.ReferenceNetwork([[[0.0]]], [[[0.0]]], ["identity"], "squared_error", clip_norm=1)
    assert math.isnan(net.step([[1e200]], [[1.0]], 0.1))
    assert (net.W[0], net.b[0], net.optimizer.t) == (0, 0, 0)


@given(seed=seeds, l1=st.floats(0, 10))
def test_l1_penalty_worked_by_hand(seed, l1):
    """The penalty adds l1 |w| to J and l1 sign(w) to dW, with a rounding error each for the product and the sum."""
    W = np.array([[2.0, -3.0, 0.0]])
    X, Y = np.random.default_rng(seed).normal(size=(3, 4)), np.zeros((1, 4))
    net = ([W], [[[5.0]]], ["identity"], "squared_error")
    J, dW, db = reference.gradients(X, Y, *net, l1=l1)
    plain_J, plain_dW, plain_db = reference.gradients(X, Y, *net)
    assert pytest.approx(plain_J + 5 * l1, rel=4 * EPS) == J
    assert np.all(np.abs(dW[0] - plain_dW[0] - l1 * np.array([1, -1, 0])) <= 2 * EPS * (np.abs(plain_dW[0]) + l1))
    assert np.array_equal(db[0], plain_db[0])


# ---- Dropout --------------------------------------------------------------------------------------------------------


def test_generator_gives_the_published_words():
    """The known answers for 13 rounds, published by the authors with their code."""
    for key, counter, expected in (
        ((0, 0), (0, 0), (0x9D1C5EC6, 0x8BD50731)),
        ((2**32 - 1, 2**32 - 1), (2**32 - 1, 2**32 - 1), (0xFD36D048, 0x2D17272C)),
        ((0x13198A2E, 0x03707344), (0x243F6A88, 0x85A308D3), (0xBA3E4725, 0xF27D669E)),
    ):
        assert reference.random_words(key, counter) == expected


@given(
    n=st.integers(1, 9), m=st.integers(1, 9), rate=st.floats(0, 1, exclude_max=True), seed=st.integers(0, 2**64 - 1),
    step=st.integers(0, 2**40), layer=st.integers(1, 5),
)  # fmt: skip
def test_dropout_mask_compares_each_word_with_the_rate(n, m, rate, seed, step, layer):
    """Word e = j n + i decides on unit i of example j; computed here one unit at a time."""
    D = reference.dropout_mask(rate, (n, m), seed=seed, step=step, layer=layer)
    key = reference.random_words((seed % 2**32, seed // 2**32), (step % 2**32, step // 2**32))
    for j in range(m):
        for i in range(n):
            e = j * n + i
            word = reference.random_words(tuple(map(int, key)), (e // 2, layer - 1))[e % 2]
            assert D[i, j] == (1 / (1 - rate) if word >= math.floor(rate * 2**32) else 0)


@given(seed=seeds, step=st.integers(0, 100))
def test_dropped_units_do_not_count(seed, step):
    """For one example, J, dW and db are those of the smaller network with W[2] scaled by 1 / (1 - rate). The sums only
    differ in zeros: 20 rounding errors of numbers below 4, amplified up to 2 * 9.3 times in exponents, as |z[2]| <=
    1 + 5 / 0.6.
    """
    rng = np.random.default_rng(seed)
    (W1, W2), (b1, b2), activations = random_network(rng, (3, 5, 2), ("tanh", "softmax"))
    X, Y = rng.uniform(-1, 1, (3, 1)), random_targets(rng, "cross_entropy", 2, 1)
    D = reference.dropout_mask(0.4, (5, 1), seed=seed, step=step, layer=1)
    kept = D.ravel() > 0
    assume(kept.any())
    J, dW, db = reference.gradients(X, Y, [W1, W2], [b1, b2], activations, "cross_entropy", masks=[D])
    smaller = [W1[kept], W2[:, kept] / 0.6], [b1[kept], b2]
    J_small, (dW1, dW2), (db1, db2) = reference.gradients(X, Y, *smaller, activations, "cross_entropy")
    bound = 20 * 4 * 20 * EPS
    assert abs(J - J_small) <= bound
    for got, expected in ((dW[0][kept], dW1), (dW[1][:, kept], dW2 / 0.6), (db[0][kept], db1), (db[1], db2)):
        assert np.all(np.abs(got - expected) <= bound)
    assert not dW[0][~kept].any() and not dW[1][:, ~kept].any() and not db[0][~kept].any()


@settings(max_examples=20)
@given(seed=seeds)
def test_each_step_drops_other_units(seed):
    """The mask depends on the number of updates: a step that changes nothing does not change it."""
    net, X, Y = network_and_batch(np.random.default_rng(seed), dropout=[0.3], dropout_seed=seed << 32 | seed)
    for t in range(3):
        D = reference.dropout_mask(0.3, (5, 4), seed=seed << 32 | seed, step=t, layer=1)
        J = reference.gradients(X, Y, net.W, net.b, net.activations, net.loss, masks=[D])[0]
        assert math.isnan(net.step(X * np.nan, Y, 0.1))
        assert net.step(X, Y, 0.1) == J
    assert np.array_equal(net.predict(X), reference.forward(X, net.W, net.b, net.activations)[1][2])
