"""Dropout masks from a counter-based random generator.

The generator is Threefry-2x32 with 13 rounds (Salmon, Moraes, Dror and Shaw, Parallel Random Numbers: As Easy as 1, 2,
3, 2011). Each word is a function of its key and counter only, so a mask does not depend on the order of computation.
"""

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn.reference.checks import Array

Words = NDArray[np.uint32]

ROUNDS = 13
ROTATIONS = (13, 15, 26, 6, 17, 29, 16, 24)
PARITY = 0x1BD11BDA
LOW = 0xFFFFFFFF  # the lower 32 bits


def random_words(key: tuple[int, int], counter: tuple[ArrayLike, ArrayLike]) -> tuple[Words, Words]:
    """Return two words of 32 random bits for each counter.

    Parameters
    ----------
    key : pair of int
        Each below 2^32.
    counter : pair of array_like of uint32, of the same shape
    """
    keys = [np.uint32(k) for k in (*key, key[0] ^ key[1] ^ PARITY)]
    with np.errstate(over="ignore"):  # all sums are modulo 2^32
        x, y = (np.asarray(c, dtype=np.uint32) + k for c, k in zip(counter, keys, strict=False))
        for done in range(ROUNDS):
            if done and done % 4 == 0:
                n = done // 4
                x = x + keys[n % 3]
                y = y + keys[(n + 1) % 3] + np.uint32(n)
            turn = ROTATIONS[done % 8]
            x = x + y
            y = (y << np.uint32(turn) | y >> np.uint32(32 - turn)) ^ x
    return x, y


def dropout_mask(rate: float, shape: tuple[int, int], *, seed: int, step: int, layer: int) -> Array:
    """Return the factors (n[l], m) that dropout applies to A[l]: 0 for a dropped unit, else 1 / (1 - rate).

    The units of the mini-batch are numbered in column-major order. Unit e uses word e of its layer and step and is
    dropped if the word is below floor(rate 2^32).

    Parameters
    ----------
    rate : float
        In [0, 1).
    shape : (n[l], m)
    seed : int
        In [0, 2^64).
    step : int
        Number of updates before this step.
    layer : int
        l, counted from 1.
    """
    n, m = shape
    first, second = random_words((seed & LOW, seed >> 32), (step & LOW, step >> 32))
    pairs = np.arange((n * m + 1) // 2, dtype=np.uint32)
    words = np.stack(random_words((int(first), int(second)), (pairs, np.full_like(pairs, layer - 1))), axis=1)
    kept = words.ravel()[: n * m].reshape(n, m, order="F") >= int(rate * 2**32)
    return np.where(kept, 1 / (1 - rate), 0.0)
