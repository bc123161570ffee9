"""Which loss goes with which output, and what the targets of each look like."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import validation
from fastnn._core import _kernels
from fastnn._core._ops import LOSSES

__all__ = ["check_binary", "code", "prepare_targets", "resolve", "weighted_sum"]

AUTO = {"softmax": "cross_entropy", "sigmoid": "binary_cross_entropy"}
NEEDED_OUTPUT = {loss: output for output, loss in AUTO.items()}


def resolve(loss: str, output: str) -> str:
    """Return the loss's name; "auto" follows the output activation.

    Raises
    ------
    ValueError
        If the name is unknown, or a cross-entropy is asked for on an output that gives no probabilities.
    """
    loss = validation.name(loss, ("auto", *LOSSES), "loss")
    if loss == "auto":
        return AUTO.get(output, "squared_error")
    if output != NEEDED_OUTPUT.get(loss, output):
        raise ValueError(f"loss={loss!r} needs output={NEEDED_OUTPUT[loss]!r}, got {output!r}")
    return loss


def code(loss: str) -> int:
    """Return the number under which the compiled core knows the loss."""
    return LOSSES.index(loss)


def prepare_targets(y: Any, *, m: int, n_out: int, output: str, loss: str, dtype: np.dtype[Any],
                    what: str = "y") -> NDArray[Any]:
    """Return the targets as the compiled core reads them.

    Parameters
    ----------
    y : array_like
        softmax output: class labels (m,) or one-hot (m, n[L]); sigmoid: 0 and 1, (m,) or (m, n[L]); else real
        values (m,) or (m, n[L]).
    m, n_out : int
        Examples and n[L].
    output, loss : str
    dtype : dtype
        The network's.
    what : str
        Their name in error texts.

    Returns
    -------
    ndarray
        int32 labels (m,) for cross_entropy, else C-ordered (m, n[L]) of `dtype`.

    Raises
    ------
    ValueError, TypeError
        If they are not what the output needs.
    """
    if output == "softmax":
        labels = validation.labels(y, m, n_out, what)
        if loss == "cross_entropy":
            return labels
        return np.eye(n_out, dtype=dtype)[labels]
    values = validation.values(y, m, n_out, dtype, what)
    if output == "sigmoid":
        check_binary(values, what)
    return values


def check_binary(values: NDArray[Any], what: str) -> None:
    """Raise a ValueError unless all `values` are 0 or 1."""
    if not ((values == 0) | (values == 1)).all():
        raise ValueError(f"{what} must hold 0 and 1 for a sigmoid output")


def weighted_sum(loss: str, raw: NDArray[Any], Y: NDArray[Any], weights: NDArray[Any] | None, level: int) -> float:
    """Return sum_j w_j L_j; `raw` (m, n[L]), C-ordered, holds Z[L] (cross-entropies) or A[L] and is overwritten."""
    dZ = raw.T
    return float(_kernels.loss(loss, dZ, Y if Y.ndim == 1 else Y.T, weights, dZ, level))
