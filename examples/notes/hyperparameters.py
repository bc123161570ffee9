"""Parameters and hyperparameters, and the effect of the learning rate.

Note 001, "Parameters vs Hyperparameters": parameters are W, b; hyperparameters are the learning rate alpha, the
number of iterations, of hidden layers L and of hidden units n[1], n[2], ..., and the choice of activation function.
Training changes the parameters; the hyperparameters are chosen beforehand and determine the trained parameters.
"""

from pathlib import Path

import numpy as np
from pictures import parser, save

from fastnn import Network, datasets

RATES = (0.01, 0.1, 1.0, 10.0)


def train(learning_rate=1.0, iterations=1000, hidden=(4,), activation="tanh"):
    """Train a network on the flower with these hyperparameters; return it, its initial W and b, and the costs."""
    X, y = datasets.make_flower(400, random_state=2)
    net = Network([2, *hidden, 1], activation=activation, output="sigmoid", dtype="float64", random_state=0)
    before = [array.copy() for array in (*net.W, *net.b)]
    history = net.fit(X, y, optimizer="sgd", batch_size=None, learning_rate=learning_rate, epochs=iterations)
    return net, before, history.loss


def main(out: Path | None = None) -> None:
    net, before, _ = train()
    now = [*net.W, *net.b]
    moved = sum(int(np.count_nonzero(a != b)) for a, b in zip(now, before, strict=True))
    print("parameters, learned:  " + ", ".join(f"{s}[{l}] {array.shape}" for s, arrays in (("W", net.W), ("b", net.b))
                                               for l, array in enumerate(arrays, 1)))
    print(f"  {moved} of {net.n_parameters} numbers changed in training")
    print("hyperparameters, chosen:  learning rate, iterations, number of hidden layers and of their units, activation")
    print(f"{'':44}cost J")
    for name, chosen in {"the choice: 1.0, 1000, (4,), tanh": {}, "learning_rate=0.01": {"learning_rate": 0.01},
                         "iterations=100": {"iterations": 100}, "hidden=(20,)": {"hidden": (20,)},
                         "hidden=(4, 4)": {"hidden": (4, 4)}, "activation='relu'": {"activation": "relu"}}.items():
        print(f"  {name:42}{train(**chosen)[2][-1]:.4f}")
    curves = {rate: train(learning_rate=rate)[2] for rate in RATES}
    print("cost after 1000 iterations: " + ", ".join(f"alpha = {rate:g}: {J[-1]:.4f}" for rate, J in curves.items()))

    def draw(ax):
        for rate, costs in curves.items():
            ax.plot(costs, label=f"α = {rate:g}", linewidth=1)
        ax.set(xlabel="iteration", ylabel="cost J", title="The same network with several learning rates", ylim=(0, 1.5))
        ax.legend()

    save(out, "learning_rates.png", draw)


if __name__ == "__main__":
    main(parser(__doc__).parse_args().out)
