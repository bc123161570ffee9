"""Model files that hold several networks with what belongs to them: JSON values and arrays.

The header is {"kind", "networks": [the header of each network's own file], "content": {...}}. The arrays of network i
are named "networks/i/W1" and so on, all others "content/NAME".
"""

import json
import os
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._model import file_format, files
from fastnn._model.files import NetworkValues

__all__ = ["packed", "read", "unpacked", "write"]


def write(path: str | os.PathLike[str], kind: str, networks: Sequence[NetworkValues], content: Mapping[str, Any],
          arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write a model file; see `file_format.write`.

    Parameters
    ----------
    path : str or os.PathLike
    kind : str
        The name of the class that reads the file.
    networks : sequence of NetworkValues
    content : mapping
        JSON values.
    arrays : mapping of str to ndarray
        float32, float64 or int64.
    """
    headers, all_arrays = [], {f"content/{name}": array for name, array in arrays.items()}
    for i, network in enumerate(networks):
        header, own = files.describe(network)
        headers.append(header)
        all_arrays |= {f"networks/{i}/{name}": array for name, array in own.items()}
    file_format.write(path, {"kind": kind, "networks": headers, "content": dict(content)}, all_arrays)


def read(path: str | os.PathLike[str],
         kind: str) -> tuple[list[NetworkValues], dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the networks, JSON values and arrays of a file of this kind.

    Raises
    ------
    ModelFileError
        If the file is truncated, altered, or of another kind.
    OSError
        If it cannot be read.
    """
    header, all_arrays = file_format.read(path)
    try:
        files.check_kind(header, kind)
        parts: dict[str, dict[str, NDArray[Any]]] = {}
        for name, array in all_arrays.items():
            part, _, own = name.rpartition("/")
            parts.setdefault(part, {})[own] = array
        arrays = parts.pop("content", {})
        networks = [files.restored(own, parts.pop(f"networks/{i}")) for i, own in enumerate(header["networks"])]
        if parts or not isinstance(header["content"], dict):
            raise ValueError("its parts do not fit each other")
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise file_format.ModelFileError(f"{os.fspath(path)!r} holds no {kind}: {error}") from error
    return networks, header["content"], arrays


def packed(value: Any) -> NDArray[np.int64]:
    """Return the text of JSON values of any length as an array, since the header of a file is limited."""
    text = json.dumps(value, separators=(",", ":"), allow_nan=False).encode()
    return np.frombuffer(text + b" " * (-len(text) % 8), "<i8").astype(np.int64)


def unpacked(array: NDArray[Any]) -> Any:
    """Return the JSON values of an array of `packed`.

    Raises
    ------
    ValueError
        If it holds none.
    """
    return json.loads(np.ascontiguousarray(array, "<i8").tobytes())
