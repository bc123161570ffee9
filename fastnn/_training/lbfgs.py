"""L-BFGS: SciPy's minimiser on the parameter arena."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn.optimizers import LBFGS

__all__ = ["minimize", "refuse"]

CONVERGED = 0  # SciPy's status


def refuse(**settings: Any) -> None:
    """Refuse what L-BFGS cannot take: whatever of the settings is not None.

    Raises
    ------
    ValueError
        Naming the first one.
    """
    for name, value in settings.items():
        if value is not None:
            raise ValueError(f"optimizer='lbfgs' works on all examples with its own step lengths, and its state is "
                             f"SciPy's: it takes no {name}, got {name}={value!r}")


def minimize(optimizer: LBFGS, theta: NDArray[Any], evaluate: Callable[[NDArray[Any]], float], iterations: int,
             after_iteration: Callable[[float], str | None]) -> tuple[str, Any]:
    """Move `theta` (P,) to a minimum of J.

    Parameters
    ----------
    optimizer : LBFGS
    theta : ndarray (P,) of float32 or float64
        The parameter arena: SciPy's point is copied into it for each evaluation. Where one is interrupted, or raises,
        `theta` goes back to where the last iteration ended.
    evaluate : callable
        Fills an arena like `theta` with the gradient at `theta`; returns J.
    iterations : int
        At most, at least 1.
    after_iteration : callable
        Gets J after each iteration, with `theta` where the iteration ended; returns a reason to stop, or None.

    Returns
    -------
    reason : str
        That reason; "converged"; "evaluations" where they are used up; "stalled" where no step lowers J any further.
    result : scipy.optimize.OptimizeResult
    """
    from scipy.optimize import minimize as scipy_minimize  # a tenth of a second that other optimisers need not pay

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
        with np.errstate(over="ignore", invalid="ignore"):  # a step too far: its J is not finite, and it is taken back
            result = scipy_minimize(cost, theta.astype(np.float64), jac=True, method="L-BFGS-B",
                                    callback=end_iteration, options=options)
    except BaseException:
        np.copyto(theta, reached)
        raise
    if reason is not None:
        return reason, result
    np.copyto(theta, result.x, casting="same_kind")
    if result.status == CONVERGED:
        return "converged", result
    return "evaluations" if result.nfev >= optimizer.max_evaluations else "stalled", result
