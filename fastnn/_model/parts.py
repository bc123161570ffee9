"""The parts of a network besides its layers: the input stage and the mixtures of activations."""

from typing import TYPE_CHECKING, Any, NamedTuple, Self

from numpy.typing import NDArray

from fastnn._data.sparse import SparseRows
from fastnn.embeddings import Embedding

if TYPE_CHECKING:
    from fastnn._model.architecture import Architecture
    from fastnn._model.parameters import ParameterLayout

__all__ = ["Parts", "group_and_layer", "mixture_name", "refuse_sparse"]

EMBEDDED = ("frequencies", "phases", "weights", "biases", "vectors")  # in the order of the arena


def mixture_name(l: int) -> str:
    """Return the name of the parameters t of layer l, counted from 1."""
    return f"mixture[{l}]"


def group_and_layer(name: str) -> tuple[str, int | None]:
    """Return the group of parameters of this name, and the number of the layer that they belong to, if any."""
    if name.startswith("mixture"):
        return "mixture", int(name[len("mixture[") : -1])
    return (name if name in ("scale", "vectors") else "embedding"), None


def refuse_sparse(architecture: "Architecture", X: Any, what: str = "X") -> None:
    """Raise a ValueError if X is sparse and the network has an input stage."""
    if architecture.has_inputs and isinstance(X, SparseRows):
        raise ValueError(f"a network with embedding or scale_inputs takes no sparse X: give {what} as a dense array, "
                         "such as X.toarray()")


class Parts(NamedTuple):
    """The parts as the compiled core reads them; offsets are elements of a parameter or gradient arena.

    Attributes
    ----------
    n_features : int
        n[0], the columns of X.
    widths : tuple of int
        The rows of A[0], n[1], ..., n[L].
    table : ndarray (n[0],) or None
        The columns of X as `Embedding.table` describes them; None without an input stage, whose A[0] is X^T.
    sizes : tuple of int
        n_frequencies, n_outputs and vector_size.
    offsets : tuple of int
        Of scale (-1 without factors), frequencies, phases, weights, biases and vectors.
    mixtures : tuple of int
        Of t of each hidden layer; empty without mixtures.
    """

    n_features: int
    widths: tuple[int, ...]
    table: NDArray[Any] | None
    sizes: tuple[int, int, int]
    offsets: tuple[int, ...]
    mixtures: tuple[int, ...]

    @classmethod
    def of(cls, architecture: "Architecture", layout: "ParameterLayout") -> Self | None:
        """Return the parts of a network with parameters in this layout; None if it consists of layers only."""
        if not architecture.has_parts:
            return None
        embedding = architecture.embedding or Embedding()
        starts = layout.offsets
        empty = starts.get("scale", layout.n_weights + layout.n_biases) + architecture.scale_inputs * layout.sizes[0]
        return cls(
            n_features=architecture.n_features, widths=architecture.widths,
            table=embedding.table(architecture.n_features) if architecture.has_inputs else None,
            sizes=(embedding.n_frequencies, embedding.n_outputs, embedding.vector_size),
            offsets=(starts.get("scale", -1), *(starts.get(name, empty) for name in EMBEDDED)),
            mixtures=tuple(starts[name] for name in map(mixture_name, range(1, len(layout.sizes) - 1)))
            if architecture.activation_mixture else ())
