"""fastnn.plot: plots show the right numbers, on the given axes, without side effects."""

import inspect
import math
import subprocess
import sys

import numpy as np
import pytest

import fastnn
from fastnn import History, Network, datasets, plot
from fastnn.embeddings import Embedding
from fastnn.schedules import OneCycle, ReduceOnPlateau, StepDecay

matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
figure = pytest.importorskip("matplotlib.figure")
colors = pytest.importorskip("matplotlib.colors")

FUNCTIONS = plot.__all__


@pytest.fixture(scope="module")
def plane():
    """A network trained on the flower, X and y."""
    X, y = datasets.make_flower(200, random_state=2)
    network = Network([2, 8, 1], activation="tanh", output="sigmoid", random_state=0)
    network.fit(X, y, epochs=60, batch_size=20, learning_rate=0.02)
    return network, X, y


@pytest.fixture(scope="module")
def three():
    """A network trained on three classes in the plane, X and y."""
    rng = np.random.default_rng(0)
    y = np.arange(90) % 3
    X = np.array([[0, 0], [4, 0], [0, 4]])[y] + rng.standard_normal((90, 2))
    network = Network([2, 6, 3], random_state=0)
    network.fit(X, y, epochs=60, batch_size=10, learning_rate=0.02)
    return network, X, y


@pytest.fixture(scope="module")
def digits():
    X, y = datasets.load_digits()
    return Network([64, 12, 9, 10], activation=["relu", "tanh"], random_state=0), X[:150] / 16, y[:150]


@pytest.fixture
def ax():
    return figure.Figure(layout="constrained").subplots()


def run(losses, **arguments):
    return History([{"epoch": i, "loss": loss, "validation_loss": 2 * loss} for i, loss in enumerate(losses, 1)],
                   **arguments)


def all_pictures(plane):
    """Return a call of every public function by name, as a function of the axes to draw on."""
    network, X, y = plane
    return {
        "activation_histograms": lambda ax: plot.activation_histograms(network, X, ax=ax),
        "confusion_matrix": lambda ax: plot.confusion_matrix(y, network.predict(X), ax=ax),
        "curves": lambda ax: plot.curves(run([3, 2, 1]), ax=ax),
        "decision_boundary": lambda ax: plot.decision_boundary(network, X, y, ax=ax),
        "first_layer_weights": lambda ax: plot.first_layer_weights(network, (1, 2), ax=ax),
        "gradient_histograms": lambda ax: plot.gradient_histograms(network, X, y, ax=ax),
        "network_diagram": lambda ax: plot.network_diagram(network, ax=ax),
        "schedule": lambda ax: plot.schedule(lambda t: 0.1 / (1 + t), 10, ax=ax),
    }


def draw(axes):
    """Render the figure, which must not raise or warn."""
    top = np.ravel(axes)[0].figure
    pytest.importorskip("matplotlib.backends.backend_agg").FigureCanvasAgg(top).draw()


def settings():
    """Return all rcParams as stored, because reading the backend normally would import pyplot and choose one."""
    return dict(list(dict.items(matplotlib.rcParams)))


# ---- Axes and figures -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_draw_on_the_given_ax(name, plane, monkeypatch):
    """A single ax is returned, panels replace it. pyplot is not imported and no setting changes."""
    monkeypatch.setitem(sys.modules, "matplotlib.pyplot", None)  # makes its import fail
    before = settings()
    for layout in ("constrained", None):
        page = figure.Figure(figsize=(12, 5), layout=layout)
        left, right = page.subplots(1, 2)
        result = all_pictures(plane)[name](left)
        draw(result)
        if isinstance(result, np.ndarray):
            assert result.shape == (2,) and left not in result and not left.axison
            for panel in result:
                assert panel.figure is page and panel.get_position().x1 <= right.get_position().x0
        else:
            assert result is left
        assert right.has_data() is False
    assert settings() == before


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_draw_within_an_inset_ax(name, plane):
    page = figure.Figure()
    inside = page.add_axes((0.1, 0.1, 0.8, 0.8)).inset_axes((0.5, 0.5, 0.5, 0.5))
    result = all_pictures(plane)[name](inside)
    draw(inside)
    for panel in np.ravel(result):
        box, frame = panel.get_window_extent(), inside.get_window_extent()
        assert frame.x0 - 1 <= box.x0 < box.x1 <= frame.x1 + 1 and frame.y0 - 1 <= box.y0 < box.y1 <= frame.y1 + 1


@pytest.mark.parametrize("name", FUNCTIONS)
def test_functions_create_a_figure_without_ax(name, plane, monkeypatch):
    matplotlib.use("Agg")
    plt = pytest.importorskip("matplotlib.pyplot")
    monkeypatch.setattr(plt, "show", lambda: pytest.fail("plt.show was called"))
    figures, before = plt.get_fignums(), settings()
    result = all_pictures(plane)[name](None)
    draw(result)
    assert len(plt.get_fignums()) == len(figures) + 1 and settings() == before
    plt.close(np.ravel(result)[0].figure)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_ax_of_another_type_is_refused(name, plane):
    page = figure.Figure()
    for wrong in (page, page.subplots(1, 2), "ax", 3):
        with pytest.raises(TypeError, match="ax must be a matplotlib Axes"):
            all_pictures(plane)[name](wrong)


@pytest.mark.parametrize("name", FUNCTIONS)
def test_axes_have_labels(name, plane, ax):
    for panel in np.ravel(all_pictures(plane)[name](ax)):
        assert panel.get_xlabel() or panel.texts or name == "first_layer_weights"


@pytest.mark.parametrize("name", FUNCTIONS)
def test_text_lies_within_the_figure(name, plane):
    """Nothing is cut off in figures of the default size."""
    matplotlib.use("Agg")
    plt = pytest.importorskip("matplotlib.pyplot")
    page = np.ravel(all_pictures(plane)[name](None))[0].figure
    draw(page.axes)
    box = page.get_tightbbox()
    width, height = page.get_size_inches()
    plt.close(page)
    assert box.x0 >= -0.01 and box.y0 >= -0.01 and box.x1 <= width + 0.01 and box.y1 <= height + 0.01


@pytest.mark.parametrize("name", FUNCTIONS)
def test_missing_matplotlib_raises_an_import_error_with_advice(name, plane, monkeypatch):
    for module in [module for module in sys.modules if module.partition(".")[0] == "matplotlib"]:
        monkeypatch.setitem(sys.modules, module, None)
    with pytest.raises(ImportError, match=r"fastnn\.plot needs matplotlib: pip install 'fastnn\[plot\]'"):
        all_pictures(plane)[name](None)


def test_plot_is_loaded_lazily():
    code = ("import sys, fastnn\n"
            "assert 'fastnn.plot' not in sys.modules\n"
            "assert callable(fastnn.plot.curves) and 'fastnn.plot' in sys.modules\n"
            "assert 'matplotlib' not in sys.modules\n")
    subprocess.run([sys.executable, "-P", "-W", "error", "-c", code], check=True, timeout=60)
    with pytest.raises(AttributeError, match="no attribute 'plots'"):
        fastnn.plots  # noqa: B018


def test_every_function_takes_ax():
    for name in FUNCTIONS:
        assert inspect.signature(getattr(plot, name)).parameters["ax"].default is None


# ---- Curves and schedules -------------------------------------------------------------------------------------------


def lines(ax):
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in ax.get_lines()}


def test_history_plot_draws_curves(ax):
    history = run([3, 2, 1], best_epoch=2)
    other = figure.Figure().subplots()
    assert history.plot(ax) is ax
    assert lines(ax) == lines(plot.curves(history, ax=other))
    assert lines(ax)["training"] == ([1, 2, 3], [3, 2, 1]) and lines(ax)["validation"] == ([1, 2, 3], [6, 4, 2])


def test_curves_of_several_runs_differ_in_colour_and_dashes(ax):
    runs = {"slow": run([3, 2.5], best_epoch=1), "fast": History([{"epoch": 1, "loss": 1}, {"epoch": 4, "loss": 0.5}])}
    plot.curves(runs, ax=ax)
    drawn = lines(ax)
    assert drawn["slow: training"] == ([1, 2], [3, 2.5]) and drawn["slow: validation"] == ([1, 2], [6, 5])
    assert drawn["fast: training"] == ([1, 4], [1, 0.5]) and len(drawn) == 4  # and the best epoch
    colour = {line.get_label(): line.get_color() for line in ax.get_lines()}
    assert colour["slow: training"] == colour["slow: validation"] != colour["fast: training"]
    style = {line.get_label(): line.get_linestyle() for line in ax.get_lines()}
    assert style["slow: training"] == style["fast: training"] != style["slow: validation"]
    assert [text.get_text() for text in ax.get_legend().get_texts()] == [
        "slow: training", "slow: validation", "fast: training"]


def test_single_curve_of_several_runs_is_labelled_by_run(ax):
    plot.curves({"a": run([3, 1]), "b": run([1, 1e-3])}, ["loss"], ax)
    assert set(lines(ax)) == {"a", "b"} and ax.get_yscale() == "log"


@pytest.mark.parametrize(("history", "keys", "error", "match"), [
    ({}, None, ValueError, "at least one run"),
    ([1, 2], None, TypeError, "history must be a History"),
    ({"a": [1, 2]}, None, TypeError, "history must be a History"),
    (run([1]), "loss", TypeError, "list of names"),
    (run([1]), ["accuracy"], KeyError, "no curve 'accuracy'"),
])
def test_curves_refuse_bad_arguments(history, keys, error, match, ax):
    with pytest.raises(error, match=match):
        plot.curves(history, keys, ax)
    assert not ax.has_data()


class Halving:
    def rates(self, total):
        return np.float32(0.5) ** np.arange(total)


@pytest.mark.parametrize("schedule", [lambda t: 0.5**t, Halving()], ids=["callable", "rates"])
def test_schedule_draws_the_rate_of_each_step(schedule, ax):
    assert plot.schedule(schedule, 6, ax, unit="epoch") is ax
    values, edges, _ = ax.patches[0].get_data()
    assert list(values) == [1, 0.5, 0.25, 0.125, 0.0625, 0.03125] and list(edges) == list(range(7))
    assert ax.get_xlabel() == "epoch" and "learning rate" in ax.get_ylabel()
    draw(ax)


@pytest.mark.parametrize(("schedule", "unit"), [
    (lambda t: 0.1, "step"), (StepDecay(0.1), "epoch"), (StepDecay(0.1, per="step"), "step"), (OneCycle(0.1), "step"),
    (ReduceOnPlateau(0.1), "plateau"),
], ids=["callable", "per epoch", "per step", "one-cycle", "plateau"])
def test_schedule_labels_the_axis_with_its_unit(schedule, unit, ax):
    assert plot.schedule(schedule, 30, ax).get_xlabel() == unit


def test_schedule_is_called_with_floats(ax):
    seen = []
    plot.schedule(lambda t: seen.append(t) or 0.1, 3, ax)
    assert seen == [0, 1, 2] and all(type(t) is float for t in seen)


@pytest.mark.parametrize(("schedule", "total", "error", "match"), [
    (0.1, 5, TypeError, r"callable as schedule\(t\), or have a method rates\(total\)"),
    (lambda t: math.nan, 5, ValueError, "rate at t = 0 must be finite"),
    (lambda t: 1 - t, 5, ValueError, "rate at t = 2 must be finite and at least 0, got -1.0"),
    (lambda t: "0.1", 5, TypeError, "rate at t = 0 must be a number"),
    (lambda t: 0.1, 0, ValueError, "total"),
    (lambda t: 0.1, 2.0, TypeError, "total"),
    (type("Short", (), {"rates": lambda self, total: [0.1]})(), 5, ValueError, "for each of t = 0 .. 4, got 1"),
])
def test_schedule_refuses_bad_arguments(schedule, total, error, match, ax):
    with pytest.raises(error, match=match):
        plot.schedule(schedule, total, ax)
    assert not ax.has_data()


# ---- Decisions ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", ["labels", "column", "one-hot"])
@pytest.mark.parametrize("kind", ["sigmoid", "softmax"])
def test_decision_boundary_shows_predictions_and_examples(kind, shape, plane, three, ax):
    network, X, y = plane if kind == "sigmoid" else three
    if shape == "one-hot":
        if kind == "sigmoid":
            pytest.skip("one output")
        given = np.eye(3)[y]
    else:
        given = y[:, None] if shape == "column" else y
    plot.decision_boundary(network, X, given, ax, resolution=40, names=list("abc")[: y.max() + 1])
    draw(ax)
    (image,) = ax.get_images()
    left, right, low, high = image.get_extent()
    x_1, x_2 = ((np.arange(40) + 0.5) / 40 * (b - a) + a for a, b in ((left, right), (low, high)))  # centres
    grid = np.stack(np.meshgrid(x_1, x_2), axis=-1).reshape(-1, 2)
    same = np.asarray(image.get_array()).reshape(-1) == network.predict(grid)
    assert same.mean() > 0.995  # points may lie on the boundary itself
    assert left < X[:, 0].min() < X[:, 0].max() < right and low < X[:, 1].min() < X[:, 1].max() < high
    # The examples of each class have the colour of its region.
    points = {c.get_label(): c for c in ax.collections if c.get_label() in "abc"}
    for k in range(y.max() + 1):
        np.testing.assert_array_equal(points["abc"[k]].get_offsets(), X[y == k])
        assert colors.same_color(points["abc"[k]].get_facecolor()[0], (*image.cmap(image.norm(k))[:3], 1))
    assert [text.get_text() for text in ax.get_legend().get_texts()] == list("abc")[: y.max() + 1]


def test_boundary_lies_where_probabilities_are_equal(plane, three, ax):
    for network, X, y in (plane, three):
        plot.decision_boundary(network, X, y, ax, legend=False)
        paths = [path for c in ax.collections if "Contour" in type(c).__name__ for path in c.get_paths()]
        on_it = np.concatenate([path.vertices for path in paths if len(path.vertices)])
        A = network.predict_proba(on_it)
        top = np.sort(A, axis=1)[:, -2:] if A.ndim == 2 else np.stack([A, 1 - A], axis=1)
        assert np.median(np.abs(top[:, 0] - top[:, 1])) < 0.02 and ax.get_legend() is None
        ax.clear()


def test_decision_boundary_of_one_example_and_one_region(ax):
    network = Network([2, 3], random_state=0)
    network.W[0], network.b[0] = np.zeros((3, 2)), [[0.0], [0.0], [1.0]]
    plot.decision_boundary(network, [[1.0, 1.0]], [2], ax)
    draw(ax)
    assert set(np.ravel(ax.get_images()[0].get_array())) == {2}


@pytest.mark.parametrize(("sizes", "output", "match"), [
    ([3, 2], "softmax", r"needs n\[0\] = 2 features, got n\[0\] = 3"),
    ([2, 3], "sigmoid", r"sigmoid output with n\[L\] = 1, got sigmoid with n\[L\] = 3"),
    ([2, 1], "identity", r"softmax output.* got identity"),
])
def test_decision_boundary_needs_a_classifier_in_the_plane(sizes, output, match, ax):
    network = Network(sizes, output=output, random_state=0)
    with pytest.raises(ValueError, match=match):
        plot.decision_boundary(network, np.zeros((4, sizes[0])), np.zeros(4, int), ax)
    assert not ax.has_data()


def test_decision_boundary_refuses_other_data(three, ax):
    network, X, y = three
    for arguments, error, match in (
            ((network, X[:, :1], y), ValueError, r"X must have shape \(m, n\[0\]\)"),
            ((network, X, y[:-1]), ValueError, "y must have shape"),
            ((network, X, y + 1), ValueError, r"0 .. n\[L\]-1"),
            (("network", X, y), TypeError, r"network must be a fastnn\.Network, got 'network'")):
        with pytest.raises(error, match=match):
            plot.decision_boundary(*arguments, ax)
    for keywords in ({"names": ["a", "b"]}, {"names": "abc"}, {"resolution": 1}):
        with pytest.raises(ValueError, match=next(iter(keywords))):
            plot.decision_boundary(network, X, y, ax, **keywords)
    assert not ax.has_data()


TRUE, PREDICTED = [0, 0, 0, 1, 1, 3], [0, 0, 1, 1, 1, 0]
COUNTS = [[2, 1, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0], [1, 0, 0, 0]]


def test_confusion_matrix_shows_counts(ax):
    plot.confusion_matrix(TRUE, PREDICTED, ax)
    draw(ax)
    assert ax.get_images()[0].get_array().tolist() == COUNTS
    written = {text.get_position(): text.get_text() for text in ax.texts}
    assert written == {(j, i): str(COUNTS[i][j]) for i in range(4) for j in range(4)}
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("predicted class", "true class")


def test_normalised_confusion_matrix_shows_fractions_and_names(ax):
    names = ["cat", "dog", "bird", "none", "more"]
    plot.confusion_matrix(np.eye(5)[TRUE], PREDICTED, ax, normalize=True, names=names)
    draw(ax)
    matrix = np.asarray(ax.get_images()[0].get_array())
    np.testing.assert_allclose(matrix[[0, 1, 3]], [[2 / 3, 1 / 3, 0, 0, 0], [0, 1, 0, 0, 0], [1, 0, 0, 0, 0]])
    assert [text.get_text() for text in ax.texts if text.get_position()[1] == 2] == ["–"] * 5  # no such examples
    assert [tick.get_text() for tick in ax.get_xticklabels()] == names == [t.get_text() for t in ax.get_yticklabels()]


def test_confusion_matrix_of_many_classes_has_no_numbers(ax):
    y = np.arange(300)
    plot.confusion_matrix(y, y[::-1], ax)
    draw(ax)
    assert not ax.texts and np.array_equal(ax.get_images()[0].get_array(), np.eye(300)[::-1])


@pytest.mark.parametrize(("true", "predicted", "names", "error", "match"), [
    ([0, 1], [0], None, ValueError, "same m examples, got 2 and 1"),
    ([], [], None, ValueError, "at least one example"),
    (1, 1, None, ValueError, "at least one example"),
    ([0.5, 1], [0, 1], None, ValueError, "y_true must hold whole class labels"),
    ([0, 1], [0, -1], None, ValueError, "y_pred must hold labels"),
    (["a", "b"], [0, 1], None, TypeError, "y_true must hold real numbers"),
    ([0, 10**6], [0, 1], None, ValueError, "at most 1000 classes, got the label 1000000"),
    ([0, 2], [0, 1], ["a", "b"], ValueError, "one for each of the 3 classes"),
])
def test_confusion_matrix_refuses_bad_arguments(true, predicted, names, error, match, ax):
    with pytest.raises(error, match=match):
        plot.confusion_matrix(true, predicted, ax, names=names)
    assert not ax.has_data()


# ---- Layers ---------------------------------------------------------------------------------------------------------


def test_first_layer_weights_are_drawn_as_images(digits, ax):
    network, _, _ = digits
    assert plot.first_layer_weights(network, ax=ax) is ax
    draw(ax)
    (image,) = ax.get_images()
    mosaic = np.ma.filled(image.get_array(), np.nan)
    assert mosaic.shape == (3 * 9 - 1, 4 * 9 - 1)  # 12 pictures of 8 x 8 pixels
    for k in range(12):
        row, column = divmod(k, 4)
        part = mosaic[9 * row : 9 * row + 8, 9 * column : 9 * column + 8]
        np.testing.assert_array_equal(part, network.W[0][k].reshape(8, 8))
    assert np.isnan(mosaic[8]).all() and image.norm.vmax == -image.norm.vmin == np.abs(network.W[0]).max()
    assert [tick.get_text() for tick in ax.get_yticklabels()] == ["0", "4", "8"]


def test_selected_first_layer_weights_are_drawn_in_a_given_shape(digits, ax):
    network, _, _ = digits
    plot.first_layer_weights(network, (4, 16), ax, units=[7, 2])
    mosaic = np.ma.filled(ax.get_images()[0].get_array(), np.nan)
    np.testing.assert_array_equal(mosaic[:4], network.W[0][7].reshape(4, 16))
    np.testing.assert_array_equal(mosaic[5:], network.W[0][2].reshape(4, 16))


def test_first_layer_weights_are_drawn_in_rgb(ax):
    network = Network([48, 1], output="sigmoid", random_state=0)  # 48 = 4 x 4 x 3
    plot.first_layer_weights(network, ax=ax)
    draw(ax)
    W = network.W[0][0].reshape(4, 4, 3)
    np.testing.assert_allclose(ax.get_images()[0].get_array(), 0.5 + W / (2 * np.abs(W).max()), rtol=1e-6)
    network.W[0] = np.zeros((1, 48))
    plot.first_layer_weights(network, ax=ax)
    assert (ax.get_images()[-1].get_array() == 0.5).all()


@pytest.mark.parametrize(("sizes", "keywords", "error", "match"), [
    ([30, 2], {}, ValueError, r"n\[0\] = 30 is no square picture: give shape"),
    ([30, 2], {"shape": (5, 5)}, ValueError, r"shape must have n\[0\] = 30 numbers, got \(5, 5\) with 25"),
    ([30, 2], {"shape": (5, 3, 2)}, ValueError, r"shape must be \(height, width\) or \(height, width, 3\)"),
    ([30, 2], {"shape": 30}, ValueError, "shape must be"),
    ([30, 2], {"shape": (2.5, 12)}, TypeError, "whole number"),
    ([9, 2], {"units": [2]}, ValueError, r"a row of W\[1\] must be from 0 to 1"),
    ([9, 2], {"units": []}, ValueError, "at least one row"),
])
def test_first_layer_weights_refuse_bad_arguments(sizes, keywords, error, match, ax):
    with pytest.raises(error, match=match):
        plot.first_layer_weights(Network(sizes, random_state=0), ax=ax, **keywords)
    assert not ax.has_data()


def histogram(panel):
    counts, edges, _ = panel.patches[0].get_data()
    return np.asarray(counts), np.asarray(edges)


@pytest.mark.parametrize("of", ["A", "Z"])
def test_activation_histograms_count_all_values(of, digits, ax):
    network, X, _ = digits
    panels = plot.activation_histograms(network, X, ax, of=of, bins=13)
    draw(ax)
    cache = network.forward(X, return_cache=True)[1]
    assert panels.shape == (3,)
    for l, (panel, values, name) in enumerate(zip(panels, getattr(cache, of), network.activations, strict=True), 1):
        counts, edges = histogram(panel)
        expected = np.histogram(values.astype(np.float64), 13)
        np.testing.assert_array_equal(counts, expected[0])
        np.testing.assert_array_equal(edges, expected[1])
        assert counts.sum() == network.layer_sizes[l] * len(X)
        title = panel.get_title()
        assert title.startswith(f"{of}[{l}]") and (name if of == "A" else f"({len(values)}, 150)") in title
        assert panel.get_xlabel() == f"mean {values.mean(dtype=float):.2g}\nstd {values.std(dtype=float):.2g}"


def test_gradient_histograms_count_all_entries(digits, ax):
    network, X, y = digits
    panels = plot.gradient_histograms(network, X, y, ax, bins=7)
    draw(ax)
    for l, (panel, dW) in enumerate(zip(panels, network.gradients(X, y)[1], strict=True), 1):
        np.testing.assert_array_equal(histogram(panel)[0], np.histogram(dW.astype(np.float64), 7)[0])
        assert panel.get_title() == f"dW[{l}]\n{dW.shape}"


@pytest.mark.parametrize("weight", [0.0, 1.0, 1e-320, 1e300])
def test_histogram_of_a_single_value_is_drawn(weight, ax):
    network = Network([1, 2], output="identity", dtype="float64", random_state=0)
    network.W[0] = np.full((2, 1), weight)
    network.W[0][1] = np.nextafter(weight, 2 * weight)  # too close to hold the bins
    (panel,) = plot.activation_histograms(network, [[1.0]], ax)
    draw(ax)
    assert histogram(panel)[0].sum() == 2


def test_histograms_refuse_bad_arguments(digits, ax):
    network, X, y = digits
    with pytest.raises(ValueError, match="of must be one of A, Z"):
        plot.activation_histograms(network, X, ax, of="dA")
    with pytest.raises(ValueError, match="bins"):
        plot.gradient_histograms(network, X, y, ax, bins=0)
    with pytest.raises(ValueError, match=r"X must have shape"):
        plot.activation_histograms(network, X[:, 1:], ax)
    with pytest.raises(TypeError, match=r"fastnn\.Network"):
        plot.gradient_histograms(None, X, y, ax)
    broken = Network([2, 2, 2], activation="identity", random_state=0)
    broken.W[0], broken.W[1] = np.full((2, 2), 1e30), np.full((2, 2), 1e30)
    with pytest.raises(ValueError, match=r"Z\[2\] holds NaN or infinity"):
        plot.activation_histograms(broken, [[1.0, 1.0]], ax, of="Z")
    assert ax.axison and len(ax.figure.axes) == 1


@pytest.mark.parametrize("n", range(1, 11))
def test_panels_do_not_overlap(n):
    network = Network([2] * (n + 1), random_state=0)
    page = figure.Figure(figsize=(10, 7), layout="constrained")
    panels = plot.activation_histograms(network, np.eye(2), page.subplots())
    draw(panels)
    boxes = [panel.get_tightbbox(page.canvas.get_renderer()) for panel in panels]
    assert len(boxes) == n
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


# ---- The diagram ----------------------------------------------------------------------------------------------------


def test_network_diagram_shows_units_connections_and_shapes(ax):
    network = Network([3, 50, 1], activation="leaky_relu", output="sigmoid", random_state=0)
    assert plot.network_diagram(network, ax, max_units=6) is ax
    draw(ax)
    kinds = {kind: [c for c in ax.collections if type(c).__name__ == kind]
             for kind in ("EllipseCollection", "LineCollection")}
    units = [np.asarray(c.get_offsets()) for c in kinds["EllipseCollection"]]
    assert [len(layer) for layer in units] == [3, 5, 1]  # dots replace one of six units
    assert all((layer[:, 0] == l).all() for l, layer in enumerate(units))
    assert [len(c.get_segments()) for c in kinds["LineCollection"]] == [3 * 5, 5 * 1]
    ends = {tuple(point) for c in kinds["LineCollection"] for segment in c.get_segments() for point in segment}
    assert ends == {tuple(point) for layer in units for point in layer}
    texts = [text.get_text() for text in ax.texts]
    assert texts.count("⋮") == 1
    for expected in ("A[0]\n= X^T\n(3, m)", "A[1]\nleaky_relu\n(50, m)", "A[2]\nsigmoid\n(1, m)",
                     "W[1]\n(50, 3)\nb[1]\n(50, 1)", "W[2]\n(1, 50)\nb[2]\n(1, 1)"):
        assert expected in texts


@pytest.mark.parametrize("sizes", [[2, 1], [5] * 9, [12288, 20, 7, 5, 1], [30] * 13, [1000, 1000]])
@pytest.mark.parametrize("size", [(6.4, 4.8), (3.5, 3), None])
def test_texts_of_the_diagram_do_not_overlap(sizes, size):
    matplotlib.use("Agg")
    plt = pytest.importorskip("matplotlib.pyplot")
    if size and len(sizes) > size[0]:
        pytest.skip("more columns than fit with the smallest font")
    network = Network(sizes, output="sigmoid", random_state=0)
    where = figure.Figure(figsize=size).subplots() if size else None
    ax = plot.network_diagram(network, where)
    draw(ax)
    renderer = ax.figure.canvas.get_renderer()
    boxes = [text.get_window_extent(renderer) for text in ax.texts if text.get_text() != "⋮"]
    plt.close(ax.figure)
    for i, box in enumerate(boxes):
        assert not any(box.overlaps(other) for other in boxes[i + 1 :])


@pytest.mark.parametrize(("network", "keywords", "error", "match"), [
    ([3, 1], {}, TypeError, r"network must be a fastnn\.Network, got \[3, 1\]"),
    (Network([2, 2]), {"max_units": 2}, ValueError, "max_units must be from 3"),
])
def test_network_diagram_refuses_bad_arguments(network, keywords, error, match, ax):
    with pytest.raises(error, match=match):
        plot.network_diagram(network, ax, **keywords)
    assert not ax.has_data()


def test_an_input_stage_is_named_and_has_its_own_rows():
    network = Network([3, 5, 2], embedding=Embedding(numbers=[0]))
    texts = [text.get_text() for text in plot.network_diagram(network).texts]
    assert "A[0]\nof the input stage\n(6, m)" in texts
    assert "W[1]\n(5, 6)\nb[1]\n(5, 1)" in texts
    with pytest.raises(ValueError, match="makes 6 inputs of 3 columns"):
        plot.first_layer_weights(network, (1, 3))
