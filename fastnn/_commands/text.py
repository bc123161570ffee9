"""Text that the commands print."""

import sys
from collections.abc import Sequence

__all__ = ["duration", "say", "table"]

WIDTH = 80  # columns of a terminal


def say(text: str = "") -> None:
    """Print at once, also into a pipe."""
    print(text, flush=True, file=sys.stdout)


def duration(seconds: float) -> str:
    """Return a time in words, such as "1 min 5 s"."""
    if seconds < 60:
        return f"{seconds:.1f} s"
    return f"{int(seconds) // 60} min {int(seconds) % 60} s"


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Return rows of text with aligned columns, cut at the width of a terminal."""
    lines = [header, *rows]
    widths = [max(len(line[j]) for line in lines) for j in range(len(header))]
    out = []
    for line in lines:
        text = "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        out.append(text if len(text) <= WIDTH else text[: WIDTH - 3] + "...")
    return "\n".join(out)
