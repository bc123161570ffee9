"""Gradient checking: compare analytic gradients of networks, kernels and functions with numerical derivatives.

Entries without a reliable numerical derivative are left out, because they lie at a kink or are lost in rounding errors.
`GradientCheck` counts them.
"""

from collections.abc import Callable, Mapping
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import runtime
from fastnn._core import kernels, registry
from fastnn._data import checks
from fastnn._data.targets import check_distributions
from fastnn.gradcheck._comparison import GradientCheck, compare
from fastnn.gradcheck._finite_differences import Array, by_entry, float64, numerical_derivative, shaped
from fastnn.losses import BY_NAME, Loss
from fastnn.network import Network

__all__ = ["GradientCheck", "check_activation", "check_function", "check_loss", "check_network", "check_parameters",
           "numerical_derivative"]


# ---- Checks ---------------------------------------------------------------------------------------------------------


def check_network(network: Network, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None,
                  step: float | None = None, entries: int | None = None,
                  random_state: int | np.random.Generator | None = None) -> GradientCheck:
    """Check `Network.gradients` against numerical derivatives of `Network.loss`; of other parameters `named_gradients`.

    The check works on a copy and never changes the network.

    Parameters
    ----------
    network : Network
        Its dtype must be float64.
    X, y, sample_weight
        As for `Network.fit`.
    step : float, optional
        Use the two-sided difference quotient with this step for every entry and leave no entry out. By default the step
        is found for each entry.
    entries : int, optional
        Number of parameters to check, drawn at random; by default all.
    random_state : int, numpy.random.Generator or None
        Seed of the draw.

    Returns
    -------
    GradientCheck

    Raises
    ------
    ValueError, TypeError
        If the network is not float64, or an argument is invalid.

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
    theta, layout = twin._parameters.theta, twin._parameters.layout
    gradient = np.empty_like(theta)
    if layout.extras:
        gradients = twin.named_gradients(X, y, sample_weight=sample_weight)[1]
        for name, _ in layout.extras:
            layout.named(gradient)[name][...] = gradients[name]
    _, dW, db = twin.gradients(X, y, sample_weight=sample_weight)
    for views, values in zip(layout.views(gradient), (dW, db), strict=True):
        for view, value in zip(views, values, strict=True):
            view[...] = value  # views[l] = value would raise for NaN, which the check must report

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
    """Check gradients stored in dictionaries as in the course: {"W1", "b1", ...} and {"dW1", "db1", ...}.

    Parameters
    ----------
    cost : callable
        ``cost(parameters)`` must return J, a single number. It is passed copies of the arrays, in float64.
    parameters : dict of str to array_like
        Not float32.
    gradients : dict of str to array_like
        The gradient of each parameter, in its shape, under its name with "d" in front. Other entries, such as dA1, are
        ignored.
    step, entries, random_state
        As for `check_network`.

    Returns
    -------
    GradientCheck
        `worst` has the form ``W2[0, 3]``.

    Raises
    ------
    ValueError, TypeError
        If a gradient is missing or has another shape, or an argument is invalid.
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
    """Check the gradient of a scalar function of an array.

    Parameters
    ----------
    f : callable
        ``f(x)`` must return a single number. It is passed a float64 copy of `x`.
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
        If the shapes differ, or an argument is invalid.
    """
    point = float64(x, "x")
    analytic = shaped(gradient, "gradient", point.shape)
    name = partial(_entry, "x", point.shape)
    return compare(by_entry(f, point), point.ravel(), analytic.ravel(), name, step, entries, random_state)


def check_activation(name: str, Z: ArrayLike, *, step: float | None = None) -> GradientCheck:
    """Check the compiled backward pass of an activation, dZ = dA * g'(Z), against its compiled forward pass.

    dA is random but the same at every call. A constant dA would give the gradient zero for softmax.

    Parameters
    ----------
    name : str
        One of `fastnn.reference.ACTIVATIONS`.
    Z : array_like (n, m)
        One column per example.
    step : float, optional
        As for `check_network`.

    Returns
    -------
    GradientCheck

    Raises
    ------
    ValueError, TypeError
        If the name is unknown or Z is invalid.
    """
    name = checks.name(name, registry.ACTIVATIONS, "activation")
    Z = _matrix(Z)
    dA = np.random.default_rng(0).standard_normal(Z.shape)

    def activated(Z: Array) -> Array:
        A = np.empty_like(Z)
        kernels.activate(name, Z, None, A, runtime.LEVEL)
        return A

    dZ = np.array(dA, order="F")
    kernels.activate_backward(name, Z if name in registry.KEEPS_Z else activated(Z), dZ, level=runtime.LEVEL)
    return _check_columns(lambda j, column: dA[:, j] @ activated(column)[:, 0], Z, dZ, step)


def check_loss(loss: str | Loss, Z: ArrayLike, Y: ArrayLike, *, step: float | None = None) -> GradientCheck:
    """Check the compiled derivative of a loss with respect to Z[L] if ``loss.from_z``, else to A[L].

    Parameters
    ----------
    loss : str or fastnn.losses.Loss
        A name selects the default parameters.
    Z : array_like (n[L], m)
        Z[L] or A[L].
    Y : array_like (n[L], m), or (n[L] / r, m) with r output units per target
        For cross_entropy columns of probabilities, such as one-hot ones, or labels (m,).
    step : float, optional
        As for `check_network`.

    Returns
    -------
    GradientCheck

    Raises
    ------
    ValueError, TypeError
        If the name is unknown, or Z or Y is invalid.
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
        loss.check_outputs(n)
        targets = np.asfortranarray(shaped(Y, "Y", (n // loss.per_target, m)))
        if name == "cross_entropy":
            check_distributions(targets.T, "the transpose of Y", targets.dtype)

    def run(Z: Array, targets: NDArray[Any]) -> tuple[float, Array]:
        dZ = np.empty_like(Z)
        return kernels.loss(name, Z, targets, None, dZ, runtime.LEVEL, parameter), dZ

    _, dZ = run(Z, targets)
    return _check_columns(lambda j, column: run(column, targets[..., j : j + 1])[0], Z, dZ, step)


# ---- Helpers --------------------------------------------------------------------------------------------------------


def _check_columns(f: Callable[[int, Array], Any], Z: Array, dZ: Array, step: float | None) -> GradientCheck:
    """Compare dZ (n, m) with numerical derivatives of ``f(j, Z[:, [j]])``, as each column only affects its own term."""
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
    """Return the label of an array entry, such as ``W1[0, 3]``."""
    place = ", ".join(str(int(index)) for index in np.unravel_index(position, shape))
    return f"{name}[{place}]" if place else name
