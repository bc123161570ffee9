"""Why a network needs non-linear activations, and where a linear one is used: regression.

Note 000, "Why do you need a non-linear activation function?": with g(z) = z, a[2] = W[2](W[1]x + b[1]) + b[2] =
(W[2]W[1])x + (W[2]b[1] + b[2]) = W*x + b*; "linear hidden layer is more or less useless". Note 001: "linear
implementation only; might not have any hidden layers".

Note 000: "There is one place where you might use linear activation g(z) = z: machine learning on a regression
problem, y in R ... only in the output layer, and hidden layers still use ReLU or tanh."
"""

from pathlib import Path

import numpy as np
from pictures import parser, save

from fastnn import Network


def identity_network(sizes=(3, 8, 8, 8, 2)):
    """A network with identity activations and random W and b."""
    net = Network(list(sizes), activation="identity", output="identity", dtype="float64", random_state=0)
    rng = np.random.default_rng(1)
    for b in net.b:
        b[...] = rng.standard_normal(b.shape)
    return net


def collapsed(net):
    """W* and b* of the linear map that an identity network computes."""
    W_star, b_star = np.eye(net.layer_sizes[0]), np.zeros((net.layer_sizes[0], 1))
    for W, b in zip(net.W, net.b, strict=True):
        W_star, b_star = W @ W_star, W @ b_star + b
    return W_star, b_star


def parabola(m=200):
    """Noisy points of y = x^2 - 1, which no linear map can fit."""
    rng = np.random.default_rng(2)
    x = rng.uniform(-2, 2, (m, 1))
    return x, x[:, 0] ** 2 - 1 + 0.05 * rng.standard_normal(m)


def regression(hidden):
    """Fit a network with a linear output to the parabola; `hidden` is the activation of its hidden layer."""
    x, y = parabola()
    net = Network([1, 16, 1], activation=hidden, output="identity", dtype="float64", random_state=0)
    net.fit(x, y, learning_rate=0.02, batch_size=None, epochs=1000)
    return net


def main(out: Path | None = None) -> None:
    net = identity_network()
    W_star, b_star = collapsed(net)
    X = np.random.default_rng(3).standard_normal((100, 3))
    difference = np.abs(net.forward(X) - (W_star @ X.T + b_star).T).max()
    print(f"Identity network {list(net.layer_sizes)} and one map W* x + b*, W* {W_star.shape}: "
          f"largest difference {difference:.1e}")
    print(f"Parameters: {net.n_parameters} against {W_star.size + b_star.size}")
    x, y = parabola()
    fitted = {hidden: regression(hidden) for hidden in ("identity", "relu", "tanh")}
    print("Regression on y = x^2 - 1 with noise of 0.05, linear output, root mean squared error:")
    for hidden, net in fitted.items():
        print(f"  hidden layer {hidden:9} {net.evaluate(x, y)['rmse']:.3f}")

    def draw(ax):
        grid = np.linspace(-2, 2, 201)[:, None]
        ax.plot(x[:, 0], y, ".", color="0.7", label="examples")
        for hidden, net in fitted.items():
            ax.plot(grid[:, 0], net.predict(grid), label=f"hidden layer: {hidden}")
        ax.set(xlabel="x", ylabel="y", title="Regression with a linear output")
        ax.legend()

    save(out, "regression.png", draw)


if __name__ == "__main__":
    main(parser(__doc__).parse_args().out)
