"""The history of a fit, and its plot."""

import copy
import json
import math
import pickle
import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fastnn.history import History

KEYS = ("loss", "validation_loss", "validation_accuracy", "learning_rate", "seconds")


@st.composite
def histories(draw):
    epochs = draw(st.lists(st.integers(1, 10**6), unique=True, max_size=8).map(sorted))
    numbers = st.dictionaries(st.sampled_from(KEYS), st.floats())
    return History(
        [{"epoch": epoch} | draw(numbers) for epoch in epochs],
        stop_reason=draw(st.sampled_from([None, "epochs", "early_stopping", "callback", "diverged", "interrupted"])),
        best_epoch=draw(st.none() | st.integers(1, 10**6)),
    )


def run(losses, first=1, **arguments):
    return History([{"epoch": first + i, "loss": loss} for i, loss in enumerate(losses)], **arguments)


# ---- records


def test_curves():
    history = History()
    assert len(history) == 0 and history.epochs == [] and history.loss == [] and history["epoch"] == []
    record = {"epoch": np.int64(1), "loss": np.float32(0.5), "validation_accuracy": 1}
    history.append(record)
    history.append({"epoch": 3, "loss": math.inf, "validation_loss": 0.25})
    record["loss"] = 7  # the record was copied
    assert len(history) == 2 and history.epochs == history["epoch"] == [1, 3]
    assert history.loss == history["loss"] == [0.5, math.inf]
    assert math.isnan(history["validation_loss"][0]) and history["validation_loss"][1] == 0.25
    assert history["validation_accuracy"][0] == 1.0 and math.isnan(history["validation_accuracy"][1])
    assert set(history.keys()) == {"epoch", "loss", "validation_loss", "validation_accuracy"}
    assert "validation_loss" in history and "seconds" not in history
    assert [type(value) for value in history.records[0].values()] == [int, float, float]
    assert dict(history)["loss"] == [0.5, math.inf]
    with pytest.raises(KeyError, match="no curve 'seconds'"):
        history["seconds"]


@pytest.mark.parametrize(
    ("record", "error", "match"),
    [
        ({"loss": 1.0}, ValueError, "'epoch'"),
        ({"epoch": 0}, ValueError, "ascend from 1"),
        ({"epoch": 5}, ValueError, "5 cannot follow 5"),
        ({"epoch": 6.0}, TypeError, "float"),
        ({"epoch": 6, "loss": "0.5"}, TypeError, r"record\['loss'\]"),
        ({"epoch": 6, "loss": None}, TypeError, r"record\['loss'\]"),
        ({"epoch": 6, "loss": 1j}, TypeError, r"record\['loss'\]"),
        ({"epoch": 6, "loss": np.zeros(2)}, TypeError, r"record\['loss'\]"),
        ({"epoch": 6, 7: 1.0}, TypeError, "str keys"),
    ],
)
def test_bad_records_are_refused_and_change_nothing(record, error, match):
    history = run([1.0, 0.5], first=4)
    before = copy.deepcopy(history)
    with pytest.raises(error, match=match):
        history.append(record)
    assert history == before


# ---- a later run


def test_extend_counts_on():
    history = run([3.0, 2.0], stop_reason="early_stopping", best_epoch=1)
    history.extend(run([1.5, 1.0], stop_reason="epochs", best_epoch=2))
    assert history.epochs == [1, 2, 3, 4] and history.loss == [3.0, 2.0, 1.5, 1.0]
    assert history.best_epoch == 4 and history.stop_reason == "epochs"
    history.extend(run([0.5], first=5, stop_reason="callback"))  # it has counted on already
    assert history.epochs == [1, 2, 3, 4, 5] and history.best_epoch is None and history.stop_reason == "callback"


@given(first=histories(), second=histories())
def test_extend_keeps_every_record_and_the_order(first, second):
    expected = first.records + second.records
    second_before = copy.deepcopy(second)
    was_empty = not first.records
    first.extend(second)
    if was_empty:
        assert first == second
    epochs = first.epochs
    assert epochs == sorted(set(epochs)) and len(first) == len(expected)
    for record, before in zip(first.records, expected, strict=True):
        assert {**record, "epoch": 0}.items() >= {**before, "epoch": 0}.items()
    assert second == second_before
    assert first.stop_reason == second.stop_reason


def test_extend_by_itself_and_by_something_else():
    history = run([2.0, 1.0])
    history.extend(history)
    assert history.epochs == [1, 2, 3, 4] and history.loss == [2.0, 1.0, 2.0, 1.0]
    with pytest.raises(TypeError, match="must be a History"):
        history.extend([{"epoch": 5}])


# ---- equality and JSON


@given(history=histories())
def test_json_round_trip(history):
    text = json.dumps(history.to_dict(), allow_nan=False)
    again = History.from_dict(json.loads(text))
    assert again == history and again.epochs == history.epochs
    for key in history.keys():  # noqa: SIM118  # a History is no dict
        np.testing.assert_array_equal(again[key], history[key])
    assert pickle.loads(pickle.dumps(history)) == history


@given(history=histories())
def test_equality_is_that_of_the_content(history):
    same = copy.deepcopy(history)
    assert same == history
    same.best_epoch = (history.best_epoch or 0) + 1
    assert same != history
    same = copy.deepcopy(history)
    same.stop_reason = "another"
    assert same != history
    same = copy.deepcopy(history)
    same.append({"epoch": 10**7})
    assert same != history and history != history.to_dict()


@pytest.mark.parametrize(
    "data",
    [
        {},
        [],
        None,
        {"records": [], "stop_reason": None},
        {"records": [], "stop_reason": None, "best_epoch": None, "more": 1},
        {"records": {}, "stop_reason": None, "best_epoch": None},
        {"records": [1], "stop_reason": None, "best_epoch": None},
        {"records": [], "stop_reason": 3, "best_epoch": None},
        {"records": [], "stop_reason": None, "best_epoch": "1"},
        {"records": [{"epoch": 1, "loss": "small"}], "stop_reason": None, "best_epoch": None},
        {"records": [{"loss": 1.0}], "stop_reason": None, "best_epoch": None},
    ],
)
def test_from_dict_refuses_other_data(data):
    with pytest.raises(ValueError):
        History.from_dict(data)


def test_repr_is_short():
    assert repr(History()) == "<History: 0 epochs>"
    history = run([0.123456], stop_reason="epochs", best_epoch=1)
    assert repr(history) == "<History: 1 epoch, loss 0.1235, best epoch 1, stopped by epochs>"
    history.extend(run([0.1] * 1000))
    assert len(repr(history)) < 100


# ---- plot


@pytest.fixture
def ax():
    figure = pytest.importorskip("matplotlib.figure", reason="matplotlib is not installed")
    return figure.Figure().subplots()


def drawn(ax):
    """Return {label: (x, y)} of the curves after rendering."""
    pytest.importorskip("matplotlib.backends.backend_agg").FigureCanvasAgg(ax.figure).draw()
    return {line.get_label(): (list(line.get_xdata()), list(line.get_ydata())) for line in ax.get_lines()}


def test_plot_shows_the_losses(ax):
    history = History(
        [
            {"epoch": 1, "loss": 1.0, "seconds": 3.0},
            {"epoch": 2, "loss": 0.5, "validation_loss": 0.75},
            {"epoch": 3, "loss": math.nan, "validation_loss": 0.8},
        ],
        best_epoch=2,
    )
    assert history.plot(ax) is ax
    assert drawn(ax) == {
        "training": ([1, 2], [1.0, 0.5]),
        "validation": ([2, 3], [0.75, 0.8]),
        "best epoch (2)": ([2, 2], [0, 1]),
    }
    assert ax.get_xlabel() == "epoch" and ax.get_ylabel() == "cost J" and ax.get_yscale() == "linear"
    assert [text.get_text() for text in ax.get_legend().get_texts()] == ["training", "validation", "best epoch (2)"]


@pytest.mark.parametrize(
    ("losses", "scale"),
    [
        ([1.0, 0.01], "linear"),
        ([1.0, 0.0099], "log"),
        ([1.0, 0.0], "linear"),
        ([1.0, -1e-5], "linear"),
        ([1.0, 0.5, math.nan], "linear"),
        ([math.inf, 1.0, 0.5], "linear"),
        ([math.nan], "linear"),
        ([], "linear"),
        ([0.5], "linear"),
    ],
)
def test_plot_is_logarithmic_over_two_decades(ax, losses, scale):
    run(losses).plot(ax)
    assert ax.get_yscale() == scale
    drawn(ax)


def test_plot_of_chosen_curves(ax):
    history = History(
        [{"epoch": 1, "loss": 1.0, "validation_accuracy": 0.001}, {"epoch": 2, "validation_accuracy": 0.9}]
    )
    history.plot(ax, ["validation_accuracy"])
    assert drawn(ax) == {"validation accuracy": ([1, 2], [0.001, 0.9])}
    assert ax.get_ylabel() == "accuracy" and ax.get_yscale() == "linear"
    history.plot(ax, ["loss", "validation_accuracy"])
    assert ax.get_ylabel() == "value"  # of two kinds
    with pytest.raises(KeyError, match="seconds"):
        history.plot(ax, ["seconds"])
    with pytest.raises(TypeError, match="list of names"):
        history.plot(ax, "loss")


@pytest.mark.parametrize("n_epochs", [1, 2, 3, 40])
def test_plot_marks_whole_epochs(ax, n_epochs):
    run([1.0] * n_epochs).plot(ax)
    drawn(ax)
    ticks = ax.get_xticks()
    assert len(ticks) and np.array_equal(ticks, np.round(ticks))


def test_plot_makes_its_own_figure():
    matplotlib = pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    matplotlib.use("Agg")
    plt = pytest.importorskip("matplotlib.pyplot")
    before = plt.get_fignums()
    ax = run([1.0, 0.5]).plot()
    assert len(plt.get_fignums()) == len(before) + 1
    plt.close(ax.figure)


def test_matplotlib_is_imported_late_and_pyplot_only_if_needed():
    pytest.importorskip("matplotlib", reason="matplotlib is not installed")
    code = (
        "import sys; from fastnn.history import History\n"
        "print('matplotlib' in sys.modules)\n"
        "from matplotlib.figure import Figure\n"
        "History([{'epoch': 1, 'loss': 1.0}]).plot(Figure().subplots())\n"
        "print('matplotlib.pyplot' in sys.modules)\n"
    )
    result = subprocess.run([sys.executable, "-P", "-c", code], capture_output=True, text=True, check=True)
    assert result.stdout.split() == ["False", "False"]


def test_missing_matplotlib_is_explained(monkeypatch):
    for name in ("matplotlib", "matplotlib.ticker", "matplotlib.pyplot"):
        monkeypatch.setitem(sys.modules, name, None)
    with pytest.raises(ImportError, match=r"pip install 'fastnn\[plot\]'"):
        run([1.0]).plot()
