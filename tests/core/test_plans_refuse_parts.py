"""Plans refuse parts that do not fit the network before they read or write by them."""

import numpy as np
import pytest
from helpers.part_cases import data, network

from fastnn import runtime
from fastnn._core.prediction_plan import PredictionPlan
from fastnn._core.training_plan import TrainingPlan
from fastnn._data.examples import Examples
from fastnn._model.parts import Parts
from fastnn._threads.policy import Parallelism
from fastnn._training.binding import BoundExamples, StepWorkspace, bind


def bound(net):
    """Architecture, objective, parameters, examples and parts of a network."""
    values = net._values()
    examples = Examples.check(*data(net), values.architecture, values.objective.loss)
    return *values[:3], examples, Parts.of(values.architecture, values.parameters.layout)


@pytest.mark.parametrize(("field", "change", "text"), [
    ("widths", lambda widths: (widths[0] + 1, *widths[1:]), "input stage must make 17 rows|biases"),
    ("offsets", lambda offsets: (offsets[0] + 1, *(offset + 1 for offset in offsets[1:])), "follow the biases"),
    ("offsets", lambda offsets: (0, *offsets[1:]), "follow the biases"),
    ("offsets", lambda offsets: (*offsets[:-1], 10**9), "must lie one after another"),
    ("offsets", lambda offsets: (-2, *offsets[1:]), "follow the biases|must not be negative"),
    ("mixtures", lambda mixtures: mixtures[:1], "mixtures of 2 hidden layers, got 1"),
    ("mixtures", lambda mixtures: mixtures[::-1], "its mixture lie at"),
    ("mixtures", lambda mixtures: (), "theta must be .-ordered of shape"),
    ("table", lambda table: table[:-1], "must make 16 rows"),
    ("sizes", lambda sizes: (0, *sizes[1:]), "n_frequencies"),
    ("n_features", lambda n_features: n_features - 1, "parts for 5 columns of X"),
])  # fmt: skip
@pytest.mark.parametrize("kind", ["training", "prediction"])
def test_parts_that_do_not_fit(field, change, text, kind):
    architecture, objective, parameters, examples, parts = bound(network("all parts"))
    wrong = parts._replace(**{field: change(getattr(parts, field))})
    with pytest.raises(ValueError, match=text):
        if kind == "training":
            given = BoundExamples.of(examples, None)
            workspace = StepWorkspace.allocate(architecture, parameters.size, given, 8, 1)
            TrainingPlan(architecture, parameters, objective, None, given, workspace, Parallelism(1, 1, 1),
                         level=runtime.LEVEL, parts=wrong)  # fmt: skip
        else:
            size = PredictionPlan.scratch_size(architecture.sizes, 8, wrong)
            PredictionPlan(architecture, parameters, np.empty((1, size)), 8, level=runtime.LEVEL, parts=wrong)


@pytest.mark.parametrize("name", ["all parts", "factors", "mixtures"])
def test_layers_are_not_cut_into_parts(name):
    architecture, objective, parameters, examples, _ = bound(network(name))
    with pytest.raises(ValueError, match="no input stage and no mixtures"):
        bind(architecture, objective, parameters, examples, None, batch_size=8, parallelism=Parallelism(1, 1, 1, 2))


def test_a_workspace_without_place_for_a0():
    architecture, objective, parameters, examples, parts = bound(network("factors"))
    given = BoundExamples.of(examples, None)
    workspace = StepWorkspace.allocate(architecture, parameters.size, given, 8, 1)
    for A0 in (None, np.empty((5, 8), order="F"), np.empty((6, 7), order="F"), np.empty((6, 8), np.float32, "F")):
        with pytest.raises((TypeError, ValueError)):
            TrainingPlan(architecture, parameters, objective, None, given, workspace._replace(A0=A0),
                         Parallelism(1, 1, 1), level=runtime.LEVEL, parts=parts)  # fmt: skip


def test_a_sparse_x():
    architecture, objective, parameters, examples, parts = bound(network("factors"))
    csr = np.ones(1), np.zeros(1, np.int32), np.array([0, 1], np.int64)
    given = BoundExamples(csr, examples.Y[:1], None, None)
    workspace = StepWorkspace.allocate(architecture, parameters.size, given, 1, 1)
    with pytest.raises(ValueError, match="takes no sparse X"):
        TrainingPlan(architecture, parameters, objective, None, given, workspace, Parallelism(1, 1, 1),
                     level=runtime.LEVEL, parts=parts)  # fmt: skip
    size = PredictionPlan.scratch_size(architecture.sizes, 8, parts)
    plan = PredictionPlan(architecture, parameters, np.empty((1, size)), 8, level=runtime.LEVEL, parts=parts)
    with pytest.raises(ValueError, match="takes no sparse X"):
        plan.run(csr, np.empty((1, 1)))
