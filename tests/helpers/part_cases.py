"""Networks with an input stage and mixtures, their data, and the reference for them."""

import numpy as np

from fastnn import Network, reference
from fastnn.embeddings import Embedding

ROWS = 50
EMBEDDING = Embedding(numbers=(0, 3, 4), categories={2: 5, 5: 3}, n_frequencies=6, n_outputs=2, vector_size=3,
                      frequency_scale=0.5)  # fmt: skip
# Layer sizes and the further arguments of the network
NETS = {
    "all parts": ([6, 14, 10, 3], {"activation": ["selu", "mish"], "embedding": EMBEDDING, "scale_inputs": True,
                                   "activation_mixture": True, "dropout": (0.2, 0.3), "l2": 0.01}),
    "embedding, one layer": ([6, 2], {"embedding": EMBEDDING}),
    "categories alone": ([6, 9, 2], {"activation": "tanh", "embedding": Embedding(categories={2: 5}), "l1": 0.003}),
    "factors": ([6, 12, 1], {"activation": "relu", "output": "sigmoid", "scale_inputs": True, "dropout": 0.4}),
    "mixtures": ([6, 12, 9, 2], {"activation": ["relu", "gelu"], "output": "identity", "activation_mixture": True,
                                 "dropout": (0.0, 0.3)}),
}  # fmt: skip


def network(name, dtype="float64", **more):
    """A network of `NETS`, all of its parameters away from their initial constants."""
    sizes, arguments = NETS[name]
    net = Network(sizes, dtype=dtype, random_state=len(name), **arguments, **more)
    rng = np.random.default_rng(1)
    for parameter, view in net.parameters.items():
        if parameter.startswith(("b[", "scale", "mixture", "vectors")):
            view[...] += rng.uniform(-0.4, 0.4, view.shape)
    return net


def data(net, rows=ROWS, weighted=False, seed=0):
    """X with codes in columns 2 and 5 (one unknown), y and weights or None."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((rows, net.layer_sizes[0])).astype(net.dtype)
    X[:, 2], X[:, 5] = rng.integers(5, size=rows), rng.integers(3, size=rows)
    X[0, 2] = 2.5
    if net.activations[-1] == "identity":
        y = rng.standard_normal((rows, net.layer_sizes[-1])).astype(net.dtype)
    else:
        y = rng.integers(max(2, net.layer_sizes[-1]), size=rows)
    return X, y, rng.uniform(0.25, 3, rows).astype(net.dtype) if weighted else None


class Reference:
    """The reference of a network: float64 copies of its parameters by name, and an optimiser."""

    def __init__(self, net, rule="sgd", seed=0, **hyperparameters):
        self.net, self.seed = net, seed
        self.parameters = {name: view.astype(np.float64) for name, view in net.parameters.items()}
        self.optimizer = reference.Optimizer(rule, **hyperparameters)
        embedding = net.embedding or Embedding()
        self.columns = {"numbers": embedding.numbers, "categories": embedding.categories}

    def gradients(self, X, y, weights=None, masks=()):
        """J and the gradients by name for X (m, n[0])."""
        net, Y = self.net, np.asarray(y)
        Y = reference.one_hot(Y, net.layer_sizes[-1]) if net.activations[-1] == "softmax" else Y.reshape(len(X), -1).T
        return reference.named_gradients(X.T, Y, self.parameters, net.activations, net.loss_name, weights, net.l2,
                                         l1=net.l1, masks=masks, **self.columns)  # fmt: skip

    def outputs(self, X):
        """A[L] (m, n[L]) of the rows of X."""
        return reference.named_forward(X.T, self.parameters, self.net.activations, **self.columns)[1][-1].T

    def step(self, X, y, rate, weights=None):
        """Update the parameters; return J before."""
        masks = [reference.dropout_mask(dropout, (n, len(X)), seed=self.seed, step=self.optimizer.t, layer=l)
                 for l, (dropout, n) in enumerate(zip(self.net.dropout, self.net.layer_sizes[1:-1], strict=True), 1)]
        J, gradients = self.gradients(X, y, weights, masks if any(self.net.dropout) else ())
        self.optimizer.update(list(self.parameters.values()), list(gradients.values()), rate)
        return J

    def theta(self):
        """All parameters."""
        return flat(self.parameters)


def flat(named):
    """Named arrays as one vector of float64."""
    return np.concatenate([np.asarray(array, np.float64).ravel() for array in named.values()])
