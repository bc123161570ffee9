"""Reading tables from CSV and Parquet files, with errors that name the row and the column."""

import csv
import difflib
import gzip
import math
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

__all__ = ["INSTALL", "TableError", "find_column", "read_table", "require"]

INSTALL = "pip install 'fastnn[tables]'"
SAMPLE = 1 << 16  # characters from which the separator is guessed
SEPARATORS = ",;\t|"
MIN_NUMERIC_FRACTION = 0.9  # of the values of a column of text: above it, the others count as mistakes


class TableError(ValueError):
    """A table or an argument that a command cannot use."""


def require(name: str) -> Any:
    """Import a library that a command needs.

    Raises
    ------
    TableError
        If it is not installed.
    """
    from importlib import import_module

    try:
        return import_module(name)
    except ImportError:
        raise TableError(f"this command needs {name}, which is not installed: {INSTALL}") from None


def read_table(path: str | os.PathLike[str], *, missing: Sequence[str] = (), header: bool = True,
               text_columns: Sequence[str] = (), used: Callable[[str], bool] = lambda name: True) -> Any:
    """Read a CSV file (also .gz) or a Parquet file.

    Parameters
    ----------
    path : path
        ``.parquet`` or ``.pq`` is Parquet, everything else text with commas, semicolons, tabs or bars.
    missing : sequence of str
        Texts that mean a missing value, besides those that pandas knows (empty, NA, NaN, null, ...).
    header : bool
        Whether the first line holds the names of the columns; if not, they are "1", "2", ...
    text_columns : sequence of str
        Columns of text that may look like numbers with mistakes.
    used : callable
        Whether a column with this name is needed; the values of others are not checked.

    Returns
    -------
    pandas.DataFrame

    Raises
    ------
    TableError
        If the file is no table, with line and column where they are known.
    OSError
        If it cannot be read.
    """
    pandas = require("pandas")
    separator = None
    if Path(path).suffix.lower() in (".parquet", ".pq"):
        require("pyarrow")
        try:
            frame = pandas.read_parquet(path)
        except OSError as error:
            raise error if error.errno is not None else TableError(f"{path} is no Parquet file: {error}") from error
        except Exception as error:  # pyarrow's own
            raise TableError(f"{path} is no Parquet file: {error}") from error
        if any(name is not None for name in frame.index.names):
            frame = frame.reset_index()  # an index with a name was a column before pandas wrote it
    else:
        frame, separator = _read_csv(pandas, path, missing, header)
    frame.columns = [str(name) for name in frame.columns]
    if frame.shape[1] == 0 or len(frame) == 0:
        raise TableError(f"{path} has no rows")
    _refuse_duplicates(path, list(frame.columns))
    place = _Place(path, separator, header)
    names = [name for name in frame.columns if used(name)]
    _refuse_infinity(frame[names], place)
    _refuse_mistaken_numbers(pandas, frame[names], place, text_columns)
    return frame


@dataclass(frozen=True)
class _Place:
    """Where a row of a table is in its file.

    Attributes
    ----------
    path : path
    separator : str or None
        Of a CSV file; None for Parquet.
    header : bool
        Whether the first line of a CSV file holds names.
    """

    path: str | os.PathLike[str]
    separator: str | None
    header: bool

    def of(self, row: int) -> str:
        """Return the file and the line in which the row with this position begins."""
        if self.separator is None:
            return f"{self.path}, row {row + 1}"
        with _open(self.path) as file:
            reader = csv.reader(file, delimiter=self.separator, skipinitialspace=True)
            records, begin = -int(self.header), 1
            for values in reader:  # quoted values may hold line ends, and pandas skips empty lines
                if values and records == row:
                    break
                records += bool(values)
                begin = reader.line_num + 1
        return f"{self.path}, line {begin}"


def find_column(names: Sequence[str], name: str, what: str) -> str:
    """Return `name` if a column has it.

    Raises
    ------
    TableError
        Otherwise, with similar names.
    """
    if name in names:
        return name
    similar = difflib.get_close_matches(name, names, n=3)
    shown = f"; did you mean {' or '.join(map(repr, similar))}?" if similar else f": it has {_listed(names)}"
    raise TableError(f"the table has no column {name!r} ({what}){shown}")


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:20]) + (f" and {len(names) - 20} more" if len(names) > 20 else "")


# ---- CSV


def _open(path: str | os.PathLike[str]) -> IO[str]:
    if str(path).endswith(".gz"):
        return gzip.open(path, "rt", encoding="utf-8-sig", newline="")
    return open(path, encoding="utf-8-sig", newline="")


def _read_csv(pandas: Any, path: str | os.PathLike[str], missing: Sequence[str], header: bool) -> tuple[Any, str]:
    """Return the table and its separator."""
    try:
        with _open(path) as file:
            sample = file.read(SAMPLE)
    except UnicodeDecodeError:
        raise TableError(_undecodable(path)) from None
    except gzip.BadGzipFile as error:
        raise TableError(f"{path}: {error}") from None
    if not sample.strip():
        raise TableError(f"{path} is empty")
    separator = _separator(sample)
    first = next(csv.reader(sample.splitlines(), delimiter=separator, skipinitialspace=True))
    if header:
        _check_header(path, first)
    try:
        frame = pandas.read_csv(
            path, sep=separator, skipinitialspace=True, na_values=list(missing), header=0 if header else None,
            names=[name.strip() for name in first] if header else [str(j + 1) for j in range(len(first))],
            index_col=False, low_memory=False, encoding="utf-8-sig", on_bad_lines="error")
        return frame, separator
    except UnicodeDecodeError:
        raise TableError(_undecodable(path)) from None
    except (pandas.errors.ParserError, pandas.errors.ParserWarning, ValueError) as error:
        raise TableError(_ragged(path, separator, len(first)) or f"{path}: {error}") from None


def _separator(sample: str) -> str:
    """Return the separator that the first line holds most often outside quotes."""
    line = sample.splitlines()[0]
    counts = [len(next(csv.reader([line], delimiter=separator))) for separator in SEPARATORS]
    return SEPARATORS[counts.index(max(counts))]


def _check_header(path: str | os.PathLike[str], names: Sequence[str]) -> None:
    """Raise if the first line looks like data, or names two columns alike."""
    numbers = [name for name in names if _is_number(name)]
    if numbers:
        raise TableError(f"{path}: the first line holds the number {numbers[0].strip()!r}, so it does not look like "
                         "names of columns; for a file without them use --no-header (they are then 1, 2, ...)")
    empty = [j for j, name in enumerate(names) if not name.strip()]
    if empty and empty != [0]:  # an index that pandas wrote has an empty name
        raise TableError(f"{path}: column {empty[-1] + 1} has no name in the first line")
    _refuse_duplicates(path, [name.strip() for name in names])


def _refuse_duplicates(path: str | os.PathLike[str], names: Sequence[str]) -> None:
    seen: set[str] = set()
    for name in names:
        if name in seen:
            raise TableError(f"{path}: two columns are named {name!r}")
        seen.add(name)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return text.strip().lower() not in ("nan", "inf", "-inf", "infinity")


def _undecodable(path: str | os.PathLike[str]) -> str:
    opener: Any = gzip.open if str(path).endswith(".gz") else open
    with opener(path, "rb") as file:
        if file.read(2) in (b"\xff\xfe", b"\xfe\xff"):
            return f"{path} is UTF-16; save it as UTF-8, such as by iconv -f utf-16 -t utf-8"
        file.seek(0)
        for number, line in enumerate(file, 1):
            try:
                line.decode("utf-8")
            except UnicodeDecodeError as error:
                return (f"{path}, line {number}: byte {error.start + 1} is not UTF-8; save the file as UTF-8, such as "
                        "by iconv -f latin1 -t utf-8")
    return f"{path} is not UTF-8"


def _ragged(path: str | os.PathLike[str], separator: str, n_columns: int) -> str | None:
    """Return what is wrong with the first line that has more values than there are columns."""
    begin = 1
    with _open(path) as file:
        reader = csv.reader(file, delimiter=separator, skipinitialspace=True, strict=True)
        try:
            for row in reader:
                if len(row) > n_columns:
                    return f"{path}, line {begin}: {len(row)} values, but the first line has {n_columns}"
                begin = reader.line_num + 1
        except csv.Error as error:
            if "unexpected end" in str(error):
                return f"{path}, line {begin}: the quotation mark that opens a value is never closed"
            return f"{path}, line {begin}: {error}"
    return None


def _refuse_infinity(frame: Any, place: _Place) -> None:
    for name in frame.columns:
        if frame[name].dtype.kind == "f":
            infinite = frame[name].isin([math.inf, -math.inf]).to_numpy()
            if infinite.any():
                raise TableError(f"{place.of(int(infinite.argmax()))}, column {name!r}: the number is infinite, or too "
                                 "large for 64 bits; replace it by a finite number, or leave it empty (missing)")


def _refuse_mistaken_numbers(pandas: Any, frame: Any, place: _Place, text_columns: Sequence[str]) -> None:
    """Raise if a column of text holds almost only numbers, so that its categories would be mistakes."""
    for name in frame.columns:
        column = frame[name]
        if name in text_columns or not (column.dtype == object or pandas.api.types.is_string_dtype(column.dtype)):
            continue
        given = column.dropna()
        numeric = pandas.to_numeric(given, errors="coerce").notna()
        if MIN_NUMERIC_FRACTION < numeric.mean() < 1:
            wrong = given[~numeric]
            raise TableError(
                f"{place.of(int(wrong.index[0]))}, column {name!r}: {wrong.iloc[0]!r} is not a number, but "
                f"{int(numeric.sum()):,} of the {len(given):,} values of the column are. If it means a missing value: "
                f"--missing {wrong.iloc[0]!r}; if the column holds categories: --categorical {name!r}")
