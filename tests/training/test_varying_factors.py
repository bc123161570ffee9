"""Schedules of weight decay and dropout, in `Network.fit` and in a plan."""

import numpy as np
import pytest
from helpers.core_cases import Task, bind_plan, changed_by_a_step, plan_buffers
from helpers.fit_cases import blobs
from helpers.network_cases import parameter_bytes

from fastnn import Network
from fastnn.callbacks import Checkpoint
from fastnn.optimizers import AdamW
from fastnn.schedules import Constant, CosLog, FlatCosine, ReduceOnPlateau, StepDecay

X, LABELS = blobs(m=90)
BOTH = {"weight_decay_schedule": FlatCosine(1.0, 0.25), "dropout_schedule": StepDecay(1.0, 0.5, 1)}


def make(seed=0, **settings):
    return Network([4, 12, 9, 3], **{"activation": "relu", "dropout": (0.3, 0.2), "random_state": seed} | settings)


def fitted(net=None, **settings):
    net = net or make()
    defaults = {"epochs": 4, "batch_size": 16, "n_threads": 1, "optimizer": AdamW(weight_decay=0.3)}
    net.fit(X, LABELS, **defaults | settings)
    return net


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_constant_factor_is_another_weight_decay_and_dropout(n_threads):
    net = fitted(weight_decay_schedule=Constant(0.5), dropout_schedule=Constant(0.5), n_threads=n_threads)
    twin = fitted(make(dropout=(0.15, 0.1)), optimizer=AdamW(weight_decay=0.15), n_threads=n_threads)
    assert parameter_bytes(net) == parameter_bytes(twin)
    assert parameter_bytes(fitted(weight_decay_schedule=Constant(1.0), dropout_schedule=Constant(1.0))) == (
        parameter_bytes(fitted()))


@pytest.mark.parametrize("n_threads", [1, 2])
def test_a_schedule_is_a_fit_of_each_epoch_with_its_values(n_threads):
    """Dropout depends on the step and the seed, which a new network with other rates lacks: they are passed on."""
    net = fitted(dropout_schedule=StepDecay(1.0, 0.5, 1), shuffle=False, n_threads=n_threads)
    twin = make()
    for epoch in range(4):
        fitted(twin, dropout_schedule=Constant(0.5**epoch), epochs=1, shuffle=False, n_threads=n_threads)
    assert parameter_bytes(net) == parameter_bytes(twin)


def test_a_resumed_fit_continues_its_schedules(tmp_path):
    path, settings = tmp_path / "run.fastnn", BOTH | {"learning_rate": CosLog(0.01)}
    settings["weight_decay_schedule"] = ReduceOnPlateau(1.0, patience=1, min_delta=1.0)
    whole = fitted(epochs=6, **settings)

    def at_3(network, record):
        return record["epoch"] == 3

    fitted(epochs=6, callbacks=[Checkpoint(path), at_3], **settings)
    assert parameter_bytes(fitted(make(seed=5), epochs=6, resume=path, **settings)) == parameter_bytes(whole)
    for name in BOTH:
        with pytest.raises(ValueError, match=rf"it has {name}=.*, this fit {name}=None"):
            fitted(epochs=6, resume=path, **settings | {name: None})


@pytest.mark.parametrize("clip_norm", [0.0, 0.3])
@pytest.mark.parametrize("halves", [False, True])
@pytest.mark.parametrize("way", [{}, {"n_shards": 2}, {"n_parts": 2}])
def test_a_plan_takes_the_factors_of_each_step(way, halves, clip_norm):
    """Bitwise as a plan of these rates; a factor of 0 drops nothing."""
    net = Task([5, 9, 7, 3], ["relu", "tanh", "softmax"], "cross_entropy", "float32", rows=12, dropout=(0.4, 0.2))
    parts, shards = way.get("n_parts", 1), way.get("n_shards", 1)
    buffers = plan_buffers(net, rule="adam", batch=12, n_shards=shards, weight_decay=0.3, clip_norm=clip_norm)
    plan = bind_plan(**buffers, n_parts=parts)
    for decay, dropout in ((1.0, 1.0), (0.5, 1.5), (2.0, 0.0), (1.0, 1.0)):
        before = [part.copy() for part in (buffers["theta"], *buffers["states"], buffers["step_count"])]
        if halves:
            J = plan.gradient(0, 12, dropout) + plan.apply(0.1, weight_decay=decay)
        else:
            J = plan.step(0, 12, 0.1, decay, dropout)
        other = Task([5, 9, 7, 3], ["relu", "tanh", "softmax"], "cross_entropy", "float32", rows=12,
                     dropout=(0.4 * dropout, 0.2 * dropout))
        twin = plan_buffers(other, rule="adam", batch=12, n_shards=shards, weight_decay=0.3 * decay,
                            clip_norm=clip_norm)
        for mine, its in zip((twin["theta"], *twin["states"], twin["step_count"]), before, strict=True):
            mine[...] = its
        assert bind_plan(**twin, n_parts=parts).step(0, 12, 0.1) == J
        assert changed_by_a_step(twin) == changed_by_a_step(buffers)


@pytest.mark.parametrize("factor", [2.5, -0.1, np.nan, np.inf])
def test_a_plan_refuses_rates_of_dropout_outside_0_to_1(factor):
    net = Task([5, 9, 3], ["relu", "softmax"], "cross_entropy", "float32", rows=12, dropout=(0.4,))
    buffers = plan_buffers(net, batch=12)
    plan, before = bind_plan(**buffers), changed_by_a_step(buffers)
    for call in (lambda: plan.step(0, 12, 0.1, 1.0, factor), lambda: plan.gradient(0, 12, factor)):
        with pytest.raises(ValueError, match=r"dropout rates must be from 0 to below 1, got 0\.4"):
            call()
    assert changed_by_a_step(buffers) == before


@pytest.mark.parametrize(("settings", "error", "message"), [
    ({"dropout_schedule": 0.5}, TypeError, "dropout_schedule must be a schedule of fastnn.schedules"),
    ({"weight_decay_schedule": FlatCosine}, TypeError, "weight_decay_schedule"),
    ({"weight_decay_schedule": FlatCosine(1.0), "optimizer": "adam"}, ValueError, "Adam.* has no weight decay: use "),
    ({"dropout_schedule": FlatCosine(4.0)}, ValueError, "multiplies a dropout rate of 0.3 to 1.2: rates must stay "),
    ({"dropout_schedule": FlatCosine(1.0), "optimizer": "lbfgs", "batch_size": None}, ValueError,
     "it takes no dropout"),
])  # fmt: skip
def test_impossible_schedules_are_refused(settings, error, message):
    net = make()
    before = parameter_bytes(net)
    with pytest.raises(error, match=message):
        fitted(net, **settings)
    assert parameter_bytes(net) == before and net.history is None
