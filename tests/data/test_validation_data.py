"""Validation data read in chunks: empty data are refused before training, and the check consumes no batch."""

import pickle
from itertools import count

import numpy as np
import pytest

from fastnn import LBFGS, Network

M, N_X = 60, 5
rng = np.random.default_rng(0)
X = rng.standard_normal((M, N_X)).astype(np.float32)
y = rng.integers(3, size=M)
ZEROS = np.zeros(M)
# Products of fewer rows may be summed in another order: n[0] + n[1] + 4 roundings of float32 in two layers, relative to
# values of Z, which are below 4 times the loss.
ROUNDING = 4 * (N_X + 4 + 4) * 2**-24


class Rows:
    """An object that is read by slices."""

    def __init__(self, array):
        self.array, self.shape, self.dtype = array, array.shape, array.dtype

    def __getitem__(self, rows):
        return self.array[rows]


class Begun:
    """An iterable that is neither a sequence nor an iterator."""

    def __init__(self, batches):
        self.batches = batches

    def __iter__(self):
        return iter(self.batches)


def trained():
    net = Network([N_X, 4, 3], random_state=0)
    net.fit(X, y, epochs=2, batch_size=16)
    return net


NOTHING = {
    "list and None": lambda: [[], None],
    "tuple and None": lambda: ((), None, None),
    "empty range": lambda: range(0),
    "empty dictionary's values": lambda: {}.values(),
    "iterable": lambda: Begun([]),
    "callable to a list": lambda: lambda: [*()],
    "callable to an iterator": lambda: lambda: iter(()),
    "callable and None": lambda: (lambda: iter(()), None),
    "generator function": lambda: lambda: (batch for batch in ()),
}
AN_ITERATOR = {
    "iterator": lambda: iter([]),
    "generator": lambda: (batch for batch in ()),
    "iterator and None": lambda: (iter([]), None),
}
WRONG_FIRST_CHUNK = {  # validation data whose first chunk is wrong, error, message
    "no iterable": (lambda: lambda: 3, TypeError, r"validation X\(\) must return an iterable of batches, got int"),
    "no rows": (lambda: Begun([(X[:0], y[:0])]), ValueError, "validation batch 1: X must hold at least one example"),
    "NaN": (lambda: [[(np.full((2, N_X), np.nan), y[:2])], None], ValueError, "validation batch 1: X holds NaN"),
    "labels": (lambda: lambda: [(X, y + 1)], ValueError, "validation batch 1: y must hold labels"),
    "X alone": (lambda: Begun([X]), TypeError, "validation batch 1: it must be a tuple"),
    "rows of a reader": (lambda: (Rows(np.full((M, N_X), np.inf)), y), ValueError, "validation rows 0 to .* infinity"),
    "labels of a reader": (lambda: (Rows(X), Rows(y - 5)), ValueError, "validation rows 0 to .* y must hold labels"),
    "a reader without rows": (lambda: (Rows(X[:0]), y[:0]), ValueError, "validation X must hold at least one example"),
}


def refused(data, error, text, **settings):
    net = trained()
    before = pickle.dumps(net)
    with pytest.raises(error, match=f"^{text}"):
        net.fit(X, y, validation_data=data, **{"epochs": 2} | settings)
    assert pickle.dumps(net) == before


@pytest.mark.parametrize("settings", [{}, {"epochs": 1}, {"early_stopping": 2}, {"optimizer": LBFGS()}],
                         ids=["epochs", "epoch", "stopping", "lbfgs"])
@pytest.mark.parametrize("case", NOTHING)
def test_nothing_to_validate_on_is_refused_before_training(case, settings):
    refused(NOTHING[case](), ValueError, "validation X gave no batches$", **settings)


@pytest.mark.parametrize("case", AN_ITERATOR)
def test_an_iterator_is_for_one_epoch(case):
    refused(AN_ITERATOR[case](), ValueError, "validation X gave no batches: an iterator can be used once", epochs=1)
    refused(AN_ITERATOR[case](), ValueError, "validation_data is an iterator, which can be used once, .* a callable")


def test_an_iterator_that_is_refused_loses_nothing():
    batches = iter([(X, y)])
    refused(batches, ValueError, "validation_data is an iterator")
    assert len(list(batches)) == 1


@pytest.mark.parametrize("case", WRONG_FIRST_CHUNK)
def test_first_validation_chunk_is_checked_before_training(case):
    make, error, text = WRONG_FIRST_CHUNK[case]
    refused(make(), error, text)


@pytest.mark.parametrize("size", [7, 20, 30, M])
def test_checking_the_first_batch_does_not_consume_it(size):
    batches = [(X[start : start + size], y[start : start + size]) for start in range(0, M, size)]
    passes = count()

    def called():
        next(passes)
        yield from batches

    expected = trained().fit(X, y, epochs=3, validation_data=(X, y))["validation_loss"]
    for data in (batches, (batches, None), (called, None), called, Begun(batches)):
        found = trained().fit(X, y, epochs=3, validation_data=data)["validation_loss"]
        assert found == pytest.approx(expected, rel=ROUNDING)
    assert next(passes) == 2 * (1 + 3)  # twice: for the score before training and after each of 3 epochs
    once = trained().fit(X, y, epochs=1, validation_data=iter(batches))
    assert once["validation_loss"] == pytest.approx(expected[:1], rel=ROUNDING)


def test_batches_without_weight_do_not_count_as_divergence():
    """The loss of no examples is NaN. This is an error in the data, not divergence."""
    net = trained()
    with pytest.raises(ValueError, match=r"^validation X gave no example with weight$"):
        net.fit(X, y, epochs=1, validation_data=lambda: [(X, y, ZEROS)] * 2)
    with pytest.raises(ValueError, match=r"^X gave no example with weight$"):
        net.evaluate([(X, y, ZEROS)])
    with pytest.raises(ValueError, match=r"^X gave no example with weight in epoch 1$"):
        net.fit([(X, y, ZEROS)], epochs=2)
    net.fit(X, y, epochs=2, validation_data=lambda: [(X, y, ZEROS), (X, y)])
    assert np.isfinite(net.history["validation_loss"]).all()


@pytest.mark.parametrize("form", [tuple, list])
def test_a_pair_is_not_a_list_of_batches(form):
    """For any X and y: lists of rows, tuples of rows, one-hot targets."""
    expected = trained().fit(X, y, epochs=1, validation_data=(X, y))["validation_loss"]
    for pair in ((X, y), (X.tolist(), y.tolist()), (tuple(map(tuple, X)), tuple(y)), (X, np.eye(3)[y]), (list(X), y)):
        assert trained().fit(X, y, epochs=1, validation_data=form(pair))["validation_loss"] == expected
