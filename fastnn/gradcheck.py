"""Gradient checking: numerical derivatives against the analytic gradients of networks, kernels and functions.

The two-sided quotient D(h) = (f(x + h) - f(x - h)) / 2h is off by h^2/6 f''' and by rounding, some eps |f| / h. The sum
is least at h = cbrt(3 eps |f / f'''|) and then of the order eps^(2/3), 4e-11 |f|: too near to 1e-7 where the gradient
is small beside J, and f''' is not known. So one step of Richardson extrapolation, R = (16 D(h) - D(4h)) / 15, removes
the h^2 term, which leaves the order eps^(4/5), 3e-13 |f|. And h is found for each entry: it is divided by 4, from 2^-8
to 2^-24 (times the entry's power of two, if above 1), and the R is taken whose error estimate is least: its difference
from the R before plus eps |f| / h, as in Ridders, Accurate computation of F'(x) and F'(x) F''(x), Advances in
Engineering Software 4 (1982). Long steps that cross a kink of relu disagree, and shorter ones win.

At a kink itself the two-sided quotient is the mean of both slopes, whatever h. So the difference of the one-sided
slopes, S(h) = (f(x + h) - 2 f(x) + f(x - h)) / h, is extrapolated to h = 0 by (4 S(h) - S(4h)) / 3; what is left
beyond rounding is a jump of the slope and is added to the error estimate. Entries whose estimate is not small beside
the norm of the gradient have no derivative to compare with: they are left out, and counted. Where the whole gradient
is nearly zero (at a minimum, or all units saturated) that is all of them: check elsewhere.
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from fastnn import runtime, validation
from fastnn._core import _kernels
from fastnn.network import Network

__all__ = ["GradientCheck", "check_activation", "check_function", "check_loss", "check_network", "check_parameters",
           "numerical_derivative"]

Array = NDArray[np.float64]

FIRST_STEP, STEPS = 2.0**-8, 9  # each step is a quarter of the one before: powers of 2, so that x + h is exact
EPS = float(np.finfo(np.float64).eps)
# A jump counts from this many EPS |f| / h: S(h) adds up 4 values of f and gets the factor 4/3, S(4h) adds another 1/3,
# and each value has the 2 to 10 roundings of a mean over examples.
ROUNDINGS = 64
RELIABLE = 1e-8  # an entry's largest error estimate, relative to the norm of the gradient


@dataclass(frozen=True)
class GradientCheck:
    """How well a gradient agrees with numerical derivatives.

    Attributes
    ----------
    relative_error : float
        ||analytic - numeric|| / (||analytic|| + ||numeric||) over the compared entries; NaN if there are none, or if
        the gradient holds NaN.
    worst : str
        The entry where the two differ most, in the notes' notation: ``W[2][0, 3]``.
    analytic, numeric : float
        The two derivatives there.
    entries : int
        How many were compared.
    left_out : int
        How many have no reliable numerical derivative: at a kink, or lost in the rounding of f.
    """

    relative_error: float
    worst: str
    analytic: float
    numeric: float
    entries: int
    left_out: int

    def passed(self, tolerance: float = 1e-7) -> bool:
        """Return whether entries were compared and the relative error is at most `tolerance`."""
        return self.relative_error <= tolerance

    def __str__(self) -> str:
        omitted = f"; {self.left_out} left out: no reliable numerical derivative (kink or rounding)"
        if not self.entries:
            return f"no entries compared{omitted}"
        return (f"relative error {self.relative_error:.2e} over {self.entries} entries; worst {self.worst}: "
                f"analytic {self.analytic:.10g}, numeric {self.numeric:.10g}{omitted if self.left_out else ''}")


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

    return _compare(J, theta, gradient, layout.names, step, entries, random_state)


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
    values = {name: _float64(value, name) for name, value in parameters.items()}
    pairs = [_shaped(gradients[f"d{name}"], f"d{name}", value.shape) for name, value in values.items()]
    theta = np.concatenate([value.ravel() for value in values.values()])
    starts = np.cumsum([0, *(value.size for value in values.values())])

    def J(position: int, x: float) -> float:
        moved = theta.copy()
        moved[position] = x
        parts = np.split(moved, starts[1:-1])
        named = {name: part.reshape(value.shape) for (name, value), part in zip(values.items(), parts, strict=True)}
        return _number(cost(named), "cost(parameters)")

    def entry(position: int) -> str:
        which = int(np.searchsorted(starts, position, side="right")) - 1
        name = list(values)[which]
        return _entry(name, position - starts[which], values[name].shape)

    gradient = np.concatenate([pair.ravel() for pair in pairs])
    return _compare(J, theta, gradient, entry, step, entries, random_state)


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
    point = _float64(x, "x")
    analytic = _shaped(gradient, "gradient", point.shape)
    return _compare(_by_entry(f, point), point.ravel(), analytic.ravel(),
                    lambda position: _entry("x", position, point.shape), step, entries, random_state)


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
    name = validation.name(name, _kernels.ACTIVATIONS, "activation")
    Z = _matrix(Z, "Z")
    dA = np.random.default_rng(0).standard_normal(Z.shape)

    def activated(Z: Array) -> Array:
        A = np.empty_like(Z)
        _kernels.activate(name, Z, None, A, runtime.LEVEL)
        return A

    dZ = np.array(dA, order="F")
    _kernels.activate_backward(name, Z if name in _kernels.KEEPS_Z else activated(Z), dZ, level=runtime.LEVEL)
    return _check_columns(lambda column, j: float(dA[:, j] @ activated(column)[:, 0]), Z, dZ, step)


def check_loss(name: str, Z: ArrayLike, Y: ArrayLike, *, step: float | None = None) -> GradientCheck:
    """Check the compiled derivative of a loss by Z[L] (squared_error: by A[L]).

    Parameters
    ----------
    name : str
        One of `fastnn.reference.LOSSES`.
    Z : array_like (n[L], m)
        Z[L]; A[L] for squared_error.
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
    name = validation.name(name, _kernels.LOSSES, "loss")
    Z = _matrix(Z, "Z")
    n, m = Z.shape
    targets: NDArray[Any]
    if name == "cross_entropy" and np.ndim(Y) == 1:
        targets = validation.labels(Y, m, n, "Y")
    else:
        targets = np.asfortranarray(_shaped(Y, "Y", Z.shape))
        if name == "cross_entropy":
            targets = validation.labels(targets.T, m, n, "the transpose of Y")

    def loss(Z: Array, targets: NDArray[Any], dZ: Array) -> float:
        return _kernels.loss(name, Z, targets, None, dZ, runtime.LEVEL)

    dZ = np.empty_like(Z)
    loss(Z, targets, dZ)
    return _check_columns(lambda column, j: loss(column, targets[..., j : j + 1], np.empty_like(column)), Z, dZ, step)


def numerical_derivative(f: Callable[[Any], Any], x: ArrayLike, step: float = 1e-3,
                         two_sided: bool = True) -> float | Array:
    """Return the slope of f at x by the notes' nudge: how much f changes for a small change of x, per change.

    Parameters
    ----------
    f : callable
        ``f(x)``: a single number.
    x : float or array_like
        Of an array, each entry is nudged in turn.
    step : float
        The nudge.
    two_sided : bool
        (f(x + step) - f(x - step)) / (2 step), with an error of the order step^2; else the notes'
        (f(x + step) - f(x)) / step, with one of the order step.

    Returns
    -------
    float or ndarray of the shape of x

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described.

    Examples
    --------
    >>> from fastnn.gradcheck import numerical_derivative
    >>> round(numerical_derivative(lambda a: a**2, 2, two_sided=False), 6)
    4.001
    >>> round(numerical_derivative(lambda a: a**2, 2), 6)
    4.0
    """
    point = _float64(x, "x")
    step = validation.number(step, "step", above=0)
    two_sided = validation.flag(two_sided, "two_sided")
    along = _by_entry(f, point)
    slopes = [_quotient(lambda value, i=i: along(i, value), float(value), step, two_sided)  # type: ignore[misc]
              for i, value in enumerate(point.flat)]
    return slopes[0] if point.ndim == 0 else np.reshape(slopes, point.shape)


# ---- Numerical derivatives ------------------------------------------------------------------------------------------


def _quotient(f: Callable[[float], float], x: float, step: float, two_sided: bool = True) -> float:
    right, left = x + step, x - step if two_sided else x
    if not left < right:
        raise ValueError(f"step {step:g} is lost in the rounding of {x:g}")
    return (f(right) - f(left)) / (right - left)


def _slope(f: Callable[[float], float], x: float) -> tuple[float, float]:
    """Return the derivative of f at x and an estimate of its error; see the head of this file."""
    best, uncertainty = math.nan, math.inf
    D = S = R = math.nan  # those of the step before
    here = f(x)
    if not math.isfinite(here):
        raise ValueError(f"the function must be finite at the point itself, got {here}")
    h = FIRST_STEP * 2.0 ** max(0, math.frexp(x)[1])
    for _ in range(STEPS):
        ahead, behind = f(x + h), f(x - h)
        D_before, S_before, R_before = D, S, R
        D = (ahead - behind) / (2 * h)
        S = (ahead - 2 * here + behind) / h
        R = (16 * D - D_before) / 15
        rounding = EPS * max(abs(ahead), abs(here), abs(behind)) / h
        jump = abs(4 * S - S_before) / 3 - ROUNDINGS * rounding
        error = abs(R - R_before) + rounding + max(jump, 0.0)
        if error < uncertainty:  # never of NaN
            best, uncertainty = R, error
        if uncertainty <= 4 * rounding:  # that of the next step
            break
        h /= 4
    return best, uncertainty


def _compare(f: Callable[[int, float], float], x: Array, gradient: Array, name: Callable[[int], str],
             step: float | None, entries: int | None,
             random_state: int | np.random.Generator | None) -> GradientCheck:
    """Compare `gradient` (P,) at `x` (P,) with the derivatives of ``f(position, value of that entry)``."""
    positions = np.arange(x.size)
    if step is not None:
        step = validation.number(step, "step", above=0)
    rng = validation.generator(random_state)
    if entries is not None and validation.count(entries, "entries") < x.size:
        positions = np.sort(rng.choice(x.size, entries, replace=False))
    numeric, uncertainty = np.zeros(positions.size), np.zeros(positions.size)
    with np.errstate(all="ignore"):  # steps may leave the domain of f: shorter ones follow
        for k, i in enumerate(map(int, positions)):
            def along(value: float, i: int = i) -> float:
                return f(i, value)

            if step is None:
                numeric[k], uncertainty[k] = _slope(along, float(x[i]))
            else:
                numeric[k] = _quotient(along, float(x[i]), step)
    reliable = uncertainty <= RELIABLE * np.linalg.norm(numeric[np.isfinite(numeric)])
    left_out = int(np.sum(~reliable))
    g, n, compared = gradient[positions][reliable], numeric[reliable], positions[reliable]
    if not compared.size:
        return GradientCheck(math.nan, "", math.nan, math.nan, 0, left_out)
    worst = int(np.argmax(np.abs(g - n)))  # the first NaN, if there is one
    size = float(np.linalg.norm(g) + np.linalg.norm(n))
    relative_error = float(np.linalg.norm(g - n)) / size if size else 0.0
    return GradientCheck(relative_error, name(int(compared[worst])), float(g[worst]), float(n[worst]), compared.size,
                         left_out)


def _check_columns(f: Callable[[Array, int], float], Z: Array, dZ: Array, step: float | None) -> GradientCheck:
    """Compare dZ with the derivatives of ``f(column (n, 1), its number)``: a column depends on no other."""
    m = Z.shape[1]

    def along(position: int, value: float) -> float:
        row, j = divmod(position, m)
        column = np.array(Z[:, j : j + 1], order="F")
        column[row] = value
        return f(column, j)

    return _compare(along, Z.ravel(), dZ.ravel(), lambda position: _entry("Z", position, Z.shape), step, None, None)


def _by_entry(f: Callable[[Any], Any], x: Array) -> Callable[[int, float], float]:
    """Return f as a function of the position of an entry and its value."""
    def along(position: int, value: float) -> float:
        moved = x.copy()
        moved.flat[position] = value
        return _number(f(moved if moved.ndim else float(moved)), "f(x)")

    return along


# ---- Checks and names -----------------------------------------------------------------------------------------------


def _float64(value: Any, what: str) -> Array:
    """Return finite numbers in float64, C-ordered."""
    dtype = getattr(value, "dtype", None)
    if dtype in (np.float32, np.float16):
        raise ValueError(f"{what} is {dtype}, whose rounding hides small errors: compute in float64")
    array = _shaped(value, what, np.shape(value))
    if not np.isfinite(array).all():
        raise ValueError(f"{what} must be finite")
    return np.array(array, order="C")


def _shaped(value: Any, what: str, shape: tuple[int, ...]) -> Array:
    """Return numbers of this shape in float64."""
    array = np.asarray(value)
    if array.dtype.kind not in "fiub":
        raise TypeError(f"{what} must hold real numbers, got dtype {array.dtype}")
    if array.shape != shape or not array.size:
        raise ValueError(f"{what} must have shape {shape} and not be empty, got {array.shape}")
    return array.astype(np.float64)


def _matrix(value: Any, what: str) -> Array:
    array = _float64(value, what)
    if array.ndim != 2:
        raise ValueError(f"{what} must have shape (n, m), a column per example, got {array.shape}")
    return np.asfortranarray(array)


def _number(value: Any, what: str) -> float:
    array = np.asarray(value)
    if array.size != 1 or array.dtype.kind not in "fiub":
        raise ValueError(f"{what} must be a single real number, got {type(value).__name__} of shape {array.shape}")
    return float(array.reshape(()))


def _entry(name: str, position: int, shape: tuple[int, ...]) -> str:
    """Return the name of an entry of an array, such as ``W1[0, 3]``."""
    place = ", ".join(str(int(index)) for index in np.unravel_index(position, shape))
    return f"{name}[{place}]" if place else name
