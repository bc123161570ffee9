"""Guarded arrays for calls of compiled kernels."""

import numpy as np

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
