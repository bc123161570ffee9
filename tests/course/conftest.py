"""A fixture for the tests of the scripts in examples/notes."""

import importlib

import pytest
from helpers.notes_scripts import NOTES


@pytest.fixture
def script(monkeypatch):
    """Return a function that imports a script by name, with its neighbours importable as when it is run."""
    monkeypatch.syspath_prepend(NOTES)
    return importlib.import_module
