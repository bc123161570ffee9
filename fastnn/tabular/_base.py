"""The base class of both estimators: their common parameters, fitted state and predictions."""

from abc import ABC, abstractmethod
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, ClassVar, Self

from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils._param_validation import Interval, StrOptions
from sklearn.utils.validation import check_is_fitted

from fastnn._model import pickled
from fastnn.estimators._arguments import python_values, refuse_flags
from fastnn.estimators._base import ACTIVATIONS
from fastnn.estimators._functions import copied, deep_copied, packed, sharing_clone
from fastnn.estimators._state import defaults
from fastnn.losses import Loss
from fastnn.network import Network
from fastnn.tabular._data import TableData
from fastnn.tabular._files import load_estimator, save_estimator
from fastnn.tabular._members import Member

if TYPE_CHECKING:
    import os

    from matplotlib.axes import Axes

__all__ = ["BaseTabular"]

NOT_NEGATIVE = Interval(Real, 0, None, closed="left")
POSITIVE = Interval(Real, 0, None, closed="neither")
COUNT = Interval(Integral, 1, None, closed="left")
SHARE = Interval(Real, 0, 1, closed="left")


class BaseTabular(BaseEstimator, ABC):  # type: ignore[misc]
    """Base class of `TabularClassifier` and `TabularRegressor`. Training is in `fastnn.tabular._fit`."""

    _activations: ClassVar[tuple[str, ...]] = tuple(dict.fromkeys((*ACTIVATIONS, "mish")))

    # Those of callbacks are in `estimators._arguments.check_callbacks`.
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "n_models": [COUNT],
        "time_limit": [POSITIVE, None],
        "scoring": [str, callable, None],
        "validation_fraction": [SHARE],
        "categorical_features": [StrOptions({"auto"}), "array-like", None],
        "max_one_hot": [Interval(Integral, 0, None, closed="left")],
        "clip": [POSITIVE, None],
        "n_frequencies": [Interval(Integral, 0, None, closed="left")],
        "n_embedding_outputs": [COUNT],
        "frequency_scale": [POSITIVE],
        "vector_size": [COUNT],
        "hidden_layer_sizes": ["array-like", COUNT],
        "activation": [StrOptions(set(_activations)), "array-like"],
        "dropout": [SHARE, "array-like"],
        "epochs": [COUNT],
        "batch_size": [COUNT],
        "learning_rate": [POSITIVE],
        "bumps": [COUNT],
        "flat": [Interval(Real, 0, 1, closed="both")],
        "beta_1": [SHARE],
        "beta_2": [SHARE],
        "epsilon": [POSITIVE],
        "weight_decay": [NOT_NEGATIVE],
        "input_scale_rate": [NOT_NEGATIVE],
        "embedding_rate": [NOT_NEGATIVE],
        "vector_rate": [NOT_NEGATIVE],
        "bias_rate": [NOT_NEGATIVE],
        "mixture_rate": [NOT_NEGATIVE],
        "dtype": [StrOptions({"float32", "float64"})],
        "random_state": ["random_state"],
        "n_threads": [COUNT, None],
        "verbose": ["verbose", StrOptions({"bar"})],
    }

    def _set_parameters(self, arguments: dict[str, Any]) -> None:
        """Store the constructor's arguments unchanged, as `sklearn.base.clone` requires."""
        self.__dict__.update({name: value for name, value in arguments.items() if name not in ("self", "__class__")})

    def _validate_params(self) -> None:
        """Validate the parameters by scikit-learn's constraints; refuse True and False for numbers."""
        refuse_flags(self)
        with python_values(self):
            super()._validate_params()

    # Methods in which classifier and regressor differ

    @abstractmethod
    def _check_own_parameters(self) -> None:
        """Check what scikit-learn's constraints cannot express."""

    @abstractmethod
    def _validated_y(self, y: Any, what: str = "y") -> NDArray[Any]:
        """Return targets of the right kind."""

    @abstractmethod
    def _learn_targets(self, y: NDArray[Any]) -> None:
        """Store the fitted attributes that describe the targets."""

    @abstractmethod
    def _check_validation_targets(self, y: NDArray[Any]) -> None:
        """Raise if y_val does not fit the targets of training."""

    @abstractmethod
    def _encoded_targets(self, y: NDArray[Any], weights: NDArray[Any] | None,
                         training: TableData | None = None) -> tuple[NDArray[Any], Any, Any]:
        """Return targets as `TableData.Y`, the sample weights, and the weights in the loss."""

    @abstractmethod
    def _is_constant(self, data: TableData) -> bool:
        """Return whether there is nothing to learn: a single class, or constant targets."""

    @abstractmethod
    def _output_layer(self, data: TableData) -> tuple[str, Loss, int]:
        """Return the activation of the output layer, the loss and the number of outputs."""

    @abstractmethod
    def _set_members(self, members: list[Member], data: TableData) -> None:
        """Store the trained models, and what is predicted without one."""

    @abstractmethod
    def _state_of_targets(self) -> tuple[dict[str, Any], dict[str, NDArray[Any]]]:
        """Return what a file needs to know of the targets, as JSON values and arrays."""

    @abstractmethod
    def _restore_targets(self, description: dict[str, Any], arrays: dict[str, NDArray[Any]],
                         members: list[Member]) -> None:
        """Store the models of a file and what `_state_of_targets` returned.

        Raises
        ------
        KeyError, TypeError, ValueError
            If they do not fit each other.
        """

    @property
    def networks_(self) -> list[Network]:
        """The trained networks, whose predictions for encoded rows are averaged; none if y was constant."""
        self._check_fitted()
        return [member.network for member in self._members]

    # Copies

    def _unfitted_copy(self) -> Self:
        """Return an estimator with the same parameters, without clones of them."""
        copy: Self = object.__new__(type(self))
        copy.__dict__.update({name: value for name, value in vars(self).items()
                           if not name.endswith("_") and name not in ("_members", "_in_training")})
        return copy

    def _view_of(self, member: Member, X: Any, E: NDArray[Any] | None) -> Self:
        """Return a copy that predicts with one model, and knows these encoded rows E of X."""
        view: Self = object.__new__(type(self))
        view.__dict__.update(vars(self))
        view._members, view._held = [member], (X, E)
        return view

    def __getstate__(self) -> dict[str, Any]:
        everything: Any = super().__getstate__()
        state = {key: value for key, value in everything.items() if key not in ("_in_training", "_held")}
        return packed(self, pickled.stamped(state))

    def __setstate__(self, state: dict[str, Any]) -> None:
        state = pickled.unstamped(state, type(self).__name__)
        super().__setstate__(defaults(type(self)) | state)

    def __copy__(self) -> Self:
        """Return a copy with the same parameters and other attributes, but a fitted state of its own."""
        result: Self = copied(self, lambda name: name.endswith("_") or name == "_members")
        return result

    def __deepcopy__(self, memo: dict[int, Any]) -> Self:
        result: Self = deep_copied(self, memo)
        return result

    def __sklearn_clone__(self) -> Self:
        result: Self = sharing_clone(self, super().__sklearn_clone__.__func__)
        return result

    # Prediction

    def _check_fitted(self) -> None:
        if "_members" not in self.__dict__:  # check_is_fitted takes longer than a prediction
            check_is_fitted(self, "_members")

    def _encoded(self, X: Any) -> NDArray[Any]:
        """Return the encoded rows (m, n_x) of a table."""
        self._check_fitted()
        held = self.__dict__.get("_held")
        if held is not None and X is held[0] and held[1] is not None:
            return held[1]  # type: ignore[no-any-return]
        encoded: NDArray[Any] = self.encoder_._encoded(X)
        return encoded

    def plot(self, ax: "Axes | None" = None, keys: Any = None) -> "Axes":
        """Plot the curves of the training over the epochs: `History.plot` of `history_`.

        Parameters
        ----------
        ax : matplotlib.axes.Axes or None, default=None
            Where to draw; None creates a new figure.
        keys : sequence of str or None, default=None
            The curves; None means the training and the validation loss.

        Returns
        -------
        matplotlib.axes.Axes
        """
        self._check_fitted()
        axes: Axes = self.history_.plot(ax, keys)
        return axes

    # Files

    def save(self, path: "str | os.PathLike[str]") -> None:
        """Write the fitted estimator to a file, with the encoder of the table, atomically and without pickle.

        Parameters that are functions or random generators are not saved.

        Parameters
        ----------
        path : str or os.PathLike

        Raises
        ------
        TypeError
            If a class label, a category or a column's name is neither a text, a number nor a bool.
        OSError
            If the file cannot be written.
        """
        self._check_fitted()
        save_estimator(self, path)

    @classmethod
    def load(cls, path: "str | os.PathLike[str]") -> Self:
        """Read an estimator from a file of `save`.

        Parameters
        ----------
        path : str or os.PathLike

        Returns
        -------
        estimator

        Raises
        ------
        ModelFileError
            If the file is truncated, altered, or holds another kind of model (a ValueError).
        OSError
            If it cannot be read.
        """
        result: Self = load_estimator(cls, path)
        return result

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.input_tags.categorical = True
        return tags
