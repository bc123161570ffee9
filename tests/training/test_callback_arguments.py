"""What `callbacks` may hold: everything else is refused before anything is trained."""

import functools
import re

import numpy as np
import pytest
from helpers.fit_cases import blobs
from helpers.network_cases import parameter_bytes

from fastnn import Network
from fastnn.callbacks import Callback, CSVLogger, LambdaCallback


class Silent(Callback):
    pass


class Listener(Callback):
    def __init__(self, heard=None):
        self.heard = [] if heard is None else heard

    def on_epoch_end(self, run, record):
        self.heard.append(record["epoch"])


class Hasty(Callback):
    def on_epoch_end(self, record):
        pass


class Greedy(Callback):
    def on_fit_begin(self, run, more):
        pass


class NoMethod(Callback):
    on_fit_end = "never"


class Unrelated:
    def on_epoch_end(self, run, record):
        pass


class OfAnotherLibrary:
    def on_fit_task_end(self, estimator, context):
        pass


async def later(network, record):
    pass


def generating(network, record):
    yield record


def network():
    return Network([4, 3], random_state=0)


@pytest.mark.parametrize(("callbacks", "message"), [
    ([Silent], "callbacks: Silent is a class; pass an instance: Silent()"),
    ([Listener], "callbacks: Listener is a class; pass an instance: Listener()"),
    ([print, CSVLogger], "callbacks: CSVLogger is a class; pass an instance: CSVLogger()"),
    (LambdaCallback, "callbacks: LambdaCallback is a class; pass an instance: LambdaCallback()"),
    (Listener(), ": put it in a list"),
    (print, ": put it in a list"),
    ({"a": print}, "callbacks must be a sequence of callables, got {'a': <built-in"),
    ("print", "callbacks must be a sequence of callables, got 'print'"),
    ([lambda network: None], "a callback is called as <lambda>(network, record), but its parameters are (network): "),
    ([lambda: None], "but its parameters are (): too many"),
    ([[].append], "a callback is called as append(network, record), but its parameters are (object, /): too many"),
    ([lambda network, record, more: None], "missing a required argument: 'more'"),
    ([lambda network, record, *, more: None], "missing a required argument: 'more'"),
    ([functools.partial(lambda network, record: None, None)], "too many positional arguments"),
    ([later], "must be an ordinary function, not a generator or an async function"),
    ([generating], "must be an ordinary function, not a generator or an async function"),
    ([Hasty()], "a method of Hasty is called as on_epoch_end(run, record), but its parameters are (record): too many"),
    ([Greedy()], "a method of Greedy is called as on_fit_begin(run), but its parameters are (run, more): missing"),
    ([NoMethod()], "NoMethod.on_fit_end must be a method, got 'never'"),
    ([Unrelated()], ": derive its class from fastnn.callbacks.Callback"),
    ([OfAnotherLibrary()], ": scikit-learn's own callbacks are set by set_callbacks"),
])
def test_unusable_callbacks_are_refused_before_training(callbacks, message):
    net = network()
    before = parameter_bytes(net)
    with pytest.raises(TypeError, match=re.escape(message)):
        net.fit(*blobs(), epochs=2, callbacks=callbacks)
    assert parameter_bytes(net) == before and net.history is None


@pytest.mark.parametrize("hook", ["on_fit_begin", "on_fit_end"])
def test_functions_of_a_lambda_callback_are_checked_when_it_is_made(hook):
    with pytest.raises(TypeError, match=rf"{hook} is called as <lambda>\(network\), but its parameters are "):
        LambdaCallback(**{hook: lambda network, record: None})
    with pytest.raises(TypeError, match=rf"{hook}: Silent is a class"):
        LambdaCallback(**{hook: Silent})


@pytest.mark.parametrize("container", [list, tuple, iter, lambda items: np.array([*items, None], object)[:-1]])
def test_callbacks_of_any_sequence_hear_each_epoch(container):
    heard = []
    anything = functools.partial(lambda first, *rest, **named: heard.append(rest[-1]["epoch"]), None)
    network().fit(*blobs(), epochs=2, callbacks=container([Listener(heard), anything, lambda *_: None, print]))
    assert heard == [1, 1, 2, 2]


def test_none_means_no_callbacks():
    net, other = network(), network()
    net.fit(*blobs(), epochs=2, callbacks=None)
    other.fit(*blobs(), epochs=2)
    assert parameter_bytes(net) == parameter_bytes(other)
