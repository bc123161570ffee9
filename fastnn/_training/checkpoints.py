"""Save and restore training checkpoints."""

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from fastnn._data import checks
from fastnn._model import file_format, files
from fastnn._training.state import FitState
from fastnn.history import History

__all__ = ["SavedFit", "encode_generator", "read", "write"]

GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")  # NumPy's: each is its name and its state
# Upper limits of state entries that NumPy does not check and that would make it read out of bounds.
LIMITS = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "uinteger": 2**32 - 1}
NOT_COMPARED = {"kind", "init", "target_ndim"}
NOT_IN_OLDER = {"validation_fraction", "validation_split", "class_weight"}  # nor compared if they are missing
NOTHING: dict[str, Any] = {"frozen": [], "groups": {}, "weight_decay_schedule": None, "dropout_schedule": None,
                           "embedding": None, "scale_inputs": False, "activation_mixture": False}  # not written


def write(path: str | os.PathLike[str], state: FitState) -> None:
    """Write the state of a fit after an epoch; see `file_format.write`."""
    optimizer_state = state.optimizer_state
    header, arrays = files.describe(state.values)
    header |= {
        "kind": files.CHECKPOINT, "run": state.requirements, "generator": encode_generator(state.rng),
        # Everything an update depends on besides the arenas.
        "state": {"step_count": int(optimizer_state.step_count[0]), "dropout_seed": optimizer_state.dropout_seed},
        "pace": state.schedule.state(), "watch": None if state.monitor is None else state.monitor.state(),
        "best": state.best.state(),
    }
    if state.factors:
        header["factors"] = {name: one.state() for name, one in state.factors.items()}
    for prefix, arena in _arenas(state).items():
        arrays |= state.values.parameters.layout.stored(arena, prefix)
    records = [[record[key] for key in state.recorded] for record in state.history.records]
    arrays["history"] = np.array(records, np.float64)
    if state.held_rows is not None:
        arrays["held_rows"] = state.held_rows
    file_format.write(path, files.marked(header), arrays)


def read(path: str | os.PathLike[str]) -> "SavedFit":
    """Read a checkpoint.

    Raises
    ------
    ModelFileError
        If the file is truncated, altered, or no checkpoint.
    OSError
        If it cannot be read.
    """
    header, arrays = file_format.read(path)
    if files.kind_of(header) != files.CHECKPOINT:
        raise file_format.ModelFileError(f"{os.fspath(path)!r} is no checkpoint of a run: "
                                         f"it holds {header.get('kind')!r}")
    return SavedFit(os.fspath(path), header, arrays)


class SavedFit:
    """The content of a checkpoint."""

    def __init__(self, path: str, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.path, self.header, self.arrays = path, header, arrays

    def held_out_of(self, m: int) -> NDArray[np.int64]:
        """Return the positions that `validation_fraction` held out of m examples.

        Raises
        ------
        ValueError
            If there are none, or they do not match m examples.
        """
        rows = self.arrays.get("held_rows")
        if rows is None:
            raise ValueError(f"{self.path!r} is of a run without validation_fraction")
        good = rows.dtype == np.int64 and rows.ndim == 1 and 0 < len(rows) < m
        if not good or rows[0] < 0 or rows[-1] >= m or not (np.diff(rows) > 0).all():
            raise ValueError(f"{self.path!r} is of a run on other data: what it held out are not some of {m} examples")
        return rows

    def restore(self, state: FitState) -> tuple[NDArray[Any], np.random.Generator]:
        """Set a new state to that of the checkpoint, except what it shares with the network.

        Returns
        -------
        theta : ndarray (P,)
            The parameters of the checkpoint.
        rng : Generator
            A generator in the state of the checkpoint's.

        Raises
        ------
        ValueError
            If the fit differs from that of the checkpoint, or has fewer epochs than that has finished.
        ModelFileError
            If an entry of the file is missing or wrong.
        """
        self._compare(state)
        try:
            theta = self._restore_arenas(state)
            header = self.header
            rng = _decode_generator(header["generator"])
            state.schedule.restore(header["pace"])
            for name, one in state.factors.items():
                one.restore(header["factors"][name])
            if state.monitor is not None:
                state.monitor.restore(header["watch"])
            state.best.restore_state(header["best"])
            saved = header["state"]
            state.optimizer_state.step_count[0] = checks.count(saved["step_count"], "step_count", 0, 2**63 - 1)
            state.optimizer_state.dropout_seed = checks.count(saved["dropout_seed"], "dropout_seed", 0, 2**63 - 1)
            if self.arrays["history"].shape[1:] != (len(state.recorded),):
                raise ValueError("its history has other columns")
            rows = [dict(zip(state.recorded, row, strict=True)) for row in self.arrays["history"].tolist()]
            history = History([row | {"epoch": int(row["epoch"])} for row in rows])
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise file_format.ModelFileError(f"{self.path!r} is damaged: {error}") from error
        if len(history) > state.epochs:
            raise ValueError(f"{self.path!r} is of epoch {len(history)}, but epochs={state.epochs}, the total, is less")
        state.epoch, state.history.records = len(history), history.records
        return theta, rng

    def _restore_arenas(self, state: FitState) -> NDArray[Any]:
        """Fill the arenas of the best parameters and of the optimiser; return an arena with the parameters."""
        theta = np.empty_like(state.theta)
        for prefix, arena in {**_arenas(state), "": theta}.items():
            for name, view in state.values.parameters.layout.stored(arena, prefix).items():
                if self.arrays[name].shape != view.shape or self.arrays[name].dtype != view.dtype:
                    raise ValueError(f"its {name} has another shape or dtype")
                view[...] = self.arrays[name]
        return theta

    def _compare(self, state: FitState) -> None:
        """Raise a ValueError if the network or the settings differ from those of the checkpoint."""
        described = self.header.get("run")
        here = NOTHING | files.describe(state.values)[0] | state.requirements
        older = {key: here[key] for key in NOT_IN_OLDER}
        there = NOTHING | older | self.header | (described if isinstance(described, dict) else {})
        for key, value in here.items():
            if key not in NOT_COMPARED and there.get(key) != value:
                raise ValueError(f"{self.path!r} cannot be resumed here: it has {key}={there.get(key)}, this fit "
                                 f"{key}={value}")


def _arenas(state: FitState) -> dict[str, NDArray[Any]]:
    """Return every arena except the parameters' own, by the prefix of its arrays' names."""
    return {"best.": state.best.copy, **{f"state{s}.": arena for s, arena in enumerate(state.optimizer_state.arenas)}}


def encode_generator(rng: np.random.Generator) -> dict[str, Any]:
    """Return the state of a generator as JSON values.

    Raises
    ------
    ValueError
        If its bit generator is not one of NumPy's.
    """
    state = rng.bit_generator.state
    name = state.get("bit_generator") if isinstance(state, Mapping) else None
    if name not in GENERATORS or type(rng.bit_generator) is not getattr(np.random, name):
        raise ValueError(f"a checkpoint can hold the random generators {', '.join(GENERATORS)}, got "
                         f"{type(rng.bit_generator).__name__}")
    encoded: dict[str, Any] = _encode(state)
    return encoded


def _encode(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _encode(item) for key, item in value.items()}
    if isinstance(value, np.ndarray):
        return {"dtype": value.dtype.name, "values": value.tolist()}
    return int(value) if isinstance(value, np.integer) else value


def _decode(value: Any) -> Any:
    if not isinstance(value, dict):
        return value
    if value.keys() == {"dtype", "values"}:
        return np.array(value["values"], checks.name(value["dtype"], ("uint32", "uint64"), "dtype"))
    return {key: checks.count(item, key, 0, LIMITS[key]) if key in LIMITS else _decode(item)
            for key, item in value.items()}


def _decode_generator(encoded: Any) -> np.random.Generator:
    name = checks.name(encoded["bit_generator"], GENERATORS, "the random generator")
    bit_generator = getattr(np.random, name)(0)
    bit_generator.state = _decode(encoded)
    return np.random.Generator(bit_generator)
