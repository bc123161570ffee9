"""The cost function of logistic regression, and why it is not the squared error.

Note 001, "logistic Regression cost func": the loss L = 1/2 (y_hat - y)^2 is written down and then replaced by
L(y_hat, y) = -(y log y_hat + (1 - y) log(1 - y_hat)); "y = 1: L = -log y_hat, want y_hat large; y = 0: L = -log(1 -
y_hat), want y_hat small"; J(w, b) = 1/m sum of L(y_hat(i), y(i)). "want to find w and b that minimise J(w, b)".

With the squared error J(w, b) is not convex: depending on its start, gradient descent ends in one of several minima.
With the cross-entropy J is convex, so every minimum is the global minimum.
"""

from pathlib import Path

import numpy as np
from pictures import parser, save

# Four examples of one feature that show the difference. With a fixed b, J is a curve over w.
X = np.array([[5.0, 2.5, 1.25, 0.625]])
Y = np.array([[1.0, 0.0, 1.0, 0.0]])
B = -10.0


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


def cross_entropy(w, b=B):
    """J at every w of an array. L = log(1 + e^z) - y z is the cross-entropy of y_hat = sigma(z)."""
    z = np.multiply.outer(w, X[0]) + b
    return np.mean(np.logaddexp(0, z) - Y[0] * z, axis=-1)


def squared_error(w, b=B):
    """J at every w of an array, with L = 1/2 (y_hat - y)^2."""
    return np.mean((sigmoid(np.multiply.outer(w, X[0]) + b) - Y[0]) ** 2 / 2, axis=-1)


def slope_of_cross_entropy(w):
    return float(np.mean((sigmoid(w * X + B) - Y) * X))


def slope_of_squared_error(w):
    a = sigmoid(w * X + B)
    return float(np.mean((a - Y) * a * (1 - a) * X))


def descend(slope, w, learning_rate, iterations=5_000):
    """Gradient descent: w := w - alpha dJ/dw."""
    for _ in range(iterations):
        w -= learning_rate * slope(w)
    return w


def local_minima(J):
    """Indices at which a sampled curve is lower than at both neighbours."""
    return np.flatnonzero((J[1:-1] < J[:-2]) & (J[1:-1] < J[2:])) + 1


def draw(axes):
    w = np.linspace(0, 25, 1001)
    for ax, J, title in zip(axes, (cross_entropy, squared_error), ("cross-entropy: one minimum",
                                                                   "squared error: two minima"), strict=True):
        values = J(w)
        ax.plot(w, values)
        lowest = local_minima(values)
        ax.plot(w[lowest], values[lowest], "o", color="tab:red")
        ax.set(title=title, xlabel=f"w   (b = {B:g})", ylabel="J(w, b)")
        ax.grid(alpha=0.3)


def main(out: Path | None = None) -> None:
    print("Loss of one example      y = 1: -log y_hat    y = 0: -log(1 - y_hat)")
    for y_hat in (0.01, 0.5, 0.99):
        print(f"  y_hat = {y_hat:<4}         {-np.log(y_hat):14.4f}       {-np.log(1 - y_hat):14.4f}")
    print(f"\nJ over w for x = {X[0].tolist()}, y = {Y[0].astype(int).tolist()}, b = {B:g}; gradient descent ends at")
    for name, slope, rate, J in (("cross-entropy", slope_of_cross_entropy, 0.05, cross_entropy),
                                 ("squared error", slope_of_squared_error, 2.0, squared_error)):
        ends = [descend(slope, start, rate) for start in (1.0, 9.0)]
        print(f"  {name}: " + ", ".join(f"w = {end:.3f} (J = {J(end):.4f}) from w = {start:g}"
                                        for start, end in zip((1.0, 9.0), ends, strict=True)))
    middle, mean = squared_error(7.0), (squared_error(3.0) + squared_error(11.0)) / 2
    print(f"Squared error at w = 7: {middle:.4f}, above the mean of w = 3 and w = 11, {mean:.4f}: not convex")
    save(out, "cost_function.png", draw, columns=2, size=(9, 3.8))


if __name__ == "__main__":
    main(parser(__doc__).parse_args().out)
