"""Whole models, trained by full-batch gradient descent on the binary cross-entropy."""

from collections.abc import Sequence
from itertools import repeat

import numpy as np
from numpy.typing import ArrayLike

from fastnn import runtime
from fastnn._core.course import ANY, as_matrix
from fastnn._data import checks
from fastnn._data.examples import Examples
from fastnn._model.architecture import Architecture
from fastnn._model.objective import Objective
from fastnn._model.parameters import Parameters
from fastnn._training import binding, loop
from fastnn._training.optimizer_state import OptimizerState
from fastnn.functional._blocks import initialize_parameters, initialize_parameters_deep
from fastnn.functional._parameters import ParameterDict, as_examples, as_parameters, check_binary
from fastnn.losses import BinaryCrossEntropy
from fastnn.optimizers import SGD

__all__ = ["L_layer_model", "descend", "nn_model", "two_layer_model"]

COST_EVERY = 100
FLOAT64 = np.dtype(np.float64)


def descend(X: ArrayLike, Y: ArrayLike, parameters: ParameterDict, sizes: Sequence[int], hidden: str, *,
            learning_rate: float, num_iterations: int, print_cost: bool, print_every: int = COST_EVERY,
            n_threads: int | None = None) -> tuple[ParameterDict, list[float]]:
    """Minimise the cost by gradient descent, starting from a copy of `parameters`.

    Parameters
    ----------
    X : array_like (n_x, m)
    Y : array_like (n_y, m)
        0 and 1.
    parameters : dict
    sizes : sequence of int
        n[0], ..., n[L].
    hidden : str
        Activation of the hidden layers; the output is a sigmoid.
    learning_rate, num_iterations, print_cost, n_threads
        As for `L_layer_model`.
    print_every : int
        Iterations between two printed costs: a multiple of 100.

    Returns
    -------
    parameters : dict
        After the last update.
    costs : list of float
        J before the update of iterations 0, 100, 200, ...
    """
    rate = checks.number(learning_rate, "learning_rate", above=0)
    iterations = checks.count(num_iterations, "num_iterations", 0)
    L = len(sizes) - 1
    arrays = as_parameters(parameters, sizes)
    X = as_examples(X, "X", sizes[0])
    m = X.shape[1]
    Y = as_matrix(Y, "Y", sizes[-1], m, "(n_y, m)")
    check_binary(Y, "Y")
    architecture = Architecture.check(sizes, activation=hidden, output="sigmoid", dtype=FLOAT64)
    objective, arena = Objective(BinaryCrossEntropy()), Parameters.allocate(architecture)
    W, b = arena.views()
    for l in range(L):
        W[l], b[l] = arrays[f"W{l + 1}"], arrays[f"b{l + 1}"]
    # (m, n_x), a view of the same memory
    examples = Examples.check(np.asfortranarray(X).T, Y.T, None, architecture, objective.loss)
    costs = []
    state = OptimizerState(SGD(), arena.size, FLOAT64)
    with binding.bound_plan(architecture, objective, arena, examples, state, batch_size=m,
                            n_threads=runtime.thread_count(n_threads)) as plan:
        for i in range(0, iterations, COST_EVERY):
            costs.append(plan.step(0, m, rate))
            if print_cost and i % print_every == 0:
                print(f"Cost after iteration {i}: {costs[-1]}")
            loop.run_batches(plan.step, repeat((0, m), min(COST_EVERY, iterations - i) - 1), repeat(rate))
    trained = {}
    for l in range(1, L + 1):
        trained[f"W{l}"], trained[f"b{l}"] = np.array(W[l - 1]), np.array(b[l - 1])
    return trained, costs


def nn_model(X: ArrayLike, Y: ArrayLike, n_h: int, num_iterations: int = 10000, print_cost: bool = False,
             learning_rate: float = 1.2, *, n_threads: int | None = None) -> ParameterDict:
    """Train a hidden layer of n_h tanh units and a sigmoid output: the course's model of the planar data.

    Parameters
    ----------
    X : array_like (n_x, m)
    Y : array_like (n_y, m)
        0 and 1.
    n_h : int
        Hidden units.
    num_iterations : int, default 10000
    print_cost : bool
        Print the cost every 1000 iterations.
    learning_rate : float, default 1.2

    Returns
    -------
    dict
        W1, b1, W2, b2. Their initial values are those of `initialize_parameters`.
    """
    X = as_examples(X, "X")
    Y = as_matrix(Y, "Y", ANY, X.shape[1], "(n_y, m)")
    parameters = initialize_parameters(len(X), n_h, len(Y))
    return descend(X, Y, parameters, (len(X), n_h, len(Y)), "tanh", learning_rate=learning_rate,
                   num_iterations=num_iterations, print_cost=print_cost, print_every=1000, n_threads=n_threads)[0]


def two_layer_model(X: ArrayLike, Y: ArrayLike, layers_dims: Sequence[int], learning_rate: float = 0.0075,
                    num_iterations: int = 3000, print_cost: bool = False, *,
                    n_threads: int | None = None) -> tuple[ParameterDict, list[float]]:
    """Train linear -> relu -> linear -> sigmoid for layers_dims = (n_x, n_h, n_y).

    Parameters and return values are those of `L_layer_model`; training starts from `initialize_parameters`.
    """
    dims = checks.layer_sizes(layers_dims, "layers_dims")
    if len(dims) != 3:
        raise ValueError(f"layers_dims must be (n_x, n_h, n_y), got {dims}")
    return descend(X, Y, initialize_parameters(*dims), dims, "relu", learning_rate=learning_rate,
                   num_iterations=num_iterations, print_cost=print_cost, n_threads=n_threads)


def L_layer_model(X: ArrayLike, Y: ArrayLike, layers_dims: Sequence[int], learning_rate: float = 0.0075,
                  num_iterations: int = 3000, print_cost: bool = False, parameters: ParameterDict | None = None, *,
                  n_threads: int | None = None) -> tuple[ParameterDict, list[float]]:
    """Train [linear -> relu] x (L-1) -> linear -> sigmoid for layers_dims = [n[0], ..., n[L]].

    Parameters
    ----------
    X : array_like (n_x, m)
    Y : array_like (n_y, m)
        0 and 1.
    layers_dims : sequence of int
    learning_rate : float, default 0.0075
    num_iterations : int, default 3000
    print_cost : bool
        Print the cost every 100 iterations.
    parameters : dict, optional
        Initial values, which are not changed; by default `initialize_parameters_deep(layers_dims)`.
    n_threads : int, optional
        Maximum number of threads.

    Returns
    -------
    parameters : dict
        W1, b1, ..., WL, bL.
    costs : list of float
        J before the update of iterations 0, 100, 200, ...
    """
    dims = checks.layer_sizes(layers_dims, "layers_dims")
    start = initialize_parameters_deep(dims) if parameters is None else parameters
    return descend(X, Y, start, dims, "relu", learning_rate=learning_rate, num_iterations=num_iterations,
                   print_cost=print_cost, n_threads=n_threads)
