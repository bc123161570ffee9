"""The real tables of `python bench tables`, and a generated one of any size.

The tables are not in the repository. Put their CSV files into a folder, as NAME.csv or NAME.csv.gz with commas, and
pass it as --data. Any other CSV file in that folder can be named in --only; its first row has the names of the columns,
and its last column is the target.
"""

from pathlib import Path
from typing import NamedTuple

import numpy as np

MISSING = "?"  # how UCI writes a missing value


class Table(NamedTuple):
    """How to read a table. The columns without a header are numbered from 0."""

    source: str  # where its file comes from
    header: bool  # whether the first row has the names of the columns
    target: str | int
    classes: bool | None = None  # whether the target is a class; None: decided by its values


TABLES = {
    "phoneme": Table("ELENA project, OpenML 1489: 5 numbers, then the class 0 or 1", False, 5, True),
    "wine-white": Table("UCI Wine Quality, winequality-white.csv: 11 numbers, then the quality", False, 11, True),
    "abalone": Table("UCI Abalone, abalone.data", False, 8, False),
    "california": Table("housing.csv of A. Géron, Hands-On Machine Learning: StatLib's California housing with 207 "
                        "gaps and the column ocean_proximity", True, "median_house_value", False),
    "letter": Table("UCI Letter Recognition, with the header Letter,1,...,16", True, "Letter", True),
    "magic": Table("UCI MAGIC Gamma Telescope, OpenML 1120, with the header fLength,...,class", True, "class", True),
    "adult": Table("UCI Adult: adult.data, then adult.test without its first line", False, 14, True),
    "diamonds": Table("ggplot2's diamonds, OpenML 42225", True, "price", False),
}
OTHER = Table("", True, -1)
MAX_INTEGER_CLASSES = 20  # of an OTHER table


def path_of(folder: Path, name: str) -> Path | None:
    """The CSV file of a table."""
    return next((path for path in (folder / f"{name}.csv", folder / f"{name}.csv.gz") if path.is_file()), None)


def load(path: Path, name: str):
    """The table without its target, a DataFrame; the target, shape (m,); whether the target is a class."""
    import pandas as pd

    table = TABLES.get(name, OTHER)
    frame = pd.read_csv(path, header=0 if table.header else None, na_values=[MISSING], skipinitialspace=True)
    frame.columns = frame.columns.map(str)
    target = frame.columns[table.target] if isinstance(table.target, int) else table.target
    frame = frame[frame[target].notna()].reset_index(drop=True)
    for name_of_column in frame:  # text in a row that has just been left out
        if not pd.api.types.is_numeric_dtype(frame[name_of_column]):
            numbers = pd.to_numeric(frame[name_of_column], errors="coerce")
            if numbers.notna().equals(frame[name_of_column].notna()):
                frame[name_of_column] = numbers
    y = frame.pop(target)
    classes = table.classes
    if classes is None:
        number = pd.api.types.is_numeric_dtype(y)
        classes = not number or (y.nunique() <= MAX_INTEGER_CLASSES and bool((y % 1 == 0).all()))
    if not classes:
        return frame, y.to_numpy(float), False
    labels = y.astype(str).str.rstrip(".")  # adult.test writes "<=50K."
    return frame, np.unique(labels, return_inverse=True)[1], True


def generated(rows: int, seed: int = 0):
    """A table of 30 columns with two classes: 23 numbers, two of them with gaps, and 7 categories.

    The class depends on a few numbers, smoothly and by a step, on three categories, and on chance: no prediction has an
    error below 0.1.
    """
    import pandas as pd

    rng = np.random.default_rng(seed)
    columns: dict[str, object] = {f"x{i}": rng.normal(size=rows) for i in range(14)}
    columns |= {f"price{i}": np.exp(rng.normal(size=rows, scale=1.5)) for i in range(4)}
    columns |= {f"count{i}": rng.poisson(3, rows) for i in range(3)}
    score = np.sin(2 * columns["x0"]) + columns["x1"] * columns["x2"] + (columns["x3"] > 0.5) - 0.5
    score += np.log(columns["price0"]) / 2 + (columns["count0"] > 3) * columns["x4"]
    for i in range(2):
        columns[f"gaps{i}"] = np.where(rng.random(rows) < 0.1, np.nan, rng.normal(size=rows))
    for i, count in enumerate((2, 3, 5, 8, 20, 100, 1000)):
        codes = rng.integers(0, count, rows)
        columns[f"kind{i}"] = pd.Categorical.from_codes(codes, [f"{chr(97 + i)}{code}" for code in range(count)])
        if i in (1, 4, 5):
            score += np.random.default_rng(i).normal(size=count, scale=0.5)[codes]
    y = (score > 0) ^ (rng.random(rows) < 0.1)
    return pd.DataFrame(columns, copy=False), y.astype(np.int64)
