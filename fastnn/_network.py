"""The part of `Network` that does not train: construction, attributes, prediction, evaluation, copies and files."""

import copy
import os
from collections.abc import Callable, Sequence
from typing import Any, Literal, NoReturn, Self, overload

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastnn import initializers
from fastnn._data import checks, sources
from fastnn._data.sources import Data
from fastnn._model import files, pickled
from fastnn._model.architecture import Architecture
from fastnn._model.attributes import NetworkAttributes
from fastnn._model.files import NetworkValues
from fastnn._model.objective import Objective
from fastnn._model.parameters import Parameters
from fastnn._prediction import labels, start
from fastnn._prediction.dropout_samples import check_companions
from fastnn._prediction.evaluate import evaluate
from fastnn._prediction.outputs import NetworkOutputs
from fastnn._prediction.predictor import Cache, Predictor
from fastnn._training.optimizer_state import OptimizerState
from fastnn.embeddings import Embedding
from fastnn.history import History
from fastnn.losses import BY_NAME, Loss
from fastnn.metrics import Metric
from fastnn.metrics import get as metric_objects

__all__ = ["PredictingNetwork"]

# Rebuilt after copying or unpickling.
TRANSIENT = frozenset({"_W", "_b", "_predictor", "_shapes_predictions", "_gives_probabilities", "_single_output",
                       "_in_training"})


class PredictingNetwork(NetworkAttributes, NetworkOutputs):
    """The base class of `Network`, which describes the parameters and attributes."""

    history: History | None

    def __init__(self, layer_sizes: Sequence[int], *, activation: str | Sequence[str] = "relu",
                 output: str = "softmax", loss: str | Loss = "auto", init: str = "auto", l2: float = 0.0,
                 l1: float = 0.0, dropout: float | Sequence[float] = 0.0, embedding: Embedding | None = None,
                 scale_inputs: bool = False, activation_mixture: bool = False, dtype: DTypeLike = "float32",
                 random_state: int | np.random.Generator | None = None) -> None:
        architecture = Architecture.check(layer_sizes, activation=activation, output=output, dtype=dtype,
                                          embedding=embedding, scale_inputs=scale_inputs,
                                          activation_mixture=activation_mixture)
        objective = Objective.check(architecture, loss=loss, l2=l2, l1=l1, dropout=dropout)
        init = initializers.check(init)
        n_targets = architecture.n_outputs // objective.loss.per_target
        values = NetworkValues(architecture, objective, Parameters.allocate(architecture), init,
                               1 if n_targets == 1 else 2)
        self._set_values(values, checks.generator(random_state))
        self.initialize()

    def _set_values(self, values: NetworkValues, rng: np.random.Generator) -> None:
        self._architecture, self._objective, self._parameters, self._init, self._target_ndim = values
        self._rng = rng
        self._state: OptimizerState | None = None
        self.history = None
        self._connect()

    def _values(self) -> NetworkValues:
        return NetworkValues(self._architecture, self._objective, self._parameters, self._init, self._target_ndim)

    def _connect(self) -> None:
        """Build the views and the predictor of the present parameters."""
        self._W, self._b = self._parameters.views()
        self._predictor = Predictor(self._architecture, self._parameters)
        self._shapes_predictions = self._objective.loss.shapes_predictions
        self._gives_probabilities = self._architecture.output in labels.CLASSIFYING
        self._single_output = self._architecture.n_outputs == 1
        self._in_training = False

    def _replace_parameters(self, parameters: Parameters) -> None:
        if parameters is not self._parameters:
            self._parameters = parameters
            self._connect()

    def initialize(self, X: ArrayLike | None = None) -> Self:
        """Draw new parameters and reset the optimiser's state.

        The biases are 0, the factors of `scale_inputs` and the shares of `activation_mixture` 1.

        Parameters
        ----------
        X : array_like (m, n[0]), optional
            A sample of rows. With it, W and b do not follow `init`: W is drawn from N(0, 1), and each unit scaled so
            that its Z has variance 1 over these rows; b is minus a random convex combination of its Z of five of them,
            layer by layer (Holzmüller, Grinsztajn & Steinwart 2024, arXiv 2407.04491).

        Raises
        ------
        ValueError, TypeError
            If X is not (m, n[0]) finite real numbers, or sparse. The network is then unchanged.
        """
        features = None if X is None else start.sample(X, self._architecture)
        self._replace_parameters(self._parameters.writable())
        start.draw(self._architecture, self._parameters, self._init, self._rng)
        if features is not None:
            start.fit_to(features, self._architecture, self._parameters, self._rng)
        self._state = None
        return self

    def __repr__(self) -> str:
        hidden, loss = list(self.activations[:-1]), self._objective.loss
        shown = loss.name if loss == BY_NAME[loss.name]() else loss
        further = f", l1={self.l1:g}" * (self.l1 > 0) + f", dropout={list(self.dropout)}" * any(self.dropout)
        further += f", embedding={self.embedding}" if self.embedding is not None else ""
        further += ", scale_inputs=True" * self.scale_inputs + ", activation_mixture=True" * self.activation_mixture
        return (f"Network({list(self.layer_sizes)}, activation={hidden}, output={self.activations[-1]!r}, "
                f"loss={shown!r}, init={self.init!r}, l2={self.l2:g}{further}, dtype={self.dtype.name!r})")

    def summary(self) -> str:
        """Return a table of the dimensions of W, b, Z and A in each layer and the number of parameters."""
        return self._architecture.summary(self.loss_name)

    # Prediction and evaluation

    @overload
    def predict(self, X: Data, *, out: NDArray[Any] | None = None, return_std: Literal[False] = False,
                dropout_samples: int | None = None, random_state: int | np.random.Generator | None = None,
                n_threads: int | None = None) -> NDArray[Any]: ...

    @overload
    def predict(self, X: Data, *, out: None = None, return_std: Literal[True], dropout_samples: int | None = None,
                random_state: int | np.random.Generator | None = None,
                n_threads: int | None = None) -> tuple[NDArray[Any], NDArray[Any]]: ...

    def predict(self, X: Data, *, out: NDArray[Any] | None = None, return_std: bool = False,
                dropout_samples: int | None = None, random_state: int | np.random.Generator | None = None,
                n_threads: int | None = None) -> NDArray[Any] | tuple[NDArray[Any], NDArray[Any]]:
        """Return the prediction for each row of X.

        Parameters
        ----------
        X : array_like (m, n[0]), object read by slices, iterable or callable
            As for `fit`, without y. An iterable yields batches of X, whose results are concatenated. X is read in
            chunks.
        out : ndarray, optional
            The array for the result, C-ordered and of its shape and dtype; may be a memory map.
        return_std : bool, default False
            For the Gaussian loss or with `dropout_samples`: also return the standard deviations. With both, their
            variance is the mean of the variances plus the variance of the means. Not together with `out`.
        dropout_samples : int, optional
            Predict by the mean A[L] of this many forward passes that drop hidden units as in training (Gal &
            Ghahramani 2016), at the network's `dropout`.
        random_state : int, numpy.random.Generator or None, default None
            Seeds these passes; None draws a new seed. The units dropped depend on it and on the position of the row,
            not on threads.
        n_threads : int, optional
            As for `fit`.

        Returns
        -------
        ndarray, or a tuple of two with `return_std`
            `out` if given. softmax output: labels (m,), int64. sigmoid: 0 and 1, int64, (m,) for one output, else
            (m, n[L]). Otherwise the values A[L] in the network's dtype and the shape of the fitted y: (m,) or
            (m, n[L]). Gaussian loss: the means, likewise. Quantile loss with a sequence of r levels: the quantiles,
            sorted, (m, r), or (m, k, r) for k > 1 targets.
        ndarray
            With `return_std`, the standard deviations, in the shape of the means.

        Raises
        ------
        ValueError, TypeError
            If X is not (m, n[0]) finite real numbers (`out` may then be partly filled), `out` has the wrong form, or
            `return_std` is asked of another loss without `dropout_samples`, or these of a network without dropout.
        """
        if dropout_samples is not None or random_state is not None:
            return self._sampled_predictions(X, out, return_std, dropout_samples, random_state, n_threads)
        if checks.flag(return_std, "return_std"):
            return self._means_and_deviations(X, out, n_threads)
        if self._shapes_predictions:
            return self._predicted_as(X, self._shaped_predictions, out, n_threads)
        output, n_out = self._architecture.output, self._architecture.n_outputs
        return self._predicted(X, out, n_threads, flat=labels.is_flat(output, n_out, self._target_ndim),
                               form="labels" if output in labels.CLASSIFYING else "outputs")

    def predict_proba(self, X: Data, *, out: NDArray[Any] | None = None, dropout_samples: int | None = None,
                      random_state: int | np.random.Generator | None = None,
                      n_threads: int | None = None) -> NDArray[Any]:
        """Return the probabilities A[L]: (m, n[L]), or (m,), of class 1, for a single sigmoid output.

        Arguments as for `predict`, without `return_std`; with `dropout_samples` the means of the probabilities.

        Raises
        ------
        ValueError
            If the output is neither softmax nor sigmoid, or X or `out` is not as for `predict`.
        TypeError
            If X does not hold real numbers.
        """
        if not self._gives_probabilities:
            self._refuse_probabilities()
        if dropout_samples is None and random_state is None:
            return self._predicted(X, out, n_threads, self._single_output)
        check_companions(dropout_samples, random_state=random_state)
        mean, _ = self._moments(X, out, dropout_samples, random_state, n_threads)
        return mean[:, 0] if self.layer_sizes[-1] == 1 else mean

    def predict_log_proba(self, X: Data, *, out: NDArray[Any] | None = None,
                          n_threads: int | None = None) -> NDArray[Any]:
        """Return the logarithms of the probabilities, computed from Z[L], in the shape of `predict_proba`.

        They are finite and accurate also where a probability is rounded to 0 or 1. `X`, `out`, `n_threads` and errors
        as for `predict`; ValueError if the output is neither softmax nor sigmoid.
        """
        if not self._gives_probabilities:
            self._refuse_probabilities()
        return self._predicted(X, out, n_threads, self._single_output, "logarithms")

    def _refuse_probabilities(self) -> NoReturn:
        raise ValueError(f"output={self.activations[-1]!r} gives no probabilities: use predict")

    def forward(self, X: Data, *, out: NDArray[Any] | None = None, return_cache: bool = False,
                n_threads: int | None = None) -> NDArray[Any] | tuple[NDArray[Any], Cache]:
        """Return A[L] as (m, n[L]); arguments as for `predict`.

        With `return_cache`, X must be an array, and Z and A of each layer are returned too, with shape (n[l], m).
        """
        if not checks.flag(return_cache, "return_cache"):
            return self._predicted(X, out, n_threads)
        if out is not None:
            raise ValueError("out goes without return_cache: the output is part of the cache")
        features = checks.features(X, self.layer_sizes[0], self.dtype)
        cache = self._predictor.caches(features, n_threads)
        return cache.A[-1].T, cache

    def loss(self, X: Data, y: ArrayLike | None = None, *, sample_weight: ArrayLike | None = None,
             n_threads: int | None = None) -> float:
        """Return J on (X, y), including the penalties; arguments as for `fit`."""
        return self._evaluate(X, y, sample_weight, (), n_threads)["loss"]

    def evaluate(self, X: Data, y: ArrayLike | None = None, *, sample_weight: ArrayLike | None = None,
                 metrics: Sequence[str | Metric | Callable[..., float]] | None = (),
                 n_threads: int | None = None) -> dict[str, float]:
        """Return {"loss": J, "accuracy": ...}, or "rmse" instead of the accuracy for real-valued outputs.

        `metrics` are added under their names; arguments as for `fit`.
        """
        return self._evaluate(X, y, sample_weight, metric_objects(metrics, self._architecture.output), n_threads)

    def _evaluate(self, X: Any, y: Any, sample_weight: Any, metrics: Sequence[Metric],
                  n_threads: int | None) -> dict[str, float]:
        examples = sources.as_source(self._architecture, self._objective.loss, X, y, sample_weight)
        return evaluate(self._predictor, self._objective, examples, metrics, target_ndim=self._target_ndim,
                        n_threads=n_threads)

    # Copies and files

    def copy(self) -> Self:
        """Return an independent copy: parameters, optimiser state and random generator."""
        return copy.deepcopy(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the architecture and the parameters to a file, atomically and without pickle.

        The optimiser's state and the random generator are not saved.
        """
        files.write(path, self._values())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a network from a file of `save` or a checkpoint, as it was after the epoch of that checkpoint.

        Raises
        ------
        ModelFileError
            If the file is truncated, altered, or no network (a ValueError).
        OSError
            If it cannot be read.
        """
        return cls._of_values(files.read(path))

    @classmethod
    def _of_values(cls, values: NetworkValues) -> Self:
        """Return the network of a file, with a new generator."""
        network = cls.__new__(cls)
        network._set_values(values, np.random.default_rng())
        return network

    def __copy__(self) -> Self:
        return self.copy()

    def __getstate__(self) -> dict[str, Any]:
        return pickled.stamped({key: value for key, value in self.__dict__.items() if key not in TRANSIENT})

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update({"_state": None, "history": None} | pickled.unstamped(state, type(self).__name__))
        if not self._parameters.theta.flags.aligned:  # in a buffer of another program
            self._parameters = self._parameters.writable()
        self._connect()
