"""Helpers of the tests of `Network`: its data as training sees them."""

from fastnn._data import sources
from fastnn._data.examples import Examples


def checked(net, X, y, sample_weight=None, **settings):
    """The checked examples of a network."""
    return Examples.check(X, y, sample_weight, net._architecture, net._objective.loss, **settings)


def as_source(net, X, y, sample_weight=None, **settings):
    """The source of a network's examples, whatever form they have."""
    return sources.as_source(net._architecture, net._objective.loss, X, y, sample_weight, **settings)
