"""The course's functions, in its names and shapes: X is (n_x, m), Y (1, m) or (n_y, m), one column an example.

A student's own NumPy functions can be replaced by these one by one: the same arguments, the same return values, the
same numbers to rounding, in float64. The building blocks run on the compiled kernels, the whole models on the same
compiled plan as `fastnn.Network`.
"""

from fastnn.functional.activations import (
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
from fastnn.functional.blocks import (
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
from fastnn.functional.logistic import initialize_with_zeros, logistic_regression, optimize, propagate
from fastnn.functional.models import L_layer_model, nn_model, two_layer_model

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
