"""Gradient checking: correct gradients pass, wrong ones are found and named, entries at kinks are left out.

The tolerance 1e-7 follows from `_comparison.RELIABLE`: the estimated error of each compared numerical derivative is at
most 1e-8 of the gradient's norm. With P entries the relative error is therefore at most sqrt(P) 1e-8 / 2, which stays
below 1e-7 for the up to 300 entries of these networks. The analytic gradients are off by about 1e-15.
"""

import doctest
import math
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from fastnn import BinaryCrossEntropy, CrossEntropy, Huber, Network, Quantile, gradcheck, losses, reference
from fastnn.gradcheck import (
    GradientCheck,
    _comparison,
    _finite_differences,
    check_activation,
    check_function,
    check_loss,
    check_network,
    check_parameters,
    numerical_derivative,
)

ACTIVATIONS = reference.ACTIVATIONS
NEEDED = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid", "poisson": "exp", "gaussian": "identity"}
PER_TARGET = {"gaussian": 2}  # output units
PAIRS = [(output, loss) for output in ACTIVATIONS for loss in reference.LOSSES if NEEDED.get(loss, output) == output]


def data(output="sigmoid", m=6, n_x=3, n_out=2, seed=0):
    """X (m, n_x) and targets that suit the output."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((m, n_x))
    if output == "softmax":
        return X, rng.integers(n_out, size=m)
    if output == "sigmoid":
        return X, rng.integers(2, size=(m, n_out))
    if output == "exp":
        return X, rng.integers(1, 9, size=(m, n_out))
    return X, rng.standard_normal((m, n_out))


def network(sizes=(3, 4, 2), *, output="sigmoid", seed=1, kind=Network, **keywords):
    """A float64 network with random biases, because with zero biases many relu units would be close to their kinks."""
    net = kind(sizes, output=output, dtype="float64", random_state=seed, **{"activation": "tanh", **keywords})
    rng = np.random.default_rng(seed)
    for b in net.b:
        b[...] = rng.uniform(-0.5, 0.5, b.shape)
    return net


def assert_right(result, entries):
    assert result.passed(), str(result)
    assert (result.entries, result.left_out) == (entries, 0)


# ---- correct gradients pass


def test_pairs_are_exactly_those_that_network_accepts():
    allowed = []
    for output in ACTIVATIONS:
        for loss in reference.LOSSES:
            try:
                allowed.append((output, Network([2, 2], output=output, loss=loss) and loss))
            except ValueError:
                continue
    assert allowed == PAIRS
    assert len(PAIRS) == 4 * len(ACTIVATIONS) + 4  # four losses suit every output, four only one


@pytest.mark.parametrize(("output", "loss"), PAIRS)
@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_gradients_of_every_activation_output_and_loss_pass(activation, output, loss):
    n_out = 3 * PER_TARGET.get(loss, 1)
    net = network((3, 4, n_out), activation=activation, output=output, loss=loss, l2=0.1)
    X, y = data(output, 5, 3, 3)
    assert_right(check_network(net, X, y, sample_weight=[1, 0.5, 0, 2, 1]), 16 + 5 * n_out)


@settings(max_examples=30)
@given(case=st.sampled_from([("softmax", CrossEntropy(0.1)), ("sigmoid", BinaryCrossEntropy(0.3)),
                             ("identity", Huber(0.4)), ("tanh", Huber(2.0)), ("silu", Quantile(0.9)),
                             ("identity", Quantile([0.1, 0.6]))]),
       activation=st.sampled_from(ACTIVATIONS), l1=st.sampled_from([0.0, 0.05]), l2=st.sampled_from([0.0, 0.1]),
       seed=st.integers(0, 2**32 - 1))
def test_losses_with_parameters_and_penalties_pass(case, activation, l1, l2, seed):
    """A few entries near a kink of the loss or of relu may be left out."""
    output, loss = case
    net = network((3, 4, 2), activation=activation, output=output, loss=loss, l1=l1, l2=l2, seed=seed)
    result = check_network(net, *data(output, 7, 3, 2 // loss.per_target, seed))
    assert result.passed(), str(result)
    assert result.entries + result.left_out == net.n_parameters and result.left_out <= 4


@settings(max_examples=30)
@given(sizes=st.lists(st.integers(2, 5), min_size=2, max_size=7), pair=st.sampled_from(PAIRS),
       names=st.lists(st.sampled_from([name for name in ACTIVATIONS if "relu" not in name]), min_size=5, max_size=5),
       m=st.integers(1, 9), l2=st.sampled_from([0.0, 0.01, 1.0]), weighted=st.booleans(),
       seed=st.integers(0, 2**32 - 1))
def test_networks_of_any_depth_pass(sizes, pair, names, m, l2, weighted, seed):
    output, loss = pair
    n_targets = sizes[-1]
    sizes = [*sizes[:-1], n_targets * PER_TARGET.get(loss, 1)]
    net = network(sizes, activation=names[: len(sizes) - 2], output=output, loss=loss, l2=l2, seed=seed)
    X, y = data(output, m, sizes[0], n_targets, seed)
    weights = np.random.default_rng(seed).uniform(0.1, 3, m) if weighted else None
    # exp of exp may overflow, and where A is infinite the gradient is not defined.
    assume(all(np.abs(A).max() < 1e100 for A in net.forward(X, return_cache=True)[1].A))
    result = check_network(net, X, y, sample_weight=weights)
    assert result.entries + result.left_out == net.n_parameters
    if result.entries:  # none is compared if the gradient is nearly zero
        assert result.passed(), str(result)


def test_deep_relu_network_passes():
    net = network((4, 8, 8, 8, 8, 3), activation="relu", output="softmax", seed=3)
    result = check_network(net, *data("softmax", 20, 4, 3))
    assert result.passed(), str(result)
    assert result.entries == net.n_parameters


def test_step_adapts_to_unscaled_pixels():
    """With features in 0 .. 255, J changes on a scale of 1/255, and the step must adapt to it."""
    rng = np.random.default_rng(0)
    net = network((6, 1), seed=0)
    net.W[0] /= 255
    assert_right(check_network(net, rng.integers(256, size=(9, 6)), rng.integers(2, size=9)), 7)


def moderate(seed, shape):
    """Numbers of both signs, further from the kink than the longest step, and not saturated."""
    rng = np.random.default_rng(seed)
    return rng.choice([-1, 1], shape) * rng.uniform(0.05, 4, shape)


@pytest.mark.parametrize("name", ACTIVATIONS)
@settings(max_examples=20)
@given(shape=st.tuples(st.integers(2, 5), st.integers(1, 5)), seed=st.integers(0, 2**32 - 1))
def test_kernels_of_every_activation_pass(name, shape, seed):
    assert_right(check_activation(name, moderate(seed, shape)), math.prod(shape))


LOSSES = [*losses.BY_NAME, CrossEntropy(0.1), BinaryCrossEntropy(0.3), Huber(0.7), Quantile(0.9),
          Quantile([0.2, 0.5, 0.7])]


@pytest.mark.parametrize("loss", LOSSES, ids=str)
@settings(max_examples=20)
@given(shape=st.tuples(st.integers(2, 5), st.integers(1, 5)), seed=st.integers(0, 2**32 - 1))
def test_kernels_of_every_loss_pass(loss, shape, seed):
    rng = np.random.default_rng(seed)
    per_target = loss.per_target if isinstance(loss, losses.Loss) else PER_TARGET.get(loss, 1)
    shape = (shape[0] * per_target, shape[1])
    Z = moderate(seed, shape)
    labels = rng.integers(shape[0], size=shape[1])
    targets = {"cross_entropy": [reference.one_hot(labels, shape[0]), labels,
                                 rng.dirichlet(np.ones(shape[0]), shape[1]).T],
               "binary_cross_entropy": [rng.integers(2, size=shape), rng.random(shape)],
               "poisson": [rng.integers(9, size=shape), rng.random(shape)]}
    away = moderate(seed + 1, shape)  # of the real-valued losses: from their kink at 0, and from Huber's at +-delta
    for delta in (0.7, 1.0):
        away = np.where(np.abs(np.abs(away) - delta) < 0.05, 1.1 * delta, away)
    for Y in targets.get(loss if isinstance(loss, str) else loss.name, [(Z + away)[::per_target]]):
        assert_right(check_loss(loss, Z, Y), math.prod(shape))


def model(parameters, X, Y):
    """The two-layer network of the course in NumPy, tanh and sigmoid: J and {"dW1": ...}."""
    A1 = np.tanh(parameters["W1"] @ X + parameters["b1"])
    A2 = 1 / (1 + np.exp(-(parameters["W2"] @ A1 + parameters["b2"])))
    m = X.shape[1]
    dZ2 = A2 - Y
    dZ1 = parameters["W2"].T @ dZ2 * (1 - A1**2)
    grads = {"dZ2": dZ2, "dW2": dZ2 @ A1.T / m, "db2": dZ2.sum(axis=1, keepdims=True) / m,
             "dW1": dZ1 @ X.T / m, "db1": dZ1.sum(axis=1, keepdims=True) / m}
    return -np.mean(Y * np.log(A2) + (1 - Y) * np.log(1 - A2)), grads


@pytest.fixture
def course():
    rng = np.random.default_rng(5)
    parameters = {"W1": np.asfortranarray(rng.standard_normal((4, 2))), "b1": rng.standard_normal((4, 1)),
                  "W2": rng.standard_normal((1, 4)), "b2": np.zeros((1, 1))}
    X, Y = rng.standard_normal((2, 9)), rng.integers(2, size=(1, 9))
    return parameters, model(parameters, X, Y)[1], lambda parameters: model(parameters, X, Y)[0]


def test_parameter_dictionaries_are_checked_and_unchanged(course):
    parameters, grads, cost = course
    before = {name: value.tobytes() for name, value in parameters.items()}
    assert_right(check_parameters(cost, parameters, grads), 17)
    assert {name: value.tobytes() for name, value in parameters.items()} == before

    def careless(parameters):
        J = cost(parameters)
        for value in parameters.values():
            value *= 0
        return np.array([[J]])  # a single number, but as an array

    assert_right(check_parameters(careless, parameters, grads), 17)
    assert {name: value.tobytes() for name, value in parameters.items()} == before


def test_gradients_of_functions_pass():
    x = np.random.default_rng(0).uniform(0.5, 2, (2, 3))
    assert_right(check_function(lambda x: np.sum(np.log(x)), x, 1 / x), 6)
    assert_right(check_function(math.exp, 1, math.e), 1)
    assert_right(check_function(lambda x: 7 * x[0], [1, 2], [7, 0]), 2)


@pytest.mark.parametrize("size", [1e-300, 1e-170, 1e170, 1e300])
def test_gradients_near_the_range_limits_of_float64_pass(size):
    """Gradients whose squares are outside the range of float64, and points at its limits."""
    assert_right(check_function(lambda x: size * math.sin(x), 1.0, size * math.cos(1)), 1)
    assert_right(check_function(lambda x: float(np.sum(size * np.sin(x))), [1.0, 2.0], size * np.cos([1.0, 2.0])), 2)
    for x in (1e307, 1e308, -1.7e308):
        assert_right(check_function(lambda x: math.sin(x * 1e-308), x, 1e-308 * math.cos(x * 1e-308)), 1)


@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3])
@pytest.mark.parametrize("x", [-1e4, -3.0, 0.0, 1e-6, 0.7, 50.0])
def test_slope_bounds_its_own_error(x, scale):
    """The estimated error of `slope` is an upper bound, and small enough for an entry to be compared."""
    scale = scale / max(1, abs(x))  # the function varies on 1e-3 to 1e3 times the scale of the entry
    for f, derivative in ((lambda v: math.sin(scale * (v - x) + 1), scale * math.cos(1)),
                          (lambda v: math.exp(scale * (v - x)), scale),
                          (lambda v: math.sin(scale * (v - x)), scale)):  # odd: its S(h) is 0 at every h
        slope, uncertainty = _finite_differences.slope(f, x)
        # The estimate assumes one rounding error of f; these functions have about 3.
        assert abs(slope - derivative) <= 4 * uncertainty
        assert uncertainty <= _comparison.RELIABLE * derivative


# ---- wrong gradients fail, and the entry is named


class Wrong(Network):
    """A network whose gradients are modified in place by ``fault(dW, db)``."""

    def gradients(self, *arguments, **keywords):
        J, dW, db = super().gradients(*arguments, **keywords)
        self.fault(dW, db)
        return J, dW, db


def wrong(fault, **keywords):
    net = network(kind=Wrong, **keywords)
    net.fault = fault
    return check_network(net, *data("sigmoid", 6, net.layer_sizes[0], net.layer_sizes[-1]))


def test_scaled_gradient_fails():
    def fault(dW, db):
        for array in (*dW, *db):
            array *= 1.001

    result = wrong(fault)
    assert not result.passed()
    assert result.relative_error == pytest.approx(0.001 / 2.001, rel=1e-4)  # accurate to 1e-7 / 5e-4, with a margin
    assert result.analytic == pytest.approx(1.001 * result.numeric, rel=1e-6)


SIZES = (130, 2, 17, 2)  # W[1] and W[3] are stored row-major, W[2] column-major


def test_network_of_test_one_wrong_entry_has_both_storage_orders():
    assert network(SIZES)._parameters.row_major == (True, False, True)


@settings(max_examples=12)
@given(layer=st.integers(1, 3), bias=st.booleans(), draw=st.data())
def test_one_wrong_entry_is_named(layer, bias, draw):
    shape = (SIZES[layer], 1 if bias else SIZES[layer - 1])
    place = tuple(draw.draw(st.integers(0, n - 1)) for n in shape)

    def fault(dW, db):
        (db if bias else dW)[layer - 1][place] += 1e-5

    result = wrong(fault, sizes=SIZES)
    assert not result.passed()
    assert result.worst == f"{'b' if bias else 'W'}[{layer}][{place[0]}, {place[1]}]"
    assert result.analytic - result.numeric == pytest.approx(1e-5, rel=1e-2)  # numeric is off by 1e-8, at most
    assert result.worst in str(result)


def test_missing_l2_term_names_the_largest_weight():
    def fault(dW, db):
        for W, gradient in zip(net.W, dW, strict=True):
            gradient -= 0.01 * W

    net = network(kind=Wrong, l2=0.01)
    net.fault = fault
    result = check_network(net, *data())
    assert not result.passed()
    layer, place = max(((l, place) for l, W in enumerate(net.W, 1) for place in np.ndindex(W.shape)),
                       key=lambda where: abs(net.W[where[0] - 1][where[1]]))
    assert result.worst == f"W[{layer}][{place[0]}, {place[1]}]"


def test_sum_instead_of_mean_and_nan_fail():
    def summed(dW, db):
        db[1] *= 6

    result = wrong(summed)
    assert not result.passed() and result.worst.startswith("b[2]")

    def spoiled(dW, db):
        dW[0][1, 2] = math.nan

    result = wrong(spoiled)
    assert math.isnan(result.relative_error) and not result.passed()
    assert result.worst == "W[1][1, 2]" and math.isnan(result.analytic)


def test_wrong_kernels_fail(monkeypatch):
    def scaled(name, cache, dZ, **keywords):
        kernels.activate_backward(name, cache, dZ, **keywords)
        dZ *= 1.001

    def off(name, Z, Y, weights, dZ, level, parameter):
        value = kernels.loss(name, Z, Y, weights, dZ, level, parameter)
        dZ[1, 2:] += 0.01  # only in the call on all columns
        return value

    kernels = gradcheck.kernels
    wrong = SimpleNamespace(activate=kernels.activate, activate_backward=scaled, loss=off)
    monkeypatch.setattr(gradcheck, "kernels", wrong)
    Z = moderate(0, (3, 4))
    for name in ACTIVATIONS:
        assert not check_activation(name, Z).passed(1e-4)
    for name in ("binary_cross_entropy", "squared_error"):
        result = check_loss(name, Z[:, :3], np.zeros((3, 3)))
        assert not result.passed() and result.worst == "Z[1, 2]"


def test_wrong_entry_of_a_parameter_dictionary_is_named(course):
    parameters, grads, cost = course
    for name, value in parameters.items():
        for place in np.ndindex(value.shape):
            bad = {key: array.copy() for key, array in grads.items()}
            bad[f"d{name}"][place] += 1e-3
            result = check_parameters(cost, parameters, bad)
            assert not result.passed()
            assert result.worst == f"{name}[{place[0]}, {place[1]}]"
    swapped = grads | {"db1": grads["db1"][::-1]}
    assert check_parameters(cost, parameters, swapped).worst.startswith("b1[")


def test_wrong_gradient_of_a_function_is_named():
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    result = check_function(lambda x: np.sum(x**2), x, 2 * x + [[0, 0], [0.01, 0]])
    assert result.worst == "x[1, 0]" and not result.passed()
    assert check_function(lambda x: x**2, 3.0, 7.0).worst == "x"


# ---- kinks and noise


def test_entries_at_a_kink_are_left_out():
    """With an example of zeros and zero biases, each hidden unit is at its kink, but only its bias moves it off."""
    net = network((3, 4, 2), activation="relu")
    net.b[0][...] = 0
    X, y = data()
    X[2] = 0
    result = check_network(net, X, y)
    assert result.passed(), str(result)
    assert (result.entries, result.left_out) == (net.n_parameters - 4, 4)
    assert "4 left out" in str(result)


@pytest.mark.parametrize("distance", [1e-1, 1e-2, 1e-3, 1e-4, 1e-5])
def test_entries_near_a_kink_are_compared(distance):
    x = np.array([distance, -distance, 1.0])
    assert_right(check_function(lambda x: np.maximum(x, 0).sum() + (x**2).sum(), x, (x > 0) + 2 * x), 3)


@pytest.mark.parametrize("jump", [1.0, 1e-3, 1e-5])
def test_small_jumps_of_the_slope_are_left_out(jump):
    """At a jump the two-sided quotient is the mean of both slopes, and neither of them may count as wrong."""
    def f(x):
        return math.sin(x[0] + 1) + jump * abs(x[0]) + math.sin(x[1])

    for side in (-1, 1):
        result = check_function(f, [0, 0], [math.cos(1) + side * jump, 1])
        assert result.passed() and result.left_out == 1, str(result)


@pytest.mark.parametrize("name", ["relu", "leaky_relu", "selu"])
def test_activations_at_their_kink_are_left_out(name):
    result = check_activation(name, [[0.0, 1.0], [-1.0, 0.0]])
    assert result.passed() and (result.entries, result.left_out) == (2, 2)
    assert not check_activation(name, [[0.0]]).passed()


def test_gradient_lost_in_rounding_errors_does_not_pass():
    assert check_function(lambda x: 7, [1, 2], [0, 0]).left_out == 2  # flat, or only flat up to rounding errors
    result = check_activation("tanh", [[18.0]])  # 1 - tanh^2 is 1e-15
    assert math.isnan(result.relative_error) and not result.passed() and result.left_out == 1
    assert str(result).startswith("no entries compared; 1 left out")
    rng = np.random.default_rng(0)
    noisy = check_function(lambda x: float(np.sum(x**2)) + 1e-6 * rng.standard_normal(), [1.0, 2.0], [2.0, 4.0])
    assert noisy.entries == 0 and not noisy.passed()


def test_points_near_the_edge_of_the_domain_pass():
    x = np.array([1e-3, 1.0])  # steps longer than 1e-3 would take logarithms of negative numbers
    assert_right(check_function(lambda x: np.sum(np.log(x)), x, 1 / x), 2)
    with pytest.raises(ValueError, match="must be finite at the point itself, got nan"):
        check_function(lambda x: np.sum(np.log(x)), -x, 1 / x)


# ---- subsets, steps and results


def test_random_entries_are_reproducible():
    net = network((3, 8, 2))
    X, y = data()
    result = check_network(net, X, y, entries=7, random_state=3)
    assert_right(result, 7)
    assert result == check_network(net, X, y, entries=7, random_state=3)
    drawn = {check_network(net, X, y, entries=1, random_state=seed).worst for seed in range(40)}
    assert len(drawn) > 15
    assert_right(check_network(net, X, y, entries=net.n_parameters + 5), net.n_parameters)


def test_given_step_uses_the_plain_difference_quotient():
    """D(h) of e^x is e^x sinh(h) / h, apart from the rounding errors of e^(x +- h) / h."""
    for h in (0.5, 1e-1, 1e-2, 1e-3):
        result = check_function(math.exp, 1.0, math.e, step=h)
        assert result.numeric == pytest.approx(math.e * math.sinh(h) / h, rel=4 * _finite_differences.EPS / h)
        assert (result.entries, result.left_out) == (1, 0)
    kink = check_function(abs, 0.0, 1.0, step=1e-3)
    assert (kink.numeric, kink.left_out) == (0, 0)
    assert check_network(network(), *data(), step=1e-4).passed(1e-6)  # h^2 f''' / 6 f' and rounding


def test_numerical_derivative_is_the_nudge_of_the_course():
    def near(value):  # f has rounding errors of about 4 eps, divided by the step 0.001
        return pytest.approx(value, rel=8 * _finite_differences.EPS / 1e-3)

    assert numerical_derivative(lambda a: 3 * a, 2) == near(3)
    assert numerical_derivative(lambda a: a**2, 2, two_sided=False) == near(4.001)
    assert numerical_derivative(lambda a: a**2, 2) == near(4)
    assert numerical_derivative(lambda a: a**2, 2, step=0.5, two_sided=False) == 4.5
    assert type(numerical_derivative(lambda a: a**2, 2)) is float
    x = np.array([[1.0, 2.0], [3.0, 4.0]])
    slopes = numerical_derivative(lambda x: np.sum(x**2), x)
    assert slopes.shape == x.shape and slopes == near(2 * x)
    with pytest.raises(ValueError, match=r"step 1e-20 is lost in the rounding of 2"):
        numerical_derivative(lambda a: a, 2, step=1e-20)


def test_result_is_immutable_and_printable():
    result = GradientCheck(3e-8, "W[2][0, 3]", 0.25, 0.125, 9, 0)
    assert result.passed() and not result.passed(1e-8)
    assert str(result) == "relative error 3.00e-08 over 9 entries; worst W[2][0, 3]: analytic 0.25, numeric 0.125"
    with pytest.raises(AttributeError):
        result.entries = 3


# ---- the network does not change


def state(net):
    return b"".join(array.tobytes() for array in (*net.W, *net.b)), repr(net), net._rng.bit_generator.state


def test_check_does_not_change_the_network():
    net = network()
    X, y = data()
    net.fit(X, y, epochs=2)
    history, before = net.history, state(net)
    check_network(net, X, y)
    check_network(net, X, y, entries=3, random_state=0, step=1e-3)
    assert state(net) == before and net.history is history


class Interrupted(Network):
    """A network whose loss raises in the middle of a check."""

    calls = 0

    def loss(self, *arguments, **keywords):
        Interrupted.calls += 1
        if Interrupted.calls % 50 == 0:
            raise KeyboardInterrupt
        return super().loss(*arguments, **keywords)


def test_interrupted_check_does_not_change_the_network():
    net = network(kind=Interrupted)
    before = state(net)
    with pytest.raises(KeyboardInterrupt):
        check_network(net, *data())
    assert state(net) == before


# ---- bad input


def test_networks_that_cannot_be_checked_are_refused():
    X, y = data()
    with pytest.raises(ValueError, match=r"float64, got float32.*dtype='float64'"):
        check_network(Network([3, 2], output="sigmoid"), X, y)
    with pytest.raises(TypeError, match=r"must be a fastnn\.Network, got str"):
        check_network("net", X, y)
    with pytest.raises(ValueError, match=r"X must have shape \(m, n\[0\]\) = \(m, 3\)"):
        check_network(network(), X[:, :2], y)


@pytest.mark.parametrize("keywords", [{"step": 0}, {"step": -1e-3}, {"step": "a"}, {"entries": 0}, {"entries": 2.5},
                                      {"random_state": -1}])
def test_bad_settings_are_refused(keywords):
    with pytest.raises((ValueError, TypeError), match=next(iter(keywords))):
        check_function(np.sum, [1.0], [1.0], **keywords)
    with pytest.raises((ValueError, TypeError), match=next(iter(keywords))):
        check_network(network(), *data(), **keywords)


@pytest.mark.parametrize(("run", "error", "text"), [
    (lambda p, g, J: check_parameters(J, p, {"dW1": 0}), ValueError, "gradients must hold db1, dW2, db2; got dW1"),
    (lambda p, g, J: check_parameters(J, p, {}), ValueError, "got nothing"),
    (lambda p, g, J: check_parameters(J, p, g | {"dW1": g["dW1"].T}), ValueError, "dW1 must have shape (4, 2)"),
    (lambda p, g, J: check_parameters(J, p | {"b1": p["b1"].astype("f4")}, g), ValueError, "b1 is float32"),
    (lambda p, g, J: check_parameters(J, p | {"b1": "b"}, g), TypeError, "b1 must hold real numbers"),
    (lambda p, g, J: check_parameters(J, p | {"b2": [[math.inf]]}, g), ValueError, "b2 must be finite"),
    (lambda p, g, J: check_parameters(J, {}, g), ValueError, "at least one"),
    (lambda p, g, J: check_parameters(J, list(p), g), TypeError, "parameters must be a dict"),
    (lambda p, g, J: check_parameters(J, p, 3), TypeError, "gradients must be a dict"),
    (lambda p, g, J: check_parameters(lambda p: p["W1"], p, g), ValueError, "cost(parameters) must be a single real"),
    (lambda p, g, J: check_function(np.sum, [1.0, 2.0], [1.0]), ValueError, "gradient must have shape (2,)"),
    (lambda p, g, J: check_function(np.abs, [1.0, 2.0], [1.0, 1.0]), ValueError, "f(x) must be a single real"),
    (lambda p, g, J: check_function(np.sum, [], []), ValueError, "not be empty"),
    (lambda p, g, J: check_function(np.sum, np.ones(2, "f4"), [1, 1]), ValueError, "x is float32"),
    (lambda p, g, J: check_activation("sigmoide", np.ones((2, 2))), ValueError, "sigmoid, tanh"),
    (lambda p, g, J: check_activation("tanh", [1.0]), ValueError, "Z must have shape (n, m)"),
    (lambda p, g, J: check_loss("hinge", np.ones((2, 2)), np.ones((2, 2))), ValueError, "squared_error"),
    (lambda p, g, J: check_loss("squared_error", np.ones((2, 2)), [1.0]), ValueError, "Y must have shape (2, 2)"),
    (lambda p, g, J: check_loss("cross_entropy", np.ones((2, 2)), [0, 2]), ValueError, "Y must hold labels"),
    (lambda p, g, J: check_loss("cross_entropy", np.ones((2, 3)), np.eye(3)), ValueError, "Y must have shape (2, 3)"),
    (lambda p, g, J: check_loss("cross_entropy", np.ones((2, 2)), np.ones((2, 2))), ValueError, "adds up to 2"),
    (lambda p, g, J: numerical_derivative(abs, 1.0, step=0), ValueError, "step must be finite and above 0"),
    (lambda p, g, J: numerical_derivative(abs, 1.0, two_sided=1), TypeError, "two_sided"),
    (lambda p, g, J: numerical_derivative(str, 1.0), ValueError, "f(x) must be a single real number, got str"),
])
def test_bad_input_is_refused(run, error, text, course):
    with pytest.raises(error) as raised:
        run(*course)
    assert text in str(raised.value)


@pytest.mark.parametrize("module", [gradcheck, _finite_differences])
def test_examples_in_docstrings(module):
    assert doctest.testmod(module).failed == 0
