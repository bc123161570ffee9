"""Input embeddings: how the columns of a table enter the first layer."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from itertools import accumulate
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._core.registry import CATEGORY, NUMBER, PLAIN
from fastnn._data import checks

__all__ = ["Embedding"]

LARGEST_COUNT = 2**24  # the integers up to this are numbers of float32
# A row of `Embedding.table`: the C struct fastnn_column.
COLUMN = np.dtype([("kind", np.intc), ("row", np.intp), ("index", np.intp), ("count", np.intp)], align=True)


class _Counts(Mapping[int, int]):
    """The number of codes of each category column, immutable, in the order of the columns."""

    def __init__(self, counts: Iterable[tuple[int, int]]) -> None:
        self._counts = dict(sorted(counts))

    def __getitem__(self, column: int) -> int:
        return self._counts[column]

    def __iter__(self) -> Iterator[int]:
        return iter(self._counts)

    def __len__(self) -> int:
        return len(self._counts)

    def __hash__(self) -> int:
        return hash(tuple(self.items()))

    def __repr__(self) -> str:
        return repr(self._counts)


def _numbers(columns: Any) -> tuple[int, ...]:
    if isinstance(columns, (str, bytes, dict)) or not np.iterable(columns):
        raise TypeError(f"numbers must be a sequence of columns of X, got {checks.shown(columns)}")
    return tuple(sorted(checks.count(column, "an item of numbers", 0) for column in columns))


def _categories(counts: Any) -> _Counts:
    if not isinstance(counts, Mapping):
        raise TypeError(f"categories must be a dict {{column of X: number of codes}}, got {checks.shown(counts)}")
    return _Counts((checks.count(column, "a column of categories", 0),
                    checks.count(count, f"the number of codes of column {checks.shown(column)}", 1, LARGEST_COUNT))
                   for column, count in counts.items())


@dataclass(frozen=True)
class Embedding:
    """The input stage of a network for a table: A[0] (width, m) from X (n[0], m).

    A number x becomes x and K = `n_outputs` learned periodic functions of it, U cos(2 pi v x + c) + d: the embedding
    "PBLD" of Holzmüller, Grinsztajn & Steinwart 2024, *Better by default* (arXiv 2407.04491), section 3; periodic
    embeddings are due to Gorishniy, Rubachev & Babenko 2022, *On embeddings for numerical features in tabular deep
    learning*. A category becomes a learned vector. Other columns of X stay as they are. The rows of A[0] follow the
    order of the columns of X.

    Instances are immutable, hashable, and compare equal if their attributes are equal.

    Parameters
    ----------
    numbers : sequence of int, default ()
        Columns of X, counted from 0, that hold numbers to embed: 1 + `n_outputs` rows of A[0] each, x first. The
        attribute is sorted.
    categories : dict of int to int, default {}
        Column of X, and its number of codes, from 1 to 2^24. The column holds the codes 0, 1, ..., count - 1 as numbers
        of the network's dtype, and becomes `vector_size` rows. Code 0 stands for a missing or unknown category: a code
        that is not one of these integers counts as 0.
    n_frequencies : int, default 16
        F, the frequencies of each number.
    n_outputs : int, default 3
        K, the functions of each number.
    frequency_scale : float, default 0.1
        Standard deviation of the initial frequencies v, in periods per unit of x.
    vector_size : int, default 8
        Length of the vector of a category.

    Raises
    ------
    TypeError, ValueError
        If an argument is not as described, or a column is named twice.
    """

    numbers: tuple[int, ...] = ()
    categories: Mapping[int, int] = field(default_factory=dict)
    n_frequencies: int = 16
    n_outputs: int = 3
    frequency_scale: float = 0.1
    vector_size: int = 8

    def __post_init__(self) -> None:
        numbers, categories = _numbers(self.numbers), _categories(self.categories)
        checked: dict[str, Any] = {name: checks.count(getattr(self, name), name)
                                   for name in ("n_frequencies", "n_outputs", "vector_size")}
        checked["frequency_scale"] = checks.number(self.frequency_scale, "frequency_scale", above=0)
        for column, following in zip(numbers, (*numbers, None)[1:], strict=True):
            if column == following:
                raise ValueError(f"numbers must name each column once, got {column} twice")
            if column in categories:
                raise ValueError(f"column {column} must be in numbers or in categories, not in both")
        for name, value in (checked | {"numbers": numbers, "categories": categories}).items():
            object.__setattr__(self, name, value)
        if sum(int(np.prod(shape, dtype=object)) for shape in self.shapes.values()) > checks.MOST_PARAMETERS:
            raise ValueError("the embedding has more parameters than any memory holds")

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """The shapes of the parameters by name: v, c, U, d and the vectors of the categories."""
        N, F, K = len(self.numbers), self.n_frequencies, self.n_outputs
        return {"frequencies": (N, F), "phases": (N, F), "weights": (N, K, F), "biases": (N, K),
                "vectors": (sum(self.categories.values()), self.vector_size)}

    def width(self, n_columns: int) -> int:
        """Return the number of rows of A[0] if X has `n_columns` columns.

        Raises
        ------
        ValueError
            If X has too few columns, or A[0] would have 2^31 rows or more.
        """
        for name, columns in (("numbers", self.numbers), ("categories", self.categories)):
            for column in columns:
                if column >= n_columns:
                    raise ValueError(f"{name} of the embedding names column {column}, but X has n[0] = {n_columns} "
                                     f"columns, 0 to {n_columns - 1}")
        rows = n_columns + len(self.numbers) * self.n_outputs + len(self.categories) * (self.vector_size - 1)
        if rows > checks.LARGEST:
            raise ValueError(f"the embedding makes {rows} rows of n[0] = {n_columns} columns: at most "
                             f"{checks.LARGEST} are possible")
        return rows

    def first_rows(self, n_columns: int) -> tuple[int, ...]:
        """Return the first row of A[0] of each of the `n_columns` columns of X, and the number of rows.

        Raises the errors of `width`.
        """
        self.width(n_columns)
        heights = [1] * n_columns
        for columns, height in ((self.numbers, 1 + self.n_outputs), (self.categories, self.vector_size)):
            for column in columns:
                heights[column] = height
        return tuple(accumulate(heights, initial=0))

    def table(self, n_columns: int) -> NDArray[Any]:
        """Return kind, first row, index and count of each column of X for the compiled core: (n_columns,) of `COLUMN`.

        Raises the errors of `width`.
        """
        table = np.zeros(n_columns, COLUMN)
        table["kind"] = PLAIN
        table["row"] = self.first_rows(n_columns)[:-1]
        for index, column in enumerate(self.numbers):
            table[column] = (NUMBER, table["row"][column], index, 0)
        index = 0
        for column, count in self.categories.items():
            table[column] = (CATEGORY, table["row"][column], index, count)
            index += count
        return table
