"""Matrix dimensions, forward and backward, and the step from single units to all units and all examples.

Note 001, "getting matrix dimensions right": W[l] = (n[l], n[l-1]), b[l] = (n[l], 1), Z[l], A[l] = (n[l], m),
"broadcasting here"; note 002, "Dimensional Analysis", forward and backward: dZ, dA as Z, A; dW, db as W, b; note
004, "Getting Matrix Dimensions": W (k x n) times A (n x m) + b (k x 1) = Z (k x m), where z_k = w_k1 a_1 + ... +
w_kn a_n + b_k. Note 000, "Computing a Neural Network output": z_i = w_i^T x + b_i unit by unit; "stack the w_i in a
matrix", W[1] is 4 x 3; "for i = 1 to m ... we want to vectorize": Z[1] = W[1] X + b[1] holds z[1](i) as column i,
one row a hidden unit.
"""

from pathlib import Path

import numpy as np
from pictures import parser

from fastnn import Network, functional

NOTES_SIZES = (3, 5, 5, 2, 1)  # n[0] .. n[4] of note 001


def unit_by_unit(W, b, x):
    """z of one layer for one example x (n[l-1],): z_i = w_i1 x_1 + ... + w_in x_n + b_i."""
    return np.array([sum(W[i, j] * x[j] for j in range(len(x))) + b[i, 0] for i in range(len(W))])


def example_by_example(W, b, X):
    """Z, computed by the loop over the examples that vectorisation replaces."""
    return np.stack([W @ X[:, i] + b[:, 0] for i in range(X.shape[1])], axis=1)


def shapes(sizes=NOTES_SIZES, m=7):
    """The shapes of every array of a forward and a backward pass, by name."""
    rng = np.random.default_rng(0)
    np.random.seed(0)  # noqa: NPY002  (the course draws from the global generator)
    parameters = functional.initialize_parameters_deep(sizes)
    AL, caches = functional.L_model_forward(rng.standard_normal((sizes[0], m)), parameters)
    grads = functional.L_model_backward(AL, rng.integers(0, 2, (sizes[-1], m)), caches, input_gradient=True)
    found = {name: value.shape for name, value in {**parameters, **grads}.items()}
    for l, ((A_prev, _, _), Z) in enumerate(caches, 1):
        found[f"A{l - 1}"], found[f"Z{l}"] = A_prev.shape, Z.shape
    found[f"A{len(caches)}"] = AL.shape
    return found


def mistakes():
    """Error messages of calls with a wrong dimension."""
    W, b, X = np.ones((4, 3)), np.zeros((4, 1)), np.ones((3, 7))
    A, cache = functional.linear_activation_forward(X, W, b, "relu")
    deep = {"W1": W, "b1": b, "W2": np.ones((1, 3)), "b2": np.zeros((1, 1))}
    calls = {
        "W[1] as (n[0], n[1])": lambda: functional.linear_forward(X, W.T, b),
        "examples in rows": lambda: functional.linear_forward(X.T, W, b),
        "b[1] as (4,)": lambda: functional.linear_forward(X, W, np.zeros(4)),
        "W[2] for 3 units, not 4": lambda: functional.L_model_forward(X, deep),
        "dA of another layer": lambda: functional.linear_activation_backward(np.ones((1, 7)), cache, "relu"),
        "Y of other examples": lambda: functional.compute_cost(A[:1] / 4, np.ones((1, 6))),
    }
    said = {}
    for what, call in calls.items():
        try:
            call()
        except ValueError as error:
            said[what] = str(error)
    return said


def main(out: Path | None = None) -> None:
    print("Note 001's network:")
    print(Network(list(NOTES_SIZES), activation="tanh", output="sigmoid", dtype="float64", random_state=0).summary())
    found = shapes()
    print("\nA pass over m = 7 examples:")
    for l in range(1, len(NOTES_SIZES)):
        print(f"  layer {l}: " + "  ".join(f"{name} {found[name]}" for name in (
            f"W{l}", f"b{l}", f"Z{l}", f"A{l}", f"dW{l}", f"db{l}", f"dA{l - 1}")))
    rng = np.random.default_rng(1)
    W, b, X = rng.standard_normal((4, 3)), rng.standard_normal((4, 1)), rng.standard_normal((3, 5))
    Z, _ = functional.linear_forward(X, W, b)
    units = np.stack([unit_by_unit(W, b, X[:, i]) for i in range(5)], axis=1)
    print(f"\nZ = W X + b and unit by unit: largest difference {np.abs(Z - units).max():.1e}; "
          f"and example by example: {np.abs(Z - example_by_example(W, b, X)).max():.1e}")
    print("\nMistakes and their error messages:")
    for what, text in mistakes().items():
        print(f"  {what}: {text}")


if __name__ == "__main__":
    main(parser(__doc__).parse_args().out)
