"""Fixtures that the tests of the compiled core share: guarded buffers, random networks, bounds on rounding errors."""

import numpy as np
import pytest
from helpers.core_cases import Task, changed_by_a_step, plan_buffers
from helpers.kernel_cases import unit_roundoff
from helpers.pass_errors import PassErrors
from hypothesis import settings

from fastnn import _tuning

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


# ---- Buffers --------------------------------------------------------------------------------------------------------

GUARD = 37  # elements on each side; odd, so that arrays begin anywhere but on a vector's boundary
PATTERN = 0xA5


class Buffers:
    """The arrays of one kernel call, each between guard elements; `check` finds stray writes and changed inputs."""

    def __init__(self):
        self._raw = []

    def _place(self, values, order):
        values = np.asarray(values)
        edge = GUARD * values.itemsize
        raw = np.full(values.nbytes + 2 * edge, PATTERN, np.uint8)
        array = raw[edge : raw.size - edge].view(values.dtype).reshape(values.shape, order=order)
        array[...] = values
        return raw, array, edge

    def input(self, values, order="F"):
        raw, array, _ = self._place(values, order)
        array.flags.writeable = False
        self._raw.append((raw, raw.copy(), slice(None)))
        return array

    def output(self, values, order="F"):
        raw, array, edge = self._place(values, order)
        self._raw.append((raw, raw.copy(), np.r_[:edge, raw.size - edge : raw.size]))
        return array

    def check(self):
        for raw, before, watched in self._raw:
            assert np.array_equal(raw[watched], before[watched]), "an input or a guard element was written to"


@pytest.fixture(scope="session")
def buffers():
    return Buffers


# ---- Networks -------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def task():
    return Task


@pytest.fixture(scope="session")
def arguments():
    return plan_buffers


@pytest.fixture(scope="session")
def changing():
    return changed_by_a_step


@pytest.fixture(scope="session")
def pass_errors():
    def bound(task, rows, dtype=None, step=0):
        """`PassErrors` of the task on these rows."""
        return PassErrors(task, rows, unit_roundoff(dtype or task.dtype), step)

    return bound


# ---- Thresholds -----------------------------------------------------------------------------------------------------


@pytest.fixture
def tuning(monkeypatch):
    """Return a function that changes thresholds of `fastnn._tuning` for one test: ``tuning(NAME=value)``."""
    def change(**values):
        for name, value in values.items():
            monkeypatch.setattr(_tuning, name, value)

    return change
