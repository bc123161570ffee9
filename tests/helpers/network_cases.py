"""Helpers of the tests of `Network`: its data as training sees them."""

import inspect

from fastnn import Network
from fastnn._data import sources
from fastnn._data.examples import Examples
from fastnn._data.split import FitData
from fastnn._training.prepare import prepare
from fastnn._training.settings import FitSettings


def parameter_bytes(net):
    """The bytes of all parameters, for tests of bitwise equality."""
    return b"".join(array.tobytes() for array in (*net.W, *net.b))


def checked(net, X, y, sample_weight=None, **settings):
    """The checked examples of a network."""
    return Examples.check(X, y, sample_weight, net._architecture, net._objective.loss, **settings)


def as_source(net, X, y, sample_weight=None, **settings):
    """The source of a network's examples, whatever form they have."""
    return sources.as_source(net._architecture, net._objective.loss, X, y, sample_weight, **settings)


def prepared_fit(net, X, y, *, validation_fraction=None, **arguments):
    """The `PreparedFit` of a call of `Network.fit` with these arguments."""
    defaults = {name: parameter.default for name, parameter in inspect.signature(Network.fit).parameters.items()}
    names = set(inspect.signature(FitSettings.check).parameters) - {"output", "layout", "dropout"}
    settings = FitSettings.check(net.activations[-1], net._parameters.layout, net._objective.dropout,
                                 **{name: arguments.get(name, defaults[name]) for name in names})
    data = FitData(X, y, validation_fraction=validation_fraction)
    return prepare(net, net._values(), net._predictor, net._state, net._rng, data, settings, None)
