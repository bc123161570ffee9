"""A network in a model file: what its header says, and what a file must hold to be one."""

import os
from itertools import pairwise
from typing import Any

from numpy.typing import NDArray

from fastnn import losses
from fastnn._data import checks
from fastnn._model import file_format
from fastnn._model.model import Model

__all__ = ["CHECKPOINT", "describe", "read", "write"]

KIND = "fastnn.Network"
CHECKPOINT = "fastnn.Checkpoint"  # a network and more: see `checkpoints`


def describe(model: Model) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return header and arrays: architecture and parameters."""
    header = {
        "kind": KIND, "layer_sizes": list(model.sizes), "activations": list(model.activations),
        "loss": model.loss.name, "loss_parameters": model.loss.parameters, "init": model.init, "l2": model.l2,
        "l1": model.l1, "dropout": list(model.dropout), "dtype": model.dtype.name, "target_ndim": model.y_ndim,
    }
    W, b = model.layout.views(model.theta)
    return header, {f"{symbol}{l}": view for symbol, views in (("W", W), ("b", b)) for l, view in enumerate(views, 1)}


def write(path: str | os.PathLike[str], model: Model) -> None:
    """Write architecture and parameters; see `file_format.write`."""
    file_format.write(path, *describe(model))


def read(path: str | os.PathLike[str]) -> Model:
    """Read a model that `write` wrote, or that of a checkpoint.

    Raises
    ------
    ModelFileError
        If the file is truncated, altered, or holds no network.
    OSError
        If it cannot be read.
    """
    header, arrays = file_format.read(path)
    try:
        if header.get("kind") not in (KIND, CHECKPOINT):
            raise ValueError(f"it holds {header.get('kind')!r}")
        sizes, dtype = checks.layer_sizes(header["layer_sizes"]), checks.dtype(header["dtype"])
        shapes = {f"W{l}": (n, n_prev) for l, (n_prev, n) in enumerate(pairwise(sizes), 1)}
        shapes |= {f"b{l}": (n, 1) for l, n in enumerate(sizes[1:], 1)}
        if header["kind"] == CHECKPOINT:
            arrays = {key: array for key, array in arrays.items() if key in shapes}
        # Before anything is allocated: the arrays bound what the header may claim.
        if {key: (array.shape, array.dtype) for key, array in arrays.items()} != {
            key: (shape, dtype) for key, shape in shapes.items()
        }:
            raise ValueError("its parameters do not fit its layer sizes and dtype")
        *hidden, output = header["activations"]
        loss = losses.BY_NAME[checks.name(header["loss"], tuple(losses.BY_NAME), "loss")]
        model = Model.build(sizes, activation=hidden, output=output, loss=loss(**header["loss_parameters"]),
                            init=header["init"], l2=header["l2"], l1=header["l1"], dropout=header["dropout"] or 0.0,
                            dtype=dtype)
        model.y_ndim = checks.count(header["target_ndim"], "target_ndim", 1, 2)
    except (KeyError, TypeError, ValueError) as error:
        raise file_format.ModelFileError(f"{os.fspath(path)!r} holds no network: {error}") from error
    for symbol, views in zip("Wb", model.layout.views(model.theta), strict=True):
        for l, view in enumerate(views, 1):
            view[...] = arrays[f"{symbol}{l}"]
    return model
