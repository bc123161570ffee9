"""Drawings of a graph as text, and as SVG with layers from left to right.

A graph is passed as the list `order` of its nodes, each after its parents; the last one is the output.
"""

import unicodedata
from dataclasses import dataclass, field
from html import escape
from itertools import count, pairwise
from typing import TYPE_CHECKING

import numpy as np

from fastnn.graph._labels import label, short, shown

if TYPE_CHECKING:
    from fastnn.graph._node import Node

__all__ = ["MAX_DRAWN", "svg", "text"]

MAX_DRAWN = 200  # nodes in a drawing


def _layers(order: list["Node"]) -> dict["Node", int]:
    """Return the layer of each node: a result comes after all its parents, an input just before its first use."""
    layer: dict[Node, int] = {}
    for node in order:
        layer[node] = max((layer[parent] + 1 for parent in node.parents), default=0)
    inputs = {node: layer[order[-1]] for node in order[:-1] if not node.parents}
    for node in order:
        for parent in node.parents:
            if parent in inputs:
                inputs[parent] = min(inputs[parent], layer[node] - 1)
    return layer | inputs


def _lines(order: list["Node"], drawn: list["Node"]) -> dict["Node", tuple[str, str, str]]:
    """Return formula, value and derivative of each drawn node, as text."""
    number = count(1)
    names = {node: short(node.name, 24) if node.name else f"#{next(number)}" for node in order[:-1]}
    names[order[-1]] = short(order[-1].name or "output", 24)
    lines = {}
    for node in drawn:
        title = names[node]
        if node.operation:
            title += " = " + node._template.format(*(names.get(x) or label(x) for x in node._operands))
        derivative = ""
        if node.grad is not None:
            derivative = f"d{short(node._of, 24)}/d{names[node]} = {shown(np.asarray(node.grad))}"
        lines[node] = short(title, 60), shown(node._array), derivative
    return lines


def text(order: list["Node"]) -> str:
    """Return one line per node, layer by layer; only the first and last nodes of a large graph."""
    layer = _layers(order)
    rows = sorted(order, key=lambda node: layer[node])
    omitted = len(rows) - MAX_DRAWN
    if omitted > 0:
        del rows[MAX_DRAWN // 2 : -(MAX_DRAWN // 2)]
    lines = _lines(order, rows)
    equations = [" = ".join(lines[node][:2]) for node in rows]
    width, margin = max(map(len, equations)), len(f"layer {layer[order[-1]]}")
    written, last = [], -1
    for i, (node, equation) in enumerate(zip(rows, equations, strict=True)):
        if omitted > 0 and i == MAX_DRAWN // 2:
            written.append(f"... {omitted} more nodes ...")
        head = f"layer {layer[node]}" if layer[node] != last else ""
        written.append(f"{head:{margin}}  {equation:{width}}  {lines[node][2]}".rstrip())
        last = layer[node]
    return "\n".join(written)


# ---- SVG: layers from left to right ---------------------------------------------------------------------------------

CHARACTER = 7.9  # px: width of a character of FONT (0.6 em), with a margin
FONT = "font-family=\"'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"13\""
LINE, PADDING = 18, 10  # px: line height; padding of a box
GAP, BETWEEN = 26, 70  # px: between the boxes of a column; between columns
SWEEPS = 8  # over the columns: so many to reorder the boxes, then as many to straighten the arrows
BLUE, RED = "#1f4e9c", "#b3261e"  # arrows and frames; derivatives


@dataclass(eq=False)
class _Spot:
    """A place in a column: the box of a node, or a lane in which an arrow crosses the column (no lines)."""

    lines: tuple[str, ...]
    before: list["_Spot"] = field(default_factory=list)
    after: list["_Spot"] = field(default_factory=list)
    y: float = 0.0  # centre
    left: float = 0.0
    right: float = 0.0

    @property
    def height(self) -> float:
        return len(self.lines) * LINE + PADDING if self.lines else 0

    @property
    def width(self) -> float:
        return max((_width(line) for line in self.lines), default=0) + 2 * PADDING


def _width(line: str) -> float:
    return CHARACTER * len(line + "".join(c for c in line if unicodedata.east_asian_width(c) in "WF"))


def _columns(order: list["Node"]) -> list[list[_Spot]]:
    """Return the boxes and lanes of each layer, linked from column to column."""
    layer = _layers(order)
    lines = _lines(order, order)
    rows = 3 if any(line[2] for line in lines.values()) else 2
    spots = {node: _Spot(lines[node][:rows]) for node in order}
    columns: list[list[_Spot]] = [[] for _ in range(layer[order[-1]] + 1)]
    for node in order:
        columns[layer[node]].append(spots[node])
        for parent in dict.fromkeys(node.parents):
            last = spots[parent]
            for column in columns[layer[parent] + 1 : layer[node]]:
                lane = _Spot(())
                column.append(lane)
                _join(last, lane)
                last = lane
            _join(last, spots[node])
    return columns


def _join(left: _Spot, right: _Spot) -> None:
    left.after.append(right)
    right.before.append(left)


def _mean_y(spot: _Spot, neighbours: list[_Spot]) -> float:
    return float(np.mean([other.y for other in neighbours])) if neighbours else spot.y


def _stack(column: list[_Spot], wanted: list[float]) -> None:
    """Place the spots of a column in their order, as close to the wanted y as possible without overlap.

    Minimising the squared distances subject to y[i+1] - y[i] >= d[i] is isotonic regression of wanted[i] minus the sum
    of the d before i. The pool-adjacent-violators algorithm moves overlapping neighbours to their mean.
    """
    offsets = [0.0]
    for above, below in pairwise(column):
        offsets.append(offsets[-1] + (above.height + below.height) / 2 + GAP)
    pools: list[tuple[float, int]] = []  # mean, members
    for want, offset in zip(wanted, offsets, strict=True):
        pool, members = want - offset, 1
        while pools and pools[-1][0] > pool:
            other, others = pools.pop()
            pool, members = (pool * members + other * others) / (members + others), members + others
        pools.append((pool, members))
    levels = [pool for pool, members in pools for _ in range(members)]
    for spot, level, offset in zip(column, levels, offsets, strict=True):
        spot.y = level + offset


def _arrange(columns: list[list[_Spot]]) -> None:
    """Order the spots of each column by the mean y of their neighbours, and place them."""
    for column in columns:
        _stack(column, [0.0] * len(column))
    for sweep in range(2 * SWEEPS):
        forth = sweep % 2 == 0
        for column in columns if forth else reversed(columns):
            wanted = {spot: _mean_y(spot, spot.before if forth else spot.after) for spot in column}
            if sweep < SWEEPS:
                column.sort(key=wanted.__getitem__)
            _stack(column, [wanted[spot] for spot in column])


def svg(order: list["Node"]) -> str:
    """Return an SVG document; raise ValueError for more than `MAX_DRAWN` nodes."""
    if len(order) > MAX_DRAWN:
        raise ValueError(f"the graph has {len(order)} nodes; a picture of more than {MAX_DRAWN} would not be "
                         "readable: draw() without a path shows the first and the last as text")
    columns = _columns(order)
    _arrange(columns)
    spots = [spot for column in columns for spot in column]
    top = min(spot.y - spot.height / 2 for spot in spots) - GAP
    height = max(spot.y + spot.height / 2 for spot in spots) + GAP - top
    x = float(GAP)
    for column in columns:
        width = max(spot.width for spot in column)
        for spot in column:
            spot.y -= top
            margin = (width - spot.width) / 2 if spot.lines else 0
            spot.left, spot.right = x + margin, x + width - margin
        x += width + BETWEEN
    boxes = [_box(spot) for spot in spots if spot.lines]
    arrows = [arrow for spot in spots for arrow in _arrows(spot)]
    size = f"{x - BETWEEN + GAP:.0f}", f"{height:.0f}"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" '
        f'viewBox="0 0 {size[0]} {size[1]}" {FONT}>',
        "<title>Computation graph</title>",
        '<defs><marker id="head" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="8" markerHeight="8" '
        f'orient="auto"><path d="M0 0L10 5L0 10z" fill="{BLUE}"/></marker></defs>',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<g fill="none" stroke="{BLUE}" stroke-width="1.5">', *arrows, "</g>", *boxes, "</svg>", ""])


def _arrows(spot: _Spot) -> list[str]:
    """Return the arrows from a spot to the next column; for a lane, first its line through its own column."""
    paths = [] if spot.lines else [f'<path d="M{spot.left:.1f} {spot.y:.1f}H{spot.right:.1f}"/>']
    for other in spot.after:
        start, end = spot.right, other.left
        middle = (start + end) / 2
        head = ' marker-end="url(#head)"' if other.lines else ""
        paths.append(f'<path d="M{start:.1f} {spot.y:.1f}C{middle:.1f} {spot.y:.1f} {middle:.1f} {other.y:.1f} '
                     f'{end:.1f} {other.y:.1f}"{head}/>')
    return paths


def _box(spot: _Spot) -> str:
    """Return the box of a node: formula, value, derivative."""
    top, middle = spot.y - spot.height / 2, (spot.left + spot.right) / 2
    parts = [f'<rect x="{spot.left:.1f}" y="{top:.1f}" width="{spot.right - spot.left:.1f}" '
             f'height="{spot.height:.1f}" rx="6" fill="#f4f7fc" stroke="{BLUE}"/>']
    for i, (line, style) in enumerate(zip(spot.lines, ('font-weight="bold"', "", f'fill="{RED}"'), strict=False)):
        y = top + PADDING / 2 + LINE * (i + 0.75)
        content = escape(line, quote=False)
        parts.append(f'<text x="{middle:.1f}" y="{y:.1f}" text-anchor="middle" {style}>{content}</text>')
    return "\n".join(parts)
