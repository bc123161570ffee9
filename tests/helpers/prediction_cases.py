"""The values that `PredictionPlan` binds for a `Task`, and X in other memory layouts."""

from types import SimpleNamespace

import numpy as np
import pytest
from helpers.core_cases import arena

from fastnn._core import registry
from fastnn._core.prediction_plan import PredictionPlan

LEVELS = range(len(registry.LEVELS))

each_dtype = pytest.mark.parametrize("dtype", ("float32", "float64"))


def prediction_values(net, *, row_major=None, team=1, block=8, level=0):
    """What `bind_prediction` takes, allocated plainly; the scratch is NaN before."""
    row_major = row_major or (False,) * len(net.W)
    return {
        "level": level,
        "sizes": net.sizes,
        "activations": net.activations,
        "row_major": row_major,
        "theta": arena(net, row_major),
        "scratch": np.full((team, PredictionPlan.scratch_size(net.sizes, block)), np.nan, net.dtype),
        "block": block,
    }


def bind_prediction(*, sizes, activations, row_major, theta, **others):
    """Bind a `PredictionPlan` to these values."""
    architecture = SimpleNamespace(sizes=sizes, activations=activations)
    return PredictionPlan(architecture, SimpleNamespace(theta=theta, row_major=row_major), **others)


def prediction_plan(net, **options):
    """Bind a `PredictionPlan` to a `Task`."""
    return bind_prediction(**prediction_values(net, **options))


def in_layout(X, layout):
    """X in another memory layout."""
    if layout in ("C", "F"):
        return np.array(X, order=layout)
    view = (
        np.empty((2 * len(X), 3 * X.shape[1]), X.dtype)[::-2, ::3]
        if layout == "strided"
        else np.empty((len(X), X.shape[1] + 1), X.dtype)[:, 1:]
    )
    view[...] = X
    return view
