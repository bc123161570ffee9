"""Computation graphs as in the course: values forward, derivatives backward by the chain rule, and drawings of both.

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

Graphs are meant for learning and for checking gradients, not for training. They share no code with the rest of fastnn
and so provide an independent reference.
"""

from numpy.typing import ArrayLike

from fastnn.graph._node import Node, as_node
from fastnn.graph._operations import Axis

__all__ = ["Node", "exp", "log", "mean", "relu", "sigmoid", "sum", "tanh"]


def exp(x: Node | ArrayLike) -> Node:
    """Apply `Node.exp` to a node, number or array."""
    return as_node(x).exp()


def log(x: Node | ArrayLike) -> Node:
    """Apply `Node.log` to a node, number or array."""
    return as_node(x).log()


def sigmoid(z: Node | ArrayLike) -> Node:
    """Apply `Node.sigmoid` to a node, number or array."""
    return as_node(z).sigmoid()


def tanh(z: Node | ArrayLike) -> Node:
    """Apply `Node.tanh` to a node, number or array."""
    return as_node(z).tanh()


def relu(z: Node | ArrayLike) -> Node:
    """Apply `Node.relu` to a node, number or array."""
    return as_node(z).relu()


def sum(x: Node | ArrayLike, axis: Axis = None, keepdims: bool = False) -> Node:
    """Apply `Node.sum` to a node, number or array."""
    return as_node(x).sum(axis, keepdims)


def mean(x: Node | ArrayLike, axis: Axis = None, keepdims: bool = False) -> Node:
    """Apply `Node.mean` to a node, number or array."""
    return as_node(x).mean(axis, keepdims)
