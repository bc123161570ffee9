"""Fixtures that all tests share."""

import pytest
from hypothesis import settings

from fastnn import _tuning

settings.register_profile("untimed", deadline=None)
settings.register_profile("emulated", deadline=None, max_examples=3)  # .ci/arm64 runs every instruction in an emulator
settings.load_profile("untimed")


@pytest.fixture
def tuning(monkeypatch):
    """Return a function that changes thresholds of `fastnn._tuning` for one test: ``tuning(NAME=value)``."""
    def change(**values):
        for name, value in values.items():
            monkeypatch.setattr(_tuning, name, value)

    return change
