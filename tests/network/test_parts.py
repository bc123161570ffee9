"""The input stage and the mixtures of a network: parameters, gradients, predictions, files and misuse."""

import copy
import pickle
import tracemalloc

import numpy as np
import pytest
import scipy.sparse
from helpers.part_cases import EMBEDDING, NETS, Reference, data, flat, network

from fastnn import Network
from fastnn._model import file_format
from fastnn.callbacks import Checkpoint
from fastnn.embeddings import Embedding
from fastnn.gradcheck import check_network, numerical_derivative

each_net = pytest.mark.parametrize("name", NETS)
SPARSE = "takes no sparse X"


# ---- Parameters -----------------------------------------------------------------------------------------------------


def test_parameters_are_views_by_name_in_the_order_of_the_arena():
    net = network("all parts")
    N, F, K, width = 3, 6, 2, 3 * 3 + 2 * 3 + 1
    shapes = {"W[1]": (14, width), "W[2]": (10, 14), "W[3]": (3, 10), "b[1]": (14, 1), "b[2]": (10, 1), "b[3]": (3, 1),
              "scale": (width,), "frequencies": (N, F), "phases": (N, F), "weights": (N, K, F), "biases": (N, K),
              "vectors": (8, 3), "mixture[1]": (14,), "mixture[2]": (10,)}  # fmt: skip
    assert {name: view.shape for name, view in net.parameters.items()} == shapes
    assert list(net.parameters) == list(shapes)
    assert net.n_parameters == sum(view.size for view in net.parameters.values())
    theta, start = net._parameters.theta, 0
    for view in net.parameters.values():
        assert np.shares_memory(view, theta[start : start + view.size])
        start += view.size
    assert net.parameters["W[2]"] is not net.W[1]
    assert np.shares_memory(net.parameters["W[2]"], net.W[1])


def test_assigning_a_parameter_copies_checked_values():
    net = network("factors")
    net.parameters["scale"] = np.arange(6)
    assert net.parameters["scale"].tolist() == list(range(6))
    with pytest.raises(ValueError, match="scale must have shape"):
        net.parameters["scale"] = np.ones(5)
    with pytest.raises(ValueError, match="scale"):
        net.parameters["scale"] = [0, 1, 2, 3, 4, np.nan]
    with pytest.raises(KeyError):
        net.parameters["factor"] = 1
    assert net.parameters["scale"].tolist() == list(range(6))
    assert isinstance(copy.deepcopy(net.parameters), dict)


def test_initial_values():
    embedding = Embedding(numbers=range(50), categories={50: 300, 51: 4}, frequency_scale=0.1)
    net = Network([52, 40, 2], embedding=embedding, scale_inputs=True, activation_mixture=True, dtype="float64",
                  random_state=0)  # fmt: skip
    found = net.parameters
    assert (found["scale"] == 1).all()
    assert (found["mixture[1]"] == 1).all()
    assert not found["b[1]"].any()
    assert not found["vectors"][[0, 300]].any()
    drawn = np.delete(found["vectors"], [0, 300], axis=0)
    # Standard errors of 800 normal frequencies and 2416 normal numbers: 2.5 % and 1.5 %; five of them.
    assert found["frequencies"].std() == pytest.approx(0.1, rel=0.13)
    assert drawn.std() == pytest.approx(1, rel=0.08)
    for name, bound in (("phases", np.pi), ("weights", 0.25), ("biases", 0.25)):
        assert bound * 0.9 < np.abs(found[name]).max() <= bound
        assert found[name].min() < -bound * 0.9


def test_the_weights_of_a_seed_do_not_depend_on_the_parts():
    plain = Network([6, 14, 3], random_state=3)
    parts = Network([6, 14, 3], random_state=3, scale_inputs=True, activation_mixture=True)
    assert all(np.array_equal(a, b) for a, b in zip(plain.W, parts.W, strict=True))
    X = np.random.default_rng(0).standard_normal((9, 6))
    assert np.array_equal(plain.predict_proba(X), parts.predict_proba(X))  # s = t = 1 change nothing


@each_net
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_initial_values_from_data_give_each_unit_variance_1(name, dtype):
    net = network(name, dtype)
    X, _, _ = data(net, 400)
    net.initialize(X)
    cache = net.forward(X, return_cache=True)[1]
    for Z in cache.Z:
        np.testing.assert_allclose(np.var(Z.astype(np.float64), axis=1), 1, rtol=1e-4 if dtype == "float32" else 1e-10)
    assert all(b.any() for b in net.b)
    assert np.array_equal(flat(net.copy().initialize(X).parameters), flat(net.copy().initialize(X).parameters))
    before = flat(net.parameters)
    with pytest.raises(ValueError, match="sparse"):
        net.initialize(scipy.sparse.csr_array(X))
    with pytest.raises(ValueError, match="NaN"):
        net.initialize(np.full((3, X.shape[1]), np.nan))
    assert np.array_equal(flat(net.parameters), before)


# ---- Gradients and predictions --------------------------------------------------------------------------------------


@each_net
@pytest.mark.parametrize("n_threads", [1, 2])
def test_gradients_are_those_of_the_reference(name, n_threads):
    net = network(name)
    X, y, weights = data(net, weighted=True)
    J, found = net.named_gradients(X, y, sample_weight=weights, n_threads=n_threads)
    exact_J, exact = Reference(net).gradients(X, y, weights)
    assert pytest.approx(exact_J, rel=1e-12) == J
    assert list(found) == list(exact) == list(net.parameters)
    for key, gradient in found.items():
        # A sum of at most 50 examples after at most 100 roundings each, 2^-53 * 5000 = 6e-13
        np.testing.assert_allclose(gradient, exact[key], rtol=1e-9, atol=1e-12, err_msg=key)
    _, dW, db = net.gradients(X, y, sample_weight=weights, n_threads=n_threads)
    for symbol, gradients in (("W", dW), ("b", db)):
        assert all(np.array_equal(found[f"{symbol}[{l}]"], one) for l, one in enumerate(gradients, 1))


@each_net
def test_gradient_check_covers_all_parameters(name):
    net = network(name)
    X, y, weights = data(net, 20, weighted=True)
    result = check_network(net, X, y, sample_weight=weights)
    assert result.passed()
    assert result.entries + result.left_out == net.n_parameters


def test_gradient_check_finds_a_wrong_gradient_of_a_part():
    class Wrong(Network):
        def named_gradients(self, *arguments, **keywords):
            J, gradients = super().named_gradients(*arguments, **keywords)
            gradients["mixture[1]"][3] += 0.01
            return J, gradients

    net = Wrong([6, 5, 2], activation="tanh", activation_mixture=True, dtype="float64", random_state=0)
    X, y, _ = data(net)
    result = check_network(net, X, y)
    assert not result.passed()
    assert result.worst == "mixture[1][3]"


@each_net
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_predictions_are_those_of_the_reference_for_any_number_of_rows(name, dtype, order):
    net = network(name, dtype)
    X, _, _ = data(net, 2000)
    exact = Reference(net).outputs(X.astype(np.float64))
    # 300 roundings on the longest path, and factors of at most 10 from Z to A
    tolerance = 3000 * float(np.finfo(dtype).eps)
    for rows in (1, 2, 33, 2000):
        for n_threads in (1, 2):
            found = net.forward(np.asarray(X[:rows], order=order), n_threads=n_threads)
            np.testing.assert_allclose(found, exact[:rows], rtol=tolerance, atol=tolerance)
    A, cache = net.forward(X, return_cache=True)
    np.testing.assert_allclose(A, exact, rtol=tolerance, atol=tolerance)
    assert [Z.shape for Z in cache.Z] == [(n, 2000) for n in net.layer_sizes[1:]]


@pytest.mark.parametrize("rows", [1, 700])
def test_nan_in_any_column_is_refused_also_as_a_code(rows):
    net = network("all parts", "float32")
    X, y, _ = data(net, rows)
    for column in range(6):
        bad = X.copy()
        bad[-1, column] = np.nan
        for call in (net.predict, net.forward, net.predict_proba):
            with pytest.raises(ValueError, match="NaN"):
                call(bad)
        with pytest.raises(ValueError, match="NaN"):
            net.fit(bad, y, epochs=1)


def test_unknown_codes_count_as_0():
    net = network("all parts")
    X, _, _ = data(net, 8)
    X[:, 2] = [5, -1, 1e30, 0.5, 2**53, -0.0, 4.999, -1e300]
    known = X.copy()
    known[:, 2] = 0
    assert np.array_equal(net.forward(X), net.forward(known))


def test_samples_with_dropout_have_the_mean_of_the_reference():
    net = network("all parts")
    X, _, _ = data(net, 3)
    mean = net.predict_proba(X, dropout_samples=4000, random_state=1)
    again = net.predict_proba(X, dropout_samples=4000, random_state=1, n_threads=2)
    assert np.array_equal(mean, again)
    assert not np.array_equal(mean, net.predict_proba(X))
    # A probability has a standard deviation of at most 1/2: five standard errors of 4000 samples between two seeds.
    other = net.predict_proba(X, dropout_samples=4000, random_state=2)
    assert np.abs(mean - other).max() <= 5 * 0.5 * np.sqrt(2 / 4000)


@pytest.mark.parametrize("arguments", [
    {"embedding": Embedding(numbers=(1, 3), n_frequencies=5, frequency_scale=0.5), "scale_inputs": True,
     "activation_mixture": True}, {"scale_inputs": True}, {"embedding": Embedding(numbers=(0,))},
])  # fmt: skip
@pytest.mark.parametrize("of", ["A", "Z"])
def test_input_gradients_go_through_the_input_stage(arguments, of):
    net = Network([4, 7, 3], activation="tanh", dtype="float64", random_state=0, **arguments)
    for name in set(net.parameters) & {"scale", "mixture[1]"}:
        net.parameters[name][...] = np.linspace(0.3, 1.2, net.parameters[name].size)
    X = np.random.default_rng(0).standard_normal((5, 4))
    found = net.input_gradients(X, of=of)
    assert found.shape == (5, 3, 4)
    for j, k in ((0, 0), (3, 2)):
        def output(x, j=j, k=k):
            cache = net.forward(x[None], return_cache=True)[1]
            return (cache.A if of == "A" else cache.Z)[-1][k, 0]
        # The error of the quotient: step^2 / 6 times a third derivative of order 10
        np.testing.assert_allclose(found[j, k], numerical_derivative(output, X[j], step=1e-4), atol=1e-7)


# ---- Copies, files and checkpoints ----------------------------------------------------------------------------------


@each_net
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_round_trips(name, dtype, tmp_path):
    net = network(name, dtype)
    X, y, _ = data(net)
    net.fit(X, y, epochs=1)
    net.save(tmp_path / "net.fastnn")
    for twin in (Network.load(tmp_path / "net.fastnn"), net.copy(), pickle.loads(pickle.dumps(net))):
        assert repr(twin) == repr(net)
        assert twin.summary() == net.summary()
        assert (twin.embedding, twin.scale_inputs) == (net.embedding, net.scale_inputs)
        assert twin.activation_mixture == net.activation_mixture
        assert np.array_equal(flat(twin.parameters), flat(net.parameters))
        assert np.array_equal(twin.forward(X), net.forward(X))
        twin.parameters["W[1]"][...] = 0
    assert net.W[0].any()


def test_files_of_plain_networks_are_those_of_older_versions(tmp_path):
    Network([2, 3, 1], output="sigmoid").save(tmp_path / "net.fastnn")
    header, arrays = file_format.read(tmp_path / "net.fastnn")
    assert header["kind"] == "fastnn.Network"
    assert not header.keys() & {"embedding", "scale_inputs", "activation_mixture"}
    assert sorted(arrays) == ["W1", "W2", "b1", "b2"]


def test_files_with_parts_tell_older_versions_that_they_are_too_old(tmp_path):
    network("all parts").save(tmp_path / "net.fastnn")
    header, arrays = file_format.read(tmp_path / "net.fastnn")
    assert header["kind"] == "fastnn.Network, for fastnn 0.2 or newer"  # 0.1: "holds no network: it holds 'fastnn...'"
    assert {"scale", "frequencies", "vectors", "mixture1", "mixture2"} <= set(arrays)


@pytest.mark.parametrize(("field", "value"), [
    ("embedding", {}), ("embedding", 3), ("embedding", {"numbers": [7], "categories": []}), ("scale_inputs", 1),
    ("activation_mixture", "yes"), ("embedding", {"numbers": [0], "categories": [[2, 5]], "more": 1}),
    ("embedding", {"numbers": [0], "categories": [[2, 5]]}), ("scale_inputs", False),
])  # fmt: skip
def test_files_with_wrong_parts_are_refused(field, value, tmp_path):
    path = tmp_path / "net.fastnn"
    network("all parts").save(path)
    header, arrays = file_format.read(path)
    file_format.write(path, header | {field: value}, arrays)
    with pytest.raises(file_format.ModelFileError, match="holds no network"):
        Network.load(path)


def test_a_file_that_claims_many_columns_is_refused_without_allocating_for_them(tmp_path):
    path = tmp_path / "net.fastnn"
    network("embedding, one layer").save(path)
    header, arrays = file_format.read(path)
    file_format.write(path, header | {"layer_sizes": [2**31 - 100, 2]}, arrays)
    tracemalloc.start()
    with pytest.raises(file_format.ModelFileError, match="do not fit its layer sizes"):
        Network.load(path)
    assert tracemalloc.get_traced_memory()[1] < 2**20
    tracemalloc.stop()


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_resumed_fit_is_bitwise_identical(n_threads, tmp_path):
    path, settings = tmp_path / "run.fastnn", {"optimizer": "adamw", "batch_size": 16, "n_threads": n_threads}
    net = network("all parts", "float32")
    X, y, _ = data(net)
    net.fit(X, y, epochs=6, **settings)
    whole = flat(net.parameters)
    half = network("all parts", "float32")
    half.fit(X, y, epochs=3, callbacks=[Checkpoint(path)], **settings)
    assert Network.load(path).embedding == EMBEDDING
    other = network("all parts", "float32")
    other.fit(X, y, epochs=6, resume=path, **settings)
    assert np.array_equal(flat(other.parameters), whole)
    with pytest.raises(ValueError, match=r"cannot be resumed here: it has (embedding|scale_inputs|activation_mixture)"):
        Network([6, 14, 10, 3], activation=["selu", "mish"], dropout=(0.2, 0.3), l2=0.01).fit(
            X, y, epochs=6, resume=path, **settings)
    sizes, arguments = NETS["all parts"]
    with pytest.raises(ValueError, match="it has scale_inputs=True, this fit scale_inputs=False"):
        Network(sizes, **arguments | {"scale_inputs": False}).fit(X, y, epochs=6, resume=path, **settings)


# ---- Training -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("frozen", [[1], [2], [3], [1, 2], [2, 3], [-1]])
def test_frozen_layers_keep_their_mixtures_and_the_input_stage_learns(frozen):
    net = network("all parts")
    X, y, _ = data(net)
    before = {name: view.copy() for name, view in net.parameters.items()}
    net.fit(X, y, epochs=2, frozen_layers=frozen)
    kept = {name for name, view in net.parameters.items() if np.array_equal(view, before[name])}
    numbers = [l % 4 for l in frozen]  # -1 is layer 3
    assert kept == {f"{symbol}[{l}]" for symbol in ("W", "b", "mixture") for l in numbers} & set(before)


def test_frozen_layers_do_not_change_the_gradient_of_the_others():
    a, b = network("all parts"), network("all parts")
    X, y, _ = data(a)
    for net, frozen in ((a, []), (b, [1, 2])):
        net.fit(X, y, epochs=1, batch_size=None, frozen_layers=frozen, n_threads=1, optimizer="sgd")
    for name in ("scale", "frequencies", "vectors", "W[3]"):
        np.testing.assert_allclose(a.parameters[name], b.parameters[name], rtol=1e-12, atol=1e-14)


def test_lbfgs_trains_all_parameters():
    net = Network([6, 8, 3], activation="tanh", embedding=EMBEDDING, scale_inputs=True, activation_mixture=True,
                  random_state=0)  # fmt: skip
    X, y, _ = data(net)
    before = {name: view.copy() for name, view in net.parameters.items()}
    history = net.fit(X, y, optimizer="lbfgs", epochs=30)
    assert history["loss"][-1] < 0.5 * history["loss"][0]
    assert all((view != before[name]).any() for name, view in net.parameters.items())


@pytest.mark.parametrize("form", ["columns in order", "lists", "batches"])
def test_every_form_of_x_gives_the_same_training(form):
    net, expected = network("all parts"), network("all parts")
    X, y, _ = data(net)
    expected.fit(X, y, epochs=2, batch_size=10, shuffle=False, n_threads=1)
    if form == "batches":
        net.fit(lambda: [(X[i : i + 10], y[i : i + 10]) for i in range(0, 50, 10)], epochs=2, n_threads=1)
    else:
        net.fit(X.tolist() if form == "lists" else np.asfortranarray(X), y, epochs=2, batch_size=10, shuffle=False,
                n_threads=1)  # fmt: skip
    assert np.array_equal(flat(net.parameters), flat(expected.parameters))


# ---- Misuse ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("arguments", "error", "text"), [
    ({"embedding": "pbld"}, TypeError, "embedding must be a fastnn.embeddings.Embedding or None, got 'pbld'"),
    ({"embedding": {"numbers": [0]}}, TypeError, "embedding must be a fastnn.embeddings.Embedding"),
    ({"embedding": Embedding(numbers=(4,))}, ValueError, r"names column 4, but X has n\[0\] = 4 columns"),
    ({"scale_inputs": "yes"}, TypeError, "scale_inputs"),
    ({"activation_mixture": 2}, TypeError, "activation_mixture"),
    ({"activation_mixture": True, "activation": "softmax"}, ValueError, "activations of single units"),
])  # fmt: skip
def test_wrong_arguments(arguments, error, text):
    with pytest.raises(error, match=text):
        Network([4, 5, 2], **arguments)


@pytest.mark.parametrize("name", ["all parts", "factors"])
def test_an_input_stage_takes_no_sparse_x(name):
    net = network(name)
    X, y, _ = data(net)
    sparse, before = scipy.sparse.csr_array(X), flat(net.parameters)
    calls = [net.predict, net.forward, net.input_gradients, lambda X: net.fit(X, y), lambda X: net.evaluate(X, y),
             lambda X: net.gradients(X, y), lambda X: net.forward(X, return_cache=True),
             lambda X: net.predict(X, dropout_samples=2)]  # fmt: skip
    for call in calls[3:] if name == "all parts" else calls:
        with pytest.raises(ValueError, match=SPARSE):
            call(sparse)
    assert np.array_equal(flat(net.parameters), before)


def test_mixtures_take_sparse_x():
    net = network("mixtures")
    X, y, _ = data(net)
    X[np.abs(X) < 1] = 0
    sparse = scipy.sparse.csr_array(X)
    np.testing.assert_allclose(net.forward(sparse), net.forward(X), rtol=1e-12)
    J, gradients = net.named_gradients(sparse, y)
    exact_J, exact = Reference(net).gradients(X, y)
    assert pytest.approx(exact_J, rel=1e-12) == J
    for name, gradient in gradients.items():
        np.testing.assert_allclose(gradient, exact[name], rtol=1e-9, atol=1e-12)


def test_categories_have_no_input_gradients():
    net = network("all parts")
    with pytest.raises(ValueError, match="no derivative by their codes"):
        net.input_gradients(data(net)[0])


def test_the_summary_shows_the_parts():
    lines = network("all parts").summary().splitlines()
    assert lines[0] == "X: (m, 6), A[0]: (16, m), loss: cross_entropy, float64"
    assert lines[2].split() == ["0", "embedding,", "scale", "(16,", "m)", "118"]
    assert lines[3].split()[:3] == ["1", "selu", "mixture"]
    assert lines[-1].split() == ["total", f"{network('all parts').n_parameters:,}"]
