"""What the tests of the compiled core share: guarded buffers, and a bound on the rounding errors of a whole pass."""

import math
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import settings

from fastnn import reference
from fastnn._core import _kernels
from fastnn.buffers import Caches, ParameterLayout

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


def unit_roundoff(dtype):
    """Of the dtype, plus float64's: a kernel's roundings together with as many of the reference."""
    return float(np.finfo(dtype).eps + np.finfo(np.float64).eps) / 2


# ---- Buffers --------------------------------------------------------------------------------------------------------

GUARD = 37  # elements on each side; odd, so that arrays begin anywhere but on a vector's boundary
PATTERN = 0xA5


class Buffers:
    """The arrays of one kernel call, each between guard elements; `check` finds stray writes and changed inputs."""

    def __init__(self):
        self._raw = []

    def _place(self, values, order):
        values = np.asarray(values)
        edge = GUARD * values.itemsize
        raw = np.full(values.nbytes + 2 * edge, PATTERN, np.uint8)
        array = raw[edge : raw.size - edge].view(values.dtype).reshape(values.shape, order=order)
        array[...] = values
        return raw, array, edge

    def input(self, values, order="F"):
        raw, array, _ = self._place(values, order)
        array.flags.writeable = False
        self._raw.append((raw, raw.copy(), slice(None)))
        return array

    def output(self, values, order="F"):
        raw, array, edge = self._place(values, order)
        self._raw.append((raw, raw.copy(), np.r_[:edge, raw.size - edge : raw.size]))
        return array

    def check(self):
        for raw, before, watched in self._raw:
            assert np.array_equal(raw[watched], before[watched]), "an input or a guard element was written to"


@pytest.fixture(scope="session")
def buffers():
    return Buffers


# ---- Networks -------------------------------------------------------------------------------------------------------


class Task:
    """A random network and examples for it, in a dtype: what `Plan` gets, and the same for the reference.

    Attributes: sizes, activations, loss, l2, dtype; X (rows, n[0]), Y as the plan takes it, weights or None;
    W, b lists of arrays of the dtype.
    """

    def __init__(self, sizes, activations, loss, dtype, *, rows=1, weighted=False, l2=0.0, seed=0):
        self.sizes, self.activations, self.loss, self.l2 = tuple(sizes), tuple(activations), loss, l2
        self.dtype = np.dtype(dtype)
        rng = np.random.default_rng(seed)
        # Z of order 1 in every layer
        self.W = [(rng.standard_normal((n, n_prev)) / math.sqrt(n_prev)).astype(dtype) for n_prev, n in pairwise(sizes)]
        self.b = [rng.uniform(-0.5, 0.5, (n, 1)).astype(dtype) for n in sizes[1:]]
        self.X = rng.standard_normal((rows, sizes[0])).astype(dtype)
        if loss == "cross_entropy":
            self.Y = rng.integers(sizes[-1], size=rows).astype(np.int32)
        elif loss == "binary_cross_entropy":
            self.Y = rng.integers(2, size=(rows, sizes[-1])).astype(dtype)
        else:
            self.Y = rng.standard_normal((rows, sizes[-1])).astype(dtype)
        self.weights = rng.choice([0, 0.25, 1, 3.7], size=rows).astype(dtype) if weighted else None

    def theta(self):
        """The parameter arena as `ParameterLayout` lays it out, W in Fortran order."""
        return np.concatenate([W.ravel("F") for W in self.W] + [b.ravel() for b in self.b])

    def flat(self, W, b):
        """Lists of matrices in float64 as one arena."""
        return np.concatenate([M.ravel("F") for M in W] + [v.ravel() for v in b])

    def batch(self, rows):
        """X, Y, weights of these rows as the reference takes them: (n[0], m), (n[L], m), (m,)."""
        X = self.X[rows].T.astype(np.float64)
        if self.loss == "cross_entropy":
            Y = reference.one_hot(self.Y[rows], self.sizes[-1])
        else:
            Y = self.Y[rows].T.astype(np.float64)
        return X, Y, None if self.weights is None else self.weights[rows].astype(np.float64)


@pytest.fixture(scope="session")
def task():
    return Task


HYPER = {
    "sgd": {},
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9},
    "adam": {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8},
}
N_STATES = {"sgd": 0, "momentum": 1, "nesterov": 1, "adam": 2}


def plan_buffers(
    net, *, rule="sgd", batch=8, n_shards=1, team=1, level=0, order=None, row_major=None, X=None, keep_Z=False
):
    """Everything that `Plan` binds for a `Task`, allocated plainly; outputs are NaN before."""
    row_major = row_major or (False,) * len(net.W)
    layout = ParameterLayout(net.sizes, row_major)
    theta = np.empty(layout.size, net.dtype)
    W, b = layout.views(theta)
    for views, values in ((W, net.W), (b, net.b)):
        for view, value in zip(views, values, strict=True):
            view[...] = value
    caches = Caches(net.sizes, net.activations, batch, net.dtype, keep_Z=keep_Z)
    for matrix in (*caches.Z, *caches.A, *caches.dZ):
        matrix.fill(np.nan)
    labels = net.Y.ndim == 1
    return {
        "level": level,
        "sizes": net.sizes,
        "activations": [_kernels.ACTIVATIONS.index(g) for g in net.activations],
        "row_major": row_major,
        "loss": _kernels.LOSSES.index(net.loss),
        "theta": theta,
        "gradients": np.full((n_shards, layout.size), np.nan, net.dtype),
        "Z": caches.Z,
        "A": caches.A,
        "dZ": caches.dZ,
        "X": net.X if X is None else X,
        "Y": net.Y,
        "weights": net.weights,
        "batch": (
            np.full((net.sizes[0], batch), np.nan, net.dtype, order="F"),
            np.full(batch, -1, np.int32) if labels else np.full((net.sizes[-1], batch), np.nan, net.dtype, order="F"),
            np.full(batch, np.nan, net.dtype),
        ),
        "order": order,
        "rule": _kernels.RULES.index(rule),
        "states": [np.zeros(layout.size, net.dtype) for _ in range(N_STATES[rule])],
        "step_count": np.zeros(1, np.int64),
        "hyperparameters": {**HYPER[rule], "l2": net.l2},
        "team": team,
    }


def changed_by_a_step(buffers):
    """The bytes of all that a step may change."""
    return [
        buffers["theta"].tobytes(),
        *[state.tobytes() for state in buffers["states"]],
        buffers["step_count"].tobytes(),
    ]


@pytest.fixture(scope="session")
def arguments():
    return plan_buffers


@pytest.fixture(scope="session")
def changing():
    return changed_by_a_step


# ---- Rounding errors of a pass --------------------------------------------------------------------------------------

# Per activation: sup |g'|, sup |g''| away from the kink, and the jump of g' at the kink.
SMOOTHNESS = {
    "sigmoid": (0.25, 0.1, 0),
    "tanh": (1, 0.77, 0),
    "relu": (1, 0, 1),
    "leaky_relu": (1, 0, 0.99),
    "identity": (1, 0, 0),
    "elu": (1, 1, 0),
    "selu": (1.7581, 1.7581, 0.7075),
    "gelu": (1.13, 0.8, 0),
    "silu": (1.1, 0.5, 0),
    "softplus": (1, 0.25, 0),
}
FUNCTION = 8  # roundings that an activation, its derivative's factor or a logarithm may count as (see test_kernels)


class PassErrors:
    """First-order bounds, element by element, on the rounding errors of forward and backward propagation.

    With e(M) the bound on the error of M, n and m the lengths of the sums and u the unit roundoff:

    - Z = W A_prev + b: e(Z) = |W| e(A_prev) + (n[l-1] + 2) u (|W| |A_prev| + |b|)
    - A = g(Z): e(A) = sup|g'| e(Z) + 8 u (1 + |A|)
    - dZ = dA g'(Z): e(dZ) = e(dA) (|g'| + e(g')) + |dA| e(g') + 2 u |dZ|, where e(g') = sup|g''| e(Z) + 16 u, and
      the jump at the kink where |Z| <= e(Z)
    - dW = scale dZ A_prev^T: e(dW) = scale (e(dZ) (|A_prev| + e(A_prev))^T + |dZ| e(A_prev)^T
      + (m + 6) u |dZ| |A_prev|^T) + 3 u |l2 W| + u |dW|
    - dA_prev = W^T dZ: e(dA_prev) = |W|^T e(dZ) + (n[l] + 1) u |W|^T |dZ|

    The sums over shards are among the m additions.
    """

    def __init__(self, X, Y, W, b, activations, loss, weights, l2, u):
        self.u, self.activations, self.W = u, activations, W
        self.Z, self.A = reference.forward(X, W, b, activations)
        self.eZ, self.eA = [None], [np.zeros_like(X)]
        for W_l, b_l, g, Z, A, A_prev in zip(W, b, activations, self.Z[1:], self.A[1:], self.A, strict=False):
            size = np.abs(W_l) @ np.abs(A_prev) + np.abs(b_l)
            self.eZ.append(np.abs(W_l) @ self.eA[-1] + (W_l.shape[1] + 2) * u * size)
            if g == "softmax":
                spread = np.max(np.abs(Z), axis=0) * 2
                own = self.eZ[-1] + u * (spread + FUNCTION)
                self.eA.append(A * (own + np.sum(A * own, axis=0) + (len(A) + 4) * u))
            else:
                self.eA.append(SMOOTHNESS[g][0] * self.eZ[-1] + FUNCTION * u * (1 + np.abs(A)))
        if Y is not None:
            self._backward(Y, loss, np.ones(X.shape[1]) if weights is None else weights, l2)

    def _derivative(self, layer, dA, e_dA):
        """dZ of a layer from dA, and its bound."""
        g, Z, A, u = self.activations[layer - 1], self.Z[layer], self.A[layer], self.u
        dZ = reference.activate_backward(g, dA, Z)
        if g == "softmax":
            dot, e_A = np.sum(A * np.abs(dA), axis=0), self.eA[layer]
            e_dot = np.sum(A * e_dA + e_A * (np.abs(dA) + e_dA), axis=0)
            inner = e_dA + e_dot + (len(A) + 4) * u * (dot + np.abs(dA))
            return dZ, e_A * (dot + np.abs(dA)) + (A + e_A) * inner
        _, curvature, jump = SMOOTHNESS[g]
        slope = np.abs(reference.activate_backward(g, np.ones_like(dA), Z))
        e_slope = curvature * self.eZ[layer] + jump * (np.abs(Z) <= self.eZ[layer])
        e_slope += 0 if g in ("relu", "identity") else 16 * u
        return dZ, e_dA * (slope + e_slope) + np.abs(dA) * e_slope + 2 * u * np.abs(dZ)

    def _backward(self, Y, loss, w, l2):
        u, Z, A, e_A, e_Z = self.u, self.Z[-1], self.A[-1], self.eA[-1], self.eZ[-1]
        total, m = np.sum(w), len(w)
        scale = 1 / total if total else 0.0
        if loss == "squared_error":
            dA, e_dA = w * (A - Y), w * (e_A + 3 * u * np.abs(A - Y))
            dZ, e_dZ = self._derivative(len(self.activations), dA, e_dA)
            e_L = np.sum((np.abs(A - Y) + e_A) * e_A + 5 * u * (A - Y) ** 2, axis=0)
            L = np.sum((A - Y) ** 2, axis=0) / 2
        else:
            dZ = w * (A - Y)
            e_dZ = w * (e_A + FUNCTION * u * A + 3 * u * np.abs(A - Y))
            span = np.max(np.abs(Z), axis=0)
            if loss == "cross_entropy":
                e_L = 2 * np.max(e_Z, axis=0) + u * (4 * span + len(Z) + 2 * FUNCTION)
                L = span * 2 + math.log(len(Z))
            else:
                L = np.sum(np.abs(Z) * (1 + np.abs(Y)) + 1, axis=0)
                e_L = np.sum(e_Z * (1 + np.abs(Y)), axis=0) + FUNCTION * u * L
        self.J = scale * (np.sum(w * e_L) + (m + 6) * u * np.sum(w * L))
        self.J += l2 / 2 * sum((W_l.size + 6) * u * np.sum(W_l**2) for W_l in self.W)
        self.dW, self.db = [], []
        for layer in range(len(self.W), 0, -1):
            W_l, A_prev, e_prev = self.W[layer - 1], self.A[layer - 1], self.eA[layer - 1]
            full = scale * np.abs(dZ) @ np.abs(A_prev).T
            carried = scale * (e_dZ @ (np.abs(A_prev) + e_prev).T + np.abs(dZ) @ e_prev.T)
            self.dW.insert(0, carried + (m + 6) * u * full + 4 * u * l2 * np.abs(W_l) + u * full)
            self.db.insert(0, scale * np.sum(e_dZ + (m + 6) * u * np.abs(dZ), axis=1, keepdims=True))
            if layer > 1:
                dA, e_dA = W_l.T @ dZ, np.abs(W_l).T @ e_dZ + (len(W_l) + 1) * u * np.abs(W_l).T @ np.abs(dZ)
                dZ, e_dZ = self._derivative(layer - 1, dA, e_dA)


@pytest.fixture(scope="session")
def pass_errors():
    def bound(task, rows, dtype=None):
        """`PassErrors` of the task on these rows."""
        X, Y, weights = task.batch(rows)
        W, b = [M.astype(np.float64) for M in task.W], [v.astype(np.float64) for v in task.b]
        return PassErrors(X, Y, W, b, task.activations, task.loss, weights, task.l2, unit_roundoff(dtype or task.dtype))

    return bound
