"""Network: a dense neural network of any depth, its training, prediction and storage."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from numpy.typing import ArrayLike, NDArray

from fastnn import optimizers, runtime, schedules
from fastnn._data.examples import Examples
from fastnn._data.sources import Data
from fastnn._data.split import FitData
from fastnn._model.parameters import ParameterLayout
from fastnn._model.workspace import aligned_empty
from fastnn._network import PredictingNetwork
from fastnn._training import binding
from fastnn._training.loop import FitLoop
from fastnn._training.prepare import commit, prepare
from fastnn._training.settings import FitSettings
from fastnn._training.state import FitState
from fastnn.callbacks import Callback, EarlyStopping
from fastnn.history import History
from fastnn.metrics import Metric

__all__ = ["Network"]


class Network(PredictingNetwork):
    """A fully connected network: A[l] = g[l](W[l] A[l-1] + b[l]), A[0] = X^T.

    Parameters
    ----------
    layer_sizes : sequence of int
        n[0], ..., n[L]: the numbers of features, hidden units and outputs. ``[n_x, 1]`` with ``output="sigmoid"`` is
        logistic regression.
    activation : str or sequence of str, default "relu"
        The activation of all hidden layers, or one for each: sigmoid, tanh, relu, leaky_relu, identity, softmax, elu,
        selu, gelu, silu, softplus, exp, mish (all of `fastnn.reference.ACTIVATIONS`).
    output : str, default "softmax"
        The activation of the output layer.
    loss : str or fastnn.losses.Loss, default "auto"
        "cross_entropy" (softmax), "binary_cross_entropy" (sigmoid), "poisson" (exp), "squared_error", "absolute",
        "huber", "quantile", "gaussian" (identity, n[L] = 2k units for the means and variances of k targets), or an
        object such as ``Huber(delta=2.0)``, ``CrossEntropy(label_smoothing=0.1)`` or ``Quantile([0.1, 0.5, 0.9])``,
        with n[L] = 3k for k targets. "auto" depends on the output. Losses are summed over the outputs and averaged over
        the examples.
    init : str, default "auto"
        zeros, small_normal (0.01 randn), glorot_uniform, glorot_normal, he_uniform, he_normal or lecun_normal. "auto"
        is he_normal for layers of the relu family and glorot_uniform for the others. Biases are initially zero.
    l2 : float, default 0.0
        Adds l2/2 times the sum of the squares of all weights to J.
    l1 : float, default 0.0
        Adds l1 times the sum of the absolute values of all weights to J.
    dropout : float or sequence of float, default 0.0
        The fraction of hidden units that a training step drops, for all hidden layers or for each. The other units are
        scaled by 1 / (1 - rate), so that predictions need no scaling (inverted dropout).
    embedding : fastnn.embeddings.Embedding, optional
        How columns of X become rows of A[0]: numbers with learned periodic functions, categories as learned vectors.
        W[1] is then (n[1], rows of A[0]). X must not be sparse with an embedding or factors.
    scale_inputs : bool, default False
        Multiply each row of A[0] by a learned factor, initially 1.
    activation_mixture : bool, default False
        A[l] = (1 - t) Z[l] + t g(Z[l]) in the hidden layers, with a learned t for each unit, initially 1.
    dtype : {"float32", "float64"}, default "float32"
    random_state : int, numpy.random.Generator or None
        Seeds the weights and the order of the examples.

    Attributes
    ----------
    W, b : list of ndarray
        Writable views of the parameters: ``W[0]`` is W[1] in textbook notation, (n[1], n[0]); ``b[0]`` is b[1],
        (n[1], 1).
    history : History or None
        The history of the last fit.

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

    def fit(self, X: Data, y: ArrayLike | None = None, *, sample_weight: ArrayLike | None = None,
            class_weight: str | dict[int, float] | Sequence[str | dict[int, float] | None] | None = None,
            optimizer: str | optimizers.Optimizer = "adam", learning_rate: float | schedules.Schedule | None = None,
            clip_norm: float | None = None,
            batch_size: int | str | None = "auto", epochs: int = 100, steps_per_epoch: int | None = None,
            shuffle: bool = True, validation_data: Any = None, validation_fraction: float | None = None,
            validation_split: str = "random", metrics: Sequence[str | Metric | Callable[..., float]] | None = (),
            early_stopping: int | EarlyStopping | None = None,
            callbacks: Sequence[Callback | EarlyStopping | Callable[..., bool | None]] | None = (),
            progress: bool = False, resume: str | os.PathLike[str] | None = None,
            n_threads: int | None = None, frozen_layers: Sequence[int] | None = (),
            groups: Mapping[str, optimizers.Group] | None = None,
            weight_decay_schedule: schedules.Schedule | None = None,
            dropout_schedule: schedules.Schedule | None = None) -> History:
        """Train on (X, y); a second call continues where the first one ended.

        Training starts from the current parameters. It continues with the optimiser's state of the previous fit if rule
        and hyperparameters are the same. With a constant learning rate and without `validation_fraction`, early
        stopping and L-BFGS, two calls of ``fit(epochs=5)`` are bitwise identical to ``fit(epochs=10)``; in all other
        cases, continue from a checkpoint.

        Parameters
        ----------
        X : array_like (m, n[0]), sparse matrix, object read by slices, iterable or callable
            The features. An array in C or F order of the network's dtype is not copied, so that a memory map may be
            larger than memory. A SciPy sparse matrix, preferably CSR, is never converted to a dense one. It needs a
            column-major W[1]: if necessary, the parameters move to a new arena, and earlier `W` and `b` are no longer
            views of them. An object with shape, dtype and slicing, such as an h5py dataset, a zarr array or a memory
            map of another dtype, is read in chunks of about 16 MiB. An iterable of batches (X, y) or (X, y,
            sample_weight), or a callable that returns one for each epoch, replaces X and y.
        y : array_like or object read by slices
            softmax output: class labels 0 .. n[L]-1 (m,), or one-hot (m, n[L]), or soft targets: rows of probabilities
            (m, n[L]) that add up to 1, up to 0.0003. sigmoid: 0 and 1, or values between, (m,) or (m, n[L]). Otherwise
            real values (m,) or (m, n[L]), or (m, k) for k targets of several outputs each. Labels are the fastest form;
            int32 labels are not copied.
        sample_weight : array_like (m,), or of the shape of y, optional
            Non-negative weights w of any scale. J is the weighted mean of the losses. Except for softmax, each target
            of an example may have its own, 0 where it is unknown: J = sum w_ij L_ij / (sum w_ij / n[L]). A
            mini-batch without weight makes no step. A weight that is too small for the dtype in relation to the largest
            (by 1e-38 in float32) counts as 0.
        class_weight : dict, "balanced" or list, optional
            For a softmax or sigmoid output: factors of the sample weights by label, 1 for missing labels. "balanced" is
            m / (number of classes in y * examples of the class), without those of weight 0. Several sigmoid outputs
            take "balanced", for each on its own, or a list of a dict, "balanced" or None per output. Soft targets
            get the expected factor sum_k y_k w_k, and count as y_k examples of class k. The examples that
            `validation_fraction` holds out have these weights too; validation_data have their own.
        optimizer : str or Optimizer
            "sgd", "momentum", "nesterov", "adam", "adamw", "nadam", "rmsprop", "lbfgs", or an object with
            hyperparameters. An epoch of L-BFGS is one iteration on all examples.
        learning_rate : float or Schedule, default 0.001
            alpha, positive, or a schedule of `fastnn.schedules`.
        clip_norm : float, optional
            Scale gradients of J with a larger norm to this norm (Pascanu et al. 2013).
        batch_size : int, "auto" or None
            The number of examples in a mini-batch. None means all examples (batch gradient descent). "auto" means 200.
            With an iterable, both mean the size of its first batch. A batch of an iterable is one step, or several if
            it is larger than `batch_size`.
        epochs : int
            Total number of epochs, including those completed before `resume`.
        steps_per_epoch : int, optional
            The number of mini-batches in an epoch, for an endless iterable of batches. With X as an array: an epoch is
            this many mini-batches of a new order of all examples, and leaves out the others; m // batch_size leaves
            out an incomplete last one.
        shuffle : bool
            Use a new random order of the examples in each epoch. Data read in chunks are shuffled by chunk and within
            each chunk. The order of batches from an iterable is kept.
        validation_data : tuple (X, y) or (X, y, sample_weight), optional
            Evaluated after each epoch. May also be batches, as for X; an iterator can be used for a single epoch only.
        validation_fraction : float, optional
            Instead of `validation_data`: hold out this fraction of the examples, drawn by the network's generator in
            each fit and stratified by (the most probable) class for a softmax or a single sigmoid output. X must be an
            array. Examples without weight are not held out, and one example of each class stays to train on.
        validation_split : {"random", "last"}, default "random"
            "last" holds out the last rows instead, for time series; X may also be read by slices.
        metrics : sequence of str, callable or Metric
            Recorded for the validation data as ``validation_<name>``, besides the loss and the accuracy or RMSE.
            Softmax, sigmoid: "balanced_accuracy", "precision", "recall", "f1", "matthews_corrcoef", "roc_auc",
            "average_precision", "log_loss", "brier"; other outputs: "mse", "mae", "mape", "r2". All are weighted.
            A function ``metric(y_true, y_pred) -> float`` gets all labels or values in the form of `predict`, and the
            weights if it has a parameter `sample_weight`; `fastnn.metrics.Custom` gives it probabilities instead. The
            label of a soft target is the most probable one, of a sigmoid output 1 above 0.5.
        early_stopping : int or EarlyStopping, optional
            Stop after this many epochs without a lower validation loss, or by another rule (see
            `fastnn.callbacks.EarlyStopping`), and restore the best parameters.
        callbacks : sequence of callables or of `fastnn.callbacks` objects, or None
            A callable is called after each epoch as ``callback(network, record)``; it returns True to stop training.
        progress : bool
            Show a progress bar (requires tqdm) with the loss and a metric of the validation data, or of up to 1000
            training examples, evenly spaced.
        resume : str or os.PathLike, optional
            A file written by `fastnn.callbacks.Checkpoint`. Training continues bitwise identically on the same number
            of threads. Parameters, optimiser, generator, schedule, early stopping and history are restored. Data and
            arguments must be unchanged, except `epochs` (not fewer), `callbacks` and `progress`.
        n_threads : int, optional
            The maximum number of threads; by default FASTNN_NUM_THREADS, OMP_NUM_THREADS, or all available cores.
        frozen_layers : sequence of int, optional
            The numbers l of layers whose W[l] and b[l] stay as they are, from 1 to L, or from -1, the last, downwards.
            Their penalties remain part of J, and their dropout is used. The backward pass ends at the lowest layer
            that is trained.
        groups : dict of {str: fastnn.optimizers.Group}, optional
            Factors of the learning rate and of the weight decay for groups of parameters: "W", the weights, "b", the
            biases, and, where the network has them, "scale", "embedding" (frequencies, phases, weights, biases),
            "vectors" and "mixture". ``{"W": Group([1, 1, 0.5]), "b": Group(0.1)}`` trains the weights of the third
            layer at half and all biases at a tenth of the learning rate. Groups that are not named have the factor 1.
        weight_decay_schedule, dropout_schedule : Schedule, optional
            Schedules whose values multiply the optimiser's weight decay and the dropout rates of all layers, such as
            ``FlatCosine(1.0)``.

        Returns
        -------
        History

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described; the network is then unchanged. If data read during training are invalid,
            the error names the batch or rows, and the network is as the last step left it.
        ModelFileError, OSError
            If the file to resume is damaged (a ValueError) or cannot be read; the network is then unchanged.
        RuntimeError
            If the network is already being trained, by another thread or by the fit that calls this callback.

        Warns
        -----
        UserWarning
            If a float32 network merges distinct values of a column of X, or of real-valued y.
        DivergenceWarning
            If the loss or a parameter is no longer finite. Training stops and restores the best parameters so far.
            They are updated after each epoch with `early_stopping`, else at the end of the first epoch after 1, 2, 4,
            ..., at most 128 further steps.
        UserWarning
            If the value that `early_stopping` watches was NaN or infinite, or stood still at that of a constant
            prediction while the validation loss fell.
        """
        settings = FitSettings.check(
            self._architecture.output, self._parameters.layout, self._objective.dropout, optimizer=optimizer,
            learning_rate=learning_rate, clip_norm=clip_norm, batch_size=batch_size, epochs=epochs,
            steps_per_epoch=steps_per_epoch, shuffle=shuffle, metrics=metrics, early_stopping=early_stopping,
            callbacks=callbacks, progress=progress, resume=resume, n_threads=n_threads, frozen_layers=frozen_layers,
            groups=groups, weight_decay_schedule=weight_decay_schedule, dropout_schedule=dropout_schedule)
        if self._in_training:
            raise RuntimeError("this network is being trained: by another thread, or by the fit that called back")
        data = FitData(X, y, sample_weight, class_weight, validation_data, validation_fraction,
                       validation_split)
        prepared = prepare(self, self._values(), self._predictor, self._state, self._rng, data, settings, resume)
        commit(prepared)
        self._adopt(prepared.state)
        self._in_training = True
        try:
            FitLoop(prepared).run()
        finally:
            self._in_training = False
        return prepared.state.history

    def _adopt(self, state: FitState) -> None:
        """Take over the parameters, optimiser state, generator and history of a fit that is about to start."""
        self._replace_parameters(state.values.parameters)
        self._target_ndim, self._state = state.values.target_ndim, state.optimizer_state
        self._rng, self.history = state.rng, state.history

    def partial_fit(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None,
                    optimizer: str | optimizers.Optimizer = "adam",
                    learning_rate: float | schedules.Schedule | None = None, batch_size: int | str | None = "auto",
                    shuffle: bool = True, n_threads: int | None = None,
                    frozen_layers: Sequence[int] | None = (),
                    groups: Mapping[str, optimizers.Group] | None = None) -> History:
        """Make one pass over (X, y), continuing the optimiser's state: `fit` with ``epochs=1``.

        A learning-rate schedule starts again in each call.
        """
        return self.fit(X, y, sample_weight=sample_weight, optimizer=optimizer, learning_rate=learning_rate,
                        batch_size=batch_size, epochs=1, shuffle=shuffle, n_threads=n_threads,
                        frozen_layers=frozen_layers, groups=groups)

    def gradients(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None,
                  n_threads: int | None = None) -> tuple[float, list[NDArray[Any]], list[NDArray[Any]]]:
        """Return (J, [dW], [db]) over all examples; arguments as for `fit`, shapes as W and b."""
        J, layout, gradient = self._gradient(X, y, sample_weight, n_threads)
        dW, db = layout.views(gradient)
        return J, list(dW), list(db)

    def named_gradients(self, X: ArrayLike, y: ArrayLike, *, sample_weight: ArrayLike | None = None,
                        n_threads: int | None = None) -> tuple[float, dict[str, NDArray[Any]]]:
        """Return (J, gradients) over all examples, by the names of `parameters`; arguments as for `fit`."""
        J, layout, gradient = self._gradient(X, y, sample_weight, n_threads)
        return J, layout.named(gradient)

    def _gradient(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None,
                  n_threads: int | None) -> tuple[float, ParameterLayout, NDArray[Any]]:
        architecture, objective = self._architecture, self._objective
        examples = Examples.check(X, y, sample_weight, architecture, objective.loss)
        parameters = self._parameters.for_features(examples.X).writable()
        gradient = aligned_empty(parameters.size, self.dtype)
        J = binding.gradients(architecture, objective, parameters, examples, gradient,
                              runtime.thread_count(n_threads))
        return J, parameters.layout, gradient
