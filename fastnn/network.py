"""Network: a dense neural network of any depth, its training, prediction and storage."""

import copy
import os
from collections.abc import Callable, Sequence
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from fastnn import initializers, optimizers, runtime, schedules
from fastnn._data import checks, sources
from fastnn._data.examples import Examples
from fastnn._data.sources import Data
from fastnn._data.split import FitData
from fastnn._model import files
from fastnn._model.architecture import Architecture
from fastnn._model.files import NetworkValues
from fastnn._model.objective import Objective
from fastnn._model.parameters import Parameters, ParameterViews
from fastnn._model.workspace import aligned_empty
from fastnn._prediction import labels
from fastnn._prediction.predictor import Cache, Predictor
from fastnn._training import binding
from fastnn._training.loop import FitLoop
from fastnn._training.optimizer_state import OptimizerState
from fastnn._training.prepare import commit, prepare
from fastnn._training.settings import FitSettings
from fastnn._training.state import FitState
from fastnn.callbacks import Callback, EarlyStopping
from fastnn.history import History
from fastnn.losses import BY_NAME, Loss
from fastnn.metrics import Metric
from fastnn.metrics import get as metric_objects

__all__ = ["Network"]


# Not kept in a copy or a pickle: made anew.
TRANSIENT = frozenset({"_W", "_b", "_predictor", "_in_training"})


class Network:
    """A fully connected network: A[l] = g[l](W[l] A[l-1] + b[l]), A[0] = X^T.

    Parameters
    ----------
    layer_sizes : sequence of int
        n[0], ..., n[L]: features, hidden units, outputs. ``[n_x, 1]`` with ``output="sigmoid"`` is logistic
        regression.
    activation : str or sequence of str, default "relu"
        Of the hidden layers, or one name per hidden layer: sigmoid, tanh, relu, leaky_relu, identity, softmax, elu,
        selu, gelu, silu, softplus, exp.
    output : str, default "softmax"
        The output layer's activation.
    loss : str or fastnn.losses.Loss, default "auto"
        "cross_entropy" (softmax), "binary_cross_entropy" (sigmoid), "poisson" (exp), "squared_error", "absolute",
        "huber", "quantile", or an object such as ``Huber(delta=2.0)`` or ``CrossEntropy(label_smoothing=0.1)``; "auto"
        follows the output. Each is summed over the outputs and averaged over the examples.
    init : str, default "auto"
        zeros, small_normal (0.01 randn), glorot_uniform, glorot_normal, he_uniform, he_normal or lecun_normal;
        "auto" is he_normal for layers of the relu family and glorot_uniform for the others. Biases begin at zero.
    l2 : float, default 0.0
        Adds l2/2 times the sum of the squares of all weights to J.
    l1 : float, default 0.0
        Adds l1 times the sum of the absolute values of all weights to J.
    dropout : float or sequence of float, default 0.0
        The part of each hidden layer's units, or one number per hidden layer, that a training step leaves out; the
        others count 1 / (1 - rate) times as much (inverted dropout: prediction is as without).
    dtype : {"float32", "float64"}, default "float32"
    random_state : int, numpy.random.Generator or None
        Seeds the weights and the order of the examples.

    Attributes
    ----------
    W, b : list of ndarray
        Writable views of the parameters: ``W[0]`` is the notes' W[1], (n[1], n[0]); ``b[0]`` is b[1], (n[1], 1).
    history : History or None
        Of the last fit.

    Raises
    ------
    ValueError, TypeError
        If an argument is not as described.

    Examples
    --------
    >>> import numpy as np
    >>> from fastnn import Network
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> net = Network([2, 8, 1], activation="tanh", output="sigmoid", random_state=1)
    >>> history = net.fit(X, [0, 1, 1, 0], batch_size=None, learning_rate=0.1, epochs=200)
    >>> net.predict(X)
    array([0, 1, 1, 0])
    """

    def __init__(self, layer_sizes: Sequence[int], *, activation: str | Sequence[str] = "relu",
                 output: str = "softmax", loss: str | Loss = "auto", init: str = "auto", l2: float = 0.0,
                 l1: float = 0.0, dropout: float | Sequence[float] = 0.0, dtype: DTypeLike = "float32",
                 random_state: int | np.random.Generator | None = None) -> None:
        architecture = Architecture.check(layer_sizes, activation=activation, output=output, dtype=dtype)
        objective = Objective.check(architecture, loss=loss, l2=l2, l1=l1, dropout=dropout)
        init = initializers.check(init)
        values = NetworkValues(architecture, objective, Parameters.allocate(architecture), init,
                               1 if architecture.n_outputs == 1 else 2)
        self._begin(values, checks.generator(random_state))
        self.initialize()

    def _begin(self, values: NetworkValues, rng: np.random.Generator) -> None:
        self._architecture, self._objective, self._parameters, self._init, self._target_ndim = values
        self._rng = rng
        self._state: OptimizerState | None = None
        self.history: History | None = None
        self._connect()

    def _connect(self) -> None:
        """Build the views and the predictor of the present parameters."""
        self._W, self._b = self._parameters.views()
        self._predictor = Predictor(self._architecture, self._parameters)
        self._in_training = False

    def initialize(self) -> Self:
        """Draw new weights and set the biases to zero; forget the optimiser's state."""
        for W, activation in zip(self.W, self.activations, strict=True):
            initializers.fill(W, self._init, activation, self._rng)
        self._parameters.biases.fill(0)
        self._state = None
        return self

    # What it is

    @property
    def W(self) -> ParameterViews:
        """The weights: W[0] is the notes' W[1], of shape (n[1], n[0])."""
        return self._W

    @property
    def b(self) -> ParameterViews:
        """The biases: b[0] is the notes' b[1], of shape (n[1], 1)."""
        return self._b

    @property
    def layer_sizes(self) -> tuple[int, ...]:
        """n[0], ..., n[L]."""
        return self._architecture.sizes

    @property
    def activations(self) -> tuple[str, ...]:
        """The activation of each layer, the output's last."""
        return self._architecture.activations

    @property
    def loss_name(self) -> str:
        """The loss that `fit` lowers."""
        return self._objective.loss.name

    @property
    def init(self) -> str:
        """The initialiser."""
        return self._init

    @property
    def l2(self) -> float:
        """The L2 coefficient."""
        return self._objective.l2

    @property
    def l1(self) -> float:
        """The L1 coefficient."""
        return self._objective.l1

    @property
    def dropout(self) -> tuple[float, ...]:
        """The dropout rate of each hidden layer."""
        return self._objective.dropout or (0.0,) * (len(self.layer_sizes) - 2)

    @property
    def dtype(self) -> np.dtype[Any]:
        """The dtype of parameters and outputs."""
        return self._architecture.dtype

    @property
    def n_parameters(self) -> int:
        """P, the number of weights and biases."""
        return self._parameters.size

    def __repr__(self) -> str:
        hidden, objective = list(self.activations[:-1]), self._objective
        loss = objective.loss.name if objective.loss == BY_NAME[objective.loss.name]() else objective.loss
        further = f", l1={self.l1:g}" * (self.l1 > 0) + f", dropout={list(self.dropout)}" * any(self.dropout)
        return (f"Network({list(self.layer_sizes)}, activation={hidden}, output={self.activations[-1]!r}, "
                f"loss={loss!r}, init={self.init!r}, l2={self.l2:g}{further}, dtype={self.dtype.name!r})")

    def summary(self) -> str:
        """Return the notes' table of dimensions: each layer's W, b, Z, A and number of parameters; m is free."""
        return self._architecture.summary(self.loss_name)

    # Training

    def fit(self, X: Data, y: ArrayLike | None = None, *, sample_weight: ArrayLike | None = None,
            class_weight: str | dict[int, float] | None = None,
            optimizer: str | optimizers.Optimizer = "adam", learning_rate: float | schedules.Schedule | None = None,
            clip_norm: float | None = None,
            batch_size: int | str | None = "auto", epochs: int = 100, steps_per_epoch: int | None = None,
            shuffle: bool = True, validation_data: Any = None, validation_fraction: float | None = None,
            metrics: Sequence[str | Callable[..., float]] = (), early_stopping: int | EarlyStopping | None = None,
            callbacks: Sequence[Callback | EarlyStopping | Callable[..., bool | None]] = (), progress: bool = False,
            resume: str | os.PathLike[str] | None = None, n_threads: int | None = None) -> History:
        """Train on (X, y); a second call continues where the first one ended.

        The parameters go on from their present values. So does the optimiser's state, if the optimiser has the same
        rule and hyperparameters as the last time: ``fit(epochs=5)`` twice gives the bits of ``fit(epochs=10)``.

        Parameters
        ----------
        X : array_like (m, n[0]), sparse matrix, object read by slices, iterable or callable
            Features, C- or F-ordered; not copied if they have the network's dtype (so a memory map may be larger than
            memory). Or a SciPy sparse matrix, best CSR, which is never made dense; it needs W[1] column-major: where
            that is stored otherwise, the parameters move into a new arena, and `W` and `b` are to be asked for again.
            An object with shape, dtype and slices, as h5py's and zarr's arrays, or a memory map of another dtype is
            read in blocks of some 16 MiB. An iterable of batches (X, y) or (X, y, sample_weight), or a callable that
            returns one for each epoch, takes the place of X and y.
        y : array_like or object read by slices
            softmax output: class labels 0 .. n[L]-1 (m,), or one-hot (m, n[L]). sigmoid: 0 and 1, (m,) or (m, n[L]).
            Else real values (m,) or (m, n[L]). Labels are not copied if they are int32.
        sample_weight : array_like (m,), optional
            Not negative. J is the weighted mean of the losses.
        class_weight : dict or "balanced", optional
            Of a softmax or a single sigmoid output: a factor of the sample weights for each label (1 where none is
            given); "balanced" is m / (number of classes in y * examples of the class).
        optimizer : str or Optimizer
            "sgd", "momentum", "nesterov", "adam", "adamw", "nadam", "rmsprop", "lbfgs", or an object with
            hyperparameters. With L-BFGS an epoch is one of its iterations on all examples.
        learning_rate : float or Schedule, default 0.001
            alpha, positive; or how it changes: see `fastnn.schedules`.
        clip_norm : float, optional
            A gradient of J whose norm is larger is scaled to this norm (Pascanu et al. 2013).
        batch_size : int, "auto" or None
            Examples of a mini-batch; None takes all of them: the notes' gradient descent. "auto" is 200, or the size of
            the first batch of an iterable. Each batch of an iterable is one step, or several if it is larger than this.
        epochs : int
            In all, also with `resume`.
        steps_per_epoch : int, optional
            Mini-batches of an epoch, where an iterable of batches has no end.
        shuffle : bool
            Take the examples in a new random order in each epoch. What is read in blocks: the blocks in random order,
            and the examples of each; batches of an iterable are taken as they come.
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
            Evaluated after each epoch; or batches, as for X (an iterator, which can be used once, for one epoch only).
        validation_fraction : float, optional
            In place of `validation_data`: hold out this share of the examples, drawn by the network's generator anew
            in each fit; of softmax or one sigmoid output the same share of each class. X must be an array.
        metrics : sequence of str or callable
            What is recorded of the validation data as ``validation_<name>``, beside the loss and the accuracy or RMSE:
            "accuracy", "log_loss" (softmax, sigmoid), "rmse", "r2" (else), or ``metric(y_true, y_pred) -> float``. Such
            a function gets all labels or values in the form that `predict` returns, and no sample weights; the names
            weigh by them.
        early_stopping : int or EarlyStopping, optional
            Stop after this many epochs without a lower validation loss, or by another rule (see
            `fastnn.callbacks.EarlyStopping`); the best parameters are restored.
        callbacks : sequence of callables or of `fastnn.callbacks` objects
            A callable is called after each epoch as ``callback(network, record)``; one that returns True stops the
            training.
        progress : bool
            Show a progress bar (needs tqdm) with the loss and a metric: of the validation data, else of the first
            1000 training examples.
        resume : str or os.PathLike, optional
            A file that `fastnn.callbacks.Checkpoint` wrote: go on from there, to the bits that the run would have
            reached on the same number of threads. Parameters, optimiser, generator, schedule, early stopping and
            history become the file's; data and arguments must be as they were, but for `epochs` (not fewer),
            `callbacks`, `progress`.
        n_threads : int, optional
            At most this many threads; by default FASTNN_NUM_THREADS, OMP_NUM_THREADS, or all cores.

        Returns
        -------
        History

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described; the network is then unchanged. If what is read during training is not:
            the error names the batch or rows, and the network is as the last step left it.
        ModelFileError, OSError
            If the file to resume is damaged (a ValueError) or cannot be read; likewise.
        RuntimeError
            If the network is being trained already, by another thread or by a fit whose callback this is.

        Warns
        -----
        DivergenceWarning
            If the loss is no longer finite; training stops and goes back to the best parameters so far. They are
            looked for after each epoch with `early_stopping`, else after 1, 3, 7, ..., 127 steps and then every 128.
        """
        settings = FitSettings.check(
            self._architecture.output, self._objective.dropout, optimizer=optimizer, learning_rate=learning_rate,
            clip_norm=clip_norm, batch_size=batch_size, epochs=epochs, steps_per_epoch=steps_per_epoch,
            shuffle=shuffle, metrics=metrics, early_stopping=early_stopping, callbacks=callbacks, progress=progress,
            resume=resume, n_threads=n_threads)
        if self._in_training:
            raise RuntimeError("this network is being trained: by another thread, or by the fit that called back")
        data = FitData(X, y, sample_weight, class_weight, validation_data, validation_fraction)
        prepared = prepare(self, self._values(), self._state, self._rng, data, settings, resume)
        commit(prepared)
        self._adopt(prepared.state)
        self._in_training = True
        try:
            FitLoop(prepared).run()
        finally:
            self._in_training = False
        return prepared.state.history

    def _adopt(self, state: FitState) -> None:
        """Take the values of a fit that is about to start: those the fit trains, and its history."""
        if state.values.parameters is not self._parameters:
            self._parameters = state.values.parameters
            self._connect()
        self._target_ndim, self._state = state.values.target_ndim, state.optimizer_state
        self._rng, self.history = state.rng, state.history

    def _values(self) -> NetworkValues:
        return NetworkValues(self._architecture, self._objective, self._parameters, self._init, self._target_ndim)

    def partial_fit(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None,
                    optimizer: str | optimizers.Optimizer = "adam",
                    learning_rate: float | schedules.Schedule | None = None, batch_size: int | str | None = "auto",
                    shuffle: bool = True, n_threads: int | None = None) -> History:
        """Make one pass over (X, y), continuing the optimiser's state: `fit` with ``epochs=1``.

        A schedule as learning rate begins anew each time.
        """
        return self.fit(X, y, sample_weight=sample_weight, optimizer=optimizer, learning_rate=learning_rate,
                        batch_size=batch_size, epochs=1, shuffle=shuffle, n_threads=n_threads)

    def gradients(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None,
                  n_threads: int | None = None) -> tuple[float, list[NDArray[Any]], list[NDArray[Any]]]:
        """Return (J, [dW], [db]) over all examples; arguments as for `fit`, shapes as W and b."""
        architecture, objective, parameters = self._architecture, self._objective, self._parameters
        examples = Examples.check(X, y, sample_weight, architecture, objective.loss)
        parameters = parameters.for_features(examples.X)
        gradient = aligned_empty(parameters.size, self.dtype)
        J = binding.gradients(architecture, objective, parameters, examples, gradient,
                              runtime.thread_count(n_threads))
        dW, db = parameters.layout.views(gradient)
        return J, list(dW), list(db)

    # Use

    def predict(self, X: Data, *, out: NDArray[Any] | None = None, n_threads: int | None = None) -> NDArray[Any]:
        """Return the network's decision for each row of X.

        Parameters
        ----------
        X : array_like (m, n[0]), object read by slices, iterable or callable
            As for `fit`, without y: an iterable gives batches of X, the results of which are joined. Read in blocks.
        out : ndarray, optional
            Where the result goes: of its shape and dtype, C-ordered; it may be a memory map.
        n_threads : int, optional

        Returns
        -------
        ndarray
            `out` if given. softmax output: labels (m,), int64. sigmoid: 0 and 1, int64, (m,) for one output, else
            (m, n[L]). Else the values A[L] in the network's dtype and the shape of the y that was fitted: (m,) or
            (m, n[L]).

        Raises
        ------
        ValueError, TypeError
            If X is not (m, n[0]) finite real numbers (`out` may then be filled in part), or `out` does not fit.
        """
        output, n_out = self._architecture.output, self._architecture.n_outputs
        return self._predicted(X, out, n_threads, flat=labels.is_flat(output, n_out, self._target_ndim),
                               decided=output in labels.CLASSIFYING)

    def predict_proba(self, X: Data, *, out: NDArray[Any] | None = None,
                      n_threads: int | None = None) -> NDArray[Any]:
        """Return the probabilities A[L]: (m, n[L]); (m,), of class 1, for a single sigmoid output.

        Arguments as for `predict`.

        Raises
        ------
        ValueError
            If the output is neither softmax nor sigmoid, or X or `out` is not as for `predict`.
        TypeError
            If X does not hold real numbers.
        """
        if self._architecture.output not in labels.CLASSIFYING:
            raise ValueError(f"output={self.activations[-1]!r} gives no probabilities: use predict")
        return self._predicted(X, out, n_threads, flat=self.layer_sizes[-1] == 1)

    def loss(self, X: Data, y: ArrayLike | None = None, *, sample_weight: ArrayLike | None = None,
             n_threads: int | None = None) -> float:
        """Return J on (X, y), the L2 term included; arguments as for `fit`."""
        return self._evaluate(X, y, sample_weight, (), n_threads)["loss"]

    def evaluate(self, X: Data, y: ArrayLike | None = None, *, sample_weight: ArrayLike | None = None,
                 metrics: Sequence[str | Callable[..., float]] = (), n_threads: int | None = None) -> dict[str, float]:
        """Return {"loss": J, "accuracy": ...}, or "rmse" in place of the accuracy for real-valued outputs.

        `metrics` are added under their names; arguments as for `fit`.
        """
        chosen = metric_objects(metrics, self._architecture.output)
        return self._evaluate(X, y, sample_weight, chosen, n_threads)

    def _evaluate(self, X: Any, y: Any, sample_weight: Any, metrics: Sequence[Metric],
                  n_threads: int | None) -> dict[str, float]:
        examples = sources.as_source(self._architecture, self._objective.loss, X, y, sample_weight)
        return self._predictor.evaluate(self._objective, examples, metrics, target_ndim=self._target_ndim,
                                        n_threads=n_threads)

    def forward(self, X: Data, *, out: NDArray[Any] | None = None, return_cache: bool = False,
                n_threads: int | None = None) -> NDArray[Any] | tuple[NDArray[Any], Cache]:
        """Return A[L] as (m, n[L]), arguments as for `predict`.

        With `return_cache` also each layer's Z and A, in the notes' shape (n[l], m), of an array X.
        """
        if not checks.flag(return_cache, "return_cache"):
            return self._predicted(X, out, n_threads)
        if out is not None:
            raise ValueError("out goes without return_cache: the output is part of the cache")
        features = checks.features(X, self.layer_sizes[0], self.dtype)
        cache = self._predictor.caches(features, n_threads)
        return cache.A[-1].T, cache

    def _predicted(self, X: Any, out: NDArray[Any] | None, n_threads: int | None, *, flat: bool = False,
                   decided: bool = False) -> NDArray[Any]:
        outputs = self._predictor.at_once(X, raw=decided, n_threads=n_threads) if out is None else None
        if outputs is not None:
            if decided:
                return labels.predicted(outputs, self._architecture.output, self._target_ndim, 0.0)
            return outputs[:, 0] if flat else outputs
        features = sources.Features(X, self.layer_sizes[0], self.dtype)
        return self._predictor.predict(features, out, flat=flat, decided=decided, n_threads=n_threads)

    # Keeping it

    def copy(self) -> Self:
        """Return an independent copy: parameters, optimiser state and random generator."""
        return copy.deepcopy(self)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write the network to a file: architecture and parameters, no pickle; atomically.

        The optimiser's state and the random generator are not written.
        """
        files.write(path, self._values())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Self:
        """Read a network that `save` wrote, or that of a `fastnn.callbacks.Checkpoint`, as it was after that epoch.

        Raises
        ------
        ModelFileError
            If the file is truncated, altered, or no network (a ValueError).
        OSError
            If it cannot be read.
        """
        network = cls.__new__(cls)
        network._begin(files.read(path), np.random.default_rng())
        return network

    def __getstate__(self) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in TRANSIENT}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._connect()
