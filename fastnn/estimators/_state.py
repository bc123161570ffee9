"""The fitted state of an estimator: its network, and copies and pickles."""

import contextlib
import inspect
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from fastnn._data import checks
from fastnn._data.sparse import is_sparse
from fastnn._model import pickled
from fastnn.estimators._changes import portable, recall_parameters, with_functions
from fastnn.estimators._functions import copied, deep_copied, packed, sharing_clone
from fastnn.estimators._network import CoreNetwork

__all__ = ["FittedState"]

# Attributes that copies and pickles omit: the first can be rebuilt.
TRANSIENT = frozenset({"_network", "_in_training"})
# Attributes of the fitted state whose names do not tell.
PRIVATE = frozenset({"_best_coefs", "_best_intercepts", "_fitted_with", "_label_binarizer", "_optimizer",
                     "_random_state"})


class FittedState:
    """The fitted state of `BaseMLP`, whose parameters it reads."""

    def _current_activations(self: Any) -> tuple[Any, str]:
        """Return the activations of the layers; users may set either attribute after a fit."""
        activation = self.activation
        if not isinstance(activation, str):
            activation = checks.scalar(activation)
            activation = activation if isinstance(activation, str) else tuple(activation)
        return activation, self.out_activation_

    def _use_network(self: Any, network: CoreNetwork) -> None:
        """Make `coefs_` and `intercepts_` views of this network's parameters."""
        before = self.__dict__
        best = "_best_coefs" in before and before["_best_coefs"] is before.get("coefs_")
        self._network = network
        self._network_activations = self._current_activations()
        self.coefs_: list[NDArray[Any]] = list(network.coefs)
        self.intercepts_: list[NDArray[Any]] = list(network.intercepts)
        if best:
            self._best_coefs, self._best_intercepts = self.coefs_, self.intercepts_

    def _fitted_network(self: Any) -> CoreNetwork:
        """Return the network; a copy if an array of `coefs_` or `intercepts_`, or an activation, has been replaced."""
        network: CoreNetwork | None = self.__dict__.get("_network")
        if (network is not None and self._network_activations == self._current_activations()
                and network.is_viewed_by(self.coefs_, self.intercepts_)):
            return network
        names = self._hidden_activations(len(self.coefs_) - 1)
        return CoreNetwork.from_arrays(self.coefs_, self.intercepts_, names, self.out_activation_)

    def _trainable_network(self: Any, X: Any, *, follow: bool = False) -> CoreNetwork:
        """Return the network in the dtype and layout for training on X; coefs_ and intercepts_ become its views.

        With `follow`, dtype=None is that of X; otherwise it is that of the parameters.
        """
        network: CoreNetwork = self._fitted_network()
        if self.dtype is not None:
            network = network.as_dtype(self.dtype)
        elif self.solver == "lbfgs":
            network = network.as_dtype(np.float64)
        elif follow:
            network = network.as_dtype(X.dtype)
        if is_sparse(X):
            network = network.column_major()
        if network is not self.__dict__.get("_network"):
            self._use_network(network)
        return network

    def __getstate__(self) -> dict[str, Any]:
        everything: Any = super().__getstate__()
        state = {key: value for key, value in everything.items() if key not in TRANSIENT}
        if "_fitted_with" in state:
            state["_fitted_with"] = portable(self)
        return packed(self, pickled.stamped(state))

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = pickled.unstamped(state, type(self).__name__)
        super().__setstate__(defaults(type(self)) | state)  # type: ignore[misc]
        if "_fitted_with" in state:
            self._fitted_with = with_functions(self)
        elif "coefs_" in state:
            recall_parameters(self)
        if "_network_activations" in state:
            with contextlib.suppress(ValueError):  # a changed activation that does not fit is refused when it is used
                self._use_network(self._fitted_network())

    def __copy__(self) -> Self:
        """Return a copy with the same parameters and other attributes, but a fitted state of its own."""
        result: Self = copied(self, is_own)
        return result

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        result: Self = deep_copied(self, memo)
        return result

    def __sklearn_clone__(self) -> Self:
        result: Self = sharing_clone(self, super().__sklearn_clone__.__func__)  # type: ignore[misc]
        return result


def is_own(name: str) -> bool:
    """Return whether shallow copies have their own attribute of this name."""
    return name.endswith("_") or name in PRIVATE


def defaults(kind: type) -> dict[str, Any]:
    """Return the defaults of all parameters in the constructors of a class and its bases."""
    found: dict[str, Any] = {}
    for base in kind.__mro__:
        if "__init__" in vars(base) and base is not object:
            for name, parameter in inspect.signature(vars(base)["__init__"]).parameters.items():
                if parameter.default is not parameter.empty:
                    found.setdefault(name, parameter.default)
    return found
