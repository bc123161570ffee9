from typing import Final

ACTIVATIONS: Final[tuple[str, ...]]
LOSSES: Final[tuple[str, ...]]
RULES: Final[tuple[str, ...]]
FUNCTIONS: Final[tuple[str, ...]]
ALL_LEVELS: Final[tuple[str, ...]]
LEVELS: Final[tuple[str, ...]]
KEEPS_Z: Final[tuple[str, ...]]
RECTIFIERS: Final[tuple[str, ...]]
BY_UNITS: Final[tuple[str, ...]]
FROM_Z: Final[tuple[str, ...]]
PLAIN: Final[int]
NUMBER: Final[int]
CATEGORY: Final[int]
STATES: Final[dict[str, int]]

def activation_code(name: str) -> int: ...
def loss_code(name: str) -> int: ...
def rule_code(name: str) -> int: ...
def function_code(name: str) -> int: ...
