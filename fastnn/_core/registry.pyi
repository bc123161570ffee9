from typing import Final

ACTIVATIONS: Final[tuple[str, ...]]
LOSSES: Final[tuple[str, ...]]
RULES: Final[tuple[str, ...]]
FUNCTIONS: Final[tuple[str, ...]]
ALL_LEVELS: Final[tuple[str, ...]]
LEVELS: Final[tuple[str, ...]]
KEEPS_Z: Final[tuple[str, ...]]
FROM_Z: Final[tuple[str, ...]]
STATES: Final[dict[str, int]]
