"""The scripts in examples/notes, for the tests of the course's statements."""

from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).parents[2]
NOTES = ROOT / "examples" / "notes"
EPS = 2.0**-52

needs_scripts = pytest.mark.skipif(not NOTES.is_dir(), reason="the tests run without the checkout: no examples")


def assert_close(actual, expected, bound):
    """Assert |actual - expected| <= bound for each entry."""
    assert np.shape(actual) == np.shape(expected)
    assert np.all(np.abs(np.subtract(actual, expected)) <= bound), np.abs(np.subtract(actual, expected)).max()
