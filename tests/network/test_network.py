"""Networks: construction, parameters, copies, and results against the NumPy reference."""

import copy
import math
import pickle
import weakref
from itertools import pairwise

import numpy as np
import pytest
from helpers.network_cases import parameter_bytes
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import fastnn
from fastnn import Network, reference

ACTIVATIONS = ["sigmoid", "tanh", "relu", "leaky_relu", "identity", "softmax", "elu", "selu", "gelu", "silu",
               "softplus", "mish"]
RELU_FAMILY = {"relu", "leaky_relu", "elu", "gelu", "silu", "softplus", "mish"}
LOSS = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}


# ---- construction


def test_defaults():
    net = Network([4, 3, 2])
    assert net.layer_sizes == (4, 3, 2)
    assert net.activations == ("relu", "softmax")
    assert (net.loss_name, net.init, net.l2, net.dtype) == ("cross_entropy", "auto", 0.0, np.float32)
    assert net.n_parameters == (4 + 1) * 3 + (3 + 1) * 2
    assert net.history is None


@pytest.mark.parametrize("output", ACTIVATIONS)
def test_auto_loss_follows_the_output(output):
    assert Network([2, 2], output=output).loss_name == LOSS.get(output, "squared_error")
    assert Network([2, 2], output=output, loss="squared_error").loss_name == "squared_error"


def test_activation_for_each_layer():
    net = Network([2, 3, 4, 1], activation=["tanh", "gelu"], output="sigmoid")
    assert net.activations == ("tanh", "gelu", "sigmoid")
    assert Network([2, 3, 4, 1], activation="selu", output="identity").activations == ("selu", "selu", "identity")
    assert Network([2, 1], output="sigmoid").activations == ("sigmoid",)


@pytest.mark.parametrize("dtype", ["float32", np.float64, np.dtype(">f4"), "d", float])
def test_dtype(dtype):
    net = Network([2, 3, 2], dtype=dtype)
    expected = np.dtype(dtype).newbyteorder("=")
    assert net.dtype == expected
    assert all(view.dtype == expected and view.dtype.isnative for view in (*net.W, *net.b))
    assert net.predict_proba([[1, 2]]).dtype == expected


def test_sizes_of_any_integer_type():
    net = Network(np.array([3, 2, 2], np.uint8))
    assert net.layer_sizes == (3, 2, 2) and all(type(n) is int for n in net.layer_sizes)
    assert Network(range(2, 5)).layer_sizes == (2, 3, 4)


def test_repr_builds_the_same_network():
    net = Network([3, 4, 1], activation=["tanh"], output="sigmoid", init="lecun_normal", l2=1e-4, dtype="float64")
    again = eval(repr(net), {"Network": Network})
    assert repr(again) == repr(net)
    assert again.activations == net.activations and again.dtype == net.dtype and again.l2 == net.l2


def test_summary_is_the_table_of_dimensions():
    text = Network([12288, 20, 7, 2], activation=["relu", "tanh"]).summary()
    assert text.splitlines() == [
        "X: (m, 12288), A[0] = X^T: (12288, m), loss: cross_entropy, float32",
        "layer  activation  W[l]         b[l]     Z[l], A[l]  parameters",
        "1      relu        (20, 12288)  (20, 1)  (20, m)        245,780",
        "2      tanh        (7, 20)      (7, 1)   (7, m)             147",
        "3      softmax     (2, 7)       (2, 1)   (2, m)              16",
        "                                         total          245,943",
    ]


# ---- initial weights

N_PREV, N = 400, 300  # 120 000 weights


@pytest.mark.parametrize(
    ("init", "variance", "kurtosis"),
    [
        ("small_normal", 0.01**2, 3.0),
        ("glorot_uniform", 2 / (N_PREV + N), 1.8),
        ("glorot_normal", 2 / (N_PREV + N), 3.0),
        ("he_uniform", 2 / N_PREV, 1.8),
        ("he_normal", 2 / N_PREV, 3.0),
        ("lecun_normal", 1 / N_PREV, 3.0),
    ],
)
def test_distribution_of_initial_weights(init, variance, kurtosis):
    """Mean, variance and kurtosis lie within 5 standard errors (of the large-sample theory) of their values."""
    net = Network([N_PREV, N], init=init, dtype="float64", random_state=0)
    w = net.W[0].ravel()
    assert abs(w.mean()) < 5 * math.sqrt(variance / w.size)
    # Var(s^2) = (kurtosis - 1) sigma^4 / N; that of the sample kurtosis is below 24 / N for both shapes.
    assert abs(w.var() / variance - 1) < 5 * math.sqrt((kurtosis - 1) / w.size)
    assert abs((w**4).mean() / (w**2).mean() ** 2 - kurtosis) < 5 * math.sqrt(24 / w.size)
    if kurtosis == 1.8:
        assert abs(w).max() <= math.sqrt(3 * variance)
    assert not np.any(net.b[0])


def test_zeros():
    net = Network([3, 4, 2], init="zeros")
    assert not any(np.any(view) for view in (*net.W, *net.b))


@pytest.mark.parametrize("activation", ACTIVATIONS)
def test_auto_init_is_he_normal_for_the_relu_family_else_glorot_uniform(activation):
    auto = Network([5, 4, 3], activation=activation, output=activation, random_state=7)
    init = "he_normal" if activation in RELU_FAMILY else "glorot_uniform"
    named = Network([5, 4, 3], activation=activation, output=activation, init=init, random_state=7)
    assert parameter_bytes(auto) == parameter_bytes(named)


def test_every_dtype_starts_from_the_same_numbers():
    single, double = (Network([6, 5, 4], dtype=dtype, random_state=1) for dtype in ("float32", "float64"))
    for W_32, W_64 in zip(single.W, double.W, strict=True):
        np.testing.assert_array_equal(W_32, W_64.astype(np.float32))


@pytest.mark.parametrize("init", ["glorot_uniform", "he_normal"])
def test_drawing_in_blocks_is_bitwise_identical(init, tuning):
    whole = Network([7, 11, 3], init=init, random_state=3)
    tuning(INITIALIZER_BLOCK=20)
    assert parameter_bytes(Network([7, 11, 3], init=init, random_state=3)) == parameter_bytes(whole)


@pytest.mark.parametrize("seed", [0, 1, 2**31, 2**32 - 1, 2**128 - 1, np.int64(5), np.uint8(5)])
def test_same_seed_is_bitwise_identical(seed):
    first, second = (Network([4, 5, 2], random_state=seed) for _ in range(2))
    from_generator = Network([4, 5, 2], random_state=np.random.default_rng(int(seed)))
    assert parameter_bytes(first) == parameter_bytes(second) == parameter_bytes(from_generator)


def test_other_seeds_give_other_parameters():
    seeds = [0, 1, None, None]
    assert len({parameter_bytes(Network([4, 5, 2], random_state=seed)) for seed in seeds}) == len(seeds)


def test_random_state_generator_is_shared():
    rng = np.random.default_rng(0)
    first, second = (Network([4, 5, 2], random_state=rng) for _ in range(2))
    assert parameter_bytes(first) != parameter_bytes(second)


def test_initialize_draws_new_weights_and_resets_the_optimizer():
    net = Network([2, 5, 2], random_state=0)
    twin = Network([2, 5, 2], random_state=0)
    before = parameter_bytes(net)
    X, y = np.eye(2), [0, 1]
    net.fit(X, y, epochs=3, batch_size=None)
    assert net.initialize() is net
    assert parameter_bytes(net) != before
    twin.initialize()
    assert parameter_bytes(net) == parameter_bytes(twin)
    net.fit(X, y, epochs=3, batch_size=None)
    twin.fit(X, y, epochs=3, batch_size=None)
    assert parameter_bytes(net) == parameter_bytes(twin)


# ---- W and b


@pytest.mark.parametrize("sizes", [(1, 1), (3, 1), (1, 4, 2), (5, 4, 3, 2), (300, 3, 40)])
def test_views_have_textbook_shapes_and_share_memory_with_the_parameters(sizes):
    net = Network(sizes, output="identity", dtype="float64", random_state=0)
    assert [W.shape for W in net.W] == [(n, n_prev) for n_prev, n in pairwise(sizes)]
    assert [b.shape for b in net.b] == [(n, 1) for n in sizes[1:]]
    X = np.ones((2, sizes[0]))
    for views in (net.W, net.b):
        assert len(views) == len(sizes) - 1
        for view in views:
            assert view.flags.writeable and (view.flags.c_contiguous or view.flags.f_contiguous)
            view[...] = 0
    np.testing.assert_array_equal(net.predict(X), 0)
    net.b[-1][...] = 3
    np.testing.assert_array_equal(net.predict(X), 3)
    net.W[0] += 1  # in place, through the list
    assert net.W is net._W and (net.W[0] == 1).all()


def test_assignment_copies_the_values():
    net = Network([2, 3, 2], dtype="float64", random_state=0)
    values = np.arange(6.0).reshape(3, 2)
    view = net.W[0]
    net.W[0] = values
    assert net.W[0] is view and not np.shares_memory(view, values)
    np.testing.assert_array_equal(view, values)
    net.W[-1] = [[1, 2, 3], [4, 5, 6]]
    np.testing.assert_array_equal(net.W[1], [[1, 2, 3], [4, 5, 6]])
    net.b[:] = [np.ones((3, 1)), np.full((2, 1), 2)]
    assert (net.b[0] == 1).all() and (net.b[1] == 2).all()


@pytest.mark.parametrize(
    ("symbol", "layer", "value", "text"),
    [
        ("W", 1, np.ones((4, 5)), r"W\[2\] must have shape \(n\[2\], n\[1\]\) = \(5, 4\), got \(4, 5\)"),
        ("W", 0, np.ones(12), r"W\[1\] must have shape \(n\[1\], n\[0\]\) = \(4, 3\), got \(12,\)"),
        ("W", -1, 1.0, r"W\[2\] must have shape .* got \(\)"),
        ("b", 0, np.ones(4), r"b\[1\] must have shape \(n\[1\], 1\) = \(4, 1\), got \(4,\)"),
        ("b", 1, np.ones((1, 5)), r"b\[2\] must have shape \(n\[2\], 1\) = \(5, 1\), got \(1, 5\)"),
        ("b", slice(0, 2), [np.ones((4, 1)), np.ones((4, 1))], r"b\[2\] must have shape"),
        ("b", slice(0, 2), [np.ones((4, 1))], "fixed number of layers"),
    ],
)
def test_assigning_a_wrong_shape_is_refused(symbol, layer, value, text):
    net = Network([3, 4, 5], random_state=0)
    before = parameter_bytes(net)
    with pytest.raises(ValueError, match=text):
        getattr(net, symbol)[layer] = value
    assert parameter_bytes(net) == before


@pytest.mark.parametrize("value", [np.full((4, 3), 1j), np.full((4, 3), "1"), np.full((4, 3), None)])
def test_assigning_invalid_values_is_refused(value):
    net = Network([3, 4, 5], random_state=0)
    before = parameter_bytes(net)
    with pytest.raises(TypeError, match="real numbers"):
        net.W[0] = value
    assert parameter_bytes(net) == before


@pytest.mark.parametrize("change", [lambda W: W.append(W[0]), lambda W: W.pop(), lambda W: W.__delitem__(0),
                                    lambda W: W.clear(), lambda W: W.reverse(), lambda W: W.__iadd__([1])])
def test_parameter_lists_have_a_fixed_length(change):
    net = Network([3, 3, 3], random_state=0)
    before = [id(view) for view in net.W]
    with pytest.raises((TypeError, AttributeError)):
        change(net.W)
    assert [id(view) for view in net.W] == before


def test_attributes_are_read_only():
    net = Network([2, 2])
    for name in ("W", "b", "layer_sizes", "activations", "dtype", "l2", "n_parameters"):
        with pytest.raises(AttributeError):
            setattr(net, name, None)


# ---- copies


def trained(**arguments):
    net = Network([3, 5, 2], random_state=4, **arguments)
    X = np.random.default_rng(0).standard_normal((30, 3))
    y = (X[:, 0] > 0).astype(int)
    net.fit(X, y, epochs=3, batch_size=7)
    return net, X, y


COPIERS = {"copy": Network.copy, "deepcopy": copy.deepcopy} | {
    f"pickle {protocol}": lambda net, protocol=protocol: pickle.loads(pickle.dumps(net, protocol))
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1)
}


@pytest.mark.parametrize("copier", COPIERS.values(), ids=COPIERS)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_copy_is_equal_independent_and_continues_identically(copier, dtype):
    net, X, y = trained(dtype=dtype)
    twin = copier(net)
    assert type(twin) is Network and repr(twin) == repr(net)
    assert parameter_bytes(twin) == parameter_bytes(net)
    assert twin.history.records == net.history.records and twin.history is not net.history
    before = parameter_bytes(net)
    twin.fit(X, y, epochs=4, batch_size=7)
    assert parameter_bytes(net) == before != parameter_bytes(twin)
    net.fit(X, y, epochs=4, batch_size=7)  # the optimiser's state and the generator were copied too
    assert parameter_bytes(net) == parameter_bytes(twin)
    np.testing.assert_array_equal(net.predict_proba(X), twin.predict_proba(X))
    twin.W[0][...] = 0  # its views are of its own parameters
    assert not np.array_equal(net.predict_proba(X), twin.predict_proba(X))


def test_a_pickle_holds_the_parameters_once():
    net = Network([300, 200, 10])
    assert len(pickle.dumps(net)) < net.n_parameters * 4 + 10_000


def test_views_can_be_pickled():
    net = Network([3, 2])
    loaded = pickle.loads(pickle.dumps(net.W))
    assert type(loaded) is list
    np.testing.assert_array_equal(loaded[0], net.W[0])


# ---- what it computes, against the reference
#
# Error analysis. Let u be the unit roundoff and |.| the same computation on absolute values: M_Z = |W| M_A + |b|,
# M_A = 2 M_Z + 1 (|g(z)| <= 2 |z| + 1 and |g'| <= 2 for all activations here), and backwards |dZ|, |dW| likewise.
# Every computed number is a sum of products along paths with at most K = sum of (n[l] + 16) for both passes + m
# roundings (16: bias, activation and its derivative at up to 4 ulp, loss, scale). So Z, A, dZ, dW, db are off by
# at most K u M each to first order; g'(Z) sees the error of Z times |g''| <= 2, which is the factor (1 + 2 max M_Z) per
# layer. The derivatives of relu, leaky_relu and selu jump at 0: cases with a Z within its error of 0 are left out.
# Twice all that covers the second order and the reference's own roundings.


def first_order_bounds(net, X, Y, weights):
    """Bounds on the errors of (A[L], J, dW, db) in textbook shapes; X (n[0], m), Y (n[L], m)."""
    u = np.finfo(net.dtype).eps / 2
    m, total = X.shape[1], weights.sum()
    K = 2 * (2 * sum(n + 16 for n in net.layer_sizes) + m)
    W, b = ([np.abs(v).astype(float) for v in views] for views in (net.W, net.b))
    M_A, M_Z = [np.abs(X)], []
    sensitivity = 1.0
    for W_l, b_l in zip(W, b, strict=True):
        M_Z.append(W_l @ M_A[-1] + b_l)
        M_A.append(2 * M_Z[-1] + 1)
        sensitivity *= 1 + 2 * M_Z[-1].max()
    dW, db, M_dZ = [], [], 2 * weights * (M_A[-1] + np.abs(Y))
    for l in range(len(W) - 1, -1, -1):
        dW.insert(0, K * u * sensitivity * (M_dZ @ M_A[l].T / total + net.l2 * W[l]))
        db.insert(0, K * u * sensitivity * M_dZ.sum(axis=1, keepdims=True) / total)
        M_dZ = 2 * (W[l].T @ M_dZ)
    # |dL/dA| and |dL/dZ| <= |A| + |Y|, for the squared error; 2 for the cross-entropies.
    losses = ((M_A[-1] + np.abs(Y) + 2) * (M_A[-1] + np.abs(Y))).sum(axis=0)
    J = K * u * (float(losses @ weights) / total + net.l2 * sum(float((W_l**2).sum()) for W_l in W))
    return K * u * sensitivity * M_A[-1], J, dW, db


def assert_within(actual, expected, bound):
    assert np.shape(actual) == np.shape(expected)
    excess = np.abs(np.asarray(actual, float) - expected) - bound
    assert (excess <= 0).all(), f"off by {np.abs(actual - expected).max()}, allowed {np.max(bound)}"


@st.composite
def cases(draw):
    output = draw(st.sampled_from(["softmax", "sigmoid", "identity", "tanh", "relu", "gelu"]))
    n_out = draw(st.integers(1 + (output == "softmax"), 5))
    sizes = [*draw(st.lists(st.integers(1, 9), min_size=1, max_size=3)), n_out]
    hidden = [draw(st.sampled_from(ACTIVATIONS)) for _ in sizes[1:-1]]
    loss = draw(st.sampled_from(["auto", "squared_error"]))
    net = Network(sizes, activation=hidden, output=output, loss=loss, l2=draw(st.sampled_from([0.0, 0.3])),
                  dtype=draw(st.sampled_from(["float32", "float64"])), random_state=draw(st.integers(0, 99)))
    rng = np.random.default_rng(draw(st.integers(0, 99)))
    for b in net.b:
        b[...] = rng.standard_normal(b.shape)
    m = draw(st.integers(1, 40))
    X = rng.standard_normal((m, sizes[0])).astype(net.dtype)
    if output == "softmax":
        y = rng.integers(n_out, size=m)
        Y = reference.one_hot(y, n_out)
        y = Y.T.copy() if draw(st.booleans()) else y
    else:
        y = rng.integers(2, size=(m, n_out)) if output == "sigmoid" else rng.standard_normal((m, n_out))
        y = y.astype(net.dtype)
        Y = y.T.astype(float)
        y = y[:, 0] if n_out == 1 and draw(st.booleans()) else y
    weights = rng.uniform(0.1, 2, m).astype(net.dtype) if draw(st.booleans()) else None
    return net, X, y, Y, weights


@settings(max_examples=150, deadline=None)
@given(cases())
def test_agrees_with_the_reference(case):
    net, X, y, Y, weights = case
    W, b, activations, loss = list(net.W), list(net.b), net.activations, net.loss_name
    Z, A = reference.forward(X.T, W, b, activations)
    J, dW, db = reference.gradients(X.T, Y, W, b, activations, loss, weights, net.l2)
    w = np.ones(len(X)) if weights is None else weights.astype(float)
    bound_A, bound_J, bound_dW, bound_db = first_order_bounds(net, X.T.astype(float), Y, w)
    assume(not any(np.abs(Z_l).min() < bound_A.max() for Z_l, name in zip(Z[1:], activations, strict=True)
                   if name in ("relu", "leaky_relu", "selu")))

    outputs = net.forward(X)
    assert outputs.dtype == net.dtype
    assert_within(outputs, A[-1].T, bound_A.T)
    cached, cache = net.forward(X, return_cache=True)
    assert_within(cached, A[-1].T, bound_A.T)
    for l, (Z_l, A_l) in enumerate(zip(cache.Z, cache.A, strict=True), 1):
        assert Z_l.shape == A_l.shape == Z[l].shape and not np.shares_memory(Z_l, A_l)
        assert_within(Z_l, Z[l], bound_A.max())
        assert_within(A_l, A[l], bound_A.max())

    if net.activations[-1] in LOSS:
        probabilities = net.predict_proba(X)
        expected, bound = A[-1].T, bound_A.T
        if net.activations[-1] == "sigmoid" and Y.shape[0] == 1:
            expected, bound = expected[:, 0], bound[:, 0]
        assert_within(probabilities, expected, bound)

    assert_within(net.loss(X, y, sample_weight=weights), J, bound_J)
    J_1, dW_1, db_1 = net.gradients(X, y, sample_weight=weights)
    assert_within(J_1, J, bound_J)
    for actual, expected, bound in zip((*dW_1, *db_1), (*dW, *db), (*bound_dW, *bound_db), strict=True):
        assert actual.dtype == net.dtype
        assert_within(actual, expected, bound)

    evaluation = net.evaluate(X, y, sample_weight=weights)
    assert evaluation["loss"] == net.loss(X, y, sample_weight=weights)
    if net.activations[-1] in LOSS:
        assert list(evaluation) == ["loss", "accuracy"]
        decisions = net.predict(X).reshape(len(X), -1)
        softmax = net.activations[-1] == "softmax"
        right = decisions[:, 0] == Y.argmax(axis=0) if softmax else (decisions == Y.T).all(axis=1)
        assert evaluation["accuracy"] == pytest.approx(np.average(right, weights=w), rel=1e-12)
    else:
        assert list(evaluation) == ["loss", "rmse"]
        mean_square = np.average(((outputs.astype(float) - Y.T) ** 2).mean(axis=1), weights=w)
        # In float64, of the outputs as they are: means of at most 40 x 5 squares.
        assert evaluation["rmse"] == pytest.approx(math.sqrt(mean_square), rel=1e-12)


def test_gradients_of_a_wide_network_by_differences():
    """(J(theta + h d) - J(theta - h d)) / 2h = dJ . d + O(h^2 J''') along random directions d, h = 1e-5.

    Rounding: 2 u J / 2h = 1e-11; truncation: h^2 J''' = 1e-10 J'''; with |d| = 1 and J''' below 1e3 here, 1e-6 is
    ample and any wrong term is larger.
    """
    rng = np.random.default_rng(0)
    net = Network([30, 64, 17, 3], activation=["gelu", "tanh"], l2=0.01, dtype="float64", random_state=0)
    X, y = rng.standard_normal((50, 30)), rng.integers(3, size=50)
    weights = rng.uniform(0, 2, 50)
    _, dW, db = net.gradients(X, y, sample_weight=weights)
    for _ in range(5):
        directions = [rng.standard_normal(v.shape) for v in (*net.W, *net.b)]
        length = math.sqrt(sum((d**2).sum() for d in directions))
        slope = sum((d * g).sum() for d, g in zip(directions, (*dW, *db), strict=True)) / length
        J = []
        for h in (1e-5, -1e-5):
            moved = net.copy()
            for view, d in zip((*moved.W, *moved.b), directions, strict=True):
                view += h / length * d
            J.append(moved.loss(X, y, sample_weight=weights))
        assert abs((J[0] - J[1]) / 2e-5 - slope) < 1e-6


def test_labels_and_one_hot_targets_are_the_same():
    net = Network([3, 4, 3], random_state=0)
    X = np.random.default_rng(0).standard_normal((6, 3))
    y = [0, 2, 1, 1, 0, 2]
    expected = net.loss(X, y)
    for same in (np.array(y), np.array(y, np.uint8), np.array(y, float), np.array(y)[:, None], np.eye(3)[y],
                 np.eye(3, dtype=bool)[y], np.eye(3, dtype=int)[y].tolist(), np.asfortranarray(np.eye(3)[y])):
        assert net.loss(X, same) == expected


def test_shapes_of_predictions():
    X = np.random.default_rng(0).standard_normal((5, 3))
    softmax = Network([3, 4])
    assert softmax.predict(X).shape == (5,) and softmax.predict(X).dtype.kind == "i"
    assert softmax.predict_proba(X).shape == (5, 4)
    np.testing.assert_array_equal(softmax.predict(X), softmax.predict_proba(X).argmax(axis=1))
    one, several = Network([3, 1], output="sigmoid"), Network([3, 2], output="sigmoid")
    assert one.predict(X).shape == one.predict_proba(X).shape == (5,)
    assert several.predict(X).shape == several.predict_proba(X).shape == (5, 2)
    for net in (one, several):
        assert set(np.unique(net.predict(X))) <= {0, 1}
        np.testing.assert_array_equal(net.predict(X), net.predict_proba(X) > 0.5)
    assert one.forward(X).shape == (5, 1)


def test_predicted_values_have_the_shape_of_the_fitted_y():
    X = np.random.default_rng(0).standard_normal((5, 3))
    net = Network([3, 1], output="identity")
    assert net.predict(X).shape == (5,)
    net.fit(X, X[:, :1], epochs=1)
    assert net.predict(X).shape == (5, 1)
    assert net.copy().predict(X).shape == (5, 1)
    net.fit(X, X[:, 0], epochs=1)
    assert net.predict(X).shape == (5,)
    assert Network([3, 2], output="identity").predict(X).shape == (5, 2)


@pytest.mark.parametrize("output", ["identity", "tanh", "relu"])
def test_no_probabilities_of_real_outputs(output):
    with pytest.raises(ValueError, match=f"output='{output}' gives no probabilities"):
        Network([3, 1], output=output).predict_proba(np.ones((2, 3)))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("sizes", "output"), [([3, 4], "softmax"), ([3, 5, 1], "sigmoid"), ([3, 5, 2], "sigmoid"),
                                               ([3, 1], "identity"), ([900, 1100, 2], "softmax")])
@pytest.mark.parametrize("rows", [1, 5, 100])
def test_predictions_do_not_depend_on_the_form_of_X(dtype, sizes, output, rows):
    """Arrays that the core can read directly take a fast path; others, and those with `out`, do not."""
    net = Network(sizes, output=output, dtype=dtype, random_state=0)
    X = np.random.default_rng(0).standard_normal((rows, sizes[0])).astype(dtype)
    methods = [net.predict, net.forward] + [net.predict_proba] * (output != "identity")
    for method in methods:
        results = [method(data, n_threads=n) for data in (X, X.tolist(), X.view(np.memmap)) for n in (None, 1, 2)]
        results.append(method(X, out=np.empty_like(results[0])))
        for result in results:
            assert result.dtype == results[0].dtype and result.flags.writeable
            np.testing.assert_array_equal(result, results[0])


def test_fast_path_refuses_the_same_input():
    net = Network([3, 4], dtype="float64")
    X = np.zeros((2, 3))
    for n_threads in (0, -1, 4097, True, 1.0):
        for data in (X, X.tolist()):
            with pytest.raises((ValueError, TypeError), match="n_threads must be"):
                net.predict_proba(data, n_threads=n_threads)
    for value, text in ((np.nan, "X holds NaN"), (np.inf, "X holds infinity")):
        X[1, 2] = value
        for n_threads in (None, 1, 2):
            with pytest.raises(ValueError, match=text):
                net.predict(X, n_threads=n_threads)


def test_a_network_is_freed_without_the_garbage_collector():
    """Its parameters and the plans of its predictions are in no reference cycle, which would wait for the collector."""
    net = Network([3, 4], dtype="float64")
    net.predict(np.zeros((2, 3)), n_threads=1)
    gone = weakref.ref(net._predictor)
    del net
    assert gone() is None


def test_predictions_of_rows_are_independent():
    """The outputs of a row are the same alone and among others, up to the rounding of another summation order."""
    rng = np.random.default_rng(0)
    net = Network([20, 30, 3], dtype="float64", random_state=0)
    X = rng.standard_normal((3001, 20))
    every = net.predict_proba(X)
    # Probabilities, two layers of at most 30 products: 64 roundings on numbers below 100.
    for rows in (slice(0, 1), slice(3000, None), slice(1000, 1100)):
        np.testing.assert_allclose(net.predict_proba(X[rows]), every[rows], rtol=0, atol=64 * 100 * 2.0**-53)


def test_evaluation_in_blocks_is_the_same(tuning):
    net, X, y = trained(dtype="float64")
    weights = np.random.default_rng(1).uniform(0, 2, len(X))
    weights[:10] = 0  # a whole block without weight
    whole = net.evaluate(X, y, sample_weight=weights)
    tuning(EVALUATION_BLOCK_ROWS=7)
    blocks = net.evaluate(X, y, sample_weight=weights)
    assert blocks == pytest.approx(whole, rel=1e-14)  # 30 positive terms in another order


def test_evaluating_an_overflowed_network_gives_no_warning():
    net = Network([2, 2, 1], output="identity", dtype="float64", l2=1.0)
    net.W[0][...] = net.W[1][...] = 1e200
    evaluation = net.evaluate([[1.0, 2.0]], [0.0])
    assert evaluation["loss"] == evaluation["rmse"] == math.inf


def test_public_names():
    assert issubclass(fastnn.DivergenceWarning, RuntimeWarning) and issubclass(fastnn.ModelFileError, ValueError)
    net = fastnn.Network([2, 2])
    for name in ("loss", "gradients", "evaluate"):
        assert callable(getattr(net, name))
