from typing import Any

from numpy.typing import NDArray

def narrow_columns(X: NDArray[Any], spacings: float) -> list[int]: ...
