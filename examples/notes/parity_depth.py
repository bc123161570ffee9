"""Circuit theory and depth: the parity of n bits in a deep and in a shallow network.

Note 001, "Circuit theory & deep learning: function[s] to compute with small [deep networks for which a] shallower
NN need[s] exponential[ly many] hidden [units]". The lecture's example is the XOR (parity) of n bits, built here by
hand on relu units:

- deep: a tree. x XOR y = relu(x + y) - 2 relu(x + y - 1), so each XOR takes 2 hidden units. If n is a power of 2, the
  tree has 2(n - 1) hidden units in log2(n) hidden layers. (A bit without a partner takes one more unit to pass it on.)
- shallow: one hidden layer with one unit for each pattern p with an odd number of ones: relu(sum over p_j = 1 of x_j -
  sum over p_j = 0 of x_j - (|p| - 1)) is 1 at x = p and 0 at every other x. There are 2^(n-1) such patterns.

The exponential growth holds for circuits: an OR of ANDs needs 2^(n-1) ANDs for parity, as `prime_implicants` shows for
small n. A hidden layer with real weights needs only n units, which count the ones: see `counting_network`.
"""

from itertools import product
from pathlib import Path

import numpy as np
from pictures import parser

from fastnn import Network


def all_inputs(n):
    """All 2^n inputs, one per row."""
    return np.array(list(product((0.0, 1.0), repeat=n)))


def parity(X):
    return X.sum(axis=1) % 2


def network(layers):
    """A network of relu units with a linear output and the parameters [(W, b), ...]."""
    net = Network([layers[0][0].shape[1], *(len(W) for W, _ in layers)], activation="relu", output="identity",
                  dtype="float64")
    for l, (W, b) in enumerate(layers):
        net.W[l][...], net.b[l][...] = W, np.reshape(b, (-1, 1))
    return net


def deep_network(n):
    """A tree of XORs of n >= 2 bits, with ceil(log2(n)) hidden layers."""
    layers, read = [], np.eye(n)  # `read` @ (previous layer) gives the bits of this level
    while len(read) > 1:
        pairs, odd = divmod(len(read), 2)
        W, b = [], []
        next_read = np.zeros((pairs + odd, 2 * pairs + odd))
        for k in range(pairs):
            both = read[2 * k] + read[2 * k + 1]
            W += [both, both]
            b += [0.0, -1.0]
            next_read[k, 2 * k : 2 * k + 2] = 1, -2
        if odd:
            W.append(read[-1])
            b.append(0.0)
            next_read[-1, -1] = 1
        layers.append((np.array(W), np.array(b)))
        read = next_read
    return network([*layers, (read, np.zeros(1))])


def shallow_network(n):
    """One hidden unit for each of the 2^(n-1) patterns of odd parity."""
    patterns = all_inputs(n)
    patterns = patterns[parity(patterns) == 1]
    return network([(2 * patterns - 1, 1 - patterns.sum(axis=1)), (np.ones((1, len(patterns))), np.zeros(1))])


def counting_network(n):
    """n hidden units relu(s - k), k = 0 .. n-1, of the count s of ones; the output zigzags 0, 1, 0, 1, ... over s."""
    weights = np.array([1.0] + [2.0 * (-1) ** k for k in range(1, n)])
    return network([(np.ones((n, n)), -np.arange(float(n))), (weights[None], np.zeros(1))])


def hidden_units(net):
    return sum(net.layer_sizes[1:-1])


def right_everywhere(net):
    """Whether the output equals the parity of every input exactly."""
    X = all_inputs(net.layer_sizes[0])
    return bool(np.array_equal(net.forward(X)[:, 0], parity(X)))


def prime_implicants(n):
    """The ANDs of literals (0, 1, or None for no literal) that imply odd parity."""
    X = all_inputs(n)
    found = []
    for term in product((0.0, 1.0, None), repeat=n):
        covered = [x for x in X if all(want in (None, bit) for want, bit in zip(term, x, strict=True))]
        if parity(np.array(covered)).all():
            found.append(term)
    return found


def main(out: Path | None = None) -> None:
    print("Parity of n bits on all 2^n inputs; hidden units (and hidden layers)")
    print(" n   inputs   deep, XOR tree   shallow, a unit a pattern   shallow, counting   all right")
    for n in range(2, 11):
        nets = deep_network(n), shallow_network(n), counting_network(n)
        deep, shallow, counting = (hidden_units(net) for net in nets)
        depth = len(nets[0].layer_sizes) - 2
        right = all(right_everywhere(net) for net in nets)
        print(f"{n:2} {2**n:8}   {f'{deep} ({depth})':>14}   {shallow:25}   {counting:17}   {right}")
    for n in range(2, 6):
        terms = prime_implicants(n)
        print(f"ANDs that imply odd parity of {n} bits: {len(terms)}, "
              f"all of them on all {n} bits: {all(None not in term for term in terms)}")


if __name__ == "__main__":
    main(parser(__doc__).parse_args().out)
