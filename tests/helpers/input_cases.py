"""Networks and calls for the tests of input."""

import pickle

import numpy as np
import pytest

from fastnn import Network

M, N_X = 6, 5
rng = np.random.default_rng(0)
X = np.round(rng.standard_normal((M, N_X)), 2)
LABELS = np.array([0, 2, 1, 1, 0, 2])
BITS = np.array([0, 1, 1, 0, 1, 0])
REALS = np.round(rng.standard_normal(M), 2)
WEIGHTS = np.array([1, 0.5, 2, 1, 0, 1])

KINDS = {  # name: arguments of the network, good targets
    "softmax": ({"layer_sizes": [N_X, 4, 3]}, LABELS),
    "sigmoid": ({"layer_sizes": [N_X, 4, 1], "output": "sigmoid"}, BITS),
    "sigmoids": ({"layer_sizes": [N_X, 4, 2], "output": "sigmoid"}, np.stack([BITS, 1 - BITS], axis=1)),
    "identity": ({"layer_sizes": [N_X, 4, 1], "output": "identity"}, REALS),
    "identities": ({"layer_sizes": [N_X, 4, 2], "output": "identity"}, np.stack([REALS, -REALS], axis=1)),
    "softmax with squared error": ({"layer_sizes": [N_X, 4, 3], "loss": "squared_error"}, LABELS),
}


def make(kind="softmax", dtype="float32", fitted=True):
    """A network in the middle of its training: parameters, optimiser and generator all have a state to lose."""
    arguments, y = KINDS[kind]
    net = Network(**arguments, dtype=dtype, random_state=0)
    if fitted:
        net.fit(X, y, epochs=2, batch_size=4)
    return net


# Every public method that takes examples: name: call(net, X, y, sample_weight).
TRAINING = {
    "fit": lambda net, X, y, w: net.fit(X, y, sample_weight=w, epochs=2, batch_size=4),
    "partial_fit": lambda net, X, y, w: net.partial_fit(X, y, sample_weight=w, batch_size=4),
    "gradients": lambda net, X, y, w: net.gradients(X, y, sample_weight=w),
    "loss": lambda net, X, y, w: net.loss(X, y, sample_weight=w),
    "evaluate": lambda net, X, y, w: net.evaluate(X, y, sample_weight=w),
}
GOOD = {kind: y for kind, (_, y) in KINDS.items()}


def fit_validated(net, X_val, y_val, w_val):
    """A fit on good data with the given validation data."""
    kind = next(kind for kind, (arguments, _) in KINDS.items() if list(net.layer_sizes) == arguments["layer_sizes"]
                and net.activations[-1] == arguments.get("output", "softmax"))
    return net.fit(X, GOOD[kind], validation_data=(X_val, y_val, w_val), epochs=2)


EXAMPLES = TRAINING | {"fit with validation_data": fit_validated}
FEATURES = {
    "predict": lambda net, X: net.predict(X),
    "predict_proba": lambda net, X: net.predict_proba(X),
    "forward": lambda net, X: net.forward(X),
    "forward with cache": lambda net, X: net.forward(X, return_cache=True),
}


def refuses(net, call, error, text):
    """The call raises exactly this kind of error, its message has the text, and nothing of the network has changed."""
    before = pickle.dumps(net)
    with pytest.raises((ValueError, TypeError), match=text) as caught:
        call()
    assert caught.type is error
    assert pickle.dumps(net) == before
