"""Reading models of any kind that fastnn saves."""

import os
from typing import Any

from fastnn._commands.table_files import TableError, require
from fastnn._model import file_format

__all__ = ["load", "load_tabular"]

TABULAR = ("fastnn.TabularClassifier", "fastnn.TabularRegressor")


def load(path: str | os.PathLike[str]) -> Any:
    """Return the Network, TabularClassifier or TabularRegressor of a model file.

    Raises
    ------
    ModelFileError
        If the file is damaged or no model.
    OSError
        If it cannot be read.
    """
    kind = str(file_format.read(path)[0].get("kind"))
    if kind not in TABULAR:
        from fastnn import Network

        return Network.load(path)
    require("sklearn")
    from fastnn import tabular

    return getattr(tabular, kind.removeprefix("fastnn.")).load(path)


def load_tabular(path: str | os.PathLike[str]) -> Any:
    """Return the model of a file, if it is one for tables.

    Raises
    ------
    TableError
        If it is a Network.
    ModelFileError, OSError
        As for `load`.
    """
    model = load(path)
    if not hasattr(model, "encoder_"):
        raise TableError(f"{os.fspath(path)} holds a Network, which knows no table: use fastnn.Network.load in Python")
    return model
