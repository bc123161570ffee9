"""The compiled core once more, in plain NumPy float64, written as the course notes write it.

Slow and obvious: the kernels are tested against these functions. The notes' symbols: X = A[0] is (n[0], m), a column
per example; W[l] is (n[l], n[l-1]), b[l] is (n[l], 1), Z[l] and A[l] are (n[l], m), l = 1 .. L. The lists Z and A have
an entry for l = 0, so their indices are the notes'; W, b, dW, db and activations are lists of L, so the notes' W[l] is
``W[l - 1]`` here (error texts use the notes' index).

Everywhere: an array is whatever `numpy.asarray` takes; computation and results are in float64. A shape that does not
fit, an unknown name and a negative weight raise ValueError, complex numbers TypeError. J is NaN where there is no
example of positive weight: the mean of nothing.
"""

from fastnn.reference.activations import ACTIVATIONS, activate, activate_backward
from fastnn.reference.dropout import dropout_mask, random_words
from fastnn.reference.losses import LOSSES, cost, one_hot, output_gradient
from fastnn.reference.network import ReferenceNetwork
from fastnn.reference.optimizers import UPDATES, Optimizer, clip
from fastnn.reference.propagation import backward, forward, gradients

__all__ = [
    "ACTIVATIONS",
    "LOSSES",
    "UPDATES",
    "Optimizer",
    "ReferenceNetwork",
    "activate",
    "activate_backward",
    "backward",
    "clip",
    "cost",
    "dropout_mask",
    "forward",
    "gradients",
    "one_hot",
    "output_gradient",
    "random_words",
]
