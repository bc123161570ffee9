"""fastnn: dense neural networks on the CPU, trained and run fast, from a small wheel."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastnn import callbacks, datasets, losses, metrics, optimizers, runtime, schedules
from fastnn.history import History
from fastnn.losses import Absolute, BinaryCrossEntropy, CrossEntropy, Huber, Poisson, Quantile, SquaredError
from fastnn.network import Network
from fastnn.optimizers import LBFGS, SGD, Adam, AdamW, Momentum, NAdam, Nesterov, RMSprop
from fastnn.storage import ModelFileError
from fastnn.training import DivergenceWarning

if TYPE_CHECKING:
    from fastnn import plot

__all__ = ["LBFGS", "SGD", "Absolute", "Adam", "AdamW", "BinaryCrossEntropy", "CrossEntropy", "DivergenceWarning",
           "History", "Huber", "ModelFileError", "Momentum", "NAdam", "Nesterov", "Network", "Poisson", "Quantile",
           "RMSprop", "SquaredError", "callbacks", "datasets", "losses", "metrics", "optimizers", "plot", "runtime",
           "schedules"]

__version__ = "0.1.0"


def __getattr__(name: str) -> Any:
    if name == "plot":  # loaded when it is asked for
        return import_module("fastnn.plot")
    raise AttributeError(f"module 'fastnn' has no attribute {name!r}")
