"""Fixtures of the tests of data."""

import pytest
from helpers.stream_cases import N_X


@pytest.fixture
def small_blocks(tuning):
    """Blocks of about 64 rows of X in float32."""
    tuning(READ_BLOCK_BYTES=64 * N_X * 4)
