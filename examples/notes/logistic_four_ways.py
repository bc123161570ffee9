"""Logistic regression as a network with one unit, computed in four equivalent ways.

Note 001, "logistic regression Grad. Descent": J = 0; dw1 = 0; dw2 = 0; db = 0; for i = 1 to m: z(i) = w^T x(i) + b,
a(i) = sigma(z(i)), J += ..., dz(i) = a(i) - y(i), dw1 += x1(i) dz(i), dw2 += x2(i) dz(i), db += dz(i); then all of
them /= m. "soln from for loops less eff. -> vectorisation is soln": Z = np.dot(w.T, X) + b, dZ = A - Y, dw = 1/m X
dZ^T, db = 1/m np.sum(dZ). And "x_0 = 1, y_hat = sigma(theta^T x)": theta holds b on top of w.
"""

import math
from pathlib import Path
from time import perf_counter

import numpy as np
from pictures import parser

from fastnn import functional


def explicit_loops(w, b, X, Y):
    """J, dw, db by a loop over the examples and a loop over the features inside it."""
    n_x, m = X.shape
    J, dw, db = 0.0, np.zeros((n_x, 1)), 0.0
    for i in range(m):
        z = b
        for j in range(n_x):
            z += w[j, 0] * X[j, i]
        a = 1 / (1 + math.exp(-z))
        J -= Y[0, i] * math.log(a) + (1 - Y[0, i]) * math.log(1 - a)
        dz = a - Y[0, i]
        for j in range(n_x):
            dw[j, 0] += X[j, i] * dz
        db += dz
    return J / m, dw / m, db / m


def vectorised_over_features(w, b, X, Y):
    """J, dw, db by a loop over the examples only."""
    n_x, m = X.shape
    J, dw, db = 0.0, np.zeros(n_x), 0.0
    for i in range(m):
        x = X[:, i]
        a = 1 / (1 + math.exp(-(np.dot(w[:, 0], x) + b)))
        J -= Y[0, i] * math.log(a) + (1 - Y[0, i]) * math.log(1 - a)
        dz = a - Y[0, i]
        dw += x * dz
        db += dz
    return J / m, dw[:, None] / m, db / m


def vectorised_over_examples(w, b, X, Y):
    """J, dw, db without loops."""
    m = X.shape[1]
    Z = np.dot(w.T, X) + b
    A = 1 / (1 + np.exp(-Z))
    J = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
    dZ = A - Y
    return J, np.dot(X, dZ.T) / m, np.sum(dZ) / m


def on_fastnn(w, b, X, Y):
    """J, dw, db by the compiled kernels."""
    grads, J = functional.propagate(w, b, X, Y)
    return J, grads["dw"], grads["db"]


WAYS = {"explicit loops": explicit_loops, "vectorised over features": vectorised_over_features,
        "vectorised over examples": vectorised_over_examples, "fastnn": on_fastnn}


def with_theta(theta, X, Y):
    """J and dtheta of y_hat = sigma(theta^T x) with theta = [b; w] (n_x + 1, 1) and x_0 = 1."""
    m = X.shape[1]
    X1 = np.vstack([np.ones((1, m)), X])
    A = 1 / (1 + np.exp(-np.dot(theta.T, X1)))
    J = -np.sum(Y * np.log(A) + (1 - Y) * np.log(1 - A)) / m
    return J, np.dot(X1, (A - Y).T) / m


def problem(n_x, m):
    """w, b, X, Y of two classes separated by a plane through the origin, apart from noise."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n_x, m))
    Y = (rng.standard_normal((1, n_x)) @ X + 0.5 * rng.standard_normal((1, m)) > 0).astype(int)
    return rng.standard_normal((n_x, 1)) / np.sqrt(n_x), 0.1, X, Y


def main(out: Path | None = None) -> None:
    w, b, X, Y = problem(50, 1000)
    print("Logistic regression, n_x = 50 features, m = 1000 examples: one gradient")
    for name, way in WAYS.items():
        began = perf_counter()
        J, dw, db = way(w, b, X, Y)
        took = perf_counter() - began
        print(f"  {name:<25} J = {J:.15f}  dw_1 = {dw[0, 0]:+.15f}  db = {db:+.15f}  {took * 1e3:8.3f} ms")
    J, dtheta = with_theta(np.vstack([[[b]], w]), X, Y)
    print(f"  {'theta, with x_0 = 1':<25} J = {J:.15f}  dw_1 = {dtheta[1, 0]:+.15f}  db = {dtheta[0, 0]:+.15f}")
    print("(for accurate times on several shapes, run python bench vectorization)")
    _, _, costs = functional.optimize(w, b, X, Y, num_iterations=1001, learning_rate=0.5)
    print("Gradient descent, J every 200 iterations:", " ".join(f"{cost:.4f}" for cost in costs[::2]))


if __name__ == "__main__":
    main(parser(__doc__).parse_args().out)
