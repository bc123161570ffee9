"""fastnn: dense neural networks on the CPU, trained and run fast, from a small wheel."""

from fastnn import datasets, losses, optimizers, runtime
from fastnn.history import History
from fastnn.losses import Absolute, BinaryCrossEntropy, CrossEntropy, Huber, Poisson, Quantile, SquaredError
from fastnn.network import Network
from fastnn.optimizers import SGD, Adam, AdamW, Momentum, NAdam, Nesterov, RMSprop
from fastnn.storage import ModelFileError
from fastnn.training import DivergenceWarning

__all__ = ["SGD", "Absolute", "Adam", "AdamW", "BinaryCrossEntropy", "CrossEntropy", "DivergenceWarning", "History",
           "Huber", "ModelFileError", "Momentum", "NAdam", "Nesterov", "Network", "Poisson", "Quantile", "RMSprop",
           "SquaredError", "datasets", "losses", "optimizers", "runtime"]

__version__ = "0.1.0"
