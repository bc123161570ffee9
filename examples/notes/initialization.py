"""Initialisation: why not zeros, why biases may be zero, and why the weights should be small.

Notes 000 and 001, "Initialization of parameters": "if we initialize all parameters to zero, it won't work": "each
neuron in the first hidden layer will perform the same computation, even after multiple iterations": a_1 = a_2, dz_1
= dz_2, "after iterations all rows equal in W[1]". "initializing bias term to zero is OK, but initializing w to zero
creates problems." "W[1] = np.random.randn(2, 2) * 0.01, b[1] = np.zeros((2, 1))"; "use small initial values": with
large ones the "input to activation function will be large so derivative will be small and optimization algorithm
will be slow".
"""

from pathlib import Path

import numpy as np
from pictures import parser, save

from fastnn import Network, datasets

SCALES = (0.01, 1.0, 10.0, 100.0)
SEEDS = range(7)  # the table shows medians, as a single start may be lucky


def flower():
    """All 200 points of class 0 and 100 points of class 1.

    With W = 0 every example has the same output a, so dW[2] is proportional to the sum of a - y. That sum is zero for
    classes of equal size: the network would rest on a saddle point, and only rounding errors could move it.
    """
    X, y = datasets.make_flower(400, random_state=2)
    keep = (y == 0) | (np.cumsum(y) <= 100)
    return X[keep], y[keep]


def trained(W_scale, hidden="sigmoid", seed=0, epochs=2000, learning_rate=1.2):
    """Train a 2-4-1 network on the flower from W = W_scale * randn and b = 0; return it and its costs."""
    X, y = flower()
    net = network(W_scale, hidden, seed)
    history = net.fit(X, y, optimizer="sgd", batch_size=None, shuffle=False, learning_rate=learning_rate, epochs=epochs)
    return net, history.loss


def network(W_scale, hidden, seed=0):
    net = Network([2, 4, 1], activation=hidden, output="sigmoid", init="zeros", dtype="float64", random_state=0)
    rng = np.random.default_rng(seed)
    for W in net.W:
        W[...] = W_scale * rng.standard_normal(W.shape)
    return net


def spread_of_units(net):
    """The largest difference between two rows of W[1] in one column."""
    return float(np.ptp(net.W[0], axis=0).max())


def slope_of_units(W_scale):
    """The mean of g'(Z[1]) of tanh units before training, over units, examples and seeds."""
    X, _ = flower()
    return float(np.mean([1 - network(W_scale, "tanh", seed).forward(X, return_cache=True)[1].A[0] ** 2
                          for seed in SEEDS]))


def median_costs(W_scale):
    """The median over the seeds of the cost at each iteration."""
    return np.median([trained(W_scale, "tanh", seed)[1] for seed in SEEDS], axis=0)


def main(out: Path | None = None) -> None:
    print("W[1] after 2000 iterations (4 sigmoid units in the hidden layer), all biases zero at the start")
    for name, scale in (("W = 0", 0.0), ("W = randn * 0.01", 0.01)):
        net, costs = trained(scale)
        print(f"{name}: cost {costs[-1]:.4f}, rows of W[1] differ by up to {spread_of_units(net):.1e}")
        print("  " + str(np.round(net.W[0], 4)).replace("\n", "\n  "))
    print(f"\nWith 4 tanh units, W = scale * randn: medians of {len(SEEDS)} starts")
    print("scale   mean g'(Z[1])   cost at the start    after 100   after 500   after 2000")
    curves = {scale: median_costs(scale) for scale in SCALES}
    for scale, costs in curves.items():
        print(f"{scale:<7g} {slope_of_units(scale):13.4f}   {costs[0]:17.4f}   {costs[100]:10.4f}  "
              f"{costs[500]:10.4f}   {costs[-1]:10.4f}")

    def draw(ax):
        for scale, costs in curves.items():
            ax.plot(costs, label=f"W = {scale:g} randn", linewidth=1)
        ax.set(xlabel="iteration", ylabel="cost J (log scale)", yscale="log",
               title=f"Large initial weights learn slowly (medians of {len(SEEDS)} starts)")
        ax.legend()

    save(out, "initialization.png", draw)


if __name__ == "__main__":
    main(parser(__doc__).parse_args().out)
