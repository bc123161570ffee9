"""The gradients of a 2-layer and of an L-layer network, for one example and for many, checked in several ways.

Note 002 (and 000, 001): da[2] = -y/a[2] + (1 - y)/(1 - a[2]); dz[2] = a[2] - y; dW[2] = 1/m dZ[2] A[1]^T, "1/m
indicates average"; db[2] = 1/m "sum of all the elements" of dZ[2]; dZ[1] = W[2]^T dZ[2] * g[1]'(Z[1]),
"element-wise multiplication"; dW[1] = 1/m dZ[1] X^T; db[1] = 1/m sum of dZ[1]. Note 000, "Backward Propagation
Explained": dz[l] = W[l+1]^T dz[l+1] * g[l]'(z[l]); dW[l] = dz[l] a[l-1]^T; db[l] = dz[l]. Note 004: dL/dZ[2] =
dL/dA[4] dA[4]/dZ[4] dZ[4]/dA[3] dA[3]/dZ[3] dZ[3]/dA[2] dA[2]/dZ[2], a product of matrices.
"""

from pathlib import Path

import numpy as np
from layer_blocks import backward, forward, problem
from pictures import parser

from fastnn import gradcheck, graph

TWO = (2, 4, 1)
DEEP, TANH = (3, 5, 4, 3, 1), ("tanh", "tanh", "tanh", "sigmoid")


def sigmoid(Z):
    return 1 / (1 + np.exp(-Z))


def two_layers(X, Y, W, b):
    """dW, db of a 2-layer network, tanh and sigmoid, as in note 002; the lists start with None."""
    m = X.shape[1]
    A1 = np.tanh(W[1] @ X + b[1])
    A2 = sigmoid(W[2] @ A1 + b[2])
    dZ2 = A2 - Y
    dW2 = 1 / m * dZ2 @ A1.T
    db2 = 1 / m * np.sum(dZ2, axis=1, keepdims=True)
    dZ1 = W[2].T @ dZ2 * (1 - A1**2)
    dW1 = 1 / m * dZ1 @ X.T
    db1 = 1 / m * np.sum(dZ1, axis=1, keepdims=True)
    return [None, dW1, dW2], [None, db1, db2]


def on_fastnn(X, Y, W, b, activations):
    """dW, db, computed by the blocks of all layers."""
    AL, caches = forward(X, W, b, activations)
    return backward(AL, Y, caches, activations)[1:]


def on_the_graph(X, Y, W, b):
    """dW, db of tanh layers and a sigmoid output, computed by the graph of J."""
    W, b = [None, *map(graph.Node, W[1:])], [None, *map(graph.Node, b[1:])]
    A = X
    for l in range(1, len(W)):
        Z = W[l] @ A + b[l]
        A = graph.tanh(Z) if l < len(W) - 1 else graph.sigmoid(Z)
    J = -(Y * graph.log(A) + (1 - Y) * graph.log(1 - A)).sum() / X.shape[1]
    J.backward()
    return [None, *(node.grad for node in W[1:])], [None, *(node.grad for node in b[1:])]


def mean_over_examples(X, Y, W, b, activations):
    """dW, db as the mean of the gradients of single examples, which 1/m and the sums over the examples compute."""
    m = X.shape[1]
    single = [on_fastnn(X[:, [i]], Y[:, [i]], W, b, activations) for i in range(m)]
    return tuple([None, *(sum(one[k][l] for one in single) / m for l in range(1, len(W)))] for k in (0, 1))


def chain_of_jacobians(x, y, W, b):
    """dz[l] and a[l] of every tanh layer for one example x (n[0], 1), by the product of matrices in note 004."""
    L = len(W) - 1
    a, slope = [x], [None]
    for l in range(1, L + 1):
        z = W[l] @ a[-1] + b[l]
        a.append(np.tanh(z) if l < L else sigmoid(z))
        slope.append(1 - a[-1] ** 2 if l < L else a[-1] * (1 - a[-1]))
    dL_da = (-y / a[L] + (1 - y) / (1 - a[L])).T  # a row: dL/da[L]
    dz = [None] * (L + 1)
    product = dL_da @ np.diag(slope[L][:, 0])  # da[L]/dz[L] is diagonal
    dz[L] = product.T
    for l in range(L - 1, 0, -1):
        product = product @ W[l + 1] @ np.diag(slope[l][:, 0])  # dz[l+1]/da[l] = W[l+1]
        dz[l] = product.T
    return dz, a


def largest_difference(one, other):
    return max(np.abs(x - y).max() for part, also in zip(one, other, strict=True)
               for x, y in zip(part[1:], also[1:], strict=True))


def check(X, Y, W, b, activations):
    """Compare the gradients with numerical derivatives of J."""
    def cost(parameters):
        values = [[None, *(parameters[f"{s}{l}"] for l in range(1, len(W)))] for s in "Wb"]
        AL, _ = forward(X, *values, activations)
        return -np.mean(Y * np.log(AL) + (1 - Y) * np.log(1 - AL))

    dW, db = on_fastnn(X, Y, W, b, activations)
    layers = range(1, len(W))
    return gradcheck.check_parameters(cost, {**{f"W{l}": W[l] for l in layers}, **{f"b{l}": b[l] for l in layers}},
                                      {**{f"dW{l}": dW[l] for l in layers}, **{f"db{l}": db[l] for l in layers}})


def main(out: Path | None = None) -> None:
    for title, sizes, activations in (("2-layer network 2-4-1", TWO, ("tanh", "sigmoid")),
                                      ("4-layer network 3-5-4-3-1", DEEP, TANH)):
        for m in (1, 8):
            X, Y, W, b = problem(m, sizes)
            ours = on_fastnn(X, Y, W, b, activations)
            print(f"{title}, m = {m}: gradients on fastnn differ from")
            if sizes == TWO:
                print(f"  note 002's formulas by at most       {largest_difference(ours, two_layers(X, Y, W, b)):.1e}")
            print(f"  the computation graph by at most     {largest_difference(ours, on_the_graph(X, Y, W, b)):.1e}")
            mean = mean_over_examples(X, Y, W, b, activations)
            print(f"  the mean over single examples by     {largest_difference(ours, mean):.1e}")
            print(f"  numerical derivatives: {check(X, Y, W, b, activations)}")
    X, Y, W, b = problem(1, DEEP)
    dz, a = chain_of_jacobians(X, Y, W, b)
    dW, db = on_fastnn(X, Y, W, b, TANH)
    print("Note 004's product of matrices, one example: dz[2] a[1]^T - dW[2] is at most",
          f"{np.abs(dz[2] @ a[1].T - dW[2]).max():.1e}, dz[2] - db[2] {np.abs(dz[2] - db[2]).max():.1e}")


if __name__ == "__main__":
    main(parser(__doc__).parse_args().out)
