"""A run in a file: all that the rest of it depends on, and what a file must hold to be one."""

import os
from collections.abc import Iterator, Mapping
from math import inf, isfinite
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from fastnn._data import checks
from fastnn._model import file_format, files
from fastnn._model.parameters import ParameterLayout
from fastnn.history import History

if TYPE_CHECKING:
    from fastnn._training.loop import Run

__all__ = ["Saved", "encode_generator", "read", "write"]

GENERATORS = ("MT19937", "PCG64", "PCG64DXSM", "Philox", "SFC64")  # NumPy's: each is its name and its state
# The largest values of what NumPy does not check, and would read beyond its state with.
LIMITS = {"pos": 624, "buffer_pos": 4, "has_uint32": 1, "uinteger": 2**32 - 1}
NOT_COMPARED = {"kind", "init", "target_ndim"}


def write(path: str | os.PathLike[str], run: "Run") -> None:
    """Write a run as it stands after an epoch; see `file_format.write`."""
    best, state = run.best, run.state
    header, arrays = files.describe(run.values)
    records = run.history.records
    header |= {
        "kind": files.CHECKPOINT, "run": run.describe(), "generator": encode_generator(run.rng),
        # What an update depends on beside parameters and arenas.
        "state": {"step_count": int(state.step_count[0]), "dropout_seed": state.dropout_seed},
        "pace": run.pace.state(), "watch": None if run.watch is None else run.watch.state(),
        "best": {"value": best.value if isfinite(best.value) else None, "epoch": best.epoch, "wait": best.wait,
                 "interval": best.interval},
    }
    for prefix, arena in _arenas(run).items():
        arrays |= dict(_named(prefix, run.values.parameters.layout, arena))
    arrays["history"] = np.array([[record[key] for key in run.recorded] for record in records], np.float64)
    if run.held_rows is not None:
        arrays["held_rows"] = run.held_rows
    file_format.write(path, header, arrays)


def read(path: str | os.PathLike[str]) -> "Saved":
    """Read a checkpoint.

    Raises
    ------
    ModelFileError
        If the file is truncated, altered, or no checkpoint.
    OSError
        If it cannot be read.
    """
    header, arrays = file_format.read(path)
    if header.get("kind") != files.CHECKPOINT:
        raise file_format.ModelFileError(f"{os.fspath(path)!r} is no checkpoint of a run: "
                                         f"it holds {header.get('kind')!r}")
    return Saved(os.fspath(path), header, arrays)


class Saved:
    """What a checkpoint holds."""

    def __init__(self, path: str, header: dict[str, Any], arrays: dict[str, NDArray[Any]]) -> None:
        self.path, self.header, self.arrays = path, header, arrays

    def held_out_of(self, m: int) -> NDArray[np.int64]:
        """Return the positions that `validation_fraction` held out of m examples.

        Raises
        ------
        ValueError
            If there are none, or they do not fit.
        """
        rows = self.arrays.get("held_rows")
        if rows is None:
            raise ValueError(f"{self.path!r} is of a run without validation_fraction")
        good = rows.dtype == np.int64 and rows.ndim == 1 and 0 < len(rows) < m
        if not good or rows[0] < 0 or rows[-1] >= m or not (np.diff(rows) > 0).all():
            raise ValueError(f"{self.path!r} is of a run on other data: what it held out are not some of {m} examples")
        return rows

    def restore(self, run: "Run") -> None:
        """Set the run to where the checkpoint was written: in the last lines what belongs to the network.

        Raises
        ------
        ValueError
            If the run is not one of the same kind, or has fewer epochs than were made already.
        ModelFileError
            If the file lacks something, or holds something else in its place.
        """
        self._compare(run)
        try:
            header, arrays = self.header, self.arrays
            rng = _decode_generator(header["generator"])
            theta = np.empty_like(run.values.parameters.theta)
            for prefix, arena in {**_arenas(run), "": theta}.items():
                for name, view in _named(prefix, run.values.parameters.layout, arena):
                    if arrays[name].shape != view.shape or arrays[name].dtype != view.dtype:
                        raise ValueError(f"its {name} has another shape or dtype")
                    view[...] = arrays[name]
            run.pace.restore(header["pace"])
            if run.watch is not None:
                run.watch.restore(header["watch"])
            _restore_best(run, header["best"])
            step_count = checks.count(header["state"]["step_count"], "step_count", 0, 2**63 - 1)
            dropout_seed = checks.count(header["state"]["dropout_seed"], "dropout_seed", 0, 2**63 - 1)
            if arrays["history"].shape[1:] != (len(run.recorded),):
                raise ValueError("its history has other columns")
            rows = [dict(zip(run.recorded, row, strict=True)) for row in arrays["history"].tolist()]
            history = History([row | {"epoch": int(row["epoch"])} for row in rows])
        except (LookupError, TypeError, ValueError, OverflowError) as error:
            raise file_format.ModelFileError(f"{self.path!r} is damaged: {error}") from error
        if len(history) > run.settings.epochs:
            raise ValueError(f"{self.path!r} is of epoch {len(history)}, but epochs={run.settings.epochs}, the total, "
                             "is less")
        run.epoch, run.history.records = len(history), history.records
        run.state.step_count[0], run.state.dropout_seed = step_count, dropout_seed
        np.copyto(run.values.parameters.theta, theta)
        run.take_generator(rng)

    def _compare(self, run: "Run") -> None:
        """Refuse another network, or another run: whatever its bits depend on must be the same."""
        described = self.header.get("run")
        there = self.header | (described if isinstance(described, dict) else {})
        here = files.describe(run.values)[0] | run.describe()
        for key, value in here.items():
            if key not in NOT_COMPARED and there.get(key) != value:
                raise ValueError(f"{self.path!r} cannot be resumed here: it has {key}={there.get(key)}, this fit "
                                 f"{key}={value}")


def _arenas(run: "Run") -> dict[str, NDArray[Any]]:
    """Return every arena beside the parameters' own, by the prefix of its arrays' names."""
    return {"best.": run.best.copy, **{f"state{s}.": arena for s, arena in enumerate(run.state.arenas)}}


def _named(prefix: str, layout: ParameterLayout, arena: NDArray[Any]) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield the name and the view of each W and b: files do not depend on the arena's storage order."""
    for symbol, views in zip("Wb", layout.views(arena), strict=True):
        for l, view in enumerate(views, 1):
            yield f"{prefix}{symbol}{l}", view


def _restore_best(run: "Run", saved: Mapping[str, Any]) -> None:
    value, epoch = saved["value"], saved["epoch"]
    run.best.value = inf if value is None else checks.number(value, "value")
    run.best.epoch = None if epoch is None else checks.count(epoch, "epoch")
    run.best.wait = checks.count(saved["wait"], "wait")
    run.best.interval = checks.count(saved["interval"], "interval")


def encode_generator(rng: np.random.Generator) -> dict[str, Any]:
    """Return a generator's state as JSON can hold it.

    Raises
    ------
    ValueError
        If its bit generator is none of NumPy's.
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
