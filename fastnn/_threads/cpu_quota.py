"""The CPU quota of this process's control groups, by which containers on Linux limit the CPU time."""

import os
import time
from collections.abc import Iterator
from math import inf
from pathlib import Path

from fastnn import _tuning

__all__ = ["cpu_quota", "read_cpu_quota"]

_latest: tuple[float, float | None] = (-inf, None)  # when it was read, and the quota


def cpu_quota() -> float | None:
    """Return `read_cpu_quota()`, read again when it is older than ``_tuning.QUOTA_SECONDS``.

    A quota may change while a process runs, but its files take too long to read for each call.
    """
    global _latest
    now = time.monotonic()
    read_at, quota = _latest
    if now - read_at >= _tuning.QUOTA_SECONDS:
        quota = read_cpu_quota()
        _latest = now, quota
    return quota


def read_cpu_quota(root: str | os.PathLike[str] = "/") -> float | None:
    """Return the number of CPUs whose time this process may use, or None without a limit.

    It is the lowest quota among the control groups of the process and their ancestors that are mounted, of version 2
    (``cpu.max``) and version 1 (``cpu.cfs_quota_us``). A file that cannot be read is no limit.

    Parameters
    ----------
    root : path
        The folder that holds ``proc`` and the mounted control groups.

    Notes
    -----
    Formats: Linux, Documentation/admin-guide/cgroup-v2.rst, Documentation/scheduler/sched-bwc.rst, proc(5).
    """
    top = Path(root)
    return min((quota for folder in _groups(top) for quota in _quotas(folder)), default=None)


def _groups(top: Path) -> Iterator[Path]:
    """Yield the folders of the process's groups and of their ancestors, up to each mount."""
    paths = {}  # kind of file system: path of the group in the hierarchy
    for line in _read(top / "proc/self/cgroup").split("\n"):
        group = line.partition(":")[2]  # without the number of the hierarchy
        controllers, separator, path = group.partition(":")
        if separator and not controllers:
            paths["cgroup2"] = path
        elif "cpu" in controllers.split(","):
            paths["cgroup"] = path
    for line in _read(top / "proc/self/mountinfo").split("\n"):
        fields, system = (part.split(" ") for part in f"{line} - ".split(" - ")[:2])
        kind, options = system[0], system[-1].split(",")
        if kind in paths and len(fields) > 4 and (kind == "cgroup2" or "cpu" in options):
            mounted, point = _unescape(fields[3]), top / _unescape(fields[4]).lstrip("/")
            below = _below(paths[kind], mounted)
            yield from (point.joinpath(*below[:depth]) for depth in range(len(below) + 1))


def _below(path: str, mounted: str) -> list[str]:
    """Return the folders that lead from the group `mounted`, which a mount shows, to the group `path`.

    The list is empty if the mount does not show the path, as in some containers: it then shows the container's group.
    """
    ancestors, names = ([name for name in text.split("/") if name] for text in (mounted, path))
    below = names[len(ancestors) :]
    return below if names[: len(ancestors)] == ancestors and ".." not in below else []


def _quotas(folder: Path) -> Iterator[float]:
    """Yield the quotas of one group."""
    v2 = _read(folder / "cpu.max").split()
    v1 = [*_read(folder / "cpu.cfs_quota_us").split(), *_read(folder / "cpu.cfs_period_us").split()]
    for numbers in (v2, v1):
        if len(numbers) == 2 and all(text.isdecimal() and int(text) for text in numbers):  # no limit: "max", -1
            yield int(numbers[0]) / int(numbers[1])


def _read(file: Path) -> str:
    try:
        return os.fsdecode(file.read_bytes())
    except (OSError, ValueError):  # ValueError: a path with a null character
        return ""


def _unescape(text: str) -> str:
    """Replace the octal escapes by which mountinfo writes blanks."""
    for code, character in (("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")):
        text = text.replace(code, character)
    return text
