"""fastnn: dense neural networks on the CPU, trained and run fast, from a small wheel."""

from importlib.util import find_spec as _find_spec

if _find_spec("fastnn._core._ops") is None:
    raise ImportError("this is fastnn's source folder, which holds no compiled modules: install it (`pip install .`), "
                      "then run Python in another folder, or with -P")

from fastnn import datasets, runtime
from fastnn.history import History
from fastnn.network import Network
from fastnn.optimizers import SGD, Adam, Momentum, Nesterov
from fastnn.storage import ModelFileError
from fastnn.training import DivergenceWarning

__all__ = ["SGD", "Adam", "DivergenceWarning", "History", "ModelFileError", "Momentum", "Nesterov", "Network",
           "datasets", "runtime"]

__version__ = "0.1.0"
