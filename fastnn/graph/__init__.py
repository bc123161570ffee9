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

from numpy.typing import ArrayLike

from fastnn.graph.node import Node, as_node
from fastnn.graph.operations import Axis

__all__ = ["Node", "exp", "log", "mean", "relu", "sigmoid", "sum", "tanh"]


def exp(x: Node | ArrayLike) -> Node:
    """Return `Node.exp`."""
    return as_node(x).exp()


def log(x: Node | ArrayLike) -> Node:
    """Return `Node.log`."""
    return as_node(x).log()


def sigmoid(z: Node | ArrayLike) -> Node:
    """Return `Node.sigmoid`."""
    return as_node(z).sigmoid()


def tanh(z: Node | ArrayLike) -> Node:
    """Return `Node.tanh`."""
    return as_node(z).tanh()


def relu(z: Node | ArrayLike) -> Node:
    """Return `Node.relu`."""
    return as_node(z).relu()


def sum(x: Node | ArrayLike, axis: Axis = None, keepdims: bool = False) -> Node:
    """Return `Node.sum`."""
    return as_node(x).sum(axis, keepdims)


def mean(x: Node | ArrayLike, axis: Axis = None, keepdims: bool = False) -> Node:
    """Return `Node.mean`."""
    return as_node(x).mean(axis, keepdims)
