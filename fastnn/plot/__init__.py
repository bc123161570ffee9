"""Pictures of networks, their training and their data, drawn with matplotlib (``pip install 'fastnn[plot]'``).

Every function takes `ax`, draws there and returns it. Without `ax` it makes a figure with pyplot; with it, pyplot is
not touched. The histograms draw a panel for each layer: `ax` becomes an empty frame with the panels in its place, and
the array of the panels is returned. Nothing is shown, and no setting of matplotlib is changed.
"""

from fastnn.plot.diagram import network_diagram
from fastnn.plot.layers import activation_histograms, first_layer_weights, gradient_histograms
from fastnn.plot.outputs import confusion_matrix, decision_boundary
from fastnn.plot.training import curves, schedule

__all__ = ["activation_histograms", "confusion_matrix", "curves", "decision_boundary", "first_layer_weights",
           "gradient_histograms", "network_diagram", "schedule"]
