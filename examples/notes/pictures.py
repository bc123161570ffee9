"""Shared by the scripts in this folder: the argument --out, and saving figures, which needs matplotlib."""

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any


def parser(description: str | None) -> argparse.ArgumentParser:
    """Return a parser with the argument --out."""
    result = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    result.add_argument("--out", type=Path, default=Path("fastnn-notes"), help="folder for the figures (%(default)s)")
    return result


def save(out: Path | None, name: str, draw: Callable[[Any], None], rows: int = 1, columns: int = 1,
         size: tuple[float, float] = (7, 4.5)) -> None:
    """Save a figure as `out`/`name`; `draw` is called with its axes. If `out` is None, do nothing."""
    if out is None:
        return
    try:
        from matplotlib.figure import Figure
    except ImportError:
        print(f"(no {name}: matplotlib is not installed)")
        return
    figure = Figure(figsize=size, layout="constrained")
    draw(figure.subplots(rows, columns))
    out.mkdir(parents=True, exist_ok=True)
    figure.savefig(out / name, dpi=110)
    print(f"picture: {out / name}")
