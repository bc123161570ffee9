"""The progress bar of a fit."""

from typing import Any

__all__ = ["progress_bar"]


def progress_bar() -> Any:
    """Return tqdm's class.

    Raises
    ------
    ImportError
        If tqdm is not installed.
    """
    try:
        from tqdm.auto import tqdm
    except ImportError:
        raise ImportError("a progress bar needs tqdm: pip install 'fastnn[progress]'") from None
    return tqdm
