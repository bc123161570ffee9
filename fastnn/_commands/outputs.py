"""Files that the commands write: checked before the work, and never left half-written."""

import os
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from fastnn._commands.table_files import TableError

__all__ = ["check_outputs", "replacing"]


def check_outputs(outputs: Sequence[str | None], inputs: Sequence[str]) -> None:
    """Raise a TableError if a file cannot be created, or would overwrite an input or another output."""
    used = {os.path.realpath(path) for path in inputs}
    for output in outputs:
        if output is None:
            continue
        folder = Path(output).parent
        if os.path.realpath(output) in used:
            raise TableError(f"{output} would be overwritten: it is a file of the same command; choose another name")
        if os.path.isdir(output):
            raise TableError(f"{output} cannot be written: it is a folder")
        if not folder.is_dir():
            raise TableError(f"{output} cannot be written: there is no folder {folder}")
        if not os.access(folder, os.W_OK):
            raise TableError(f"{output} cannot be written: the folder {folder} is read-only")
        used.add(os.path.realpath(output))


@contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[str]:
    """Give the name of a new file beside `path`; rename it to `path` afterwards, or remove it after an error."""
    path = Path(path)
    handle, partial = tempfile.mkstemp(dir=path.parent, prefix=path.name, suffix=".partial")
    os.close(handle)
    try:
        yield partial
        os.chmod(partial, 0o666 & ~_umask())
        os.replace(partial, path)
    except BaseException:
        os.unlink(partial)
        raise


def _umask() -> int:
    mask = os.umask(0)
    os.umask(mask)
    return mask
