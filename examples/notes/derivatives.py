"""Derivatives as slopes (nudge a and see how f changes), and gradient descent, which follows them downhill.

Note 001, "Derivatives": "a = 2, f(a) = 6; a = 2.001, f(a) = 6.003; slope of f(a) at a = 2 is 3: 0.003 / 0.001";
then for f(a) = a^2: "a = 2, f(a) = 4; a = 2.001, f(a) ~ 4.004; df/da = 4 at a = 2"; "nudging by infinitesimally
small amount". "Gradient descent: Repeat { w := w - alpha dJ(w)/dw }".
"""

from pathlib import Path

from pictures import parser

from fastnn.gradcheck import numerical_derivative

FUNCTIONS = {"3a": (lambda a: 3 * a, lambda a: 3.0), "a^2": (lambda a: a * a, lambda a: 2.0 * a)}


def nudged(f, a, nudge=0.001):
    """The slope as in the course: (f(a + nudge) - f(a)) / nudge."""
    return (f(a + nudge) - f(a)) / nudge


def descend(derivative, w, learning_rate, iterations):
    """All w visited by: Repeat { w := w - alpha dJ/dw }."""
    path = [w]
    for _ in range(iterations):
        path.append(path[-1] - learning_rate * derivative(path[-1]))
    return path


def main(out: Path | None = None) -> None:
    print("f(a)     a   f(a)    f(a + 0.001)   slope, nudged   fastnn, one-sided   two-sided   exact")
    for name, (f, exact) in FUNCTIONS.items():
        for a in (2.0, 5.0):
            one = numerical_derivative(f, a, 0.001, two_sided=False)
            two = numerical_derivative(f, a, 0.001)
            print(f"{name:6} {a:3g} {f(a):6g} {f(a + 0.001):15.6f} {nudged(f, a):15.6f} {one:19.6f} {two:11.6f} "
                  f"{exact(a):7g}")
    print("Slope of a^2 at a = 2 for smaller nudges:", ", ".join(
        f"{nudge:g}: {nudged(FUNCTIONS['a^2'][0], 2.0, nudge):.6f}" for nudge in (1e-1, 1e-2, 1e-3, 1e-4)))
    path = descend(lambda w: 2 * (w - 3), 0.0, 0.1, 40)
    print("Gradient descent on J(w) = (w - 3)^2 with alpha = 0.1, w:", ", ".join(f"{w:.3f}" for w in path[::8]))


if __name__ == "__main__":
    main(parser(__doc__).parse_args().out)
