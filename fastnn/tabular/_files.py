"""Save and load the estimators of tables as model files."""

import os
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._model import bundles
from fastnn._model.file_format import ModelFileError
from fastnn.history import History
from fastnn.network import Network
from fastnn.preprocessing import TableEncoder
from fastnn.tabular._members import Member
from fastnn.tabular._targets import Values

__all__ = ["load_estimator", "save_estimator"]

SIMPLE = (str, int, float, bool, type(None))


def save_estimator(estimator: Any, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator; see `BaseTabular.save`."""
    description, arrays = estimator.encoder_.state()
    content = {"encoder": description, "temperatures": [member.temperature for member in estimator._members]}
    arrays = {f"encoder.{name}": array for name, array in arrays.items()}
    arrays["parameters"] = bundles.packed(_saved_parameters(estimator))
    arrays["histories"] = bundles.packed([history.to_dict() for history in estimator.histories_])
    for i, member in enumerate(estimator._members):
        if member.values is not None:
            arrays[f"values.{i}"] = np.array(member.values)
    own, own_arrays = estimator._state_of_targets()
    networks = [member.network._values() for member in estimator._members]
    bundles.write(path, f"fastnn.{type(estimator).__name__}", networks, content | {"targets": own}, arrays | own_arrays)


def load_estimator(kind: type, path: str | os.PathLike[str]) -> Any:
    """Read an estimator of class `kind`; see `BaseTabular.load`."""
    networks, content, arrays = bundles.read(path, f"fastnn.{kind.__name__}")
    try:
        return _restored(kind, networks, content, arrays)
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise ModelFileError(f"{os.fspath(path)!r} holds no fastnn.{kind.__name__}: {error}") from error


def _restored(kind: type, networks: list[Any], content: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> Any:
    saved = bundles.unpacked(arrays["parameters"])
    known = kind().get_params()
    estimator = kind(**{name: _from_json(value) for name, value in saved if name in known})
    estimator._validate_params()
    encoder = TableEncoder.from_state(content["encoder"], {
        name.removeprefix("encoder."): array for name, array in arrays.items() if name.startswith("encoder.")})
    estimator.encoder_ = encoder
    estimator.n_features_in_ = encoder.n_features_in_
    if hasattr(encoder, "feature_names_in_"):
        estimator.feature_names_in_ = encoder.feature_names_in_
    estimator.histories_ = [History.from_dict(one) for one in bundles.unpacked(arrays["histories"])]
    estimator.history_, estimator.best_epoch_ = estimator.histories_[0], estimator.histories_[0].best_epoch
    members = []
    for i, (values, temperature) in enumerate(zip(networks, content["temperatures"], strict=True)):
        if values.architecture.n_features != encoder.n_features_out_:
            raise ValueError("its networks do not fit its encoder")
        own = Values(*arrays[f"values.{i}"]) if f"values.{i}" in arrays else None
        members.append(Member(Network._of_values(values), own, float(temperature)))
    estimator._restore_targets(content["targets"], arrays, members)
    return estimator


def _saved_parameters(estimator: Any) -> list[tuple[str, Any]]:
    """Return the parameters that JSON holds: no functions and random generators."""
    found = []
    for name, value in estimator.get_params(deep=False).items():
        try:
            found.append((name, _as_json(value)))
        except TypeError:
            continue
    return found


def _as_json(value: Any) -> Any:
    """Return a parameter as JSON values: a dict as {"dict": pairs}, a sequence as {"list" or "tuple": entries}.

    Raises
    ------
    TypeError
        If that is impossible.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, np.ndarray):
        value = value.tolist()
    if type(value) in SIMPLE:
        return value
    if type(value) in (list, tuple):
        return {type(value).__name__: [_as_json(entry) for entry in value]}
    if type(value) is dict:
        return {"dict": [[_as_json(key), _as_json(entry)] for key, entry in value.items()]}
    raise TypeError(f"{type(value).__name__} is not for a file")


def _from_json(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if "dict" in value:
        return {_from_json(key): _from_json(entry) for key, entry in value["dict"]}
    return [_from_json(entry) for entry in value["list"]] if "list" in value else tuple(
        map(_from_json, value["tuple"]))
