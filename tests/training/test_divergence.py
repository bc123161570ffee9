"""Training that diverges or is interrupted."""

import math
import os
import signal
import subprocess
import sys
import warnings

import numpy as np
import pytest
from helpers.fit_cases import make, regression
from helpers.network_cases import parameter_bytes

from fastnn import DivergenceWarning
from fastnn._tuning import STEPS_PER_SCORE


def finite(net):
    return all(np.isfinite(view).all() for view in (*net.W, *net.b))


@pytest.mark.parametrize("optimizer", ["sgd", "momentum", "nesterov"])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("batch_size", [None, 7])
@pytest.mark.parametrize("rate", [0.5, 10.0, 1e6, 1e30])
@pytest.mark.parametrize("validated", [False, True])
def test_divergence_warns_and_keeps_the_best_parameters(optimizer, dtype, batch_size, rate, validated):
    X, y = regression()
    net = make(dtype, sizes=(4, 16, 1), activation="relu", output="identity")
    before = net.loss(X, y)
    data = (X, y) if validated else None
    with pytest.warns(DivergenceWarning, match=r"training diverged in epoch \d+: ") as caught:
        history = net.fit(X, y, optimizer=optimizer, learning_rate=rate, batch_size=batch_size, epochs=3000,
                          validation_data=data)
    text = str(caught[0].message)
    assert len(caught) == 1 and caught[0].filename == __file__
    assert f"in epoch {len(history)}:" in text
    assert history.stop_reason == "diverged"
    assert finite(net)
    assert net.loss(X, y) <= before
    if history.best_epoch is None:
        assert "the initial ones" in text and net.loss(X, y) == before
    else:
        assert f"those after epoch {history.best_epoch}" in text
    history = net.fit(X, y, epochs=3, optimizer=optimizer, learning_rate=1e-4)  # no moment is left of it
    assert history.stop_reason == "epochs" and finite(net)


def test_divergence_in_the_last_update():
    X, y = regression()
    net = make("float32", sizes=(4, 1), output="identity")
    before = parameter_bytes(net)
    with pytest.warns(DivergenceWarning, match="diverged in epoch 1: .* the initial ones"):
        history = net.fit(X, y, optimizer="sgd", learning_rate=3e38, batch_size=None, epochs=1)
    assert np.isfinite(history.loss).all() and parameter_bytes(net) == before


def test_late_divergence_restores_a_good_epoch():
    X, y = regression()
    settings = {"optimizer": "sgd", "learning_rate": 0.01, "batch_size": None}

    def poison(network, record):
        if record["epoch"] == 290:
            network.W[1].fill(1e200)

    net, twin = (make(sizes=(4, 8, 1), output="identity") for _ in range(2))
    before = net.loss(X, y)
    with pytest.warns(DivergenceWarning, match="diverged in epoch 291: "):
        history = net.fit(X, y, epochs=400, callbacks=[poison], **settings)
    # Looked at after 1, 3, 7, ..., 127 steps, then every 128.
    assert history.best_epoch == 290 // STEPS_PER_SCORE * STEPS_PER_SCORE - 1 > 0
    twin.fit(X, y, epochs=history.best_epoch, **settings)
    assert parameter_bytes(net) == parameter_bytes(twin)
    assert net.loss(X, y) < before / 2


@pytest.mark.parametrize("validated", [False, True])
def test_an_exploding_update_after_a_good_loss_is_not_the_best(validated):
    """The recorded loss is measured before the update, so parameters are scored separately."""
    X, y = regression()
    net = make(sizes=(4, 8, 1), activation="relu", output="identity")
    before = net.loss(X, y)

    def unbalance(network, record):  # the same function and loss, but steep
        if record["epoch"] == STEPS_PER_SCORE - 1:
            network.W[0][...] *= 1e4
            network.b[0][...] *= 1e4
            network.W[1][...] /= 1e4

    with pytest.warns(DivergenceWarning):
        history = net.fit(X, y, optimizer="sgd", learning_rate=0.01, batch_size=None, epochs=400, callbacks=[unbalance],
                          validation_data=(X, y) if validated else None)
    assert history.loss[STEPS_PER_SCORE - 1] < before and len(history) > STEPS_PER_SCORE
    assert net.loss(X, y) <= before


def test_early_stopping_and_divergence_keep_the_best_epoch():
    X, y = regression()

    def poison(network, record):
        if record["epoch"] == 5:
            network.b[0].fill(math.nan)

    net, twin = (make(sizes=(4, 8, 1), output="identity") for _ in range(2))
    settings = {"learning_rate": 0.01, "validation_data": (X, y), "early_stopping": 10}
    with pytest.warns(DivergenceWarning, match="diverged in epoch 6: .* those after epoch 5"):
        net.fit(X, y, epochs=200, callbacks=[poison], **settings)
    twin.fit(X, y, epochs=5, **settings)
    assert parameter_bytes(net) == parameter_bytes(twin)


def test_divergence_as_an_error():
    X, y = regression()
    net = make(sizes=(4, 8, 1), output="identity")
    with warnings.catch_warnings():
        warnings.simplefilter("error", DivergenceWarning)
        with pytest.raises(DivergenceWarning, match="in epoch"):
            net.fit(X, y, optimizer="momentum", learning_rate=1e30, epochs=100)
    assert finite(net) and net.history.stop_reason == "diverged"
    net.fit(X, y, optimizer="momentum", learning_rate=1e-4, epochs=3)
    assert finite(net)


def test_parameters_that_are_not_finite_at_the_start():
    X, y = regression()
    net = make(sizes=(4, 8, 1), output="identity")
    net.W[0][0, 0] = math.nan
    with pytest.warns(DivergenceWarning, match="in epoch 1: .* the initial ones"):
        net.fit(X, y, epochs=100)


# ---- Ctrl-C

INTERRUPTED = """
import signal
import sys
import numpy as np
from threadpoolctl import threadpool_info
from fastnn import Network

signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs start with it ignored

optimizer, batch_size, n_x, n_hidden, m = sys.argv[1], *map(int, sys.argv[2:])
rng = np.random.default_rng(0)
X, y = rng.standard_normal((m, n_x)).astype(np.float32), rng.integers(2, size=m)
settings = {"optimizer": optimizer, "batch_size": batch_size, "shuffle": False, "learning_rate": 1e-3}

def limits():
    return [library["num_threads"] for library in threadpool_info() if library["user_api"] == "blas"]

def bits(net):
    return b"".join(view.tobytes() for view in (*net.W, *net.b))

net = Network([n_x, n_hidden, 2], random_state=0)
before = limits()
try:
    net.fit(X, y, epochs=10**9, callbacks=[lambda network, record: print("epoch", flush=True)], **settings)
except KeyboardInterrupt:
    print("interrupted", flush=True)
assert net.history.stop_reason == "interrupted"
assert limits() == before
assert all(np.isfinite(view).all() for view in (*net.W, *net.b))

# The same steps again, one call each: the state must be one of those after a whole step.
found, finished = bits(net), len(net.history)
twin = Network([n_x, n_hidden, 2], random_state=0)
twin.fit(X, y, epochs=finished, **settings)
states = [bits(twin)]
for start in range(0, m, batch_size):
    twin.partial_fit(X[start : start + batch_size], y[start : start + batch_size], **settings)
    states.append(bits(twin))
assert found in states, finished
net.fit(X, y, epochs=1, **settings)
print("whole", finished, states.index(found))
"""


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
@pytest.mark.parametrize("arguments", [("adam", 20, 4, 8, 20000), ("momentum", 256, 64, 200, 4096)])
def test_ctrl_c_leaves_the_last_finished_step(arguments):
    """The second network is large enough for two shards on two threads."""
    process = subprocess.Popen([sys.executable, "-P", "-c", INTERRUPTED, *map(str, arguments)], stdout=subprocess.PIPE,
                               stderr=subprocess.PIPE, text=True, env=os.environ | {"FASTNN_NUM_THREADS": "2"})
    try:
        for _ in range(3):
            assert process.stdout.readline() == "epoch\n"
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    finally:
        process.kill()
    assert process.returncode == 0, err
    assert "interrupted\nwhole" in out and err == ""
