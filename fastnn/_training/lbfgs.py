"""L-BFGS: SciPy's minimiser on the parameter arena."""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from fastnn.optimizers import LBFGS

__all__ = ["Minimum", "check_unused", "minimize"]

CONVERGED = 0  # SciPy's status


class Minimum(NamedTuple):
    """The end of a minimisation.

    Attributes
    ----------
    reason : str
        What `after_iteration` returned; else "converged", "evaluations" if they are used up, or "stalled" if no step
        lowers J any further.
    result : scipy.optimize.OptimizeResult
    """

    reason: str
    result: Any


def check_unused(**settings: Any) -> None:
    """Raise a ValueError naming the first of these settings that is not None: L-BFGS supports none of them."""
    for name, value in settings.items():
        if value is not None:
            raise ValueError(f"optimizer='lbfgs' works on all examples with its own step lengths, and its state is "
                             f"SciPy's: it takes no {name}, got {name}={value!r}")


def minimize(optimizer: LBFGS, theta: NDArray[Any], evaluate: Callable[[NDArray[Any]], float], iterations: int,
             after_iteration: Callable[[float], str | None]) -> Minimum:
    """Move `theta` (P,) to a minimum of J.

    Parameters
    ----------
    optimizer : LBFGS
    theta : ndarray (P,) of float32 or float64
        The parameter arena: SciPy's point is copied into it for each evaluation. If an evaluation is interrupted or
        raises, `theta` is set back to the end of the last iteration.
    evaluate : callable
        Fills an arena like `theta` with the gradient at `theta`; returns J.
    iterations : int
        The maximum number, at least 1.
    after_iteration : callable
        Called with J after each iteration, `theta` being at its end; returns a reason to stop, or None.
    """
    from scipy.optimize import minimize as scipy_minimize  # imported here: it takes 0.1 s

    gradient, reached = np.empty_like(theta), theta.copy()
    reason: str | None = None

    def cost(point: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
        np.copyto(theta, point, casting="same_kind")
        J = evaluate(gradient)
        return J, gradient.astype(np.float64)  # SciPy keeps it

    def end_iteration(intermediate_result: Any) -> None:
        nonlocal reason
        np.copyto(theta, intermediate_result.x, casting="same_kind")
        np.copyto(reached, theta)
        reason = after_iteration(float(intermediate_result.fun))
        if reason is not None:
            raise StopIteration

    options = {"maxcor": optimizer.memory, "gtol": optimizer.gradient_tolerance, "ftol": optimizer.cost_tolerance,
               "maxfun": optimizer.max_evaluations, "maxls": optimizer.max_line_search, "maxiter": iterations}
    try:
        # A step that is too long may overflow; the line search takes it back.
        with np.errstate(over="ignore", invalid="ignore"):
            result = scipy_minimize(cost, theta.astype(np.float64), jac=True, method="L-BFGS-B",
                                    callback=end_iteration, options=options)
    except BaseException:
        np.copyto(theta, reached)
        raise
    if reason is None:
        np.copyto(theta, result.x, casting="same_kind")
        if result.status == CONVERGED:
            reason = "converged"
        else:
            reason = "evaluations" if result.nfev >= optimizer.max_evaluations else "stalled"
    return Minimum(reason, result)
