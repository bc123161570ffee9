"""Arbitrary input: each call works, or raises ValueError or TypeError and leaves the network unchanged."""

import pickle
import sys
import warnings

import numpy as np
import pytest
from helpers.input_cases import FEATURES, KINDS, LABELS, N_X, TRAINING, M, X, make, refuses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from fastnn import DivergenceWarning, Network

# Any other exception, and any warning other than DivergenceWarning, fails a test.

scalars = st.one_of(
    st.none(), st.booleans(), st.integers(), st.integers(-10, 10), st.floats(), st.floats(width=32),
    st.complex_numbers(), st.text(max_size=5), st.binary(max_size=5), st.fractions(), st.decimals(), st.dates(),
    st.sampled_from(["relu", "softmax", "adam", "float64", np.float32, int, object(), print, Ellipsis, 10**400]),
)
junk = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=6) | st.tuples(inner, inner) | st.sets(st.integers(), max_size=3)
    | st.dictionaries(st.text(max_size=2), inner, max_size=3),
    max_leaves=12,
)
dtypes = hnp.scalar_dtypes() | hnp.byte_string_dtypes() | hnp.unicode_string_dtypes() | st.just(np.dtype(object))
anything = junk | hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=6))


def shaped(*shape):
    """Arrays that often have the right shape and finite, ordinary values."""
    numeric = hnp.floating_dtypes() | hnp.integer_dtypes() | hnp.boolean_dtypes()
    finite = st.floats(allow_nan=False, allow_infinity=False)
    return st.one_of(hnp.arrays(numeric, shape), hnp.arrays(np.float64, shape, elements=finite),
                     hnp.arrays(np.float64, shape, elements=st.floats(-9, 9)), hnp.arrays(np.int8, shape), anything)


rows, columns = shaped(M, N_X), shaped(M)


def works_or_refuses(net, call):
    before = pickle.dumps(net)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DivergenceWarning)
        try:
            call()
        except (ValueError, TypeError):
            if net.history is None or net.history.stop_reason != "error":  # else raised by a callback, in training
                assert pickle.dumps(net) == before


fuzz = settings(max_examples=150, suppress_health_check=list(HealthCheck), deadline=None)


@fuzz
@given(st.sampled_from(sorted(KINDS)), st.sampled_from(sorted(TRAINING)), st.sampled_from(["float32", "float64"]), rows,
       columns, columns)
def test_any_examples(kind, method, dtype, features, targets, weights):
    y = KINDS[kind][1]
    for examples in ((features, y, None), (X, targets, None), (X, y, weights), (features, targets, weights)):
        net = make(kind, dtype)
        works_or_refuses(net, lambda net=net, examples=examples: TRAINING[method](net, *examples))


@fuzz
@given(rows)
def test_any_features(features):
    net = make()
    for call in FEATURES.values():
        works_or_refuses(net, lambda call=call: call(net, features))


@fuzz
@given(st.sampled_from(["learning_rate", "batch_size", "early_stopping", "shuffle", "optimizer", "callbacks",
                        "validation_data", "validation_fraction", "metrics", "class_weight", "clip_norm",
                        "steps_per_epoch", "n_threads"]), anything)
def test_any_setting(name, value):
    net = make()
    works_or_refuses(net, lambda: net.fit(X, LABELS, **{"epochs": 2, name: value}))


@fuzz
@given(anything | st.lists(st.tuples(rows, columns) | anything, max_size=3), st.booleans())
def test_any_batches(batches, one_shot):
    """Only the first batch is checked before training, so later ones are not passed here."""
    net = make()
    for fit in (lambda source: net.fit(source, epochs=1), lambda source: net.fit(X, LABELS, epochs=1,
                                                                                 validation_data=source)):
        first = batches[:1] if isinstance(batches, list) else batches  # what comes later is not looked at
        works_or_refuses(net, lambda fit=fit, first=first: fit(iter(first) if one_shot and np.iterable(first) else
                                                               lambda: first))


@fuzz
@given(anything, anything | rows)
def test_any_output(source, out):
    net = make()
    for X_given, y_given in ((X, out), (source, X)):
        works_or_refuses(net, lambda given=(X_given, y_given): net.predict(given[0], out=given[1]))


@fuzz
@given(st.sampled_from(["layer_sizes", "activation", "output", "loss", "init", "l2", "l1", "dropout", "dtype",
                        "random_state"]), anything)
def test_any_constructor_argument(name, value):
    if name == "layer_sizes" and np.iterable(value) and any(isinstance(n, int) and n > 1000 for n in value):
        return  # a network that large may well be made
    try:
        net = Network(**{"layer_sizes": [5, 4, 3], name: value})
    except (ValueError, TypeError):
        return
    assert net.forward(np.ones((2, net.layer_sizes[0]))).shape == (2, net.layer_sizes[-1])


@fuzz
@given(st.sampled_from(["W", "b"]), anything | st.integers(-3, 3), anything | hnp.arrays(dtypes, st.just((4, 5))))
def test_any_assignment(symbol, key, value):
    net = make()
    views = getattr(net, symbol)
    before = pickle.dumps(net)
    try:
        views[key] = value
    except (ValueError, TypeError, IndexError):
        assert pickle.dumps(net) == before
    assert [view.shape for view in net.W] == [(4, 5), (3, 4)] and len(net.b) == 2
    assert all(np.isfinite(view).all() for view in (*net.W, *net.b))


@pytest.mark.skipif(sys.maxsize < 2**32, reason="needs a 64-bit address space")
def test_huge_shapes_of_no_memory():
    """Broadcast views have any size without memory; a wrong shape is refused before the values are read."""
    net = make()
    huge = np.broadcast_to(np.float32(1), (2**40, 4))
    refuses(net, lambda: net.predict(huge), ValueError, r"X must have shape \(m, n\[0\]\) = \(m, 5\)")
    refuses(net, lambda: net.loss(X, np.broadcast_to(0, 2**40)), ValueError, "y must have shape")
    refuses(net, lambda: net.loss(X, LABELS, sample_weight=np.broadcast_to(1.0, 2**40)), ValueError, "must have shape")
