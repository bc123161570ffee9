"""The operations of the graph: value, and derivative with respect to each operand."""

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.graph._labels import label, shown, sized

if TYPE_CHECKING:
    from fastnn.graph._node import Node

__all__ = ["Array", "Axis", "Derivative", "Result", "add", "divide", "exp", "log", "matmul", "multiply", "negative",
           "power", "reduce", "relu", "reshape", "sigmoid", "subtract", "tanh", "transpose", "unbroadcast"]

Array = NDArray[np.float64]
Axis = int | tuple[int, ...] | None
# Maps d output / d result to d output / d operand, before the sum over broadcast axes. The closures hold arrays, not
# nodes: Python would free a long chain of nodes recursively and overflow the stack.
Derivative = Callable[[Array], Any]


class Result(NamedTuple):
    """The data with which an operation creates a node."""

    operation: str
    template: str  # the formula, with {} for each operand
    value: Any
    derivatives: tuple[Derivative, ...]  # one per operand


# ---- Two operands ---------------------------------------------------------------------------------------------------


def _elementwise(symbol: str, a: "Node", b: "Node", function: Callable[[Array, Array], Any], by_a: Derivative,
                 by_b: Derivative) -> Result:
    try:
        np.broadcast_shapes(a.shape, b.shape)
    except ValueError:
        raise ValueError(f"{label(a)} {symbol} {label(b)}: the shapes {a.shape} and {b.shape} do not broadcast: "
                         "from the right, each two sizes must be equal or one of them 1") from None
    return Result(symbol, f"{{}} {symbol} {{}}", function(a._array, b._array), (by_a, by_b))


def unbroadcast(g: Array, shape: tuple[int, ...]) -> Array:
    """Sum the derivative `g` over the axes along which an operand of shape `shape` was broadcast."""
    if g.shape == shape:
        return g
    g = np.asarray(g.sum(axis=tuple(range(g.ndim - len(shape)))))
    stretched = tuple(axis for axis, n in enumerate(shape) if n != g.shape[axis])
    return np.asarray(g.sum(axis=stretched, keepdims=True))


def add(a: "Node", b: "Node") -> Result:
    return _elementwise("+", a, b, np.add, lambda g: g, lambda g: g)


def subtract(a: "Node", b: "Node") -> Result:
    return _elementwise("-", a, b, np.subtract, lambda g: g, lambda g: -g)


def multiply(a: "Node", b: "Node") -> Result:
    x, y = a._array, b._array
    return _elementwise("*", a, b, np.multiply, lambda g: g * y, lambda g: g * x)


def divide(a: "Node", b: "Node") -> Result:
    x, y = a._array, b._array
    if np.any(y == 0):
        raise ValueError(f"{label(a)} / {label(b)}: division by zero, {label(b)} = {shown(y)}")
    return _elementwise("/", a, b, np.divide, lambda g: g / y, lambda g: -g * (x / y) / y)


def power(a: "Node", b: "Node") -> Result:
    x, y = a._array, b._array

    def by_base(g: Array) -> Any:
        return g * np.where(y == 0, 0.0, y * np.power(x, np.where(y == 0, 1.0, y - 1)))

    # x^y log x; at x = 0 it is 0 for y > 0 (0^y = 0 around y), else NaN, as x^y is undefined for exponents near y
    def by_exponent(g: Array) -> Any:
        defined = np.where((x == 0) & (y > 0), 0.0, np.nan)
        return g * np.where(x > 0, np.power(x, y) * np.log(np.where(x > 0, x, 1.0)), defined)

    return _elementwise("**", a, b, np.power, by_base, by_exponent)


def matmul(a: "Node", b: "Node") -> Result:
    x, y = a._array, b._array
    if not 1 <= x.ndim <= 2 or not 1 <= y.ndim <= 2:
        raise ValueError(f"{label(a)} @ {label(b)} multiplies vectors and matrices, got the shapes {x.shape} and "
                         f"{y.shape}: for numbers use *")
    if x.shape[-1] != y.shape[0]:
        raise ValueError(f"{label(a)} @ {label(b)}: the shapes {x.shape} and {y.shape} do not chain: "
                         f"{label(a)} has {x.shape[-1]} columns, {label(b)} has {y.shape[0]} rows")
    X, Y = np.atleast_2d(x), y.reshape(len(y), -1)  # a vector counts as a row on the left, a column on the right
    return Result("@", "{} @ {}", x @ y, (lambda g: (g.reshape(len(X), -1) @ Y.T).reshape(x.shape),
                                          lambda g: (X.T @ g.reshape(len(X), -1)).reshape(y.shape)))


# ---- One operand ----------------------------------------------------------------------------------------------------


def _function(name: str, value: Any, derivative: Derivative, settings: str = "") -> Result:
    return Result(name, f"{name}({{}}{settings})", value, (derivative,))


def negative(x: "Node") -> Result:
    return Result("-", "-{}", -x._array, (lambda g: -g,))


def exp(x: "Node") -> Result:
    A = np.exp(x._array)
    return _function("exp", A, lambda g: g * A)


def log(x: "Node") -> Result:
    z = x._array
    if np.any(z <= 0):
        raise ValueError(f"log({label(x)}) needs positive numbers, got {z.min():.6g}")
    return _function("log", np.log(z), lambda g: g / z)


def _sigmoid(z: Array) -> Array:
    e: Array = np.exp(-np.abs(z))  # never overflows
    return np.where(z < 0, e, 1.0) / (1 + e)


def sigmoid(x: "Node") -> Result:
    z = x._array
    A = _sigmoid(z)
    return _function("sigmoid", A, lambda g: g * (A * _sigmoid(-z)))


def tanh(x: "Node") -> Result:
    z = x._array
    # equals g * (1 - tanh(z)^2), without cancellation
    return _function("tanh", np.tanh(z), lambda g: g * (4 * _sigmoid(2 * z) * _sigmoid(-2 * z)))


def relu(x: "Node") -> Result:
    z = x._array
    return _function("relu", np.maximum(z, 0), lambda g: g * (z > 0))


def reduce(x: "Node", name: str, axis: Axis, keepdims: bool) -> Result:
    """Return the sum or the mean over `axis`, according to `name`."""
    try:
        array = np.sum(x._array, axis=axis, keepdims=True)
    except ValueError as error:  # numpy.exceptions.AxisError is one
        raise ValueError(f"{name} of {sized(x)} over axis {axis}: {error}") from None
    full, kept = x.shape, array.shape
    divisor = x._array.size // array.size if name == "mean" else 1
    value = array / divisor if keepdims else np.squeeze(array / divisor, axis=axis)
    settings = f", axis={axis}" * (axis is not None) + ", keepdims=True" * bool(keepdims)
    return _function(name, value, lambda g: np.broadcast_to(g.reshape(kept) / divisor, full), settings)


def reshape(x: "Node", shape: tuple[Any, ...]) -> Result:
    try:
        array = x._array.reshape(*shape)
    except ValueError:
        raise ValueError(f"{sized(x)} cannot take the shape {shape}") from None
    before = x.shape
    return _function("reshape", array, lambda g: g.reshape(before), f", {array.shape}")


def transpose(x: "Node") -> Result:
    return Result("T", "{}.T", x._array.T, (lambda g: g.T,))
