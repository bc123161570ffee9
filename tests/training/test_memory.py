"""Memory of a fit and a prediction beyond the data, as NumPy reports every array to tracemalloc.

The compiled core itself allocates a few kilobytes (the pointers of a plan); the buffers of BLAS are fixed and allocated
when it is loaded.
"""

import subprocess
import sys
import tracemalloc

import numpy as np
import pytest

from fastnn import Network
from fastnn._threads.policy import parallelism
from fastnn._tuning import EVALUATION_BLOCK_ROWS, FORWARD_BLOCK_BYTES, MIN_FORWARD_BLOCK_ROWS

MiB = 2**20
# Python's own objects, the shuffle's chunk (512 KiB), the validation and metric of a block of rows; the project allows
# 50 MB.
SLACK = 4 * MiB


def peak(call):
    """The peak memory of the call in bytes, beyond the memory before it."""
    call()  # whatever is made once: plans at rest, imports
    tracemalloc.start()
    try:
        call()
        return tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()


def batch_caches(net, m, *, keeps_Z=False):
    """The bytes of one mini-batch: X, y, weights, Z (and A), and the two dZ."""
    sizes = net.layer_sizes
    elements = sizes[0] + (2 if keeps_Z else 1) * sum(sizes[1:]) + 2 * max(sizes[1:]) + sizes[-1] + 1
    return m * elements * net.dtype.itemsize


def allowed(net, m, batch_size, n_threads, n_states, *, keeps_Z=False):
    """The project's limit without the parameters, which exist before: (states + threads + best) x parameters + 8 bytes
    per row + 4 for its label + the workspace of a batch.
    """
    shards = parallelism(net.layer_sizes, batch_size, n_threads, net.n_parameters).n_shards
    theta = net.n_parameters * net.dtype.itemsize
    return (n_states + shards + 1) * theta + 12 * m + batch_caches(net, batch_size, keeps_Z=keeps_Z) + SLACK


def examples(m, n_x, dtype="float32", order="C", n_out=3):
    rng = np.random.default_rng(0)
    X = np.empty((m, n_x), dtype, order)
    X[...] = rng.standard_normal((m, 1), np.float32)
    return X, rng.integers(n_out, size=m)


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("shuffle", [False, True])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_fit_does_not_copy_the_data(order, shuffle, dtype):
    X, y = examples(100_000, 50, dtype, order)
    net = Network([50, 8, 3], dtype=dtype, random_state=0)
    found = peak(lambda: net.fit(X, y, epochs=1, shuffle=shuffle, batch_size=500, n_threads=1))
    assert found <= allowed(net, len(X), 500, 1, 2) < X.nbytes / 2


@pytest.mark.parametrize("view", [lambda X: X[::2], lambda X: X[:, ::2], lambda X: X[::-1, ::-1]])
def test_fit_does_not_copy_a_view(view):
    X, y = examples(100_000, 80)
    X = view(X)
    y = y[: len(X)]
    net = Network([X.shape[1], 8, 3], random_state=0)
    found = peak(lambda: net.fit(X, y, epochs=1, batch_size=500, n_threads=1))
    assert found <= allowed(net, len(X), 500, 1, 2) < X.nbytes / 2 + SLACK


@pytest.mark.parametrize(("optimizer", "n_states"), [("sgd", 0), ("momentum", 1), ("adam", 2)])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_fit_of_many_parameters(optimizer, n_states, n_threads):
    X, y = examples(400, 700)
    net = Network([700, 2000, 1000, 3], activation=["gelu", "relu"], random_state=0)  # 13 MiB of parameters
    runs = [
        {"epochs": 2},
        {"epochs": 2, "validation_data": (X, y), "early_stopping": 1},
        {"epochs": 1, "sample_weight": np.ones(400, np.float32)},
    ]
    for settings in runs:
        found = peak(lambda settings=settings: net.initialize().fit(
            X, y, batch_size=200, optimizer=optimizer, n_threads=n_threads, **settings))
        assert found <= allowed(net, len(X), 200, n_threads, n_states, keeps_Z=True)


def test_full_batch_fit_takes_its_caches():
    X, y = examples(50_000, 20)
    net = Network([20, 30, 3], random_state=0)
    found = peak(lambda: net.fit(X, y, epochs=2, batch_size=None, n_threads=1))
    assert found <= allowed(net, len(X), len(X), 1, 2)


def test_validation_data_are_evaluated_in_blocks():
    X = examples(1000, 10)[0]
    X_val, y_val = examples(300_000, 10)
    targets = np.zeros((300_000, 40), np.float32)
    net = Network([10, 40], output="identity", random_state=0)
    found = peak(lambda: net.fit(X, targets[:1000], epochs=1, validation_data=(X_val, targets), n_threads=1))
    block = EVALUATION_BLOCK_ROWS * 40 * (4 + 8 + 8)  # outputs, differences and their squares in float64
    assert found <= allowed(net, 1000, 200, 1, 2) + block < targets.nbytes
    net = Network([10, 3], random_state=0)
    found = peak(lambda: net.evaluate(X_val, y_val, n_threads=1))
    assert found <= 12 * len(y_val) + SLACK


def test_one_hot_targets_become_labels():
    X, y = examples(200_000, 4, n_out=30)
    hot = np.eye(30)[y]
    net = Network([4, 30], random_state=0)
    # Each row's largest entry and its place, 8 bytes each; a bool; the label; the order
    found = peak(lambda: net.fit(X, hot, epochs=1, n_threads=1))
    assert found <= allowed(net, len(X), 200, 1, 2) + (8 + 8 + 1) * len(X) < hot.nbytes


@pytest.mark.parametrize("order", ["C", "F"])
@pytest.mark.parametrize("n_threads", [1, 2])
def test_prediction_takes_its_output_and_blocks(order, n_threads):
    X, _ = examples(200_000, 60, order=order)
    net = Network([60, 100, 3], random_state=0)
    outputs, labels = 4 * 3 * len(X), 8 * len(X)
    blocks = n_threads * 2 * FORWARD_BLOCK_BYTES + MiB
    for call, own in ((net.predict, outputs + labels), (net.predict_proba, outputs), (net.forward, outputs)):
        assert peak(lambda call=call: call(X, n_threads=n_threads)) <= own + blocks < X.nbytes / 2


def test_gradients_take_one_arena_for_each_shard():
    X, y = examples(200, 1000)
    net = Network([1000, 2000, 3], random_state=0)
    theta = 4 * net.n_parameters
    for n_threads in (1, 2):
        shards = parallelism(net.layer_sizes, len(X), n_threads, net.n_parameters).n_shards
        found = peak(lambda n_threads=n_threads: net.gradients(X, y, n_threads=n_threads))
        assert found <= (1 + shards) * theta + batch_caches(net, len(X)) + SLACK


def test_initial_weights_are_drawn_in_blocks():
    """float64 numbers for all of a float32 W would take twice its memory."""
    found = peak(lambda: Network([2000, 3000, 2], random_state=0))
    theta = 4 * (2001 * 3000 + 3001 * 2)
    assert found <= theta + 2 * 8 * 2**20 + SLACK


def test_saving_and_loading_take_no_copy_more_than_the_arrays(tmp_path):
    net = Network([1000, 3000, 2], random_state=0)
    theta = 4 * net.n_parameters
    assert peak(lambda: net.save(tmp_path / "net")) <= SLACK
    assert peak(lambda: Network.load(tmp_path / "net")) <= 2 * theta + SLACK  # those read and those of the network


def test_fit_releases_its_memory():
    """Except the optimiser's state, which the next fit continues, and the blocks of the prediction's two threads."""
    X, y = examples(2000, 300)
    net = Network([300, 1000, 3], random_state=0)
    block = max(FORWARD_BLOCK_BYTES, MIN_FORWARD_BLOCK_ROWS * 4 * (300 + 2 * 1000))
    net.fit(X, y, epochs=1, n_threads=1)
    tracemalloc.start()
    try:
        for _ in range(3):
            net.fit(X, y, epochs=1, n_threads=1)
            net.predict(X, n_threads=2)
        assert tracemalloc.get_traced_memory()[0] < 2 * block + MiB
    finally:
        tracemalloc.stop()


RESIDENT = """
import resource, sys
import numpy as np
from fastnn import Network
n_threads, order = int(sys.argv[1]), sys.argv[2]
X = np.ones((300_000, 100), np.float32, order)  # 120 MB
y = np.zeros(len(X), int)
net = Network([100, 2000, 1000, 3], random_state=0)  # 8.8 MB
small = Network([100, 50, 3], random_state=0)
small.fit(X[:9], y[:9], epochs=1)  # imports
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
net.fit(X[:4000], y[:4000], epochs=1, batch_size=2000, n_threads=n_threads)
small.fit(X, y, epochs=1, batch_size=2000, n_threads=n_threads)
small.predict(X, n_threads=n_threads)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss in KiB")
@pytest.mark.parametrize(("n_threads", "order"), [(1, "F"), (2, "C")])
def test_resident_memory_of_the_process(n_threads, order):
    """The process's memory, including that of BLAS and OpenMP: at most 50 MB."""
    done = subprocess.run([sys.executable, "-P", "-c", RESIDENT, str(n_threads), order], capture_output=True, text=True,
                          timeout=120)
    assert done.returncode == 0, done.stderr
    net = Network([100, 2000, 1000, 3])
    theta = 4 * net.n_parameters
    outputs = 300_000 * (4 * 3 + 8)
    bound = (3 + n_threads + 1) * theta + 8 * 300_000 + batch_caches(net, 2000) + outputs + 50_000_000
    assert int(done.stdout) <= bound


SPARSE = """
import resource
import numpy as np
import scipy.sparse as sp
from fastnn import Network
rng = np.random.default_rng(0)
columns = rng.integers(50_000, size=(20_000, 100)).astype(np.int32)
X = sp.csr_matrix((rng.random(2_000_000, np.float32), columns.ravel(), np.arange(0, 2_000_001, 100, np.int32)),
                  shape=(20_000, 50_000))
y = (columns < 500).any(axis=1).astype(int)
small = Network([10, 50, 1], output="sigmoid", random_state=0)
small.fit(sp.eye_array(10, format="csr"), np.arange(10) % 2, epochs=1)  # imports
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
before = peak()
net = Network([50_000, 64, 1], output="sigmoid", random_state=0)
net.fit(X, y, epochs=2)
net.predict(X)
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="ru_maxrss in KiB")
def test_sparse_data_are_never_converted_to_dense():
    """20 000 x 50 000, 4 GB if dense. Needed: theta twice (drawn, then column-major), Adam's two moments, the gradient,
    the best parameters, and the memory of every process.
    """
    done = subprocess.run([sys.executable, "-P", "-c", SPARSE], capture_output=True, text=True, timeout=120)
    assert done.returncode == 0, done.stderr
    theta = 4 * (50_001 * 64 + 65)
    assert int(done.stdout) <= 6 * theta + 50_000_000
