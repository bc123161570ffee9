"""X without targets, for predictions: an array, an object read by slices, or batches."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from fastnn._data import arrays, checks
from fastnn._data.examples import batch_bounds
from fastnn._data.sources import begin, is_batches, is_sliced, read
from fastnn._data.sparse import SparseRows, is_sparse

__all__ = ["Features"]


class Features:
    """X without targets: an array, an object read by slices, or batches (m, n[0]) from an iterable or callable.

    Attributes
    ----------
    X : ndarray or the caller's object
    m : int or None
        The number of rows; None if batches give them.

    Raises
    ------
    ValueError, TypeError
        If X is not as `Network.predict` describes it. Data read later are checked then.
    """

    def __init__(self, X: Any, n_x: int, dtype: np.dtype[Any]) -> None:
        self.X = self.given = X
        self.n_x, self.dtype = n_x, dtype
        self.m: int | None = None
        if not isinstance(X, np.ndarray) and is_batches(X, labelled=False):
            return
        if is_sparse(X):
            self.X = checks.features(X, n_x, dtype)
        elif isinstance(X, np.ndarray) or not is_sliced(X):
            self.X = arrays.numeric(X, "X", f"(m, n[0]) = (m, {n_x})")
        checks.matrix_shape(self.X.shape, n_x)
        self.m = int(self.X.shape[0])

    def in_memory(self) -> tuple[NDArray[Any], ...]:
        """Return the arrays that hold X; none if it is read in chunks."""
        return _arrays(self.X)

    def parts(self, size: int, out: NDArray[Any] | None = None) -> Iterator[
            tuple[NDArray[Any] | SparseRows, Callable[[], NoReturn]]]:
        """Yield chunks of up to `size` rows for the core, each with a function that raises if it is not finite.

        Batches must not share memory with `out`.
        """
        for part, what, given, first_row in self._slices(size, out):
            ready = part if isinstance(part, SparseRows) else arrays.as_real(part, self.dtype)
            yield ready, partial(arrays.refuse_not_finite, part, what, self.dtype, given, first_row)

    def _slices(self, size: int, out: NDArray[Any] | None) -> Iterator[tuple[Any, str, Any, int]]:
        """Yield the chunks, each with its name, the user's object that it is from, and the number of its first row."""
        if self.m is None:
            for index, batch in enumerate(begin(self.X), 1):
                what = f"batch {index}: X"
                array = self._matrix(batch, what)
                checks.apart(out, what, *_arrays(array))
                for start, stop in batch_bounds(len(array), size):
                    yield array[start:stop], what, batch, start
        elif isinstance(self.X, (np.ndarray, SparseRows)):
            for start, stop in batch_bounds(self.m, size):
                yield self.X[start:stop], "X", self.given, start
        else:
            for start, stop in batch_bounds(self.m, size):
                what = f"rows {start} to {stop - 1}: X"
                part = read(self.X, start, stop, "X")
                yield self._matrix(part, what), what, part, start

    def _matrix(self, X: Any, what: str) -> NDArray[Any] | SparseRows:
        if is_sparse(X):
            return checks.features(X, self.n_x, self.dtype, what=what)
        array = arrays.numeric(X, what, f"(m, n[0]) = (m, {self.n_x})")
        checks.matrix_shape(array.shape, self.n_x, what)
        return array


def _arrays(X: Any) -> tuple[NDArray[Any], ...]:
    return X.arrays if isinstance(X, SparseRows) else (X,) if isinstance(X, np.ndarray) else ()
