"""What the error bounds of the tests assume about each activation: one entry each.

An activation without an entry gets bounds that are estimated from the reference (`estimated`). An entry makes them
tighter; it is necessary where g' is unbounded or where cancellation magnifies roundings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.special as sp

from fastnn import reference

EPS = np.finfo(np.float64).eps


@dataclass(frozen=True)
class Facts:
    """sup |g'|; sup |g''| away from the kink; the jump of g' at the kink; the error of a computed g'(Z), absolute, from
    Z, A = g(Z) and the unit roundoff u, if the kernel is given A (or Z) rounded to the dtype; the roundings of
    A = g(Z); the largest Z and b to test.
    """

    slope: float
    curvature: float
    jump: float
    derivative_error: Callable[[Any, Any, float], Any]
    roundings: int = 8  # those of a function, and two operations beside it
    largest_Z: float = 1e30
    largest_b: float = 1e4
    exact_slope: bool = False  # g' is 0 or 1


def normal_tail(Z):
    return np.clip(np.abs(Z), 0, 40) * np.exp(-(np.clip(Z, -40, 40) ** 2) / 2) / np.sqrt(2 * np.pi)


def gelu_error(Z, A, u):
    """Phi + z pdf: 5 + 6 roundings in the kernel, 10 + 10 and the z^2 in both exponents in the reference."""
    size = sp.ndtr(Z) + normal_tail(Z)
    return 16 * u * size + 2 * EPS * np.minimum(Z**2, 1600) * size


def silu_error(Z, A, u):
    """s (1 + z (1 - s)): s and 1 - s within 7, and 3 operations."""
    s = sp.expit(Z)
    return 16 * u * (s + 2 * np.clip(np.abs(Z), 0, 800) * s * sp.expit(-Z))


def mish_error(Z, A, u):
    """w + z (1 - w^2) s: in the kernel w within 9 roundings, the product within 30; 26 for w in the reference."""
    w, s = np.tanh(np.logaddexp(0, Z)), sp.expit(Z)
    return 32 * u * (w + np.clip(np.abs(Z), 0, 800) / np.cosh(np.clip(np.logaddexp(0, Z), 0, 300)) ** 2 * s)


# a (1 - a), (1 - a)(1 + a), a + 1, ...: the rounding of A, the functions of the reference, the operations of the kernel
FACTS = {
    "sigmoid": Facts(0.25, 0.1, 0, lambda Z, A, u: 16 * u * A),
    "tanh": Facts(1, 0.77, 0, lambda Z, A, u: 16 * u),
    "relu": Facts(1, 0, 1, lambda Z, A, u: 0 * u, roundings=0, exact_slope=True),
    "leaky_relu": Facts(1, 0, 0.99, lambda Z, A, u: u, roundings=2),  # of the slope and the product
    "identity": Facts(1, 0, 0, lambda Z, A, u: 0 * u, roundings=0, exact_slope=True),
    "elu": Facts(1, 1, 0, lambda Z, A, u: 16 * u),
    "selu": Facts(1.7581, 1.7581, 0.7075, lambda Z, A, u: 24 * u),
    "gelu": Facts(1.13, 0.8, 0, gelu_error),
    "silu": Facts(1.1, 0.5, 0, silu_error),
    "softplus": Facts(1, 0.25, 0, lambda Z, A, u: 16 * u * sp.expit(Z)),
    # g' = g'' = g grows without bound (`smoothness`); beyond 88 it is infinite in float32
    "exp": Facts(np.inf, np.inf, 0, lambda Z, A, u: u * A, largest_Z=60.0, largest_b=20.0),
    "mish": Facts(1.09, 0.65, 0, mish_error, roundings=26),  # the reference's tanh, log1p and exp
}


def estimated(name):
    """Facts of an activation whose g' and g'' are bounded, from differences of the reference's g' with 1 % to spare."""
    Z = np.linspace(-30, 30, 600_001)
    slope = reference.activate_backward(name, np.ones_like(Z), Z)
    steps = np.abs(np.diff(slope))
    kink = len(Z) // 2  # Z[kink] = 0
    jump = max(0.0, steps[kink] - steps[kink + 1]) if steps[kink] > 1e-2 else 0.0
    steps[kink] = 0 if jump else steps[kink]
    sup = 1.01 * float(np.max(np.abs(slope)))
    if not np.isfinite(sup) or sup > 100:
        raise AssertionError(f"the derivative of {name} is not bounded: add {name} to helpers/activation_facts.py")
    return Facts(sup, 1.01 * float(np.max(steps)) / (Z[1] - Z[0]), jump,
                 lambda Z, A, u: 24 * u * (1 + np.abs(reference.activate_backward(name, np.ones_like(Z), Z))))


def facts(name):
    """The facts of an element-wise activation."""
    return FACTS.get(name) or estimated(name)


def smoothness(name, Z, e_Z):
    """sup |g'| and sup |g''| over Z +- e_Z, and the jump of g'."""
    if name == "exp":
        return np.exp(Z + e_Z), np.exp(Z + e_Z), 0
    known = facts(name)
    return known.slope, known.curvature, known.jump
