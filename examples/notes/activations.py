"""Activation functions, their derivatives, saturation, and the kink of ReLU.

Notes 000 and 001, "Derivatives of activation functions": sigmoid g'(z) = g(z)(1 - g(z)) = a(1 - a); tanh g'(z) = 1
- (tanh z)^2; ReLU g(z) = max(0, z), g' = 0 for z < 0, 1 for z > 0; leaky ReLU g(z) = max(0.01z, z), g' = 0.01 or 1.
"z = 10: g(z) ~ 1, g'(z) ~ 0; z = -10: g(z) ~ 0, g'(z) ~ 0" for the sigmoid; "tanh(10) ~ 1, tanh(-10) ~ -1, g'(z) ~
0". Note 000: tanh "is the shifted version of our sigmoid function": tanh z = 2 sigma(2z) - 1. "One disadvantage of
ReLU is that it has derivative zero with z being less than zero." "undefined if z = 0; at zero we take g'(0) = 1 or
doesn't matter; probability of z being 0.0000000000000001 very low". fastnn uses g'(0) = 0 for ReLU and 0.01 for
leaky ReLU.
"""

from pathlib import Path

import numpy as np
from pictures import parser, save

from fastnn import functional

FORMULAS = {  # g'(z) as a function of z and a = g(z), as in the course
    "sigmoid": lambda z, a: a * (1 - a),
    "tanh": lambda z, a: 1 - a**2,
    "relu": lambda z, a: np.where(z > 0, 1.0, 0.0),
    "leaky_relu": lambda z, a: np.where(z > 0, 1.0, 0.01),
}


def value(name, z):
    """g(z), computed by the compiled kernel."""
    return getattr(functional, name)(z)[0]


def derivative(name, z):
    """g'(z), computed by the backward function with dA = 1."""
    return getattr(functional, f"{name}_backward")(np.ones_like(z), z)


def exact_zeros(m=1_000_000):
    """The number of exact zeros among m values z = w^T x + b with random w, x, b."""
    rng = np.random.default_rng(0)
    return int(np.sum(rng.standard_normal((1, 3)) @ rng.standard_normal((3, m)) + rng.standard_normal() == 0))


def draw(axes):
    z = np.linspace(-6, 6, 1201)
    for ax, name in zip(axes.flat, FORMULAS, strict=True):
        g, slope = value(name, z), derivative(name, z)
        if "relu" in name:
            slope = np.where(z == 0, np.nan, slope)  # leave a gap where it is undefined
        ax.plot(z, g, label="g(z)")
        ax.plot(z, slope, "--", label="g'(z)")
        ax.set(title=name.replace("_", " "), xlabel="z", ylim=(-1.2, 3) if "relu" in name else (-1.2, 1.2))
        ax.grid(alpha=0.3)
        ax.legend(loc="upper left")


def main(out: Path | None = None) -> None:
    z = np.array([-10.0, -1.0, 0.0, 1.0, 10.0])
    print("z            " + "".join(f"{v:>14g}" for v in z))
    for name in FORMULAS:
        print(f"{name:11}g " + "".join(f"{v:>14.7g}" for v in value(name, z)))
        print(f"{'':11}g'" + "".join(f"{v:>14.7g}" for v in derivative(name, z)))
    difference = np.abs(value("tanh", z) - (2 * value("sigmoid", 2 * z) - 1)).max()
    print(f"tanh z and 2 sigma(2z) - 1 differ by at most {difference:.1e}")
    print(f"{exact_zeros()} of a million random z = w^T x + b are exactly 0: g'(0) hardly ever matters")
    save(out, "activations.png", draw, rows=2, columns=2, size=(8, 6))


if __name__ == "__main__":
    main(parser(__doc__).parse_args().out)
