"""What the tests of `Forward` share: its arguments for a `Task`, and X in other memory layouts."""

import numpy as np
import pytest
from helpers.core_cases import arena

from fastnn._core import registry
from fastnn._core.prediction_plan import Forward

LEVELS = range(len(registry.LEVELS))

each_dtype = pytest.mark.parametrize("dtype", ("float32", "float64"))


def arguments(net, *, row_major=None, team=1, block=8, level=0):
    row_major = row_major or (False,) * len(net.W)
    return {
        "level": level,
        "sizes": net.sizes,
        "activations": [registry.ACTIVATIONS.index(g) for g in net.activations],
        "row_major": row_major,
        "theta": arena(net, row_major),
        "scratch": np.full((team, Forward.needed(net.sizes, block)), np.nan, net.dtype),
        "block": block,
    }


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
