"""The functions of Andrew Ng's Deep Learning Specialization, with its names and shapes, on the compiled core.

X has shape (n_x, m) and Y (1, m) or (n_y, m): one column per example. Each function takes the arguments and returns the
values of its NumPy counterpart in the course's exercises, in float64 and equal up to rounding, so a student's functions
can be replaced one at a time. The building blocks run on the compiled kernels, the whole models on the same training
plan as `fastnn.Network`.
"""

from fastnn.functional._activations import (
    leaky_relu,
    leaky_relu_backward,
    relu,
    relu_backward,
    sigmoid,
    sigmoid_backward,
    softmax,
    softmax_backward,
    tanh,
    tanh_backward,
)
from fastnn.functional._blocks import (
    L_model_backward,
    L_model_forward,
    compute_cost,
    initialize_parameters,
    initialize_parameters_deep,
    linear_activation_backward,
    linear_activation_forward,
    linear_backward,
    linear_forward,
    predict,
    update_parameters,
)
from fastnn.functional._logistic import initialize_with_zeros, logistic_regression, optimize, propagate
from fastnn.functional._models import L_layer_model, nn_model, two_layer_model

__all__ = [
    "L_layer_model",
    "L_model_backward",
    "L_model_forward",
    "compute_cost",
    "initialize_parameters",
    "initialize_parameters_deep",
    "initialize_with_zeros",
    "leaky_relu",
    "leaky_relu_backward",
    "linear_activation_backward",
    "linear_activation_forward",
    "linear_backward",
    "linear_forward",
    "logistic_regression",
    "nn_model",
    "optimize",
    "predict",
    "propagate",
    "relu",
    "relu_backward",
    "sigmoid",
    "sigmoid_backward",
    "softmax",
    "softmax_backward",
    "tanh",
    "tanh_backward",
    "two_layer_model",
    "update_parameters",
]
