"""The data of the demo: labelled pictures, and how to train on them."""

import math
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn import datasets

__all__ = ["Pictures", "Recipe", "load"]

FASHION = ("T-shirt/top", "trouser", "pullover", "dress", "coat", "sandal", "shirt", "sneaker", "bag", "ankle boot")


@dataclass(frozen=True)
class Recipe:
    """How to train. The last quarter of the epochs uses a tenth of the learning rate."""

    hidden: tuple[int, ...]
    batch_size: int
    epochs: int
    learning_rate: float

    def stages(self) -> list[tuple[int, float]]:
        """Return (epochs, learning rate) of each stage of the training."""
        late = (self.epochs + 2) // 4
        stages = [(self.epochs - late, self.learning_rate), (late, self.learning_rate / 10)]
        return [stage for stage in stages if stage[0]]


# Measured test accuracy. Digits: mean 98.1 %, lowest 96.7 % over 50 seeds, each with a different fifth held out.
# Fashion-MNIST: 89.3 to 89.4 % over 5 seeds.
DIGITS = Recipe(hidden=(256, 128), batch_size=32, epochs=40, learning_rate=2e-3)
LARGE = Recipe(hidden=(256, 128), batch_size=128, epochs=10, learning_rate=1e-3)


@dataclass(frozen=True)
class Pictures:
    """Labelled pictures: X (m, n[0]) float32 with pixels from 0 to 1, y (m,) with labels 0 .. K-1."""

    name: str
    X_train: NDArray[np.float32]
    y_train: NDArray[np.intp]
    X_test: NDArray[np.float32]
    y_test: NDArray[np.intp]
    class_names: tuple[str, ...]
    recipe: Recipe

    @property
    def shape(self) -> tuple[int, int] | None:
        """Rows and columns of a picture; None if n[0] is not a square number, so that they are unknown."""
        side = math.isqrt(self.X_train.shape[1])
        return (side, side) if side * side == self.X_train.shape[1] else None


def load(data: str, seed: int) -> Pictures:
    """Load the data set `data`: "digits", "fashion-mnist" or a folder of IDX files.

    Raises
    ------
    OSError, ValueError
        If the data do not exist or are damaged.
    """
    if data == "digits":
        X, y = datasets.load_digits()
        train, test = datasets.stratified_split(y, 0.2, seed)
        return _pictures(data, X[train], y[train], X[test], y[test], 16, DIGITS)
    if data == "fashion-mnist":
        return _pictures(data, *datasets.load_fashion_mnist(), 255, LARGE, FASHION)
    if not os.path.isdir(data):
        raise ValueError(f"--data must be digits, fashion-mnist or a folder of IDX files, got {data!r}")
    return _pictures(Path(data).resolve().name, *datasets.load_idx_folder(data), 255, LARGE)


def _pictures(name: str, X_train: NDArray[Any], y_train: NDArray[Any], X_test: NDArray[Any], y_test: NDArray[Any],
              ink: int, recipe: Recipe, class_names: tuple[str, ...] = ()) -> Pictures:
    if not X_train.size or not X_test.size:
        raise ValueError(f"{name} must hold pictures to train on and to test, got {len(X_train)} and {len(X_test)}")
    classes, labels = np.unique(np.concatenate([y_train, y_test]), return_inverse=True)
    if len(classes) < 2:
        raise ValueError(f"{name} must hold at least two classes, got only {classes[0]}")
    X_train, X_test = (np.divide(X, ink, dtype=np.float32) for X in (X_train, X_test))
    return Pictures(name, X_train, labels[: len(X_train)], X_test, labels[len(X_train) :],
                    class_names or tuple(map(str, classes)), recipe)
