"""The planar flower: logistic regression fails where one hidden layer of 4 tanh units succeeds.

Notes 000 and 001, "gradient descent for neural network": parameters W[1], b[1], W[2], b[2], "Repeat { compute
predictions, dW[1] = dJ/dW[1], ..., W[1] := W[1] - alpha dW[1], b[1] := b[1] - alpha db[1], ... }", on the course's
exercise: logistic regression classifies about 47 % correctly (44 to 50 %, depending on the random points), 4 hidden
units at least 90 %. Note 000: "tanh works better (always) with the exception of the output layer": the costs with
sigmoid and with tanh units are compared.
"""

from pathlib import Path

import numpy as np
from pictures import parser, save

from fastnn import Network, datasets, functional, plot

HIDDEN_SIZES = (1, 2, 3, 4, 5, 20, 50)


def flower():
    """X (2, 400), Y (1, 400)."""
    X, y = datasets.make_flower(400, random_state=2)
    return X.T, y[None]


def logistic_accuracy(X, Y):
    d = functional.logistic_regression(X, Y, X, Y, num_iterations=3000, learning_rate=0.1)
    return float(np.mean(d["Y_prediction_train"] == Y)), (d["w"], d["b"])


def shallow(X, Y, n_h, iterations=5000):
    """Train the model of the course with n_h tanh units and return its parameters."""
    np.random.seed(3)  # noqa: NPY002  (the course draws from the global generator)
    return functional.nn_model(X, Y, n_h, num_iterations=iterations)


def network(parameters):
    """A Network of tanh units and a sigmoid output with the parameters W1, b1, ...."""
    W, b = ([parameters[f"{symbol}{l}"] for l in range(1, len(parameters) // 2 + 1)] for symbol in "Wb")
    net = Network([2, *map(len, W)], activation="tanh", output="sigmoid", dtype="float64")
    net.W[:], net.b[:] = W, b
    return net


def accuracy(parameters, X, Y):
    return network(parameters).evaluate(X.T, Y[0])["accuracy"]


def costs(hidden, X, Y, iterations=2000):
    """The costs of gradient descent with 4 hidden units of the given activation."""
    net = Network([2, 4, 1], activation=hidden, output="sigmoid", init="small_normal", dtype="float64", random_state=3)
    return net.fit(X.T, Y[0], optimizer="sgd", batch_size=None, learning_rate=1.2, epochs=iterations).loss


def main(out: Path | None = None) -> None:
    X, Y = flower()
    right, (w, b) = logistic_accuracy(X, Y)
    print(f"logistic regression: {100 * right:.1f} %")
    panels = [(f"logistic regression: {100 * right:.1f} %", network({"W1": w.T, "b1": [[b]]}))]
    for n_h in HIDDEN_SIZES:
        parameters = shallow(X, Y, n_h)
        title = f"{n_h} tanh unit{'s' * (n_h > 1)}: {100 * accuracy(parameters, X, Y):.1f} %"
        print(title)
        panels.append((title, network(parameters)))
    for hidden in ("sigmoid", "tanh"):
        J = costs(hidden, X, Y)
        print(f"4 {hidden} units, cost: {J[100]:.4f} after 100 iterations, {J[500]:.4f} after 500, {J[-1]:.4f} last")

    def draw(axes):
        for ax, (title, net) in zip(axes.flat, panels, strict=True):
            plot.decision_boundary(net, X.T, Y[0], ax, legend=False)
            ax.set(title=title, aspect="equal", xticks=[], yticks=[])

    save(out, "planar_flower.png", draw, rows=2, columns=4, size=(13, 7))


if __name__ == "__main__":
    main(parser(__doc__).parse_args().out)
