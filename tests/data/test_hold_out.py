"""The examples that a network holds out: among those with weight, every class left to train on, or the last rows."""

import numpy as np
import pytest
import scipy.sparse
from hypothesis import given
from hypothesis import strategies as st

from fastnn import Network
from fastnn._data.examples import Examples
from fastnn._data.split import hold_out
from fastnn._model.architecture import Architecture
from fastnn.callbacks import Checkpoint

X = np.random.default_rng(0).standard_normal((200, 3)).astype(np.float32)
y = (X[:, 0] > X[:, 1]).astype(int)
W = np.random.default_rng(1).uniform(0.5, 2, 200)


class Slices:
    """Rows that are read by slices."""

    def __init__(self, rows):
        self.rows, self.shape, self.dtype = rows, rows.shape, rows.dtype

    def __getitem__(self, part):
        return self.rows[part]


def network():
    return Network([3, 4, 2], random_state=0)


@given(st.integers(0, 2**16), st.integers(2, 60), st.integers(1, 6), st.floats(0.05, 0.6))
def test_examples_held_out_have_weight_and_leave_every_class_to_train_on(seed, m, n_classes, fraction):
    rng = np.random.default_rng(seed)
    labels, weights = rng.integers(0, n_classes, m).astype(np.int32), rng.integers(0, 2, m).astype(np.float32)
    architecture = Architecture.check([1, max(n_classes, 2)], activation="relu", output="softmax", dtype="float32")
    examples = Examples(np.zeros((m, 1), np.float32), labels, weights)
    try:
        held = hold_out(architecture, examples, fraction, rng)
    except ValueError as error:
        assert "are too few to hold out" in str(error)
        return
    rest = np.setdiff1d(np.flatnonzero(weights), held)
    assert weights[held].all() and set(labels[held]) <= set(labels[rest])
    assert len(held) <= int(weights.sum() * fraction + 0.5)


@pytest.mark.parametrize("wrap", [np.asarray, np.asfortranarray, scipy.sparse.csr_array, Slices])
@pytest.mark.parametrize("weights", [None, W])
def test_the_last_rows_are_held_out(wrap, weights):
    """The fit is that of the first rows with the last ones as validation data."""
    first, last = slice(150), slice(150, None)
    whole, part = network(), network()
    weighted = [None if weights is None else weights[rows] for rows in (slice(None), first, last)]
    history = whole.fit(wrap(X), y, sample_weight=weighted[0], validation_fraction=0.25, validation_split="last",
                        epochs=3, shuffle=False)
    expected = part.fit(wrap(X[first]), y[first], sample_weight=weighted[1], epochs=3, shuffle=False,
                        validation_data=(wrap(X[last]), y[last], weighted[2]))
    np.testing.assert_allclose(history["validation_loss"], expected["validation_loss"], rtol=1e-5)
    np.testing.assert_allclose(whole.W[0], part.W[0], rtol=1e-5)


def test_the_last_rows_with_weight_are_held_out():
    weights = np.where(np.arange(200) % 2, 1.0, 0.0)
    history = network().fit(X, y, sample_weight=weights, validation_fraction=0.5, validation_split="last", epochs=2,
                            metrics=[count])
    assert history["validation_count"] == [50, 50]


@pytest.mark.parametrize(("output", "labels", "lost"), [
    ("softmax", np.where(np.arange(200) < 150, 0, 1), 1), ("sigmoid", np.where(np.arange(200) < 150, 1, 0), 1),
    ("sigmoid", np.column_stack([np.arange(200) >= 150, np.arange(200) < 170]), 2)])
def test_a_class_of_the_last_rows_is_trained_on(output, labels, lost):
    n_out = 2 if output == "softmax" or labels.ndim == 2 else 1
    history = Network([3, 4, n_out], output=output).fit(X, labels, validation_fraction=0.25, validation_split="last",
                                                        epochs=1, metrics=[count])
    assert history["validation_count"] == [50 - lost]


def count(y_true, y_pred):
    return len(y_true)


def test_a_resumed_fit_holds_out_the_same_rows(tmp_path):
    own = {"validation_fraction": 0.25, "validation_split": "last"}
    for wrap in (np.asarray, Slices):
        whole, net, again = network(), network(), network()
        whole.fit(wrap(X), y, epochs=4, **own)
        net.fit(wrap(X), y, epochs=2, callbacks=[Checkpoint(tmp_path / "run")], **own)
        again.fit(wrap(X), y, epochs=4, resume=tmp_path / "run", **own)
        np.testing.assert_array_equal(again.W[0], whole.W[0])


def batches():
    yield X, y


@pytest.mark.parametrize(("data", "arguments", "text"), [
    ((X, y), {"validation_split": "last"}, "validation_split='last' needs validation_fraction"),
    ((X, y), {"validation_split": "first", "validation_fraction": 0.1}, "validation_split must be one of"),
    ((batches,), {"validation_split": "last", "validation_fraction": 0.1}, "validation_fraction needs X as an array"),
    ((Slices(X), y), {"validation_fraction": 0.1}, "or of slices validation_split='last'"),
    ((X[:4], y[:4]), {"validation_split": "last", "validation_fraction": 0.1}, "4 examples are too few to hold out")])
def test_what_cannot_be_held_out_is_refused(data, arguments, text):
    with pytest.raises(ValueError, match=text):
        network().fit(*data, epochs=1, **arguments)


def test_errors_of_slices_name_rows_of_the_whole():
    broken = X.copy()
    broken[190, 1] = np.nan
    with pytest.raises(ValueError, match="row 190"):
        network().fit(Slices(broken), y, validation_fraction=0.25, validation_split="last", epochs=1)
