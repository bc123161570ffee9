"""fastnn: dense neural networks on the CPU, trained and run fast, from a small wheel."""

from fastnn import datasets, runtime
from fastnn.history import History
from fastnn.network import Network
from fastnn.optimizers import SGD, Adam, Momentum, Nesterov
from fastnn.storage import ModelFileError
from fastnn.training import DivergenceWarning

__all__ = ["SGD", "Adam", "DivergenceWarning", "History", "ModelFileError", "Momentum", "Nesterov", "Network",
           "datasets", "runtime"]

__version__ = "0.1.0"
