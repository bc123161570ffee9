"""Argument checks shared by all modules of the reference."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def float64(array: ArrayLike) -> Array:
    """Return a real array in float64; raise TypeError for complex numbers."""
    array = np.asarray(array)
    if np.iscomplexobj(array):
        raise TypeError(f"expected real numbers, got {array.dtype}")
    return array.astype(np.float64, copy=False)


def known(what: str, name: str, names: Sequence[str]) -> None:
    """Raise ValueError unless `name` is one of `names`."""
    if name not in names:
        raise ValueError(f"{what} must be one of {', '.join(names)}; got {name!r}")
