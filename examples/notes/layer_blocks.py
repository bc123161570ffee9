"""The forward and the backward block of layer l, and the caches passed between them.

Note 003 (and note 001, "Building blocks of deep NN"): "Forward: input a[l-1], output a[l], cache (z[l])";
"Backward: input da[l], output da[l-1], dW[l], db[l]":

    Z[l] = W[l] A[l-1] + b[l]            dZ[l] = dA[l] * g[l]'(Z[l])
    A[l] = g[l](Z[l])                    dW[l] = 1/m dZ[l] A[l-1]^T
                                         db[l] = 1/m np.sum(dZ[l], axis=1, keepdims=True)
                                         dA[l-1] = W[l]^T dZ[l]

"So that's the input to the first forward function in the chain and then just repeating this"; "for deep NN a for
loop has to be there, from 1 to L"; dA[0] is the "derivative with respect to your input features, which is not
useful ... you could just stop it there".
"""

from itertools import pairwise
from pathlib import Path

import numpy as np
from pictures import parser

from fastnn import functional

SIZES = (3, 5, 5, 2, 1)
ACTIVATIONS = ("tanh", "relu", "leaky_relu", "sigmoid")


def problem(m=8, sizes=SIZES):
    """X, Y, W, b; the lists start with None, so that ``W[l]`` is W[l]."""
    rng = np.random.default_rng(0)
    W = [None] + [rng.standard_normal((n, n_prev)) for n_prev, n in pairwise(sizes)]
    b = [None] + [0.1 * rng.standard_normal((n, 1)) for n in sizes[1:]]
    return rng.standard_normal((sizes[0], m)), rng.integers(0, 2, (sizes[-1], m)).astype(float), W, b


def forward(X, W, b, activations=ACTIVATIONS):
    """A[L] and the caches of all blocks, computed from left to right."""
    A, caches = X, [None]
    for l, g in enumerate(activations, 1):
        A, cache = functional.linear_activation_forward(A, W[l], b[l], g)
        caches.append(cache)
    return A, caches


def backward(AL, Y, caches, activations=ACTIVATIONS):
    """dA, dW, db of all layers, computed from right to left, including dA[0]."""
    L = len(activations)
    dA, dW, db = [None] * (L + 1), [None] * (L + 1), [None] * (L + 1)
    dA[L] = -Y / AL + (1 - Y) / (1 - AL)
    for l in range(L, 0, -1):
        dA[l - 1], dW[l], db[l] = functional.linear_activation_backward(dA[l], caches[l], activations[l - 1])
    return dA, dW, db


def main(out: Path | None = None) -> None:
    X, Y, W, b = problem()
    AL, caches = forward(X, W, b)
    print("Forward, left to right")
    for l, g in enumerate(ACTIVATIONS, 1):
        (A_prev, W_l, b_l), Z = caches[l]
        print(f"  block {l} ({g}): A[{l - 1}] {A_prev.shape} -> A[{l}], "
              f"cache W[{l}] {W_l.shape}, b[{l}] {b_l.shape}, Z[{l}] {Z.shape}")
    print(f"cost J = {functional.compute_cost(AL, Y):.6f}")
    dA, dW, db = backward(AL, Y, caches)
    print("Backward, right to left")
    for l in range(len(ACTIVATIONS), 0, -1):
        print(f"  block {l}: dA[{l}] {dA[l].shape} -> dA[{l - 1}] {dA[l - 1].shape}, "
              f"|dW[{l}]| = {np.linalg.norm(dW[l]):.4f}, |db[{l}]| = {np.linalg.norm(db[l]):.4f}")
    print("L_model_backward computes dA[0] only with input_gradient=True")


if __name__ == "__main__":
    main(parser(__doc__).parse_args().out)
