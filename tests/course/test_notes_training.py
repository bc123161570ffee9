"""The course's statements on initialisation and training, checked on examples/notes."""

import math
import os
import re
from importlib.util import find_spec

import numpy as np
import pytest
from helpers.notes_scripts import needs_scripts
from threadpoolctl import threadpool_limits

from fastnn import functional, reference

pytestmark = needs_scripts
CATS = os.environ.get("FASTNN_CAT_IMAGES", "")


# ---- Initialisation --------------------------------------------------------------------------------------------------


def test_zero_weights_keep_units_identical(script):
    module = script("initialization")
    same, costs = module.trained(0.0, epochs=500)
    assert np.abs(same.W[0]).max() > 1 and np.abs(same.W[1]).max() > 0.1  # the units do learn
    # A difference of 1e-13 between two units grows to 3e-8 in these steps, a rounding error of 1e-16 to far below 1e-6.
    for parameters, across_units in ((same.W[0], 0), (same.b[0], 0), (same.W[1], 1)):
        assert np.ptp(parameters, axis=across_units).max() <= 1e-6
    assert module.spread_of_units(same) <= 1e-6
    different, better = module.trained(0.01, epochs=2000)
    assert module.spread_of_units(different) > 1 and better[-1] < 0.5 * costs[-1]
    # With tanh, A[1] = tanh(0) = 0 and W[2] = 0, so both dW are exactly zero: only b[2] ever moves.
    dead, _ = module.trained(0.0, "tanh", epochs=10)
    assert not dead.W[0].any() and not dead.W[1].any() and not dead.b[0].any() and dead.b[1].all()


def test_zero_biases_are_fine(script):
    module = script("initialization")
    assert not any(b.any() for b in module.network(0.01, "sigmoid").b)
    net, costs = module.trained(0.01)
    assert all(b.all() for b in net.b) and costs[-1] < 0.4 * costs[0]


def test_large_weights_learn_slowly(script):
    module = script("initialization")
    slopes = [module.slope_of_units(scale) for scale in module.SCALES]
    assert np.all(np.diff(slopes) < 0) and slopes[0] > 0.99 and slopes[-1] < 0.02
    costs = {scale: module.median_costs(scale)[100] for scale in module.SCALES}
    assert max(costs[0.01], costs[1.0]) < costs[10.0] < costs[100.0]


# ---- Whole networks --------------------------------------------------------------------------------------------------


def test_planar_flower_needs_a_hidden_layer(script):
    module = script("planar_flower")
    X, Y = module.flower()
    right, (w, b) = module.logistic_accuracy(X, Y)
    assert 0.44 <= right <= 0.51
    _, J = functional.propagate(w, b, X, Y)
    assert math.log(2) - 0.06 < J < math.log(2)  # little better than no idea at all
    accuracy = {n_h: module.accuracy(module.shallow(X, Y, n_h), X, Y) for n_h in (1, 4, 20)}
    assert accuracy[1] < 0.8 and accuracy[4] >= 0.9 and accuracy[20] >= 0.9


def test_tanh_learns_faster_than_sigmoid(script):
    module = script("planar_flower")
    X, Y = module.flower()
    tanh, sigmoid = (module.costs(hidden, X, Y) for hidden in ("tanh", "sigmoid"))
    assert tanh[100] < sigmoid[100] and tanh[500] < sigmoid[500] and tanh[-1] < sigmoid[-1]


def test_training_changes_parameters_only(script):
    module = script("hyperparameters")
    net, before, costs = module.train(iterations=100)
    assert all((now != then).all() for now, then in zip([*net.W, *net.b], before, strict=True))
    assert net.layer_sizes == (2, 4, 1) and net.activations == ("tanh", "sigmoid") and len(costs) == 100
    last = {rate: module.train(rate)[2][-1] for rate in (0.01, 0.1, 1.0)}
    assert last[0.01] > last[0.1] > last[1.0]
    for chosen in ({"hidden": (20,)}, {"hidden": (4, 4)}, {"activation": "relu"}):
        assert module.train(iterations=100, **chosen)[2][-1] != costs[-1]


@pytest.mark.parametrize("n", range(2, 10))
def test_parity_takes_few_units_in_a_deep_network(script, n):
    module = script("parity_depth")
    deep, shallow, counting = module.deep_network(n), module.shallow_network(n), module.counting_network(n)
    for net in (deep, shallow, counting):
        assert module.right_everywhere(net)  # exactly: all values are small integers
    assert module.hidden_units(shallow) == 2 ** (n - 1) and module.hidden_units(counting) == n
    assert len(deep.layer_sizes) - 2 == math.ceil(math.log2(n))
    # A level of k bits has k units and, from an odd one left over, none more: 2 (n - 1) and at most one per level.
    assert 2 * (n - 1) <= module.hidden_units(deep) <= 2 * (n - 1) + math.ceil(math.log2(n))
    if n & (n - 1) == 0:
        assert module.hidden_units(deep) == 2 * (n - 1)
    if n < 6:
        terms = module.prime_implicants(n)
        assert len(terms) == 2 ** (n - 1) and not any(None in term for term in terms)


# ---- The course's pictures -------------------------------------------------------------------------------------------


def reference_costs(X, Y, parameters, learning_rate, iterations):
    """Gradient descent in plain NumPy, relu and sigmoid: J before the update, every 100th iteration."""
    layers = range(1, len(parameters) // 2 + 1)
    W, b = ([parameters[f"{symbol}{l}"] for l in layers] for symbol in "Wb")
    activations = ["relu"] * (len(W) - 1) + ["sigmoid"]
    net = reference.ReferenceNetwork(W, b, activations, "binary_cross_entropy")
    with threadpool_limits(1):  # on busy cores NumPy's threads wait for each other
        return [net.step(X, Y, learning_rate) for _ in range(iterations)][::100]


@pytest.mark.skipif(not CATS, reason="FASTNN_CAT_IMAGES does not name a file with the course's pictures (.npz)")
@pytest.mark.parametrize(("model", "sizes", "rate"), [
    ("logistic regression", (12288, 1), 0.005), ("2 layers", (12288, 7, 1), 0.0075),
    ("5 layers", (12288, 20, 7, 5, 1), 0.0075)])
def test_cat_pictures(script, model, sizes, rate):
    module = script("cat_pictures")
    data = module.load(CATS)
    A, costs = module.MODELS[model](data)
    assert round(module.accuracy(A, data[3]), 2) == module.PUBLISHED[model]
    np.random.seed(1)
    if len(sizes) == 2:
        start = {"W1": np.zeros((1, sizes[0])), "b1": np.zeros((1, 1))}
    else:
        start = (functional.initialize_parameters(*sizes) if len(sizes) == 3
                 else functional.initialize_parameters_deep(sizes))
    assert len(costs) in (20, 25)
    expected = reference_costs(data[0], data[1], start, rate, 100 * len(costs))
    np.testing.assert_allclose(costs, expected, rtol=0, atol=1e-9)


def test_cat_pictures_of_a_small_file(script, tmp_path, monkeypatch, capsys):
    """The script on a file of the same form: pictures of 8 x 8 pixels, the bright ones are cats, one label is wrong."""
    rng = np.random.default_rng(0)
    sets = {}
    for part, m in (("train", 40), ("test", 12)):
        y = rng.integers(0, 2, m)
        sets[f"X_{part}"] = (rng.integers(0, 100, (m, 8, 8, 3)) + 100 * y[:, None, None, None]).astype(np.uint8)
        sets[f"y_{part}"] = y
    sets["y_test"][3] ^= 1
    np.savez(tmp_path / "few.npz", **sets)
    module = script("cat_pictures")
    monkeypatch.setattr(module, "MODELS", {"2 layers": module.two_layers, "5 layers": module.five_layers})
    state = np.random.get_state()
    try:
        module.main(tmp_path / "out", tmp_path / "few.npz")
    finally:
        np.random.set_state(state)
    text = capsys.readouterr().out
    assert text.count("test accuracy 92 %") == 2 and "misclassified by the 5 layers: 1 of 12 test pictures, [3]" in text
    rates = [float(cost) for cost in re.findall(r"alpha = [\d.]+: ([\d.]+)", text)]
    assert len(rates) == 3 and rates == sorted(rates)  # 0.01, 0.001, 0.0001: the smaller, the slower
    if find_spec("matplotlib"):
        assert sorted(path.name for path in tmp_path.glob("out/*")) == ["cat_costs.png", "cat_mistakes.png"]
