"""Gradient checking: numerical derivatives against the analytic gradients of networks, kernels and functions.

Where an entry has no reliable numerical derivative it is left out: see `fastnn.gradcheck.compare`.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import runtime
from fastnn._core import kernels
from fastnn._data import checks
from fastnn.gradcheck.comparison import GradientCheck, compare
from fastnn.gradcheck.finite_differences import Array, by_entry, float64, numerical_derivative, shaped
from fastnn.losses import BY_NAME, Loss
from fastnn.network import Network

__all__ = ["GradientCheck", "check_activation", "check_function", "check_loss", "check_network", "check_parameters",
           "numerical_derivative"]


# ---- What can be checked --------------------------------------------------------------------------------------------


def check_network(network: Network, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None,
                  step: float | None = None, entries: int | None = None,
                  random_state: int | np.random.Generator | None = None) -> GradientCheck:
    """Check `Network.gradients` against numerical derivatives of `Network.loss`.

    The work is done on a copy: the network itself is never changed.

    Parameters
    ----------
    network : Network
        Of dtype float64.
    X, y, sample_weight
        As for `Network.fit`.
    step : float, optional
        Use the plain two-sided quotient with this step for every entry; no entry is then left out.
    entries : int, optional
        Check this many parameters, drawn at random; by default all.
    random_state : int, numpy.random.Generator or None
        Draws them.

    Returns
    -------
    GradientCheck

    Raises
    ------
    ValueError, TypeError
        If the network is not float64, or an argument not as described.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import Network
    >>> from fastnn.gradcheck import check_network
    >>> net = Network([2, 4, 1], activation="tanh", output="sigmoid", dtype="float64", random_state=1)
    >>> check_network(net, np.eye(2), [0, 1]).passed()
    True
    """
    if not isinstance(network, Network):
        raise TypeError(f"network must be a fastnn.Network, got {type(network).__name__}")
    if network.dtype != np.float64:
        raise ValueError(f"a gradient check needs a network of dtype float64, got {network.dtype}, whose rounding "
                         "hides small errors: build it with dtype='float64' and copy W and b into it")
    twin = network.copy()
    theta, layout = twin._model.theta, twin._model.layout
    _, dW, db = twin.gradients(X, y, sample_weight=sample_weight)
    gradient = np.empty_like(theta)
    for views, values in zip(layout.views(gradient), (dW, db), strict=True):
        for view, value in zip(views, values, strict=True):
            view[...] = value  # not views[l] = value, which would refuse the NaN that is to be found

    def J(position: int, value: float) -> float:
        kept = theta[position]
        theta[position] = value
        result = twin.loss(X, y, sample_weight=sample_weight, n_threads=1)
        theta[position] = kept
        return result

    return compare(J, theta, gradient, layout.names, step, entries, random_state)


def check_parameters(cost: Callable[[dict[str, Array]], Any], parameters: Mapping[str, ArrayLike],
                     gradients: Mapping[str, ArrayLike], *, step: float | None = None, entries: int | None = None,
                     random_state: int | np.random.Generator | None = None) -> GradientCheck:
    """Check gradients in the course's form: parameters {"W1", "b1", ...}, gradients {"dW1", "db1", ...}.

    Parameters
    ----------
    cost : callable
        ``cost(parameters)``: J, a single number; gets float64 arrays of its own.
    parameters : dict of str to array_like
        Not float32.
    gradients : dict of str to array_like
        For each parameter its name after a "d", in its shape. Others (such as dA1) are ignored.
    step, entries, random_state
        As for `check_network`.

    Returns
    -------
    GradientCheck
        `worst` is such as ``W2[0, 3]``.

    Raises
    ------
    ValueError, TypeError
        If a gradient is missing or has another shape, or an argument is not as described.
    """
    for mapping, what in ((parameters, "parameters"), (gradients, "gradients")):
        if not isinstance(mapping, Mapping):
            raise TypeError(f"{what} must be a dict of names and arrays, got {type(mapping).__name__}")
    if not parameters:
        raise ValueError("parameters must hold at least one array")
    missing = [f"d{name}" for name in parameters if f"d{name}" not in gradients]
    if missing:
        raise ValueError(f"gradients must hold {', '.join(missing)}; got {', '.join(map(str, gradients)) or 'nothing'}")
    values = {name: float64(value, name) for name, value in parameters.items()}
    pairs = [shaped(gradients[f"d{name}"], f"d{name}", value.shape) for name, value in values.items()]
    theta = np.concatenate([value.ravel() for value in values.values()])
    starts = np.cumsum([0, *(value.size for value in values.values())])

    def J(theta: Array) -> Any:
        parts = zip(values.items(), np.split(theta, starts[1:-1]), strict=True)
        return cost({name: part.reshape(value.shape) for (name, value), part in parts})

    def entry(position: int) -> str:
        which = int(np.searchsorted(starts, position, side="right")) - 1
        name = list(values)[which]
        return _entry(name, values[name].shape, position - starts[which])

    gradient = np.concatenate([pair.ravel() for pair in pairs])
    return compare(by_entry(J, theta, "cost(parameters)"), theta, gradient, entry, step, entries, random_state)


def check_function(f: Callable[[Array], Any], x: ArrayLike, gradient: ArrayLike, *, step: float | None = None,
                   entries: int | None = None, random_state: int | np.random.Generator | None = None) -> GradientCheck:
    """Check the gradient of a function of an array.

    Parameters
    ----------
    f : callable
        ``f(x)``: a single number; gets a float64 array of its own, of the shape of `x`.
    x : array_like
        Not float32.
    gradient : array_like of the shape of `x`
        df/dx.
    step, entries, random_state
        As for `check_network`.

    Returns
    -------
    GradientCheck

    Raises
    ------
    ValueError, TypeError
        If the shapes differ, or an argument is not as described.
    """
    point = float64(x, "x")
    analytic = shaped(gradient, "gradient", point.shape)
    return compare(by_entry(f, point), point.ravel(), analytic.ravel(),
                    partial(_entry, "x", point.shape), step, entries, random_state)


def check_activation(name: str, Z: ArrayLike, *, step: float | None = None) -> GradientCheck:
    """Check the compiled backward pass of an activation, dZ = dA * g'(Z), against its compiled forward pass.

    dA is random, the same at every call: for softmax a constant one would have the gradient zero.

    Parameters
    ----------
    name : str
        One of `fastnn.reference.ACTIVATIONS`.
    Z : array_like (n, m)
        A column per example.
    step : float, optional
        As for `check_network`.

    Returns
    -------
    GradientCheck

    Raises
    ------
    ValueError, TypeError
        If the name is unknown or Z not as described.
    """
    name = checks.name(name, kernels.ACTIVATIONS, "activation")
    Z = _matrix(Z)
    dA = np.random.default_rng(0).standard_normal(Z.shape)

    def activated(Z: Array) -> Array:
        A = np.empty_like(Z)
        kernels.activate(name, Z, None, A, runtime.LEVEL)
        return A

    dZ = np.array(dA, order="F")
    kernels.activate_backward(name, Z if name in kernels.KEEPS_Z else activated(Z), dZ, level=runtime.LEVEL)
    return _check_columns(lambda j, column: dA[:, j] @ activated(column)[:, 0], Z, dZ, step)


def check_loss(loss: str | Loss, Z: ArrayLike, Y: ArrayLike, *, step: float | None = None) -> GradientCheck:
    """Check the compiled derivative of a loss, by Z[L] if ``loss.from_z``, else by A[L].

    Parameters
    ----------
    loss : str or fastnn.losses.Loss
        A name stands for the default parameters.
    Z : array_like (n[L], m)
        Z[L] or A[L].
    Y : array_like (n[L], m)
        One-hot columns for cross_entropy, or labels (m,).
    step : float, optional
        As for `check_network`.

    Returns
    -------
    GradientCheck

    Raises
    ------
    ValueError, TypeError
        If the name is unknown, or Z and Y not as described.
    """
    if not isinstance(loss, Loss):
        loss = BY_NAME[checks.name(loss, tuple(BY_NAME), "loss")]()
    name, parameter = loss.name, loss.parameter
    Z = _matrix(Z)
    n, m = Z.shape
    targets: NDArray[Any]
    if name == "cross_entropy" and np.ndim(Y) == 1:
        targets = checks.labels(Y, m, n, "Y")
    else:
        targets = np.asfortranarray(shaped(Y, "Y", Z.shape))
        if name == "cross_entropy":
            targets = checks.labels(targets.T, m, n, "the transpose of Y")

    def run(Z: Array, targets: NDArray[Any]) -> tuple[float, Array]:
        dZ = np.empty_like(Z)
        return kernels.loss(name, Z, targets, None, dZ, runtime.LEVEL, parameter), dZ

    _, dZ = run(Z, targets)
    return _check_columns(lambda j, column: run(column, targets[..., j : j + 1])[0], Z, dZ, step)


# ---- What they share -------------------------------------------------------------------------------------------------


def _check_columns(f: Callable[[int, Array], Any], Z: Array, dZ: Array, step: float | None) -> GradientCheck:
    """Compare dZ with the derivatives of ``f(number, column (n, 1))``: a column depends on no other."""
    columns = [by_entry(partial(f, j), Z[:, j : j + 1]) for j in range(Z.shape[1])]

    def along(position: int, value: float) -> float:
        row, j = divmod(position, len(columns))
        return columns[j](row, value)

    return compare(along, Z.ravel(), dZ.ravel(), partial(_entry, "Z", Z.shape), step)


def _matrix(Z: Any) -> Array:
    array = float64(Z, "Z")
    if array.ndim != 2:
        raise ValueError(f"Z must have shape (n, m), a column per example, got {array.shape}")
    return np.asfortranarray(array)


def _entry(name: str, shape: tuple[int, ...], position: int) -> str:
    """Return the name of an entry of an array, such as ``W1[0, 3]``."""
    place = ", ".join(str(int(index)) for index in np.unravel_index(position, shape))
    return f"{name}[{place}]" if place else name
