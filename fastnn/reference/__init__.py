"""The computations of the compiled core in plain NumPy float64, written as in textbooks.

These functions are slow and simple; the kernels are tested against them. The notation is that of the course: X = A[0]
is (n[0], m) with one example per column, W[l] is (n[l], n[l-1]), b[l] is (n[l], 1), Z[l] and A[l] are (n[l], m) for
l = 1 .. L. The lists Z and A have an entry for l = 0, so ``Z[l]`` is Z[l]. The lists W, b, dW, db and activations have
L entries, so W[l] is ``W[l - 1]``; error messages count layers from 1.

Arrays may be anything that `numpy.asarray` accepts; computations and results are float64. Shapes that do not fit,
unknown names and negative weights raise ValueError, complex numbers raise TypeError. J is NaN if no example has a
positive weight.
"""

from fastnn.reference.activations import (
    ACTIVATIONS,
    activate,
    activate_backward,
    activate_mixed,
    activate_mixed_backward,
)
from fastnn.reference.dropout import dropout_mask, random_words
from fastnn.reference.embeddings import embed, embed_backward
from fastnn.reference.losses import LOSSES, cost, one_hot, output_gradient
from fastnn.reference.network import ReferenceNetwork
from fastnn.reference.optimizers import UPDATES, Optimizer, clip
from fastnn.reference.parts import named_forward, named_gradients
from fastnn.reference.propagation import backward, forward, gradients

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "UPDATES",
    "Optimizer",
    "ReferenceNetwork",
    "activate",
    "activate_backward",
    "activate_mixed",
    "activate_mixed_backward",
    "backward",
    "clip",
    "cost",
    "dropout_mask",
    "embed",
    "embed_backward",
    "forward",
    "gradients",
    "named_forward",
    "named_gradients",
    "one_hot",
    "output_gradient",
    "random_words",
]
