"""Data read in chunks, for the tests of sources and feeds."""

import pickle

import numpy as np

from fastnn import Network

N_X = 5
M = 230
rng = np.random.default_rng(0)
X = rng.standard_normal((M, N_X))
LABELS = rng.integers(3, size=M)
BITS = rng.integers(2, size=M)
REALS = rng.standard_normal((M, 2))
WEIGHTS = rng.choice([0, 0.25, 1, 2], size=M)  # their largest is a power of two: the scale of all is that of a batch

KINDS = {  # arguments of the network, targets
    "softmax": ({"layer_sizes": [N_X, 6, 3]}, LABELS),
    "sigmoid": ({"layer_sizes": [N_X, 6, 1], "output": "sigmoid"}, BITS),
    "identity": ({"layer_sizes": [N_X, 6, 2], "output": "identity"}, REALS),
}
DTYPES = ["float32", "float64"]


def make(kind="softmax", dtype="float32", **settings):
    return Network(**KINDS[kind][0], dtype=dtype, random_state=3, **settings)


def state(net):
    """Everything that training changes but the history, byte by byte."""
    return pickle.dumps((net._parameters, net._target_ndim, net._state, net._rng))


def cut(size, *arrays):
    return [tuple(array[start : start + size] for array in arrays) for start in range(0, len(arrays[0]), size)]


class Recorded:
    """A minimal object read by slices; it keeps which ones were asked for."""

    def __init__(self, array):
        self._array, self.asked = array, []
        self.shape, self.dtype = array.shape, array.dtype

    def __getitem__(self, rows):
        assert isinstance(rows, slice) and rows.step is None
        self.asked.append((rows.start, rows.stop))
        return self._array[rows].copy()


class Loader:
    """Like PyTorch's: neither iterator nor sequence; it can be begun again and again."""

    def __init__(self, *arrays):
        self.arrays, self.begun = arrays, 0

    def __len__(self):
        return 10

    def __iter__(self):
        self.begun += 1
        return iter(cut(23, *self.arrays))


def spoiled(change, index):
    batches = [list(map(np.copy, batch)) for batch in cut(23, X, LABELS, np.ones(M))]
    batches[index] = change(*batches[index])
    return batches


def with_nan(x, y, w):
    x[3, 2] = np.nan
    return x, y, w
