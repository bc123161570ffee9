"""Fixtures that all tests share."""

import pytest
from hypothesis import settings

from fastnn import _tuning

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")


@pytest.fixture
def tuning(monkeypatch):
    """Return a function that changes thresholds of `fastnn._tuning` for one test: ``tuning(NAME=value)``."""
    def change(**values):
        for name, value in values.items():
            monkeypatch.setattr(_tuning, name, value)

    return change
