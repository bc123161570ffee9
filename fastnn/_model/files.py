"""Save and load networks as model files."""

import os
from itertools import pairwise
from typing import Any, NamedTuple

from numpy.typing import NDArray

from fastnn import initializers, losses
from fastnn._data import checks
from fastnn._model import file_format
from fastnn._model.architecture import Architecture
from fastnn._model.objective import Objective
from fastnn._model.parameters import Parameters, stored_name
from fastnn.embeddings import Embedding

__all__ = ["CHECKPOINT", "KIND", "NetworkValues", "check_kind", "describe", "kind_of", "marked", "read",
           "restored", "write"]

KIND = "fastnn.Network"
CHECKPOINT = "fastnn.Checkpoint"  # a network and the state of its training: see `checkpoints`
NEWER = ", for fastnn 0.2 or newer"  # at the end of the kind
PART_FIELDS = frozenset({"embedding", "scale_inputs", "activation_mixture"})  # of the header, each only if used


class NetworkValues(NamedTuple):
    """Everything a model file holds.

    Attributes
    ----------
    architecture : Architecture
    objective : Objective
    parameters : Parameters
    init : str
        The initialiser.
    target_ndim : int
        The number of dimensions of the y fitted last, 1 or 2.
    """

    architecture: Architecture
    objective: Objective
    parameters: Parameters
    init: str
    target_ndim: int


def describe(network: NetworkValues) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
    """Return the header and the arrays of a model file."""
    architecture, objective, parameters, init, target_ndim = network
    header = {
        "kind": KIND, "layer_sizes": list(architecture.sizes), "activations": list(architecture.activations),
        "loss": objective.loss.name, "loss_parameters": objective.loss.parameters, "init": init, "l2": objective.l2,
        "l1": objective.l1, "dropout": list(objective.dropout), "dtype": architecture.dtype.name,
        "target_ndim": target_ndim,
    }
    header |= _parts(architecture)
    return header, parameters.layout.stored(parameters.theta)


def _parts(architecture: Architecture) -> dict[str, Any]:
    """Return the fields of the parts that a network has besides its layers."""
    fields: dict[str, Any] = {}
    if (embedding := architecture.embedding) is not None:
        fields["embedding"] = {
            "numbers": list(embedding.numbers), "categories": [list(item) for item in embedding.categories.items()],
            "n_frequencies": embedding.n_frequencies, "n_outputs": embedding.n_outputs,
            "frequency_scale": embedding.frequency_scale, "vector_size": embedding.vector_size}
    return fields | {name: True for name in PART_FIELDS - {"embedding"} if getattr(architecture, name)}


def _embedding(fields: Any) -> Embedding | None:
    """Return the embedding that `_parts` described.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the fields are not those of an embedding.
    """
    return None if fields is None else Embedding(**{**fields, "categories": dict(fields["categories"])})


def write(path: str | os.PathLike[str], network: NetworkValues) -> None:
    """Write a model file; see `file_format.write`."""
    header, arrays = describe(network)
    file_format.write(path, marked(header), arrays)


def marked(header: dict[str, Any]) -> dict[str, Any]:
    """Return a header with a kind that fastnn 0.1 refuses if it describes parts that this version does not know."""
    return header | {"kind": header["kind"] + NEWER} if header.keys() & PART_FIELDS else header


def kind_of(header: dict[str, Any]) -> Any:
    """Return the kind of a file without the mark."""
    kind = header.get("kind")
    return kind.removesuffix(NEWER) if isinstance(kind, str) else kind


def read(path: str | os.PathLike[str]) -> NetworkValues:
    """Read the network of a model file or a checkpoint.

    Raises
    ------
    ModelFileError
        If the file is truncated, altered, or holds no network.
    OSError
        If it cannot be read.
    """
    header, arrays = file_format.read(path)
    try:
        return restored(header, arrays)
    except (KeyError, TypeError, ValueError) as error:
        raise file_format.ModelFileError(f"{os.fspath(path)!r} holds no network: {error}") from error


def check_kind(header: dict[str, Any], *kinds: str) -> None:
    """Raise a ValueError, which says what reads the file, unless a header is of one of these kinds."""
    kind = kind_of(header)
    if kind not in kinds:
        reader = {KIND: KIND, CHECKPOINT: KIND}.get(kind, kind) if isinstance(kind, str) else ""
        hint = f", which {reader}.load reads" if reader.startswith("fastnn.") else ""
        raise ValueError(f"it holds {kind!r}{hint}")


def restored(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> NetworkValues:
    """Return the network of a header and arrays of `describe`.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the header is incomplete or wrong, or the arrays do not match it.
    """
    check_kind(header, KIND, CHECKPOINT)
    network = _allocate(header, arrays)
    for name, view in network.parameters.layout.stored(network.parameters.theta).items():
        view[...] = arrays[name]
    return network


def _allocate(header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> NetworkValues:
    """Return the network that the header describes, its parameters uninitialised.

    Raises
    ------
    KeyError, TypeError, ValueError
        If the header is incomplete or wrong, or the arrays do not match it.
    """
    sizes, dtype = checks.layer_sizes(header["layer_sizes"]), checks.dtype(header["dtype"])
    *hidden, output = header["activations"]
    architecture = Architecture.check(sizes, activation=hidden, output=output, dtype=dtype,
                                      embedding=_embedding(header.get("embedding")),
                                      scale_inputs=header.get("scale_inputs", False),
                                      activation_mixture=header.get("activation_mixture", False))
    shapes: dict[str, tuple[int, ...]]
    shapes = {f"W{l}": (n, n_prev) for l, (n_prev, n) in enumerate(pairwise(architecture.widths), 1)}
    shapes |= {f"b{l}": (n, 1) for l, n in enumerate(sizes[1:], 1)}
    shapes |= {stored_name(name): shape for name, shape in architecture.extra_shapes.items()}
    if kind_of(header) == CHECKPOINT:
        arrays = {key: array for key, array in arrays.items() if key in shapes}
    # Compare before allocating: the size of the arrays limits the sizes that the header may claim.
    if {key: (array.shape, array.dtype) for key, array in arrays.items()} != {
        key: (shape, dtype) for key, shape in shapes.items()
    }:
        raise ValueError("its parameters do not fit its layer sizes and dtype")
    loss = losses.BY_NAME[checks.name(header["loss"], tuple(losses.BY_NAME), "loss")](**header["loss_parameters"])
    objective = Objective.check(architecture, loss=loss, l2=header["l2"], l1=header["l1"],
                                dropout=header["dropout"] or 0.0)
    return NetworkValues(architecture, objective, Parameters.allocate(architecture),
                         initializers.check(header["init"]),
                         checks.count(header["target_ndim"], "target_ndim", 1, 2))
