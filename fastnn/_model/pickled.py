"""The version in a pickled state."""

import re
import warnings
from collections.abc import Mapping
from typing import Any

from fastnn._version import __version__

__all__ = ["stamped", "unstamped"]

KEY = "_fastnn_version"


def stamped(state: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a state to pickle, with the version of fastnn."""
    return {**state, KEY: __version__}


def unstamped(state: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a copy of the pickled state of a `name` without its version.

    Warns
    -----
    UserWarning
        If a newer version of fastnn wrote it.
    """
    version = state.get(KEY, "0")
    if release(version) > release(__version__):
        warnings.warn(f"this {name} was pickled by fastnn {version}, which is newer than the installed {__version__}: "
                      "what that version has added is ignored", UserWarning, stacklevel=3)
    return {key: value for key, value in state.items() if key != KEY}


def release(version: Any) -> list[int]:
    """Return the numbers of a version such as 1.10.2."""
    return [int(number) for number in re.findall(r"\d+", str(version).partition("+")[0])[:3]]
