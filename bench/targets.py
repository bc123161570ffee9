"""What is to be reached, as fractions of another system's time or of the floor: an ideal that the report holds up."""

SMALL = ("iris", "digits")


def step_peer(workload: str, dtype: str, n_threads: int) -> float:
    """Of the best peer's time for a step."""
    if dtype == "float64":
        return 0.95
    if workload in SMALL:
        return 0.6
    return 0.7 if n_threads > 1 and workload in ("tab", "fmnist", "course") else 0.9


def step_floor(workload: str, dtype: str, n_threads: int) -> float | None:
    """Of the floor that `floor` gives."""
    if dtype == "float64":
        return None
    if workload in SMALL:
        return 1.3
    return 1.05 if n_threads == 1 or workload == "course" else 1.0


def floor(workload: str, us: dict[str, float]) -> float:
    """The products alone and Adam's way to memory: small products timed by compiled calls, as calling them from Python
    would count; of the course's network, which reads X once, the products only."""
    if workload == "course":
        return us["GEMM alone"]
    return us["GEMM compiled" if workload in SMALL else "GEMM alone"] + us["update"]


def predict(workload: str, dtype: str, rows: int) -> tuple[str | None, float | None]:
    """The system to compare with (None: the best), and the fraction of its time, where there is a target."""
    if dtype == "float64":
        return None, None
    if rows == 1:
        return "onnxruntime", 0.5 if workload in SMALL else 0.8
    if rows < 1000:
        return "onnxruntime", 0.8
    return None, 0.7 if workload in SMALL else 0.92 if workload in ("tab", "fmnist") else None
