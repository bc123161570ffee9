"""Scores of the parameters during a fit: the record of each epoch, and the progress bar."""

from math import isfinite
from time import perf_counter
from typing import Any

from fastnn import _tuning
from fastnn._data.examples import Source
from fastnn._prediction.evaluate import evaluate
from fastnn._training.prepare import PreparedFit
from fastnn.metrics import Metric

__all__ = ["Recorder"]


class Recorder:
    """Evaluates the parameters after the epochs of a fit and shows them in the progress bar.

    Parameters
    ----------
    prepared : PreparedFit
    """

    def __init__(self, prepared: PreparedFit) -> None:
        self.state, self.settings, self.feed = prepared.state, prepared.settings, prepared.feed
        self.held_out, self.predictor = prepared.held_out, prepared.predictor
        self._scored: Source | None = prepared.held_out
        self._shown: Source | None = None
        self._bar: Any = None

    def open_bar(self) -> None:
        """Show the progress bar, if there is one."""
        if self.settings.progress_bar is not None:
            self._bar = self.settings.progress_bar(total=self.state.epochs, initial=self.state.epoch, unit="epoch")

    def close_bar(self) -> None:
        """Close the progress bar."""
        if self._bar is not None:
            self._bar.close()

    def record(self, began: float, J: float, finite: bool, rate: dict[str, float]) -> tuple[dict[str, float], bool]:
        """Validate and record an epoch that started at `began`.

        Returns
        -------
        record : dict
        finite : bool
            Whether the loss and the validation loss are finite.
        """
        state = self.state
        record = {"epoch": state.epoch + 1, "loss": J}
        if finite and self.held_out is not None:
            scores = self._evaluate(self.held_out, self.settings.metrics)
            record |= {f"validation_{name}": value for name, value in scores.items()}
            finite = isfinite(scores["loss"])
        record |= {**rate, "seconds": perf_counter() - began}
        state.append(record)
        return record, finite

    def score_parameters(self) -> float:
        """Return the loss of the present parameters on the validation data, else on a sample of the training data.

        The loss a step reports is measured before its update, so it cannot reveal that the last update diverged.
        """
        if self._scored is None:
            self._scored = self.feed.sample(_tuning.SCORED_EXAMPLES)
        return self._evaluate(self._scored)["loss"]

    def show(self, record: dict[str, float]) -> None:
        """Show the record of an epoch in the progress bar, if there is one."""
        if self._bar is None:
            return
        values = {key: f"{record[key]:.4g}" for key in record if key not in ("epoch", "learning_rate", "seconds")}
        if self.held_out is None:  # the record has no metrics
            if self._shown is None:
                self._shown = self.feed.sample(_tuning.PROGRESS_EXAMPLES)
            scores = self._evaluate(self._shown, self.settings.metrics)
            values |= {name: f"{value:.4g}" for name, value in scores.items() if name != "loss"}
        self._bar.set_postfix(values, refresh=False)
        self._bar.update()

    def _evaluate(self, examples: Source, metrics: tuple[Metric, ...] = ()) -> dict[str, float]:
        values = self.state.values
        return evaluate(self.predictor, values.objective, examples, metrics, target_ndim=values.target_ndim,
                        n_threads=self.settings.n_threads)
