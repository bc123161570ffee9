"""Training on batches from iterables and callables."""

import itertools
import pickle

import numpy as np
import pytest
from helpers.stream_cases import (
    DTYPES,
    KINDS,
    LABELS,
    REALS,
    WEIGHTS,
    Loader,
    M,
    Recorded,
    X,
    cut,
    make,
    spoiled,
    state,
    with_nan,
)
from hypothesis import given
from hypothesis import strategies as st

import fastnn
from fastnn._data.examples import Examples
from fastnn._data.feeds import ArrayFeed


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("size", [50, 230])
def test_batches_are_bitwise_identical_to_arrays(kind, dtype, weighted, size):
    y = KINDS[kind][1]
    arrays = (X, y, WEIGHTS) if weighted else (X, y)
    whole, batched, called = (make(kind, dtype) for _ in range(3))
    expected = whole.fit(X, y, sample_weight=WEIGHTS if weighted else None, shuffle=False, batch_size=size, epochs=3)
    for net, source in ((batched, cut(size, *arrays)), (called, lambda: iter(cut(size, *arrays)))):
        found = net.fit(source, epochs=3)
        assert state(net) == state(whole)
        assert found["loss"] == pytest.approx(expected["loss"], rel=1e-14)


@given(sizes=st.lists(st.integers(1, 120), min_size=1, max_size=6), batch_size=st.integers(1, 60),
       dtype=st.sampled_from(DTYPES))
def test_batches_are_cut_to_the_batch_size(sizes, batch_size, dtype):
    """The steps equal those of partial_fit on the pieces, for any sizes of batches."""
    whole, streamed = make(dtype=dtype), make(dtype=dtype)
    bounds = list(itertools.pairwise(itertools.accumulate(sizes, initial=0)))
    rows = np.arange(bounds[-1][1]) % M
    batches = [(X[rows[start:stop]], LABELS[rows[start:stop]]) for start, stop in bounds]
    for one in batches:
        for piece in cut(batch_size, *one):
            whole.partial_fit(*piece)
    streamed.fit(batches, batch_size=batch_size, epochs=1)
    assert state(streamed) == state(whole)


@pytest.mark.parametrize("batch_size", ["auto", None])
def test_batch_size_defaults_to_the_first_batch(batch_size):
    """Larger batches that follow are split."""
    batches = [(X[:30], LABELS[:30]), (X[30:100], LABELS[30:100])]
    whole, streamed = make(), make()
    streamed.fit(batches, epochs=1, batch_size=batch_size)
    whole.fit(X[:100], LABELS[:100], epochs=1, batch_size=30, shuffle=False)
    assert state(streamed) == state(whole)


def test_some_batches_may_lack_weights_or_have_zero_weights():
    ones, none = np.ones(M), np.zeros(M)
    given_weights, without = make(), make()
    given_weights.fit([(X, LABELS, ones), (X, LABELS), (X, LABELS, none)], epochs=2)
    without.fit([(X, LABELS), (X, LABELS)], epochs=2)
    assert state(given_weights) == state(without)


def test_a_first_batch_without_weight():
    """It yields no examples for scoring parameters, and no step."""
    net, expected = make(), make()
    net.fit([(X, LABELS, np.zeros(M)), (X, LABELS)], epochs=3)
    expected.fit(X, LABELS, batch_size=None, shuffle=False, epochs=3)
    assert state(net) == state(expected)


def test_batches_of_any_form():
    """Pairs or lists of anything that `fit` accepts as an array."""
    expected = make()
    expected.fit(cut(23, X, LABELS), epochs=1)
    for form in (lambda x, y: [x.tolist(), y.tolist()], lambda x, y: (memoryview(np.ascontiguousarray(x)), y),
                 lambda x, y: (np.asfortranarray(x), np.eye(3)[y]), lambda x, y: (x.astype(">f8"), y.astype(np.uint8))):
        net = make()
        net.fit((form(x, y) for x, y in cut(23, X, LABELS)), epochs=1)
        assert net._parameters.theta.tobytes() == expected._parameters.theta.tobytes()


def test_a_loader_is_iterated_once_per_epoch():
    loader, net, expected = Loader(X, LABELS), make(), make()
    net.fit(loader, epochs=4)
    assert loader.begun == 4
    expected.fit(X, LABELS, batch_size=23, shuffle=False, epochs=4)
    assert state(net) == state(expected)


def test_a_callable_is_called_once_per_epoch():
    calls = []

    def batches():
        calls.append(None)
        yield from cut(23, X, LABELS)

    make().fit(batches, epochs=4)
    assert len(calls) == 4


def test_exhausted_generator_is_named_in_the_error():
    net, expected = make(), make()
    expected.fit(cut(23, X, LABELS), epochs=1)
    with pytest.raises(ValueError, match=r"X gave no batches in epoch 2: .* pass a callable that returns a new one"):
        net.fit((batch for batch in cut(23, X, LABELS)), epochs=3)
    assert state(net) == state(expected)
    assert len(net.history) == 1 and net.history.stop_reason == "error"
    with pytest.raises(ValueError, match="X gave no batches in epoch 1"):
        net.fit(iter([]))
    with pytest.raises(ValueError, match=r"X gave no batches in epoch 1$"):
        net.fit(lambda: ())
    with pytest.raises(TypeError, match=r"X\(\) must return an iterable of batches, got int"):
        net.fit(lambda: 3)
    with pytest.raises(TypeError, match="sample_weight must come in the batches"):
        net.fit(iter([]), sample_weight=WEIGHTS)


@pytest.mark.parametrize("as_callable", [False, True])
def test_an_endless_stream(as_callable):
    """An iterator continues from epoch to epoch; a callable is called again in each."""
    batches = cut(23, X, LABELS)
    net, expected = make(), make()
    drawn = []

    def source():
        for count in itertools.count():
            drawn.append(count)
            yield batches[count % 10]

    history = net.fit(source if as_callable else source(), epochs=3, steps_per_epoch=4)
    assert drawn == (list(range(4)) * 3 if as_callable else list(range(12)))  # none is drawn in vain
    for count in drawn:
        expected.partial_fit(*batches[count % 10])
    assert state(net) == state(expected)
    assert len(history) == 3


def test_steps_per_epoch_counts_pieces_and_is_an_upper_limit():
    net, expected = make(), make()
    net.fit([(X, LABELS)], batch_size=50, steps_per_epoch=3, epochs=2)
    for part in cut(50, X, LABELS)[:3] * 2:
        expected.partial_fit(*part)
    assert state(net) == state(expected)
    net.fit(cut(50, X, LABELS), steps_per_epoch=100, epochs=2)
    expected.fit(X, LABELS, batch_size=50, shuffle=False, epochs=2)
    assert state(net) == state(expected)
    for bad, error in ((0, ValueError), (1.5, TypeError), (True, TypeError)):
        with pytest.raises(error, match="steps_per_epoch must be"):
            net.fit(cut(50, X, LABELS), steps_per_epoch=bad)
    with pytest.raises(ValueError, match="steps_per_epoch goes with arrays, or with batches"):
        net.fit(Recorded(X), LABELS, steps_per_epoch=3)


@pytest.mark.parametrize("stored", [True, False])
def test_fewer_steps_take_the_examples_that_a_whole_epoch_takes_first(stored, tuning):
    tuning(MAX_STORED_ORDER_ROWS=M if stored else 1, SHUFFLE_CHUNK_ROWS=100)
    taken = []
    for steps in (None, 2):
        feed = ArrayFeed(Examples(X, LABELS, None), 50, True, steps_per_epoch=steps)
        rng = np.random.default_rng(0)
        for _ in range(2):  # the second epoch starts from a new order
            batches = [feed.order[start:stop].tolist() for start, stop in feed.batches(rng)]
        taken.append(batches)
    whole, part = taken
    assert part == whole[:2] and len(whole) == -(-M // 50)


def test_steps_per_epoch_of_an_array():
    net, expected = make(), make()
    net.fit(X, LABELS, batch_size=50, steps_per_epoch=2, shuffle=False, epochs=1)
    for batch in cut(50, X, LABELS)[:2]:
        expected.partial_fit(*batch)
    assert state(net) == state(expected)
    whole = -(-M // 50)
    net, expected = make(), make()
    net.fit(X, LABELS, batch_size=50, steps_per_epoch=whole, epochs=2)
    expected.fit(X, LABELS, batch_size=50, epochs=2)
    assert state(net) == state(expected)
    with pytest.raises(ValueError, match=f"steps_per_epoch={whole + 1}, but {M} examples are {whole} mini-batches"):
        net.fit(X, LABELS, batch_size=50, steps_per_epoch=whole + 1)


def test_a_schedule_of_an_array_spans_the_steps_that_are_made():
    net = make()
    rates = fastnn.schedules.Cosine(0.1)
    history = net.fit(X, LABELS, batch_size=50, steps_per_epoch=3, epochs=2, learning_rate=rates)
    assert history["learning_rate"] == [rates(2, 6), rates(5, 6)]


BAD = {
    "NaN": (with_nan, ValueError, "X holds NaN"),
    "range": (lambda x, y, w: (x * 1e300, y), ValueError, "X holds values beyond the range of float32"),
    "features": (lambda x, y, w: (x[:, :4], y), ValueError,
                 r"X must have shape \(m, n\[0\]\) = \(m, 5\), got \(23, 4\)"),
    "rows": (lambda x, y, w: (x, y[:-1]), ValueError, r"y must have shape \(m,\) = \(23,\), .* got \(22,\)"),
    "empty": (lambda x, y, w: (x[:0], y[:0]), ValueError, "X must hold at least one example"),
    "label": (lambda x, y, w: (x, y + 1), ValueError, r"y must hold labels 0 .. n\[L\]-1 = 0 .. 2, got 3"),
    "weight": (lambda x, y, w: (x, y, -w), ValueError, "sample_weight must not be negative"),
    "text": (lambda x, y, w: (x.astype(str), y), TypeError, "X must hold real numbers"),
    "alone": (lambda x, y, w: x, TypeError, r"it must be a tuple \(X, y\) or \(X, y, sample_weight\), got ndarray"),
    "four": (lambda x, y, w: (x, y, w, w), TypeError, r"it must be a tuple .* got tuple of 4"),
    "none": (lambda x, y, w: None, TypeError, "it must be a tuple .* got NoneType"),
}


@pytest.mark.parametrize("case", BAD)
@pytest.mark.parametrize(("index", "epoch"), [(0, 1), (0, 2), (6, 2)])
def test_a_bad_batch_is_named_and_leaves_the_last_step(case, index, epoch):
    change, error, text = BAD[case]
    good, bad = cut(23, X, LABELS), spoiled(change, index)
    calls = iter([good] * (epoch - 1) + [bad])
    net, expected = make(), make()
    before = pickle.dumps(net)
    with pytest.raises(error, match=f"^batch {index + 1} of epoch {epoch}: {text}") as caught:
        net.fit(lambda: next(calls), epochs=3)
    assert caught.type is error
    for batch in good * (epoch - 1) + good[:index]:
        expected.partial_fit(*batch)
    if (index, epoch) == (0, 1):
        assert pickle.dumps(net) == before
    else:
        assert state(net) == state(expected)
        assert len(net.history) == epoch - 1 and net.history.stop_reason == "error"
    # And a later fit goes on from there.
    net.fit(good, epochs=2)
    expected.fit(good, epochs=2)
    assert net._parameters.theta.tobytes() == expected._parameters.theta.tobytes()


def test_errors_of_the_iterable_propagate():
    def broken():
        yield X, LABELS
        raise OSError("the disk is gone")

    net, expected = make(), make()
    with pytest.raises(OSError, match="the disk is gone"):
        net.fit(broken, epochs=2)
    expected.partial_fit(X, LABELS, batch_size=None)
    assert state(net) == state(expected)


def test_missing_targets_are_refused():
    net = make()
    for data in (X, X.astype(np.float32), Recorded(X)):
        with pytest.raises(TypeError, match="y must be an array"):
            net.fit(data)
    with pytest.raises(TypeError, match="batch 1 of epoch 1: it must be a tuple"):
        net.fit(X.tolist())
    for data in (iter([X]), lambda: [X], [X], Loader(X)):
        with pytest.raises(TypeError, match=r"^X gives batches: y must come in them, as \(X, y\)"):
            net.fit(data, LABELS)
        with pytest.raises(TypeError, match=r"^validation X gives batches"):
            net.fit(X, LABELS, validation_data=(data, LABELS))


def test_divergence_early_stopping_and_progress_with_batches():
    pytest.importorskip("tqdm")
    net = make()
    history = net.fit(cut(23, X, LABELS), epochs=40, validation_data=(X, LABELS), early_stopping=2, learning_rate=0.5,
                      progress=True)
    assert history.best_epoch is not None
    net = make("identity")
    with pytest.warns(RuntimeWarning, match="diverged"):
        net.fit(cut(23, X, REALS), optimizer="sgd", learning_rate=1e20, epochs=4)
    assert np.isfinite(net._parameters.theta).all()
