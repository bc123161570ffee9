"""Labels of nodes in error messages and drawings."""

import math
import re
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from fastnn.graph._node import Node

__all__ = ["formula", "label", "short", "shown", "sized"]

MAX_SHOWN_ENTRIES = 3  # larger arrays are summarised


def shown(array: NDArray[np.float64]) -> str:
    """Format a number or a small array in full, a large array as its shape and norm."""
    if array.ndim == 0:
        return format(array + 0.0, ".6g")  # + 0.0 turns -0 into 0
    if 0 < array.size <= MAX_SHOWN_ENTRIES:
        return str(np.vectorize(lambda x: format(x + 0.0, ".4g"), otypes=[object])(array).tolist()).replace("'", "")
    # hypot, because squares of entries above 1e154 overflow
    return f"array{array.shape}" + (f", norm {math.hypot(*array.flat):.4g}" if array.size else "")


def short(text: str, width: int = 40) -> str:
    """Return the text on one line, at most `width` characters long; characters invalid in XML are replaced."""
    text = re.sub("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "\ufffd", text)
    text = " ".join(text.split())
    return text if len(text) <= width else f"{text[: width - 1]}…"


def label(node: "Node") -> str:
    """Return the name of a node; without one its formula, or the value of an input."""
    if node.name:
        return short(node.name)
    if node.operation:
        text = formula(node)
        return f"({text})" if node._template.startswith(("{} ", "-")) else text
    return f"array{node.shape}" if node.shape else shown(node._array)


def sized(node: "Node") -> str:
    """Return the label and the shape of a node."""
    return f"{label(node)} of shape {node.shape}"


def formula(node: "Node") -> str:
    """Return the formula of a computed node, such as ``a + b``, with the labels of its operands."""
    operands = [label(x) if x.name or not x.operation else "(...)" for x in node._operands]
    return node._template.format(*operands)
