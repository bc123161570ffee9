"""Checks of the parameter dictionary and of the examples."""

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike, NDArray

from fastnn._core.course import ANY, as_matrix

__all__ = ["ParameterDict", "as_examples", "as_parameters", "check_binary", "n_layers"]

ParameterDict = dict[str, NDArray[Any]]


def n_layers(parameters: ParameterDict) -> int:
    """Return L of the dictionary {"W1": ..., "b1": ..., ..., "WL": ..., "bL": ...}.

    Raises
    ------
    TypeError
        If `parameters` is not a mapping.
    KeyError
        If a W or b is missing, or there is any other key.
    """
    if not isinstance(parameters, (dict, Mapping)):
        raise TypeError(f"parameters must be a dict of W1, b1, ..., got {type(parameters).__name__}")
    L = len(parameters) // 2
    for l in range(1, L + 1):
        if f"W{l}" not in parameters or f"b{l}" not in parameters:
            break
    else:
        if len(parameters) == 2 * L > 0:
            return L
    raise KeyError("parameters must hold W1, b1, ..., a W and a b for each layer and nothing else, "
                   f"got {', '.join(map(str, parameters)) or 'none'}")


def as_parameters(parameters: ParameterDict, sizes: Sequence[int]) -> ParameterDict:
    """Return the parameters as float64 matrices after checking that they match the layer sizes n[0], ..., n[L].

    Raises
    ------
    ValueError
        If the number of layers or a shape differs.
    TypeError, KeyError
        As for `n_layers`, or if an array does not hold real numbers.
    """
    L = n_layers(parameters)
    if len(sizes) != L + 1:
        raise ValueError(f"parameters must hold W and b of {len(sizes) - 1} layers for the sizes {list(sizes)}, "
                         f"got {L}")
    arrays = {}
    for l in range(1, L + 1):
        n, n_prev = sizes[l], sizes[l - 1]
        arrays[f"W{l}"] = as_matrix(parameters[f"W{l}"], f"W{l}", n, n_prev, f"(n[{l}], n[{l - 1}])")
        arrays[f"b{l}"] = as_matrix(parameters[f"b{l}"], f"b{l}", n, 1, f"(n[{l}], 1)")
    return arrays


def as_examples(X: ArrayLike, symbol: str, n_x: int = ANY) -> NDArray[Any]:
    """Return X (n_x, m) as a float64 matrix; raise a ValueError if it is empty."""
    matrix = as_matrix(X, symbol, n_x, ANY, "(n_x, m)")
    if not matrix.size:
        raise ValueError(f"{symbol} must hold at least one feature and one example, got shape {matrix.shape}")
    return matrix


def check_binary(Y: NDArray[Any], what: str) -> None:
    """Raise a ValueError unless all values of Y are 0 or 1."""
    if not ((Y == 0) | (Y == 1)).all():
        raise ValueError(f"{what} must hold 0 and 1 for a sigmoid output")
