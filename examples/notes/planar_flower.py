"""The planar flower: logistic regression fails where one hidden layer of 4 tanh units succeeds.

Notes 000 and 001, "gradient descent for neural network": parameters W[1], b[1], W[2], b[2], "Repeat { compute
predictions, dW[1] = dJ/dW[1], ..., W[1] := W[1] - alpha dW[1], b[1] := b[1] - alpha db[1], ... }", on the course's
exercise: logistic regression gets about 47 % right (44 to 50 %, as the points are drawn), 4 hidden units about 90 %
and more. Note 000: "tanh works better (always) with the exception of the output layer": costs with sigmoid and with
tanh units.
"""

from pathlib import Path

import numpy as np
from pictures import parser, save

from fastnn import Network, datasets, functional

HIDDEN_SIZES = (1, 2, 3, 4, 5, 20, 50)


def flower():
    """X (2, 400), Y (1, 400)."""
    X, y = datasets.make_flower(400, random_state=2)
    return X.T, y[None]


def logistic_accuracy(X, Y):
    d = functional.logistic_regression(X, Y, X, Y, num_iterations=3000, learning_rate=0.1)
    return float(np.mean(d["Y_prediction_train"] == Y)), (d["w"], d["b"])


def shallow(X, Y, n_h, iterations=5000):
    """The course's model with n_h tanh units: its parameters."""
    np.random.seed(3)  # noqa: NPY002  (the course draws from the global generator)
    return functional.nn_model(X, Y, n_h, num_iterations=iterations)


def probabilities(parameters, X):
    A1, _ = functional.linear_activation_forward(X, parameters["W1"], parameters["b1"], "tanh")
    return functional.linear_activation_forward(A1, parameters["W2"], parameters["b2"], "sigmoid")[0]


def accuracy(parameters, X, Y):
    return float(np.mean((probabilities(parameters, X) > 0.5) == Y))


def costs(hidden, X, Y, iterations=2000):
    """The costs of gradient descent with 4 units of this activation."""
    net = Network([2, 4, 1], activation=hidden, output="sigmoid", init="small_normal", dtype="float64", random_state=3)
    return net.fit(X.T, Y[0], optimizer="sgd", batch_size=None, learning_rate=1.2, epochs=iterations).loss


def main(out: Path | None = None) -> None:
    X, Y = flower()
    right, (w, b) = logistic_accuracy(X, Y)
    print(f"logistic regression: {100 * right:.1f} %")
    panels = [(f"logistic regression: {100 * right:.1f} %", lambda points: functional.sigmoid(w.T @ points + b)[0])]
    for n_h in HIDDEN_SIZES:
        parameters = shallow(X, Y, n_h)
        title = f"{n_h} tanh unit{'s' * (n_h > 1)}: {100 * accuracy(parameters, X, Y):.1f} %"
        print(title)
        panels.append((title, lambda points, parameters=parameters: probabilities(parameters, points)))
    for hidden in ("sigmoid", "tanh"):
        J = costs(hidden, X, Y)
        print(f"4 {hidden} units, cost: {J[100]:.4f} after 100 iterations, {J[500]:.4f} after 500, {J[-1]:.4f} last")

    def draw(axes):
        side = np.linspace(-4.7, 4.7, 301)
        grid = np.stack([axis.ravel() for axis in np.meshgrid(side, side)])
        for ax, (title, predict) in zip(axes.flat, panels, strict=True):
            ax.contourf(side, side, predict(grid).reshape(301, 301), levels=[0, 0.5, 1], cmap="coolwarm", alpha=0.35)
            ax.scatter(*X, c=Y[0], s=5, cmap="coolwarm")
            ax.set(title=title, aspect="equal", xticks=[], yticks=[])

    save(out, "planar_flower.png", draw, rows=2, columns=4, size=(13, 7))


if __name__ == "__main__":
    main(parser(__doc__).parse_args().out)
