"""Invalid input is refused by name, and the network stays unchanged."""

import math
import pickle
from decimal import Decimal
from fractions import Fraction

import numpy as np
import pytest
from helpers.input_cases import EXAMPLES, FEATURES, KINDS, LABELS, WEIGHTS, M, X, make, refuses

from fastnn import Adam, Momentum, Nesterov, Network
from fastnn.callbacks import CSVLogger, EarlyStopping
from fastnn.losses import Huber
from fastnn.metrics import Accuracy
from fastnn.schedules import Cosine

# ---- X


def bad_features(what):
    """(X, error, text) for everything that is not an X with 5 features."""
    shape = rf"{what} must have shape \(m, n\[0\]\) = \(m, 5\), got "
    real = rf"{what} must hold real numbers, got dtype "
    array = rf"{what} must be an array of shape \(m, n\[0\]\) = \(m, 5\)"

    def holding(value, dtype=float):
        result = X.astype(dtype)
        result[3, 2] = value
        return result

    class Broken:
        def __array__(self, dtype=None, copy=None):
            raise RuntimeError("no array today")

    class Sparse:
        def tocsr(self):
            return self

    with_text = X.astype(object)
    with_text[3, 2] = "5"
    endless = []
    endless.append(endless)
    return [
        (X.T, ValueError, shape + r"\(5, 6\)"),
        (X[:, :4], ValueError, shape + r"\(6, 4\)"),
        (X[0], ValueError, shape + r"\(5,\): one example needs reshape\(1, -1\)"),
        (X[:, 0], ValueError, shape + r"\(6,\)"),
        (X[None], ValueError, shape + r"\(1, 6, 5\)"),
        (3.0, ValueError, shape + r"\(\)"),
        (np.float64(3), ValueError, shape + r"\(\)"),
        ([], ValueError, shape + r"\(0,\)"),
        ([[]], ValueError, shape + r"\(1, 0\)"),
        (X[:0], ValueError, rf"{what} must hold at least one example, got shape \(0, 5\)"),
        (holding(math.nan), ValueError, f"{what} holds NaN"),
        (holding(math.nan).astype(np.longdouble), ValueError, f"{what} holds NaN"),
        (holding(math.inf), ValueError, f"{what} holds infinity"),
        (holding(-math.inf), ValueError, f"{what} holds infinity"),
        (holding(math.nan, np.float16), ValueError, f"{what} holds NaN"),
        (np.asfortranarray(holding(math.nan)), ValueError, f"{what} holds NaN"),
        (holding(math.inf).tolist(), ValueError, f"{what} holds infinity"),
        (holding(1e39), ValueError, f"{what} holds values beyond the range of float32"),
        (holding(-1e300), ValueError, "use dtype='float64'"),
        (X + 0j, TypeError, real + "complex128"),
        (X.astype(str), TypeError, real + "<U"),
        (X.astype("S"), TypeError, real + r"\|S"),
        (with_text, TypeError, real + r"object \(a str in column 2, row 3\)"),
        (X.astype("M8[s]"), TypeError, real + "datetime64"),
        (X.astype("m8[s]"), TypeError, real + "timedelta64"),
        (np.zeros((6, 5), "V4"), TypeError, real + r"\|V4"),
        (np.zeros((6, 5), [("a", "f4")]), TypeError, real),
        (None, TypeError, array + ", got NoneType"),
        ("X", TypeError, array + ", got str"),
        (b"X", TypeError, array + ", got bytes"),
        ({"a": X}, TypeError, array + ", got dict"),
        ({1.0, 2.0}, TypeError, array + ", got set"),
        (object(), TypeError, real + "object"),
        (Network, TypeError, real + "object"),
        (iter(X), (ValueError, TypeError), f"{what} (gives batches|must have shape|must hold real numbers)"),
        (range(5), ValueError, shape + r"\(5,\): one example"),
        ([[1, 2, 3, 4, 5], [1, 2]], ValueError, array),
        ([[1, 2, 3, 4, None]], TypeError, real + r"object \(None, a missing value, in column 4, row 0\)"),
        ([[1, 2, 3, 4, "5"]], TypeError, real + "<U"),
        ([[1, 2, 3, 4, 10**400]], ValueError, f"{what} holds a number beyond the range of float64 in column 4, row 0"),
        (endless, (ValueError, TypeError), what),
        (Broken(), TypeError, array + ": no array today"),
        (Sparse(), TypeError, rf"{what} is a sparse matrix: pass {what}.toarray\(\)"),
        (np.ma.masked_array(X, mask=X > 0), ValueError, f"{what} has masked entries"),
    ]


@pytest.mark.parametrize("method", EXAMPLES)
def test_bad_X(method):
    net, what = make(), "validation X" if method == "fit with validation_data" else "X"
    for value, error, text in bad_features(what):
        check(net, lambda value=value: EXAMPLES[method](net, value, LABELS, None), error, text)


@pytest.mark.parametrize("method", FEATURES)
def test_bad_X_for_prediction(method):
    net = make()
    for value, error, text in bad_features("X"):
        check(net, lambda value=value: FEATURES[method](net, value), error, text)


def check(net, call, error, text):
    if isinstance(error, tuple):  # NumPy's versions differ
        before = pickle.dumps(net)
        with pytest.raises(error, match=text):
            call()
        assert pickle.dumps(net) == before
    else:
        refuses(net, call, error, text)


@pytest.mark.parametrize("value", [1e300, -1e300, 3.5e38])
def test_range_of_the_dtype(value):
    """Values that overflow float32 are accepted by a float64 network."""
    data = X.copy()
    data[-1, -1] = value
    refuses(make(), lambda: make().predict(data), ValueError, "beyond the range of float32")
    assert make(dtype="float64").predict(data).shape == (M,)


def test_large_blocks_with_one_bad_number():
    """It is found in any chunk of rows, by any method, in either memory order."""
    net = Network([3, 2], random_state=0)
    for row in (0, 5000, 9999):
        for data in (np.zeros((10000, 3), np.float32), np.zeros((10000, 3), np.float32, order="F")):
            data[row, 1] = np.nan
            for call in FEATURES.values():
                refuses(net, lambda call=call, data=data: call(net, data), ValueError, "X holds NaN")
            refuses(net, lambda data=data: net.fit(data, np.zeros(10000, int)), ValueError, "X holds NaN")


# ---- y


def bad_targets(kind, what):
    """(y, error, text) for everything that is not a target of that kind of output."""
    real = rf"{what} must hold real numbers, got dtype "
    good = KINDS[kind][1]
    n_out = KINDS[kind][0]["layer_sizes"][-1]

    def holding(value):
        result = good.astype(np.longdouble)
        result.flat[3] = value
        return result

    bad = [
        (good.astype(complex), TypeError, real + "complex"),
        (good.astype(str), TypeError, real + "<U"),
        (np.where(np.arange(good.size).reshape(good.shape) == 3, None, good), TypeError,
         real + r"object \(None, a missing value, in (column 1, row 1|row 3)\)"),
        (None, TypeError, f"{what} must be an array of shape .* got NoneType"),
        ("labels", TypeError, f"{what} must be an array of shape .* got str"),
        ({}, TypeError, f"{what} must be an array of shape .* got dict"),
        (object(), TypeError, real + "object"),
        ([[1], [1, 2], 3, 4, 5, 6], ValueError, f"{what} must be an array of shape"),
        (good[:-1], ValueError, rf"{what} must have shape \(m.*\(5,"),
        (np.concatenate([good, good]), ValueError, rf"{what} must have shape \(m.*\(12,"),
        ([], ValueError, rf"{what} must have shape \(m.*\(0,\)"),
        (1, ValueError, rf"{what} must have shape \(m.*\(\)"),
        (np.zeros((M, n_out + 1)), ValueError, rf"{what} must have shape \(m.*\(6, {n_out + 1}\)"),
        (np.zeros((M, n_out, 1)), ValueError, rf"{what} must have shape \(m.*\(6, {n_out}, 1\)"),
        (np.zeros((n_out, M)), ValueError, rf"{what} must have shape \(m.*\({n_out}, 6\)"),
        (np.ma.masked_array(good, mask=good > 0), ValueError, f"{what} has masked entries"),
    ]
    if n_out > 1 and "softmax" not in kind:
        bad.append((good[:, 0], ValueError, rf"{what} must have shape \(m, n\[L\]\) = \(6, {n_out}\), got \(6,\)"))
    if "softmax" in kind:
        hot = np.eye(3)[LABELS]
        rows = f"{what} must hold labels, one-hot rows, or rows of probabilities that add up to 1"
        for row, text in (
            ([0, 0, 0], f"{rows}, but row 2 adds up to 0"), ([1, 1, 0], f"{rows}, but row 2 adds up to 2"),
            ([0, 0.5, 0.51], f"{rows}, but row 2 adds up to 1.01"), ([0, 0, 2], f"{rows}, got 2 in column 2, row 2"),
            ([1, 1, -1], f"{rows}, got -1 in column 2, row 2"), ([math.nan, 0, 0], f"{what} holds NaN"),
            ([math.inf, 0, 0], f"{what} holds infinity"),
        ):
            wrong = hot.copy()
            wrong[2] = row
            bad.append((wrong, ValueError, text))
        two_wrongs = hot.copy()
        two_wrongs[:2] = [[1, 1, 0], [0, 0, 0]]  # as many ones as rows
        bad.append((two_wrongs, ValueError, f"{rows}, but row 0 adds up to 2"))
        from_1_on = np.arange(18).reshape(6, 3) % 3 + 1
        bad.append((from_1_on, ValueError, f"{rows}, got 2 in column 1, row 0"))
        labels = rf"{what} must hold labels 0 \.\. n\[L\]-1 = 0 \.\. 2, got "
        bad += [(holding(value), ValueError, labels + str(value)) for value in (3, -1, 1000, 2**31, -(2**31), 2**32)]
        bad += [(np.array([0, 1, 2, 2, 1, 2**63], np.uint64), ValueError, labels + str(2**63)),
                (np.array([0, 1, 2, 2, 1, 2**32]), ValueError, labels + str(2**32))]
        bad += [(holding(value), ValueError, f"{what} must hold whole class labels, got fractions, NaN or infinity")
                for value in (0.5, 1 + 1e-10, math.nan, math.inf, -math.inf)]
    else:
        bad += [(holding(math.nan), ValueError, f"{what} holds NaN"),
                (holding(math.inf), ValueError, f"{what} holds infinity"),
                (holding(1e39), ValueError, f"{what} holds values beyond the range of float32")]
    if "sigmoid" in kind:
        bad += [(holding(value), ValueError, f"{what} must hold values from 0 to 1 for a sigmoid output, got {value}")
                for value in (2, -1, 1.001)]
    return bad


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("method", EXAMPLES)
def test_bad_y(kind, method):
    net, what = make(kind), "validation y" if method == "fit with validation_data" else "y"
    for value, error, text in bad_targets(kind, what):
        check(net, lambda value=value: EXAMPLES[method](net, X, value, None), error, text)


# ---- sample_weight


@pytest.mark.parametrize("method", EXAMPLES)
def test_bad_sample_weight(method):
    net, what = make(), f"{'validation ' if method == 'fit with validation_data' else ''}sample_weight"

    def holding(value):
        result = WEIGHTS.astype(type(value) if isinstance(value, np.longdouble) else WEIGHTS.dtype)
        result[3] = value
        return result

    shape = rf"{what} must have shape \(m,\) = \(6,\), got "
    for value, error, text in [
        (WEIGHTS[:-1], ValueError, shape + r"\(5,\)"),
        (np.ones(7), ValueError, shape + r"\(7,\)"),
        (np.ones((6, 1)), ValueError, shape + r"\(6, 1\)"),
        (1.0, ValueError, shape + r"\(\)"),
        ([], ValueError, shape + r"\(0,\)"),
        (holding(-1), ValueError, f"{what} must not be negative"),
        (holding(-1e-30), ValueError, f"{what} must not be negative"),
        (np.zeros(6), ValueError, f"{what} must not be all zero"),
        (holding(math.nan), ValueError, f"{what} holds NaN"),
        (holding(math.inf), ValueError, f"{what} holds infinity"),
        (holding(np.longdouble("1e400")), ValueError, f"{what} holds values beyond the range of float64"),
        (WEIGHTS + 0j, TypeError, f"{what} must hold real numbers, got dtype complex128"),
        (WEIGHTS.astype(str), TypeError, f"{what} must hold real numbers, got dtype <U"),
        (["a"] * 6, TypeError, f"{what} must hold real numbers"),
        ([None] * 6, TypeError, f"{what} must hold real numbers, got dtype object"),
        ("balanced", TypeError, rf"{what} must be an array of shape \(m,\) = \(6,\), got str"),
        ({0: 1.0}, TypeError, rf"{what} must be an array of shape \(m,\) = \(6,\), got dict"),
        (object(), TypeError, f"{what} must hold real numbers"),
    ]:
        check(net, lambda value=value: EXAMPLES[method](net, X, LABELS, value), error, text)


# ---- numbers, names and other settings


class Unprintable:
    def __repr__(self):
        raise RuntimeError("no text today")


NOT_WHOLE = [1.0, 1.5, "1", None, True, np.True_, 1j, [1], Decimal(1), np.float64(1), np.ones(2, int), Unprintable()]
NOT_REAL = ["0.1", None, True, 1j, [0.1], Decimal("0.1"), np.ones(2), Unprintable()]
HUGE = [10**400, 10**5000, -(10**400)]

RULES = "sgd, momentum, nesterov, adam, adamw, nadam, rmsprop, lbfgs"
SETTINGS = [
    *[("learning_rate", value, TypeError, "learning_rate must be a number") for value in NOT_REAL if value is not None],
    *[("learning_rate", value, ValueError, "learning_rate must be finite and above 0, got ")
      for value in (0, -1e-3, math.nan, math.inf, -math.inf, Fraction(-1, 2), np.float32(math.nan), *HUGE)],
    *[("batch_size", value, TypeError, "batch_size must be a whole number, got ")
      for value in NOT_WHOLE if value is not None],
    *[("batch_size", value, ValueError, "batch_size must be from 1 to 2147483647, got ")
      for value in (0, -1, 2**31, np.int64(-5), *HUGE)],
    *[("epochs", value, TypeError, "epochs must be a whole number, got ") for value in NOT_WHOLE],
    *[("epochs", value, ValueError, "epochs must be from 0 to 2147483647, got ") for value in (-1, 2**31, *HUGE)],
    *[("early_stopping", value, TypeError, "early_stopping must be a whole number, got ")
      for value in NOT_WHOLE if value is not None],
    *[("early_stopping", value, ValueError, "early_stopping must be from 1 to ") for value in (0, -1, *HUGE)],
    *[(name, value, TypeError, f"{name} must be True or False, got ")
      for name in ("shuffle", "progress") for value in (0, 1, None, "yes", [], np.array([True]), Unprintable())],
    *[("optimizer", name, ValueError, f"optimizer must be one of {RULES}, got {name!r}")
      for name in ("", "Adam", "rprop", "adam ")],
    *[("optimizer", value, TypeError, rf"optimizer must be a name \({RULES}\) or an Optimizer")
      for value in (None, 1, b"adam", ["adam"], object())],
    *[(name, value, TypeError, rf"{name}: {value.__name__} is a class; pass an instance: {value.__name__}\(\)")
      for name, value in (("optimizer", Adam), ("learning_rate", Cosine), ("early_stopping", EarlyStopping),
                          ("callbacks", CSVLogger), ("metrics", Accuracy))],
    *[("callbacks", value, TypeError, "callbacks must be a sequence of callables, got ")
      for value in (print, CSVLogger("log"), 3, "ab", Unprintable(), {"a": print}, {print})],
    *[("callbacks", value, TypeError, r"a callback must be callable as callback\(network, record\), got ")
      for value in ([1], [print, None], [Unprintable()])],
    *[("validation_data", value, TypeError, r"validation_data must be a tuple \(X, y\) or \(X, y, sample_weight\)")
      for value in ((), (X,), (X, LABELS, None, None), X, 0.1, "X", {"X": X, "y": LABELS}, object())],
    *[("n_threads", value, TypeError, "n_threads must be a whole number, got ")
      for value in NOT_WHOLE if value is not None],
    *[("n_threads", value, ValueError, "n_threads must be from 1 to 4096, got ") for value in (0, -1, 4097, 10**400)],
]


def label(value):
    try:
        return repr(value).partition(" at 0x")[0][:30]  # without the address, so that names are the same in each run
    except Exception:
        return "unprintable"


@pytest.mark.parametrize(("name", "value", "error", "text"), SETTINGS,
                         ids=[f"{name}={label(value)}" for name, value, *_ in SETTINGS])
def test_bad_settings_of_fit(name, value, error, text):
    net = make()
    settings = {"epochs": 2, "batch_size": 4} | {name: value}
    if name == "early_stopping":
        settings["validation_data"] = (X, LABELS)
    refuses(net, lambda: net.fit(X, LABELS, **settings), error, text)
    if name in ("learning_rate", "batch_size", "shuffle", "optimizer", "n_threads"):
        refuses(net, lambda: net.partial_fit(X, LABELS, **{name: value}), error, text)


@pytest.mark.parametrize("value", [0, -1, 4097, 1.5, "2", True, 1j, [1]])
def test_bad_n_threads_of_every_method(value):
    net, kind = make(), TypeError if not isinstance(value, int) or value is True else ValueError
    calls = [lambda: net.predict(X, n_threads=value), lambda: net.predict_proba(X, n_threads=value),
             lambda: net.forward(X, n_threads=value), lambda: net.forward(X, return_cache=True, n_threads=value),
             lambda: net.loss(X, LABELS, n_threads=value), lambda: net.evaluate(X, LABELS, n_threads=value),
             lambda: net.gradients(X, LABELS, n_threads=value)]
    for call in calls:
        refuses(net, call, kind, "n_threads must be ")


@pytest.mark.parametrize("value", [0, 1, None, "yes", np.array([True, False])])
def test_bad_return_cache(value):
    net = make()
    refuses(net, lambda: net.forward(X, return_cache=value), TypeError, "return_cache must be True or False, got ")


NAMES = "sigmoid, tanh, relu, leaky_relu, identity, softmax, elu, selu, gelu, silu, softplus, exp, mish"
LOSSES = "auto, cross_entropy, binary_cross_entropy, poisson, squared_error, absolute, huber, quantile, gaussian"
CONSTRUCTOR = [
    *[({"layer_sizes": value}, TypeError, r"layer_sizes must be a sequence \[n\[0\], \.\.\., n\[L\]\], got ")
      for value in (None, 5, 2.5, "5 4 3", b"\x05\x04", {5: 4}, {5, 4}, object(), Unprintable())],
    *[({"layer_sizes": [5, value, 2]}, TypeError, r"layer_sizes: n\[1\] must be a whole number, got ")
      for value in NOT_WHOLE],
    *[({"layer_sizes": [5, 4, value]}, ValueError, r"layer_sizes: n\[2\] must be from 1 to 2147483647, got ")
      for value in (0, -1, 2**31, *HUGE)],
    ({"layer_sizes": [0, 2]}, ValueError, r"layer_sizes: n\[0\] must be from 1"),
    ({"layer_sizes": np.array([5.0, 2.0])}, TypeError, r"n\[0\] must be a whole number, got "),
    ({"layer_sizes": np.ones((2, 2), int)}, TypeError, r"n\[0\] must be a whole number, got "),
    *[({"layer_sizes": value}, ValueError, r"layer_sizes must hold at least n\[0\] and n\[1\], got ")
      for value in ([], [5], np.array([5]))],
    ({"layer_sizes": [2**31 - 1] * 5}, ValueError, "layer_sizes .* has more parameters than any memory holds"),
    ({"layer_sizes": [2**31 - 1] * 100}, ValueError, "layer_sizes .* has more parameters than any memory holds"),
    ({"layer_sizes": [2**31 - 1, 2**24, 2]}, ValueError, "layer_sizes .* parameters of float32 do not fit in memory"),
    ({"layer_sizes": [5, 1]}, ValueError, r"a softmax output needs n\[L\] >= 2, got 1; .*output='sigmoid'"),
    *[({"activation": value}, ValueError, f"activation must be one of {NAMES}, got ")
      for value in ("", "Relu", "leaky relu", "relu\0")],
    *[({"activation": value}, TypeError, "activation must be a name or one name per hidden layer, got ")
      for value in (None, 1, np.tanh, b"relu", {"relu"}, {"relu": 1}, Unprintable())],
    ({"activation": ["relu", "tanh"]}, ValueError, "activation must name one per hidden layer: expected 1, got 2"),
    ({"activation": []}, ValueError, "activation must name one per hidden layer: expected 1, got 0"),
    ({"activation": ["swish"]}, ValueError, "activation of layer 1 must be one of "),
    ({"activation": [None]}, TypeError, "activation of layer 1 must be a name "),
    ({"layer_sizes": [5, 3], "activation": "swish"}, ValueError, "activation must be one of "),
    ({"output": "linear"}, ValueError, f"output must be one of {NAMES}, got 'linear'"),
    *[({"output": value}, TypeError, rf"output must be a name \({NAMES}\), got ") for value in (None, 1, ["softmax"])],
    ({"loss": "mse"}, ValueError,
     f"loss must be one of {LOSSES}, got 'mse'"),
    *[({"loss": value}, TypeError, "loss must be a name ") for value in (None, 1, ["auto"], np.square)],
    ({"loss": Huber}, TypeError, r"loss: Huber is a class; pass an instance: Huber\(\)"),
    ({"loss": "binary_cross_entropy"}, ValueError,
     "loss='binary_cross_entropy' needs output='sigmoid', got 'softmax'"),
    ({"loss": "cross_entropy", "output": "sigmoid"}, ValueError, "loss='cross_entropy' needs output='softmax'"),
    ({"loss": "cross_entropy", "output": "identity"}, ValueError, "loss='cross_entropy' needs output='softmax'"),
    ({"init": "he"}, ValueError, "init must be one of auto, zeros, small_normal, .*, got 'he'"),
    *[({"init": value}, TypeError, "init must be a name ") for value in (None, 0, np.zeros)],
    *[({"l2": value}, TypeError, "l2 must be a number, got ") for value in NOT_REAL],
    *[({"l2": value}, ValueError, "l2 must be finite and at least 0, got ")
      for value in (-1e-9, math.nan, math.inf, *HUGE)],
    *[({"dtype": value}, ValueError, "dtype must be float32 or float64, got ")
      for value in (None, "float16", "float128", int, "int32", bool, complex, "f4,f4", "(2,)f4", "f4,(", "a", "", 4, (),
                    [], {"a": 1}, object(), np.longdouble, "M8[s]", Unprintable())],
    *[({"random_state": value}, TypeError,
       r"random_state \(if no numpy.random.Generator\) must be a whole number, got ")
      for value in (1.5, "1", True, [1], np.ones(2, int), np.random.RandomState(0), Unprintable())],
    *[({"random_state": value}, ValueError, r"random_state .* must be from 0 to ") for value in (-1, *HUGE)],
]


@pytest.mark.parametrize(("arguments", "error", "text"), CONSTRUCTOR,
                         ids=[",".join(f"{k}={label(v)}" for k, v in c[0].items()) for c in CONSTRUCTOR])
def test_bad_arguments_of_the_constructor(arguments, error, text):
    generator = np.random.default_rng(0)
    state = generator.bit_generator.state
    with pytest.raises((ValueError, TypeError), match=text) as caught:
        Network(**{"layer_sizes": [5, 4, 3], "random_state": generator} | arguments)
    assert caught.type is error
    assert generator.bit_generator.state == state


@pytest.mark.parametrize("kind", [Momentum, Nesterov])
@pytest.mark.parametrize("value", [-0.1, 1, 1.0, 2, math.nan, math.inf, 10**400])
def test_bad_momentum(kind, value):
    with pytest.raises(ValueError, match="momentum must be finite and at least 0 and below 1, got "):
        kind(momentum=value)


@pytest.mark.parametrize(("name", "values", "text"), [
    ("beta_1", (-0.1, 1, math.nan), "beta_1 must be finite and at least 0 and below 1"),
    ("beta_2", (-0.1, 1, math.inf), "beta_2 must be finite and at least 0 and below 1"),
    ("epsilon", (0, -1e-8, math.nan), "epsilon must be finite and above 0"),
])
def test_bad_hyperparameters_of_adam(name, values, text):
    for value in values:
        with pytest.raises(ValueError, match=text):
            Adam(**{name: value})
    for value in NOT_REAL:
        with pytest.raises(TypeError, match=f"{name} must be a number"):
            Adam(**{name: value})
