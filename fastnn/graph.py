"""The notes' computation graph: values forward, derivatives backward by the chain rule, and a picture of both.

>>> from fastnn.graph import Node
>>> a, b, c = Node(5, "a"), Node(3, "b"), Node(2, "c")
>>> u = b * c
>>> v = a + u
>>> J = 3 * v
>>> u.name, v.name, J.name = "u", "v", "J"
>>> J.backward()
>>> print(J.draw())
layer 0  b = 3           dJ/db = 6
         c = 2           dJ/dc = 9
layer 1  a = 5           dJ/da = 3
         u = b * c = 6   dJ/du = 3
layer 2  v = a + u = 11  dJ/dv = 3
layer 3  J = 3 * v = 33  dJ/dJ = 1

A graph is made to understand and to check by, not to train with: it is an oracle that shares no code with the rest.
"""

import os
import re
import unicodedata
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count, pairwise
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import numpy as np
from numpy.typing import ArrayLike, NDArray

__all__ = ["Node", "exp", "log", "mean", "relu", "sigmoid", "sum", "tanh"]

Array = NDArray[np.float64]
Axis = int | tuple[int, ...] | None
# From the derivative of the output by a result to that by one operand, before the sum over broadcast axes.
Derivative = Callable[[Array], Any]

MOST_DRAWN = 200  # nodes of a picture
SHOWN_ENTRIES = 3  # a larger array is summarised


def _real(value: Any, what: str) -> Array:
    """Return a read-only float64 copy of numbers."""
    try:
        array = np.array(value)
    except ValueError as error:  # ragged lists
        raise ValueError(f"{what} must be a number or an array: {error}") from None
    if array.dtype.kind not in "fiub":
        kind = array.dtype if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"{what} must be a real number or an array of them, got {kind}")
    array = array.astype(np.float64)
    if array.size == 0 or not np.isfinite(array).all():
        raise ValueError(f"{what} must be finite and not empty, got {_shown(array)}")
    array.flags.writeable = False
    return array


def _public(array: Array) -> float | Array:
    return float(array) if array.ndim == 0 else array


def _shown(array: Array) -> str:
    """Return a number, or a small array in full, a large one as its shape and norm."""
    if array.ndim == 0:
        return format(array + 0.0, ".6g")  # + 0.0: no -0
    if 0 < array.size <= SHOWN_ENTRIES:
        return str(np.vectorize(lambda x: format(x + 0.0, ".4g"), otypes=[object])(array).tolist()).replace("'", "")
    return f"array{array.shape}" + (f", norm {np.linalg.norm(array):.4g}" if array.size else "")


class Node:
    """A variable of the graph: an input, or the result of an operation on other nodes.

    Operations: ``+ - * / ** @`` and unary minus, with NumPy's broadcasting, between nodes, numbers and arrays in any
    order; `exp`, `log`, `sigmoid`, `tanh`, `relu`, `sum`, `mean`, `reshape`, ``T``. All in float64.

    Parameters
    ----------
    value : array_like
        Finite real numbers of any shape; copied.
    name : str, optional
        For drawings and error texts; may be set later.

    Attributes
    ----------
    value : float or ndarray
        Read-only; a float where the shape is ().
    grad : float, ndarray or None
        The derivative of the output by this node, of the shape of `value`; None before `backward`.
    name : str or None
    operation : str or None
        Such as ``*`` or ``exp``; None for an input.
    parents : tuple of Node
        What it was computed from; numbers and arrays that are no nodes are not among them.

    Raises
    ------
    TypeError
        If the value is not made of real numbers, or the name not a str.
    ValueError
        If it is empty or not finite; likewise by an operation outside its domain, or whose result overflows.
    """

    __slots__ = ("__weakref__", "_array", "_constant", "_derivatives", "_name", "_of", "_operands", "_template",
                 "grad", "operation")
    __array_ufunc__ = None  # so that ndarray + Node comes here

    def __init__(self, value: ArrayLike, name: str | None = None) -> None:
        self._array = _real(value, "the value of a node" if name is None else f"the value of {name}")
        self._constant = False
        self._operands: tuple[Node, ...] = ()
        self._derivatives: tuple[Derivative, ...] = ()  # one per operand
        self._template = ""  # the formula, with a place for each operand
        self._of = ""  # whose derivative `grad` is
        self.grad: float | Array | None = None
        self.operation: str | None = None
        self.name = name

    @property
    def value(self) -> float | Array:
        """The number or array."""
        return _public(self._array)

    @property
    def name(self) -> str | None:
        """The name for drawings and error texts."""
        return self._name

    @name.setter
    def name(self, name: str | None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"the name of a node must be a str, got {type(name).__name__}")
        self._name = name

    @property
    def parents(self) -> tuple["Node", ...]:
        """The nodes that it was computed from."""
        return tuple(operand for operand in self._operands if not operand._constant)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self._array.shape

    def __repr__(self) -> str:
        title = self.name or (_formula(self) if self.operation else "")
        return f"Node({f'{title} = ' if title else ''}{_shown(self._array)})"

    # Operations

    def __add__(self, other: "Node | ArrayLike") -> "Node":
        return _add(self, other)

    def __radd__(self, other: ArrayLike) -> "Node":
        return _add(other, self)

    def __sub__(self, other: "Node | ArrayLike") -> "Node":
        return _subtract(self, other)

    def __rsub__(self, other: ArrayLike) -> "Node":
        return _subtract(other, self)

    def __mul__(self, other: "Node | ArrayLike") -> "Node":
        return _multiply(self, other)

    def __rmul__(self, other: ArrayLike) -> "Node":
        return _multiply(other, self)

    def __truediv__(self, other: "Node | ArrayLike") -> "Node":
        return _divide(self, other)

    def __rtruediv__(self, other: ArrayLike) -> "Node":
        return _divide(other, self)

    def __pow__(self, other: "Node | ArrayLike") -> "Node":
        return _power(self, other)

    def __rpow__(self, other: ArrayLike) -> "Node":
        return _power(other, self)

    def __matmul__(self, other: "Node | ArrayLike") -> "Node":
        return _matmul(self, other)

    def __rmatmul__(self, other: ArrayLike) -> "Node":
        return _matmul(other, self)

    def __neg__(self) -> "Node":
        return _result("-", "-{}", (self,), -self._array, lambda g: -g)

    def exp(self) -> "Node":
        """Return e to this power."""
        with np.errstate(over="ignore"):
            A = np.exp(self._array)
        return _result("exp", "exp({})", (self,), A, lambda g: g * A)

    def log(self) -> "Node":
        """Return the natural logarithm; ValueError where this is not positive."""
        x = self._array
        if np.any(x <= 0):
            raise ValueError(f"log({_label(self)}) needs positive numbers, got {x.min():.6g}")
        return _result("log", "log({})", (self,), np.log(x), lambda g: g / x)

    def sigmoid(self) -> "Node":
        """Return 1 / (1 + e^-z); its derivative is g (1 - g)."""
        z = self._array
        A = _sigmoid(z)
        return _result("sigmoid", "sigmoid({})", (self,), A, lambda g: g * A * _sigmoid(-z))

    def tanh(self) -> "Node":
        """Return the hyperbolic tangent; its derivative is 1 - g^2."""
        z = self._array
        # 1 - g^2 without the cancellation
        return _result("tanh", "tanh({})", (self,), np.tanh(z), lambda g: g * 4 * _sigmoid(2 * z) * _sigmoid(-2 * z))

    def relu(self) -> "Node":
        """Return max(0, z); its derivative at 0 is taken as 0."""
        z = self._array
        return _result("relu", "relu({})", (self,), np.maximum(z, 0), lambda g: g * (z > 0))

    def sum(self, axis: Axis = None, keepdims: bool = False) -> "Node":
        """Return the sum over an axis, several or all, as `numpy.sum`."""
        return _reduce("sum", self, axis, keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> "Node":
        """Return the mean over an axis, several or all, as `numpy.mean`."""
        return _reduce("mean", self, axis, keepdims)

    def reshape(self, *shape: Any) -> "Node":
        """Return the same entries in another shape, as `numpy.ndarray.reshape`."""
        try:
            array = self._array.reshape(*shape)
        except ValueError:
            raise ValueError(f"{_sized(self)} cannot take the shape {shape}") from None
        before = self.shape  # a derivative that held the node would be freed by recursion
        return _result("reshape", f"reshape({{}}, {array.shape})", (self,), array, lambda g: g.reshape(before))

    @property
    def T(self) -> "Node":
        """The transpose."""
        return _result("T", "{}.T", (self,), self._array.T, lambda g: g.T)

    # Derivatives

    def backward(self, grad: ArrayLike | None = None) -> None:
        """Set `grad` of this node and of all that it depends on to the derivative of this node by each.

        What a node contributes in several places is summed. A further call starts afresh: it replaces every `grad`
        that it reaches and leaves the others as they are.

        Parameters
        ----------
        grad : array_like of the shape of `value`, optional
            Derivative of some later quantity by this node; needed unless the value is a single number (then 1).

        Raises
        ------
        ValueError
            If `grad` is missing or has another shape, or a derivative is not finite; no `grad` is then changed.
        """
        if grad is None:
            if self._array.size != 1:
                raise ValueError(f"backward of {_sized(self)} needs grad, an array of this shape: "
                                 "only a single number has derivatives without it")
            grad = np.ones(self.shape)
        seed = _real(grad, "grad")
        if seed.shape != self.shape:
            raise ValueError(f"grad must have the shape of {_sized(self)}, got {seed.shape}")
        grads = {self: seed}
        with np.errstate(all="ignore"):
            for node in reversed(_history(self)):
                for operand, derivative in zip(node._operands, node._derivatives, strict=True):
                    if operand._constant:
                        continue
                    part = _unbroadcast(np.asarray(derivative(grads[node])), operand.shape)
                    total = grads[operand] + part if operand in grads else part
                    if not np.isfinite(total).all():
                        raise ValueError(f"the derivative of {_formula(node)} by {_label(operand)} is not finite at "
                                         f"{_label(operand)} = {_shown(operand._array)}")
                    grads[operand] = total
        for node, total in grads.items():
            node.grad = _public(np.array(total))  # a copy: parts are shared
            node._of = self.name or "output"

    # Pictures

    def draw(self, path: str | os.PathLike[str] | None = None) -> str:
        """Return a picture of the graph that leads to this node: each node's formula, value and derivative.

        Parameters
        ----------
        path : str or path, optional
            Where to write the picture as SVG; without it the picture is text. Of a large graph the text shows the
            first and the last nodes.

        Returns
        -------
        str
            The text, or the SVG document.

        Raises
        ------
        ValueError
            If the path does not end in .svg, or an SVG would have more than 200 nodes.
        OSError
            If the file cannot be written.
        """
        if path is None:
            return _text(self)
        if Path(path).suffix.lower() != ".svg":
            raise ValueError(f"a graph is drawn as SVG: the path must end in .svg, got {os.fspath(path)!r}")
        document = _svg(self)
        Path(path).write_text(document, encoding="utf-8", newline="\n")
        return document

    def _repr_svg_(self) -> str | None:
        """Return the picture for notebooks."""
        return _svg(self) if len(_history(self)) <= MOST_DRAWN else None


# ---- Operations -----------------------------------------------------------------------------------------------------


def _node(value: Node | ArrayLike) -> Node:
    if isinstance(value, Node):
        return value
    node = Node(value)
    node._constant = True
    return node


def _result(operation: str, template: str, operands: tuple[Node, ...], array: Any, *derivatives: Derivative) -> Node:
    """Return the node of an operation's result."""
    node = Node.__new__(Node)
    node._array = np.asarray(array, dtype=np.float64).view()
    node._array.flags.writeable = False
    node._constant, node._of, node._name, node.grad = False, "", None, None
    node._operands, node._derivatives, node._template, node.operation = operands, derivatives, template, operation
    if not np.isfinite(node._array).all():
        values = ", ".join(f"{_label(x)} = {_shown(x._array)}" for x in operands)
        raise ValueError(f"{_formula(node)} is not a finite number at {values}")
    return node


def _elementwise(symbol: str, a: Node, b: Node, function: Callable[[Array, Array], Any], by_a: Derivative,
                 by_b: Derivative) -> Node:
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ValueError(f"{_label(a)} {symbol} {_label(b)}: the shapes {a.shape} and {b.shape} do not broadcast: "
                         "from the right, each two sizes must be equal or one of them 1") from None
    with np.errstate(all="ignore"):
        array = function(a._array, b._array)
    return _result(symbol, f"{{}} {symbol} {{}}", (a, b), array, by_a, by_b)


def _unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Sum a derivative over the axes along which an operand of this shape was broadcast."""
    if g.shape == shape:
        return g
    g = np.asarray(g.sum(axis=tuple(range(g.ndim - len(shape)))))
    stretched = tuple(axis for axis, n in enumerate(shape) if n != g.shape[axis])
    return np.asarray(g.sum(axis=stretched, keepdims=True))


def _add(a: Node | ArrayLike, b: Node | ArrayLike) -> Node:
    return _elementwise("+", _node(a), _node(b), np.add, lambda g: g, lambda g: g)


def _subtract(a: Node | ArrayLike, b: Node | ArrayLike) -> Node:
    return _elementwise("-", _node(a), _node(b), np.subtract, lambda g: g, lambda g: -g)


def _multiply(a: Node | ArrayLike, b: Node | ArrayLike) -> Node:
    a, b = _node(a), _node(b)
    x, y = a._array, b._array
    return _elementwise("*", a, b, np.multiply, lambda g: g * y, lambda g: g * x)


def _divide(a: Node | ArrayLike, b: Node | ArrayLike) -> Node:
    a, b = _node(a), _node(b)
    x, y = a._array, b._array
    if np.any(y == 0):
        raise ValueError(f"{_label(a)} / {_label(b)}: division by zero, {_label(b)} = {_shown(y)}")
    return _elementwise("/", a, b, np.divide, lambda g: g / y, lambda g: -g * (x / y) / y)


def _power(a: Node | ArrayLike, b: Node | ArrayLike) -> Node:
    a, b = _node(a), _node(b)
    x, y = a._array, b._array

    def by_base(g: Array) -> Any:
        return g * np.where(y == 0, 0.0, y * np.power(x, np.where(y == 0, 1.0, y - 1)))

    def by_exponent(g: Array) -> Any:  # x^y log x; 0^y = 0 near every y > 0; else the power is not defined near y
        defined = np.where((x == 0) & (y > 0), 0.0, np.nan)
        return g * np.where(x > 0, np.power(x, y) * np.log(np.where(x > 0, x, 1.0)), defined)

    return _elementwise("**", a, b, np.power, by_base, by_exponent)


def _matmul(a: Node | ArrayLike, b: Node | ArrayLike) -> Node:
    a, b = _node(a), _node(b)
    x, y = a._array, b._array
    if not 1 <= x.ndim <= 2 or not 1 <= y.ndim <= 2:
        raise ValueError(f"{_label(a)} @ {_label(b)} multiplies vectors and matrices, got the shapes {x.shape} and "
                         f"{y.shape}: for numbers use *")
    if x.shape[-1] != y.shape[0]:
        raise ValueError(f"{_label(a)} @ {_label(b)}: the shapes {x.shape} and {y.shape} do not chain: "
                         f"{_label(a)} has {x.shape[-1]} columns, {_label(b)} has {y.shape[0]} rows")
    X, Y = np.atleast_2d(x), y.reshape(len(y), -1)  # a vector is a row on the left, a column on the right
    with np.errstate(all="ignore"):
        array = x @ y
    return _result("@", "{} @ {}", (a, b), array,
                   lambda g: (g.reshape(len(X), -1) @ Y.T).reshape(x.shape),
                   lambda g: (X.T @ g.reshape(len(X), -1)).reshape(y.shape))


def _sigmoid(z: Array) -> Array:
    e: Array = np.exp(-np.abs(z))  # never overflows
    return np.where(z < 0, e, 1.0) / (1 + e)


def _reduce(name: str, x: Node, axis: Axis, keepdims: bool) -> Node:
    try:
        with np.errstate(over="ignore"):
            array = np.sum(x._array, axis=axis, keepdims=True)
    except ValueError as error:  # numpy.exceptions.AxisError is one
        raise ValueError(f"{name} of {_sized(x)} over axis {axis}: {error}") from None
    full, kept = x.shape, array.shape
    scale = array.size / x._array.size if name == "mean" else 1.0
    result = array * scale if keepdims else np.squeeze(array * scale, axis=axis)
    template = f"{name}({{}}" + f", axis={axis}" * (axis is not None) + ", keepdims=True" * bool(keepdims) + ")"
    return _result(name, template, (x,), result, lambda g: np.broadcast_to(g.reshape(kept) * scale, full))


def exp(x: Node | ArrayLike) -> Node:
    """Return `Node.exp`."""
    return _node(x).exp()


def log(x: Node | ArrayLike) -> Node:
    """Return `Node.log`."""
    return _node(x).log()


def sigmoid(z: Node | ArrayLike) -> Node:
    """Return `Node.sigmoid`."""
    return _node(z).sigmoid()


def tanh(z: Node | ArrayLike) -> Node:
    """Return `Node.tanh`."""
    return _node(z).tanh()


def relu(z: Node | ArrayLike) -> Node:
    """Return `Node.relu`."""
    return _node(z).relu()


def sum(x: Node | ArrayLike, axis: Axis = None, keepdims: bool = False) -> Node:
    """Return `Node.sum`."""
    return _node(x).sum(axis, keepdims)


def mean(x: Node | ArrayLike, axis: Axis = None, keepdims: bool = False) -> Node:
    """Return `Node.mean`."""
    return _node(x).mean(axis, keepdims)


# ---- The whole graph ------------------------------------------------------------------------------------------------


def _history(output: Node) -> list[Node]:
    """Return the output and all nodes that it depends on, each after its parents; an explicit stack, no recursion."""
    order: list[Node] = []
    done: set[Node] = set()
    stack = [output]
    while stack:
        node = stack[-1]
        waiting = [parent for parent in node.parents if parent not in done] if node not in done else []
        if waiting:
            stack.extend(reversed(waiting))
            continue
        stack.pop()
        if node not in done:
            done.add(node)
            order.append(node)
    return order


def _short(text: str, width: int = 40) -> str:
    """Return text in one line, of characters that XML allows."""
    text = re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
    text = " ".join(text.split())
    return text if len(text) <= width else f"{text[: width - 1]}…"


def _label(node: Node) -> str:
    """Return the name, else the formula, else the value."""
    if node.name:
        return _short(node.name)
    if node.operation:
        formula = _formula(node)
        return f"({formula})" if node._template.startswith(("{} ", "-")) else formula
    return f"array{node.shape}" if node.shape else _shown(node._array)


def _sized(node: Node) -> str:
    return f"{_label(node)} of shape {node.shape}"


def _formula(node: Node) -> str:
    """Return a result's formula of its operands' names."""
    short = [_label(x) if x.name or not x.operation else "(...)" for x in node._operands]
    return node._template.format(*short)


def _layers(order: list[Node]) -> dict[Node, int]:
    """Return each node's layer: a result stands after all its parents, an input just before its first use."""
    layer: dict[Node, int] = {}
    for node in order:
        layer[node] = max((layer[parent] + 1 for parent in node.parents), default=0)
    inputs = {node: layer[order[-1]] for node in order[:-1] if not node.parents}
    for node in order:
        for parent in node.parents:
            if parent in inputs:
                inputs[parent] = min(inputs[parent], layer[node] - 1)
    return layer | inputs


def _lines(order: list[Node], drawn: list[Node]) -> dict[Node, tuple[str, str, str]]:
    """Return what is written at each node that is drawn: its formula, value and derivative."""
    number = count(1)
    names = {node: _short(node.name, 24) if node.name else f"#{next(number)}" for node in order[:-1]}
    names[order[-1]] = _short(order[-1].name or "output", 24)
    lines = {}
    for node in drawn:
        title = names[node]
        if node.operation:
            title += " = " + node._template.format(*(names.get(x) or _label(x) for x in node._operands))
        derivative = ""
        if node.grad is not None:
            derivative = f"d{_short(node._of, 24)}/d{names[node]} = {_shown(np.asarray(node.grad))}"
        lines[node] = _short(title, 60), _shown(node._array), derivative
    return lines


def _text(output: Node) -> str:
    order = _history(output)
    layer = _layers(order)
    rows = sorted(order, key=lambda node: layer[node])
    omitted = len(rows) - MOST_DRAWN
    if omitted > 0:
        del rows[MOST_DRAWN // 2 : -(MOST_DRAWN // 2)]
    lines = _lines(order, rows)
    equations = [" = ".join(lines[node][:2]) for node in rows]
    width, margin = max(map(len, equations)), len(f"layer {layer[output]}")
    text, last = [], -1
    for i, (node, equation) in enumerate(zip(rows, equations, strict=True)):
        if omitted > 0 and i == MOST_DRAWN // 2:
            text.append(f"... {omitted} more nodes ...")
        head = f"layer {layer[node]}" if layer[node] != last else ""
        text.append(f"{head:{margin}}  {equation:{width}}  {lines[node][2]}".rstrip())
        last = layer[node]
    return "\n".join(text)


# ---- SVG: layers from left to right ---------------------------------------------------------------------------------

CHARACTER = 7.9  # px: the width of one of these fonts at 13 px (0.6 em), with a margin
FONT = "font-family=\"'DejaVu Sans Mono', Menlo, Consolas, monospace\" font-size=\"13\""
LINE, PADDING = 18, 10  # px: from line to line; around the lines of a box
GAP, BETWEEN = 26, 70  # px: between the boxes of a column, between columns
SWEEPS = 8  # over the columns, to untangle the arrows and to straighten them
BLUE, RED = "#1f4e9c", "#b3261e"  # arrows and frames; derivatives


@dataclass(eq=False)
class _Spot:
    """A place in a column: a node's box, or the lane of an arrow that passes through the column."""

    lines: tuple[str, ...]
    before: list["_Spot"] = field(default_factory=list)
    after: list["_Spot"] = field(default_factory=list)
    y: float = 0.0  # of its middle

    @property
    def height(self) -> float:
        return len(self.lines) * LINE + PADDING if self.lines else 0

    @property
    def width(self) -> float:
        return max((_width(line) for line in self.lines), default=0) + 2 * PADDING


def _width(line: str) -> float:
    return CHARACTER * len(line + "".join(c for c in line if unicodedata.east_asian_width(c) in "WF"))


def _columns(order: list[Node]) -> list[list[_Spot]]:
    """Return the boxes and lanes of each layer, joined from column to column."""
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
    """Place a column's spots in their order, as near to the wanted heights as they can be without overlap.

    Least squares under y[i+1] - y[i] >= distance is isotonic regression of what is left after the distances are
    subtracted: neighbours that would overlap are pooled at their mean (pool adjacent violators).
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
    """Order each column by the middle of what its spots are joined to, and place it."""
    for column in columns:
        _stack(column, [0.0] * len(column))
    for sweep in range(2 * SWEEPS):
        forth = sweep % 2 == 0
        for column in columns if forth else reversed(columns):
            wanted = {spot: _mean_y(spot, spot.before if forth else spot.after) for spot in column}
            if sweep < SWEEPS:  # then only straighten
                column.sort(key=wanted.__getitem__)
            _stack(column, [wanted[spot] for spot in column])


def _svg(output: Node) -> str:
    order = _history(output)
    if len(order) > MOST_DRAWN:
        raise ValueError(f"the graph has {len(order)} nodes; a picture of more than {MOST_DRAWN} would not be "
                         "readable: draw() without a path shows the first and the last as text")
    columns = _columns(order)
    _arrange(columns)
    spots = [spot for column in columns for spot in column]
    top = min(spot.y - spot.height / 2 for spot in spots) - GAP
    height = max(spot.y + spot.height / 2 for spot in spots) + GAP - top
    boxes, arrows, x = [], [], float(GAP)
    left: dict[_Spot, float] = {}
    right: dict[_Spot, float] = {}
    for column in columns:
        width = max(spot.width for spot in column)
        for spot in column:
            spot.y -= top
            margin = (width - spot.width) / 2 if spot.lines else 0
            left[spot], right[spot] = x + margin, x + width - margin
        x += width + BETWEEN
    for spot in spots:
        if spot.lines:
            boxes.append(_box(spot, left[spot], right[spot]))
        else:
            arrows.append(f'<path d="M{left[spot]:.1f} {spot.y:.1f}H{right[spot]:.1f}"/>')
        for other in spot.after:
            start, end = right[spot], left[other]
            middle = (start + end) / 2
            head = ' marker-end="url(#head)"' if other.lines else ""
            arrows.append(f'<path d="M{start:.1f} {spot.y:.1f}C{middle:.1f} {spot.y:.1f} {middle:.1f} {other.y:.1f} '
                          f'{end:.1f} {other.y:.1f}"{head}/>')
    size = f"{x - BETWEEN + GAP:.0f}", f"{height:.0f}"
    return "\n".join([
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{size[0]}" height="{size[1]}" '
        f'viewBox="0 0 {size[0]} {size[1]}" {FONT}>',
        "<title>Computation graph</title>",
        '<defs><marker id="head" viewBox="0 0 10 10" refX="10" refY="5" markerWidth="8" markerHeight="8" '
        f'orient="auto"><path d="M0 0L10 5L0 10z" fill="{BLUE}"/></marker></defs>',
        '<rect width="100%" height="100%" fill="white"/>',
        f'<g fill="none" stroke="{BLUE}" stroke-width="1.5">', *arrows, "</g>", *boxes, "</svg>", ""])


def _box(spot: _Spot, left: float, right: float) -> str:
    """Return a node's box: formula, value, derivative."""
    top, middle = spot.y - spot.height / 2, (left + right) / 2
    parts = [f'<rect x="{left:.1f}" y="{top:.1f}" width="{right - left:.1f}" height="{spot.height:.1f}" rx="6" '
             f'fill="#f4f7fc" stroke="{BLUE}"/>']
    for i, (line, style) in enumerate(zip(spot.lines, ('font-weight="bold"', "", f'fill="{RED}"'), strict=False)):
        y = top + PADDING / 2 + LINE * (i + 0.75)
        parts.append(f'<text x="{middle:.1f}" y="{y:.1f}" text-anchor="middle" {style}>{escape(line)}</text>')
    return "\n".join(parts)
