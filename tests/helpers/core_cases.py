"""Random networks with their examples, and the values that `TrainingPlan` binds for them."""

import math
from itertools import pairwise
from types import SimpleNamespace

import numpy as np

from fastnn import losses, reference
from fastnn._core import registry
from fastnn._core.training_plan import TrainingPlan
from fastnn._model.parameters import ParameterLayout
from fastnn._model.workspace import Workspace

# Each loss with an output to test it with; the squared error with all, since losses computed from A share the code.
OUTPUTS = {"huber": "tanh", "quantile": "softplus"}
PAIRS = [
    *((name, kind.output or OUTPUTS.get(name, "identity"))
      for name, kind in losses.BY_NAME.items() if name != "squared_error"),
    *(("squared_error", name) for name in registry.ACTIVATIONS),
]
PER_TARGET = {name: kind().per_target for name, kind in losses.BY_NAME.items()}  # output units
PARAMETERS = {"cross_entropy": 0.1, "binary_cross_entropy": 0.2, "huber": 0.7, "quantile": 0.3}
MOMENTS = {"beta_1": 0.9, "beta_2": 0.999, "epsilon": 1e-8}
ROOT = {"beta_2": 0.9, "epsilon": 1e-8}
NEEDED = {  # by the rules that do not need all hyperparameters
    "sgd": {},
    "momentum": {"momentum": 0.9},
    "nesterov": {"momentum": 0.9},
    "adam": MOMENTS,
    "nadam": MOMENTS,
    "rmsprop": ROOT,
    "rmsprop_momentum": {"momentum": 0.9, **ROOT},
    "rmsprop_nesterov": {"momentum": 0.9, **ROOT},
}
HYPER = {rule: NEEDED.get(rule, {"momentum": 0.9, **MOMENTS}) for rule in registry.RULES}


class Task:
    """A random network and examples for it, in a dtype: the values of a plan and of the reference.

    Attributes: sizes, activations, loss, loss_parameter, l2, l1, dropout, dropout_seed, dtype; X (rows, n[0]), its
    csr arrays if sparse, Y as a plan takes it, weights or None (weighted="units": one for each output); W, b lists of
    arrays of the dtype.
    """

    def __init__(
        self, sizes, activations, loss, dtype, *, rows=1, weighted=False, l2=0.0, l1=0.0, loss_parameter=0.0,
        dropout=(), dropout_seed=0, sparse=False, seed=0,
    ):  # fmt: skip
        self.sizes, self.activations, self.loss = tuple(sizes), tuple(activations), loss
        self.loss_parameter, self.l2, self.l1 = loss_parameter, l2, l1
        self.dropout, self.dropout_seed = tuple(dropout), dropout_seed
        self.dtype = np.dtype(dtype)
        n_targets = sizes[-1] // max(PER_TARGET[loss], np.size(loss_parameter))
        rng = np.random.default_rng(seed)
        # Z of order 1 in every layer
        self.W = [(rng.standard_normal((n, n_prev)) / math.sqrt(n_prev)).astype(dtype) for n_prev, n in pairwise(sizes)]
        self.b = [rng.uniform(-0.5, 0.5, (n, 1)).astype(dtype) for n in sizes[1:]]
        self.X = rng.standard_normal((rows, sizes[0])).astype(dtype)
        if loss == "cross_entropy":
            self.Y = rng.integers(sizes[-1], size=rows).astype(np.int32)
        elif loss == "binary_cross_entropy":
            self.Y = rng.integers(2, size=(rows, sizes[-1])).astype(dtype)
        elif loss == "poisson":
            self.Y = rng.poisson(1.5, (rows, sizes[-1])).astype(dtype)
        else:
            self.Y = rng.standard_normal((rows, n_targets)).astype(dtype)
        shape = (rows, n_targets) if weighted == "units" else rows
        self.weights = rng.choice([0, 0.25, 1, 3.7], size=shape).astype(dtype) if weighted else None
        self.csr = self._thin_out(rng) if sparse else None

    def _thin_out(self, rng):
        """Two thirds of X become 0, and the arrays of what is left, in any order within a row."""
        self.X[rng.uniform(size=self.X.shape) < 2 / 3] = 0
        row, column = np.nonzero(self.X)
        column = column[np.lexsort((rng.uniform(size=row.size), row))]
        bounds = np.searchsorted(row, np.arange(len(self.X) + 1))
        return self.X[row, column], column.astype(np.int32), bounds.astype(np.int64)

    def theta(self):
        """The parameter arena as `ParameterLayout` lays it out, W in Fortran order."""
        return np.concatenate([W.ravel("F") for W in self.W] + [b.ravel() for b in self.b])

    def flat(self, W, b):
        """Lists of matrices in float64 as one arena."""
        return np.concatenate([M.ravel("F") for M in W] + [v.ravel() for v in b])

    def batch(self, rows):
        """X, Y, weights of these rows as the reference takes them: (n[0], m), (n[L], m), (m,) or (n[L], m)."""
        X = self.X[rows].T.astype(np.float64)
        if self.loss == "cross_entropy":
            Y = reference.one_hot(self.Y[rows], self.sizes[-1])
        else:
            Y = self.Y[rows].T.astype(np.float64)
        return X, Y, None if self.weights is None else self.weights[rows].T.astype(np.float64)

    def reference(self, W=None, b=None, **hyperparameters):
        """The `ReferenceNetwork` of the task, from these parameters or from its own."""
        return reference.ReferenceNetwork(
            self.W if W is None else W, self.b if b is None else b, self.activations, self.loss,
            loss_parameter=self.loss_parameter, l2=self.l2, l1=self.l1, dropout=self.dropout,
            dropout_seed=self.dropout_seed, **hyperparameters,
        )  # fmt: skip


def arena(net, row_major):
    """The parameters of a `Task` in one arena, each W in its storage order."""
    layout = ParameterLayout(net.sizes, row_major)
    theta = np.empty(layout.size, net.dtype)
    W, b = layout.views(theta)
    for views, values in ((W, net.W), (b, net.b)):
        for view, value in zip(views, values, strict=True):
            view[...] = value
    return theta


def plan_buffers(
    net, *, rule="sgd", batch=8, n_shards=1, team=1, level=0, order=None, row_major=None, X=None,
    **hyperparameters,
):  # fmt: skip
    """Everything that `TrainingPlan` binds for a `Task`, allocated plainly; outputs are NaN before."""
    row_major = row_major or (False,) * len(net.W)
    theta = arena(net, row_major)
    caches = Workspace(net.sizes, net.activations, batch, net.dtype)
    for matrix in (*caches.Z, *caches.A, *caches.dZ):
        matrix.fill(np.nan)
    labels = net.Y.ndim == 1
    X = X if X is not None else net.X if net.csr is None else net.csr
    return {
        "level": level,
        "sizes": net.sizes,
        "activations": net.activations,
        "row_major": row_major,
        "loss": net.loss,
        "loss_parameter": net.loss_parameter,
        "theta": theta,
        "gradients": np.full((n_shards, theta.size), np.nan, net.dtype),
        "Z": caches.Z,
        "A": caches.A,
        "dZ": caches.dZ,
        "X": X,
        "Y": net.Y,
        "weights": net.weights,
        "batch": (
            None if isinstance(X, tuple) else np.full((net.sizes[0], batch), np.nan, net.dtype, order="F"),
            np.full(batch, -1, np.int32) if labels else np.full((net.Y.shape[1], batch), np.nan, net.dtype, order="F"),
            np.full((*(() if net.weights is None else net.weights.shape[:0:-1]), batch), np.nan, net.dtype, order="F"),
        ),
        "order": order,
        "rule": rule,
        "states": [np.zeros(theta.size, net.dtype) for _ in range(registry.STATES[rule])],
        "step_count": np.zeros(1, np.int64),
        "hyperparameters": {**HYPER[rule], "l2": net.l2, "l1": net.l1, **hyperparameters},
        "team": team,
        "dropout": net.dropout,
        "dropout_seed": net.dropout_seed,
    }


PLACES = {
    "architecture": {"sizes": "sizes", "activations": "activations"},
    "parameters": {"theta": "theta", "row_major": "row_major"},
    "loss": {"loss": "name", "loss_parameter": "parameter", "loss_ceiling": "ceiling", "loss_factor": "factor"},
    "objective": {"l2": "l2", "l1": "l1", "dropout": "dropout", "l2_by_batch": "l2_by_batch"},
    "update": {"rule": "rule", "states": "arenas", "step_count": "step_count", "hyperparameters": "hyperparameters",
               "clip_norm": "clip_norm", "dropout_seed": "dropout_seed"},
    "examples": {"X": "X", "Y": "Y", "weights": "weights", "order": "order"},
    "workspace": {"gradients": "gradients", "Z": "Z", "A": "A", "dZ": "dZ", "batch_X": "batch_X", "batch_Y": "batch_Y",
                  "batch_weights": "batch_weights"},
    "parallelism": {"n_shards": "n_shards", "team": "team", "blas_threads": "blas_threads", "n_parts": "n_parts"},
}  # fmt: skip
DEFAULTS = {"loss_ceiling": math.inf, "loss_factor": 1.0, "l2_by_batch": False, "n_parts": 1}


def bind_plan(**values):
    """Bind a `TrainingPlan` to the values of `plan_buffers`; missing ones are missing attributes."""
    return TrainingPlan(**plan_arguments(**values))


def plan_arguments(*, blas=False, with_update=True, **values):
    """The arguments of `TrainingPlan`: the values of `plan_buffers`, each in its place."""
    values = DEFAULTS | values
    hyper = values.get("hyperparameters")
    own = ("l2", "l1", "clip_norm")  # those that belong to other parts
    values |= {name: hyper.get(name, 0.0) if isinstance(hyper, dict) else 0.0 for name in own}
    if isinstance(hyper, dict):
        values["hyperparameters"] = {name: value for name, value in hyper.items() if name not in own}
    if "gradients" in values:
        values["n_shards"] = len(values["gradients"])
    if "batch" in values:
        values["batch_X"], values["batch_Y"], values["batch_weights"] = values["batch"]
    values["blas_threads"] = 2 if blas else 1
    parts = {
        place: SimpleNamespace(**{to: values[name] for name, to in names.items() if name in values})
        for place, names in PLACES.items()
    }
    parts["objective"].loss = parts.pop("loss")
    if not with_update:
        parts["update"] = None
    return parts | {name: values[name] for name in ("level", "frozen", "groups") if name in values}


def changed_by_a_step(buffers):
    """The bytes of everything that a step may change."""
    return [
        buffers["theta"].tobytes(),
        *[state.tobytes() for state in buffers["states"]],
        buffers["step_count"].tobytes(),
    ]
