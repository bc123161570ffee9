"""fastnn: dense neural networks on the CPU, trained and run fast, from a small wheel."""

from fastnn import callbacks, datasets, metrics, runtime, schedules
from fastnn.history import History
from fastnn.network import Network
from fastnn.optimizers import SGD, Adam, Momentum, Nesterov
from fastnn.storage import ModelFileError
from fastnn.training import DivergenceWarning

__all__ = ["SGD", "Adam", "DivergenceWarning", "History", "ModelFileError", "Momentum", "Nesterov", "Network",
           "callbacks", "datasets", "metrics", "runtime", "schedules"]

__version__ = "0.1.0"
