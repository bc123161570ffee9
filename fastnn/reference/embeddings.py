"""The input stage: A[0] (width, m) from the columns of a table X (n[0], m), and the gradients of its parameters."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import ArrayLike

from fastnn.reference.checks import Array, float64

PARAMETERS = ("frequencies", "phases", "weights", "biases", "vectors")


def _codes(x: Array, count: int) -> np.ndarray:
    """Return the codes of a category column as ints; what is no integer of 0 .. count - 1 becomes 0."""
    known = np.isin(x, np.arange(count))
    return np.where(known, x, 0).astype(np.intp)


def _checked(
    X: ArrayLike, numbers: Sequence[int], categories: Mapping[int, int], parameters: Mapping[str, ArrayLike]
) -> tuple[Array, dict[str, Array]]:
    """Return X and the parameters in float64; raise ValueError if their shapes do not fit."""
    X = float64(X)
    checked = {name: float64(parameters[name]) for name in (*PARAMETERS, "scale") if name in parameters}
    if X.ndim != 2 or {*numbers, *categories} - set(range(len(X))) or {*numbers} & {*categories}:
        raise ValueError(f"numbers and categories must name different rows of X (n[0], m), got {numbers} and "
                         f"{categories} for X {X.shape}")
    if checked.keys() | {"scale"} != {*PARAMETERS, "scale"} or any(checked[name].ndim != n for name, n in
                                                                   zip(PARAMETERS, (2, 2, 3, 2, 2), strict=True)):
        raise ValueError(f"parameters must hold the matrices {', '.join(PARAMETERS)} (weights: three axes)")
    N, K, F = checked["weights"].shape
    expected = {"frequencies": (N, F), "phases": (N, F), "weights": (len(numbers), K, F), "biases": (N, K),
                "vectors": (sum(categories.values()), checked["vectors"].shape[1])}
    if any(checked[name].shape != shape for name, shape in expected.items()):
        raise ValueError(f"parameters must have the shapes {expected}")
    return X, checked


def _columns(
    X: Array, numbers: Sequence[int], categories: Mapping[int, int], parameters: dict[str, Array]
) -> list[tuple[Array, str, int, np.ndarray]]:
    """Return for each row of X its rows of E, its kind, its place among the numbers and the rows of its vectors."""
    first_vectors = dict(zip(sorted(categories), np.cumsum([0, *(categories[i] for i in sorted(categories))]),
                             strict=False))
    none = np.zeros(0, np.intp)
    columns = []
    for i, x in enumerate(X):
        if i in numbers:
            n = sorted(numbers).index(i)
            wave = np.cos(2 * np.pi * np.outer(parameters["frequencies"][n], x) + parameters["phases"][n][:, None])
            e = parameters["weights"][n] @ wave + parameters["biases"][n][:, None]
            columns.append((np.vstack([x, e]), "number", n, none))
        elif i in categories:
            rows = first_vectors[i] + _codes(x, categories[i])
            columns.append((parameters["vectors"][rows].T, "category", 0, rows))
        else:
            columns.append((x[None], "plain", 0, none))
    return columns


def embed(
    X: ArrayLike, numbers: Sequence[int], categories: Mapping[int, int], parameters: Mapping[str, ArrayLike]
) -> Array:
    """Return A[0] = s * E.

    Row i of X becomes one or more rows of E, in the order of the rows: a number x becomes x and U cos(2 pi v x + c) + d
    (PBLD; Holzmüller et al. 2024, *Better by default*), a category the vector of its code, another row itself.

    Parameters
    ----------
    X : array_like, (n[0], m)
    numbers : sequence of int
        The N rows of X that are embedded as numbers.
    categories : mapping of int to int
        Rows of X that hold codes, and how many there are. What is no integer of 0 .. count - 1 counts as 0.
    parameters : mapping of str to array_like
        ``frequencies`` v (N, F), ``phases`` c (N, F), ``weights`` U (N, K, F), ``biases`` d (N, K), ``vectors``
        (sum of the counts, length), by ascending rows of X; ``scale`` s (width), which may be missing: ones.

    Returns
    -------
    A : array, (width, m)
    """
    X, checked = _checked(X, numbers, categories, parameters)
    E = np.vstack([rows for rows, *_ in _columns(X, numbers, categories, checked)])
    return checked["scale"][:, None] * E if "scale" in checked else E


def embed_backward(
    X: ArrayLike, dA: ArrayLike, numbers: Sequence[int], categories: Mapping[int, int],
    parameters: Mapping[str, ArrayLike],
) -> dict[str, Array]:  # fmt: skip
    """Return the derivatives of a sum over examples with respect to each of `parameters`, from dA (width, m).

    The other arguments are those of `embed`.
    """
    X, checked = _checked(X, numbers, categories, parameters)
    columns = _columns(X, numbers, categories, checked)
    E, dA = np.vstack([rows for rows, *_ in columns]), float64(dA)
    if dA.shape != E.shape:
        raise ValueError(f"dA must have the shape (width, m) = {E.shape} of A[0], got {dA.shape}")
    gradients = {name: np.zeros_like(values) for name, values in checked.items()}
    if "scale" in checked:
        gradients["scale"] = np.sum(dA * E, axis=1)
        dA = checked["scale"][:, None] * dA
    row = 0
    for x, (rows, kind, n, vectors) in zip(X, columns, strict=True):
        dE = dA[row : row + len(rows)]
        row += len(rows)
        if kind == "category":
            np.add.at(gradients["vectors"], vectors, dE.T)
        elif kind == "number":
            angle = 2 * np.pi * np.outer(checked["frequencies"][n], x) + checked["phases"][n][:, None]
            d_angle = -np.sin(angle) * (checked["weights"][n].T @ dE[1:])
            gradients["biases"][n] = np.sum(dE[1:], axis=1)
            gradients["weights"][n] = dE[1:] @ np.cos(angle).T
            gradients["phases"][n] = np.sum(d_angle, axis=1)
            gradients["frequencies"][n] = 2 * np.pi * d_angle @ x
    return gradients
