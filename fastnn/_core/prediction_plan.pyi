from collections.abc import Sequence
from typing import Any

from numpy.typing import NDArray

Array = NDArray[Any]

class Forward:
    team: int
    def __init__(
        self,
        *,
        level: int,
        sizes: Sequence[int],
        activations: Sequence[int],
        row_major: Sequence[bool],
        theta: Array,
        scratch: Array,
        block: int,
    ) -> None: ...
    @staticmethod
    def needed(sizes: Sequence[int], block: int) -> int: ...
    def run(self, X: Array | tuple[Array, Array, Array], out: Array, raw: bool = False) -> bool: ...
    def at_once(self, X: Any, raw: bool = False) -> Array | None: ...
    def blas_work(self, m: int) -> int: ...
