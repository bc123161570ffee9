"""Performance targets, relative to the best competitor or to a reference; `checks.py` compares figures with them.

`isa` is the SIMD level of a run, which `--isa` or the machine sets. AVX-512 has its own targets of a step, because the
kernels of the competitors differ; AVX2's hold for the other levels.
"""

from typing import NamedTuple

SMALL = ("iris", "digits")
SHUFFLED_EPOCH = 1.08  # of the time of an epoch in order
ACCURACY = 0.5  # of the best competitor's time to 88 % on Fashion-MNIST
IMPORT = 30.0  # milliseconds beyond NumPy and SciPy
FIT_MEMORY = 60.0  # MB at the peak of a fit, beyond the data
MAP_GROWTH = 10.0  # MB that ten times the rows of a memory map may add; a kept order of 1e6 rows takes 8
SLOPE_TOLERANCE = 0.1  # of the slope of the multiply-adds
TABLE_MEAN, TABLE_WORST = 1.0, 1.04  # of RealMLP-TD's error: mean over the tables, and each table
TABLE_TIME, TABLE_TIME_ROWS = 0.1, 3000  # of RealMLP-TD's time, on tables with more rows
TABLE_SKLEARN = 1.0  # of the error of scikit-learn's MLPs, on each table
TABLE_ENSEMBLE = 1.0  # mean error of five models relative to one
TABLE_WINS = 4  # of the eight tables, on which five models have a lower error than LightGBM
PEAK_SHAPES = ((256, 256, 512), (784, 128, 128), (1024, 1024, 256))  # n[l-1], n[l], m of the products below


class Limit(NamedTuple):
    """A bound on a figure: the highest value allowed, or the lowest."""

    bound: float
    lowest: bool = False


# Targets that are single numbers. A suite reports a figure for one of them by a row {"cell": the case, as text,
# "targets": {name: value}, ...}; `python bench` then prints the missed ones, and the report lists them.
LIMITS = {
    "products: part of the FMA peak": Limit(0.92, lowest=True),  # Z, dW and dA of PEAK_SHAPES, by the chosen kernel
    "epoch of a fit of iris, us": Limit(16.0),
    "fixed cost of a fit / scikit-learn's validation": Limit(1 / 3),
    "GridSearchCV, n_jobs=2 by threads: speed-up": Limit(1.8, lowest=True),
    "GridSearchCV, n_jobs=2 by processes / one thread each": Limit(1.1),
    "prediction of a row, trained on a frame - on arrays, us": Limit(3.0),
    "with subnormal numbers / without": Limit(1.1),
    "simulated loop on arm64: part of its limit": Limit(0.9, lowest=True),
    "fit of 1,000 rows, s": Limit(3.0),
    "fit with time_limit=60, s": Limit(66.0),
    "peak memory without the table, GB": Limit(1.0),  # of the process, in the fit of a million rows x 30 columns
    "error / that of the commonest class": Limit(0.5),  # in the same fit; the best possible is 0.2
    "encoded numbers of a row, us": Limit(30.0),  # 20 columns of an array
    "encoder: peak memory without table and output, GB": Limit(0.2),
    "kernels of the input stage / step": Limit(0.15),  # of 20 numbers, 3 x 256 units, batch 256, float32, one thread
    "input stage / step": Limit(0.15),  # likewise, with the derivative of A[0]
    "prediction of a row with input stage / without": Limit(3.0),
    "team chosen at run time / the better of one and two threads": Limit(1.1),
}


def step_peer(network: str, dtype: str, n_threads: int, isa: str) -> float:
    """The target of a training step, relative to the best competitor's time."""
    if isa != "avx512":
        return 0.85 if n_threads == 1 or network == "wide" else 0.7
    if dtype == "float64":
        return 0.95
    if network in SMALL:
        return 0.6
    return 0.7 if n_threads > 1 and network in ("tab", "fmnist", "course") else 0.9


def step_reference(network: str, dtype: str, n_threads: int, isa: str) -> float | None:
    """The target of a training step, relative to `reference`."""
    if isa != "avx512":
        return 1.0 if n_threads == 1 else None
    if dtype == "float64":
        return None
    if network in SMALL:
        return 1.3
    return 1.05 if n_threads == 1 or network == "course" else 1.0


def step_threads(isa: str) -> float | None:
    """The target of a training step on several threads, relative to its time on one."""
    return None if isa == "avx512" else 1.0


def reference(network: str, us: dict[str, float], isa: str) -> float:
    """The reference of a step: its matrix products by BLAS, on AVX-512 with Adam's memory traffic.

    On AVX-512 small products are timed in compiled code, because the calls from Python would dominate. The course's
    network reads the large X once per step, so its reference is the products only.
    """
    if network == "course" or isa != "avx512":
        return us["GEMM alone"]
    return us["GEMM compiled" if network in SMALL else "GEMM alone"] + us["update"]


def predict(network: str, dtype: str, rows: int, isa: str) -> tuple[str | None, float | None]:
    """The system to compare a prediction with (None: the fastest), and the target relative to its time, if any."""
    if dtype == "float64":
        return None, None
    if rows == 1:
        return None, 0.8
    if rows < 1000:
        return "onnxruntime", 0.8
    return None, 0.7 if isa == "avx512" and network in SMALL else 0.9
