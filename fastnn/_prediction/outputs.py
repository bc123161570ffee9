"""What `Network` makes of its outputs: predictions, derivatives by the inputs, samples with dropout."""

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._data import checks
from fastnn._data.features import Features
from fastnn._data.sources import Data
from fastnn._model.architecture import Architecture
from fastnn._model.objective import Objective
from fastnn._prediction import labels
from fastnn._prediction.dropout_samples import DropoutSampler, check_companions
from fastnn._prediction.input_gradients import check_output, input_gradients
from fastnn._prediction.predictor import Form, Predictor
from fastnn.losses import Gaussian, Loss

__all__ = ["NetworkOutputs"]


class NetworkOutputs:
    """A base class of `Network`, which sets the attributes."""

    _architecture: Architecture
    _objective: Objective
    _predictor: Predictor
    _target_ndim: int

    def input_gradients(self, X: Data, *, output: int | None = None, of: str = "A",
                        n_threads: int | None = None) -> NDArray[Any]:
        """Return the derivatives of the outputs by the features of each row.

        The outputs are those of `forward`: quantiles are not sorted as by `predict`, but in turn the levels of each
        target; for the Gaussian loss they are all means, then the logarithms of all variances.

        Parameters
        ----------
        X : array_like (m, n[0]), object read by slices, iterable or callable
            As for `predict`. The result is dense also for a sparse X.
        output : int, optional
            The derivatives of this output alone, counted from 0; by default of all.
        of : {"A", "Z"}, default "A"
            The outputs A[L], or Z[L], which do not saturate.
        n_threads : int, optional
            As for `fit`.

        Returns
        -------
        ndarray of the network's dtype
            dA[L]/dX or dZ[L]/dX: (m, n[L], n[0]), or (m, n[0]) of a single output or with `output`. At a kink, the
            derivative is that of `fit` (relu'(0) = 0).

        Raises
        ------
        ValueError, TypeError
            If an argument is not as described.

        Examples
        --------
        >>> from fastnn import Network
        >>> net = Network([2, 1], output="identity", random_state=0, dtype="float64")
        >>> bool((net.input_gradients([[1.0, 2.0]]) == net.W[0]).all())
        True
        """
        n_outputs = self._architecture.n_outputs
        unit, raw = check_output(output, n_outputs), checks.name(of, ("A", "Z"), "of") == "Z"
        if n_outputs == 1:
            unit = 0
        found = []
        features = Features(X, self._architecture.n_features, self._architecture.dtype)
        for part, refuse in features.parts(self._predictor.chunk):
            gradients = input_gradients(self._predictor, part, unit=unit, raw=raw, n_threads=n_threads)
            if gradients is None:
                refuse()
            found.append(gradients)
        return found[0] if len(found) == 1 else np.concatenate(found)

    def _predicted(self, X: Any, out: NDArray[Any] | None, n_threads: int | None, flat: bool = False,
                   form: Form = "outputs") -> NDArray[Any]:
        outputs = self._predictor.fast_path(X, form != "outputs", n_threads) if out is None else None
        if outputs is None:
            features = Features(X, self._architecture.n_features, self._architecture.dtype)
            return self._predictor.predict(features, out, flat=flat, form=form, n_threads=n_threads)
        if form == "labels":
            return labels.predicted(outputs, self._architecture.output, self._target_ndim, 0.0)
        if form == "logarithms":
            labels.take_logarithms(outputs, self._architecture.output)
        return outputs[:, 0] if flat else outputs

    def _shaped_predictions(self, outputs: NDArray[Any]) -> NDArray[Any]:
        loss = self._objective.loss
        return labels.shaped(loss.predictions(outputs), loss, self._target_ndim)

    def _means_and_deviations(self, X: Data, out: Any, n_threads: int | None) -> tuple[NDArray[Any], NDArray[Any]]:
        loss = self._objective.loss
        if not isinstance(loss, Gaussian):
            raise ValueError(f"return_std needs loss='gaussian', got {loss.name!r}, or dropout_samples")
        if out is not None:
            raise ValueError("out goes without return_std, which gives two arrays")
        outputs = self._predicted(X, None, n_threads)
        return self._shaped_predictions(outputs), labels.shaped(loss.deviations(outputs), loss, self._target_ndim)

    def _predicted_as(self, X: Data, convert: Callable[[NDArray[Any]], NDArray[Any]], out: NDArray[Any] | None,
                      n_threads: int | None) -> NDArray[Any]:
        """Return what `convert` makes of the outputs (m, n[L]) of each chunk, in `out` if given."""
        outputs = self._predictor.fast_path(X, n_threads=n_threads) if out is None else None
        if outputs is not None:
            return convert(outputs)
        features = Features(X, self._architecture.n_features, self._architecture.dtype)
        return self._predictor.predict(features, out, convert=convert, n_threads=n_threads)

    def _sampled_predictions(self, X: Data, out: Any, return_std: bool, dropout_samples: Any, random_state: Any,
                             n_threads: int | None) -> NDArray[Any] | tuple[NDArray[Any], NDArray[Any]]:
        check_companions(dropout_samples, random_state=random_state)
        output, loss = self._architecture.output, self._objective.loss
        classifying = output in labels.CLASSIFYING
        if checks.flag(return_std, "return_std") and classifying:
            raise ValueError("return_std is for real-valued outputs: labels have no standard deviation")
        mean, std = self._moments(X, out, dropout_samples, random_state, n_threads, loss)
        if classifying:
            return labels.predicted(mean, output, self._target_ndim, 0.5)
        mean, std = (labels.shaped(values, loss, self._target_ndim) for values in (mean, std))
        return (mean, std) if return_std else mean

    def _moments(self, X: Data, out: Any, dropout_samples: Any, random_state: Any, n_threads: int | None,
                 loss: Loss | None = None) -> tuple[NDArray[Any], NDArray[Any]]:
        """Return the mean and the standard deviation of what `loss` predicts, by default A[L], with dropout."""
        if out is not None:
            raise ValueError("out goes without dropout_samples")
        seed = int(checks.generator(random_state).integers(2**64, dtype=np.uint64))
        sampler = DropoutSampler(self._predictor, self._objective.dropout, dropout_samples, seed, loss)
        return sampler.over(Features(X, self._architecture.n_features, self._architecture.dtype), n_threads)
