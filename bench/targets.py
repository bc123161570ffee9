"""Performance targets, relative to the best competitor or to the reference."""

SMALL = ("iris", "digits")
SHUFFLED_EPOCH = 1.08  # of the time of an epoch in order
ACCURACY = 0.5  # of the best competitor's time to 88 % on Fashion-MNIST
IMPORT = 30.0  # milliseconds beyond NumPy and SciPy
FIT_MEMORY = 60.0  # MB at the peak of a fit, beyond the data
MAP_GROWTH = 10.0  # MB that ten times the rows of a memory map may add; a kept order of 1e6 rows takes 8
SLOPE_TOLERANCE = 0.1  # of the slope of the multiply-adds


def step_peer(network: str, dtype: str, n_threads: int) -> float:
    """The target of a training step, relative to the best competitor's time."""
    if dtype == "float64":
        return 0.95
    if network in SMALL:
        return 0.6
    return 0.7 if n_threads > 1 and network in ("tab", "fmnist", "course") else 0.9


def step_reference(network: str, dtype: str, n_threads: int) -> float | None:
    """The target of a training step, relative to `reference`."""
    if dtype == "float64":
        return None
    if network in SMALL:
        return 1.3
    return 1.05 if n_threads == 1 or network == "course" else 1.0


def reference(network: str, us: dict[str, float]) -> float:
    """The reference of a step: its matrix products by BLAS, and Adam's memory traffic.

    Small products are timed in compiled code, because the calls from Python would dominate. The course's network reads
    the large X once per step, so its reference is the products only.
    """
    if network == "course":
        return us["GEMM alone"]
    return us["GEMM compiled" if network in SMALL else "GEMM alone"] + us["update"]


def predict(network: str, dtype: str, rows: int) -> tuple[str | None, float | None]:
    """The system to compare a prediction with (None: the fastest), and the target relative to its time, if any."""
    if dtype == "float64":
        return None, None
    if rows == 1:
        return "onnxruntime", 0.5 if network in SMALL else 0.8
    if rows < 1000:
        return "onnxruntime", 0.8
    return None, 0.7 if network in SMALL else 0.92 if network in ("tab", "fmnist") else None
