"""Markdown tables and the formatting of figures."""

import os
from pathlib import Path

from checks import best_peer
from networks import NETWORKS, dashed
from peers import SYSTEMS

LABELS = {"JAX scanned": "JAX", "torch eager": "PyTorch"}  # names in tables and figures, where they differ

PICTURES = {"step": "Time of a training step relative to fastnn", "predict": "Time of a prediction relative to fastnn",
            "scaling": "Time per step against batch size, width and depth",
            "accuracy": "Time to 88 % test accuracy on Fashion-MNIST",
            "tables": "Error on real tables relative to RealMLP-TD"}  # by the start of the file's name


def table(head: list[str], rows: list[list[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "".join(f"| {' | '.join(cells)} |\n" for cells in lines)


def picture(path: Path, page: Path) -> str:
    """A picture on a page, by its relative address."""
    kind, *details = path.stem.split("_")
    text = ", ".join([PICTURES[kind], *(f"{word} thread{'s' * (word != '1')}" if word.isdecimal() else word
                                        for word in details)])
    return f"![{text}]({Path(os.path.relpath(path, page.parent)).as_posix()})\n"


def labels(systems: list[str]) -> list[str]:
    return [LABELS.get(name, name) for name in systems]


def digits(value: float | None) -> str:
    """A figure rounded to three digits, or to an integer from 100 on."""
    if value is None:
        return ""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def ratio(value: float | None, target: float | None = None) -> str:
    """A ratio and its upper bound, bold if it is missed."""
    if value is None:
        return ""
    if target is None:
        return f"{value:.2f}"
    return f"{value:.2f} (≤ {target:g})" if value <= target else f"**{value:.2f}, missed** (≤ {target:g})"


def quotient(ours: float, theirs: float | None) -> float | None:
    return None if theirs is None else ours / theirs


def cells(values: dict[str, float], systems: list[str]) -> list[str]:
    """The figures of the systems; those lower than fastnn's are bold."""
    return [f"**{digits(values[name])}**" if values.get(name, float("inf")) < values["fastnn"]
            else digits(values.get(name)) for name in systems]


def winner(values: dict[str, float]) -> str:
    """The system with the lowest figure, bold if it is not fastnn."""
    name, value = best_peer(values)
    return "" if name is None else "fastnn" if values["fastnn"] <= value else f"**{LABELS.get(name, name)}**"


def present(rows: list[dict], key: str) -> list[str]:
    """The systems that occur in the rows, in the order of SYSTEMS."""
    return [name for name in SYSTEMS if any(name in row[key] for row in rows)]


def network(name: str) -> str:
    """Name and layer sizes of a network."""
    return f"{name} {dashed(NETWORKS[name][0])}"


def several(rows: list[dict], key: str) -> list:
    """The distinct values of a column, in order."""
    return list(dict.fromkeys(row[key] for row in rows))
