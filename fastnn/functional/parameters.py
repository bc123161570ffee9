"""What the course's functions share: the dictionary of parameters."""

from typing import Any

from numpy.typing import NDArray

__all__ = ["Parameters", "n_layers"]

Parameters = dict[str, NDArray[Any]]


def n_layers(parameters: Parameters) -> int:
    """Return L of the dictionary {"W1": ..., "b1": ..., ..., "WL": ..., "bL": ...}.

    Raises
    ------
    KeyError
        If a W or b is missing.
    """
    L = len(parameters) // 2
    for l in range(1, L + 1):
        for symbol in ("W", "b"):
            if f"{symbol}{l}" not in parameters:
                raise KeyError(f"parameters must hold W1, b1, ..., W{L}, b{L}: {symbol}{l} is missing")
    if L == 0:
        raise KeyError("parameters must hold W1, b1, ...: got none")
    return L
