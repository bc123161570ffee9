"""The compiled core once more, in plain NumPy float64, written as the course notes write it.

Slow and obvious: the kernels are tested against these functions. The notes' symbols: X = A[0] is (n[0], m), a column
per example; W[l] is (n[l], n[l-1]), b[l] is (n[l], 1), Z[l] and A[l] are (n[l], m), l = 1 .. L. The lists Z and A have
an entry for l = 0, so their indices are the notes'; W, b, dW, db and activations are lists of L, so the notes' W[l] is
``W[l - 1]`` here (error texts use the notes' index).

Everywhere: an array is whatever `numpy.asarray` takes; computation and results are in float64. A shape that does not
fit, an unknown name and a negative weight raise ValueError, complex numbers TypeError. J is NaN where there is no
example of positive weight: the mean of nothing.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

Array = NDArray[np.float64]

LEAKY_SLOPE = 0.01
# Klambauer, Unterthiner, Mayr and Hochreiter, Self-Normalizing Neural Networks (2017), equation 14
SELU_ALPHA = 1.6732632423543772
SELU_SCALE = 1.0507009873554805

# exp(-1000) and erfc(700) are 0 in float64, so a factor z may be clamped here: it changes
# no product but that of an infinite z with 0, from NaN to its limit.
FAR = 1000.0


def _float64(array: ArrayLike) -> Array:
    array = np.asarray(array)
    if np.iscomplexobj(array):
        raise TypeError(f"expected real numbers, got {array.dtype}")
    return array.astype(np.float64, copy=False)


def _known(what: str, name: str, names: Sequence[str]) -> None:
    if name not in names:
        raise ValueError(f"{what} must be one of {', '.join(names)}; got {name!r}")


# ---- Activations: A = g(Z) and g'(Z) --------------------------------------------------------------------------------


def _sigmoid(Z: Array) -> Array:
    e: Array = np.exp(-np.abs(Z))  # never overflows
    return np.where(Z < 0, e, 1.0) / (1 + e)


def _sigmoid_derivative(Z: Array) -> Array:
    return _sigmoid(Z) * _sigmoid(-Z)  # g (1 - g) without the cancellation


def _elu(Z: Array) -> Array:
    return np.where(Z > 0, Z, np.expm1(np.minimum(Z, 0)))


def _elu_derivative(Z: Array) -> Array:
    return np.where(Z > 0, 1.0, np.exp(np.minimum(Z, 0)))


_erfc = np.frompyfunc(math.erfc, 1, 1)


def _normal_cdf(Z: Array) -> Array:  # off by about z^2 roundings in the left tail: erfc magnifies its argument's
    return np.asarray(_erfc(-Z / math.sqrt(2)), dtype=np.float64) / 2


def _normal_pdf(Z: Array) -> Array:
    return np.exp(-(np.clip(Z, -FAR, FAR) ** 2) / 2) / math.sqrt(2 * math.pi)  # clamped: the square can't overflow


def _column_sums(M: Array) -> Array:
    sums: Array = np.sum(M, axis=0, keepdims=True)
    return sums


def _softmax(Z: Array) -> Array:
    e: Array = np.exp(Z - np.max(Z, axis=0, keepdims=True, initial=-np.inf))  # the largest term is 1: no overflow
    return e / _column_sums(e)


def _log_softmax(Z: Array) -> Array:
    S: Array = Z - np.max(Z, axis=0, keepdims=True, initial=-np.inf)
    others = np.sort(np.exp(S), axis=0)[:-1]  # without the largest term, exp(0) = 1: log1p adds it exactly
    return S - np.log1p(_column_sums(others))


_ACTIVATE: dict[str, Callable[[Array], Array]] = {
    "sigmoid": _sigmoid,
    "tanh": np.tanh,
    "relu": lambda Z: np.maximum(Z, 0),
    "leaky_relu": lambda Z: np.where(Z > 0, Z, LEAKY_SLOPE * Z),
    "identity": np.copy,
    "softmax": _softmax,
    "elu": _elu,
    "selu": lambda Z: SELU_SCALE * np.where(Z > 0, Z, SELU_ALPHA * _elu(Z)),
    "gelu": lambda Z: np.maximum(Z, -FAR) * _normal_cdf(Z),
    "silu": lambda Z: np.maximum(Z, -FAR) * _sigmoid(Z),
    "softplus": lambda Z: np.maximum(Z, 0) + np.log1p(np.exp(-np.abs(Z))),
}

# At a kink (z = 0) the left-hand value. Softmax is not here: it mixes the units of a column.
_DERIVATIVE: dict[str, Callable[[Array], Array]] = {
    "sigmoid": _sigmoid_derivative,
    "tanh": lambda Z: 4 * _sigmoid_derivative(2 * Z),  # 1 - tanh^2 without the cancellation
    "relu": lambda Z: np.where(Z > 0, 1.0, 0.0),
    "leaky_relu": lambda Z: np.where(Z > 0, 1.0, LEAKY_SLOPE),
    "identity": np.ones_like,
    "elu": _elu_derivative,
    "selu": lambda Z: SELU_SCALE * np.where(Z > 0, 1.0, SELU_ALPHA * _elu_derivative(Z)),
    "gelu": lambda Z: _normal_cdf(Z) + np.clip(Z, -FAR, FAR) * _normal_pdf(Z),
    "silu": lambda Z: _sigmoid(Z) + np.clip(Z, -FAR, FAR) * _sigmoid_derivative(Z),
    "softplus": _sigmoid,
}

ACTIVATIONS = tuple(_ACTIVATE)


def activate(name: str, Z: ArrayLike) -> Array:
    """A = g(Z), a new array.

    NaN in gives NaN out, +-inf gives the limit (in softmax both make their column NaN).

    Parameters
    ----------
    name : str
        One of `ACTIVATIONS`. leaky_relu has slope 0.01, elu alpha 1, gelu is the exact z Phi(z), softmax is over the
        units (axis 0).
    Z : array_like, (n, m)
    """
    _known("activation", name, ACTIVATIONS)
    return _ACTIVATE[name](_float64(Z))


def activate_backward(name: str, dA: ArrayLike, Z: ArrayLike) -> Array:
    """dZ = dA * g'(Z); for softmax dZ = A * (dA - sum of dA * A over the units).

    At a kink (z = 0) g' is the left-hand derivative: 0 for relu, 0.01 for leaky_relu.

    Parameters
    ----------
    name : str
        One of `ACTIVATIONS`.
    dA, Z : array_like, (n, m)
    """
    _known("activation", name, ACTIVATIONS)
    dA, Z = _float64(dA), _float64(Z)
    if dA.shape != Z.shape:
        raise ValueError(f"dA must have the shape of Z, {Z.shape}, got {dA.shape}")
    if name == "softmax":
        A = _softmax(Z)
        return A * (dA - _column_sums(dA * A))
    return dA * _DERIVATIVE[name](Z)


# ---- Forward propagation --------------------------------------------------------------------------------------------


def _check_layers(n_x: int, W: Sequence[Array], b: Sequence[Array], activations: Sequence[str]) -> None:
    if isinstance(activations, str) or not len(W) == len(b) == len(activations) > 0:
        raise ValueError(
            "W, b and activations must be lists with one entry per layer, at least one; "
            f"got {len(W)} W, {len(b)} b and activations {activations!r}"
        )
    n_prev = n_x
    for layer, (W_l, b_l, g_l) in enumerate(zip(W, b, activations, strict=True), start=1):
        if b_l.ndim != 2 or b_l.shape[1] != 1:
            raise ValueError(f"b[{layer}] must have shape (n[{layer}], 1), got {b_l.shape}")
        if W_l.ndim != 2 or W_l.shape[1] != n_prev:
            expected = f"(n[{layer}], n[{layer - 1}]) = {(b_l.shape[0], n_prev)}"
            raise ValueError(f"W[{layer}] must have shape {expected}, got {W_l.shape}")
        n_prev = W_l.shape[0]
        if b_l.shape[0] != n_prev:
            raise ValueError(f"b[{layer}] must have shape (n[{layer}], 1) = {(n_prev, 1)}, got {b_l.shape}")
        _known("activation", g_l, ACTIVATIONS)


def forward(
    X: ArrayLike, W: Sequence[ArrayLike], b: Sequence[ArrayLike], activations: Sequence[str]
) -> tuple[list[Any], list[Array]]:
    """Forward propagation: Z[l] = W[l] A[l-1] + b[l], A[l] = g[l](Z[l]), l = 1 .. L.

    Parameters
    ----------
    X : array_like, (n[0], m)
    W, b : sequences of L array_like, (n[l], n[l-1]) and (n[l], 1)
    activations : sequence of L str
        One of `ACTIVATIONS` per layer, the output's included.

    Returns
    -------
    Z, A : lists of L + 1 arrays, (n[l], m)
        ``Z[0]`` is None, ``A[0]`` is X.
    """
    X = _float64(X)
    W_all, b_all = [_float64(W_l) for W_l in W], [_float64(b_l) for b_l in b]
    if X.ndim != 2:
        raise ValueError(f"X must have shape (n[0], m), got {X.shape}")
    _check_layers(X.shape[0], W_all, b_all, activations)
    Z: list[Any] = [None]
    A = [X]
    for W_l, b_l, g_l in zip(W_all, b_all, activations, strict=True):
        Z.append(W_l @ A[-1] + b_l)
        A.append(activate(g_l, Z[-1]))
    return Z, A


# ---- Losses ---------------------------------------------------------------------------------------------------------

LOSSES = ("cross_entropy", "binary_cross_entropy", "squared_error")

# These are computed from Z of one output activation, the squared error from A of any.
_OUTPUT_OF = {"cross_entropy": "softmax", "binary_cross_entropy": "sigmoid"}


def _check_loss(loss: str, output_activation: str) -> None:
    _known("loss", loss, LOSSES)
    _known("activation", output_activation, ACTIVATIONS)
    needed = _OUTPUT_OF.get(loss, output_activation)
    if output_activation != needed:
        raise ValueError(f"loss {loss} needs the output activation {needed}, got {output_activation}")


def _targets(Y: ArrayLike, shape: tuple[int, ...]) -> Array:
    Y = _float64(Y)
    if Y.ndim != 2 or Y.shape != shape:
        raise ValueError(f"Y must have shape (n[L], m) = {shape}, got {Y.shape}")
    return Y


def _weights(sample_weight: ArrayLike | None, m: int) -> Array:
    if sample_weight is None:
        return np.ones(m)
    w = _float64(sample_weight)
    if w.shape != (m,):
        raise ValueError(f"sample_weight must have shape (m,) = {(m,)}, got {w.shape}")
    if np.any(w < 0):
        raise ValueError(f"sample_weight must not be negative, got {w.min()}")
    return w


def cost(name: str, Z: ArrayLike, A: ArrayLike, Y: ArrayLike, sample_weight: ArrayLike | None = None) -> float:
    """J = (1/m) sum of L over the examples; with weights w, (sum of w L) / (sum of w).

    L is a sum over the output units:

    - cross_entropy: -y log softmax(z), from Z
    - binary_cross_entropy: -(y log a + (1 - y) log(1 - a)) with a = sigmoid(z), from Z
    - squared_error: (a - y)^2 / 2, from A

    Parameters
    ----------
    name : str
        One of `LOSSES`.
    Z, A : array_like, (n[L], m)
        Z[L] and A[L]. The one that the loss is not computed from may be None.
    Y : array_like, (n[L], m)
        One-hot columns for cross_entropy.
    sample_weight : array_like, (m,), optional
    """
    _known("loss", name, LOSSES)
    output = _float64(A if name == "squared_error" else Z)
    Y = _targets(Y, output.shape)
    if name == "cross_entropy":
        L = -Y * _log_softmax(output)
    elif name == "binary_cross_entropy":
        L = np.maximum(output, 0) - Y * output + np.log1p(np.exp(-np.abs(output)))  # the same, without overflow
    else:
        L = (output - Y) ** 2 / 2
    w = _weights(sample_weight, output.shape[1])
    with np.errstate(invalid="ignore"):  # 0 / 0
        return float(np.sum(w * np.sum(L, axis=0)) / np.sum(w))


def output_gradient(
    name: str,
    output_activation: str,
    Z: ArrayLike,
    A: ArrayLike,
    Y: ArrayLike,
    sample_weight: ArrayLike | None = None,
) -> Array:
    """dZ[L], (n[L], m): the derivative of each example's loss by Z[L], times the example's weight.

    The notes' dZ[L] = A[L] - Y for the cross-entropies, (A[L] - Y) * g'(Z[L]) for the squared error. As in the notes
    the factor 1/m is not in it, but in dW and db.

    Parameters
    ----------
    name : str
        One of `LOSSES`.
    output_activation : str
        softmax for cross_entropy, sigmoid for binary_cross_entropy, any for squared_error (else ValueError).
    Z, A, Y, sample_weight
        As in `cost`; A is always read, Z by squared_error alone.
    """
    _check_loss(name, output_activation)
    A = _float64(A)
    Y = _targets(Y, A.shape)
    w = _weights(sample_weight, A.shape[1])
    if name == "squared_error":
        return w * activate_backward(output_activation, A - Y, Z)
    if name == "cross_entropy":
        return w * (A * _column_sums(Y) - Y)  # the sums are 1 for one-hot columns
    return w * (A - Y)


# ---- Backward propagation -------------------------------------------------------------------------------------------


def backward(
    Z: Sequence[Any],
    A: Sequence[ArrayLike],
    W: Sequence[ArrayLike],
    dZ_L: ArrayLike,
    activations: Sequence[str],
    total_weight: float,
    l2: float = 0.0,
) -> tuple[list[Array], list[Array]]:
    """Back propagation, l = L .. 1.

    dW[l] = (1/m) dZ[l] A[l-1]^T + l2 W[l], db[l] = (1/m) sum of dZ[l] over the examples,
    dA[l-1] = W[l]^T dZ[l], dZ[l-1] = dA[l-1] * g[l-1]'(Z[l-1]).

    Parameters
    ----------
    Z, A : lists of L + 1 arrays
        From `forward`.
    W : sequence of L array_like, (n[l], n[l-1])
    dZ_L : array_like, (n[L], m)
        From `output_gradient`.
    activations : sequence of L str
    total_weight : float
        m; with weights their sum.
    l2 : float
        As in `gradients`.

    Returns
    -------
    dW, db : lists of L arrays, (n[l], n[l-1]) and (n[l], 1)
    """
    if not len(Z) == len(A) == len(W) + 1 == len(activations) + 1:
        lengths = f"{len(Z)}, {len(A)}, {len(W)} and {len(activations)}"
        raise ValueError(f"Z and A must have L + 1 entries, W and activations L; got {lengths}")
    dW: list[Array] = []
    db: list[Array] = []
    dZ = _float64(dZ_L)
    for layer in range(len(W), 0, -1):
        W_l, A_prev = _float64(W[layer - 1]), _float64(A[layer - 1])
        if dZ.shape != np.shape(A[layer]):
            raise ValueError(f"dZ[{layer}] must have shape (n[{layer}], m) = {np.shape(A[layer])}, got {dZ.shape}")
        expected = (dZ.shape[0], A_prev.shape[0])
        if W_l.shape != expected:
            raise ValueError(f"W[{layer}] must have shape (n[{layer}], n[{layer - 1}]) = {expected}, got {W_l.shape}")
        with np.errstate(invalid="ignore"):  # 0 / 0
            dW.insert(0, dZ @ A_prev.T / total_weight + l2 * W_l)
            db.insert(0, np.sum(dZ, axis=1, keepdims=True) / total_weight)
        if layer > 1:
            dA_prev = W_l.T @ dZ
            dZ = activate_backward(activations[layer - 2], dA_prev, Z[layer - 1])
    return dW, db


def gradients(
    X: ArrayLike,
    Y: ArrayLike,
    W: Sequence[ArrayLike],
    b: Sequence[ArrayLike],
    activations: Sequence[str],
    loss: str,
    sample_weight: ArrayLike | None = None,
    l2: float = 0.0,
) -> tuple[float, list[Array], list[Array]]:
    """J and its derivatives by all parameters.

    Parameters
    ----------
    X, W, b, activations
        As in `forward`.
    Y, sample_weight
        As in `cost`.
    loss : str
        One of `LOSSES`; it must go with the output activation as in `output_gradient`.
    l2 : float
        J is the cost plus l2/2 times the sum of squares of all W; b is not decayed.

    Returns
    -------
    J : float
    dW, db : lists of L arrays, (n[l], n[l-1]) and (n[l], 1)
    """
    Z, A = forward(X, W, b, activations)
    w = _weights(sample_weight, A[0].shape[1])
    dZ_L = output_gradient(loss, activations[-1], Z[-1], A[-1], Y, w)
    dW, db = backward(Z, A, W, dZ_L, activations, float(np.sum(w)), l2)
    J = cost(loss, Z[-1], A[-1], Y, w) + l2 / 2 * sum(float(np.sum(_float64(W_l) ** 2)) for W_l in W)
    return J, dW, db


# ---- Updates --------------------------------------------------------------------------------------------------------

UPDATES = ("sgd", "momentum", "nesterov", "adam")


class Optimizer:
    """An update rule and its state, for parameters p with gradients g and learning rate alpha.

    - sgd: p := p - alpha g
    - momentum: v := mu v - alpha g, p := p + v
    - nesterov: v := mu v - alpha g, p := p + mu v - alpha g (Bengio, Boulanger-Lewandowski and Pascanu 2013)
    - adam: m := beta_1 m + (1 - beta_1) g, v := beta_2 v + (1 - beta_2) g^2,
      p := p - alpha sqrt(1 - beta_2^t) / (1 - beta_1^t) m / (sqrt(v) + epsilon)
      (Kingma and Ba 2015, the efficient form at the end of section 2)

    Parameters
    ----------
    rule : str
        One of `UPDATES`.
    momentum : float
        mu, for momentum and nesterov.
    beta_1, beta_2, epsilon : float
        For adam.
    """

    def __init__(
        self,
        rule: str,
        *,
        momentum: float = 0.9,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
    ) -> None:
        _known("optimizer", rule, UPDATES)
        self.rule = rule
        self.momentum = momentum
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.t = 0  # updates done
        self._state: list[tuple[Array, Array]] = []  # per parameter: v, unused; adam: m, v

    def update(self, parameters: Sequence[Array], gradients: Sequence[ArrayLike], learning_rate: float) -> None:
        """Move the parameters in place by one step.

        Parameters
        ----------
        parameters : sequence of ndarray of float64 (else TypeError)
            The same at every call.
        gradients : sequence of array_like
            In the parameters' shapes.
        learning_rate : float
        """
        for p in parameters:
            if not isinstance(p, np.ndarray) or p.dtype != np.float64:
                raise TypeError(f"parameters must be float64 arrays, got {getattr(p, 'dtype', type(p).__name__)}")
        if not self._state:
            self._state = [(np.zeros_like(p), np.zeros_like(p)) for p in parameters]
        G = [_float64(g) for g in gradients]
        shapes = [first.shape for first, _ in self._state]
        if not [p.shape for p in parameters] == [g.shape for g in G] == shapes:
            raise ValueError(f"parameters and gradients must have the shapes {shapes}, got {[g.shape for g in G]}")
        self.t += 1
        for p, g, (first, second) in zip(parameters, G, self._state, strict=True):
            self._move(p, g, first, second, learning_rate)

    def _move(self, p: Array, g: Array, first: Array, second: Array, learning_rate: float) -> None:
        if self.rule == "sgd":
            p -= learning_rate * g
        elif self.rule == "momentum":
            first[...] = self.momentum * first - learning_rate * g
            p += first
        elif self.rule == "nesterov":
            first[...] = self.momentum * first - learning_rate * g
            p += self.momentum * first - learning_rate * g
        else:
            first[...] = self.beta_1 * first + (1 - self.beta_1) * g
            second[...] = self.beta_2 * second + (1 - self.beta_2) * g**2
            rate = learning_rate * math.sqrt(1 - self.beta_2**self.t) / (1 - self.beta_1**self.t)
            p -= rate * first / (np.sqrt(second) + self.epsilon)


# ---- The whole ------------------------------------------------------------------------------------------------------


class ReferenceNetwork:
    """A network that trains step by step.

    Parameters
    ----------
    W, b, activations, loss, l2
        As in `gradients`. W and b are copied; the attributes W and b are lists of float64 arrays.
    optimizer : str
        One of `UPDATES`.
    **hyperparameters : float
        Those of `Optimizer`.
    """

    def __init__(
        self,
        W: Sequence[ArrayLike],
        b: Sequence[ArrayLike],
        activations: Sequence[str],
        loss: str,
        *,
        optimizer: str = "sgd",
        l2: float = 0.0,
        **hyperparameters: float,
    ) -> None:
        self.W = [_float64(W_l).copy() for W_l in W]
        self.b = [_float64(b_l).copy() for b_l in b]
        self.activations = list(activations)
        self.loss = loss
        self.l2 = l2
        self.optimizer = Optimizer(optimizer, **hyperparameters)
        _check_layers(self.W[0].shape[-1] if self.W and self.W[0].ndim else 0, self.W, self.b, activations)
        _check_loss(loss, activations[-1])

    def step(self, X: ArrayLike, Y: ArrayLike, learning_rate: float, sample_weight: ArrayLike | None = None) -> float:
        """One update of all parameters on the mini-batch X (n[0], m), Y (n[L], m); errors as in `gradients`.

        Returns
        -------
        J : float
            Before the update. If it is not finite, parameters and optimizer stay as they were.
        """
        with np.errstate(over="ignore", invalid="ignore"):  # a diverging run shows in J
            J, dW, db = gradients(X, Y, self.W, self.b, self.activations, self.loss, sample_weight, self.l2)
            if math.isfinite(J):
                self.optimizer.update([*self.W, *self.b], [*dW, *db], learning_rate)
        return J

    def predict(self, X: ArrayLike) -> Array:
        """A[L], (n[L], m), for X (n[0], m)."""
        return forward(X, self.W, self.b, self.activations)[1][-1]


def one_hot(labels: ArrayLike, n_classes: int) -> Array:
    """Y (n_classes, m): 1 in row labels[i] of column i, 0 elsewhere.

    Parameters
    ----------
    labels : array_like, (m,)
        Whole numbers from 0 to n_classes - 1 (else ValueError).
    n_classes : int
    """
    labels = _float64(labels)
    if labels.ndim != 1:
        raise ValueError(f"labels must have shape (m,), got {labels.shape}")
    Y = np.where(labels == np.arange(n_classes)[:, np.newaxis], 1.0, 0.0)
    wrong = labels[np.sum(Y, axis=0) != 1]
    if wrong.size:
        raise ValueError(f"labels must be whole numbers from 0 to {n_classes - 1}, got {wrong[0]}")
    return Y
