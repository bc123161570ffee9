"""Scores and times of systems on tables, averaged over seeds and compared with each other.

A row is one fit: {"part": "fit", "table", "rows", "seed", "system", "threads", "metric", "value", "seconds", ...}. Its
value is the part of wrong classes, or the root mean squared error, of the test rows.
"""

from statistics import mean

from tabular.systems import SYSTEMS

ALL_TABLES = 8  # as many as a target about a number of tables needs


def fits(rows: list[dict]) -> list[dict]:
    return [row for row in rows if row.get("part") == "fit"]


def tables(rows: list[dict]) -> dict[str, dict]:
    """A row of each table, by its name, in the order of the rows."""
    found: dict[str, dict] = {}
    for row in fits(rows):
        found.setdefault(row["table"], row)
    return found


def systems(rows: list[dict]) -> list[str]:
    """The systems that occur, in the order of SYSTEMS."""
    found = {row["system"] for row in fits(rows)}
    return [name for name in SYSTEMS if name in found]


def by_seed(rows: list[dict], table: str, system: str, key: str, n_threads: int | None = None) -> dict[int, float]:
    """A figure of each seed, at `n_threads` or else at the largest number of threads that was measured."""
    of = [row for row in fits(rows) if (row["table"], row["system"]) == (table, system)
          and n_threads in (None, row["threads"])]
    return {row["seed"]: row[key] for row in sorted(of, key=lambda row: row["threads"])}


def average(rows: list[dict], table: str, system: str, key: str, n_threads: int | None = None) -> float | None:
    """The mean of a figure over the seeds."""
    values = by_seed(rows, table, system, key, n_threads)
    return mean(values.values()) if values else None


def ratio(rows: list[dict], table: str, system: str, other: str, key: str = "value",
          n_threads: int | None = None) -> float | None:
    """The mean of a figure of `system` relative to that of `other`, over the seeds that both have."""
    ours, theirs = (by_seed(rows, table, name, key, n_threads) for name in (system, other))
    seeds = ours.keys() & theirs.keys()
    return mean(ours[seed] for seed in seeds) / mean(theirs[seed] for seed in seeds) if seeds else None


def ratios(rows: list[dict], system: str, other: str, key: str = "value",
           n_threads: int | None = None) -> dict[str, float]:
    """The ratio for each table that has one."""
    found = {table: ratio(rows, table, system, other, key, n_threads) for table in tables(rows)}
    return {table: value for table, value in found.items() if value is not None}


def most_threads(rows: list[dict], system: str) -> int | None:
    """The largest number of threads that a system was measured with."""
    return max(threads_of(rows, system), default=None)


def threads_of(rows: list[dict], system: str) -> list[int]:
    """The numbers of threads that a system was measured with, in increasing order."""
    return sorted({row["threads"] for row in fits(rows) if row["system"] == system})
