"""What a `Network` tells about itself."""

from typing import Any

import numpy as np

from fastnn._model.architecture import Architecture
from fastnn._model.objective import Objective
from fastnn._model.parameters import NamedViews, Parameters, ParameterViews
from fastnn.embeddings import Embedding

__all__ = ["NetworkAttributes"]


class NetworkAttributes:
    """A base class of `Network`, which sets the private attributes."""

    _architecture: Architecture
    _objective: Objective
    _parameters: Parameters
    _init: str
    _W: ParameterViews
    _b: ParameterViews

    @property
    def W(self) -> ParameterViews:
        """The weights: W[0] is W[1] in textbook notation, of shape (n[1], n[0])."""
        return self._W

    @property
    def b(self) -> ParameterViews:
        """The biases: b[0] is b[1] in textbook notation, of shape (n[1], 1)."""
        return self._b

    @property
    def parameters(self) -> NamedViews:
        """All parameters by name, as writable views: "W[1]", ..., "b[1]", ...; those of `embedding`, `scale_inputs` and
        `activation_mixture` are "frequencies", "phases", "weights", "biases", "vectors"; "scale"; "mixture[1]", ..."""
        return NamedViews(self._parameters.layout.named(self._parameters.theta))

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """n[0], ..., n[L]."""
        return self._architecture.sizes

    @property
    def activations(self) -> tuple[str, ...]:
        """The activation of each layer, the output's last."""
        return self._architecture.activations

    @property
    def embedding(self) -> Embedding | None:
        """How the columns of X become rows of A[0]."""
        return self._architecture.embedding

    @property
    def scale_inputs(self) -> bool:
        """Whether each row of A[0] has a learned factor."""
        return self._architecture.scale_inputs

    @property
    def activation_mixture(self) -> bool:
        """Whether each hidden unit has a learned mixture of its activation and the identity."""
        return self._architecture.activation_mixture

    @property
    def loss_name(self) -> str:
        """The name of the loss that `fit` minimises."""
        return self._objective.loss.name

    @property
    def init(self) -> str:
        """The name of the initialiser."""
        return self._init

    @property
    def l2(self) -> float:
        """The L2 coefficient."""
        return self._objective.l2

    @property
    def l1(self) -> float:
        """The L1 coefficient."""
        return self._objective.l1

    @property
    def dropout(self) -> tuple[float, ...]:
        """The dropout rate of each hidden layer."""
        return self._objective.dropout or (0.0,) * (len(self.layer_sizes) - 2)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of parameters and outputs."""
        return self._architecture.dtype

    @property
    def n_parameters(self) -> int:
        """P, the number of all parameters."""
        return self._parameters.size
