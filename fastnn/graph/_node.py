"""`Node`: a value in a computation graph, with its derivatives."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from fastnn.graph import _drawing, _operations
from fastnn.graph._labels import formula, label, short, shown, sized
from fastnn.graph._operations import Array, Axis, Derivative, Result

__all__ = ["Node", "as_node"]


def _real(value: Any, what: str) -> Array:
    """Return a finite, non-empty float64 copy of `value`; `what` names it in error messages."""
    if np.ma.is_masked(value):
        raise ValueError(f"{what} must be a number or an array without masked entries")
    try:
        array = np.array(value)
    except ValueError as error:  # ragged lists
        raise ValueError(f"{what} must be a number or an array: {error}") from None
    if array.dtype.kind not in "fiub":
        kind = array.dtype if isinstance(value, np.ndarray) else type(value).__name__
        raise TypeError(f"{what} must be a real number or an array of them, got {kind}")
    array = array.astype(np.float64)
    if array.size == 0 or not np.isfinite(array).all():
        raise ValueError(f"{what} must be finite and not empty, got {shown(array)}")
    return array


def _public(array: Array) -> float | Array:
    return float(array) if array.ndim == 0 else array


def as_node(value: "Node | ArrayLike") -> "Node":
    """Return a node unchanged; convert a number or an array to a constant node."""
    if isinstance(value, Node):
        return value
    node = Node(value)
    node._constant = True
    return node


def _apply(operation: Callable[..., Result], *operands: "Node | ArrayLike", **settings: Any) -> "Node":
    """Apply an operation and return the resulting node."""
    nodes = tuple(map(as_node, operands))
    with np.errstate(all="ignore"):  # non-finite results raise below
        result = operation(*nodes, **settings)
    node = Node.__new__(Node)
    node._set(np.asarray(result.value, dtype=np.float64).view(), nodes, result)
    if not np.isfinite(node._array).all():
        values = ", ".join(f"{label(x)} = {shown(x._array)}" for x in nodes)
        raise ValueError(f"{formula(node)} is not a finite number at {values}")
    return node


Operator = Callable[["Node", "Node | ArrayLike"], "Node"]


def _operator(operation: Callable[["Node", "Node"], Result]) -> tuple[Operator, Operator]:
    """Return the method of a binary operator and its reflected version."""

    def method(self: "Node", other: "Node | ArrayLike") -> "Node":
        return _apply(operation, self, other)

    def reflected(self: "Node", other: "Node | ArrayLike") -> "Node":
        return _apply(operation, other, self)

    return method, reflected


class Node:
    """A variable of a computation graph: an input, or the result of an operation on other nodes.

    Operations: ``+ - * / ** @`` and unary minus between nodes, numbers and arrays in any order, with NumPy
    broadcasting; `exp`, `log`, `sigmoid`, `tanh`, `relu`, `sum`, `mean`, `reshape`, ``T``. All values are float64.

    Parameters
    ----------
    value : array_like
        Finite real numbers of any shape; copied.
    name : str, optional
        Shown in drawings and error messages; may be set later.

    Attributes
    ----------
    value : float or ndarray
        Read-only; a float if the shape is ().
    grad : float, ndarray or None
        Derivative of the output with respect to this node, in the shape of `value`; None before `backward`.
    name : str or None
    operation : str or None
        For example ``*`` or ``exp``; None for an input.
    parents : tuple of Node
        Nodes from which it was computed; constants (numbers and arrays) are not included.

    Raises
    ------
    TypeError
        If the value does not consist of real numbers, or the name is not a str.
    ValueError
        If the value is empty or not finite. Operations raise it outside their domain and if the result overflows.
    """

    __slots__ = ("__weakref__", "_array", "_constant", "_derivatives", "_name", "_of", "_operands", "_template",
                 "grad", "operation")
    __array_ufunc__ = None  # ndarray + Node calls Node.__radd__

    def __init__(self, value: ArrayLike, name: str | None = None) -> None:
        self._set(_real(value, "the value of a node" if name is None else f"the value of {name}"))
        self.name = name

    def _set(self, array: Array, operands: tuple["Node", ...] = (), result: Result | None = None) -> None:
        array.flags.writeable = False
        self._array = array
        self._operands = operands
        self._constant = False  # constants are not drawn and have no derivative
        self._name: str | None = None
        self._of = ""  # name of the output that `grad` is the derivative of
        self._template = result.template if result else ""
        self._derivatives: tuple[Derivative, ...] = result.derivatives if result else ()
        self.operation = result.operation if result else None
        self.grad: float | Array | None = None

    @property
    def value(self) -> float | Array:
        """The number or array."""
        return _public(self._array)

    @property
    def name(self) -> str | None:
        """The name in drawings and error messages."""
        return self._name

    @name.setter
    def name(self, name: str | None) -> None:
        if name is not None and not isinstance(name, str):
            raise TypeError(f"the name of a node must be a str, got {type(name).__name__}")
        self._name = name

    @property
    def parents(self) -> tuple["Node", ...]:
        """The nodes from which it was computed."""
        return tuple(operand for operand in self._operands if not operand._constant)

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the value."""
        return self._array.shape

    def __repr__(self) -> str:
        title = short(self.name or (formula(self) if self.operation else ""), 60)
        return f"Node({f'{title} = ' if title else ''}{shown(self._array)})"

    # Operations

    __add__, __radd__ = _operator(_operations.add)
    __sub__, __rsub__ = _operator(_operations.subtract)
    __mul__, __rmul__ = _operator(_operations.multiply)
    __truediv__, __rtruediv__ = _operator(_operations.divide)
    __pow__, __rpow__ = _operator(_operations.power)
    __matmul__, __rmatmul__ = _operator(_operations.matmul)

    def __neg__(self) -> "Node":
        return _apply(_operations.negative, self)

    def exp(self) -> "Node":
        """Return e^x."""
        return _apply(_operations.exp, self)

    def log(self) -> "Node":
        """Return the natural logarithm; raise ValueError unless all entries are positive."""
        return _apply(_operations.log, self)

    def sigmoid(self) -> "Node":
        """Return g = 1 / (1 + e^-z), with derivative g (1 - g)."""
        return _apply(_operations.sigmoid, self)

    def tanh(self) -> "Node":
        """Return the hyperbolic tangent g, with derivative 1 - g^2."""
        return _apply(_operations.tanh, self)

    def relu(self) -> "Node":
        """Return max(0, z), with derivative 0 at z = 0."""
        return _apply(_operations.relu, self)

    def sum(self, axis: Axis = None, keepdims: bool = False) -> "Node":
        """Return the sum over one, several or all axes, as `numpy.sum`."""
        return _apply(_operations.reduce, self, name="sum", axis=axis, keepdims=keepdims)

    def mean(self, axis: Axis = None, keepdims: bool = False) -> "Node":
        """Return the mean over one, several or all axes, as `numpy.mean`."""
        return _apply(_operations.reduce, self, name="mean", axis=axis, keepdims=keepdims)

    def reshape(self, *shape: Any) -> "Node":
        """Return the same entries in another shape, as `numpy.ndarray.reshape`."""
        return _apply(_operations.reshape, self, shape=shape)

    @property
    def T(self) -> "Node":
        """The transpose."""
        return _apply(_operations.transpose, self)

    # Derivatives

    def backward(self, grad: ArrayLike | None = None) -> None:
        """Set `grad` of this node and of all nodes it depends on to the derivative of this node.

        Contributions along several paths are summed. Another call does not accumulate: it replaces `grad` of every node
        that it reaches and leaves other nodes unchanged.

        Parameters
        ----------
        grad : array_like of the shape of `value`, optional
            Derivative of a later quantity with respect to this node; by default 1, for a single number only.

        Raises
        ------
        ValueError
            If `grad` is missing or has another shape, or a derivative is not finite. No `grad` changes in that case.
        """
        if grad is None:
            if self._array.size != 1:
                raise ValueError(f"backward of {sized(self)} needs grad, an array of this shape: "
                                 "only a single number has derivatives without it")
            grad = np.ones(self.shape)
        seed = _real(grad, "grad")
        if seed.shape != self.shape:
            raise ValueError(f"grad must have the shape of {sized(self)}, got {seed.shape}")
        grads = {self: seed}
        with np.errstate(all="ignore"):
            for node in reversed(_history(self)):
                for operand, derivative in zip(node._operands, node._derivatives, strict=True):
                    if operand._constant:
                        continue
                    part = _operations.unbroadcast(np.asarray(derivative(grads[node])), operand.shape)
                    total = grads[operand] + part if operand in grads else part
                    if not np.isfinite(total).all():
                        raise ValueError(f"the derivative of {formula(node)} by {label(operand)} is not finite at "
                                         f"{label(operand)} = {shown(operand._array)}")
                    grads[operand] = total
        for node, total in grads.items():
            node.grad = _public(np.array(total))  # copy, because contributions may share memory
            node._of = self.name or "output"

    # Drawings

    def draw(self, path: str | os.PathLike[str] | None = None) -> str:
        """Draw the graph that leads to this node: the formula, value and derivative of each node.

        Parameters
        ----------
        path : str or path, optional
            SVG file to write. By default the drawing is text, which shows only the first and last nodes of a large
            graph.

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
            return _drawing.text(_history(self))
        if Path(path).suffix.lower() != ".svg":
            raise ValueError(f"a graph is drawn as SVG: the path must end in .svg, got {os.fspath(path)!r}")
        document = _drawing.svg(_history(self))
        Path(path).write_text(document, encoding="utf-8", newline="\n")
        return document

    def _repr_svg_(self) -> str | None:
        """Return the drawing that notebooks show, or None for a large graph."""
        order = _history(self)
        return _drawing.svg(order) if len(order) <= _drawing.MAX_DRAWN else None


def _history(output: Node) -> list[Node]:
    """Return the output and all nodes it depends on, each after its parents (without recursion)."""
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
