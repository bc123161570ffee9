"""`fastnn info MODEL`: what a saved model expects and how it was trained."""

import os
from typing import Any

from fastnn._commands.columns import column_rows
from fastnn._commands.models import load
from fastnn._commands.text import say, table

__all__ = ["run"]

CLASSES_SHOWN = 10


def run(path: str | os.PathLike[str]) -> None:
    """Print the kind of a model, its columns and its network.

    Raises
    ------
    ModelFileError
        If the file is damaged or no model.
    OSError
        If it cannot be read.
    """
    model = load(path)
    say(f"{os.fspath(path)}: {type(model).__name__}")
    if not hasattr(model, "encoder_"):
        say(model.summary())
        return
    say(f"answers: {_answers(model)}")
    if model.best_epoch_ is not None:
        say(f"trained for {len(model.history_)} epochs, parameters of epoch {model.best_epoch_}")
    say("\n" + table(("column", "type", "gaps", "values"), column_rows(model.encoder_)) + "\n")
    networks = model.networks_
    if networks:
        say(("network:" if len(networks) == 1 else f"{len(networks)} networks, whose answers are averaged:") + "\n")
        say(networks[0].summary())


def _answers(model: Any) -> str:
    if hasattr(model, "classes_"):
        labels = [str(label) for label in model.classes_[:CLASSES_SHOWN]]
        more = ", ..." if len(model.classes_) > len(labels) else ""
        return f"{len(model.classes_)} classes: {', '.join(labels)}{more}"
    return "numbers"
