"""Plots of networks, training runs and predictions; needs matplotlib (``pip install 'fastnn[plot]'``).

Every function draws on the axes `ax` and returns it. Without `ax` it creates a figure with pyplot; with it, pyplot is
not imported. The histogram functions replace `ax` by one panel per layer and return the array of panels. No function
calls ``plt.show`` or changes a setting of matplotlib.
"""

from fastnn.plot._diagram import network_diagram
from fastnn.plot._layers import activation_histograms, first_layer_weights, gradient_histograms
from fastnn.plot._outputs import confusion_matrix, decision_boundary
from fastnn.plot._training import curves, schedule

__all__ = ["activation_histograms", "confusion_matrix", "curves", "decision_boundary", "first_layer_weights",
           "gradient_histograms", "network_diagram", "schedule"]
