"""Weights of examples, of single outputs and of classes: any scale, zeros, and everything that reads them."""

import numpy as np
import pytest
from helpers.stream_cases import Recorded, cut
from hypothesis import given, settings
from hypothesis import strategies as st

from fastnn import Network, reference

EPS = np.finfo(np.float64).eps
RNG = np.random.default_rng(7)
M, N_OUT = 90, 3
X = RNG.standard_normal((M, 5))
TARGETS = {
    "identity": RNG.standard_normal((M, N_OUT)),
    "tanh": RNG.uniform(-1, 1, (M, N_OUT)),
    "exp": RNG.poisson(1.5, (M, N_OUT)).astype(float),
    "sigmoid": RNG.integers(2, size=(M, N_OUT)),
}
WEIGHTS = RNG.choice([0, 0.25, 1, 2], size=(M, N_OUT))  # powers of two: scaled by a part's largest, they stay the same
BY_OUTPUT = pytest.mark.parametrize("output", TARGETS)


def make(output, dtype="float64", **arguments):
    return Network([5, 7, N_OUT], output=output, dtype=dtype, random_state=3, **arguments)


def parameters(net):
    return np.concatenate([p.ravel() for p in (*net.W, *net.b)])


# ---- One weight per output


@BY_OUTPUT
@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
def test_equal_columns_of_weights_give_what_one_weight_per_example_gives(output, optimizer):
    """Only the total weights differ, by the roundings of a sum of n[L] equal terms; 3 epochs amplify them little."""
    w, results = WEIGHTS[:, 0] + 0.1, []
    for weights in (w, np.repeat(w[:, None], N_OUT, axis=1)):
        net = make(output)
        history = net.fit(X, TARGETS[output], sample_weight=weights, optimizer=optimizer, epochs=3,
                          validation_data=(X, TARGETS[output], weights),
                          batch_size=None if optimizer == "lbfgs" else 16)
        results.append([*history.loss, *history["validation_loss"], *parameters(net)])
    np.testing.assert_allclose(results[0], results[1], rtol=1e-10, atol=1e-12)


@BY_OUTPUT
@settings(max_examples=10)
@given(seed=st.integers(0, 2**32 - 1), m=st.integers(1, 40), sparse=st.booleans(), n_threads=st.integers(1, 3))
def test_gradients_are_those_of_the_reference(output, seed, m, sparse, n_threads):
    """Sums of at most 40 examples and 7 units in another order: 100 roundings, of terms below 1e3."""
    scipy_sparse = pytest.importorskip("scipy.sparse")
    rng = np.random.default_rng(seed)
    weights = rng.choice([0, 0.5, 1, 7], size=(m, N_OUT))
    weights[0, 0] = 1
    x = np.where(rng.random((m, 5)) < 0.5, X[:m], 0)
    net = make(output, l2=0.1)
    J, dW, db = net.gradients(scipy_sparse.csr_array(x) if sparse else x, TARGETS[output][:m], sample_weight=weights,
                              n_threads=n_threads)
    expected = reference.gradients(x.T, TARGETS[output][:m].T, net.W, net.b, net.activations, net.loss_name, weights.T,
                                   net.l2)
    assert pytest.approx(expected[0], rel=100 * EPS) == J
    for found, exact in zip((*dW, *db), (*expected[1], *expected[2]), strict=True):
        np.testing.assert_allclose(found, exact, rtol=100 * EPS, atol=1e5 * EPS)
    assert net.loss(x, TARGETS[output][:m], sample_weight=weights) == pytest.approx(J, rel=100 * EPS)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("placeholder", [0.0, -999.0, np.inf])
def test_the_value_of_a_target_without_weight_does_not_matter(dtype, placeholder):
    """Not even where its loss overflows."""
    known, results, largest = WEIGHTS > 0, set(), float(np.finfo(dtype).max)
    for y in (TARGETS["identity"], np.where(known, TARGETS["identity"], min(placeholder, largest))):
        net = make("identity", dtype)
        history = net.fit(X, y, sample_weight=known, epochs=3, batch_size=16, validation_data=(X, y, known),
                          metrics=["r2"])
        results.add((parameters(net).tobytes(), repr([history[name] for name in ("loss", "validation_r2")])))
    assert len(results) == 1


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("way", ["slices", "batches", "validation"])
def test_data_read_in_parts_may_have_weights_of_outputs(dtype, way, tuning):
    """Bitwise identical to arrays."""
    tuning(READ_BLOCK_BYTES=1024)
    y, whole, read = TARGETS["sigmoid"], make("sigmoid", dtype), make("sigmoid", dtype)
    options = {"epochs": 2, "shuffle": False, "batch_size": 16}
    if way == "validation":
        expected = whole.fit(X, y, **options, validation_data=(X, y, WEIGHTS))
        found = read.fit(X, y, **options, validation_data=cut(20, X, y, WEIGHTS))
        assert found["validation_loss"] == pytest.approx(expected["validation_loss"], rel=1e-6)
        return
    whole.fit(X, y, sample_weight=WEIGHTS, **options)
    if way == "slices":
        read.fit(Recorded(X), Recorded(y), sample_weight=WEIGHTS, **options)
    else:
        read.fit(cut(16, X, y, WEIGHTS), **options)
    assert parameters(read).tobytes() == parameters(whole).tobytes()


def test_batches_may_mix_weights_of_outputs_and_of_examples():
    y, expected, net = TARGETS["sigmoid"], make("sigmoid"), make("sigmoid")
    one = np.repeat(WEIGHTS[:, :1], N_OUT, axis=1)
    expected.fit([(X, y, WEIGHTS), (X, y, one), (X, y, np.ones((M, N_OUT)))], epochs=2)
    net.fit([(X, y, WEIGHTS), (X, y, one[:, 0]), (X, y)], epochs=2)
    assert parameters(net).tobytes() == parameters(expected).tobytes()
    with pytest.raises(ValueError, match="X gave sample_weight for each output after batches without"):
        net.fit([(X, y), (X, y, WEIGHTS)], epochs=1)


def test_a_held_out_part_keeps_its_weights():
    net, y = make("identity"), TARGETS["identity"]
    history = net.fit(X, y, sample_weight=WEIGHTS, validation_fraction=0.3, epochs=2)
    assert np.isfinite(history["validation_loss"]).all()


@pytest.mark.parametrize("output", ["identity", "sigmoid"])
def test_metrics_weight_each_output(output, tuning):
    """Sums of 90 terms below 100: some 1e-14 of rounding."""
    tuning(EVALUATION_BLOCK_ROWS=16)
    metrics = pytest.importorskip("sklearn.metrics")
    net, y, known = make(output), TARGETS[output], WEIGHTS.copy()
    known[:, 2] = 0  # an output without weight
    found = net.evaluate(X, y, sample_weight=known, metrics=["r2" if output == "identity" else "log_loss"])
    A = net.forward(X)
    total = known.sum() / N_OUT
    if output == "identity":
        squares = known * (A - y) ** 2
        assert found["rmse"] == pytest.approx(np.sqrt(squares.sum() / known.sum()), rel=1e-12)
        r2 = [metrics.r2_score(y[:, j], A[:, j], sample_weight=known[:, j]) for j in range(2)]
        assert found["r2"] == pytest.approx(np.mean(r2), rel=1e-12)
        assert found["loss"] == pytest.approx(squares.sum() / 2 / total, rel=1e-12)
        return
    losses = -np.log(np.where(y == 1, A, 1 - A))
    right = ((A > 0.5) == y) | (known == 0)
    assert found["log_loss"] == pytest.approx((known * losses).sum() / total, rel=1e-12)
    assert found["loss"] == pytest.approx(found["log_loss"], rel=1e-12)
    assert found["accuracy"] == pytest.approx(np.average(right.all(axis=1), weights=known.mean(axis=1)), rel=1e-12)


@pytest.mark.parametrize("last", [1, 0])
def test_metrics_of_classifiers_weight_each_output(last):
    """Each is the mean over the outputs with weight of the metric of one output, with its weights."""
    several, y, weights = make("sigmoid"), TARGETS["sigmoid"], WEIGHTS * [1, 1, last]
    names = ["roc_auc", "average_precision", "f1", "precision", "recall", "balanced_accuracy", "matthews_corrcoef",
             "brier"]
    found = several.evaluate(X, y, sample_weight=weights, metrics=names)
    W, b = several.W, several.b
    for name in names:
        each = []
        for j in range(N_OUT if last else N_OUT - 1):
            one = Network([5, 7, 1], output="sigmoid", dtype="float64")
            for own, value in zip((*one.W, *one.b), (W[0], W[1][j : j + 1], b[0], b[1][j : j + 1]), strict=True):
                own[...] = value
            each.append(one.evaluate(X, y[:, j], sample_weight=WEIGHTS[:, j], metrics=[name])[name])
        assert found[name] == pytest.approx(np.mean(each), rel=1e-12), name


ERRORS = {"mse": lambda a, y: (a - y) ** 2, "mae": lambda a, y: abs(a - y), "mape": lambda a, y: abs(a - y) / abs(y)}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_mean_errors_are_means_over_the_targets_with_weight(dtype, tuning):
    """Float64 sums of 270 terms: some 1e-13 of rounding. Float32 targets are exact in both."""
    tuning(EVALUATION_BLOCK_ROWS=16)
    net, y = make("identity", dtype), TARGETS["identity"].astype(dtype)
    A = net.predict(X).astype(float)
    for weights in (WEIGHTS, WEIGHTS * [1, 0, 0], WEIGHTS > 0):
        found = net.evaluate(X, y, sample_weight=weights, metrics=list(ERRORS))
        for name, error in ERRORS.items():
            assert found[name] == pytest.approx(np.average(error(A, y.astype(float)), weights=weights), rel=1e-10), name


@BY_OUTPUT
def test_weights_of_one_change_no_metric(output):
    """Sums in another order: some 1e-14."""
    net, y = make(output), TARGETS[output] + (output == "identity")
    names = ["log_loss", "brier", "roc_auc", "f1"] if output == "sigmoid" else ["rmse", "r2", "mse", "mae"]
    results = [net.evaluate(X, y, sample_weight=w, metrics=names) for w in (None, np.ones(M), np.ones((M, N_OUT)))]
    for result in results[1:]:
        assert result == pytest.approx(results[0], rel=1e-12)


def test_a_target_of_zero_without_weight_has_no_relative_error():
    net, y, known = make("identity"), TARGETS["identity"], WEIGHTS > 0
    found = net.evaluate(X, np.where(known, y, 0), sample_weight=known, metrics=["mape"])["mape"]
    assert found == pytest.approx(np.mean(ERRORS["mape"](net.predict(X), y)[known]), rel=1e-12)
    with pytest.warns(UserWarning, match=f"'mape' is undefined: {known[:, 0].sum()} of the targets are 0"):
        assert np.isnan(net.evaluate(X, y * [0, 1, 1], sample_weight=known, metrics=["mape"])["mape"])


def test_a_function_with_sample_weight_gets_the_weights_of_the_outputs():
    def weighted(y_true, y_pred, sample_weight):
        return float((sample_weight * (y_true == y_pred)).sum() / sample_weight.sum())

    net, y = make("sigmoid"), TARGETS["sigmoid"]
    right = net.predict(X) == y
    assert net.evaluate(X, y, sample_weight=WEIGHTS, metrics=[weighted])["weighted"] == pytest.approx(
        np.average(right, weights=WEIGHTS), rel=1e-12)


@pytest.mark.parametrize(("shape", "text"), [
    ((M, 2), r"must have shape \(m,\) = \(90,\) or \(m, n\[L\]\) = \(90, 3\), got \(90, 2\)"),
    ((N_OUT, M), r"got \(3, 90\)"), ((M, 1), r"got \(90, 1\)"), ((M, N_OUT, 1), r"got \(90, 3, 1\)"),
])
def test_wrong_shapes_are_refused(shape, text):
    with pytest.raises(ValueError, match=f"^sample_weight .*{text}$"):
        make("identity").fit(X, TARGETS["identity"], sample_weight=np.ones(shape))


def test_a_softmax_output_has_one_weight_per_example():
    net, labels = make("softmax"), RNG.integers(N_OUT, size=M)
    for call in (net.fit, net.partial_fit, net.evaluate, net.loss, net.gradients):
        with pytest.raises(ValueError, match=r"shape \(m,\) = \(90,\), got \(90, 3\): a softmax output has one label"):
            call(X, labels, sample_weight=WEIGHTS)


def test_one_output_takes_its_weights_in_a_column():
    w, results = WEIGHTS[:, 0], set()
    for weights in (w, w[:, None]):
        net = Network([5, 4, 1], output="identity", random_state=0)
        net.fit(X, X[:, 0], sample_weight=weights, epochs=2)
        results.add(parameters(net).tobytes())
    assert len(results) == 1


# ---- Weights of any scale


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("scale", [5e-324, 1e-300, 1e-30, 1e30, 1e308])
@pytest.mark.parametrize("way", ["examples", "outputs", "classes", "classes of outputs", "slices", "batches", "l-bfgs"])
def test_equal_weights_of_any_size_give_what_no_weights_give(way, scale, dtype):
    """To rounding: w L and the total weight round, unless w is a power of two."""
    y, plain, net = TARGETS["sigmoid"], make("sigmoid", dtype), make("sigmoid", dtype)
    options = {"epochs": 3, "shuffle": False} | ({"optimizer": "lbfgs"} if way == "l-bfgs" else {"batch_size": 16})
    w, per_label = np.full(M, scale), {0: scale, 1: scale}
    if way == "classes":
        y = y[:, 0]
        plain, net = (Network([5, 4, 1], output="sigmoid", dtype=dtype, random_state=0) for _ in range(2))
    expected = plain.fit(X, y, **options)
    found = {
        "examples": lambda: net.fit(X, y, sample_weight=w, validation_data=(X, y, w), **options),
        "outputs": lambda: net.fit(X, y, sample_weight=np.full((M, N_OUT), scale), **options),
        "classes": lambda: net.fit(X, y, class_weight=per_label, **options),
        "classes of outputs": lambda: net.fit(X, y, class_weight=[per_label] * N_OUT, **options),
        "slices": lambda: net.fit(Recorded(X), y, sample_weight=w, **options),
        "batches": lambda: net.fit(cut(16, X, y, w), **options),
        "l-bfgs": lambda: net.fit(X, y, sample_weight=w, **options),
    }[way]()
    tolerance = 1e-4 if dtype == "float32" else 1e-10
    np.testing.assert_allclose(found.loss, expected.loss, rtol=tolerance)
    np.testing.assert_allclose(parameters(net), parameters(plain), rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_weights_too_small_beside_the_largest_count_as_0(dtype):
    tiny = float(np.finfo(dtype).tiny)
    weights, results = np.ones(M), set()
    for small in (0, tiny / 4):
        weights[::2] = small
        net = make("identity", dtype)
        net.fit(X, TARGETS["identity"], sample_weight=weights, epochs=2, batch_size=1)
        results.add(parameters(net).tobytes())
    assert len(results) == 1


def test_batches_share_a_scale():
    """A batch that weighs less counts less in the mean loss; one without weights has ones."""
    y, net = TARGETS["identity"], make("identity", "float32")
    assert net.loss([(X[:40], y[:40], np.full(40, 3e-39)), (X[40:], y[40:], np.full(50, 6e-39))]) == pytest.approx(
        net.loss(X, y, sample_weight=np.repeat([1, 2], [40, 50])), rel=1e-5)
    assert net.loss([(X[:40], y[:40], np.full(40, 3.0)), (X[40:], y[40:])]) == pytest.approx(
        net.loss(X, y, sample_weight=np.repeat([3, 1], [40, 50])), rel=1e-5)
    with pytest.raises(ValueError, match="batch 2: sample_weight is too large in relation to the weights of the first"):
        net.loss([(X[:40], y[:40], np.full(40, 1e-30)), (X[40:], y[40:], np.full(50, 1e30))])


# ---- Weights of the classes of each output


def test_class_weights_of_several_outputs_are_weights_of_outputs():
    y, given_weights = TARGETS["sigmoid"], RNG.uniform(0.5, 2, M)
    by_class, by_output = make("sigmoid"), make("sigmoid")
    counts = y.sum(axis=0)
    factors = np.where(y == 1, [9, 0.5, M / (2 * counts[2])], [1, 2, M / (2 * (M - counts[2]))])
    one = by_class.fit(X, y, class_weight=[{1: 9}, {0: 2, 1: 0.5}, "balanced"], sample_weight=given_weights, epochs=3)
    other = by_output.fit(X, y, sample_weight=factors * given_weights[:, None], epochs=3)
    np.testing.assert_allclose(one.loss, other.loss, rtol=1e-12)
    balanced, listed = make("sigmoid"), make("sigmoid")
    assert balanced.fit(X, y, class_weight="balanced", epochs=2).loss == listed.fit(
        X, y, class_weight=["balanced"] * N_OUT, epochs=2).loss
    none, empty = make("sigmoid"), make("sigmoid")
    assert none.fit(X, y, class_weight=[{1: 9}, None, "balanced"], epochs=2).loss == empty.fit(
        X, y, class_weight=[{1: 9}, {}, "balanced"], epochs=2).loss


def test_class_weights_of_outputs_of_data_read_in_parts(tuning):
    tuning(READ_BLOCK_BYTES=1024)
    y, whole, read = TARGETS["sigmoid"], make("sigmoid"), make("sigmoid")
    options = {"epochs": 2, "shuffle": False, "batch_size": 16, "class_weight": [{1: 4}, {1: 2}, {0: 0}]}
    whole.fit(X, y, **options)
    read.fit(Recorded(X), y, **options)
    assert parameters(read).tobytes() == parameters(whole).tobytes()
    with pytest.raises(ValueError, match="class_weight='balanced' needs all labels at once"):
        read.fit(Recorded(X), y, class_weight=[{}, {}, "balanced"])


@pytest.mark.parametrize(("value", "error", "text"), [
    ({1: 2}, TypeError, "class_weight of several outputs must be 'balanced' or a list of one entry per output"),
    ([{1: 2}], ValueError, "class_weight must have one entry per output, 3, got 1"),
    ([{1: 2}, {}, 3], TypeError, r"class_weight\[2\] must be 'balanced' or a dict"),
    ([{1: 2}, {2: 1}, {}], ValueError, r"a label of class_weight\[1\] must be from 0 to 1, got 2"),
    ([{1: 2}, {}, {1: -1}], ValueError, r"class_weight\[2\]\[1\] must be finite"),
    ([{0: 0, 1: 0}] * 3, ValueError, "sample_weight times class_weight must not be all zero"),
])
def test_bad_class_weights_of_several_outputs(value, error, text):
    with pytest.raises(error, match=text):
        make("sigmoid").fit(X, TARGETS["sigmoid"], class_weight=value)


@pytest.mark.parametrize("optimizer", ["adam", "lbfgs"])
@pytest.mark.parametrize("shape", [(M, N_OUT), (M,)])
def test_balanced_class_weights_do_not_count_labels_without_weight(optimizer, shape):
    """Their placeholders do not matter, nor an output without any known label."""
    known = (WEIGHTS if len(shape) == 2 else WEIGHTS[:, 0]) * np.where(np.arange(shape[-1]) == 0, 0, 1)
    output, results = "sigmoid" if len(shape) == 2 else "softmax", []
    labels = TARGETS["sigmoid"] if len(shape) == 2 else np.arange(M) % 3
    for filler in (0, 1):
        net = make(output)
        net.fit(X, np.where(known > 0, labels, filler), sample_weight=known, class_weight="balanced",
                optimizer=optimizer, epochs=3)
        results.append(parameters(net))
    np.testing.assert_array_equal(*results)
