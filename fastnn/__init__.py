"""fastnn: dense neural networks on the CPU, trained and run fast, from a small wheel."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

from fastnn import callbacks, datasets, losses, metrics, optimizers, runtime, schedules
from fastnn._model.file_format import ModelFileError
from fastnn._training.loop import DivergenceWarning
from fastnn._version import __version__ as __version__
from fastnn.history import History
from fastnn.losses import Absolute, BinaryCrossEntropy, CrossEntropy, Gaussian, Huber, Poisson, Quantile, SquaredError
from fastnn.network import Network
from fastnn.optimizers import LBFGS, SGD, Adam, AdamW, Momentum, NAdam, Nesterov, RMSprop

if TYPE_CHECKING:
    from fastnn import plot
    from fastnn.estimators import MLPClassifier as MLPClassifier
    from fastnn.estimators import MLPRegressor as MLPRegressor
    from fastnn.estimators import from_sklearn as from_sklearn
    from fastnn.tabular import TabularClassifier as TabularClassifier
    from fastnn.tabular import TabularRegressor as TabularRegressor

__all__ = ["LBFGS", "SGD", "Absolute", "Adam", "AdamW", "BinaryCrossEntropy", "CrossEntropy", "DivergenceWarning",
           "Gaussian", "History", "Huber", "ModelFileError", "Momentum", "NAdam", "Nesterov", "Network", "Poisson",
           "Quantile", "RMSprop", "SquaredError", "callbacks", "datasets", "losses", "metrics", "optimizers", "plot",
           "runtime", "schedules"]

# Not in __all__, since they need scikit-learn.
_ESTIMATORS = {"MLPClassifier": "estimators", "MLPRegressor": "estimators", "from_sklearn": "estimators",
               "TabularClassifier": "tabular", "TabularRegressor": "tabular"}


def __getattr__(name: str) -> Any:
    if name in ("plot", "estimators", "preprocessing"):  # loaded when they are asked for
        return import_module(f"fastnn.{name}")
    if name in _ESTIMATORS:
        return getattr(import_module(f"fastnn.{_ESTIMATORS[name]}"), name)
    raise AttributeError(f"module 'fastnn' has no attribute {name!r}")
