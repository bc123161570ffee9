"""The model file format: a JSON header and named arrays, written atomically and validated when read.

Files hold no pickles and nothing executable. The layout, with all integers little-endian::

    offset          bytes  content
    0               8      magic: 89 46 41 53 54 4e 4e 0a ("\\x89FASTNN\\n")
    8               4      uint32, format version: 1
    12              4      uint32, H: bytes of JSON, at most 4 MiB
    16              8      uint64, size of the whole file
    24              H      JSON, UTF-8: {"header": {...}, "arrays": [{"name", "dtype", "shape", "order"}, ...]}
    then for each array, in the order of "arrays":
                    0-63   zeros up to a multiple of 64
                    ...    the values: dtype "<f4", "<f8" or "<i8", order "C" (last index fastest) or "F" (first)
    size - 32       32     SHA-256 of every byte before it

The hash covers every byte before it, so a single altered byte is detected. It guards against accidents and is not a
signature. Arrays are allocated only after the sizes in the header were found to add up to the size of the file. Values
are read directly into their arrays.
"""

import contextlib
import errno
import hashlib
import json
import math
import os
import secrets
import stat
import struct
import sys
from collections.abc import Mapping
from typing import Any, BinaryIO, Literal, NamedTuple, NoReturn

import numpy as np

__all__ = ["ModelFileError", "read", "write"]

_MAGIC = b"\x89FASTNN\n"
_VERSION = 1
_PREFIX = struct.Struct("<8sIIQ")  # magic, version, H, size
_ALIGNMENT = 64
_DIGEST_SIZE = hashlib.sha256().digest_size
_MAX_JSON = 4 << 20
_MAX_DEPTH = 64
_MAX_DIMS = 32  # the limit of NumPy before version 2
_DTYPES = ("<f4", "<f8", "<i8")
_CHUNK = 1 << 20  # small enough that a chunk is hashed while it is still in the cache


class ModelFileError(ValueError):
    """A model file is truncated, altered, foreign or newer than this fastnn."""


class _Entry(NamedTuple):
    """The description of one array in the JSON header."""

    name: str
    dtype: str
    shape: tuple[int, ...]
    order: Literal["C", "F"]

    @property
    def n_bytes(self) -> int:
        return math.prod(self.shape) * int(self.dtype[2])


def _padding(position: int) -> int:
    """Return the number of bytes from `position` to the next multiple of 64."""
    return -position % _ALIGNMENT


def _file_size(json_size: int, entries: list[_Entry]) -> int:
    """Return the size of the whole file."""
    position = _PREFIX.size + json_size
    for entry in entries:
        position += _padding(position) + entry.n_bytes
    return position + _DIGEST_SIZE


def _flat_bytes(array: np.ndarray, order: Literal["C", "F"]) -> memoryview:
    """Return the memory of an array, contiguous in `order`, as bytes without a copy."""
    return (array.T if order == "F" else array).reshape(-1).view(np.uint8).data


# ---- writing


def write(path: str | os.PathLike[str], header: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write a model file atomically: at any time `path` is either the old file or the complete new one.

    The content is written to a temporary file in the same folder, flushed to disk and renamed to `path`. A failure at
    any point, including Ctrl-C, keeps the old file and removes the temporary one. A new file gets the permissions of
    the umask, a replaced file keeps its own. The target of a symbolic link is replaced, not the link.

    Parameters
    ----------
    path : str or os.PathLike
        The file to write.
    header : mapping
        JSON values: dict with str keys, list, str, int, finite float, bool and None. A tuple is read back as a list.
    arrays : mapping of str to ndarray
        float32, float64 or int64, with any byte order and strides. Contiguous arrays are not copied.

    Raises
    ------
    TypeError
        If the header holds a value that JSON cannot represent, or an array is not an ndarray of those dtypes.
    ValueError
        If the header holds NaN or infinity, is nested more than 64 deep, or needs more than 4 MiB, or an array has more
        than 32 dimensions.
    OSError
        If the file cannot be written.
    """
    _check_header(header, "header", 0)
    entries = [_describe(name, array) for name, array in arrays.items()]
    table = [entry._asdict() for entry in entries]
    text = json.dumps({"header": dict(header), "arrays": table}, allow_nan=False, separators=(",", ":")).encode()
    if len(text) > _MAX_JSON:
        raise ValueError(f"header must fit {_MAX_JSON} bytes of JSON, got {len(text)}: put long lists into arrays")

    target = os.path.realpath(path)
    folder = os.path.dirname(target)
    permissions = _permissions(target)
    temporary = os.path.join(folder, f".fastnn-{secrets.token_hex(8)}.tmp")
    try:
        with open(temporary, "xb") as file:
            if permissions is not None and os.name == "posix":
                os.chmod(temporary, permissions)
            digest = hashlib.sha256()
            position = 0

            def put(data: bytes | memoryview) -> None:
                nonlocal position
                for start in range(0, len(data), _CHUNK):
                    chunk = data[start : start + _CHUNK]
                    digest.update(chunk)
                    file.write(chunk)
                position += len(data)

            put(_PREFIX.pack(_MAGIC, _VERSION, len(text), _file_size(len(text), entries)))
            put(text)
            for entry, array in zip(entries, arrays.values(), strict=True):
                put(bytes(_padding(position)))
                put(_flat_bytes(np.asarray(array, entry.dtype, entry.order), entry.order))
            file.write(digest.digest())
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, target)
    except BaseException:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        raise
    _sync_folder(folder)


def _check_header(value: object, where: str, depth: int) -> None:
    """Raise for a header that JSON does not round-trip."""
    if depth > _MAX_DEPTH:
        raise ValueError(f"header must be nested at most {_MAX_DEPTH} deep")
    if isinstance(value, Mapping if depth == 0 else dict):
        for key, item in value.items():
            if not isinstance(key, str):  # json would turn 1 into "1"
                raise TypeError(f"{where} must have str keys, got {key!r}")
            _check_header(item, f"{where}[{key!r}]", depth + 1)
    elif depth == 0:
        raise TypeError(f"header must be a dict, got {type(value).__name__}")
    elif isinstance(value, (list, tuple)):
        for index, item in enumerate(value):
            _check_header(item, f"{where}[{index}]", depth + 1)
    elif isinstance(value, float):
        if not math.isfinite(value):
            raise ValueError(f"{where} must be a finite number, got {value}")
    elif not (value is None or isinstance(value, (str, int))):
        raise TypeError(f"{where} must be a dict, list, str, int, float, bool or None, got {type(value).__name__}")


def _describe(name: str, array: np.ndarray) -> _Entry:
    if not isinstance(name, str):
        raise TypeError(f"arrays must have str keys, got {name!r}")
    if not isinstance(array, np.ndarray):
        raise TypeError(f"arrays[{name!r}] must be an ndarray, got {type(array).__name__}")
    dtype = array.dtype.newbyteorder("<").str
    if dtype not in _DTYPES:
        raise TypeError(f"arrays[{name!r}] must be of float32, float64 or int64, got {array.dtype}")
    if array.ndim > _MAX_DIMS:
        raise ValueError(f"arrays[{name!r}] must have at most {_MAX_DIMS} dimensions, got {array.ndim}")
    return _Entry(name, dtype, array.shape, "F" if array.flags.fnc else "C")


def _permissions(target: str) -> int | None:
    """Return the permission bits of the file to replace, or None if there is none."""
    try:
        mode = os.stat(target).st_mode
    except FileNotFoundError:
        return None
    if not stat.S_ISREG(mode):  # replacing a folder, device or pipe is never intended
        raise OSError(errno.EINVAL, "a model can only replace a regular file", target)
    return stat.S_IMODE(mode)


def _sync_folder(folder: str) -> None:
    """Make the rename durable; Windows and some file systems cannot sync a folder."""
    if hasattr(os, "O_DIRECTORY"):
        with contextlib.suppress(OSError):
            descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            try:
                os.fsync(descriptor)
            finally:
                os.close(descriptor)


# ---- reading


def read(path: str | os.PathLike[str]) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """Read and validate a model file.

    Parameters
    ----------
    path : str or os.PathLike
        A file written by `write`.

    Returns
    -------
    header : dict
    arrays : dict of str to ndarray
        Writable arrays in native byte order that own their memory, each C- or F-ordered as written.

    Raises
    ------
    ModelFileError
        If the file is truncated, altered, foreign, or written by a newer fastnn. The message names it.
    OSError
        If the file cannot be read.
    """
    name = os.fspath(path)
    with open(name, "rb") as file:
        try:
            return _read(file)
        except ModelFileError as error:
            raise ModelFileError(f"{name!r} {error}") from error.__cause__


class _HashingReader:
    """Reads a file sequentially, hashes every byte and counts the bytes in `position`."""

    def __init__(self, file: BinaryIO) -> None:
        self.file, self.position, self.digest = file, 0, hashlib.sha256()

    def fill(self, view: memoryview) -> None:
        """Fill `view` with the next bytes."""
        start = 0
        while start < len(view):
            chunk = view[start : start + _CHUNK]
            count = self.file.readinto(chunk)  # type: ignore[attr-defined]  # typeshed's BinaryIO lacks it
            if not count:
                raise ModelFileError("is truncated: it shrank while it was read")
            self.digest.update(chunk[:count])
            start += count
        self.position += len(view)

    def take(self, size: int) -> bytearray:
        """Return the next `size` bytes."""
        data = bytearray(size)
        self.fill(memoryview(data))
        return data


def _read(file: BinaryIO) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    reader = _HashingReader(file)
    json_size, size = _read_prefix(reader, os.fstat(file.fileno()).st_size)
    header, entries = _parse(reader.take(json_size))
    if _file_size(json_size, entries) != size:
        raise ModelFileError(f"is damaged: its arrays claim {_file_size(json_size, entries)} bytes, but it has {size}")
    arrays = {}
    for entry in entries:
        reader.take(_padding(reader.position))
        array = np.empty(entry.shape, entry.dtype, entry.order)
        reader.fill(_flat_bytes(array, entry.order))
        arrays[entry.name] = array
    if file.read(_DIGEST_SIZE) != reader.digest.digest():
        raise ModelFileError("is damaged: its checksum does not match its content")
    # Copies on big-endian hosts only.
    return header, {key: array.astype(array.dtype.newbyteorder("="), copy=False) for key, array in arrays.items()}


def _read_prefix(reader: _HashingReader, real_size: int) -> tuple[int, int]:
    """Check the prefix of a file of `real_size` bytes; return the size of its JSON and of the whole file."""
    prefix = reader.take(min(_PREFIX.size, real_size))
    if not prefix.startswith(_MAGIC):
        raise ModelFileError("is not a fastnn model file")
    if len(prefix) < _PREFIX.size:
        raise ModelFileError(f"is truncated: it has only {real_size} bytes")
    _, version, json_size, size = _PREFIX.unpack(prefix)
    if version > _VERSION:
        raise ModelFileError(f"was written by a newer fastnn: it has format {version}, this fastnn reads {_VERSION}")
    if version < 1:
        raise ModelFileError("is damaged: it has format version 0")
    if size != real_size:
        state = "truncated" if real_size < size else "damaged"
        raise ModelFileError(f"is {state}: it must have {size} bytes, but has {real_size}")
    if json_size > min(_MAX_JSON, size - _PREFIX.size - _DIGEST_SIZE):
        raise ModelFileError(f"is damaged: its header claims {json_size} bytes")
    return json_size, size


def _parse(text: bytearray) -> tuple[dict[str, Any], list[_Entry]]:
    """Parse the JSON strictly, since its checksum is not verified yet."""

    def refuse_constant(constant: str) -> NoReturn:
        raise ValueError(f"{constant} is not allowed")

    def finite(number: str) -> float:
        value = float(number)
        return value if math.isfinite(value) else refuse_constant(number)

    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        result = dict(pairs)
        if len(result) < len(pairs):
            raise ValueError("a key is there twice")
        return result

    try:
        content = json.loads(
            text.decode("utf-8"), object_pairs_hook=unique, parse_constant=refuse_constant, parse_float=finite
        )
    except (ValueError, RecursionError) as error:
        raise ModelFileError(f"is damaged: its header is not valid JSON ({error})") from error
    match content:
        case {"header": dict() as header, "arrays": list() as table, **rest} if not rest:
            entries = [_entry(item) for item in table]
        case _:
            raise ModelFileError("is damaged: its header has the wrong fields")
    if len({entry.name for entry in entries}) < len(entries):
        raise ModelFileError("is damaged: two of its arrays have one name")
    return header, entries


def _entry(item: object) -> _Entry:
    match item:
        case {"name": str(name), "dtype": str(dtype), "shape": list(shape), "order": "C" | "F" as order, **rest}:
            is_shape = len(shape) <= _MAX_DIMS and all(type(n) is int and n >= 0 for n in shape)
            # Zeros count as 1: NumPy refuses an empty array whose other dimensions overflow.
            if not rest and dtype in _DTYPES and is_shape and math.prod(n or 1 for n in shape) <= sys.maxsize // 8:
                return _Entry(name, dtype, tuple(shape), order)
    raise ModelFileError("is damaged: an array has a wrong name, dtype, shape or order")
