"""The network and the training of the recipe, from the parameters of an estimator.

The numbers are those of RealMLP-TD (Holzmüller, Grinsztajn & Steinwart 2024, arXiv 2407.04491) and of its reference
implementation, pytabkit.
"""

from math import sqrt
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.losses import Loss
from fastnn.network import Network
from fastnn.optimizers import AdamW, Group
from fastnn.preprocessing import TableEncoder
from fastnn.schedules import CosLog, FlatCosine

__all__ = ["build_network", "initialise", "training_arguments"]

INITIAL_ROWS = 4096  # by which the layers are scaled: the deviation of a unit is then known to about 1 %


def build_network(estimator: Any, encoder: TableEncoder, hidden: list[int], output: str, loss: Loss, n_outputs: int,
                  rng: np.random.Generator) -> Network:
    """Return an untrained network of the encoder's output.

    Parameters
    ----------
    estimator : BaseTabular
    encoder : TableEncoder
    hidden : list of int
        The sizes of the hidden layers.
    output : str
    loss : Loss
    n_outputs : int
    rng : Generator
        Draws the parameters and the order of the examples.
    """
    numbers = tuple(encoder.numbers_) if estimator.n_frequencies else ()
    embedding = None
    if numbers or encoder.codes_:
        options: dict[str, Any] = {"vector_size": int(estimator.vector_size)}
        if numbers:
            options |= {"n_frequencies": int(estimator.n_frequencies),
                        "n_outputs": int(estimator.n_embedding_outputs),
                        "frequency_scale": float(estimator.frequency_scale)}
        embedding = encoder.embedding(**options) if numbers else _of_categories(encoder, options)
    of_hidden = {"activation": estimator.activation, "dropout": estimator.dropout} if hidden else {}
    return Network([encoder.n_features_out_, *hidden, n_outputs], **of_hidden, output=output, loss=loss,
                   dtype=estimator.dtype,
                   embedding=embedding, scale_inputs=bool(estimator.input_scale_rate > 0),
                   activation_mixture=bool(estimator.mixture_rate > 0 and hidden), random_state=rng)


def _of_categories(encoder: TableEncoder, options: dict[str, Any]) -> Any:
    from fastnn.embeddings import Embedding

    return Embedding(categories=dict(encoder.codes_), **options)


def training_arguments(estimator: Any, network: Network) -> dict[str, Any]:
    """Return the arguments of `Network.fit` for optimiser, parameter groups and schedules.

    The reference implementation writes each layer as Z = W~ A / sqrt(n_in) + b and lets Adam change W~. That is W with
    the rate divided by sqrt(n_in), since the step of Adam does not depend on the scale of the gradient, and with the
    decay of W~. There, the decay of a group contains its learning-rate factor twice.
    """
    inputs = [W.shape[1] for W in network.W]
    groups = {"W": Group([1 / sqrt(n) for n in inputs], [sqrt(n) for n in inputs]),
              "b": Group(float(estimator.bias_rate), 0.0)}
    for name, rate in (("scale", estimator.input_scale_rate), ("embedding", estimator.embedding_rate),
                       ("vectors", estimator.vector_rate), ("mixture", estimator.mixture_rate)):
        if _has(network, name):
            groups[name] = Group(float(rate), float(rate))
    decays = FlatCosine(1.0, flat=float(estimator.flat))
    return {"optimizer": AdamW(beta_1=float(estimator.beta_1), beta_2=float(estimator.beta_2),
                               epsilon=float(estimator.epsilon), weight_decay=float(estimator.weight_decay)),
            "learning_rate": CosLog(float(estimator.learning_rate), bumps=int(estimator.bumps)),
            "groups": groups, "weight_decay_schedule": decays,
            "dropout_schedule": decays if any(network.dropout) else None}


def _has(network: Network, group: str) -> bool:
    """Return whether a network has parameters of a group."""
    first = {"embedding": "frequencies", "mixture": "mixture[1]"}.get(group, group)
    return first in network.parameters and network.parameters[first].size > 0


def initialise(network: Network, E: NDArray[Any], rng: np.random.Generator) -> None:
    """Draw the parameters, scaled by the training rows E (m, n_x)."""
    rows = E if len(E) <= INITIAL_ROWS else E[np.sort(rng.choice(len(E), INITIAL_ROWS, replace=False))]
    network.initialize(rows)
