"""What every module of the reference asks of its arguments."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]


def float64(array: ArrayLike) -> Array:
    """Return the real numbers of `array` in float64; TypeError for complex ones."""
    array = np.asarray(array)
    if np.iscomplexobj(array):
        raise TypeError(f"expected real numbers, got {array.dtype}")
    return array.astype(np.float64, copy=False)


def known(what: str, name: str, names: Sequence[str]) -> None:
    """Raise ValueError unless `name` is one of `names`."""
    if name not in names:
        raise ValueError(f"{what} must be one of {', '.join(names)}; got {name!r}")
